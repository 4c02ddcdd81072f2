"""The conversion of all values to and from plain data. Pure."""

from __future__ import annotations

from importlib import import_module
from operator import attrgetter
from typing import TYPE_CHECKING, Literal, Protocol, Self, TypeAlias, TypeVar, cast

from attrs import fields

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import Any

    ValueT = TypeVar("ValueT")

NameStyle: TypeAlias = Literal["python", "wire"]


class _Plain(Protocol):
    """The part of the codec that these methods call."""

    def to_dict(self, value: object, names: NameStyle, *, personal_data: bool) -> dict[str, object]: ...

    def from_dict(self, cls: type[ValueT], data: Mapping[str, object], names: NameStyle) -> ValueT: ...


def _codec() -> _Plain:
    # The codec is built on the values, so they import it when it is first used.
    return cast("_Plain", import_module("frontpay_async._protocol.to_dict"))


class _Fields:
    """The fields of a class that are compared, hashed and shown, as attrs selects them."""

    __slots__ = ("compared", "hashed", "shown")

    def __init__(self, cls: type[Any]) -> None:
        each = fields(cls)
        # With one name, an attrgetter would return a value instead of a tuple.
        self.compared = attrgetter("__class__", *[it.name for it in each if it.eq])
        self.hashed = attrgetter(
            "__class__", *[it.name for it in each if (it.eq if it.hash is None else it.hash)]
        )
        shown = [(it.name, repr if it.repr is True else it.repr) for it in each if it.repr]
        self.shown: Sequence[tuple[str, Callable[[object], str]]] = shown


# Filled by class.
_fields: dict[type[Any], _Fields] = {}


def _fields_of(cls: type[Any]) -> _Fields:
    known = _fields.get(cls)
    if known is None:
        known = _fields[cls] = _Fields(cls)
    return known


class Value:
    """Base class of the values: they become plain data, and are made of it.

    It compares and shows them as attrs would, by their fields. attrs compiles such methods for each class,
    which takes a fifth of the package's import.
    """

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        if type(other) is not type(self):
            return NotImplemented
        compared = _fields_of(type(self)).compared
        return bool(compared(self) == compared(other))

    def __hash__(self) -> int:
        return hash(_fields_of(type(self)).hashed(self))

    def __repr__(self) -> str:
        cls = type(self)
        shown = ", ".join([f"{name}={show(getattr(self, name))}" for name, show in _fields_of(cls).shown])
        return f"{cls.__qualname__.rpartition('>.')[2]}({shown})"

    def to_dict(self, *, names: NameStyle = "python", personal_data: bool = False) -> dict[str, object]:
        """Return the value as plain data, which ``json.dumps`` can write.

        Numbers that may be money are text with their exact digits, dates are ISO 8601, enums are their
        values. With ``personal_data``, ``from_dict`` makes an equal value of it.

        Args:
            names: ``python`` for the fields' names, ``wire`` for the API's. A wire name does not make it a
                request's body: that depends on the operation.
            personal_data: Whether it holds personal data and secrets, and what the API sent beyond the
                reference. By default the mark ``***`` replaces them.
        """
        return _codec().to_dict(self, names, personal_data=personal_data)

    @classmethod
    def from_dict(cls, data: Mapping[str, object], *, names: NameStyle = "python") -> Self:
        """Return the value that plain data describes.

        Args:
            data: What ``to_dict`` returned, or other data of that form. Numbers are text, int or Decimal;
                dates are ISO 8601 text or objects.
            names: The names that ``data`` has.

        Raises:
            InvalidOrderError: A member is missing, unknown, masked or malformed; ``violations`` lists all.
        """
        return _codec().from_dict(cls, data, names)
