"""The conversion of all values to and from plain data. Pure."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Literal, Protocol, Self, TypeAlias, TypeVar, cast

if TYPE_CHECKING:
    from collections.abc import Mapping

    ValueT = TypeVar("ValueT")

NameStyle: TypeAlias = Literal["python", "wire"]


class _Plain(Protocol):
    """The part of the codec that these methods call."""

    def to_dict(self, value: object, names: NameStyle, *, personal_data: bool) -> dict[str, object]: ...

    def from_dict(self, cls: type[ValueT], data: Mapping[str, object], names: NameStyle) -> ValueT: ...


def _codec() -> _Plain:
    # The codec is built on the values, so they import it when it is first used.
    return cast("_Plain", import_module("frontpay_async._protocol.to_dict"))


class Value:
    """Base class of the values: they become plain data, and are made of it."""

    __slots__ = ()

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
