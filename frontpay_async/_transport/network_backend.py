"""The network backend of httpcore (or httpcore2), which observes events that httpcore does not report.

- *Leaving*: the first byte of a request is about to be written. The ``CONNECT`` to a proxy does not count.
- *Early response*: the server has responded before the request was written completely. httpcore would
  continue to write to a server that no longer reads; here the write ends, and httpcore reads the response.
- *Interrupted handshake*: the connection, which httpcore would forget, is closed.
- *One write*: the headers of a request and its body are written together. httpcore writes them separately,
  which costs an additional system call, and often a packet.
- *Surplus bytes*: data is left over after a response. httpcore keeps it, and would mistake it for the next
  response. It may be in h11, undecrypted in a TLS layer (which returns one record at a time), or in anyio's
  queue (which returns 64 KiB at a time).

*Limit*: private members are used: ``_pool`` of httpx's transport, ``_h11_state`` of httpcore's connection,
``_stream`` of its stream, ``_ssl_object`` of TLS streams, ``_protocol`` of anyio's socket stream. A
connection whose state cannot be read counts as one with surplus bytes, so it is not reused; a test fails if
one of them disappears.
"""

from __future__ import annotations

import select
import ssl
from typing import TYPE_CHECKING, Any, Protocol, cast

import anyio
from attrs import define, field

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Iterable
    from types import ModuleType

    import httpx

# A request of this size fits into the buffers of the sockets, so that writing it does not wait.
_BIG = 64 * 1024


class _Stream(Protocol):
    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes: ...  # noqa: ASYNC109 - httpcore's
    async def write(self, buffer: bytes, timeout: float | None = None) -> None: ...  # noqa: ASYNC109 - httpcore's
    async def aclose(self) -> None: ...
    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's
    ) -> _Stream: ...
    def get_extra_info(self, info: str) -> object: ...


@define(eq=False, repr=False)
class Network:
    """The network of one pool, which serves one request at a time; httpcore's backend.

    Args:
        core: httpcore or httpcore2, whose errors are raised.
        leaving: Called when the request is about to be written; set for each request.
        has_body: Whether the request has a body, for which its head waits; set for each request.
        in_tunnel: Whether the last thing written was the question to a proxy for a tunnel.
    """

    core: ModuleType
    leaving: Callable[[], None] = field(init=False)
    has_body: bool = field(init=False, default=False)
    in_tunnel: bool = field(init=False, default=False)
    _pool: Any = field(init=False, default=None)
    _stream: _Stream | None = field(init=False, default=None)
    _backend: Any = field(init=False, default=None)

    def plug_in(self, transport: httpx.AsyncBaseTransport) -> None:
        """Put this network under a transport of httpx's or httpx2's that has opened no connection yet."""
        self._pool = cast("Any", transport)._pool  # noqa: SLF001 - see the module's Limit
        self._backend, self._pool._network_backend = self._pool._network_backend, self  # noqa: SLF001 - the same

    def has_leftover(self) -> bool:
        """Return whether a connection of the pool holds bytes beyond its last answer, or may hold some."""
        connections: list[Any] = [] if self._pool is None else self._pool.connections
        alive = [each for each in connections if not each.is_closed()]
        return bool(alive) and (any(map(_has_leftover, alive)) or _has_unread(self._stream))

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> _Stream:
        """Connect."""
        self.in_tunnel = False
        connected = await self._backend.connect_tcp(host, port, timeout, local_address, socket_options)
        return self.watch(connected)

    def watch(self, stream: _Stream) -> _Stream:
        """Return a stream, watched from now on in place of the one below it."""
        self._stream = stream
        return _WatchedStream(stream, self)

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await anyio.sleep(seconds)


@define(eq=False, repr=False)
class _WatchedStream:
    """A connection, or what is left of it after ``start_tls``."""

    stream: _Stream
    network: Network
    _early: bytes = field(init=False, default=b"")
    _head: bytes = field(init=False, default=b"")
    _socket: Any = field(init=False, default=None)

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - httpcore's
        if self._early:
            early, self._early = self._early, b""
            return early
        return await self.stream.read(max_bytes, timeout)

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - httpcore's
        if not buffer:
            # What h11 writes for the end of a message without a body.
            return
        network = self.network
        network.in_tunnel = buffer.startswith(b"CONNECT ")
        if network.in_tunnel:
            await self.stream.write(buffer, timeout)
            return
        if network.has_body:
            self._head, network.has_body = buffer, False
            return
        buffer, self._head = self._head + buffer, b""
        network.leaving()
        if len(buffer) < _BIG:
            await self.stream.write(buffer, timeout)
        else:
            await self._write_watching(buffer, timeout)

    async def _write_watching(self, buffer: bytes, timeout: float | None) -> None:  # noqa: ASYNC109 - httpcore's
        """Write; end early when the server answers in the meantime."""
        errors: Any = self.network.core
        failure: Exception | None = None

        async def watch() -> None:
            try:
                self._early = await self.stream.read(_BIG, None)
            except errors.ReadError:
                return
            if self._early:
                tasks.cancel_scope.cancel()

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(watch)
            try:
                await self.stream.write(buffer, timeout)
            except Exception as error:  # noqa: BLE001 - raised below, and not in a group
                failure = error
            tasks.cancel_scope.cancel()
        if self._early:
            # httpcore goes on to read the answer.
            raise errors.WriteError("the server answered before the request was written")
        if failure is not None:
            raise failure

    async def aclose(self) -> None:
        await self.stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's
    ) -> _Stream:
        try:
            secured = await self.stream.start_tls(ssl_context, server_hostname, timeout)
        except BaseException:
            # However the handshake was cut short, httpcore forgets this connection.
            with anyio.CancelScope(shield=True):
                await self.stream.aclose()
            raise
        return self.network.watch(secured)

    def get_extra_info(self, info: str) -> object:
        if info != "is_readable":
            return self.stream.get_extra_info(info)
        # Asked for twice a request, where anyio would gather all that it knows of the socket.
        if self._socket is None:
            self._socket = self.stream.get_extra_info("socket")
        return is_readable(self._socket)


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


def _has_leftover(connection: Any) -> bool:  # noqa: ANN401 - of either library
    # Through those that only open it: directly, by a proxy, or by a tunnel.
    while not hasattr(connection, "_h11_state"):
        connection = getattr(connection, "_connection", None)
        if connection is None:
            return True
    left, _ = connection._h11_state.trailing_data  # noqa: SLF001 - see the module's Limit
    return bool(left)


def _has_unread(stream: Any) -> bool:  # noqa: ANN401 - of either library
    """Return whether a layer below h11 holds bytes that were received, but not read; True if unknown."""
    layer: Any = getattr(stream, "_stream", None)
    # A connection to a proxy by TLS may carry a second layer of TLS.
    while hasattr(layer, "_ssl_object"):
        if _has_plaintext(layer._ssl_object):  # noqa: SLF001 - see the module's Limit
            return True
        layer = layer.transport_stream
    if type(layer).__module__ == "trio":
        # It reads from the socket itself, without a queue.
        return False
    protocol = getattr(layer, "_protocol", None)
    return protocol is None or bool(protocol.read_queue)


def _has_plaintext(tls: ssl.SSLObject) -> bool:
    try:
        # What is read is lost, but so is the connection then.
        tls.read(1)
    except ssl.SSLWantReadError:
        return False
    except ssl.SSLError:
        return True
    return True
