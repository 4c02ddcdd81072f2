"""The stored form of an order: JSON with exact digits and dates. Pure.

It is not the wire format, which depends on the client's settings, such as the date format. It is not pickle,
because hosts share a journal, and reading it must not run code.

After the content is deleted, a keyed fingerprint remains. It shows whether an order is the one that was
submitted under this key before. Two orders have the same fingerprint if they would be sent as the same
request: 51 equals 51.00, and a time is the same in any zone. The key is a random salt of the journal: without
a salt, a reader of the fingerprint could try all personal numbers until one matches.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from hashlib import blake2b
from types import MappingProxyType, NoneType, UnionType
from typing import TYPE_CHECKING, Any, TypeVar, Union, cast, get_args, get_origin

import attrs
from cattrs import Converter
from cattrs.errors import ForbiddenExtraKeysError
from cattrs.gen import make_dict_structure_fn

from frontpay_async._exact_json import read_exact, write_exact
from frontpay_async._protocol.operations import ORDER_KINDS, kind_of_order
from frontpay_async.errors import InvalidOrderError, Violation

if TYPE_CHECKING:
    from collections.abc import Callable

    from frontpay_async._exact_json import Json, JsonObject
    from frontpay_async._protocol.operations import OrderKind
    from frontpay_async.order_files.items import BatchOrder

ValueT = TypeVar("ValueT")

_BY_OPERATION: Mapping[str, OrderKind] = MappingProxyType(
    {kind.operation.name: kind for kind in ORDER_KINDS.values()}
)
_UNREADABLE = (KeyError, TypeError, ValueError, AttributeError, RecursionError, ForbiddenExtraKeysError)
_WRITABLE = (str, int, Decimal, date, tuple)
_write_json = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False, sort_keys=True).encode


def kind_named(name: str) -> OrderKind:
    """Return the kind of a row; the journal stores it as the operation that sends it."""
    return _BY_OPERATION[name]


def write(order: BatchOrder) -> bytes:
    """Serialise an order. Equal orders have equal text: 51 and 51.00, a time in any zone."""
    # Fields of a subclass are neither sent nor stored.
    written = _converter.unstructure(order, kind_of_order(order).order)
    return _write_json(written).encode("utf-8", "surrogatepass")


def read(kind: str, content: bytes) -> BatchOrder:
    """Read an order."""
    try:
        order: BatchOrder = _converter.structure(json.loads(content), kind_named(kind).order)
    except (
        KeyError,
        TypeError,
        ValueError,
        AttributeError,
        RecursionError,
        ForbiddenExtraKeysError,
    ) as error:
        problem = type(error).__name__
    else:
        return order
    # Raised here, so that the traceback does not reach the content.
    raise ValueError(f"an order of the journal cannot be read ({problem})")


def _writer(cls: type[Any]) -> Callable[[object], dict[str, object]]:
    names = tuple(each.alias or each.name for each in attrs.fields(cls) if each.init)

    def write_members(value: object) -> dict[str, object]:
        # None is omitted, so that new fields of later versions do not change the text of old orders.
        members = ((name, getattr(value, name)) for name in names)
        return {
            name: _written(member, name) for name, member in members if member is not None and member != {}
        }

    return write_members


def _written(member: object, name: str) -> object:
    if isinstance(member, dict):
        # The exact text, so that a number is restored unchanged.
        return write_exact(_sorted(cast("JsonObject", member)))
    if not (isinstance(member, _WRITABLE) or attrs.has(type(member))):
        raise InvalidOrderError([Violation(name, f"cannot be a {type(member).__name__}")])
    return _converter.unstructure(member)


def _sorted(value: Json) -> Json:
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(each) for each in value] if isinstance(value, list) else value


def _is_mapping(kind: object) -> bool:
    origin = get_origin(kind)
    return isinstance(origin, type) and issubclass(origin, Mapping)


def _read_mapping(written: object, _: object) -> object:
    return read_exact(_exactly(written, str))


def _reader(cls: type[Any]) -> Callable[[Any, type[Any]], Any]:
    return make_dict_structure_fn(cls, _converter, _cattrs_use_alias=True, _cattrs_forbid_extra_keys=True)


def _digits(value: Decimal) -> str:
    """Write a number with just the digits that it needs, whatever the caller's decimal context."""
    text = format(value, "f")
    if "." in text:
        text = text.rstrip("0").rstrip(".")
    return "0" if text in ("-0", "") else text


def _read_digits(text: object, _: object) -> Decimal:
    return Decimal(_exactly(text, str))


def _write_day(day: date) -> str:
    return day.astimezone(UTC).isoformat() if isinstance(day, datetime) else day.isoformat()


def _read_day(written: object, _: object) -> date:
    text = _exactly(written, str)
    return datetime.fromisoformat(text) if "T" in text else date.fromisoformat(text)


def _exactly(value: object, cls: type[ValueT]) -> ValueT:
    if type(value) is not cls:
        raise TypeError(f"not {cls.__name__}")
    return value


def _members(kind: object) -> tuple[object, ...]:
    return get_args(kind) if get_origin(kind) in (Union, UnionType) else (kind,)


def _is_scalar(kind: object) -> bool:
    """Whether an annotation consists of text, numbers and enums, which JSON represents directly."""
    return all(isinstance(each, type) and issubclass(each, (str, int, NoneType)) for each in _members(kind))


def _is_optional(kind: object) -> bool:
    return len(_members(kind)) == len(("T", None)) and NoneType in _members(kind)


def _is_tuple(kind: object) -> bool:
    return get_origin(kind) is tuple


# The readers are made once for each annotation: an order has some thirty members.
def _scalar_reader(kind: Any) -> Callable[[object, object], object]:  # noqa: ANN401 - an annotation
    # True is an int, but not a number of days.
    members = [cast("type", each) for each in _members(kind)]
    wider = tuple(each for each in members if each is not bool)
    taken = frozenset(
        read
        for read in (str, int, bool, NoneType)
        if read in members or any(issubclass(each, read) for each in wider)
    )

    def read_scalar(value: object, _: object) -> object:
        if type(value) not in taken:
            raise TypeError("not of its kind")
        return value

    return read_scalar


def _optional_reader(kind: Any) -> Callable[[object, object], object]:  # noqa: ANN401 - an annotation
    (member,) = (each for each in _members(kind) if each is not NoneType)
    read = _converter.get_structure_hook(member)
    return lambda value, _: None if value is None else read(value, member)


def _tuple_reader(kind: Any) -> Callable[[object, object], object]:  # noqa: ANN401 - an annotation
    member = get_args(kind)[0]
    read = _converter.get_structure_hook(member)
    return lambda value, _: tuple(
        [read(each, member) for each in cast("list[object]", _exactly(value, list))]
    )


_converter = Converter(detailed_validation=False)
_converter.register_unstructure_hook(Decimal, _digits)
_converter.register_structure_hook(Decimal, _read_digits)
for _day in (date, datetime):
    _converter.register_unstructure_hook(_day, _write_day)
_converter.register_structure_hook(date, _read_day)
_converter.register_structure_hook_factory(_is_tuple, _tuple_reader)
_converter.register_structure_hook_factory(_is_optional, _optional_reader)
_converter.register_structure_hook_factory(_is_scalar, _scalar_reader)
_converter.register_structure_hook_func(_is_mapping, _read_mapping)
_converter.register_unstructure_hook_factory(attrs.has, _writer)
_converter.register_structure_hook_factory(attrs.has, _reader)
# Created at import, before tests can replace the date classes.
for _kind in ORDER_KINDS.values():
    _converter.get_structure_hook(_kind.order)
    _converter.get_unstructure_hook(_kind.order)


SALT_BYTES = 32
FINGERPRINT_BYTES = 20


def fingerprint(salt: bytes, kind: str, content: bytes) -> bytes:
    """Return the fingerprint of an order."""
    # The kind is from a fixed set, so the concatenation is unambiguous.
    return blake2b(kind.encode() + b"\0" + content, key=salt, digest_size=FINGERPRINT_BYTES).digest()
