"""The sandbox over a socket: uvicorn, with a way to drop a connection without an answer."""

from __future__ import annotations

import contextlib
import socket
from typing import TYPE_CHECKING

import anyio
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from frontpay_async.sandbox.app import BASE_PATH, ConnectionDroppedError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator, Callable, Iterator

    from starlette.types import ASGIApp, Receive, Scope, Send

__all__ = ["base_url", "bind", "run", "serving"]

_LISTEN_BACKLOG = 1024


def bind(host: str, port: int) -> socket.socket:
    """Bind a listening socket; port 0 takes a free one."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError:
        listener.close()
        raise
    return listener


def base_url(listener: socket.socket) -> str:
    """Return the base URL that a bound socket serves."""
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

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        with super().capture_signals() if self._own_signals else contextlib.nullcontext():
            yield


def _server(app: ASGIApp, ready: Callable[[], None], *, own_signals: bool) -> _Server:
    connections: dict[object, asyncio.Transport] = {}

    class DroppableProtocol(H11Protocol):
        """HTTP/1.1 that lets the app reach its connection by the peer's address."""

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            connections[transport.get_extra_info("peername")[:2]] = transport
            super().connection_made(transport)

        def connection_lost(self, exc: Exception | None) -> None:
            connections.pop(self.transport.get_extra_info("peername", (None,))[:2], None)
            super().connection_lost(exc)

    async def droppable(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except ConnectionDroppedError:
            connections[tuple(scope["client"])].abort()
            # uvicorn must see the connection go before the app returns, or it answers 500.
            while (await receive())["type"] != "http.disconnect":
                pass

    config = uvicorn.Config(
        droppable,
        http=DroppableProtocol,
        lifespan="off",
        log_level="warning",
        access_log=False,
        backlog=_LISTEN_BACKLOG,
        timeout_keep_alive=75,
        timeout_graceful_shutdown=1,
        server_header=False,
    )
    return _Server(config, ready, own_signals=own_signals)


def run(app: ASGIApp, listener: socket.socket, ready: Callable[[], None]) -> None:
    """Serve until a signal says stop.

    Args:
        app: The sandbox's app.
        listener: A bound socket.
        ready: Called once requests are accepted.
    """
    _server(app, ready, own_signals=True).run(sockets=[listener])


@contextlib.asynccontextmanager
async def serving(app: ASGIApp, listener: socket.socket) -> AsyncIterator[str]:
    """Serve in the running event loop while the block runs; yields the base URL.

    Args:
        app: The sandbox's app.
        listener: A bound socket.
    """
    started = anyio.Event()
    server = _server(app, started.set, own_signals=False)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(server.serve, [listener])
        await started.wait()
        try:
            yield base_url(listener)
        finally:
            server.should_exit = True
