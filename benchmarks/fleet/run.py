"""The fleet benchmark: many merchants on one journal and one queue, while workers are killed.

- Doubled and lost: what the sandbox was sent, beside what was asked.
- Budget: the requests of all tokens, as a part of what their limits allowed while they had demand.
- Memory: what another open batch adds to a process.
- Connections: the most that PostgreSQL had at once.

Beside it, killed in the same way: a queue with one task for each invoice and no journal, and a plain loop
with a file for each merchant's place. The limits are scaled to two cores, on which the API, the databases and
the workers run, too.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, get_args

import psycopg
from attrs import asdict, evolve

from benchmarks.common.machine import facts, load_average, version_of
from benchmarks.common.processes import ROOT, environment
from benchmarks.fleet.api import FleetApi
from benchmarks.fleet.report import FILE, write_fleet_report
from benchmarks.fleet.worker import Contender, Plan, Worker, account
from frontpay_async.batch import Journal
from tests.support.chaos_stores import postgres
from tests.support.redis_server import RedisServer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable


_BESIDE_INVOICES = 20
_BESIDE_WINDOW = 30.0


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _stat(pid: int) -> list[int]:
    """Return a process's parent, its CPU (user, system), and that of its children that have ended."""
    with contextlib.suppress(OSError):
        used = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return [int(used[1]), *map(int, used[11:15])]
    return [0] * 5


def _cpu(pid: int) -> float:
    """Return the seconds of CPU that a process has used; 0 where it has ended."""
    return sum(_stat(pid)[1:3]) / os.sysconf("SC_CLK_TCK")


def _cpu_of_all(pid: int) -> float:
    """Return the seconds of CPU that a process and its children have used."""
    stats = [_stat(int(each.name)) for each in Path("/proc").iterdir() if each.name.isdigit()]
    children = sum(sum(stat[1:]) for stat in stats if stat[0] == pid)
    return (sum(_stat(pid)[1:]) + children) / os.sysconf("SC_CLK_TCK")


def _start(plan: Plan, share: int) -> subprocess.Popen[str]:
    return subprocess.Popen(  # noqa: S603 - our own interpreter and our own module
        [sys.executable, "-m", "benchmarks.fleet.worker", plan.json(), str(share)],
        cwd=ROOT,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )


def _places(folder: str) -> int:
    return sum(int(place.read_text(encoding="utf-8") or 0) for place in Path(folder).iterdir())


async def _is_done(plan: Plan, journal: Journal) -> bool:
    if plan.contender == "plain loop":
        return _places(plan.folder) == plan.merchants * plan.invoices
    if plan.contender == "queue alone":
        async with await psycopg.AsyncConnection.connect(plan.queue) as connection:
            left = await connection.execute(
                "SELECT 1 FROM procrastinate_jobs"
                " WHERE task_name = 'frontpay:send' AND status IN ('todo', 'doing') LIMIT 1"
            )
            return await left.fetchone() is None
    return all([each.is_settled async for each in journal.overview()])


async def _connections(plan: Plan) -> int:
    async with await psycopg.AsyncConnection.connect(plan.queue) as connection:
        counted = await connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname LIKE 'journal%'"
        )
        return int((await counted.fetchone() or (1,))[0]) - 1


async def _killed(
    plan: Plan, kill_every: float, patience: float, is_done: Callable[[], Awaitable[bool]]
) -> dict[str, Any]:
    """Run the workers until all is done; kill one every few seconds, and start another in its place."""
    chance, kills, connections = random.Random(7), 0, 0  # noqa: S311 - which worker dies
    workers = [_start(plan, share) for share in range(plan.workers)]
    begun = last = time.monotonic()
    cpu, finished = 0.0, False
    try:
        while not (finished := await is_done()) and time.monotonic() - begun < patience:
            await asyncio.sleep(1.0)
            connections = max(connections, await _connections(plan))
            if time.monotonic() - last >= kill_every:
                last = time.monotonic()
                share = chance.randrange(len(workers))
                cpu += _cpu(workers[share].pid)
                workers[share].kill()
                workers[share].wait()
                workers[share] = _start(plan, share)
                kills += 1
    finally:
        for each in workers:
            cpu += _cpu(each.pid)
            each.kill()
            each.wait()
    return {
        "seconds": time.monotonic() - begun,
        "finished": finished,
        "cpu_s": cpu,
        "kills": kills,
        "connections": connections,
    }


async def _contender(
    plan: Plan, kill_every: float, latency: float, patience: float, databases: list[int]
) -> dict[str, Any]:
    api = FleetApi([account(number) for number in range(plan.merchants)], plan.limit, plan.window)
    api.sandbox.fail("latency", times=None, seconds=latency)
    async with api.sandbox.serve() as base_url:
        plan = evolve(plan, base_url=base_url)
        if plan.contender != "plain loop":
            await Worker(plan).submit()
        api_cpu, database_cpu = time.process_time(), sum(map(_cpu_of_all, databases))
        async with Journal.open(plan.journal, connections=1) as journal:
            ran = await _killed(plan, kill_every, patience, lambda: _is_done(plan, journal))
        ran["api_cpu_s"] = time.process_time() - api_cpu
        ran["database_cpu_s"] = sum(map(_cpu_of_all, databases)) - database_cpu
    figures = {"contender": plan.contender, "workers": plan.workers} | ran
    figures |= {"merchants": plan.merchants, "invoices": plan.invoices, "window": plan.window}
    figures |= asdict(api.counts(plan.invoices))
    _say(f"  {figures}")
    return figures


async def _memory(plan: Plan, count: int) -> float:
    """Return what another open batch adds to a process, in KiB."""
    api = FleetApi([account(number) for number in range(2 * count)], plan.limit, plan.window)
    async with api.sandbox.serve() as base_url:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "benchmarks.fleet.memory"),
            *(evolve(plan, base_url=base_url).json(), str(count)),
            cwd=ROOT,
            env=environment(),
            stdout=subprocess.PIPE,
        )
        printed, _ = await process.communicate()
    return float(json.loads(printed))


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks fleet", description=__doc__)
    parser.add_argument("--merchants", type=int, default=1000)
    parser.add_argument("--invoices", type=int, default=50)
    parser.add_argument(
        "--beside", type=int, default=40, help="merchants of the other contenders, 20 invoices each"
    )
    parser.add_argument("--workers", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--limit", type=int, default=10, help="requests of a token in a window")
    parser.add_argument("--window", type=float, default=90.0)
    parser.add_argument("--kill-every", type=float, default=30.0, help="seconds between two kills")
    parser.add_argument("--latency", type=float, default=0.3, help="seconds that the API needs for an answer")
    parser.add_argument("--patience", type=float, default=600.0, help="seconds after which a run is cut off")
    parser.add_argument("--lease", type=float, default=6.0, help="seconds")
    parser.add_argument("--contenders", nargs="+", choices=get_args(Contender), default=get_args(Contender))
    parser.add_argument("--connections", type=int, default=4, help="of the journal and the queue, each")
    parser.add_argument(
        "--batches", type=int, default=100, help="open batches, then twice as many, for memory"
    )
    parser.add_argument("--quick", action="store_true", help="a smoke run, not to be quoted")
    parser.add_argument("--report", action="store_true", help="write the table again, measure nothing")
    parser.add_argument("--output", type=Path, help="folder of the results")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Measure, then write the raw results and the table."""
    options = _arguments(arguments)
    results = ROOT / "benchmarks" / "results"
    output: Path = options.output or (results / "smoke" if options.quick else results)
    output.mkdir(parents=True, exist_ok=True)
    if options.quick:
        options.merchants, options.invoices, options.workers, options.batches = 4, 5, [2], 4
        options.window, options.kill_every, options.beside, options.patience = 2.0, 8.0, 4, 60.0
    if not options.report:
        begun, load = time.monotonic(), load_average()
        runs: list[dict[str, Any]] = []
        with tempfile.TemporaryDirectory(prefix="fleet-") as scratch, postgres() as databases:
            server = RedisServer(Path(scratch))
            server.start()
            servers = [databases.pid, *([server.process.pid] if server.process else [])]

            def plan(workers: int, contender: Contender) -> Plan:
                # They show what they cost and double, not how many they can serve.
                is_beside = contender != "journal and queue"
                folder = Path(tempfile.mkdtemp(dir=scratch))
                return Plan(
                    base_url="",
                    journal=databases.new(),
                    queue=databases.new().replace("+psycopg", "", 1),
                    redis=server.url,
                    folder=str(folder),
                    merchants=options.beside if is_beside else options.merchants,
                    invoices=min(_BESIDE_INVOICES, options.invoices) if is_beside else options.invoices,
                    limit=options.limit,
                    window=min(_BESIDE_WINDOW, options.window) if is_beside else options.window,
                    workers=workers,
                    connections=options.connections,
                    lease=options.lease,
                    settling=options.lease / 2,
                    contender=contender,
                )

            try:
                # One request each 10 s: the batches wait.
                waiting = evolve(plan(1, "journal and queue"), limit=60, window=600.0)
                memory = asyncio.run(_memory(waiting, options.batches)) if options.batches else None
                for contender in options.contenders:
                    # Beside the journal, the fewest workers are enough.
                    counts = options.workers if contender == "journal and queue" else options.workers[:1]
                    runs += [
                        asyncio.run(
                            _contender(
                                plan(workers, contender),
                                options.kill_every,
                                options.latency,
                                options.patience,
                                servers,
                            )
                        )
                        for workers in counts
                    ]
            finally:
                server.stop()
        raw = {
            "date": datetime.now(tz=UTC).isoformat(timespec="minutes"),
            "minutes": round((time.monotonic() - begun) / 60, 1),
            "quick": options.quick,
            "machine": facts() | {"load": load},
            "versions": {name: version_of(name) for name in ("procrastinate", "sqlalchemy", "psycopg")},
            "plan": vars(options) | {"output": None, "settling": options.lease / 2},
            "batches": options.batches,
            "kib_per_batch": memory,
            "runs": runs,
        }
        (output / FILE).write_text(json.dumps(raw, indent=1) + "\n", encoding="utf-8")
    for path in write_fleet_report(output):
        _say(f"wrote {path}")
    return 0
