"""The transport benchmark: the same order through every client, side by side in one run.

A cell is one contender at one number in flight against one delay of the server. All contenders run a cell
one after the other before the next cell begins, and the whole is repeated, each time beginning with another
contender: whatever else the machine does falls on all of them. The report takes the median of the
repetitions.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Iterable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from attrs import asdict, frozen

from benchmarks.common.machine import Cores, choose_cores, facts, load_average, version_of
from benchmarks.common.measure import Load
from benchmarks.common.processes import ROOT, Client, Server, client_of, run_python, server_on
from benchmarks.transport.contenders import CONTENDERS, Contender, select
from benchmarks.transport.imports import measure_imports
from benchmarks.transport.report import write_report
from benchmarks.transport.results import FILE, save

IN_FLIGHT: Final = (1, 16, 100, 500)
DELAYS_MS: Final = (0, 50)


@frozen(kw_only=True)
class Plan:
    """How long and how often. Times are in seconds."""

    repetitions: int
    warm_up: float
    window: float
    drain: float
    noop_rounds: int
    noop_calls: int
    sandbox_calls: int
    import_rounds: int

    def load(self, in_flight: int) -> Load:
        """Return the load of one cell."""
        return Load(in_flight=in_flight, warm_up=self.warm_up, window=self.window, drain=self.drain)


FULL: Final = Plan(
    repetitions=3,
    warm_up=0.4,
    window=1.5,
    drain=1.0,
    noop_rounds=15,
    noop_calls=2000,
    sandbox_calls=200,
    import_rounds=11,
)
QUICK: Final = Plan(
    repetitions=1,
    warm_up=0.25,
    window=0.5,
    drain=0.4,
    noop_rounds=5,
    noop_calls=1000,
    sandbox_calls=100,
    import_rounds=3,
)


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")


def _run_cell(client: Client, server: Server, delay_ms: int, load: Load) -> dict[str, Any]:
    server.reset(delay_ms)
    result = client.run(server.origin, load)
    return result | {"server": dict(server.stats())}


def _progress(name: str, run: dict[str, Any]) -> str:
    if "failed" in run:
        return f"  {name:16} failed: {run['failed']}"
    done = run["requests"]
    cpu = f"{run['cpu_s'] / done * 1e6:7.0f} us CPU" if done else "no request ended"
    return f"  {name:16} {done / run['seconds']:8.0f} req/s {cpu}"


def _run_cells(
    rows: Iterable[Contender], plan: Plan, cores: Cores
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Run every cell of every repetition: the runs, and the contenders left out with the reason."""
    runs: list[dict[str, Any]] = []
    skipped: dict[str, str] = {}
    with ExitStack() as stack:
        server = stack.enter_context(server_on(cores.server))
        clients: dict[Contender, Client] = {}
        for row in rows:
            if missing := row.missing():
                skipped[row.name] = f"not installed: {', '.join(missing)}"
            elif (client := stack.enter_context(client_of(row.name, cores.client))) is None:
                skipped[row.name] = "could not be imported"
            else:
                clients[row] = client
        for repetition in range(plan.repetitions):
            for delay_ms in DELAYS_MS:
                for in_flight in IN_FLIGHT:
                    _say(f"{repetition + 1}/{plan.repetitions}: {in_flight} in flight, {delay_ms} ms server")
                    present = [row for row in clients if row.from_in_flight <= in_flight]
                    first = repetition * 5 % len(present) if present else 0
                    for row in present[first:] + present[:first]:
                        run = _run_cell(clients[row], server, delay_ms, plan.load(in_flight))
                        _say(_progress(row.name, run))
                        runs.append(
                            {
                                "contender": row.name,
                                "delay_ms": delay_ms,
                                "in_flight": in_flight,
                                "repetition": repetition,
                                **run,
                            }
                        )
    return runs, skipped


def _measure_in_process(module: str, cores: Cores, plan: Plan, calls: int) -> dict[str, list[float]]:
    arguments = (cores.client, plan.noop_rounds, calls)
    try:
        printed = run_python("-m", f"benchmarks.transport.{module}", *map(str, arguments))
    except subprocess.CalledProcessError as error:
        _say(f"{module} failed:\n{error.stderr}")
        return {}
    taken: dict[str, list[float]] = json.loads(printed)
    return taken


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks transport", description=__doc__)
    parser.add_argument(
        "--quick", action="store_true", help="a smoke run of about 1.5 minutes, not to be quoted"
    )
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="NAME", help="only contenders whose name begins so"
    )
    parser.add_argument(
        "--output",
        type=Path,
        help="folder of the results; benchmarks/results by default, its folder smoke for a partial run",
    )
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Measure, then write the raw results, the table and the chart."""
    options = _arguments(arguments)
    if not (rows := select(options.only)):
        _say(f"no such contender; there are: {', '.join(row.name for row in CONTENDERS)}")
        return 2
    plan, partial = (QUICK if options.quick else FULL), bool(options.quick or options.only)
    results = ROOT / "benchmarks" / "results"
    output: Path = options.output or (results / "smoke" if partial else results)
    cores, begun, load = choose_cores(), time.monotonic(), load_average()
    noop = _measure_in_process("noop", cores, plan, plan.noop_calls)
    sandbox = _measure_in_process("in_sandbox", cores, plan, plan.sandbox_calls)
    imports = measure_imports(cores.client, plan.import_rounds)
    runs, skipped = _run_cells(rows, plan, cores)
    output.mkdir(parents=True, exist_ok=True)
    save(
        output / FILE,
        {
            "date": datetime.now(tz=UTC).isoformat(timespec="minutes"),
            "minutes": round((time.monotonic() - begun) / 60, 1),
            "quick": options.quick,
            "machine": facts() | {"load": load},
            "cores": asdict(cores),
            "plan": asdict(plan),
            "contenders": {
                row.name: {
                    "label": row.label,
                    "settings": row.settings,
                    "versions": {name: version_of(name) for name in row.distributions},
                }
                for row in rows
                if row.name not in skipped
            },
            "skipped": skipped,
            "noop_us": noop,
            "sandbox_us": sandbox,
            "imports_s": imports,
            "runs": runs,
        },
    )
    for path in write_report(output):
        _say(f"wrote {path}")
    return 0
