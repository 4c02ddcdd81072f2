"""Whatever order is written to a file comes back from it, and whatever stands in a file is judged."""

from __future__ import annotations

import json
import re
import unicodedata
from io import BytesIO
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import given, settings, strategies as st

from frontpay_async import Address, TerminalOrder
from frontpay_async.order_files.assemble import broken_rules
from frontpay_async.order_files.csv_orders import CsvFormat
from frontpay_async.order_files.items import BatchItem
from frontpay_async.order_files.jsonl_orders import JsonlFormat
from frontpay_async.order_files.lines import Lines
from frontpay_async.order_files.violations import ViolationLog
from tests.support import strategies
from tests.support.order_files import COLUMNS_OF_FILE, csv_text, json_line, jsonl_text, kind_of

if TYPE_CHECKING:
    from collections.abc import Iterable
    from decimal import Decimal

# Within a text they mean something, around it they do not.
JOINERS = "\u200c\u200d"
# An error, a formula, digits that are marked as text, a placeholder for nothing, a number for digits.
OF_SPREADSHEET = re.compile(
    r"##|=\"|'[+0-9]|(?:nan|NaN|NaT|<NA>|NULL|null|None|N/A|n/a)\Z"
    r"|\+?[0-9]+[.,]0+\Z|[+-]?[0-9](?:[.,][0-9]+[Ee]\+?|[Ee]\+)[0-9]{1,3}\Z"
)
orders = strategies.orders.filter(lambda order: not isinstance(order, TerminalOrder))


def read(form: CsvFormat | JsonlFormat, content: bytes) -> tuple[list[BatchItem], ViolationLog]:
    log = ViolationLog()
    lines = Lines(BytesIO(content), "utf-8", log)
    return [item for _, item in form.read(lines, log, broken_rules)], log


def text_in_csv(text: str) -> str:
    """A text that a cell can hold: no NUL, no mark that shows nothing, nothing blank around it."""
    seen = "".join(
        each for each in text if each != "\0" and (each in JOINERS or unicodedata.category(each) != "Cf")
    )
    while seen != (stripped := seen.strip().strip(JOINERS)):
        seen = stripped
    return f"x{seen}" if not seen or OF_SPREADSHEET.match(seen) else seen


def as_in_csv(value: Any) -> Any:
    """The value with texts that a cell can hold, and a postal code that is not short of zeros."""
    if isinstance(value, str) and not hasattr(value, "value"):
        return text_in_csv(value)
    if isinstance(value, tuple):
        return tuple(map(as_in_csv, value))
    if attrs.has(type(value)):
        names = [field.alias or field.name for field in attrs.fields(type(value))]
        members = {name: as_in_csv(getattr(value, name)) for name in names}
        if isinstance(value, Address) and members["zip"].isdecimal():
            members["zip"] = members["zip"].zfill(4)
        return type(value)(**members)
    return value


def numbered(orders: Iterable[Any]) -> list[BatchItem]:
    return [BatchItem(key=f"K-{number}", order=order) for number, order in enumerate(orders)]


some = st.lists(orders, max_size=3)


@given(orders=some, delimiter=st.sampled_from(";,\t"), decimal=st.sampled_from(".,"))
def test_orders_come_back_from_csv(orders: list[Any], delimiter: str, decimal: Any) -> None:
    items = numbered(as_in_csv(order) for order in orders)
    content = csv_text(items, delimiter=delimiter, decimal=decimal).encode()
    got, log = read(CsvFormat(decimal=decimal), content)
    assert log.kept == []
    assert got == items


@given(orders=some)
def test_orders_come_back_from_json_lines(orders: list[Any]) -> None:
    items = numbered(orders)
    got, log = read(JsonlFormat(), jsonl_text(items).encode())
    assert log.kept == []
    assert got == items


@given(order=orders, number=strategies.numbers)
def test_a_json_number_is_exact(order: Any, number: Decimal) -> None:
    """As digits or with an exponent, a number is never a float on its way."""
    line = json_line(BatchItem(key="K", order=order))
    line["order"]["products"][0]["rate"] = "RATE"
    text = json.dumps(line)
    for written in (format(number, "f"), f"{number:E}"):
        got, log = read(JsonlFormat(strict_totals=False), text.replace('"RATE"', written).encode())
        assert log.kept == []
        assert got[0].order.products[0].rate == number


# Bytes with what matters to a parser among them.
_pieces = st.sampled_from(
    [b"key", b"kind", b"invoice", b"product_name", b"1001", b";", b",", b'"', b"\n", b"\r\n", b"\r", b"\0"]
    + [
        b"\xff\xfe",
        b"\xef\xbb\xbf",
        b"\xe6",
        b"{",
        b"}",
        b"[",
        b"]",
        b":",
        b'"order"',
        b"1e999999999",
        b"NaN",
        b" ",
    ]
    + [title.encode() for title in COLUMNS_OF_FILE]
) | st.binary(max_size=8)
hostile = st.lists(_pieces, max_size=60).map(b"".join)


@pytest.mark.parametrize("form", [CsvFormat(), CsvFormat(kind="ehf", decimal=","), JsonlFormat()])
@given(content=hostile | hostile.map(lambda content: b"key;kind;product_rate;order_date\n" + content))
def test_any_bytes_are_judged(form: CsvFormat | JsonlFormat, content: bytes) -> None:
    """Nothing but violations comes of them, each on a line of the file."""
    items, log = read(form, content)
    assert len(log.kept) == log.count
    # CR alone ends a line only where there is no LF.
    last = (content.count(b"\n") or content.count(b"\r")) + 1
    assert all(1 <= found.line <= last for found in log.kept)
    assert all(broken_rules(kind_of(item.order), item.order, True) == [] for item in items)


@settings(max_examples=50)
@given(order=orders, value=strategies.json_values, data=st.data())
def test_any_json_in_place_of_a_member_is_judged(order: Any, value: Any, data: st.DataObject) -> None:
    """Either the line is an order, or something is told of it."""
    line = json_line(BatchItem(key="K", order=order))
    holder: Any = line
    while True:
        name = data.draw(st.sampled_from(sorted(holder) if isinstance(holder, dict) else range(len(holder))))
        if not isinstance(holder[name], (dict, list)) or not holder[name] or data.draw(st.booleans()):
            break
        holder = holder[name]
    holder[name] = value
    items, log = read(JsonlFormat(), json.dumps(line).encode())
    assert len(items) + bool(log.kept) == 1
