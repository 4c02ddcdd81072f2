"""What a server on loopback may do with a request or a connection: answer, drip, fall silent, cut, reset.

A step is an async function of an ``Exchange``. One that returns with the connection open lets the next
request on it follow. Nothing here sleeps for long: a step that must wait is given an event.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from tests.support.wire_server import WireServer

__all__ = [
    "BASE_PATH",
    "CREATED",
    "Accept",
    "Exchange",
    "Received",
    "Step",
    "abort",
    "after",
    "answer",
    "close",
    "cut",
    "cut_chunked",
    "drip",
    "envelope",
    "failed",
    "garbage",
    "html",
    "never",
    "reset",
    "reset_unread",
    "then_close",
    "unread",
    "whole",
]

BASE_PATH = "/api/v1/connect"
CREATED = {"uuid": "ODR2210048815", "customerUuid": "CSRT3463048878"}
_ABORT = struct.pack("ii", 1, 0)


@dataclass(frozen=True)
class Received:
    """One request as it came: nothing is normalised."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...]
    body: bytes
    connection: int

    def header(self, name: str) -> str | None:
        """Return the one value of a header, whatever the case of its name."""
        values = [value for key, value in self.headers if key.lower() == name.lower()]
        assert len(values) < 2, f"{name} came {len(values)} times"
        return values[0] if values else None

    def json(self) -> Any:
        """Return the body, decoded."""
        return json.loads(self.body)


@dataclass(frozen=True)
class Exchange:
    """What a step works with: the request, the connection, and the server."""

    request: Received
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    server: WireServer

    async def write(self, data: bytes) -> None:
        """Write bytes, and wait until they are on their way."""
        self.writer.write(data)
        await self.writer.drain()

    def reset(self) -> None:
        """End the connection with a TCP reset."""
        abort(self.writer)


Step: TypeAlias = "Callable[[Exchange], Awaitable[None]]"
Accept: TypeAlias = "Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]"


def abort(writer: asyncio.StreamWriter) -> None:
    """End a connection with a TCP reset."""
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _ABORT)
    writer.transport.abort()


def _head(status: int, headers: Iterable[tuple[str, str]]) -> bytes:
    lines = [f"HTTP/1.1 {status} Reason", *(f"{name}: {value}" for name, value in headers)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1")


def whole(status: int, body: bytes, *headers: tuple[str, str], kind: str = "application/json") -> bytes:
    """Return an answer as it stands on the wire."""
    return _head(status, [("Content-Type", kind), *headers, ("Content-Length", str(len(body)))]) + body


def answer(
    status: int,
    body: bytes = b"",
    *headers: tuple[str, str],
    kind: str = "application/json",
    chunked: bool = False,
) -> Step:
    """Answer with a whole body, by its length or in chunks."""

    async def step(exchange: Exchange) -> None:
        if not chunked:
            await exchange.write(whole(status, body, *headers, kind=kind))
            return
        half = len(body) // 2
        parts = [part for part in (body[:half], body[half:]) if part]
        framed = b"".join(b"%x\r\n%b\r\n" % (len(part), part) for part in parts)
        chunks = [("Content-Type", kind), *headers, ("Transfer-Encoding", "chunked")]
        await exchange.write(_head(status, chunks))
        await exchange.write(framed + b"0\r\n\r\n")

    return step


def envelope(status: int = 201, *headers: tuple[str, str], **members: Any) -> Step:
    """Answer as the API does: chunked JSON with the usual members; a created order unless told otherwise."""
    said: dict[str, Any] = {"status_code": status, "status_message": "OK", "is_data": True}
    whole = {**said, "message": "orderAddedSuccessfully"}
    return answer(status, json.dumps(whole | {"data": CREATED} | members).encode(), *headers, chunked=True)


def failed(status: int, message: str = "internalError", *headers: tuple[str, str]) -> Step:
    """Answer with an error in the API's envelope."""
    return envelope(status, *headers, message=message, data=None, is_error=True, errors=None)


def html(status: int) -> Step:
    """Answer as a proxy does when what is behind it fails."""
    return answer(status, b"<html><h1>Bad Gateway</h1></html>", kind="text/html; charset=UTF-8")


def after(event: asyncio.Event, step: Step) -> Step:
    """Wait for an event, then take the step."""

    async def wait(exchange: Exchange) -> None:
        await event.wait()
        await step(exchange)

    return wait


async def never(exchange: Exchange) -> None:
    """Say nothing for as long as the client keeps the connection."""
    await exchange.reader.read()


async def close(exchange: Exchange) -> None:
    """Close the connection without an answer."""
    exchange.writer.close()


async def reset(exchange: Exchange) -> None:
    """Reset the connection without an answer."""
    exchange.reset()


def then_close(step: Step) -> Step:
    """Take the step, then close the connection, though keep-alive was promised."""

    async def both(exchange: Exchange) -> None:
        await step(exchange)
        exchange.writer.close()

    return both


def cut(status: int = 201) -> Step:
    """Promise a length, send less, and close."""

    async def step(exchange: Exchange) -> None:
        head = _head(status, [("Content-Type", "application/json"), ("Content-Length", "1000")])
        await exchange.write(head + b'{"status_code": 201, "data": {"uuid": "OD')
        exchange.writer.close()

    return step


def cut_chunked(status: int = 201) -> Step:
    """Begin a chunked body and close before its end."""

    async def step(exchange: Exchange) -> None:
        head = _head(status, [("Content-Type", "application/json"), ("Transfer-Encoding", "chunked")])
        await exchange.write(head + b'c\r\n{"data": {"u\r\n')
        exchange.writer.close()

    return step


def drip(piece: bytes = b" ") -> Step:
    """Begin an endless body and send a byte whenever the last one has gone out."""

    async def step(exchange: Exchange) -> None:
        await exchange.write(
            _head(200, [("Content-Type", "application/json"), ("Content-Length", "100000000")])
        )
        with suppress(OSError):
            while not exchange.writer.is_closing():
                await exchange.write(piece)
                # As slow as the loop allows: the subject is that bytes keep coming, not how fast.
                await asyncio.sleep(0.005)

    return step


def garbage(data: bytes = b"\x00\x01 this is no HTTP\r\n\r\n") -> Step:
    """Answer with bytes that are no HTTP, and close."""

    async def step(exchange: Exchange) -> None:
        await exchange.write(data)
        exchange.writer.close()

    return step


def unread(release: asyncio.Event) -> Accept:
    """Accept a connection and read nothing from it until the event."""

    async def accept(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await release.wait()
        abort(writer)

    return accept


def reset_unread(size: int) -> Accept:
    """Accept a connection and reset it after so many bytes of the request."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(size)
        abort(writer)

    return accept
