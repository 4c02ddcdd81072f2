"""Mutation testing: ``python -m tests.support.mutation_run SEED SAMPLE [MODULE …]``; prints the survivors.

A sample of the mutations of each module is applied, one at a time, and the module's tests are run. One that
fails no test survives. Time-outs and errors of import count as killed.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys

from tests.support.mutant import count, describe

# The tests that are to notice a change of a module.
TESTS = {
    "frontpay_async.callbacks.checksum": [
        "tests/callbacks/test_checksum.py",
        "tests/callbacks/test_query_properties.py",
    ],
    "frontpay_async.callbacks.replay": [
        "tests/callbacks/test_guard.py",
        "tests/callbacks/test_query_properties.py",
    ],
    "frontpay_async.callbacks.guard": ["tests/callbacks/test_guard.py", "tests/callbacks/test_checksum.py"],
    "frontpay_async.callbacks.query": ["tests/callbacks/test_query.py", "tests/callbacks/test_guard.py"],
    "frontpay_async._protocol.retry_policy": ["tests/_protocol", "tests/_transport/test_retry_table.py"],
    "frontpay_async._protocol.parse": ["tests/_protocol"],
    "frontpay_async._rate.ledger": ["tests/_rate/test_ledger.py", "tests/_rate/test_ledger_properties.py"],
    "frontpay_async.watch.schedule": ["tests/watch"],
    "frontpay_async.batch.states": ["tests/batch"],
}


def is_killed(module: str, at: int) -> bool:
    """Whether a test fails with a mutation."""
    run = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-x",
        "-p",
        "tests.support.mutant",
        "-p",
        "no:cacheprovider",
        *TESTS[module],
    ]
    environment = {**os.environ, "FRONTPAY_MUTANT": f"{module}:{at}", "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        done = subprocess.run(run, env=environment, capture_output=True, check=False, timeout=600)  # noqa: S603
    except subprocess.TimeoutExpired:
        return True
    return done.returncode != 0


def main() -> int:
    """Run, and return 0 where at least 90 % are killed."""
    seed, sample, *modules = sys.argv[1:]
    draw = random.Random(int(seed))  # noqa: S311 - which mutations
    tried = killed = 0
    for module in modules or TESTS:
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
