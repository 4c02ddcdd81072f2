"""An account of the misbehaving server, a journal, and a clock that both go by."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import anyio.lowlevel

from frontpay_async import Clock, FrontPayClient, RateLimit
from frontpay_async.batch import BatchItem, InvoiceBatch, State
from tests.support.batches import order, rows_of
from tests.support.fakes import FakeClock
from tests.support.odd_server import TOKEN, OddServer

if TYPE_CHECKING:
    from collections.abc import Callable

    from frontpay_async.batch import BatchRow
    from tests.support.odd_server import Fate, OddOrder, Row

__all__ = ["LOST", "NEVER", "Ticking", "World", "chance_of", "invoice", "newest"]

T = TypeVar("T")

BASE_URL = "http://odd.localhost/api/v1/connect"
LOST: Fate = "answer lost"
NEVER: Fate = "never stored"


class Ticking(FakeClock):
    """A clock that also advances a little whenever it is read, so that no two moments are the same."""

    def now(self) -> float:
        self.time += 0.001
        return self.time


class World:
    """A server, a journal, and a clock that all of them go by; several runners need the real one."""

    def __init__(self, journal: Any, *, is_real: bool = False) -> None:
        self.journal = journal
        self.time = Ticking()
        self.is_real = is_real
        self.server = OddServer(now=lambda: self.time.time)

    def client(self, token: str = TOKEN, **settings: Any) -> FrontPayClient:
        clock = Clock() if self.is_real else self.time.clock()
        fixed = {
            "rate_limit": RateLimit.unlimited(),
            "clock": clock,
            "base_url": BASE_URL,
            "transport": self.server.transport(),
        }
        return FrontPayClient(token, **{**fixed, **settings})

    def batch(self, client: FrontPayClient, **settings: Any) -> InvoiceBatch:
        batch = InvoiceBatch(client, **{"journal": self.journal, "name": "odd", **settings})
        if not self.is_real:
            batch._journal._clock = self.time.now
            # Without threads a run is the same each time, and costs half.
            setattr(batch._journal, "run", _inline)  # noqa: B010 - a method of an instance
        return batch

    async def run(
        self, count: int, *fates: Fate, concurrency: int = 4, token: str = TOKEN, **settings: Any
    ) -> dict[str, BatchRow]:
        """Submit and run so many orders; the first of them meet these fates."""
        self.server.fates.extend(fates)
        async with self.client(token) as client, self.batch(client, **settings) as batch:
            await batch.submit(invoice(number) for number in range(count))
            with anyio.fail_after(120):
                await batch.run(concurrency=concurrency)
            return await rows_of(batch)

    def check(self, rows: dict[str, BatchRow], token: str = TOKEN) -> int:
        """Nothing is doubled, nothing is lost, each row is done as its own; return how many are parked."""
        stored = {each.uuid: each.reference for each in self.server.orders(token)}
        assert not self.server.doubled([*rows, "OLD"], token), "doubled"
        for key, row in rows.items():
            assert row.state in {State.DONE, State.PARKED}
            if row.state is State.DONE:
                assert stored[str(row.order_uuid)] == key
        return sum(row.state is State.PARKED for row in rows.values())


async def _inline(do: Callable[..., T], *args: Any) -> T:
    await anyio.lowlevel.checkpoint()
    return do(*args)


def chance_of(seed: object) -> random.Random:
    return random.Random(f"{seed}")  # noqa: S311 - chance that can be repeated


def invoice(number: int, **fields: Any) -> BatchItem:
    """An order whose reference, which the server does not show, is its key."""
    return BatchItem(key=f"I-{number}", order=order(number, reference_no=f"I-{number}", **fields))


def newest(count: int, orders: list[OddOrder]) -> list[Row]:
    return [{"uuid": each.uuid, "status": "SENT"} for each in orders[-count:]]
