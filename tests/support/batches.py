"""What the batch's tests share: orders by number, a night in which time is fake, and a death at any step."""

from __future__ import annotations

import json
from collections import Counter
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import httpx
from attrs import Factory, define, field

from frontpay_async import FrontPayClient, RateLimit
from frontpay_async.batch import BatchItem, InvoiceBatch, Journal
from frontpay_async.batch.encryption import NoCipher
from frontpay_async.batch.states import State
from frontpay_async.batch.store import Store
from frontpay_async.sandbox import DEFAULT_TOKEN, Sandbox
from tests.support.builders import customer, invoice
from tests.support.fakes import FakeClock
from tests.support.sandboxes import BASE_URL

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from sqlalchemy import Connection

    from frontpay_async import InvoiceOrder
    from frontpay_async.batch import BatchRow

__all__ = [
    "CREATE",
    "Dying",
    "KilledError",
    "Night",
    "Rewriting",
    "account_of",
    "assert_each_sent_once",
    "item",
    "order",
    "rows_of",
]

CREATE = "orders.send_*"
"""The operations that a batch sends by, for faults."""


def order(number: int, **fields: Any) -> InvoiceOrder:
    """An invoice to the customer with this number."""
    buyer = customer(
        name=f"Customer {number}",
        email=f"c{number}@example.no",
        msisdn=f"4{number:07}",
        personal_number=f"{number:011}",
    )
    return invoice(**{"customer": buyer, **fields})


def item(number: int, *, key: str | None = None, **fields: Any) -> BatchItem:
    """The order with this number, under a key that says so."""
    return BatchItem(key=key or f"I-{number}", order=order(number, **fields))


def account_of(journal: Store, name: str = "night") -> int:
    """The number of the account of a batch."""
    found = journal.find_batch(name)
    assert found is not None
    return found.account


async def rows_of(batch: InvoiceBatch) -> dict[str, BatchRow]:
    """All rows of a batch, by key."""
    return {row.key: row async for row in batch.rows()}


@define(eq=False)
class Night:
    """A sandbox, a journal and a fake clock that all of them go by.

    Args:
        journal: A path, a URL, or an open journal.
        time: The clock.
        sandbox: The API.
    """

    journal: str | Path | Journal
    time: FakeClock = field(factory=FakeClock)
    sandbox: Sandbox = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.sandbox = Sandbox(rate_limit=None, clock=self.time.clock())

    def client(self, transport: httpx.AsyncBaseTransport | None = None, **settings: Any) -> FrontPayClient:
        fixed = {"rate_limit": RateLimit.unlimited(), "clock": self.time.clock(), "base_url": BASE_URL}
        return FrontPayClient(
            DEFAULT_TOKEN, transport=transport or self.sandbox.transport(), **{**fixed, **settings}
        )

    def batch(self, client: FrontPayClient, **settings: Any) -> InvoiceBatch:
        batch = InvoiceBatch(client, **{"journal": self.journal, "name": "night", **settings})
        batch._journal._clock = self.time.now
        return batch

    def requests(self, operation: str) -> int:
        """How many requests of an operation arrived."""
        return sum(each.operation == operation for each in self.sandbox.requests)


def assert_each_sent_once(night: Night, rows: dict[str, BatchRow], items: list[BatchItem]) -> None:
    """Each order stands in the account exactly once, and the journal knows under which id."""
    stand = {uuid: each.body["customerDetails"]["email"] for uuid, each in night.sandbox.orders.items()}
    wanted = Counter(each.order.customer.email for each in items)
    assert Counter(stand.values()) == wanted
    assert {key: row.state for key, row in rows.items()} == {each.key: State.DONE for each in items}
    assert {row.order_uuid for row in rows.values()} == stand.keys()
    for each in items:
        assert stand[str(rows[each.key].order_uuid)] == each.order.customer.email


class Rewriting(httpx.AsyncBaseTransport):
    """Changes what the sandbox answers to reads."""

    def __init__(self, night: Night, change: Callable[[str, Any], Any]) -> None:
        self.inner = night.sandbox.transport()
        self.change = change

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self.inner.handle_async_request(request)
        if request.method != "GET" or response.status_code != 200:
            return response
        body = json.loads(await response.aread())
        path = request.url.path.split("/connect/")[1]
        body["data"] = self.change(path, body["data"])
        return httpx.Response(200, json=body)


class KilledError(BaseException):
    """The process is gone."""


@define(eq=False)
class Dying:
    """A process that dies at a step: between any two things that others can see of it.

    Args:
        at: The step, counted from 1; None to live, and count.
    """

    at: int | None = None
    steps: int = 0
    names: list[str] = Factory(list)

    def step(self, name: str) -> None:
        self.steps += 1
        self.names.append(name)
        if self.at is not None and self.steps >= self.at:
            raise KilledError(name)

    def alive(self) -> None:
        """Let nobody do anything who is dead."""
        if self.at is not None and self.steps >= self.at:
            raise KilledError

    def transport(self, inner: httpx.AsyncBaseTransport) -> httpx.AsyncBaseTransport:
        """A transport that dies before the request leaves, or when it has been worked on."""

        class Transport(httpx.AsyncBaseTransport):
            async def handle_async_request(_, request: httpx.Request) -> httpx.Response:  # noqa: N805
                self.step(f"before {request.method} {request.url.path}")
                try:
                    return await inner.handle_async_request(request)
                finally:
                    self.step(f"after {request.method} {request.url.path}")

        return Transport()

    def journal(self, target: str | Path, clock: Any) -> Store:
        """A journal that dies before a commit or after it; to die earlier leaves the same."""
        step, alive = self.step, self.alive

        class Mortal(Store):
            @contextmanager
            def writing(self) -> Iterator[Connection]:
                alive()
                with Store.writing(self) as connection:
                    yield connection
                    step("before a commit")
                step("after a commit")

            @contextmanager
            def reading(self) -> Iterator[Connection]:
                alive()
                with Store.reading(self) as connection:
                    yield connection

        return Mortal.open(target, NoCipher(), clock)
