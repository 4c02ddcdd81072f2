"""Whatever polls, callbacks, timeouts and cancellations do to one another, no end is lost or told twice."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
from attrs import frozen
from hypothesis import given, settings, strategies as st

from frontpay_async import PaymentStatus, WatchTimeoutError
from tests.support.simulated_time import BACKENDS, passes, simulate
from tests.support.watching import Waiter, World, world

if TYPE_CHECKING:
    from frontpay_async import FrontPayError

ORDERS = 8
TIMES = st.integers(0, 4000).map(lambda hundredths: hundredths / 100)
PATIENCE = 40.0


@frozen
class Waits:
    """Somebody waits for an order: from when, for how long, and when they are cancelled, if they are."""

    order: int
    begins: float
    timeout: float
    leaves: float | None
    reads: bool


@frozen
class Scenario:
    ends: tuple[float | None, ...]
    waits: tuple[Waits, ...]
    callbacks: tuple[tuple[float, int], ...]
    faults: tuple[tuple[str, int, int], ...]
    latency: float
    listed: bool
    others: int


waits = st.builds(
    Waits,
    order=st.integers(0, ORDERS - 1),
    begins=TIMES,
    timeout=st.floats(0.05, PATIENCE),
    leaves=st.none() | TIMES,
    reads=st.booleans(),
)
scenarios = st.builds(
    Scenario,
    ends=st.tuples(*[st.none() | TIMES] * ORDERS),
    waits=st.lists(waits, min_size=1, max_size=16).map(tuple),
    callbacks=st.lists(st.tuples(TIMES, st.integers(0, ORDERS - 1)), max_size=12).map(tuple),
    faults=st.lists(
        st.tuples(
            st.sampled_from(["500-before", "drop-before", "unknown-status", "cut-body"]),
            st.integers(0, 60),
            st.integers(1, 6),
        ),
        max_size=3,
    ).map(tuple),
    latency=st.sampled_from([0.0, 0.1, 0.7, 3.0]),
    listed=st.booleans(),
    others=st.sampled_from([0, 0, 12]),
)


class Reads(Waiter):
    """Reads all updates instead."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[PaymentStatus] = []

    async def wait(self, client: object, uuid: str, kind: str = "payment", **how: object) -> None:
        with self.scope:
            try:
                async for status in client.watch.updates(uuid, kind=kind, **how):  # type: ignore[attr-defined]
                    self.seen.append(status)
                self.result = self.seen[-1]
            except WatchTimeoutError as error:
                self.error = error
            self.ended_at = anyio.current_time()


async def play(scenario: Scenario) -> int:
    """Play a scenario, and judge it; return how many waits were judged."""
    async with world(
        latency=scenario.latency, list_terminal_orders=scenario.listed, pending_status=None
    ) as here:
        uuids = [await here.order() for _ in range(ORDERS + scenario.others)]
        for kind, skip, times in scenario.faults:
            here.sandbox.fail(kind, operation="*status*", skip=skip, times=times)
        start = anyio.current_time()
        played = [(each, Reads() if each.reads else Waiter()) for each in scenario.waits]
        async with anyio.create_task_group() as tasks:
            for uuid in uuids[ORDERS:]:
                tasks.start_soon(Waiter().wait, here.client, uuid)
            for each, waiter in played:
                tasks.start_soon(wait, here, uuids[each.order], each, waiter)
            for at, order in scenario.callbacks:
                tasks.start_soon(tell, here, at, uuids[order])
            for at, uuid in zip(scenario.ends, uuids, strict=False):
                if at is not None:
                    tasks.start_soon(pay, here, at, uuid)
            await passes(90)
            for each, waiter in played:
                judge(each, waiter, scenario.ends[each.order], start)
            tasks.cancel_scope.cancel()
        statistics = here.client.watch.statistics()
        assert statistics.watches == 0
        # Nothing is left behind: no reader, no deadline, no leader, no poll.
        poller = here.client.watch._poller
        assert (len(poller._readers), len(poller._deadlines)) == (0, 0)
        assert (poller._leader, poller._asking, len(poller._under_way)) == (None, False, 0)
        assert here.client.rate.statistics().refusals == 0
        return len(played)


async def wait(here: World, uuid: str, each: Waits, waiter: Waiter) -> None:
    await passes(each.begins)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: waiter.wait(here.client, uuid, timeout=each.timeout))
        if each.leaves is not None:
            await passes(max(0.0, each.leaves - each.begins))
            waiter.scope.cancel()


async def tell(here: World, at: float, uuid: str) -> None:
    await passes(at)
    here.client.watch.notify(uuid)


async def pay(here: World, at: float, uuid: str) -> None:
    await passes(at)
    here.sandbox.approve(uuid)


def judge(each: Waits, waiter: Waiter, end: float | None, start: float) -> None:
    """One outcome, and the right one."""
    gone = each.leaves is not None and waiter.ended_at is None
    until = each.begins + each.timeout
    if gone:
        assert (waiter.result, waiter.error) == (None, None)
        return
    assert waiter.ended_at is not None, "somebody still waits"
    ended = waiter.ended_at - start
    assert (waiter.result is None) != (waiter.error is None)
    if isinstance(waiter, Reads):
        assert waiter.seen.count(PaymentStatus.PAID) == (waiter.result is not None)
        assert all(one != other for one, other in zip(waiter.seen, waiter.seen[1:], strict=False))
    if waiter.result is not None:
        # Never before it happened, and never an end that did not.
        assert waiter.result is PaymentStatus.PAID
        assert end is not None
        assert end - 1e-6 <= ended <= until + 1e-6
    else:
        error: FrontPayError | None = waiter.error
        assert isinstance(error, WatchTimeoutError)
        assert abs(ended - until) < 1e-3
        # Whoever had a good while after the end has heard of it.
        assert end is None or until < max(end, each.begins) + 25


@given(scenarios)
@settings(max_examples=24)
def test_no_end_is_lost_or_told_twice(scenario: Scenario) -> None:
    assert simulate(play, scenario, backend=BACKENDS[0]) == len(scenario.waits)


@given(scenarios)
@settings(max_examples=12)
def test_no_end_is_lost_or_told_twice_under_trio(scenario: Scenario) -> None:
    assert simulate(play, scenario, backend=BACKENDS[1]) == len(scenario.waits)
