"""Which errors of a transport prove that nothing left, and which HTTP versions are answers."""

from __future__ import annotations

import json
from contextlib import suppress

import aiohttp
import httpx
import pytest
from attrs import Factory, define

from frontpay_async import (
    FrontPayClient,
    FrontPayError,
    NotSentError,
    OutcomeUnknownError,
    RateLimit,
    RetryPolicy,
)
from frontpay_async._transport.send import TransportFailure
from tests.support.builders import ORDER_UUID
from tests.support.fakes import TOKEN, create

CREATED = {
    "is_error": False,
    "is_data": True,
    "message": "orderSubmittedSuccessfully",
    "data": {"orderUuid": ORDER_UUID, "customerUuid": "CSR1"},
}


@define(eq=False)
class Fixed(httpx.AsyncBaseTransport):
    """Raises an error, or answers each request with a created order over an HTTP version."""

    error: Exception | None = None
    version: bytes | None = b"HTTP/1.1"
    requests: list[httpx.Request] = Factory(list)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests.append(request)
        if self.error is not None:
            raise self.error
        extensions = {} if self.version is None else {"http_version": self.version}
        return httpx.Response(201, content=json.dumps(CREATED).encode(), extensions=extensions)


def client(transport: Fixed) -> FrontPayClient:
    return FrontPayClient(
        token=TOKEN,
        base_url="http://127.0.0.1:1/api",
        transport=transport,
        rate_limit=RateLimit.unlimited(),
        retry=RetryPolicy(attempts=1),
    )


NEVER_LEFT = [
    *(httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.ProxyError),
    *(httpx.UnsupportedProtocol, httpx.InvalidURL),
]
MAY_HAVE_LEFT = [
    *(httpx.ReadError, httpx.WriteError, httpx.CloseError, httpx.ReadTimeout, httpx.WriteTimeout),
    *(httpx.RemoteProtocolError, httpx.LocalProtocolError, httpx.DecodingError, httpx.NetworkError),
]


@pytest.mark.parametrize("kind", NEVER_LEFT)
async def test_an_error_before_the_request_was_not_sent(kind: type[Exception]) -> None:
    async with client(Fixed(kind("failed"))) as failing:
        with pytest.raises(NotSentError) as caught:
            await create(failing)
    cause = caught.value.__cause__
    assert isinstance(cause, TransportFailure)
    assert cause.kind == kind.__name__


@pytest.mark.parametrize("kind", [*MAY_HAVE_LEFT, type("ConnectError", (OSError,), {})])
async def test_any_other_error_may_come_after_the_request(kind: type[Exception]) -> None:
    async with client(Fixed(kind("failed"))) as failing:
        with pytest.raises(OutcomeUnknownError):
            await create(failing)


@pytest.mark.parametrize(
    ("cause", "expected"),
    [
        (aiohttp.ClientConnectorError, NotSentError),
        (aiohttp.ClientConnectorDNSError, NotSentError),
        (aiohttp.ConnectionTimeoutError, NotSentError),
        (aiohttp.ClientHttpProxyError, NotSentError),
        (aiohttp.InvalidURL, NotSentError),
        (aiohttp.ServerDisconnectedError, OutcomeUnknownError),
        (aiohttp.ClientOSError, OutcomeUnknownError),
        (aiohttp.ServerTimeoutError, OutcomeUnknownError),
    ],
)
async def test_aiohttps_own_error_decides_where_it_is_the_cause(
    cause: type[Exception], expected: type[Exception]
) -> None:
    """A transport over aiohttp may call more of its errors a ``ConnectError`` than those of connecting."""
    error = httpx.ConnectError("failed")
    error.__cause__ = cause.__new__(cause)
    async with client(Fixed(error)) as failing:
        with pytest.raises(expected):
            await create(failing)


@pytest.mark.parametrize("version", [None, b"HTTP/1.0", b"HTTP/1.1", b"HTTP/2", b"HTTP/3"])
async def test_an_answer_over_a_known_version_is_read(version: bytes | None) -> None:
    async with client(Fixed(version=version)) as answered:
        assert await create(answered)


@pytest.mark.parametrize("version", [b"HTTP/0.9", b"HTTP/1.2", b"HTTP/4", b"http/1.1", b"\xff"])
async def test_an_answer_over_another_version_is_not(version: bytes) -> None:
    async with client(Fixed(version=version)) as answered:
        with pytest.raises(OutcomeUnknownError, match="HTTP version"):
            await create(answered)


async def test_only_a_request_that_may_have_a_body_states_its_length() -> None:
    """Of a GET without a body, some proxies refuse a length."""
    transport = Fixed()
    async with client(transport) as answered:
        await create(answered)
        with suppress(FrontPayError):
            await answered.orders.list_statuses()
    created, listed = transport.requests
    assert created.headers["content-length"] == str(len(created.content))
    assert "content-length" not in listed.headers
