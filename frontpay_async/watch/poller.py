"""Polling for everybody who waits, in the tasks of those who wait.

There is no task in the background. Of all that wait, one *leads*: it sleeps until something is due, and runs
the polls as children of its own, so that nothing outlives the call that it belongs to. The others wait for
an event. When the leader's own watch has ended, or its time, or its caller's patience, it names the next,
and the polls that it had under way are given up and asked again, before anything else, by the next leader.

At most one poll waits at the rate governor, and what it asks is chosen when it has been let through: in the
meantime a callback may have come. At most ``MOST_AT_ONCE`` are under way.
"""

from __future__ import annotations

import copy
import math
from typing import TYPE_CHECKING, cast

import anyio
from attrs import define, evolve, field

from frontpay_async._protocol.operations import LIST_ORDER_STATUSES
from frontpay_async._transport.call import CallOptions
from frontpay_async.errors import (
    AuthenticationError,
    ConfigurationError,
    FrontPayError,
    NotFoundError,
    NotSentError,
    OutcomeUnknownError,
    RateLimitedError,
    ServerError,
)
from frontpay_async.models.orders import OrderStatusEntry
from frontpay_async.priority import Priority
from frontpay_async.settings import RetryPolicy
from frontpay_async.watch.kinds import KINDS, Watch, WatchState, status_in
from frontpay_async.watch.lazy_heap import LazyHeap
from frontpay_async.watch.schedule import CLOSEST, Schedule, Sweep
from frontpay_async.watch.subscription import Subscription

if TYPE_CHECKING:
    from collections.abc import Collection

    from frontpay_async._protocol.messages import HttpRequest
    from frontpay_async._protocol.operations import Operation
    from frontpay_async._session import Session
    from frontpay_async.settings import Timeouts
    from frontpay_async.watch.kinds import Status

GRACE = 10.0
"""Seconds in which a 404 is taken for an order that the API does not know yet."""
MOST_AT_ONCE = 8
POLL_WITHIN = 30.0
"""Seconds after which a poll that is under way is given up."""

# A clock may be a rounding error short of the moment that was slept for.
_TICK = 0.0001
# The part of an even share of the rate that is counted on, however little is left of this window.
_LEAST_BUDGET = 0.05
# The part of a window in whose end what is left tells nothing about the next.
_EDGE = 0.1
_SPREAD = 0.8
# How many followers wake when one is served; the others find nothing and wait again.
_SHARERS = 16
# After a permit that nobody had a use for.
_SHORT_WHILE = 0.05
# After these the hub keeps watching: they say nothing about the order.
_PASSING = (ServerError, NotSentError, OutcomeUnknownError, RateLimitedError)


class _NothingToAskError(Exception):
    """The rate let a poll through, and by then nothing was left to ask."""


@define(eq=False, repr=False)
class Poller:
    """Poll for all readers of a client.

    Args:
        session: Executes the polls.
        timeouts: Bounds of a poll's phases; the callers' own time-outs bound the whole.
        grace: Seconds in which a 404 is taken for an order that the API does not know yet.
    """

    session: Session
    timeouts: Timeouts
    grace: float = GRACE
    schedule: Schedule = field(init=False, factory=Schedule)
    polls: int = field(init=False, default=0)
    sweeps: int = field(init=False, default=0)
    decided: int = field(init=False, default=0)
    _options: CallOptions = field(init=False)
    # One reader or more of each watch.
    _readers: dict[Watch, tuple[Subscription, ...]] = field(
        init=False, factory=dict[Watch, tuple[Subscription, ...]]
    )
    _deadlines: LazyHeap[Subscription] = field(init=False, factory=LazyHeap[Subscription])
    _leader: Subscription | None = field(init=False, default=None)
    _event: anyio.Event | None = field(init=False, default=None)
    _sharers: int = field(init=False, default=0)
    _sleep: anyio.CancelScope | None = field(init=False, default=None)
    _asking: bool = field(init=False, default=False)
    _under_way: dict[anyio.CancelScope, float] = field(init=False, factory=dict[anyio.CancelScope, float])
    _budget: float = field(init=False, default=1 / CLOSEST)
    _not_before: float = field(init=False, default=-math.inf)

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
    ) -> Subscription:
        """Take up a reader of a watch that is in the schedule; it reads within a ``with`` block."""
        now = self.session.clock.now()
        deadline = math.inf if patience is None else now + patience
        subscription = Subscription(self.leave, watch, deadline, patience, until, every)
        self._readers[watch] = (*self._readers.get(watch, ()), subscription)
        if subscription.deadline < math.inf:
            self._deadlines.push(subscription, subscription.deadline)
        if every and watch.seen_at > -math.inf and watch.status is not None:
            subscription.take(watch.status)
        elif every:
            self.schedule.hasten(watch, now)
        self.poke()
        return subscription

    def leave(self, subscription: Subscription) -> None:
        """Let go of a reader; a watch that nobody reads any more is not watched any more."""
        if subscription.place:
            self._deadlines.drop(subscription)
        subscriptions = self._readers.get(subscription.watch, ())
        if subscription in subscriptions:
            others = tuple(each for each in subscriptions if each is not subscription)
            if others:
                self._readers[subscription.watch] = others
            else:
                del self._readers[subscription.watch]
                self.schedule.end(subscription.watch)

    async def next(self, subscription: Subscription) -> Status:
        """Wait for a reader's next news, and poll for everybody meanwhile if nobody else does.

        Raises:
            WatchTimeoutError: There was none in time.
            FrontPayError: It cannot be watched, or not any more.
        """
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
        if subscription.news:
            return subscription.next()
        assert subscription.error is not None  # noqa: S101 - for the type checkers
        raise subscription.error

    def poke(self) -> None:
        """Let the leader look again at what is due."""
        if self._sleep is not None:
            self._sleep.cancel()
            self._sleep = None

    def oldest_news(self) -> float | None:
        """Return how long ago the watch was looked at that was not for longest, in seconds; None without any.

        May be called in any thread.
        """
        # Copied in one step, while the event loop's thread goes on.
        watches = tuple(self.schedule.watches.values())
        now = self.session.clock.now()
        return max((now - max(watch.looked_at, watch.began) for watch in watches), default=None)

    def close(self) -> None:
        """End all watches, because the client was closed."""
        self._fail_all(NotSentError("watch: not asked any more: the client was closed"))

    def _shared_event(self) -> anyio.Event:
        """Return what a follower waits for: an event for a few of them, for one takes most of a kilobyte."""
        if self._event is None or self._event.is_set() or self._sharers >= _SHARERS:
            self._event, self._sharers = anyio.Event(), 0
        self._sharers += 1
        return self._event

    def _name_the_next(self) -> None:
        # The latest comer is the most likely to stay.
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
                    children.start_soon(self._poll)
                    until = math.inf
                deadline = self._deadlines.first()
                until = min(until, deadline[0] if deadline else math.inf)
                for started in self._under_way.values():
                    until = min(until, started + POLL_WITHIN)
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
        if self._asking or len(self._under_way) >= MOST_AT_ONCE:
            return math.inf
        self._budget = self._look_at_rate()
        return max(self.schedule.wakes(now, self._budget), self._not_before)

    def _look_at_rate(self) -> float:
        """Return about how many polls a second there are, and spread them."""
        limit = self.session.rate.limit
        statistics = self.session.rate.view.statistics()
        if limit.requests is None or statistics is None:
            return 1 / CLOSEST
        even = statistics.limit / limit.window
        ends_in = statistics.window_ends_in
        left = even
        if ends_in is not None and ends_in > limit.window * _EDGE:
            left = max(statistics.remaining / ends_in, _LEAST_BUDGET * even)
        # A little faster than even, so that a rounding error leaves nothing unused.
        self.schedule.least_gap = _SPREAD / max(left, even)
        return min(left, even)

    def _expire(self, now: float) -> None:
        """End the readers whose time is over, and the polls that take too long."""
        while (first := self._deadlines.first()) and first[0] <= now:
            subscription = self._deadlines.pop()
            if not subscription.over:
                subscription.fail(subscription.too_late())
                self.leave(subscription)
        for scope, started in self._under_way.items():
            if now >= started + POLL_WITHIN:
                scope.cancel()

    async def _poll(self) -> None:
        clock = self.session.clock
        asked: Watch | Sweep | None = None
        chosen: HttpRequest | None = None
        waits = True
        with anyio.CancelScope() as scope:

            async def choose(_: HttpRequest) -> HttpRequest:
                nonlocal asked, chosen, waits
                if chosen is not None:
                    # The same again, with a renewed token.
                    return chosen
                now = clock.now()
                self._asking = waits = False
                # By the budget that it was woken by: the permit itself is a part of what is left now.
                asked = self.schedule.take(now, self._budget)
                if asked is None:
                    self._not_before = now + _SHORT_WHILE
                    raise _NothingToAskError
                if self.session.rate.limit.requests is None:
                    # Nobody else holds it back.
                    self._not_before = now + CLOSEST
                self._under_way[scope] = now
                self.poke()
                chosen = self._request(asked)
                return chosen

            try:
                options = evolve(self._options, before_send=choose)
                answer = await self.session.execute(_ANY, options, tentative=True)
            except _NothingToAskError:
                pass
            except FrontPayError as error:
                self._failed(asked, error)
                asked = None
            else:
                assert asked is not None  # noqa: S101 - chosen before it was sent
                self._answered(asked, answer)
                asked = None
            finally:
                self._under_way.pop(scope, None)
                if waits:
                    self._asking = False
                self._give_up(asked, late=scope.cancel_called)
                self.poke()

    def _request(self, asked: Watch | Sweep) -> HttpRequest:
        if isinstance(asked, Sweep):
            self.sweeps += 1
            return self.session.request(LIST_ORDER_STATUSES)
        self.polls += 1
        return self.session.request(KINDS[asked.kind].operation, uuid=asked.order_uuid)

    def _give_up(self, asked: Watch | Sweep | None, *, late: bool) -> None:
        """Take in that a poll was given up: by a leader that left, or because it took too long."""
        now = self.session.clock.now()
        if late:
            self.schedule.trouble(now)
        if isinstance(asked, Sweep):
            if late:
                self.schedule.sweeps.fail(now)
            else:
                self.schedule.sweeps.give_up()
        elif asked is not None and asked.state is WatchState.ASKED:
            if late:
                self.schedule.missed(asked, now)
            else:
                self.schedule.again(asked, now)

    def _answered(self, asked: Watch | Sweep, answer: object) -> None:
        now = self.session.clock.now()
        if isinstance(asked, Sweep):
            entries = cast("tuple[object, ...]", answer)
            listed = {
                entry.order_uuid: entry.status for entry in entries if isinstance(entry, OrderStatusEntry)
            }
            self.schedule.swept(listed, now)
        elif asked.state is WatchState.ASKED:
            status = status_in(answer)
            if status.is_final and not (asked.status is not None and asked.status.is_final):
                self.decided += 1
                self.schedule.decided(asked)
            self.schedule.looked(asked, status, now)
            for subscription in self._readers[asked]:
                subscription.take(status)
                if subscription.over:
                    self.leave(subscription)

    def _failed(self, asked: Watch | Sweep | None, error: FrontPayError) -> None:
        now = self.session.clock.now()
        if self.session.closed or self.session.wire.closed:
            self.close()
        elif isinstance(error, AuthenticationError | ConfigurationError):
            self._fail_all(error)
        elif asked is None:
            # It did not even come so far that somebody was chosen.
            self.schedule.trouble(now)
        elif isinstance(asked, Sweep):
            if isinstance(error, _PASSING):
                self.schedule.trouble(now)
            self.schedule.sweeps.fail(now)
        elif asked.state is not WatchState.ASKED:
            pass
        elif isinstance(error, _PASSING):
            self.schedule.trouble(now)
            self.schedule.missed(asked, now)
        elif isinstance(error, NotFoundError) and now < max(asked.began, asked.seen_at) + self.grace:
            self.schedule.missed(asked, now)
        else:
            self._fail(asked, error)

    def _fail_all(self, error: FrontPayError) -> None:
        for watch in tuple(self._readers):
            self._fail(watch, error)

    def _fail(self, watch: Watch, error: FrontPayError) -> None:
        for subscription in self._readers[watch]:
            # Each raises its own: a shared one would gather everybody's traceback.
            own = copy.copy(error)
            own.operation = error.operation or f"watch.{watch.kind}"
            own.order_uuid = watch.order_uuid
            subscription.fail(own)
            self.leave(subscription)
        self.poke()


# What a poll asks is chosen when it may be sent; until then it is a read of anything.
_ANY: Operation[object] = LIST_ORDER_STATUSES
