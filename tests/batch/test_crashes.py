"""A runner that dies at each step there is: what is resumed sends each order exactly once."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

import pytest

from frontpay_async.batch import State
from frontpay_async.sandbox import FaultKind
from tests.support.batches import CREATE, Dying, KilledError, Night, assert_each_sent_once, item, rows_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

pytestmark = [pytest.mark.integration, pytest.mark.search]

ITEMS = [item(1), item(2), item(2, key="I-2-again"), item(3), item(4)]
"""Two of them are the same order, and both are meant."""
LEASE = 100.0


def night_in(folder: Path) -> Night:
    """A night in which everything goes wrong that leaves a request in doubt."""
    night = Night(folder / "journal.db")
    night.sandbox.fail(FaultKind.ERROR_510_AFTER, operation=CREATE, skip=1)
    night.sandbox.fail(FaultKind.ERROR_510_BEFORE, operation=CREATE, skip=2)
    night.sandbox.fail(FaultKind.DROP_AFTER, operation=CREATE, skip=3)
    night.sandbox.fail(FaultKind.ERROR_510_BEFORE, operation="orders.get_details")
    return night


async def live(night: Night, dying: Dying) -> bool:
    """Submit and run until the end or until death; return whether the end was reached."""
    try:
        async with night.client(dying.transport(night.sandbox.transport())) as client:
            batch = night.batch(client, lease=LEASE, settling=0.9)
            batch._journal._store = dying.journal(night.journal, night.time.now)
            # What the dead had open, the system closes.
            with contextlib.closing(batch._journal._store):
                await batch.submit(ITEMS)
                await batch.run(concurrency=2)
    except KilledError:
        return False
    except BaseExceptionGroup as group:
        if group.split(KilledError)[1] is not None:
            raise
        return False
    return True


async def resume(night: Night) -> dict[str, object]:
    """Another process takes the batch up, when the lease of the dead one is over."""
    night.time.time += LEASE + 1
    async with night.client() as client, night.batch(client, lease=LEASE, settling=0.9) as batch:
        await batch.submit(ITEMS)
        report = await batch.run(concurrency=2)
        assert report.is_settled
        return dict(await rows_of(batch))


async def count_steps(folder: Path) -> list[str]:
    dying = Dying()
    assert await live(night_in(folder), dying)
    return dying.names


@pytest.mark.parametrize("first", [1, *(pytest.param(n, marks=pytest.mark.slow) for n in (2, 3, 4))])
async def test_dead_at_any_step_each_order_is_sent_once(tmp_path: Path, first: int) -> None:
    """Every fourth step, from the first on; the others with ``nox -s rate``."""
    (tmp_path / "whole").mkdir()
    names = await count_steps(tmp_path / "whole")
    assert {name for name in names if "invoice/create" in name}
    assert len(names) > 40
    for step in range(first, len(names) + 1, 4):
        folder = tmp_path / str(step)
        folder.mkdir()
        night = night_in(folder)
        await live(night, Dying(at=step))
        assert_each_sent_once(night, await resume(night), ITEMS)  # type: ignore[arg-type]


@pytest.mark.parametrize("second", range(2, 40, 6))
async def test_dead_again_while_resuming(tmp_path: Path, second: int) -> None:
    """Also who takes over may die, and who takes over from that one."""
    night = night_in(tmp_path)
    await live(night, Dying(at=30))
    night.time.time += LEASE + 1
    await live(night, Dying(at=second))
    assert_each_sent_once(night, await resume(night), ITEMS)  # type: ignore[arg-type]


async def left_behind(journal: Path, steps: int) -> Mapping[State, int]:
    """Die so many steps after the submission of forty orders; return what the journal says then."""
    night = Night(journal)
    dying = Dying()
    async with night.client(dying.transport(night.sandbox.transport())) as client:
        batch = night.batch(client)
        batch._journal._store = dying.journal(night.journal, night.time.now)
        await batch.submit([item(number) for number in range(40)])
        dying.at = dying.steps + steps
        with contextlib.closing(batch._journal._store), pytest.raises((KilledError, BaseExceptionGroup)):
            await batch.run(concurrency=4)
    async with night.client() as client, night.batch(client) as batch:
        return (await batch.status()).counts


async def test_a_death_leaves_no_more_in_doubt_than_were_in_flight(tmp_path: Path) -> None:
    """Rows are claimed one by one when their request is granted: what is only in hand is not in doubt."""
    found = [await left_behind(tmp_path / f"{steps}.db", steps) for steps in range(30, 38)]
    assert all(counts[State.PENDING] > 20 for counts in found)
    assert max(counts.get(State.SENDING, 0) for counts in found) in range(1, 5)
