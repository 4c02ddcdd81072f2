"""The fields of values: exact numbers, zone-aware dates, masked reprs. Pure.

Only values that can never be valid are rejected here (a float, a naive datetime, text that is not a number);
the documented rules are checked against the wire form when the order is sent, so that all broken rules are
reported together.
"""

from __future__ import annotations

import functools
import re
from collections import abc
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Context, Decimal, getcontext, setcontext
from enum import Enum, StrEnum
from typing import TYPE_CHECKING, ParamSpec, TypeVar, cast

from frontpay_async.errors import InvalidOrderError, Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping
    from typing import Any, TypeAlias

    from attrs import Attribute

    Number: TypeAlias = Decimal | int | str

# The caller's decimal context may have any precision; sums of money must not depend on it. A product
# of two numbers, each of at most 60 digits, and the sum of any order fit.
EXACT = Context(prec=200, rounding=ROUND_HALF_UP)
ORE = Decimal("0.01")

_DATE_DEMAND = "must be a date or a zone-aware datetime, not {}"
_PLAIN_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?", re.ASCII)
_MOST_DIGITS = 30
_DEEPEST = 50

P = ParamSpec("P")
T = TypeVar("T")


class _WrongTypeError(InvalidOrderError, TypeError):
    """An exception for an argument of an invalid type, such as a float."""


_BUILTIN = frozenset({type(None), str, bool, int, float, Decimal, date, datetime, tuple, list, dict})
# What pandas and numpy have for a missing value.
_MISSING = frozenset({"NAType", "NaTType", "MaskedConstant"})
# The kinds of numpy's scalars that equal a builtin: signed, unsigned, boolean, text, and a day or a moment.
_EXACT_KINDS = frozenset("iubUM")


def exact(_: type, fields: list[Attribute[Any]]) -> list[Attribute[Any]]:
    """Have each field of a value read its argument by ``builtin``; attrs' ``field_transformer``."""
    # Nothing here imports numpy or pandas: their values are known by what they offer.
    return [_exact_field(each) for each in fields]


def _exact_field(field: Attribute[Any]) -> Attribute[Any]:
    convert = cast("Callable[[Any], object] | None", cast("Any", field).converter)
    name = (field.alias or field.name).lstrip("_")
    if convert not in (None, to_decimal, to_decimal_or_none, to_date):
        return field.evolve(converter=_named(convert, name))

    def read(value: object) -> object:
        return value if type(value) in _BUILTIN else builtin(value, name)

    def read_number(value: object) -> object:
        if type(value) is Decimal and _is_short(value):
            return value
        return _number(cast("Callable[[Any], object]", convert), read(value), name)

    def read_date(value: object) -> object:
        return to_date(cast("date", read(value)), name)

    if convert is None:
        return field.evolve(converter=read)
    return field.evolve(converter=read_date if convert is to_date else read_number)


def _named(convert: Callable[[Any], object], name: str) -> Callable[[object], object]:
    """Return a converter, such as one that makes a tuple of any iterable, whose errors name the field."""

    @functools.wraps(convert)
    def read(value: object) -> object:
        if type(value) not in _BUILTIN and (isinstance(value, str) or not isinstance(value, abc.Iterable)):
            value = builtin(value, name)
        try:
            return convert(value)
        except InvalidOrderError:
            raise
        except TypeError as error:
            problem = str(error)
        raise _WrongTypeError([Violation(name, f"cannot be used: {problem}")])

    return read


def _number(convert: Callable[[Any], object], value: object, name: str) -> object:
    try:
        return convert(value)
    except TypeError as error:
        raise _WrongTypeError([Violation(name, str(error))]) from None
    except ValueError as error:
        raise InvalidOrderError([Violation(name, str(error))]) from None


def builtin(value: object, name: str) -> object:
    """Return a scalar of numpy or pandas as the builtin value that equals it; other values as they are."""
    kind = getattr(getattr(value, "dtype", None), "kind", None)
    if type(value).__name__ in _MISSING:
        raise InvalidOrderError([Violation(name, "is a missing value: pass None, or leave the field out")])
    if isinstance(value, datetime):
        return _plain_moment(value, name)
    if isinstance(value, date):
        return date(value.year, value.month, value.day)
    if kind is None or isinstance(value, Enum):
        return value
    if getattr(value, "ndim", None) == 0:
        item: object = cast("Any", value).item()
        if kind in _EXACT_KINDS and (isinstance(item, date) if kind == "M" else item is not None):
            return item
        if isinstance(item, float):
            # Refused like any float: by the field where it is a number, else by the rules.
            return item
    raise _WrongTypeError([Violation(name, f"cannot be a {type(value).__name__}; pass a plain value")])


def _plain_moment(value: datetime, name: str) -> datetime:
    if getattr(value, "nanosecond", 0):
        raise InvalidOrderError([Violation(name, "has nanoseconds; round it to microseconds")])
    # Without a zone it is refused later, by the field.
    return datetime.combine(date(value.year, value.month, value.day), value.timetz())


def to_decimal(value: Number) -> Decimal:
    """Read an exact number."""
    if type(value) is Decimal:
        number = value
    # The annotation says so; callers without a type checker learn it here.
    elif isinstance(value, bool) or not isinstance(value, (Decimal, int, str)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(_wrong_number(value))
    elif isinstance(value, str) and _PLAIN_NUMBER.fullmatch(value) is None:
        raise ValueError(f"{value[:40]!r} is not a plain number; write it like '51.00'")
    else:
        number = Decimal(value)
    if not number.is_finite():
        raise ValueError("must be finite")
    if _is_short(number):
        return number
    exponent = number.as_tuple().exponent
    if number.adjusted() >= _MOST_DIGITS or (isinstance(exponent, int) and exponent < -_MOST_DIGITS):
        raise ValueError(f"may have at most {_MOST_DIGITS} digits before and after the point")
    return number


def _is_short(number: Decimal) -> bool:
    """Whether a number certainly has few enough digits; taking it apart costs ten times as much."""
    text = str(number)
    return len(text) <= _MOST_DIGITS and "E" not in text and number.is_finite()


def _wrong_number(value: object) -> str:
    why = ": binary floats cannot hold most decimal amounts exactly" if isinstance(value, float) else ""
    return (
        f"is not valid: a {type(value).__name__} cannot be money, a rate or a quantity{why};"
        " pass a Decimal, an int, or text such as '51.00'"
    )


def to_decimal_or_none(value: Number | None) -> Decimal | None:
    """Read an exact number; None means that none was given."""
    return None if value is None else to_decimal(value)


def to_whole(value: int | str | None) -> int:
    """Read a whole number, which a form or a file may have as text; the rules check anything else."""
    is_number = isinstance(value, str) and value.isascii() and value.isdigit() and len(value) <= _MOST_DIGITS
    return int(cast("str", value)) if is_number else cast("int", value)


def member_of(cls: type[StrEnum], value: str | None) -> str | None:
    """Return the member that text names in any case; the rules check anything else."""
    if not isinstance(value, str):
        return value
    word = value.strip().casefold()
    return next((each for each in cls if each.casefold() == word), value)


def exactly(compute: Callable[P, T]) -> Callable[P, T]:
    """Have a function compute in the exact context: operators take a third of the time of its methods."""

    @functools.wraps(compute)
    def compute_exactly(*args: P.args, **kwargs: P.kwargs) -> T:
        callers = getcontext()
        setcontext(EXACT)
        try:
            return compute(*args, **kwargs)
        finally:
            setcontext(callers)

    return compute_exactly


def to_ore(value: Decimal) -> Decimal:
    """Round an amount to whole øre, half up, whatever the caller's decimal context."""
    return EXACT.quantize(value, ORE)


def tuple_of(cls: type[T], values: Iterable[T]) -> tuple[T, ...]:
    """Freeze a sequence of one class."""
    frozen = tuple(values)
    for value in frozen:
        if not isinstance(value, cls):
            raise TypeError(f"must be a {cls.__name__}, not a {type(value).__name__}")
    return frozen


def to_date(value: date, name: str = "order_date") -> date:
    """Accept a date or a zone-aware datetime."""
    if not isinstance(value, date):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise _WrongTypeError([Violation(name, _DATE_DEMAND.format(type(value).__name__))])
    if isinstance(value, datetime) and value.utcoffset() is None:
        needs_zone = "must be a date or a datetime with a zone, such as datetime.now(timezone.utc)"
        raise InvalidOrderError([Violation("orderDate" if name == "order_date" else name, needs_zone)])
    return value


def to_extra(value: Mapping[str, object] | None) -> dict[str, object]:
    """Copy the members that are merged into a body: whatever JSON can write exactly."""
    if value is None:
        return {}
    copied = _json_copy(value, "extra")
    if not isinstance(copied, dict):
        raise _WrongTypeError([Violation("extra", f"must be a mapping, not {type(value).__name__}")])
    return cast("dict[str, object]", copied)


def _json_copy(value: object, path: str, depth: int = 0) -> object:
    if depth == _DEEPEST:
        # A structure may also contain itself.
        raise InvalidOrderError([Violation("extra", "is nested too deeply")])
    if type(value) not in _BUILTIN:
        value = builtin(value, path)
    match value:
        case Enum():
            return _json_copy(cast("object", value.value), path, depth)
        case None | bool():
            return value
        case str():
            return _encodable(value, path)
        case int() | Decimal():
            return int(value) if isinstance(value, int) else _number(to_decimal, value, path)
        case list() | tuple():
            rows = cast("list[object]", value)
            return [_json_copy(each, f"{path}.{number}", depth + 1) for number, each in enumerate(rows)]
        case abc.Mapping():
            members = cast("Mapping[object, object]", value)
            if all(isinstance(name, str) for name in members):
                copied = ((_encodable(str(name), path), each) for name, each in members.items())
                return {name: _json_copy(each, f"{path}.{name}", depth + 1) for name, each in copied}
            raise _WrongTypeError([Violation(path, "must have names that are text")])
        case _:
            why = "; pass a Decimal or text" if isinstance(value, float) else ""
            raise _WrongTypeError([Violation(path, f"cannot be a {type(value).__name__}{why}")])


def _encodable(text: str, path: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidOrderError([Violation(path, "must be valid Unicode text")]) from None
    return text


def is_a(cls: type[object]) -> Callable[[object, Attribute[Any], object], None]:
    """Return a validator that asks for a value of a class; unlike attrs' own, it never shows the value."""

    def check(_: object, attribute: Attribute[Any], value: object) -> None:
        if not isinstance(value, cls):
            raise TypeError(f"{attribute.name} must be {cls.__name__}, not {type(value).__name__}")

    return check


def is_a_or_none(cls: type[object]) -> Callable[[object, Attribute[Any], object], None]:
    """Return a validator that asks for a value of a class, or None."""
    check = is_a(cls)

    def check_given(holder: object, attribute: Attribute[Any], value: object) -> None:
        if value is not None:
            check(holder, attribute, value)

    return check_given


def masked(value: object) -> str:
    """Hide personal data and secrets in a repr, but show whether there is a value."""
    return repr(value) if value is None or value == "" else "'***'"
