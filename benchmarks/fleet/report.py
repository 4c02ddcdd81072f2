"""The Markdown table of the fleet benchmark: every aim beside what was reached, then every figure."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from benchmarks.common.aims import Verdict

FILE: Final = "fleet.json"
TABLE: Final = "fleet.md"
REMARKS: Final = "fleet.remarks.md"
BUDGET: Final = 0.98
KIB: Final = 200

_METHOD: Final = """\
{merchants} merchants with {invoices} invoices each, a token of {limit} requests per {window:g} s each; the
limit is that of the API scaled down, so that a merchant needs several windows. The sandbox is the API. Every
{kill_every:g} s one worker is killed (SIGKILL) and another is started. Lease {lease:g} s, settling
{settling:g} s.

*Budget* is the seconds that the requests of a token need at its limit, as a part of the time from its first
order to its last, summed up over all tokens: what kills, leases and reconciling cost is in it. *Memory* is
the greatest growth of a worker's resident size, with what it imports for its first job, divided by the
batches that are open in it. The plain loop keeps its place in a file for each merchant, written after each
order, and sends again what fails."""


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    columns = list(head)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (columns, ["---"] * len(columns), *rows))


def _aims(raw: dict[str, Any]) -> Iterator[Verdict]:
    plan = raw["plan"]
    for run in raw["runs"]:
        if run["contender"] == "a plain loop":
            continue
        who, most = f"{run['workers']} workers", run["workers"] * 2 * plan["connections"] + 8
        yield Verdict(
            f"{who}, {run['kills']} kills: 0 doubled, 0 lost",
            f"{run['doubled']} doubled, {run['lost']} lost",
            not run["doubled"] and not run["lost"],
        )
        yield Verdict(f"{who}: {BUDGET:.0%} of the budget", f"{run['budget']:.1%}", run["budget"] >= BUDGET)
        each = run["grown_kib"] / max(1, plan["merchants"] // run["workers"])
        yield Verdict(f"{who}: at most {KIB} KiB a batch", f"{each:.0f} KiB", each <= KIB)
        yield Verdict(
            f"{who}: at most {most} connections", f"{run['connections']}", run["connections"] <= most
        )


def _markdown(raw: dict[str, Any], remarks: str) -> str:
    machine = raw["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in raw["versions"].items())
    about = (
        f"{raw['date']}, {raw['minutes']} minutes. {machine['processor']}; {machine['system']};"
        f" {machine['python']}; {versions}. Load average before the run: {machine['load']:.2f}."
    )
    aims = ([verdict.aim, verdict.reached, verdict.word] for verdict in _aims(raw))
    rows = (
        [
            run["contender"],
            *(str(run[name]) for name in ("workers", "kills", "doubled", "lost", "requests")),
            f"{run['budget']:.1%}",
            f"{run['seconds']:.0f}",
            str(run["connections"]),
        ]
        for run in raw["runs"]
    )
    head = (
        "contender",
        "workers",
        "kills",
        "doubled",
        "lost",
        "requests",
        "budget",
        "seconds",
        "connections",
    )
    quick = ["**A quick run: it proves that the benchmark works. Do not quote its figures.**"]
    sections = [
        "# A fleet of merchants",
        *(quick if raw["quick"] else []),
        about,
        f"## Aims\n\n{_table(('aim', 'reached', 'verdict'), aims)}",
        *([f"## Remarks\n\n{remarks.strip()}"] if remarks else []),
        f"## Figures\n\n{_table(head, rows)}",
        "## How it was measured\n\n" + _METHOD.format(**raw["plan"]),
    ]
    return "\n\n".join(sections) + "\n"


def write_fleet_report(folder: Path) -> list[Path]:
    """Write the table beside the raw results in `folder`; return what was written."""
    raw = json.loads((folder / FILE).read_text(encoding="utf-8"))
    remarks = folder / REMARKS
    text = remarks.read_text(encoding="utf-8") if remarks.exists() else ""
    (folder / TABLE).write_text(_markdown(raw, text), encoding="utf-8")
    return [folder / FILE, folder / TABLE]
