"""What the codec makes of a success's data, in all the forms that it was seen to take."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import attrs
import pytest

from frontpay_async import (
    CreatedOrder,
    CreatedTerminalOrder,
    CustomerType,
    InvoiceNumber,
    Language,
    OrderDetails,
    OrderStatus,
    OrderStatusEntry,
    OrderStatusReport,
    PartialProduct,
    PartialSummary,
    PaymentStatus,
    Product,
    RefundStatus,
    Terminal,
)
from frontpay_async._protocol.decode import UnreadableError, decode
from tests.support import builders

DETAILS: dict[str, Any] = {
    "type": "Invoice",
    "orderUuid": "ODR2210048815",
    "invoiceNumber": "10004711",
    "status": "INVOICED",
    "orderDate": "1930219200",
    "paymentLinkDueDate": "09 Mar, 2031",
    "productList": [
        {
            "id": "5410",
            "name": "Klipp",
            "productId": "KL-7",
            "quantity": 1,
            "rate": "640.00",
            "discount": 0,
            "tax": "25",
            "amount": Decimal("640.00"),
        }
    ],
    "orderSummary": {"subTotal": "512.00", "tax": 128, "discount": 0, "grandTotal": "640.00"},
    "customerDetails": {
        "type": "private",
        "uuid": "CSRT8812003417",
        "countryCode": "+47",
        "msisdn": "41234567",
        "email": "eva@example.no",
        "name": "Eva Prøve",
        "preferredLanguage": "no",
        "personalNumber": "01017012345",
        "organizationId": None,
        "address": {"street": "Kirkegata 4", "zip": "0153", "city": "Oslo", "country": "NO"},
    },
}


def test_details() -> None:
    assert decode(OrderDetails, DETAILS) == OrderDetails(
        order_uuid="ODR2210048815",
        type="Invoice",
        status=OrderStatus.INVOICED,
        invoice_number="10004711",
        order_date=datetime(2031, 3, 2, 12, tzinfo=UTC),
        payment_link_due_date=date(2031, 3, 9),
        products=(
            builders.Product(
                id=5410,
                name="Klipp",
                product_id="KL-7",
                quantity=1,
                rate="640.00",
                discount=0,
                tax=25,
                amount="640.00",
            ),
        ),
        summary=builders.OrderSummary(
            sub_total="512.00", total_tax=128, total_discount=0, grand_total="640.00"
        ),
        customer=builders.Customer(
            name="Eva Prøve",
            address=builders.Address(street="Kirkegata 4", zip="0153", city="Oslo", country="NO"),
            type=CustomerType.PRIVATE,
            country_code="+47",
            msisdn="41234567",
            email="eva@example.no",
            preferred_language=Language.NORWEGIAN,
            personal_number="01017012345",
            customer_uuid="CSRT8812003417",
        ),
    )


def test_details_of_which_only_the_id_is_told() -> None:
    details = decode(OrderDetails, {"orderUuid": "ODR1"})
    assert details == OrderDetails(order_uuid="ODR1", status=OrderStatus.UNKNOWN)
    assert (details.products, details.summary, details.customer) == ((), None, None)


def test_php_writes_empty_objects_as_lists() -> None:
    source = {
        "orderUuid": "ODR1",
        "orderSummary": [],
        "customerDetails": {"name": "Eva", "address": []},
        "productList": [],
    }
    details = decode(OrderDetails, source)
    assert (details.summary, details.products) == (None, ())
    assert details.customer is not None
    assert details.customer.address == builders.Address(street="", zip="", city="", country="")
    assert not details.unknown_fields


def test_php_writes_lists_as_objects() -> None:
    products = {"3": DETAILS["productList"][0], "8": DETAILS["productList"][0]}
    details = decode(OrderDetails, {**DETAILS, "productList": products})
    assert [line.id for line in details.products] == [5410, 5410]


@pytest.mark.parametrize("wire", ["productList", "products"])
@pytest.mark.parametrize(("tax", "discount"), [("tax", "discount"), ("totalTax", "totalDiscount")])
def test_the_names_of_orders_and_of_details_are_both_read(wire: str, tax: str, discount: str) -> None:
    source = {
        "uuid": "ODR1",
        wire: DETAILS["productList"],
        "orderSummary": {"subTotal": 4, tax: 1, discount: 2, "grandTotal": 5},
    }
    details = decode(OrderDetails, source)
    assert details.summary == builders.OrderSummary(sub_total=4, total_tax=1, total_discount=2, grand_total=5)
    assert (details.order_uuid, len(details.products)) == ("ODR1", 1)


def test_a_line_may_lack_what_is_nothing() -> None:
    source = {"orderUuid": "ODR1", "productList": [{"name": "x", "quantity": "2", "rate": 5}]}
    (line,) = decode(OrderDetails, source).products
    assert (line.tax, line.discount, line.amount, line.id) == (0, 0, 10, None)


def test_a_customer_of_an_unheard_of_type_and_language() -> None:
    customer = decode(
        OrderDetails,
        {"orderUuid": "ODR1", "customerDetails": {"type": "public", "preferredLanguage": "nn", "zip": 1}},
    ).customer
    assert customer is not None
    assert (customer.name, customer.type, customer.preferred_language) == ("", "public", "nn")


@pytest.mark.parametrize("cls", [CreatedOrder, CreatedTerminalOrder, OrderStatusEntry, OrderStatusReport])
@pytest.mark.parametrize("name", ["uuid", "orderUuid"])
def test_the_id_has_two_names(cls: Any, name: str) -> None:
    assert decode(cls, {name: "ODR1", "status": "PAID"}).order_uuid == "ODR1"


def test_the_names_own_value_wins() -> None:
    assert decode(CreatedOrder, {"uuid": "ODR1", "orderUuid": "ODR2"}).order_uuid == "ODR1"
    assert decode(CreatedOrder, {"uuid": None, "orderUuid": "ODR2"}).order_uuid == "ODR2"


@pytest.mark.parametrize("name", ["organization_uuid", "organizationUuid"])
@pytest.mark.parametrize("status", [1, "1", Decimal("1.0")], ids=repr)
def test_a_terminal(name: str, status: Any) -> None:
    source = {"uuid": "TRML1", "name": "Kasse 1", "status": status, name: "ORG1"}
    assert decode(Terminal, source) == Terminal(
        uuid="TRML1", name="Kasse 1", status=1, organization_uuid="ORG1"
    )


def test_a_terminal_of_which_only_the_id_is_told() -> None:
    assert decode(Terminal, {"uuid": "TRML1"}) == Terminal(uuid="TRML1", name="")


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (40, "40"),
        ("51.00", "51.00"),
        (Decimal("51.10"), "51.10"),
        (" 7 ", "7"),
        ("-0.05", "-0.05"),
        ("+1", "1"),
        (Decimal("1E+2"), "1E+2"),
        (Decimal("1E+40"), "1E+40"),
        (Decimal("1E-40"), "1E-40"),
        (0, "0"),
    ],
)
def test_numbers_come_as_numbers_and_as_text(written: Any, read: str) -> None:
    report = decode(OrderStatusReport, {"uuid": "ODR1", "orderAmount": written})
    assert str(report.order_amount) == read


@pytest.mark.parametrize(
    "written",
    [
        "",
        "x",
        "1,5",
        "1 000",
        "1e3",
        "NaN",
        True,
        [1],
        {"x": 1},
        Decimal("1E+41"),
        Decimal("1E-41"),
        Decimal("1E+999999"),
        Decimal("NaN"),
        "9" * 41,
        "1." + "9" * 41,
    ],
)
def test_a_number_that_cannot_be_read_is_none_and_kept(written: Any) -> None:
    """Somebody who asked for the status gets it."""
    report = decode(OrderStatusReport, {"uuid": "ODR1", "status": "PAID", "orderAmount": written})
    assert report == OrderStatusReport(order_uuid="ODR1", status=OrderStatus.PAID)
    assert [*map(repr, report.unknown_fields.values())] == [repr(written)]
    assert report.unknown_fields.keys() == {"orderAmount"}


@pytest.mark.parametrize("written", ["1.5", Decimal("0.1"), "x", "active", True, {}, [1]])
def test_a_terminals_status_that_cannot_be_read_is_none_and_kept(written: Any) -> None:
    terminal = decode(Terminal, {"uuid": "TRML1", "name": "Kasse 1", "status": written})
    assert terminal == Terminal(uuid="TRML1", name="Kasse 1", status=None)
    assert terminal.unknown_fields == {"status": written}


def test_amounts_may_be_missing() -> None:
    report = decode(OrderStatusReport, {"uuid": "ODR1", "status": "SENT", "refundedAmount": None})
    assert report == OrderStatusReport(order_uuid="ODR1", status=OrderStatus.SENT)


def test_numbers_where_text_is_due_are_text() -> None:
    number = decode(InvoiceNumber, {"orderUuid": "ODR1", "invoiceNumber": 10004711, "status": "PAID"})
    assert number.invoice_number == "10004711"


def test_an_invoice_number_may_be_missing() -> None:
    assert decode(InvoiceNumber, {"uuid": "ODR1"}) == InvoiceNumber(
        order_uuid="ODR1", invoice_number=None, status=OrderStatus.UNKNOWN
    )


@pytest.mark.parametrize("cls", [OrderStatus, PaymentStatus, RefundStatus])
@pytest.mark.parametrize("source", [None, "", "  ", 5, ["PAID"], {"status": "PAID"}, True])
def test_a_status_that_is_no_text_is_unknown(cls: Any, source: Any) -> None:
    assert decode(cls, source) is cls.UNKNOWN


def test_a_new_status_is_kept() -> None:
    status = decode(OrderStatusEntry, {"uuid": "ODR1", "status": "ON HOLD"}).status
    assert (status == "ON HOLD", status.is_final) == (True, False)


def test_unknown_fields_are_kept_by_path() -> None:
    source = {
        **DETAILS,
        "shop": {"id": 5},
        "customerDetails": {
            **DETAILS["customerDetails"],
            "isVip": True,
            "address": {"street": "Kirkegata 4", "floor": 2},
        },
        "productList": [*DETAILS["productList"], {**DETAILS["productList"][0], "colour": "red"}],
        "orderSummary": {**DETAILS["orderSummary"], "shippingCost": "49.00"},
    }
    assert decode(OrderDetails, source).unknown_fields == {
        "shop": {"id": 5},
        "productList.1.colour": "red",
        "orderSummary.shippingCost": "49.00",
        "customerDetails.isVip": True,
        "customerDetails.address.floor": 2,
    }


def test_unknown_fields_do_not_make_values_differ() -> None:
    assert decode(CreatedOrder, {"uuid": "ODR1", "new": 1}) == decode(CreatedOrder, {"uuid": "ODR1"})


@pytest.mark.parametrize(
    ("cls", "source"),
    [
        (CreatedOrder, {"uuid": "ODR1", "paymentUrl": "https://pay.example/x"}),
        (CreatedTerminalOrder, {"uuid": "ODR1", "paymentUrl": "https://pay.example/x"}),
        (OrderStatusEntry, {"uuid": "ODR1", "paymentUrl": "https://pay.example/x"}),
        (OrderStatusReport, {"uuid": "ODR1", "paymentUrl": "https://pay.example/x"}),
        (InvoiceNumber, {"uuid": "ODR1", "paymentUrl": "https://pay.example/x"}),
        (Terminal, {"uuid": "TRML1", "paymentUrl": "https://pay.example/x"}),
    ],
)
def test_unknown_fields_show_their_names_only(cls: Any, source: Any) -> None:
    value = decode(cls, source)
    assert value.unknown_fields == {"paymentUrl": "https://pay.example/x"}
    assert "unknown_fields=<paymentUrl>" in repr(value)


@pytest.mark.parametrize("source", [None, [], "text", 5, True, {}, {"uuid": None}, {"uuid": ["ODR1"]}])
def test_what_lacks_its_id_is_unreadable(source: Any) -> None:
    with pytest.raises(UnreadableError, match=r"\$"):
        decode(CreatedOrder, source)


def test_what_is_unreadable_is_told_by_path_and_not_by_value() -> None:
    secret = "01017012345"
    with pytest.raises(UnreadableError) as caught:
        decode(OrderDetails, {**DETAILS, "orderUuid": {"x": secret}})
    assert "$.orderUuid" in str(caught.value)
    assert secret not in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None


@pytest.mark.parametrize(
    "uuid", ["", " ", "ODR\0", "\ud800", "ODR 1", "ODR\n1", "é", "O" * 129, True, {}, ["ODR1"]]
)
@pytest.mark.parametrize(
    ("cls", "name"),
    [
        (CreatedOrder, "uuid"),
        (CreatedTerminalOrder, "orderUuid"),
        (OrderStatusEntry, "uuid"),
        (OrderStatusReport, "uuid"),
        (OrderDetails, "orderUuid"),
        (InvoiceNumber, "orderUuid"),
        (Terminal, "uuid"),
    ],
)
def test_an_id_that_cannot_be_used_is_unreadable(cls: Any, name: str, uuid: Any) -> None:
    with pytest.raises(UnreadableError, match=name):
        decode(cls, {name: uuid, "status": "PAID", "name": "Kasse 1"})


def test_another_id_that_cannot_be_used_is_left_out() -> None:
    created = decode(CreatedOrder, {"uuid": "ODR1", "customerUuid": "CSRT\0"})
    assert (created.order_uuid, created.customer_uuid) == ("ODR1", None)
    assert created.unknown_fields == {"customerUuid": "CSRT\0"}


def test_an_invoice_number_that_is_there_and_unreadable_is_not_none() -> None:
    """None means that there is no invoice yet."""
    with pytest.raises(UnreadableError, match="invoiceNumber"):
        decode(InvoiceNumber, {"orderUuid": "ODR1", "invoiceNumber": {"no": 5}})


ODD = [{"x": 1}, ["x"], True]


@pytest.mark.parametrize("odd", ODD, ids=repr)
@pytest.mark.parametrize("name", [name for name in DETAILS if name not in ("orderUuid", "productList")])
def test_no_member_of_details_hides_the_others(name: str, odd: Any) -> None:
    whole = decode(OrderDetails, DETAILS)
    details = decode(OrderDetails, {**DETAILS, name: odd})
    lost = {
        python
        for python in (
            "type",
            "status",
            "invoice_number",
            "order_date",
            "payment_link_due_date",
            "summary",
            "customer",
        )
        if getattr(details, python) != getattr(whole, python)
    }
    assert len(lost) == 1
    assert details.products == whole.products
    if name not in ("orderSummary", "customerDetails") or not isinstance(odd, dict):
        assert details.unknown_fields == {name: odd}


@pytest.mark.parametrize("odd", [None, "x", *ODD], ids=repr)
@pytest.mark.parametrize("name", DETAILS["customerDetails"])
def test_no_member_of_a_customer_hides_the_others(name: str, odd: Any) -> None:
    source = {**DETAILS, "customerDetails": {**DETAILS["customerDetails"], name: odd}}
    whole, details = decode(OrderDetails, DETAILS), decode(OrderDetails, source)
    assert (details.products, details.summary) == (whole.products, whole.summary)
    assert details.customer is not None
    assert whole.customer is not None
    names = attrs.fields_dict(type(whole.customer))
    lost = [each for each in names if getattr(details.customer, each) != getattr(whole.customer, each)]
    assert len(lost) <= 1


@pytest.mark.parametrize("odd", [None, "", "1,5", *ODD], ids=repr)
@pytest.mark.parametrize("wire", ["subTotal", "tax", "discount", "grandTotal"])
def test_a_summary_that_lacks_a_total_tells_the_others(wire: str, odd: Any) -> None:
    names = {
        "subTotal": "sub_total",
        "tax": "total_tax",
        "discount": "total_discount",
        "grandTotal": "grand_total",
    }
    source = {**DETAILS, "orderSummary": {**DETAILS["orderSummary"], wire: odd}}
    whole, details = decode(OrderDetails, DETAILS), decode(OrderDetails, source)
    assert isinstance(details.summary, PartialSummary)
    for each, python in names.items():
        expected = None if each == wire else getattr(whole.summary, python)
        assert getattr(details.summary, python) == expected
    assert details.unknown_fields == ({} if odd is None else {f"orderSummary.{wire}": odd})
    assert (details.products, details.customer) == (whole.products, whole.customer)


@pytest.mark.parametrize("odd", ["", "1,5", "25 %", *ODD], ids=repr)
@pytest.mark.parametrize("wire", ["quantity", "rate", "discount", "tax", "amount", "id", "productId"])
def test_a_line_that_lacks_a_number_tells_the_others(wire: str, odd: Any) -> None:
    good = DETAILS["productList"][0]
    source = {**DETAILS, "productList": [good, {**good, wire: odd}, good]}
    if wire == "productId" and isinstance(odd, str):
        pytest.skip("any text is one")
    first, line, last = decode(OrderDetails, source).products
    assert first == last == decode(OrderDetails, DETAILS).products[0]
    python = {"productId": "product_id"}.get(wire, wire)
    assert isinstance(line, Product if wire in ("id", "productId") else PartialProduct)
    assert getattr(line, python) is None
    others = [
        each for each in ("quantity", "rate", "discount", "tax", "amount", "name", "id") if each != python
    ]
    assert [getattr(line, each) for each in others] == [getattr(first, each) for each in others]
    assert decode(OrderDetails, source).unknown_fields == {f"productList.1.{wire}": odd}


@pytest.mark.parametrize("row", [None, "x", 5, True, ["x"]], ids=repr)
def test_a_line_that_is_not_an_object_keeps_its_place(row: Any) -> None:
    good = DETAILS["productList"][0]
    details = decode(OrderDetails, {**DETAILS, "productList": [good, row]})
    assert details.products[1] == PartialProduct()
    assert details.unknown_fields == {"productList.1": row}


def test_a_number_with_too_many_digits_is_told_all_the_same() -> None:
    good = DETAILS["productList"][0]
    (line,) = decode(OrderDetails, {**DETAILS, "productList": [{**good, "rate": "9" * 35}]}).products
    assert isinstance(line, PartialProduct)
    assert (line.rate, line.name) == (Decimal("9" * 35), "Klipp")


@pytest.mark.parametrize("status", [5, True, ["PAID"], {"x": 1}], ids=repr)
def test_a_status_that_cannot_be_read_is_unknown_and_kept(status: Any) -> None:
    entry = decode(OrderStatusEntry, {"uuid": "ODR1", "status": status})
    assert (entry.status, entry.unknown_fields) == (OrderStatus.UNKNOWN, {"status": status})
