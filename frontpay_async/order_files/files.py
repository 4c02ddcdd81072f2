"""Order files: validated as a whole, then read one order at a time.

There are two passes over one open file. The first validates every line, and keeps an eight-byte digest of the
file up to the end of each order. The second yields the orders, and compares the digest before each: if the
file was changed in between, it stops with an error and never yields an unvalidated order. Only the digests
and the keys are kept in memory.
"""

from __future__ import annotations

import os
from array import array
from collections import Counter
from collections.abc import Mapping
from datetime import tzinfo
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from anyio import to_thread
from attrs import frozen

from frontpay_async import _checks
from frontpay_async._protocol.operations import ORDER_KINDS
from frontpay_async.errors import ConfigurationError
from frontpay_async.models._fields import EXACT
from frontpay_async.order_files.assemble import KIND_DEMAND, broken_rules
from frontpay_async.order_files.csv_orders import CsvFormat
from frontpay_async.order_files.jsonl_orders import JsonlFormat
from frontpay_async.order_files.lines import Lines, codec_of
from frontpay_async.order_files.mapping import CsvMapping, read_mapping
from frontpay_async.order_files.violations import (
    InvalidFileError,
    LineViolation,
    ViolationGroup,
    ViolationLog,
    grouped,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator
    from typing import BinaryIO, Literal

    from frontpay_async.order_files.assemble import Judge
    from frontpay_async.order_files.items import BatchItem

_CHUNK = 500
_NOTHING = Decimal("0.00")


class _Format(Protocol):
    def prepared(self, lines: Lines) -> _Format: ...

    def read(self, lines: Lines, log: ViolationLog, rules: Judge) -> Iterator[tuple[str, BatchItem]]: ...


@frozen(kw_only=True)
class KindTotal:
    """The totals of the orders of one kind.

    Args:
        orders: The number of orders.
        products: The number of lines.
        grand_total: The sum of their totals, in the orders' currency.
    """

    orders: int = 0
    products: int = 0
    grand_total: Decimal = _NOTHING


@frozen(kw_only=True)
class DryRun:
    """The content of a file; nothing was sent.

    Args:
        kinds: The totals of the valid orders, for each kind in the file.
        violations: The violations in the order of the lines, at most the first 100,000.
        violation_count: The total number of violations. If there are any, no order of the file is sent.
        warnings: Possible mistakes in valid lines, such as a postal code without its leading zero.
    """

    kinds: Mapping[str, KindTotal]
    violations: tuple[LineViolation, ...] = ()
    violation_count: int = 0
    warnings: tuple[LineViolation, ...] = ()

    @property
    def warning_groups(self) -> tuple[ViolationGroup, ...]:
        """The warnings, grouped by message."""
        return grouped(self.warnings)

    @property
    def groups(self) -> tuple[ViolationGroup, ...]:
        """The violations, grouped by message."""
        return grouped(self.violations)

    @property
    def total(self) -> KindTotal:
        """The sums over all kinds."""
        total = KindTotal()
        for each in self.kinds.values():
            total = _sum(total, each)
        return total


def _sum(one: KindTotal, other: KindTotal) -> KindTotal:
    return KindTotal(
        orders=one.orders + other.orders,
        products=one.products + other.products,
        grand_total=EXACT.add(one.grand_total, other.grand_total),
    )


@frozen(repr=False)
class OrderFile:
    """The orders of a file; created by ``read_csv`` and ``read_jsonl``.

    Iterating validates the whole file first, then yields its orders one by one; it can be repeated. ``for``
    blocks; ``async for``, which ``InvoiceBatch.submit`` uses, runs in a thread. In an event loop, call
    ``check`` and ``dry_run`` in a thread, too.

    Args:
        path: The file.
    """

    path: Path
    _format: _Format
    _codec: str

    def __repr__(self) -> str:
        return f"OrderFile({self.path.name!r})"

    def __iter__(self) -> Iterator[BatchItem]:
        """Yield the orders after validating all of them."""
        return self._orders()

    def _orders(self) -> Generator[BatchItem]:
        with self._open() as source:
            marks = array("Q")
            form = self._prepared(source)
            log = self._judge(source, form, lambda _kind, _item, lines: marks.append(lines.digest()))
            if log.count:
                raise self._refusal(log)
            source.seek(0)
            log = ViolationLog()
            lines = Lines(source, self._codec, log)
            # The digests prove that these lines were validated, so the rules are not checked again.
            again = form.read(lines, log, lambda _kind, _order, _strict: [])
            read = 0
            for read, (_, item) in enumerate(again, 1):
                if read > len(marks) or marks[read - 1] != lines.digest():
                    raise self._changed(lines.number)
                yield item
            if read < len(marks) or log.count:
                raise self._changed(lines.number)

    async def __aiter__(self) -> AsyncIterator[BatchItem]:
        """Yield the orders like ``__iter__``, read in a thread."""
        orders = self._orders()
        try:
            while chunk := await to_thread.run_sync(list, islice(orders, _CHUNK)):
                for item in chunk:
                    yield item
        finally:
            orders.close()

    def check(self) -> None:
        """Validate the whole file.

        Raises:
            InvalidFileError: The file has violations; the error lists all of them.
            ConfigurationError: It is not a regular file.
            OSError: It cannot be opened or read.
        """
        with self._open() as source:
            log = self._judge(source, self._prepared(source))
        if log.count:
            raise self._refusal(log)

    def dry_run(self) -> DryRun:
        """Return the totals and the violations of the file.

        Raises:
            ConfigurationError: It is not a regular file.
            OSError: It cannot be opened or read.
        """
        orders, products = Counter[str](), Counter[str]()
        totals: dict[str, Decimal] = {}

        def count(kind: str, item: BatchItem, _: Lines) -> None:
            orders[kind] += 1
            products[kind] += len(item.order.products)
            grand_total = item.order.summary.grand_total
            totals[kind] = EXACT.add(totals.get(kind, _NOTHING), grand_total)

        with self._open() as source:
            log = self._judge(source, self._prepared(source), count)
        return DryRun(
            kinds={
                kind: KindTotal(orders=orders[kind], products=products[kind], grand_total=totals[kind])
                for kind in ORDER_KINDS
                if kind in totals
            },
            violations=log.in_order(),
            violation_count=log.count,
            warnings=tuple(log.warnings),
        )

    def _open(self) -> BinaryIO:
        source = self.path.open("rb")
        # A file that cannot be read twice cannot be validated before its orders are sent.
        if not source.seekable():
            source.close()
            raise ConfigurationError(f"{self.path.name} must be a regular file: it is read twice")
        return source

    def _prepared(self, source: BinaryIO) -> _Format:
        form = self._format.prepared(Lines(source, self._codec, ViolationLog()))
        source.seek(0)
        return form

    def _judge(
        self, source: BinaryIO, form: _Format, see: Callable[[str, BatchItem, Lines], object] | None = None
    ) -> ViolationLog:
        log = ViolationLog()
        lines = Lines(source, self._codec, log)
        for kind, item in form.read(lines, log, broken_rules):
            if see is not None:
                see(kind, item, lines)
        return log

    def _refusal(self, log: ViolationLog) -> InvalidFileError:
        return InvalidFileError(self.path.name, log.in_order(), count=log.count)

    def _changed(self, line: int) -> InvalidFileError:
        changed = LineViolation(
            line, "", "differs from the checked content: the file was changed while it was read"
        )
        return InvalidFileError(self.path.name, [changed])


def read_csv(
    path: str | os.PathLike[str],
    *,
    kind: str | None = None,
    mapping: Mapping[str, str | None] | str | os.PathLike[str] | None = None,
    defaults: Mapping[str, str] | None = None,
    skip: Iterable[str] = (),
    encoding: str | None = None,
    delimiter: str | None = None,
    decimal: Literal[".", ","] | None = None,
    date_format: str | None = None,
    zone: tzinfo | str | None = None,
    strict_totals: bool = True,
) -> OrderFile:
    """Read orders from a CSV file; ``docs/batch-files.md`` lists the columns.

    Only a mapping file is opened at this point.

    Args:
        path: The file. Its first record is the header; a title and ``sep=;`` may precede it.
        kind: payment_link, invoice, efaktura or ehf: for orders whose ``kind`` is empty or has no column.
        mapping: Columns by your titles, such as ``{"Fakturanr": "key"}``; None to ignore a title. All other
            titles must be columns. Or the path of a mapping file in TOML, which may also contain the other
            arguments; arguments given here take precedence.
        defaults: Values of missing and empty cells, by column, in the file's format, such as
            ``{"customer_country": "NO"}``.
        skip: Titles to ignore.
        encoding: The encoding, such as cp1252; a byte order mark is ignored. Defaults to UTF-8.
        delimiter: The delimiter. Detected from the header by default: ``;``, ``,`` or tab.
        decimal: The decimal sign. Detected from the file by default. Spaces may separate thousands.
        date_format: A date format in addition to ISO 8601 and dd.mm.yyyy, such as ``dd/mm/yyyy`` or
            ``%m/%d/%Y``.
        zone: The zone of times that name none, such as ``Europe/Oslo``. Without it they are violations.
        strict_totals: Whether amounts that contradict each other are violations, as for
            ``FrontPayClient(strict_totals=…)``, which sends the orders. Defaults to True.

    Raises:
        ConfigurationError: An argument is invalid, or contains an unknown column.
        OSError: The mapping file cannot be read.
    """
    for name, value in (("encoding", encoding), ("delimiter", delimiter), ("date_format", date_format)):
        if value is not None:
            _checks.text(name, value)
    of_file = read_mapping(mapping) if isinstance(mapping, (str, os.PathLike)) else CsvMapping()
    titles = of_file.columns if isinstance(mapping, (str, os.PathLike)) else _mapping("mapping", mapping)
    given = of_file.settings
    form = CsvFormat(
        kind=_kind(given.get("kind") if kind is None else kind),
        mapping={
            **{
                title: None if column is None else _checks.text("mapping", column)
                for title, column in titles.items()
            },
            **dict.fromkeys((*of_file.skip, *_checks.texts("skip", skip)), None),
        },
        defaults={
            **of_file.defaults,
            **{column: _cell(column, value) for column, value in _mapping("defaults", defaults).items()},
        },
        delimiter=given.get("delimiter") if delimiter is None else delimiter,
        decimal=given.get("decimal") if decimal is None else decimal,
        date_format=given.get("date_format") if date_format is None else date_format,
        zone=_zone(given.get("zone") if zone is None else zone),
        strict_totals=_checks.flag("strict_totals", strict_totals),
    )
    return OrderFile(
        Path(path), form, codec_of(given.get("encoding", "utf-8-sig") if encoding is None else encoding)
    )


def read_jsonl(
    path: str | os.PathLike[str],
    *,
    kind: str | None = None,
    zone: tzinfo | str | None = None,
    strict_totals: bool = True,
) -> OrderFile:
    """Read orders from a JSON lines file in UTF-8; ``docs/batch-files.md`` describes the format.

    The file is not opened at this point.

    Args:
        path: The file. Each line is an object with ``key``, ``kind`` and ``order``.
        kind: payment_link, invoice, efaktura or ehf, for orders without a kind.
        zone: The zone of times that name none, such as ``Europe/Oslo``. Without it they are violations.
        strict_totals: Whether amounts that contradict each other are violations, as for
            ``FrontPayClient(strict_totals=…)``, which sends the orders. Defaults to True.

    Raises:
        ConfigurationError: An argument is invalid.
    """
    is_strict = _checks.flag("strict_totals", strict_totals)
    form = JsonlFormat(kind=_kind(kind), zone=_zone(zone), strict_totals=is_strict)
    return OrderFile(Path(path), form, codec_of("utf-8"))


def _mapping(name: str, value: object) -> Mapping[str, object]:
    if value is None:
        return {}
    if not isinstance(value, Mapping):
        raise _checks.refusal(name, "a mapping", value)
    members = cast("Mapping[object, object]", value)
    return {_checks.text(f"each name of {name}", each): member for each, member in members.items()}


def _cell(column: str, value: object) -> str:
    """Return a default as the text of a cell."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (int, str)):
        return str(value)
    # Its decimal sign is that of the file.
    raise _checks.refusal(f"the default of {column}", "text as in the file, such as '51,00'", value)


def _kind(kind: str | None) -> str | None:
    # Callers need not use a type checker, and a list has no hash.
    if kind is not None and kind not in tuple(ORDER_KINDS):
        raise ConfigurationError(f"kind {KIND_DEMAND}")
    return kind


def _zone(zone: tzinfo | str | None) -> tzinfo | None:
    if zone is None or isinstance(zone, tzinfo):
        return zone
    _checks.text("zone", zone)
    try:
        return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        why = "is not a time zone, or the time zone database is missing (pip install tzdata)"
        raise ConfigurationError(f"{zone} {why}") from error
