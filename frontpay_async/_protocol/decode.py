"""Reading values from the wire format, with all its quirks. Pure.

Numbers are JSON numbers or strings; names differ between routes; undocumented members are kept. The names of
a class's members are in ``codec``.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from functools import partial
from types import UnionType
from typing import TYPE_CHECKING, Any, TypeVar, Union, cast, get_args, get_origin

import attrs
from attrs import frozen

from frontpay_async._protocol.codec import ASSUMED, OTHER_NAMES, PLAIN, PREPARE, resolve_types, wire_names
from frontpay_async._protocol.dates import read_date
from frontpay_async.models.common import (
    CustomerType,
    Language,
    OrderSummary,
    PartialProduct,
    PartialSummary,
    Product,
)
from frontpay_async.models.orders import InvoiceNumber, OrderDetails, OrderStatusReport
from frontpay_async.models.statuses import (
    OrderStatus,
    OrderType,
    PaymentStatus,
    RefundStatus,
    ReservationStatus,
    SubscriptionStatus,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from frontpay_async._exact_json import Json, JsonObject
    from frontpay_async.models.statuses import Status

T = TypeVar("T")

_NUMBERS = frozenset({"quantity", "rate", "tax", "amount", "discount"})
# Not one of the placeholders that programs write for a missing id.
_ID = re.compile(r"(?!(?:0|null|none|nil|undefined|nan|false|true)\Z)[!-~]{1,128}", re.ASCII | re.IGNORECASE)


class UnreadableError(ValueError):
    """An exception for a response with undocumented forms; it contains paths, never values."""


_ID_FIELDS = frozenset(
    {
        "order_uuid",
        "customer_uuid",
        "organization_uuid",
        "reservation_uuid",
        "subscription_uuid",
        "company_check_uuid",
        "uuid",
    }
)
# The class to use if a required member is missing: the same value with the members that are present.
_PARTIAL: Mapping[type[object], type[object]] = {Product: PartialProduct, OrderSummary: PartialSummary}
# Essential members: they may be missing, but if present they must be readable.
_FACTS: Mapping[type[object], frozenset[str]] = {
    OrderDetails: frozenset({"order_uuid"}),
    OrderStatusReport: frozenset({"order_uuid"}),
    InvoiceNumber: frozenset({"order_uuid", "invoice_number"}),
}


@frozen(eq=False, repr=False)
class _Member:
    """The reader of one member of an object.

    Args:
        name: The constructor's argument.
        wire: The member's name on the wire.
        read: Reads a value that is neither null nor a nested object.
        nested: The class of the object, or of each row, that it holds.
        has_rows: Whether it is a list of such objects.
        is_fact: Whether an unreadable value makes the whole response unreadable.
    """

    name: str
    wire: str
    read: Callable[[Json], object]
    nested: type[object] | None
    has_rows: bool
    is_fact: bool


@frozen(eq=False, repr=False)
class _Plan:
    """The reader of an object, built once for each class.

    Args:
        members: The members with fields.
        others: Alternative names of members, with the usual ones.
        assumed: The defaults of missing members.
        needed: The arguments without which it cannot be built, with their wire names.
        incomplete: The class to build instead if a needed argument is missing.
        keeps_unknown: Whether it has ``unknown_fields``.
        prepare: Normalises an object; None if that is not needed.
        dotted: The names of members that are within another one.
    """

    members: tuple[_Member, ...]
    others: Mapping[str, str]
    assumed: tuple[tuple[str, object], ...]
    needed: tuple[tuple[str, str], ...]
    incomplete: type[object] | None
    keeps_unknown: bool
    prepare: Callable[[JsonObject], JsonObject] | None
    dotted: tuple[str, ...]


def decode(result: type[T], source: Json) -> T:
    """Read a success's value."""
    # Unreadable members are omitted from the value and kept in its `unknown_fields`, by wire path, unless the
    # value requires them.
    if issubclass(result, (OrderStatus, PaymentStatus, RefundStatus)):
        # The enums are open: any text is a valid value.
        return result(source if isinstance(source, str) and source.strip() else "UNKNOWN")
    unknown: dict[str, Json] = {}
    return cast("T", _read_object(result, source, "", unknown))


def _read_object(cls: type[object], source: Json, prefix: str, unknown: dict[str, Json]) -> object:
    """Read an object; put members without a field, and unreadable members, into ``unknown``."""
    if not isinstance(source, dict):
        raise UnreadableError(f"not an object @ ${_at(prefix)}")
    plan = _plan(cls)
    told, spelled = _normal(plan, source)
    arguments: dict[str, object] = {}
    unreadable: set[str] = set()
    for member in plan.members:
        value = told.pop(member.wire, None)
        if value is None:
            continue
        sent_as = spelled.get(member.wire, member.wire)
        # PHP writes an empty object as an empty list.
        if value == [] and member.nested is not None and not member.has_rows:
            continue
        path = prefix + sent_as
        try:
            arguments[member.name] = (
                member.read(value) if member.nested is None else _read_nested(member, value, path, unknown)
            )
        except (TypeError, ValueError, ArithmeticError):
            if member.is_fact:
                problem = f"{sent_as} cannot be read @ $.{path}"
            else:
                unreadable.add(member.name)
                unknown[path] = value
                continue
        else:
            continue
        # Raised here, so that the traceback does not contain the data.
        raise UnreadableError(problem)
    for name, value in told.items():
        unknown[prefix + spelled.get(name, name)] = value
    return _construct(cls, arguments, unreadable, prefix, unknown)


def _construct(
    cls: type[object],
    arguments: dict[str, object],
    unreadable: set[str],
    prefix: str,
    unknown: dict[str, Json],
) -> object:
    plan = _plan(cls)
    incomplete = plan.incomplete
    for name, value in plan.assumed:
        if incomplete is None or name not in unreadable:
            arguments.setdefault(name, value)
    missing = [wire for name, wire in plan.needed if name not in arguments]
    if incomplete is not None and (missing or unreadable & _NUMBERS):
        return incomplete(**arguments)
    if missing:
        raise UnreadableError(f"{missing[0]} is missing @ ${_at(prefix)}")
    if plan.keeps_unknown and not prefix:
        arguments["unknown_fields"] = unknown
    try:
        return cls(**arguments)
    except (TypeError, ValueError):
        # A number with more digits than the value accepts.
        if incomplete is not None:
            return incomplete(**arguments)
    raise UnreadableError(f"out of range @ ${_at(prefix)}")


def _read_nested(member: _Member, value: Json, path: str, unknown: dict[str, Json]) -> object:
    assert member.nested is not None  # noqa: S101 - for the type checkers
    if member.has_rows:
        return _read_rows(member.nested, value, path, unknown)
    return _read_object(member.nested, value, f"{path}.", unknown)


def _read_rows(cls: type[object], source: Json, path: str, unknown: dict[str, Json]) -> tuple[object, ...]:
    # PHP writes a list with gaps as an object.
    rows = list(source.values()) if isinstance(source, dict) else source
    if not isinstance(rows, list):
        raise TypeError("not a list")
    read: list[object] = []
    for index, row in enumerate(rows):
        try:
            read.append(_read_object(cls, row, f"{path}.{index}.", unknown))
        except UnreadableError:
            unknown[f"{path}.{index}"] = row
            if cls in _PARTIAL:
                # It keeps its place, because the number of lines distinguishes orders.
                read.append(_PARTIAL[cls]())
    return tuple(read)


def _at(prefix: str) -> str:
    return f".{prefix[:-1]}" if prefix else ""


def _normal(plan: _Plan, source: JsonObject) -> tuple[JsonObject, Mapping[str, str]]:
    """Return the members that are not null by their usual names, and the names of others as sent."""
    if plan.prepare is not None:
        source = plan.prepare(source)
    if plan.dotted:
        source = _led_out(plan.dotted, source)
    others = plan.others
    if others.keys().isdisjoint(source):
        return {name: value for name, value in source.items() if value is not None}, PLAIN
    members: JsonObject = {}
    spelled: dict[str, str] = {}
    for name, value in source.items():
        known = others.get(name, name)
        if value is not None and (known == name or source.get(known) is None):
            members[known] = value
            spelled[known] = name
    return members, spelled


def _led_out(dotted: tuple[str, ...], source: JsonObject) -> JsonObject:
    """Return the members, with those of dotted names moved out of their objects."""
    members = dict(source)
    for name in dotted:
        holder, _, last = name.partition(".")
        inner = members.get(holder)
        if isinstance(inner, dict) and last in inner:
            members[name] = inner[last]
            members[holder] = {key: value for key, value in inner.items() if key != last} or None
    return members


_plans: dict[type[object], _Plan] = {}


def _plan(cls: type[Any]) -> _Plan:
    known = _plans.get(cls)
    if known is None:
        resolve_types(cls)
        wired = wire_names(cls)
        assumed = ASSUMED.get(cls, {})
        facts = _FACTS.get(cls, frozenset())
        if cls not in _PARTIAL:
            facts |= {
                each.name for each in attrs.fields(cls) if each.default is attrs.NOTHING
            } - assumed.keys()
        named = {each.alias or each.name: each for each in attrs.fields(cls)}
        known = _plans[cls] = _Plan(
            members=tuple(_member(named[name], wire, facts) for name, wire in wired.items()),
            others=OTHER_NAMES.get(cls, {}),
            assumed=tuple(assumed.items()),
            needed=tuple(
                (name, wire) for name, wire in wired.items() if named[name].default is attrs.NOTHING
            ),
            incomplete=_PARTIAL.get(cls),
            keeps_unknown="unknown_fields" in named,
            prepare=PREPARE.get(cls),
            dotted=tuple(wire for wire in wired.values() if "." in wire),
        )
    return known


def _member(attribute: attrs.Attribute[Any], wire: str, facts: frozenset[str]) -> _Member:
    name = attribute.alias or attribute.name
    nested, has_rows = _nested_in(attribute.type)
    if nested is not None:
        _plan(nested)
    read: Callable[[Json], object] = _read_id
    if name not in _ID_FIELDS and nested is None:
        read = _reader(attribute.type)
    return _Member(name, wire, read, nested, has_rows, name in facts)


def _nested_in(kind: object) -> tuple[type[object] | None, bool]:
    """Return the attrs class in a type, if any, and whether it is a tuple of them."""
    if get_origin(kind) is tuple:
        return _nested_in(get_args(kind)[0])[0], True
    choices = get_args(kind) if get_origin(kind) in (UnionType, Union) else (kind,)
    return next((each for each in choices if isinstance(each, type) and attrs.has(each)), None), False


def _reader(kind: object) -> Callable[[Json], object]:
    """Return the function that reads a value of a type; the first type of a union determines it."""
    first = get_args(kind)[0] if get_origin(kind) in (UnionType, Union) else kind
    return _READERS[cast("type[object]", first)]


def _read_id(value: Json) -> str:
    text = value if type(value) is str else _read_text(value)
    if _ID.fullmatch(text) is None:
        raise ValueError("not a valid id")
    return text


def read_number(value: Json) -> Decimal:
    """Read a JSON number or a numeric string; otherwise raise TypeError or ValueError."""
    if isinstance(value, bool) or not isinstance(value, (int, str, Decimal)):
        raise TypeError("not a number")
    number = _READ_NUMBER.fullmatch(value.strip()) if isinstance(value, str) else value
    if number is None:
        raise ValueError("not a number")
    exact = Decimal(number[0] if isinstance(number, re.Match) else number)
    # The digits of 1e999999 would not fit in memory.
    if not exact.is_finite() or abs(exact.adjusted()) > _MOST_DIGITS:
        raise ValueError("out of range")
    return exact


_MOST_DIGITS = 40
_READ_NUMBER = re.compile(r"[+-]?\d{1,40}(?:\.\d{1,40})?", re.ASCII)


def _read_whole(value: Json) -> int:
    number = read_number(value)
    if number != number.to_integral_value():
        raise ValueError("not a whole number")
    return int(number)


def _read_flag(value: Json) -> bool:
    flag = _FLAGS.get(value.strip().lower() if isinstance(value, str) else value)
    if flag is None:
        raise ValueError("not true or false")
    return flag


_FLAGS: Mapping[object, bool] = {
    True: True,
    False: False,
    "true": True,
    "false": False,
    "1": True,
    "0": False,
}


def _read_text(value: Json) -> str:
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        raise TypeError("not text")
    return value if isinstance(value, str) else str(value)


def _read_status(status: type[Status], value: Json) -> Status:
    if not isinstance(value, str):
        raise TypeError("not text")
    return status(value) if value.strip() else status("UNKNOWN")


def _read_choice(choices: type[CustomerType | Language], value: Json) -> str:
    text = _read_text(value)
    return choices(text) if text in frozenset(choices) else text


def _read_moment(value: Json) -> datetime | date | str:
    return read_date(_read_text(value))


_STATUSES: tuple[type[Status], ...] = (
    OrderStatus,
    PaymentStatus,
    RefundStatus,
    ReservationStatus,
    SubscriptionStatus,
)
_READERS: Mapping[type[object], Callable[[Json], object]] = {
    Decimal: read_number,
    int: _read_whole,
    bool: _read_flag,
    str: _read_text,
    datetime: _read_moment,
    OrderType: lambda value: OrderType(_read_text(value)),
    CustomerType: partial(_read_choice, CustomerType),
    Language: partial(_read_choice, Language),
    **{status: partial(_read_status, status) for status in _STATUSES},
}
