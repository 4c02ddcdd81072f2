"""A chaos run: a sandbox in bad weather, runners that are killed and started again, and what came of it.

The seed decides the invoices, what strikes which request (see ``chaos_sandbox``), and the moments and
victims of ``kill -9``. Where a kill lands depends on the machine; one at a commit or before it does not.

Work is what is counted, so that a busy machine changes how long a run takes, and little else: a kill comes
after some requests have been answered, and only to a runner that has had an answer, however long it took to
get there. A run is given up when nothing has been answered for long, or when far too much has.
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

from attrs import Factory, asdict, define, field, frozen

from tests.support.chaos_orders import STRANGE, expected, invoices
from tests.support.chaos_sandbox import KILL_AFTER, KILL_BEFORE, Weather

if TYPE_CHECKING:
    from collections.abc import Generator, Mapping, Sequence

__all__ = ["RATES", "Contender", "Outcome", "Plan", "chaos"]

ROOT: Final = Path(__file__).resolve().parents[2]

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
    "batch": "tests.support.chaos_runner",
    "naive-after": "tests.support.chaos_naive",
    "naive-before": "tests.support.chaos_naive",
}
_CRASHES: Final = 12
"""Runners that may end by themselves with an error before the run is given up."""
_MOST_REQUESTS: Final = 10
"""Answers for each invoice after which the run is given up: it does not get on."""
_PAUSE: Final = 0.01
_PATIENCE: Final = 30
"""Seconds in which a process of the harness must end."""


def _usual_weather(seed: int) -> Weather:
    return Weather(
        seed=seed, rates=dict(RATES), latency=0.03, limit=240, window=1.0, stranger=0.1, colleague=20
    )


@frozen(kw_only=True)
class Plan:
    """Say what is run.

    Args:
        seed: Decides what can be decided.
        contender: Who sends.
        count: Invoices.
        runners: Processes.
        concurrency: Sends of a process at once.
        kill_after: Answers between two kills, on average; None to kill at commits only.
        kill_every: Seconds that must have passed, too, on average.
        lease: Seconds; see ``InvoiceBatch``. Short, because every kill is waited out once.
        settling: Seconds; see ``InvoiceBatch``. The sandbox stores an order within milliseconds, or never.
        weather: What goes wrong.
        patience: Seconds without an answer after which the run is given up.
        replay: The command that runs it again.
    """

    seed: int
    contender: Contender = "batch"
    count: int = 500
    runners: int = 3
    concurrency: int = 8
    kill_after: int | None = 40
    kill_every: float = 0.0
    lease: float = 4.0
    settling: float = 0.5
    weather: Weather = field(default=Factory(lambda plan: _usual_weather(plan.seed), takes_self=True))
    patience: float = 60.0
    replay: str


@frozen(kw_only=True)
class Outcome:
    """Tell what stands in the account and in the journal in the end.

    Args:
        plan: What was run.
        duplicates: References that stand there too often, and how many times too many.
        lost: References that are missing, and how often.
        parked: Keys that were left to a person, and why.
        unclear: References of rows that were never stored, and parked because the colleague's orders have
            the same goods, or because three requests failed and no later order was confirmed: documented
            limits of the batch. They are neither lost nor parked.
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
    unclear: tuple[str, ...]
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
        return [*found, f"seed {self.plan.seed}; again with: {self.plan.replay}"] if found else []


@define(eq=False)
class _Runner:
    """One place of a runner: the process in it dies and is started again."""

    index: int
    log: Path
    pid: int | None = None
    is_starting: bool = False
    is_ready: bool = False
    """Whether the process has had an answer."""
    is_killed: bool = False
    is_done: bool = False

    def last_words(self) -> str:
        lines = self.log.read_text("utf-8").strip().splitlines() if self.log.exists() else []
        return lines[-1] if lines else "nothing"


@define(eq=False)
class _Kills:
    """When the next kill is due: by the work since the last, and by the time."""

    after: float
    every: float
    chance: random.Random
    _due: tuple[float, float] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.put_off(0)

    def put_off(self, answers: int) -> None:
        """Draw the next one, after so many answers."""
        spread = self.chance.uniform(0.5, 1.5)
        self._due = answers + spread * self.after, time.monotonic() + spread * self.every

    def is_due(self, answers: int) -> bool:
        return answers >= self._due[0] and time.monotonic() >= self._due[1]


@define(eq=False)
class _Run:
    plan: Plan
    folder: Path
    journal: str
    kills: int = 0
    answers: int = 0
    answered_at: float = field(factory=time.monotonic)
    crashes: list[str] = field(factory=list[str])
    events: queue.SimpleQueue[list[str]] = field(factory=queue.SimpleQueue[list[str]])
    """What the sandbox and the nursery tell."""

    ended: str | None = None
    """What has ended that must not."""

    def listen(self, name: str, lines: IO[str]) -> None:
        """Take in what a process tells, until it ends."""
        for line in lines:
            self.events.put(line.split())
        self.ended = name

    def go(self, base_url: str, nursery: IO[str]) -> str | None:
        """Run until every runner has ended well; say why not, if not."""
        plan = self.plan
        job = {
            "base_url": base_url,
            "journal": self.journal,
            "count": plan.count,
            "seed": plan.seed,
            "runners": plan.runners,
            "concurrency": plan.concurrency,
            "lease": plan.lease,
            "settling": plan.settling,
            "limit": plan.weather.limit,
            "window": plan.weather.window,
            "mark": plan.contender.partition("-")[2],
        }
        runners = [_Runner(index, self.folder / f"runner-{index}.log") for index in range(plan.runners)]
        chance = random.Random(f"kills/{plan.seed}")  # noqa: S311 - chance that can be repeated
        kills = _Kills(plan.kill_after or float("inf"), plan.kill_every, chance)
        while not all(runner.is_done for runner in runners):
            if time.monotonic() > self.answered_at + plan.patience:
                return f"nothing was answered for {plan.patience:.0f} s"
            if self.ended is not None:
                return f"the {self.ended} ended"
            if self.answers > _MOST_REQUESTS * plan.count:
                return f"it did not end within {self.answers} requests"
            if len(self.crashes) >= _CRASHES:
                return "runners ended with errors again and again"
            ready = [runner for runner in runners if runner.is_ready and not runner.is_killed]
            if ready and kills.is_due(self.answers):
                self._kill(chance.choice(ready), nursery)
                kills.put_off(self.answers)
            for runner in runners:
                if runner.pid is None and not runner.is_starting and not runner.is_done:
                    runner.is_starting, runner.is_ready, runner.is_killed = True, False, False
                    start = {"start": runner.index, "log": str(runner.log)}
                    _write(nursery, {**start, "job": {**job, "index": runner.index}})
            self._take_in(runners, nursery)
        return None

    def _kill(self, runner: _Runner, nursery: IO[str]) -> None:
        if runner.pid is not None and not runner.is_killed:
            runner.is_killed = True
            _write(nursery, {"kill": runner.index})

    def _take_in(self, runners: list[_Runner], nursery: IO[str]) -> None:
        """Take in the next event, if one comes soon."""
        try:
            what, *told = self.events.get(timeout=_PAUSE)
        except queue.Empty:
            return
        if what == "served":
            self.answers, self.answered_at = self.answers + 1, time.monotonic()
            for runner in runners:
                runner.is_ready |= runner.pid == int(told[0])
        elif what == "kill":
            for runner in runners:
                if runner.pid == int(told[0]):
                    self._kill(runner, nursery)
        elif what == "born":
            runner = runners[int(told[0])]
            runner.pid, runner.is_starting = int(told[1]), False
        elif what == "died":
            self._ended(runners[int(told[0])], int(told[1]))

    def _ended(self, runner: _Runner, status: int) -> None:
        runner.pid, runner.is_ready = None, False
        if status == -signal.SIGKILL:
            self.kills += 1
        elif status == 0:
            runner.is_done = True
        # A naive loop in which some invoices failed ends with 1, and cron starts it again.
        elif self.plan.contender == "batch":
            self.crashes.append(f"{status}: {runner.last_words()}")


def _write(nursery: IO[str], command: Mapping[str, object]) -> None:
    nursery.write(json.dumps(command) + "\n")
    nursery.flush()


@contextlib.contextmanager
def _process(run: _Run, name: str, *arguments: str) -> Generator[IO[str]]:
    """Run a module of the harness and listen to it; yields its stdin, and stops it in the end."""
    with (
        (run.folder / f"{name}.log").open("w", encoding="utf-8") as log,
        subprocess.Popen(  # noqa: S603 - our own module
            [sys.executable, "-m", f"tests.support.chaos_{name}", *arguments],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        if process.stdin is None or process.stdout is None:
            raise TypeError(process.args)
        listener = threading.Thread(target=run.listen, args=[name, process.stdout])
        listener.start()
        try:
            yield process.stdin
        finally:
            # The nursery ends, with its children, when nobody can tell it anything any more.
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            if name == "sandbox":
                process.terminate()
            status = process.wait(_PATIENCE)
            listener.join()
            if status != 0:
                print(f"the {name} ended with {status}: see {log.name}", file=sys.stderr)  # noqa: T201


def _fetch(base_url: str) -> dict[str, Any]:
    connection = HTTPConnection(urlsplit(base_url).netloc, timeout=60)
    with contextlib.closing(connection):
        connection.request("GET", "/_chaos/report")
        report: dict[str, Any] = json.load(connection.getresponse())
    return report


def _audit(
    plan: Plan, orders: Mapping[str, str], journal: str
) -> tuple[dict[str, str], list[str], list[str]]:
    """Hold the journal against the account: what is parked, and where they disagree."""
    # Imported here, so that the naive loops run without the extra.
    from tests.support.chaos_runner import read_journal  # noqa: PLC0415

    rows = read_journal(journal)
    parked: dict[str, str] = {}
    unclear: list[str] = []
    wrong: list[str] = []
    absent: Counter[str] = Counter()
    owners: dict[str, str] = {}
    for key, order in invoices(plan.count, plan.seed):
        if (row := rows.pop(key, None)) is None:
            wrong.append(f"{key} is not in the journal")
        elif row.was_repeated_in_vain:
            absent[order.reference_no or ""] += 1
        elif row.state == "parked" and _may_be_the_colleagues(row.candidates, orders):
            unclear.append(order.reference_no or "")
        elif row.state == "parked":
            parked[key] = row.error or ""
        elif row.state != "done":
            wrong.append(f"{key} is {row.state} in the journal: {row.error}")
        elif row.order_uuid is None or orders.get(row.order_uuid) != order.reference_no:
            wrong.append(f"{key} is done as {row.order_uuid}, which is {orders.get(row.order_uuid or '')}")
        elif (other := owners.setdefault(row.order_uuid, key)) != key:
            wrong.append(f"{key} and {other} are both done as {row.order_uuid}")
    wrong += [f"{key} is in the journal, and nobody submitted it" for key in rows]
    too_many = Counter(orders.values()) + absent - expected(plan.count, plan.seed)
    wrong += [f"{reference} is parked as missing, but was stored" for reference in too_many & absent]
    return parked, [*unclear, *absent.elements()], wrong


def _may_be_the_colleagues(candidates: Sequence[str], orders: Mapping[str, str]) -> bool:
    return any(orders.get(uuid, "").startswith(STRANGE) for uuid in candidates)


def chaos(plan: Plan, *, folder: Path, journal: str) -> Outcome:
    """Run a plan to its end and tell what came of it.

    Args:
        plan: What is run.
        folder: Where the logs go.
        journal: Where a batch keeps its journal, a path or a URL; where a naive loop keeps its files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    run = _Run(plan, folder, journal)
    weather = json.dumps(asdict(plan.weather))
    with contextlib.ExitStack() as stack:
        stack.enter_context(_process(run, "sandbox", weather))
        _, base_url = run.events.get(timeout=_PATIENCE)
        nursery = stack.enter_context(_process(run, "nursery", _MODULES[plan.contender]))
        begun = time.monotonic()
        given_up = run.go(base_url, nursery)
        seconds = time.monotonic() - begun
        report = _fetch(base_url)
    orders: dict[str, str] = report["orders"]
    ours = Counter(reference for reference in orders.values() if not reference.startswith(STRANGE))
    wanted = expected(plan.count, plan.seed)
    is_batch = plan.contender == "batch"
    parked, unclear, contradictions = _audit(plan, orders, journal) if is_batch else ({}, [], [])
    return Outcome(
        plan=plan,
        duplicates=dict(ours - wanted),
        lost=dict(wanted - ours - Counter(unclear)),
        parked=parked,
        unclear=tuple(unclear),
        contradictions=tuple(contradictions),
        faults=report["struck"],
        requests=report["requests"],
        kills=run.kills,
        crashes=tuple(run.crashes),
        seconds=seconds,
        given_up=given_up,
    )
