"""The callback receiver by uvicorn, called by the sandbox over real sockets; several share a Redis."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import httpx
import pytest
from attrs import define

from frontpay_async.callbacks import sign_callback_url
from frontpay_async.sandbox import DEFAULT_CALLBACK_SECRET, Cardholder, Sandbox
from frontpay_async.sandbox.server import bind
from tests.support.builders import payment_link
from tests.support.callbacks import origin, query, served, signed
from tests.support.examples import load, open_shop, until
from tests.support.redis_server import RedisServer
from tests.support.sandboxes import call, terminal_order

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator
    from pathlib import Path
    from types import ModuleType

pytestmark = pytest.mark.integration

PATH = "/frontpay/callback"
LOOK = "orders.get_status"


@define(eq=False)
class Shop:
    """A receiver that is served, the sandbox that calls it, and a client of each."""

    sandbox: Sandbox
    receiver: httpx.AsyncClient
    callback_url: str

    async def link(self) -> str:
        """Send an order by payment link, which is told of at each change."""
        async with self.sandbox.client() as client:
            order = payment_link(callback_url=self.callback_url)
            return (await client.orders.send_payment_link(order)).order_uuid

    async def called(self, times: int = 1) -> list[int | None]:
        """Wait until so many callbacks have been answered, and return the answers."""
        await until(lambda: len(self.sandbox.callbacks) >= times)
        return [sent.status for sent in self.sandbox.callbacks]

    async def noted(self, uuid: str) -> dict[str, str]:
        """What the receiver knows of an order."""
        told: dict[str, str] = (await self.receiver.get(f"/orders/{uuid}")).json()
        return told

    def looks(self) -> int:
        """How often the receiver asked the API for an order's status."""
        return sum(request.operation == LOOK for request in self.sandbox.requests)


@pytest.fixture
def example(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> ModuleType:
    monkeypatch.setenv("SHOP_CALLBACK_SECRET", DEFAULT_CALLBACK_SECRET)
    monkeypatch.setenv("SHOP_DATABASE", str(tmp_path / "shop.db"))
    return load("callback_receiver", monkeypatch, PATIENCE=0.5)


@asynccontextmanager
async def opened(example: ModuleType, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    listener, sandbox = bind("127.0.0.1", 0), Sandbox(cardholder=Cardholder(after=None))
    url = f"{origin(listener)}{PATH}"
    async with open_shop(example, sandbox, monkeypatch, listener) as receiver:
        yield Shop(sandbox, receiver, url)


@pytest.fixture
async def shop(example: ModuleType, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Shop]:
    async with opened(example, monkeypatch) as shop:
        yield shop


async def test_what_the_api_says_is_noted(shop: Shop) -> None:
    uuid = await shop.link()
    assert await shop.noted(uuid) == {}
    shop.sandbox.apply_event(uuid, "pay")
    assert await shop.called() == [200]
    assert await shop.noted(uuid) == {"order": "PAID"}


async def test_a_payment_and_a_refund_on_a_terminal_are_noted_apart(shop: Shop) -> None:
    """Their callbacks are not signed: the URL's token lets them in, and the API decides."""
    url = sign_callback_url(shop.callback_url, "B-1001", DEFAULT_CALLBACK_SECRET)
    async with shop.sandbox.client() as client:
        created = await client.terminals.create_order(terminal_order(callback_url=url))
        uuid = created.order_uuid
        shop.sandbox.approve(uuid)
        await shop.called()
        line = shop.sandbox.orders[uuid].lines[0].id
        await call(client, "terminals.refund", uuid, line_id=line)
        shop.sandbox.decline_refund(uuid)
    assert await shop.called(2) == [200, 200]
    assert await shop.noted(uuid) == {"payment": "PAID", "refund": "REJECTED"}


async def test_a_copy_is_answered_with_200_and_does_nothing(shop: Shop) -> None:
    """Whether the API sends it twice or somebody has copied it."""
    shop.sandbox.callback_sender.fail("twice")
    uuid = await shop.link()
    shop.sandbox.apply_event(uuid, "pay")
    await shop.called(2)
    copy = await shop.receiver.get(shop.sandbox.callbacks[0].url)
    assert [*(await shop.called(2)), copy.status_code] == [200, 200, 200]
    assert shop.looks() == 1


async def test_a_forged_callback_is_refused(shop: Shop) -> None:
    shop.sandbox.callback_sender.fail("wrong-checksum")
    uuid = await shop.link()
    shop.sandbox.apply_event(uuid, "pay")
    assert await shop.called() == [403]
    made_up = f"orderUuid={uuid}&status=Approved&type=Payment&totalAmount=42&currency=NOK"
    assert (await shop.receiver.get(f"{PATH}?{made_up}")).status_code == 403
    assert (shop.looks(), await shop.noted(uuid)) == (0, {})


async def test_a_stale_callback_is_refused(shop: Shop) -> None:
    """One of last year, whoever kept it."""
    old = query(signed(secret=DEFAULT_CALLBACK_SECRET))
    assert (await shop.receiver.get(f"{PATH}?{old}")).status_code == 400
    assert shop.looks() == 0


async def test_what_cannot_be_handled_now_is_as_new_when_it_comes_again(shop: Shop) -> None:
    shop.sandbox.fail("500-before", operation=LOOK, times=None)
    uuid = await shop.link()
    shop.sandbox.apply_event(uuid, "pay")
    assert await shop.called() == [503]
    assert await shop.noted(uuid) == {}
    shop.sandbox.faults.clear()
    shop.sandbox.callback_sender.repeat(uuid)
    assert await shop.called(2) == [503, 200]
    assert await shop.noted(uuid) == {"order": "PAID"}


def test_an_answer_that_was_overtaken_changes_nothing(example: ModuleType, tmp_path: Path) -> None:
    """Two callbacks at once may ask in one order and note in the other."""
    orders = example.Orders(str(tmp_path / "shop.db"))
    orders.create()
    orders.note("ODR1", "order", "PARTIAL REFUNDED", 2.0)
    orders.note("ODR1", "order", "PAID", 1.0)
    assert orders.read("ODR1") == {"order": "PARTIAL REFUNDED"}
    orders.note("ODR1", "order", "REFUNDED", 3.0)
    assert orders.read("ODR1") == {"order": "REFUNDED"}


@pytest.fixture
def redis(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[RedisServer]:
    pytest.importorskip("redis")
    server = RedisServer(tmp_path)
    server.start()
    monkeypatch.setenv("REDIS_URL", server.url)
    yield server
    server.stop()


@pytest.mark.usefixtures("redis")
async def test_several_processes_accept_a_callback_once_between_them(
    example: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with (
        opened(example, monkeypatch) as shop,
        served(example.create_app()) as other,
        httpx.AsyncClient(base_url=other, trust_env=False) as client,
    ):
        uuid = await shop.link()
        shop.sandbox.apply_event(uuid, "pay")
        assert await shop.called() == [200]
        asked = httpx.URL(shop.sandbox.callbacks[0].url).query.decode()
        assert (await client.get(f"{PATH}?{asked}")).status_code == 200
        assert shop.looks() == 1


async def test_without_redis_nothing_is_taken_for_handled(
    example: ModuleType, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The answer is 503: who knows whether another process has handled it."""
    async with opened(example, monkeypatch) as shop:
        redis.stop()
        uuid = await shop.link()
        shop.sandbox.apply_event(uuid, "pay")
        assert await shop.called() == [503]
        redis.start()
        shop.sandbox.callback_sender.repeat(uuid)
        assert await shop.called(2) == [503, 200]
        assert await shop.noted(uuid) == {"order": "PAID"}


@pytest.mark.parametrize("name", ["SHOP_CALLBACK_SECRET", "SHOP_DATABASE"])
def test_a_setting_that_is_missing_is_told_at_the_start(
    example: ModuleType, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.delenv(name)
    with pytest.raises(KeyError, match=name):
        example.create_app()
