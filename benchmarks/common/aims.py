"""The aims that the design set before anything was measured, and what a run reached of each."""

from collections.abc import Iterator
from typing import Final

from attrs import evolve, frozen

from benchmarks.transport.results import Results

CPU_RATIOS: Final = {
    ("frontpay-httpx", "httpx", 0): {1: 0.7, 16: 0.4, 100: 0.25, 500: 0.25},
    ("frontpay-aiohttp", "httpx", 0): {1: 0.5},
    ("frontpay-aiohttp", "httpx", 50): {1: 0.6},
    ("frontpay-aiohttp", "stripe-aiohttp", 0): {1: 0.8, 16: 0.8, 100: 0.8},
}
"""The most CPU per call of the first contender, in calls of the second, by delay and number in flight."""
NOOP_RATIO: Final = 0.5
SHARE_OF_SOCKETS: Final = {"frontpay-aiohttp": 0.95, "frontpay-httpx": 0.85}
TAIL: Final = 1.5
CLIENT_RATIO: Final = 1.2
SANDBOX_IMPORT_MS: Final = 215.0
SANDBOX_TEST_US: Final = 1500.0
SANDBOX_RATIO: Final = 2.0


@frozen
class Verdict:
    """One aim beside what was reached."""

    aim: str
    reached: str
    met: bool | None
    """None when it was not measured in this run."""

    @property
    def word(self) -> str:
        """Say it in a word or two."""
        return {True: "met", False: "**missed**", None: "not measured"}[self.met]


_ENGINE: Final = {"frontpay-httpx": "default engine", "frontpay-aiohttp": "aiohttp engine"}
_OTHER: Final = {"httpx": "bare httpx", "stripe-aiohttp": "stripe-python on aiohttp"}


def ideal_rate(delay_ms: int, in_flight: int) -> float:
    """Return the calls per second of a client that costs nothing."""
    return in_flight * 1000 / delay_ms


def _ratio(aim: str, ours: float | None, other: float | None, most: float, unit: str) -> Verdict:
    """Compare two figures: ours may be at most so many times the other."""
    if ours is None or not other:
        return Verdict(aim, "", None)
    reached = f"{ours / other:.2f} times: {ours:,.0f} {unit} against {other:,.0f} {unit}"
    return Verdict(aim, reached, ours / other <= most)


def _cpu(results: Results) -> Iterator[Verdict]:
    for (name, other, delay_ms), aims in CPU_RATIOS.items():
        for in_flight, most in aims.items():
            ours, bare = (results.rows.get((each, delay_ms, in_flight)) for each in (name, other))
            yield _ratio(
                f"{_ENGINE[name]}: CPU per call at most {most} times that of {_OTHER[other]},"
                f" {in_flight} in flight, {delay_ms} ms server",
                None if ours is None else ours.cpu_us,
                None if bare is None else bare.cpu_us,
                most,
                "µs",
            )


def _throughput(results: Results) -> Iterator[Verdict]:
    sockets = results.rows.get(("floor", 50, 100))
    for name, share in SHARE_OF_SOCKETS.items():
        aim = f"{_ENGINE[name]}: at least {share:.0%} of the rate of raw sockets, 100 in flight, 50 ms server"
        row = results.rows.get((name, 50, 100))
        if row is None or sockets is None:
            yield Verdict(aim, "", None)
        else:
            reached = f"{row.rate / sockets.rate:.0%}: {row.rate:.0f}/s against {sockets.rate:.0f}/s"
            yield Verdict(aim, reached, row.rate >= share * sockets.rate)


def _tail(results: Results) -> Iterator[Verdict]:
    for name, engine in _ENGINE.items():
        for delay_ms in (0, 50):
            row = results.rows.get((name, delay_ms, 500))
            p50, p99 = (row.p50, row.p99) if row else (None, None)
            aim = f"{engine}: p99 at most {TAIL} times p50, 500 in flight, {delay_ms} ms server"
            tail, middle = (None if each is None else each.ms for each in (p99, p50))
            verdict = _ratio(aim, tail, middle, TAIL, "ms")
            # A lower bound shows that an aim was missed, not that it was met.
            is_bound = p99 is not None and p99.bound and verdict.met is True
            yield evolve(verdict, met=None) if is_bound else verdict


def _in_process(results: Results) -> Iterator[Verdict]:
    cost, imports, sandbox = results.noop_us, results.imports_ms, results.sandbox_us
    aim = f"a call over a no-op transport at most {NOOP_RATIO} times httpx's `post(json=)` and `.json()`"
    yield _ratio(aim, cost.get("frontpay"), cost.get("httpx"), NOOP_RATIO, "µs")
    for where, ending in (("", ""), (", with the core's dependencies alone", "-core")):
        aim = f"a client imported and built at most {CLIENT_RATIO} times `import httpx; AsyncClient()`{where}"
        ours, bare = imports.get(f"frontpay-client{ending}"), imports.get(f"httpx-client{ending}")
        yield _ratio(aim, ours, bare, CLIENT_RATIO, "ms")
    aim = f"`import frontpay_async.sandbox` at most {SANDBOX_IMPORT_MS:.0f} ms"
    yield _most(aim, imports.get("sandbox"), SANDBOX_IMPORT_MS, "ms")
    aim = f"a test with a sandbox, a client and one call at most {SANDBOX_TEST_US:,.0f} µs"
    yield _most(aim, sandbox.get("test"), SANDBOX_TEST_US, "µs")
    aim = f"a call in a sandbox at most {SANDBOX_RATIO} times httpx's to a bare Starlette app"
    yield _ratio(aim, sandbox.get("call"), sandbox.get("starlette"), SANDBOX_RATIO, "µs")


def _most(aim: str, reached: float | None, most: float, unit: str) -> Verdict:
    if reached is None:
        return Verdict(aim, "", None)
    return Verdict(aim, f"{reached:,.0f} {unit}", reached <= most)


def verdicts(results: Results) -> list[Verdict]:
    """Return every aim with what was reached."""
    return [*_cpu(results), *_throughput(results), *_tail(results), *_in_process(results)]
