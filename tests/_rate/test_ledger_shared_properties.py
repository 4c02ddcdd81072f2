"""Several processes, and strangers, on one token, who know of one another by the answers alone."""

from __future__ import annotations

import heapq
import itertools
import math
from random import Random
from typing import TYPE_CHECKING

import pytest
from attrs import Factory, define

from frontpay_async._rate.ledger import Grant, Ledger
from frontpay_async._rate.quota import Quota
from frontpay_async.priority import Priority
from tests.support.throttle_model import Server

if TYPE_CHECKING:
    from collections.abc import Callable

LIMIT, WINDOW, WINDOWS = 240, 60.0, 12


@define(eq=False)
class Town:
    """A server, the processes that saturate it, the till's arrivals, and strangers; decided by its seed."""

    random: Random
    latency: tuple[float, float]
    strangers: float = 0.0
    server: Server = Factory(lambda: Server(LIMIT))
    now: float = 0.0
    passed: int = 0
    refused: int = 0
    strangers_passed: int = 0
    waits: list[float] = Factory(list)
    _events: list[tuple[float, int, Callable[[], None]]] = Factory(list)
    _order: itertools.count[int] = Factory(itertools.count)

    def at(self, moment: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._events, (moment, next(self._order), action))

    def play(self, processes: int) -> None:
        for _ in range(processes):
            process = Process(self)
            self.at(self.random.uniform(0, 0.6), process.go_on)
            self.every(5.0 * processes, process.somebody_comes)
        if self.strangers:
            self.every(WINDOW / LIMIT / self.strangers, self.stranger_sends)
        while self._events[0][0] < WINDOWS * WINDOW:
            self.now, _, action = heapq.heappop(self._events)
            action()

    def every(self, seconds: float, action: Callable[[], None]) -> None:
        """Let something happen at random, so often on average."""

        def again() -> None:
            action()
            self.at(self.now + self.random.expovariate(1 / seconds), again)

        self.at(self.now + self.random.expovariate(1 / seconds), again)

    def stranger_sends(self) -> None:
        self.strangers_passed += self.server.work_on(self.now) is not None

    @property
    def share(self) -> float:
        """The part used of what the strangers left."""
        return self.passed / (LIMIT * WINDOWS - self.strangers_passed)

    @property
    def p95(self) -> float:
        return sorted(self.waits)[int(len(self.waits) * 0.95)]


@define(eq=False)
class Process:
    """Endless batch work, and somebody at the till now and then."""

    town: Town
    ledger: Ledger = Factory(lambda: Ledger(LIMIT, WINDOW, WINDOW / 1000))
    till: list[float] = Factory(list)
    timer: object = None

    def somebody_comes(self) -> None:
        self.till.append(self.town.now)
        self.go_on()

    def go_on(self) -> None:
        town = self.town
        while True:
            verdict = self.ledger.acquire(town.now, Priority.INTERACTIVE if self.till else Priority.BATCH)
            if not isinstance(verdict, Grant):
                break
            if self.till:
                town.waits.append(town.now - self.till.pop(0))
            self.send(verdict)
        timer = self.timer = object()
        if verdict < math.inf:
            town.at(max(verdict, town.now + 1e-6), lambda: self.go_on() if self.timer is timer else None)

    def send(self, grant: Grant) -> None:
        town = self.town
        took = town.random.uniform(*town.latency)

        def arrive() -> None:
            number = town.server.work_on(town.now)
            asked = math.ceil(town.server.began + WINDOW - town.now)
            town.passed += number is not None
            town.refused += number is None
            town.at(grant.at + took, lambda: self.answer(grant, number, asked))

        town.at(town.now + took * town.random.random(), arrive)

    def answer(self, grant: Grant, number: int | None, asked: int) -> None:
        if number is None:
            self.ledger.refused(grant, self.town.now, asked)
        else:
            self.ledger.report(grant, self.town.now, Quota(LIMIT, number))
        self.go_on()


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("processes", [2, 4, 8])
def test_processes_by_headers_alone(processes: int, seed: int) -> None:
    town = Town(Random(seed), (0.06, 0.24))  # noqa: S311 - it decides nothing but the test
    town.play(processes)
    assert town.share >= 0.98
    assert town.refused <= WINDOWS / 2
    assert town.p95 < 0.01 * WINDOW


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("processes", [1, 4])
def test_with_a_stranger(processes: int, seed: int) -> None:
    """He takes a tenth, at random, and sees no header."""
    town = Town(Random(seed), (0.06, 0.24), strangers=0.1)  # noqa: S311 - it decides nothing but the test
    town.play(processes)
    assert town.share >= 0.98
    assert town.refused <= WINDOWS / 2
    assert town.p95 < 0.01 * WINDOW


def test_alone() -> None:
    town = Town(Random(0), (0.06, 0.24))  # noqa: S311 - it decides nothing but the test
    town.play(1)
    assert town.share >= 0.995
    assert town.refused == 0
    assert town.p95 == 0
