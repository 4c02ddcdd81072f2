"""The fields of orders in files, derived from the models. Pure.

A file may contain a field if it is in the model and in the rules of some kind. A field has a path
(``customer.address.zip``), used in JSON lines; a column (``customer_zip``), used in CSV; and a wire path
(``customerDetails.address.zip``), used in the rules. Column names are derived as follows:

- ``product_`` and the field for a line of the order, ``customer_`` for the customer and the address,
- ``summary_`` for a total, ``send_order_by_`` for a way, and the field itself for the rest,
- without the prefix where the field begins with it: ``product_id``.
"""

from __future__ import annotations

import difflib
import re
from datetime import date
from decimal import Decimal
from enum import Enum
from functools import lru_cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, TypeAlias, cast, get_args, get_type_hints

import attrs
from attrs import frozen

from frontpay_async._protocol.codec import wire_names
from frontpay_async._protocol.operations import ORDER_KINDS

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping

    from frontpay_async._protocol.operations import Operation
    from frontpay_async._protocol.rules import Field

Path: TypeAlias = "tuple[str | int, ...]"


class Form(Enum):
    """The type of a field's value."""

    TEXT = "text"
    NUMBER = "a number"
    WHOLE = "a whole number"
    BOOLEAN = "true or false"
    DATE = "a date"
    JSON = "a JSON object"


@frozen
class Leaf:
    """A field with one value.

    Args:
        name: Its name in the model.
        is_required: The model cannot be built without it.
        column: Its name in a CSV file.
        default: The default if the file has no value; None if there is no default.
        is_masked: Whether ``to_dict`` masks it by default.
    """

    name: str
    form: Form
    is_required: bool
    column: str
    default: object = None
    is_masked: bool = False


@frozen
class Group:
    """A field with a nested model, or rows of it.

    Args:
        name: Its name in the model; empty for the order itself.
        cls: The model.
        fields: The fields of the model that files may contain, by name.
        is_required: The containing model cannot be built without it.
        is_rows: It is a list of them.
    """

    name: str
    cls: type[Any]
    fields: Mapping[str, Leaf | Group]
    is_required: bool = True
    is_rows: bool = False


_PREFIXES: Mapping[str, str] = {
    "products": "product_",
    # An address is the customer's: customer_zip, not customer_address_zip.
    "address": "customer_",
}
# Fields that the models require, but some operations do not send.
_UNSENT: Mapping[str, object] = {"quantity": 1, "discount": Decimal(0), "total_discount": Decimal(0)}
# The callback URL is flat in the models and nested on the wire.
_FLAT_ON_WIRE = {"callbackUrl": "callback.callbackUrl"}


def _sent(fields: tuple[Field, ...], prefix: str = "") -> Iterator[str]:
    for member in fields:
        yield prefix + member.name
        yield from _sent(member.fields, f"{prefix}{member.name}.")


_SENT = frozenset(
    path
    for kind in ORDER_KINDS.values()
    if kind.operation.rules is not None
    for path in _sent(kind.operation.rules.fields)
)
_FIELD_PATHS: dict[str, tuple[str, ...]] = {}


def _form(types: Collection[object]) -> Form:
    for cls, form in ((Decimal, Form.NUMBER), (date, Form.DATE), (bool, Form.BOOLEAN), (int, Form.WHOLE)):
        if cls in types:
            return form
    return Form.TEXT


def _fields(
    cls: type[Any],
    path: tuple[str, ...] = (),
    wire: str = "",
    prefix: str = "",
    sent: frozenset[str] = _SENT,
) -> Mapping[str, Leaf | Group]:
    found: dict[str, Leaf | Group] = {}
    hints = get_type_hints(cls)
    wired = wire_names(cls)
    for attribute in cast("tuple[attrs.Attribute[Any], ...]", attrs.fields(cls)):
        name = attribute.alias or attribute.name
        on_wire = wire + _FLAT_ON_WIRE.get(wired[name], wired[name])
        if name == "extra":
            found[name] = Leaf(name, Form.JSON, is_required=False, column=name, is_masked=True)
        if on_wire not in sent:
            if name in _UNSENT:
                _FIELD_PATHS.setdefault(on_wire, (*path, name))
                found[name] = Leaf(name, Form.NUMBER, is_required=False, column=name, default=_UNSENT[name])
            continue
        _FIELD_PATHS[on_wire] = (*path, name)
        is_required = attribute.default is attrs.NOTHING
        types = get_args(hints[attribute.name]) or (hints[attribute.name],)
        nested = next((each for each in types if isinstance(each, type) and attrs.has(each)), None)
        if nested is None:
            column = name if name.startswith(prefix) else prefix + name
            is_masked = attribute.repr is not True
            found[name] = Leaf(name, _form(types), is_required, column, is_masked=is_masked)
        else:
            inner = _PREFIXES.get(name, f"{name}_")
            members = _fields(nested, (*path, name), f"{on_wire}.", inner, sent)
            found[name] = Group(name, nested, members, is_required, is_rows=Ellipsis in types)
    return MappingProxyType(found)


ORDER_FIELDS: Mapping[str, Group] = MappingProxyType(
    {kind.name: Group("", kind.order, _fields(kind.order)) for kind in ORDER_KINDS.values()}
)
"""The fields of each kind of order."""


@lru_cache(maxsize=64)
def fields_of(operation: Operation[Any]) -> Group:
    """Return the fields of an operation's request."""
    cls = cast("type[Any]", operation.request)
    rules = operation.rules
    sent = frozenset(_sent(() if rules is None else rules.fields))
    if "callbackUrl" in sent:
        # The terminal routes have it flat on the wire, too.
        sent |= set(_FLAT_ON_WIRE.values())
        _FIELD_PATHS["callbackUrl"] = ("callback_url",)
    return Group("", cls, _fields(cls, sent=sent))


def _columns(fields: Mapping[str, Leaf | Group], path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
    for name, member in fields.items():
        if isinstance(member, Leaf):
            yield member.column, ((*path, name), member)
        else:
            yield from _columns(member.fields, (*path, name))


COLUMNS: Mapping[str, tuple[tuple[str, ...], Leaf]] = MappingProxyType(
    {column: place for order in ORDER_FIELDS.values() for column, place in _columns(order.fields)}
)
"""Each column except ``key`` and ``kind``: the path of its field, without row numbers, and the field."""
FIELD_OF: Mapping[tuple[str, ...], str] = MappingProxyType(
    {path: column for column, (path, _) in COLUMNS.items()}
)
"""The column of each path."""

_WIRE_PATH = re.compile(r"[A-Za-z]+(?:\.\w+)+", re.ASCII)
_TITLE = re.compile(r"[A-Za-zÆØÅæøå][\wÆØÅæøå .,()/%#:-]{0,39}", re.ASCII)
_NAME = re.compile(r"[A-Za-z_]\w{0,39}", re.ASCII)


def field_path(wire: str) -> Path:
    """Return the path of a field by its wire path; unchanged if there is no such field."""
    steps = wire.split(".")
    path = _FIELD_PATHS.get(".".join(step for step in steps if not step.isdecimal()))
    if path is None:
        return tuple(steps)
    # Only the order itself has rows.
    row = next((int(step) for step in steps if step.isdecimal()), None)
    return path if row is None else (path[0], row, *path[1:])


def words(message: str, name: Mapping[tuple[str, ...], str] | None = None) -> str:
    """Replace the wire paths in a rule's message by the file's names."""

    def rename(match: re.Match[str]) -> str:
        path = _FIELD_PATHS.get(match[0])
        if path is None:
            return match[0]
        return ".".join(path) if name is None else name.get(path, ".".join(path))

    return _WIRE_PATH.sub(rename, message)


@lru_cache(maxsize=256)
def did_you_mean(name: str, known: frozenset[str]) -> str:
    """Suggest a similar name, as the end of a sentence; empty if there is none."""
    snake = re.sub(r"(?<=[a-z])([A-Z])", r"_\1", name[:80]).lower().replace(" ", "_").replace("-", "_")
    near = difflib.get_close_matches(snake, sorted(known), n=1, cutoff=0.7)
    return f"; did you mean {near[0]}?" if near else ""


def shown_title(title: str, place: int) -> str:
    """Return a CSV title for a message if it looks like a title; other text may be personal data."""
    return title if _TITLE.fullmatch(title) else f"column {place}"


def shown_name(name: str) -> str:
    """Return the name of a JSON member for a message if it looks like a name, otherwise an ellipsis."""
    return name if _NAME.fullmatch(name) else "…"
