"""A call's way through the package: the stages as they are composed, with their own words."""

from __future__ import annotations

from itertools import pairwise
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
    """Yield the classes of the pipeline, from where a call enters it to the wire."""
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
    return (of.__doc__ or "").partition("\n")[0].rstrip(".")


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


def draw() -> str:
    """Return the picture."""
    chain = list(stages())
    names = ", ".join(stage.__name__ for stage in chain)
    tops = [20.0 + place * _STEP for place in range(len(chain) + 6)]
    seam = tops.pop(len(chain) + 3)
    sheet = Sheet(
        760,
        round(tops[-1]) + _HEIGHT + 20,
        "A call's way through the package",
        "A call goes down from your program through the resource and build, which is pure, then through"
        f" the stages of the pipeline: {names}; over the seam, httpx's transport, to the API or to"
        " the sandbox. The answer comes up the same way, and parse, which is pure, makes a value or an"
        " error of it.",
    )
    _layer(sheet, tops[0], "Program", "await client.orders.send_invoice(order)")
    _layer(sheet, tops[1], "Resource", "A method: its signature, its docstring, and one call")
    _side_by_side(
        sheet,
        tops[2],
        ("build", "value → HttpRequest", "pure"),
        ("parse", "HttpResponse → value or error", "pure"),
    )
    sheet.text(_LEFT + _WIDTH + 12, tops[2] + 25, "pure", "small faint")
    for y, stage in zip(tops[3:], chain, strict=False):
        _layer(sheet, y, stage.__name__, (stage.__doc__ or "").partition("\n")[0].rstrip("."))
    first, last = tops[4], tops[2 + len(chain)] + _HEIGHT
    sheet.line((_LEFT - 8, first), (_LEFT - 16, first), (_LEFT - 16, last), (_LEFT - 8, last))
    sheet.text(_LEFT - 24, (first + last) / 2 - 3, "for each", "small faint end")
    sheet.text(_LEFT - 24, (first + last) / 2 + 13, "attempt", "small faint end")
    sheet.line((20, seam + _HEIGHT / 2), (_LEFT + 60, seam + _HEIGHT / 2), kind="late")
    sheet.line((_LEFT + _WIDTH - 60, seam + _HEIGHT / 2), (740, seam + _HEIGHT / 2), kind="late")
    sheet.text(
        _LEFT + _WIDTH / 2,
        seam + _HEIGHT / 2 + 4,
        "the seam: httpx.AsyncBaseTransport, for other engines and for tests",
        "small faint middle",
    )
    _side_by_side(
        sheet,
        tops[-2],
        ("httpx", "in pools", "box"),
        ("aiohttp", "an extra", "box"),
        ("Sandbox", "in your process", "good"),
    )
    two = (_WIDTH - 2 * _GAP) / 3 * 2 + _GAP
    _layer(sheet, tops[-1], "The API", "or the sandbox, on a socket", width=two)
    for above, below in pairwise(tops):
        right = _LEFT + (two if below == tops[-1] else _WIDTH) - 30
        sheet.arrow((_LEFT + 30, above + _HEIGHT), (_LEFT + 30, below))
        sheet.arrow((right, below), (right, above + _HEIGHT))
    return sheet.render()
