"""A minute and a half of the rate window, as the real ledger lives it.

The time is simulated, the server too: it counts in a fixed window that begins with the first request it works
on. So that there is something to see, the limit is 24 requests instead of 240, and an answer takes four
seconds.
"""

from __future__ import annotations

from attrs import Factory, define, frozen

from docs.pictures.svg import Sheet
from frontpay_async import Priority
from frontpay_async._rate.ledger import Grant, Ledger
from frontpay_async._rate.quota import Quota

__all__ = ["Scene", "Sent", "draw", "play"]

LIMIT, WINDOW, LATENCY = 24, 60.0, 4.0
BEGIN, UNTIL = 2.0, 96.0
# When somebody at the till pays; and when the batch has nothing to send.
TILL = (17.0, 17.4, 17.8, 18.2, 18.6, 64.0, 80.0)
IDLE = (51.0, 63.0)


@frozen
class Sent:
    """Hold one request that was let through.

    Args:
        at: When, in seconds.
        priority: By whom.
        used: What the ledger had charged to its window then, this one with it.
        generation: Which window of the ledger that was.
    """

    at: float
    priority: Priority
    used: int
    generation: int


@define
class Scene:
    """Hold what happened.

    Args:
        sent: What was let through.
        charged: From when on how much was charged to a window of the ledger, and which window it was.
        bounds: The earliest and the latest end of each window of the ledger, as known in the end.
        pace: When the pacing line of each of these windows begins, and when it reaches the limit.
        windows: When the server's windows began.
        refused: How many requests the server refused.
    """

    sent: list[Sent] = Factory(list)
    charged: list[tuple[float, int, int]] = Factory(list)
    bounds: dict[int, tuple[float, float]] = Factory(dict)
    pace: dict[int, tuple[float, float]] = Factory(dict)
    windows: list[float] = Factory(list)
    refused: int = 0


@define
class _World:
    ledger: Ledger = Factory(lambda: Ledger(limit=LIMIT, window=WINDOW))
    scene: Scene = Factory(Scene)
    counted: int = 0
    waiting: list[Priority] = Factory(list)
    # What is on its way: when it arrives, and what it was let through by.
    arrivals: list[tuple[float, Grant]] = Factory(list)
    answers: list[tuple[float, Grant, Quota]] = Factory(list)

    def work(self, now: float) -> Quota | None:
        """Do what the server does with a request."""
        if not self.scene.windows or now >= self.scene.windows[-1] + WINDOW:
            self.scene.windows.append(now)
            self.counted = 0
        if self.counted == LIMIT:
            self.scene.refused += 1
            return None
        self.counted += 1
        return Quota(LIMIT, self.counted)

    def dispatch(self, now: float) -> None:
        """Let through what may go; a batch always has one more."""
        self.waiting.sort()
        while self.waiting:
            granted = self.ledger.acquire(now, self.waiting[0])
            if not isinstance(granted, Grant):
                break
            priority = self.waiting.pop(0)
            self.scene.sent.append(Sent(now, priority, self.ledger.used, self.ledger.generation))
            self.arrivals.append((now + LATENCY / 2, granted))
            if priority is Priority.BATCH:
                self.waiting.append(priority)
        ledger = self.ledger
        self.scene.charged.append((now, ledger.used, ledger.generation))
        self.scene.bounds[ledger.generation] = ledger.lo, ledger.hi
        self.scene.pace[ledger.generation] = ledger._due(0), ledger._due(LIMIT)  # noqa: SLF001 - the line as it is


def play() -> Scene:
    """Let the time pass, a tenth of a second at a time."""
    world = _World()
    till = list(TILL)
    for tick in range(round(BEGIN * 10), round(UNTIL * 10) + 1):
        now = tick / 10
        if now in (BEGIN, IDLE[1]):
            world.waiting.append(Priority.BATCH)
        elif now == IDLE[0]:
            world.waiting.clear()
        while till and till[0] <= now:
            world.waiting.append(Priority.INTERACTIVE)
            del till[0]
        while world.arrivals and world.arrivals[0][0] <= now:
            grant = world.arrivals.pop(0)[1]
            quota = world.work(now)
            if quota is not None:
                world.answers.append((now + LATENCY / 2, grant, quota))
        while world.answers and world.answers[0][0] <= now:
            _, grant, quota = world.answers.pop(0)
            world.ledger.report(grant, now, quota)
        world.dispatch(now)
    return world.scene


_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 736, 92, 316


def _x(at: float) -> float:
    return _LEFT + (_RIGHT - _LEFT) * min(at, UNTIL) / UNTIL


def _y(used: float) -> float:
    return _BOTTOM - (_BOTTOM - _TOP) * used / LIMIT


def draw() -> str:
    """Return the picture."""
    scene = play()
    sheet = Sheet(
        760,
        404,
        "The window ledger at work",
        "Requests over time. Batch requests climb along the pacing line. Five interactive requests go above"
        " it at once, and what is left, less a reserve, is spread over the rest of the window. Between the"
        " earliest and the latest possible end of the window, the guard zone, only an interactive request"
        " passes, and it is charged to the next window, too.",
    )
    _legend(sheet)
    _axes(sheet)
    for generation, (lo, hi) in scene.bounds.items():
        if hi < UNTIL:
            sheet.area(_x(lo), _TOP, _x(hi) - _x(lo), _BOTTOM - _TOP, "guard")
        begin, full = scene.pace[generation]
        share = min(1.0, (UNTIL - begin) / (full - begin))
        sheet.line((_x(begin), _y(0)), (_x(begin + (full - begin) * share), _y(LIMIT * share)), kind="pace")
        points = [(_x(begin), _y(0))]
        for at, used, of in scene.charged:
            if of == generation and points[-1][1] != _y(used):
                points += [(_x(at), points[-1][1]), (_x(at), _y(used))]
        points.append((_x(min(hi, UNTIL)), points[-1][1]))
        sheet.line(*points, kind="used")
    for each in scene.sent:
        till = each.priority is Priority.INTERACTIVE
        sheet.dot(_x(each.at), _y(each.used), 4.5 if till else 3.2, "till" if till else "dot")
    sheet.text(_x(1.5), _y(12.6), "interactive calls go first, at once", "small")
    sheet.text(_x(30.5), _y(9.8), "the batch spreads what is left", "small")
    sheet.text(_x(64), _TOP - 8, "guard zone: the window ends in here", "small middle")
    for place, begin in enumerate(scene.windows):
        width = _x(begin + WINDOW) - _x(begin)
        sheet.box(_x(begin), _BOTTOM + 44, width, 24, "pure")
        words = "the server's window, as it really is" if place == 0 else "its next one"
        sheet.text(_x(begin) + 10, _BOTTOM + 60, words, "small")
    return sheet.render()


def _legend(sheet: Sheet) -> None:
    sheet.text(_LEFT, 30, f"{LIMIT} requests in {WINDOW:g} s, each answered after {LATENCY:g} s", "bold")
    sheet.dot(_LEFT + 6, 50, 3.2)
    sheet.text(_LEFT + 18, 54, "batch", "small")
    sheet.dot(_LEFT + 76, 50, 4.5, "till")
    sheet.text(_LEFT + 88, 54, "interactive", "small")
    sheet.line((_LEFT + 176, 50), (_LEFT + 206, 50), kind="used")
    sheet.text(_LEFT + 214, 54, "charged to the window", "small")
    sheet.line((_LEFT + 366, 50), (_LEFT + 396, 50), kind="pace")
    sheet.text(_LEFT + 404, 54, "the pacing line", "small")


def _axes(sheet: Sheet) -> None:
    for place in range(0, round(UNTIL) + 1, 10):
        sheet.line((_x(place), _TOP), (_x(place), _BOTTOM), kind="grid")
        sheet.text(_x(place), _BOTTOM + 18, f"{place}", "small faint middle")
    sheet.text(_RIGHT, _BOTTOM + 34, "seconds", "small faint end")
    for place in (0, LIMIT // 2, LIMIT):
        sheet.line((_LEFT, _y(place)), (_RIGHT, _y(place)), kind="grid")
        sheet.text(_LEFT - 8, _y(place) + 4, f"{place}", "small faint end")
