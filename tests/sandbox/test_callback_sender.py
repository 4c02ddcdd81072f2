"""The callbacks that the sandbox sends: of which changes, with which words, and gone wrong on demand."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import httpx
import pytest
from attrs import define, field

from frontpay_async import InvalidChecksumError, OrderStatus, StaleCallbackError
from frontpay_async.callbacks import (
    CallbackGuard,
    CallbackKind,
    OrderCallback,
    TerminalCallback,
    sign_callback_url,
)
from frontpay_async.sandbox import Cardholder, Sandbox
from tests.support.builders import efaktura, invoice, payment_link
from tests.support.callbacks import EXAMPLE, OLDER, ORDER, WITHOUT_METHOD, checksum
from tests.support.sandboxes import call, terminal_order

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from frontpay_async import FrontPayClient
    from tests.support.fakes import FakeClock

pytestmark = pytest.mark.integration

SECRET = "merchant-s3cret"
URL = "http://shop.example.no/cb?shop=7"
ALL = {"order_uuid", "status", "created_at", "payment_method", "amount", "timestamp"}


@define(eq=False)
class Merchant(httpx.AsyncBaseTransport):
    """A merchant's server, and the URLs that it was called at."""

    urls: list[str] = field(factory=list)
    status: int = 200

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.urls.append(str(request.url))
        assert request.method == "GET"
        return httpx.Response(self.status)

    def queries(self) -> list[str]:
        return [urlsplit(url).query for url in self.urls]

    def said(self) -> list[dict[str, str]]:
        return [dict(parse_qsl(query, keep_blank_values=True)) for query in self.queries()]

    def statuses(self) -> list[str]:
        return [said["status"] for said in self.said()]


@pytest.fixture
def merchant() -> Merchant:
    return Merchant()


@pytest.fixture
def sandbox(fake_clock: FakeClock, merchant: Merchant) -> Sandbox:
    return Sandbox(
        clock=fake_clock.clock(),
        cardholder=Cardholder(after=None),
        callback_secret=SECRET,
        callback_transport=merchant,
    )


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[FrontPayClient]:
    async with sandbox.client() as client:
        yield client


def guard(sandbox: Sandbox, **settings: Any) -> CallbackGuard:
    """A guard that goes by the sandbox's time."""
    return CallbackGuard(SECRET, now=sandbox._api.state.wall, **settings)


async def linked(client: FrontPayClient, **fields: Any) -> str:
    """Send a payment link that is called back about."""
    return (await client.orders.send_payment_link(payment_link(**{"callback_url": URL, **fields}))).order_uuid


async def shown(client: FrontPayClient, **fields: Any) -> str:
    """Put an order on a terminal that is called back about."""
    return (await client.terminals.create_order(terminal_order(**{"callback_url": URL, **fields}))).order_uuid


async def test_a_change_of_an_order_is_told_with_a_checksum(
    client: FrontPayClient, sandbox: Sandbox, merchant: Merchant
) -> None:
    uuid = await linked(client)
    assert await sandbox.deliver_callbacks() == ()
    sandbox.apply_event(uuid, "pay")
    (sent,) = await sandbox.deliver_callbacks()
    assert (sent.order_uuid, sent.status, sent.problem, sent.fault) == (uuid, 200, None, None)
    assert sandbox.callbacks == (sent,)
    assert list(merchant.said()[0]) == [
        *("shop", "orderUuid", "status", "paymentMethod", "amount", "createdAt", "timestamp", "checksum")
    ]
    callback = await guard(sandbox).check(merchant.queries()[0])
    assert isinstance(callback, OrderCallback)
    assert (callback.order_uuid, callback.status) == (uuid, OrderStatus.PAID)
    assert (callback.amount, callback.payment_method) == (Decimal("102.00"), "Visa")
    assert callback.signed_fields == ALL


@pytest.mark.parametrize(
    ("form", "names", "unsigned"),
    [
        ("example", EXAMPLE, set()),
        ("table", tuple(ORDER), set()),
        ("without-method", WITHOUT_METHOD, {"payment_method"}),
        ("shortest", OLDER, {"payment_method", "amount", "timestamp"}),
    ],
)
async def test_the_form_of_callbacks_can_be_chosen(
    fake_clock: FakeClock, merchant: Merchant, form: str, names: tuple[str, ...], unsigned: set[str]
) -> None:
    sandbox = Sandbox(
        clock=fake_clock.clock(), callback_secret=SECRET, callback_transport=merchant, callback_form=form
    )
    async with sandbox.client() as client:
        sandbox.apply_event(await linked(client), "pay")
    await sandbox.deliver_callbacks()
    assert list(merchant.said()[0]) == ["shop", *names, "checksum"]
    callback = await guard(sandbox).check(merchant.queries()[0])
    assert callback.signed_fields == ALL - unsigned


def test_an_unknown_form_of_callbacks_is_refused() -> None:
    with pytest.raises(ValueError, match="morse"):
        Sandbox(callback_form="morse")


async def test_the_parameters_of_the_callback_url_are_part_of_the_checksum(
    client: FrontPayClient, sandbox: Sandbox, merchant: Merchant
) -> None:
    sandbox.apply_event(await linked(client, callback_url=f"{URL}&q=%C3%B8+%26"), "pay")
    await sandbox.deliver_callbacks()
    said = merchant.said()[0]
    values = "".join(value for name, value in said.items() if name != "checksum")
    assert said["checksum"] == checksum(values, SECRET)
    assert (said["shop"], said["q"]) == ("7", "ø &")


async def test_every_change_of_status_is_told(
    client: FrontPayClient, sandbox: Sandbox, merchant: Merchant
) -> None:
    uuid = (await client.orders.send_efaktura(efaktura(callback_url=URL))).order_uuid
    for event in ("remind", "collect", "pay"):
        sandbox.apply_event(uuid, event)
    for _ in range(2):
        await call(client, "orders.refund", uuid, line_id=sandbox.orders[uuid].lines[0].id)
    checked = guard(sandbox)
    await sandbox.deliver_callbacks()
    # A second refund of a part changes no status.
    assert merchant.statuses() == ["INVOICED", "PURRING", "INKASSO", "PAID", "PARTIAL REFUNDED"]
    for query in merchant.queries():
        assert (await checked.check(query)).order_uuid == uuid


@pytest.mark.parametrize(("decision", "status"), [("approve", "Approved"), ("decline", "Cancelled")])
async def test_a_payment_on_a_terminal_is_told_as_documented(
    client: FrontPayClient, sandbox: Sandbox, merchant: Merchant, decision: str, status: str
) -> None:
    uuid = await shown(client)
    getattr(sandbox, decision)(uuid)
    await sandbox.deliver_callbacks()
    assert merchant.said() == [
        {
            "shop": "7",
            "orderUuid": uuid,
            "status": status,
            "type": "Payment",
            "baseAmount": "81.60",
            "vatAmount": "20.40",
            "totalAmount": "102.00",
            "currency": "NOK",
        }
    ]


@pytest.mark.parametrize(("decision", "is_approved"), [("approve_refund", True), ("decline_refund", False)])
async def test_a_refund_on_a_terminal_is_told_as_documented(
    client: FrontPayClient, sandbox: Sandbox, merchant: Merchant, decision: str, is_approved: bool
) -> None:
    uuid = await shown(client, callback_url=sign_callback_url(URL, "B-7", SECRET))
    sandbox.approve(uuid)
    await call(client, "terminals.refund", uuid, line_id=sandbox.orders[uuid].lines[0].id)
    getattr(sandbox, decision)(uuid)
    await sandbox.deliver_callbacks()
    checked = guard(sandbox)
    payment, refund = [await checked.check(query) for query in merchant.queries()]
    assert isinstance(payment, TerminalCallback)
    assert isinstance(refund, TerminalCallback)
    assert (payment.kind, payment.is_approved) == (CallbackKind.PAYMENT, True)
    assert (refund.kind, refund.is_approved) == (CallbackKind.REFUND, is_approved)
    assert (refund.total_amount, refund.base_amount, refund.order_reference) == (Decimal(10), None, "B-7")


async def test_a_payment_that_the_merchant_takes_back_is_told(
    client: FrontPayClient, sandbox: Sandbox, merchant: Merchant
) -> None:
    await client.terminals.cancel_payment(await shown(client))
    await sandbox.deliver_callbacks()
    assert merchant.statuses() == ["Cancelled"]


async def test_what_a_cardholder_decides_later_is_told_then(
    fake_clock: FakeClock, merchant: Merchant
) -> None:
    sandbox = Sandbox(clock=fake_clock.clock(), cardholder=Cardholder(after=30), callback_transport=merchant)
    async with sandbox.client() as client:
        await shown(client)
        fake_clock.time += 29
        assert await sandbox.deliver_callbacks() == ()
        fake_clock.time += 1
        assert len(await sandbox.deliver_callbacks()) == 1
    assert merchant.statuses() == ["Approved"]


async def test_an_order_without_a_callback_url_is_told_to_nobody(
    client: FrontPayClient, sandbox: Sandbox
) -> None:
    sandbox.apply_event((await client.orders.send_payment_link(payment_link())).order_uuid, "pay")
    await client.orders.send_invoice(invoice())
    assert await sandbox.deliver_callbacks() == ()


@pytest.mark.parametrize(
    "url", [URL, "http://shop.example.no/cb", "http://shop.example.no/cb?", f"{URL}&a=%26"]
)
async def test_parameters_join_those_of_the_url(
    client: FrontPayClient, sandbox: Sandbox, merchant: Merchant, url: str
) -> None:
    sandbox.apply_event(await linked(client, callback_url=url), "pay")
    await sandbox.deliver_callbacks()
    own = dict(parse_qsl(urlsplit(url).query))
    assert {name: merchant.said()[0][name] for name in own} == own
    assert (await guard(sandbox).check(merchant.queries()[0])).order_uuid


async def test_it_is_repeated_on_demand(client: FrontPayClient, sandbox: Sandbox, merchant: Merchant) -> None:
    uuid = await linked(client)
    with pytest.raises(KeyError):
        sandbox.callback_sender.repeat(uuid)
    sandbox.apply_event(uuid, "pay")
    await sandbox.deliver_callbacks()
    sandbox.callback_sender.repeat(uuid)
    await sandbox.deliver_callbacks()
    assert len(merchant.urls) == 2
    assert len(set(merchant.urls)) == 1


async def test_it_is_sent_twice(client: FrontPayClient, sandbox: Sandbox, merchant: Merchant) -> None:
    sandbox.callback_sender.fail("twice")
    sandbox.apply_event(await linked(client), "pay")
    sandbox.apply_event(await linked(client), "cancel")
    await sandbox.deliver_callbacks()
    assert merchant.statuses() == ["PAID", "PAID", "CANCELLED"]
    assert merchant.urls[0] == merchant.urls[1]
    assert [sent.fault for sent in sandbox.callbacks] == ["twice", "twice", None]


async def test_it_is_delayed_and_keeps_its_timestamp(
    client: FrontPayClient, sandbox: Sandbox, merchant: Merchant, fake_clock: FakeClock
) -> None:
    sandbox.callback_sender.fail("delay", seconds=400)
    sandbox.apply_event(await linked(client), "pay")
    sandbox.apply_event(await linked(client), "cancel")
    fake_clock.time += 399
    await sandbox.deliver_callbacks()
    assert merchant.statuses() == ["CANCELLED"]
    fake_clock.time += 1
    await sandbox.deliver_callbacks()
    assert merchant.statuses() == ["CANCELLED", "PAID"]
    with pytest.raises(StaleCallbackError):
        await guard(sandbox).check(merchant.queries()[1])


async def test_it_is_sent_out_of_order(client: FrontPayClient, sandbox: Sandbox, merchant: Merchant) -> None:
    sandbox.callback_sender.fail("swap")
    uuid = await linked(client)
    sandbox.apply_event(uuid, "invoice")
    sandbox.apply_event(await linked(client), "cancel")
    await sandbox.deliver_callbacks()
    assert merchant.statuses() == ["CANCELLED"]
    sandbox.apply_event(uuid, "pay")
    await sandbox.deliver_callbacks()
    assert merchant.statuses() == ["CANCELLED", "PAID", "INVOICED"]


async def test_each_third_is_lost(client: FrontPayClient, sandbox: Sandbox, merchant: Merchant) -> None:
    sandbox.callback_sender.fail("lose", every=3, times=None)
    for _ in range(9):
        sandbox.apply_event(await linked(client), "pay")
    await sandbox.deliver_callbacks()
    assert len(merchant.urls) == 6
    lost = [sent for sent in sandbox.callbacks if sent.problem == "lost"]
    assert [(sent.status, sent.fault) for sent in lost] == [(None, "lose")] * 3


async def test_a_checksum_is_wrong_where_there_is_one(
    client: FrontPayClient, sandbox: Sandbox, merchant: Merchant
) -> None:
    sandbox.callback_sender.fail("wrong-checksum", skip=1)
    sandbox.approve(await shown(client))
    for _ in range(3):
        sandbox.apply_event(await linked(client), "pay")
    await sandbox.deliver_callbacks()
    checked = guard(sandbox, require_token=False)
    accepted = []
    for query in merchant.queries():
        try:
            accepted.append(bool(await checked.check(query)))
        except InvalidChecksumError:
            accepted.append(False)
    assert accepted == [True, True, False, True]


@pytest.mark.parametrize(
    "asked",
    [{"kind": "burn"}, {"every": 0}, {"skip": -1}, {"seconds": -1}, {"times": 0}],
    ids=lambda asked: next(iter(asked)),
)
def test_a_fault_that_makes_no_sense_is_refused(sandbox: Sandbox, asked: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(asked))):
        sandbox.callback_sender.fail(**{"kind": "lose", **asked})


async def test_the_merchants_answer_is_recorded(
    client: FrontPayClient, sandbox: Sandbox, merchant: Merchant
) -> None:
    merchant.status = 500
    sandbox.apply_event(await linked(client), "pay")
    (sent,) = await sandbox.deliver_callbacks()
    assert (sent.status, sent.problem) == (500, None)
    assert "shop.example" not in repr(sent)
    assert SECRET not in repr(sandbox.callback_sender)


async def test_a_reset_forgets_callbacks(
    client: FrontPayClient, sandbox: Sandbox, merchant: Merchant
) -> None:
    uuid = await linked(client)
    sandbox.apply_event(uuid, "pay")
    await sandbox.deliver_callbacks()
    sandbox.callback_sender.fail("lose", times=None)
    sandbox.apply_event(await linked(client), "pay")
    sandbox.reset()
    assert sandbox.callbacks == ()
    assert await sandbox.deliver_callbacks() == ()
    sandbox.apply_event(await linked(client), "pay")
    assert len(await sandbox.deliver_callbacks()) == len(merchant.urls) - 1 == 1


async def test_they_are_steered_from_another_process(
    client: FrontPayClient, sandbox: Sandbox, merchant: Merchant
) -> None:
    async with httpx.AsyncClient(
        transport=sandbox.transport(), base_url="http://sandbox.localhost/_sandbox", trust_env=False
    ) as control:
        uuid = await linked(client)
        assert (await control.post(f"orders/{uuid}/repeat-callback")).status_code == 404
        asked = {"kind": "twice", "times": 2, "skip": 0, "every": 1}
        assert (await control.post("callbacks/faults", json=asked)).status_code == 200
        for wrong in ({"kind": "burn"}, {"rates": {}, "seed": 1}, []):
            assert (await control.post("callbacks/faults", json=wrong)).status_code == 422
        await control.post(f"orders/{uuid}/pay")
        row = {"uuid": uuid, "says": "PAID", "status": 200, "problem": None, "fault": "twice"}
        delivered = (await control.post("callbacks/deliver")).json()
        assert delivered == [{"number": 1, **row}, {"number": 2, **row}]
        assert (await control.post(f"orders/{uuid}/repeat-callback")).json() == {"status": "PAID"}
        assert len((await control.post("callbacks/deliver")).json()) == 1
        assert len((await control.get("callbacks")).json()) == 3
        assert (await control.post("callbacks/1/resend")).status_code == 200
        assert (await control.post("callbacks/9/resend")).status_code == 404
        assert [each["number"] for each in (await control.post("callbacks/deliver")).json()] == [4]
        for wrong in ([], {}, {"url": 5}, {"url": "file:///etc/passwd"}):
            assert (await control.post("callbacks/listener", json=wrong)).status_code == 422
    assert len(set(merchant.urls)) == 1
    assert len(merchant.urls) == 4
