"""Mutation testing: ``python -m tests.support.mutation_run SEED SAMPLE [OPTION …] [MODULE[:AT] …]``.

A sample of the mutations of each module is applied, one at a time, and the tests that reach the place are run
until one fails. A mutation that fails no test survives; one that ends in a time-out is killed. What can be
changed, and what is not counted, is in ``tests.support.mutant``.

*Model*: modules whose tests are the same are one group. The tests of a group are run once under coverage,
which tells the lines that each test reaches. Then a host collects them, and forks for each mutation. The
child exchanges the code of the functions that the mutation changes, and runs the tests that reach it, those
of the files that are named after the module first, and the shortest first. A place that runs when the module
is imported needs a child that imports everything.

*Limit*: a mutation gets tests of at most ``_BUDGET`` seconds of processor time, so the score is a lower
bound.
"""

from __future__ import annotations

import argparse
import gc
import importlib
import math
import os
import pickle
import random
import resource
import shutil
import signal
import sys
import tempfile
import time
import traceback
from collections import defaultdict
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import coverage
import hypothesis
import pytest
from attrs import define, field, frozen

from tests.support.mutant import Mutation, mutated, mutations, origin

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from types import CodeType, FunctionType

# By their folder: the modules whose tests are the same, and the files of these tests.
GROUPS = {
    "callbacks": ("checksum replay guard query", "checksum replay guard query query_properties"),
    "_transport": (
        "retry send before_send deadline",
        """
        answers before_send credentials deadline deadline_stage echoes fallback_route large_responses lifetime
        lost_answers not_sent observers proxy raw_requests retry_limits retry_stage retry_table secrets
        send_stage wire_requests
        """,
    ),
    "_protocol": (
        "retry_policy parse success order_comparison error_codes retry_after",
        """
        error_codes messages order_comparison_properties pages parse_errors parse_properties parse_successes
        retry_after retry_policy retry_policy_properties
        """,
    ),
    "_rate": (
        "ledger governor rate_headers stage",
        """
        clients estimate governor ledger ledger_cold_start ledger_properties ledger_storms_properties stage
        """,
    ),
    "batch": (
        "states transitions matching completeness reconcile work_queue",
        """
        distrust handover journal listings matching_properties odd_details odd_lists reconcile runner
        stories_properties work_queue
        """,
    ),
    "watch": (
        "schedule poller sweeps hazard",
        "every_kind hazard hub hub_properties poller schedule snapshot trouble",
    ),
}
_PACKAGE = "frontpay_async."
# What takes seconds to start, for each mutation.
_SLOW_FIXTURES = frozenset({"postgres", "databases", "database", "redis_server"})
_LIBRARIES = ("aiohttp", "cattrs", "httpx", "sqlalchemy", "starlette", "trio")
# The libraries are imported before pytest could rewrite their assertions.
_REWRITTEN = "ignore::pytest.PytestAssertRewriteWarning"
# Left out is what has a time limit that coverage exceeds.
_OPTIONS = ("-q", "-p", "no:cacheprovider", "-W", _REWRITTEN, "-k", "not ten_thousand_waiters")
_CHILDREN = 2
_BUDGET = 12.0
_PATIENCE = 30.0
_MEMORY = 6 * 2**30
_KILLED, _SURVIVES, _FRESH = 1, 0, 99


@frozen
class Mutant:
    """A mutation of a module, with the tests that reach it."""

    module: str
    mutation: Mutation
    tests: tuple[str, ...]
    is_fresh: bool


@define
class Reach:
    """What each test of a group reaches in its modules, and the processor time that it takes."""

    seconds: dict[str, float] = field(factory=dict)
    lines: dict[str, dict[int, set[str]]] = field(factory=dict)

    def tests_of(self, module: str, mutation: Mutation) -> tuple[tuple[str, ...], bool]:
        """Return the tests for a mutation in their order, and whether it runs on import."""
        lines = self.lines.get(module, {})
        reached: set[str] = set[str]().union(*(lines.get(line, ()) for line in mutation.reached))
        fresh = "" in reached
        direct = reached - {""}
        if fresh:
            direct |= set[str]().union(*(lines.get(line, ()) for line in mutation.used)) - {""}
        rest = set[str]().union(*lines.values()) - direct - {""} if fresh else set[str]()
        order = partial(self._order, module.rpartition(".")[2])
        ordered = (*sorted(direct, key=order), *sorted(rest, key=order))
        chosen: list[str] = []
        spent = 0.0
        for name in ordered:
            spent += self.seconds[name]
            if spent > _BUDGET and chosen:
                break
            chosen.append(name)
        return tuple(chosen), fresh

    def _order(self, module: str, name: str) -> tuple[bool, int, str]:
        # The files that are named after the module tell most.
        is_other = module not in name.partition("::")[0]
        return is_other, round(math.log2(self.seconds[name] + 0.004)), name


class Quiet:
    """Keeps Hypothesis from shrinking, and from failing a test because the machine is slow."""

    def pytest_configure(self) -> None:
        phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
        slow = [hypothesis.HealthCheck.too_slow]
        hypothesis.settings.register_profile("mutation", phases=phases, suppress_health_check=slow)
        hypothesis.settings.load_profile("mutation")

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        items[:] = [each for each in items if _is_quick(each)]


def _is_quick(item: pytest.Item) -> bool:
    parameters = getattr(getattr(item, "callspec", None), "params", {})
    if "sqlite" in parameters.values():
        return True
    needs: list[str] = getattr(item, "fixturenames", [])
    return "postgres" not in parameters.values() and _SLOW_FIXTURES.isdisjoint(needs)


class Recorder(Quiet):
    """Records what each test reaches."""

    def __init__(self, measured: coverage.Coverage) -> None:
        self.measured = measured
        self.seconds: dict[str, float] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        self.measured.switch_context(item.nodeid)
        start = time.process_time()
        try:
            return (yield)
        finally:
            self.seconds[item.nodeid] = time.process_time() - start
            self.measured.switch_context("")


class Host(Quiet):
    """Forks for each mutation once the tests are collected."""

    def __init__(self, mutants: list[Mutant], tell: Callable[[Mutant, int], None], until: float) -> None:
        self.mutants = mutants
        self.tell = tell
        self.until = until

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        items = {item.nodeid: item for item in session.items}
        _in_children(self.mutants, lambda mutant: _in_place(session, items, mutant), self.tell, self.until)
        return True


class Chosen(Quiet):
    """Runs only the chosen tests, in their order."""

    def __init__(self, tests: tuple[str, ...]) -> None:
        self.tests = tests

    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        found = {item.nodeid: item for item in items}
        new = [item for item in items if _is_quick(item) and item.nodeid not in _SECONDS]
        items[:] = [*new, *(found[name] for name in self.tests if name in found)]

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        os._exit(_run(session, session.items))


def _run(session: pytest.Session, items: list[pytest.Item]) -> int:
    """Run tests until one fails."""
    for place, item in enumerate(items):
        # A mutation may loop or wait for ever: the signal ends the child, however busy the machine is.
        seconds = _SECONDS.get(item.nodeid, 0.0)
        signal.setitimer(signal.ITIMER_PROF, 5 + 5 * seconds)
        signal.setitimer(signal.ITIMER_REAL, _PATIENCE + 40 * seconds)
        after = items[place + 1] if place + 1 < len(items) else None
        session.config.hook.pytest_runtest_protocol(item=item, nextitem=after)
        if session.testsfailed:
            return _KILLED
    return _SURVIVES


# The processor time of each test when it was recorded.
_SECONDS: dict[str, float] = {}


def _in_place(session: pytest.Session, items: dict[str, pytest.Item], mutant: Mutant) -> int:
    """Exchange the code of what a mutation changes, and run the tests."""
    path = origin(mutant.module)
    source = path.read_text("utf-8")
    before, after = (_functions(mutated(source, str(path), at)) for at in (-1, mutant.mutation.at))
    changed = {key for key, codes in after.items() if before[key] != codes}
    if any(len(after[key]) > 1 for key in changed):
        return _FRESH
    exchanged = False
    if mutant.module not in sys.modules:
        # A test imports it, so that no line is known to run on import.
        return _FRESH
    for each in gc.get_objects():
        code: CodeType | None = getattr(each, "__code__", None) if type(each).__name__ == "function" else None
        if (
            code is None
            or code.co_filename != str(path)
            or (code.co_qualname, code.co_firstlineno) not in changed
        ):
            continue
        function: FunctionType = each
        try:
            function.__code__ = after[code.co_qualname, code.co_firstlineno][0]
        except ValueError:
            return _FRESH
        exchanged = True
    if not exchanged:
        return _FRESH
    session.testsfailed = 0
    # A test that is newer than a kept recording may reach anything.
    new = [item for name, item in items.items() if name not in _SECONDS]
    return _run(session, [*new, *(items[name] for name in mutant.tests if name in items)])


def _functions(code: CodeType) -> dict[tuple[str, int], list[CodeType]]:
    """Return all code objects of a module, by name and line."""
    found: dict[tuple[str, int], list[CodeType]] = defaultdict(list)
    waiting = [code]
    while waiting:
        each = waiting.pop()
        inner = [const for const in each.co_consts if hasattr(const, "co_code")]
        waiting += inner
        for one in inner:
            found[one.co_qualname, one.co_firstlineno].append(one)
    return found


def _from_nothing(mutant: Mutant) -> int:
    """Import everything with a mutation, and run the tests."""
    os.environ["FRONTPAY_MUTANT"] = f"{mutant.module}:{mutant.mutation.at}"
    del sys.modules["tests.support.mutant"]
    files = sorted({name.partition("::")[0] for name in mutant.tests})
    arguments = [*_OPTIONS, "-p", "tests.support.mutant", *files]
    signal.setitimer(signal.ITIMER_REAL, 10 * _PATIENCE)
    return int(pytest.main(arguments, plugins=[Chosen(mutant.tests)]))


def _in_children(
    mutants: list[Mutant], run: Callable[[Mutant], int], tell: Callable[[Mutant, int], None], until: float
) -> None:
    """Run mutations, a few at a time, until the time is over."""
    waiting = list(reversed(mutants))
    running: dict[int, tuple[Mutant, str]] = {}
    while running or (waiting and time.monotonic() < until):
        if waiting and len(running) < _CHILDREN and time.monotonic() < until:
            mutant, folder = waiting.pop(), tempfile.mkdtemp(prefix="mutant-")
            running[_child(partial(_with_folder, run, mutant, folder))] = (mutant, folder)
            continue
        pid, status = os.wait()
        if pid in running:
            mutant, folder = running.pop(pid)
            _end_group(pid)
            shutil.rmtree(folder, ignore_errors=True)
            tell(mutant, os.waitstatus_to_exitcode(status))


def _with_folder(run: Callable[[Mutant], int], mutant: Mutant, folder: str) -> int:
    os.environ["PYTEST_DEBUG_TEMPROOT"] = folder
    return run(mutant)


def _end_group(group: int) -> None:
    """End what a child has started."""
    try:
        os.killpg(group, signal.SIGKILL)
    except ProcessLookupError:
        return


def _child(run: Callable[[], int]) -> int:
    """Run something silently in a child; return its id."""
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        return pid
    status = 2
    try:
        os.setpgid(0, 0)
        resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY, _MEMORY))
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        status = run()
    finally:
        os._exit(status)


def _record(modules: list[str], tests: tuple[str, ...], to: str) -> int:
    files = [str(origin(module)) for module in modules]
    measured = coverage.Coverage(data_file=None, config_file=False, include=files)
    recorder = Recorder(measured)
    measured.start()
    status = pytest.main([*_OPTIONS, "-x", *tests], plugins=[recorder])
    measured.stop()
    data = measured.get_data()
    reach = Reach(recorder.seconds)
    for module, path in zip(modules, files, strict=True):
        reach.lines[module] = {
            line: set(contexts) for line, contexts in data.contexts_by_lineno(path).items()
        }
    Path(to).write_bytes(pickle.dumps(reach))
    return int(status)


def _recorded(name: str, modules: list[str], tests: tuple[str, ...], kept: Path | None) -> Reach:
    """Run a group's tests once, or read what was kept of that; return what they reach."""
    if kept is not None and kept.exists():
        read: Reach = pickle.loads(kept.read_bytes())  # noqa: S301 - our own
        return read
    with tempfile.TemporaryDirectory() as folder:
        to = str(Path(folder, "reach"))
        pid = os.fork()
        if not pid:
            status = 2
            try:
                with Path(folder, "output").open("wb") as output:
                    os.dup2(output.fileno(), 1)
                    os.dup2(output.fileno(), 2)
                    status = _record(modules, tests, to)
            except BaseException:  # noqa: BLE001 - it is shown
                traceback.print_exc()
            finally:
                sys.stdout.flush()
                sys.stderr.flush()
                os._exit(status)
        if os.waitpid(pid, 0)[1]:
            sys.exit(
                f"the tests of {name} fail without a mutation:\n{Path(folder, 'output').read_text()[-3000:]}"
            )
        if kept is not None:
            kept.write_bytes(Path(to).read_bytes())
        reach: Reach = pickle.loads(Path(to).read_bytes())  # noqa: S301 - our own
        return reach


def _collected(tests: tuple[str, ...], mutants: list[Mutant], told: str, until: float) -> int:
    """Collect the tests of a group, and try its mutations; write what became of each."""
    with Path(told).open("a", encoding="ascii") as written:

        def tell(mutant: Mutant, status: int) -> None:
            written.write(f"{mutant.module} {mutant.mutation.at} {status}\n")
            written.flush()

        plugin = Host(mutants, tell, until)
        return int(pytest.main([*_OPTIONS, *tests], plugins=[plugin]))


@define
class Score:
    """The mutations of a module that were tried, and those that survived."""

    tried: int = 0
    timed_out: int = 0
    survivors: list[Mutant] = field(factory=list)

    @property
    def killed(self) -> int:
        return self.tried - len(self.survivors)

    def add(self, mutant: Mutant, status: int) -> None:
        self.tried += 1
        self.timed_out += status in (-signal.SIGALRM, -signal.SIGPROF)
        if status == _SURVIVES:
            self.survivors.append(mutant)


def _try_group(tests: tuple[str, ...], mutants: list[Mutant], until: float) -> dict[str, Score]:
    scores: dict[str, Score] = defaultdict(Score)
    by_place = {(each.module, each.mutation.at): each for each in mutants}
    fresh = [each for each in mutants if each.is_fresh]
    unreached = [each for each in mutants if not each.tests]
    for each in unreached:
        scores[each.module].add(each, _SURVIVES)
    quick = [each for each in mutants if each.tests and not each.is_fresh]
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder, "told")
        told.touch()
        if quick:
            pid = _child_of_group(tests, quick, str(told), until)
            os.waitpid(pid, 0)
        for line in told.read_text("ascii").splitlines():
            module, at, status = line.split()
            mutant = by_place[module, int(at)]
            if int(status) == _FRESH:
                fresh.append(mutant)
            else:
                scores[module].add(mutant, int(status))
    fresh = [each for each in fresh if each.tests]
    _in_children(
        fresh, _from_nothing, lambda mutant, status: scores[mutant.module].add(mutant, status), until
    )
    return scores


def _child_of_group(tests: tuple[str, ...], mutants: list[Mutant], told: str, until: float) -> int:
    pid = os.fork()
    if pid:
        return pid
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        _collected(tests, mutants, told, until)
    finally:
        os._exit(0)


def _drawn(seed: str, sample: int, module: str, named: set[str]) -> list[Mutation]:
    every = mutations(origin(module).read_text("utf-8"))
    chosen = {int(each.partition(":")[2]) for each in named if each.startswith(f"{module}:")}
    if chosen:
        return [each for each in every if each.at in chosen]
    draw = random.Random(f"{seed}:{module}")  # noqa: S311 - which mutations
    return sorted(draw.sample(every, min(sample, len(every))), key=lambda each: each.at)


def main() -> int:
    """Run, and return 0 where at least 90 % are killed."""
    reader = argparse.ArgumentParser()
    reader.add_argument("seed")
    reader.add_argument("sample", type=int)
    reader.add_argument("--minutes", type=float, default=1000.0, help="the time limit")
    reader.add_argument("--recordings", type=Path, help="a folder that keeps what the tests reach")
    reader.add_argument("modules", nargs="*")
    asked = reader.parse_args()
    named = {each if each.startswith(_PACKAGE) else f"{_PACKAGE}{each}" for each in asked.modules}
    os.nice(19 - os.nice(0))
    for name in _LIBRARIES:
        importlib.import_module(name)
    start = time.monotonic()
    until = start + 60 * asked.minutes
    total = Score()
    for name, (modules, files) in GROUPS.items():
        wanted = [f"{_PACKAGE}{name}.{each}" for each in modules.split()]
        if named:
            wanted = [each for each in wanted if any(one.partition(":")[0] == each for one in named)]
        if not wanted:
            continue
        if time.monotonic() >= until:
            print(f"{name}: not reached in {asked.minutes:g} minutes", flush=True)  # noqa: T201
            continue
        tests = tuple(f"tests/{name}/test_{each}.py" for each in files.split())
        kept = None if asked.recordings is None else asked.recordings / f"{name}.reach"
        reach = _recorded(name, wanted, tests, kept)
        _SECONDS.update(reach.seconds)
        mutants = [
            Mutant(module, each, *reach.tests_of(module, each))
            for module in wanted
            for each in _drawn(asked.seed, asked.sample, module, named)
        ]
        scores = _try_group(tests, mutants, until)
        for module in wanted:
            score, drawn = scores[module], sum(each.module == module for each in mutants)
            late = f", {score.timed_out} by a time-out" if score.timed_out else ""
            left = f", {drawn - score.tried} not reached" if drawn > score.tried else ""
            print(f"{module}: {score.killed} of {score.tried} killed{late}{left}")  # noqa: T201
            for each in sorted(score.survivors, key=lambda one: one.mutation.at):
                at = each.mutation
                print(f"  survives: {module}:{at.at}, line {at.line}: {at.words} ({len(each.tests)} tests)")  # noqa: T201
            total.tried += score.tried
            total.survivors += score.survivors
        print(f"after {(time.monotonic() - start) / 60:.1f} minutes", flush=True)  # noqa: T201
    share = total.killed / max(total.tried, 1)
    print(f"seed {asked.seed}: {total.killed} of {total.tried} killed ({share:.0%})")  # noqa: T201
    return 0 if share >= 0.9 else 1


if __name__ == "__main__":
    sys.exit(main())
