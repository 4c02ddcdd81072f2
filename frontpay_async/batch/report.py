"""The report of a batch as a file: one row for each order, and nothing personal beyond the server's words.

A report is written beside its place and put there when it is complete and on disk, so that a reader finds
the old one or the new one, never a part. Only its owner may read it: the errors are sentences of the server,
which may quote what they refuse.

A spreadsheet runs a cell that begins with ``=``, ``+``, ``-`` or ``@``. In CSV such a cell gets an apostrophe
in front; a program that needs the exact text reads the JSON lines.
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

# Tab and line ends, too: spreadsheets pass over them. The last four are the full-width forms.
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
        """Why it was refused, parked or put off."""
        ...


def write_csv(rows: Iterable[ReportRow], target: _Target, *, delimiter: str = ",", bom: bool = False) -> None:
    """Write a report as CSV: UTF-8, a header, all cells quoted, none that a spreadsheet would run.

    Args:
        rows: The rows; taken one by one.
        target: A path, which is replaced at once and is readable for its owner only (0600); or an open text
            file, which is written to and left open.
        delimiter: What stands between cells; spreadsheets set up for Norway expect ``;``.
        bom: Whether it begins with a byte order mark, by which Excel knows UTF-8.

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
        target: A path, which is replaced at once and is readable for its owner only (0600); or an open text
            file, which is written to and left open.

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
    """Write a report from rows that are awaited, such as ``batch.rows()``; the file is written in a thread.

    Args:
        rows: The rows; taken one by one.
        path: Where the report is to be: ``.csv`` for ``write_csv``, ``.jsonl`` for ``write_jsonl``.
        delimiter: What stands between the cells of a CSV file.
        bom: Whether a CSV file begins with a byte order mark, by which Excel knows UTF-8.

    Raises:
        ConfigurationError: The path ends in neither.
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
    # What is replaced is the file that a link points to, not the link.
    path = Path(os.path.realpath(target))
    # The mode of a file made so is 0600.
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    try:
        # A lone surrogate, which no server sends and a caller's key cannot hold, must not cost the report.
        with os.fdopen(handle, "w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:  # Whatever ended it, no part of a report is left behind.
        with suppress(FileNotFoundError):
            Path(name).unlink()
        raise
    _sync_directory(path.parent)


def _sync_directory(directory: Path) -> None:
    """Have the new name on disk, where the system can open a directory."""
    if not hasattr(os, "O_DIRECTORY"):
        return
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
