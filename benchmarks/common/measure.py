"""One cell: so many requests in flight against one server for a fixed time.

The load is closed: each of N workers makes one call after another, so exactly N are in flight. A cell is
bounded by time and not by a number of requests, so that a client that collapses costs no more than one that
flies.

Throughput and CPU time are taken over the window. Latencies are those of the calls that end after the window
opened; when it closes no new call starts, and those in flight get `drain` seconds to end. A call that has
not ended even then counts with its age: a percentile at or above the least such age is a lower bound, and is
marked so.
"""

import asyncio
import math
import resource
import time
from collections import Counter

from attrs import define, field, frozen

from benchmarks.common.payloads import CREATED_UUID
from benchmarks.transport.contenders import Call


@frozen
class Load:
    """What one cell does. Times are in seconds."""

    in_flight: int
    warm_up: float
    window: float
    drain: float

    @property
    def limit(self) -> int:
        """Whole seconds after which the process is ended from outside, whatever it is doing."""
        return math.ceil(self.warm_up + self.window + self.drain) + 15


@frozen
class Latency:
    """A percentile of the latencies."""

    ms: float
    bound: bool
    """Whether it is a lower bound only, because calls at least as young were still in flight."""


@frozen(kw_only=True)
class Measured:
    """What the client's side of one cell showed."""

    requests: int
    """Calls that ended well within the window."""
    seconds: float
    """Length of the window, as it came out."""
    cpu_s: float
    """CPU time of the client's process within the window, user and system."""
    p50: Latency | None
    p99: Latency | None
    unfinished: int
    """Calls still in flight after the drain."""
    errors: dict[str, int]
    """Calls that failed, by exception."""


@define
class _Tally:
    running: bool = True
    started: dict[int, float] = field(factory=dict)
    """When each call in flight began, by worker."""
    spans: list[tuple[float, float]] = field(factory=list)
    """Begin and end of each call that ended well."""
    errors: Counter[str] = field(factory=Counter)


def cpu_seconds() -> float:
    """Return the CPU time of this process, user and system."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


async def _work(number: int, call: Call, tally: _Tally) -> None:
    clock = time.perf_counter
    while tally.running:
        tally.started[number] = begun = clock()
        try:
            await call()
        except Exception as error:  # noqa: BLE001 - whatever a client raises is a result here
            tally.errors[type(error).__name__] += 1
            await asyncio.sleep(0)
        else:
            tally.spans.append((begun, clock()))
    tally.started.pop(number, None)


def percentile(ended: list[float], ages: list[float], share: float) -> Latency | None:
    """Return the nearest-rank percentile of the calls that ended and of the ages of those that did not."""
    if not (ordered := sorted(ended + ages)):
        return None
    value = ordered[max(0, math.ceil(share * len(ordered)) - 1)]
    return Latency(ms=value * 1000, bound=bool(ages) and min(ages) <= value)


async def measure(call: Call, load: Load) -> Measured:
    """Run one cell with a new client, whose unfinished calls are left in flight: the process ends next."""
    if (uuid := await call()) != CREATED_UUID:
        message = f"not the server's answer: {uuid!r}"
        raise ValueError(message)
    tally = _Tally()
    workers = [asyncio.create_task(_work(number, call, tally)) for number in range(load.in_flight)]
    await asyncio.sleep(load.warm_up)
    opened, cpu_opened, done_opened = time.perf_counter(), cpu_seconds(), len(tally.spans)
    await asyncio.sleep(load.window)
    closed, cpu_closed, done_closed = time.perf_counter(), cpu_seconds(), len(tally.spans)
    tally.running = False
    await asyncio.wait(workers, timeout=load.drain)
    now = time.perf_counter()
    ages = [now - begun for begun in tally.started.values()]
    ended = [end - begun for begun, end in tally.spans if end >= opened]
    p50, p99 = percentile(ended, ages, 0.50), percentile(ended, ages, 0.99)
    return Measured(
        requests=done_closed - done_opened,
        seconds=closed - opened,
        cpu_s=cpu_closed - cpu_opened,
        p50=p50,
        p99=p99,
        unfinished=len(ages),
        errors=dict(tally.errors),
    )
