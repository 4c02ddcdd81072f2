"""One order on its way, called back at the worst moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import anyio
import pytest
from anyio.lowlevel import checkpoint
from attrs import define, field

from frontpay_async import FrontPayClient, RateLimit
from frontpay_async.batch import InvoiceBatch, State
from frontpay_async.batch.in_flight import InFlight
from frontpay_async.batch.states import RowEvent
from frontpay_async.batch.store import LeasedRow
from frontpay_async.batch.transitions import Transition
from frontpay_async.sandbox import Sandbox
from tests.support.batches import item, rows_of

if TYPE_CHECKING:
    from pathlib import Path

    from frontpay_async.batch.group_commit import Lane


@define(eq=False)
class FakeCommits:
    """Has written when the test says so."""

    written: anyio.Event = field(factory=anyio.Event)

    async def commit(self, _: Transition) -> bool:
        await self.written.wait()
        return True


async def test_called_back_when_its_claim_is_written_it_has_not_left() -> None:
    """Its row goes back to pending: nothing is in doubt, because nothing was sent."""
    row = LeasedRow(id=1, key="1", kind="x", payload=b"", fence=1, attempts=0)
    sending = InFlight(leased=row, had_turn=lambda: None)
    claim = Transition(row=1, fence=1, event=RowEvent.CLAIM, owner="me", lease=60.0)
    commits = FakeCommits()
    sent: list[str] = []

    async def work() -> None:
        with sending.scope:
            await sending.claim(cast("Lane", commits), claim)
            await checkpoint()
            sent.append("sent")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        await anyio.wait_all_tasks_blocked()
        commits.written.set()
        sending.recall(drain=30)
    assert (sending.has_left, sent) == (False, [])


@pytest.mark.parametrize("engine", ["httpx", "aiohttp"])
@pytest.mark.integration
async def test_a_process_that_stood_still_sends_nothing_when_its_claim_is_dead(
    tmp_path: Path, engine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was stopped between the claim and the first byte: another may look for the order now."""
    if engine == "aiohttp":
        pytest.importorskip("aiohttp")
    sandbox = Sandbox(rate_limit=None)
    may_leave, stood_still = InFlight.may_leave, 0.0

    def late(self: InFlight) -> bool:
        """The clock has gone on when it is asked a second time, before the first byte."""
        nonlocal stood_still
        self._dead_at -= stood_still
        asked = may_leave(self)
        stood_still = 0.0 if stood_still else 1000.0
        return asked

    monkeypatch.setattr(InFlight, "may_leave", late)
    async with sandbox.serve() as url:
        client = FrontPayClient(
            "sandbox-token", base_url=url, rate_limit=RateLimit.unlimited(), engine=engine
        )
        async with client, InvoiceBatch(client, journal=tmp_path / "j.db", name="night") as batch:
            await batch.submit([item(1)])
            monkeypatch.setattr("frontpay_async.batch.runner.backoff", lambda *_: 1000.0)
            with anyio.move_on_after(30):
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(batch.run)
                    while (row := (await rows_of(batch))["I-1"]).attempts == 0 or row.state is State.SENDING:
                        await checkpoint()
                    tasks.cancel_scope.cancel()
            assert (row.state, sandbox.orders) == (State.PENDING, {})
