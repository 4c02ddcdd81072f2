"""A scriptable HTTP/1.1 server on loopback: real sockets, requests remembered, connections counted.

Each request takes the next step of the script, in order of arrival over all connections; when the script
is used up, every request takes ``otherwise``. A test waits for ``received(n)`` or ``idle()``; nothing sleeps.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tests.support.wire_steps import BASE_PATH, Exchange, Received, abort, envelope

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    from tests.support.wire_steps import Accept, Step

__all__ = ["WireServer", "serving", "serving_in_thread"]

# A wait that a test's failure could make endless ends here.
_PATIENCE = 20.0


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
            abort(writer)
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
            headers = tuple(
                (name, value.strip()) for name, _, value in (line.partition(":") for line in lines)
            )
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
