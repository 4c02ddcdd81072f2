"""No library: prebuilt bytes on raw sockets. What the server and the harness themselves can do.

Nothing can be faster than this row: where a client comes near it, the server is the limit.
"""

import asyncio
import json

from benchmarks.common.payloads import ORDER, ORDER_PATH, TOKEN
from benchmarks.transport.contenders import Call


class _Connection(asyncio.Protocol):
    def __init__(self) -> None:
        self.transport: asyncio.Transport
        self._answer = bytearray()
        self._waiter: asyncio.Future[bytes]

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if not isinstance(transport, asyncio.Transport):
            raise TypeError(type(transport).__name__)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self._answer += data
        if self._answer.endswith(b"\r\n0\r\n\r\n"):
            self._waiter.set_result(bytes(self._answer))
            self._answer.clear()

    def send(self, request: bytes) -> asyncio.Future[bytes]:
        self._waiter = asyncio.get_running_loop().create_future()
        self.transport.write(request)
        return self._waiter


async def raw(origin: str) -> Call:
    """Keep a stack of idle connections and send the same bytes over them."""
    loop = asyncio.get_running_loop()
    authority = origin.removeprefix("http://")
    host, _, port = authority.partition(":")
    body = json.dumps(ORDER, separators=(",", ":")).encode()
    request = (
        f"POST {ORDER_PATH} HTTP/1.1\r\nHost: {authority}\r\nAccept: */*\r\n"
        "Accept-Encoding: gzip, deflate\r\nConnection: keep-alive\r\n"
        f"Authorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    ).encode() + body
    idle: list[_Connection] = []

    async def call() -> str:
        connection = idle.pop() if idle else None
        if connection is None:
            _, connection = await loop.create_connection(_Connection, host, int(port))
        answer = await connection.send(request)
        idle.append(connection)
        body_start = answer.index(b"\r\n", answer.index(b"\r\n\r\n") + 4) + 2
        uuid: str = json.loads(answer[body_start : -len(b"\r\n0\r\n\r\n")])["data"]["uuid"]
        return uuid

    return call
