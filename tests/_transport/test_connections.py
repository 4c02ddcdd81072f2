"""Connections are reused, a hundred requests flow at once, and a cancelled task costs nothing."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
from collections import Counter
from random import Random
from typing import TYPE_CHECKING, TypeAlias

import anyio
import pytest

from frontpay_async import Clock, NotSentError, Outcome, RetryPolicy, Timeouts
from frontpay_async._transport.connection_pool import CONNECTIONS
from tests.support.fakes import Hooks, create, read
from tests.support.wire_server import WireServer, serving
from tests.support.wire_steps import CREATED, Exchange, after, envelope, whole

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable

    import trustme

    from frontpay_async import FrontPayClient
    from tests._transport.conftest import Connect
    from tests.support.wire_steps import Step

pytestmark = pytest.mark.integration

PATIENCE = 20


def together(count: int) -> Step:
    """Answer only when so many requests wait for their answers at once."""
    barrier = asyncio.Barrier(count)
    answer = envelope()

    async def step(exchange: Exchange) -> None:
        await barrier.wait()
        await answer(exchange)

    return step


def after_passes(random: Random, most: int) -> Step:
    """Answer after a random number of passes of the event loop."""
    answer = envelope()

    async def step(exchange: Exchange) -> None:
        for _ in range(random.randrange(most)):
            await asyncio.sleep(0)
        await answer(exchange)

    return step


async def all_at_once(client: FrontPayClient, count: int) -> None:
    """Make so many calls at once; all must succeed."""
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        for _ in range(count):
            group.create_task(create(client))


@pytest.mark.parametrize("in_flight", [1, 16, 100])
async def test_connections_are_reused(server: WireServer, connect: Connect, in_flight: int) -> None:
    """However many rounds there are, no more connections are opened than requests are in flight."""
    server.otherwise = together(in_flight)
    client = connect(server)
    for _ in range(5):
        await all_at_once(client, in_flight)
    assert len(server.requests) == 5 * in_flight
    assert server.connections == in_flight


async def test_five_hundred_in_flight_flow_over_a_hundred_connections(
    server: WireServer, connect: Connect
) -> None:
    """The server answers only when a hundred requests are there: fewer at once would stop everything."""
    server.otherwise = together(CONNECTIONS)
    # However slow the machine is, the last ones do wait for their turn.
    await all_at_once(connect(server, timeouts=Timeouts(pool=60)), 5 * CONNECTIONS)
    assert len(server.requests) == 5 * CONNECTIONS
    # Where the machine stands still for as long as an idle connection is kept, further ones are opened.
    assert server.most_open == CONNECTIONS


async def test_calls_over_tls_reuse_their_connections(
    tls: ssl.SSLContext, authority: trustme.CA, connect: Connect
) -> None:
    """A handshake's session tickets are not taken for bytes that nobody asked for."""
    trusting = trusting_context(authority)
    async with serving(tls=tls) as secure:
        client = connect(secure, tls=trusting)
        for _ in range(5):
            await all_at_once(client, 4)
        assert secure.connections == 4
        await client.aclose()


def trusting_context(authority: trustme.CA) -> ssl.SSLContext:
    import ssl  # noqa: PLC0415 - above, it is there for the annotations only

    context = ssl.create_default_context()
    authority.configure_trust(context)
    return context


@pytest.mark.parametrize("listens", [True, False], ids=["second listens", "none listens"])
async def test_each_address_of_a_host_is_tried(
    server: WireServer, connect: Connect, monkeypatch: pytest.MonkeyPatch, listens: bool
) -> None:
    """Both families in turn; if all fail, nothing was sent."""

    def resolve(host: str, port: int, *_: object, **__: object) -> list[object]:
        assert host == "localhost"
        found = [(socket.AF_INET6, "::1"), (socket.AF_INET, "127.0.0.2"), (socket.AF_INET, "127.0.0.1")]
        return [(family, socket.SOCK_STREAM, 6, "", (at, port)) for family, at in found[: 2 + listens]]

    monkeypatch.setattr(socket, "getaddrinfo", resolve)
    client = connect(server.url.replace("127.0.0.1", "localhost"), retry=RetryPolicy(attempts=1))
    if listens:
        await create(client)
    else:
        with pytest.raises(NotSentError, match=r"ConnectError: .+from base_url"):
            await create(client)
    assert server.connections == len(server.requests) == listens


async def test_a_request_that_waits_is_not_overtaken(server: WireServer, connect: Connect) -> None:
    """Workers that call again at once get their next place behind all that wait already."""
    client = connect(server, timeouts=Timeouts(connect=60, read=60, write=60, pool=60))
    ended: list[int] = []

    async def work(number: int) -> None:
        for _ in range(3):
            await create(client)
            ended.append(number)

    async with asyncio.timeout(60), asyncio.TaskGroup() as group:
        for number in range(3 * CONNECTIONS):
            group.create_task(work(number))
    # When the last worker has had its first turn, none has had more than its second.
    last = max(ended.index(number) for number in range(3 * CONNECTIONS))
    assert max(Counter(ended[: last + 1]).values()) <= 2


async def test_a_full_pool_is_told_as_one(server: WireServer, connect: Connect) -> None:
    """It ends with ``Timeouts.pool``, whatever time is left to connect."""
    client = connect(
        server, retry=RetryPolicy(attempts=1), timeouts=Timeouts(connect=30, pool=0.05, total=None)
    )
    release = asyncio.Event()
    server.otherwise = after(release, envelope())
    async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(create(client))
        await server.received(CONNECTIONS)
        with pytest.raises(NotSentError, match="all 100 connections are in use"):
            await create(client)
        release.set()


async def test_a_connection_that_cannot_be_made_in_time_is_told_as_that(
    unresponsive: str, connect: Connect
) -> None:
    """It ends with ``Timeouts.connect``, whatever time is left to wait for a place."""
    client = connect(
        unresponsive, retry=RetryPolicy(attempts=1), timeouts=Timeouts(connect=0.05, pool=30, total=None)
    )
    with pytest.raises(NotSentError, match="ConnectTimeout"):
        await create(client)


Cancel: TypeAlias = "Callable[[FrontPayClient, Random, int], Awaitable[str]]"


async def _cancel_by_task(client: FrontPayClient, random: Random, passes: int) -> str:
    task = asyncio.ensure_future(create(client))
    for _ in range(random.randrange(passes)):
        await asyncio.sleep(0)
    task.cancel()
    try:
        await task
    except asyncio.CancelledError:
        return "cancelled"
    return "answered"


async def _cancel_by_scope(client: FrontPayClient, random: Random, passes: int) -> str:
    with anyio.CancelScope() as scope:

        async def cancel_soon() -> None:
            for _ in range(random.randrange(passes)):
                await asyncio.sleep(0)
            scope.cancel()

        soon = asyncio.ensure_future(cancel_soon())
        try:
            await create(client)
        finally:
            soon.cancel()
    return "cancelled" if scope.cancelled_caught else "answered"


@pytest.mark.parametrize(
    ("how", "seed"), [(_cancel_by_task, 1), (_cancel_by_scope, 2)], ids=["task", "scope"]
)
async def test_a_cancelled_call_costs_no_connection(
    server: WireServer, connect: Connect, how: Cancel, seed: int
) -> None:
    """A hundred calls are cancelled at random moments; then a hundred still go out at once."""
    random = Random(seed)  # noqa: S311 - repeatable is what it must be
    server.otherwise = after_passes(random, 30)
    hooks = Hooks()
    client = connect(server, **hooks.settings())
    ends: Counter[str] = Counter()
    while ends["cancelled"] < 100:
        async with asyncio.timeout(PATIENCE):
            ends.update(await asyncio.gather(*(how(client, random, 60) for _ in range(100))))
    # The moments are spread well enough: some before anything left, some on the wire, some too late.
    assert {record.outcome for record in hooks.results} == {Outcome.NOT_SENT, Outcome.UNKNOWN, None}
    server.otherwise = together(CONNECTIONS)
    await all_at_once(client, 2 * CONNECTIONS)
    await server.idle(CONNECTIONS)
    await client.aclose()
    await server.idle()
    gc.collect()


@pytest.mark.parametrize("begun", [False, True], ids=["before the answer", "in the answer"])
async def test_a_cancelled_call_closes_its_own_connection_alone(
    server: WireServer, connect: Connect, begun: bool
) -> None:
    """The calls beside it end well, and their connections stay open and are used again."""
    go_on = asyncio.Event()
    answer = whole(201, json.dumps({"data": CREATED}).encode())
    first = answer[:-5] if begun else b""

    async def wait(exchange: Exchange) -> None:
        await exchange.write(first)
        await go_on.wait()
        await exchange.write(answer[len(first) :])

    server.otherwise = wait
    client = connect(server)
    tasks = [asyncio.ensure_future(create(client)) for _ in range(3)]
    await server.received(3)
    for _ in range(20):
        await asyncio.sleep(0)
    tasks[1].cancel()
    await asyncio.wait([tasks[1]])
    await server.idle(2)
    go_on.set()
    await asyncio.gather(tasks[0], tasks[2])
    await server.idle(2)
    await read(client)
    assert (len(server.requests), server.connections) == (4, 3)


async def test_an_answer_that_is_too_long_leaves_the_connections_healthy(
    server: WireServer, connect: Connect
) -> None:
    """The connection with the unread rest is closed, and no place is lost with it."""
    client = connect(server, max_response_size=300)
    server.otherwise = envelope(filler="x" * 10_000)
    for _ in range(CONNECTIONS + 10):
        with pytest.raises(Exception, match="longer than 300 bytes"):
            await create(client)
    server.otherwise = together(CONNECTIONS)
    await all_at_once(client, CONNECTIONS)


@pytest.mark.parametrize("by", ["caller", "deadline"])
async def test_a_call_that_ends_in_the_handshake_leaves_no_connection_open(connect: Connect, by: str) -> None:
    """By itself, httpcore would lose sight of it, and it would stay open until it is collected as garbage."""

    async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
        await reader.read()

    gc.disable()
    try:
        async with serving(accept=silent) as server:
            url = server.url.replace("http://", "https://")
            client = connect(url, clock=Clock(), timeouts=Timeouts(total=0.3 if by == "deadline" else None))
            task = asyncio.ensure_future(create(client))
            await server.accepted(1)
            if by == "caller":
                task.cancel()
            (ended,) = await asyncio.gather(task, return_exceptions=True)
            assert isinstance(ended, asyncio.CancelledError if by == "caller" else NotSentError)
            await server.idle()
    finally:
        gc.enable()
