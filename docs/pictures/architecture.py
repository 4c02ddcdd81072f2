"""A call's way through the package: the stages as they are composed, described by their docstrings."""

from __future__ import annotations

from itertools import pairwise
from textwrap import wrap
from typing import TYPE_CHECKING

from docs.pictures.svg import Sheet
from frontpay_async import Clock, RateLimit
from frontpay_async._pipeline import compose
from frontpay_async._protocol.retry_policy import RetryBudget
from frontpay_async._transport.auth import Secret
from frontpay_async._transport.send import Send

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["draw", "stages"]

_LEFT, _WIDTH = 96, 568
_HEIGHT, _GAP = 40, 14
_STEP = _HEIGHT + _GAP


def stages() -> Iterator[type[object]]:
    """Yield the classes of the pipeline, in the order in which a call passes them."""
    wire = object.__new__(Send)
    stage: object = compose(
        clock=Clock(),
        budget=RetryBudget(),
        follower=None,
        credential=Secret("token"),
        base_url="https://localhost",
        rate_limit=RateLimit.unlimited(),
        send=wire,
    ).first
    while stage is not wire:
        yield type(stage)
        stage = getattr(stage, "following", wire)
    yield Send


def _first_line(of: object) -> str:
    return (of.__doc__ or "").partition("\n")[0].rstrip(".").replace("``", "")


def _layer(sheet: Sheet, y: float, name: str, words: str, *, width: float = _WIDTH) -> None:
    sheet.box(_LEFT, y, width, _HEIGHT)
    sheet.text(_LEFT + 14, y + 25, name, "bold")
    sheet.text(_LEFT + 100, y + 25, words)


def _side_by_side(sheet: Sheet, y: float, *boxes: tuple[str, str, str]) -> None:
    width = (_WIDTH - _GAP * (len(boxes) - 1)) / len(boxes)
    for place, (name, words, kind) in enumerate(boxes):
        left = _LEFT + place * (width + _GAP)
        sheet.box(left, y, width, _HEIGHT, kind)
        sheet.text(left + 14, y + 25, name, "bold")
        sheet.text(left + 82, y + 25, words, "small")


_SEAM = "the seam: httpx.AsyncBaseTransport, for other engines and for tests"
_BUILD = ("build", "value → HttpRequest", "pure")
_PARSE = ("parse", "HttpResponse → value or error", "pure")
_ENGINES = (
    ("httpx", "in pools", "box"),
    ("aiohttp", "an extra", "box"),
    ("Sandbox", "in your process", "good"),
)


def _sheet(width: int, height: float, chain: list[type[object]]) -> Sheet:
    names = ", ".join(stage.__name__ for stage in chain)
    return Sheet(
        width,
        round(height),
        "A call's way through the package",
        "A call goes down from your program through the resource and build, which is pure, then through"
        f" the stages of the pipeline: {names}; through the seam, httpx's transport, to the API or to"
        " the sandbox. The response comes up the same way, and parse, which is pure, turns it into a value"
        " or an error.",
    )


def draw(*, phone: bool = False) -> str:
    """Return the picture, or its phone form."""
    chain = list(stages())
    if phone:
        return _draw_phone(chain)
    tops = [20.0 + place * _STEP for place in range(len(chain) + 6)]
    seam = tops.pop(len(chain) + 3)
    sheet = _sheet(760, tops[-1] + _HEIGHT + 20, chain)
    _layer(sheet, tops[0], "Program", "await client.orders.send_invoice(order)")
    _layer(sheet, tops[1], "Resource", "A method: its signature, its docstring, and one call")
    _side_by_side(sheet, tops[2], _BUILD, _PARSE)
    sheet.text(_LEFT + _WIDTH + 12, tops[2] + 25, "pure", "small faint")
    for y, stage in zip(tops[3:], chain, strict=False):
        _layer(sheet, y, stage.__name__, _first_line(stage))
    first, last = tops[4], tops[2 + len(chain)] + _HEIGHT
    sheet.line((_LEFT - 8, first), (_LEFT - 16, first), (_LEFT - 16, last), (_LEFT - 8, last))
    sheet.text(_LEFT - 24, (first + last) / 2 - 3, "for each", "small faint end")
    sheet.text(_LEFT - 24, (first + last) / 2 + 13, "attempt", "small faint end")
    sheet.line((20, seam + _HEIGHT / 2), (_LEFT + 60, seam + _HEIGHT / 2), kind="late")
    sheet.line((_LEFT + _WIDTH - 60, seam + _HEIGHT / 2), (740, seam + _HEIGHT / 2), kind="late")
    sheet.text(_LEFT + _WIDTH / 2, seam + _HEIGHT / 2 + 4, _SEAM, "small faint middle")
    _side_by_side(sheet, tops[-2], *_ENGINES)
    two = (_WIDTH - 2 * _GAP) / 3 * 2 + _GAP
    _layer(sheet, tops[-1], "The API", "or the sandbox, on a socket", width=two)
    for above, below in pairwise(tops):
        right = _LEFT + (two if below == tops[-1] else _WIDTH) - 30
        sheet.arrow((_LEFT + 30, above + _HEIGHT), (_LEFT + 30, below))
        sheet.arrow((right, below), (right, above + _HEIGHT))
    return sheet.render()


def _draw_phone(chain: list[type[object]]) -> str:
    """Draw a box per layer, with its words below its name."""
    layers: list[list[tuple[str, str, str]]] = [
        [("Program", "await client.orders.send_invoice(order)", "box")],
        [("Resource", "A method: its signature and one call", "box")],
        [_BUILD, ("parse", "→ value or error", "pure")],
        *([(stage.__name__, _first_line(stage), "box")] for stage in chain),
        [("the seam", "httpx.AsyncBaseTransport", "box")],
        list(_ENGINES),
        [("The API", "or the sandbox, on a socket", "box")],
    ]
    left, width, gap = 12.0, 336.0, 16.0
    boxes: list[tuple[float, float]] = []
    y = 14.0
    sheet = _sheet(360, 0, chain)
    for layer in layers:
        wide = (width - 8 * (len(layer) - 1)) / len(layer)
        lines = max(len(wrap(words, round((wide - 16) / 5.6))) for _, words, _ in layer)
        height = 30.0 + 16 * lines
        for place, (name, words, kind) in enumerate(layer):
            x = left + place * (wide + 8)
            sheet.box(x, y, wide, height, kind)
            sheet.text(x + 10, y + 20, name, "bold")
            for line, part in enumerate(wrap(words, round((wide - 16) / 5.6))):
                sheet.text(x + 10, y + 38 + 16 * line, part, "small")
        boxes.append((y, y + height))
        y += height + gap
    for (_, end), (begin, _) in pairwise(boxes):
        sheet.arrow((left + 24, end), (left + 24, begin))
        sheet.arrow((left + width - 24, begin), (left + width - 24, end))
    sheet.height = round(y)
    return sheet.render()
