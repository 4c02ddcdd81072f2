"""The fast server of the batch benchmark: `python -m benchmarks.batch.server [CORE]`; the port is printed.

It is the transport benchmark's server with what a journal needs: each order that is created gets a uuid of
its own, and the list of orders tells them all. It can also count as the API's throttle does, and writes down
when it let how much through.

Control: `GET /_reset?delay_ms=1[&limit=240&window=2]` forgets everything; `GET /_stats` returns the counts
and, for each window of the throttle, its start and how many requests were let through and refused.
"""

import asyncio
import json
import sys
import time
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from attrs import define, field

from benchmarks.common.machine import pin
from benchmarks.common.payloads import CREATED_BODY, CREATED_UUID
from benchmarks.common.serving import serve
from benchmarks.transport.server import Connection, Counts, _chunked  # pyright: ignore[reportPrivateUsage]
from frontpay_async.sandbox.throttle import Throttle

_LIST: Final = b"/api/v1/connect/orders/status"
_UUID: Final = CREATED_UUID.encode()
_CREATED: Final = _chunked(201, CREATED_BODY)
_NONE: Final = _chunked(404, b'{"status_code":404,"message":"Order Not Found"}')
_REFUSED: Final = b'{"message":"Too Many Attempts."}'


@define(eq=False)
class Account:
    """What was created, and how the token is throttled."""

    created: int = 0
    throttle: Throttle | None = None
    windows: list[list[float]] = field(factory=list[list[float]])
    """Start, requests let through, requests refused."""

    def admit(self) -> tuple[float | None, bytes]:
        """Count a request: the seconds to wait, if it is refused, and the headers of the throttle."""
        if self.throttle is None:
            return None, b""
        now = time.monotonic()
        verdict = self.throttle.hit("", now)
        if verdict.wait is None and verdict.remaining == verdict.limit - 1:
            self.windows.append([now, 0, 0])
        self.windows[-1][1 if verdict.wait is None else 2] += 1
        headers = verdict.headers(time.time()).items()
        return verdict.wait, b"".join(f"{name}: {value}\r\n".encode() for name, value in headers)

    def answer(self, path: bytes) -> bytes:
        """Create an order, or list all."""
        if path.startswith(_LIST):
            return self._listed()
        self.created += 1
        return _CREATED.replace(_UUID, b"ODR%010d" % self.created)

    def _listed(self) -> bytes:
        if not self.created:
            return _NONE
        rows = [{"uuid": f"ODR{number:010d}", "status": "INVOICED"} for number in range(1, self.created + 1)]
        body = {
            "status_code": 200,
            "status_message": "OK",
            "message": "orders",
            "is_data": True,
            "data": rows,
        }
        return _chunked(200, json.dumps(body, separators=(",", ":")).encode())


class BatchConnection(Connection):
    """One client's connection."""

    __slots__ = ("_account",)

    def __init__(self, counts: Counts, loop: asyncio.AbstractEventLoop, account: Account) -> None:
        super().__init__(counts, loop)
        self._account = account

    def _handle(self, path: bytes, head_size: int, body_size: int) -> None:
        if path.startswith(b"/_"):
            self._control(path.decode("ascii"))
            return
        counts, account = self._counts, self._account
        if not self._counted:
            self._counted = True
            counts.connections += 1
        counts.requests += 1
        counts.head_bytes += head_size
        counts.body_bytes += body_size
        wait, headers = account.admit()
        answer = account.answer(path) if wait is None else _chunked(429, _REFUSED)
        if headers:
            # The prebuilt answers name a limit that nobody runs into.
            head, _, body = answer.partition(b"\r\n\r\n")
            lines = [line for line in head.split(b"\r\n") if not line.startswith(b"x-ratelimit-")]
            answer = b"\r\n".join(lines) + b"\r\n" + headers + b"\r\n" + body
        self._loop.call_later(counts.delay, self._write, answer) if counts.delay else self._write(answer)

    def _control(self, target: str) -> None:
        url = urlsplit(target)
        if url.path == "/_reset":
            query = {name: float(value) for name, value in parse_qsl(url.query)}
            self._counts.reset(query.get("delay_ms", 0) / 1000)
            limit = int(query.get("limit", 0))
            self._account.throttle = Throttle(limit, query["window"]) if limit else None
            self._account.created = 0
            self._account.windows.clear()
        answer: dict[str, Any] = {**self._counts.snapshot(), "windows": self._account.windows}
        self._transport.write(_chunked(200, json.dumps(answer).encode()))


async def _serve() -> None:
    counts, account = Counts(), Account()
    await serve(lambda loop: BatchConnection(counts, loop, account))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        pin(int(sys.argv[1]))
    asyncio.run(_serve())
