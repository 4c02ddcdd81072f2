"""The governor: who goes first, who leaves, who is told at once that it is too late."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from attrs import Factory, define

from frontpay_async import NotSentError, Priority, RateBudgetExceededError
from frontpay_async._protocol.messages import HttpRequest
from frontpay_async._protocol.operations import GET_ORDER_STATUS
from frontpay_async._rate.governor import Governor, Permit
from frontpay_async._rate.ledger import Grant, Ledger
from frontpay_async._transport.call import Call, CallOptions
from tests.support.virtual_time import VirtualTime, settle

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from anyio.abc import TaskGroup

LIMIT, WINDOW = 10, 60.0


def call(priority: Priority = Priority.NORMAL, deadline: float | None = None) -> Call:
    request = HttpRequest(GET_ORDER_STATUS, "GET", "/orders/ODR1/status")
    return Call(request, CallOptions(priority=priority), deadline)


@define(eq=False)
class Desk:
    """A governor, virtual time, and notes of who was let through."""

    time: VirtualTime = Factory(VirtualTime)
    ledger: Ledger = Factory(lambda: Ledger(LIMIT, WINDOW))
    governor: Governor = Factory(lambda self: Governor(self.ledger, self.time.clock()), takes_self=True)
    arrived: list[object] = Factory(list)
    passed: list[object] = Factory(list)
    count: int = 0
    limit: int = LIMIT

    async def take(self, name: object, priority: Priority = Priority.NORMAL) -> None:
        """Wait for a place, note it, and be answered at once."""
        self.arrived.append(name)
        await self.answer(await self.governor.acquire(call(priority)))
        self.passed.append(name)

    async def answer(self, permit: Permit) -> None:
        self.count = self.count % self.limit + 1
        headers = {
            "x-ratelimit-limit": str(self.limit),
            "x-ratelimit-remaining": str(self.limit - self.count),
        }
        await self.governor.answered(permit, 200, headers, None)

    async def refuse(self, permit: Permit, retry_after: float | None = 30.0) -> None:
        await self.governor.answered(permit, 429, {}, retry_after)

    async def use_up(self) -> None:
        for _ in range(LIMIT):
            await self.take("first")
        self.arrived.clear()
        self.passed.clear()


@pytest.fixture(params=["asyncio", "trio"])
def run(request: pytest.FixtureRequest) -> Callable[[Callable[[Desk], Awaitable[None]]], None]:
    async def play(scenario: Callable[[Desk], Awaitable[None]]) -> None:
        with anyio.fail_after(20):
            await scenario(Desk())

    return lambda scenario: anyio.run(play, scenario, backend=request.param)


def test_higher_ranks_overtake_and_equals_keep_their_order(
    run: Callable[[Callable[[Desk], Awaitable[None]]], None],
) -> None:
    async def scenario(desk: Desk) -> None:
        await desk.use_up()
        async with anyio.create_task_group() as tasks:
            ranks = [Priority.BATCH, Priority.NORMAL, Priority.INTERACTIVE, Priority.WATCH, Priority.NORMAL]
            for number, rank in enumerate(ranks):
                tasks.start_soon(desk.take, (rank, number), rank)
                await settle()
            await desk.time.advance(2 * WINDOW)
        assert desk.passed == sorted(desk.passed)
        assert len(desk.passed) == len(ranks)

    run(scenario)


def test_one_timer_for_everybody(run: Callable[[Callable[[Desk], Awaitable[None]]], None]) -> None:
    """However many wait, only the first sleeps."""

    async def scenario(desk: Desk) -> None:
        await desk.use_up()
        async with anyio.create_task_group() as tasks:
            for number in range(200):
                tasks.start_soon(desk.take, number)
            await settle()
            assert desk.time.sleeps == 1
            assert desk.governor.statistics().waiting[Priority.NORMAL] == 200
            await desk.time.advance(25 * WINDOW)
        assert desk.passed == desk.arrived
        assert len(desk.passed) == 200
        assert desk.time.sleeps <= 30

    run(scenario)


@pytest.mark.search
def test_ten_thousand_waiters(run: Callable[[Callable[[Desk], Awaitable[None]]], None]) -> None:
    """The ledger is asked a few times for each, and nothing is left behind."""

    async def scenario(desk: Desk) -> None:
        asked = 0
        acquire = Ledger.acquire

        def counted(ledger: Ledger, now: float, priority: Priority) -> Grant | float:
            nonlocal asked
            asked += 1
            return acquire(ledger, now, priority)

        await desk.use_up()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(Ledger, "acquire", counted)
            async with anyio.create_task_group() as tasks:
                for number in range(10_000):
                    tasks.start_soon(desk.take, number)
                await settle()
                assert len(desk.governor._heap) == 10_000
                desk.ledger.limit = desk.limit = 20_000
                desk.governor.poke()
                await settle()
        assert desk.passed == desk.arrived
        assert asked < 25_000
        assert desk.governor._heap == []

    run(scenario)


async def burst(desk: Desk, tasks: TaskGroup) -> None:
    """Let a poll through, then make more normal calls than the window has left."""
    desk.ledger.limit = desk.limit = 100
    await desk.take("poll", Priority.WATCH)
    for number in range(120):
        tasks.start_soon(desk.take, number)
    await settle()


def test_a_queue_of_normal_calls_does_not_hold_up_polls(
    run: Callable[[Callable[[Desk], Awaitable[None]]], None],
) -> None:
    """Polls are let through from behind it, in their order, spread over the rest of the window."""

    async def scenario(desk: Desk) -> None:
        async with anyio.create_task_group() as tasks:
            await burst(desk, tasks)
            assert len(desk.passed) == 86
            for number in range(3):
                tasks.start_soon(desk.take, f"poll {number}", Priority.WATCH)
                await settle()
            await desk.time.advance(WINDOW / 2)
            polls = [each for each in desk.passed if str(each).startswith("poll")]
            assert polls == ["poll", "poll 0", "poll 1", "poll 2"]
            assert desk.governor.statistics().waiting[Priority.NORMAL] > 20
            await desk.time.advance(WINDOW)
        normal = [[each for each in names if isinstance(each, int)] for names in (desk.arrived, desk.passed)]
        assert normal[0] == normal[1]
        assert len(normal[1]) == 120

    run(scenario)


def test_a_poll_that_is_due_does_not_wait_until_a_normal_call_is(
    run: Callable[[Callable[[Desk], Awaitable[None]]], None],
) -> None:
    async def scenario(desk: Desk) -> None:
        async with anyio.create_task_group() as tasks:
            await burst(desk, tasks)
            await desk.time.advance(12)
            waiting = desk.governor.statistics().waiting[Priority.NORMAL]
            tasks.start_soon(desk.take, "late poll", Priority.WATCH)
            await settle()
            assert desk.passed[-1] == "late poll"
            assert desk.governor.statistics().waiting[Priority.NORMAL] == waiting > 0
            tasks.cancel_scope.cancel()

    run(scenario)


def test_a_poll_that_is_cancelled_as_it_is_let_through_gives_its_place_back(
    run: Callable[[Callable[[Desk], Awaitable[None]]], None],
) -> None:
    async def scenario(desk: Desk) -> None:
        acquire, handed = Ledger.acquire, 0
        leaving = anyio.CancelScope()

        def cancelling(ledger: Ledger, now: float, priority: Priority) -> Grant | float:
            nonlocal handed
            verdict = acquire(ledger, now, priority)
            if priority is Priority.WATCH and isinstance(verdict, Grant):
                handed += 1
                leaving.cancel()
            return verdict

        async def poll() -> None:
            with leaving:
                await desk.take("cancelled", Priority.WATCH)

        async with anyio.create_task_group() as tasks:
            await burst(desk, tasks)
            with pytest.MonkeyPatch.context() as patch:
                patch.setattr(Ledger, "acquire", cancelling)
                tasks.start_soon(poll)
                await desk.time.advance(WINDOW / 2)
            assert handed == 1
            assert "cancelled" not in desk.passed
            assert desk.ledger.unanswered == 0
            await desk.time.advance(WINDOW)
        assert desk.governor._polls == {}

    run(scenario)


def test_a_cancelled_waiter_leaves_its_place(
    run: Callable[[Callable[[Desk], Awaitable[None]]], None],
) -> None:
    async def scenario(desk: Desk) -> None:
        await desk.use_up()
        scopes = []

        async def taking(number: int) -> None:
            with anyio.CancelScope() as scope:
                scopes.append(scope)
                await desk.take(number)

        async with anyio.create_task_group() as tasks:
            for number in range(5):
                tasks.start_soon(taking, number)
                await settle()
            scopes[0].cancel()
            scopes[3].cancel()
            await settle()
            assert desk.governor.statistics().waiting[Priority.NORMAL] == 3
            await desk.time.advance(2 * WINDOW)
        assert desk.passed == [1, 2, 4]

    run(scenario)


def test_a_storm_of_cancellations_leaves_nothing_behind(
    run: Callable[[Callable[[Desk], Awaitable[None]]], None],
) -> None:
    """Thousands who give up behind one who waits do not pile up, and the one is served."""

    async def scenario(desk: Desk) -> None:
        await desk.use_up()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(desk.take, "patient")
            await settle()
            for _ in range(20):
                async with anyio.create_task_group() as storm:
                    for number in range(100):
                        storm.start_soon(desk.take, number, list(Priority)[number % 4])
                    await settle()
                    storm.cancel_scope.cancel()
                assert len(desk.governor._heap) <= 2
            await desk.time.advance(2 * WINDOW)
        assert desk.passed == ["patient"]
        assert desk.ledger.unanswered == 0

    run(scenario)


def test_a_wait_beyond_the_deadline_fails_at_once(
    run: Callable[[Callable[[Desk], Awaitable[None]]], None],
) -> None:
    async def scenario(desk: Desk) -> None:
        await desk.use_up()
        with pytest.raises(RateBudgetExceededError) as caught:
            await desk.governor.acquire(call(deadline=desk.time.time + 5))
        assert 5 < caught.value.retry_after <= WINDOW + 1
        assert desk.time.sleeps == 0
        assert desk.governor.statistics().waiting[Priority.NORMAL] == 0

    run(scenario)


def test_a_gate_turns_away_at_once_who_cannot_wait_for_it(
    run: Callable[[Callable[[Desk], Awaitable[None]]], None],
) -> None:
    """Also those who were waiting already, and were in time until the 429 came."""

    async def scenario(desk: Desk) -> None:
        first = await desk.governor.acquire(call(Priority.BATCH))
        failed = []

        async def waiting() -> None:
            try:
                await desk.governor.acquire(call(Priority.BATCH, desk.time.time + 20))
            except RateBudgetExceededError as error:
                failed.append(error.retry_after)

        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(waiting)
            await settle()
            await desk.refuse(first, 50.0)
            await settle()
        assert failed == [pytest.approx(51.0)] * 3

    run(scenario)


def test_a_429_gates_once_and_no_stampede_follows(
    run: Callable[[Callable[[Desk], Awaitable[None]]], None], caplog: pytest.LogCaptureFixture
) -> None:
    async def scenario(desk: Desk) -> None:
        permits = [await desk.governor.acquire(call()) for _ in range(5)]
        async with anyio.create_task_group() as tasks:
            for _ in range(8):
                tasks.start_soon(desk.governor.acquire, call())
            await settle()
            before = desk.ledger.unanswered
            for permit in permits:
                await desk.refuse(permit)
                await desk.time.advance(0.1)
            assert len([each for each in caplog.records if each.levelno == logging.WARNING]) == 1
            await desk.time.advance(29)
            assert desk.ledger.unanswered == before - 5
            # The gate opens: one goes and is waited for.
            await desk.time.advance(3)
            assert desk.ledger.unanswered == before - 5 + 1
            tasks.cancel_scope.cancel()

    run(scenario)


def test_batch_is_spread_and_the_till_is_not(
    run: Callable[[Callable[[Desk], Awaitable[None]]], None],
) -> None:
    async def scenario(desk: Desk) -> None:
        async with anyio.create_task_group() as tasks:
            for number in range(30):
                tasks.start_soon(desk.take, ("batch", number), Priority.BATCH)
            await desk.time.advance(WINDOW / 2)
            halfway = len(desk.passed)
            assert LIMIT / 2 - 1 <= halfway <= LIMIT / 2 + 2
            await desk.take("till", Priority.INTERACTIVE)
            assert desk.passed[-1] == "till"
            tasks.cancel_scope.cancel()

    run(scenario)


def test_a_place_that_is_given_back_is_used(run: Callable[[Callable[[Desk], Awaitable[None]]], None]) -> None:
    async def scenario(desk: Desk) -> None:
        permits = [await desk.governor.acquire(call(Priority.INTERACTIVE)) for _ in range(1)]
        await desk.answer(permits[0])
        permits = [await desk.governor.acquire(call(Priority.INTERACTIVE)) for _ in range(LIMIT - 1)]
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(desk.take, "next", Priority.INTERACTIVE)
            await settle()
            assert desk.passed == []
            await desk.governor.give_back(permits[0])
            await settle()
            assert desk.passed == ["next"]

    run(scenario)


def test_estimate_and_statistics(run: Callable[[Callable[[Desk], Awaitable[None]]], None]) -> None:
    async def scenario(desk: Desk) -> None:
        governor = desk.governor
        assert governor.estimate(0) == 0
        assert governor.statistics().window_ends_in is None
        await desk.use_up()
        statistics = governor.statistics()
        assert (statistics.limit, statistics.used, statistics.remaining) == (LIMIT, LIMIT, 0)
        assert statistics.window_ends_in == pytest.approx(WINDOW)
        # All of the next window and half of the one after.
        assert governor.estimate(LIMIT + LIMIT // 2) == pytest.approx(2.5 * WINDOW, rel=0.1)

    run(scenario)


def test_a_call_behind_others_that_cannot_be_in_time_fails_at_once(
    run: Callable[[Callable[[Desk], Awaitable[None]]], None],
) -> None:
    """It does not wait for its turn to learn that."""

    async def scenario(desk: Desk) -> None:
        await desk.use_up()
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(desk.take, "patient")
            await settle()
            with pytest.raises(RateBudgetExceededError) as caught:
                await desk.governor.acquire(call(deadline=desk.time.time + WINDOW / 2))
            assert caught.value.retry_after == pytest.approx(WINDOW, abs=2)
            assert desk.passed == []
            tasks.cancel_scope.cancel()

    run(scenario)


def test_only_the_calls_of_a_client_that_was_closed_end(
    run: Callable[[Callable[[Desk], Awaitable[None]]], None],
) -> None:
    """And none of them is tried again."""

    async def scenario(desk: Desk) -> None:
        await desk.use_up()
        closed, other = object(), object()
        ended: list[Call] = []

        async def wait(user: object) -> None:
            mine = call()
            try:
                await desk.governor.acquire(mine, user)
                desk.passed.append(user)
            except NotSentError:
                ended.append(mine)

        async with anyio.create_task_group() as tasks:
            for user in (closed, other, closed):
                tasks.start_soon(wait, user)
                await settle()
            desk.governor.dismiss(closed)
            await settle()
            assert [each.final for each in ended] == [True, True]
            assert desk.governor.statistics().waiting[Priority.NORMAL] == 1
            await desk.time.advance(2 * WINDOW)
        assert desk.passed == [other]

    run(scenario)


def test_the_last_client_closes_what_all_share(
    run: Callable[[Callable[[Desk], Awaitable[None]]], None],
) -> None:
    async def scenario(desk: Desk) -> None:
        books = Books([])
        governor = sharing(desk, books)
        assert governor.users == 0
        governor.users = 2
        await governor.release()
        assert books.closings == 0
        await governor.release()
        assert books.closings == 1
        await desk.governor.release()

    run(scenario)


def test_a_place_that_is_given_back_is_told_to_the_others(
    run: Callable[[Callable[[Desk], Awaitable[None]]], None],
) -> None:
    """With the ticket that was granted; a place without a ticket is not reported."""

    async def scenario(desk: Desk) -> None:
        books = Books(["ticket"])
        governor = sharing(desk, books)
        await governor.give_back(await governor.acquire(call()))
        assert books.returned == ["ticket"]
        await governor.give_back(Permit(Grant(desk.time.time, 1)))
        assert books.returned == ["ticket"]

    run(scenario)


@define(eq=False)
class Books:
    """The books of several processes, that answer when and what the test says."""

    verdicts: list[str | float]
    slow: anyio.Event | None = None
    asked: int = 0
    closings: int = 0
    returned: list[str] = Factory(list)

    async def aclose(self) -> None:
        self.closings += 1

    async def give_back(self, ticket: str) -> None:
        self.returned.append(ticket)

    async def acquire(self, priority: Priority) -> str | float | None:
        self.asked += 1
        if self.slow is not None:
            await self.slow.wait()
        return self.verdicts.pop(0)

    async def refused(self, ticket: str, retry_after: float | None) -> None:
        """Take no notice, as if it had not arrived yet."""


def sharing(desk: Desk, books: Books) -> Governor:
    shared: Any = books
    return Governor(desk.ledger, desk.time.clock(), shared)


def test_news_that_come_while_the_shared_books_are_asked_are_not_lost(
    run: Callable[[Callable[[Desk], Awaitable[None]]], None],
) -> None:
    """They are asked once more, instead of after a while."""

    async def scenario(desk: Desk) -> None:
        books = Books([30.0, "ticket"], anyio.Event())
        governor = sharing(desk, books)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(governor.acquire, call())
            await settle()
            governor.poke()
            assert books.slow is not None
            books.slow.set()
        assert (books.asked, desk.time.sleeps) == (2, 0)

    run(scenario)


def test_the_shared_books_are_asked_before_somebody_is_turned_away(
    run: Callable[[Callable[[Desk], Awaitable[None]]], None],
) -> None:
    """The own ledger knows less than they do."""

    async def scenario(desk: Desk) -> None:
        await desk.use_up()
        books = Books(["ticket", 30.0])
        governor = sharing(desk, books)
        assert (await governor.acquire(call(deadline=desk.time.time + 5))).ticket == "ticket"
        with pytest.raises(RateBudgetExceededError) as caught:
            await governor.acquire(call(deadline=desk.time.time + 5))
        assert caught.value.retry_after == pytest.approx(30.0)

    run(scenario)


def test_a_429_gates_at_once_though_the_shared_books_do_not_know_of_it(
    run: Callable[[Callable[[Desk], Awaitable[None]]], None],
) -> None:
    async def scenario(desk: Desk) -> None:
        books = Books(["ticket", "another"])
        governor = sharing(desk, books)
        await governor.answered(await governor.acquire(call()), 429, {}, 30.0)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(governor.acquire, call())
            await desk.time.advance(30.0)
            assert books.asked == 1
            await desk.time.advance(5.0)
        assert books.asked == 2

    run(scenario)
