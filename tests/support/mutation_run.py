"""Mutation testing: ``python -m tests.support.mutation_run SEED SAMPLE [MODULE …]``; prints the survivors.

A sample of the mutations of each module is applied, one at a time, and the module's tests are run. One that
fails no test survives. Time-outs and errors of import count as killed.

Each mutation is tried in a child of this process, which has imported the libraries, but not the package.
"""

from __future__ import annotations

import importlib
import os
import random
import signal
import sys

import pytest

from tests.support.mutant import count, describe

# The tests that are to notice a change of a module.
TESTS = {
    "frontpay_async.callbacks.checksum": [
        "tests/callbacks/test_checksum.py",
    ],
    "frontpay_async.callbacks.replay": [
        "tests/callbacks/test_guard.py",
    ],
    "frontpay_async.callbacks.guard": ["tests/callbacks/test_guard.py", "tests/callbacks/test_checksum.py"],
    "frontpay_async.callbacks.query": ["tests/callbacks/test_query.py", "tests/callbacks/test_guard.py"],
    "frontpay_async._protocol.retry_policy": ["tests/_protocol", "tests/_transport/test_retry_table.py"],
    "frontpay_async._protocol.parse": [
        "tests/_protocol/test_parse_errors.py",
        "tests/_protocol/test_parse_successes.py",
        "tests/_protocol/test_parse_properties.py",
        "tests/_protocol/test_messages.py",
    ],
    "frontpay_async._transport.retry": [
        "tests/_transport/test_retry_table.py",
        "tests/_transport/test_retry_limits.py",
        "tests/_transport/test_deadline.py",
        "tests/_transport/test_not_sent.py",
        "tests/_transport/test_observers.py",
    ],
    "frontpay_async._transport.before_send": ["tests/_transport/test_before_send.py"],
    "frontpay_async._transport.send": [
        "tests/_transport/test_not_sent.py",
        "tests/_transport/test_answers.py",
        "tests/_transport/test_deadline.py",
        "tests/_transport/test_large_responses.py",
        "tests/_transport/test_lifetime.py",
        "tests/_transport/test_secrets.py",
        "tests/_transport/test_proxy.py",
        "tests/_transport/test_retry_table.py",
    ],
    "frontpay_async._rate.ledger": ["tests/_rate/test_ledger.py", "tests/_rate/test_ledger_properties.py"],
    "frontpay_async.watch.schedule": ["tests/watch"],
    "frontpay_async.batch.states": ["tests/batch/test_journal.py", "tests/batch/test_work_queue.py"],
    "frontpay_async.batch.transitions": [
        "tests/batch/test_journal.py",
        "tests/batch/test_work_queue.py",
        "tests/batch/test_stories_properties.py",
    ],
    "frontpay_async._rate.governor": ["tests/_rate/test_governor.py"],
    "frontpay_async.batch.matching": [
        "tests/batch/test_matching_properties.py",
        "tests/batch/test_reconcile.py",
        "tests/batch/test_odd_details.py",
    ],
    "frontpay_async.batch.completeness": [
        "tests/batch/test_listings.py",
        "tests/batch/test_odd_lists.py",
        "tests/batch/test_distrust.py",
    ],
}

_LIBRARIES = ("aiohttp", "cattrs", "httpx", "hypothesis", "sqlalchemy", "starlette", "trio")
_PATIENCE = 240


def is_killed(module: str, at: int) -> bool:
    """Whether a test fails with a mutation."""
    child = os.fork()
    if not child:
        # A mutation may loop for ever: the alarm ends the child.
        signal.alarm(_PATIENCE)
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        # Loaded as a plugin, its importer comes before the one with which pytest rewrites assertions.
        os.environ["FRONTPAY_MUTANT"] = f"{module}:{at}"
        del sys.modules["tests.support.mutant"]
        status = 2
        try:
            # The libraries were imported before pytest could rewrite their assertions.
            quiet = ("-W", "ignore::pytest.PytestAssertRewriteWarning")
            status = pytest.main(
                ["-q", "-x", "-p", "tests.support.mutant", "-p", "no:cacheprovider", *quiet, *TESTS[module]]
            )
        finally:
            os._exit(int(status))
    return os.waitpid(child, 0)[1] != 0


def main() -> int:
    """Run, and return 0 where at least 90 % are killed."""
    seed, sample, *modules = sys.argv[1:]
    for name in _LIBRARIES:
        importlib.import_module(name)
    draw = random.Random(int(seed))  # noqa: S311 - which mutations
    tried = killed = 0
    for module in modules or TESTS:
        if is_killed(module, -1):
            sys.exit(f"the tests of {module} fail without a mutation")
        places = draw.sample(range(count(module)), min(int(sample), count(module)))
        survivors = [at for at in sorted(places) if not is_killed(module, at)]
        tried += len(places)
        killed += len(places) - len(survivors)
        print(f"{module}: {len(places) - len(survivors)} of {len(places)} killed", flush=True)  # noqa: T201
        for at in survivors:
            print(f"  survives: {module}:{at}, {describe(module, at)}", flush=True)  # noqa: T201
    print(f"seed {seed}: {killed} of {tried} killed ({killed / tried:.0%})")  # noqa: T201
    return 0 if killed >= 0.9 * tried else 1


if __name__ == "__main__":
    sys.exit(main())
