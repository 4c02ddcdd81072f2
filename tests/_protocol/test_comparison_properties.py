"""Recognising an order in what the API shows of it, in whatever form it shows it."""

from __future__ import annotations

import html
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from attrs import evolve
from hypothesis import given, settings, strategies as st

from frontpay_async import OrderDetails, Product, TerminalOrder
from frontpay_async._protocol.build import build
from frontpay_async._protocol.codec import decode
from frontpay_async._protocol.comparison import Comparison, identity_of_details, identity_of_order, likeness
from frontpay_async._protocol.operations import kind_of_order
from frontpay_async.models._fields import to_ore
from tests.support import strategies
from tests.support.builders import customer, invoice, payment_link, product

batch_orders = strategies.orders.filter(lambda order: not isinstance(order, TerminalOrder))
TOLD = ("countryCode", "msisdn", "email", "name", "preferredLanguage", "personalNumber", "organizationId")


def body_of(order: Any) -> dict[str, Any]:
    content = build(kind_of_order(order).operation, value=order).body
    assert content is not None
    body: dict[str, Any] = json.loads(content)
    return body


def shown(order: Any, **changes: Any) -> dict[str, Any]:
    """Return the details as the reference has them, just as the order was sent."""
    body = body_of(order)
    summary, buyer = body["orderSummary"], body["customerDetails"]
    details = {
        "orderUuid": "ODR1",
        "status": "SENT",
        "orderDate": body["orderDate"],
        "productList": body["products"],
        "orderSummary": {
            "subTotal": summary["subTotal"],
            "tax": summary["totalTax"],
            "discount": summary["totalDiscount"],
            "grandTotal": summary["grandTotal"],
        },
        "customerDetails": {name: buyer.get(name) for name in (*TOLD, "type", "address")},
    }
    return {**details, **changes}


def compare(order: Any, details: dict[str, Any], *, cautious: bool = False) -> Comparison:
    seen = identity_of_details(decode(OrderDetails, details))
    return likeness(identity_of_order(order), seen, cautious=cautious)


def as_number(text: str) -> Any:
    """A JSON number, as the client reads it."""
    return json.loads(text, parse_float=Decimal)


@given(batch_orders, st.booleans())
def test_an_order_is_never_taken_for_another_one(order: Any, numbers: bool) -> None:
    """Whatever its texts are: masked, blank, or of one character."""
    details = shown(order)
    if numbers:
        details["productList"] = [
            {
                name: as_number(value) if name in {"quantity", "rate", "amount", "tax", "discount"} else value
                for name, value in line.items()
            }
            for line in details["productList"]
        ]
    assert compare(order, details) is not Comparison.DIFFERENT
    assert compare(order, details, cautious=True) is not Comparison.DIFFERENT


ORDER = invoice(
    products=(product(), product(name="Voks & såpe", quantity=1, rate="99.90", tax=15, product_id=None))
)


def test_what_is_shown_as_it_was_sent_is_the_same() -> None:
    assert compare(ORDER, shown(ORDER)) is Comparison.SAME


@given(st.data())
def test_forms_that_mean_the_same_are_the_same(data: st.DataObject) -> None:
    details = shown(ORDER)
    lines = details["productList"]
    for line in lines:
        for name in ("quantity", "rate", "amount", "tax"):
            number = as_number(line[name])
            line[name] = data.draw(st.sampled_from([number, f"{number:.2f}", f"{number:.4f}"]))
        line["name"] = data.draw(
            st.sampled_from(
                [line["name"], line["name"].upper(), html.escape(line["name"]), f" {line['name']} "]
            )
        )
    data.draw(st.randoms(use_true_random=False)).shuffle(lines)
    buyer = details["customerDetails"]
    buyer["msisdn"] = data.draw(
        st.sampled_from(["40012345", "+4740012345", "+47 400 12 345", "004740012345"])
    )
    buyer["email"] = data.draw(st.sampled_from([buyer["email"], buyer["email"].upper()]))
    buyer["personalNumber"] = data.draw(st.sampled_from(["01017012345", "010170 12345", "*******2345", None]))
    day = ORDER.order_date.date()
    details["orderDate"] = data.draw(
        st.sampled_from(
            [
                details["orderDate"],
                ORDER.order_date.isoformat(),
                day.isoformat(),
                f"{day:%d %b, %Y}",
                f"{day.isoformat()}T00:00:00+00:00",
                "last Friday",
                None,
            ]
        )
    )
    assert compare(ORDER, details) is Comparison.SAME


@given(st.sets(st.sampled_from(["orderDate", "type", "discount", "tax", "productId"])))
def test_what_is_not_told_is_not_held_against_it(missing: set[str]) -> None:
    details = shown(ORDER)
    for name in missing:
        details.pop(name, None)
        for line in details["productList"]:
            line.pop(name, None)
    assert compare(ORDER, details) is Comparison.SAME


@pytest.mark.parametrize("missing", ["productList", "customerDetails"])
def test_without_goods_or_customer_nobody_can_tell(missing: str) -> None:
    details = shown(ORDER)
    del details[missing]
    assert compare(ORDER, details) is Comparison.UNCLEAR


def test_without_identifiers_name_and_address_must_do() -> None:
    buyer = {"name": customer().name, "address": shown(ORDER)["customerDetails"]["address"]}
    assert compare(ORDER, shown(ORDER, customerDetails=buyer)) is Comparison.SAME
    assert compare(ORDER, shown(ORDER, customerDetails={**buyer, "name": "Kari"})) is Comparison.UNCLEAR


@pytest.mark.parametrize(
    "other",
    [
        invoice(products=(product(quantity=3),)),
        invoice(products=(product(rate="51.01"), product(rate="60.00"))),
        invoice(
            customer=customer(name="Kari", email="k@example.no", msisdn="90012345", personal_number=None)
        ),
        invoice(customer=customer(email="k@example.no", msisdn="90012345", personal_number="02027012345")),
        payment_link(customer=customer(name="Kari", email="k@example.no", msisdn=None, personal_number=None)),
    ],
    ids=["quantity", "one more line", "customer", "namesake", "by e-mail alone"],
)
def test_other_goods_or_another_customer_are_another_order(other: Any) -> None:
    assert compare(invoice(), shown(other)) is Comparison.DIFFERENT
    assert compare(other, shown(invoice())) in {Comparison.DIFFERENT, Comparison.UNCLEAR}
    assert compare(invoice(), shown(other), cautious=True) is Comparison.UNCLEAR


def test_with_caution_goods_and_customer_must_differ() -> None:
    stranger = customer(name="Kari", email="k@example.no", msisdn="90012345", personal_number=None)
    other = invoice(products=(product(quantity=3),), customer=stranger)
    assert compare(invoice(), shown(other), cautious=True) is Comparison.DIFFERENT


def with_summary(**changes: Any) -> dict[str, Any]:
    details = shown(invoice())
    return {**details, "orderSummary": {**details["orderSummary"], **changes}}


def with_line(**changes: Any) -> dict[str, Any]:
    details = shown(invoice())
    return {**details, "productList": [{**details["productList"][0], **changes}]}


def with_buyer(**changes: Any) -> dict[str, Any]:
    details = shown(invoice())
    return {**details, "customerDetails": {**details["customerDetails"], **changes}}


@pytest.mark.parametrize(
    "details",
    [
        with_summary(grandTotal="151.00"),
        with_line(name="Something else"),
        with_line(rate="50.00"),
        with_line(productId="HV-2"),
        with_line(amount="102.006"),
        {**shown(invoice()), "orderDate": "1703040812"},
        {**shown(invoice()), "type": "EHF"},
        {
            **shown(invoice()),
            "productList": [*shown(invoice())["productList"], *with_line(amount=50)["productList"]],
        },
        with_buyer(name="Kari Testmann"),
        with_buyer(email="other@example.no"),
        with_buyer(msisdn="90012345", email="other@example.no"),
    ],
    ids=[
        "total",
        "name",
        "rate",
        "product id",
        "rounding",
        "date",
        "kind",
        "a fee",
        "customer's name",
        "one",
        "two",
    ],
)
def test_what_the_server_may_have_changed_is_left_to_a_person(details: dict[str, Any]) -> None:
    """To take it for another order would send it twice."""
    assert compare(invoice(), details) is Comparison.UNCLEAR


@pytest.mark.parametrize(
    "line",
    [
        # As this version computes the amount, and as a journal of an older one holds it.
        product(quantity="0.335", rate="149.905", tax=15, discount="0.005"),
        product(quantity="0.335", rate="149.90", tax=15, amount="50.21650"),
    ],
)
def test_an_api_that_keeps_two_decimals_shows_the_same_order(line: Product) -> None:
    order = invoice(products=(line,) * 6)
    details = shown(order)
    shown_numbers = ("quantity", "rate", "amount", "discount", "tax")
    for each in details["productList"]:
        each.update({name: str(to_ore(Decimal(each[name]))) for name in shown_numbers})
    totals = details["orderSummary"]
    totals.update({name: str(to_ore(Decimal(total))) for name, total in totals.items()})
    assert compare(order, details) is Comparison.SAME
    details["productList"][0]["amount"] = "50.20"
    assert compare(order, details) is Comparison.DIFFERENT


def test_an_amount_that_was_cut_is_left_to_a_person() -> None:
    order = invoice(products=(product(amount="50.219"),))
    details = shown(order)
    details["productList"][0]["amount"] = "50.21"
    assert compare(order, details) is Comparison.UNCLEAR


def test_a_fraction_shown_as_a_whole_quantity_may_be_the_order() -> None:
    order = invoice(products=(product(quantity="1.5", rate="10.00"),))
    details = shown(order)
    details["productList"][0]["quantity"] = 1
    assert compare(order, details) is Comparison.UNCLEAR


@pytest.mark.parametrize(
    ("sent", "told", "expected"),
    [
        (date(2026, 5, 1), "1777636800", Comparison.SAME),
        (date(2026, 5, 1), "2026-05-01", Comparison.SAME),
        (date(2026, 5, 1), "2026-05-02", Comparison.UNCLEAR),
        (datetime(2026, 4, 30, 22, 30, tzinfo=UTC), "01 May, 2026", Comparison.SAME),
        (datetime(2026, 4, 30, 22, 30, tzinfo=UTC), "2026-05-01T00:00:00+02:00", Comparison.SAME),
        (datetime(2026, 5, 1, 10, 0, tzinfo=UTC), "2026-05-01T10:00:05+00:00", Comparison.UNCLEAR),
    ],
)
def test_dates(sent: date, told: str, expected: Comparison) -> None:
    """Two orders of one customer, seconds apart, are two orders; a day is a day in Norway."""
    order = invoice(order_date=sent)
    assert compare(order, {**shown(order), "orderDate": told}) is expected


@settings(max_examples=40)
@given(batch_orders, batch_orders)
def test_another_order_is_the_same_only_where_goods_and_customer_are(one: Any, other: Any) -> None:
    if compare(one, shown(other)) is Comparison.SAME:
        amounts = [sorted(line.amount for line in order.products) for order in (one, other)]
        assert amounts[0] == amounts[1]
        assert one.summary == other.summary


def test_a_second_later_may_be_another_order() -> None:
    order = invoice()
    later = evolve(order, order_date=order.order_date + timedelta(seconds=1))
    assert compare(order, shown(later)) is Comparison.UNCLEAR
