"""The states of a batch's row, and how it moves between them: the arrows are the table's.

Where an arrow is drawn is decided here; that it is in the table, and leads where the table says, is checked.
What the table has beside the arrows is listed under them.
"""

from __future__ import annotations

from collections import defaultdict

from docs.pictures.svg import Sheet
from frontpay_async.batch.states import FINAL, NEXT, RowEvent, State

__all__ = ["beside", "draw"]

_WIDTH, _HEIGHT = 124, 48
_AT: dict[State, tuple[float, float]] = {
    State.FAILED: (179, 28),
    State.PENDING: (40, 116),
    State.SENDING: (318, 116),
    State.DONE: (596, 116),
    State.UNKNOWN: (318, 252),
    State.PARKED: (596, 252),
}
_WORDS = {
    State.PENDING: "may be sent",
    State.SENDING: "it may have left",
    State.DONE: "it stands at the API",
    State.UNKNOWN: "being looked for",
    State.FAILED: "it was refused",
    State.PARKED: "left to a person",
}
_KINDS = {
    State.PENDING: "box",
    State.SENDING: "pure",
    State.DONE: "good",
    State.UNKNOWN: "care",
    State.FAILED: "stop",
    State.PARKED: "care",
}
_S, _E = State, RowEvent
# The points of each arrow; where its words stand, and how.
_ARROWS: dict[tuple[State, RowEvent], tuple[tuple[tuple[float, float], ...], tuple[float, float, str]]] = {
    (_S.PENDING, _E.CLAIM): (((164, 130), (318, 130)), (241, 123, "middle")),
    (_S.SENDING, _E.WITHDRAW): (((318, 150), (164, 150)), (241, 166, "middle")),
    (_S.PENDING, _E.REFUSE): (((102, 116), (102, 52), (179, 52)), (140, 45, "middle")),
    (_S.SENDING, _E.REFUSE): (((380, 116), (380, 52), (303, 52)), (342, 45, "middle")),
    (_S.SENDING, _E.CONFIRM): (((442, 140), (596, 140)), (519, 133, "middle")),
    (_S.SENDING, _E.LOSE): (((380, 164), (380, 252)), (388, 213, "")),
    (_S.UNKNOWN, _E.CONFIRM): (((422, 252), (422, 208), (626, 208), (626, 164)), (519, 201, "middle")),
    (_S.UNKNOWN, _E.PARK): (((442, 280), (596, 280)), (519, 273, "middle")),
    (_S.UNKNOWN, _E.MISS): (((350, 300), (350, 322), (410, 322), (410, 300)), (418, 320, "")),
    (_S.UNKNOWN, _E.DENY): (((318, 276), (124, 276), (124, 164)), (221, 269, "middle")),
    (_S.PARKED, _E.CONFIRM): (((690, 252), (690, 164)), (682, 230, "end")),
    (_S.PARKED, _E.DENY): (((658, 300), (658, 352), (80, 352), (80, 164)), (221, 345, "middle")),
}


def beside() -> dict[tuple[RowEvent, State], list[State]]:
    """Return the moves that no arrow shows: by event and target, the states from which."""
    found: dict[tuple[RowEvent, State], list[State]] = defaultdict(list)
    for (source, event), target in NEXT.items():
        if (source, event) not in _ARROWS:
            found[event, target].append(source)
    return dict(found)


def draw() -> str:
    """Return the picture.

    Raises:
        KeyError: An arrow is not in the table.
    """
    told = "; ".join(f"{event} leads from {source} to {target}" for (source, event), target in NEXT.items())
    rest = beside()
    height = 412 + 18 * len(rest) + 16
    sheet = Sheet(760, height, "The states of a row of a batch", f"{told}.")
    for state, (x, y) in _AT.items():
        sheet.box(x, y, _WIDTH, _HEIGHT, _KINDS[state])
        if state in FINAL:
            sheet.box(x + 3, y + 3, _WIDTH - 6, _HEIGHT - 6, _KINDS[state])
        sheet.text(x + _WIDTH / 2, y + 21, state, "bold middle")
        sheet.text(x + _WIDTH / 2, y + 38, _WORDS[state], "small middle")
    for move, (points, (x, y, align)) in _ARROWS.items():
        _check(move, points)
        sheet.arrow(*points)
        sheet.text(x, y, move[1], f"small faint {align}".strip())
    sheet.text(
        40, 392, "Late truth: an answer that comes after its row was given up on, or put back", "bold small"
    )
    for line, ((event, target), sources) in enumerate(rest.items()):
        names = ", ".join(sources)
        sheet.text(40, 414 + 18 * line, f"{event}: {names} → {target}", "small")
    return sheet.render()


def _check(move: tuple[State, RowEvent], points: tuple[tuple[float, float], ...]) -> None:
    """See that an arrow begins at its state, and ends where the table says."""
    for state, (x, y) in ((move[0], points[0]), (NEXT[move], points[-1])):
        left, top = _AT[state]
        if not (left <= x <= left + _WIDTH and top <= y <= top + _HEIGHT):
            raise ValueError(f"the arrow of {move[1]} from {move[0]} does not touch {state}")
