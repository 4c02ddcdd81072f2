"""How connections are chosen, kept and closed."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import anyio
import anyio.lowlevel
import httpcore
import httpx
import pytest
from attrs import define, field

from frontpay_async import FrontPayClient, NotSentError, RetryPolicy
from frontpay_async._transport import httpx_engine
from frontpay_async._transport.httpx_engine import PooledConnection, PooledTransport
from frontpay_async._transport.tls import no_tls
from tests.support.fakes import TOKEN, create
from tests.support.simulated_time import BACKENDS, passes, simulate
from tests.support.wire_server import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from frontpay_async._transport.httpx_engine import Origin

KEEPALIVE = 15.0
ONCE = RetryPolicy(attempts=1)
EXTENSIONS = {"leaving": lambda: None, "timeout": {"pool": 5.0}}


@define(eq=False)
class FakeConnection(httpx.AsyncBaseTransport):
    """Answers when it is told to, and remembers how often it was used and closed."""

    origin: Origin
    go_on: anyio.Event = field(factory=anyio.Event)
    body: AsyncIterator[bytes] | None = None
    usable: bool = True
    used: int = 0
    closed: int = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.used += 1
        await self.go_on.wait()
        self.body = aiter(httpx.ByteStream(b"{}"))
        return httpx.Response(200, content=self.body)

    def is_usable(self) -> bool:
        return self.usable

    async def aclose(self) -> None:
        self.closed += 1


@define(eq=False)
class Pools:
    """A transport over fake connections, which answer at once unless they are held back."""

    held_back: bool = False
    opened: list[FakeConnection] = field(factory=list[FakeConnection])
    transport: PooledTransport = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.transport = PooledTransport(self._open, connections=8, keepalive=KEEPALIVE)

    def _open(self, origin: Origin) -> PooledConnection:
        fake = FakeConnection(origin)
        if not self.held_back:
            fake.go_on.set()
        self.opened.append(fake)
        return PooledConnection(origin, cast("Any", fake), fake)

    async def call(self, url: str = "http://localhost/") -> None:
        request = httpx.Request("GET", url, extensions=EXTENSIONS)
        response = await self.transport.handle_async_request(request)
        await response.aread()
        await response.aclose()

    async def burst(self, count: int) -> None:
        """Make so many calls that are all in flight at once."""
        self.held_back = True
        before = len(self.opened)
        async with anyio.create_task_group() as tasks:
            for _ in range(count):
                tasks.start_soon(self.call)
            while len(self.opened) < before + count:
                await anyio.lowlevel.checkpoint()
            for pool in self.opened:
                pool.go_on.set()
        self.held_back = False

    def closed(self) -> list[int]:
        return [pool.closed for pool in self.opened]


@pytest.mark.parametrize("backend", BACKENDS)
def test_calls_one_after_another_use_one_connection(backend: str) -> None:
    async def scenario() -> Pools:
        pools = Pools()
        for _ in range(5):
            await pools.call()
            await passes(KEEPALIVE)
        return pools

    assert [pool.used for pool in simulate(scenario, backend=backend).opened] == [5]


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_a_burst_opened_is_closed_when_it_has_been_idle_for_too_long(backend: str) -> None:
    """One connection is enough afterwards; the other connections do not stay open for a server to close."""

    async def scenario() -> Pools:
        pools = Pools()
        await pools.burst(4)
        await passes(KEEPALIVE * 0.6)
        await pools.call()
        assert pools.closed() == [0, 0, 0, 0]
        await passes(KEEPALIVE * 0.6)
        await pools.call()
        return pools

    pools = simulate(scenario, backend=backend)
    assert sorted(pools.closed()) == [0, 1, 1, 1]
    assert sorted(pool.used for pool in pools.opened) == [1, 1, 1, 3]


@pytest.mark.parametrize("backend", BACKENDS)
def test_closing_closes_what_is_idle_and_what_is_busy(backend: str) -> None:
    async def scenario() -> Pools:
        pools = Pools()
        await pools.burst(3)
        async with anyio.create_task_group() as tasks:
            pools.opened[-1].go_on = anyio.Event()
            tasks.start_soon(pools.call)
            await passes(1)
            await pools.transport.aclose()
            assert pools.closed() == [1, 1, 1]
            with pytest.raises(httpx.PoolTimeout):
                await pools.call()
            for pool in pools.opened:
                pool.go_on.set()
        return pools

    simulate(scenario, backend=backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_an_idle_connection_that_cannot_be_used_is_closed(backend: str) -> None:
    async def scenario() -> Pools:
        pools = Pools()
        await pools.burst(3)
        for each in pools.opened:
            each.usable = False
        await pools.call()
        return pools

    pools = simulate(scenario, backend=backend)
    assert [each.used for each in pools.opened] == [1, 1, 1, 1]
    assert pools.closed() == [1, 1, 1, 0]


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_connection_is_used_for_its_own_origin_only(backend: str) -> None:
    """Idle connections to other origins give way when there are as many connections as there may be."""

    async def scenario() -> Pools:
        pools = Pools()
        await pools.burst(7)
        for _ in range(2):
            await pools.call("http://localhost:81/")
            await pools.call("https://localhost/")
        return pools

    pools = simulate(scenario, backend=backend)
    assert [each.used for each in pools.opened] == [1] * 7 + [2, 2]
    assert sorted(pools.closed()[:7]) == [0] * 6 + [1]
    assert pools.closed()[7:] == [0, 0]


def test_a_private_member_of_another_name_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise requests would go out over connections of httpx, without this engine's guarantees."""

    def build(transport: object, **_: object) -> None:
        vars(transport)["_pool_renamed"] = object()

    monkeypatch.setattr(httpx.AsyncHTTPTransport, "__init__", build)
    pool = httpx_engine.open_pool("httpx", no_tls(), None, 1, KEEPALIVE)
    with pytest.raises(AttributeError, match="_pool"):
        pool.open_connection((b"http", b"localhost", None))


@pytest.mark.integration
@pytest.mark.parametrize("layer", [httpx.AsyncHTTPTransport, httpcore.AsyncConnectionPool])
async def test_what_replaces_a_method_of_a_layer_gets_each_request(
    monkeypatch: pytest.MonkeyPatch, layer: Any
) -> None:
    """As mocks, recorders and guards do, also while a client is in use; what they pass on is sent."""
    original = layer.handle_async_request
    seen: list[bytes] = []

    async def refuse(_: object, request: Any) -> object:
        seen.append(bytes(request.method, "ascii") if isinstance(request.method, str) else request.method)
        raise httpx.ConnectError("no network in tests")

    async def pass_on(self: object, request: Any) -> object:
        seen.append(b"passed on")
        return await original(self, request)

    async with serving() as server, FrontPayClient(TOKEN, base_url=server.url, retry=ONCE) as client:
        for _ in range(2):
            await create(client)
            with monkeypatch.context() as patch:
                patch.setattr(layer, "handle_async_request", refuse)
                with pytest.raises(NotSentError, match="no network in tests"):
                    await create(client)
                patch.setattr(layer, "handle_async_request", pass_on)
                await create(client)
        assert seen == [b"POST", b"passed on"] * 2
        assert (len(server.requests), server.connections) == (4, 1)
