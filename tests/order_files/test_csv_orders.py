"""What a CSV file may look like, and what is told of one that is wrong."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from frontpay_async import ConfigurationError, EFakturaOrder, InvoiceOrder, OrderSummary, PaymentLinkOrder
from frontpay_async.order_files.assemble import DATE_DEMAND
from frontpay_async.order_files.files import read_csv
from tests.support.order_files import KEYED, csv_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from frontpay_async.order_files.items import BatchItem

    Read = Callable[..., list[BatchItem]]
    Told = Callable[..., list[str]]


def test_a_record_is_an_order(read: Read) -> None:
    [item] = read(csv_of({}))
    assert item.key == "1001"
    order = item.order
    assert isinstance(order, InvoiceOrder)
    assert order.order_date == date(2035, 6, 15)
    assert order.customer.address.zip == "0155"
    assert [product.amount for product in order.products] == [Decimal("102.00")]
    assert order.summary == OrderSummary.of(order.products)
    assert order.invoice_fee_applicable is True


def test_consecutive_records_of_a_key_are_the_lines_of_one_order(read: Read) -> None:
    """What they repeat of the order may be left out, or be the same."""
    blank = dict.fromkeys(KEYED, "")
    cut = {"product_name": "Cut", "product_quantity": "1", "product_rate": "450", "product_tax": "12"}
    items = read(
        csv_of(
            {}, {"product_name": "Wash"}, {**blank, "key": "1001", **cut}, {"key": "1002"}, {"key": "1003"}
        )
    )
    assert [item.key for item in items] == ["1001", "1002", "1003"]
    assert [product.name for product in items[0].order.products] == ["Haircut", "Wash", "Cut"]
    assert items[0].order.summary == OrderSummary.of(items[0].order.products)


def test_what_a_later_record_says_otherwise_is_told(told: Told) -> None:
    assert told(csv_of({}, {"customer_city": "Bergen", "kind": "", "reference_no": "R-1"})) == [
        "line 3: customer_city must be empty, or the same as in the first record of this key",
        "line 3: reference_no must be empty, or the same as in the first record of this key",
    ]


def test_a_record_that_was_exported_twice_is_told(told: Told, read: Read) -> None:
    """It would double what is billed. A line of its own leaves the order's columns empty, or differs."""
    other = {"product_name": "Wash"}
    twice = told(csv_of({}, other, {}, {"key": "1002"}, {"key": "1002"}))
    assert [one.partition(",")[0] for one in twice] == [
        "line 4: is the same as an earlier one of this order",
        "line 6: is the same as an earlier one of this order",
    ]
    line = {title: cell if title.startswith("product_") else "" for title, cell in KEYED.items()}
    line["key"] = "1001"
    [item] = read(csv_of({}, line, line))
    assert [product.name for product in item.order.products] == ["Haircut"] * 3
    numbered = csv_of({"line": "1"}, {"line": "2"})
    assert len(read(numbered, mapping={"line": None})[0].order.products) == 2


def test_a_later_record_adds_a_product(told: Told) -> None:
    nothing = dict.fromkeys(KEYED, "") | {"key": "1001"}
    assert told(csv_of({}, nothing)) == ["line 3: adds no product to the order with this key"]


def test_a_key_that_comes_back_is_told(told: Told) -> None:
    assert told(csv_of({}, {"key": "1002"}, {})) == [
        "line 4: key is already in line 2; the records of one order must be consecutive"
    ]


@pytest.mark.parametrize("key", ["", "  ", "x" * 201, "a\u200bb"])
def test_a_key_is_needed(told: Told, key: str) -> None:
    [one, other] = told(csv_of({"key": key}, {"key": ""}))
    assert one.startswith("line 2: key m")
    assert other == "line 3: key must not be empty, nor begin or end with white space"


def test_every_violation_of_the_file_is_told(told: Told) -> None:
    """Those of the cells, those of the rules, and what is missing; the lines are those of an editor."""
    content = csv_of(
        {"customer_name": '"Ola\nTestmann"', "product_quantity": "two", "customer_email": "ola"},
        {"key": "1002", "order_date": "soon", "product_tax": "", "customer_country": "Norway"},
        {"key": "1003", "kind": "bill", "product_rate": "1,5"},
        {"key": "1004", "customer_name": "", "customer_type": "corporate", "product_name": ""},
    )
    number = "must be a plain number, such as 51.00, with at most 30 digits before and after the point"
    absent = "(the header has no such column)"
    assert told(content) == [
        f"line 2: product_quantity {number}",
        "line 2: customer_email must be an e-mail address",
        f"line 4: order_date {DATE_DEMAND}",
        "line 4: product_tax is required",
        "line 4: customer_country must be an assigned ISO 3166-1 alpha-2 country code, such as NO",
        "line 5: kind must be payment_link, invoice, efaktura or ehf",
        f"line 5: product_rate {number}; numbers such as 51,00 need decimal=','",
        "line 6: product_name is required",
        "line 6: customer_name is required",
        f"line 6: customer_organization_id is required when customer_type is corporate {absent}",
    ]


def test_a_violation_of_a_product_stands_on_its_line(told: Told) -> None:
    blank = dict.fromkeys(KEYED, "") | {"key": "1001"}
    wash = blank | {
        "product_name": "Wash",
        "product_rate": "51",
        "product_quantity": "1",
        "product_tax": "25",
    }
    content = csv_of({}, wash, blank | {"product_name": "X", "product_rate": "1"})
    assert told(content) == ["line 4: product_quantity is required", "line 4: product_tax is required"]


def test_a_column_that_is_missing_is_told_once(told: Told) -> None:
    content = csv_of({}, {"key": "1002"}, {"key": "1003"})
    without = "\n".join(line.rpartition(";")[0] for line in content.splitlines())
    assert told(without) == ["line 2: product_tax is required (the header has no such column)"]


def test_an_order_without_products_is_told(told: Told) -> None:
    products = {column: "" for column in KEYED if column.startswith("product_")}
    assert told(csv_of(products)) == ["line 2: products is required"]


def test_all_four_totals_or_none(read: Read, told: Told) -> None:
    totals = {
        "summary_sub_total": "81.60",
        "summary_total_tax": "20.39",
        "summary_total_discount": "0",
        "summary_grand_total": "101.99",
    }
    assert str(read(csv_of(totals))[0].order.summary.grand_total) == "101.99"
    assert told(csv_of(totals | {"summary_total_tax": ""})) == ["line 2: summary_total_tax is required"]


def test_money_that_contradicts_itself_is_told(read: Read, told: Told) -> None:
    ore = {
        "summary_sub_total": "8160",
        "summary_total_tax": "2040",
        "summary_total_discount": "0",
        "summary_grand_total": "10200",
    }
    found = told(csv_of(ore))
    assert [sentence.partition(" must")[0] for sentence in found] == [
        "line 2: summary_grand_total",
        "line 2: summary_total_tax",
    ]
    assert all("in øre" in sentence and "strict_totals=False" in sentence for sentence in found)
    assert read(csv_of(ore), strict_totals=False)[0].order.summary.grand_total == 10200
    (fraction,) = told(csv_of({"product_tax": "0.25"}))
    assert fraction.startswith("line 2: product_tax is a rate in percent: write 25 for 25 %, not 0.25")


def test_an_order_that_cannot_be_read_is_not_added_up(told: Told) -> None:
    totals = dict.fromkeys(
        ("summary_sub_total", "summary_total_tax", "summary_total_discount", "summary_grand_total"), "1"
    )
    found = told(csv_of(totals | {"product_rate": "x"}))
    assert len(found) == 1


def test_totals_that_cannot_be_computed_are_told(told: Told) -> None:
    assert told(csv_of({"product_tax": "-100"})) == [
        "line 2: summary cannot be computed from a product whose tax is -100 or less"
    ]


def test_a_field_of_another_kind_must_be_empty(told: Told, read: Read) -> None:
    content = csv_of({"secure_details": "yes"})
    assert told(content) == ["line 2: secure_details must be empty: the kind invoice has no such field"]
    link = {"kind": "payment_link", "invoice_as_payment_option": "nei", "secure_details": "ja"}
    [one, other] = read(csv_of(link, {"key": "1002"}))
    assert isinstance(one.order, PaymentLinkOrder)
    assert one.order.secure_details is True
    assert one.order.send_order_by is None
    assert isinstance(other.order, InvoiceOrder)


def test_the_kind_may_be_an_argument(read: Read, told: Told) -> None:
    """What stands in the file comes first."""
    efaktura = {"customer_personal_number": "01017012345", "callback_url": "https://example.no/cb"}
    content = csv_of({"kind": ""} | efaktura, {"key": "1002", "kind": "Invoice"} | efaktura)
    assert [type(item.order) for item in read(content, kind="efaktura")] == [EFakturaOrder, InvoiceOrder]
    assert told(content) == ["line 2: kind must be payment_link, invoice, efaktura or ehf"]


# Titles


def test_titles_are_mapped(read: Read) -> None:
    content = csv_of({}).replace("key", "Fakturanr").replace("customer_city", "CUSTOMER_City")
    content = "".join(f"{line};x\n" for line in content.splitlines()).replace(";x\n", ";Selger\n", 1)
    [item] = read(content, mapping={"Fakturanr": "key", "Selger": None})
    assert item.key == "1001"
    assert item.order.customer.address.city == "Oslo"


def test_violations_name_the_titles_of_the_file(told: Told) -> None:
    content = csv_of({"customer_type": "corporate", "customer_organization_id": ""})
    content = content.replace("customer_type", "Type").replace("customer_organization_id", "Org.nr")
    mapping = {"Type": "customer_type", "Org.nr": "customer_organization_id"}
    assert told(content, mapping=mapping) == ["line 2: Org.nr is required when Type is corporate"]


def test_titles_that_are_wrong_are_told_together(told: Told) -> None:
    content = csv_of({"customerName": "", "customer_nme": "", " KEY": "", "": "x", "ola@example.no": "y"})
    assert told(content, mapping={"Mobil": "customer_msisdn"}) == [
        "line 1: customerName is not known; did you mean customer_name?",
        "line 1: customer_nme is not known; did you mean customer_name?",
        "line 1: KEY repeats key",
        "line 1: column 20 is not known",
        "line 1: column 21 is not known",
        "line 1: Mobil is mapped to customer_msisdn, but is not in the header",
    ]


def test_a_file_without_a_header_is_refused_and_not_shown(told: Told) -> None:
    content = csv_of({}).partition("\n")[2]
    assert told(content) == ["line 1: key is not a column of the header; add it, or map another column to it"]


@pytest.mark.parametrize("content", ["", "\n", "\ufeff", " \r\n\r\n", ";;;\n"])
def test_an_empty_file_is_refused(told: Told, content: str) -> None:
    assert told(content) == ["line 1: the file is empty: it needs a header, such as key;kind;product_name"]


def test_a_file_with_only_a_header_is_a_batch_of_nothing(read: Read) -> None:
    assert read("key\n") == []


def test_too_many_columns_are_refused(told: Told) -> None:
    assert told("key" + ";x" * 1000) == ["line 1: has more than 1000 columns"]


def test_defaults_stand_in_for_empty_cells(read: Read, told: Told) -> None:
    defaults = {"customer_country": "NO", "reference_no": "R-0", "product_tax": "15", "secure_details": "yes"}
    content = csv_of({"customer_country": "", "product_tax": ""}, {"key": "1002", "customer_country": "SE"})
    items = read(content, defaults=defaults)
    assert [item.order.customer.address.country for item in items] == ["NO", "SE"]
    assert [item.order.products[0].tax for item in items] == [15, 25]
    assert {item.order.reference_no for item in items} == {"R-0"}
    assert told(content, defaults=defaults | {"customer_type": "private", "invoice_maturity": "soon"}) == [
        "line 2: invoice_maturity must be a whole number (in the defaults)"
    ]


def test_a_product_may_stand_in_the_defaults_alone(read: Read, told: Told) -> None:
    """Such as a membership fee. A record of an order that has several gives a product by its own cells."""
    fee = {"product_name": "Fee", "product_quantity": "1", "product_rate": "300", "product_tax": "0"}
    none = dict.fromkeys(fee, "")
    other = dict.fromkeys(KEYED, "") | {"key": "1002", "product_name": "Badge"}
    items = read(csv_of(none, none | {"key": "1002"}, other), defaults=fee)
    assert [[product.name for product in item.order.products] for item in items] == [["Fee"], ["Badge"]]
    assert told(csv_of(none), defaults={"product_tax": "0"}) == [
        f"line 2: {column} is required" for column in ("product_quantity", "product_rate", "product_name")
    ]


@pytest.mark.parametrize(
    "wrong",
    [
        {"mapping": {"Navn": "customerName"}},
        {"defaults": {"country": "NO"}},
        {"defaults": {"key": "1"}},
        {"defaults": {"kind": "ehf"}},
        {"delimiter": ""},
        {"delimiter": ";;"},
        {"delimiter": '"'},
        {"decimal": ""},
        {"decimal": ";"},
        {"kind": "bill"},
        {"zone": "Europe/Olso"},
        {"zone": "../etc"},
        {"encoding": "utf-16"},
        {"encoding": "utf-9"},
        {"encoding": "rot13"},
    ],
)
def test_arguments_that_are_wrong_are_refused_at_once(wrong: Any, tmp_path: Path) -> None:
    """Before the file is looked for."""
    with pytest.raises(ConfigurationError):
        read_csv(tmp_path / "missing.csv", **wrong)


def test_extra_is_a_json_object(read: Read, told: Told) -> None:
    (item,) = read(csv_of({"extra": '"{""isCreditCheckAvailable"": false, ""fee"": 1.50}"'}))
    assert item.order.extra == {"isCreditCheckAvailable": False, "fee": Decimal("1.50")}
    assert str(item.order.extra["fee"]) == "1.50"
    for wrong in ("[1]", "x", "1"):
        assert told(csv_of({"extra": wrong})) == [
            'line 2: extra must be a JSON object, such as {"isCreditCheckAvailable": false}'
        ]
