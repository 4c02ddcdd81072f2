"""The transactions of a batch before its first request: on PostgreSQL, each is several round trips."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest
from sqlalchemy import event

from frontpay_async.batch import Journal
from tests.support.batches import Night, item

if TYPE_CHECKING:
    from pathlib import Path


class Counting(httpx.AsyncBaseTransport):
    """Notes how many transactions had begun when each request arrived."""

    def __init__(self, night: Night) -> None:
        self.inner = night.sandbox.transport()
        self.transactions = 0
        self.before: list[tuple[str, int]] = []

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.before.append((request.method, self.transactions))
        return await self.inner.handle_async_request(request)

    async def watch(self, journal: Journal) -> None:
        @event.listens_for((await journal.opened()).engine, "begin")
        def count(_: object) -> None:
            self.transactions += 1


@pytest.mark.parametrize(
    ("sent", "until_list", "until_order"),
    [
        # Find the batch, and what is due. Admit the token, record the list; first order: is it alone? Lease,
        # claim.
        pytest.param(0, 2, 8, id="new account"),
        # The same, but any number of orders may be sent at once.
        pytest.param(3, 2, 6, id="account with orders"),
    ],
)
async def test_a_batch_sends_its_first_order_after_a_few_transactions(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sent: int, until_list: int, until_order: int
) -> None:
    # However slow the machine is.
    monkeypatch.setattr("frontpay_async.batch.journal._REPORT_EVERY", 3600.0)
    async with Journal.open(tmp_path / "journal.db") as journal:
        night = Night(journal)
        counting = Counting(night)
        async with night.client(counting) as client:
            if sent:
                async with night.batch(client, name="before") as batch:
                    await batch.submit([item(number) for number in range(sent)])
                    await batch.run()
            async with night.batch(client) as batch:
                await batch.submit([item(sent)])
            counting.before.clear()
            await counting.watch(journal)
            async with night.batch(client) as batch:
                await batch.resume()
    assert counting.before[0] == ("GET", until_list)
    assert counting.before[1] == ("POST", until_order)
