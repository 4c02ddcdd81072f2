"""The fleet benchmark: many merchants on one journal and one queue, while workers are killed.

- Doubled and lost: what the sandbox was sent, beside what was asked.
- Budget: the seconds that a merchant's requests need at its token's limit, as a part of those that they took.
- Memory: what a worker's resident size grew by, for each batch that it had open.
- Connections: the most that PostgreSQL had at once.

Beside it, a plain loop with a file for each merchant's place, killed in the same way. The defaults are scaled
to two cores, on which the API, the databases and the workers run, too.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import random
import subprocess
import sys
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import psycopg
from attrs import asdict, evolve

from benchmarks.common.machine import facts, load_average, version_of
from benchmarks.common.processes import ROOT, environment
from benchmarks.fleet.report import FILE, write_fleet_report
from benchmarks.fleet.worker import Plan, Worker, account
from frontpay_async.batch import Journal
from frontpay_async.sandbox import Sandbox
from tests.support.chaos_stores import postgres
from tests.support.redis_server import RedisServer

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_PATIENCE: Final = 300.0


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _memory(pid: int) -> int:
    """Return a process's resident size in KiB; 0 where it has ended."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    return 0


async def _resting(worker: subprocess.Popen[str]) -> int:
    """Return a worker's resident size when it is ready, before its first job."""
    assert worker.stdout is not None  # noqa: S101 - for the type checkers
    await asyncio.to_thread(worker.stdout.readline)
    return _memory(worker.pid)


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
    if plan.loop:
        return _places(plan.folder) == plan.merchants * plan.invoices
    return all([each.is_settled async for each in journal.overview()])


async def _killed(plan: Plan, kill_every: float, is_done: Callable[[], Awaitable[bool]]) -> dict[str, Any]:
    """Run the workers until all is done; kill one every few seconds, and start another in its place."""
    chance, kills, connections = random.Random(7), 0, 0  # noqa: S311 - which worker dies
    workers = [_start(plan, share) for share in range(plan.workers)]
    at_rest = {each.pid: asyncio.create_task(_resting(each)) for each in workers}
    grown = 0
    begun = last = time.monotonic()
    try:
        while not await is_done() and time.monotonic() - begun < _PATIENCE:
            await asyncio.sleep(0.5)
            for each in workers:
                resting = at_rest.get(each.pid)
                if resting is not None and resting.done():
                    grown = max(grown, _memory(each.pid) - resting.result())
            with psycopg.connect(plan.queue) as connection:
                found = connection.execute(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname LIKE 'journal%'"
                ).fetchone()
            connections = max(connections, (found or (0,))[0] - 1)
            if time.monotonic() - last >= kill_every:
                last = time.monotonic()
                share = chance.randrange(len(workers))
                workers[share].kill()
                workers[share].wait()
                workers[share] = new = _start(plan, share)
                at_rest[new.pid] = asyncio.create_task(_resting(new))
                kills += 1
    finally:
        for each in workers:
            each.kill()
            each.wait()
        await asyncio.gather(*at_rest.values())
    return {
        "seconds": time.monotonic() - begun,
        "kills": kills,
        "connections": connections,
        "grown_kib": grown,
    }


def _counted(plan: Plan, sandbox: Sandbox) -> dict[str, Any]:
    """Compare what the sandbox has with what was asked, and the seconds with those that the limit needs."""
    needed = taken = 0.0
    doubled = lost = 0
    requests = 0
    for number in range(plan.merchants):
        name = account(number)
        orders = list(sandbox._api.state.accounts[name].orders.values())  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        references = {str(order.body.get("referenceNo")) for order in orders}
        doubled += len(orders) - len(references)
        lost += plan.invoices - len(references)
        mine = sum(each.token == name for each in sandbox.requests)
        requests += mine
        times = sorted(order.created_at for order in orders)
        # The first request opens the window; the last is let through at the pace of the limit.
        needed += (mine - 1) / plan.limit * plan.window
        taken += times[-1] - times[0] if times else 0.0
    return {
        "doubled": doubled,
        "lost": lost,
        "budget": min(1.0, needed / taken) if taken else 0.0,
        "requests": requests,
    }


async def _contender(plan: Plan, kill_every: float) -> dict[str, Any]:
    tokens = [account(number) for number in range(plan.merchants)]
    sandbox = Sandbox(
        tokens=tokens, rate_limit=plan.limit, rate_window=plan.window, request_history=1_000_000
    )
    async with sandbox.serve() as base_url:
        plan = evolve(plan, base_url=base_url)
        if not plan.loop:
            await Worker(plan).submit()
        async with Journal.open(plan.journal, connections=1) as journal:
            ran = await _killed(plan, kill_every, lambda: _is_done(plan, journal))
    figures = {"contender": "a plain loop" if plan.loop else "journal and queue", "workers": plan.workers}
    figures |= ran | _counted(plan, sandbox)
    _say(f"  {figures}")
    return figures


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks fleet", description=__doc__)
    parser.add_argument("--merchants", type=int, default=30)
    parser.add_argument("--invoices", type=int, default=20)
    parser.add_argument("--workers", type=int, nargs="+", default=[2, 4])
    parser.add_argument("--limit", type=int, default=10, help="requests of a token in a window")
    parser.add_argument("--window", type=float, default=10.0)
    parser.add_argument("--kill-every", type=float, default=10.0, help="seconds between two kills")
    parser.add_argument("--connections", type=int, default=4, help="of the journal and the queue, each")
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
        options.merchants, options.invoices, options.workers = 4, 5, [2]
        options.window, options.kill_every = 2.0, 4.0
    if not options.report:
        begun, load = time.monotonic(), load_average()
        runs: list[dict[str, Any]] = []
        with tempfile.TemporaryDirectory(prefix="fleet-") as scratch, postgres() as databases:
            server = RedisServer(Path(scratch))
            server.start()
            try:
                for workers in options.workers:
                    for loop in (False, True):
                        folder = Path(scratch, f"places-{workers}-{loop}")
                        folder.mkdir()
                        plan = Plan(
                            base_url="",
                            journal=databases.new(),
                            queue=databases.new().replace("+psycopg", "", 1),
                            redis=server.url,
                            folder=str(folder),
                            merchants=options.merchants,
                            invoices=options.invoices,
                            limit=options.limit,
                            window=options.window,
                            workers=workers,
                            connections=options.connections,
                            lease=6.0,
                            settling=2.0,
                            loop=loop,
                        )
                        runs.append(asyncio.run(_contender(plan, options.kill_every)))
            finally:
                server.stop()
        raw = {
            "date": datetime.now(tz=UTC).isoformat(timespec="minutes"),
            "minutes": round((time.monotonic() - begun) / 60, 1),
            "quick": options.quick,
            "machine": facts() | {"load": load},
            "versions": {name: version_of(name) for name in ("procrastinate", "sqlalchemy", "psycopg")},
            "plan": asdict(plan) | {"kill_every": options.kill_every},
            "runs": runs,
        }
        (output / FILE).write_text(json.dumps(raw, indent=1) + "\n", encoding="utf-8")
    for path in write_fleet_report(output):
        _say(f"wrote {path}")
    return 0
