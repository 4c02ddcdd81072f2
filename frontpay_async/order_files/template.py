"""The template of an order file: the columns of a kind, and a valid example order. Pure."""

from __future__ import annotations

import csv
import io
from datetime import date, timedelta
from types import MappingProxyType
from typing import TYPE_CHECKING

from frontpay_async._protocol.operations import ORDER_KINDS
from frontpay_async._protocol.rules import Presence
from frontpay_async.order_files.columns import COLUMNS, FIELD_OF, ORDER_FIELDS, field_path

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from frontpay_async._protocol.rules import Field

# The example order, as Norwegian Excel writes it.
_EXAMPLE: Mapping[str, str] = MappingProxyType(
    {
        "product_name": "Hårklipp",
        "product_quantity": "2",
        "product_rate": "149,50",
        "product_tax": "25",
        "customer_name": "Kari Nordmann",
        "customer_street": "Storgata 1",
        "customer_zip": "0155",
        "customer_city": "Oslo",
        "customer_country": "NO",
        "customer_type": "private",
        "customer_country_code": "+47",
        "customer_msisdn": "40012345",
        "customer_email": "kari@example.no",
        "customer_personal_number": "01017012345",
        "customer_organization_id": "987654321",
        "invoice_as_payment_option": "nei",
        "send_order_by_sms": "nei",
        "send_order_by_email": "ja",
        "reference_no": "R-1001",
        "callback_url": "https://shop.example.no/callback",
    }
)
_LEFT_OUT = frozenset({"extra", "customer_uuid", "product_amount"})


def template(kind: str, today: date) -> str:
    """Return a CSV file with the columns of a kind and one order, in the format of Norwegian spreadsheets."""
    # It has a byte order mark, the delimiter `;`, and decimal commas.
    rules = ORDER_KINDS[kind].operation.rules
    required = set(_required(() if rules is None else rules.fields))
    columns = [
        column
        for column, (path, _) in COLUMNS.items()
        if path[0] in ORDER_FIELDS[kind].fields
        and not column.startswith("summary_")
        and column not in _LEFT_OUT
    ]
    given = {
        column: text
        for column, text in _EXAMPLE.items()
        if column in columns and (column in required or column not in _PERSONAL)
    }
    given |= {"key": "1001", "kind": kind, "order_date": f"{today + timedelta(days=7):%d.%m.%Y}"}
    if kind in _COMPANIES:
        given |= {"customer_name": "Salong AS", "customer_type": "corporate"}
    text = io.StringIO()
    writer = csv.writer(text, delimiter=";", lineterminator="\r\n")
    names = ["key", "kind", *columns]
    writer.writerow(names)
    writer.writerow([given.get(name, "") for name in names])
    return f"\ufeff{text.getvalue()}"


_PERSONAL = frozenset({"customer_personal_number", "customer_organization_id"})
_COMPANIES = frozenset(name for name, kind in ORDER_KINDS.items() if kind.customer_type == "corporate")


def _required(fields: tuple[Field, ...], prefix: str = "") -> Iterator[str]:
    for member in fields:
        if member.fields:
            yield from _required(member.fields, f"{prefix}{member.name}.")
        elif member.presence is Presence.REQUIRED:
            path = tuple(step for step in field_path(prefix + member.name) if isinstance(step, str))
            if path in FIELD_OF:
                yield FIELD_OF[path]
