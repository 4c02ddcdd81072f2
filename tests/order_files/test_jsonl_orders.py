"""What a file of JSON lines may look like, and what is told of one that is wrong."""

from __future__ import annotations

import json
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

import attrs
import pytest

from frontpay_async import ConfigurationError, EFakturaOrder, InvoiceOrder, OrderSummary
from frontpay_async._protocol.operations import ORDER_KINDS
from frontpay_async.order_files.files import read_jsonl
from frontpay_async.order_files.items import BatchItem
from frontpay_async.order_files.violations import InvalidFileError
from tests.support import builders
from tests.support.order_files import json_line, written
from tests.support.wire import changed, without

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Read = Callable[..., list[BatchItem]]
    Told = Callable[..., list[str]]

LINE = json_line(BatchItem(key="1001", order=builders.invoice()))


def text_of(*lines: Any) -> str:
    return "".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines)


def with_value(path: str, text: str) -> str:
    """The sound line, with JSON text in place of a value."""
    return json.dumps(changed(LINE, path, "HERE")).replace('"HERE"', text)


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Read lines as orders."""
    return lambda *lines, **how: list(read_jsonl(written(tmp_path / "orders.jsonl", text_of(*lines)), **how))


@pytest.fixture
def told(tmp_path: Path) -> Told:
    """List what is told of lines that are refused."""

    def violations(*lines: Any, **how: Any) -> list[str]:
        with pytest.raises(InvalidFileError) as caught:
            read_jsonl(written(tmp_path / "orders.jsonl", text_of(*lines)), **how).check()
        return [str(violation) for violation in caught.value.violations]

    return violations


def test_a_line_is_an_order(read: Read) -> None:
    [item] = read("", LINE, "  ")
    assert item == BatchItem(key="1001", order=builders.invoice())


def test_an_empty_file_is_a_batch_of_nothing(read: Read) -> None:
    assert read() == []


def test_totals_are_computed_and_null_is_no_value(read: Read) -> None:
    line = changed(without(LINE, "order.summary"), "order.invoice_maturity", None)
    order = read(line)[0].order
    assert order.summary == OrderSummary.of(order.products)
    assert isinstance(order, InvoiceOrder)
    assert order.invoice_maturity is None


def test_the_kind_may_be_an_argument(read: Read, told: Told) -> None:
    plain = changed(without(LINE, "kind"), "order.callback_url", "https://example.no/cb")
    items = read(plain, changed(LINE, "key", "1002"), kind="efaktura")
    assert [type(item.order) for item in items] == [EFakturaOrder, InvoiceOrder]
    demand = "kind must be payment_link, invoice, efaktura or ehf"
    wrong = [changed({**LINE, "key": str(kind)}, "kind", kind) for kind in (5, "bill", "Invoice", [])]
    assert told(plain, *wrong) == [f"line {number}: {demand}" for number in range(1, 6)]
    with pytest.raises(ConfigurationError):
        read_jsonl("orders.jsonl", kind="bill")


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("0.1", "0.1"),
        ("51.00", "51.00"),
        ('"51.00"', "51.00"),
        ("1e2", "1E+2"),
        ("123456789012345678.10", "123456789012345678.10"),
        ("-3", "-3"),
    ],
)
def test_numbers_are_exact(read: Read, text: str, number: str) -> None:
    assert str(read(with_value("order.products.0.rate", text))[0].order.products[0].rate) == number


@pytest.mark.parametrize(
    "text",
    [
        "NaN",
        "-Infinity",
        "1e308",
        "1e-99",
        "1e999999999999999999999",
        "9" * 5000,
        '"1e3"',
        '"1,5"',
        '" 1"',
        "true",
        "[1]",
    ],
    ids=lambda text: f"{text[:8]}-{len(text)}",
)
def test_what_is_no_plain_number_is_told(told: Told, text: str) -> None:
    [one] = told(with_value("order.products.0.rate", text))
    assert one.startswith("line 1: order.products.0.rate must be a plain number, such as 51.00")


@pytest.mark.parametrize("text", ["10", "10.0", '"10"', "1e1"])
def test_a_whole_number_may_be_written_in_any_way(read: Read, text: str) -> None:
    order = read(with_value("order.invoice_maturity", text))[0].order
    assert isinstance(order, InvoiceOrder)
    assert order.invoice_maturity == 10
    assert type(order.invoice_maturity) is int


@pytest.mark.parametrize(
    ("path", "text", "demand"),
    [
        ("order.invoice_maturity", "10.5", "must be a whole number"),
        ("order.invoice_maturity", "false", "must be a whole number"),
        ("order.invoice_maturity", "11", "must be 10 for private customers"),
        ("order.customer.msisdn", "40012345", "must be text, in quotes"),
        ("order.customer.address.zip", "155", "must be text, in quotes"),
        ("order.customer.email", '"ola"', "must be an e-mail address"),
        ("order.customer.name", '"\\ud800"', "must be valid Unicode text"),
        ("order.invoice_fee_applicable", '"true"', "must be true or false"),
        ("order.invoice_fee_applicable", "1", "must be true or false"),
        ("order.customer", "[]", "must be an object"),
        ("order.customer.address", '"Oslo"', "must be an object"),
        ("order.products", "{}", "must be a list of objects"),
        ("order.products", "[]", "is required"),
        ("order.products.0", "5", "must be an object"),
        ("order.products.0", "null", "is required"),
        ("order.products.0.name", "null", "is required"),
        ("order.products.0.tax", "null", "is required"),
        ("order.order_date", "null", "is required"),
        ("order", "null", "is required"),
        ("order", "[]", "must be an object"),
        ("key", "null", "is required"),
        ("key", "1001", "must be text, not int"),
        ("key", '" 1"', "must not be empty, nor begin or end with white space"),
    ],
)
def test_a_value_of_another_form_is_told_by_its_path(told: Told, path: str, text: str, demand: str) -> None:
    assert told(with_value(path, text)) == [f"line 1: {path} {demand}"]


@pytest.mark.parametrize("text", ["2035", '"15.06.2035"', '"2035-06-15T10:30"', "true"])
def test_dates_are_iso(told: Told, text: str) -> None:
    [one] = told(with_value("order.order_date", text))
    assert one.startswith("line 1: order.order_date must be a date")


def test_a_zone_may_be_given_for_all_times(read: Read) -> None:
    [item] = read(with_value("order.order_date", '"2035-06-15T10:30"'), zone=ZoneInfo("Europe/Oslo"))
    assert item.order.order_date == datetime(2035, 6, 15, 10, 30, tzinfo=ZoneInfo("Europe/Oslo"))


@pytest.mark.parametrize(
    ("path", "demand"),
    [
        ("kundenr", "kundenr is not known"),
        ("order.orderDate", "order.orderDate is not known; did you mean order_date?"),
        ("order.customer.id", "order.customer.id is not known"),
        ("order.customer.adress", "order.customer.adress is not known; did you mean address?"),
        ("order.secure_details", "order.secure_details is not known"),
        ("order.products.0.id", "order.products.0.id is not known"),
        ("order.customer.Ola Testmann", "order.customer.… is not known"),
    ],
)
def test_a_field_that_is_not_known_is_told(told: Told, path: str, demand: str) -> None:
    assert told(changed(LINE, path, "x")) == [f"line 1: {demand}"]


def test_a_name_that_stands_twice_is_told(told: Told) -> None:
    line = json.dumps(LINE).replace('"zip":', '"zip": "0001", "zip":')
    assert told(line) == ["line 1: order.customer.address.zip stands twice"]


def test_a_key_that_stands_twice_is_told(told: Told) -> None:
    assert told(LINE, "", LINE) == ["line 3: key is already in line 1"]


@pytest.mark.parametrize(
    ("line", "demand"),
    [
        ("{", "is not JSON: Expecting property name enclosed in double quotes at character 3"),
        ("{} {}", "is not JSON: Extra data at character 4"),
        ("[1]", "must be a JSON object"),
        ('"x"', "must be a JSON object"),
        ("[" * 100_000, "is nested too deeply"),
    ],
    ids=["cut", "two", "list", "text", "deep"],
)
def test_a_line_that_is_no_object_is_told(told: Told, line: str, demand: str) -> None:
    """And the next lines are judged."""
    assert told(line, changed(LINE, "order.customer.email", "x")) == [
        f"line 1: {demand}",
        "line 2: order.customer.email must be an e-mail address",
    ]


def test_everything_that_is_wrong_in_a_line_is_told(told: Told) -> None:
    line = changed(LINE, "order.customer.type", "person")
    line = changed(line, "order.products.0.tax", Decimal("NaN").__str__())
    line = changed(without(line, "order.customer.name"), "colour", "red")
    assert {one.partition(": ")[2].split(" ")[0] for one in told(line)} == {
        "colour",
        "order.products.0.tax",
        "order.customer.name",
        "order.customer.type",
    }


def test_extra_is_an_object(tmp_path: Path) -> None:
    line = json.dumps(json_line(BatchItem(key="K-1", order=builders.invoice(extra={"deep": {"a": 1}}))))
    line = line.replace('"deep"', '"fee": 1.50, "deep"')
    file = tmp_path / "orders.jsonl"
    file.write_text(line, "utf-8")
    (item,) = read_jsonl(file)
    assert item.order.extra == {"fee": Decimal("1.50"), "deep": {"a": 1}}
    file.write_text(line.replace('"a": 1', '"a": 1, "a": 2'), "utf-8")
    (found,) = read_jsonl(file).dry_run().violations
    assert found.column == "order.extra"


@pytest.mark.parametrize(
    "order", [builders.payment_link(), builders.invoice(), builders.efaktura(), builders.ehf()], ids=repr
)
def test_what_to_dict_returns_can_be_read(read: Read, order: Any) -> None:
    """Members that are null, or that files do not have (the id of a line), are absent."""
    order = attrs.evolve(order, extra={"a": [Decimal("1.50"), "1.50"]})
    kind = {each.order: name for name, each in ORDER_KINDS.items()}[type(order)]
    (item,) = read({"key": "1", "kind": kind, "order": order.to_dict(personal_data=True)})
    assert item.order == order


def test_masked_data_is_refused(read: Read, told: Told) -> None:
    """Money: no customer is billed under the name ***."""
    order = builders.invoice(extra={"secret": 1}).to_dict()
    found = told({"key": "1", "kind": "invoice", "order": order})
    for name in ("customer.name", "customer.address.street", "customer.msisdn", "extra"):
        assert any(f"order.{name} is masked" in each for each in found), name
    fine = builders.invoice(reference_no="***").to_dict(personal_data=True)
    assert read({"key": "1", "kind": "invoice", "order": fine})
