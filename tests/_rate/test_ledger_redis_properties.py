"""The ledger in Lua, on a real Redis, gives the verdicts of the one in Python."""

from __future__ import annotations

import itertools
import math
from random import Random
from typing import TYPE_CHECKING, cast

import pytest
from attrs import Factory, define
from hypothesis import HealthCheck, given, settings, strategies as st

from frontpay_async._rate.ledger import Grant, Ledger
from frontpay_async._rate.rate_headers import Quota
from frontpay_async.priority import Priority
from tests.support.redis_server import RedisServer
from tests.support.throttle_model import Server

pytest.importorskip("redis")
from redis import Redis

from frontpay_async._rate.redis import SCRIPT

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

WINDOW = 60.0
MARGIN = 0.06
names = itertools.count()


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Redis]:
    server = RedisServer(tmp_path_factory.mktemp("redis"))
    server.start()
    with Redis.from_url(server.url) as client:
        yield client
    server.stop()


# What Hypothesis draws step by step is short, and hardly fills a window: it draws the seed of a long story.
KINDS = ["wait"] * 6 + ["acquire"] * 12 + ["others"] + ["report"] * 9 + ["refused", "lost", "give_back"]


LOOK = """
local s = cmsgpack.unpack(redis.call('GET', KEYS[1]))
local told = {}
local unanswered = 0
for _ in pairs(s.calls) do unanswered = unanswered + 1 end
local values = {s.generation, s.limit, s.own + s.foreign, unanswered, s.lo, s.hi, s.lo_if_shared, s.gate}
for index, value in ipairs(values) do told[index] = string.format('%.17g', value) end
return told
"""


@define(eq=False)
class Pair:
    """The two ledgers, given the same news."""

    script: Callable[..., object]
    look: Callable[..., list[bytes]]
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

    def books(self) -> tuple[list[float], list[float]]:
        """What each of the two believes."""
        ledger = self.ledger
        mine = [ledger.generation, ledger.limit, ledger.used, ledger.unanswered, ledger.lo, ledger.hi]
        mine += [ledger._lo_if_shared, ledger.gated_for(self.now)]
        theirs = [float(each) for each in self.look(keys=[self.key])]
        return mine, [*theirs[:-1], max(0.0, theirs[-1] - self.now)]

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

    def answer(self, call: str, grant: Grant, count: int) -> None:
        """Report a count; none where it is more than the limit."""
        told = 0 < count <= self.limit
        self.ledger.report(grant, self.now, Quota(self.limit, count) if told else None)
        self.run("report", call, *((self.limit, count) if told else (0, 0)))

    def end(self, kind: str, index: int, asked: float | None) -> None:
        if not self.flights:
            return
        call, grant, number = self.flights.pop(index % len(self.flights))
        if kind == "report":
            count = number or self.server.work_on(self.now) or 0
            self.answer(call, grant, count)
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
def test_same_books_and_same_verdicts(redis: Redis, seed: int, limit: int) -> None:
    random = Random(seed)  # noqa: S311 - it decides nothing but the test
    pair = Pair(redis.register_script(SCRIPT), redis.register_script(LOOK), limit)
    pair.acquire(Priority.NORMAL)
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
            pair.end(kind, random.randrange(99), random.choice([None, 1.0, 30.0, 60.0, 1e9]))
        mine, theirs = pair.books()
        assert theirs == pytest.approx(mine, abs=1e-6)


def test_same_books_where_an_answer_without_headers_is_followed_by_a_new_window(redis: Redis) -> None:
    """A story that chance does not tell."""
    pair = Pair(redis.register_script(SCRIPT), redis.register_script(LOOK), 10)
    for count, seconds in ((0, 50.0), (1, 0.1)):
        pair.acquire(Priority.INTERACTIVE)
        call, grant, _ = pair.flights.pop()
        pair.now += 0.1
        pair.answer(call, grant, count)
        pair.wait(seconds)
    mine, theirs = pair.books()
    assert theirs == pytest.approx(mine, abs=1e-6)
    assert pair.ledger.generation == 2


def test_same_books_where_the_end_is_uncertain(redis: Redis) -> None:
    """The first ten responses are lost: one request of 80 is kept, and finds the next window."""
    pair = Pair(redis.register_script(SCRIPT), redis.register_script(LOOK), 80)
    started = pair.now
    for second in range(130):
        pair.now = started + second / 2
        pair.acquire(Priority.BATCH)
        pair.end("lost" if pair.ledger._grants <= 10 else "report", 0, None)
        mine, theirs = pair.books()
        assert theirs == pytest.approx(mine, abs=1e-6)
    assert (pair.ledger.generation, pair.server.ended) == (2, [0, 79])


@pytest.mark.parametrize(
    ("count", "at", "generation"),
    [(0, 65.25, 1), (2, 65.25, 1), (0, 66.0, 1), (2, 66.0, 1)],
    ids=["runs", "runs, counts were known", "may be over", "may be over, counts were known"],
)
def test_same_books_where_the_first_place_is_told_after_another_answer(
    redis: Redis, count: int, at: float, generation: int
) -> None:
    """Of the two requests, the second began this window or the next."""
    pair = Pair(redis.register_script(SCRIPT), redis.register_script(LOOK), 10)
    began = pair.now
    pair.acquire(Priority.INTERACTIVE)
    pair.now = began + 5.75
    pair.acquire(Priority.INTERACTIVE)
    for moment, told in ((6.0, count), (at, 1), (67.0, None), (67.25, 2), (126.0, None)):
        pair.now = began + moment
        if told is None:
            pair.acquire(Priority.INTERACTIVE)
        else:
            call, grant, _ = pair.flights.pop(0)
            pair.answer(call, grant, told)
        mine, theirs = pair.books()
        assert theirs == pytest.approx(mine, abs=1e-6)
        if moment == at:
            assert pair.ledger.generation == generation


def test_same_books_where_a_count_of_the_window_before_is_told_late(redis: Redis) -> None:
    """It raises no floor in the window that runs."""
    pair = Pair(redis.register_script(SCRIPT), redis.register_script(LOOK), 10)
    began = pair.now
    pair.acquire(Priority.INTERACTIVE)
    pair.now = began + 1
    pair.end("lost", 0, None)
    pair.now = began + 50
    pair.acquire(Priority.INTERACTIVE)
    pair.acquire(Priority.INTERACTIVE)
    (before, first), pair.flights = [each[:2] for each in pair.flights], []
    for moment, (call, grant), count in ((60.5, first, 1), (60.75, before, 2)):
        pair.now = began + moment
        pair.answer(call, grant, count)
    pair.acquire(Priority.INTERACTIVE)
    call, grant, _ = pair.flights.pop()
    pair.answer(call, grant, 2)
    mine, theirs = pair.books()
    assert theirs == pytest.approx(mine, abs=1e-6)
    assert pair.ledger.generation == 1


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
