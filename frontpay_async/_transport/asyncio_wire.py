"""A connection under asyncio, directly over one of its transports.

anyio's stream waits with a scope of its own for each read and write, and changes the selector for each read.
"""

from __future__ import annotations

import asyncio
import socket
from contextlib import suppress
from ipaddress import ip_address
from itertools import zip_longest
from typing import TYPE_CHECKING, cast

import anyio
from attrs import define, field

from frontpay_async._transport.wire import is_readable

if TYPE_CHECKING:
    import ssl

# Reading is paused while more than this is unread.
_MOST_UNREAD = 256 * 1024
# Before an address of the other family is tried (RFC 8305).
_NEXT_ADDRESS_AFTER = 0.25


@define(eq=False, repr=False)
class AsyncioWire(asyncio.Protocol):
    """A connection as asyncio's protocol; one task at a time reads or writes."""

    _transport: asyncio.Transport = field(init=False)
    _unread: list[bytes] = field(init=False, factory=list[bytes])
    _size: int = field(init=False, default=0)
    _is_full: bool = field(init=False, default=False)
    _has_ended: bool = field(init=False, default=False)
    _failure: Exception | None = field(init=False, default=None)
    _waiter: asyncio.Future[None] | None = field(init=False, default=None)

    async def read(self, within: float | None) -> bytes:
        while not self._unread:
            if self._failure is not None:
                raise ConnectionError(str(self._failure)) from self._failure
            if self._has_ended:
                return b""
            await self._wait(within)
        data = self._unread[0] if len(self._unread) == 1 else b"".join(self._unread)
        if self._size > _MOST_UNREAD:
            self._transport.resume_reading()
        self._unread.clear()
        self._size = 0
        return data

    async def write(self, data: bytes, within: float | None) -> None:
        self._transport.write(data)
        while self._is_full and not self._unread and not self._has_ended:
            await self._wait(within)

    async def start_tls(self, context: ssl.SSLContext, hostname: str) -> None:
        loop = asyncio.get_running_loop()
        secured = await loop.start_tls(self._transport, self, context, server_hostname=hostname)
        if secured is None or self._has_ended:
            raise ConnectionError("the connection was closed")
        self._transport = secured

    def is_quiet(self) -> bool:
        return not (
            self._unread
            or self._has_ended
            or self._transport.get_write_buffer_size()
            or is_readable(self._transport.get_extra_info("socket"))
        )

    async def aclose(self) -> None:
        # Without waiting for the peer to close the layer of TLS as well.
        self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._unread.append(data)
        if self._size <= _MOST_UNREAD < self._size + len(data):
            self._transport.pause_reading()
        self._size += len(data)
        self._wake()

    def eof_received(self) -> None:
        self._has_ended = True
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._has_ended = True
        self._failure = exc
        self._wake()

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self._wake()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def _wait(self, within: float | None) -> None:
        loop = asyncio.get_running_loop()
        self._waiter = waiter = loop.create_future()
        timer = None if within is None else loop.call_later(within, _time_out, waiter)
        try:
            await waiter
        finally:
            self._waiter = None
            if timer is not None:
                timer.cancel()


def _time_out(waiter: asyncio.Future[None]) -> None:
    if not waiter.done():
        waiter.set_exception(TimeoutError())


async def connect_asyncio(host: str, port: int) -> AsyncioWire:
    """Open a connection to the first address that accepts one."""
    # asyncio has an option for this, but drops a connection if connecting is cancelled as it succeeds.
    loop = asyncio.get_running_loop()
    addresses = await _addresses(host, port)
    if len(addresses) == 1:
        # Without a task group, in half the time.
        _, only = await loop.create_connection(AsyncioWire, addresses[0], port)
        return only
    wire: AsyncioWire | None = None
    failures: list[OSError] = []

    async def attempt(address: str, failed: anyio.Event) -> None:
        nonlocal wire
        try:
            _, connected = await loop.create_connection(AsyncioWire, address, port)
        except OSError as error:
            failures.append(error)
            failed.set()
            return
        if wire is None:
            wire = connected
            tasks.cancel_scope.cancel()
        else:
            await connected.aclose()

    try:
        async with anyio.create_task_group() as tasks:
            for address in addresses:
                failed = anyio.Event()
                tasks.start_soon(attempt, address, failed)
                with anyio.move_on_after(_NEXT_ADDRESS_AFTER):
                    await failed.wait()
    except BaseException:
        if wire is not None:
            await wire.aclose()
        raise
    if wire is None:
        raise OSError("; ".join(map(str, failures)))
    return wire


async def _addresses(host: str, port: int) -> list[str]:
    """Return the addresses of a host, those of each family in turn."""
    with suppress(ValueError):
        return [str(ip_address(host))]
    loop = asyncio.get_running_loop()
    by_family: dict[int, list[str]] = {}
    for family, *_, place in await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        by_family.setdefault(family, []).append(str(place[0]))
    return [each for turn in zip_longest(*by_family.values()) for each in turn if each is not None]
