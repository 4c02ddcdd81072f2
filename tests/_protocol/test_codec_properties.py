"""What is sent says what the value says, read as the API would read it; and the way back."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given, strategies as st

from frontpay_async import (
    Address,
    Customer,
    EFakturaOrder,
    EhfOrder,
    InvoiceOrder,
    InvoiceReferences,
    OrderDetails,
    OrderStatus,
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
from frontpay_async._protocol.decode import decode
from tests.support import strategies

ROUTES: dict[type[Any], operations.Operation[Any]] = {
    PaymentLinkOrder: operations.SEND_PAYMENT_LINK,
    InvoiceOrder: operations.SEND_INVOICE,
    EFakturaOrder: operations.SEND_EFAKTURA,
    EhfOrder: operations.SEND_EHF_INVOICE,
    TerminalOrder: operations.CREATE_TERMINAL_ORDER,
    Refund: operations.REFUND_ORDER,
    TerminalRefund: operations.REFUND_TERMINAL_ORDER,
}
MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()  # noqa: SIM905 - read at a glance


def snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def fields_of(body: dict[str, Any], *but: str) -> dict[str, Any]:
    return {snake(name): value for name, value in body.items() if name not in but}


def read_customer(body: dict[str, Any]) -> Customer:
    return Customer(**fields_of(body, "address"), address=Address(**body["address"]))


def read_moment(text: str) -> date:
    if text.isdigit():
        return datetime.fromtimestamp(int(text), UTC)
    day, month, year = text.replace(",", "").split()
    return date(int(year), MONTHS.index(month) + 1, int(day))


def read_order(cls: type[Any], body: dict[str, Any]) -> Any:
    """Read an order's body by the reference alone, without the package's codec."""
    rows = body["products"]
    parts: dict[str, Any] = {
        "products": [
            Product(**fields_of(row)) for row in (rows.values() if isinstance(rows, dict) else rows)
        ],
        "summary": OrderSummary(**fields_of(body["orderSummary"])),
        "order_date": read_moment(body["orderDate"]),
        "customer": read_customer(body["customerDetails"]),
    }
    read = ("products", "orderSummary", "orderDate", "customerDetails")
    if "sendOrderBy" in body:
        parts["send_order_by"] = SendOrderBy(**body["sendOrderBy"])
    if "invoiceReferences" in body:
        parts["invoice_references"] = InvoiceReferences(**fields_of(body["invoiceReferences"]))
    if "callback" in body:
        parts["callback_url"] = body["callback"]["callbackUrl"]
    return cls(**parts, **fields_of(body, *read, "sendOrderBy", "invoiceReferences", "callback"))


def _exact(digits: str) -> Decimal:
    # What numbers are read as must not depend on the JSON reader's notion of a float.
    return Decimal(digits)


def sent(value: Any) -> Any:
    request = build(ROUTES[type(value)], uuid="ODR7", value=value)
    assert request.body is not None
    return json.loads(request.body, parse_float=_exact)


@given(strategies.orders)
def test_an_order_survives_the_way_to_the_api(order: Any) -> None:
    assert read_order(type(order), sent(order)) == order


@given(strategies.refunds)
def test_a_refund_survives_the_way_to_the_api(refund: Any) -> None:
    body = sent(refund)
    lines = [RefundLine(**row) for row in body["products"]]
    fields = fields_of(body, "products", *(["type"] if isinstance(refund, TerminalRefund) else []))
    assert type(refund)(**fields, lines=lines) == refund


@given(strategies.numbers)
def test_every_digit_of_a_number_stands_on_the_wire(number: Decimal) -> None:
    """A JSON number of plain digits: no exponent, trailing zeros kept, and no sign on a zero."""
    value = Refund(grand_total=number, lines=[RefundLine(id=1, amount=number)])
    body = build(ROUTES[Refund], uuid="ODR7", value=value, strict_totals=False).body
    assert body is not None
    text = format(number or abs(number), "f")
    products = f'[{{"id":1,"amount":{text}}}]'
    assert body.decode() == f'{{"type":"regular","grandTotal":{text},"products":{products}}}'
    if number.as_tuple().exponent <= 0:  # type: ignore[operator]
        assert Decimal(text).as_tuple()[1:] == number.as_tuple()[1:]


@given(order=strategies.orders, data=st.data())
def test_details_survive_the_way_from_the_api(order: Any, data: st.DataObject) -> None:
    """Numbers come as numbers or as text, rows as a list or as an object, and strangers may stand beside."""

    def number(value: Decimal) -> Any:
        return data.draw(strategies.wire_numbers(value))

    customer = order.customer
    rows = [
        {
            "id": number(Decimal(index)),
            "name": line.name,
            "productId": line.product_id,
            **{
                name: number(getattr(line, name))
                for name in ("quantity", "rate", "discount", "tax", "amount")
            },
        }
        for index, line in enumerate(order.products)
    ]
    strangers = data.draw(st.dictionaries(st.sampled_from(["new", "fields"]), st.just("kept")))
    source = {
        "orderUuid": "ODR7",
        "status": data.draw(st.sampled_from(["SENT", "sent"])),
        "productList": data.draw(st.sampled_from([rows, {str(i): row for i, row in enumerate(rows)}])),
        "orderSummary": {
            "subTotal": number(order.summary.sub_total),
            "tax": number(order.summary.total_tax),
            "discount": number(order.summary.total_discount),
            "grandTotal": number(order.summary.grand_total),
        },
        "customerDetails": {
            "type": customer.type,
            "uuid": customer.customer_uuid,
            "countryCode": customer.country_code,
            "msisdn": customer.msisdn,
            "email": customer.email,
            "firstName": customer.first_name,
            "name": customer.name,
            "preferredLanguage": customer.preferred_language,
            "personalNumber": customer.personal_number,
            "organizationId": customer.organization_id,
            "address": attrs.asdict(customer.address),
        },
        **strangers,
    }
    details = decode(OrderDetails, source)
    assert details == OrderDetails(
        order_uuid="ODR7",
        status=OrderStatus.SENT,
        products=tuple(attrs.evolve(line, id=index) for index, line in enumerate(order.products)),
        summary=order.summary,
        customer=customer,
    )
    assert details.unknown_fields == strangers


@given(strategies.orders)
def test_building_is_repeatable(order: Any) -> None:
    """A batch may fingerprint what it sends."""
    route = ROUTES[type(order)]
    assert build(route, value=order) == build(route, value=attrs.evolve(order))


@pytest.mark.parametrize("cls", ROUTES, ids=lambda cls: cls.__name__)
def test_every_body_with_money_is_tried(cls: type[Any]) -> None:
    assert ROUTES[cls].request is cls
