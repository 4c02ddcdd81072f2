"""Which failure of which operation is sent again: every cell is asked of the code that decides."""

from __future__ import annotations

from docs._ext.retry_safety import FAILURES, Client, decide
from docs.pictures.svg import Sheet
from frontpay_async import RetryPolicy
from frontpay_async._protocol.operations import OPERATIONS, Safety

__all__ = ["draw", "table"]

_LEFT, _COLUMN, _GAP = 132, 145, 8
_SHORT = 16
_KINDS = {Client.AGAIN: "good", Client.BY_POLICY: "care", Client.STOPS: "stop"}
_WORDS = {
    Client.AGAIN: ("sent again", ""),
    Client.BY_POLICY: ("sent again", "unless turned off"),
    Client.STOPS: ("not sent again", ""),
}
_EXAMPLES = {
    Safety.READ: "all that only look",
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
            raise ValueError(f"{row.name} is decided otherwise than the rest of {row.safety}")
    return {safety: found[safety] for safety in Safety}


def _heading(words: str) -> list[str]:
    """Break a column's name before its last part, unless it is short."""
    before, comma, last = words.rpartition(", ")
    return [f"{before},", last] if comma and len(words) > _SHORT else [words]


def draw() -> str:
    """Return the picture."""
    cells = table()
    told = "; ".join(
        f"{safety.name}: "
        + ", ".join(f"{failure}: {_WORDS[cell][0]}" for failure, cell in zip(FAILURES, row, strict=True))
        for safety, row in cells.items()
    )
    sheet = Sheet(
        760, 458, "Is a failed attempt sent again?", f"By safety class and kind of failure. {told}."
    )
    sheet.box(_LEFT, 20, 4 * _COLUMN + 3 * _GAP, 36)
    middle = _LEFT + 2 * _COLUMN + 1.5 * _GAP
    sheet.text(middle, 43, "An attempt failed. What does that tell?", "bold middle")
    for place, failure in enumerate(FAILURES):
        left = _LEFT + place * (_COLUMN + _GAP)
        sheet.arrow((left + _COLUMN / 2, 56), (left + _COLUMN / 2, 76))
        lines = _heading(failure)
        for line, words in enumerate(lines):
            sheet.text(left + _COLUMN / 2, 110 - 16 * (len(lines) - 1) + 16 * line, words, "middle")
        for line, row in enumerate(cells.values()):
            y, cell = 124 + line * 56, row[place]
            sheet.box(left, y, _COLUMN, 48, _KINDS[cell])
            first, second = _WORDS[cell]
            sheet.text(left + _COLUMN / 2, y + (22 if second else 29), first, "middle bold")
            if second:
                sheet.text(left + _COLUMN / 2, y + 39, second, "middle small")
    for line, safety in enumerate(cells):
        y = 124 + line * 56
        sheet.text(_LEFT - 12, y + 22, safety.name, "mono end bold")
        sheet.text(_LEFT - 12, y + 39, _EXAMPLES[safety], "small faint end")
    _limits(sheet, middle)
    return sheet.render()


def _limits(sheet: Sheet, middle: float) -> None:
    policy = RetryPolicy()
    sheet.arrow((_LEFT + 60, 288), (_LEFT + 60, 312))
    sheet.text(_LEFT + 70, 304, "sent again, if", "small faint")
    sheet.box(_LEFT, 314, 298, 84)
    for line, words in enumerate(
        (
            f"attempts are left (of {policy.attempts}),",
            "Timeouts.total does not end before,",
            f"Retry-After is {policy.max_retry_after:g} s at most,",
            "and retries are at most a fifth of the requests",
        )
    ):
        sheet.text(_LEFT + 14, 334 + 18 * line, words, "small")
    sheet.arrow((_LEFT + 60, 398), (_LEFT + 60, 418))
    sheet.text(
        _LEFT,
        438,
        f"Wait (up to {policy.base_delay:g} s, doubled each time, at random), then the next attempt",
        "small",
    )
    right = middle + _GAP / 2
    sheet.arrow((right + 230, 288), (right + 230, 312))
    sheet.text(right + 220, 304, "not sent again", "small faint end")
    sheet.box(right, 314, 298, 84)
    for line, words in enumerate(
        (
            "The error is raised, and outcome says",
            "what is known of the whole call:",
            "NOT_SENT, REJECTED, or UNKNOWN,",
            "where any attempt may have happened",
        )
    ):
        sheet.text(right + 14, 334 + 18 * line, words, "small")
