"""The chaos benchmark: what a night of faults and kills does to a batch, beside the loop that people write.

Each run sends the same invoices to a sandbox in bad weather, from three processes, of which one is killed
with `kill -9` about every second (on a busy machine later: when it has had an answer, and 40 have come since
the last kill) and started again, until all has been sent. Then the account is counted:
which invoices stand in it too often, and which are missing. The batch keeps its journal in SQLite or
PostgreSQL; the naive loops retry with tenacity and keep a file of what was sent, written after a send or
before it.

The results are written after each run, so that an interrupted benchmark has measured something, and
`--resume` measures the rest. Exit status 1 when a batch had a problem; every problem is printed with its seed
and the command that runs it again.
"""

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from attrs import asdict

from benchmarks.chaos.report import FILE, write_chaos_report
from benchmarks.common.machine import facts, load_average, version_of
from benchmarks.common.processes import ROOT
from tests.support.chaos_run import Contender, Outcome, Plan, chaos
from tests.support.chaos_stores import Databases, journal_in, postgres

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
        "parked": len(outcome.parked) + len(outcome.unclear),
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


def _run(seed: int, cell: str, count: int, databases: Databases | None) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="chaos-", ignore_cleanup_errors=True) as folder:
        journal = journal_in(Path(folder), databases if cell == "batch-postgres" else None)
        return _result(cell, chaos(_plan(seed, cell, count), folder=Path(folder), journal=journal))


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks chaos", description=__doc__)
    parser.add_argument("--seeds", type=int, default=_SEEDS, help=f"how many seeds (default: {_SEEDS})")
    parser.add_argument("--seed", type=int, nargs="+", help="these seeds, to see a problem again")
    parser.add_argument("--count", type=int, default=_COUNT, help=f"invoices of a run (default: {_COUNT})")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="NAME", help=f"only cells that begin so: {', '.join(CELLS)}"
    )
    parser.add_argument("--minutes", type=float, help="begin no run after so long; what was measured is kept")
    parser.add_argument(
        "--resume", action="store_true", help="keep the runs of the results, add what is missing"
    )
    parser.add_argument("--report", action="store_true", help="write the table again, run nothing")
    parser.add_argument(
        "--output",
        type=Path,
        help="folder of the results; benchmarks/results by default, its folder smoke for a partial run",
    )
    return parser.parse_args(arguments)


def _measure(options: argparse.Namespace, output: Path, cells: Sequence[str]) -> bool:
    """Run what is missing, and write the results after each run; tell whether a batch had a problem."""
    seeds = options.seed or list(range(1, options.seeds + 1))
    known: dict[str, Any] = {}
    if options.resume and (output / FILE).exists():
        known = json.loads((output / FILE).read_text(encoding="utf-8"))
    runs = [run for run in known.get("runs", []) if run["count"] == options.count]
    done = {(run["seed"], run["cell"]) for run in runs}
    missing = [(seed, cell) for seed in seeds for cell in cells if (seed, cell) not in done]
    begun, before, load = time.monotonic(), known.get("minutes", 0.0), load_average()
    with ExitStack() as stack:
        needed = any(cell == "batch-postgres" for _, cell in missing)
        databases = stack.enter_context(postgres()) if needed else None
        for number, (seed, cell) in enumerate(missing, 1):
            minutes = (time.monotonic() - begun) / 60
            if options.minutes is not None and minutes >= options.minutes:
                left = len(missing) - number + 1
                _say(f"{minutes:.0f} minutes have passed: {left} runs are left to --resume")
                break
            run = _run(seed, cell, options.count, databases)
            runs.append(run)
            _say(f"{number:3}/{len(missing)} {_line(run)}")
            for problem in run["problems"]:
                _say(f"    {problem}")
            raw = {
                "date": datetime.now(tz=UTC).isoformat(timespec="minutes"),
                "minutes": round(before + (time.monotonic() - begun) / 60, 1),
                "partial": not _is_whole(runs),
                "machine": facts() | {"load": load},
                "versions": {
                    name: version_of(name) for name in ("sqlalchemy", "psycopg", "tenacity", "httpx")
                },
                "kill_after": _plan(0, CELLS[0], options.count).kill_after,
                "weather": asdict(_plan(0, CELLS[0], options.count).weather),
                "runs": runs,
            }
            (output / FILE).write_text(json.dumps(raw, indent=1) + "\n", encoding="utf-8")
    return any(run["problems"] for run in runs)


def _is_whole(runs: Sequence[dict[str, Any]]) -> bool:
    done = {(run["seed"], run["cell"]) for run in runs if run["count"] >= _COUNT}
    return done >= {(seed, cell) for seed in range(1, _SEEDS + 1) for cell in CELLS}


def main(arguments: list[str]) -> int:
    """Run every seed; write the raw results after each run, and the table in the end."""
    options = _arguments(arguments)
    cells = [cell for cell in CELLS if not options.only or cell.startswith(tuple(options.only))]
    results = ROOT / "benchmarks" / "results"
    partial = bool(options.seed or options.only) or options.seeds < _SEEDS or options.count < _COUNT
    output: Path = options.output or (results / "smoke" if partial else results)
    output.mkdir(parents=True, exist_ok=True)
    failed = False
    try:
        if not options.report:
            failed = _measure(options, output, cells)
    finally:
        # Also when it is interrupted.
        if (output / FILE).exists():
            for path in write_chaos_report(output):
                _say(f"wrote {path}")
    return 1 if failed else 0
