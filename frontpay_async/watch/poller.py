"""Polling for all waiting tasks, within those tasks.

There is no background task. One of the waiting tasks is the *leader*: it sleeps until a poll is due, and runs
the polls as its child tasks, so that nothing outlives the call. The other tasks wait for an event. When the
leader finishes, times out or is cancelled, another waiter takes over and first repeats the polls that were in
flight.

At most one poll waits at the rate governor, and its watch is chosen when it is admitted, because a callback
may arrive in the meantime. At most ``MOST_AT_ONCE`` polls are in flight, or ``MOST_IN_FLIGHT`` including hung
ones: a poll without a response for some seconds is repeated, and the first response counts.

The polls run in a separate context (``contextvars``), so the leader's spans, log fields and decimal precision
do not affect them.
"""

from __future__ import annotations

import copy
import math
from contextvars import Context
from typing import TYPE_CHECKING, cast

import anyio
from attrs import define, evolve, field

from frontpay_async._protocol.operations import LIST_ORDER_STATUSES
from frontpay_async._protocol.parse import consequence
from frontpay_async._protocol.retry_policy import may_pass
from frontpay_async._transport.call import CallOptions
from frontpay_async.errors import (
    APIError,
    AuthenticationError,
    ConfigurationError,
    FrontPayError,
    NotFoundError,
    NotSentError,
    Outcome,
    WatchTimeoutError,
)
from frontpay_async.priority import Priority
from frontpay_async.settings import RetryPolicy
from frontpay_async.watch.kinds import KINDS, Watch, WatchState, paid_back_in, status_in
from frontpay_async.watch.lazy_heap import LazyHeap
from frontpay_async.watch.schedule import CLOSEST, HEDGE_AFTER, Schedule, Sweep
from frontpay_async.watch.subscription import MAY_STILL, Subscription

if TYPE_CHECKING:
    from collections.abc import Collection
    from decimal import Decimal

    from frontpay_async._protocol.messages import HttpRequest
    from frontpay_async._protocol.operations import Operation
    from frontpay_async._session import Session
    from frontpay_async.models.listing import Listing
    from frontpay_async.models.orders import OrderStatusEntry
    from frontpay_async.models.statuses import Status
    from frontpay_async.settings import Timeouts

GRACE = 10.0
"""Seconds during which a 404 means that the API does not know the order yet."""
MOST_AT_ONCE = 8
MOST_IN_FLIGHT = 32
POLL_WITHIN = 30.0
"""Seconds after which a poll in flight is abandoned."""

# After a sleep, a clock may be short of the deadline by a rounding error.
_TICK = 0.0001
# The part of an even share of the rate that is assumed, however little is left of this window.
_LEAST_BUDGET = 0.05
# In this last part of a window, what is left says nothing about the next window.
_EDGE = 0.1
_SPREAD = 0.8
# One or two watches are already spread by the minimum interval per watch, so their polls may be faster.
_FEW = 2
_AHEAD = 1.5
# How many followers share one event; those without a result wait again.
_SHARERS = 16
# A poll hangs if it takes this multiple of the mean; and the weight of the latest poll in that mean.
_HANGS = 3.0
_SMOOTHING = 0.2
# The pause after an unused permit.
_SHORT_WHILE = 0.05


class _NothingToAskError(Exception):
    """The poll was admitted, but by then nothing was due."""


@define(eq=False)
class _Flight:
    """A poll under way; it counts as hung after ``hangs_at``, and ``repeats`` one that hangs."""

    asked: Watch | Sweep
    started: float
    hangs_at: float
    repeats: bool = False
    hung: bool = False
    # Abandoned because a later poll of the same watch got a response.
    superseded: bool = False

    @property
    def is_latest(self) -> bool:
        """Whether it is the latest poll of its watch."""
        asked = self.asked
        return isinstance(asked, Watch) and asked.state is WatchState.ASKED and asked.asked_at == self.started


@define(eq=False, repr=False)
class Poller:
    """Poll for all readers of a client.

    Args:
        session: Executes the polls.
        timeouts: Time limits of a poll's phases; the callers' timeouts limit the whole wait.
        grace: Seconds during which a 404 means that the API does not know the order yet.
    """

    session: Session
    timeouts: Timeouts
    grace: float = GRACE
    schedule: Schedule = field(init=False, factory=Schedule)
    polls: int = field(init=False, default=0)
    sweeps: int = field(init=False, default=0)
    decided: int = field(init=False, default=0)
    _options: CallOptions = field(init=False)
    # The readers of each watch.
    _readers: dict[Watch, tuple[Subscription, ...]] = field(
        init=False, factory=dict[Watch, tuple[Subscription, ...]]
    )
    _deadlines: LazyHeap[Subscription] = field(init=False, factory=LazyHeap[Subscription])
    _leader: Subscription | None = field(init=False, default=None)
    _event: anyio.Event | None = field(init=False, default=None)
    _sharers: int = field(init=False, default=0)
    _sleep: anyio.CancelScope | None = field(init=False, default=None)
    _asking: bool = field(init=False, default=False)
    _under_way: dict[anyio.CancelScope, _Flight] = field(init=False, factory=dict[anyio.CancelScope, _Flight])
    _budget: float = field(init=False, default=1 / CLOSEST)
    _not_before: float = field(init=False, default=-math.inf)
    # The mean seconds of a response to a poll.
    _took: float = field(init=False, default=0.0)

    def __attrs_post_init__(self) -> None:
        self._options = CallOptions(
            timeouts=evolve(self.timeouts, total=None),
            retry=RetryPolicy(attempts=1),
            priority=Priority.WATCH,
        )
        self.session.at_close.append(self.close)

    def begin(
        self,
        watch: Watch,
        patience: float | None,
        *,
        until: Collection[str] | None = None,
        every: bool = False,
        paid_back_beyond: Decimal | None = None,
    ) -> Subscription:
        """Add a reader of a scheduled watch for the duration of a ``with`` block."""
        now = self.session.clock.now()
        deadline = math.inf if patience is None else now + patience
        subscription = Subscription(self.leave, watch, deadline, patience, until, every, paid_back_beyond)
        # The status of a watch without a reader may be minutes old.
        fresh = watch in self._readers
        self._readers[watch] = (*self._readers.get(watch, ()), subscription)
        if subscription.deadline < math.inf:
            self._deadlines.push(subscription, subscription.deadline)
        if every and fresh and watch.seen_at > -math.inf and watch.status is not None:
            subscription.take(watch.status)
        elif every:
            self.schedule.hasten(watch, now)
        self.poke()
        return subscription

    def leave(self, subscription: Subscription) -> None:
        """Remove a reader; a watch without readers is no longer polled."""
        if subscription.place:
            self._deadlines.drop(subscription)
        subscriptions = self._readers.get(subscription.watch, ())
        if subscription in subscriptions:
            others = tuple(each for each in subscriptions if each is not subscription)
            if others:
                self._readers[subscription.watch] = others
            else:
                del self._readers[subscription.watch]
                if subscription.error is None or isinstance(subscription.error, WatchTimeoutError):
                    self.schedule.leave(subscription.watch, self.session.clock.now())
                else:
                    self.schedule.end(subscription.watch)

    async def next(self, subscription: Subscription) -> Status:
        """Wait for the next change of a reader, and poll for all watches if no other task does."""
        try:
            while not subscription.served:
                if self._leader is None:
                    self._leader = subscription
                if self._leader is subscription:
                    await self._lead(subscription)
                else:
                    subscription.event = self._shared_event()
                    await subscription.event.wait()
                    subscription.event = None
        finally:
            subscription.event = None
            if self._leader is subscription:
                self._leader = None
                self._name_the_next()
        if subscription.changes:
            return subscription.next()
        assert subscription.error is not None  # noqa: S101 - for the type checkers
        raise subscription.error

    def poke(self) -> None:
        """Make the leader check again what is due."""
        if self._sleep is not None:
            self._sleep.cancel()
            self._sleep = None

    def oldest_update(self) -> float | None:
        """Return the seconds since the stalest watch was updated, None without watches; in any thread."""
        # Copied atomically, because the event loop's thread continues.
        watches = tuple(self.schedule.watches.values())
        now = self.session.clock.now()
        return max((now - max(watch.looked_at, watch.began) for watch in watches), default=None)

    def close(self) -> None:
        """End all watches, because the client was closed."""
        self._fail_all(NotSentError("watch: stopped: the client was closed"))

    def _shared_event(self) -> anyio.Event:
        """Return the event for a follower; a few share one, because an event takes almost a kilobyte."""
        if self._event is None or self._event.is_set() or self._sharers >= _SHARERS:
            self._event, self._sharers = anyio.Event(), 0
        self._sharers += 1
        return self._event

    def _name_the_next(self) -> None:
        # The latest arrival is the most likely to stay.
        for subscriptions in reversed(self._readers.values()):
            for subscription in subscriptions:
                if subscription.event is not None:
                    self._leader = subscription
                    subscription.wake()
                    return

    async def _lead(self, subscription: Subscription) -> None:
        clock = self.session.clock
        async with anyio.create_task_group() as children:
            while True:
                now = clock.now()
                self._expire(now)
                if subscription.served:
                    break
                until = self._due(now)
                if until <= now:
                    self._asking = True
                    _ = Context().run(children.start_soon, self._poll)
                    until = math.inf
                deadline = self._deadlines.first()
                until = min(until, deadline[0] if deadline else math.inf)
                for flight in self._under_way.values():
                    until = min(
                        until, flight.started + POLL_WITHIN, math.inf if flight.hung else flight.hangs_at
                    )
                with anyio.CancelScope() as scope:
                    self._sleep = scope
                    if until < math.inf:
                        await clock.sleep(max(until - now, _TICK))
                    else:
                        await anyio.sleep_forever()
                self._sleep = None
            children.cancel_scope.cancel()

    def _due(self, now: float) -> float:
        """Return when the next poll may be begun."""
        answering = sum(not flight.hung and not flight.repeats for flight in self._under_way.values())
        if self._asking or answering >= MOST_AT_ONCE or len(self._under_way) >= MOST_IN_FLIGHT:
            return math.inf
        self._budget = self._look_at_rate()
        return max(self.schedule.wakes(now, self._budget), self._not_before)

    def _look_at_rate(self) -> float:
        """Return about how many polls a second there are, and spread them."""
        limit = self.session.rate.limit
        statistics = self.session.rate.statistics()
        if limit.requests is None or statistics is None:
            return 1 / CLOSEST
        even = statistics.limit / limit.window
        ends_in = statistics.window_ends_in
        left = even
        if ends_in is not None and ends_in > limit.window * _EDGE:
            left = max(statistics.remaining / ends_in, _LEAST_BUDGET * even)
        seconds = limit.window if ends_in is None else ends_in
        self.schedule.set_price(self.session.clock.now(), statistics.remaining, seconds)
        # Slightly faster than an even rate, so that rounding errors leave nothing unused.
        ahead = _AHEAD if len(self.schedule.watches) <= _FEW else 1.0
        self.schedule.least_gap = _SPREAD / (max(left, even) * ahead)
        return min(left, even)

    def _expire(self, now: float) -> None:
        """End timed-out readers and polls; repeat hung polls."""
        while (first := self._deadlines.first()) and first[0] <= now:
            subscription = self._deadlines.pop()
            if not subscription.over:
                subscription.fail(subscription.too_late())
                self.leave(subscription)
        for scope, flight in self._under_way.items():
            if now >= flight.started + POLL_WITHIN:
                scope.cancel()
            elif not flight.hung and now >= flight.hangs_at:
                flight.hung = True
                if isinstance(flight.asked, Sweep):
                    self.schedule.sweep_hangs(now)
                elif flight.is_latest:
                    self.schedule.hedge(flight.asked, now)

    async def _poll(self) -> None:
        flight: _Flight | None = None
        chosen: HttpRequest | None = None
        waits = True
        with anyio.CancelScope() as scope:

            async def choose(_: HttpRequest) -> HttpRequest:
                nonlocal flight, chosen, waits
                if chosen is not None:
                    # The same again, with a renewed token.
                    return chosen
                self._asking = waits = False
                flight = self._under_way[scope] = self._take()
                self.poke()
                chosen = self._request(flight.asked)
                return chosen

            try:
                options = evolve(self._options, before_send=choose)
                answer = await self.session.execute(_ANY, options, tentative=True)
            except _NothingToAskError:
                pass
            except FrontPayError as error:
                failed, flight = flight, None
                self._failed(failed, error)
            else:
                assert flight is not None  # noqa: S101 - chosen before it was sent
                answered, flight = flight, None
                self._answered(answered, answer)
            finally:
                self._under_way.pop(scope, None)
                if waits:
                    self._asking = False
                self._give_up(flight, late=scope.cancel_called)
                self.poke()

    def _take(self) -> _Flight:
        now = self.session.clock.now()
        # Uses the budget from before the permit, which is part of the remaining budget.
        asked = self.schedule.take(now, self._budget)
        if asked is None:
            self._not_before = now + _SHORT_WHILE
            raise _NothingToAskError
        if self.session.rate.limit.requests is None:
            # No other task holds it back.
            self._not_before = now + CLOSEST
        if isinstance(asked, Sweep):
            return _Flight(asked, now, now + self.schedule.sweeps.patience(HEDGE_AFTER))
        patience = max(HEDGE_AFTER, _HANGS * self._took)
        return _Flight(asked, now, now + patience * 2**asked.hedges, asked.hedges > 0)

    def _request(self, asked: Watch | Sweep) -> HttpRequest:
        if isinstance(asked, Sweep):
            self.sweeps += 1
            return self.session.request(LIST_ORDER_STATUSES)
        self.polls += 1
        return self.session.request(KINDS[asked.kind].operation, uuid=asked.order_uuid)

    def _give_up(self, flight: _Flight | None, *, late: bool) -> None:
        """Record that a poll was given up: by a leader that left, or because it took too long."""
        now = self.session.clock.now()
        if flight is None or flight.superseded:
            return
        if late:
            self.schedule.trouble(now)
        if isinstance(flight.asked, Sweep):
            if late:
                self.schedule.sweep_failed(now)
            else:
                self.schedule.sweeps.give_up()
        elif flight.is_latest:
            if late:
                self.schedule.missed(flight.asked, now)
            else:
                self.schedule.again(flight.asked, now)

    def _answered(self, flight: _Flight, answer: object) -> None:
        now, asked = self.session.clock.now(), flight.asked
        if isinstance(asked, Sweep):
            entries = cast("Listing[OrderStatusEntry]", answer)
            listed = {entry.order_uuid: entry.status for entry in entries}
            self.schedule.swept(listed, now, whole=not entries.unreadable)
        elif asked.state is not WatchState.GONE and flight.started >= asked.answered:
            self._took += _SMOOTHING * (now - flight.started - self._took)
            self._supersede(asked, flight.started)
            status = status_in(answer)
            if status.is_final:
                self.schedule.sweeps.ended(asked, now)
                if asked.status is None or not asked.status.is_final:
                    self.decided += 1
                    self.schedule.decided(asked)
            self.schedule.looked(asked, status, now, flight.started)
            for subscription in self._readers[asked]:
                subscription.take(status, paid_back_in(answer))
                if subscription.over:
                    self.leave(subscription)

    def _supersede(self, watch: Watch, started: float) -> None:
        """Give up the polls of a watch that were sent before one that was answered."""
        for scope, flight in self._under_way.items():
            if flight.asked is watch and flight.started < started:
                flight.superseded = True
                scope.cancel()

    def _failed(self, flight: _Flight | None, error: FrontPayError) -> None:
        now = self.session.clock.now()
        passing = may_pass(error)
        if self.session.closed or self.session.wire.closed:
            self.close()
        elif isinstance(error, AuthenticationError | ConfigurationError):
            self._fail_all(error)
        elif flight is None:
            # It ended before a watch was chosen.
            self.schedule.trouble(now)
        elif isinstance(flight.asked, Sweep):
            if passing:
                self.schedule.trouble(now)
            self.schedule.sweep_failed(now)
        elif flight.asked.state is WatchState.GONE:
            pass
        elif passing or self._may_be_unknown_yet(flight.asked, error):
            if passing:
                self.schedule.trouble(now)
            if flight.is_latest:
                self.schedule.missed(flight.asked, now)
        else:
            self._fail(flight.asked, error)

    def _may_be_unknown_yet(self, watch: Watch, error: FrontPayError) -> bool:
        """Whether to ignore a 404: the order was seen before, or has just been created."""
        now = self.session.clock.now()
        return isinstance(error, NotFoundError) and (watch.known or now < watch.began + self.grace)

    def _fail_all(self, error: FrontPayError) -> None:
        for watch in tuple(self._readers):
            self._fail(watch, error)

    def _fail(self, watch: Watch, error: FrontPayError) -> None:
        for subscription in self._readers[watch]:
            # Each task raises its own: a shared one would collect all tracebacks.
            own = copy.copy(error)
            own.operation = error.operation or f"watch.{watch.kind}"
            own.order_uuid = watch.order_uuid
            if isinstance(error, APIError):
                # The status check was rejected; the payment itself may have happened.
                own.outcome = Outcome.UNKNOWN
                own.args = (_of_the_watch(watch, str(error)),)
            subscription.fail(own)
            self.leave(subscription)
        self.poke()


def _of_the_watch(watch: Watch, text: str) -> str:
    """Return the message of a rejected status check, with the consequence for the watch."""
    of_the_check = consequence(KINDS[watch.kind].operation, Outcome.REJECTED)
    text = text.replace(f" {of_the_check}", "")
    return f"{text} The watch has ended, but the payment's own outcome is unknown: {MAY_STILL[watch.kind]}."


# The watch is chosen when the poll may be sent; until then it is an unspecified read.
_ANY: Operation[object] = LIST_ORDER_STATUSES
