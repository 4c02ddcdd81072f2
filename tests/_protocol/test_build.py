from __future__ import annotations

import json
import traceback
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import attrs
import pytest

from frontpay_async import InvalidOrderError, InvoiceOrder, Outcome
from frontpay_async._protocol import operations, request_bodies
from frontpay_async._protocol.build import build
from frontpay_async._protocol.codec import camel
from frontpay_async._protocol.operations import OPERATIONS, Operation
from frontpay_async._protocol.request_bodies import Cancellation, Resend
from tests.support import builders, more_builders as more

NAMED = [pytest.param(row, id=row.name) for row in OPERATIONS.values() if "{" in row.path]
VALUES: dict[Operation[Any], object] = {
    **{OPERATIONS[name]: value for name, value in more.values().items()},
    operations.RESEND_PAYMENT_LINK: Resend(None, None, builders.EMAIL),
    operations.CANCEL_ORDER: Cancellation("Angret"),
    operations.REFUND_ORDER: builders.refund(),
    operations.CANCEL_TERMINAL_PAYMENT: request_bodies.TerminalCancellation("payment"),
    operations.REFUND_TERMINAL_ORDER: builders.terminal_refund(),
    operations.CANCEL_TERMINAL_REFUND: request_bodies.TerminalCancellation("refund"),
}


def violations(operation: Operation[Any], **arguments: Any) -> list[str]:
    with pytest.raises(InvalidOrderError) as caught:
        build(operation, **arguments)
    return [violation.path for violation in caught.value.violations]


@pytest.mark.parametrize("operation", NAMED)
def test_the_id_stands_in_the_path(operation: Operation[Any]) -> None:
    request = build(operation, uuid="ID-7_x", value=VALUES.get(operation))
    assert request.path == operation.path.replace(f"{{{operation.id_name}}}", "ID-7_x")
    assert (request.method, request.operation) == (operation.method, operation)


@pytest.mark.parametrize("operation", NAMED)
@pytest.mark.parametrize(
    "uuid",
    [
        "",
        " ",
        "../x",
        "a/b",
        "ODR1/../../terminal",
        "ODR1?x=1",
        "ODR1#",
        "ODR 1",
        "ODR1\n",
        "%2e%2e",
        "-x",
        "Å",
        "x" * 129,
        None,
        5,
        b"ODR1",
    ],
)
def test_what_is_no_id_is_refused(operation: Operation[Any], uuid: Any) -> None:
    assert operation.id_name is not None
    expected = camel(operation.id_name)
    assert violations(operation, uuid=uuid, value=VALUES.get(operation)) == [expected]


def test_a_bad_id_is_not_repeated_in_the_error() -> None:
    with pytest.raises(InvalidOrderError) as caught:
        build(operations.GET_ORDER_STATUS, uuid="../etc/passwd")
    assert "passwd" not in str(caught.value)
    assert caught.value.order_uuid is None


def test_an_organisation_is_no_order() -> None:
    assert build(operations.LIST_TERMINALS, uuid="ORG1").order_uuid is None
    assert build(operations.GET_ORDER_STATUS, uuid="ODR1").order_uuid == "ODR1"


def test_a_bad_id_and_a_bad_body_are_told_together() -> None:
    refund = builders.refund(lines=[])
    assert violations(operations.REFUND_ORDER, uuid="../x", value=refund) == ["orderUuid", "products"]


def test_all_violations_are_told_with_their_wire_paths() -> None:
    order = builders.invoice(
        products=[builders.product(), builders.product(name=" ")],
        order_date=datetime(1969, 12, 31, tzinfo=UTC),
        customer=builders.customer(
            type="corporate",
            email="nobody",
            msisdn=None,
            personal_number="123",
            preferred_language="fr",
            address=builders.address(country="UK", zip=""),
        ),
        invoice_interval=7,
        invoice_maturity=10,
        invoice_fee_applicable=None,
        callback_url="example.no",
    )
    with pytest.raises(InvalidOrderError) as caught:
        build(operations.SEND_INVOICE, value=order)
    error = caught.value
    assert [violation.path for violation in error.violations] == [
        "products.1.name",
        "orderDate",
        "customerDetails.msisdn",
        "customerDetails.email",
        "customerDetails.preferredLanguage",
        "customerDetails.personalNumber",
        "customerDetails.organizationId",
        "customerDetails.address.zip",
        "customerDetails.address.country",
        "invoiceInterval",
        "invoiceFeeApplicable",
        "callback.callbackUrl",
        "invoiceMaturity",
    ]
    assert isinstance(error, ValueError)
    assert (error.outcome, error.operation) == (Outcome.NOT_SENT, "orders.send_invoice")
    assert all(str(violation) in str(error) for violation in error.violations)


def test_the_values_that_break_rules_are_not_repeated() -> None:
    customer = builders.customer(email="hemmelig", personal_number="0101701234")
    order = builders.invoice(customer=customer, callback_url="hemmelig://x")
    with pytest.raises(InvalidOrderError) as caught:
        build(operations.SEND_INVOICE, value=order)
    shown = "".join(traceback.TracebackException.from_exception(caught.value, capture_locals=True).format())
    assert [secret for secret in ("hemmelig", "0101701234") if secret in shown] == []


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
def test_a_value_of_another_class_is_refused(operation: Operation[Any]) -> None:
    uuid = "ODR1"
    if operation.request is None:
        assert build(operation, uuid=uuid, value=None).body is None
    else:
        with pytest.raises(TypeError, match=f"takes a value of {operation.request.__name__}, not dict"):
            build(operation, uuid=uuid, value={"name": "x"})


def test_a_callers_subclass_is_sent_as_the_order_it_is() -> None:
    @attrs.frozen(kw_only=True)
    class ShopOrder(InvoiceOrder):
        basket: str

    plain = builders.invoice()
    fields = {field.name: getattr(plain, field.name) for field in attrs.fields(InvoiceOrder)}
    order = ShopOrder(basket="B-1", **fields)
    assert (
        build(operations.SEND_INVOICE, value=order).body == build(operations.SEND_INVOICE, value=plain).body
    )


def test_numbers_of_callers_without_a_type_checker_keep_their_digits() -> None:
    order = builders.invoice(invoice_maturity=None, invoice_interval=True)
    assert violations(operations.SEND_INVOICE, value=order) == ["invoiceInterval"]
    refund = builders.refund(lines=[builders.RefundLine(id=Decimal("5.41E+3"), amount=10)])
    body = json.loads(build(operations.REFUND_ORDER, uuid="ODR1", value=refund).body or b"")
    assert body["products"][0]["id"] == 5410


@pytest.mark.parametrize("hour", [23, 22])
def test_a_day_beyond_the_calendar_is_refused(hour: int) -> None:
    """The year 10000 has begun in Norway, and cannot be written."""
    zone = timezone(timedelta(hours=hour - 23))
    order = builders.terminal_order(order_date=datetime(9999, 12, 31, hour, tzinfo=zone))
    with pytest.raises(InvalidOrderError, match=r"sent\. orderDate must be a date from 1970 on\.$"):
        build(operations.CREATE_TERMINAL_ORDER, value=order)


def test_a_body_is_compact() -> None:
    refund = builders.refund(grand_total=1, lines=[builders.RefundLine(id=7, amount=1)])
    body = build(operations.REFUND_ORDER, uuid="ODR1", value=refund).body
    assert body == b'{"type":"regular","grandTotal":1,"products":[{"id":7,"amount":1}]}'


def test_letters_are_not_escaped() -> None:
    request = build(operations.CANCEL_ORDER, uuid="ODR1", value=Cancellation("Ærlig"))
    assert request.body == '{"cancellationNote":"Ærlig"}'.encode()


def test_the_query_is_quoted() -> None:
    request = build(operations.LIST_ORDER_STATUSES, query={"type": "PARTIAL REFUNDED&x=/../æ"})
    assert request.path == "orders/status?type=PARTIAL%20REFUNDED%26x%3D%2F..%2F%C3%A6"


def test_another_method_can_be_asked_for() -> None:
    row = operations.GET_REFUND_STATUS
    assert build(row, uuid="ODR1", method=row.other_method).method == "GET"


def test_a_request_shows_neither_body_nor_secrets() -> None:
    request = build(operations.SEND_INVOICE, value=builders.invoice())
    assert request.body is not None
    assert f"<{len(request.body)} bytes>" in repr(request)
    assert builders.MSISDN not in repr(request)


def test_a_request_without_body_says_so() -> None:
    assert "body=None" in repr(build(operations.LIST_ORDER_STATUSES))
