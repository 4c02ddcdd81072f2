"""How pools are chosen, kept and closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import httpcore
import httpx
import pytest
from attrs import define, field

from frontpay_async._transport.httpx_engine import PooledTransport
from tests.support.simulated_time import BACKENDS, passes, simulate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from frontpay_async._transport.network_backend import Network

KEEPALIVE = 15.0
EXTENSIONS = {"leaving": lambda: None, "timeout": {"pool": 5.0}}


async def _body() -> AsyncIterator[bytes]:
    yield b"{}"


@define(eq=False)
class FakePool(httpx.AsyncBaseTransport):
    """Answers when it is told to, and remembers how often it was used and closed."""

    go_on: anyio.Event = field(factory=anyio.Event)
    used: int = 0
    closed: int = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.used += 1
        await self.go_on.wait()
        return httpx.Response(200, content=_body())

    async def aclose(self) -> None:
        self.closed += 1


@define(eq=False)
class Pools:
    """A transport over fake pools, which answer at once unless they are held back."""

    held_back: bool = False
    opened: list[FakePool] = field(factory=list)
    transport: PooledTransport = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.transport = PooledTransport(self._open, httpx, httpcore, connections=8, keepalive=KEEPALIVE)

    def _open(self, _: Network) -> FakePool:
        pool = FakePool()
        if not self.held_back:
            pool.go_on.set()
        self.opened.append(pool)
        return pool

    async def call(self) -> None:
        request = httpx.Request("GET", "http://localhost/", extensions=EXTENSIONS)
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
def test_calls_one_after_another_use_one_pool(backend: str) -> None:
    async def scenario() -> Pools:
        pools = Pools()
        for _ in range(5):
            await pools.call()
            await passes(KEEPALIVE)
        return pools

    assert [pool.used for pool in simulate(scenario, backend=backend).opened] == [5]


@pytest.mark.parametrize("backend", BACKENDS)
def test_what_a_burst_opened_is_closed_when_it_has_been_idle_for_too_long(backend: str) -> None:
    """One pool is enough afterwards; the other connections do not stay open for a server to close."""

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
