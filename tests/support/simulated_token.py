"""One token in simulated time: the throttle, processes that saturate it, interactive calls, other users."""

from __future__ import annotations

import heapq
import itertools
import math
from random import Random
from typing import TYPE_CHECKING

from attrs import Factory, define, field

from frontpay_async._rate.ledger import Grant, Ledger
from frontpay_async._rate.rate_headers import Quota
from frontpay_async.priority import Priority
from tests.support.throttle_model import Server

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["LIMIT", "WINDOW", "First", "SimulatedToken"]

LIMIT, WINDOW = 240, 60.0


@define
class First:
    """What happens to the first requests of a process.

    Args:
        count: How many requests it happens to.
        lost: Whether its response is lost.
        bare: Whether its response has no headers.
        seconds: How long its response takes; as long as any other's if None.
    """

    lost: bool = False
    bare: bool = False
    seconds: float | None = None
    count: int = 1


@define(eq=False)
class SimulatedToken:
    """A token and all that happens to it; decided by its seed.

    Args:
        seed: Of all random numbers.
        latency: The least and the most seconds of a round trip.
        written: Whether headers show the count when the response is written, or when the request was counted.
        bare: The share of responses without headers.
        lost: The share of responses that are lost.
        slow_first: Seconds that the response to each window's first request takes longer.
        first: What happens to each process's first requests.
        others: The share of the budget that other users take, at random times.
        used_before: How many requests were counted before the first process started.
        used_for: How many seconds before that their window began.
        bulk: The priority of the endless work.
    """

    seed: int
    latency: tuple[float, float] = (0.06, 0.24)
    written: bool = False
    bare: float = 0.0
    lost: float = 0.0
    slow_first: float = 0.0
    first: First = Factory(First)
    others: float = 0.0
    used_before: int = 0
    used_for: float = 0.0
    bulk: Priority = Priority.BATCH
    random: Random = field(init=False)
    server: Server = field(init=False)
    now: float = field(init=False, default=0.0)
    seconds: float = field(init=False, default=0.0)
    passed: int = field(init=False, default=0)
    refused: int = field(init=False, default=0)
    others_passed: int = field(init=False, default=0)
    waits: list[float] = field(init=False, factory=list)
    _events: list[tuple[float, int, Callable[[], None]]] = field(init=False, factory=list)
    _order: itertools.count[int] = field(init=False, factory=itertools.count)

    def __attrs_post_init__(self) -> None:
        self.random = Random(self.seed)  # noqa: S311 - it decides nothing but the test
        began = -self.used_for if self.used_before else -math.inf
        self.server = Server(LIMIT, WINDOW, began, self.used_before)

    def at(self, moment: float, action: Callable[[], None]) -> None:
        """Plan something."""
        heapq.heappush(self._events, (moment, next(self._order), action))

    def play(self, seconds: float, processes: int = 1) -> None:
        """Let so much time pass."""
        self.seconds = seconds
        started = [Process(self) for _ in range(processes)]
        for process in started:
            self.at(self.random.uniform(0, 0.6), process.go_on)
            self._every(5.0 * processes, process.somebody_comes)
        if self.others:
            self._every(WINDOW / LIMIT / self.others, self._other_sends)
        while self._events[0][0] < seconds:
            self.now, _, action = heapq.heappop(self._events)
            action()
        # Who still waits counts with the time so far.
        self.waits += [seconds - since for process in started for since in process.interactive]

    def _every(self, seconds: float, action: Callable[[], None]) -> None:
        """Let something happen at random, so often on average."""

        def again() -> None:
            action()
            self.at(self.now + self.random.expovariate(1 / seconds), again)

        self.at(self.now + self.random.expovariate(1 / seconds), again)

    def _other_sends(self) -> None:
        self.others_passed += self.server.work_on(self.now) is not None

    @property
    def share(self) -> float:
        """The part used of what the other users left."""
        budget = LIMIT * self.seconds / WINDOW
        if self.used_before:
            budget += LIMIT - self.used_before - LIMIT * (WINDOW - self.used_for) / WINDOW
        return self.passed / (budget - self.others_passed)

    @property
    def p95(self) -> float:
        """The 95th percentile of the interactive calls' waits, in seconds."""
        return sorted(self.waits)[int(len(self.waits) * 0.95)]


@define(eq=False)
class Process:
    """Endless work, and an interactive call now and then."""

    token: SimulatedToken
    ledger: Ledger = Factory(lambda: Ledger(LIMIT, WINDOW, WINDOW / 1000))
    # When each interactive call that waits came.
    interactive: list[float] = Factory(list)
    sent: int = 0
    timer: object = None

    def somebody_comes(self) -> None:
        self.interactive.append(self.token.now)
        self.go_on()

    def go_on(self) -> None:
        token = self.token
        while True:
            verdict = self.ledger.acquire(token.now, Priority.INTERACTIVE if self.interactive else token.bulk)
            if not isinstance(verdict, Grant):
                break
            self._send(verdict, self.interactive.pop(0) if self.interactive else None)
        timer = self.timer = object()
        if verdict < math.inf:
            token.at(max(verdict, token.now + 1e-6), lambda: self.go_on() if self.timer is timer else None)

    def _send(self, grant: Grant, since: float | None) -> None:
        token, random = self.token, self.token.random
        took, part = random.uniform(*token.latency), random.random()
        lost, bare = random.random() < token.lost, random.random() < token.bare
        self.sent += 1
        up, down = took * part, took * (1 - part)
        if self.sent <= token.first.count:
            lost, bare = lost or token.first.lost, bare or token.first.bare
            down = down if token.first.seconds is None else token.first.seconds

        def arrive() -> None:
            number = token.server.work_on(token.now)
            asked = math.ceil(token.server.began + token.server.window - token.now)
            token.passed += number is not None
            token.refused += number is None
            if since is not None and number is not None:
                token.waits.append(token.now - since)
            elif since is not None:
                self.interactive.insert(0, since)
            later = down + (token.slow_first if number == 1 else 0.0)
            if lost:
                token.at(token.now + random.uniform(0.3, 5.0), self._lose)
            else:
                token.at(token.now + later, lambda: self._answer(grant, number, asked, bare=bare))

        token.at(token.now + up, arrive)

    def _lose(self) -> None:
        self.ledger.lost(self.token.now)
        self.go_on()

    def _answer(self, grant: Grant, number: int | None, asked: int, *, bare: bool) -> None:
        now = self.token.now
        if number is None:
            self.ledger.refused(grant, now, asked)
        else:
            # A window that has ended without a successor shows nothing used.
            count = self.token.server.counted(now) if self.token.written else number
            self.ledger.report(grant, now, None if bare or not count else Quota(LIMIT, count))
        self.go_on()
