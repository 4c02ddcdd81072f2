"""The report of a batch as a file, with one row per order.

A report is written to a temporary file, which replaces the old report when it is complete and on disk, so
readers never see a part. Only its owner may read it: the errors are the server's messages, which may quote
the request.

A spreadsheet runs a cell that begins with ``=``, ``+``, ``-`` or ``@``. In CSV such a cell gets a leading
apostrophe; programs that need the exact text should read the JSON lines.
"""

from __future__ import annotations

import csv
import json
import os
import tempfile
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, TextIO, TypeAlias

from anyio import from_thread, to_thread

from frontpay_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import AsyncIterable, AsyncIterator, Generator, Iterable, Iterator

REPORT_COLUMNS = ("key", "state", "order_uuid", "customer_uuid", "error")
"""The columns of a report, in their order."""

# Also tabs and line ends, which spreadsheets skip. The last four are the full-width forms.
_RUN = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001 - meant

_PAGE = 500

_Target: TypeAlias = "str | os.PathLike[str] | TextIO"


class ReportRow(Protocol):
    """The result of one order; ``BatchRow`` is one."""

    @property
    def key(self) -> str:
        """Your key."""
        ...

    @property
    def state(self) -> str:
        """The state: pending, sending, unknown, done, failed or parked."""
        ...

    @property
    def order_uuid(self) -> str | None:
        """The order's id, once it is known."""
        ...

    @property
    def customer_uuid(self) -> str | None:
        """The customer's id, if the API returned it."""
        ...

    @property
    def error(self) -> str | None:
        """Why it was rejected, parked or postponed."""
        ...


def write_csv(rows: Iterable[ReportRow], target: _Target, *, delimiter: str = ",", bom: bool = False) -> None:
    """Write a report as CSV: UTF-8, with a header, all cells quoted, and formulas disarmed.

    Args:
        rows: The rows; taken one by one.
        target: A path, which is replaced atomically and readable only by its owner (0600); or an open text
            file, which stays open.
        delimiter: The delimiter; Norwegian spreadsheets expect ``;``.
        bom: Whether to write a byte order mark, by which Excel recognises UTF-8.

    Raises:
        OSError: The file cannot be written; what stood at the path is still there.
    """
    with _opened(target) as file:
        if bom:
            file.write("\ufeff")
        writer = csv.writer(file, delimiter=delimiter, quoting=csv.QUOTE_ALL, lineterminator="\r\n")
        writer.writerow(REPORT_COLUMNS)
        writer.writerows(map(_safe, _values(row)) for row in rows)


def write_jsonl(rows: Iterable[ReportRow], target: _Target) -> None:
    """Write a report as JSON lines, in UTF-8, with exact texts.

    Args:
        rows: The rows; taken one by one.
        target: A path, which is replaced atomically and readable only by its owner (0600); or an open text
            file, which stays open.

    Raises:
        OSError: The file cannot be written; what stood at the path is still there.
    """
    with _opened(target) as file:
        for row in rows:
            members = dict(zip(REPORT_COLUMNS, _values(row), strict=True))
            file.write(json.dumps(members, ensure_ascii=False) + "\n")


async def write_report(
    rows: AsyncIterable[ReportRow],
    path: str | os.PathLike[str],
    *,
    delimiter: str = ",",
    bom: bool = False,
) -> None:
    """Write a report from an async iterable, such as ``batch.rows()``; the file is written in a thread.

    Args:
        rows: The rows; read one by one.
        path: The file: ``.csv`` or ``.jsonl``.
        delimiter: The delimiter of a CSV file.
        bom: Whether a CSV file gets a byte order mark, by which Excel recognises UTF-8.

    Raises:
        ConfigurationError: The path has another suffix.
        OSError: The file cannot be written; what stood at the path is still there.
    """
    ending = Path(path).suffix.lower()
    if ending not in (".csv", ".jsonl"):
        raise ConfigurationError("the path of a report must end in .csv or .jsonl")
    source = aiter(rows)

    def taken() -> Iterator[ReportRow]:
        while page := from_thread.run(_page, source):
            yield from page

    def write() -> None:
        if ending == ".csv":
            write_csv(taken(), path, delimiter=delimiter, bom=bom)
        else:
            write_jsonl(taken(), path)

    await to_thread.run_sync(write)


async def _page(source: AsyncIterator[ReportRow]) -> list[ReportRow]:
    page: list[ReportRow] = []
    async for row in source:
        page.append(row)
        if len(page) == _PAGE:
            break
    return page


def _values(row: ReportRow) -> tuple[str | None, ...]:
    return (row.key, str(row.state), row.order_uuid, row.customer_uuid, row.error)


def _safe(cell: str | None) -> str:
    if cell is None:
        return ""
    return f"'{cell}" if cell.startswith(_RUN) else cell


@contextmanager
def _opened(target: _Target) -> Generator[TextIO]:
    if not isinstance(target, (str, os.PathLike)):
        yield target
        return
    # The target of a link is replaced, not the link.
    path = Path(os.path.realpath(target))
    # Such a file has mode 0600.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        # A lone surrogate must not make the report fail.
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:  # However it ended, no partial report is left behind.
        with suppress(FileNotFoundError):
            Path(name).unlink()
        raise
    _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    """Sync the directory, if the system supports it."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
