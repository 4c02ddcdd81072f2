"""The Markdown table of the fleet benchmark: every aim beside what was reached, then every figure."""

import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from benchmarks.common.aims import Verdict

FILE: Final = "fleet.json"
TABLE: Final = "fleet.md"
REMARKS: Final = "fleet.remarks.md"
BUDGET: Final = 0.98
KIB: Final = 200
_CPU: Final = ("cpu_s", "api_cpu_s", "database_cpu_s")

_METHOD: Final = """\
{merchants} merchants with {invoices} invoices each, a token of {limit} requests per {window:g} s each: the
API's limit, scaled down to what the machine can serve. Beside the journal, {beside} merchants with at most 20
invoices each, and windows of at most 30 s. The sandbox is the API, and answers after {latency:g} s. Every
{kill_every:g} s one worker is killed (SIGKILL) and another is started. Lease {lease:g} s, settling
{settling:g} s; a worker without a heartbeat for 6 s counts as dead, and a sweep every 2 s queues its jobs
again.

*Budget*: a token's windows follow one another from its first request on. In each, its limit allows the
smaller of the limit and the requests that were still to be made when it began; the budget is the requests
that were made, as a part of what was allowed, over all tokens. What is late is allowed again in the next
window, so that kills, leases and reconciling are in it. *Time* is stricter: the seconds that the requests
need at the limit, as a part of those from a token's first request to its last.

*CPU*: that of the workers, with their starts after each kill; of the sandbox, with the watching of the run;
and of PostgreSQL and Redis. *Machine*: all of these, as a part of its cores: near 100 % the cores are the
limit, and not the tokens.

*Memory*: the growth of the resident size of one process from {batches} open batches to twice as many, divided
by {batches}; each has a client of its own and waits for its token, with 16 requests in flight allowed.

*Queue alone*: one task of procrastinate for each invoice, retried when it fails; stalled jobs are retried, as
its documentation shows. *Plain loop*: a file with a place for each merchant, written after each order; what
fails is sent again. Both use the same clients and the same limit in Redis. A number in parentheses was not
sent yet when the run was cut off."""


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    columns = list(head)
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (columns, ["---"] * len(columns), *rows))


def _aims(raw: dict[str, Any]) -> Iterator[Verdict]:
    plan = raw["plan"]
    for run in raw["runs"]:
        if run["contender"] != "journal and queue":
            continue
        who, most = f"{run['workers']} workers", run["workers"] * 2 * plan["connections"] + 8
        # What a run that was cut off had not sent is in the journal: it is not lost.
        missing = "lost" if run["finished"] else "not sent when the run was cut off"
        yield Verdict(
            f"{who}, {run['kills']} kills: 0 doubled, 0 lost",
            f"{run['doubled']} doubled, {run['lost']} {missing}",
            False if run["doubled"] else (not run["lost"] if run["finished"] else None),
        )
        yield Verdict(
            f"{who}: {BUDGET:.0%} of what the demand allows",
            f"{run['budget']:.1%}"
            if run["finished"]
            else f"at most {run['budget']:.1%}, the run was cut off",
            run["budget"] >= BUDGET and run["finished"],
        )
        yield Verdict(
            f"{who}: at most {most} connections", f"{run['connections']}", run["connections"] <= most
        )
    each = raw["kib_per_batch"]
    yield Verdict(
        f"at most {KIB} KiB for each open batch",
        "" if each is None else f"{each:.0f} KiB",
        None if each is None else each <= KIB,
    )


def _cpu(run: dict[str, Any]) -> Iterator[str]:
    """Yield the CPU of a request by part, and the share of the machine; empty where it was not measured."""
    for name in _CPU:
        yield f"{1000 * run[name] / run['requests']:.1f}" if name in run else ""
    used = [run[name] for name in _CPU if name in run]
    yield f"{sum(used) / run['seconds'] / (os.cpu_count() or 1):.0%}" if len(used) == len(_CPU) else ""


def _markdown(raw: dict[str, Any], remarks: str) -> str:
    machine = raw["machine"]
    plan = {"beside": raw["plan"]["merchants"], **raw["plan"]}
    versions = ", ".join(f"{name} {version}" for name, version in raw["versions"].items())
    about = (
        f"{raw['date']}, {raw['minutes']} minutes. {machine['processor']}; {machine['system']};"
        f" {machine['python']}; {versions}. Load average before the run: {machine['load']:.2f}."
    )
    aims = ([verdict.aim, verdict.reached, verdict.word] for verdict in _aims(raw))
    rows = (
        [
            run["contender"],
            f"{run.get('merchants', plan['merchants']):,} x {run.get('invoices', plan['invoices'])}",
            *(str(run[name]) for name in ("workers", "kills", "doubled")),
            f"{run['lost']}" if run["finished"] else f"({run['lost']})",
            *(str(run[name]) for name in ("requests", "refused")),
            # What was not sent has no end: a run that was cut off has no share of what was allowed.
            f"{run['budget']:.1%}" if run["finished"] else f"(<= {run['budget']:.1%})",
            f"{run['time']:.1%}" if run["finished"] else f"(<= {run['time']:.1%})",
            f"{run['seconds']:.0f}",
            *_cpu(run),
            str(run["connections"]),
        ]
        for run in raw["runs"]
    )
    head = (
        "contender",
        "invoices",
        "workers",
        "kills",
        "doubled",
        "lost",
        "requests",
        "429s",
        "budget",
        "time",
        "seconds",
        "CPU ms a request: workers",
        "API",
        "databases",
        "machine",
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
        "## How it was measured\n\n" + _METHOD.format(**plan),
    ]
    return "\n\n".join(sections) + "\n"


def write_fleet_report(folder: Path) -> list[Path]:
    """Write the table beside the raw results in `folder`; return what was written."""
    raw = json.loads((folder / FILE).read_text(encoding="utf-8"))
    remarks = folder / REMARKS
    text = remarks.read_text(encoding="utf-8") if remarks.exists() else ""
    (folder / TABLE).write_text(_markdown(raw, text), encoding="utf-8")
    return [folder / FILE, folder / TABLE]
