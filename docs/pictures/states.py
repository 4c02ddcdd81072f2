"""The states of a batch's row and its transitions: the arrows are those of the table.

Each arrow is placed by hand; the code checks that the table has it and where it leads. Transitions without
an arrow are listed below the picture.
"""

from __future__ import annotations

from collections import defaultdict
from textwrap import wrap

from attrs import frozen

from docs.pictures.svg import Sheet
from frontpay_async.batch.states import FINAL, NEXT, RowEvent, State

__all__ = ["beside", "draw"]

_WORDS = {
    State.PENDING: "may be sent",
    State.SENDING: "may have left",
    State.DONE: "the API has it",
    State.UNKNOWN: "being reconciled",
    State.FAILED: "was rejected",
    State.PARKED: "left for a person",
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
_Point = tuple[float, float]
_Arrow = tuple[tuple[_Point, ...], tuple[float, float, str]]


@frozen
class _Layout:
    """Where boxes and arrows are: an arrow has its points, and the place and alignment of its label."""

    size: tuple[int, int]
    box: tuple[int, int]
    at: dict[State, _Point]
    arrows: dict[tuple[State, RowEvent], _Arrow]


_LAYOUT = _Layout(
    (760, 412),
    (124, 48),
    {
        State.FAILED: (179, 28),
        State.PENDING: (40, 116),
        State.SENDING: (318, 116),
        State.DONE: (596, 116),
        State.UNKNOWN: (318, 252),
        State.PARKED: (596, 252),
    },
    {
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
    },
)
_PHONE = _Layout(
    (360, 388),
    (112, 48),
    {
        State.PENDING: (60, 20),
        State.SENDING: (60, 132),
        State.UNKNOWN: (60, 244),
        State.FAILED: (240, 20),
        State.DONE: (240, 132),
        State.PARKED: (240, 244),
    },
    {
        (_S.PENDING, _E.CLAIM): (((84, 68), (84, 132)), (90, 104, "")),
        (_S.SENDING, _E.WITHDRAW): (((130, 132), (130, 68)), (136, 104, "")),
        (_S.PENDING, _E.REFUSE): (((172, 36), (240, 36)), (206, 30, "middle")),
        (_S.SENDING, _E.REFUSE): (((160, 132), (160, 116), (264, 116), (264, 68)), (258, 100, "end")),
        (_S.SENDING, _E.CONFIRM): (((172, 148), (240, 148)), (206, 142, "middle")),
        (_S.SENDING, _E.LOSE): (((84, 180), (84, 244)), (90, 216, "")),
        (_S.UNKNOWN, _E.CONFIRM): (((150, 244), (150, 214), (264, 214), (264, 180)), (206, 208, "middle")),
        (_S.UNKNOWN, _E.PARK): (((172, 268), (240, 268)), (206, 262, "middle")),
        (_S.UNKNOWN, _E.MISS): (((92, 292), (92, 312), (140, 312), (140, 292)), (148, 310, "")),
        (_S.UNKNOWN, _E.DENY): (((60, 268), (30, 268), (30, 52), (60, 52)), (34, 216, "")),
        (_S.PARKED, _E.CONFIRM): (((310, 244), (310, 180)), (304, 236, "end")),
        (_S.PARKED, _E.DENY): (
            ((296, 292), (296, 340), (12, 340), (12, 36), (60, 36)),
            (206, 334, "middle"),
        ),
    },
)


def beside() -> dict[tuple[RowEvent, State], list[State]]:
    """Return the moves without an arrow: source states by event and target."""
    found: dict[tuple[RowEvent, State], list[State]] = defaultdict(list)
    for (source, event), target in NEXT.items():
        if (source, event) not in _LAYOUT.arrows:
            found[event, target].append(source)
    return dict(found)


def draw(*, phone: bool = False) -> str:
    """Return the picture, or its phone form.

    Raises:
        KeyError: An arrow is not in the table.
    """
    to = _PHONE if phone else _LAYOUT
    moves = "; ".join(f"{event} leads from {source} to {target}" for (source, event), target in NEXT.items())
    heading, notes = _notes(50 if phone else 120)
    (width, top), (wide, high) = to.size, to.box
    sheet = Sheet(width, top + 18 * len(notes) - 2, "The states of a row of a batch", f"{moves}.")
    for state, (x, y) in to.at.items():
        sheet.box(x, y, wide, high, _KINDS[state])
        if state in FINAL:
            sheet.box(x + 3, y + 3, wide - 6, high - 6, _KINDS[state])
        sheet.text(x + wide / 2, y + 21, state, "bold middle")
        sheet.text(x + wide / 2, y + 38, _WORDS[state], "small middle")
    for move, (points, (x, y, align)) in to.arrows.items():
        _check(to, move, points)
        sheet.arrow(*points)
        sheet.text(x, y, move[1], f"small faint {align}".strip())
    for line, words in enumerate(notes):
        sheet.text(
            12 if phone else 40, top - 20 + 18 * line, words, "bold small" if words in heading else "small"
        )
    return sheet.render()


def _notes(columns: int) -> tuple[list[str], list[str]]:
    """Return the heading of the moves without an arrow, and all lines below the picture."""
    heading = wrap("Late responses, which arrive after their row was given up or put back:", columns)
    rest = [f"{event}: {', '.join(sources)} → {target}" for (event, target), sources in beside().items()]
    return heading, [*heading, *(part for words in rest for part in wrap(words, columns))]


def _check(to: _Layout, move: tuple[State, RowEvent], points: tuple[_Point, ...]) -> None:
    """Check that an arrow begins at its state and ends where the table says."""
    wide, high = to.box
    for state, (x, y) in ((move[0], points[0]), (NEXT[move], points[-1])):
        left, top = to.at[state]
        if not (left <= x <= left + wide and top <= y <= top + high):
            raise ValueError(f"the arrow of {move[1]} from {move[0]} does not touch {state}")
