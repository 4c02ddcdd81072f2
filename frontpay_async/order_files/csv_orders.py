"""CSV: a header, then one record for each order or for each of its products.

Consecutive records with the same key are one order: the first one has the order's own fields, each one has a
product, and the order's fields in later records must be identical or empty. A key that is repeated further
down is a violation. So is an exact copy of a record with the order's fields: it may have been exported twice,
and a customer would pay twice. Whitespace around a cell is ignored, an empty cell is a missing value, and a
record of empty cells is ignored.
"""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache
from itertools import chain, islice
from typing import TYPE_CHECKING, cast

from attrs import evolve, field, frozen

from frontpay_async._protocol.operations import ORDER_KINDS
from frontpay_async.errors import ConfigurationError
from frontpay_async.order_files.assemble import (
    DATE_DEMAND,
    EXTRA_DEMAND,
    KIND_DEMAND,
    NUMBER_DEMAND,
    UNREADABLE,
    ZIP_WARNING,
    Flaw,
    assemble,
    read_extra,
    restore_zip,
)
from frontpay_async.order_files.cells import (
    MISSING,
    clean,
    damage,
    damage_of_key,
    day_pattern,
    decimal_of,
    decimal_sign,
    read_amount,
    read_cell_date,
    visible,
)
from frontpay_async.order_files.columns import (
    COLUMNS,
    FIELD_OF,
    ORDER_FIELDS,
    Form,
    did_you_mean,
    shown_title,
    words,
)
from frontpay_async.order_files.csv_records import raw_records_of, records_of
from frontpay_async.order_files.items import BatchItem, key_flaw
from frontpay_async.order_files.violations import ViolationLog

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from datetime import tzinfo

    from frontpay_async.order_files.assemble import Draft, Judge
    from frontpay_async.order_files.columns import Leaf, Path
    from frontpay_async.order_files.csv_records import Record
    from frontpay_async.order_files.lines import Lines

_DELIMITERS = (";", ",", "\t")
_MOST_COLUMNS = 1000
_EXPORTED_TWICE = (
    "is the same as an earlier one of this order, as if it was exported twice; if it is a separate line,"
    " leave the columns of the order empty, or increase product_quantity"
)
_WORDS = {
    **dict.fromkeys(("true", "yes", "ja", "sann", "1"), True),
    **dict.fromkeys(("false", "no", "nei", "usann", "0"), False),
}
_NUMBER_DEMANDS = {sign: NUMBER_DEMAND.format(example=f"51{sign}00") for sign in ".,"}
_NUMBER_HINTS = {
    sign: f"; numbers such as 51{other}00 need decimal='{other}'" for sign, other in ((".", ","), (",", "."))
}
_AMBIGUOUS_DEMAND = "may be thousands or a fraction: pass decimal='.' or decimal=','"
_DATE_HINT = "; a date in another format needs date_format, such as dd/mm/yyyy"
_LIKE_DATE = re.compile(r"\d{1,4}[-./ ]\w{1,9}[-./ ,]{1,2}\d{2,4}.*|\d{5,8}", re.DOTALL)
_SEPARATOR = re.compile(r'"?sep=(.)"?\s*', re.IGNORECASE)
_MOST_LINES_TO_HEADER = 20
_WORDY = frozenset(
    {"product_name", "customer_name", "customer_first_name", "customer_street", "customer_city"}
)
_DIGITS = frozenset(
    {
        "customer_zip",
        "customer_msisdn",
        "customer_country_code",
        "customer_personal_number",
        "customer_organization_id",
    }
)
_WHOLE = re.compile(r"[+-]?\d{1,9}", re.ASCII)
_KEY, _KIND = "key", "kind"
_NAMES = frozenset({_KEY, _KIND, *COLUMNS})
_OF_PRODUCTS = frozenset(column for column, (path, _) in COLUMNS.items() if path[0] == "products")
_MOST_REMEMBERED = 4096


def _names_only(defaults: Mapping[str, str]) -> str:
    return repr(sorted(defaults))


@frozen
class _Header:
    """The layout of the columns.

    Args:
        columns: The column at each position; empty if the position is ignored.
        titles: The file's title of each column.
        width: The number of cells of a record; cells after the last title are empty.
    """

    columns: tuple[str, ...]
    titles: Mapping[str, str]
    width: int


@frozen(kw_only=True)
class CsvFormat:
    """The format of a CSV file.

    Args:
        kind: The kind of the orders whose ``kind`` is empty or has no column.
        mapping: Columns by your titles; None to ignore a title.
        defaults: Values of missing and empty cells, by column, in the file's format.
        delimiter: The delimiter. Detected from the header by default.
        decimal: The decimal sign. Detected from the file by default.
        is_found: Whether the decimal sign was detected from the file.
        is_shown: Whether the sign was given, or a number of the file shows it: 1.500 alone does not.
        date_format: An additional date format, such as ``dd.mm.yyyy``.
        zone: The time zone of times without one.
        strict_totals: Whether amounts that contradict each other are violations.
    """

    kind: str | None = None
    mapping: Mapping[str, str | None] = field(factory=dict[str, "str | None"])
    defaults: Mapping[str, str] = field(factory=dict[str, str], repr=_names_only)
    delimiter: str | None = None
    decimal: str | None = None
    is_found: bool = False
    is_shown: bool = True
    date_format: str | None = None
    zone: tzinfo | None = None
    strict_totals: bool = True
    _days: re.Pattern[str] | None = field(init=False, default=None, repr=False)

    def __attrs_post_init__(self) -> None:
        for column in (*self.mapping.values(), *self.defaults):
            if column is not None and column not in _NAMES:
                near = did_you_mean(column, _NAMES)
                raise ConfigurationError(f"{column!r} is not a column of an order file{near}")
        if _KEY in self.defaults:
            raise ConfigurationError("the key cannot have a default: each order has its own")
        if _KIND in self.defaults:
            raise ConfigurationError(
                "the kind cannot be a default of a column: pass kind= or --kind, or set it at the top of"
                " a mapping file"
            )
        if self.delimiter is not None and (len(self.delimiter) != 1 or self.delimiter in '"\r\n'):
            raise ConfigurationError("the delimiter must be one character, such as ; or ,")
        if self.decimal not in (".", ",", None):
            raise ConfigurationError("the decimal sign must be . or ,")
        if self.date_format is not None:
            object.__setattr__(self, "_days", day_pattern(self.date_format))

    @property
    def days(self) -> re.Pattern[str] | None:
        """The compiled date format."""
        return self._days

    def prepared(self, lines: Lines) -> CsvFormat:
        """Return the format with the decimal sign detected from the file."""
        if self.decimal is not None:
            return self
        records = raw_records_of(lines, self._start(lines), ViolationLog())
        rows = ([*map(clean, cells)] for _, cells in records)
        columns = next(([self._column(title) or "" for title in row] for row in rows if any(row)), [""])
        places = [place for place, column in enumerate(columns) if _is_number(column)]
        cells = (clean(cell) for _, cells in records for cell in _at(cells, places))
        defaults = (text for column, text in self.defaults.items() if _is_number(column))
        sign, is_shown = decimal_of(chain(defaults, cells))
        return evolve(self, decimal=sign, is_found=True, is_shown=is_shown)

    def read(self, lines: Lines, log: ViolationLog, rules: Judge) -> Iterator[tuple[str, BatchItem]]:
        """Yield the valid orders of a file, each with its kind, and log the violations of the others."""
        delimiter = self._start(lines)
        records = records_of(lines, delimiter, log)
        first = next(records, None)
        header = self._header(first, log)
        if header is None:
            for _ in records:  # The lines themselves may also have violations.
                pass
            return
        reader = _Reader(self, header, log, rules)
        for record in records:
            yield from reader.take(record)
        yield from reader.finish()

    def _column(self, title: str) -> str | None:
        """Return the column of a title; empty if it is ignored, None if there is none."""
        if title in self.mapping:
            return self.mapping[title] or ""
        name = title.casefold()
        return name if name in _NAMES else None

    def _start(self, lines: Lines) -> str:
        """Find the header, skip the lines above it, and return the delimiter."""
        # The header is the line with the most known columns, including a key. Above it may be a spreadsheet's
        # title and `sep=;`, which states the delimiter for Excel.
        head = list(islice(lines, _MOST_LINES_TO_HEADER))
        first = next((index for index, line in enumerate(head) if line.strip()), len(head))
        stated = _SEPARATOR.fullmatch(head[first].strip("\ufeff\r\n")) if first < len(head) else None
        if stated is not None:
            first = next((index for index in range(first + 1, len(head)) if head[index].strip()), len(head))
        given = self.delimiter or (stated[1] if stated is not None else None)
        delimiters = _DELIMITERS if given is None else (given,)

        def known(place: tuple[int, str]) -> tuple[bool, int, int, int]:
            index, delimiter = place
            titles = [clean(title.strip(' "\r\n')) for title in head[index].split(delimiter)]
            columns = [self._column(title) for title in titles]
            count = sum(column is not None for column in columns)
            # A line of an order may also contain the word "key".
            return _KEY in columns and (count > 1 or index == first), count, -index, len(titles)

        places = [(index, delimiter) for index in range(first, len(head)) for delimiter in delimiters]
        index, delimiter = max(places, key=known, default=(first, delimiters[0]))
        if not known((index, delimiter))[0] if places else False:
            index, delimiter = max((place for place in places if place[0] == first), key=known)
        lines.push_back(head[index:])
        return delimiter

    def _header(self, record: Record | None, log: ViolationLog) -> _Header | None:
        if record is None:
            # Unreadable values have already been reported.
            if not log.count:
                log.add(1, "", "the file is empty: it needs a header, such as key;kind;product_name")
            return None
        titles = list(record.cells)
        while titles and not titles[-1]:
            titles.pop()
        if len(titles) > _MOST_COLUMNS:
            log.add(record.line, "", f"has more than {_MOST_COLUMNS} columns")
            return None
        columns = [self._column(title) for title in titles]
        if _KEY not in columns:
            # Its cells are not shown: without a header they may be a customer's order.
            log.add(record.line, _KEY, "is not a column of the header; add it, or map another column to it")
            return None
        self._judge_titles(record.line, titles, columns, log)
        named = {column: title for title, column in zip(titles, columns, strict=True) if column}
        return _Header(tuple(column or "" for column in columns), named, len(record.cells))

    def _judge_titles(
        self, line: int, titles: list[str], columns: list[str | None], log: ViolationLog
    ) -> None:
        for place, (title, column) in enumerate(zip(titles, columns, strict=True), 1):
            if column is None:
                near = did_you_mean(title, _NAMES)
                log.add(line, shown_title(title, place), f"is not known{near}")
            elif column and columns.index(column) < place - 1:
                log.add(line, shown_title(title, place), f"repeats {column}")
        for title, column in self.mapping.items():
            if column is not None and title not in titles:
                log.add(line, title, f"is mapped to {column}, but is not in the header")


@frozen
class _Slot:
    """Where the cells of a column go.

    Args:
        of_product: Whether it is a field of a product.
        is_of_kind: Whether orders of the kind have it.
        way: The names of the models on the way to it, below the order or the product.
        name: Its name there.
        read: Reads a cell.
    """

    of_product: bool
    is_of_kind: bool
    way: tuple[str, ...]
    name: str
    read: Callable[[str], object]


def _slots_of(kind: str | None, readers: Mapping[str, Callable[[str], object]]) -> dict[str, _Slot]:
    """Return the slots of the columns except key and kind."""
    slots: dict[str, _Slot] = {}
    for column, ((*way, name), _) in COLUMNS.items():
        is_of_kind = kind is None or (way[0] if way else name) in ORDER_FIELDS[kind].fields
        of_product = column in _OF_PRODUCTS
        slots[column] = _Slot(of_product, is_of_kind, () if of_product else tuple(way), name, readers[column])
    return slots


class _Reader:
    """Collect the records of an order until the key changes."""

    def __init__(
        self,
        form: CsvFormat,
        header: _Header,
        log: ViolationLog,
        rules: Judge,
    ) -> None:
        self._form = form
        self._header = header
        self._findings = log
        self._rules = rules
        self._names = {path: header.titles.get(column, column) for path, column in FIELD_OF.items()}
        readers = {column: self._reader_of(leaf) for column, (_, leaf) in COLUMNS.items()}
        self._slots = {kind: _slots_of(kind, readers) for kind in (None, *ORDER_KINDS)}
        self._lines_of_keys: dict[str, int] = {}
        self._told_of_all: set[tuple[str, str]] = set()
        self._key = ""
        self._records: list[tuple[int, dict[str, str]]] = []
        self._cells: set[tuple[str, ...]] = set()
        self._is_sound = True

    def take(self, record: Record) -> Iterator[tuple[str, BatchItem]]:
        """Add a record; yields the order before it if the key changes."""
        width, cells = self._header.width, record.cells
        # Even if the surplus cells are empty: a decimal comma may have split a cell and shifted the others.
        if len(cells) != width:
            self._findings.add(record.line, "", f"has {len(cells)} cells, and the header has {width}")
            return
        if any(cells[len(self._header.columns) :]):
            self._findings.add(record.line, "", "has a cell under an empty title")
            return
        values = {
            column: cell for column, cell in zip(self._header.columns, cells, strict=False) if column and cell
        }
        key = values.pop(_KEY, "")
        if not (self._records and key and _same(key) == _same(self._key)):
            yield from self.finish()
            self._key = key
            self._cells = set()
            self._is_sound = True
        elif tuple(cells) in self._cells and not _OF_PRODUCTS.issuperset(values):
            self._findings.add(record.line, "", _EXPORTED_TWICE)
            self._is_sound = False
        self._cells.add(tuple(cells))
        self._records.append((record.line, values))

    def finish(self) -> Iterator[tuple[str, BatchItem]]:
        """Yield the collected order if it is valid."""
        if not self._records:
            return
        key, records = self._key, self._records
        self._records = []
        start, first = records[0]
        self._judge_key(key, start)
        for line, values in records[1:]:
            self._judge_repeated(line, first, values)
        kind = first.get(_KIND, "").casefold() or self._form.kind
        if kind is None or kind not in ORDER_KINDS:
            self._tell(start, _KIND, KIND_DEMAND)
            self._draft(None, records)
            return
        draft, unreadable = self._draft(kind, records)
        if restore_zip(draft):
            title = self._header.titles.get("customer_zip", "customer_zip")
            self._findings.warn(start, title, ZIP_WARNING)
        order, flaws = assemble(kind, draft)
        missing = {flaw.path for flaw in flaws}
        lines = [line for line, values in records if self._has_product(values, records)]
        # The placeholder of a missing value would contradict the totals.
        strict_totals = self._form.strict_totals and not missing and not unreadable
        broken = self._rules(kind, order, strict_totals)
        for flaw in (*flaws, *(flaw for flaw in broken if flaw.path not in missing)):
            row, column = _place(flaw.path)
            line = start if row is None else lines[row]
            if (line, column) not in unreadable:
                self._tell(line, column, words(flaw.message, self._names))
        if self._is_sound:
            yield kind, BatchItem(key=key, order=order)

    def _judge_key(self, key: str, line: int) -> None:
        flaw = damage_of_key(key) or key_flaw(key)
        if flaw is not None:
            self._tell(line, _KEY, flaw)
        elif (before := self._lines_of_keys.setdefault(_same(key), line)) != line:
            self._tell(
                line,
                _KEY,
                f"is already in line {before}; the records of one order must be consecutive",
            )

    def _judge_repeated(self, line: int, first: Mapping[str, str], values: Mapping[str, str]) -> None:
        if _OF_PRODUCTS.isdisjoint(values):
            self._tell(line, "", "adds no product to the order with this key")
        for column, text in values.items():
            if column not in _OF_PRODUCTS and first.get(column, "") != text:
                self._tell(line, column, "must be empty, or the same as in the first record of this key")

    def _has_product(self, values: Mapping[str, str], records: list[tuple[int, dict[str, str]]]) -> bool:
        # The product of an order with one record may come from the defaults, such as a membership fee.
        cells = (*values, *self._form.defaults) if len(records) == 1 else values
        return not _OF_PRODUCTS.isdisjoint(cells)

    def _draft(
        self, kind: str | None, records: list[tuple[int, dict[str, str]]]
    ) -> tuple[Draft, set[tuple[int, str]]]:
        """Read the cells of an order; also returns the lines and columns of unreadable cells."""
        draft: Draft = {}
        products: list[Draft] = []
        unreadable: set[tuple[int, str]] = set()
        slots, defaults = self._slots[kind], self._form.defaults
        for index, (line, values) in enumerate(records):
            has_product = self._has_product(values, records)
            product: Draft = {}
            if has_product:
                products.append(product)
            for column, text in ({**defaults, **values} if defaults else values).items():
                slot = slots.get(column)
                if slot is None or (not has_product if slot.of_product else index > 0):
                    continue
                if not slot.is_of_kind:
                    if column in values:
                        self._tell(line, column, f"must be empty: the kind {kind} has no such field")
                    continue
                value = slot.read(text)
                if type(value) is Flaw:
                    self._tell(line, column, value.message)
                    unreadable.add((line, column))
                    value = UNREADABLE
                holder = product if slot.of_product else draft
                for step in slot.way:
                    holder = cast("Draft", holder.setdefault(step, {}))
                holder[slot.name] = value
        draft["products"] = products
        return draft, unreadable

    def _reader_of(self, leaf: Leaf) -> Callable[[str], object]:
        """Return the reader of a field; it returns a Flaw without a path if a cell is invalid."""
        is_text = leaf.form is Form.TEXT and leaf.column not in _WORDY
        is_digits = leaf.column in _DIGITS
        read = self._reader_of_form(leaf)

        def read_cell(text: str) -> object:
            # Nearly all cells are a word or digits, which no program has replaced.
            if text.isascii() and text.isalnum() and text not in MISSING:
                return text if read is None else read(text)
            text = visible(text)
            replaced = damage(text, is_text=is_text, is_digits=is_digits)
            if replaced is not None:
                return Flaw((), replaced)
            return text if read is None else read(text)

        return read_cell

    def _reader_of_form(self, leaf: Leaf) -> Callable[[str], object] | None:
        form = self._form
        match leaf.form:
            case Form.TEXT:
                return None
            case Form.NUMBER:
                sign, is_percent = form.decimal or ".", leaf.column == "product_tax"

                def read_number(text: str) -> object:
                    number = read_amount(text, sign, is_found=form.is_found, is_percent=is_percent)
                    if number is not None:
                        is_sure = form.is_shown or decimal_sign(text) != "?"
                        return number if is_sure else Flaw((), _AMBIGUOUS_DEMAND)
                    hint = _NUMBER_HINTS[sign] if decimal_sign(text) else ""
                    return Flaw((), f"{_NUMBER_DEMANDS[sign]}{hint}")

                # The same prices, rates and days stand in many records.
                return lru_cache(_MOST_REMEMBERED)(read_number)
            case Form.WHOLE:
                return lambda text: (
                    int(text) if _WHOLE.fullmatch(text) else Flaw((), "must be a whole number")
                )
            case Form.BOOLEAN:
                return lambda text: _or_flaw(
                    _WORDS.get(text.casefold()), "must be true or false (yes or no, ja or nei, 1 or 0)"
                )
            case Form.JSON:
                return lambda text: _or_flaw(read_extra(text), EXTRA_DEMAND)
            case Form.DATE:

                def read_date(text: str) -> object:
                    moment = read_cell_date(text, form.days, form.zone)
                    return _or_flaw(
                        moment, f"{DATE_DEMAND}{_DATE_HINT if _LIKE_DATE.fullmatch(text) else ''}"
                    )

                return lru_cache(_MOST_REMEMBERED)(read_date)

    def _tell(self, line: int, column: str, message: str) -> None:
        self._is_sound = False
        title = self._header.titles.get(column)
        if title is None and (column in _NAMES):
            # It is invalid in every record, so it is reported once.
            source = "in the defaults" if column in self._form.defaults else "the header has no such column"
            message = f"{message} ({source})"
            if (column, message) in self._told_of_all:
                return
            self._told_of_all.add((column, message))
        self._findings.add(line, title or column, message)


def _at(cells: list[str], places: list[int]) -> Iterator[str]:
    return (cells[place] for place in places if place < len(cells))


def _same(key: str) -> str:
    """Return a key in its normalised form: composed and decomposed letters are equal."""
    return key if key.isascii() else unicodedata.normalize("NFC", key)


def _or_flaw(value: object, demand: str) -> object:
    return Flaw((), demand) if value is None else value


def _is_number(column: str) -> bool:
    return column in COLUMNS and COLUMNS[column][1].form is Form.NUMBER


def _place(path: Path) -> tuple[int | None, str]:
    """Return the row of products and the column of a path, or the nearest name."""
    row = next((step for step in path if isinstance(step, int)), None)
    names = tuple(step for step in path if isinstance(step, str))
    return row, FIELD_OF.get(names, ".".join(names))
