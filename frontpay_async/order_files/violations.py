"""What is wrong in a file of orders: where, and what is asked, never the value that stands there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field, frozen

from frontpay_async.errors import FrontPayError

if TYPE_CHECKING:
    from collections.abc import Sequence

MOST_KEPT = 100_000
"""The most violations that are kept; the rest is counted, so that no file can fill the memory."""
_MOST_TOLD = 20


@frozen
class LineViolation:
    """Name one thing that is wrong in a file.

    Args:
        line: The line of the file, from 1. For a CSV record of several lines, the line where it begins.
        column: The column's header as it stands in a CSV file, or the path in a JSON line such as
            ``order.customer.email``; empty where the line as a whole is meant.
        message: What is asked, without the value that stands there.
    """

    line: int
    column: str
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {f'{self.column} ' if self.column else ''}{self.message}"


class InvalidFileError(FrontPayError):
    """Report everything that is wrong in a file of orders; nothing was sent, and no order was taken from it.

    Its text names the first 20 violations and counts the rest.

    Args:
        name: The file's name.
        violations: What is wrong, in the order of the lines; of a very bad file, the first 100,000.
        count: How many violations there are in all; as many as given, unless told.
    """

    violations: tuple[LineViolation, ...]
    count: int

    def __init__(self, name: str, violations: Sequence[LineViolation], *, count: int | None = None) -> None:
        self.violations = tuple(violations)
        self.count = len(self.violations) if count is None else count
        told = "; ".join(map(str, self.violations[:_MOST_TOLD]))
        more = self.count - min(len(self.violations), _MOST_TOLD)
        rest = f"; and {more} more" if more > 0 else ""
        super().__init__(f"{name}: nothing was sent. {told}{rest}.")


@define
class ViolationLog:
    """Gather the violations of one file.

    Args:
        kept: The first of them, in the order in which they were found.
        count: How many there were.
    """

    kept: list[LineViolation] = field(factory=list[LineViolation])
    count: int = 0

    def add(self, line: int, column: str, message: str) -> None:
        """Note one violation.

        Args:
            line: The line of the file, from 1.
            column: The column or path; empty for the whole line.
            message: What is asked.
        """
        self.count += 1
        if len(self.kept) < MOST_KEPT:
            self.kept.append(LineViolation(line, column, message))

    def in_order(self) -> tuple[LineViolation, ...]:
        """Return what was kept, by line: a record that lacks a column is judged after the next has begun."""
        return tuple(sorted(self.kept, key=lambda found: found.line))
