"""What never left is told as NOT_SENT, on all engines, and only that."""

from __future__ import annotations

import asyncio
import socket
from typing import TYPE_CHECKING, Any

import aiohttp
import httpx
import httpx2
import pytest
from httpx_aiohttp import AiohttpTransport

from frontpay_async import (
    Clock,
    FrontPayClient,
    FrontPayError,
    NotSentError,
    Outcome,
    OutcomeUnknownError,
    RetryPolicy,
    Timeouts,
)
from frontpay_async._transport import connection_pool
from frontpay_async._transport.send import TransportFailure
from frontpay_async.sandbox import DEFAULT_TOKEN, Sandbox
from tests.support.builders import invoice
from tests.support.fakes import TOKEN, Hooks, create
from tests.support.wire_server import WireServer, serving
from tests.support.wire_steps import after, close, envelope, unread, whole

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

    from tests._transport.conftest import Connect

pytestmark = pytest.mark.integration

ONCE = RetryPolicy(attempts=1)


def assert_cause_is_clean(error: FrontPayError) -> None:
    """The cause says what the engine said, and leads to none of its frames."""
    assert isinstance(error.__cause__, TransportFailure)
    assert str(error.__cause__) in str(error)
    assert error.__cause__.__traceback__ is None


async def not_sent(client: FrontPayClient) -> NotSentError:
    """Create an order and return the error that says that it did not leave."""
    with pytest.raises(NotSentError) as caught:
        await create(client)
    assert caught.value.outcome is Outcome.NOT_SENT
    assert caught.value.operation == "orders.send_invoice"
    assert_cause_is_clean(caught.value)
    return caught.value


async def test_a_refused_connection(nowhere: str, connect: Connect) -> None:
    await not_sent(connect(nowhere, retry=ONCE))


async def test_a_host_that_does_not_answer(unresponsive: str, connect: Connect) -> None:
    """``Timeouts.connect`` ends it."""
    await not_sent(connect(unresponsive, retry=ONCE, timeouts=Timeouts(connect=0.05)))


async def test_a_name_that_nobody_knows(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a look-up in the real name service: it is made to fail."""

    def unknown(*args: object, **more: object) -> Any:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    await not_sent(connect("https://api.frontpayment.invalid/connect", retry=ONCE, trust_env=False))


async def test_a_server_that_does_not_speak_tls(connect: Connect) -> None:
    """The handshake fails before the request."""

    async def speak_plainly(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(whole(400, b"plain text on a TLS port"))
        await writer.drain()

    async with serving(accept=speak_plainly) as plain:
        await not_sent(connect(plain.url.replace("http://", "https://"), retry=ONCE))
        assert plain.connections == 1


async def test_a_server_that_is_silent_in_the_handshake(connect: Connect) -> None:
    """``Timeouts.connect`` covers the handshake, too."""
    release = asyncio.Event()
    async with serving(accept=unread(release)) as silent:
        url = silent.url.replace("http://", "https://")
        await not_sent(connect(url, retry=ONCE, timeouts=Timeouts(connect=0.05)))
        release.set()


async def test_a_certificate_that_is_not_trusted(tls: ssl.SSLContext, connect: Connect) -> None:
    async with serving(tls=tls) as secure:
        error = await not_sent(connect(secure, retry=ONCE))
        assert "certificate verify failed" in str(error).lower()
        assert secure.requests == []


async def test_no_free_connection(
    server: WireServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """``Timeouts.pool`` ends the wait; the place is there again as soon as the first call has ended."""
    monkeypatch.setattr(connection_pool, "CONNECTIONS", 1)
    go_on = asyncio.Event()
    server.script(after(go_on, envelope()))
    client = connect(server, retry=ONCE)
    first = asyncio.create_task(create(client))
    await server.received(1)
    await not_sent(client.with_options(timeouts=Timeouts(pool=0.05)))
    go_on.set()
    await first
    await create(client)
    assert len(server.requests) == 2


async def test_a_call_that_is_cancelled_while_it_waits_for_a_connection(
    server: WireServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The hooks are told that it did not leave."""
    monkeypatch.setattr(connection_pool, "CONNECTIONS", 1)
    go_on = asyncio.Event()
    server.script(after(go_on, envelope()))
    hooks = Hooks()
    client = connect(server, **hooks.settings())
    first = asyncio.create_task(create(client))
    await server.received(1)
    second = asyncio.create_task(create(client))
    await asyncio.sleep(0)
    second.cancel()
    with pytest.raises(asyncio.CancelledError):
        await second
    go_on.set()
    await first
    assert [record.outcome for record in hooks.results] == [Outcome.NOT_SENT, None]


async def test_a_call_that_is_cancelled_while_it_connects(unresponsive: str, connect: Connect) -> None:
    """The hooks are told that it did not leave."""
    hooks = Hooks()
    client = connect(unresponsive, clock=Clock(), **hooks.settings())
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await create(client)
    assert [record.outcome for record in hooks.results] == [Outcome.NOT_SENT]


def _answering_with(error: Exception, cause: Exception | None = None) -> httpx.AsyncBaseTransport:
    def answer(_: httpx.Request) -> httpx.Response:
        raise error from cause

    return httpx.MockTransport(answer)


@pytest.mark.parametrize(
    ("error", "cause", "left"),
    [
        (httpx.ConnectError("refused"), None, False),
        (httpx.ConnectTimeout("slow"), None, False),
        (httpx.ConnectTimeout("slow"), OSError(), False),
        (httpx.PoolTimeout("full"), None, False),
        (httpx.ProxyError("407"), None, False),
        (httpx.ConnectTimeout("slow"), aiohttp.ConnectionTimeoutError(), False),
        (httpx.ConnectTimeout("lost"), aiohttp.ServerDisconnectedError(), True),
        (httpx.ConnectTimeout("reset"), aiohttp.ClientOSError(), True),
        (httpx.ReadTimeout("slow"), None, True),
        (httpx.WriteTimeout("slow"), None, True),
        (httpx.ReadError("reset"), None, True),
        (httpx.WriteError("reset"), None, True),
        (httpx.RemoteProtocolError("garbage"), None, True),
        (httpx.LocalProtocolError("mistake"), None, True),
        (RuntimeError("anything"), None, True),
        (OSError("anything"), None, True),
    ],
)
async def test_a_transport_of_the_callers_is_believed_only_where_it_could_not_connect(
    error: Exception, cause: Exception | None, left: bool
) -> None:
    """Anything but a failure to connect counts as sent, because the transport does not tell."""
    expected = OutcomeUnknownError if left else NotSentError
    transport = _answering_with(error, cause)
    async with FrontPayClient(TOKEN, environment="demo", transport=transport, retry=ONCE) as client:
        with pytest.raises(expected) as caught:
            await create(client)
    assert_cause_is_clean(caught.value)


class FailingBody(httpx.AsyncByteStream):
    """A body that breaks off with an error of a kind that belongs elsewhere."""

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield b'{"data": '
        raise httpx.ConnectError("the second half comes from elsewhere")


async def test_an_answer_that_breaks_off_was_an_answer() -> None:
    """Whatever the error is called: a status had come, so the request had left."""
    transport = httpx.MockTransport(lambda _: httpx.Response(201, stream=FailingBody()))
    async with FrontPayClient(TOKEN, environment="demo", transport=transport) as client:
        with pytest.raises(OutcomeUnknownError):
            await create(client)


@pytest.mark.parametrize("where", ["nowhere", "closed"])
async def test_httpx_aiohttps_own_transport_is_seen_through(
    server: WireServer, nowhere: str, where: str
) -> None:
    """It says ``ConnectTimeout`` for a connection that was lost after the request had been written."""
    server.otherwise = close
    expected = NotSentError if where == "nowhere" else OutcomeUnknownError
    url = nowhere if where == "nowhere" else server.url
    client = FrontPayClient(
        TOKEN, base_url=url, transport=AiohttpTransport(), retry=RetryPolicy(base_delay=0)
    )
    async with client:
        with pytest.raises(expected):
            await create(client)
    assert len(server.requests) == (0 if where == "nowhere" else 1)


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (httpx2.ConnectError("refused"), NotSentError),
        (httpx2.ConnectTimeout("too slow"), NotSentError),
        (httpx2.PoolTimeout("full"), NotSentError),
        (httpx2.ReadError("reset"), OutcomeUnknownError),
        (httpx2.ReadTimeout("silent"), OutcomeUnknownError),
        (httpx2.RemoteProtocolError("garbage"), OutcomeUnknownError),
        (None, None),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else "",
)
async def test_a_transport_of_httpx2_is_understood(
    raised: Exception | None, expected: type[Exception] | None
) -> None:
    """It gets requests of its own library, and its errors mean what httpx's mean."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        assert isinstance(request, httpx2.Request)
        assert request.headers["Authorization"] == f"Bearer {TOKEN}"
        assert b"customerDetails" in request.content
        if raised is not None:
            raise raised
        return httpx2.Response(201, json={"message": "orderAddedSuccessfully", "data": {"uuid": "ODR1"}})

    once = RetryPolicy(attempts=1)
    transport = httpx2.MockTransport(answer)
    async with FrontPayClient(TOKEN, environment="demo", transport=transport, retry=once) as client:
        if expected is None:
            assert (await client.orders.send_invoice(invoice())).order_uuid == "ODR1"
        else:
            with pytest.raises(expected):
                await create(client)


async def test_a_client_of_httpx2_speaks_to_the_sandbox() -> None:
    """Through its ASGI transport, as tests of an application that uses httpx2 do."""
    sandbox = Sandbox()
    transport = httpx2.ASGITransport(app=sandbox.app)  # type: ignore[arg-type]
    async with FrontPayClient(
        DEFAULT_TOKEN, base_url="http://sandbox.localhost/api/v1/connect", transport=transport
    ) as client:
        created = await client.orders.send_invoice(invoice())
        assert (await client.orders.get_status(created.order_uuid)).order_uuid == created.order_uuid
