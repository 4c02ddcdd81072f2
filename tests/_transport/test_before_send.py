"""The hook before an attempt leaves, which decides what is sent: after the rate is granted."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import anyio
import httpx
import pytest
from attrs import evolve

from frontpay_async import AuthenticationError, NotSentError, Outcome, RateLimit, RetryPolicy
from frontpay_async._protocol.operations import SEND_EFAKTURA, SEND_INVOICE
from frontpay_async.client import FrontPayClient
from tests.support.builders import invoice
from tests.support.fakes import TOKEN, FakeClock, Hooks

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from frontpay_async import CreatedOrder
    from frontpay_async._protocol.messages import HttpRequest

pytestmark = pytest.mark.integration

CREATED = {"status_code": 201, "message": "orderAddedSuccessfully", "data": {"uuid": "ODR1"}}
HEADERS = {"x-ratelimit-limit": "240", "x-ratelimit-remaining": "200"}


class Api:
    """A client of a transport that remembers, with a hook that is called before each attempt."""

    def __init__(self, *answers: int, limit: RateLimit | None = None, **settings: object) -> None:
        self.log: list[str] = []
        self.hooks = Hooks()
        waiting = list(answers or (201,))

        def answer(_: httpx.Request) -> httpx.Response:
            self.log.append("sent")
            status = waiting.pop(0)
            body = CREATED if status == 201 else {"message": "Unauthenticated."}
            return httpx.Response(status, json=body, headers=HEADERS)

        self.client = FrontPayClient(
            settings.pop("token", TOKEN),  # type: ignore[arg-type]
            base_url="https://api.example.no",
            transport=httpx.MockTransport(answer),
            rate_limit=limit,
            clock=FakeClock().clock(),
            retry=RetryPolicy(attempts=1),
            **self.hooks.settings(),
        )

    async def send(self, before_send: Callable[[HttpRequest], Awaitable[HttpRequest]]) -> CreatedOrder:
        options = evolve(self.client._options, before_send=before_send)
        return await self.client._session.execute(SEND_INVOICE, options, value=invoice())

    @property
    def used(self) -> int:
        statistics = self.client.rate.statistics()
        assert statistics is not None
        return statistics.used


async def test_it_is_called_when_the_rate_is_granted_and_before_anything_is_sent() -> None:
    api = Api()

    async def before_send(request: HttpRequest) -> HttpRequest:
        api.log.append(f"about to leave, {api.used} spoken for")
        return request

    await api.send(before_send)
    assert api.log == ["about to leave, 1 spoken for", "sent"]


async def test_what_it_raises_ends_the_call_and_gives_the_permit_back() -> None:
    api = Api()

    async def before_send(request: HttpRequest) -> HttpRequest:
        raise KeyError("the journal is gone")

    with pytest.raises(KeyError):
        await api.send(before_send)
    assert api.log == []
    assert api.used == 0
    assert [result.outcome for result in api.hooks.results] == [Outcome.NOT_SENT]


async def test_an_error_of_ours_keeps_its_kind() -> None:
    api = Api()

    async def before_send(request: HttpRequest) -> HttpRequest:
        raise NotSentError("not today")

    with pytest.raises(NotSentError, match="not today"):
        await api.send(before_send)
    assert (api.log, api.used) == ([], 0)


async def test_cancelled_in_it_nothing_is_sent_and_the_permit_is_back() -> None:
    api = Api()
    with anyio.CancelScope() as scope:

        async def before_send(request: HttpRequest) -> HttpRequest:
            scope.cancel()
            await anyio.sleep_forever()
            return request

        await api.send(before_send)
    assert scope.cancelled_caught
    assert (api.log, api.used) == ([], 0)
    assert [result.outcome for result in api.hooks.results] == [Outcome.NOT_SENT]


async def test_it_is_called_for_each_attempt() -> None:
    """A refused token with a successor is sent once more, and that is another departure."""
    tokens = iter(["fp-old", "fp-new"])

    async def token() -> str:
        return next(tokens)

    api = Api(401, 201, token=token)

    async def before_send(request: HttpRequest) -> HttpRequest:
        api.log.append("about to leave")
        return request

    await api.send(before_send)
    assert api.log == ["about to leave", "sent", "about to leave", "sent"]


async def test_without_a_rate_limit_it_is_called_as_well() -> None:
    api = Api(401, limit=RateLimit.unlimited())

    async def before_send(request: HttpRequest) -> HttpRequest:
        api.log.append("about to leave")
        return request

    with pytest.raises(AuthenticationError):
        await api.send(before_send)
    assert api.log == ["about to leave", "sent"]


async def test_what_it_returns_is_sent() -> None:
    """Records name the request that was sent, and its operation reads the response."""
    api = Api()

    async def before_send(request: HttpRequest) -> HttpRequest:
        assert request.operation is SEND_INVOICE
        return evolve(request, operation=SEND_EFAKTURA, path="orders/faktura/create")

    created = await api.send(before_send)
    assert created.order_uuid == "ODR1"
    assert [record.operation for record in api.hooks.attempts] == ["orders.send_efaktura"]
    assert [record.operation for record in api.hooks.results] == ["orders.send_efaktura"]


async def test_a_tentative_call_is_reported_from_the_moment_that_it_is_decided() -> None:
    """Of one that the hook withdraws, no hook is told; of one that is sent, both are."""
    api = Api()

    async def withdraw(request: HttpRequest) -> HttpRequest:
        raise KeyError("nothing to ask")

    async def agree(request: HttpRequest) -> HttpRequest:
        return request

    for hook in (withdraw, agree):
        options = evolve(api.client._options, before_send=hook)
        with suppress(KeyError):
            await api.client._session.execute(SEND_INVOICE, options, value=invoice(), tentative=True)
    assert [record.outcome for record in api.hooks.attempts] == [None]
    assert [record.outcome for record in api.hooks.results] == [None]


async def test_it_is_asked_again_for_a_renewed_token() -> None:
    """Each request passes the hook, with what the call began with."""
    tokens = iter(["fp-old", "fp-new"])
    seen: list[HttpRequest] = []

    async def token() -> str:
        return next(tokens)

    api = Api(401, 201, token=token)

    async def before_send(request: HttpRequest) -> HttpRequest:
        seen.append(request)
        return evolve(request, path="elsewhere")

    await api.send(before_send)
    assert [request.path for request in seen] == ["orders/invoice/create"] * 2
