"""One run of a batch: rows are leased, sent, and recorded, until nothing is left to do.

A feeder leases pending rows in groups; workers send them. A request waits for the rate window. When it is
granted, and not before, the row is claimed on disk, and then the request leaves. After a crash, at most as
many rows are unresolved as requests were in flight.

*Shutdown.* A send is shielded from the cancellation of the run (Ctrl-C, ``aclose``): requests that wait for
the rate window are cancelled, and requests in flight get ``drain`` seconds for their responses. Without a
response by then, the row is unresolved, as if its runner had been killed. A send is abandoned well before its
lease ends, because from then on another runner may reconcile the row.
"""

from __future__ import annotations

from contextlib import suppress
from contextvars import copy_context
from functools import partial
from math import inf
from typing import TYPE_CHECKING, TypeVar

import anyio
from anyio.lowlevel import checkpoint_if_cancelled
from attrs import define, evolve, field

from frontpay_async._protocol.operations import GET_ORDER_STATUS, LIST_ORDER_STATUSES
from frontpay_async._transport.instrumentation import logger
from frontpay_async.batch.backoff import backoff
from frontpay_async.batch.circuit_breaker import Breaker
from frontpay_async.batch.errors import JournalError
from frontpay_async.batch.in_flight import InFlight
from frontpay_async.batch.outcomes import is_outage, judge
from frontpay_async.batch.payload import kind_named, read
from frontpay_async.batch.states import RowEvent, State
from frontpay_async.batch.store import NotOursError
from frontpay_async.batch.transitions import Transition
from frontpay_async.batch.work_queue import WorkQueue
from frontpay_async.errors import APIError, FrontPayError, Outcome
from frontpay_async.resources.find_order import is_unreadable

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from frontpay_async._protocol.messages import HttpRequest
    from frontpay_async._session import Session
    from frontpay_async._transport.call import CallOptions
    from frontpay_async.batch.encryption import Cipher
    from frontpay_async.batch.group_commit import Lane, Written
    from frontpay_async.batch.journal import Journal
    from frontpay_async.batch.reconcile import Reconciler
    from frontpay_async.batch.store import LeasedRow, Store
    from frontpay_async.models.orders import CreatedOrder

# Seconds between two queries of the journal while others work, and between two progress reports.
_POLL = 1.0
_TELL_EVERY = 1.0
_SHORTEST_WAIT = 0.01
# Consecutive unreadable responses after which the run ends, about half a minute.
_MOST_UNREADABLE = 6

AnswerT = TypeVar("AnswerT")


@define(eq=False)
class Run:
    """One run of a batch.

    Args:
        journal: The journal, whose threads are used.
        store: The journal's store.
        batch: The batch's number.
        owner: The owner of its rows.
        session: Executes the calls.
        options: The caller's options, with priority BATCH and without retries.
        reconciler: Reconciles unresolved rows.
        cipher: Encrypts the content of orders.
        concurrency: How many requests may be in flight.
        lease: Seconds after a claim by which its request has certainly ended.
        drain: Seconds that requests in flight get when the run is stopped.
        on_counts: Called periodically with the counts by state.
    """

    journal: Journal
    store: Store
    batch: int
    owner: str
    session: Session
    options: CallOptions
    reconciler: Reconciler
    cipher: Cipher
    concurrency: int
    lease: float
    drain: float
    on_counts: Callable[[Mapping[State, int]], object] | None = None
    sent: int = field(init=False, default=0)
    reconciled: int = field(init=False, default=0)
    _commits: Lane = field(init=False)
    _breaker: Breaker = field(init=False, factory=Breaker)
    _trial: anyio.Lock = field(init=False, factory=anyio.Lock)
    # The fence is part of the key, because a row that waited longer than its lease may be leased again.
    _in_hand: dict[tuple[int, int], LeasedRow] = field(init=False, factory=dict[tuple[int, int], "LeasedRow"])
    _active: set[InFlight] = field(init=False, factory=set[InFlight])
    _idle: anyio.Event = field(init=False, factory=anyio.Event)
    _is_draining: bool = field(init=False, default=False)
    _scope: anyio.CancelScope = field(init=False, factory=anyio.CancelScope)
    _failure: FrontPayError | None = field(init=False, default=None)
    _last_uuid: str | None = field(init=False, default=None)
    _told_at: float = field(init=False, default=0.0)
    _has_sent: bool = field(init=False, default=False)
    _has_begun: bool = field(init=False, default=False)
    _is_anchored: bool = field(init=False, default=False)
    _may_look_at: float = field(init=False, default=-inf)

    def __attrs_post_init__(self) -> None:
        self._commits = self.journal.commits(self.store).lane()

    def stop(self) -> None:
        """End the run early; what is in flight is drained."""
        self._scope.cancel()

    async def run(self) -> None:
        """Send until every row is done, failed or parked, or until ``stop``."""
        async with anyio.create_task_group() as outer:
            outer.start_soon(self._write)
            try:
                with self._scope:
                    await self._send_all()
            finally:
                # In any case the writer ends after everything it received is on disk.
                self._commits.close()
                await self._release()
        if self._failure is not None:
            raise self.speak_for(self._failure)

    def speak_for(self, error: FrontPayError) -> FrontPayError:
        """Return the error that ends this run; a journal's error states whether the run had sent anything."""
        if isinstance(error, JournalError):
            error.operation = "batch.run"
            if self._has_sent:
                error.outcome = Outcome.UNKNOWN
        return error

    async def _write(self) -> None:
        with anyio.CancelScope(shield=True):
            await self._commits.run()

    async def _send_all(self) -> None:
        async with anyio.create_task_group() as tasks:
            # A worker is started where another's call has made room, but it is not part of that call's trace.
            context = copy_context()

            def add_worker() -> None:
                tasks.start_soon(self._work, work_queue)

            work_queue = WorkQueue(self.concurrency, lambda: context.run(add_worker))
            tasks.start_soon(self._watch_for_the_end)
            tasks.start_soon(self.journal.keep_alive, self.store)
            try:
                await self._feed(work_queue)
            except FrontPayError as error:
                # Raised by ``run`` directly, not in a group.
                self._failure = self._failure or error
            tasks.cancel_scope.cancel()

    async def _watch_for_the_end(self) -> None:
        """When the run is cancelled, cancel waiting requests, and drain those in flight."""
        try:
            await anyio.sleep_forever()
        finally:
            self._is_draining = True
            for sending in self._active:
                sending.recall(self.drain)

    async def _release(self) -> None:
        """Release leased rows that were not sent, so that the next run need not wait for them."""
        left = self._in_hand.values()
        unsent = [Transition(row=each.id, fence=each.fence, event=RowEvent.WITHDRAW) for each in left]
        if unsent and not isinstance(self._failure, JournalError):
            try:
                with anyio.CancelScope(shield=True):
                    await self.journal.run(self.store.apply, unsent)
            except JournalError as error:
                self._failure = self._failure or error

    def _fail(self, error: FrontPayError) -> None:
        self._failure = self._failure or error
        self.stop()

    # Feeding

    async def _feed(self, work_queue: WorkQueue) -> None:
        await self._report()
        size = max(2 * self.concurrency, 16)
        while True:
            most = await self._may_send(size)
            leased: list[LeasedRow] = []
            if most:
                check = await self.reconciler.lease_check()
                try:
                    leased = await self.journal.run(
                        self.store.lease_rows, self.batch, self.owner, most, self.lease, check
                    )
                except NotOursError:
                    await self._ask(self.reconciler.confirm)
                    continue
            self._in_hand |= {(each.id, each.fence): each for each in leased}
            work_queue.put(leased)
            if leased:
                # Fewer than a full number: no more are due.
                await (work_queue.until_low() if len(leased) == size else self._until_idle())
                continue
            await self._until_idle()
            await self.journal.run(self.store.expire, self.batch)
            await self._report()
            left = await self.journal.run(self.store.open_states, self.batch)
            if not left:
                if self._has_begun:
                    await self._ask(self.reconciler.confirm)
                return
            others_at_work = not left <= {State.UNKNOWN}
            await self._wait_or_look(others_at_work=others_at_work, is_blocked=not most)

    async def _may_send(self, size: int) -> int:
        """Return how many rows may be taken now: 0 while another order must be reconciled first."""
        # Absence is proven with a known order that is older than the row. So the orders of a new account are
        # sent one at a time, by one runner, and reconciled if necessary, until one is confirmed.
        if not self._has_begun:
            found = await self.journal.run(self.reconciler.listings.beginning, self.batch)
            if not found.has_pending:
                return 0
            self._is_anchored = found.is_anchored
            await self._ask(self.reconciler.begin)
            self._has_begun = True
        if not self._is_anchored:
            self._is_anchored = await self.journal.run(self.reconciler.listings.is_anchored)
        if self._is_anchored:
            return size
        may_go = await self.journal.run(self.reconciler.listings.may_go_first, self.lease / 4)
        return 1 if may_go else 0

    async def _report(self) -> None:
        """Report the counts only if a callback is set, because counting reads all rows of the batch."""
        self._told_at = self.session.clock.now()
        if self.on_counts is not None:
            self.on_counts(await self.journal.run(self.store.counts, self.batch))

    async def _until_idle(self) -> None:
        while self._in_hand or self._active:
            self._idle = anyio.Event()
            await self._idle.wait()

    async def _wait_or_look(self, *, others_at_work: bool, is_blocked: bool) -> None:
        """Wait until a row may be sent, or reconcile unresolved rows."""
        due = None if is_blocked else await self.journal.run(self.store.next_due, self.batch)
        look = await self.reconciler.next_look()
        if look is not None:
            look = max(look, self._may_look_at - self.session.clock.now())
        if look is not None and look <= 0 and (due is None or due > 0):
            decided = await self._ask(partial(self.reconciler.look, is_last=not others_at_work))
            if decided:
                self.reconciled += sum(each.event is not RowEvent.MISS for each in decided)
                return
            # Another runner has the turn, or the verdict depends on requests in flight or on a later list.
            look = _POLL if decided is None else max(_POLL, self.reconciler.settling / 4)
            self._may_look_at = self.session.clock.now() + look
        most = min(_POLL, self.lease / 4) if others_at_work else self.lease / 4
        waits = [wait for wait in (due, look, most) if wait is not None]
        await self.session.clock.sleep(max(_SHORTEST_WAIT, min(waits)))

    async def _ask(self, question: Callable[[], Awaitable[AnswerT]]) -> AnswerT:
        """Make a read call; an outage pauses the run, and any other error ends it."""
        # Several consecutive unreadable responses also end it: a wrong base URL, a login page, an account of
        # another revision.
        clock = self.session.clock
        unreadable = 0
        while True:
            try:
                answer = await question()
            except FrontPayError as error:
                unreadable = unreadable + 1 if is_unreadable(error) else 0
                if not is_outage(error) or self.session.closed or unreadable >= _MOST_UNREADABLE:
                    raise
                self._note_failure(error)
                pause = self._breaker.first_pause * 2.0 ** max(0, unreadable - 1)
                await clock.sleep(max(self._breaker.pause(clock.now()), pause))
            else:
                return answer

    # Sending

    async def _work(self, work_queue: WorkQueue) -> None:
        while True:
            leased = await work_queue.take()
            await self._send_when_open(InFlight(leased, work_queue.had_turn))

    async def _send_when_open(self, sending: InFlight) -> None:
        if not self._breaker.is_open:
            await self._send(sending)
            return
        # One at a time, until there is a response.
        async with self._trial:
            if self._breaker.is_open:
                await self._until_answered()
            await self._send(sending)

    async def _until_answered(self) -> None:
        """Wait for the end of an outage, with reads, which leave nothing unresolved."""
        clock = self.session.clock
        await clock.sleep(self._breaker.pause(clock.now()))
        uuid = self._last_uuid
        # A rejection is also a response.
        with suppress(APIError):
            await self._ask(
                partial(self.session.execute, LIST_ORDER_STATUSES, self.options)
                if uuid is None
                else partial(self.session.execute, GET_ORDER_STATUS, self.options, uuid=uuid)
            )

    async def _send(self, sending: InFlight) -> None:
        await checkpoint_if_cancelled()
        self._active.add(sending)
        del self._in_hand[sending.leased.id, sending.leased.fence]
        ended: Transition | None = None
        try:
            # The bookkeeping is shielded; the request can be cancelled in its own scope.
            with anyio.CancelScope(shield=True):
                ended = await self._attempt(sending)
                if ended is not None:
                    self._commits.put(ended, then=partial(self._written, sending, ended))
            if self.on_counts is not None and self.session.clock.now() >= self._told_at + _TELL_EVERY:
                await self._report()
        except JournalError as error:
            self._fail(error)
            ended = None
        finally:
            sending.note_turn()
            self._has_sent = self._has_sent or sending.has_left
            if ended is None:
                self._discard(sending)

    def _written(self, sending: InFlight, ended: Transition, came_of_it: Written) -> None:
        """Record whether the result of a row is on disk."""
        if came_of_it.error is not None:
            self._fail(came_of_it.error)
        elif not came_of_it.moved:
            sending.report_too_late(ended)
        elif ended.order_uuid is not None and sending.order is not None:
            self.reconciler.recent.add(ended.order_uuid, sending.order)
        self._discard(sending)

    def _discard(self, sending: InFlight) -> None:
        self._active.discard(sending)
        if not self._in_hand and not self._active:
            self._idle.set()

    async def _attempt(self, sending: InFlight) -> Transition | None:
        """Send a row; return the result, or None if another runner has leased it."""
        leased = sending.leased
        named = Transition(row=leased.id, fence=leased.fence, event=RowEvent.WITHDRAW)

        async def before_send(request: HttpRequest) -> HttpRequest:
            sending.note_turn()
            claim = evolve(
                named,
                event=RowEvent.CLAIM,
                owner=self.owner,
                lease=self.lease,
            )
            await sending.claim(self._commits, claim)
            return request

        try:
            with sending.scope:
                order = sending.order = read(leased.kind, self.cipher.decrypt(leased.payload))
                operation = kind_named(leased.kind).operation
                options = evolve(self.options, before_send=before_send, may_leave=sending.may_leave)
                created = await self.session.execute(operation, options, value=order)
                return self._confirmed(named, created)
        except NotOursError:
            return None
        except JournalError:
            raise
        except FrontPayError as error:
            return self._judged(leased, named, error)
        except ValueError as error:
            # Its content is damaged, so it cannot be sent.
            return evolve(named, event=RowEvent.REFUSE, error=str(error))
        if sending.has_left:
            return evolve(named, event=RowEvent.LOSE, error="the run ended before the response arrived")
        return named

    def _confirmed(self, named: Transition, created: CreatedOrder) -> Transition:
        self._breaker.succeed()
        self.sent += 1
        self._last_uuid = created.order_uuid
        return Transition(
            row=named.row,
            fence=named.fence,
            event=RowEvent.CONFIRM,
            order_uuid=created.order_uuid,
            customer_uuid=created.customer_uuid,
        )

    def _judged(self, leased: LeasedRow, named: Transition, error: FrontPayError) -> Transition:
        judgement = judge(error)
        if judgement.is_outage:
            self._note_failure(error)
        elif isinstance(error, APIError):
            self._breaker.succeed()
        stops = judgement.stops or self.session.closed
        if stops:
            self._fail(error)
        delay = judgement.retry_after + backoff(leased.attempts, self.session.clock.chance())
        return evolve(
            named,
            event=judgement.event,
            error=judgement.error,
            delay=0.0 if stops else delay,
        )

    def _note_failure(self, error: FrontPayError) -> None:
        now = self.session.clock.now()
        if self._breaker.fail(now):
            logger.warning(
                "the batch pauses for %.0f s: the API keeps failing (%s: %s)",
                self._breaker.pause(now),
                type(error).__name__,
                error,
            )
