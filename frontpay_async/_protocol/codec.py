"""The names of values on the wire, and writing them, with all quirks. Pure.

*Writing*: camelCase names; numbers with their exact digits, as JSON numbers or strings according to the
operation's rules; only the members in those rules. *Reading* is in ``decode``.

Quirks: ``summary`` is orderSummary, ``customer`` is customerDetails. ``products`` is an object keyed
"0", "1", … on the terminal route. The callback URL is nested on order routes and flat on the terminal
route. The created order is ``uuid`` or ``orderUuid``. Details name the totals ``tax`` and ``discount``, and
the terminal check has its status next to ``data``.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from enum import Enum
from functools import cache
from operator import attrgetter
from typing import TYPE_CHECKING, Any, cast

import attrs
from attrs import frozen

from frontpay_async._exact_json import number_text
from frontpay_async._protocol.dates import DateFormat, write_date
from frontpay_async._protocol.messages import WireBody
from frontpay_async._protocol.request_bodies import RefundApproval
from frontpay_async._protocol.rules import DAY_DATE, DIGITS, KEYED_ROWS, NUMERIC_TEXT, ROWS, UNIX_DATE
from frontpay_async.models.common import (
    Address,
    Customer,
    CustomerType,
    OrderSummary,
    PartialProduct,
    PartialSummary,
    Product,
)
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
from frontpay_async.models.statuses import (
    OrderStatus,
)
from frontpay_async.models.terminals import CreatedTerminalOrder, Terminal, TerminalOrder, TerminalRefund

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from frontpay_async._exact_json import Json, JsonObject
    from frontpay_async._protocol.rules import Field, Rules

PLAIN: Mapping[str, str] = {}
_ORDER_NAMES = {"summary": "orderSummary", "customer": "customerDetails"}
# Python name -> wire name, if it is not plain camelCase.
_NAMES: dict[type[object], Mapping[str, str]] = {
    PaymentLinkOrder: _ORDER_NAMES,
    InvoiceOrder: _ORDER_NAMES,
    EFakturaOrder: _ORDER_NAMES,
    EhfOrder: _ORDER_NAMES,
    TerminalOrder: _ORDER_NAMES,
    Refund: {"lines": "products"},
    TerminalRefund: {"lines": "products"},
    RefundApproval: {"lines": "products"},
    CreatedOrder: {"order_uuid": "uuid"},
    CreatedTerminalOrder: {"order_uuid": "uuid"},
    OrderStatusEntry: {"order_uuid": "uuid"},
    OrderStatusReport: {"order_uuid": "uuid"},
    OrderDetails: {**_ORDER_NAMES, "products": "productList"},
    Terminal: {"organization_uuid": "organization_uuid"},
}
# Alternative wire name -> the one above, if routes or sources disagree.
OTHER_NAMES: dict[type[object], Mapping[str, str]] = {
    CreatedOrder: {"orderUuid": "uuid"},
    CreatedTerminalOrder: {"orderUuid": "uuid"},
    OrderStatusEntry: {"orderUuid": "uuid"},
    OrderStatusReport: {"orderUuid": "uuid"},
    OrderDetails: {"uuid": "orderUuid", "products": "productList"},
    InvoiceNumber: {"uuid": "orderUuid"},
    OrderSummary: {"tax": "totalTax", "discount": "totalDiscount"},
    PartialSummary: {"tax": "totalTax", "discount": "totalDiscount"},
    Product: {"productName": "name"},
    PartialProduct: {"productName": "name"},
    Customer: {"uuid": "customerUuid", "customerName": "name", "customerEmail": "email"},
    Terminal: {"organizationUuid": "organization_uuid"},
}
# The default of a required member that is missing or cannot be read.
ASSUMED: dict[type[object], Mapping[str, object]] = {
    OrderStatusEntry: {"status": OrderStatus.UNKNOWN},
    OrderStatusReport: {"status": OrderStatus.UNKNOWN},
    OrderDetails: {"status": OrderStatus.UNKNOWN},
    InvoiceNumber: {"status": OrderStatus.UNKNOWN, "invoice_number": None},
    Product: {"tax": Decimal(0), "discount": Decimal(0)},
    Customer: {"name": "", "address": Address(street="", zip="", city="", country="")},
    Address: {"street": "", "zip": "", "city": "", "country": ""},
    Terminal: {"name": ""},
}
# Members that are constant in every body.
_CONSTANTS: dict[type[object], Mapping[str, str]] = {TerminalRefund: {"type": "regular"}}
# Functions that normalise an object of a response before it is read.
PREPARE: dict[type[object], Callable[[JsonObject], JsonObject]] = {}


def describe(
    cls: type[object],
    *,
    names: Mapping[str, str] = PLAIN,
    other_names: Mapping[str, str] = PLAIN,
    assumed: Mapping[str, object] = PLAIN,
    constants: Mapping[str, str] = PLAIN,
    prepare: Callable[[JsonObject], JsonObject] | None = None,
) -> None:
    """Register the wire form of a value class; called by the files of resources for their values."""
    _NAMES[cls], OTHER_NAMES[cls], _CONSTANTS[cls], ASSUMED[cls] = names, other_names, constants, assumed
    if prepare is not None:
        PREPARE[cls] = prepare


@cache
def camel(name: str) -> str:
    """Return the wire name of a Python name."""
    return re.sub(r"_([a-z])", lambda match: match[1].upper(), name)


# Filled by class: Python name -> wire name of all fields.
_wire_names_of: dict[type[object], Mapping[str, str]] = {}


def wire_names(cls: type[Any]) -> Mapping[str, str]:
    """Return the wire name of each field of a value, by its Python name."""
    known = _wire_names_of.get(cls)
    if known is None:
        # A caller's subclass uses the names of our class.
        special = next((_NAMES[base] for base in cls.__mro__ if base in _NAMES), PLAIN)
        names = (attribute.alias or attribute.name for attribute in attrs.fields(cls))
        known = {name: special.get(name, camel(name)) for name in names if name != "unknown_fields"}
        _wire_names_of[cls] = known
    return known


def resolve_types(cls: type[Any]) -> None:
    """Replace the annotations of a value class by its types."""
    attrs.resolve_types(cls, localns=_ANNOTATED)


# As they are when this is imported: later, a frozen clock may have replaced the classes of ``datetime``. The
# alias of what JSON holds names Decimal wherever it is resolved.
_ANNOTATED = {"Decimal": Decimal, "date": date, "datetime": datetime}


def other_names(cls: type[object]) -> Mapping[str, str]:
    """Return the alternative wire names of a value's members, with the usual ones."""
    return next((OTHER_NAMES[base] for base in cls.__mro__ if base in OTHER_NAMES), PLAIN)


_DATE_FORMATS = {UNIX_DATE: DateFormat.UNIX, DAY_DATE: DateFormat.DAY}
_SILENT = {"sms": False, "email": False}


def encode(
    value: object,
    rules: Rules,
    date_format: DateFormat | None,
    now: Callable[[], datetime] | None = None,
) -> WireBody:
    """Write a request's value as its JSON body, with only the members in its rules."""
    return picked(rules, members_of(value, date_format, now))


def members_of(
    value: object, date_format: DateFormat | None, now: Callable[[], datetime] | None = None
) -> dict[str, object]:
    """Return all members of a request's value by their wire names; nested values are left as they are."""
    form = _form(type(value))
    full = dict(zip(form.names, form.read(value), strict=False))
    if form.is_dotted:
        _led_in(full)
    if form.constants:
        full.update(form.constants)
    moment = full.get("orderDate")
    if isinstance(moment, date) and date_format is not None:
        is_day = not isinstance(moment, datetime)
        full["orderDate"] = write_date(moment, date_format, now() if is_day and now is not None else None)
    if full.get("callbackUrl") is not None:
        full["callback"] = {"callbackUrl": full["callbackUrl"]}
    if isinstance(value, PaymentLinkOrder) and value.send_order_by is None:
        # Nullable in the reference, but the demo API has required its members.
        full["sendOrderBy"] = _SILENT
    buyer = full.get("customerDetails")
    if (
        isinstance(buyer, Customer)
        and buyer.organization_id is not None
        and buyer.type == CustomerType.PRIVATE
    ):
        # The reference requires omitting it.
        full["customerDetails"] = {**own_members(buyer), "organizationId": None}
    return full


def own_members(value: object) -> dict[str, object]:
    """Return the members of a value by their wire names, without a look into nested values."""
    form = _form(type(value))
    return dict(zip(form.names, form.read(value), strict=False))


@frozen(eq=False, repr=False)
class _Form:
    """The members of a class's values as they are written, found once for each class.

    Args:
        names: The wire names.
        read: Reads all of them.
        is_dotted: Whether a name is that of a member within another one.
        constants: Members that are constant in every body.
    """

    names: tuple[str, ...]
    read: Callable[[object], tuple[object, ...]]
    is_dotted: bool
    constants: Mapping[str, str]


_forms: dict[type[object], _Form] = {}


def _form(cls: type[object]) -> _Form:
    known = _forms.get(cls)
    if known is None:
        named = attributes(cls)
        known = _forms[cls] = _Form(
            names=tuple(named),
            # With one name, an attrgetter would return a value instead of a tuple.
            read=attrgetter(*named.values(), "__class__"),
            is_dotted=any("." in name for name in named),
            constants=next((_CONSTANTS[base] for base in cls.__mro__ if base in _CONSTANTS), PLAIN),
        )
    return known


def attributes(cls: type[Any]) -> dict[str, str]:
    """Return the attribute of each member of a value, by its wire name."""
    wired = wire_names(cls)
    # The attribute of a field with a private name, such as a line's given amount, is its public property.
    return {
        wired[name]: name if hasattr(cls, name) else each.name
        for each in attrs.fields(cls)
        if (name := each.alias or each.name) in wired and name != "extra"
    }


def picked(rules: Rules, members: Mapping[str, object]) -> WireBody:
    """Return the body: the members that the rules name, without those that are blank."""
    return WireBody(_named(rules.fields, members))


def _led_in(members: dict[str, object]) -> None:
    """Move the members with dotted names into their objects."""
    for name in [name for name in members if "." in name]:
        holder, _, last = name.partition(".")
        value = members.pop(name)
        if value is not None:
            inner = members.get(holder)
            if not isinstance(inner, dict):
                inner = members[holder] = {} if inner is None else own_members(inner)
            inner[last] = value


def _named(fields: tuple[Field, ...], holder: object) -> dict[str, Json]:
    """Return the members in the rules, without blank ones, of a value or of its members."""
    full = cast("Mapping[str, object]", holder if isinstance(holder, dict) else own_members(holder))
    body: dict[str, Json] = {}
    for member in fields:
        value = full.get(member.name)
        if type(value) is str:
            # A fast path for plain text, which is nearly all values.
            if value and not value.isspace():
                body[member.name] = value
            continue
        if value is None or (isinstance(value, str) and not value.strip()):
            continue
        if member.fields:
            if member.kind is ROWS or member.kind is KEYED_ROWS:
                rows = [_named(member.fields, row) for row in cast("Sequence[object]", value)]
                keyed: dict[str, Json] = {str(index): row for index, row in enumerate(rows)}
                body[member.name] = keyed if member.kind is KEYED_ROWS else cast("list[Json]", rows)
            elif inner := _named(member.fields, value):
                body[member.name] = inner
        else:
            body[member.name] = on_the_wire(member, value)
    return body


def on_the_wire(member: Field, value: object) -> Json:
    """Return a value as it is written: dates as text, and numbers where the API wants them so."""
    if isinstance(value, Enum):
        value = value.value
    if isinstance(value, Decimal):
        return number_text(value) if member.kind is NUMERIC_TEXT else value
    if isinstance(value, date):
        form = _DATE_FORMATS.get(member.kind)
        return cast("Json", value if form is None else write_date(value, form))
    if isinstance(value, tuple):
        return list(cast("tuple[Json, ...]", value))
    if member.kind is DIGITS and isinstance(value, int):
        return str(value)
    return cast("Json", value)
