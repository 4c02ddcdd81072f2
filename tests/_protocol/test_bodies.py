"""Each documented payload, rebuilt from models, is what goes out."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import attrs
import pytest

from frontpay_async import (
    Address,
    Customer,
    DateFormat,
    EFakturaOrder,
    EhfOrder,
    InvoiceInterval,
    InvoiceOrder,
    InvoiceReferences,
    Language,
    OrderSummary,
    PaymentLinkOrder,
    Product,
    Refund,
    RefundLine,
    SendOrderBy,
    TerminalOrder,
    TerminalRefund,
)
from frontpay_async._protocol import operations
from frontpay_async._protocol.build import build
from frontpay_async._protocol.request_bodies import Cancellation, Resend, TerminalCancellation
from tests.support import builders
from tests.support.wire import body_of

LINE = Product(name="Klipp", product_id="KL-7", quantity="1", rate=640, tax="25")
SUMMARY = OrderSummary(sub_total="512.00", total_tax="128.00", total_discount="0.00", grand_total="640.00")
HOME = Address(street="Kirkegata 4", zip="0153", city="Oslo", country="NO")
REACHED: dict[str, Any] = {
    "name": "Eva Prøve",
    "address": HOME,
    "country_code": "+47",
    "msisdn": "41234567",
    "email": "eva@example.no",
    "preferred_language": Language.ENGLISH,
}
CALLBACK = "https://butikk.example/tilbake?ordre=7"
WHEN = datetime(2031, 3, 2, 12, tzinfo=UTC)

WIRE_LINE = {
    "name": "Klipp",
    "productId": "KL-7",
    "quantity": "1",
    "rate": 640,
    "discount": 0,
    "tax": "25",
    "amount": 640,
}
WIRE_SUMMARY = {"subTotal": "512.00", "totalTax": "128.00", "totalDiscount": "0.00", "grandTotal": "640.00"}
WIRE_REACHED = {
    "countryCode": "+47",
    "msisdn": "41234567",
    "email": "eva@example.no",
    "name": "Eva Prøve",
    "preferredLanguage": "en",
    "address": {"street": "Kirkegata 4", "zip": "0153", "city": "Oslo", "country": "NO"},
}
WIRE_TERMS = {
    "invoiceInterval": 0,
    "invoiceFeeApplicable": True,
    "separateInvoices": True,
    "callback": {"callbackUrl": CALLBACK},
}


def test_a_payment_link() -> None:
    order = PaymentLinkOrder(
        products=[LINE],
        summary=SUMMARY,
        order_date=WHEN,
        customer=Customer(**REACHED, type="private", first_name="", personal_number="01017012345"),
        invoice_as_payment_option=True,
        send_order_by=SendOrderBy(sms=False, email=False),
        secure_details=True,
        callback_url=CALLBACK,
    )
    assert body_of(operations.SEND_PAYMENT_LINK, order) == {
        "products": [WIRE_LINE],
        "orderSummary": WIRE_SUMMARY,
        "sendOrderBy": {"sms": False, "email": False},
        "orderDate": "1930219200",
        "customerDetails": {
            **WIRE_REACHED,
            "type": "private",
            "personalNumber": "01017012345",
        },
        "invoiceAsPaymentOption": True,
        "secureDetails": True,
        "callback": {"callbackUrl": CALLBACK},
    }


def test_an_invoice() -> None:
    order = InvoiceOrder(
        products=[LINE],
        summary=SUMMARY,
        order_date=WHEN,
        customer=Customer(**REACHED, type="private", first_name="Eva", personal_number="01017012345"),
        invoice_interval=InvoiceInterval.DAILY,
        invoice_maturity=10,
        separate_invoices=True,
        reference_no="B-1",
        customer_reference="K-2",
        callback_url=CALLBACK,
    )
    assert body_of(operations.SEND_INVOICE, order) == {
        "products": [WIRE_LINE],
        "orderSummary": WIRE_SUMMARY,
        "orderDate": "1930219200",
        "customerDetails": {
            **WIRE_REACHED,
            "type": "private",
            "firstName": "Eva",
            "personalNumber": "01017012345",
        },
        "invoiceMaturity": 10,
        "referenceNo": "B-1",
        "customerReference": "K-2",
        **WIRE_TERMS,
    }


def test_an_efaktura() -> None:
    """What is given is sent, but not a private customer's organisation number."""
    order = EFakturaOrder(
        products=[LINE],
        summary=SUMMARY,
        order_date=WHEN,
        customer=Customer(
            **REACHED,
            type="private",
            first_name="Eva",
            personal_number="01017012345",
            organization_id="1",
            customer_uuid="CSRT1",
        ),
        invoice_interval=0,
        invoice_maturity=10,
        separate_invoices=True,
        callback_url=CALLBACK,
    )
    assert body_of(operations.SEND_EFAKTURA, order) == {
        "products": [WIRE_LINE],
        "orderSummary": WIRE_SUMMARY,
        "orderDate": "1930219200",
        "customerDetails": {
            **WIRE_REACHED,
            "type": "private",
            "firstName": "Eva",
            "personalNumber": "01017012345",
            "customerUuid": "CSRT1",
        },
        "invoiceMaturity": 10,
        **WIRE_TERMS,
    }


def test_an_ehf_invoice() -> None:
    """A personal number has no place in a company's invoice, and is not sent."""
    order = EhfOrder(
        products=[LINE],
        summary=SUMMARY,
        order_date=WHEN,
        customer=Customer(
            **REACHED, type="corporate", organization_id="912345678", personal_number="01017012345"
        ),
        invoice_interval=0,
        invoice_maturity=14,
        separate_invoices=True,
        callback_url=CALLBACK,
    )
    assert body_of(operations.SEND_EHF_INVOICE, order) == {
        "products": [WIRE_LINE],
        "orderSummary": WIRE_SUMMARY,
        "orderDate": "1930219200",
        "customerDetails": {**WIRE_REACHED, "type": "corporate", "organizationId": "912345678"},
        "invoiceMaturity": 14,
        **WIRE_TERMS,
    }


def test_a_terminal_order() -> None:
    order = TerminalOrder(
        products=[LINE, LINE],
        summary=OrderSummary.of([LINE, LINE]),
        order_date=WHEN,
        customer=Customer(**REACHED, type="corporate", organization_id="912345678", customer_uuid="CSRT1"),
        terminal_uuid="TRML7",
        receipt_print=False,
        send_order_by=SendOrderBy(sms=False, email=True),
        invoice_references=InvoiceReferences(
            reference_no="B-1", customer_reference="K-2", customer_notes="", tnc=""
        ),
        callback_url=CALLBACK,
    )
    assert body_of(operations.CREATE_TERMINAL_ORDER, order) == {
        "products": {"0": WIRE_LINE, "1": WIRE_LINE},
        "orderSummary": {
            "subTotal": "1024.00",
            "totalTax": "256.00",
            "totalDiscount": "0.00",
            "grandTotal": "1280.00",
        },
        "orderDate": "02 Mar, 2031",
        "sendOrderBy": {"sms": False, "email": True},
        "terminalUuid": "TRML7",
        "receiptPrint": False,
        "customerDetails": {
            **WIRE_REACHED,
            "type": "corporate",
            "organizationId": "912345678",
            "customerUuid": "CSRT1",
        },
        "invoiceReferences": {
            "referenceNo": "B-1",
            "customerReference": "K-2",
        },
        "callbackUrl": CALLBACK,
    }


@pytest.mark.parametrize("kind", ["regular", "invoiced"])
def test_a_refund(kind: Any) -> None:
    refund = Refund(grand_total=10, lines=[RefundLine(id=5410, amount="10.00")], type=kind)
    assert body_of(operations.REFUND_ORDER, refund) == {
        "type": kind,
        "grandTotal": 10,
        "products": [{"id": 5410, "amount": Decimal("10.00")}],
    }


@pytest.mark.parametrize("is_reversal", [True, False])
def test_a_terminal_refund(is_reversal: bool) -> None:
    refund = TerminalRefund(grand_total=42, lines=[RefundLine(id=12, amount=42)], is_reversal=is_reversal)
    assert body_of(operations.REFUND_TERMINAL_ORDER, refund) == {
        "type": "regular",
        "grandTotal": 42,
        "products": [{"id": 12, "amount": 42}],
        "isReversal": is_reversal,
    }


@pytest.mark.parametrize(
    ("operation", "value", "body"),
    [
        (
            operations.RESEND_PAYMENT_LINK,
            Resend("+47", "41234567", None),
            {"countryCode": "+47", "msisdn": "41234567"},
        ),
        (operations.RESEND_PAYMENT_LINK, Resend(None, None, "eva@example.no"), {"email": "eva@example.no"}),
        (operations.CANCEL_ORDER, Cancellation("Angret"), {"cancellationNote": "Angret"}),
        (operations.CANCEL_TERMINAL_PAYMENT, TerminalCancellation("payment"), {"type": "payment"}),
        (operations.CANCEL_TERMINAL_REFUND, TerminalCancellation("refund"), {"type": "refund"}),
    ],
)
def test_small_bodies(operation: operations.Operation[Any], value: object, body: Any) -> None:
    assert body_of(operation, value) == body


def test_a_payment_link_is_sent_by_no_way_unless_told() -> None:
    """The demo API asks for both members, though the reference lets them be null."""
    body = body_of(operations.SEND_PAYMENT_LINK, builders.payment_link())
    assert body["sendOrderBy"] == {"sms": False, "email": False}


def test_what_is_none_is_left_out() -> None:
    order = builders.invoice(invoice_interval=None, reference_no=None, customer_reference=None)
    body = body_of(operations.SEND_INVOICE, order)
    assert body.keys() == {
        "products",
        "orderSummary",
        "orderDate",
        "customerDetails",
        "invoiceMaturity",
        "invoiceFeeApplicable",
    }


def test_the_apis_own_id_of_a_line_is_not_sent_with_an_order() -> None:
    body = body_of(operations.SEND_INVOICE, builders.invoice(products=[builders.product(id=5410)]))
    assert "id" not in body["products"][0]


@pytest.mark.parametrize(
    ("date_format", "written"), [(DateFormat.UNIX, "1935144000"), (DateFormat.DAY, "28 Apr, 2031")]
)
@pytest.mark.parametrize(
    ("operation", "order"),
    [
        (operations.SEND_INVOICE, builders.invoice(order_date=date(2031, 4, 28))),
        (operations.CREATE_TERMINAL_ORDER, builders.terminal_order(order_date=date(2031, 4, 28))),
    ],
)
def test_the_form_of_a_date_can_be_switched(
    operation: operations.Operation[Any], order: object, date_format: DateFormat, written: str
) -> None:
    assert body_of(operation, order, date_format=date_format)["orderDate"] == written


def test_text_goes_out_as_it_is() -> None:
    order = builders.invoice(customer=builders.customer(name='Åse "Ø" \\ 🧾 </script>\u2028'))
    body = body_of(operations.SEND_INVOICE, order)
    assert body["customerDetails"]["name"] == 'Åse "Ø" \\ 🧾 </script>\u2028'


ORDERS: list[tuple[operations.Operation[Any], builders.Builder]] = [
    (operations.SEND_PAYMENT_LINK, builders.payment_link),
    (operations.SEND_INVOICE, builders.invoice),
    (operations.SEND_EFAKTURA, builders.efaktura),
    (operations.SEND_EHF_INVOICE, builders.ehf),
    (operations.CREATE_TERMINAL_ORDER, builders.terminal_order),
]


@pytest.mark.parametrize(("operation", "make"), ORDERS)
def test_given_members_of_the_customer_are_sent_on_every_route(
    operation: operations.Operation[Any], make: builders.Builder
) -> None:
    given = builders.customer(
        type="corporate", first_name="Ola", customer_uuid="CSRT1", organization_id=builders.ORGANIZATION_ID
    )
    details = body_of(operation, make(customer=given, **_maturity(make)))["customerDetails"]
    assert (details["type"], details["firstName"], details["customerUuid"]) == ("corporate", "Ola", "CSRT1")


def _maturity(make: builders.Builder) -> dict[str, Any]:
    return {"invoice_maturity": 14} if make in (builders.invoice, builders.ehf) else {}


@pytest.mark.parametrize(("operation", "make"), ORDERS)
@pytest.mark.parametrize("blank", ["", "  ", "\t\n", "\u00a0"])
def test_blank_optional_text_is_left_out(
    operation: operations.Operation[Any], make: builders.Builder, blank: str
) -> None:
    order = (
        make(reference_no=blank, customer_reference=blank)
        if make is not builders.terminal_order
        else make(
            invoice_references=builders.invoice_references(reference_no=blank, customer_reference=blank)
        )
    )
    order = attrs.evolve(
        order,
        products=[builders.product(product_id=blank)],
        customer=attrs.evolve(
            order.customer, first_name=blank, customer_uuid=blank, preferred_language=blank
        ),
    )
    body = body_of(operation, order)
    assert not {"referenceNo", "customerReference", "invoiceReferences"} & body.keys()
    assert not {"firstName", "customerUuid", "preferredLanguage"} & body["customerDetails"].keys()
    assert all("productId" not in line for line in _lines(body))


def _lines(body: Any) -> list[Any]:
    return list(body["products"].values()) if isinstance(body["products"], dict) else body["products"]


@pytest.mark.parametrize("make", [builders.payment_link, builders.invoice])
def test_a_blank_callback_is_no_callback(make: builders.Builder) -> None:
    operation = operations.SEND_INVOICE if make is builders.invoice else operations.SEND_PAYMENT_LINK
    assert "callback" not in body_of(operation, make(callback_url=" "))


@pytest.mark.parametrize(("operation", "make"), [each for each in ORDERS if each[1] is not builders.ehf])
def test_a_private_customers_organisation_number_is_left_out(
    operation: operations.Operation[Any], make: builders.Builder
) -> None:
    order = make(customer=builders.customer(type="private", organization_id="not a number"))
    assert "organizationId" not in body_of(operation, order)["customerDetails"]


@pytest.mark.parametrize(("operation", "make"), ORDERS)
def test_extra_members_are_merged_into_the_body(
    operation: operations.Operation[Any], make: builders.Builder
) -> None:
    extra = {
        "isCreditCheckAvailable": False,
        "referenceNo": None,
        "sendOrderBy": {"invoice": True},
        "products": {"0": {"unit": "stk", "rate": Decimal("51.50")}},
        "orderSummary": {"shippingCost": Decimal("49.90")},
        "list": [1, {"a": "å"}],
    }
    plain, body = body_of(operation, make()), body_of(operation, make(extra=extra))
    assert b'"shippingCost":49.90' in (build(operation, value=make(extra=extra)).body or b"")
    assert body["isCreditCheckAvailable"] is False
    assert body["referenceNo"] is None
    assert body["sendOrderBy"] == {**plain.get("sendOrderBy", {}), "invoice": True}
    assert body["orderSummary"] == {**plain["orderSummary"], "shippingCost": Decimal("49.90")}
    assert _lines(body) == [{**_lines(plain)[0], "unit": "stk", "rate": Decimal("51.50")}]
    assert body["list"] == [1, {"a": "å"}]
    as_rows = make(extra={"products": [{"unit": "stk"}]})
    assert _lines(body_of(operation, as_rows)) == [{**_lines(plain)[0], "unit": "stk"}]
    assert build(operation, value=make(extra={})).body == build(operation, value=make()).body


def test_extra_is_checked_against_nothing() -> None:
    order = builders.invoice(extra={"customerDetails": {"email": "no address"}, "orderSummary": "none"})
    body = body_of(operations.SEND_INVOICE, order)
    assert (body["customerDetails"]["email"], body["orderSummary"]) == ("no address", "none")


TODAY = datetime(2031, 3, 2, 15, tzinfo=UTC)


@pytest.mark.parametrize(
    ("day", "now", "written"),
    [
        # Noon is to come.
        (date(2031, 3, 2), datetime(2031, 3, 2, 11, 59, tzinfo=UTC), datetime(2031, 3, 2, 12, tzinfo=UTC)),
        (date(2031, 3, 3), TODAY, datetime(2031, 3, 3, 12, tzinfo=UTC)),
        # The last second of today in Norway, in winter and in summer.
        (date(2031, 3, 2), TODAY, datetime(2031, 3, 2, 22, 59, 59, tzinfo=UTC)),
        (
            date(2031, 7, 2),
            datetime(2031, 7, 2, 12, 1, tzinfo=UTC),
            datetime(2031, 7, 2, 21, 59, 59, tzinfo=UTC),
        ),
        # It is the next day in Norway already, for a caller in UTC and in New York.
        (
            date(2031, 3, 2),
            datetime(2031, 3, 2, 23, 30, tzinfo=UTC),
            datetime(2031, 3, 3, 22, 59, 59, tzinfo=UTC),
        ),
        (
            date(2031, 3, 2),
            datetime(2031, 3, 2, 20, tzinfo=timezone(timedelta(hours=-5))),
            datetime(2031, 3, 3, 22, 59, 59, tzinfo=UTC),
        ),
        # It is the next day for a caller in Tokyo.
        (
            date(2031, 3, 3),
            datetime(2031, 3, 3, 1, tzinfo=timezone(timedelta(hours=9))),
            datetime(2031, 3, 3, 12, tzinfo=UTC),
        ),
        # Yesterday stays yesterday.
        (date(2031, 3, 1), TODAY, datetime(2031, 3, 1, 12, tzinfo=UTC)),
    ],
)
def test_today_is_never_a_moment_in_the_past(day: date, now: datetime, written: datetime) -> None:
    body = body_of(operations.SEND_INVOICE, builders.invoice(order_date=day), now=lambda: now)
    assert datetime.fromtimestamp(int(body["orderDate"]), UTC) == written
    terminal = body_of(
        operations.CREATE_TERMINAL_ORDER, builders.terminal_order(order_date=day), now=lambda: now
    )
    local = written + timedelta(hours=2 if written.month == 7 else 1)
    assert terminal["orderDate"] == f"{local:%d %b, %Y}"
