"""Conversion of values to plain data and back: exact, and by default without personal data. Pure.

*Model*: strings for Decimal numbers, ISO 8601 for dates, an enum's value for an enum, an object for a value.
The same mark on a field hides it in reprs and here. Members without a class (``extra``, ``unknown_fields``,
the body of a raw response) may contain a Decimal anywhere; there it is ``{"$numberDecimal": "1.50"}``, as in
MongoDB's extended JSON, to distinguish it from a string.

*Guarantee*: ``read(write(value, personal_data=True)) == value``, with either style of names, also after a
round trip through JSON text.

*Limit*: a string in one of the API's date formats is read as a date, and an amount that equals the computed
one is recomputed when its line changes. A complete ``PartialProduct`` or ``PartialSummary`` is read as the
complete class.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping
from datetime import date, datetime
from decimal import Decimal
from difflib import get_close_matches
from enum import Enum, IntEnum
from types import NoneType, UnionType
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypeVar, Union, cast, get_args, get_origin

import attrs

from frontpay_async._exact_json import number_text
from frontpay_async._protocol import codec
from frontpay_async._protocol.dates import read_date
from frontpay_async._protocol.decode import read_number
from frontpay_async._protocol.operations import OPERATIONS
from frontpay_async.errors import InvalidOrderError, Violation
from frontpay_async.models._fields import to_decimal
from frontpay_async.models.common import Product

if TYPE_CHECKING:
    from collections.abc import Callable

    from frontpay_async.models.value import NameStyle

Plain: TypeAlias = "bool | int | float | str | list[Plain] | dict[str, Plain] | None"
T = TypeVar("T")

MASK = "***"
_DEEPEST = 100
_NUMBER = "$numberDecimal"
_UNTYPED = frozenset({"extra", "unknown_fields", "json"})


# Out


def to_dict(value: object, names: NameStyle, *, personal_data: bool) -> dict[str, Plain]:
    """Return a value as plain data."""
    style = _style(names)
    return cast("dict[str, Plain]", _write(value, style, personal_data=personal_data))


def plain(value: object) -> Plain:
    """Return plain data for the output of a command, without personal data."""
    return _write(value, _python_names, personal_data=False)


def _write(  # noqa: PLR0911 - a case for each kind
    value: object, names: Callable[[type[Any]], Mapping[str, str]], *, personal_data: bool
) -> Plain:
    match value:
        # Before the numbers and texts: an enum is one of them, too.
        case Enum():
            return _write(value.value, names, personal_data=personal_data)
        case None | bool() | int() | float():
            return value
        case str():
            # Of an open status, its text alone.
            return str(value)
        case Decimal():
            return number_text(value)
        case date():
            return value.isoformat()
        case Mapping():
            members = cast("Mapping[str, object]", value)
            return {
                name: _write(member, names, personal_data=personal_data) for name, member in members.items()
            }
        case tuple() | list():
            rows = cast("tuple[object, ...]", value)
            return [_write(each, names, personal_data=personal_data) for each in rows]
        case frozenset():
            return [_write(each, names, personal_data=personal_data) for each in sorted(cast("Any", value))]
        case _ if attrs.has(type(value)):
            return _write_members(value, names, personal_data=personal_data)
        case _:
            raise TypeError(f"a {type(value).__name__} has no plain form")


def _write_members(
    value: object, names: Callable[[type[Any]], Mapping[str, str]], *, personal_data: bool
) -> dict[str, Plain]:
    written: dict[str, Plain] = {}
    named = names(type(value))
    for each in attrs.fields(cast("type[attrs.AttrsInstance]", type(value))):
        field = each.alias or each.name
        # By the public name, because an amount that was not given is computed.
        member: object = getattr(value, field)
        if each.repr is not True and not personal_data:
            kept = _masked(member)
        elif field in _UNTYPED:
            kept = _write_untyped(member)
        else:
            kept = _write(member, names, personal_data=personal_data)
        _put(written, named[field], kept)
    return written


def _masked(member: object) -> Plain:
    if isinstance(member, Mapping):
        return dict.fromkeys(sorted(cast("Mapping[str, object]", member)), MASK)
    return cast("Plain", member) if member is None or member == "" else MASK


def _put(written: dict[str, Plain], name: str, member: Plain) -> None:
    """Set a member; a dotted name leads into an object."""
    holder, _, last = name.rpartition(".")
    target = cast("dict[str, Plain]", written.setdefault(holder, {})) if holder else written
    already = target.get(last)
    # Another name may have led into the same object before.
    target[last] = {**member, **already} if isinstance(already, dict) and isinstance(member, dict) else member


def _write_untyped(value: object) -> Plain:
    match value:
        case Decimal():
            return {_NUMBER: number_text(value)}
        case Mapping():
            members = cast("Mapping[str, object]", value)
            return {name: _write_untyped(member) for name, member in members.items()}
        case list() | tuple():
            return [_write_untyped(each) for each in cast("list[object]", value)]
        case _:
            return cast("Plain", value)


# In


def with_numbers(value: object) -> object:
    """Return JSON with the numbers that ``to_dict`` wrote as ``$numberDecimal``, or raise ValueError."""
    if isinstance(value, dict):
        members = cast("dict[str, object]", value)
        if set(members) == {_NUMBER}:
            return to_decimal(str(members[_NUMBER]))
        return {name: with_numbers(each) for name, each in members.items()}
    if isinstance(value, list):
        return [with_numbers(each) for each in cast("list[object]", value)]
    return value


def from_dict(cls: type[T], data: Mapping[str, object], names: NameStyle) -> T:
    """Return the value that plain data describes."""
    reader = _Reader(names)
    value = reader.read_object(cls, data, "")
    if reader.violations:
        raise InvalidOrderError(reader.violations)
    return cast("T", value)


class _Unreadable:
    """The type of the placeholder for an unreadable member; the violation is in the reader's list."""


_UNREADABLE = _Unreadable()


class _Reader:
    """One reading of plain data, which collects all violations."""

    def __init__(self, names: NameStyle) -> None:
        self._names, self._is_wire = _style(names), names == "wire"
        self.violations: list[Violation] = []

    def _refuse(self, path: str, demand: str) -> _Unreadable:
        self.violations.append(Violation(path or "data", demand))
        return _UNREADABLE

    def read_object(self, cls: type[Any], data: object, path: str) -> object:
        """Read a value of ours."""
        if isinstance(data, cls):
            return data
        if not isinstance(data, Mapping):
            return self._refuse(path, f"must be an object, not {_a(data)}")
        codec.resolve_types(cls)
        named = self._names(cls)
        others: Mapping[str, str] = codec.other_names(cls) if self._is_wire else {}
        known = frozenset(named.values())
        told = _led_out(cast("Mapping[str, object]", data), known)
        told = {(others[name] if others.get(name, name) not in told else name): told[name] for name in told}
        arguments: dict[str, object] = {}
        found = len(self.violations)
        for each in attrs.fields(cls):
            field = each.alias or each.name
            wire = named[field]
            at = f"{path}.{wire}" if path else wire
            if wire in told:
                arguments[field] = self._read_field(each, told.pop(wire), at)
            elif each.default is attrs.NOTHING:
                self._refuse(at, "is required")
        for name in told:
            self._refuse(f"{path}.{name}" if path else name, _unknown(cls, name, known))
        if len(self.violations) > found:
            return _UNREADABLE
        return self._construct(cls, arguments, path)

    def _construct(self, cls: type[Any], arguments: dict[str, object], path: str) -> object:
        before = f"{path}." if path else ""
        try:
            return _computed(cls(**arguments))
        except InvalidOrderError as error:
            self.violations += [Violation(before + each.path, each.message) for each in error.violations]
        except (TypeError, ValueError) as error:
            self._refuse(path, f"cannot be read: {error}")
        return _UNREADABLE

    def _read_field(self, field: attrs.Attribute[Any], data: object, path: str) -> object:
        if field.repr is not True and is_masked(data):
            return self._refuse(path, "is masked; write it with personal_data=True")
        if (field.alias or field.name) in _UNTYPED:
            if field.name != "json" and not _is_object(data):
                return self._refuse(path, f"must be an object, not {_a(data)}")
            return self._read_untyped(data, path, 0)
        return self._read(field.type, data, path)

    def _read(self, kind: Any, data: object, path: str) -> object:  # noqa: ANN401, PLR0911 - an annotation
        origin = get_origin(kind)
        if origin in (Union, UnionType):
            return self._read_choice(get_args(kind), data, path)
        if origin is Literal:
            choices = get_args(kind)
            return data if data in choices else self._refuse(path, f"must be {' or '.join(choices)}")
        if origin in (tuple, frozenset):
            return self._read_rows(origin, get_args(kind)[0], data, path)
        if isinstance(origin, type) and issubclass(origin, Mapping):
            if not isinstance(data, Mapping):
                return self._refuse(path, f"must be an object, not {_a(data)}")
            members = cast("Mapping[str, object]", data)
            inner = get_args(kind)[1]
            return {name: self._read(inner, each, f"{path}.{name}") for name, each in members.items()}
        if attrs.has(kind):
            return self.read_object(kind, data, path)
        return self._read_scalar(kind, data, path)

    def _read_choice(self, kinds: tuple[Any, ...], data: object, path: str) -> object:
        if data is None and NoneType in kinds:
            return None
        choices = [kind for kind in kinds if kind is not NoneType]
        if str in choices and isinstance(data, str) and any(_is_date(kind) for kind in choices):
            # Text in other formats stays text.
            return read_date(data)
        if str in choices:
            # A closed list of values or text: unlisted values are text.
            choices.sort(key=lambda kind: kind is str)
        found = len(self.violations)
        for kind in choices:
            del self.violations[found:]
            read = self._read(kind, data, path)
            if len(self.violations) == found:
                return read
        return _UNREADABLE

    def _read_rows(self, origin: type, kind: Any, data: object, path: str) -> object:  # noqa: ANN401
        if not isinstance(data, (list, tuple, frozenset)):
            return self._refuse(path, f"must be a list, not {_a(data)}")
        rows = enumerate(cast("list[object]", data))
        return origin([self._read(kind, row, f"{path}.{index}") for index, row in rows])

    def _read_scalar(self, kind: type[Any], data: object, path: str) -> object:
        if issubclass(kind, Enum):
            return self._read_enum(kind, data, path)
        if _is_date(kind):
            return self._read_date(kind, data, path)
        if issubclass(kind, Decimal):
            return self._read_number(data, path)
        if kind is float:
            is_one = isinstance(data, (int, float)) and not isinstance(data, bool) and math.isfinite(data)
        else:
            is_one = isinstance(data, kind) and (kind is bool) is isinstance(data, bool)
        return data if is_one else self._refuse(path, f"must be {_WORDS[kind]}, not {_a(data)}")

    def _read_enum(self, kind: type[Enum], data: object, path: str) -> object:
        is_one = isinstance(data, int if issubclass(kind, IntEnum) else str) and not isinstance(data, bool)
        try:
            return kind(data) if is_one else self._refuse(path, f"must be text, not {_a(data)}")
        except ValueError:
            return self._refuse(path, f"must be one of {', '.join(str(each.value) for each in kind)}")

    def _read_date(self, kind: type[date], data: object, path: str) -> object:
        read = read_date(data) if isinstance(data, str) else data
        if isinstance(read, datetime if issubclass(kind, datetime) else date):
            return read
        form = "a time with its zone, such as 2024-04-07T12:00:00+02:00"
        if not issubclass(kind, datetime):
            form = f"a date such as 2024-04-07, or {form}"
        return self._refuse(path, f"must be {form}")

    def _read_number(self, data: object, path: str) -> object:
        if isinstance(data, float):
            return self._refuse(
                path,
                "cannot be a float, which is not exact: pass text, or read with parse_float=Decimal",
            )
        try:
            return read_number(cast("Any", data))
        except (TypeError, ValueError, ArithmeticError):
            return self._refuse(path, "must be a number, as text such as '51.00', an int or a Decimal")

    def _read_untyped(self, data: object, path: str, depth: int) -> object:
        if depth == _DEEPEST:
            return self._refuse(path, "is nested too deeply")
        if isinstance(data, Mapping):
            members = cast("Mapping[str, object]", data)
            if set(members) == {_NUMBER}:
                return self._read_number(members[_NUMBER], path)
            return {
                name: self._read_untyped(each, f"{path}.{name}", depth + 1) for name, each in members.items()
            }
        if isinstance(data, (list, tuple)):
            rows = enumerate(cast("list[object]", data))
            return [self._read_untyped(each, f"{path}.{index}", depth + 1) for index, each in rows]
        if isinstance(data, float):
            return self._read_number(data, path)
        return data


_WORDS: Mapping[type, str] = {
    str: "text",
    bool: "true or false",
    int: "a whole number",
    float: "a number",
}


def _computed(value: object) -> object:
    """Return a line without its amount if that equals the computed one."""
    if isinstance(value, Product):
        computed = attrs.evolve(value, amount=None)
        # The digits count: they are sent.
        return computed if str(computed.amount) == str(value.amount) else value
    return value


def _is_date(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, date)


def _is_object(data: object) -> bool:
    return isinstance(data, Mapping)


def _a(data: object) -> str:
    return "null" if data is None else f"a {type(data).__name__}"


def is_masked(data: object) -> bool:
    """Return whether a value, or each member of ``extra``, was masked by ``to_dict``."""
    # A mapping of another kind than a string is rarer, and costs more to recognise.
    if not isinstance(data, str) and isinstance(data, Mapping):
        members = cast("Mapping[str, object]", data)
        return bool(members) and all(each == MASK for each in members.values())
    return data == MASK


def _unknown(cls: type[Any], name: str, known: Collection[str]) -> str:
    near = get_close_matches(name, sorted(known), 1)
    hint = f"; did you mean {near[0]}?" if near else ""
    return f"is not a member of {cls.__name__}{hint}"


def _led_out(data: Mapping[str, object], known: Collection[str]) -> dict[str, object]:
    """Return the members with those that dotted names lead to by their dotted names."""
    told = dict(data)
    for holder in {name.rpartition(".")[0] for name in known if "." in name}:
        inner = told.get(holder)
        if not isinstance(inner, Mapping):
            continue
        members = {f"{holder}.{name}": each for name, each in cast("Mapping[str, object]", inner).items()}
        own = {name: each for name, each in members.items() if holder not in known or name in known}
        told |= own
        if holder in known:
            told[holder] = {name.rpartition(".")[2]: members[name] for name in members if name not in own}
        else:
            del told[holder]
    return told


# Names


def _style(names: NameStyle) -> Callable[[type[Any]], Mapping[str, str]]:
    if names == "python":
        return _python_names
    if names == "wire":
        # Each resource's file registers the names of its values when it is loaded.
        len(OPERATIONS)
        return _names_on_the_wire
    raise ValueError(f"names must be 'python' or 'wire', not {names!r}")


def _python_names(cls: type[Any]) -> Mapping[str, str]:
    return {name: name for name in (each.alias or each.name for each in attrs.fields(cls))}


def _names_on_the_wire(cls: type[Any]) -> Mapping[str, str]:
    return {"unknown_fields": "unknownFields", **codec.wire_names(cls)}
