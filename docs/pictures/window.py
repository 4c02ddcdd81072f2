"""A minute and a half of the rate window, accounted for by the real ledger.

Time and server are simulated: the server counts in a fixed window that begins with the first request that it
handles. The limit is 24 requests instead of 240, and a response takes four seconds, which makes the effects
visible.
"""

from __future__ import annotations

from attrs import Factory, define, frozen

from docs.pictures.svg import Sheet
from frontpay_async import Priority
from frontpay_async._rate.ledger import Grant, Ledger
from frontpay_async._rate.rate_headers import Quota

__all__ = ["Scene", "Sent", "draw", "play"]

LIMIT, WINDOW, LATENCY = 24, 60.0, 4.0
BEGIN, UNTIL = 2.0, 96.0
# When interactive requests are made; and when the batch has nothing to send.
TILL = (17.0, 17.4, 17.8, 18.2, 18.6, 64.0, 80.0)
IDLE = (51.0, 63.0)


@frozen
class Sent:
    """One request that was granted.

    Args:
        at: Seconds.
        priority: Its priority.
        used: Requests charged to the ledger's window, including this one.
        generation: The number of that window.
    """

    at: float
    priority: Priority
    used: int
    generation: int


@define
class Scene:
    """The events of the simulation.

    Args:
        sent: The requests that were granted.
        charged: Time, requests charged to the ledger's window from then on, and the number of the window.
        bounds: The earliest and the latest end of each of the ledger's windows, as finally known.
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
    # Messages in flight: arrival time and grant.
    arrivals: list[tuple[float, Grant]] = Factory(list)
    answers: list[tuple[float, Grant, Quota]] = Factory(list)

    def work(self, now: float) -> Quota | None:
        """Handle a request as the server does."""
        if not self.scene.windows or now >= self.scene.windows[-1] + WINDOW:
            self.scene.windows.append(now)
            self.counted = 0
        if self.counted == LIMIT:
            self.scene.refused += 1
            return None
        self.counted += 1
        return Quota(LIMIT, self.counted)

    def dispatch(self, now: float) -> None:
        """Grant what may be sent; a batch always has one more request."""
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
    """Advance the time in steps of a tenth of a second."""
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


_TOP, _BOTTOM = 92, 316


@frozen
class _Layout:
    """Where the picture's parts are: its width, and the ends of the time axis."""

    width: int
    left: int
    right: int
    phone: bool

    def x(self, at: float) -> float:
        return self.left + (self.right - self.left) * min(at, UNTIL) / UNTIL

    @staticmethod
    def y(used: float) -> float:
        return _BOTTOM - (_BOTTOM - _TOP) * used / LIMIT


_WIDE, _PHONE = _Layout(760, 56, 736, phone=False), _Layout(360, 28, 348, phone=True)


def draw(*, phone: bool = False) -> str:
    """Return the picture, or its phone form."""
    scene = play()
    to = _PHONE if phone else _WIDE
    sheet = Sheet(
        to.width,
        404,
        "The window ledger at work",
        "Requests over time. Batch requests follow the pacing line. Five interactive requests go above"
        " it at once, and the remaining budget, less a reserve, is spread over the rest of the window."
        " Between the earliest and the latest possible end of the window, the guard zone, only an"
        " interactive request is sent, and it is charged to the next window as well.",
    )
    _legend(sheet, to)
    _axes(sheet, to)
    for generation, (lo, hi) in scene.bounds.items():
        if hi < UNTIL:
            sheet.area(to.x(lo), _TOP, to.x(hi) - to.x(lo), _BOTTOM - _TOP, "guard")
        begin, full = scene.pace[generation]
        share = min(1.0, (UNTIL - begin) / (full - begin))
        end = (to.x(begin + (full - begin) * share), to.y(LIMIT * share))
        sheet.line((to.x(begin), to.y(0)), end, kind="pace")
        points = [(to.x(begin), to.y(0))]
        for at, used, of in scene.charged:
            if of == generation and points[-1][1] != to.y(used):
                points += [(to.x(at), points[-1][1]), (to.x(at), to.y(used))]
        points.append((to.x(min(hi, UNTIL)), points[-1][1]))
        sheet.line(*points, kind="used")
    for each in scene.sent:
        till = each.priority is Priority.INTERACTIVE
        radius = (3.4 if till else 2.4) if phone else (4.5 if till else 3.2)
        sheet.dot(to.x(each.at), to.y(each.used), radius, "till" if till else "dot")
    _words(sheet, to)
    for place, begin in enumerate(scene.windows):
        sheet.box(to.x(begin), _BOTTOM + 44, to.x(begin + WINDOW) - to.x(begin), 24, "pure")
        sheet.text(to.x(begin) + 10, _BOTTOM + 60, f"server window {place + 1}", "small")
    return sheet.render()


def _words(sheet: Sheet, to: _Layout) -> None:
    if to.phone:
        sheet.text(to.x(1), to.y(21), "interactive calls", "small")
        sheet.text(to.x(1), to.y(21) + 15, "go first, at once", "small")
        sheet.text(to.x(33), to.y(7), "the batch shares", "small")
        sheet.text(to.x(33), to.y(7) + 15, "what is left", "small")
        sheet.text(to.x(64), _TOP - 8, "guard zone: the window ends in here", "small middle")
        return
    sheet.text(to.x(1.5), to.y(15), "interactive calls go first, at once", "small")
    sheet.text(to.x(30.5), to.y(9.8), "the batch shares what is left", "small")
    sheet.text(to.x(64), _TOP - 8, "guard zone: the window ends in here", "small middle")


def _legend(sheet: Sheet, to: _Layout) -> None:
    left = 12 if to.phone else to.left
    sheet.text(
        left, 20 if to.phone else 30, f"{LIMIT} requests per {WINDOW:g} s, latency {LATENCY:g} s", "bold"
    )
    # The second half of the legend goes below the first one on a phone.
    second, y = (left, 60) if to.phone else (left + 176, 50)
    first = 42 if to.phone else y
    sheet.dot(left + 6, first, 3.2)
    sheet.text(left + 18, first + 4, "batch", "small")
    sheet.dot(left + 76, first, 4.5, "till")
    sheet.text(left + 88, first + 4, "interactive", "small")
    sheet.line((second, y), (second + 30, y), kind="used")
    sheet.text(second + 38, y + 4, "charged to the window", "small")
    sheet.line((second + 190, y), (second + 220, y), kind="pace")
    sheet.text(second + 228, y + 4, "the pacing line", "small")


def _axes(sheet: Sheet, to: _Layout) -> None:
    for place in range(0, round(UNTIL) + 1, 20 if to.phone else 10):
        sheet.line((to.x(place), _TOP), (to.x(place), _BOTTOM), kind="grid")
        sheet.text(to.x(place), _BOTTOM + 18, f"{place}", "small faint middle")
    sheet.text(to.right, _BOTTOM + 34, "seconds", "small faint end")
    for place in (0, LIMIT // 2, LIMIT):
        sheet.line((to.left, to.y(place)), (to.right, to.y(place)), kind="grid")
        sheet.text(to.left - 8, to.y(place) + 4, f"{place}", "small faint end")
