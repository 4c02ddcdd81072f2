"""How the cells of a CSV file are read, and what is told of a file that is not well-formed."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta, timezone
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

import pytest

from frontpay_async import InvoiceOrder
from frontpay_async.order_files.violations import LineViolation
from tests.support.order_files import csv_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from frontpay_async.order_files.items import BatchItem

    Read = Callable[..., list[BatchItem]]
    Told = Callable[..., list[str]]


@pytest.mark.parametrize("delimiter", [";", ",", "\t"])
def test_the_delimiter_is_found(read: Read, delimiter: str) -> None:
    [item] = read(csv_of({}, delimiter=delimiter).replace("Storgata 1", '"Storgata 1, 2; 3"'))
    assert item.order.customer.address.street == "Storgata 1, 2; 3"


def test_the_delimiter_may_be_any_character(read: Read) -> None:
    assert len(read(csv_of({}, delimiter="|"), delimiter="|")) == 1


@pytest.mark.parametrize(
    ("text", "number"), [("1", "1"), ("1,50", "1.50"), ("-0,5", "-0.5"), ("+7", "7"), (" 0001,10 ", "1.10")]
)
def test_numbers_are_exact(read: Read, text: str, number: str) -> None:
    # A negative price is a credit: alone, it would make the total negative.
    item = read(csv_of({"product_rate": text}), decimal=",", strict_totals=False)[0]
    assert str(item.order.products[0].rate) == number


@pytest.mark.parametrize(
    "text",
    [
        "1e308",
        "NaN",
        "Infinity",
        "-inf",
        "0x10",
        "1,000.5",
        "1.",
        ".5",
        "1_0",
        "٣",
        "=1",
        "9" * 31,
        "9" * 9999,
    ],
    ids=lambda text: f"{text[:8]}-{len(text)}",
)
@pytest.mark.parametrize("decimal", [".", ","])
def test_what_is_no_plain_number_is_told(told: Told, text: str, decimal: str) -> None:
    [one] = told(csv_of({"product_rate": text.replace(".", decimal)}), decimal=decimal)
    assert one.startswith("line 2: product_rate must be a plain number")


@pytest.mark.parametrize(
    ("text", "decimal"), [("1.5", ","), ("1,5", "."), ("1.234,5", ","), ("1,234.5", ".")]
)
def test_the_other_decimal_sign_is_never_guessed(told: Told, text: str, decimal: str) -> None:
    assert len(told(csv_of({"product_rate": text}, delimiter="\t"), decimal=decimal)) == 1


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2035-06-15", date(2035, 6, 15)),
        ("2035-06-15T10:30:00Z", datetime(2035, 6, 15, 10, 30, tzinfo=UTC)),
        ("2035-06-15 10:30+0200", datetime(2035, 6, 15, 10, 30, tzinfo=timezone(timedelta(hours=2)))),
        ("2035-06-15 10:30", datetime(2035, 6, 15, 10, 30, tzinfo=ZoneInfo("Europe/Oslo"))),
        ("2035-01-15T10:30:15.5", datetime(2035, 1, 15, 10, 30, 15, 500_000, tzinfo=ZoneInfo("Europe/Oslo"))),
    ],
)
def test_dates_are_iso(read: Read, text: str, moment: date) -> None:
    assert read(csv_of({"order_date": text}), zone="Europe/Oslo")[0].order.order_date == moment


@pytest.mark.parametrize(
    "text",
    [
        "15/06/2035",
        "31.02.2035",
        "20350615",
        "2035-W24",
        "2035-02-30",
        "2035-06-15T25:00Z",
        "2035-06-15T10:30",
        "1750000000",
        "0000-01-01",
    ],
)
def test_any_other_date_is_told(told: Told, text: str) -> None:
    """A time without a zone names no moment, unless there is a zone for all."""
    [one] = told(csv_of({"order_date": text}))
    assert one.startswith("line 2: order_date must be a date")


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("JA", True),
        ("SANN", True),
        ("1", True),
        ("False", False),
        ("nei", False),
        ("0", False),
    ],
)
def test_yes_and_no(read: Read, text: str, value: bool) -> None:
    order = read(csv_of({"invoice_fee_applicable": text}))[0].order
    assert isinstance(order, InvoiceOrder)
    assert order.invoice_fee_applicable is value


def test_any_other_word_is_told(told: Told) -> None:
    assert told(csv_of({"invoice_fee_applicable": "maybe", "invoice_maturity": "10.0"})) == [
        "line 2: invoice_fee_applicable must be true or false (yes or no, ja or nei, 1 or 0)",
        "line 2: invoice_maturity must be a whole number",
    ]


def test_white_space_around_cells_and_empty_records_do_not_count(read: Read) -> None:
    content = csv_of({"customer_email": " ola@example.no\u00a0"}, {"key": "1002"})
    content = content.replace("\n", ";;\n").replace("\n1002", f"\n\n{';' * 17}\n \n1002")
    items = read(content)
    assert [item.key for item in items] == ["1001", "1002"]
    assert items[0].order.customer.email == "ola@example.no"


# What is not well-formed


def test_a_record_of_another_width_is_told(told: Told) -> None:
    content = csv_of({}) + "1002;invoice\n" + csv_of({"key": "1003"}).splitlines()[1] + ";more\n"
    assert told(content) == [
        "line 3: has 2 cells, and the header has 16",
        "line 4: has 17 cells, and the header has 16",
    ]


def test_a_decimal_comma_that_parts_a_cell_is_told(told: Told) -> None:
    """149,50 at 25 % must not become 149 at 50 % with a discount of 25."""
    content = csv_of({"product_rate": "149,50", "product_discount": ""}, delimiter=",")
    assert told(content, decimal=",") == ["line 2: has 18 cells, and the header has 17"]


def test_a_cell_under_no_title_is_told(told: Told) -> None:
    content = csv_of({}, {"key": "1002"}).replace("\n", ";\n")
    assert told(content.removesuffix("\n") + "x\n") == ["line 3: has a cell under an empty title"]


def test_a_lone_quote_does_not_hide_what_follows(told: Told) -> None:
    """A quote that is not closed costs its line, not the rest of the file."""
    content = csv_of(
        {"customer_city": '"Oslo'},
        {"key": "1002", "customer_email": "x"},
        {"key": "1003", "customer_email": "x"},
    )
    assert told(content) == [
        "line 2: is not well-formed CSV: unexpected end of data",
        "line 3: customer_email must be an e-mail address",
        "line 4: customer_email must be an e-mail address",
    ]


def test_text_after_a_quote_is_told(told: Told) -> None:
    assert told(csv_of({"customer_city": '"Oslo" S'})) == [
        "line 2: is not well-formed CSV: ';' expected after '\"'"
    ]


def test_a_record_of_very_many_lines_is_told(told: Told) -> None:
    content = csv_of({"customer_city": '"' + "\n" * 101 + '"'})
    assert told(content)[0] == "line 2: is not well-formed CSV: a record has more than 100 lines"


def test_a_very_long_cell_is_told(told: Told) -> None:
    [one] = told(csv_of({"customer_city": "x" * 200_000}))
    assert one == "line 2: is not well-formed CSV: field larger than field limit (131072)"


def test_line_ends_may_be_carriage_returns_alone(read: Read, told: Told) -> None:
    text = csv_of({"key": "1"}, {"key": "2"}, {"key": "3", "customer_email": "x"}).replace("\n", "\r")
    assert told(text) == ["line 4: customer_email must be an e-mail address"]
    assert [item.key for item in read(text.replace(";x", ";x@example.no"))] == ["1", "2", "3"]


def test_a_violation_is_plain_data() -> None:
    violation = LineViolation(2, "customer_email", "must be an e-mail address")
    assert (violation.line, violation.column) == (2, "customer_email")
    assert str(LineViolation(3, "", "is not JSON")) == "line 3: is not JSON"


def test_white_space_and_marks_around_a_text_do_not_count_in_any_order(read: Read) -> None:
    around = "\u00ad\u3000\u00ad\u3000"
    [item] = read(csv_of({"customer_city": f"{around}Oslo{around}", "customer_first_name": around}))
    assert item.order.customer.address.city == "Oslo"
    assert item.order.customer.first_name is None
