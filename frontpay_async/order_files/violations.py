"""What is wrong in a file of orders: where, and what is asked, never the value that stands there."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field, frozen

from frontpay_async.errors import FrontPayError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MOST_KEPT = 100_000
"""The most violations that are kept; the rest is counted, so that no file can fill the memory."""
_MOST_TOLD = 20
_MOST_LINES = 10


@frozen
class LineViolation:
    """One violation in a file.

    Args:
        line: The line of the file, from 1. For a CSV record of several lines, the line where it begins.
        column: The column's header as it stands in a CSV file, or the path in a JSON line such as
            ``order.customer.email``; empty if the line as a whole is meant.
        message: What is asked, without the value that stands there.
    """

    line: int
    column: str
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {f'{self.column} ' if self.column else ''}{self.message}"


@frozen
class ViolationGroup:
    """One thing that is wrong in several lines of a file.

    Args:
        lines: The lines of the file, from 1, in their order.
        column: The column's header as it stands in a CSV file, or the path in a JSON line; may be empty.
        message: What is asked, without the values that stand there.
    """

    lines: tuple[int, ...]
    column: str
    message: str

    def __str__(self) -> str:
        shown = ", ".join(map(str, self.lines[:_MOST_LINES]))
        rest = f" and {len(self.lines) - _MOST_LINES} more" if len(self.lines) > _MOST_LINES else ""
        name = "line" if len(self.lines) == 1 else "lines"
        return f"{name} {shown}{rest}: {f'{self.column} ' if self.column else ''}{self.message}"


def grouped(violations: Iterable[LineViolation]) -> tuple[ViolationGroup, ...]:
    """Gather the violations that say the same of the same column, in the order of their first lines."""
    lines: dict[tuple[str, str], list[int]] = {}
    for each in violations:
        lines.setdefault((each.column, each.message), []).append(each.line)
    return tuple(ViolationGroup(tuple(where), *what) for what, where in lines.items())


class InvalidFileError(FrontPayError):
    """Error for an invalid order file, with all violations; nothing was sent.

    Its text names the first 20 kinds of violations, each with its lines, and counts the rest.

    Args:
        name: The file's name.
        violations: What is wrong, in the order of the lines; of a very bad file, the first 100,000.
        count: The total number of violations. Defaults to the number of those given.
    """

    violations: tuple[LineViolation, ...]
    count: int

    def __init__(self, name: str, violations: Sequence[LineViolation], *, count: int | None = None) -> None:
        self.violations = tuple(violations)
        self.count = len(self.violations) if count is None else count
        groups = grouped(self.violations)
        told = "; ".join(map(str, groups[:_MOST_TOLD]))
        more = self.count - sum(len(group.lines) for group in groups[:_MOST_TOLD])
        rest = f"; and {more} more" if more > 0 else ""
        super().__init__(f"{name}: nothing was sent. {told}{rest}.")


@define
class ViolationLog:
    """Gather the violations of one file.

    Args:
        kept: The first of them, in the order in which they were found.
        count: How many there were.
        warnings: What was read, but may be a mistake; the first of them.
    """

    kept: list[LineViolation] = field(factory=list[LineViolation])
    count: int = 0
    warnings: list[LineViolation] = field(factory=list[LineViolation])

    def warn(self, line: int, column: str, message: str) -> None:
        """Note what was read, but may be a mistake."""
        if len(self.warnings) < MOST_KEPT:
            self.warnings.append(LineViolation(line, column, message))

    def add(self, line: int, column: str, message: str) -> None:
        """Note one violation."""
        self.count += 1
        if len(self.kept) < MOST_KEPT:
            self.kept.append(LineViolation(line, column, message))

    def in_order(self) -> tuple[LineViolation, ...]:
        """Return what was kept, by line: a record that lacks a column is judged after the next has begun."""
        return tuple(sorted(self.kept, key=lambda found: found.line))
