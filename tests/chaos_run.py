"""A chaos run: a sandbox in bad weather, runners that are killed and started again, and what came of it.

The seed decides the invoices, what strikes which request (see ``chaos_sandbox``), and the moments and
victims of ``kill -9``. Where a kill lands depends on the machine; one at a commit or before it does not.
"""

from __future__ import annotations

import contextlib
import json
import queue
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from http.client import HTTPConnection
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Final, Literal
from urllib.parse import urlsplit

from attrs import asdict, define, field, frozen

from tests.chaos_orders import STRANGE, expected, invoices
from tests.chaos_sandbox import KILL_AFTER, KILL_BEFORE, Weather

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

__all__ = ["RATES", "Contender", "Outcome", "Plan", "chaos"]

ROOT: Final = Path(__file__).resolve().parents[1]

RATES: Final[Mapping[str, float]] = {
    "510-after": 0.05,
    "510-before": 0.05,
    "drop-after": 0.02,
    "cut-body": 0.01,
    KILL_AFTER: 0.008,
    KILL_BEFORE: 0.004,
}
"""What goes wrong in a run; the latency and the stranger are beside it."""

Contender = Literal["batch", "naive-after", "naive-before"]

_MODULES: Final[Mapping[str, str]] = {
    "batch": "tests.chaos_runner",
    "naive-after": "tests.chaos_naive",
    "naive-before": "tests.chaos_naive",
}
_CRASHES: Final = 12
"""Runners that may end by themselves with an error before the run is given up."""


@frozen(kw_only=True)
class Plan:
    """Say what is run.

    Args:
        seed: Decides what can be decided.
        contender: Who sends.
        count: Invoices.
        runners: Processes.
        concurrency: Sends of a process at once.
        kill_every: Seconds between two kills, on average; None to kill at commits only.
        weather: What goes wrong.
        patience: Seconds after which the run is given up.
    """

    seed: int
    contender: Contender = "batch"
    count: int = 500
    runners: int = 3
    concurrency: int = 8
    kill_every: float | None = 1.0
    weather: Weather = field()
    patience: float = 90.0

    @weather.default
    def _usual(self) -> Weather:
        return Weather(
            seed=self.seed,
            rates=dict(RATES),
            latency=0.03,
            limit=240,
            window=2.0,
            stranger=0.1,
            colleague=2.0,
        )


@frozen(kw_only=True)
class Outcome:
    """Tell what stands in the account and in the journal in the end.

    Args:
        plan: What was run.
        duplicates: References that stand there too often, and how many times too many.
        lost: References that are missing, and how often.
        parked: Keys that were left to a person, and why.
        contradictions: Where the journal and the account disagree.
        faults: What struck, and how often.
        requests: How often which operation got which status.
        kills: Runners killed.
        crashes: The last words of runners that ended with an error of their own.
        seconds: How long it took.
        given_up: Why the run did not end by itself, or None.
    """

    plan: Plan
    duplicates: Mapping[str, int]
    lost: Mapping[str, int]
    parked: Mapping[str, str]
    contradictions: tuple[str, ...]
    faults: Mapping[str, int]
    requests: Mapping[str, int]
    kills: int
    crashes: tuple[str, ...]
    seconds: float
    given_up: str | None

    @property
    def refused(self) -> int:
        """How many requests got a 429."""
        return sum(count for name, count in self.requests.items() if name.endswith(" 429"))

    def problems(self) -> list[str]:
        """List what must not be, each with what it takes to see it again."""
        found = [
            *([self.given_up] if self.given_up else []),
            *(f"{reference} was sent {count} times too many" for reference, count in self.duplicates.items()),
            *(f"{reference} is missing {count} times" for reference, count in self.lost.items()),
            *(f"{key} is parked: {reason}" for key, reason in self.parked.items()),
            *self.contradictions,
            *(f"a runner ended with an error: {words}" for words in self.crashes),
        ]
        plan = self.plan
        replay = f"python -m benchmarks chaos --seed {plan.seed} --count {plan.count} --only {plan.contender}"
        return [*found, f"seed {plan.seed}; again with: {replay}"] if found else []


@define(eq=False)
class _Runner:
    """One place of a runner: the process in it, which dies and is started again."""

    index: int
    job: Mapping[str, object]
    module: str
    folder: Path
    process: subprocess.Popen[str] | None = None
    is_killed: bool = False
    is_done: bool = False

    @property
    def log(self) -> Path:
        return self.folder / f"runner-{self.index}.log"

    def start(self) -> None:
        with self.log.open("a", encoding="utf-8") as log:
            self.is_killed = False
            self.process = subprocess.Popen(  # noqa: S603 - our own module
                [sys.executable, "-m", self.module, json.dumps({**self.job, "index": self.index})],
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                text=True,
            )

    def kill(self) -> bool:
        """Kill the process; whether there was one to kill."""
        if self.process is None or self.process.poll() is not None:
            return False
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        self.is_killed = True
        return True

    def last_words(self) -> str:
        lines = self.log.read_text("utf-8").strip().splitlines()
        return lines[-1] if lines else "nothing"


@define(eq=False)
class _Run:
    plan: Plan
    folder: Path
    journal: str
    kills: int = 0
    crashes: list[str] = field(factory=list[str])
    _wanted: queue.SimpleQueue[int] = field(factory=queue.SimpleQueue[int])

    def listen(self, lines: IO[str]) -> None:
        """Take in whose death the sandbox asks for."""
        for line in lines:
            word, _, number = line.partition(" ")
            if word == "kill":
                self._wanted.put(int(number))

    def go(self, base_url: str) -> str | None:
        """Run until every runner has ended well; say why not, if not."""
        plan = self.plan
        job = {
            "base_url": base_url,
            "journal": self.journal,
            "count": plan.count,
            "seed": plan.seed,
            "runners": plan.runners,
            "concurrency": plan.concurrency,
            "limit": plan.weather.limit,
            "window": plan.weather.window,
            "mark": plan.contender.partition("-")[2],
        }
        module = _MODULES[plan.contender]
        runners = [_Runner(index, job, module, self.folder) for index in range(plan.runners)]
        chance = random.Random(f"kills/{plan.seed}")  # noqa: S311 - chance that can be repeated
        begun = time.monotonic()
        every = plan.kill_every
        due = begun + chance.uniform(0.5, 1.5) * every if every else float("inf")
        try:
            while not all(runner.is_done for runner in runners):
                now = time.monotonic()
                if now > begun + plan.patience:
                    return f"it did not end within {plan.patience:.0f} s"
                if len(self.crashes) >= _CRASHES:
                    return "runners ended with errors again and again"
                if now >= due and every:
                    due = now + chance.uniform(0.5, 1.5) * every
                    self.kills += chance.choice(runners).kill()
                self._kill_the_wanted(runners)
                for runner in runners:
                    self._look_after(runner)
                time.sleep(0.01)
        finally:
            for runner in runners:
                runner.kill()
        return None

    def _kill_the_wanted(self, runners: list[_Runner]) -> None:
        with contextlib.suppress(queue.Empty):
            while True:
                pid = self._wanted.get_nowait()
                for runner in runners:
                    if runner.process is not None and runner.process.pid == pid:
                        self.kills += runner.kill()

    def _look_after(self, runner: _Runner) -> None:
        if runner.is_done:
            return
        status = None if runner.process is None else runner.process.poll()
        if runner.process is not None and status is None:
            return
        if status == 0:
            runner.is_done = True
            return
        # A naive loop in which some invoices failed ends with 1, and cron starts it again.
        if runner.process is not None and not runner.is_killed and self.plan.contender == "batch":
            self.crashes.append(f"{status}: {runner.last_words()}")
        runner.start()


@contextlib.contextmanager
def _sandbox(run: _Run) -> Iterator[str]:
    weather = json.dumps(asdict(run.plan.weather))
    with (
        (run.folder / "sandbox.log").open("w", encoding="utf-8") as log,
        subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", "tests.chaos_sandbox", weather],
            cwd=ROOT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        if process.stdout is None:
            raise TypeError(process.args)
        listener: threading.Thread | None = None
        try:
            base_url = process.stdout.readline().strip()
            listener = threading.Thread(target=run.listen, args=[process.stdout])
            listener.start()
            yield base_url
        finally:
            process.kill()
            if listener is not None:
                listener.join()


def _fetch(base_url: str) -> dict[str, Any]:
    connection = HTTPConnection(urlsplit(base_url).netloc, timeout=60)
    with contextlib.closing(connection):
        connection.request("GET", "/_chaos/report")
        report: dict[str, Any] = json.load(connection.getresponse())
    return report


def _audit(plan: Plan, orders: Mapping[str, str], journal: str) -> tuple[dict[str, str], list[str]]:
    """Hold the journal against the account: what is parked, and where they disagree."""
    # Imported here, so that the naive loops run without the extra.
    from tests.chaos_runner import read_journal  # noqa: PLC0415

    rows = read_journal(journal)
    parked: dict[str, str] = {}
    wrong: list[str] = []
    owners: dict[str, str] = {}
    for key, order in invoices(plan.count, plan.seed):
        if (row := rows.pop(key, None)) is None:
            wrong.append(f"{key} is not in the journal")
        elif row.state == "parked":
            parked[key] = row.error or ""
        elif row.state != "done":
            wrong.append(f"{key} is {row.state} in the journal: {row.error}")
        elif row.order_uuid is None or orders.get(row.order_uuid) != order.reference_no:
            wrong.append(f"{key} is done as {row.order_uuid}, which is {orders.get(row.order_uuid or '')}")
        elif (other := owners.setdefault(row.order_uuid, key)) != key:
            wrong.append(f"{key} and {other} are both done as {row.order_uuid}")
    wrong += [f"{key} is in the journal, and nobody submitted it" for key in rows]
    return parked, wrong


def chaos(plan: Plan, *, folder: Path, journal: str) -> Outcome:
    """Run a plan to its end and tell what came of it.

    Args:
        plan: What is run.
        folder: Where the logs go.
        journal: Where a batch keeps its journal, a path or a URL; where a naive loop keeps its files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    run = _Run(plan, folder, journal)
    with _sandbox(run) as base_url:
        begun = time.monotonic()
        given_up = run.go(base_url)
        seconds = time.monotonic() - begun
        report = _fetch(base_url)
    orders: dict[str, str] = report["orders"]
    ours = Counter(reference for reference in orders.values() if not reference.startswith(STRANGE))
    wanted = expected(plan.count, plan.seed)
    parked, contradictions = _audit(plan, orders, journal) if plan.contender == "batch" else ({}, [])
    return Outcome(
        plan=plan,
        duplicates=dict(ours - wanted),
        lost=dict(wanted - ours),
        parked=parked,
        contradictions=tuple(contradictions),
        faults=report["struck"],
        requests=report["requests"],
        kills=run.kills,
        crashes=tuple(run.crashes),
        seconds=seconds,
        given_up=given_up,
    )
