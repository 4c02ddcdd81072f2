"""The sandbox over a socket: uvicorn, with a way to drop a connection without an answer."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import TYPE_CHECKING

import anyio
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from frontpay_async.sandbox.app import BASE_PATH
from frontpay_async.sandbox.wire import ConnectionDroppedError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Generator

    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["base_url", "bind", "run", "serving"]

_BACKLOG = 1024


def bind(host: str, port: int) -> socket.socket:
    """Listen on an address; port 0 takes a free one.

    Raises:
        OSError: It is taken, or not ours.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.create_server((host, port), family=family, backlog=_BACKLOG)
    # Inherited by its connections; otherwise each answer's body waits 40 ms for its head to be acknowledged.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def base_url(listener: socket.socket) -> str:
    """Return the base URL that a listening socket serves."""
    host, port = listener.getsockname()[:2]
    return f"http://[{host}]:{port}{BASE_PATH}" if ":" in host else f"http://{host}:{port}{BASE_PATH}"


class _Server(uvicorn.Server):
    """A uvicorn server that says when it is ready, and may leave the signals to its host."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None], *, own_signals: bool) -> None:
        super().__init__(config)
        self._ready = ready
        self._own_signals = own_signals

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        # An answer that is being slowed down must not hold the shutdown up.
        for task in self.server_state.tasks:
            task.cancel()
        await super().shutdown(sockets)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        with super().capture_signals() if self._own_signals else contextlib.nullcontext():
            yield


def _server(app: ASGIApp, ready: Callable[[], None], *, own_signals: bool) -> _Server:
    connections: dict[object, asyncio.Transport] = {}

    class DroppableProtocol(H11Protocol):
        """HTTP/1.1 that lets the app reach its connection by the peer's address."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            connections[self.client] = transport

        def connection_lost(self, exc: Exception | None) -> None:
            # The next connection may have come from the same port already.
            if connections.get(self.client) is self.transport:
                del connections[self.client]
            super().connection_lost(exc)

    async def droppable(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except (ConnectionDroppedError, asyncio.CancelledError):
            # A caller that has gone already took its connection along.
            connection = connections.get(scope["client"])
            if connection is not None:
                connection.abort()
            # uvicorn must see the connection go before the app returns, or it answers 500.
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
    # As an argument it would silence the access log of every uvicorn in this process.
    config.access_log = False
    return _Server(config, ready, own_signals=own_signals)


def run(app: ASGIApp, listener: socket.socket, ready: Callable[[], None]) -> None:
    """Serve until a signal says stop.

    Args:
        app: The sandbox's app.
        listener: A listening socket; closed at the end.
        ready: Called once requests are answered.
    """
    _server(app, ready, own_signals=True).run(sockets=[listener])


@contextlib.asynccontextmanager
async def serving(app: ASGIApp, listener: socket.socket) -> AsyncGenerator[str]:
    """Serve in the running asyncio loop while the block runs; yields the base URL.

    Args:
        app: The sandbox's app.
        listener: A listening socket; closed at the end.
    """
    ready = asyncio.Event()
    server = _server(app, ready.set, own_signals=False)
    # A task, not a task group, which would wrap what the block raises.
    task = asyncio.create_task(server.serve([listener]))
    task.add_done_callback(lambda _: ready.set())
    try:
        await ready.wait()
        yield base_url(listener)
    finally:
        server.should_exit = True
        with anyio.CancelScope(shield=True):
            await task
