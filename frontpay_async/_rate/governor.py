"""The rate governor: one queue per token, ordered by priority.

Callers wait in one heap by (priority, arrival). Only the first of them, the *leader*, asks the ledger and
sleeps; all others wait for an event. Ten thousand waiters therefore need ten thousand events and one timer, a
cancelled waiter simply leaves, and a 429 blocks the token once, by delaying the leader. There is no
background task: the leader drives the queue and appoints its successor when it leaves.

The leader is woken early when a call of a higher priority arrives, and when a response has changed what
the ledger knows.

A NORMAL leader that has to leave requests to polls asks for the first poll behind it, too, and hands the
grant over: a long queue of NORMAL calls does not hold up the polls.

With a ledger in Redis, the shared ledger decides, and the process's own ledger is charged and updated as
well. If Redis fails, the own ledger continues with its current state, in the middle of the window.
"""

from __future__ import annotations

import heapq
import math
from typing import TYPE_CHECKING

import anyio
from attrs import define, field, frozen

from frontpay_async._rate.ledger import Grant
from frontpay_async._rate.rate_headers import read_quota
from frontpay_async._transport.instrumentation import logger
from frontpay_async.priority import Priority

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from frontpay_async._rate.ledger import Ledger
    from frontpay_async._rate.redis import RedisLedger, Ticket
    from frontpay_async._transport.call import Call
    from frontpay_async._transport.clock import Clock

_TOO_MANY = 429
# A clock may be a rounding error short of the moment that was slept for.
_TICK = 0.0001
# The part of a window after which a waiter checks again, because changes in other processes do not wake it.
_LOOK_AGAIN = 0.05


@frozen(kw_only=True)
class RateStatistics:
    """The state of the rate window.

    Args:
        limit: Requests per window, as last stated by the API.
        used: The number of used or reserved requests, of all programs.
        remaining: The number of requests left.
        window_ends_in: Seconds until the window has certainly ended; None while that is unknown.
        waiting: The number of waiting calls, by priority.
        refusals: The number of 429s.
    """

    limit: int
    used: int
    remaining: int
    window_ends_in: float | None
    waiting: Mapping[Priority, int]
    refusals: int


@frozen(eq=False, repr=False)
class Permit:
    """The grant under which an attempt was admitted.

    Args:
        grant: The grant of the process's ledger.
        ticket: The grant of the ledger in Redis, if it was asked.
    """

    grant: Grant
    ticket: Ticket | None = None


@define(order=True)
class _Waiter:
    priority: Priority
    arrival: int
    call: Call = field(order=False, repr=False)
    user: object = field(order=False, repr=False)
    event: anyio.Event | None = field(default=None, order=False)
    gone: bool = field(default=False, order=False)
    too_late: float | None = field(default=None, order=False)
    closed: bool = field(default=False, order=False)
    # What the leader was granted for it.
    permit: Permit | None = field(default=None, order=False)


@define(eq=False, repr=False)
class Governor:
    """The queue that admits the calls of one token, by priority.

    Args:
        ledger: The process's ledger.
        clock: Time.
        shared: The ledger in Redis, if any.
    """

    ledger: Ledger
    clock: Clock
    shared: RedisLedger | None = None
    users: int = field(init=False, default=0)
    _heap: list[_Waiter] = field(init=False, factory=list[_Waiter])
    _arrivals: int = field(init=False, default=0)
    _waiting: dict[Priority, int] = field(init=False, factory=lambda: dict.fromkeys(Priority, 0))
    _gone: int = field(init=False, default=0)
    # The polls that wait, by arrival.
    _polls: dict[int, _Waiter] = field(init=False, factory=dict[int, "_Waiter"])
    _leader: _Waiter | None = field(init=False, default=None)
    _sleep: anyio.CancelScope | None = field(init=False, default=None)
    _revision: int = field(init=False, default=0)

    async def acquire(self, call: Call, user: object = None) -> Permit:
        """Wait until the call may be sent."""
        priority = call.options.priority
        # No call of the same or a higher priority waits, so the queue can be skipped.
        if self.shared is None and self._first_rank() > priority:
            verdict = self.ledger.acquire(self.clock.now(), priority)
            if isinstance(verdict, Grant):
                return Permit(verdict)
        if call.deadline is not None and (self.shared is None or self._first_rank() <= priority):
            self._check_deadline(call, self._eta(priority))
        # Otherwise Redis is asked at once.
        if call.deadline is None:
            return await self._queue(call, user)
        with anyio.move_on_after(call.deadline - self.clock.now()):
            return await self._queue(call, user)
        raise call.past_deadline()

    async def _queue(self, call: Call, user: object) -> Permit:
        priority = call.options.priority
        self._arrivals += 1
        waiter = _Waiter(priority, self._arrivals, call, user)
        heapq.heappush(self._heap, waiter)
        self._waiting[priority] += 1
        if priority is Priority.WATCH:
            self._polls[waiter.arrival] = waiter
            if self._leader is not None and self._leader.priority is Priority.NORMAL:
                self.poke()
        try:
            return await self._wait(waiter)
        except BaseException:
            if waiter.permit is not None:
                # It was cancelled before it saw what it was granted.
                with anyio.CancelScope(shield=True):
                    await self.give_back(waiter.permit)
            raise
        finally:
            self._leave(waiter)

    async def _wait(self, waiter: _Waiter) -> Permit:
        while True:
            if waiter.permit is not None:
                return waiter.permit
            self._check_refused(waiter)
            if self._head() is not waiter:
                waiter.event = anyio.Event()
                await waiter.event.wait()
                continue
            if self._leader is not waiter:
                self._leader = waiter
                # The former leader wakes, is no longer first, and waits.
                self.poke()
            revision = self._revision
            verdict = await self._verdict(waiter.priority)
            if isinstance(verdict, Permit):
                return verdict
            self._check_deadline(waiter.call, verdict)
            if waiter.priority is Priority.NORMAL and self._polls:
                verdict = min(verdict, await self._ask_for_poll())
            if self._head() is not waiter or self._revision != revision:
                # Another call took over while Redis was asked.
                continue
            now = self.clock.now()
            most = self.ledger.window * (1.0 if self.shared is None else _LOOK_AGAIN)
            with anyio.CancelScope() as scope:
                self._sleep = scope
                await self.clock.sleep(min(max(verdict - now, _TICK), most))
            if self._sleep is scope:
                self._sleep = None

    async def _ask_for_poll(self) -> float:
        """Hand a grant to the first poll that waits; return when to ask again."""
        verdict = await self._verdict(Priority.WATCH)
        if not isinstance(verdict, Permit):
            return verdict
        poll = next(iter(self._polls.values()), None)
        if poll is None:
            # It left while Redis was asked.
            await self.give_back(verdict)
        else:
            poll.permit = verdict
            del self._polls[poll.arrival]
            if poll.event is not None:
                poll.event.set()
        return self.clock.now()

    async def _verdict(self, priority: Priority) -> Permit | float:
        now = self.clock.now()
        if self.shared is None:
            return self._own_verdict(now, priority)
        gate = self.ledger.gated_for(now)
        if gate:
            # The 429 may not have reached Redis yet.
            return now + gate
        verdict = await self.shared.acquire(priority)
        now = self.clock.now()
        if verdict is None:
            return self._own_verdict(now, priority)
        if not isinstance(verdict, str):
            return now + verdict
        return Permit(self.ledger.charge(now), verdict)

    def _own_verdict(self, now: float, priority: Priority) -> Permit | float:
        verdict = self.ledger.acquire(now, priority)
        return Permit(verdict) if isinstance(verdict, Grant) else verdict

    def _leave(self, waiter: _Waiter) -> None:
        self._waiting[waiter.priority] -= 1
        waiter.gone = True
        self._polls.pop(waiter.arrival, None)
        self._gone += 1
        if self._leader is waiter:
            self._leader = None
        if self._gone * 2 > len(self._heap):
            # Many cancellations must not fill the heap with stale entries.
            self._heap = [each for each in self._heap if not each.gone]
            heapq.heapify(self._heap)
            self._gone = 0
        head = self._head()
        if head is not None and head.event is not None:
            head.event.set()

    async def answered(
        self, permit: Permit, status: int, headers: Mapping[str, str], asked: float | None
    ) -> None:
        """Record a response."""
        now = self.clock.now()
        if status == _TOO_MANY:
            was_open = not self.ledger.gated_for(now)
            self.ledger.refused(permit.grant, now, asked)
            if was_open:
                gate = self.ledger.gated_for(now)
                logger.warning("the token's rate limit is used up (429); nothing is sent for %.1f s", gate)
                self._turn_away(now + gate)
            await self._tell(permit, lambda shared, ticket: shared.refused(ticket, asked))
            return
        quota = read_quota(headers)
        changed = self.ledger.report(permit.grant, now, quota)
        await self._tell(permit, lambda shared, ticket: shared.report(ticket, quota), changed=changed)

    async def lost(self, permit: Permit) -> None:
        """Record a lost response."""
        self.ledger.lost(self.clock.now())
        await self._tell(permit, lambda shared, ticket: shared.lost(ticket))

    async def give_back(self, permit: Permit) -> None:
        """Return an unused permit."""
        self.ledger.give_back(permit.grant)
        await self._tell(permit, lambda shared, ticket: shared.give_back(ticket))

    async def _tell(
        self, permit: Permit, tell: Callable[[RedisLedger, Ticket], Awaitable[None]], *, changed: bool = True
    ) -> None:
        """Report to Redis, even when cancelled, before waking the leader, which would ask too early."""
        try:
            if self.shared is not None and permit.ticket is not None:
                with anyio.CancelScope(shield=True):
                    await tell(self.shared, permit.ticket)
        finally:
            if changed:
                self.poke()

    def dismiss(self, user: object) -> None:
        """Fail all waiting calls of one client at once; the others continue to wait."""
        for waiter in self._heap:
            if waiter.user is user and not waiter.gone:
                waiter.closed = True
                if waiter.event is not None:
                    waiter.event.set()
        self.poke()

    async def release(self) -> None:
        """Remove one client; after the last one, the connections to Redis are closed."""
        self.users -= 1
        if self.users == 0 and self.shared is not None:
            await self.shared.aclose()

    def poke(self) -> None:
        """Make the leader ask the ledger again."""
        self._revision += 1
        if self._sleep is not None:
            self._sleep.cancel()

    def statistics(self) -> RateStatistics:
        """Return the state of the window."""
        ledger, now = self.ledger, self.clock.now()
        open_window = now < ledger.hi
        used = min(ledger.limit, ledger.used) if open_window else 0
        return RateStatistics(
            limit=ledger.limit,
            used=used,
            remaining=ledger.limit - used,
            window_ends_in=ledger.hi - now if open_window and ledger.hi < math.inf else None,
            waiting=dict(self._waiting),
            refusals=ledger.refusals,
        )

    def estimate(self, calls: int) -> float:
        """Return the seconds until a number of further batch calls have been sent."""
        return max(0.0, self._eta(Priority.BATCH, calls - 1) - self.clock.now()) if calls > 0 else 0.0

    def _turn_away(self, until: float) -> None:
        """Fail all calls at once whose deadline is before the gate opens."""
        for waiter in self._heap:
            deadline = waiter.call.deadline
            if not waiter.gone and deadline is not None and deadline < until:
                waiter.too_late = until
                if waiter.event is not None:
                    waiter.event.set()

    def _eta(self, priority: Priority, more: int = 0) -> float:
        ahead = sum(count for rank, count in self._waiting.items() if rank <= priority)
        return self.ledger.eta(self.clock.now(), priority, ahead + more)

    def _check_refused(self, waiter: _Waiter) -> None:
        if waiter.closed:
            waiter.call.final = True
            raise waiter.call.not_sent("the client was closed")
        if waiter.too_late is not None:
            raise waiter.call.budget_exceeded(waiter.too_late - self.clock.now())

    def _check_deadline(self, call: Call, until: float) -> None:
        if call.deadline is not None and call.deadline < until < math.inf:
            raise call.budget_exceeded(until - self.clock.now())

    def _first_rank(self) -> int:
        head = self._head()
        return len(Priority) if head is None else head.priority

    def _head(self) -> _Waiter | None:
        heap = self._heap
        while heap and heap[0].gone:
            heapq.heappop(heap)
            self._gone -= 1
        return heap[0] if heap else None
