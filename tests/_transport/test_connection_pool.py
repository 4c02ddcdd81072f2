"""Connections that clients share: used by all, closed by none of them."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from frontpay_async import (
    Clock,
    ConfigurationError,
    ConnectionPool,
    FrontPayClient,
    NotSentError,
    OutcomeUnknownError,
    RateLimit,
    Timeouts,
)
from frontpay_async._transport import connection_pool
from tests.support.builders import ORDER_UUID
from tests.support.fakes import TOKEN, FakeClock, create, read
from tests.support.wire_server import serving_in_thread
from tests.support.wire_steps import after, envelope

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from frontpay_async._transport.engines import Engine
    from tests.support.wire_server import WireServer

pytestmark = pytest.mark.integration

MERCHANTS = ("oslo-1f0e", "bergen-7c2d", "troms-55a9")


@pytest.fixture
async def pool(engine: Engine) -> AsyncIterator[ConnectionPool]:
    async with ConnectionPool(engine=engine) as pool:
        yield pool


def client_of(
    server: WireServer, pool: ConnectionPool, token: str = TOKEN, **settings: Any
) -> FrontPayClient:
    settings = {"rate_limit": RateLimit.unlimited(), "clock": FakeClock().clock(), **settings}
    return FrontPayClient(token, base_url=server.url, connection_pool=pool, **settings)


async def test_clients_of_many_tokens_use_the_same_connections(
    server: WireServer, pool: ConnectionPool
) -> None:
    """One after the other, over one; each with its own token."""
    for token in MERCHANTS:
        async with client_of(server, pool, token) as client:
            await create(client)
    assert server.connections == 1
    assert [request.header("authorization") for request in server.requests] == [
        f"Bearer {token}" for token in MERCHANTS
    ]


async def test_closing_a_client_leaves_the_others_and_its_own_answers_alone(
    server: WireServer, pool: ConnectionPool
) -> None:
    """What has left is not cut off: its answer is what tells whether it happened."""
    go_on = asyncio.Event()
    server.otherwise = after(go_on, envelope())
    one, other = client_of(server, pool), client_of(server, pool, MERCHANTS[0])
    calls = [asyncio.ensure_future(create(client)) for client in (one, other)]
    await server.received(2)
    await one.aclose()
    go_on.set()
    assert len(await asyncio.gather(*calls)) == 2
    with pytest.raises(NotSentError, match="client is closed"):
        await create(one)
    await create(other)
    assert len(server.requests) == 3


async def test_closing_a_client_tells_its_calls_that_wait_for_a_connection(
    server: WireServer, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They have not left, and do not leave; the place goes to the next."""
    monkeypatch.setattr(connection_pool, "CONNECTIONS", 1)
    go_on = asyncio.Event()
    server.otherwise = after(go_on, envelope())
    async with ConnectionPool(engine=engine) as pool:
        one, other = (
            client_of(server, pool),
            client_of(server, pool, MERCHANTS[0], timeouts=Timeouts(pool=None)),
        )
        first = asyncio.ensure_future(create(other))
        await server.received(1)
        waits = asyncio.ensure_future(create(one))
        last = asyncio.ensure_future(create(other))
        await asyncio.sleep(0)
        await one.aclose()
        go_on.set()
        with pytest.raises(NotSentError, match="the client was closed"):
            await waits
        await asyncio.gather(first, last)
    assert len(server.requests) == 2


async def test_a_closed_pool_sends_nothing_and_nothing_is_tried_again(
    server: WireServer, pool: ConnectionPool
) -> None:
    clock = FakeClock()
    client = client_of(server, pool, clock=clock.clock())
    await create(client)
    await pool.aclose()
    await pool.aclose()
    with pytest.raises(NotSentError, match="the connection pool was closed"):
        await create(client)
    assert (len(server.requests), clock.slept) == (1, [])
    await server.idle()
    assert repr(pool) == "<ConnectionPool closed>"


async def test_a_pool_that_is_closed_unused_sends_nothing(server: WireServer, pool: ConnectionPool) -> None:
    client = client_of(server, pool)
    await pool.aclose()
    with pytest.raises(NotSentError, match="the connection pool was closed"):
        await create(client)
    assert server.connections == 0


async def test_closing_the_pool_ends_what_is_in_flight(server: WireServer, pool: ConnectionPool) -> None:
    """It is unknown, as where a client closes its own connections."""
    go_on = asyncio.Event()
    server.otherwise = after(go_on, envelope())
    calls = [
        asyncio.ensure_future(call(client_of(server, pool, token)))
        for token in MERCHANTS
        for call in (read, create)
    ]
    await server.received(6)
    await pool.aclose()
    ends = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(end) for end in ends} == {OutcomeUnknownError}
    await server.idle()
    go_on.set()


async def test_closing_the_pool_ends_the_waits_of_its_clients(
    server: WireServer, pool: ConnectionPool
) -> None:
    """Nobody asks any more, so they would wait until their time is over."""
    server.otherwise = envelope(200, data={})
    client = client_of(server, pool, clock=Clock())
    waits = asyncio.ensure_future(client.watch.payment(ORDER_UUID, timeout=1e9))
    await server.received(1)
    await pool.aclose()
    with pytest.raises(NotSentError, match="stopped"):
        await waits


def test_a_pool_belongs_to_the_loop_of_its_first_call(engine: Engine) -> None:
    """Whichever client made it: another client in another loop would use the first one's connections."""
    pool = ConnectionPool(engine=engine)
    with serving_in_thread() as server, asyncio.Runner() as first, asyncio.Runner() as second:
        first.run(_made(client_of(server, pool)))
        with pytest.raises(ConfigurationError, match="another event loop"):
            second.run(_made(client_of(server, pool, MERCHANTS[0])))
        with pytest.raises(ConfigurationError, match="another event loop"):
            second.run(pool.aclose())
        first.run(pool.aclose())
        assert len(server.requests) == 1


async def _made(client: FrontPayClient) -> None:
    await create(client)


async def test_an_engine_is_opened_for_each_proxy(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment may name a proxy for one host and not for another."""
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:3128")
    monkeypatch.setenv("NO_PROXY", "direct.example")
    pool = ConnectionPool(engine=engine)
    hosts = ("a.example", "direct.example", "b.example")
    through, directly, through_again = (pool.open(pool.route(f"https://{host}/api")) for host in hosts)
    await pool.aclose()
    assert through is through_again
    assert through is not directly


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"transport": httpx.MockTransport(lambda _: httpx.Response(500))}, "not both"),
        ({"engine": "aiohttp"}, "a connection pool brings its own"),
        ({"proxy": "http://proxy.example:3128"}, "a connection pool brings its own"),
        ({"tls": "ca.pem"}, "a connection pool brings its own"),
        ({"trust_env": False}, "a connection pool brings its own"),
    ],
)
def test_a_client_of_a_pool_says_nothing_of_connections(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigurationError, match=complaint):
        FrontPayClient(TOKEN, environment="demo", connection_pool=ConnectionPool(), **settings)


@pytest.mark.parametrize(
    "settings", [{"engine": "requests"}, {"proxy": "nonsense"}, {"tls": "/nowhere/ca.pem"}]
)
def test_a_setting_that_cannot_work_is_refused_when_the_pool_is_built(settings: dict[str, Any]) -> None:
    with pytest.raises(ConfigurationError):
        ConnectionPool(**settings)
