"""The sandbox over real sockets, in this process: what goes over the wire, whole and spoilt."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio.lowlevel
import httpx
import pytest

from frontpay_async import (
    Clock,
    NotFoundError,
    NotSentError,
    OutcomeUnknownError,
    PaymentStatus,
    ServerError,
)
from frontpay_async._protocol.operations import SEND_INVOICE
from frontpay_async.sandbox import DEFAULT_TOKEN, Sandbox
from frontpay_async.sandbox.server import bind
from tests.support.builders import efaktura, ehf, invoice, payment_link
from tests.support.sandboxes import body_of, client_of, waiting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from frontpay_async import FrontPayClient
    from tests.support.fakes import FakeClock

pytestmark = pytest.mark.integration


@asynccontextmanager
async def connected(sandbox: Sandbox) -> AsyncIterator[FrontPayClient]:
    """Serve a sandbox, with a client that does not retry."""
    async with (
        sandbox.serve() as base_url,
        client_of(base_url) as client,
    ):
        yield client


async def talk(base_url: str, path: str, body: object = None) -> tuple[bytes, bytes]:
    """Send a request byte by byte, and return the head and the body of all that comes until the end."""
    where = urlsplit(base_url)
    reader, writer = await asyncio.open_connection(where.hostname, where.port)
    content = b"" if body is None else json.dumps(body).encode()
    head = (
        f"{'GET' if body is None else 'POST'} {where.path}/{path} HTTP/1.1\r\nHost: sandbox.localhost\r\n"
        f"Authorization: Bearer {DEFAULT_TOKEN}\r\nConnection: close\r\n"
        f"Content-Length: {len(content)}\r\n\r\n"
    )
    writer.write(head.encode() + content)
    try:
        answer = await reader.read()
    except ConnectionResetError:
        answer = b""
    writer.close()
    head_of_answer, _, rest = answer.partition(b"\r\n\r\n")
    return head_of_answer.lower(), rest


async def test_all_kinds_of_orders_travel_over_a_socket(sandbox: Sandbox) -> None:
    async with connected(sandbox) as client:
        await client.orders.send_payment_link(payment_link())
        await client.orders.send_invoice(invoice())
        await client.orders.send_efaktura(efaktura())
        await client.orders.send_ehf_invoice(ehf())
        uuid = await waiting(client)
        sandbox.approve(uuid)
        assert await client.terminals.get_payment_status(uuid) is PaymentStatus.PAID
        assert len(await client.orders.list_statuses()) == 5


async def test_many_requests_at_once_are_all_answered() -> None:
    sandbox = Sandbox(rate_limit=None)
    async with connected(sandbox) as client, anyio.create_task_group() as tasks:
        for _ in range(200):
            tasks.start_soon(client.orders.send_invoice, invoice())
    assert len(sandbox.orders) == 200


async def test_answers_come_in_chunks_with_the_documented_headers(sandbox: Sandbox) -> None:
    async with sandbox.serve() as base_url:
        head, body = await talk(base_url, "orders/invoice/create", body_of(SEND_INVOICE))
    assert head.startswith(b"http/1.1 201")
    assert b"transfer-encoding: chunked" in head
    assert b"content-length" not in head
    assert b"content-type: application/json\r\n" in head + b"\r\n"
    assert b"x-ratelimit-remaining: 239" in head
    assert b"\r\ndate: " in head
    assert head.count(b"\r\nserver: ") == 1
    assert b"server: nginx/1.24.0 (ubuntu)\r\n" in head
    assert body.endswith(b"\r\n0\r\n\r\n")


@pytest.mark.parametrize(("kind", "orders"), [("drop-before", 0), ("drop-after", 1)])
async def test_a_dropped_connection_gives_no_byte(sandbox: Sandbox, kind: str, orders: int) -> None:
    sandbox.fail(kind)
    async with sandbox.serve() as base_url:
        assert await talk(base_url, "orders/invoice/create", body_of(SEND_INVOICE)) == (b"", b"")
    assert len(sandbox.orders) == orders


async def test_a_cut_body_ends_amid_a_chunk_sequence(sandbox: Sandbox) -> None:
    sandbox.fail("cut-body")
    async with sandbox.serve() as base_url:
        head, body = await talk(base_url, "orders/invoice/create", body_of(SEND_INVOICE))
    assert head.startswith(b"http/1.1 201")
    assert b'{"status_code":201' in body
    assert not body.endswith(b"0\r\n\r\n")
    assert len(sandbox.orders) == 1


@pytest.mark.parametrize("kind", ["drop-before", "drop-after", "cut-body"])
async def test_a_client_does_not_know_what_came_of_a_lost_answer(sandbox: Sandbox, kind: str) -> None:
    sandbox.fail(kind)
    async with connected(sandbox) as client:
        with pytest.raises(OutcomeUnknownError):
            await client.orders.send_invoice(invoice())
        assert len(await client.orders.list_statuses()) == (kind != "drop-before")


async def test_a_proxys_error_is_html(sandbox: Sandbox) -> None:
    sandbox.fail("502-after", times=2)
    async with sandbox.serve() as base_url:
        head, body = await talk(base_url, "orders/status")
        assert head.startswith(b"http/1.1 502")
        assert b"content-type: text/html" in head
        assert b"<h1>502 Bad Gateway</h1>" in body
        async with client_of(base_url) as client:
            with pytest.raises(ServerError) as caught:
                await client.orders.send_invoice(invoice())
    assert caught.value.status == 502


async def test_a_drip_is_a_chunk_for_each_byte(sandbox: Sandbox, fake_clock: FakeClock) -> None:
    sandbox.fail("drip", seconds=30)
    async with sandbox.serve() as base_url:
        _, body = await talk(base_url, "terminal/lists/ORG1")
    assert body.startswith(b'1\r\n{\r\n1\r\n"\r\n')
    assert sum(fake_clock.slept) == pytest.approx(30)


async def test_latency_passes_on_the_sandboxs_clock(sandbox: Sandbox, fake_clock: FakeClock) -> None:
    sandbox.fail("latency", seconds=20)
    async with connected(sandbox) as client:
        await client.orders.list_statuses()
    assert fake_clock.slept == [20]


async def test_a_caller_that_gave_up_disturbs_nobody(caplog: pytest.LogCaptureFixture) -> None:
    """The answer is due when its caller is gone: there is no connection left to drop."""
    due = anyio.Event()
    sandbox = Sandbox(clock=Clock(sleep=lambda _: due.wait()))
    kinds = ["drop-after", "cut-body", "500-after"]
    for kind in kinds:
        sandbox.fail(kind)
    sandbox.fail("latency", seconds=1, times=3)
    async with connected(sandbox) as client:
        for arrived in range(1, 4):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(client.orders.list_statuses)
                while len(sandbox.requests) < arrived:
                    await anyio.lowlevel.checkpoint()
                tasks.cancel_scope.cancel()
        due.set()
        assert await client.terminals.list("ORG1") == ()
    assert [request.fault for request in sandbox.requests] == [*kinds, None]
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_an_answer_that_is_held_back_does_not_hold_up_the_end(caplog: pytest.LogCaptureFixture) -> None:
    sandbox = Sandbox(clock=Clock(sleep=lambda _: anyio.sleep_forever()))
    sandbox.fail("latency", seconds=1)
    lost = []

    async def ask(base_url: str) -> None:
        async with client_of(base_url) as client:
            try:
                await client.orders.list_statuses()
            except OutcomeUnknownError as error:
                lost.append(error)

    async with anyio.create_task_group() as tasks, sandbox.serve() as base_url:
        tasks.start_soon(ask, base_url)
        while not sandbox.requests:
            await anyio.lowlevel.checkpoint()
    assert len(lost) == 1
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


async def test_what_the_block_raises_comes_out_as_it_is(sandbox: Sandbox) -> None:
    with pytest.raises(NotFoundError):
        async with connected(sandbox) as client:
            await client.orders.get_status("ODR1")


async def test_nobody_answers_once_the_block_is_left(sandbox: Sandbox) -> None:
    async with sandbox.serve() as base_url:
        pass
    async with client_of(base_url) as client:
        with pytest.raises(NotSentError):
            await client.orders.list_statuses()


async def test_a_cancelled_block_closes_the_server(sandbox: Sandbox) -> None:
    urls = []
    with anyio.CancelScope() as scope:
        async with sandbox.serve() as base_url:
            urls.append(base_url)
            scope.cancel()
            await anyio.sleep_forever()
    async with httpx.AsyncClient(trust_env=False) as client:
        with pytest.raises(httpx.ConnectError):
            await client.get(urls[0])


async def test_the_hosts_logging_is_left_alone(sandbox: Sandbox, caplog: pytest.LogCaptureFixture) -> None:
    loggers = [logging.getLogger(name) for name in ("uvicorn", "uvicorn.error", "uvicorn.access")]

    def settings() -> list[object]:
        return [(each.level, each.propagate, list(each.handlers)) for each in loggers]

    before = settings()
    caplog.set_level(logging.INFO)
    async with connected(sandbox) as client:
        assert settings() == before
        await client.orders.list_statuses()
    assert not [record for record in caplog.records if record.name == "uvicorn.access"]


async def test_a_server_that_cannot_start_says_why(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fail(*_: object) -> None:
        raise OSError("no more sockets")

    monkeypatch.setattr("uvicorn.Server.startup", fail)
    served: list[str] = []
    with pytest.raises(OSError, match="no more sockets"):
        async with sandbox.serve() as base_url:
            served.append(base_url)
    assert not served


async def test_it_can_be_served_by_ipv6(sandbox: Sandbox) -> None:
    try:
        async with sandbox.serve("::1") as base_url:
            assert base_url.startswith("http://[::1]:")
            head, _ = await talk(base_url, "orders/status")
    except OSError:
        pytest.skip("this machine has no IPv6")
    assert head.startswith(b"http/1.1 404")


def test_a_connection_writes_at_once() -> None:
    """Without this option each answer takes 40 ms longer, because its body waits for an acknowledgement."""
    with bind("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        connection, _ = listener.accept()
        with connection:
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
