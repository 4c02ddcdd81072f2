"""Reading a terminal order from JSON: the fields of the models under their Python names. Pure.

What is wrong is named by its path, never with its value, which may be personal. The rules of the API are
checked later, by the client.
"""

from __future__ import annotations

import json
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar, cast

import attrs

from frontpay_async._protocol.operations import CREATE_TERMINAL_ORDER
from frontpay_async.errors import InvalidOrderError, Violation
from frontpay_async.models.common import Address, Customer, OrderSummary, Product, SendOrderBy
from frontpay_async.models.terminals import InvoiceReferences, TerminalOrder

if TYPE_CHECKING:
    from collections.abc import Mapping

T = TypeVar("T")
_LONGEST_NAME = 40


def read_terminal_order(text: str, *, terminal_uuid: str | None, today: date) -> TerminalOrder:
    """Read a terminal order.

    Left out, ``summary`` is computed, ``order_date`` is today, ``receipt_print`` is true, and the order is
    sent by e-mail where the customer has an address, else by text message.

    Args:
        text: The JSON.
        terminal_uuid: The terminal, in place of the one in the file.
        today: A date, or a zone-aware datetime.

    Raises:
        InvalidOrderError: It is not JSON, a field is missing, unknown, or of another kind.
    """
    fields = dict(_object(_parse(text), "the order"))
    if terminal_uuid is not None:
        fields["terminal_uuid"] = terminal_uuid
    rows = fields.get("products")
    if not isinstance(rows, list):
        raise _wrong("products", "must be a list of objects")
    products = [
        _build(Product, row, f"products.{index}") for index, row in enumerate(cast("list[object]", rows))
    ]
    customer = _customer(fields.get("customer"))
    fields |= {"products": products, "customer": customer}
    fields.setdefault("receipt_print", True)
    if not isinstance(fields["receipt_print"], bool):
        raise _wrong("receipt_print", "must be true or false")
    fields["order_date"] = _date(fields["order_date"]) if "order_date" in fields else today
    for name, cls in (("summary", OrderSummary), ("send_order_by", SendOrderBy)):
        if name in fields:
            fields[name] = _build(cls, fields[name], name)
    if fields.get("invoice_references") is not None:
        fields["invoice_references"] = _build(
            InvoiceReferences, fields["invoice_references"], "invoice_references"
        )
    by_mail = bool(customer.email)
    fields.setdefault("send_order_by", SendOrderBy(sms=not by_mail, email=by_mail))
    if "summary" not in fields:
        try:
            fields["summary"] = OrderSummary.of(products)
        except ValueError:
            raise _wrong("products", "have a tax that no amount can include") from None
    return _build(TerminalOrder, fields, "the order")


def _parse(text: str) -> object:
    # Some editors begin a file with a mark.
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise _wrong("the order", "is empty")
    try:
        # Exactly: 0.1 is one tenth, and no float on the way.
        return cast("object", json.loads(text, parse_float=Decimal, object_pairs_hook=_members))
    except InvalidOrderError:
        raise
    except (ValueError, RecursionError) as error:
        at = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
    raise _wrong("the order", f"is not JSON{at}")


def _members(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """Make an object of its members; of two amounts for the same field, neither is right."""
    members: dict[str, object] = {}
    for name, value in pairs:
        if name in members:
            raise _wrong("the order", f"has {name[:_LONGEST_NAME]!r} twice in one object")
        members[name] = value
    return members


def _customer(source: object) -> Customer:
    fields = dict(_object(source, "customer"))
    fields["address"] = _build(Address, fields.get("address"), "customer.address")
    return _build(Customer, fields, "customer")


def _date(value: object) -> date:
    if isinstance(value, str):
        try:
            return datetime.fromisoformat(value) if "T" in value else date.fromisoformat(value)
        except ValueError:
            pass
    raise _wrong("order_date", "must be a date, or a time with its zone, such as 2026-12-01")


def _object(source: object, path: str) -> Mapping[str, object]:
    if not isinstance(source, dict):
        raise _wrong(path, "must be an object")
    return cast("dict[str, object]", source)


def _build(cls: type[T], source: object, path: str) -> T:
    fields = _object(source, path)
    fields_of = attrs.fields(cast("type[attrs.AttrsInstance]", cls))
    known = {field.alias or field.name: field for field in fields_of}
    for name in fields:
        if name not in known:
            # A misspelt name is told, a long one may be anything.
            raise _wrong(path, f"has no field {name[:_LONGEST_NAME]!r}")
    for name, field in known.items():
        if field.default is attrs.NOTHING and fields.get(name) is None:
            raise _wrong(path, f"lacks {name}")
    try:
        return cls(**fields)
    except (TypeError, ValueError) as error:
        # Only products and totals convert their values, and those are not personal.
        why = f"is wrong: {error}" if cls in (Product, OrderSummary) else "has a field of another kind"
    # Raised out here, so that what was read is not in reach of the traceback.
    raise _wrong(path, why)


def _wrong(path: str, why: str) -> InvalidOrderError:
    return InvalidOrderError([Violation(path, why)], operation=CREATE_TERMINAL_ORDER.name)
