"""Callbacks as the API sends them, made without the code that reads them."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import anyio
import anyio.lowlevel
import uvicorn

from frontpay_async.sandbox.server import bind

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncGenerator, Iterator, Mapping

    from starlette.types import ASGIApp

__all__ = [
    "EXAMPLE",
    "NOW",
    "OLDER",
    "ORDER",
    "SECRET",
    "TERMINAL",
    "WITHOUT_METHOD",
    "checksum",
    "origin",
    "query",
    "served",
    "signed",
]

SECRET = "callback-s3cret"
NOW = 1_760_000_000
ORDER: Mapping[str, str] = {
    "orderUuid": "ODR1566017307",
    "status": "PAID",
    "createdAt": str(NOW - 5000),
    "paymentMethod": "Card",
    "amount": "102.00",
    "timestamp": str(NOW - 10),
}
EXAMPLE = ("orderUuid", "status", "paymentMethod", "amount", "createdAt", "timestamp")
"""The sequence of the vendor's example URL; ``ORDER`` has that of the table."""
OLDER = ("orderUuid", "status", "createdAt")
WITHOUT_METHOD = ("orderUuid", "status", "createdAt", "amount", "timestamp")
TERMINAL: Mapping[str, str] = {
    "orderUuid": "ODR1566017307",
    "status": "Approved",
    "type": "Payment",
    "baseAmount": "42",
    "vatAmount": "0",
    "totalAmount": "42",
    "currency": "NOK",
}


def checksum(text: str, secret: str = SECRET) -> str:
    """Hash glued values."""
    return hashlib.sha256(f"{text}{secret}".encode()).hexdigest()


def signed(fields: Mapping[str, str] = ORDER, secret: str = SECRET, **others: str) -> dict[str, str]:
    """Return parameters with their checksum behind them; others replace or join them first."""
    said = {**fields, **others}
    return {**said, "checksum": checksum("".join(said.values()), secret)}


def query(fields: Mapping[str, str]) -> str:
    """Write parameters as a query string."""
    return urlencode(fields)


class _Server(uvicorn.Server):
    """A server that leaves the signals to pytest."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


@contextlib.asynccontextmanager
async def served(app: ASGIApp, listener: socket.socket | None = None) -> AsyncGenerator[str]:
    """Serve an app, with its lifespan, on a real socket; yields its origin."""
    listener = listener or bind("127.0.0.1", 0)
    server = _Server(uvicorn.Config(app, log_config=None, ws="none", timeout_graceful_shutdown=1))
    # A task, not a task group, which would wrap what the block raises.
    task = asyncio.create_task(server.serve([listener]))
    while not server.started and not task.done():
        await anyio.lowlevel.checkpoint()
    try:
        yield origin(listener)
    finally:
        server.should_exit = True
        with listener, anyio.CancelScope(shield=True):
            await task


def origin(listener: socket.socket) -> str:
    """Return the URL of a listening socket."""
    host, port = listener.getsockname()
    return f"http://{host}:{port}"
