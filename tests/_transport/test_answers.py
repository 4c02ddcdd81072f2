"""What is made of an answer, and what is not: sizes, codings, redirects, cookies, odd headers."""

from __future__ import annotations

import asyncio
import gzip
import json
import tracemalloc
import zlib
from typing import TYPE_CHECKING

import httpx
import pytest

from frontpay_async import (
    CreatedOrder,
    FrontPayClient,
    FrontPayError,
    Outcome,
    OutcomeUnknownError,
    RetryPolicy,
    ServerError,
)
from tests.support.builders import ORDER_UUID
from tests.support.fakes import create, read
from tests.support.wire_steps import CREATED, Exchange, answer, drip, envelope, failed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

    from tests._transport.conftest import Connect
    from tests.support.wire_server import WireServer
    from tests.support.wire_steps import Step

pytestmark = pytest.mark.integration

ONCE = RetryPolicy(attempts=1)
BODY = json.dumps({"message": "orderAddedSuccessfully", "data": CREATED}).encode()
CREATED_ORDER = CreatedOrder(order_uuid=CREATED["uuid"], customer_uuid=CREATED["customerUuid"])


def padded(size: int) -> bytes:
    """A created order's answer of exactly so many bytes."""
    return BODY + b" " * (size - len(BODY))


@pytest.mark.parametrize("chunked", [False, True])
async def test_an_answer_as_long_as_the_cap_is_read(
    server: WireServer, connect: Connect, chunked: bool
) -> None:
    server.otherwise = answer(201, padded(5000), chunked=chunked)
    assert await create(connect(server, max_response_size=5000)) == CREATED_ORDER


@pytest.mark.parametrize("chunked", [False, True])
async def test_an_answer_that_is_longer_than_the_cap_is_not(
    server: WireServer, connect: Connect, chunked: bool
) -> None:
    """The order may exist, and its answer is refused: the outcome is unknown."""
    server.otherwise = answer(201, padded(5001), chunked=chunked)
    with pytest.raises(OutcomeUnknownError, match="longer than 5000 bytes"):
        await create(connect(server, max_response_size=5000))
    assert len(server.requests) == 1


async def test_an_endless_answer_is_cut_at_the_cap(server: WireServer, connect: Connect) -> None:
    """No more is read than may be kept; a read is tried again, as after any unusable answer."""
    server.otherwise = drip(b" " * 4096)
    with pytest.raises(OutcomeUnknownError, match="longer than 10000 bytes"):
        await read(connect(server, max_response_size=10_000, retry=RetryPolicy(attempts=2)))
    assert len(server.requests) == 2
    await server.idle()


def _squeezed(body: bytes) -> bytes:
    return zlib.compress(body)


@pytest.mark.parametrize(
    ("coding", "encode"),
    [("gzip", gzip.compress), ("x-gzip", gzip.compress), ("GZIP", gzip.compress), ("deflate", _squeezed)],
)
async def test_a_compressed_answer_is_read_although_it_was_not_asked_for(
    server: WireServer, connect: Connect, coding: str, encode: Callable[[bytes], bytes]
) -> None:
    """Proxies compress what they please."""
    server.otherwise = answer(201, encode(BODY), ("Content-Encoding", coding))
    assert await create(connect(server)) == CREATED_ORDER
    assert server.requests[0].header("Accept-Encoding") == "identity"


async def test_the_cap_counts_what_comes_out_of_a_compressed_answer(
    server: WireServer, connect: Connect
) -> None:
    """Ten kilobytes that inflate to ten megabytes are stopped at the cap, not when they fill the memory."""
    server.otherwise = answer(201, gzip.compress(b" " * 10_000_000), ("Content-Encoding", "gzip"))
    client = connect(server, max_response_size=20_000)
    tracemalloc.start()
    try:
        with pytest.raises(OutcomeUnknownError, match="longer than 20000 bytes"):
            await create(client)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 5_000_000


@pytest.mark.parametrize(
    ("coding", "body", "why"),
    [
        ("gzip", gzip.compress(BODY)[:-12], "compressed body is incomplete"),
        ("gzip", BODY, "error"),
        ("gzip", gzip.compress(BODY) + gzip.compress(b', "is_error": true}'), "followed by other data"),
        ("gzip", gzip.compress(BODY) + b"\r\n", "followed by other data"),
        ("br", b"\x8b", "content coding"),
        ("gzip, gzip", gzip.compress(gzip.compress(BODY)), "content coding"),
    ],
)
async def test_an_answer_that_cannot_be_decoded_is_unusable(
    server: WireServer, connect: Connect, coding: str, body: bytes, why: str
) -> None:
    """The status said that it was created; what it is called is lost."""
    server.otherwise = answer(201, body, ("Content-Encoding", coding))
    with pytest.raises(OutcomeUnknownError, match=why):
        await create(connect(server))
    assert len(server.requests) == 1


@pytest.mark.parametrize("more", [-1, 0, 1, 300_000])
async def test_a_compressed_answer_is_inflated_in_pieces(
    server: WireServer, connect: Connect, more: int
) -> None:
    """Also one that ends where a piece ends."""
    size = 2 * 256 * 1024 + more
    body = b'{"status_code": 201, ' + b" " * (size - len(BODY) - 20) + BODY[1:]
    assert len(body) == size
    server.otherwise = answer(201, gzip.compress(body), ("Content-Encoding", "gzip"))
    assert await create(connect(server)) == CREATED_ORDER


class _Unhurried(httpx.AsyncBaseTransport):
    """A transport that has received all the pieces of a body already."""

    def __init__(self, coding: str, *pieces: bytes) -> None:
        self.coding, self.pieces = coding, pieces

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return httpx.Response(201, headers={"Content-Encoding": self.coding}, content=self._content())

    async def _content(self) -> AsyncIterator[bytes]:
        for piece in self.pieces:
            yield piece


@pytest.mark.parametrize(
    ("coding", "pieces"),
    [("identity", [b" "] * 2_000), ("gzip", [gzip.compress(b" " * 20_000_000)])],
    ids=["many pieces", "one that inflates to many"],
)
async def test_an_answer_in_many_pieces_leaves_the_loop_to_others(coding: str, pieces: list[bytes]) -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    transport = _Unhurried(coding, *pieces)
    async with FrontPayClient(
        "token", environment="demo", transport=transport, retry=ONCE, max_response_size=19_000_000
    ) as client:
        counting = asyncio.create_task(count())
        with pytest.raises(OutcomeUnknownError):
            await create(client)
        counting.cancel()
    assert turns > 3


async def test_an_empty_body_in_a_coding_is_an_empty_body(server: WireServer, connect: Connect) -> None:
    """The status alone decides: this is an answer that says no."""
    server.otherwise = answer(404, b"", ("Content-Encoding", "gzip"))
    with pytest.raises(FrontPayError) as caught:
        await create(connect(server))
    assert caught.value.outcome is Outcome.REJECTED


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed(server: WireServer, connect: Connect, status: int) -> None:
    """It would take the token and the order to wherever it says."""
    server.otherwise = answer(status, b"", ("Location", f"{server.url}/elsewhere"))
    with pytest.raises(OutcomeUnknownError):
        await create(connect(server))
    assert len(server.requests) == 1


async def test_cookies_are_not_sent_back(server: WireServer, connect: Connect) -> None:
    """A session of the API's framework must not tie calls together."""
    server.otherwise = envelope(201, ("Set-Cookie", "laravel_session=abc; path=/"), ("Set-Cookie", "b=2"))
    # By name, because cookie jars keep nothing for an address.
    client = connect(server.url.replace("127.0.0.1", "localhost"))
    for _ in range(3):
        await create(client)
    assert [request.header("Cookie") for request in server.requests] == [None] * 3


@pytest.mark.parametrize("size", [1000, 7000])
async def test_long_headers_are_read(server: WireServer, connect: Connect, size: int) -> None:
    server.otherwise = envelope(201, ("X-Long", "y" * size))
    assert await create(connect(server)) == CREATED_ORDER


async def test_absurdly_long_headers_make_an_answer_unusable(server: WireServer, connect: Connect) -> None:
    """They end in an error of ours that does not quote them."""
    server.otherwise = answer(201, BODY, ("Location", "secret-" * 30_000))
    with pytest.raises(OutcomeUnknownError) as caught:
        await create(connect(server))
    assert "secret-" not in str(caught.value)


async def test_header_names_have_no_case(server: WireServer, connect: Connect) -> None:
    """A request id is found however it is spelled."""
    server.otherwise = failed(503, "down", ("X-REQUEST-ID", "r-77"))
    with pytest.raises(ServerError) as caught:
        await read(connect(server, retry=ONCE))
    assert caught.value.request_id == "r-77"


SAYING_NOTHING: Mapping[str, Step] = {
    "empty object": answer(200, b"{}"),
    "list": answer(200, b"[]"),
    "empty": answer(200, b""),
    "null": answer(200, b"null"),
    "half": answer(200, b'{"data": {"uuid": 1'),
    "no text": answer(200, b"\xff\xfe\x00"),
    "deep": answer(200, b"[" * 100_000),
    "204": answer(204),
    "no data": envelope(201, data=None),
    "data is a list": envelope(201, data=[]),
    "uuid is an object": envelope(201, data={"uuid": {"a": 1}}),
}


@pytest.mark.parametrize("said", SAYING_NOTHING)
async def test_a_success_that_says_nothing_is_unknown(
    server: WireServer, connect: Connect, said: str
) -> None:
    """The order may exist, so it is neither a success nor sent again."""
    server.otherwise = SAYING_NOTHING[said]
    with pytest.raises(OutcomeUnknownError):
        await create(connect(server))
    assert len(server.requests) == 1


async def test_an_interim_answer_is_passed_over(server: WireServer, connect: Connect) -> None:
    """``103 Early Hints`` is not the answer."""

    async def hint_first(exchange: Exchange) -> None:
        await exchange.write(b"HTTP/1.1 103 Early Hints\r\nLink: </style.css>\r\n\r\n")
        await envelope()(exchange)

    server.otherwise = hint_first
    assert await create(connect(server)) == CREATED_ORDER


async def test_an_empty_account_is_an_empty_list(server: WireServer, connect: Connect) -> None:
    server.otherwise = failed(404, "Order Not Found")
    assert await connect(server).orders.list_statuses() == ()


@pytest.mark.parametrize(
    ("suffix", "ending"),
    [(None, ""), ("shop/2.1 (+https://shop.example)", " shop/2.1 (+https://shop.example)")],
)
async def test_the_user_agent_names_the_package_and_the_application(
    server: WireServer, connect: Connect, suffix: str | None, ending: str
) -> None:
    await read(connect(server, user_agent_suffix=suffix))
    agent = server.requests[0].header("User-Agent")
    assert agent is not None
    assert agent.startswith("frontpay-async/")
    assert agent.endswith(ending)
    assert ORDER_UUID in server.requests[0].target


@pytest.mark.parametrize(
    "line",
    [
        *("HTTP/3.0 200 OK", "HTTP/2.0 200 OK", "HTTP/0.9 200 OK", "HTTP/1.2 200 OK", "http/1.1 200 OK"),
        *("HTTP/1.1 2000 OK", "ICY 200 OK"),
    ],
)
async def test_a_status_line_that_is_garbage_is_not_a_success(
    server: WireServer, connect: Connect, line: str
) -> None:
    body = b'{"message": "orderAddedSuccessfully", "data": {"uuid": "ODR1"}}'

    async def garbage(exchange: Exchange) -> None:
        head = f"{line}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        await exchange.write(head.encode() + body)

    server.script(garbage)
    with pytest.raises(OutcomeUnknownError):
        await create(connect(server))
    assert len(server.requests) == 1
