"""The core runs under trio: the same client over real sockets, without asyncio in its thread."""

from __future__ import annotations

import asyncio
import gc
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Any

import pytest
import trio

from frontpay_async import (
    ConfigurationError,
    FrontPayClient,
    NotSentError,
    Outcome,
    OutcomeUnknownError,
    RateLimit,
    RetryPolicy,
    ServerError,
    Timeouts,
)
from frontpay_async._transport.connection_pool import CONNECTIONS
from tests.support.builders import invoice, product
from tests.support.fakes import TOKEN, FakeClock, Hooks, create, read
from tests.support.wire_server import serving_in_thread
from tests.support.wire_steps import CREATED, close, drip, envelope, failed, never, unread, whole

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterator

    import trustme

    from tests.support.wire_server import WireServer
    from tests.support.wire_steps import Exchange

pytestmark = pytest.mark.integration


@pytest.fixture
def server() -> Iterator[WireServer]:
    """A server in a thread of its own."""
    with serving_in_thread() as wire:
        yield wire
    gc.collect()


def run(server: WireServer, use: Callable[[FrontPayClient], Awaitable[Any]], **settings: Any) -> Any:
    """Run a function under trio with a client, and return what it returns.

    Without a rate limit: these tests want many calls in flight.
    """
    settings.setdefault("rate_limit", RateLimit.unlimited())

    async def main() -> Any:
        async with FrontPayClient(**{"token": TOKEN, "base_url": server.url, **settings}) as client:
            return await use(client)

    return trio.run(main)


def test_calls_succeed_and_reuse_their_connection(server: WireServer) -> None:
    async def three(client: FrontPayClient) -> None:
        for _ in range(3):
            await create(client)

    run(server, three)
    assert (len(server.requests), server.connections) == (3, 1)
    server.wait_in_thread(lambda wire: wire.idle())


@pytest.mark.parametrize("surplus", [False, True])
def test_a_connection_over_tls_is_reused_unless_more_came_than_the_answer(
    tls: ssl.SSLContext, authority: trustme.CA, surplus: bool
) -> None:
    stray = whole(201, b'{"is_data": true, "data": {"uuid": "STRAY"}}')

    async def answer_twice(exchange: Exchange) -> None:
        # A TLS record of its own, but one write: after two, the client may go on before the second.
        head = len(whole(201, b" " * 16_000)) - 16_000
        first = whole(201, b'{"is_data": true, "data": {"uuid": "FIRST"}}'.ljust(16_384 - head))
        exchange.writer.write(first + stray * surplus)

    async def two(client: FrontPayClient) -> None:
        assert (await client.orders.send_invoice(invoice())).order_uuid == "FIRST"
        assert (await client.orders.send_invoice(invoice())).order_uuid == CREATED["uuid"]

    trusting = ssl.create_default_context()
    authority.configure_trust(trusting)
    with serving_in_thread(answer_twice, tls=tls) as secure:
        run(secure, two, tls=trusting)
        assert secure.connections == 1 + surplus


def test_a_hundred_calls_flow_at_once(server: WireServer) -> None:
    async def many(client: FrontPayClient) -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(3 * CONNECTIONS):
                nursery.start_soon(create, client)

    run(server, many)
    assert len(server.requests) == 3 * CONNECTIONS
    assert server.most_open <= CONNECTIONS


def test_failures_are_retried_on_an_injected_clock(server: WireServer) -> None:
    server.script(failed(503), close)
    clock = FakeClock()
    run(server, read, clock=clock.clock())
    assert len(server.requests) == 3
    assert clock.slept == [0.25, 0.5]


def test_failures_are_retried_on_the_real_clock(server: WireServer) -> None:
    """Its sleep is anyio's, so it works under trio as it comes."""
    server.script(failed(503))
    run(server, read, retry=RetryPolicy(base_delay=0.001))
    assert len(server.requests) == 2


def test_a_lost_create_is_unknown_and_not_sent_again(server: WireServer) -> None:
    server.otherwise = close
    with pytest.raises(OutcomeUnknownError):
        run(server, create)
    assert len(server.requests) == 1


def test_a_refused_connection_was_not_sent(server: WireServer) -> None:
    server.loop.call_soon_threadsafe(server.listener.close)
    server.wait_in_thread(lambda wire: wire.listener.wait_closed())
    with pytest.raises(NotSentError):
        run(server, create, clock=FakeClock().clock())


@pytest.mark.parametrize("step", [never, drip()], ids=["silence", "drip"])
def test_the_deadline_bounds_a_call(server: WireServer, step: Any) -> None:
    server.otherwise = step
    with pytest.raises(OutcomeUnknownError, match=r"Timeouts\.total"):
        run(server, create, timeouts=Timeouts(total=0.3))
    server.wait_in_thread(lambda wire: wire.idle())
    assert len(server.requests) == 1


def test_a_cancelled_create_is_told_as_unknown_and_costs_no_connection(server: WireServer) -> None:
    """More calls are cancelled than there are places; then as many still go out at once."""
    server.otherwise = never
    hooks = Hooks()

    async def cancel_all(client: FrontPayClient) -> None:
        async with trio.open_nursery() as nursery:
            for _ in range(CONNECTIONS + 20):
                nursery.start_soon(create, client)
            await trio.to_thread.run_sync(server.wait_in_thread, lambda wire: wire.received(CONNECTIONS))
            nursery.cancel_scope.cancel()
        server.otherwise = envelope()
        async with trio.open_nursery() as nursery:
            for _ in range(CONNECTIONS):
                nursery.start_soon(create, client)

    run(server, cancel_all, **hooks.settings())
    told = [record.outcome for record in hooks.results]
    assert told.count(Outcome.UNKNOWN) == CONNECTIONS
    assert told.count(Outcome.NOT_SENT) == 20
    assert told.count(None) == CONNECTIONS
    server.wait_in_thread(lambda wire: wire.idle())


def test_an_answer_that_is_too_long_is_refused(server: WireServer) -> None:
    """And nothing of it is left to the garbage collector, of which trio would warn."""
    server.otherwise = envelope(filler="x" * 100_000)
    hooks = Hooks()

    async def refuse(client: FrontPayClient) -> None:
        with suppress(OutcomeUnknownError):
            await create(client)
        gc.collect()

    run(server, refuse, max_response_size=1000, **hooks.settings())
    assert [record.outcome for record in hooks.results] == [Outcome.UNKNOWN]


def test_an_async_token_is_renewed(server: WireServer) -> None:
    server.script(failed(401))
    tokens = iter(["old", "new"])

    async def token() -> str:
        await trio.lowlevel.checkpoint()
        return next(tokens)

    run(server, create, token=token)
    assert [request.header("Authorization") for request in server.requests] == ["Bearer old", "Bearer new"]


def test_a_server_error_is_raised_as_it_is(server: WireServer) -> None:
    """Not wrapped in an exception group."""
    server.otherwise = failed(500)
    with pytest.raises(ServerError):
        run(server, create, retry=RetryPolicy(attempts=1))


def test_the_aiohttp_engine_needs_asyncio(server: WireServer) -> None:
    """It says so, instead of failing somewhere inside aiohttp."""
    with pytest.raises(ConfigurationError, match="asyncio only"):
        run(server, create, engine="aiohttp")


def test_a_client_used_under_asyncio_is_not_used_under_trio(server: WireServer) -> None:
    """Another loop is another loop, whatever its kind."""
    client = FrontPayClient(TOKEN, base_url=server.url)
    with asyncio.Runner() as runner:
        runner.run(create(client))
        with pytest.raises(ConfigurationError, match="another event loop"):
            trio.run(create, client)
        runner.run(client.aclose())


@pytest.mark.parametrize("engine", ["httpx", "httpx2"])
def test_a_cancelled_body_write_leaves_nothing_to_the_garbage_collector(engine: str) -> None:
    """A server that reads nothing, and a big body: trio warns of every generator that is left behind."""
    release = asyncio.Event()
    big = invoice(products=[product(name="x" * 16_000_000)])
    with serving_in_thread(accept=unread(release)) as server:

        async def give_up(client: FrontPayClient) -> None:
            with trio.move_on_after(0.3) as scope:
                await client.orders.send_invoice(big)
            assert scope.cancelled_caught
            gc.collect()

        run(server, give_up, engine=engine, timeouts=Timeouts(total=None))
        gc.collect()
        server.loop.call_soon_threadsafe(release.set)
