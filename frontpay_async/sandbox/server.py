"""The sandbox over a socket: uvicorn, extended to drop a connection without a response."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

import anyio
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from frontpay_async.sandbox.app import BASE_PATH
from frontpay_async.sandbox.response_faults import ConnectionDroppedError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Coroutine, Generator
    from typing import TypeAlias

    from starlette.types import ASGIApp, Receive, Scope, Send

    Background: TypeAlias = Callable[[], Coroutine[object, object, None]]

_BACKLOG = 1024


def bind(host: str, port: int) -> socket.socket:
    """Listen on an address; port 0 takes a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    # Inherited by its connections; otherwise each response's body waits 40 ms until the headers are
    # acknowledged.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def base_url(listener: socket.socket) -> str:
    """Return the base URL that a listening socket serves."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}{BASE_PATH}" if ":" in host else f"http://{host}:{port}{BASE_PATH}"


class _Server(uvicorn.Server):
    """A uvicorn server that signals when it is ready, and can leave signal handling to its host.

    A background function runs from before it is ready until it is shut down.
    """

    def __init__(
        self,
        config: uvicorn.Config,
        ready: Callable[[], None],
        background: Background,
        *,
        own_signals: bool,
    ) -> None:
        super().__init__(config)
        self._ready = ready
        self._background = background
        self._beside: asyncio.Task[None] | None = None
        self._own_signals = own_signals

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._beside = asyncio.create_task(self._background())
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # A delayed response must not block the shutdown.
        for task in self.server_state.tasks:
            task.cancel()
        if self._beside is not None:
            self._beside.cancel()
            await asyncio.wait([self._beside])
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        with super().capture_signals() if self._own_signals else contextlib.nullcontext():
            yield


def _server(app: ASGIApp, ready: Callable[[], None], background: Background, *, own_signals: bool) -> _Server:
    connections: dict[object, asyncio.Transport] = {}

    class DroppableProtocol(H11Protocol):
        """The HTTP/1.1 protocol class that lets the app find its connection by the peer's address."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            connections[self.client] = transport
            # As an argument of Config it would silence every uvicorn in this process.
            self.access_log = False

        def connection_lost(self, exc: Exception | None) -> None:
            # The next connection may have come from the same port already.
            if connections.get(self.client) is self.transport:
                del connections[self.client]
            super().connection_lost(exc)

    async def droppable(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except (ConnectionDroppedError, asyncio.CancelledError):
            # The client has already closed its connection.
            connection = connections.get(scope["client"])
            if connection is not None:
                connection.abort()
            # uvicorn must see the closed connection before the app returns, or it responds with 500.
            while (await receive())["type"] != "http.disconnect":
                pass

    config = uvicorn.Config(
        droppable,
        http=DroppableProtocol,
        ws="none",
        lifespan="off",
        # The host's logging stays as it is.
        log_config=None,
        backlog=_BACKLOG,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
        server_header=False,
    )
    return _Server(config, ready, background, own_signals=own_signals)


def run(app: ASGIApp, listener: socket.socket, ready: Callable[[], None], background: Background) -> None:
    """Serve until a signal arrives."""
    _server(app, ready, background, own_signals=True).run(sockets=[listener])


@contextlib.asynccontextmanager
async def serving(app: ASGIApp, listener: socket.socket, background: Background) -> AsyncGenerator[str]:
    """Serve in the running asyncio loop while the block runs; yields the base URL."""
    ready = asyncio.Event()
    server = _server(app, ready.set, background, own_signals=False)
    # A task, not a task group, which would wrap what the block raises.
    task = asyncio.create_task(server.serve([listener]))
    task.add_done_callback(lambda _: ready.set())
    try:
        await ready.wait()
        # If it could not start, the task raises the reason.
        if not task.done():
            yield base_url(listener)
    finally:
        server.should_exit = True
        with listener, anyio.CancelScope(shield=True):
            await task
