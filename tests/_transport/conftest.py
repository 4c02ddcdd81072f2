"""What the transport's tests share: all engines, clients that are closed, and a fake clock."""

from __future__ import annotations

import socket
import ssl
from contextlib import AsyncExitStack, ExitStack
from typing import TYPE_CHECKING, Any, Protocol, get_args

import pytest
import trustme

from frontpay_async import FrontPayClient, RateLimit
from frontpay_async._transport.engines import Engine
from tests.support.fakes import TOKEN, FakeClock
from tests.support.wire_server import WireServer, serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator


class Connect(Protocol):
    """Builds a client of the test's engine, which is closed after the test."""

    def __call__(self, server: WireServer | str, **settings: Any) -> FrontPayClient: ...


@pytest.fixture(params=get_args(Engine))
def engine(request: pytest.FixtureRequest) -> Engine:
    """Each engine in turn."""
    named: Engine = request.param
    return named


@pytest.fixture
def clock() -> FakeClock:
    """A clock that never waits."""
    return FakeClock()


@pytest.fixture
async def server() -> AsyncIterator[WireServer]:
    """A server that answers every request with a created order until it is told otherwise."""
    async with serving() as wire:
        yield wire


@pytest.fixture
async def connect(engine: Engine, server: WireServer, clock: FakeClock) -> AsyncIterator[Connect]:
    """Builds clients of the test's engine, and closes them before the server."""
    async with AsyncExitStack() as stack:

        def build(where: WireServer | str, **settings: Any) -> FrontPayClient:
            url = where if isinstance(where, str) else where.url
            chosen = {"token": TOKEN, "base_url": url, "engine": engine, "clock": clock.clock(), **settings}
            chosen.setdefault("rate_limit", RateLimit.unlimited())
            client = FrontPayClient(**chosen)
            stack.push_async_callback(client.aclose)
            return client

        yield build


@pytest.fixture
def nowhere() -> Iterator[str]:
    """The URL of a port that is taken but does not listen, so that connections are refused."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{taken.getsockname()[1]}/api/v1/connect"


@pytest.fixture
def unresponsive() -> Iterator[str]:
    """The URL of a host that lets nobody connect: its queue of connections is full, and nobody accepts."""
    with ExitStack() as stack:
        listening = stack.enter_context(socket.socket())
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        where = listening.getsockname()
        for _ in range(4):
            filler = stack.enter_context(socket.socket())
            filler.setblocking(False)
            filler.connect_ex(where)
        yield f"http://127.0.0.1:{where[1]}/api/v1/connect"


@pytest.fixture(scope="session")
def authority() -> trustme.CA:
    """A certificate authority that no system trusts."""
    return trustme.CA()


@pytest.fixture(scope="session")
def tls(authority: trustme.CA) -> ssl.SSLContext:
    """A server's TLS, with the authority's certificate for localhost."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("localhost").configure_cert(context)
    return context
