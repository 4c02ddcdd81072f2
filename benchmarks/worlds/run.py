"""The worlds benchmark: batches in accounts with unusual lists, details and tokens.

A seed draws each world (see `tests/support/chaos_worlds.py`): lists that are cut, lag, are unsorted or
hide orders; unusable ids; details that are shown otherwise; another user of the token; a runner that dies;
two that start together. Time is simulated, so that a world costs a fraction of a second.

`--without` removes fixes, one at a time, and counts the worlds until one shows a fault. `--forms` counts, for
each form in which details may be shown, how many rows were doubled and parked. Exit status 1 if an order was
doubled or lost, or if a fix was removed and no world showed it.
"""

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

from benchmarks.common.processes import ROOT
from tests.support.chaos_stores import Databases, postgres
from tests.support.chaos_without import FIXES, without
from tests.support.chaos_worlds import ALL, RACES, judge
from tests.support.odd_details import FORMS, KNOWN, figures

FILE: Final = "worlds.json"
TABLE: Final = "worlds.md"
_SEEDS: Final = 25


def _say(text: str) -> None:
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def _problems(kind: str, seed: int, databases: Databases | None) -> tuple[str, ...]:
    """Run one world, or one race, and return what must not be."""
    if kind in ALL:
        return asyncio.run(judge(kind, seed)).problems
    return asyncio.run(RACES[kind](seed, _journal(databases)))


def _journal(databases: Databases | None) -> str:
    if databases is None:
        raise TypeError("a race needs a PostgreSQL")
    return databases.new()


def _kinds(names: Sequence[str], seeds: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for name in names:
        judged = [asyncio.run(judge(name, seed)) for seed in range(seeds)]
        row = {
            "kind": name,
            "worlds": seeds,
            "in doubt": sum(each.in_doubt for each in judged),
            "doubled": sum(each.doubled for each in judged),
            "most in one": max(each.doubled for each in judged),
            "lost": sum(each.missing + each.wrong for each in judged),
            "parked": sum(each.parked for each in judged),
            "problems": [f"seed {each.seed}: {each.problems[0]}" for each in judged if each.problems],
        }
        rows.append(row)
        _say(f"{row}")
    return rows


def _forms(seeds: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for form in FORMS:
        total = [0, 0, 0, 0]
        for seed in range(seeds):
            with tempfile.TemporaryDirectory() as folder:
                found = asyncio.run(figures(form, seed, Path(folder)))
            total = [a + b for a, b in zip(total, found, strict=True)]
        names = ("in doubt", "doubled", "lost", "parked")
        rows.append({"form": form, "recognised": form in KNOWN, **dict(zip(names, total, strict=True))})
        _say(f"{rows[-1]}")
    return rows


def _without(names: Sequence[str], seeds: int) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    with ExitStack() as stack:
        is_needed = any(kind in RACES for name in names for kind in FIXES[name].kinds)
        databases = stack.enter_context(postgres()) if is_needed else None
        for name in names:
            tried, found, begun = 0, "", time.monotonic()
            cells = [(seed, kind) for seed in range(seeds) for kind in FIXES[name].kinds]
            for seed, kind in cells:
                tried += 1
                with without(name):
                    problems = _problems(kind, seed, databases)
                if problems:
                    found = f"{kind}, seed {seed}: {problems[0]}"
                    break
            row = {
                "finding": FIXES[name].finding,
                "without": name,
                "worlds tried": tried,
                "found": found,
                "seconds": round(time.monotonic() - begun, 1),
            }
            rows.append(row)
            _say(f"{row}")
    return rows


def _table(rows: Sequence[dict[str, Any]]) -> str:
    if not rows:
        return "_Not measured._"
    columns = [name for name in rows[0] if name not in {"problems", "seconds"}]
    lines = [" | ".join(columns), " | ".join("---" for _ in columns)]
    lines += [" | ".join(str(row[name]).split("\n")[0] for name in columns) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def _markdown(raw: dict[str, Any]) -> str:
    sections = [
        "# Batches in accounts with unusual responses",
        "`python -m benchmarks worlds` writes this page. A seed determines each simulated account.",
        "## Details that are shown otherwise, for six orders of ten (`--forms`)",
        (
            "A row is in doubt if its answer was lost, or its order was never stored. If its order is"
            " recognised, it is done; otherwise it is parked. None may be doubled or lost."
        ),
        _table(raw.get("forms", [])),
        "## Lists, accounts and colleagues",
        (
            "If a list hides orders permanently, a few may be doubled before a confirmed order is seen to be"
            " missing: a documented limit. In all other kinds, none may be."
        ),
        _table(raw.get("kinds", [])),
        "## With a fix taken out (`--without all`)",
        "The first world that shows the fault, and how many were tried.",
        _table(raw.get("without", [])),
    ]
    return "\n\n".join(sections) + "\n"


def _arguments(arguments: list[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks worlds", description=__doc__)
    parser.add_argument("--seeds", type=int, default=_SEEDS, help=f"worlds of each kind (default: {_SEEDS})")
    parser.add_argument("--only", nargs="+", metavar="KIND", help=f"of: {', '.join(ALL)}")
    parser.add_argument("--forms", action="store_true", help="count for each form of details")
    parser.add_argument(
        "--without", nargs="+", metavar="FIX", help=f"take these fixes out; all, or of: {', '.join(FIXES)}"
    )
    parser.add_argument("--report", action="store_true", help="write the page again, run nothing")
    parser.add_argument("--output", type=Path, help="folder of the results, benchmarks/results by default")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Run what was asked for, and write the page."""
    options = _arguments(arguments)
    output: Path = options.output or ROOT / "benchmarks" / "results"
    output.mkdir(parents=True, exist_ok=True)
    raw: dict[str, Any] = {}
    if (output / FILE).exists():
        raw = json.loads((output / FILE).read_text(encoding="utf-8"))
    failed = False
    if options.forms:
        raw["forms"] = _forms(options.seeds)
        failed = any(row["doubled"] or row["lost"] for row in raw["forms"])
    elif options.without:
        names = list(FIXES) if "all" in options.without else options.without
        raw["without"] = _without(names, options.seeds)
        failed = not all(row["found"] for row in raw["without"])
    elif not options.report:
        raw["kinds"] = _kinds(options.only or list(ALL), options.seeds)
        failed = any(row["problems"] for row in raw["kinds"])
    (output / FILE).write_text(json.dumps(raw, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    (output / TABLE).write_text(_markdown(raw), encoding="utf-8")
    _say(f"wrote {output / TABLE}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
