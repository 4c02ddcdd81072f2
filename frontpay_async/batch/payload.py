"""An order as the journal keeps it: JSON with the exact digits and days, and back. Pure.

Not the wire form: that depends on the client's settings, such as the form of dates. Not pickle: a journal is
shared by hosts, and reading it must not run code.

Where the content is removed, a keyed fingerprint of it stays. It answers one question: is this the order that
was submitted under this key before? Two orders have the same fingerprint where they would be sent as the same
request: 51 is 51.00, and a moment is the same in any zone. The key is a salt that each journal draws for
itself: an order can be guessed, so without a salt, a reader of the fingerprint could try personal numbers
until one fits.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import Enum
from functools import partial
from hashlib import blake2b
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, cast

import attrs

from frontpay_async._json import read_exact, write_exact
from frontpay_async._protocol.operations import ORDER_KINDS, kind_of_order
from frontpay_async.errors import InvalidOrderError, Violation
from frontpay_async.models.common import Address, Customer, OrderSummary, Product, SendOrderBy

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from frontpay_async._json import Json, JsonObject
    from frontpay_async._protocol.operations import OrderKind
    from frontpay_async.order_files.items import BatchOrder

_BY_OPERATION: Mapping[str, OrderKind] = MappingProxyType(
    {kind.operation.name: kind for kind in ORDER_KINDS.values()}
)


def kind_named(name: str) -> OrderKind:
    """Return the kind of a row; the journal names it by the operation that sends it.

    Raises:
        KeyError: It was written by another version.
    """
    return _BY_OPERATION[name]


_NESTED: Mapping[str, type[Any]] = MappingProxyType(
    {"summary": OrderSummary, "customer": Customer, "address": Address, "send_order_by": SendOrderBy}
)
_NUMBERS = frozenset(
    {
        "quantity",
        "rate",
        "tax",
        "amount",
        "discount",
        "sub_total",
        "total_tax",
        "total_discount",
        "grand_total",
    }
)
_write_json = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, sort_keys=True).encode


def write(order: BatchOrder) -> bytes:
    """Write an order. Equal orders are written alike: 51 as 51.00, a moment in any zone.

    What a subclass adds is not sent, and not kept.

    Raises:
        TypeError: A batch does not send such orders.
        InvalidOrderError: A field holds a value of a type that it cannot have, such as a float.
    """
    return _write_json(_members(order, kind_of_order(order).order)).encode("utf-8", "surrogatepass")


def _members(value: object, cls: type[Any]) -> dict[str, object]:
    # A None is not written, so that a field of a later version does not make an old order a new one.
    members = ((name, getattr(value, name)) for name in _fields(cls))
    return {name: _plain(member, name) for name, member in members if member is not None and member != {}}


def _fields(cls: type[Any]) -> tuple[str, ...]:
    known = _field_names.get(cls)
    if known is None:
        known = _field_names[cls] = tuple(each.alias or each.name for each in attrs.fields(cls) if each.init)
    return known


_field_names: dict[type[Any], tuple[str, ...]] = {}


def _plain(value: object, name: str) -> object:  # noqa: PLR0911 - a table
    match value:
        case Enum():
            return _plain(value.value, name)
        case bool() | int() | str():
            return value
        case Decimal():
            return _digits(value)
        case datetime():
            return value.astimezone(UTC).isoformat()
        case date():
            return value.isoformat()
        case dict():
            # The exact text: a number must come back as the number that it was.
            return write_exact(_sorted(cast("JsonObject", value)))
        case tuple():
            return [_members(each, Product) for each in cast("tuple[Product, ...]", value)]
        case _:
            cls = next((each for each in _NESTED.values() if isinstance(value, each)), None)
            if cls is None:
                raise InvalidOrderError([Violation(name, f"cannot be a {type(value).__name__}")])
            return _members(value, cls)


def _sorted(value: Json) -> Json:
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(each) for each in value] if isinstance(value, list) else value


def _digits(value: Decimal) -> str:
    """Write a number with just the digits that it needs, whatever the caller's decimal context."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def read(kind: str, content: bytes) -> BatchOrder:
    """Read an order.

    Args:
        kind: The name of the operation that sends it.
        content: What ``write`` wrote.

    Raises:
        ValueError: It was written by another version, or is damaged.
    """
    try:
        order: BatchOrder = _build(kind_named(kind).order, json.loads(content))
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        problem = type(error).__name__
    else:
        return order
    # Raised out here, so that the content is not in reach of the traceback.
    raise ValueError(f"an order of the journal cannot be read ({problem})")


def _build(cls: type[Any], members: dict[str, Any]) -> Any:  # noqa: ANN401 - of the class that is asked for
    for name in _READ.keys() & members.keys():
        members[name] = _READ[name](members[name])
    return cls(**members)


def _read_day(text: str) -> date:
    return datetime.fromisoformat(text) if "T" in text else date.fromisoformat(text)


_READ: Mapping[str, Callable[[Any], object]] = {
    "extra": read_exact,
    "products": lambda rows: [_build(Product, row) for row in rows],
    "order_date": _read_day,
    **{name: partial(_build, cls) for name, cls in _NESTED.items()},
    **dict.fromkeys(_NUMBERS, Decimal),
}


SALT_BYTES = 32
FINGERPRINT_BYTES = 20


def fingerprint(salt: bytes, kind: str, content: bytes) -> bytes:
    """Return the fingerprint of an order.

    Args:
        salt: The journal's own.
        kind: The name of the operation that sends it.
        content: The order as ``payload.write`` wrote it.
    """
    # The kind is no free text: no two pairs run together the same way.
    return blake2b(kind.encode() + b"\0" + content, key=salt, digest_size=FINGERPRINT_BYTES).digest()
