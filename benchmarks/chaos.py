"""The chaos benchmark: what a night of faults and kills does to a batch, beside the loop that people write.

Each run sends the same invoices to a sandbox in bad weather, from three processes, of which one is killed
with `kill -9` about every second and started again, until all has been sent. Then the account is counted:
which invoices stand in it too often, and which are missing. The batch keeps its journal in SQLite or
PostgreSQL; the naive loops retry with tenacity and keep a file of what was sent, written after a send or
before it.

Exit status 1 when a batch had a problem; every problem is printed with its seed.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from attrs import asdict

from benchmarks.chaos_report import FILE, write_chaos_report
from benchmarks.machine import facts, load_average, version_of
from benchmarks.processes import ROOT
from tests.chaos_run import Contender, Outcome, Plan, chaos
from tests.chaos_stores import Databases, journal_in, postgres

CELLS: Final = ("batch-sqlite", "batch-postgres", "naive-after", "naive-before")
_SEEDS: Final = 10
_COUNT: Final = 2000


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _contender(cell: str) -> Contender:
    return "batch" if cell.startswith("batch") else "naive-after" if cell == "naive-after" else "naive-before"


def _plan(seed: int, cell: str, count: int) -> Plan:
    replay = f"python -m benchmarks chaos --seed {seed} --count {count} --only {cell}"
    return Plan(seed=seed, contender=_contender(cell), count=count, kill_every=1.0, replay=replay)


def _result(cell: str, outcome: Outcome) -> dict[str, Any]:
    return {
        "cell": cell,
        "seed": outcome.plan.seed,
        "count": outcome.plan.count,
        "duplicates": sum(outcome.duplicates.values()),
        "lost": sum(outcome.lost.values()),
        "parked": len(outcome.parked),
        "contradictions": len(outcome.contradictions),
        "crashes": len(outcome.crashes),
        "given_up": outcome.given_up,
        "kills": outcome.kills,
        "refused": outcome.refused,
        "faults": dict(sorted(outcome.faults.items())),
        "requests": sum(outcome.requests.values()),
        "seconds": round(outcome.seconds, 1),
        "problems": outcome.problems() if outcome.plan.contender == "batch" else [],
    }


def _line(run: dict[str, Any]) -> str:
    return (
        f"  seed {run['seed']:<4} {run['cell']:15} sent twice {run['duplicates']:4}  lost {run['lost']:4}"
        f"  parked {run['parked']}  contradictions {run['contradictions']}  kills {run['kills']}"
        f"  faults {sum(run['faults'].values())}  429s {run['refused']}  {run['seconds']:.0f} s"
    )


def _runs(seeds: Sequence[int], cells: Sequence[str], count: int) -> Iterator[dict[str, Any]]:
    with ExitStack() as stack:
        databases: Databases | None = None
        for seed in seeds:
            for cell in cells:
                folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="chaos-")))
                if cell == "batch-postgres" and databases is None:
                    databases = stack.enter_context(postgres())
                journal = journal_in(folder, databases if cell == "batch-postgres" else None)
                yield _result(cell, chaos(_plan(seed, cell, count), folder=folder, journal=journal))


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks chaos", description=__doc__)
    parser.add_argument("--seeds", type=int, default=_SEEDS, help=f"how many seeds (default: {_SEEDS})")
    parser.add_argument("--seed", type=int, nargs="+", help="these seeds, to see a problem again")
    parser.add_argument("--count", type=int, default=_COUNT, help=f"invoices of a run (default: {_COUNT})")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="NAME", help=f"only cells that begin so: {', '.join(CELLS)}"
    )
    parser.add_argument("--report", action="store_true", help="write the table again, run nothing")
    parser.add_argument(
        "--output",
        type=Path,
        help="folder of the results; benchmarks/results by default, its folder smoke for a partial run",
    )
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Run every seed, then write the raw results and the table."""
    options = _arguments(arguments)
    cells = [cell for cell in CELLS if not options.only or cell.startswith(tuple(options.only))]
    seeds = options.seed or list(range(1, options.seeds + 1))
    results = ROOT / "benchmarks" / "results"
    partial = bool(options.seed or options.only) or options.seeds < _SEEDS or options.count < _COUNT
    output: Path = options.output or (results / "smoke" if partial else results)
    output.mkdir(parents=True, exist_ok=True)
    failed = False
    if not options.report:
        begun, load = time.monotonic(), load_average()
        runs: list[dict[str, Any]] = []
        for run in _runs(seeds, cells, options.count):
            _say(_line(run))
            for problem in run["problems"]:
                _say(f"    {problem}")
            failed |= bool(run["problems"])
            runs.append(run)
        raw = {
            "date": datetime.now(tz=UTC).isoformat(timespec="minutes"),
            "minutes": round((time.monotonic() - begun) / 60, 1),
            "partial": partial,
            "machine": facts() | {"load": load},
            "versions": {name: version_of(name) for name in ("sqlalchemy", "psycopg", "tenacity", "httpx")},
            "weather": asdict(_plan(0, CELLS[0], options.count).weather),
            "runs": runs,
        }
        (output / FILE).write_text(json.dumps(raw, indent=1) + "\n", encoding="utf-8")
    for path in write_chaos_report(output):
        _say(f"wrote {path}")
    return 1 if failed else 0
