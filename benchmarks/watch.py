"""The watch benchmark: how late the end of a payment is heard of, how many requests that takes, how many 429s.

A cell is one contender in one scene: payments that begin within half an hour or all at once, and an API with
its fixed window of 240 requests a minute. All of it runs in simulated time with the real client, hub and rate
governor: exact, and the same on each run. Only the CPU and the memory are measured on this machine.
"""

import argparse
import json
import sys
import time
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from attrs import asdict, evolve

from benchmarks.machine import facts, load_average, version_of
from benchmarks.processes import ROOT
from benchmarks.watch_api import BUDGET, LIMIT, ONE_WAY, WINDOW, Scene, polling_bound, queue_bound
from benchmarks.watch_peers import CONTENDERS, Contender, play
from benchmarks.watch_report import FILE, write_watch_report
from benchmarks.watch_scale import measure

_HALF_AN_HOUR: Final = 1800.0
SCENES: Final = (
    Scene(name="n10", title="10 payments within half an hour", count=10, spread=_HALF_AN_HOUR, runs=20),
    Scene(name="n100", title="100 payments within half an hour", count=100, spread=_HALF_AN_HOUR, runs=4),
    Scene(name="n1000", title="1,000 payments within half an hour", count=1000, spread=_HALF_AN_HOUR, runs=1),
    Scene(
        name="slow",
        title="100 payments within half an hour that take three times as long as the hub expects",
        count=100,
        spread=_HALF_AN_HOUR,
        runs=2,
        median=60.0,
        sigma=0.5,
    ),
    Scene(name="rush", title="100 payments at once", count=100, spread=0.0, runs=2),
    Scene(name="flood", title="1,000 payments at once", count=1000, spread=0.0, runs=1),
)


def _percentile(ordered: list[float], part: float) -> float:
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))]


def _cell(contender: Contender, scene: Scene) -> dict[str, Any]:
    begun = time.process_time()
    runs = [play(contender, scene, run) for run in range(scene.runs)]
    delays = sorted(delay for run in runs for delay in run["delays"])
    return {
        "contender": contender.name,
        "scene": scene.name,
        "payments": len(delays),
        "mean": round(sum(delays) / len(delays), 4),
        "p50": _percentile(delays, 0.5),
        "p95": _percentile(delays, 0.95),
        "worst": delays[-1],
        **{name: sum(run[name] for run in runs) for name in ("requests", "sweeps", "refusals")},
        "cpu_s": round(time.process_time() - begun, 2),
    }


def _bounds(scene: Scene) -> dict[str, float]:
    polling = [polling_bound(scene, run) for run in range(scene.runs)]
    return {
        "polling": round(sum(delay for delay, _ in polling) / sum(decided for _, decided in polling), 4),
        "queue": round(sum(queue_bound(scene, run) for run in range(scene.runs)) / scene.runs, 4),
    }


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _measure(scenes: tuple[Scene, ...], *, quick: bool) -> dict[str, Any]:
    begun, load = time.monotonic(), load_average()
    with ProcessPoolExecutor(2) as pool:
        bounds = {scene.name: pool.submit(_bounds, scene) for scene in scenes}
        cells = [pool.submit(_cell, contender, scene) for scene in scenes for contender in CONTENDERS]
        runs = []
        for cell in cells:
            runs.append(run := cell.result())
            _say(
                f"  {run['scene']:6} {run['contender']:14} mean {run['mean']:8.3f} s  p95 {run['p95']:8.3f} s"
                f"  requests {run['requests']:6}  429s {run['refusals']:5}  ({run['cpu_s']} s of CPU)"
            )
        known = {name: bound.result() for name, bound in bounds.items()}
    return {
        "date": datetime.now(tz=UTC).isoformat(timespec="minutes"),
        "minutes": round((time.monotonic() - begun) / 60, 1),
        "quick": quick,
        "machine": facts() | {"load": load},
        "versions": {name: version_of(name) for name in ("tenacity", "anyio", "httpx")},
        "api": {"limit": LIMIT, "window": WINDOW, "budget": BUDGET, "one_way": ONE_WAY},
        "scenes": {scene.name: asdict(scene) | known[scene.name] for scene in scenes},
        "contenders": {each.name: asdict(each) for each in CONTENDERS},
        "runs": runs,
        "scale": measure(),
    }


def main(arguments: list[str]) -> int:
    """Measure, then write the raw results, the table and the chart."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks watch", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="a smoke run, not to be quoted")
    parser.add_argument("--report", action="store_true", help="write table and chart again, measure nothing")
    parser.add_argument(
        "--output",
        type=Path,
        help="folder of the results; benchmarks/results by default, its folder smoke for a quick run",
    )
    options = parser.parse_args(arguments)
    results = ROOT / "benchmarks" / "results"
    output: Path = options.output or (results / "smoke" if options.quick else results)
    output.mkdir(parents=True, exist_ok=True)
    if not options.report:
        scenes = tuple(evolve(scene, runs=1) for scene in SCENES[:2]) if options.quick else SCENES
        raw = _measure(scenes, quick=options.quick)
        (output / FILE).write_text(json.dumps(raw, indent=1) + "\n", encoding="utf-8")
    for path in write_watch_report(output):
        _say(f"wrote {path}")
    return 0
