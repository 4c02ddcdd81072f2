"""How the values read their arguments: exact numbers, zone-aware dates, masked reprs. Pure.

Only what can never be right is refused here (a float, a naive datetime, text that is no number);
the documented rules are checked against the wire form when the order is sent, so that all broken
rules are reported together.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import ROUND_HALF_UP, Context, Decimal
from typing import TYPE_CHECKING, TypeVar

from frontpay_async.errors import InvalidOrderError, Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any, TypeAlias

    from attrs import Attribute

    Number: TypeAlias = Decimal | int | str

# The caller's decimal context may have any precision; sums of money must not depend on it. A product
# of two numbers, each of at most 60 digits, and the sum of any order fit.
EXACT = Context(prec=200, rounding=ROUND_HALF_UP)
_ORE = Decimal("0.01")

_PLAIN_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?", re.ASCII)
_MOST_DIGITS = 30

T = TypeVar("T")


def to_decimal(value: Number) -> Decimal:
    """Read an exact number.

    Args:
        value: A Decimal, an int, or plain decimal text such as ``"51.00"``.

    Raises:
        TypeError: For a float or any other type.
        ValueError: For text that is no plain number, and for numbers that are not finite or absurdly long.
    """
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
        raise ValueError("a number must be finite")
    exponent = number.as_tuple().exponent
    if number.adjusted() >= _MOST_DIGITS or (isinstance(exponent, int) and exponent < -_MOST_DIGITS):
        raise ValueError(f"a number may have at most {_MOST_DIGITS} digits before and after the point")
    return number


def _wrong_number(value: object) -> str:
    why = ": binary floats cannot hold most decimal amounts exactly" if isinstance(value, float) else ""
    return (
        f"a {type(value).__name__} cannot be money, a rate or a quantity{why};"
        " pass a Decimal, an int, or text such as '51.00'"
    )


def to_decimal_or_none(value: Number | None) -> Decimal | None:
    """Read an exact number; None means that none was given."""
    return None if value is None else to_decimal(value)


def to_ore(value: Decimal) -> Decimal:
    """Round an amount to whole øre, half up, whatever the caller's decimal context."""
    return EXACT.quantize(value, _ORE)


def tuple_of(cls: type[T], values: Iterable[T]) -> tuple[T, ...]:
    """Freeze a sequence of one class.

    Raises:
        TypeError: An element is of another class.
    """
    frozen = tuple(values)
    for value in frozen:
        if not isinstance(value, cls):
            raise TypeError(f"a {cls.__name__} is needed here, not a {type(value).__name__}")
    return frozen


def to_date(value: date) -> date:
    """Accept a date or a zone-aware datetime.

    Raises:
        TypeError: For anything else.
        InvalidOrderError: For a datetime without a zone, which names no moment.
    """
    if not isinstance(value, date):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"order_date must be a date or a zone-aware datetime, not {type(value).__name__}")
    if isinstance(value, datetime) and value.utcoffset() is None:
        needs_zone = "must be a date or a datetime with a zone, such as datetime.now(timezone.utc)"
        raise InvalidOrderError([Violation("orderDate", needs_zone)])
    return value


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
    """Hide personal data and secrets in a repr, but show whether there is any."""
    return repr(value) if value is None or value == "" else "'***'"
