"""CSV records with line numbers; reading continues after malformed records."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from attrs import frozen

from frontpay_async.order_files.cells import clean

if TYPE_CHECKING:
    from collections.abc import Iterator

    from frontpay_async.order_files.lines import Lines
    from frontpay_async.order_files.violations import ViolationLog

# Without a limit, an unclosed quote would extend its cell to the end of the file.
_MOST_LINES_OF_A_RECORD = 100


@frozen
class Record:
    """One record.

    Args:
        line: Its first line, from 1.
        cells: Its cells, without white space around them; not all are empty.
    """

    line: int
    cells: list[str]


class _Source:
    """Feeds the parser, and keeps the lines of the current record."""

    def __init__(self, lines: Lines) -> None:
        self.lines = lines
        self.taken: list[str] = []

    def __iter__(self) -> _Source:
        return self

    def __next__(self) -> str:
        if len(self.taken) == _MOST_LINES_OF_A_RECORD:
            raise csv.Error(f"a record has more than {_MOST_LINES_OF_A_RECORD} lines")
        line = next(self.lines)
        self.taken.append(line)
        return line


_LINE_ENDS = "it has a carriage return that ends no line; save the file again with one kind of line ends"


def records_of(lines: Lines, delimiter: str, log: ViolationLog) -> Iterator[Record]:
    """Yield the non-empty records of a file, and log malformed ones."""
    for start, written in raw_records_of(lines, delimiter, log):
        # Most cells are empty, a word or digits: nothing has to be removed from them.
        cells = [cell if not cell or cell.isalnum() else clean(cell) for cell in written]
        if any(cells):
            yield Record(start, cells)


def raw_records_of(lines: Lines, delimiter: str, log: ViolationLog) -> Iterator[tuple[int, list[str]]]:
    """Yield the first line and the cells of each record, as they are written."""
    source = _Source(lines)
    parser = csv.reader(source, delimiter=delimiter, strict=True)
    while True:
        source.taken = []
        start = lines.number + 1
        try:
            cells = next(parser)
        except StopIteration:
            return
        except csv.Error as error:
            # The parser's own message, which contains no cell.
            why = _LINE_ENDS if "new-line" in str(error) else str(error)
            log.add(start, "", f"is not well-formed CSV: {why}")
            # The intended end of the quote is unknown, so only the first line is skipped.
            lines.push_back(source.taken[1:])
            continue
        yield start, cells
