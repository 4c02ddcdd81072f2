"""Values as plain data, for ``--json`` and for people: stable, exact, and without personal data. Pure.

The names are the fields' names. Numbers that may be money are text with their digits, dates are ISO 8601,
statuses are text. What a repr of the value masks is masked here, too, because the same mark on its field
decides both; of fields that the SDK does not know, the names alone are told.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias, cast

import attrs

from frontpay_async._json import number_text
from frontpay_async.models._fields import masked

if TYPE_CHECKING:
    from collections.abc import Iterator

    from attrs import Attribute

Plain: TypeAlias = "bool | int | str | list[Plain] | dict[str, Plain] | None"

MASK = "***"


def plain(value: object) -> Plain:  # noqa: PLR0911 - a case for each kind
    """Return a value as what JSON can hold."""
    match value:
        # Before the numbers: an IntEnum is both.
        case Enum():
            return plain(value.value)
        case None | bool() | int():
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
            return {name: plain(member) for name, member in members.items()}
        case tuple() | list():
            return [plain(each) for each in cast("tuple[object, ...]", value)]
        case frozenset():
            return [plain(each) for each in sorted(cast("frozenset[str]", value))]
        case _ if attrs.has(type(value)):
            fields = cast(
                "tuple[Attribute[object], ...]", attrs.fields(cast("type[attrs.AttrsInstance]", type(value)))
            )
            names = ((field, field.alias or field.name) for field in fields)
            return {name: _member(field, getattr(value, name)) for field, name in names}
        case _:
            raise TypeError(f"a {type(value).__name__} has no plain form")


def _member(field: Attribute[object], value: object) -> Plain:
    if field.name == "unknown_fields":
        return dict.fromkeys(sorted(cast("Mapping[str, object]", value)), MASK)
    if field.repr is masked:
        return MASK if value else plain(value)
    return plain(value)


def flat(value: Plain, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield each member that is not empty with its path, such as ``products.0.name``."""
    match value:
        case dict():
            for name, member in value.items():
                yield from flat(member, f"{path}.{name}" if path else name)
        case list():
            for index, member in enumerate(value):
                yield from flat(member, f"{path}.{index}")
        case None | "":
            return
        case bool():
            yield path, "yes" if value else "no"
        case _:
            yield path, str(value)
