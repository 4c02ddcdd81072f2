"""Mapping files: the settings of CSV files in TOML.

kind = "invoice"
decimal = ","
date_format = "dd.mm.yyyy"
skip = ["Selger"]

[columns]
"Fakturanr" = "key"

[defaults]
customer_country = "NO"
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, cast

from attrs import field, frozen

from frontpay_async.errors import ConfigurationError

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping

_TEXTS = frozenset({"kind", "encoding", "delimiter", "decimal", "date_format", "zone"})
_TABLES = frozenset({"columns", "defaults"})


def _names_only(given: Mapping[str, str]) -> str:
    return repr(sorted(given))


@frozen(kw_only=True)
class CsvMapping:
    """The content of a mapping file; the arguments of ``read_csv`` have the same names.

    Args:
        columns: Columns by title.
        defaults: Values of missing and empty cells, by column.
        skip: Titles to ignore.
        settings: The rest: kind, encoding, delimiter, decimal, date_format, zone.
    """

    columns: Mapping[str, str] = field(factory=dict[str, str])
    defaults: Mapping[str, str] = field(factory=dict[str, str], repr=_names_only)
    skip: tuple[str, ...] = ()
    settings: Mapping[str, str] = field(factory=dict[str, str])


def read_mapping(path: str | os.PathLike[str]) -> CsvMapping:
    """Read a mapping file."""
    file = Path(path)
    try:
        members = cast("dict[str, object]", tomllib.loads(file.read_text("utf-8-sig")))
    except ValueError as error:
        where = str(error) if isinstance(error, tomllib.TOMLDecodeError) else "it is not UTF-8"
        raise ConfigurationError(f"{file.name} is not a mapping file: {where}") from None
    for name in members.keys() - _TEXTS - _TABLES - {"skip"}:
        known = ", ".join(sorted(_TEXTS | _TABLES | {"skip"}))
        raise ConfigurationError(f"{file.name}: {name!r} is unknown; a mapping file may contain {known}")
    tables = {name: _texts(file, name, members.get(name, {})) for name in _TABLES}
    skip = members.get("skip", [])
    if not isinstance(skip, list) or not all(isinstance(each, str) for each in cast("list[object]", skip)):
        raise ConfigurationError(f"{file.name}: skip must be a list of titles")
    settings = _texts(file, "a setting", {name: members[name] for name in _TEXTS & members.keys()})
    return CsvMapping(skip=tuple(cast("list[str]", skip)), settings=settings, **tables)


def _texts(file: Path, name: str, value: object) -> dict[str, str]:
    if not isinstance(value, dict) or not all(
        isinstance(each, str) for each in cast("dict[str, object]", value).values()
    ):
        raise ConfigurationError(f"{file.name}: {name} must be text, in quotes")
    return cast("dict[str, str]", value)
