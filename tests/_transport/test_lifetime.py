"""A client's lifetime: built anywhere, bound to one process and loop, closed once, shared."""

from __future__ import annotations

import asyncio
import gc
import os
import pickle
import warnings
import weakref
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from frontpay_async import (
    Clock,
    ConfigurationError,
    FrontPayClient,
    FrontPayError,
    NotSentError,
    Outcome,
    OutcomeUnknownError,
    Priority,
    RetryPolicy,
    Timeouts,
)
from frontpay_async._transport import connection_pool, engines
from frontpay_async._transport.call import Attempt, Call
from tests.support.fakes import TOKEN, Hooks, create, read
from tests.support.wire_server import WireServer, serving, serving_in_thread
from tests.support.wire_steps import after, envelope, failed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine

    from frontpay_async._transport.engines import Engine
    from tests._transport.conftest import Connect

pytestmark = pytest.mark.integration


def test_a_client_is_built_without_a_loop_and_works_in_one(engine: Engine) -> None:
    """A web application builds it when it is imported, and uses it when it serves."""
    with serving_in_thread() as server:
        client = FrontPayClient(TOKEN, base_url=server.url, engine=engine)

        async def use() -> None:
            async with client:
                await create(client)

        asyncio.run(use())
        assert len(server.requests) == 1


def test_a_client_that_was_never_used_leaves_nothing_behind(engine: Engine) -> None:
    """No socket, no session, no warning: there is nothing to close."""
    client = weakref.ref(FrontPayClient(TOKEN, environment="demo", engine=engine))
    gc.collect()
    assert client() is None


async def test_closing_twice_is_closing_once(server: WireServer, connect: Connect) -> None:
    client = connect(server)
    await create(client)
    await client.aclose()
    await client.aclose()
    await server.idle()
    assert repr(client).endswith("closed>")


async def test_closing_before_the_first_call_is_enough(server: WireServer, connect: Connect) -> None:
    """A client that is closed unused refuses calls like any other closed one."""
    client = connect(server)
    await client.aclose()
    with pytest.raises(NotSentError, match="closed"):
        await create(client)


async def test_a_closed_client_sends_nothing(server: WireServer, connect: Connect) -> None:
    """The error is the call's own: it names the operation and says that nothing was sent."""
    hooks = Hooks()
    async with connect(server, **hooks.settings()) as client:
        await create(client)
    with pytest.raises(NotSentError, match="closed") as caught:
        await create(client)
    assert caught.value.operation == "orders.send_invoice"
    assert len(server.requests) == 1
    assert [record.outcome for record in hooks.results] == [None, Outcome.NOT_SENT]


async def test_a_transport_of_the_callers_is_closed_with_the_client_even_when_unused() -> None:
    """Whoever hands it over need not remember whether a call was made."""

    class Closing(httpx.MockTransport):
        closed = 0

        async def aclose(self) -> None:
            self.closed += 1

    transport = Closing(lambda _: httpx.Response(500))
    async with FrontPayClient(TOKEN, environment="demo", transport=transport):
        pass
    assert transport.closed == 1


async def test_closing_ends_the_calls_in_flight(server: WireServer, connect: Connect) -> None:
    """What had left is unknown, nothing is retried, and no connection stays open."""
    go_on = asyncio.Event()
    server.otherwise = after(go_on, envelope())
    client = connect(server)
    calls = [asyncio.ensure_future(call(client)) for call in (read, create) * 3]
    await server.received(6)
    await client.aclose()
    ends = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(end) for end in ends} == {OutcomeUnknownError}
    await server.idle()
    assert (server.connections, len(server.requests)) == (6, 6)
    go_on.set()


async def test_closing_stops_the_calls_that_have_not_left(
    server: WireServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Calls that connect or wait for a connection send nothing any more, and are not cancelled but told."""
    monkeypatch.setattr(connection_pool, "CONNECTIONS", 3)
    client = connect(server, timeouts=Timeouts(pool=None))
    calls = [asyncio.ensure_future(create(client)) for _ in range(9)]
    await asyncio.sleep(0)
    await client.aclose()
    async with asyncio.timeout(20):
        ends = await asyncio.gather(*calls, return_exceptions=True)
    assert {type(end) for end in ends} == {NotSentError}
    await server.idle()
    assert server.requests == []
    assert server.connections <= 3


async def test_closing_stops_the_retries(server: WireServer, connect: Connect) -> None:
    """A call that waits for its next attempt does not open the connections again."""
    server.otherwise = failed(429)
    waiting, go_on = asyncio.Event(), asyncio.Event()
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        waiting.set()
        await go_on.wait()

    client = connect(server, clock=Clock(sleep=sleep))
    call = asyncio.ensure_future(create(client))
    await waiting.wait()
    await client.aclose()
    go_on.set()
    with pytest.raises(NotSentError, match="closed"):
        await call
    assert (len(server.requests), len(slept)) == (1, 1)
    await server.idle()


def test_a_client_belongs_to_the_loop_of_its_first_call(engine: Engine) -> None:
    """Its connections cannot be used from another loop: the error says so before anything breaks."""
    with serving_in_thread() as server:
        client = FrontPayClient(TOKEN, base_url=server.url, engine=engine)
        with asyncio.Runner() as first, asyncio.Runner() as second:
            first.run(create(client))
            with pytest.raises(ConfigurationError, match="another event loop"):
                second.run(create(client))
            with pytest.raises(ConfigurationError, match="another event loop"):
                second.run(client.aclose())
            first.run(create(client))
            first.run(client.aclose())
        assert len(server.requests) == 2


def _in_a_child(work: Callable[[], Coroutine[Any, Any, object]]) -> Any:
    """Run an async function in a forked child and return what it returns or raises, through a pipe."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():
        # Newer Pythons warn of threads that a child would miss; this one uses none.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        with os.fdopen(writing, "wb") as pipe:
            try:
                told: object = asyncio.run(work())
            except BaseException as error:  # noqa: BLE001 - told to the parent
                told = error
            pipe.write(pickle.dumps(told))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        told = pickle.loads(pipe.read())  # noqa: S301 - from our own child
    os.waitpid(child, 0)
    return told


forking = pytest.mark.skipif(not hasattr(os, "fork"), reason="this system cannot fork")


@forking
def test_a_client_does_not_follow_into_a_forked_process(engine: Engine) -> None:
    """Two processes that write to one connection would mix two customers' orders."""
    with asyncio.Runner() as runner:
        server = WireServer()
        runner.run(server.start())
        client = FrontPayClient(TOKEN, base_url=server.url, engine=engine)
        runner.run(_made(create(client)))
        for use in (lambda: _made(create(client)), client.aclose):
            told = _in_a_child(use)
            assert isinstance(told, ConfigurationError)
            assert "build the client after the fork" in str(told)
        runner.run(_made(create(client)))
        runner.run(client.aclose())
        runner.run(server.stop())
        assert (len(server.requests), server.connections) == (2, 1)


async def _made(call: Awaitable[object]) -> str:
    return repr(await call)


@forking
def test_a_client_that_was_not_used_before_the_fork_works_after_it() -> None:
    """A pre-forking server may build it in the parent."""
    created = {"message": "orderAddedSuccessfully", "data": {"uuid": "ODR3506777330"}}
    transport = httpx.MockTransport(lambda _: httpx.Response(201, json=created))
    client = FrontPayClient(TOKEN, environment="demo", transport=transport)
    assert "ODR3506777330" in _in_a_child(lambda: _made(create(client)))


async def test_a_derived_client_shares_the_connections(server: WireServer, connect: Connect) -> None:
    """Other options, same connection; the original's options stay."""
    client = connect(server)
    derived = client.with_options(retry=RetryPolicy(attempts=1), priority=Priority.BATCH)
    await create(client)
    await create(derived)
    assert server.connections == 1
    server.otherwise = failed(503)
    with pytest.raises(FrontPayError):
        await read(derived)
    assert len(server.requests) == 3
    with pytest.raises(FrontPayError):
        await read(client)
    assert len(server.requests) == 7


async def test_options_that_are_not_given_are_kept(server: WireServer, connect: Connect) -> None:
    """Deriving twice adds up."""
    server.otherwise = failed(503)
    once = connect(server).with_options(retry=RetryPolicy(attempts=1)).with_options(timeouts=Timeouts(read=5))
    with pytest.raises(FrontPayError):
        await read(once.with_options(priority=Priority.INTERACTIVE))
    assert len(server.requests) == 1


async def test_closing_a_derived_client_closes_nothing(server: WireServer, connect: Connect) -> None:
    client = connect(server)
    async with client.with_options(priority=Priority.BATCH) as derived:
        await create(derived)
    await create(derived)
    await create(client)
    assert server.connections == 1


async def test_closing_the_original_closes_what_was_derived(server: WireServer, connect: Connect) -> None:
    client = connect(server)
    derived = client.with_options(priority=Priority.BATCH)
    await client.aclose()
    with pytest.raises(NotSentError, match="closed"):
        await create(derived)


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({}, "no environment"),
        ({"environment": "live"}, "unknown environment"),
        ({"environment": "demo", "base_url": "https://host/"}, "not both"),
        ({"base_url": "http://api.example.com/"}, "plain http"),
        ({"base_url": "host/path"}, "absolute"),
        ({"base_url": "https://256.256.256.256/"}, "not usable"),
        ({"environment": "demo", "engine": "requests"}, "unknown engine"),
        ({"environment": "demo", "proxy": "socks5://127.0.0.1:1080"}, "names a SOCKS proxy"),
        ({"environment": "demo", "proxy": "http://[::1"}, "proxy must be an http"),
        ({"environment": "demo", "proxy": "nonsense"}, "proxy must be an http"),
        ({"environment": "demo", "tls": "/nowhere/ca.pem"}, "cannot be read"),
        ({"environment": "demo", "user_agent_suffix": "a\r\nX-Evil: 1"}, "printable ASCII"),
        ({"environment": "demo", "order_date_format": "iso"}, "order_date_format must be one of unix, day"),
        (
            {"environment": "demo", "transport": httpx.MockTransport(lambda _: None), "proxy": "http://p"},
            "own",
        ),
        ({"environment": "demo", "transport": httpx.MockTransport(lambda _: None), "tls": "ca.pem"}, "own"),
        (
            {"environment": "demo", "transport": httpx.MockTransport(lambda _: None), "engine": "aiohttp"},
            "own",
        ),
    ],
)
def test_a_setting_that_cannot_work_is_refused_when_the_client_is_built(
    settings: dict[str, Any], complaint: str
) -> None:
    """Not when the first payment depends on it."""
    with pytest.raises(ConfigurationError, match=complaint):
        FrontPayClient(TOKEN, **settings)


def test_the_aiohttp_engine_needs_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """The error names the command that installs it."""
    monkeypatch.setattr(engines, "find_spec", lambda _: None)
    with pytest.raises(ConfigurationError, match=r"pip install 'frontpay_async\[aiohttp\]'"):
        FrontPayClient(TOKEN, environment="demo", engine="aiohttp")


async def test_two_clients_do_not_share_connections(engine: Engine) -> None:
    """Each has its own, and closing one leaves the other alone."""
    async with serving() as server:
        one = FrontPayClient(TOKEN, base_url=server.url, engine=engine)
        other = FrontPayClient(TOKEN, base_url=server.url, engine=engine)
        await create(one)
        await create(other)
        await one.aclose()
        await create(other)
        await other.aclose()
        assert server.connections == 2


async def test_a_call_leaves_nothing_to_the_garbage_collector() -> None:
    """A cycle in each call would cost as much as writing its body does; httpx's own cycles are not tried."""
    answer = {
        "status_code": 201,
        "message": "orderAddedSuccessfully",
        "data": {"uuid": "ODR1", "customerUuid": "C1"},
    }
    transport = httpx.MockTransport(lambda _: httpx.Response(201, json=answer))
    async with FrontPayClient(token=TOKEN, environment="demo", transport=transport) as client:
        await create(client)
        gc.collect()
        gc.disable()
        try:
            await create(client)
            assert [each for each in gc.get_objects() if isinstance(each, (Call, Attempt))] == []
        finally:
            gc.enable()
