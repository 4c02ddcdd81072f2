"""The Starlette route: which answer to which callback, and what the handler saw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import httpx
import pytest
from attrs import define, field
from starlette.applications import Starlette

from frontpay_async import CallbackError, InvalidChecksumError, ReplayedCallbackError
from frontpay_async.callbacks import Callback, CallbackGuard, Claim, MemoryReplayStore
from frontpay_async.callbacks.starlette import callback_route
from tests.support.callbacks import NOW, SECRET, TERMINAL, query, signed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

pytestmark = pytest.mark.integration

PATH = "/frontpay/callback"


@define(eq=False)
class Shop:
    """An app with the route, and what its handler was given."""

    handled: list[Callback] = field(factory=list)
    fails: bool = False
    store: MemoryReplayStore = field(factory=MemoryReplayStore)
    go: anyio.Event | None = None

    async def handle(self, callback: Callback) -> None:
        if self.go is not None:
            await self.go.wait()
        if self.fails:
            raise OSError("no database")
        self.handled.append(callback)

    def client(
        self, handler: Callable[[Callback], Awaitable[None] | None] | None = None
    ) -> httpx.AsyncClient:
        guard = CallbackGuard(SECRET, replay_store=self.store, now=lambda: NOW)
        app = Starlette(routes=[callback_route(guard, handler or self.handle, path=PATH)])
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        return httpx.AsyncClient(transport=transport, base_url="http://shop.localhost", trust_env=False)


async def get(client: httpx.AsyncClient, fields: dict[str, str]) -> httpx.Response:
    return await client.get(f"{PATH}?{query(fields)}")


async def test_a_new_callback_is_handled() -> None:
    shop = Shop()
    async with shop.client() as client:
        answer = await get(client, signed())
    assert (answer.status_code, answer.text) == (200, "ok")
    assert answer.headers["cache-control"] == "no-store"
    assert [callback.order_uuid for callback in shop.handled] == ["ODR1566017307"]


async def test_a_handler_may_be_a_plain_function() -> None:
    handled: list[Callback] = []
    async with Shop().client(handled.append) as client:
        assert (await get(client, signed())).status_code == 200
    assert len(handled) == 1


async def test_a_replay_is_answered_with_200_and_not_handled() -> None:
    shop = Shop()
    async with shop.client() as client:
        answers = [await get(client, signed()) for _ in range(3)]
    assert [(answer.status_code, answer.text) for answer in answers] == [(200, "ok")] * 3
    assert len(shop.handled) == 1


@pytest.mark.parametrize(
    ("fields", "status"),
    [
        (signed(secret="other"), 403),
        ({**signed(), "amount": "1.00"}, 403),
        (dict(TERMINAL), 403),
        ({**TERMINAL, "frontpay_token": "v1.QQ.QQ"}, 403),
        (signed(timestamp=str(NOW - 1000)), 400),
        ({"orderUuid": "<script>"}, 400),
        ({}, 400),
        (signed(paymentMethod="x" * 9000), 400),
    ],
    ids=["secret", "value", "no token", "token", "stale", "malformed", "empty", "long"],
)
async def test_a_bad_callback_is_refused_without_repeating_it(fields: dict[str, str], status: int) -> None:
    shop = Shop()
    async with shop.client() as client:
        answer = await get(client, fields)
    assert answer.status_code == status
    assert answer.text == {400: "not acceptable", 403: "not authentic"}[status]
    assert shop.handled == []


async def test_a_parameter_that_came_twice_is_seen() -> None:
    async with Shop().client() as client:
        answer = await client.get(f"{PATH}?{query(signed())}&amount=1.00")
    assert answer.status_code == 400


async def test_a_handler_that_fails_gets_the_callback_again() -> None:
    shop = Shop(fails=True)
    async with shop.client() as client:
        assert (await get(client, signed())).status_code == 500
        assert (await get(client, signed())).status_code == 500
        shop.fails = False
        assert (await get(client, signed())).status_code == 200
        assert (await get(client, signed())).status_code == 200
    assert len(shop.handled) == 1


@pytest.mark.parametrize(("fails", "after"), [(False, 200), (True, 500)])
async def test_a_second_delivery_is_put_off_while_the_first_is_handled(fails: bool, after: int) -> None:
    """Whether all is well is not known yet: the second may be the one that counts."""
    shop = Shop(fails=fails, go=anyio.Event())
    first: list[httpx.Response] = []

    async def deliver(client: httpx.AsyncClient) -> None:
        first.append(await get(client, signed()))

    async with shop.client() as client, anyio.create_task_group() as tasks:
        tasks.start_soon(deliver, client)
        await anyio.wait_all_tasks_blocked()
        second = await get(client, signed())
        assert (second.status_code, second.text) == (503, "try again later")
        assert int(second.headers["retry-after"]) > 0
        assert shop.go is not None
        shop.go.set()
        await anyio.wait_all_tasks_blocked()
        assert first[0].status_code == after
        shop.fails = False
        assert (await get(client, signed())).status_code == 200
    assert len(shop.handled) == 1


@pytest.mark.parametrize("error", [ReplayedCallbackError, InvalidChecksumError, CallbackError])
async def test_what_a_handler_raises_is_not_taken_for_the_guards(error: type[CallbackError]) -> None:
    def handle(_: Callback) -> None:
        raise error("of another callback")

    async with Shop().client(handle) as client:
        assert [(await get(client, signed())).status_code for _ in range(2)] == [500, 500]


class RemoteStore(MemoryReplayStore):
    """A store that is waited for."""

    async def commit(self, key: str) -> None:
        await anyio.lowlevel.checkpoint()
        await super().commit(key)

    async def release(self, key: str) -> None:
        await anyio.lowlevel.checkpoint()
        await super().release(key)


async def test_what_was_handled_is_remembered_though_the_request_is_cancelled() -> None:
    shop = Shop(store=RemoteStore())
    with anyio.CancelScope() as scope:

        async def handle(callback: Callback) -> None:
            shop.handled.append(callback)
            scope.cancel()

        async with shop.client(handle) as client:
            await get(client, signed())
    async with shop.client() as client:
        assert (await get(client, signed())).text == "ok"
    assert len(shop.handled) == 1


async def test_a_handler_that_is_cancelled_gives_the_callback_back() -> None:
    shop = Shop(go=anyio.Event(), store=RemoteStore())
    async with shop.client() as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(get, client, signed())
            await anyio.wait_all_tasks_blocked()
            tasks.cancel_scope.cancel()
        shop.go = None
        assert (await get(client, signed())).status_code == 200
    assert len(shop.handled) == 1


async def test_no_room_is_no_reason_to_refuse() -> None:
    shop = Shop(store=MemoryReplayStore(capacity=1))
    async with shop.client() as client:
        for uuid in ("ODR1", "ODR2", "ODR2", "ODR1"):
            assert (await get(client, signed(orderUuid=uuid))).status_code == 200
    assert [callback.order_uuid for callback in shop.handled] == ["ODR1", "ODR2", "ODR2"]


async def test_a_store_that_is_down_lets_nothing_through() -> None:
    class Down(MemoryReplayStore):
        async def claim(self, key: str, *, now: float, until: float) -> Claim:
            raise OSError("no store")

    shop = Shop(store=Down())
    async with shop.client() as client:
        assert (await get(client, signed())).status_code == 500
    assert shop.handled == []


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE"])
async def test_only_get_is_a_callback(method: str) -> None:
    shop = Shop()
    async with shop.client() as client:
        answer: Any = await client.request(method, f"{PATH}?{query(signed())}")
        assert answer.status_code == 405
        assert (await get(client, signed())).status_code == 200
    assert len(shop.handled) == 1
