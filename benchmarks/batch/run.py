"""The batch benchmark: throughput without a limit, memory, use of a limit, and the cost of looking.

- Throughput: invoices a second against the fast server, one core for it and one for the batch, with a
  journal in SQLite and in PostgreSQL, beside a bare loop of the same calls that writes nothing down; and
  the CPU of an invoice, in calls of that loop.
- Memory: the peak of a process that submits and sends 1,000 and 100,000 invoices.
- Budget: how much of 240 requests per 2 s a batch uses.
- Looking: how many requests it takes to decide 50 orders in doubt among 10,000.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Generator, Iterator
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from http.client import HTTPConnection
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from attrs import asdict, frozen

from benchmarks.batch.report import FILE, write_batch_report
from benchmarks.batch.worker import Job
from benchmarks.common.machine import choose_cores, facts, load_average, version_of
from benchmarks.common.processes import ROOT, environment
from tests.support.chaos_stores import Databases, journal_in, postgres

_IN_FLIGHT: Final = 32
_LIMIT: Final = 240
_WINDOW: Final = 2.0
_PARTS: Final = ("throughput", "memory", "budget", "looking")


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _run(module: str, *arguments: str) -> str:
    done = subprocess.run(  # noqa: S603 - our own interpreter and our own modules
        [sys.executable, "-m", module, *arguments],
        cwd=ROOT,
        env=environment(),
        check=True,
        stdout=subprocess.PIPE,
        text=True,
        timeout=1800,
    )
    return done.stdout


@frozen
class _Server:
    port: int

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, path: str, **query: float) -> dict[str, Any]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", f"{path}?{urlencode(query)}")
            answer: dict[str, Any] = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        return answer


@contextmanager
def _server(core: int) -> Generator[_Server]:
    with subprocess.Popen(  # noqa: S603 - our own interpreter and our own module
        [sys.executable, "-m", "benchmarks.batch.server", str(core)],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        if process.stdout is None:
            raise TypeError(process.args)
        try:
            yield _Server(int(process.stdout.readline()))
        finally:
            process.terminate()


@frozen
class _Bench:
    """What the parts share."""

    server: _Server
    core: int
    databases: Databases
    scratch: Path
    quick: bool

    def run(self, store: str | None, *, delay_ms: float = 0, **job: Any) -> dict[str, Any]:  # noqa: ANN401
        """Run one job in a process of its own, with a new journal."""
        limited = {"limit": job["limit"], "window": job["window"]} if job.get("limit") else {}
        self.server.ask("/_reset", delay_ms=delay_ms, **limited)
        with tempfile.TemporaryDirectory(dir=self.scratch) as folder:
            databases = self.databases if store == "postgres" else None
            journal = None if store is None else journal_in(Path(folder), databases)
            told = asdict(Job(origin=self.server.origin, core=self.core, journal=journal, **job))
            figures: dict[str, Any] = json.loads(_run("benchmarks.batch.worker", json.dumps(told)))
        stats = self.server.ask("/_stats")
        return {
            **figures,
            "store": store or "none",
            "server_cpu_s": stats["cpu_s"],
            "windows": stats["windows"],
        }


def _throughput(bench: _Bench) -> Iterator[dict[str, Any]]:
    count = 500 if bench.quick else 5000
    for _ in range(1 if bench.quick else 4):
        for engine in ("httpx", "aiohttp"):
            for store in (None, "sqlite", "postgres"):
                run = bench.run(store, count=count, concurrency=_IN_FLIGHT, engine=engine)
                run |= {"engine": engine, "count": count, "rate": run["done"] / run["seconds"]}
                del run["windows"]
                _say(f"  throughput {run['store']:8} {engine:7} {run['rate']:,.0f}/s")
                yield run


def _memory(bench: _Bench) -> Iterator[dict[str, Any]]:
    for count in (200, 2000) if bench.quick else (1000, 100_000):
        run = bench.run("sqlite", count=count, concurrency=_IN_FLIGHT, engine="aiohttp")
        run |= {"engine": "aiohttp", "count": count}
        del run["windows"]
        _say(f"  memory {count:7,} {run['peak_mib']:.0f} MiB in {run['seconds']:.0f} s")
        yield run


def _budget(bench: _Bench) -> Iterator[dict[str, Any]]:
    windows = 3 if bench.quick else 10
    for store in ("sqlite", "postgres"):
        count = _LIMIT * windows + _LIMIT // 2
        run = bench.run(store, delay_ms=4, count=count, concurrency=_IN_FLIGHT, limit=_LIMIT, window=_WINDOW)
        # The last window is not whole; the first is the batch's, from its first request on.
        starts, taken, refused = zip(*run["windows"], strict=True)
        whole = len(starts) - 1
        run |= {
            "count": count,
            "budget": sum(taken[:whole]) / (_LIMIT * whole),
            "time": sum(taken[:whole]) / (_LIMIT * (starts[whole] - starts[0]) / _WINDOW),
            "refused": sum(refused),
        }
        _say(f"  budget {store:8} {run['budget']:.2%}, in time {run['time']:.2%}, 429s {run['refused']}")
        yield run


def _looking(bench: _Bench) -> Iterator[dict[str, Any]]:
    known = ("--quick",) if bench.quick else ()
    for line in _run("benchmarks.batch.looking", *known).splitlines():
        run: dict[str, Any] = json.loads(line)
        _say(f"  looking: {run['title']}: {run['requests']} requests")
        yield run


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks batch", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke run, not to be quoted")
    parser.add_argument("--only", nargs="+", choices=_PARTS, default=[], help="only these parts")
    parser.add_argument(
        "--report", action="store_true", help="write the table and the chart again, measure nothing"
    )
    parser.add_argument(
        "--output",
        type=Path,
        help="folder of the results; benchmarks/results by default, its folder smoke for a partial run",
    )
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Measure, then write the raw results and the table."""
    options = _arguments(arguments)
    results = ROOT / "benchmarks" / "results"
    partial = options.quick or bool(options.only)
    output: Path = options.output or (results / "smoke" if partial else results)
    output.mkdir(parents=True, exist_ok=True)
    if not options.report:
        begun, load, cores = time.monotonic(), load_average(), choose_cores()
        measured: dict[str, list[dict[str, Any]]] = {}
        with ExitStack() as stack:
            scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="batch-"))
            server = stack.enter_context(_server(cores.server))
            databases = stack.enter_context(postgres())
            bench = _Bench(server, cores.client, databases, Path(scratch), options.quick)
            for name, part in zip(_PARTS, (_throughput, _memory, _budget, _looking), strict=True):
                if not options.only or name in options.only:
                    measured[name] = list(part(bench))
        raw = {
            "date": datetime.now(tz=UTC).isoformat(timespec="minutes"),
            "minutes": round((time.monotonic() - begun) / 60, 1),
            "quick": options.quick,
            "machine": facts() | {"load": load},
            "cores": asdict(cores),
            "versions": {name: version_of(name) for name in ("sqlalchemy", "psycopg", "httpx", "aiohttp")},
            "in_flight": _IN_FLIGHT,
            "limit": _LIMIT,
            "window": _WINDOW,
            **measured,
        }
        (output / FILE).write_text(json.dumps(raw, indent=1) + "\n", encoding="utf-8")
    for path in write_batch_report(output):
        _say(f"wrote {path}")
    return 0
