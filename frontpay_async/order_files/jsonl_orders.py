"""JSON lines: one object for each order, ``{"key": …, "kind": …, "order": {…}}``.

The order has the fields of the models, under their Python names, nested like the models. Numbers are JSON
numbers or strings, and are read exactly. Unknown fields, repeated names and values of the wrong type are
violations. Blank lines are ignored.
"""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import TYPE_CHECKING, Any, cast
from unicodedata import normalize

from attrs import frozen

from frontpay_async._protocol.operations import ORDER_KINDS
from frontpay_async.order_files.assemble import (
    DATE_DEMAND,
    EXTRA_DEMAND,
    KIND_DEMAND,
    NUMBER_DEMAND,
    UNREADABLE,
    ZIP_WARNING,
    assemble,
    read_date,
    read_extra,
    read_number,
    restore_zip,
)
from frontpay_async.order_files.columns import (
    ORDER_FIELDS,
    Form,
    Group,
    Leaf,
    did_you_mean,
    shown_name,
    words,
)
from frontpay_async.order_files.items import BatchItem, key_flaw

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Set as AbstractSet
    from datetime import tzinfo

    from frontpay_async.order_files.assemble import Draft, Judge
    from frontpay_async.order_files.columns import Path
    from frontpay_async.order_files.lines import Lines
    from frontpay_async.order_files.violations import ViolationLog

_MEMBERS = frozenset({"key", "kind", "order"})
_LONGEST_INT = 40
_TEXT, _NUMBER, _WHOLE, _BOOLEAN = Form.TEXT, Form.NUMBER, Form.WHOLE, Form.BOOLEAN
_MOST_QUICKLY = 1_000_000
_WRITTEN = frozenset({str, int})
# The same prices and rates stand in many lines. By type, because true equals 1.
_remembered = lru_cache(4096, typed=True)(read_number)
_NUMBER_DEMAND = NUMBER_DEMAND.format(example="51.00")


def _read_float(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:  # an exponent out of range
        return Decimal("Infinity")


def _read_int(text: str) -> Decimal | int:
    # int() rejects thousands of digits with an error that is not a JSON error.
    return int(text) if len(text) <= _LONGEST_INT else Decimal("Infinity")


def _read_quickly(form: Form, value: object) -> object:
    """Return a value as nearly all lines have it; None to read it by its form."""
    cls = type(value)
    if form is _TEXT:
        return value if cls is str else None
    if form is _NUMBER:
        return _remembered(cast("str | int", value)) if cls in _WRITTEN else None
    if form is _WHOLE:
        return value if cls is int and 0 <= cast("int", value) <= _MOST_QUICKLY else None
    return value if form is _BOOLEAN and cls is bool else None


class _Repeated(dict[str, object]):
    """An object with repeated names."""

    names: frozenset[str] = frozenset()


def _has_repeated(value: object) -> bool:
    match value:
        case _Repeated():
            return True
        case dict():
            return any(map(_has_repeated, cast("dict[str, object]", value).values()))
        case list():
            return any(map(_has_repeated, cast("list[object]", value)))
        case _:
            return False


def _object(pairs: list[tuple[str, object]]) -> dict[str, object]:
    members = dict(pairs)
    if len(members) == len(pairs):
        return members
    repeated = _Repeated(members)
    counts = Counter(name for name, _ in pairs)
    repeated.names = frozenset(name for name, count in counts.items() if count > 1)
    return repeated


decode = json.JSONDecoder(
    parse_float=_read_float, parse_int=_read_int, parse_constant=Decimal, object_pairs_hook=_object
).decode


@frozen(kw_only=True)
class JsonlFormat:
    """The format of a JSON lines file.

    Args:
        kind: The kind of orders without one.
        zone: The time zone of times without one.
        strict_totals: Whether amounts that contradict each other are violations.
    """

    kind: str | None = None
    zone: tzinfo | None = None
    strict_totals: bool = True

    def prepared(self, lines: Lines) -> JsonlFormat:  # noqa: ARG002 - as a format of CSV has it
        """Return the format: nothing in it depends on the file."""
        return self

    def read(self, lines: Lines, log: ViolationLog, rules: Judge) -> Iterator[tuple[str, BatchItem]]:
        """Yield the valid orders of a file, each with its kind, and log the violations of the others."""
        lines_of_keys: dict[str, int] = {}
        for text in lines:
            if text.strip():
                sound = ObjectReader(self, lines.number, log, lines_of_keys).read(text, rules)
                if sound is not None:
                    yield sound


class ObjectReader:
    """A reader of one object: a line, or a whole file."""

    def __init__(
        self, form: JsonlFormat, number: int, log: ViolationLog, lines_of_keys: dict[str, int]
    ) -> None:
        self._form = form
        self._number = number
        self._findings = log
        self._lines_of_keys = lines_of_keys
        self._is_sound = True
        self.unreadable: set[Path] = set()

    def read(self, text: str, rules: Judge) -> tuple[str, BatchItem] | None:
        """Return the line's kind and order, or None if they are invalid."""
        source = self._parse(text)
        if source is None:
            return None
        self._judge_names(source, (), _MEMBERS)
        key = source.get("key")
        self._judge_key(key)
        kind, order = source.get("kind"), source.get("order")
        if kind is None:
            kind = self._form.kind
        if not isinstance(kind, str) or kind not in ORDER_KINDS:
            self._tell(("kind",), KIND_DEMAND)
            return None
        draft = self.read_fields(ORDER_FIELDS[kind], order, ("order",))
        if draft is None:
            return None
        if restore_zip(draft):
            self._findings.warn(self._number, "order.customer.address.zip", ZIP_WARNING)
        value, flaws = assemble(kind, draft)
        missing = {flaw.path for flaw in flaws}
        # The placeholder of a missing value would contradict the totals.
        strict_totals = self._form.strict_totals and not missing and not self.unreadable
        broken = rules(kind, value, strict_totals)
        for flaw in (*flaws, *(flaw for flaw in broken if flaw.path not in missing)):
            path = ("order", *flaw.path)
            # Nor the fields of a value that is not an object.
            if not any(path[:length] in self.unreadable for length in range(2, len(path) + 1)):
                self._tell(path, words(flaw.message))
        return (kind, BatchItem(key=cast("str", key), order=value)) if self._is_sound else None

    def _parse(self, text: str) -> dict[str, object] | None:
        try:
            source: object = decode(text)
        except json.JSONDecodeError as error:
            # The message contains the position, not the text.
            self._tell((), f"is not JSON: {error.msg} at character {error.pos + 1}")
            return None
        except RecursionError:
            self._tell((), "is nested too deeply")
            return None
        if not isinstance(source, dict):
            self._tell((), "must be a JSON object")
            return None
        return cast("dict[str, object]", source)

    def _judge_key(self, key: object) -> None:
        flaw = "is required" if key is None else key_flaw(key)
        if flaw is not None:
            self._tell(("key",), flaw)
        elif (
            before := self._lines_of_keys.setdefault(normalize("NFC", cast("str", key)), self._number)
        ) != self._number:
            self._tell(("key",), f"is already in line {before}")

    def _judge_names(self, source: Mapping[str, object], path: Path, known: AbstractSet[str]) -> None:
        if not source.keys() <= known:
            # A member that is null is absent, whatever its name: ``to_dict`` returns every field of a value.
            for name in (name for name in source.keys() - known if source[name] is not None):
                # Anything except a name may be personal data.
                self._tell((*path, shown_name(name)), f"is not known{did_you_mean(name, frozenset(known))}")
        if isinstance(source, _Repeated):
            for name in source.names & known:
                self._tell((*path, name), "stands twice")

    def read_fields(self, group: Group, source: object, path: Path) -> Draft | None:
        """Return the draft of an object; None if it is not an object."""
        if not isinstance(source, dict):
            self._refuse(path, "is required" if source is None else "must be an object")
            return None
        members = cast("dict[str, object]", source)
        self._judge_names(members, path, group.fields.keys())
        draft: Draft = {}
        for name, member in group.fields.items():
            value = members.get(name)
            if value is None:
                continue
            # The path of a value is needed only for a violation.
            read = _read_quickly(member.form, value) if type(member) is Leaf else None
            draft[name] = self._member(member, value, (*path, name)) if read is None else read
        return draft

    def _member(self, member: Leaf | Group, value: object, path: Path) -> object:
        if isinstance(member, Leaf):
            read, demand = self._leaf(member.form, value)
            return self._refuse(path, demand) if read is None else read
        if not member.is_rows:
            return self.read_fields(member, value, path)
        if not isinstance(value, list):
            return self._refuse(path, "must be a list of objects")
        rows = cast("list[object]", value)
        return [self.read_fields(member, row, (*path, index)) or {} for index, row in enumerate(rows)]

    def _leaf(self, form: Form, value: object) -> tuple[object, str]:
        """Return a value of the right type, or None with the requirement."""
        match form:
            case Form.TEXT:
                return (value, "") if isinstance(value, str) else (None, "must be text, in quotes")
            case Form.JSON:
                is_sound = isinstance(value, dict) and not _has_repeated(cast("Any", value))
                return (read_extra(cast("Any", value)) if is_sound else None), EXTRA_DEMAND
            case Form.BOOLEAN:
                return (value if isinstance(value, bool) else None), "must be true or false"
            case Form.DATE:
                return (read_date(value, self._form.zone) if isinstance(value, str) else None), DATE_DEMAND
            case _:
                number = (
                    read_number(value)
                    if isinstance(value, (str, int, Decimal)) and not isinstance(value, bool)
                    else None
                )
                if form is Form.NUMBER:
                    return number, _NUMBER_DEMAND
                is_whole = number is not None and number == number.to_integral_value()
                return (int(number) if number is not None and is_whole else None), "must be a whole number"

    def _refuse(self, path: Path, message: str) -> object:
        self.unreadable.add(path)
        self._tell(path, message)
        return UNREADABLE

    def _tell(self, path: Path, message: str) -> None:
        self._is_sound = False
        self._findings.add(self._number, ".".join(map(str, path)), message)
