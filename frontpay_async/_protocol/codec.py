"""The one cattrs converter; every quirk of the wire lives here. Pure.

Out: camelCase, numbers as text with their exact digits, and of an order only the members that stand
in its table of rules. In: numbers as JSON numbers or as text, names that differ between routes, and
whatever the reference does not mention, which is kept.

Quirks: ``summary`` is orderSummary, ``customer`` is customerDetails. ``products`` is an object keyed
"0", "1", … on the terminal route. The callback URL is nested on order routes and flat on the terminal
route. The created order is ``uuid`` or ``orderUuid``. Details call the totals ``tax`` and
``discount``, and the terminal check puts its status beside ``data``.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeVar, cast

import attrs
from cattrs import BaseValidationError, Converter, transform_error
from cattrs.gen import make_dict_structure_fn, make_dict_unstructure_fn, override

from frontpay_async._protocol.dates import read_date, write_date
from frontpay_async._protocol.messages import WireBody
from frontpay_async._protocol.rules import KEYED_ROWS, ROWS
from frontpay_async.models.common import Address, Customer, CustomerType, Language, OrderSummary, Product
from frontpay_async.models.orders import (
    CreatedOrder,
    EFakturaOrder,
    EhfOrder,
    InvoiceNumber,
    InvoiceOrder,
    OrderDetails,
    OrderStatusEntry,
    OrderStatusReport,
    PaymentLinkOrder,
    Refund,
)
from frontpay_async.models.statuses import OrderStatus, PaymentStatus, RefundStatus
from frontpay_async.models.terminals import CreatedTerminalOrder, Terminal, TerminalOrder, TerminalRefund

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from frontpay_async._json import Json, JsonObject
    from frontpay_async._protocol.operations import DateFormat
    from frontpay_async._protocol.rules import Field, Rules

T = TypeVar("T")
StatusT = TypeVar("StatusT", OrderStatus, PaymentStatus, RefundStatus)

_PLAIN: Mapping[str, str] = {}
_ORDER_NAMES = {"summary": "orderSummary", "customer": "customerDetails"}
# Python name -> wire name, where it is not plain camelCase.
_NAMES: Mapping[type[object], Mapping[str, str]] = {
    PaymentLinkOrder: _ORDER_NAMES,
    InvoiceOrder: _ORDER_NAMES,
    EFakturaOrder: _ORDER_NAMES,
    EhfOrder: _ORDER_NAMES,
    TerminalOrder: _ORDER_NAMES,
    Refund: {"lines": "products"},
    TerminalRefund: {"lines": "products"},
    CreatedOrder: {"order_uuid": "uuid"},
    CreatedTerminalOrder: {"order_uuid": "uuid"},
    OrderStatusEntry: {"order_uuid": "uuid"},
    OrderStatusReport: {"order_uuid": "uuid"},
    OrderDetails: {**_ORDER_NAMES, "products": "productList"},
    Terminal: {"organization_uuid": "organization_uuid"},
}
# Another wire name -> the one above, where routes or sources disagree.
_OTHER_NAMES: Mapping[type[object], Mapping[str, str]] = {
    CreatedOrder: {"orderUuid": "uuid"},
    CreatedTerminalOrder: {"orderUuid": "uuid"},
    OrderStatusEntry: {"orderUuid": "uuid"},
    OrderStatusReport: {"orderUuid": "uuid"},
    OrderDetails: {"uuid": "orderUuid", "products": "productList"},
    InvoiceNumber: {"uuid": "orderUuid"},
    OrderSummary: {"tax": "totalTax", "discount": "totalDiscount"},
    Customer: {"uuid": "customerUuid"},
    Terminal: {"organizationUuid": "organization_uuid"},
}
# Members that may be missing or null although the value needs them.
_ASSUMED: Mapping[type[object], JsonObject] = {
    OrderStatusEntry: {"status": "UNKNOWN"},
    OrderStatusReport: {"status": "UNKNOWN"},
    OrderDetails: {"status": "UNKNOWN", "productList": []},
    InvoiceNumber: {"status": "UNKNOWN", "invoiceNumber": None},
    Product: {"tax": 0, "discount": 0},
    Customer: {"name": "", "address": {}},
    Address: {"street": "", "zip": "", "city": "", "country": ""},
    Terminal: {"name": ""},
}


_ID = re.compile(r"[!-~]{1,128}")


class UnreadableError(ValueError):
    """Report an answer whose members do not have the documented form; names paths, never values."""


def _camel(name: str) -> str:
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)


# Filled class by class: Python name -> wire name, of all fields.
_wire_names_of: dict[type[object], Mapping[str, str]] = {}


def wire_names(cls: type[Any]) -> Mapping[str, str]:
    """Return the wire name of each field of a value, by its Python name."""
    known = _wire_names_of.get(cls)
    if known is None:
        # A caller's subclass has the names of ours.
        special = next((_NAMES[base] for base in cls.__mro__ if base in _NAMES), _PLAIN)
        names = (attribute.alias or attribute.name for attribute in attrs.fields(cls))
        known = {name: special.get(name, _camel(name)) for name in names if name != "unknown_fields"}
        _wire_names_of[cls] = known
    return known


# Out

_SILENT = {"sms": False, "email": False}


def encode(value: object, rules: Rules, date_format: DateFormat | None) -> WireBody:
    """Write a request's value as its JSON body, with just the members that its rules name.

    Args:
        value: An order, a refund, or a small request value.
        rules: The rules of the operation.
        date_format: The form of the order date, for values that have one.
    """
    full = cast("dict[str, object]", _converter.unstructure(value))
    moment = full.get("orderDate")
    if isinstance(moment, date) and date_format is not None:
        full["orderDate"] = write_date(moment, date_format)
    if full.get("callbackUrl") is not None:
        full["callback"] = {"callbackUrl": full["callbackUrl"]}
    match value:
        case PaymentLinkOrder(send_order_by=None):
            # Nullable in the reference, but the demo API was seen to ask for its members.
            full["sendOrderBy"] = _SILENT
        case TerminalRefund():
            full["type"] = "regular"
        case _:
            pass
    return WireBody(_named(rules.fields, full))


def _named(fields: tuple[Field, ...], full: Mapping[str, object]) -> dict[str, Json]:
    body: dict[str, Json] = {}
    for member in fields:
        value = full.get(member.name)
        if value is None:
            continue
        if member.fields:
            if member.kind is ROWS or member.kind is KEYED_ROWS:
                rows = [_named(member.fields, row) for row in cast("list[dict[str, object]]", value)]
                keyed: dict[str, Json] = {str(index): row for index, row in enumerate(rows)}
                body[member.name] = keyed if member.kind is KEYED_ROWS else cast("list[Json]", rows)
            else:
                body[member.name] = _named(member.fields, cast("dict[str, object]", value))
        else:
            body[member.name] = cast("Json", value)
    return body


def number_text(value: Decimal) -> str:
    """Write a number with just its digits."""
    # A negative zero would be written "-0". No step may depend on the caller's decimal context.
    return format(value or value.copy_abs(), "f")


def _unstructure_hook(cls: type[object]) -> Callable[[object], dict[str, object]]:
    write = make_dict_unstructure_fn(cls, _converter, **_renames(cls))
    if not issubclass(cls, Product):
        return write

    def write_line(line: object) -> dict[str, object]:
        # The field holds what was given; what is sent is what is read.
        return {**write(line), "amount": number_text(cast("Product", line).amount)}

    return write_line


def _renames(cls: type[Any]) -> dict[str, Any]:
    """Return cattrs' overrides by attribute: the wire name of each that has one."""
    wired = wire_names(cls)
    names = ((each.name, wired.get(each.alias or each.name)) for each in attrs.fields(cls))
    return {name: override(rename=wire) for name, wire in names if wire is not None}


# In


def decode(result: type[T], source: Json) -> T:
    """Read a success's value.

    Args:
        result: The class to read it as.
        source: The ``data`` of the answer; for a payment or refund status, its text or None.

    Raises:
        UnreadableError: A member that the value needs is missing or has another form.
    """
    try:
        return _converter.structure(source, result)
    except (BaseValidationError, ValueError, TypeError) as error:
        problems = "; ".join(transform_error(error, path="$"))
    # Raised out here, so that what was read is not in reach of the traceback.
    raise UnreadableError(problems)


def _structure_hook(cls: type[T]) -> Callable[[Json, type[T]], T]:
    renames = _renames(cls)
    has_unknown = "unknown_fields" in attrs.fields_dict(cast("type[attrs.AttrsInstance]", cls))
    if has_unknown:
        renames["unknown_fields"] = override(omit=True)
    structure = make_dict_structure_fn(cls, _converter, **renames)

    def read(source: Json, _: type[T]) -> T:
        if not isinstance(source, dict):
            raise TypeError("not an object")
        members = _normal(cls, source)
        value = structure(members, cls)
        if isinstance(value, (CreatedOrder, CreatedTerminalOrder)) and not _ID.fullmatch(value.order_uuid):
            # Nothing could be done with it: as far as anybody knows, no order was created.
            raise ValueError("uuid is no id")
        if has_unknown:
            unknown = dict(_beyond(cls, members))
            if unknown:
                object.__setattr__(value, "unknown_fields", unknown)
        return value

    return read


def _normal(cls: type[object], source: JsonObject) -> JsonObject:
    """Return the members under one set of names, without nulls, with what may be left out filled in."""
    others = _OTHER_NAMES.get(cls, {})
    members: JsonObject = dict(_ASSUMED.get(cls, {}))
    for name, value in source.items():
        known = others.get(name, name)
        # PHP writes an empty object as an empty list.
        if value == [] and known in _OBJECTS:
            continue
        if value is not None and (known == name or source.get(known) is None):
            members[known] = value
    if cls is OrderDetails and isinstance(members["productList"], dict):
        members["productList"] = list(members["productList"].values())
    return members


_NESTED: Mapping[str, type[object]] = {
    "orderSummary": OrderSummary,
    "customerDetails": Customer,
    "address": Address,
    "productList": Product,
}
_OBJECTS = _NESTED.keys() - {"productList"}


def _beyond(cls: type[object], source: Json, prefix: str = "") -> Iterator[tuple[str, Json]]:
    """Yield what the value has no field for, by wire path."""
    if isinstance(source, list):
        for index, row in enumerate(source):
            yield from _beyond(cls, row, f"{prefix}{index}.")
        return
    known = wire_names(cls).values()
    # The value has been read, so that this can only be an object.
    for name, value in _normal(cls, cast("JsonObject", source)).items():
        if name not in known:
            yield prefix + name, value
        elif name in _NESTED:
            yield from _beyond(_NESTED[name], value, f"{prefix}{name}.")


def _read_number(value: Json, _: type[Decimal]) -> Decimal:
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
        raise TypeError("not a number")
    number = _READ_NUMBER.fullmatch(value.strip()) if isinstance(value, str) else value
    if number is None:
        raise ValueError("not a number")
    exact = Decimal(number[0] if isinstance(number, re.Match) else number)
    # Of 1e999999 nothing could be made that fits in memory as digits.
    if not exact.is_finite() or abs(exact.adjusted()) > _MOST_DIGITS:
        raise ValueError("out of range")
    return exact


_MOST_DIGITS = 40
_READ_NUMBER = re.compile(r"[+-]?\d{1,40}(?:\.\d{1,40})?", re.ASCII)


def _read_whole(value: Json, _: type[int]) -> int:
    number = _read_number(value, Decimal)
    if number != number.to_integral_value():
        raise ValueError("not a whole number")
    return int(number)


def _read_text(value: Json, _: type[str]) -> str:
    if isinstance(value, (dict, list)) or value is None:
        raise TypeError("not text")
    return value if isinstance(value, str) else str(value)


def _read_status(value: Json, status: type[StatusT]) -> StatusT:
    # Nothing, and anything that is no text, means that the status is not known.
    return status(value) if isinstance(value, str) and value.strip() else status("UNKNOWN")


def _read_choice(choices: type[CustomerType | Language]) -> Callable[[Json, object], str]:
    def read(value: Json, _: object) -> str:
        text = _read_text(value, str)
        return choices(text) if text in frozenset(choices) else text

    return read


def _read_moment(value: Json, _: object) -> datetime | date | str:
    return read_date(_read_text(value, str))


_converter = Converter(detailed_validation=True)
_converter.register_unstructure_hook(Decimal, number_text)
_converter.register_unstructure_hook(date, lambda value: value)
_converter.register_unstructure_hook(datetime, lambda value: value)
_converter.register_structure_hook(Decimal, _read_number)
_converter.register_structure_hook(int, _read_whole)
_converter.register_structure_hook(str, _read_text)
for _status in (OrderStatus, PaymentStatus, RefundStatus):
    _converter.register_structure_hook(_status, _read_status)
_converter.register_structure_hook(CustomerType | str | None, _read_choice(CustomerType))
_converter.register_structure_hook(Language | str | None, _read_choice(Language))
_converter.register_structure_hook(datetime | date | str | None, _read_moment)
_converter.register_unstructure_hook_factory(attrs.has, _unstructure_hook)
_converter.register_structure_hook_factory(attrs.has, _structure_hook)
