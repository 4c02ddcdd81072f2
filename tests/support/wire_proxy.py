"""A small HTTP proxy on loopback: tunnels and forwards, and refuses on demand."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from attrs import Factory, define

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

__all__ = ["WireProxy", "proxying"]


@define
class WireProxy:
    """Passes on what it is asked to; ``refusal`` is answered instead, ``silent`` closes without a word."""

    refusal: bytes | None = None
    silent: bool = False
    secure: bool = False
    port: int = 0
    heads: list[str] = Factory(list)
    """The heads of the requests to the proxy itself."""

    @property
    def url(self) -> str:
        return f"https://localhost:{self.port}" if self.secure else f"http://127.0.0.1:{self.port}"

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                await self._serve(reader, writer)
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        self.heads.append(head.decode("latin-1"))
        if self.silent:
            return
        if self.refusal is not None:
            writer.write(self.refusal)
            await writer.drain()
            return
        method, target, version = head.split(b"\r\n")[0].decode().split(" ")
        if method == "CONNECT":
            host, _, port = target.rpartition(":")
            behind = await asyncio.open_connection(host, int(port))
            writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        else:
            url = urlsplit(target)
            behind = await asyncio.open_connection(url.hostname, url.port)
            behind[1].write(f"{method} {url.path} {version}".encode() + head[head.index(b"\r\n") :])
        try:
            await asyncio.gather(_pump(reader, behind[1]), _pump(behind[0], writer))
        finally:
            behind[1].close()


async def _pump(source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(65536):
            sink.write(data)
            await sink.drain()
    sink.close()


@asynccontextmanager
async def proxying(
    *, refusal: bytes | None = None, silent: bool = False, tls: ssl.SSLContext | None = None
) -> AsyncIterator[WireProxy]:
    """Run a proxy in this loop."""
    proxy = WireProxy(refusal=refusal, silent=silent, secure=tls is not None)
    server = await asyncio.start_server(proxy._connected, "127.0.0.1", 0, ssl=tls)
    proxy.port = server.sockets[0].getsockname()[1]
    try:
        yield proxy
    finally:
        server.close()
