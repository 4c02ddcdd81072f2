"""A create whose answer is lost is UNKNOWN and never sent again, on all engines, over real sockets."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING

import pytest

from frontpay_async import APIError, FrontPayClient, Outcome, OutcomeUnknownError, Timeouts
from tests.support.builders import invoice, product
from tests.support.fakes import Hooks, create, read
from tests.support.wire_server import WireServer, serving
from tests.support.wire_steps import (
    CREATED,
    Exchange,
    close,
    cut,
    cut_chunked,
    envelope,
    garbage,
    never,
    reset,
    reset_unread,
    then_close,
    unread,
    whole,
)

if TYPE_CHECKING:
    import trustme

    from tests._transport.conftest import Connect
    from tests.support.wire_steps import Step

pytestmark = [pytest.mark.integration, pytest.mark.search]

IMPATIENT = Timeouts(read=0.05, write=0.05)


async def unknown(client: FrontPayClient) -> OutcomeUnknownError:
    """Create an order and return the error that says that it may have happened."""
    with pytest.raises(OutcomeUnknownError) as caught:
        await create(client)
    assert caught.value.outcome is Outcome.UNKNOWN
    return caught.value


@pytest.mark.parametrize(
    "step",
    [close, reset, cut(), cut_chunked(), garbage(), never],
    ids=["closed", "reset", "cut by length", "cut in chunks", "garbage", "silence"],
)
@pytest.mark.parametrize("warm", [False, True], ids=["new connection", "reused connection"])
async def test_a_lost_answer(server: WireServer, connect: Connect, step: Step, warm: bool) -> None:
    """One request reached the server, and no other follows, whatever was lost and on which connection."""
    hooks = Hooks()
    client = connect(server, timeouts=IMPATIENT, **hooks.settings())
    if warm:
        await create(client)
        hooks.attempts.clear()
    already = len(server.requests)
    server.otherwise = step
    await unknown(client)
    await server.received(already + 1)
    assert len(server.requests) == already + 1
    assert [record.outcome for record in hooks.attempts] == [Outcome.UNKNOWN]


@pytest.mark.parametrize("size", [1, 100, 900])
async def test_a_connection_that_is_reset_while_the_request_is_read(connect: Connect, size: int) -> None:
    """The server took some bytes of it: nobody knows how many, and there is no second connection."""
    async with serving(accept=reset_unread(size)) as server:
        await unknown(connect(server))
        assert server.connections == 1


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_a_server_that_does_not_read(connect: Connect) -> None:
    """A request that is stuck in the middle ends with ``Timeouts.write``; aiohttp by itself would hang."""
    release = asyncio.Event()
    # More than the sockets' buffers hold.
    big = invoice(products=[product(name="x" * 16_000_000)])
    async with serving(accept=unread(release)) as server:
        client = connect(server, timeouts=IMPATIENT)
        with pytest.raises(OutcomeUnknownError, match="WriteTimeout"):
            await client.orders.send_invoice(big)
        release.set()
        assert server.connections == 1


async def test_an_attempt_is_one_request(server: WireServer, connect: Connect) -> None:
    """No engine repeats a lost GET by itself: four attempts are four requests."""
    server.otherwise = close
    with pytest.raises(OutcomeUnknownError):
        await read(connect(server))
    assert len(server.requests) == 4


async def test_a_connection_that_was_closed_while_idle_is_not_used(
    server: WireServer, connect: Connect
) -> None:
    """The close is seen before the next request is written, so nothing is lost."""
    client = connect(server)
    for _ in range(3):
        server.script(then_close(envelope()))
        await create(client)
        await server.idle()
    assert server.connections == len(server.requests) == 3


STRAY = b'{"message": "orderAddedSuccessfully", "data": {"uuid": "STRAY"}}'


async def test_bytes_that_come_while_idle_are_no_answer(server: WireServer, connect: Connect) -> None:
    """A second answer on an idle connection must not be taken for the next order's."""
    go_on, gone = asyncio.Event(), asyncio.Event()

    async def answer_and_then_again(exchange: Exchange) -> None:
        await envelope(data={"uuid": "FIRST"})(exchange)
        await go_on.wait()
        await exchange.write(whole(201, STRAY))
        gone.set()

    server.script(answer_and_then_again)
    client = connect(server)
    assert (await client.orders.send_invoice(invoice())).order_uuid == "FIRST"
    go_on.set()
    await gone.wait()
    for _ in range(20):
        await asyncio.sleep(0)
    assert (await client.orders.send_invoice(invoice())).order_uuid == CREATED["uuid"]


async def assert_not_used_again(
    connect: Connect, answer: Step, secured: tuple[ssl.SSLContext, trustme.CA] | None
) -> None:
    """Assert that the second of two calls gets its own answer, over another connection."""
    trusting = None
    if secured is not None:
        trusting = ssl.create_default_context()
        secured[1].configure_trust(trusting)
    async with serving(answer, tls=None if secured is None else secured[0]) as server:
        client = connect(server, tls=trusting)
        assert (await client.orders.send_invoice(invoice())).order_uuid == "FIRST"
        # At once: the server still holds the connection open.
        assert (await client.orders.send_invoice(invoice())).order_uuid == CREATED["uuid"]
        assert server.connections == 2
        await client.aclose()


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize("chunked", [False, True], ids=["by length", "in chunks"])
@pytest.mark.parametrize(
    "extra",
    [whole(201, STRAY), b"H", b"\r\n", whole(201, STRAY) + b"HTTP/1.1 2"],
    ids=["answer", "byte", "line", "more"],
)
async def test_bytes_that_come_with_an_answer_are_no_answer(  # noqa: PLR0917 - one more than five
    connect: Connect, tls: ssl.SSLContext, authority: trustme.CA, secure: bool, chunked: bool, extra: bytes
) -> None:
    """The same, where they come in one piece with the answer: its connection is not used again."""
    body = STRAY.replace(b"STRAY", b"FIRST")
    head = b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n"
    first = head + b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body) if chunked else whole(201, body)

    async def answer_twice(exchange: Exchange) -> None:
        await exchange.write(first + extra)
        await exchange.reader.read()

    await assert_not_used_again(connect, answer_twice, (tls, authority) if secure else None)


@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
@pytest.mark.parametrize("size", [None, 16_384, 65_536, 262_144])
async def test_bytes_below_the_http_layer_are_no_answer(
    connect: Connect, tls: ssl.SSLContext, authority: trustme.CA, secure: bool, size: int | None
) -> None:
    """The same, where a second answer is a TLS record of its own, or begins where a read of a layer ends."""
    body = STRAY.replace(b"STRAY", b"FIRST")
    if size is not None:
        body += b" " * (size - len(whole(201, body)))
        body = body[: len(body) + size - len(whole(201, body))]
        assert len(whole(201, body)) == size

    async def answer_twice(exchange: Exchange) -> None:
        # Each is at least one record; all are in the socket before the client reads.
        exchange.writer.write(whole(201, body))
        exchange.writer.write(whole(201, STRAY))
        await exchange.reader.read()

    await assert_not_used_again(connect, answer_twice, (tls, authority) if secure else None)


BIG = [product(name="x" * 16_000_000)]


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
@pytest.mark.parametrize("closes", [False, True], ids=["stays", "closes"])
@pytest.mark.parametrize("secure", [False, True], ids=["plain", "TLS"])
async def test_an_early_refusal_is_read_while_a_big_body_is_written(
    connect: Connect, tls: ssl.SSLContext, authority: trustme.CA, secure: bool, closes: bool
) -> None:
    """A server that answers 413 and reads no more: the answer is told, not a timeout of the writing."""
    release = asyncio.Event()

    async def refuse(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        writer.write(whole(413, b'{"message": "too large"}'))
        await writer.drain()
        if not closes:
            await release.wait()

    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    async with serving(accept=refuse, tls=tls if secure else None) as server:
        client = connect(server, tls=trusting if secure else None, timeouts=Timeouts(write=5, read=5))
        with pytest.raises(APIError) as caught:
            await client.orders.send_invoice(invoice(products=BIG))
        assert caught.value.status == 413
        release.set()
        await client.aclose()
