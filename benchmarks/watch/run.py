"""The watch benchmark: how soon the end of a payment is known, under 240 requests a minute.

Everything runs in simulated time: exact, repeatable, and much faster than the hours that it plays.
"""

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from statistics import fmean, quantiles
from typing import Any, Final

from attrs import asdict

from benchmarks.common.machine import facts, load_average, version_of
from benchmarks.common.processes import ROOT, run_python
from benchmarks.watch.bound import bounds, ideal
from benchmarks.watch.peers import CONTENDERS, Contender, contender, fixed_at
from benchmarks.watch.report import FILE, IDEAL, write_watch_report
from benchmarks.watch.time import simulate
from benchmarks.watch.world import ANSWER, Api, Payment, Scene

_PATIENCE: Final = 1800.0
_LASTS: Final = (3.0, 8.0, 20.0, 60.0)
"""Seconds that a payment on an otherwise idle token takes."""


def _scenes(*, quick: bool) -> tuple[Scene, ...]:
    at_once = [
        Scene(name=f"once-{number}", title=f"{number:,} at once", number=number, repetitions=repetitions)
        for number, repetitions in ((10, 5 if quick else 40), (100, 1 if quick else 6), (1000, 1))
    ]
    stream = [
        Scene(
            name=f"stream-{number}",
            title=f"{number:,} in ten minutes",
            number=number,
            repetitions=repetitions,
            spread=600.0,
            before=120.0,
            after=120.0,
        )
        for number, repetitions in ((10, 2 if quick else 8), (100, 1 if quick else 3), (1000, 1))
    ]
    slow = Scene(
        name="slow-300",
        title="300 in half an hour, three times as slow as the hub believes",
        number=300,
        spread=1800.0,
        before=0.0,
        median=60.0,
        sigma=0.5,
    )
    calm = Scene(
        name="calm-1000",
        title="1,000 in half an hour",
        number=1000,
        spread=1800.0,
    )
    return (*at_once, *stream, *(() if quick else (calm, slow)))


async def _watched(row: Contender, scene: Scene, repetition: int) -> dict[str, Any]:
    payments = scene.payments(repetition)
    api = Api({each.uuid: each for each in payments}, row.lists_terminals, f"{scene.name} {repetition}")
    loop = asyncio.get_running_loop()
    delays: list[float] = []
    missing = sum(each.counted for each in payments)
    done, longest = asyncio.Event(), max(each.ends for each in payments if each.counted) + _PATIENCE

    async with row.open(api, f"{scene.name} {repetition}") as wait:

        async def watch(payment: Payment) -> None:
            nonlocal missing
            await asyncio.sleep(payment.begins - loop.time())
            await wait(payment)
            if payment.counted:
                delays.append(loop.time() - payment.ends)
                missing -= 1
                if not missing:
                    done.set()

        tasks = [asyncio.create_task(watch(each)) for each in payments]
        waiting = asyncio.create_task(done.wait())
        await asyncio.wait([waiting, *tasks], timeout=longest, return_when=asyncio.FIRST_EXCEPTION)
        for task in tasks:
            if task.done() and not task.cancelled():
                task.result()
            task.cancel()
        waiting.cancel()
        await asyncio.gather(waiting, *tasks, return_exceptions=True)
    return {
        "delays": delays,
        "missing": missing,
        "requests": api.requests,
        "lists": api.lists,
        "refusals": api.refusals,
        "payments": sum(each.begins <= loop.time() for each in payments),
    }


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _summary(name: str, scene: Scene, delays: list[float], counts: dict[str, int]) -> dict[str, Any]:
    return {
        "contender": name,
        "scene": scene.name,
        "mean": fmean(delays) if delays else None,
        "p95": quantiles(delays, n=20, method="inclusive")[-1] if len(delays) > 1 else None,
        "max": max(delays, default=None),
        **counts,
    }


def run_cell(name: str, scene: Scene) -> dict[str, Any]:
    """Run one contender in one scene, all its repetitions."""
    delays: list[float] = []
    counts: dict[str, int] = dict.fromkeys(("missing", "requests", "lists", "refusals", "payments"), 0)
    begun = time.process_time()
    for repetition in range(scene.repetitions):
        if name == IDEAL:
            payments = scene.payments(repetition)
            found, polls = ideal(scene, payments)
            run: dict[str, Any] = {"delays": found, "requests": polls, "payments": len(payments)}
        else:
            run = simulate(_watched(contender(name), scene, repetition))
        delays += run["delays"]
        for count in counts:
            counts[count] += run.get(count, 0)
    return _summary(name, scene, delays, counts) | {"cpu_s": round(time.process_time() - begun, 1)}


def run_lone(lasts: float, repetitions: int) -> dict[str, Any]:
    """Watch one payment on an idle token, by the hub and by fixed polling with as many requests."""
    scene = Scene(name=f"lone-{lasts:g}", title="", number=1, lasts=lasts)
    hub = [simulate(_watched(contender("hub-single"), scene, each)) for each in range(repetitions)]
    requests = fmean(run["requests"] for run in hub)
    # The first request is sent at once, the last one after the end, and the loop sleeps after each response.
    fixed_row = fixed_at(max(0.01, lasts / max(1.0, requests - 1.5) - sum(ANSWER) / 2))
    fixed = [simulate(_watched(fixed_row, scene, each)) for each in range(repetitions)]
    found: dict[str, Any] = {"lasts": lasts, "interval": fixed_row.label}
    for name, runs in (("hub", hub), ("fixed", fixed)):
        delays = [delay for run in runs for delay in run["delays"]]
        found[name] = {
            "mean": fmean(delays),
            "p95": quantiles(delays, n=20, method="inclusive")[-1],
            "requests": fmean(run["requests"] for run in runs),
        }
    return found


def _progress(run: dict[str, Any]) -> str:
    mean = "-" if run["mean"] is None else f"{run['mean']:8.3f}"
    p95 = "-" if run["p95"] is None else f"{run['p95']:8.2f}"
    return (
        f"  {run['scene']:12} {run['contender']:14} mean {mean} p95 {p95}"
        f" requests {run['requests'] / max(1, run['payments']):6.2f} 429s {run['refusals']}"
        f" lists {run['lists']} missing {run['missing']}"
    )


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks watch", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer repetitions, not to be quoted")
    parser.add_argument(
        "--only", nargs="+", default=[], metavar="NAME", help="only contenders whose name begins so"
    )
    parser.add_argument(
        "--scene", nargs="+", default=[], metavar="NAME", help="only scenes whose name begins so"
    )
    parser.add_argument("--no-cost", action="store_true", help="leave out memory and CPU of 10,000 watches")
    parser.add_argument("--cost", action="store_true", help="measure memory and CPU again, keep the rest")
    parser.add_argument("--report", action="store_true", help="write table and chart again, measure nothing")
    parser.add_argument(
        "--output",
        type=Path,
        help="folder of the results; benchmarks/results by default, its folder smoke for a partial run",
    )
    return parser.parse_args(arguments)


def _measure(options: argparse.Namespace, names: Sequence[str], scenes: Sequence[Scene]) -> dict[str, Any]:
    begun, load = time.monotonic(), load_average()
    with ProcessPoolExecutor(2) as pool:
        limits = [(scene.name, pool.submit(bounds, scene)) for scene in scenes]
        cells = [pool.submit(run_cell, name, scene) for scene in scenes for name in (IDEAL, *names)]
        runs: list[dict[str, Any]] = []
        for cell in cells:
            runs.append(cell.result())
            _say(_progress(runs[-1]))
        found = {name: asdict(limit.result()) for name, limit in limits}
        alone = [pool.submit(run_lone, lasts, 10 if options.quick else 60) for lasts in _LASTS]
        lone = [each.result() for each in alone]
    cost = None if options.no_cost else json.loads(run_python("-m", "benchmarks.watch.cost"))
    return {
        "date": datetime.now(tz=UTC).isoformat(timespec="minutes"),
        "minutes": round((time.monotonic() - begun) / 60, 1),
        "quick": options.quick,
        "machine": facts() | {"load": load},
        "scenes": {scene.name: asdict(scene) for scene in scenes},
        "bounds": found,
        "contenders": {
            row.name: {"label": row.label, "settings": row.settings}
            for row in CONTENDERS
            if row.name in names
        },
        "versions": {name: version_of(name) for name in ("tenacity", "httpx", "numpy")},
        "cost": cost,
        "lone": lone,
        "runs": runs,
    }


def main(arguments: list[str]) -> int:
    """Measure, then write the raw results, the table and the chart."""
    options = _arguments(arguments)
    names = [row.name for row in CONTENDERS if not options.only or row.name.startswith(tuple(options.only))]
    scenes = [
        scene
        for scene in _scenes(quick=options.quick)
        if not options.scene or scene.name.startswith(tuple(options.scene))
    ]
    if not names or not scenes:
        _say(f"no such contender or scene; contenders: {', '.join(row.name for row in CONTENDERS)}")
        return 2
    results = ROOT / "benchmarks" / "results"
    partial = options.quick or options.only or options.scene or options.no_cost
    output: Path = options.output or (results / "smoke" if partial else results)
    output.mkdir(parents=True, exist_ok=True)
    if options.cost:
        raw = json.loads((output / FILE).read_text(encoding="utf-8"))
        raw["cost"] = json.loads(run_python("-m", "benchmarks.watch.cost"))
        (output / FILE).write_text(json.dumps(raw, indent=1) + "\n", encoding="utf-8")
    elif not options.report:
        raw = _measure(options, names, scenes)
        (output / FILE).write_text(json.dumps(raw, indent=1) + "\n", encoding="utf-8")
    for path in write_watch_report(output):
        _say(f"wrote {path}")
    return 0
