"""Checks of settings at construction, so that an invalid one never fails a payment later. Pure.

Each returns the value in its internal form, or raises ``ConfigurationError`` with the argument's name, the
requirement, and the type of the value, but never the value itself, which may be a secret.
"""

from __future__ import annotations

import functools
import inspect
import math
import sys
from collections.abc import Iterable
from enum import Enum
from numbers import Integral, Real
from typing import TYPE_CHECKING, TypeVar, cast

from frontpay_async.errors import ConfigurationError
from frontpay_async.models._fields import to_decimal

if TYPE_CHECKING:
    from collections.abc import Callable
    from decimal import Decimal

T = TypeVar("T")
EnumT = TypeVar("EnumT", bound=Enum)


def refusal(name: str, must: str, value: object) -> ConfigurationError:
    """Return the error for an argument, its requirement, and the given value's type."""
    given = "" if isinstance(value, Real) else f", not {type(value).__name__}"
    return ConfigurationError(f"{name} must be {must}{given}")


def number(name: str, value: object, must: str, *, least: float = 0.0, most: float = math.inf) -> None:
    """Check that a value is a number from ``least`` to ``most``."""
    if isinstance(value, bool) or not isinstance(value, Real) or not least <= _float(value) <= most:
        raise refusal(name, must, value)


def _float(value: Real) -> float:
    try:
        return float(value)
    except OverflowError:
        return math.inf


def seconds(name: str, value: object, *, or_zero: bool = False) -> float:
    """Return a finite number of seconds, more than 0 or at least 0."""
    least = 0.0 if or_zero else math.nextafter(0.0, 1.0)
    must = f"{'0 or more' if or_zero else 'more than 0'} seconds, as a finite number"
    number(name, value, must, least=least, most=sys.float_info.max)
    return float(value)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - checked above


def whole(name: str, value: object, must: str, *, least: int = 1, most: float = math.inf) -> int:
    """Return a whole number from ``least`` to ``most``."""
    if isinstance(value, bool) or not isinstance(value, Integral) or not least <= int(value) <= most:
        raise refusal(name, must, value)
    return int(value)


def amount(name: str, value: object) -> Decimal:
    """Return an amount of money of at least 0, from a Decimal, a whole number or decimal text."""
    try:
        given = to_decimal(value)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType] - it checks
    except TypeError as error:
        raise TypeError(f"{name} {error}") from None
    except ValueError as error:
        raise ConfigurationError(f"{name}: {error}") from None
    if given < 0:
        raise ConfigurationError(f"{name} must be 0 or more")
    return given


def flag(name: str, value: object) -> bool:
    """Return a boolean."""
    if not isinstance(value, bool):
        raise ConfigurationError(f"{name} must be True or False, not {type(value).__name__}")
    return value


def text(name: str, value: object) -> str:
    """Return text that is not empty."""
    if not isinstance(value, str):
        raise refusal(name, "text", value)
    if not value:
        raise ConfigurationError(f"{name} must not be empty")
    return value


def path(name: str, value: object, what: str = "a path") -> None:
    """Check that a value is a path: text that is not empty, or an ``os.PathLike``."""
    if isinstance(value, str):
        text(name, value)
    else:
        offers(name, value, ["__fspath__"], what)


def texts(name: str, value: object) -> tuple[str, ...]:
    """Return the strings of a collection; a single string is rejected, not taken as its letters."""
    return tuple(text(f"each of {name}", each) for each in _several(name, value, "texts"))


def instances(name: str, value: object, cls: type[T], example: str) -> tuple[T, ...]:
    """Return the instances of a class in a collection."""
    found = _several(name, value, f"{cls.__name__} objects")
    return tuple(instance(f"each of {name}", each, cls, example) for each in found)


def _several(name: str, value: object, what: str) -> Iterable[object]:
    if isinstance(value, (str, bytes)) or not isinstance(value, Iterable):
        raise refusal(name, f"a collection of {what}", value)
    return cast("Iterable[object]", value)


def offers(name: str, value: object, methods: Iterable[str], what: str) -> None:
    """Check that a value, and not its class, has methods."""
    if isinstance(value, type) or not all(callable(getattr(value, each, None)) for each in methods):
        raise refusal(name, what, value)


def function(name: str, value: object, takes: str) -> None:
    """Check that a value can be called."""
    if isinstance(value, type) or not callable(value):
        raise refusal(name, f"a function that takes {takes}", value)


def instance(name: str, value: object, cls: type[T], example: str) -> T:
    """Return an instance of a class."""
    if not isinstance(value, cls):
        article = "an" if cls.__name__[0] in "AEIOU" else "a"
        given = f"the class {value.__name__}" if isinstance(value, type) else type(value).__name__
        raise ConfigurationError(
            f"{name} must be {article} {cls.__name__}, not {given}; for example {name}={example}"
        )
    return value


def member(name: str, value: object, cls: type[EnumT]) -> EnumT:
    """Return a member of an enum, from itself, from its value, or from its value or name as text."""
    if isinstance(value, cls):
        return value
    for each in cls:
        if isinstance(value, str) and value.lower() in (str(each.value).lower(), each.name.lower()):
            return each
        if type(value) is int and each.value == value:
            return each
    names = ", ".join(each.value if isinstance(each.value, str) else each.name.lower() for each in cls)
    shown = f"{value!r}" if isinstance(value, (str, int)) else type(value).__name__
    raise ConfigurationError(f"{name} must be one of {names}, not {shown}")


def one_of(name: str, value: object, choices: Iterable[str]) -> None:
    """Check that text is one of several."""
    choices = tuple(choices)
    if not isinstance(value, str) or value not in choices:
        shown = f"{value!r}" if isinstance(value, str) else type(value).__name__
        raise ConfigurationError(f"unknown {name} {shown}: it is one of {', '.join(choices)}")


def hook(name: str, value: object) -> None:
    """Check that a hook is a plain callable, which is called and not awaited."""
    if isinstance(value, type) or not callable(value):
        raise refusal(name, "a function that takes a record", value)
    called: Callable[..., object] = value
    while isinstance(called, functools.partial):
        called = called.func
    # An object's __call__ may also be an async def.
    if any(map(inspect.iscoroutinefunction, (called, type(called).__call__))):
        raise ConfigurationError(
            f"{name} must be a plain function: it is not awaited, so an async def would never run; to await"
            " something, put the record into a queue"
        )
