"""JSON with exact numbers: types, writing, reading and merging. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from decimal import Decimal
from json.encoder import encode_basestring
from typing import TYPE_CHECKING, TypeAlias, cast

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

Json: TypeAlias = "bool | int | Decimal | str | list[Json] | dict[str, Json] | None"
JsonObject: TypeAlias = "dict[str, Json]"

_MOST_DIGITS = 40
_DEEPEST = 100


def read_exact(text: str) -> Json:
    """Read JSON; a number with a point or an exponent becomes a Decimal."""
    try:
        return cast("Json", json.loads(text, parse_float=_read_number, parse_constant=_refuse))
    except RecursionError:
        pass
    raise ValueError("nested too deeply")


def _read_number(text: str) -> Decimal:
    number = Decimal(text) if len(text) <= _MOST_DIGITS else Decimal("NaN")
    if not number.is_finite() or abs(number.adjusted()) > _MOST_DIGITS:
        raise ValueError("a number is out of range")
    return number


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def merged(base: Json, extra: Json) -> Json:
    """Return a value with another deeply merged into it; the other's values take precedence."""
    # Lists are merged row by row. An object with the rows' numbers as names (`"0"`, `"1"`, …) counts as a
    # list, whichever of the two has it: the terminal route writes its products so.
    match base, extra:
        case dict(), dict():
            return {**base, **{name: merged(base.get(name), each) for name, each in extra.items()}}
        case list(), list():
            rows = [merged(one, other) for one, other in zip(base, extra, strict=False)]
            return rows + base[len(rows) :] + extra[len(rows) :]
        case list(), dict() if extra.keys() <= _numbered(base).keys():
            return list(cast("JsonObject", merged(_numbered(base), extra)).values())
        case dict(), list() if base and base.keys() == _numbered(list(base.values())).keys():
            return merged(base, _numbered(extra))
        case _:
            return extra


def _numbered(rows: list[Json]) -> JsonObject:
    return {str(number): row for number, row in enumerate(rows)}


def write_exact(value: object, depth: int = 0) -> str:  # noqa: PLR0911 - by type
    """Write plain data as JSON; a Decimal becomes a number with exactly its digits."""
    if isinstance(value, str):
        # A string enum is text, too.
        return encode_basestring(str.__str__(value))
    if isinstance(value, dict):
        return _write_members(cast("dict[object, object]", value), depth)
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    if isinstance(value, int):
        return int.__repr__(value)
    if isinstance(value, Decimal):
        return number_text(value)
    if isinstance(value, Mapping):
        return _write_members(cast("Mapping[object, object]", value), depth)
    if isinstance(value, (list, tuple)):
        return _write_rows(cast("list[object]", value), depth)
    exact = ": binary floats cannot hold most amounts exactly, pass a Decimal"
    why = exact if isinstance(value, float) else ""
    raise TypeError(f"a {type(value).__name__} cannot be sent as JSON{why}")


def _write_members(members: Mapping[object, object], depth: int) -> str:
    if depth == _DEEPEST:
        raise ValueError("nested too deeply")
    # Nearly all names and values are plain text, and a call for each would be most of the cost of a body.
    parts = [
        f"{encode_basestring(name) if type(name) is str else _name(name)}"
        f":{encode_basestring(each) if type(each) is str else write_exact(each, depth + 1)}"
        for name, each in members.items()
    ]
    return "{" + ",".join(parts) + "}"


def _write_rows(rows: Sequence[object], depth: int) -> str:
    if depth == _DEEPEST:
        raise ValueError("nested too deeply")
    return "[" + ",".join([write_exact(each, depth + 1) for each in rows]) + "]"


def number_text(value: Decimal) -> str:
    """Write a number with exactly its digits."""
    text = str(value)
    # Nearly all numbers begin with a digit and have no exponent; formatting takes three times as long.
    if "0" <= text < ":" and "-" not in text and "+" not in text:
        return text
    if not value.is_finite():
        raise ValueError("a number must be finite")
    # Avoids "-0". No step may depend on the caller's decimal context.
    return format(value or value.copy_abs(), "f")


def _name(name: object) -> str:
    if not isinstance(name, str):
        raise TypeError(f"a member's name must be text, not {type(name).__name__}")
    return encode_basestring(name)
