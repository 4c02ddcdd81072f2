"""A server whose connections fail at every place where a connection can fail, and which keeps the truth.

Each fault is drawn by a seeded generator, when a connection is accepted or when a request is there. The
server notes for each call, by a key in the request, how often the whole request arrived and how often it was
carried out, so that a test can compare what the caller was told with what happened.

Classes of faults: resets before, inside and after a request; resets inside an answer, at each part of it;
half-closed and stalled connections; slow answers; answers before the request was read; two answers in one
segment; wrong lengths and broken chunks; HTTP/1.0, interim answers, garbage.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypeAlias

from tests.support.wire_steps import BASE_PATH, abort

if TYPE_CHECKING:
    import ssl
    from collections.abc import AsyncIterator

__all__ = ["BEFORE", "BEHIND", "FaultServer", "serving_faults"]

_KEY = re.compile(rb"KEY-\d+")
_READ = re.compile(r"/orders/(?:status|cancel)/ODR(\d+)")


@dataclass(eq=False)
class _Exchange:
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    server: FaultServer
    answer: bytes = b""
    body: bytes = b""

    async def write(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def stall(self) -> None:
        """Do nothing until the client gives up, or the test is over."""
        with suppress(TimeoutError):
            async with asyncio.timeout(self.server.patience):
                await self.reader.read()


Fault: TypeAlias = Callable[[_Exchange], Awaitable[None]]


def _head(length: int | None, *more: str, version: str = "1.1", status: str = "200 OK") -> bytes:
    lines = [f"HTTP/{version} {status}", "Content-Type: application/json", *more]
    if length is not None:
        lines.append(f"Content-Length: {length}")
    return "\r\n".join([*lines, "", ""]).encode()


async def reset_at_once(exchange: _Exchange) -> None:
    abort(exchange.writer)


async def close_at_once(exchange: _Exchange) -> None:
    exchange.writer.close()


async def reset_inside_the_head(exchange: _Exchange) -> None:
    await exchange.reader.readexactly(20)
    abort(exchange.writer)


async def stall_unread(exchange: _Exchange) -> None:
    await exchange.stall()
    abort(exchange.writer)


async def answer_before_the_request(exchange: _Exchange) -> None:
    """A server that is overloaded says so to whoever connects."""
    await exchange.write(_head(0, "Connection: close", status="503 Service Unavailable"))
    exchange.writer.close()


async def speak_another_protocol(exchange: _Exchange) -> None:
    await exchange.write(b"SSH-2.0-OpenSSH_9.6\r\n")
    exchange.writer.close()


BEFORE: Mapping[str, Fault] = {
    each.__name__: each
    for each in (
        reset_at_once,
        close_at_once,
        reset_inside_the_head,
        stall_unread,
        answer_before_the_request,
        speak_another_protocol,
    )
}
"""Faults of a connection, before a whole request has arrived."""


async def whole(exchange: _Exchange) -> None:
    await exchange.write(exchange.answer)


async def reset_unanswered(exchange: _Exchange) -> None:
    abort(exchange.writer)


async def close_unanswered(exchange: _Exchange) -> None:
    exchange.writer.close()


async def half_close_unanswered(exchange: _Exchange) -> None:
    exchange.writer.write_eof()
    await exchange.stall()


async def stall_unanswered(exchange: _Exchange) -> None:
    await exchange.stall()


def _cut(share: float, *, by_reset: bool) -> Fault:
    async def cut(exchange: _Exchange) -> None:
        await exchange.write(exchange.answer[: int(len(exchange.answer) * share)])
        if by_reset:
            # Without this the reset may overtake what was written.
            await asyncio.sleep(0)
            abort(exchange.writer)
        else:
            exchange.writer.close()

    return cut


async def cut_before_the_last_byte(exchange: _Exchange) -> None:
    await exchange.write(exchange.answer[:-1])
    exchange.writer.close()


async def stall_inside_the_body(exchange: _Exchange) -> None:
    await exchange.write(exchange.answer[:-10])
    await exchange.stall()


async def one_byte_at_a_time(exchange: _Exchange) -> None:
    for place in range(0, len(exchange.answer), 7):
        await exchange.write(exchange.answer[place : place + 7])
        await asyncio.sleep(0)


async def two_answers_in_one_segment(exchange: _Exchange) -> None:
    other = json.dumps(
        {"status_code": 200, "is_data": True, "data": {"uuid": "ODR666", "status": "PAID"}}
    ).encode()
    await exchange.write(exchange.answer + _head(len(other)) + other)


async def bytes_behind_the_answer(exchange: _Exchange) -> None:
    await exchange.write(exchange.answer + b"\r\n\r\nHTTP/1.1 ")


async def too_short_a_length(exchange: _Exchange) -> None:
    await exchange.write(_head(len(exchange.body) - 5) + exchange.body)


async def too_long_a_length(exchange: _Exchange) -> None:
    await exchange.write(_head(len(exchange.body) + 5) + exchange.body)
    exchange.writer.close()


async def no_length(exchange: _Exchange) -> None:
    await exchange.write(_head(None, "Connection: close") + exchange.body)
    exchange.writer.close()


async def two_lengths(exchange: _Exchange) -> None:
    await exchange.write(_head(len(exchange.body), "Content-Length: 3") + exchange.body)
    exchange.writer.close()


async def a_length_that_is_no_number(exchange: _Exchange) -> None:
    await exchange.write(_head(None, "Content-Length: -7") + exchange.body)
    exchange.writer.close()


async def chunks(exchange: _Exchange) -> None:
    body = exchange.body
    framed = b"%x;name=value\r\n%b\r\n%x\r\n%b\r\n0\r\n\r\n" % (3, body[:3], len(body) - 3, body[3:])
    await exchange.write(_head(None, "Transfer-Encoding: chunked") + framed)


async def chunks_of_a_broken_size(exchange: _Exchange) -> None:
    await exchange.write(
        _head(None, "Transfer-Encoding: chunked") + b"zz\r\n" + exchange.body + b"\r\n0\r\n\r\n"
    )
    exchange.writer.close()


async def chunks_without_an_end(exchange: _Exchange) -> None:
    await exchange.write(
        _head(None, "Transfer-Encoding: chunked") + b"%x\r\n%b\r\n" % (len(exchange.body), exchange.body)
    )
    exchange.writer.close()


async def chunks_and_a_length(exchange: _Exchange) -> None:
    framed = b"%x\r\n%b\r\n0\r\n\r\n" % (len(exchange.body), exchange.body)
    await exchange.write(_head(7, "Transfer-Encoding: chunked") + framed)
    exchange.writer.close()


async def http_1_0(exchange: _Exchange) -> None:
    await exchange.write(_head(None, version="1.0") + exchange.body)
    exchange.writer.close()


async def interim_answers(exchange: _Exchange) -> None:
    await exchange.write(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n" + exchange.answer
    )


async def another_version(exchange: _Exchange) -> None:
    await exchange.write(_head(len(exchange.body), version="3.0") + exchange.body)
    exchange.writer.close()


async def a_status_of_four_digits(exchange: _Exchange) -> None:
    await exchange.write(_head(len(exchange.body), status="2000 OK") + exchange.body)
    exchange.writer.close()


async def garbage(exchange: _Exchange) -> None:
    await exchange.write(bytes(exchange.server.random.randrange(256) for _ in range(60)) + b"\r\n\r\n")
    exchange.writer.close()


async def a_page_of_a_proxy(exchange: _Exchange) -> None:
    page = b"<html><h1>502 Bad Gateway</h1></html>"
    await exchange.write(
        _head(len(page), status="502 Bad Gateway").replace(b"application/json", b"text/html") + page
    )


async def success_without_its_body(exchange: _Exchange) -> None:
    await exchange.write(_head(2) + b"{}")


async def success_that_is_no_json(exchange: _Exchange) -> None:
    await exchange.write(_head(9) + b'{"data": ')


async def no_content(exchange: _Exchange) -> None:
    await exchange.write(b"HTTP/1.1 204 No Content\r\n\r\n")


BEHIND: Mapping[str, Fault] = {
    **{
        each.__name__: each
        for each in (
            reset_unanswered, close_unanswered, half_close_unanswered, stall_unanswered,
            cut_before_the_last_byte, stall_inside_the_body, one_byte_at_a_time, two_answers_in_one_segment,
            bytes_behind_the_answer, too_short_a_length, too_long_a_length, no_length, two_lengths,
            a_length_that_is_no_number, chunks, chunks_of_a_broken_size, chunks_without_an_end,
            chunks_and_a_length, http_1_0, interim_answers, another_version, a_status_of_four_digits,
            garbage, a_page_of_a_proxy, success_without_its_body, success_that_is_no_json, no_content,
        )
    },
    "reset_inside_the_status_line": _cut(0.03, by_reset=True),
    "reset_inside_the_head": _cut(0.2, by_reset=True),
    "reset_inside_the_body": _cut(0.8, by_reset=True),
    "cut_inside_the_status_line": _cut(0.03, by_reset=False),
    "cut_inside_the_head": _cut(0.2, by_reset=False),
    "cut_inside_the_body": _cut(0.8, by_reset=False),
}  # fmt: skip
"""Faults of an answer, when the whole request has arrived and was carried out."""


@dataclass(eq=False)
class FaultServer:
    """Serves the API's orders, with faults.

    Args:
        seed: Of the faults.
        tls: A TLS context; None for plain connections.
        rate: The share of requests with a fault.
        patience: How long a stalled connection is kept, in seconds.
    """

    seed: int
    tls: ssl.SSLContext | None = None
    rate: float = 0.7
    patience: float = 2.0
    arrived: Counter[str] = field(default_factory=Counter)
    """How often the whole request of a key arrived."""
    done: dict[str, list[str]] = field(default_factory=dict)
    """The ids under which a key was carried out."""
    faults: Counter[str] = field(default_factory=Counter)
    refused: set[str] = field(default_factory=set)
    open: int = 0
    port: int = 0
    random: random.Random = field(init=False)
    _tasks: set[asyncio.Task[None]] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.random = random.Random(self.seed)  # noqa: S311 - faults of a test

    @property
    def url(self) -> str:
        """The base URL for a client."""
        return f"http{'s' if self.tls else ''}://localhost:{self.port}{BASE_PATH}"

    def _draw(self, faults: Mapping[str, Fault], rate: float) -> Fault | None:
        if self.random.random() >= rate:
            return None
        name = self.random.choice(list(faults))
        self.faults[name] += 1
        return faults[name]

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        self.open += 1
        try:
            with suppress(OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, RuntimeError):
                await self._serve(_Exchange(reader, writer, self))
        except asyncio.CancelledError:
            abort(writer)
        finally:
            self.open -= 1
            writer.close()
            with suppress(OSError, asyncio.CancelledError):
                await writer.wait_closed()
            self._tasks.discard(task)

    async def _serve(self, exchange: _Exchange) -> None:
        before = self._draw(BEFORE, self.rate / 6)
        if before is not None:
            await before(exchange)
            return
        while not exchange.writer.is_closing():
            head = await exchange.reader.readuntil(b"\r\n\r\n")
            length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
            if length is not None and self.random.random() < self.rate / 20:
                self.faults["reset_inside_the_request"] += 1
                await exchange.reader.readexactly(int(length[1]) // 2)
                abort(exchange.writer)
                return
            body = await exchange.reader.readexactly(int(length[1])) if length else b""
            status, data = self._carry_out(head, body)
            exchange.body = json.dumps(data).encode()
            words = f"{status} X"
            exchange.answer = _head(len(exchange.body), status=words) + exchange.body
            fault = self._draw(BEHIND, self.rate)
            await (fault or whole)(exchange)

    def _carry_out(self, head: bytes, body: bytes) -> tuple[int, dict[str, Any]]:
        target = head.split(b" ", 2)[1].decode()
        found = _KEY.search(body)
        named = _READ.search(target)
        key = found[0].decode() if found else f"KEY-{named[1]}" if named else "?"
        self.arrived[key] += 1
        if target.endswith("/create"):
            if self.random.random() < self.rate / 20:
                self.refused.add(key)
                self.faults["refused"] += 1
                errors = ["The order date does not match the format."]
                return 417, {
                    "status_code": 417,
                    "message": "payloadValidationErrors",
                    "is_error": True,
                    "errors": errors,
                }
            uuid = f"ODR{key.removeprefix('KEY-')}{self.arrived[key]}"
            self.done.setdefault(key, []).append(uuid)
            data: dict[str, Any] = {"uuid": uuid, "customerUuid": "CSRT1"}
            return 201, _envelope(201, data, "orderAddedSuccessfully")
        uuid = f"ODR{key.removeprefix('KEY-')}"
        self.done.setdefault(key, []).append(uuid)
        if "/cancel/" in target:
            return 202, _envelope(202, None, "cancelledOrderSuccessfully")
        status = {"uuid": uuid, "status": "SENT", "orderAmount": 40, "refundedAmount": 0}
        return 200, _envelope(200, status, "getOrderStatusSuccessfully")

    async def start(self) -> None:
        """Listen on a free port."""
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0, ssl=self.tls, backlog=1024)
        self._server = server
        self.port = server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        """Stop listening and end what is still open."""
        self._server.close()
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _envelope(status: int, data: object, message: str) -> dict[str, Any]:
    said = {"status_code": status, "status_message": "OK", "message": message}
    return {**said, "is_data": data is not None, "data": data}


@asynccontextmanager
async def serving_faults(seed: int, **settings: Any) -> AsyncIterator[FaultServer]:
    """Serve in this loop."""
    server = FaultServer(seed, **settings)
    await server.start()
    try:
        yield server
    finally:
        await server.stop()
