"""The operations on orders against the sandbox: what each does, and each documented refusal."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from frontpay_async import (
    AlreadyCancelledError,
    AlreadyPaidError,
    APIError,
    CreatedOrder,
    CustomerType,
    InvalidOrderError,
    Language,
    NotFoundError,
    OrderStatus,
    Outcome,
    Refund,
    RefundLine,
    RefundRejectedError,
)
from frontpay_async._protocol.operations import OPERATIONS
from frontpay_async.sandbox import Cardholder, Sandbox
from tests.support.builders import customer, efaktura, ehf, invoice, payment_link, product
from tests.support.sandboxes import NO_RETRY, UNKNOWN_UUID, call, paid, waiting

if TYPE_CHECKING:
    from frontpay_async import FrontPayClient
    from tests.support.fakes import FakeClock

pytestmark = pytest.mark.integration

KINDS = [
    ("send_payment_link", payment_link, OrderStatus.SENT),
    ("send_invoice", invoice, OrderStatus.INVOICED),
    ("send_efaktura", efaktura, OrderStatus.INVOICED),
    ("send_ehf_invoice", ehf, OrderStatus.INVOICED),
]


async def refund_error(client: FrontPayClient, uuid: str, amount: Any, *lines: RefundLine) -> str:
    """Return the reason for which a refund is rejected."""
    with pytest.raises(RefundRejectedError) as caught:
        await client.orders.refund(uuid, Refund(grand_total=amount, lines=lines))
    assert caught.value.outcome is Outcome.REJECTED
    return caught.value.reason


@pytest.mark.parametrize(("method", "order", "status"), KINDS, ids=[kind[0] for kind in KINDS])
async def test_a_create_keeps_one_order(
    client: FrontPayClient, sandbox: Sandbox, method: str, order: Any, status: OrderStatus
) -> None:
    created: CreatedOrder = await getattr(client.orders, method)(order())
    (kept,) = sandbox.orders.values()
    assert (kept.uuid, kept.customer_uuid) == (created.order_uuid, created.customer_uuid)
    assert (kept.operation, kept.status, kept.amount) == (f"orders.{method}", status, 102)


@pytest.mark.parametrize(
    "operation", [name for name, row in OPERATIONS.items() if "{order_uuid}" in row.path]
)
async def test_an_order_that_is_not_there_is_not_found(client: FrontPayClient, operation: str) -> None:
    with pytest.raises(NotFoundError) as caught:
        await call(client, operation, UNKNOWN_UUID)
    assert (caught.value.code, caught.value.order_uuid) == ("orderNotFound", UNKNOWN_UUID)


async def test_an_account_without_orders_lists_none(client: FrontPayClient) -> None:
    assert await client.orders.list_statuses() == ()


async def test_the_list_names_all_orders_in_their_order(client: FrontPayClient) -> None:
    sent = [(await client.orders.send_invoice(invoice())).order_uuid for _ in range(3)]
    assert [entry.order_uuid for entry in await client.orders.list_statuses()] == sent


@pytest.mark.parametrize("status", ["PARTIAL REFUNDED", "partial_refunded", "Partial Refunded"])
async def test_the_list_can_be_filtered(client: FrontPayClient, sandbox: Sandbox, status: str) -> None:
    uuid, _ = await paid(client, sandbox), await paid(client, sandbox)
    line = sandbox.orders[uuid].lines[0]
    await client.orders.refund(uuid, Refund(grand_total=1, lines=[RefundLine(id=line.id, amount=1)]))
    assert [entry.order_uuid for entry in await client.orders.list_statuses(status=status)] == [uuid]
    assert await client.orders.list_statuses(status=OrderStatus.CANCELLED) == ()


@pytest.mark.parametrize("listed", [True, False])
async def test_whether_the_list_names_terminal_orders_can_be_chosen(listed: bool) -> None:
    async with Sandbox(list_terminal_orders=listed).client() as client:
        await waiting(client)
        assert len(await client.orders.list_statuses()) == listed


async def test_details_tell_an_order_as_it_was_sent(client: FrontPayClient, sandbox: Sandbox) -> None:
    lines = (product(), product(name="Klipp", rate="129.5", quantity="1.5", discount="0.25", product_id=None))
    order = payment_link(products=lines)
    uuid = (await client.orders.send_payment_link(order)).order_uuid
    details = await client.orders.get_details(uuid)
    assert details.summary == order.summary
    assert details.order_date == order.order_date
    assert details.customer is not None
    assert (details.customer.name, details.customer.address) == (order.customer.name, order.customer.address)
    assert [line.id for line in details.products] == [line.id for line in sandbox.orders[uuid].lines]
    for told, sent in zip(details.products, lines, strict=True):
        assert (told.name, told.product_id, told.rate, told.quantity, told.discount, told.amount) == (
            sent.name,
            sent.product_id,
            sent.rate,
            sent.quantity,
            sent.discount,
            sent.amount,
        )
    assert details.unknown_fields == {}


async def test_details_are_the_same_at_every_look(client: FrontPayClient, fake_clock: FakeClock) -> None:
    uuid = (await client.orders.send_invoice(invoice())).order_uuid
    first = await client.orders.get_details(uuid)
    fake_clock.time += 86400
    assert await client.orders.get_details(uuid) == first


@pytest.mark.parametrize(
    ("method", "order", "expected"),
    [
        ("send_payment_link", payment_link, CustomerType.PRIVATE),
        ("send_efaktura", efaktura, CustomerType.PRIVATE),
        ("send_ehf_invoice", ehf, CustomerType.CORPORATE),
    ],
)
async def test_details_tell_the_customer_type(
    client: FrontPayClient, method: str, order: Any, expected: CustomerType
) -> None:
    """E-faktura and EHF carry none: the route decides it."""
    uuid = (await getattr(client.orders, method)(order())).order_uuid
    details = await client.orders.get_details(uuid)
    assert details.customer is not None
    assert details.customer.type is expected


async def test_a_customer_without_a_language_is_addressed_in_norwegian(client: FrontPayClient) -> None:
    order = invoice(customer=customer(preferred_language=None))
    details = await client.orders.get_details((await client.orders.send_invoice(order)).order_uuid)
    assert details.customer is not None
    assert details.customer.preferred_language is Language.NORWEGIAN


async def test_the_status_tells_the_amounts(client: FrontPayClient, sandbox: Sandbox) -> None:
    uuid = await paid(client, sandbox)
    line_id = sandbox.orders[uuid].lines[0].id
    await client.orders.refund(
        uuid, Refund(grand_total="0.55", lines=[RefundLine(id=line_id, amount="0.55")])
    )
    report = await client.orders.get_status(uuid)
    assert (report.order_amount, report.refunded_amount) == (102, Decimal("0.55"))


async def test_an_invoice_has_a_number_until_it_is_cancelled(
    client: FrontPayClient, sandbox: Sandbox
) -> None:
    uuid = (await client.orders.send_invoice(invoice())).order_uuid
    number = await client.orders.get_invoice_number(uuid)
    assert number.invoice_number == sandbox.orders[uuid].invoice_number
    for event in ("remind", "collect", "pay"):
        sandbox.apply_event(uuid, event)
        assert (await client.orders.get_invoice_number(uuid)).invoice_number == number.invoice_number
    other = (await client.orders.send_invoice(invoice())).order_uuid
    await client.orders.cancel(other, note="a mistake")
    with pytest.raises(NotFoundError):
        await client.orders.get_invoice_number(other)


async def test_an_order_has_an_invoice_number_once_the_customer_chose_an_invoice(
    client: FrontPayClient, sandbox: Sandbox
) -> None:
    uuid = (await client.orders.send_payment_link(payment_link())).order_uuid
    with pytest.raises(NotFoundError):
        await client.orders.get_invoice_number(uuid)
    sandbox.apply_event(uuid, "invoice")
    number = await client.orders.get_invoice_number(uuid)
    assert number.invoice_number
    assert number.status is OrderStatus.INVOICED


async def test_a_charge_pays_once(client: FrontPayClient) -> None:
    uuid = (await client.orders.send_payment_link(payment_link())).order_uuid
    await client.orders.charge_delayed(uuid)
    assert (await client.orders.get_status(uuid)).status is OrderStatus.PAID
    with pytest.raises(AlreadyPaidError):
        await client.orders.charge_delayed(uuid)


@pytest.mark.parametrize(
    "operation", ["orders.resend_payment_link", "orders.cancel", "orders.charge_delayed"]
)
@pytest.mark.parametrize(("event", "error"), [("pay", AlreadyPaidError), ("cancel", AlreadyCancelledError)])
async def test_an_order_that_is_over_is_left_alone(
    client: FrontPayClient, sandbox: Sandbox, operation: str, event: str, error: type[Exception]
) -> None:
    uuid = (await client.orders.send_payment_link(payment_link())).order_uuid
    sandbox.apply_event(uuid, event)
    with pytest.raises(error):
        await call(client, operation, uuid)


async def test_a_refund_is_refused_for_each_documented_reason(
    sandbox: Sandbox,
) -> None:
    client = sandbox.client(retry=NO_RETRY, strict_totals=False)
    uuid = await paid(client, sandbox)
    line_id = sandbox.orders[uuid].lines[0].id
    assert await refund_error(client, uuid, 10, RefundLine(id=1, amount=10)) == "requestProductIdNotAvailable"
    assert (
        await refund_error(client, uuid, 103, RefundLine(id=line_id, amount=103))
        == "refundRejectionForRefundRequestGreaterThanOrderAmount"
    )
    assert (
        await refund_error(client, uuid, 102, RefundLine(id=line_id, amount=103))
        == "refundRejectionForProductAmountExceed"
    )
    two_halves = [RefundLine(id=line_id, amount=52), RefundLine(id=line_id, amount=52)]
    assert await refund_error(client, uuid, 102, *two_halves) == "refundRejectionForProductAmountExceed"
    assert sandbox.orders[uuid].refunded == 0


@pytest.mark.parametrize(
    ("event", "status", "code"),
    [
        (None, 404, "refundRejectionForTransactionNotFound"),
        ("expire", 404, "refundRejectionForTransactionNotFound"),
        ("cancel", 400, "refundRejectionForRefundedCancelledInvoicedOrderParamRefunded"),
    ],
)
async def test_what_was_never_paid_is_not_paid_back(
    client: FrontPayClient, sandbox: Sandbox, event: str | None, status: int, code: str
) -> None:
    uuid = (await client.orders.send_payment_link(payment_link())).order_uuid
    line_id = sandbox.orders[uuid].lines[0].id
    if event:
        sandbox.apply_event(uuid, event)
    with pytest.raises(APIError) as caught:
        await client.orders.refund(uuid, Refund(grand_total=1, lines=[RefundLine(id=line_id, amount=1)]))
    assert (caught.value.status, caught.value.message) == (status, code)
    assert sandbox.orders[uuid].refunded == 0


async def test_a_refund_is_refused_above_the_threshold_of_a_request(fake_clock: FakeClock) -> None:
    sandbox = Sandbox(refund_request_threshold=Decimal(50), clock=fake_clock.clock())
    async with sandbox.client() as client:
        uuid = await paid(client, sandbox)
        line_id = sandbox.orders[uuid].lines[0].id
        assert (
            await refund_error(client, uuid, "50.01", RefundLine(id=line_id, amount="50.01"))
            == "refundRejectionForRequestAmountThresholdExceed"
        )
        await client.orders.refund(uuid, Refund(grand_total=50, lines=[RefundLine(id=line_id, amount=50)]))


async def test_the_weekly_threshold_counts_the_last_seven_days_of_an_account(fake_clock: FakeClock) -> None:
    sandbox = Sandbox(
        refund_weekly_threshold=Decimal(60), clock=fake_clock.clock(), tokens=("sandbox-token", "other-token")
    )
    async with sandbox.client() as client, sandbox.client("other-token") as other:
        uuid, elsewhere = await paid(client, sandbox), await paid(other, sandbox)
        line_id, other_id = sandbox.orders[uuid].lines[0].id, sandbox.orders[elsewhere].lines[0].id
        forty = Refund(grand_total=40, lines=[RefundLine(id=line_id, amount=40)])
        await client.orders.refund(uuid, forty)
        fake_clock.time += 7 * 86400 - 1
        assert (
            await refund_error(client, uuid, 40, RefundLine(id=line_id, amount=40))
            == "refundRejectionForWeeklyThresholdExceed"
        )
        await other.orders.refund(
            elsewhere, Refund(grand_total=60, lines=[RefundLine(id=other_id, amount=60)])
        )
        fake_clock.time += 1
        await client.orders.refund(uuid, forty)
        assert sandbox.orders[uuid].refunded == 80


def test_a_cardholder_must_not_decide_in_the_past() -> None:
    with pytest.raises(ValueError, match="0 or more seconds"):
        Cardholder(after=-1)


@pytest.mark.parametrize("status", ["REFUND", "INKASSO", "", "SENT,PAID", 7, True, ["PAID"], b"PAID"])
async def test_a_filter_that_the_api_does_not_have_is_not_sent(client: FrontPayClient, status: Any) -> None:
    with pytest.raises(InvalidOrderError, match="type must be one of SENT") as caught:
        await client.orders.list_statuses(status=status)
    assert caught.value.outcome is Outcome.NOT_SENT


@pytest.mark.parametrize("name", ["phone", "customer_name"])
async def test_a_filter_that_is_not_text_is_not_sent(client: FrontPayClient, name: str) -> None:
    filters: Any = {name: 40012345}
    with pytest.raises(InvalidOrderError, match="must be text"):
        await client.subscriptions.list(**filters).page(1)
