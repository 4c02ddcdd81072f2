"""Saturating traffic of the only user, at the edges of the window: never a refusal, and the books right.

The state machines of ``test_ledger`` find short stories; these are long ones. Bursts are aimed at the
moments where a window ends, or is believed to, and some answers come a window late, or never.
"""

from __future__ import annotations

import heapq
import itertools
import math
from random import Random
from typing import TYPE_CHECKING

import pytest
from attrs import Factory, define

from frontpay_async._rate.ledger import Grant, Ledger
from frontpay_async._rate.rate_headers import Quota
from frontpay_async.priority import Priority
from tests.support.throttle_model import Server

if TYPE_CHECKING:
    from collections.abc import Callable

WINDOW, MARGIN, WINDOWS = 60.0, 0.06, 25


@define(eq=False)
class Storm:
    """One run, decided by its seed."""

    random: Random
    limit: int
    now: float = 0.0
    ledger: Ledger = Factory(lambda self: Ledger(self.limit, WINDOW, MARGIN), takes_self=True)
    server: Server = Factory(lambda self: Server(self.limit), takes_self=True)
    _events: list[tuple[float, int, Callable[[], None]]] = Factory(list)
    _order: itertools.count[int] = Factory(itertools.count)

    def at(self, moment: float, action: Callable[[], None]) -> None:
        if math.isfinite(moment):
            heapq.heappush(self._events, (max(moment, self.now), next(self._order), action))

    def run(self) -> None:
        drift = self.random.choice([-0.99, 0.0, 0.99]) * MARGIN
        self.server.window = WINDOW + drift
        self.at(0.0, self.ask)
        while self._events and self.now < WINDOWS * WINDOW:
            self.now, _, action = heapq.heappop(self._events)
            action()
            self.check()

    def check(self) -> None:
        server, ledger = self.server, self.ledger
        assert server.refusals == 0
        if server.open(self.now) and self.now < ledger.hi:
            assert server.count <= ledger.used <= ledger.limit
        if server.open(self.now) and self.now < ledger.lo:
            assert ledger.lo <= server.began + server.window + 1e-6

    def ask(self) -> None:
        random = self.random
        priority = random.choice(list(Priority)[:3])
        for _ in range(random.choice([1, 1, 2, self.limit])):
            verdict = self.ledger.acquire(self.now, priority)
            if not isinstance(verdict, Grant):
                assert verdict > self.now
                break
            self.send(verdict)
        end = self.server.began + self.server.window
        edge = random.choice([self.ledger.lo, self.ledger.hi, end]) + random.uniform(-0.3, 0.3)
        if self.now < edge < self.now + WINDOW:
            self.at(edge, self.ask)
        if len(self._events) < 3 * self.limit:
            self.at(self.now + random.expovariate(2 * self.limit / WINDOW), self.ask)
        if random.random() < 0.01:
            self.at(self.now + random.choice([70.0, 200.0, 600.0]), self.ask)

    def send(self, grant: Grant) -> None:
        random = self.random
        up, down = (random.choice([random.uniform(0.0, 0.3), random.expovariate(1)]) for _ in range(2))
        if random.random() < 0.05:
            up = random.uniform(0, 70)
        if random.random() < 0.05:
            down = random.uniform(0, 70)
        self.at(self.now + up, lambda: self.arrive(grant, down))

    def arrive(self, grant: Grant, down: float) -> None:
        random, fate = self.random, self.random.random()
        if fate < 0.02:
            self.ledger.give_back(grant)
            return
        if fate < 0.04:
            self.ledger.lost(self.now)
            return
        number = self.server.work_on(self.now)
        assert number is not None
        quota = None if random.random() < 0.08 else Quota(self.limit, number)
        if random.random() < 0.08:
            self.at(self.now + down, lambda: self.ledger.lost(self.now))
        else:
            self.at(self.now + down, lambda: self.answer(grant, quota))

    def answer(self, grant: Grant, quota: Quota | None) -> None:
        self.ledger.report(grant, self.now, quota)


@pytest.mark.parametrize("limit", [1, 2, 3, 5, 8, 12, 40])
def test_the_only_user_is_never_refused(limit: int) -> None:
    for seed in range(25):
        storm = Storm(Random(f"{seed} {limit}"), limit)  # noqa: S311 - it decides nothing but the test
        storm.run()
        assert storm.server.refusals == 0
        assert len(storm.server.ended) > 1


@pytest.mark.parametrize("limit", [12, 40, 240])
def test_the_budget_is_used_up(limit: int) -> None:
    """With endless batch work every window is filled, and the next begins at once."""
    ledger, server, now = Ledger(limit, WINDOW, MARGIN), Server(limit), 0.0
    flights: list[tuple[float, Grant, int]] = []
    while now < WINDOWS * WINDOW:
        verdict = ledger.acquire(now, Priority.BATCH)
        if isinstance(verdict, Grant):
            number = server.work_on(now + 0.05)
            assert number is not None
            flights.append((now + 0.15, verdict, number))
        elif flights and flights[0][0] <= verdict:
            now, grant, number = flights.pop(0)
            ledger.report(grant, now, Quota(limit, number))
        else:
            now = verdict
    assert min(server.ended[1:]) == limit
    assert len(server.ended) == WINDOWS
