"""One order on its way, called back at the worst moment."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import anyio
from anyio.lowlevel import checkpoint
from attrs import define, field

from frontpay_async.batch.in_flight import InFlight
from frontpay_async.batch.states import RowEvent
from frontpay_async.batch.store import LeasedRow
from frontpay_async.batch.transitions import Transition

if TYPE_CHECKING:
    from frontpay_async.batch.group_commit import GroupCommit


@define(eq=False)
class FakeCommits:
    """Has written when the test says so."""

    written: anyio.Event = field(factory=anyio.Event)

    async def commit(self, _: Transition) -> bool:
        await self.written.wait()
        return True


async def test_called_back_when_its_claim_is_written_it_has_not_left() -> None:
    """Its row goes back to pending: nothing is in doubt, because nothing was sent."""
    sending = InFlight(leased=LeasedRow(id=1, key="1", kind="x", payload=b"", fence=1, attempts=0))
    claim = Transition(row=1, fence=1, event=RowEvent.CLAIM, owner="me", lease=60.0)
    commits = FakeCommits()
    sent: list[str] = []

    async def work() -> None:
        with sending.scope:
            await sending.claim(cast("GroupCommit", commits), claim)
            await checkpoint()
            sent.append("sent")

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        await anyio.wait_all_tasks_blocked()
        commits.written.set()
        sending.recall(drain=30)
    assert (sending.has_left, sent) == (False, [])
