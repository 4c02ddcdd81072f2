"""Which failures of which operations are retried; the cells are computed by the code that decides."""

from __future__ import annotations

from docs._ext.retry_safety import FAILURES, Client, decide
from docs.pictures.svg import Sheet
from frontpay_async import RetryPolicy
from frontpay_async._protocol.operations import OPERATIONS, Safety

__all__ = ["draw", "table"]

_LEFT, _COLUMN, _GAP = 132, 145, 8
_SHORT = 16
_TITLE = "Is a failed attempt retried?"
_KINDS = {Client.AGAIN: "good", Client.BY_POLICY: "care", Client.STOPS: "stop"}
_WORDS = {
    Client.AGAIN: ("retried", ""),
    Client.BY_POLICY: ("retried", "unless turned off"),
    Client.STOPS: ("not retried", ""),
}
_EXAMPLES = {
    Safety.READ: "get, list, …",
    Safety.IDEMPOTENT: "cancel",
    Safety.UNSAFE: "create, refund, …",
}


def table() -> dict[Safety, list[Client]]:
    """Return what the client does, for each safety class and kind of failure.

    Raises:
        ValueError: Two operations of one class are decided differently.
    """
    found: dict[Safety, list[Client]] = {}
    for row in OPERATIONS.values():
        cells = [decide(row, failure).client for failure in FAILURES]
        if found.setdefault(row.safety, cells) != cells:
            raise ValueError(f"{row.name} is decided differently from the rest of {row.safety}")
    return {safety: found[safety] for safety in Safety}


def _heading(words: str) -> list[str]:
    """Break a long column name before its last part."""
    before, comma, last = words.rpartition(", ")
    return [f"{before},", last] if comma and len(words) > _SHORT else [words]


def _description(cells: dict[Safety, list[Client]]) -> str:
    words = "; ".join(
        f"{safety.name}: "
        + ", ".join(f"{failure}: {_WORDS[cell][0]}" for failure, cell in zip(FAILURES, row, strict=True))
        for safety, row in cells.items()
    )
    return f"By safety class and kind of failure. {words}."


def _cell(sheet: Sheet, x: float, y: float, width: float, cell: Client) -> None:
    sheet.box(x, y, width, 48, _KINDS[cell])
    first, second = _WORDS[cell]
    sheet.text(x + width / 2, y + (22 if second else 29), first, "middle bold")
    if second:
        sheet.text(x + width / 2, y + 39, second, "middle small")


def draw(*, phone: bool = False) -> str:
    """Return the picture, or its phone form."""
    cells = table()
    if phone:
        return _draw_phone(cells)
    sheet = Sheet(760, 458, _TITLE, _description(cells))
    sheet.box(_LEFT, 20, 4 * _COLUMN + 3 * _GAP, 36)
    middle = _LEFT + 2 * _COLUMN + 1.5 * _GAP
    sheet.text(middle, 43, "How did the attempt fail?", "bold middle")
    for place, failure in enumerate(FAILURES):
        left = _LEFT + place * (_COLUMN + _GAP)
        sheet.arrow((left + _COLUMN / 2, 56), (left + _COLUMN / 2, 76))
        lines = _heading(failure)
        for line, words in enumerate(lines):
            sheet.text(left + _COLUMN / 2, 110 - 16 * (len(lines) - 1) + 16 * line, words, "middle")
        for line, row in enumerate(cells.values()):
            _cell(sheet, left, 124 + line * 56, _COLUMN, row[place])
    for line, safety in enumerate(cells):
        y = 124 + line * 56
        sheet.text(_LEFT - 12, y + 22, safety.name, "mono end bold")
        sheet.text(_LEFT - 12, y + 39, _EXAMPLES[safety], "small faint end")
    right = middle + _GAP / 2
    _limits(sheet, _LEFT, 288)
    sheet.arrow((right + 230, 288), (right + 230, 312))
    sheet.text(right + 220, 304, "not retried", "small faint end")
    _end(sheet, right, 314)
    return sheet.render()


def _draw_phone(cells: dict[Safety, list[Client]]) -> str:
    """Draw a column per safety class, and a row per kind of failure."""
    sheet = Sheet(360, 706, _TITLE, _description(cells))
    sheet.text(180, 32, "How did the attempt fail?", "bold middle")
    width = (336 - 2 * _GAP) / 3
    for place, safety in enumerate(cells):
        middle = 12 + place * (width + _GAP) + width / 2
        sheet.text(middle, 62, safety.name, "mono middle bold")
        sheet.text(middle, 79, _EXAMPLES[safety], "small faint middle")
    for line, failure in enumerate(FAILURES):
        y = 110 + line * 82
        sheet.text(12, y, failure)
        for place, row in enumerate(cells.values()):
            _cell(sheet, 12 + place * (width + _GAP), y + 10, width, row[line])
    _limits(sheet, 12, 422)
    sheet.text(12, 598, "Not retried:", "small faint")
    _end(sheet, 12, 608)
    return sheet.render()


def _limits(sheet: Sheet, left: float, top: float) -> None:
    policy = RetryPolicy()
    sheet.arrow((left + 60, top), (left + 60, top + 24))
    sheet.text(left + 70, top + 16, "retried, if", "small faint")
    sheet.box(left, top + 26, 298, 84)
    for line, words in enumerate(
        (
            f"attempts are left (of {policy.attempts}),",
            "Timeouts.total does not end before,",
            f"Retry-After is at most {policy.max_retry_after:g} s,",
            "and retries are at most a fifth of the requests",
        )
    ):
        sheet.text(left + 14, top + 46 + 18 * line, words, "small")
    sheet.arrow((left + 60, top + 110), (left + 60, top + 130))
    wait = f"Random wait up to {policy.base_delay:g} s, doubled each time; next attempt"
    sheet.text(left, top + 150, wait, "small")


def _end(sheet: Sheet, left: float, top: float) -> None:
    sheet.box(left, top, 298, 84)
    for line, words in enumerate(
        (
            "The error is raised; its outcome is what is",
            "known of the whole call: NOT_SENT, REJECTED,",
            "or UNKNOWN if any attempt may have",
            "taken effect",
        )
    ):
        sheet.text(left + 14, top + 20 + 18 * line, words, "small")
