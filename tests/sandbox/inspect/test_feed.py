"""The feed of the sandbox's page: what it tells, to whom again, and when it ends."""

from __future__ import annotations

import logging
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, cast

import anyio
import anyio.lowlevel
import httpx
import pytest

from frontpay_async.sandbox import DEFAULT_TERMINAL, Cardholder, Sandbox
from frontpay_async.sandbox.inspect.view import View
from tests.support import more_builders as more
from tests.support.builders import invoice, payment_link
from tests.support.feeds import FEED, Reader, data_of, place_of
from tests.support.sandboxes import call, client_of, raw_client, reserved, subscribed, waiting
from tests.support.virtual_time import VirtualTime

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, MutableMapping

    from frontpay_async import FrontPayClient

pytestmark = pytest.mark.integration


@asynccontextmanager
async def asked(
    sandbox: Sandbox, headers: dict[str, str] | None = None, query: str = ""
) -> AsyncIterator[tuple[anyio.abc.ObjectReceiveStream[Any], anyio.Event]]:
    """Ask for the feed as a server does; yields what is sent, and an event that hangs up."""
    gone, (sent, read) = anyio.Event(), anyio.create_memory_object_stream[Any](100)
    pairs = {"host": "sandbox.localhost", **(headers or {})}
    scope: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "path": FEED,
        "query_string": query.encode(),
        "headers": [(name.encode(), value.encode()) for name, value in pairs.items()],
    }

    async def receive() -> MutableMapping[str, Any]:
        await gone.wait()
        return {"type": "http.disconnect"}

    async def run() -> None:
        async with sent:
            await sandbox.app(scope, receive, sent.send)

    async with anyio.create_task_group() as tasks, read:
        tasks.start_soon(run)
        yield read, gone
        gone.set()


async def first_event(read: anyio.abc.ObjectReceiveStream[Any]) -> str:
    while True:
        body = (await read.receive()).get("body", b"").decode()
        if "data: " in body:
            return body


async def test_a_new_reader_is_told_everything(client: FrontPayClient, sandbox: Sandbox) -> None:
    uuid = await waiting(client)
    await client.orders.send_invoice(invoice())
    told = await Reader(sandbox).next()
    assert told["whole"] is True
    order = told["orders"][0]
    assert (order["uuid"], order["waits_for"], order["terminal"]) == (uuid, "payment", DEFAULT_TERMINAL)
    assert order["lines"] == ["2 × Hårvask"]  # noqa: RUF001 - times
    assert [row["operation"] for row in told["requests"]] == ["orders.send_invoice", "terminals.create_order"]
    assert [(window["used"], window["limit"]) for window in told["windows"]] == [(2, 240)]
    assert [each["name"] for each in told["terminals"]] == ["Oslo Terminal", "Bergen Terminal"]
    assert told["cardholder"] == {"after": None, "pays": True}


async def test_a_reader_of_an_empty_sandbox_is_told_so_at_once(sandbox: Sandbox) -> None:
    told = await Reader(sandbox).next()
    assert (told["whole"], told["orders"], told["requests"], told["windows"]) == (True, [], [], [])


async def test_each_change_is_told_alone(client: FrontPayClient, sandbox: Sandbox) -> None:
    first, second = await waiting(client), await waiting(client)
    reader = Reader(sandbox)
    await reader.next()
    sandbox.approve(second)
    told = await reader.next()
    assert told["whole"] is False
    assert [(row["uuid"], row["status"], row["waits_for"]) for row in told["orders"]] == [
        (second, "PAID", None)
    ]
    assert told["requests"] == []
    sandbox.decline(first)
    assert [(row["uuid"], row["status"]) for row in (await reader.next())["orders"]] == [(first, "CANCELLED")]


async def test_a_refund_waits_and_is_decided(client: FrontPayClient, sandbox: Sandbox) -> None:
    uuid = await waiting(client)
    sandbox.approve(uuid)
    reader = Reader(sandbox)
    await reader.next()
    for decide, refunded in ((sandbox.decline_refund, None), (sandbox.approve_refund, "10.00")):
        await call(client, "terminals.refund", uuid, line_id=sandbox.orders[uuid].lines[0].id)
        (row,) = (await reader.next())["orders"]
        assert (row["waits_for"], row["refund"]) == ("refund", "10.00")
        decide(uuid)
        (row,) = (await reader.next())["orders"]
        assert (row["waits_for"], row["refunded"]) == (None, refunded)


async def test_a_second_part_that_is_refunded_is_told(client: FrontPayClient, sandbox: Sandbox) -> None:
    """The status stays, the amount does not."""
    uuid = (await client.orders.send_payment_link(payment_link())).order_uuid
    sandbox.apply_event(uuid, "pay")
    line = sandbox.orders[uuid].lines[0].id
    await call(client, "orders.refund", uuid, line_id=line)
    reader = Reader(sandbox)
    await reader.next()
    await call(client, "orders.refund", uuid, line_id=line)
    (row,) = (await reader.next())["orders"]
    assert (row["status"], row["refunded"]) == ("PARTIAL REFUNDED", "20.00")


async def test_what_has_changed_often_is_told_once_to_a_slow_reader(
    client: FrontPayClient, sandbox: Sandbox
) -> None:
    uuid = (await client.orders.send_payment_link(payment_link())).order_uuid
    reader = Reader(sandbox)
    await reader.next()
    for event in ("invoice", "remind", "collect", "pay"):
        sandbox.apply_event(uuid, event)
    assert [row["status"] for row in (await reader.next())["orders"]] == ["PAID"]


async def test_a_reader_that_comes_back_is_told_what_it_missed(
    client: FrontPayClient, sandbox: Sandbox
) -> None:
    await waiting(client)
    reader = Reader(sandbox)
    await reader.next()
    missed = await waiting(client)
    told = await Reader(sandbox, reader.place).next()
    assert told["whole"] is False
    assert [row["uuid"] for row in told["orders"]] == [missed]
    assert len(told["requests"]) == 1


async def test_a_reader_that_comes_back_and_missed_nothing_is_told_so(
    client: FrontPayClient, sandbox: Sandbox
) -> None:
    await waiting(client)
    reader = Reader(sandbox)
    await reader.next()
    told = await Reader(sandbox, reader.place).next()
    assert (told["whole"], told["orders"]) == (False, [])


@pytest.mark.parametrize("after", ["", "0-0", "-1", "x", "{era}-99999", "{era}-", "{era}--1", "{era}-²"])
async def test_a_place_that_is_not_known_gets_everything(
    client: FrontPayClient, sandbox: Sandbox, after: str
) -> None:
    await waiting(client)
    told = await Reader(sandbox, after.format(era=sandbox._feed.era)).next()
    assert told["whole"] is True
    assert len(told["orders"]) == 1


async def test_a_reset_gives_all_readers_everything_anew(client: FrontPayClient, sandbox: Sandbox) -> None:
    await waiting(client)
    reader = Reader(sandbox)
    await reader.next()
    sandbox.reset()
    told = await reader.next()
    assert (told["whole"], told["orders"], told["requests"], told["windows"]) == (True, [], [], [])
    uuid = await waiting(client)
    assert [row["uuid"] for row in (await reader.next())["orders"]] == [uuid]


async def test_who_missed_too_much_gets_everything(sandbox: Sandbox) -> None:
    """Of orders the newest 200 are told, and those beside that wait at a terminal; of requests 100."""
    sandbox = Sandbox(rate_limit=None, cardholder=Cardholder(after=None))
    async with sandbox.client() as client:
        reader = Reader(sandbox)
        await reader.next()
        old = await waiting(client)
        for _ in range(201):
            await client.orders.send_invoice(invoice())
    told = await reader.next()
    assert told["whole"] is True
    assert len(told["orders"]) == 201
    assert told["orders"][0]["uuid"] == old
    assert (told["order_count"], len(told["requests"]), told["request_count"]) == (202, 100, 202)
    assert told["windows"] == []


async def test_faults_are_told_until_they_are_used_up(raw: httpx.AsyncClient, sandbox: Sandbox) -> None:
    reader = Reader(sandbox)
    await reader.next()
    sandbox.fail("510-before", operation="orders.*", times=2)
    assert (await reader.next())["faults"] == [
        {"kind": "510-before", "operation": "orders.*", "seconds": 0.0, "left": 2}
    ]
    await raw.get("orders/status")
    told = await reader.next()
    assert [row["fault"] for row in told["requests"]] == ["510-before"]
    assert [row["left"] for row in told["faults"]] == [1]
    await raw.get("orders/status")
    assert (await reader.next())["faults"] == []
    sandbox.fail_randomly({"500-before": 0.25}, seed=1)
    assert [row["rate"] for row in (await reader.next())["faults"]] == [0.25]
    sandbox.faults.clear()
    assert (await reader.next())["faults"] == []


async def test_a_window_fills_and_ends() -> None:
    time = VirtualTime()
    sandbox = Sandbox(rate_limit=3, rate_window=60, clock=time.clock())
    async with raw_client(sandbox) as raw:
        for _ in range(2):
            await raw.get("orders/status")
        await time.advance(20)
        window = {"token": 1, "limit": 3, "used": 2, "ends_in": 40.0}
        assert (await Reader(sandbox).next())["windows"] == [window]
        async with raw_client(sandbox, "another-token") as another:
            await another.get("orders/status")
        other = {"token": 2, "limit": 3, "used": 1, "ends_in": 60.0}
        assert (await Reader(sandbox).next())["windows"] == [window, other]
        await time.advance(40)
        assert (await Reader(sandbox).next())["windows"] == [{**other, "ends_in": 20.0}]
        await time.advance(20)
        assert (await Reader(sandbox).next())["windows"] == []


async def test_a_cardholders_decision_is_told_when_it_is_due() -> None:
    """Nobody asks the sandbox anything meanwhile: the reader's stream waits for it."""
    time = VirtualTime()
    sandbox = Sandbox(cardholder=Cardholder(after=5), clock=time.clock())
    told: list[dict[str, Any]] = []

    async def read(reader: Reader) -> None:
        told.append(await reader.next())

    async with sandbox.client() as client, anyio.create_task_group() as tasks:
        await waiting(client)
        reader = Reader(sandbox)
        await reader.next()
        tasks.start_soon(read, reader)
        await time.advance(4.9)
        assert told == []
        await time.advance(0.1)
    assert [row["status"] for row in told[0]["orders"]] == ["PAID"]


async def test_a_change_is_told_while_a_cardholder_hesitates() -> None:
    time = VirtualTime()
    sandbox = Sandbox(cardholder=Cardholder(after=5), clock=time.clock())
    async with sandbox.client() as client, anyio.create_task_group() as tasks:
        uuid = await waiting(client)
        reader = Reader(sandbox)
        await reader.next()
        tasks.start_soon(time.settle)
        sandbox.decline(uuid)
        assert [row["status"] for row in (await reader.next())["orders"]] == ["CANCELLED"]


async def test_silence_is_broken_by_a_sign_of_life(sandbox: Sandbox) -> None:
    reader = Reader(sandbox, silence=0)
    await reader.next()
    assert await reader.raw() == ":\n\n"


async def test_two_readers_are_told_the_same(client: FrontPayClient, sandbox: Sandbox) -> None:
    readers = [Reader(sandbox), Reader(sandbox)]
    for reader in readers:
        await reader.next()
    uuid = await waiting(client)
    assert [[row["uuid"] for row in (await reader.next())["orders"]] for reader in readers] == [[uuid]] * 2


async def test_the_route_writes_server_sent_events(client: FrontPayClient, sandbox: Sandbox) -> None:
    await waiting(client)
    async with asked(sandbox) as (read, _):
        head = await read.receive()
        headers = dict(head["headers"])
        assert (head["status"], headers[b"cache-control"]) == (200, b"no-store")
        assert headers[b"content-type"].startswith(b"text/event-stream")
        assert (await read.receive())["body"] == b"retry: 1000\n\n"
        assert data_of(await first_event(read))["whole"] is True


@pytest.mark.parametrize("by", ["header", "query", "both"])
async def test_the_route_takes_up_where_a_reader_was(
    client: FrontPayClient, sandbox: Sandbox, by: str
) -> None:
    """A browser that comes back by itself asks the same URL again, so that its header counts more."""
    await waiting(client)
    reader = Reader(sandbox)
    await reader.next()
    place = reader.place
    headers = {} if by == "query" else {"last-event-id": place}
    query = {"header": "", "query": f"after={place}", "both": "after=0-0"}[by]
    async with asked(sandbox, headers, query) as (read, _):
        event = await first_event(read)
    assert (data_of(event)["whole"], place_of(event)) == (False, place)


async def test_a_stream_ends_with_its_connection(sandbox: Sandbox) -> None:
    async with asked(sandbox) as (read, gone):
        await first_event(read)
        gone.set()
        with anyio.fail_after(30):
            rest = [message async for message in read]
    assert not [message for message in rest if message.get("body")]


async def test_the_feed_is_live_over_a_socket(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    """And its end, or the server's, leaves no complaint behind."""
    async with (
        sandbox.serve() as base_url,
        client_of(base_url) as client,
        httpx.AsyncClient(base_url=base_url.replace("/api/v1/connect", ""), trust_env=False) as browser,
    ):
        async with browser.stream("GET", FEED, timeout=30) as answer:
            lines = answer.aiter_lines()
            assert "retry: 1000" in [await anext(lines) for _ in range(2)]
            assert data_of(await line_of(lines))["orders"] == []
            uuid = await waiting(client)
            assert [row["uuid"] for row in data_of(await line_of(lines))["orders"]] == [uuid]
            assert (await browser.post(f"/_sandbox/orders/{uuid}/approve")).status_code == 200
            assert [row["status"] for row in data_of(await line_of(lines))["orders"]] == ["PAID"]
        async with browser.stream("GET", FEED, timeout=30) as answer:
            await line_of(answer.aiter_lines())
            await anyio.lowlevel.checkpoint()
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def line_of(lines: AsyncIterator[str]) -> str:
    """Return the next line with data."""
    async for line in lines:
        if line.startswith("data: "):
            return line
    raise AssertionError("the stream has ended")


async def test_the_server_ends_although_somebody_reads(
    sandbox: Sandbox, caplog: pytest.LogCaptureFixture
) -> None:
    ended: list[bool] = []

    async def read(base_url: str, started: anyio.Event) -> None:
        url = base_url.replace("/api/v1/connect", FEED)
        async with httpx.AsyncClient(trust_env=False, timeout=30) as browser:
            try:
                async with browser.stream("GET", url) as answer:
                    async for _ in answer.aiter_lines():
                        started.set()
            except httpx.RemoteProtocolError:
                ended.append(True)

    started = anyio.Event()
    async with anyio.create_task_group() as tasks, sandbox.serve() as base_url:
        tasks.start_soon(read, base_url, started)
        await started.wait()
    assert ended == [True]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_reservations_subscriptions_and_checks_are_told_as_they_change() -> None:
    """Each with its amounts, what can happen to it, and whether it has an open page."""
    sandbox = Sandbox(cardholder=Cardholder(after=None))
    view = View(sandbox._api)
    async with sandbox.client() as client:
        uuid = await reserved(client, sandbox)
        place = sandbox._api.feed.place
        line = sandbox.reservations[uuid].lines[0].id
        await client.reservations.capture(uuid, more.capture(line, 40))
        subscription = await subscribed(client, sandbox, failing=1)
        check = (await call(client, "company_checks.start", "")).company_check_uuid
    told = view.since(place)
    rows = {row["uuid"]: row for row in cast("list[dict[str, object]]", told["agreements"])}
    assert told["orders"] == []
    assert set(rows) == {uuid, subscription, check}
    assert (rows[uuid]["facts"], rows[uuid]["events"]) == ({"captured": "40.00"}, ["release"])
    assert rows[subscription]["facts"] == {"cycles": "0/3", "failed": "1"}
    assert rows[subscription]["events"] == ["cycle"]
    assert (rows[check]["is_open"], rows[check]["amount"]) == (True, None)
    assert rows[check]["events"] == ["confirm", "cancel"]
    sandbox.apply_event(check, "confirm")
    whole = cast("list[dict[str, object]]", view.since(None)["agreements"])
    assert {"company": "987654321", "score": "87"} in [row["facts"] for row in whole]


@pytest.mark.parametrize(
    ("kind", "event", "status"),
    [("reservations", "expire", "EXPIRED"), ("subscriptions", "accept", "ONGOING")],
)
async def test_an_event_of_an_agreement_is_answered_with_its_status(
    kind: str, event: str, status: str
) -> None:
    sandbox = Sandbox()
    async with sandbox.client() as client:
        await call(client, f"{kind}.submit", "")
    (uuid,) = getattr(sandbox, kind)
    async with httpx.AsyncClient(transport=sandbox.transport(), base_url="http://sandbox.localhost") as http:
        answer = await http.post(f"/_sandbox/orders/{uuid}/{event}")
        assert (answer.status_code, answer.json()) == (200, {"status": status})
        again = await http.post(f"/_sandbox/orders/{uuid}/{event}")
        assert again.status_code == 409
