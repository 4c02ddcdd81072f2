"""Files of orders: checked as a whole, then read one order at a time.

Two passes over one open file. The first judges every line, and keeps for each order eight bytes that stand
for everything up to its end. The second, which yields the orders, compares them before it yields: a file that
is written to in between stops with an error, and never yields an order that was not judged. Beside those
bytes only the keys are held in memory.
"""

from __future__ import annotations

import os
from array import array
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from anyio import to_thread
from attrs import frozen

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
    from collections.abc import AsyncIterator, Callable, Generator, Iterable, Iterator, Mapping
    from datetime import tzinfo
    from typing import BinaryIO, Literal

    from frontpay_async.order_files.assemble import Judge
    from frontpay_async.order_files.items import BatchItem

_CHUNK = 500


class _Format(Protocol):
    def prepared(self, lines: Lines) -> _Format: ...

    def read(self, lines: Lines, log: ViolationLog, rules: Judge) -> Iterator[tuple[str, BatchItem]]: ...


@frozen(kw_only=True)
class KindTotal:
    """Sum up the orders of one kind.

    Args:
        orders: The number of orders.
        products: How many lines they have.
        grand_total: What they come to, in the orders' currency.
    """

    orders: int = 0
    products: int = 0
    grand_total: Decimal = Decimal("0.00")


@frozen(kw_only=True)
class DryRun:
    """What a file would send; nothing was sent.

    Args:
        kinds: The totals of the valid orders, for each kind in the file.
        violations: What is wrong, in the order of the lines; of a very bad file, the first 100,000.
        violation_count: How many violations there are in all. When there is one, nothing of the file is sent.
        warnings: What was read, but may be a mistake, such as a postal code without its leading zero.
    """

    kinds: Mapping[str, KindTotal]
    violations: tuple[LineViolation, ...] = ()
    violation_count: int = 0
    warnings: tuple[LineViolation, ...] = ()

    @property
    def warning_groups(self) -> tuple[ViolationGroup, ...]:
        """The warnings, those that say the same together."""
        return grouped(self.warnings)

    @property
    def groups(self) -> tuple[ViolationGroup, ...]:
        """The violations, those that say the same together."""
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
    """The orders of a file; made by ``read_csv`` and ``read_jsonl``.

    Iterating checks the whole file first, then yields its orders one by one. It can be iterated again. With
    ``for`` that is blocking I/O; with ``async for``, as ``InvoiceBatch.submit`` does, it runs in a thread. So
    should ``check`` and ``dry_run`` in an event loop.

    Args:
        path: The file.
    """

    path: Path
    _format: _Format
    _codec: str

    def __repr__(self) -> str:
        return f"OrderFile({self.path.name!r})"

    def __iter__(self) -> Iterator[BatchItem]:
        """Yield the orders, after all of them were found sound."""
        return self._orders()

    def _orders(self) -> Generator[BatchItem]:
        with self._open() as source:
            marks = array("Q")
            form = self._prepared(source)
            log = self._judge(source, form, lambda _kind, _item, mark: marks.append(mark))
            if log.count:
                raise self._refusal(log)
            source.seek(0)
            log = ViolationLog()
            lines = Lines(source, self._codec, log)
            # The marks tell that these lines were judged: the rules need not be asked again.
            again = form.read(lines, log, lambda _kind, _order, _strict: [])
            read = 0
            for read, (_, item) in enumerate(again, 1):
                if read > len(marks) or marks[read - 1] != lines.digest():
                    raise self._changed(lines.number)
                yield item
            if read < len(marks) or log.count:
                raise self._changed(lines.number)

    async def __aiter__(self) -> AsyncIterator[BatchItem]:
        """Yield the orders as ``__iter__`` does, read in a thread."""
        orders = self._orders()
        try:
            while chunk := await to_thread.run_sync(list, islice(orders, _CHUNK)):
                for item in chunk:
                    yield item
        finally:
            orders.close()

    def check(self) -> None:
        """Check the whole file, and say nothing when it is sound.

        Raises:
            InvalidFileError: Something is wrong in the file; lists all of it.
            ConfigurationError: It is not a regular file.
            OSError: It cannot be opened or read.
        """
        with self._open() as source:
            log = self._judge(source, self._prepared(source))
        if log.count:
            raise self._refusal(log)

    def dry_run(self) -> DryRun:
        """Sum up what the file would send, and list what is wrong with it.

        Raises:
            ConfigurationError: It is not a regular file.
            OSError: It cannot be opened or read.
        """
        kinds: dict[str, KindTotal] = {}

        def count(kind: str, item: BatchItem, _mark: int) -> None:
            products, total = len(item.order.products), item.order.summary.grand_total
            one = KindTotal(orders=1, products=products, grand_total=total)
            kinds[kind] = _sum(kinds.get(kind, KindTotal()), one)

        with self._open() as source:
            log = self._judge(source, self._prepared(source), count)
        return DryRun(
            kinds={kind: kinds[kind] for kind in ORDER_KINDS if kind in kinds},
            violations=log.in_order(),
            violation_count=log.count,
            warnings=tuple(log.warnings),
        )

    def _open(self) -> BinaryIO:
        source = self.path.open("rb")
        # What cannot be read twice cannot be checked before it is sent.
        if not source.seekable():
            source.close()
            raise ConfigurationError(f"{self.path.name} must be a regular file: it is read twice")
        return source

    def _prepared(self, source: BinaryIO) -> _Format:
        form = self._format.prepared(Lines(source, self._codec, ViolationLog()))
        source.seek(0)
        return form

    def _judge(
        self, source: BinaryIO, form: _Format, see: Callable[[str, BatchItem, int], object] | None = None
    ) -> ViolationLog:
        log = ViolationLog()
        lines = Lines(source, self._codec, log)
        for kind, item in form.read(lines, log, broken_rules):
            if see is not None:
                see(kind, item, lines.digest())
        return log

    def _refusal(self, log: ViolationLog) -> InvalidFileError:
        return InvalidFileError(self.path.name, log.in_order(), count=log.count)

    def _changed(self, line: int) -> InvalidFileError:
        changed = LineViolation(line, "", "is not what was checked: the file was changed while it was read")
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

    Nothing is opened yet, but a mapping file.

    Args:
        path: The file. Its first record is a header; a title, and ``sep=;``, may stand above it.
        kind: payment_link, invoice, efaktura or ehf: for orders whose ``kind`` is empty or has no column.
        mapping: Your titles, and the columns that they stand for, such as ``{"Fakturanr": "key"}``; None for
            a title to pass over. Other titles must be columns. Or the path of a mapping file in TOML, which
            may also have the other arguments; what is given here comes first.
        defaults: What a column holds where the file has no cell or an empty one, written as in the file,
            such as ``{"customer_country": "NO"}``.
        skip: Titles to pass over.
        encoding: The encoding, such as cp1252; a byte order mark is passed over. Defaults to UTF-8.
        delimiter: What stands between cells. Defaults to the one of ``;``, ``,`` and tab that fits best.
        decimal: The decimal sign. Defaults to the one that the numbers of the file have. Spaces may set
            thousands apart.
        date_format: A form of dates beside ISO 8601 and dd.mm.yyyy, such as ``dd/mm/yyyy`` or ``%m/%d/%Y``.
        zone: The zone of times that name none, such as ``Europe/Oslo``. Without it they are violations.
        strict_totals: Whether amounts that contradict each other are violations, as for
            ``FrontPayClient(strict_totals=…)``, which sends the orders. Defaults to True.

    Raises:
        ConfigurationError: An argument is wrong, or names a column that there is not.
        OSError: The mapping file cannot be read.
    """
    of_file = read_mapping(mapping) if isinstance(mapping, (str, os.PathLike)) else CsvMapping()
    titles = of_file.columns if isinstance(mapping, (str, os.PathLike)) else mapping or {}
    given = of_file.settings
    form = CsvFormat(
        kind=_kind(given.get("kind") if kind is None else kind),
        mapping={**titles, **dict.fromkeys((*of_file.skip, *skip), None)},
        defaults={**of_file.defaults, **(defaults or {})},
        delimiter=given.get("delimiter") if delimiter is None else delimiter,
        decimal=given.get("decimal") if decimal is None else decimal,
        date_format=given.get("date_format") if date_format is None else date_format,
        zone=_zone(given.get("zone") if zone is None else zone),
        strict_totals=strict_totals,
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
    """Read orders from a file of JSON lines, in UTF-8; ``docs/batch-files.md`` shows one.

    Nothing is opened yet.

    Args:
        path: The file. Each line is an object with ``key``, ``kind`` and ``order``.
        kind: payment_link, invoice, efaktura or ehf: for orders that name none.
        zone: The zone of times that name none, such as ``Europe/Oslo``. Without it they are violations.
        strict_totals: Whether amounts that contradict each other are violations, as for
            ``FrontPayClient(strict_totals=…)``, which sends the orders. Defaults to True.

    Raises:
        ConfigurationError: An argument is wrong.
    """
    form = JsonlFormat(kind=_kind(kind), zone=_zone(zone), strict_totals=strict_totals)
    return OrderFile(Path(path), form, codec_of("utf-8"))


def _kind(kind: str | None) -> str | None:
    if kind is not None and kind not in ORDER_KINDS:
        raise ConfigurationError(f"kind {KIND_DEMAND}")
    return kind


def _zone(zone: tzinfo | str | None) -> tzinfo | None:
    if not isinstance(zone, str):
        return zone
    try:
        return ZoneInfo(zone)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        why = "is not a time zone, or the time zone database is missing (pip install tzdata)"
        raise ConfigurationError(f"{zone} {why}") from error
