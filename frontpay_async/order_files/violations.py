"""The violations of an order file: place and requirement, never the value."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import define, field, frozen

from frontpay_async.errors import FrontPayError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

MOST_KEPT = 100_000
"""The maximum number of violations kept; the rest is only counted, to limit memory."""
_MOST_TOLD = 20
_MOST_LINES = 10


@frozen
class LineViolation:
    """One violation in a file.

    Args:
        line: The line of the file, from 1. For a CSV record of several lines, the first one.
        column: The column's title in a CSV file, or the path in a JSON line such as ``order.customer.email``;
            empty for the whole line.
        message: The requirement, without the value.
    """

    line: int
    column: str
    message: str

    def __str__(self) -> str:
        return f"line {self.line}: {f'{self.column} ' if self.column else ''}{self.message}"


@frozen
class ViolationGroup:
    """The same violation in several lines of a file.

    Args:
        lines: The lines of the file, from 1, in order.
        column: The column's title in a CSV file, or the path in a JSON line; may be empty.
        message: The requirement, without the values.
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
    """Group the violations by column and message, in the order of their first lines."""
    lines: dict[tuple[str, str], list[int]] = {}
    for each in violations:
        lines.setdefault((each.column, each.message), []).append(each.line)
    return tuple(ViolationGroup(tuple(where), *what) for what, where in lines.items())


class InvalidFileError(FrontPayError):
    """Error for an invalid order file, with all violations; nothing was sent.

    The message contains the first 20 kinds of violations, each with its lines, and the number of the rest.

    Args:
        name: The file's name.
        violations: The violations in the order of the lines, at most the first 100,000.
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
    """The violations of one file.

    Args:
        kept: The first violations, in the order in which they were found.
        count: The total number.
        warnings: The first possible mistakes in valid lines.
    """

    kept: list[LineViolation] = field(factory=list[LineViolation])
    count: int = 0
    warnings: list[LineViolation] = field(factory=list[LineViolation])

    def warn(self, line: int, column: str, message: str) -> None:
        """Record a possible mistake."""
        if len(self.warnings) < MOST_KEPT:
            self.warnings.append(LineViolation(line, column, message))

    def add(self, line: int, column: str, message: str) -> None:
        """Record a violation."""
        self.count += 1
        if len(self.kept) < MOST_KEPT:
            self.kept.append(LineViolation(line, column, message))

    def in_order(self) -> tuple[LineViolation, ...]:
        """Return the violations by line: some are found only after the next record has started."""
        return tuple(sorted(self.kept, key=lambda found: found.line))
