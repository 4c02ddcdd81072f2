"""TCP connections, with or without TLS, as streams of bytes.

``AnyioWire`` runs under any library that anyio supports; ``asyncio_wire.AsyncioWire`` takes its place under
asyncio, at a third of its cost for a request. Both raise ``TimeoutError`` and other errors of ``OSError``.
"""

from __future__ import annotations

import select
import ssl
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

import anyio
from anyio.abc import SocketAttribute
from anyio.streams.tls import TLSAttribute, TLSStream
from attrs import define, field

if TYPE_CHECKING:
    import socket
    from collections.abc import Generator

    from anyio.abc import AnyByteStream, ByteStream

READ_AT_ONCE = 64 * 1024
# Data of this size fits into the buffers of the sockets, so that writing it does not wait.
_BIG = 64 * 1024
# Closing waits for the peer, which may not respond.
_CLOSE_WITHIN = 2.0


class Wire(Protocol):
    """An open connection. Reading and writing are bounded by seconds; None for no limit."""

    async def read(self, within: float | None) -> bytes:
        """Return what has arrived, at least a byte; ``b""`` at the end."""
        ...

    async def write(self, data: bytes, within: float | None) -> None:
        """Write; end early when the peer sends something in the meantime."""
        ...

    async def start_tls(self, context: ssl.SSLContext, hostname: str) -> None:
        """Secure what follows."""
        ...

    def is_quiet(self) -> bool:
        """Return whether all was written and read, nothing has arrived since, and the peer has not closed."""
        ...

    async def aclose(self) -> None:
        """Close at once; a cancellation does not prevent it."""
        ...


@define(eq=False, repr=False)
class AnyioWire:
    """A connection over a stream of anyio."""

    stream: ByteStream
    _early: bytes = field(init=False, default=b"")
    _unwritten: bool = field(init=False, default=False)

    async def read(self, within: float | None) -> bytes:
        if self._early:
            early, self._early = self._early, b""
            return early
        with _as_os_errors(), anyio.fail_after(within):
            try:
                return await self.stream.receive(READ_AT_ONCE)
            except anyio.EndOfStream:
                return b""

    async def write(self, data: bytes, within: float | None) -> None:
        self._unwritten = True
        with _as_os_errors(), anyio.fail_after(within):
            if len(data) < _BIG:
                await self.stream.send(data)
            else:
                await self._write_watching(data)
        self._unwritten = bool(self._early)

    async def _write_watching(self, data: bytes) -> None:
        failure: Exception | None = None

        async def watch() -> None:
            try:
                self._early = await self.stream.receive(READ_AT_ONCE)
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                return
            tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            try:
                await self.stream.send(data)
            except Exception as error:  # noqa: BLE001 - raised below, and not in a group
                failure = error
            tasks.cancel_scope.cancel()
        if failure is not None and not self._early:
            raise failure

    async def start_tls(self, context: ssl.SSLContext, hostname: str) -> None:
        with _as_os_errors():
            self.stream = await TLSStream.wrap(
                self.stream, hostname=hostname, ssl_context=context, standard_compatible=False
            )

    def is_quiet(self) -> bool:
        return not (
            self._unwritten
            or self._early
            or _has_plaintext(self.stream)
            or is_readable(self.stream.extra(SocketAttribute.raw_socket))  # noqa: S610 - anyio's
        )

    async def aclose(self) -> None:
        with anyio.move_on_after(_CLOSE_WITHIN, shield=True):
            await self.stream.aclose()


async def connect_anyio(host: str, port: int) -> AnyioWire:
    """Open a connection."""
    return AnyioWire(await anyio.connect_tcp(host, port))


@contextmanager
def _as_os_errors() -> Generator[None]:
    try:
        yield
    except (anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.EndOfStream) as error:
        raise ConnectionError(str(error.__cause__ or "the connection was closed")) from error


def _has_plaintext(stream: AnyByteStream) -> bool:
    """Return whether a layer of TLS holds bytes that were received, but not read."""
    # A connection to a proxy by TLS may carry a second layer of TLS.
    while isinstance(stream, TLSStream):
        try:
            # What is read is lost, but so is the connection then.
            stream.extra(TLSAttribute.ssl_object).read(1)  # noqa: S610 - anyio's
        except ssl.SSLWantReadError:
            stream = stream.transport_stream
        except ssl.SSLError:
            return True
        else:
            return True
    return False


def is_readable(connection: socket.socket) -> bool:
    """Return whether something came on an idle connection: its end, or bytes that were not asked for."""
    number = connection.fileno()
    if number < 0:
        return True
    if not hasattr(select, "poll"):
        # A platform without poll has no limit for select either.
        return bool(select.select([number], [], [], 0)[0])
    # Asked for each request: a selector of the standard library takes four times as long.
    poll = select.poll()
    poll.register(number, select.POLLIN)
    return bool(poll.poll(0))
