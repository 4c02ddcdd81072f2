"""Recognising an order in what the API shows of it, in whatever form it shows it."""

from __future__ import annotations

import html
import json
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, localcontext
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve
from hypothesis import given, settings, strategies as st

from frontpay_async import OrderDetails, Product, TerminalOrder
from frontpay_async._protocol import order_comparison
from frontpay_async._protocol.build import build
from frontpay_async._protocol.decode import decode
from frontpay_async._protocol.operations import ORDER_KINDS, kind_of_order
from frontpay_async._protocol.order_comparison import (
    Comparison,
    SentOrders,
    identity_of_details,
    identity_of_order,
)
from frontpay_async.models._fields import to_ore
from tests.support import strategies
from tests.support.builders import customer, efaktura, ehf, invoice, payment_link, product

if TYPE_CHECKING:
    from collections.abc import Callable

batch_orders = strategies.orders.filter(lambda order: not isinstance(order, TerminalOrder))
TOLD = ("countryCode", "msisdn", "email", "name", "preferredLanguage", "personalNumber", "organizationId")


def body_of(order: Any) -> dict[str, Any]:
    content = build(kind_of_order(order).operation, value=order).body
    assert content is not None
    body: dict[str, Any] = json.loads(content, parse_float=str)
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


def compare(order: Any, details: dict[str, Any]) -> Comparison:
    return order_comparison.compare(
        identity_of_order(order), identity_of_details(decode(OrderDetails, details))
    )


def as_number(value: str | int) -> Any:
    """A JSON number, as the client reads it."""
    return json.loads(str(value), parse_float=Decimal)


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


@given(st.sets(st.sampled_from(["orderDate", "type", "discount", "tax", "productId", "orderSummary"])))
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


def test_without_goods_or_customer_another_date_proves_no_other_order() -> None:
    details = shown(ORDER, customerDetails=None, productList=[], orderDate="1703040812", orderSummary=None)
    assert compare(ORDER, details) is Comparison.UNCLEAR


@pytest.mark.parametrize("name", ["quantity", "rate", "tax", "discount"])
def test_a_number_that_cannot_be_read_is_not_compared(name: str) -> None:
    assert compare(GOODS, change_lines(shown(GOODS), lambda line: {**line, name: "?"})) is Comparison.SAME


@pytest.mark.parametrize(
    ("sent", "seen", "expected"),
    [
        ("1.5", "1", Comparison.SAME),
        ("1.5", "2", Comparison.SAME),
        ("1.5", "1.509", Comparison.SAME),
        ("1.5", "3", Comparison.UNCLEAR),
        ("1.5", "0.5", Comparison.UNCLEAR),
        ("1.5", "1.9", Comparison.UNCLEAR),
        ("2", "2.5", Comparison.UNCLEAR),
        ("2", "1", Comparison.UNCLEAR),
        ("1.5", "1.51", Comparison.UNCLEAR),
    ],
)
def test_a_quantity_may_only_be_shown_as_a_whole_number(sent: str, seen: str, expected: Comparison) -> None:
    order = invoice(products=(product(quantity=sent),))
    assert compare(order, change_lines(shown(order), lambda line: {**line, "quantity": seen})) is expected


def test_without_identifiers_name_and_address_must_do() -> None:
    buyer = {"name": customer().name, "address": shown(ORDER)["customerDetails"]["address"]}
    assert compare(ORDER, shown(ORDER, customerDetails=buyer)) is Comparison.SAME
    assert compare(ORDER, shown(ORDER, customerDetails={**buyer, "name": "Kari"})) is Comparison.UNCLEAR


@pytest.mark.parametrize(("length", "expected"), [(16, Comparison.SAME), (15, Comparison.UNCLEAR)])
def test_a_name_that_was_cut_is_the_same_from_sixteen_letters_on(length: int, expected: Comparison) -> None:
    order = invoice(customer=customer(name="Bartholomeus Testmann"))
    buyer = {"name": "Bartholomeus Testmann"[:length], "address": shown(order)["customerDetails"]["address"]}
    assert compare(order, shown(order, customerDetails=buyer)) is expected


STRANGER = customer(name="Kari", email="k@example.no", msisdn="90012345", personal_number=None)


@pytest.mark.parametrize(
    ("other", "expected"),
    [
        (invoice(customer=STRANGER), Comparison.DIFFERENT),
        (invoice(products=(product(quantity=3),), customer=STRANGER), Comparison.DIFFERENT),
        (
            payment_link(
                customer=customer(name="Kari", email="k@example.no", msisdn=None, personal_number=None)
            ),
            Comparison.DIFFERENT,
        ),
        (invoice(products=(product(quantity=3),)), Comparison.UNCLEAR),
        (invoice(products=(product(rate="51.01"), product(rate="60.00"))), Comparison.UNCLEAR),
        (
            invoice(
                customer=customer(email="k@example.no", msisdn="90012345", personal_number="02027012345")
            ),
            Comparison.UNCLEAR,
        ),
    ],
    ids=["customer", "customer and goods", "by e-mail alone", "quantity", "one more line", "namesake"],
)
def test_another_customers_order_is_another_one_and_other_goods_alone_are_not(
    other: Any, expected: Comparison
) -> None:
    assert compare(invoice(), shown(other)) is expected
    assert compare(other, shown(invoice())) is expected


def test_without_a_customer_goods_and_date_must_differ() -> None:
    other = invoice(products=(product(name="Klipp", rate="640.00", quantity=3),))
    month_later = evolve(other, order_date=other.order_date + timedelta(days=30))
    assert compare(invoice(), shown(other, customerDetails=None)) is Comparison.UNCLEAR
    assert compare(invoice(), shown(month_later, customerDetails=None)) is Comparison.DIFFERENT


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
        {**shown(invoice()), "orderDate": "1703040812"},
        {**shown(invoice()), "type": "paymentLink"},
        {
            **shown(invoice()),
            "productList": [*shown(invoice())["productList"], *with_line(amount=50)["productList"]],
        },
        with_buyer(name="Kari Testmann", personalNumber=None),
        with_buyer(msisdn="90012345", email="other@example.no", personalNumber=None, address=None),
        with_buyer(personalNumber="02027012345"),
    ],
    ids=["total", "name", "rate", "product id", "date", "kind", "a line", "name on file", "two", "number"],
)
def test_what_the_server_may_have_changed_is_left_to_a_person(details: dict[str, Any]) -> None:
    """To take it for another order would send it twice."""
    assert compare(invoice(), details) is Comparison.UNCLEAR


# Forms in which an API may show an order, each as a change of its details.


def change_lines(
    details: dict[str, Any], change: Callable[[dict[str, Any]], dict[str, Any]]
) -> dict[str, Any]:
    return {**details, "productList": [change(line) for line in details["productList"]]}


def scaled(
    details: dict[str, Any], factor: Callable[[dict[str, Any]], Decimal], digits: str
) -> dict[str, Any]:
    """All amounts by a factor, rounded."""

    def change(line: dict[str, Any]) -> dict[str, Any]:
        by = factor(line)
        names = ("rate", "amount", "discount")
        return {
            **line,
            **{
                name: str((Decimal(line[name]) * by).quantize(Decimal(digits)))
                for name in names
                if name in line
            },
        }

    changed = change_lines(details, change)
    total = sum((Decimal(line["amount"]) for line in changed["productList"]), Decimal(0))
    return {**changed, "orderSummary": {**details["orderSummary"], "grandTotal": str(total)}}


def with_fee(details: dict[str, Any]) -> dict[str, Any]:
    fee = {"name": "Fakturagebyr", "quantity": 1, "rate": "59.00", "tax": 0, "amount": "59.00"}
    total = Decimal(details["orderSummary"]["grandTotal"]) + 59
    return {
        **details,
        "productList": [*details["productList"], fee],
        "orderSummary": {**details["orderSummary"], "grandTotal": str(total)},
    }


def merged(details: dict[str, Any]) -> dict[str, Any]:
    lines: dict[str, dict[str, Any]] = {}
    for line in details["productList"]:
        known = lines.setdefault(line["name"], {**line, "quantity": 0, "amount": 0})
        for name in ("quantity", "amount"):
            known[name] = str(Decimal(known[name]) + Decimal(line[name]))
    return {**details, "productList": list(lines.values())}


def on_file(details: dict[str, Any]) -> dict[str, Any]:
    contact = {"email": "old@example.no", "msisdn": "90099999"}
    return {**details, "customerDetails": {**details["customerDetails"], **contact}}


FORMS: dict[str, Callable[[dict[str, Any]], dict[str, Any]]] = {
    "equal lines merged": merged,
    "without VAT": lambda it: scaled(it, lambda line: 100 / (100 + Decimal(line["tax"])), "0.01"),
    "in minor units": lambda it: scaled(it, lambda _: Decimal(100), "1"),
    "rounded to kroner": lambda it: scaled(it, lambda _: Decimal(1), "1"),
    "rounded to øre": lambda it: scaled(it, lambda _: Decimal(1), "0.01"),
    "whole quantities": lambda it: change_lines(
        it, lambda line: {**line, "quantity": str(int(Decimal(line["quantity"])))}
    ),
    "a fee": with_fee,
    "upper case": lambda it: change_lines(it, lambda line: {**line, "name": line["name"].upper()}),
    "cut names": lambda it: change_lines(it, lambda line: {**line, "name": line["name"][:20].strip()}),
    "tax as a fraction": lambda it: change_lines(
        it, lambda line: {**line, "tax": str(Decimal(line["tax"]) / 100)}
    ),
    "contact on file": on_file,
    "the name's parts": lambda it: {
        **it,
        "customerDetails": {**it["customerDetails"], "name": "TESTMANN, OLA", "personalNumber": None},
    },
    "local time as UTC": lambda it: {**it, "orderDate": str(int(it["orderDate"]) + 7200)},
}
GOODS = invoice(
    products=(
        product(name="Hårvask med hodebunnsmassasje", quantity="2"),
        product(name="Hårvask med hodebunnsmassasje", quantity="2"),
        product(name="Klipp, kort", quantity="1.5", rate="333.33", tax=15, product_id=None),
        product(name="Timepris", quantity=3, rate="640.50", discount="40.25", product_id="T-1"),
    )
)


@pytest.mark.parametrize("form", FORMS)
def test_a_known_form_is_recognised(form: str) -> None:
    assert compare(GOODS, FORMS[form](shown(GOODS))) is Comparison.SAME


@settings(max_examples=60)
@given(batch_orders, st.lists(st.sampled_from([*FORMS]), max_size=3, unique=True))
def test_an_order_in_any_of_these_forms_is_never_taken_for_another_one(order: Any, forms: list[str]) -> None:
    details = shown(order)
    for form in forms:
        if form != "the name's parts":
            details = FORMS[form](details)
    assert compare(order, details) is not Comparison.DIFFERENT


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
    assert compare(order, merged(details)) is Comparison.SAME
    details["productList"][0]["amount"] = "50.20"
    assert compare(order, details) is Comparison.UNCLEAR


def test_a_fee_is_recognised_only_where_the_order_allows_one() -> None:
    order = invoice(invoice_fee_applicable=False)
    assert compare(order, with_fee(shown(order))) is Comparison.UNCLEAR
    assert compare(payment_link(), with_fee(shown(payment_link()))) is Comparison.UNCLEAR


def test_the_callers_decimal_context_decides_nothing() -> None:
    details = with_line(rate="51.20", amount="102.40")
    with localcontext() as context:
        context.prec = 2
        assert compare(invoice(), details) is Comparison.UNCLEAR


@settings(max_examples=30)
@given(st.lists(batch_orders, max_size=6), batch_orders)
def test_the_index_finds_what_comparing_with_each_finds(sent: list[Any], other: Any) -> None:
    index: SentOrders[int] = SentOrders()
    for number, each in enumerate([*sent, other]):
        index.add(number, identity_of_order(each))
    for details in (shown(other), FORMS["contact on file"](shown(other)), shown(other, customerDetails=None)):
        expected = {number: compare(each, details) for number, each in enumerate([*sent, other])}
        found = index.compare(identity_of_details(decode(OrderDetails, details)))
        assert found == {key: each for key, each in expected.items() if each is not Comparison.DIFFERENT}


@pytest.mark.parametrize(
    ("details", "is_possible"),
    [
        (shown(invoice(customer=STRANGER)), True),
        (with_fee(shown(invoice(customer=STRANGER))), True),
        (shown(invoice(customer=evolve(STRANGER, personal_number="02027012345"))), False),
        (shown(invoice(customer=STRANGER, products=(product(quantity=3),))), False),
        (shown(invoice(customer=STRANGER), orderDate="1703040812"), False),
        (shown(invoice(customer=STRANGER), type="paymentLink"), False),
    ],
    ids=["goods and date", "a fee", "identity number", "other goods", "another date", "another kind"],
)
def test_equal_goods_under_a_strangers_name_may_be_ours(details: dict[str, Any], is_possible: bool) -> None:
    """A contact on file may replace name, phone and e-mail at once."""
    index: SentOrders[int] = SentOrders()
    index.add(1, identity_of_order(invoice()))
    found = index.with_equal_goods(identity_of_details(decode(OrderDetails, details)))
    assert found == ({1: Comparison.UNCLEAR} if is_possible else {})


def test_a_kind_that_is_not_shown_excludes_no_contact_on_file() -> None:
    index: SentOrders[int] = SentOrders()
    index.add(1, identity_of_order(ehf()))
    details = shown(invoice(customer=PERSON), orderDate=shown(ehf())["orderDate"])
    found = index.with_equal_goods(identity_of_details(decode(OrderDetails, details)))
    assert found == {1: Comparison.UNCLEAR}


COMPANY = evolve(STRANGER, type=None, organization_id="987654321")
WORDS = {kind.name: max(kind.words, key=len) for kind in ORDER_KINDS.values()}
PERSON = evolve(STRANGER, personal_number="02027012345")


@pytest.mark.parametrize(
    ("sent", "seen", "is_possible"),
    [
        (ehf(), invoice(customer=PERSON), False),
        (ehf(), efaktura(customer=PERSON), False),
        (ehf(), payment_link(customer=PERSON), False),
        (invoice(), ehf(customer=COMPANY), False),
        (efaktura(), ehf(customer=COMPANY), False),
        (ehf(), invoice(customer=STRANGER), True),
        (invoice(), invoice(customer=evolve(COMPANY, type="private")), True),
    ],
    ids=[
        "company, person's invoice",
        "company, person's e-faktura",
        "company, person's link",
        "person, company's EHF",
        "e-faktura, company's EHF",
        "no number",
        "same kind",
    ],
)
def test_a_persons_order_of_another_kind_is_not_a_companys(sent: Any, seen: Any, is_possible: bool) -> None:
    """The goods are equal; name, contact, sort of number and kind of order are another's, or not all."""
    index: SentOrders[int] = SentOrders()
    index.add(1, identity_of_order(sent))
    details = shown(seen, orderDate=shown(sent)["orderDate"], type=WORDS[kind_of_order(seen).name])
    found = index.with_equal_goods(identity_of_details(decode(OrderDetails, details)))
    assert found == ({1: Comparison.UNCLEAR} if is_possible else {})


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
        assert sum(amounts[0]) == sum(amounts[1])
        assert one.summary.grand_total == other.summary.grand_total


def test_a_second_later_may_be_another_order() -> None:
    order = invoice()
    later = evolve(order, order_date=order.order_date + timedelta(seconds=1))
    assert compare(order, shown(later)) is Comparison.UNCLEAR
