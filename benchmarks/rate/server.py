"""A loopback server with the API's throttle, for the rate benchmark.

Each token has a throttle of its own, the sandbox's exact model of Laravel's: a fixed window that begins with
the first request. Half of a request's latency lies before the count and half after it. What arrives is
written down per token (time, status, path's last tag), on the machine's monotonic clock, which the clients'
processes share.

Control: `GET /_begin?token=…&limit=240&window=2&fast=0.002&slow=0.008[&stranger=0.1][&slow_first=0.25]`
opens a token, `GET /_end?token=…` closes it and returns the log. Run as `python -m benchmarks.rate.server`;
the port is printed.
"""

import asyncio
import json
import random
import time
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from attrs import define, field

from benchmarks.common.serving import serve
from frontpay_async.sandbox.throttle import Admission, Throttle

_END: Final = b"\r\n\r\n"
_BODY: Final = json.dumps(
    {
        "status_code": 200,
        "status_message": "OK",
        "message": "orderStatus",
        "is_data": True,
        "data": {"status": "sent"},
    }
).encode()
_REFUSED: Final = b'{"status_code":429,"message":"Too Many Attempts."}'


@define(eq=False)
class Account:
    """What one token may do, and what it has done."""

    limit: int
    window: float
    fast: float
    slow: float
    stranger: float = 0.0
    slow_first: float = 0.0
    log: list[tuple[float, int, str, int]] = field(factory=list)
    """Time, status, tag of the request, and its place in the window."""
    throttle: Throttle = field(init=False)
    chance: random.Random = field(init=False)
    visitor: asyncio.Task[None] | None = None

    def __attrs_post_init__(self) -> None:
        self.throttle = Throttle(self.limit, self.window)
        self.chance = random.Random(self.window)  # noqa: S311 - no secret

    def hit(self, tag: str) -> Admission:
        """Count a request and write it down."""
        now = time.monotonic()
        verdict = self.throttle.hit("", now)
        status = 200 if verdict.wait is None else 429
        self.log.append((now, status, tag, verdict.limit - verdict.remaining))
        return verdict

    async def visit(self) -> None:
        """Be the stranger: so many requests a window, at random times."""
        mean = self.window / (self.limit * self.stranger)
        while True:
            await asyncio.sleep(self.chance.expovariate(1 / mean))
            self.hit("stranger")


def _message(status: int, body: bytes, extra: dict[str, str]) -> bytes:
    phrase = HTTPStatus(status).phrase
    lines = [f"HTTP/1.1 {status} {phrase}", "content-type: application/json", f"content-length: {len(body)}"]
    lines += [f"{name}: {value}" for name, value in extra.items()]
    return "\r\n".join(lines).encode() + _END + body


class Connection(asyncio.Protocol):
    """One client's connection."""

    def __init__(self, accounts: dict[str, Account], loop: asyncio.AbstractEventLoop) -> None:
        self._accounts = accounts
        self._loop = loop
        self._buffer = bytearray()
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Remember where answers go."""
        if not isinstance(transport, asyncio.Transport):
            raise TypeError(type(transport).__name__)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take in every request that is complete; none has a body."""
        self._buffer += data
        while (end := self._buffer.find(_END)) >= 0:
            head = self._buffer[:end].decode("latin-1")
            del self._buffer[: end + len(_END)]
            path = head.split(" ", 2)[1]
            if path.startswith("/_"):
                self._control(path)
                continue
            at = head.lower().find("authorization: bearer ")
            account = self._accounts.get(head[at + 22 :].split("\r\n", 1)[0] if at >= 0 else "")
            if account is None:
                self._write(_message(401, b"{}", {}))
                continue
            latency = account.chance.uniform(account.fast, account.slow)
            self._loop.call_later(latency / 2, self._count, account, path, latency / 2)

    def _count(self, account: Account, path: str, rest: float) -> None:
        # The tag is the path's part that begins as the benchmark's orders do.
        tag = next((part for part in path.split("/") if part.startswith("ODR")), path)
        verdict = account.hit(tag)
        if verdict.wait is None and verdict.remaining == verdict.limit - 1 and account.slow_first:
            rest += account.slow_first * account.window
        status = 200 if verdict.wait is None else 429
        answer = _message(status, _BODY if status == 200 else _REFUSED, verdict.headers(time.time()))
        self._loop.call_later(rest, self._write, answer)

    def _write(self, answer: bytes) -> None:
        if not self._transport.is_closing():
            self._transport.write(answer)

    def _control(self, target: str) -> None:
        url = urlsplit(target)
        query = dict(parse_qsl(url.query))
        token = query.pop("token")
        answer: Any = {}
        if url.path == "/_begin":
            numbers = {name: float(value) for name, value in query.items() if name != "limit"}
            account = self._accounts[token] = Account(limit=int(query["limit"]), **numbers)
            if account.stranger:
                account.visitor = self._loop.create_task(account.visit())
        elif url.path == "/_end":
            account = self._accounts.pop(token)
            if account.visitor is not None:
                account.visitor.cancel()
            answer = account.log
        self._write(_message(200, json.dumps(answer).encode(), {}))


async def _serve() -> None:
    accounts: dict[str, Account] = {}
    await serve(lambda loop: Connection(accounts, loop))


if __name__ == "__main__":
    asyncio.run(_serve())
