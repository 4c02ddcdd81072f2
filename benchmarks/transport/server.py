"""A loopback server that costs little enough to stay out of the measurement.

One `asyncio.Protocol` in a process of its own parses the minimum of HTTP/1.1: request line, body by
`Content-Length` or in chunks, keep-alive, pipelining. It answers from prebuilt bytes, chunked as the real
API does, after a delay. It keeps count of what arrives and of the CPU time that it spends itself, so that a
cell in which the *server* was the bottleneck can be seen in the result.

Control, on a connection that is not counted: `GET /_reset?delay_ms=50` zeroes the counts and sets the
delay, `GET /_stats` returns them. Run as `python -m benchmarks.transport.server [core]`; the port is printed.
"""

import asyncio
import json
import sys
import time
from http import HTTPStatus
from urllib.parse import parse_qs, urlsplit

from attrs import define

from benchmarks.common.machine import pin
from benchmarks.common.payloads import ANSWER_HEADERS, ANSWERS
from benchmarks.common.serving import serve

_HEAD_END = b"\r\n\r\n"


def _chunked(status: int, body: bytes) -> bytes:
    """Build a whole answer in one chunk."""
    phrase = HTTPStatus(status).phrase.encode()
    headers = b"".join(name + b": " + value + b"\r\n" for name, value in ANSWER_HEADERS)
    return b"HTTP/1.1 %d %s\r\n%s\r\n%x\r\n%s\r\n0\r\n\r\n" % (status, phrase, headers, len(body), body)


_PREBUILT = tuple((prefix, _chunked(status, body)) for prefix, (status, body) in ANSWERS.items())
_NOT_FOUND = _chunked(404, b'{"status_code":404,"message":"Not Found"}')


def _answer(path: bytes) -> bytes:
    for prefix, answer in _PREBUILT:
        if path.startswith(prefix):
            return answer
    return _NOT_FOUND


@define
class Counts:
    """What was seen since the last reset."""

    delay: float = 0.0
    """Seconds between a request's last byte and its answer."""
    connections: int = 0
    """Connections on which at least one request came."""
    requests: int = 0
    head_bytes: int = 0
    body_bytes: int = 0
    cpu_at_reset: float = 0.0

    def snapshot(self) -> dict[str, float]:
        """Return the counts and the CPU seconds spent since the reset."""
        return {
            "connections": self.connections,
            "requests": self.requests,
            "head_bytes": self.head_bytes,
            "body_bytes": self.body_bytes,
            "cpu_s": time.process_time() - self.cpu_at_reset,
        }

    def reset(self, delay: float) -> None:
        """Start again from nothing, with this delay in seconds."""
        self.delay = delay
        self.connections = self.requests = self.head_bytes = self.body_bytes = 0
        self.cpu_at_reset = time.process_time()


def _dechunk(buffer: bytearray, start: int) -> tuple[int, int] | None:
    """Return (end, size) of the chunked body that starts at `start`, or None while it is incomplete."""
    at, size = start, 0
    while (line_end := buffer.find(b"\r\n", at)) >= 0:
        length = int(buffer[at:line_end].split(b";", 1)[0], 16)
        at = line_end + 2 + length + 2
        if len(buffer) < at:
            return None
        if length == 0:
            return at, size
        size += length
    return None


class Connection(asyncio.Protocol):
    """One client's connection."""

    __slots__ = ("_buffer", "_counted", "_counts", "_loop", "_transport")

    def __init__(self, counts: Counts, loop: asyncio.AbstractEventLoop) -> None:
        self._counts = counts
        self._loop = loop
        self._buffer = bytearray()
        self._counted = False
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where answers go."""
        if not isinstance(transport, asyncio.Transport):
            raise TypeError(type(transport).__name__)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer every request that is complete."""
        buffer = self._buffer
        buffer += data
        while (head_end := buffer.find(_HEAD_END)) >= 0:
            head = bytes(buffer[:head_end])
            start = head_end + len(_HEAD_END)
            if (body := self._body(head.lower(), start)) is None:
                return
            end, size = body
            del buffer[:end]
            self._handle(head.split(b" ", 2)[1], start, size)

    def _body(self, head: bytes, start: int) -> tuple[int, int] | None:
        """Return (end, size) of the body, or None while it is incomplete."""
        if (at := head.find(b"\r\ncontent-length:")) >= 0:
            line_end = head.find(b"\r\n", at + 2)
            size = int(head[at + 17 : line_end if line_end >= 0 else None])
            return (start + size, size) if len(self._buffer) >= start + size else None
        if b"\r\ntransfer-encoding:" in head:
            return _dechunk(self._buffer, start)
        return start, 0

    def _handle(self, path: bytes, head_size: int, body_size: int) -> None:
        if path.startswith(b"/_"):
            self._control(path.decode("ascii"))
            return
        counts = self._counts
        if not self._counted:
            self._counted = True
            counts.connections += 1
        counts.requests += 1
        counts.head_bytes += head_size
        counts.body_bytes += body_size
        if counts.delay:
            self._loop.call_later(counts.delay, self._write, _answer(path))
        else:
            self._transport.write(_answer(path))

    def _write(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)

    def _control(self, target: str) -> None:
        url = urlsplit(target)
        if url.path == "/_reset":
            self._counts.reset(float(parse_qs(url.query).get("delay_ms", ["0"])[0]) / 1000)
        self._transport.write(_chunked(200, json.dumps(self._counts.snapshot()).encode()))


async def _serve() -> None:
    counts = Counts()
    await serve(lambda loop: Connection(counts, loop))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        pin(int(sys.argv[1]))
    asyncio.run(_serve())
