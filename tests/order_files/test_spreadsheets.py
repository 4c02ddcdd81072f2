"""Files as spreadsheets export them: read, or refused with the line, the column and what helps."""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import pytest

from frontpay_async import ConfigurationError
from frontpay_async._protocol.operations import ORDER_KINDS
from frontpay_async.order_files import read_csv, read_jsonl, read_mapping, template
from frontpay_async.order_files.cells import clean, day_pattern
from frontpay_async.order_files.items import BatchItem
from tests.support import builders
from tests.support.order_files import csv_of, json_line, written

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Read = Callable[..., list[BatchItem]]
    Told = Callable[..., list[str]]


@pytest.mark.parametrize(
    "above",
    [
        "sep=;\n",
        '"sep=;"\r\n',
        "\ufeffsep=;\n",
        "SEP=;\n\n",
        "Fakturaer for mai;;;\n\n",
        "Eksport fra Visma\nSide 1 av 1\n;;;\n",
        "sep=;\nFakturaer, kunder og beløp\n",
        "key: 12\n",
    ],
)
def test_what_stands_above_the_header_is_passed_over(read: Read, told: Told, above: str) -> None:
    (item,) = read(above + csv_of({}))
    assert item.order.products[0].rate == read(csv_of({}))[0].order.products[0].rate
    (problem,) = told(above + csv_of({"customer_email": "x"}))
    lines = above.count("\n") + 2
    assert problem == f"line {lines}: customer_email must be an e-mail address"


def test_sep_says_what_stands_between_cells(read: Read) -> None:
    assert read("sep=|\n" + csv_of({}, delimiter="|"))
    assert read("sep=\t\n" + csv_of({}, delimiter="\t"))


@pytest.mark.parametrize("code", ['="0155"', "'0155", "155", "0155\u200b", "\ufeff0155", "\u00a00155"])
def test_a_postal_code_that_lost_its_zero(tmp_path: Path, code: str) -> None:
    file = written(tmp_path / "orders.csv", csv_of({"customer_zip": code}))
    (item,) = read_csv(file)
    assert item.order.customer.address.zip == "0155"
    warnings = [str(each) for each in read_csv(file).dry_run().warnings]
    expected = ["line 2: customer_zip has fewer than four digits: leading zeros were added"]
    assert warnings == (expected if code == "155" else [])


def test_only_norwegian_codes_get_zeros(read: Read, tmp_path: Path) -> None:
    assert (
        read(csv_of({"customer_zip": "155", "customer_country": "IS"}))[0].order.customer.address.zip == "155"
    )
    order = builders.invoice(customer=builders.customer(address=builders.address(zip="155")))
    file = tmp_path / "orders.jsonl"
    file.write_text(json.dumps(json_line(BatchItem(key="1", order=order))), "utf-8")
    assert next(iter(read_jsonl(file))).order.customer.address.zip == "0155"
    (warning,) = read_jsonl(file).dry_run().warnings
    assert (warning.line, warning.column) == (1, "order.customer.address.zip")


@pytest.mark.parametrize("phone", ["4,0012E+07", "4.0012345E+07", "4E+07", "4,7E+10", "4.0012345E7"])
@pytest.mark.parametrize("column", ["customer_msisdn", "key", "reference_no", "product_id"])
def test_a_number_in_scientific_notation_is_refused(told: Told, column: str, phone: str) -> None:
    (problem,) = told(csv_of({column: f'"{phone}"'}))
    assert problem.startswith(f"line 2: {column} was changed by the spreadsheet")
    assert "format the column as text" in problem


@pytest.mark.parametrize(
    "column", ["customer_zip", "customer_msisdn", "customer_country_code", "customer_personal_number"]
)
@pytest.mark.parametrize("number", ["155.0", "40012345,00"])
def test_digits_that_became_a_number_are_refused(told: Told, read: Read, column: str, number: str) -> None:
    (problem,) = told(csv_of({column: f'"{number}"'}))
    assert problem.startswith(f"line 2: {column} was written as a number with a fraction")
    assert read(csv_of({"key": "12.0"}))[0].key == "12.0"


@pytest.mark.parametrize("error", ["#N/A", "#I/T", "#REF!", "#VERDI!", "#DIV/0!", "#NAVN?", "########"])
@pytest.mark.parametrize("column", ["customer_name", "product_rate", "order_date", "customer_zip", "key"])
def test_an_error_of_the_spreadsheet_is_refused(told: Told, column: str, error: str) -> None:
    (problem,) = told(csv_of({column: error}))
    assert problem.startswith(f"line 2: {column} is a spreadsheet error")


@pytest.mark.parametrize("word", ["nan", "NaN", "NULL", "<NA>", "None"])
def test_another_programs_word_for_nothing_is_refused_where_it_is_no_name(
    told: Told, read: Read, word: str
) -> None:
    (problem,) = told(csv_of({"customer_msisdn": word}))
    assert problem.startswith("line 2: customer_msisdn is a placeholder for a missing value")
    assert read(csv_of({"customer_name": word}))[0].order.customer.name == word


def test_marks_that_cannot_be_seen_do_not_count(read: Read) -> None:
    text = csv_of(
        {"customer_msisdn": "400\u200b12345", "product_quantity": "\u200b2", "customer_email": "a@b.no\u200e"}
    )
    (item,) = read(f"\u200b{text}")
    assert item.order.customer.msisdn == "40012345"
    assert item.order.customer.email == "a@b.no"
    assert item.order.products[0].quantity == 2


@pytest.mark.parametrize(
    "rate",
    [
        "1149,50",
        "1 149,50",
        "1\u00a0149,50",
        "1\u202f149,50",
        "1.149,50",
        "kr 1149,50",
        "1149,50 kr",
        "1149,5",
        "+1149,50",
    ],
)
def test_a_decimal_comma_is_found_out(read: Read, rate: str) -> None:
    (item,) = read(csv_of({"product_rate": rate}))
    assert item.order.products[0].rate == Decimal("1149.5")


@pytest.mark.parametrize("rate", ["1149.50", "1 149.50", "1,149.50", "1149.5"])
def test_a_decimal_point_is_found_out(read: Read, rate: str) -> None:
    (item,) = read(csv_of({"product_rate": rate}, delimiter=";"))
    assert item.order.products[0].rate == Decimal("1149.5")


def test_the_sign_is_that_of_the_whole_file(read: Read, told: Told) -> None:
    comma = csv_of({"key": "1", "product_rate": "1,149"}, {"key": "2", "product_rate": "2,50"})
    assert [item.order.products[0].rate for item in read(comma)] == [Decimal("1.149"), Decimal("2.50")]
    for text in (
        csv_of({"product_rate": "1,149"}),
        csv_of({"key": "1", "product_rate": "1.5"}, {"product_rate": "2,50"}),
    ):
        (problem,) = told(text)
        assert "product_rate must be a plain number" in problem
        assert "need decimal=','" in problem
    assert read(csv_of({"product_rate": "1,149"}), decimal=",")[0].order.products[0].rate == Decimal("1.149")


@pytest.mark.parametrize("tax", ["25 %", "25%", "25\u00a0%"])
def test_a_rate_of_vat_may_have_its_percent_sign(read: Read, told: Told, tax: str) -> None:
    assert read(csv_of({"product_tax": tax}))[0].order.products[0].tax == 25
    assert len(told(csv_of({"product_rate": "25 %"}))) == 1


@pytest.mark.parametrize(
    ("text", "form", "moment"),
    [
        ("01.12.2035", None, date(2035, 12, 1)),
        ("1.2.2035", None, date(2035, 2, 1)),
        ("01.12.2035 00:00:00", None, date(2035, 12, 1)),
        ("2035-12-01 00:00:00", None, date(2035, 12, 1)),
        ("01/12/2035", "dd/mm/yyyy", date(2035, 12, 1)),
        ("12/01/2035", "%m/%d/%Y", date(2035, 12, 1)),
        ("01.12.35", "dd.mm.yy", date(2035, 12, 1)),
        ("20351201", "yyyymmdd", date(2035, 12, 1)),
        ("2035-12-01", "dd/mm/yyyy", date(2035, 12, 1)),
    ],
)
def test_dates(read: Read, text: str, form: str | None, moment: date) -> None:
    assert read(csv_of({"order_date": text}), date_format=form)[0].order.order_date == moment


def test_a_time_needs_a_zone(read: Read, told: Told) -> None:
    text = csv_of({"order_date": "01.12.2035 09:30"})
    assert len(told(text)) == 1
    (item,) = read(text, zone="Europe/Oslo")
    assert item.order.order_date == datetime(2035, 12, 1, 9, 30, tzinfo=ZoneInfo("Europe/Oslo"))


@pytest.mark.parametrize("text", ["01/12/2035", "12/31/35", "1 Dec 2035", "46357"])
def test_a_date_in_another_form_names_the_setting(told: Told, text: str) -> None:
    (problem,) = told(csv_of({"order_date": text}))
    assert problem.startswith("line 2: order_date must be a date")
    assert "date_format" in problem


@pytest.mark.parametrize("form", ["", "dd.mm", "dd.mm.yyyy.dd", "yyyy", "x"])
def test_a_form_of_dates_names_day_month_and_year(form: str) -> None:
    with pytest.raises(ConfigurationError, match="day, month and year"):
        day_pattern(form)


def test_a_title_can_be_passed_over_by_its_name(read: Read) -> None:
    text = csv_of({"Selger": "Ola"})
    assert read(text, skip=["Selger"])
    assert read(text, mapping={"Selger": None})


def test_a_mapping_file_has_titles_and_settings(tmp_path: Path) -> None:
    mapping = tmp_path / "visma.toml"
    mapping.write_text(
        'kind = "invoice"\ndate_format = "dd/mm/yyyy"\nskip = ["Selger"]\n'
        '[columns]\n"Fakturanr" = "key"\n[defaults]\ncustomer_country = "NO"\n',
        "utf-8",
    )
    text = csv_of({"Selger": "Ola", "order_date": "01/12/2035", "customer_country": ""}).replace(
        "key", "Fakturanr", 1
    )
    file = written(tmp_path / "orders.csv", text)
    (item,) = read_csv(file, mapping=mapping)
    assert (item.order.order_date, item.order.customer.address.country) == (date(2035, 12, 1), "NO")
    assert read_csv(file, mapping=str(mapping), date_format="mm/dd/yyyy").dry_run().total.orders == 1
    assert read_mapping(mapping).skip == ("Selger",)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("kind = ", "is not a mapping file"),
        ("decimals = ','", "'decimals' is unknown"),
        ("decimal = 1", "must be text"),
        ("[columns]\na = 1", "must be text"),
        ("skip = 'x'", "skip must be a list"),
        ("[columns]\nA = 'kee'", "is not a column"),
    ],
)
def test_a_mapping_file_that_is_wrong_is_refused(tmp_path: Path, text: str, problem: str) -> None:
    mapping = tmp_path / "m.toml"
    mapping.write_text(text, "utf-8")
    with pytest.raises(ConfigurationError, match=problem):
        read_csv("orders.csv", mapping=mapping)


@pytest.mark.parametrize("kind", ORDER_KINDS)
def test_the_template_can_be_read(tmp_path: Path, kind: str) -> None:
    text = template(kind, date(2035, 1, 1))
    assert text.startswith("\ufeffkey;kind;")
    file = written(tmp_path / "template.csv", text)
    judged = read_csv(file).dry_run()
    assert (judged.violations, judged.warnings, judged.total.orders) == ((), (), 1)
    assert judged.total.grand_total == 299


def test_violations_that_say_the_same_are_told_together(tmp_path: Path) -> None:
    rows: list[dict[str, Any]] = [{"key": str(number), "customer_email": "x"} for number in range(3)]
    judged = read_csv(
        written(tmp_path / "orders.csv", csv_of(*rows, {"key": "9", "product_tax": "x"}))
    ).dry_run()
    assert str(judged.groups[0]) == "lines 2, 3, 4: customer_email must be an e-mail address"
    assert judged.violation_count == 4
    assert len(judged.groups) == 2


@pytest.mark.parametrize("cell", ["", " ", "x", "=1", '="', "'", "'x", "a\u200db"])
def test_other_cells_stay(cell: str) -> None:
    assert clean(cell) == cell.strip()


def test_a_composed_key_and_a_decomposed_one_are_one_key(told: Told, read: Read) -> None:
    rows = [{"key": "F\u00c5-1"}, {"key": "2"}, {"key": "FA\u030a-1"}]
    (problem,) = told(csv_of(*rows))
    assert problem.startswith("line 4: key is already in line 2")
    line = {"key": "FA\u030a-1", "product_name": "Voks"}
    (item,) = read(csv_of({"key": "F\u00c5-1"}, line))
    assert len(item.order.products) == 2


@pytest.mark.parametrize("rate", ["1.149", "10.000", "999.999"])
def test_a_point_that_may_separate_thousands_is_refused(read: Read, told: Told, rate: str) -> None:
    """Money: 10.000 alone is ten, or ten thousand as Norwegian programs write it."""
    text = csv_of({"product_rate": rate}, delimiter=";")
    ambiguous = "product_rate may be thousands or a fraction: pass decimal='.' or decimal=','"
    assert told(text) == [f"line 2: {ambiguous}"]
    assert read(text, decimal=".")[0].order.products[0].rate == Decimal(rate)
    for other in ("149.50", "0.335"):
        shown = csv_of({"product_rate": rate}, {"key": "2", "product_rate": other}, delimiter=";")
        assert read(shown)[0].order.products[0].rate == Decimal(rate)


@pytest.mark.parametrize(
    ("start", "problem"),
    [
        (b"PK\x03\x04\x14\0", "is a workbook (such as .xlsx) or an archive, not text"),
        (b"\xd0\xcf\x11\xe0\xa1", "is a workbook (.xls), not text"),
        (b"\x1f\x8b\x08", "is compressed (gzip)"),
    ],
)
def test_a_file_that_is_no_text_is_named(told: Told, start: bytes, problem: str) -> None:
    (line,) = told(start + b"\0\n\xff\n")
    assert line.startswith(f"line 1: {problem}")


def test_line_ends_of_two_kinds_are_named(told: Told) -> None:
    text = csv_of({}, {"key": "2"}).replace("\r\n", "\n").replace("\n", "\r", 1)
    assert "save the file again with one kind of line ends" in told(text)[0]


@pytest.mark.parametrize("column", ["customer_zip", "customer_msisdn", "customer_country_code"])
@pytest.mark.parametrize("cell", ["=155", "=A1&B1"])
def test_a_formula_in_place_of_digits_is_refused(told: Told, column: str, cell: str) -> None:
    problem = "is a formula, not its value: export the file again with values"
    assert told(csv_of({column: cell})) == [f"line 2: {column} {problem}"]


@pytest.mark.parametrize("key", ["1001.0", "1001,0", "100.0"])
def test_a_key_with_a_fraction_is_refused(read: Read, told: Told, key: str) -> None:
    """Money: 1001 of this month's file and 1001.0 of the next would be two orders of one invoice."""
    (problem,) = told(csv_of({"key": key}))
    assert problem.startswith("line 2: key was written as a number with a fraction")
    for fine in ("1001.01", "2.0", "F-1001.0", "2026.10"):
        assert read(csv_of({"key": fine}))[0].key == fine
