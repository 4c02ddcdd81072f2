"""Orders written as files, the way a bookkeeping system would: what the readers are tested against."""

from __future__ import annotations

import csv
import io
import json
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from frontpay_async._protocol.operations import kind_of_order
from frontpay_async.order_files.columns import COLUMNS, ORDER_FIELDS, Group

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from frontpay_async.order_files.items import BatchItem

__all__ = ["COLUMNS_OF_FILE", "KEYED", "csv_of", "csv_text", "json_line", "jsonl_text", "kind_of", "written"]

COLUMNS_OF_FILE = ("key", "kind", *COLUMNS)


def kind_of(order: object) -> str:
    """Name the kind of an order."""
    return kind_of_order(order).name


def _cell(value: object, decimal: str) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "true" if value else "false"
        case Decimal():
            return format(value, "f").replace(".", decimal)
        case date():
            return value.isoformat()
        case _:
            return str(value)


def _value(order: Any, path: tuple[str, ...]) -> object:
    for name in path:
        order = getattr(order, name, None)
    return order


def _cells(item: BatchItem, index: int, decimal: str) -> dict[str, str]:
    """One record: the order's own fields in the first, one product in each."""
    cells = {"key": item.key, "kind": kind_of(item.order) if index == 0 else ""}
    for column, (path, _) in COLUMNS.items():
        if path[0] == "products":
            cells[column] = _cell(_value(item.order.products[index], path[1:]), decimal)
        elif index == 0:
            cells[column] = _cell(_value(item.order, path), decimal)
    return cells


def csv_text(items: Iterable[BatchItem], *, delimiter: str = ";", decimal: str = ".") -> str:
    """A CSV file with every column, one record for each product."""
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS_OF_FILE, delimiter=delimiter)
    writer.writeheader()
    for item in items:
        writer.writerows(_cells(item, index, decimal) for index in range(len(item.order.products)))
    return text.getvalue()


def _members(group: Group, value: Any) -> dict[str, object]:
    members: dict[str, object] = {}
    for name, member in group.fields.items():
        held = getattr(value, name)
        if isinstance(member, Group):
            if held is not None:
                members[name] = (
                    [_members(member, each) for each in held] if member.is_rows else _members(member, held)
                )
        elif held is not None:
            members[name] = held
    return members


def json_line(item: BatchItem, **changed: object) -> dict[str, Any]:
    """What stands in one JSON line, numbers as text; members of the order can be overridden."""
    kind = kind_of(item.order)
    order = {**_members(ORDER_FIELDS[kind], item.order), **changed}
    return json.loads(json.dumps({"key": item.key, "kind": kind, "order": order}, default=_text))


def _text(value: object) -> str:
    return format(value, "f") if isinstance(value, Decimal) else _cell(value, ".")


def jsonl_text(items: Iterable[BatchItem]) -> str:
    """A file of JSON lines."""
    return "".join(json.dumps(json_line(item), ensure_ascii=False) + "\n" for item in items)


def written(path: Path, content: str | bytes) -> Path:
    """Write a file, with the line ends that the text has."""
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


KEYED = {
    "key": "1001",
    "kind": "invoice",
    "order_date": "2035-06-15",
    "customer_name": "Ola Testmann",
    "customer_type": "private",
    "customer_street": "Storgata 1",
    "customer_zip": "0155",
    "customer_city": "Oslo",
    "customer_country": "NO",
    "customer_country_code": "+47",
    "customer_msisdn": "40012345",
    "customer_email": "ola.testmann@example.no",
    "product_name": "Haircut",
    "product_quantity": "2",
    "product_rate": "51.00",
    "product_tax": "25",
}
"""The cells of a sound invoice to a private customer."""


def csv_of(*records: dict[str, str], delimiter: str = ";") -> str:
    """A CSV file of records, each the sound invoice with what is changed; a column may be new."""
    titles = list(dict.fromkeys([*KEYED, *(title for record in records for title in record)]))
    lines = [titles, *([{**KEYED, **record}.get(title, "") for title in titles] for record in records)]
    return "".join(f"{delimiter.join(cells)}\n" for cells in lines)
