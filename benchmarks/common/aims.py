"""The aims that the design set before anything was measured, and what a run reached of each."""

from collections.abc import Iterator
from typing import Final

from attrs import frozen

from benchmarks.transport.results import Results

NOOP_US: Final = 60.0
IMPORT_MS: Final = 15.0
SHARE_OF_IDEAL: Final = {"frontpay-aiohttp": 0.90, "frontpay-httpx": 0.75}
SHARE_OF_HTTPX_CPU: Final = {"frontpay-httpx": 1.0, "frontpay-aiohttp": 0.5}


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


_ENGINE = {"frontpay-httpx": "default engine", "frontpay-aiohttp": "aiohttp engine"}


def ideal_rate(delay_ms: int, in_flight: int) -> float:
    """Return the calls per second of a client that costs nothing."""
    return in_flight * 1000 / delay_ms


def _cpu(results: Results) -> Iterator[Verdict]:
    for name, share in SHARE_OF_HTTPX_CPU.items():
        bound = "no more than bare httpx's" if share == 1 else "at most half of bare httpx's"
        for delay_ms, in_flight in ((0, 1), (0, 16), (50, 1), (50, 16)):
            aim = f"{_ENGINE[name]}: CPU per call {bound}, {in_flight} in flight, {delay_ms} ms server"
            ours = results.rows.get((name, delay_ms, in_flight))
            bare = results.rows.get(("httpx", delay_ms, in_flight))
            if ours is None or bare is None or ours.cpu_us is None or bare.cpu_us is None:
                yield Verdict(aim, "", None)
                continue
            ratio = ours.cpu_us / bare.cpu_us
            reached = f"{ratio:.2f} times: {ours.cpu_us:.0f} µs against {bare.cpu_us:.0f} µs"
            yield Verdict(aim, reached, ratio <= share)


def _throughput(results: Results) -> Iterator[Verdict]:
    ideal = ideal_rate(50, 100)
    for name, share in SHARE_OF_IDEAL.items():
        aim = f"{_ENGINE[name]}: at least {share:.0%} of the ideal {ideal:.0f}/s, 100 in flight, 50 ms server"
        if (row := results.rows.get((name, 50, 100))) is None:
            yield Verdict(aim, "", None)
        else:
            yield Verdict(aim, f"{row.rate / ideal:.0%}: {row.rate:.0f}/s", row.rate >= share * ideal)


def _in_process(results: Results) -> Iterator[Verdict]:
    aim = f"a call over a no-op transport, models in and out, under {NOOP_US:.0f} µs"
    cost = results.noop_us.get("frontpay")
    yield Verdict(aim, "", None) if cost is None else Verdict(aim, f"{cost:.1f} µs", cost < NOOP_US)
    aim = f"`import frontpay_async` at most {IMPORT_MS:.0f} ms above `import httpx`"
    ours, bare = results.imports_ms.get("frontpay"), results.imports_ms.get("httpx")
    if ours is None or bare is None:
        yield Verdict(aim, "", None)
    else:
        reached = f"{ours - bare:+.0f} ms: {ours:.0f} ms against {bare:.0f} ms"
        yield Verdict(aim, reached, ours - bare <= IMPORT_MS)


def verdicts(results: Results) -> list[Verdict]:
    """Return every aim with what was reached."""
    return [*_cpu(results), *_throughput(results), *_in_process(results)]
