"""A scriptable HTTP/1.1 server on loopback: real sockets, answers by script, misbehaviour on demand.

Each request takes the next step of the script, in order of arrival over all connections; when the script is
used up, every request takes ``otherwise``. A step is an async function of an ``Exchange``; the functions below
make the usual ones. A step that returns with the connection open lets the next request on it follow.

Nothing here sleeps: a step that must wait is given an event, and a test waits for ``received(n)`` or ``idle()``.
"""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import threading
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator

__all__ = [
    "BASE_PATH",
    "CREATED",
    "Exchange",
    "Received",
    "Step",
    "WireServer",
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
    "serving",
    "serving_in_thread",
    "status_is",
    "then_close",
    "unread",
    "whole",
]

BASE_PATH = "/api/v1/connect"
CREATED = {"uuid": "ODR3506777330", "customerUuid": "CSRT3463048878"}
# A wait that a test's failure could make endless ends here.
_PATIENCE = 20.0
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
        _reset(self.writer)


Step: TypeAlias = "Callable[[Exchange], Awaitable[None]]"
Accept: TypeAlias = "Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]"


def _reset(writer: asyncio.StreamWriter) -> None:
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
    whole = {"status_code": status, "status_message": "OK", "message": "orderAddedSuccessfully"}
    return answer(
        status, json.dumps(whole | {"data": CREATED} | members).encode(), *headers, chunked=True
    )


def status_is(status: str = "PAID") -> Step:
    """Answer a question for an order's status."""
    return envelope(200, data={"uuid": CREATED["uuid"], "status": status}, order_status=status)


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
        await exchange.write(_head(200, [("Content-Type", "application/json"), ("Content-Length", "100000000")]))
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
        _reset(writer)

    return accept


def reset_unread(size: int) -> Accept:
    """Accept a connection and reset it after so many bytes of the request."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(size)
        _reset(writer)

    return accept


class _Connection(asyncio.StreamReaderProtocol):
    """Counts itself, and sees the other side's end even while a step is busy with something else."""

    def __init__(self, server: WireServer, connected: Accept) -> None:
        super().__init__(asyncio.StreamReader(limit=2**20), connected)
        self._server: WireServer | None = server

    def connection_made(self, transport: Any) -> None:
        if self._server is not None:
            self._server.opened()
        super().connection_made(transport)

    def eof_received(self) -> bool | None:
        self._end()
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end()
        super().connection_lost(exc)

    def _end(self) -> None:
        server, self._server = self._server, None
        if server is not None:
            server.ended()


@dataclass(eq=False)
class WireServer:
    """Answer requests by script, and remember them."""

    tls: ssl.SSLContext | None = None
    host: str = "127.0.0.1"
    otherwise: Step = field(default_factory=envelope)
    accept: Accept | None = None
    """What is done with a connection instead of reading requests from it."""
    requests: list[Received] = field(default_factory=list)
    connections: int = 0
    """How many connections were accepted in all."""
    open: int = 0
    """How many connections are open now: neither side has closed."""
    most_open: int = 0
    port: int = 0
    listener: asyncio.Server = field(init=False)
    loop: asyncio.AbstractEventLoop = field(init=False)
    _script: list[Step] = field(default_factory=list)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    @property
    def url(self) -> str:
        """The base URL for a client."""
        name = "localhost" if self.tls else self.host
        return f"http{'s' if self.tls else ''}://{name}:{self.port}{BASE_PATH}"

    def script(self, *steps: Step) -> None:
        """Set the steps for the next requests."""
        self._script[:] = steps

    async def received(self, count: int) -> None:
        """Wait until so many requests have come in all."""
        await self._until(lambda: len(self.requests) >= count)

    async def idle(self, connections: int = 0) -> None:
        """Wait until no more than so many connections are open."""
        await self._until(lambda: self.open <= connections)

    async def accepted(self, count: int) -> None:
        """Wait until so many connections have been accepted in all."""
        await self._until(lambda: self.connections >= count)

    async def _until(self, reached: Callable[[], bool]) -> None:
        async with asyncio.timeout(_PATIENCE):
            while not reached():
                self._changed.clear()
                await self._changed.wait()

    def wait_in_thread(self, reached: Callable[[WireServer], Awaitable[None]]) -> None:
        """Wait from another thread, as in ``wait_in_thread(lambda server: server.received(1))``."""

        async def wait() -> None:
            await reached(self)

        asyncio.run_coroutine_threadsafe(wait(), self.loop).result(_PATIENCE)

    def _note(self) -> None:
        self._changed.set()

    def opened(self) -> None:
        """Count a connection."""
        self.connections += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        self._note()

    def ended(self) -> None:
        """Count a connection that either side has closed."""
        self.open -= 1
        self._note()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            # The other side may be gone at any moment: that is the subject, not a failure.
            with suppress(OSError, asyncio.IncompleteReadError):
                if self.accept is not None:
                    await self.accept(reader, writer)
                else:
                    await self._serve(reader, writer, self.connections)
        except asyncio.CancelledError:
            _reset(writer)
        finally:
            writer.close()
            with suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()
            self._tasks.discard(task)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: int) -> None:
        while not writer.is_closing():
            head = await reader.readuntil(b"\r\n\r\n")
            first, *lines = head[:-4].decode("latin-1").split("\r\n")
            method, target, _ = first.split(" ")
            headers = tuple((name, value.strip()) for name, _, value in (line.partition(":") for line in lines))
            sizes = [int(value) for name, value in headers if name.lower() == "content-length"]
            body = await reader.readexactly(sizes[0]) if sizes else b""
            request = Received(method, target, headers, body, number)
            self.requests.append(request)
            self._note()
            step = self._script.pop(0) if self._script else self.otherwise
            await step(Exchange(request, reader, writer, self))

    async def start(self) -> None:
        """Listen on a free port."""
        self.loop = asyncio.get_running_loop()
        self.listener = await self.loop.create_server(
            lambda: _Connection(self, self._connected), self.host, self.port, ssl=self.tls, backlog=1024
        )
        self.port = self.listener.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and end what is still open."""
        self.listener.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@asynccontextmanager
async def serving(*steps: Step, **settings: Any) -> AsyncIterator[WireServer]:
    """Serve in this loop, with a script."""
    wire = WireServer(**settings)
    wire.script(*steps)
    await wire.start()
    try:
        yield wire
    finally:
        await wire.stop()


@contextmanager
def serving_in_thread(*steps: Step, **settings: Any) -> Iterator[WireServer]:
    """Serve in a thread of its own, for tests that have another loop or none."""
    ready: list[WireServer] = []
    started, stop = threading.Event(), asyncio.Event()

    async def main() -> None:
        async with serving(*steps, **settings) as wire:
            ready.append(wire)
            started.set()
            await stop.wait()

    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    started.wait(_PATIENCE)
    try:
        yield ready[0]
    finally:
        ready[0].loop.call_soon_threadsafe(stop.set)
        thread.join(_PATIENCE)
