"""Trouble never looks like an end, whatever the kind of watch."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest
from attrs import frozen

from frontpay_async import APIError, FrontPayClient, Outcome, WatchTimeoutError
from frontpay_async.watch.kinds import WatchKind
from tests.support import more_builders as more
from tests.support.builders import ORDER_UUID
from tests.support.sandboxes import BASE_URL
from tests.support.simulated_time import CLOCK, passes, simulate
from tests.support.watching import Waiter

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = [pytest.mark.integration, pytest.mark.search]


@frozen
class Kind:
    """How a kind is watched: the id, a status before the end, an end, and the body that says a status."""

    uuid: str
    pending: str
    end: str
    body: Callable[[str], dict[str, Any]]


def in_data(uuid: str, name: str = "uuid") -> Callable[[str], dict[str, Any]]:
    return lambda status: {"message": "ok", "is_data": True, "data": {name: uuid, "status": status}}


KINDS = {
    "payment": Kind(ORDER_UUID, "SENT", "PAID", lambda status: {"order_status": status}),
    "refund": Kind(ORDER_UUID, "SENT", "REFUNDED", lambda status: {"refund_status": status}),
    "order": Kind(ORDER_UUID, "SENT", "PAID", in_data(ORDER_UUID)),
    "checkout": Kind(ORDER_UUID, "SENT", "RESERVED", in_data(ORDER_UUID)),
    "reservation": Kind(more.RESERVATION_UUID, "RESERVED", "CAPTURED", in_data(more.RESERVATION_UUID)),
    "subscription": Kind(more.SUBSCRIPTION_UUID, "ONGOING", "COMPLETED", in_data(more.SUBSCRIPTION_UUID)),
}
kinds = pytest.mark.parametrize("name", KINDS)
PROXY = b"<html><title>Blocked</title></html>"
# What is no word of the API about what is watched.
TROUBLE: list[tuple[int, Any]] = [
    *((status, {"message": "someCode"}) for status in (408, 429, 499, 502)),
    (200, PROXY),
    (200, {}),
    (200, {"is_error": True, "message": "somethingWentWrong", "data": {"status": "CANCELLED"}}),
    (200, {"message": "ok", "data": {"uuid": "ODR9", "orderUuid": "ODR9", "status": "CANCELLED"}}),
    (204, b""),
]  # fmt: skip


class Api(httpx.AsyncBaseTransport):
    """Answers each status check alike, until told otherwise; lists are empty."""

    def __init__(self, status: int, body: Any) -> None:
        self.status = status
        self.body = body
        self.hangs = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await passes(0.05)
        if request.url.path.endswith(("/orders/status", "/history")):
            return httpx.Response(404, json={"message": "orderNotFound", "is_error": True})
        if self.hangs:
            self.hangs -= 1
            await anyio.sleep_forever()
        content = self.body if isinstance(self.body, bytes) else None
        return httpx.Response(self.status, content=content, json=None if content is not None else self.body)


def client_of(api: Api) -> FrontPayClient:
    return FrontPayClient("token", base_url=BASE_URL, transport=api, clock=CLOCK)


def test_every_kind_is_here() -> None:
    assert KINDS.keys() == {*WatchKind, "checkout"}


@kinds
def test_trouble_is_waited_out(name: str) -> None:
    async def scenario() -> None:
        kind = KINDS[name]
        for status, body in TROUBLE:
            api, waiter = Api(200, kind.body(kind.pending)), Waiter()
            async with client_of(api) as client, anyio.create_task_group() as tasks:
                tasks.start_soon(waiter.wait, client, kind.uuid, name)
                await passes(3)
                api.status, api.body = status, body
                await passes(6)
                assert waiter.ended_at is None, (status, body, waiter)
                api.status, api.body = 200, kind.body(kind.end)
            assert waiter.result == kind.end, (status, body, waiter)

    simulate(scenario)


@kinds
def test_a_refused_status_check_never_says_that_nothing_changed(name: str) -> None:
    async def scenario() -> None:
        kind = KINDS[name]
        for status in (400, 401, 404, 409, 417):
            async with client_of(Api(status, {"message": "someCode"})) as client:
                with pytest.raises(APIError) as caught:
                    await getattr(client.watch, name)(kind.uuid, timeout=60)
                assert (caught.value.status, caught.value.outcome) == (status, Outcome.UNKNOWN)
                assert "othing was changed" not in str(caught.value)

    simulate(scenario)


@kinds
def test_a_404_after_it_was_seen_and_a_check_that_hangs_are_waited_out(name: str) -> None:
    async def scenario() -> None:
        kind = KINDS[name]
        api, waiter, other = Api(200, kind.body(kind.pending)), Waiter(), Waiter()
        async with client_of(api) as client, anyio.create_task_group() as tasks:
            tasks.start_soon(waiter.wait, client, kind.uuid, name)
            tasks.start_soon(lambda: other.wait(client, kind.uuid, name, timeout=40))
            await passes(3)
            api.status, api.body = 404, {"message": "orderNotFound"}
            await passes(60)
            assert isinstance(other.error, WatchTimeoutError)
            api.status, api.body, api.hangs = 200, kind.body(kind.end), 1
            began = anyio.current_time()
        assert waiter.result == kind.end
        # Another check is made beside one that hangs, long before that one's time is over.
        assert waiter.ended_at is not None
        assert waiter.ended_at - began < 20

    simulate(scenario)
