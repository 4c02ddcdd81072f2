"""JSON with exact numbers: its types, writing, reading, and merging. Pure."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, TypeAlias, cast

if TYPE_CHECKING:
    from typing import NoReturn

Json: TypeAlias = "bool | int | Decimal | str | list[Json] | dict[str, Json] | None"
JsonObject: TypeAlias = "dict[str, Json]"

_MOST_DIGITS = 40


def write_exact(value: Json) -> str:
    """Write JSON in which a Decimal is a number with just its digits, and no float occurs."""
    match value:
        case dict():
            return (
                f"{{{','.join(f'{write_exact(name)}:{write_exact(each)}' for name, each in value.items())}}}"
            )
        case list():
            return f"[{','.join(map(write_exact, value))}]"
        case Decimal():
            return format(value or value.copy_abs(), "f")
        case _:
            return json.dumps(value, ensure_ascii=False)


def read_exact(text: str) -> Json:
    """Read JSON; a number with a point or an exponent becomes a Decimal.

    Raises:
        ValueError: The text is not JSON, is nested too deeply, or has a number that is out of range.
    """
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
    """Return a value with another merged into it, deeply; where both have a value, the other's wins.

    Lists are merged row by row. An object with the rows' numbers as names (``"0"``, ``"1"``, …) counts as
    a list, whichever of the two has it: the terminal route writes its products so.
    """
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
