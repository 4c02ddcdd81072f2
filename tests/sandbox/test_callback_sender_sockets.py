"""The sandbox calls a merchant's server back over real sockets, by itself."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import httpx
import pytest
from attrs import define, field
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, RedirectResponse
from starlette.routing import Route

from frontpay_async.callbacks import Callback, CallbackGuard, TerminalCallback, sign_callback_url
from frontpay_async.callbacks.starlette import callback_route
from frontpay_async.sandbox import DEFAULT_CALLBACK_SECRET, CallbackSender, Cardholder, Sandbox
from frontpay_async.sandbox.server import bind
from tests.support.builders import payment_link
from tests.support.callbacks import origin, served
from tests.support.sandboxes import client_of, terminal_order

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

    from frontpay_async import FrontPayClient
    from tests.support.fakes import FakeClock

pytestmark = pytest.mark.integration

PATH = "/frontpay/callback"


@define(eq=False)
class Shop:
    """A merchant's server with the callback route, one that never answers, and one that sends away."""

    origin: str = ""
    handled: list[Callback] = field(factory=list)
    news: anyio.Event = field(factory=anyio.Event)
    calls: list[str] = field(factory=list)

    def handle(self, callback: Callback) -> None:
        self.handled.append(callback)
        self.news.set()

    async def hang(self, _: Request) -> PlainTextResponse:
        self.calls.append("hang")
        self.news.set()
        await anyio.sleep_forever()
        raise AssertionError

    async def away(self, _: Request) -> RedirectResponse:
        self.calls.append("away")
        return RedirectResponse(f"{self.origin}{PATH}?away")

    async def heard(self) -> None:
        """Wait for the next callback."""
        await self.news.wait()
        self.news = anyio.Event()

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        routes = [
            callback_route(CallbackGuard(DEFAULT_CALLBACK_SECRET), self.handle, path=PATH),
            Route("/hang", self.hang),
            Route("/away", self.away),
        ]
        async with served(Starlette(routes=routes)) as self.origin:
            yield

    def url(self, reference: str = "B-1") -> str:
        return sign_callback_url(f"{self.origin}{PATH}", reference, DEFAULT_CALLBACK_SECRET)


@asynccontextmanager
async def opened(sandbox: Sandbox) -> AsyncIterator[tuple[Shop, FrontPayClient]]:
    shop = Shop()
    async with shop.open(), sandbox.serve() as base_url, client_of(base_url) as client:
        yield shop, client


async def recorded(sandbox: Sandbox, count: int) -> None:
    """Wait until so many callbacks have ended."""
    while len(sandbox.callbacks) < count:
        await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize("after", [0.0, 0.02])
async def test_a_payment_is_told_when_the_cardholder_has_decided(after: float) -> None:
    """Nobody looks at the sandbox in the meantime."""
    async with opened(Sandbox(cardholder=Cardholder(after=after))) as (shop, client):
        created = await client.terminals.create_order(terminal_order(callback_url=shop.url("B-42")))
        await shop.heard()
        (callback,) = shop.handled
        assert isinstance(callback, TerminalCallback)
        assert (callback.order_uuid, callback.order_reference) == (created.order_uuid, "B-42")
        assert callback.is_approved


async def test_what_happens_to_an_order_is_told_and_a_repetition_is_handled_once() -> None:
    sandbox = Sandbox()
    async with opened(sandbox) as (shop, client):
        created = await client.orders.send_payment_link(payment_link(callback_url=shop.url()))
        sandbox.apply_event(created.order_uuid, "invoice")
        await shop.heard()
        sandbox.callback_sender.fail("twice")
        sandbox.apply_event(created.order_uuid, "pay")
        await recorded(sandbox, 3)
        assert [getattr(callback, "status", None) for callback in shop.handled] == ["INVOICED", "PAID"]
        assert [sent.status for sent in sandbox.callbacks] == [200, 200, 200]


async def test_a_wrong_checksum_is_answered_with_403() -> None:
    sandbox = Sandbox()
    sandbox.callback_sender.fail("wrong-checksum")
    async with opened(sandbox) as (shop, client):
        created = await client.orders.send_payment_link(payment_link(callback_url=shop.url()))
        sandbox.apply_event(created.order_uuid, "pay")
        await recorded(sandbox, 1)
        assert sandbox.callbacks[0].status == 403
        assert shop.handled == []


async def test_a_merchant_that_never_answers_holds_up_only_its_order() -> None:
    sandbox = Sandbox()
    async with opened(sandbox) as (shop, client):
        slow = await client.orders.send_payment_link(payment_link(callback_url=f"{shop.origin}/hang"))
        sandbox.apply_event(slow.order_uuid, "invoice")
        sandbox.apply_event(slow.order_uuid, "pay")
        await shop.heard()
        quick = await client.orders.send_payment_link(payment_link(callback_url=shop.url()))
        sandbox.apply_event(quick.order_uuid, "pay")
        await shop.heard()
        assert [callback.order_uuid for callback in shop.handled] == [quick.order_uuid]
        assert shop.calls == ["hang"]


async def test_an_answer_that_does_not_come_is_given_up(fake_clock: FakeClock) -> None:
    shop, sandbox = Shop(), Sandbox()
    sandbox.callback_sender = CallbackSender(fake_clock.clock(), "s", (), patience=0.01)
    sandbox.reset()
    async with shop.open(), sandbox.client() as client:
        created = await client.orders.send_payment_link(payment_link(callback_url=f"{shop.origin}/hang"))
        sandbox.apply_event(created.order_uuid, "pay")
        (sent,) = await sandbox.deliver_callbacks()
    assert sent.status is None
    assert sent.problem is not None
    assert sent.problem.startswith("no answer")


class Endless(httpx.AsyncBaseTransport):
    """A server whose answer goes on and on, without a pause that is too long."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await anyio.sleep_forever()
        raise AssertionError


async def test_an_answer_that_never_ends_is_given_up(fake_clock: FakeClock) -> None:
    sandbox = Sandbox()
    sandbox.callback_sender = CallbackSender(fake_clock.clock(), "s", (), Endless(), patience=0.01)
    sandbox.reset()
    async with sandbox.client() as client:
        created = await client.orders.send_payment_link(payment_link(callback_url="http://localhost/cb"))
        sandbox.apply_event(created.order_uuid, "pay")
        (sent,) = await sandbox.deliver_callbacks()
    assert (sent.status, sent.problem) == (None, "no answer")


async def test_a_merchant_that_is_gone_does_no_harm() -> None:
    with bind("127.0.0.1", 0) as listener:
        gone = origin(listener)
    sandbox = Sandbox()
    async with opened(sandbox) as (shop, client):
        for url in (gone, shop.url()):
            created = await client.orders.send_payment_link(payment_link(callback_url=url))
            sandbox.apply_event(created.order_uuid, "pay")
        await recorded(sandbox, 2)
        assert {sent.problem for sent in sandbox.callbacks} == {"no answer (ConnectError)", None}
        assert len(await client.orders.list_statuses()) == 2


async def test_redirects_are_not_followed() -> None:
    sandbox = Sandbox()
    async with opened(sandbox) as (shop, client):
        created = await client.orders.send_payment_link(payment_link(callback_url=f"{shop.origin}/away"))
        sandbox.apply_event(created.order_uuid, "pay")
        await recorded(sandbox, 1)
        assert sandbox.callbacks[0].status == 307
        assert (shop.calls, shop.handled) == (["away"], [])


@pytest.mark.parametrize(
    ("host", "is_reached"),
    [
        ("localhost", True),
        ("shop.localhost", True),
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("named.example.no", True),
        ("example.no", False),
        ("192.168.0.1", False),
        ("169.254.169.254", False),
        ("notlocalhost", False),
        ("", False),
    ],
)
def test_only_this_machine_is_called_unless_another_is_named(host: str, is_reached: bool) -> None:
    callback_sender = Sandbox(callback_hosts=["named.example.no"]).callback_sender
    assert callback_sender._may_reach(host) is is_reached


@pytest.mark.parametrize("url", ["https://shop.example.no/cb", "http://192.0.2.1/cb"])
async def test_no_other_host_is_called(url: str) -> None:
    sandbox = Sandbox()
    async with sandbox.client() as client:
        created = await client.orders.send_payment_link(payment_link(callback_url=url))
        sandbox.apply_event(created.order_uuid, "pay")
        (sent,) = await sandbox.deliver_callbacks()
    assert (sent.status, sent.problem) == (None, "forbidden host")


async def test_the_courier_runs_without_a_server() -> None:
    shop, sandbox = Shop(), Sandbox(cardholder=Cardholder(after=None))
    async with shop.open(), sandbox.client() as client, sandbox.callback_sender.running():
        created = await client.terminals.create_order(terminal_order(callback_url=shop.url()))
        sandbox.approve(created.order_uuid)
        await shop.heard()
    assert [callback.order_uuid for callback in shop.handled] == [created.order_uuid]


async def test_delays_pass_on_the_sandboxs_clock(fake_clock: FakeClock) -> None:
    shop, sandbox = Shop(), Sandbox(clock=fake_clock.clock())
    sandbox.callback_sender.fail("delay", seconds=200)
    async with shop.open(), sandbox.client() as client, sandbox.callback_sender.running():
        created = await client.orders.send_payment_link(payment_link(callback_url=shop.url()))
        sandbox.apply_event(created.order_uuid, "pay")
        await recorded(sandbox, 1)
    assert sum(fake_clock.slept) == pytest.approx(200)
    assert len(shop.handled) == 1


async def test_where_nobody_listens_nothing_is_caught_up_with(fake_clock: FakeClock) -> None:
    """A clock that passes only when it is slept on stands still."""
    sandbox = Sandbox(clock=fake_clock.clock(), cardholder=Cardholder(after=30))
    async with opened(sandbox) as (_, client):
        created = await client.terminals.create_order(terminal_order())
        status = await client.terminals.get_payment_status(created.order_uuid)
    assert (status, fake_clock.slept) == ("SENT", [])


async def test_what_is_due_later_holds_up_nothing() -> None:
    sandbox = Sandbox(cardholder=Cardholder(after=3600))
    async with opened(sandbox) as (shop, client):
        await client.terminals.create_order(terminal_order(callback_url=shop.url()))
        created = await client.orders.send_payment_link(payment_link(callback_url=shop.url()))
        sandbox.apply_event(created.order_uuid, "pay")
        await shop.heard()
    assert [callback.order_uuid for callback in shop.handled] == [created.order_uuid]


async def test_a_url_that_makes_no_sense_does_no_harm() -> None:
    sandbox = Sandbox()
    async with sandbox.client() as client:
        created = await client.orders.send_payment_link(payment_link(callback_url="http://127.0.0.1/cb"))
        order = sandbox.orders[created.order_uuid]
        order.body["callback"] = {"callbackUrl": "http://[::1:x/\n"}
        sandbox.apply_event(created.order_uuid, "pay")
        (sent,) = await sandbox.deliver_callbacks()
    assert sent.problem == "no answer (InvalidURL)"
