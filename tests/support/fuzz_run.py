"""Fuzz the targets with atheris: ``python -m tests.support.fuzz_run SECONDS SEED [TARGET …]``."""

from __future__ import annotations

import subprocess
import sys

from tests.support.fuzz_targets import TARGETS


def main() -> int:
    """Fuzz each target in a process of its own; return how many failed."""
    seconds, seed, *names = sys.argv[1:]
    failed = 0
    for name in names or TARGETS:
        print(f"fuzzing {name} for {seconds} s, seed {seed}", flush=True)  # noqa: T201
        options = (
            f"-max_total_time={seconds}",
            f"-seed={seed}",
            "-rss_limit_mb=2048",
            "-timeout=25",
            "-max_len=4096",
        )
        run = [
            sys.executable,
            "-m",
            "tests.support.fuzz_one",
            name,
            *options,
            "-verbosity=0",
            "-print_final_stats=1",
        ]
        failed += subprocess.run(run, check=False).returncode != 0  # noqa: S603
    return failed


if __name__ == "__main__":
    sys.exit(main())
