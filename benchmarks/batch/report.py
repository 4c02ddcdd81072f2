"""The Markdown table of the batch benchmark: every aim beside what was reached, then every figure."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median
from typing import Any, Final

from benchmarks.batch.chart import Aims, draw_batch
from benchmarks.common.aims import Verdict

FILE: Final = "batch.json"
TABLE: Final = "batch.md"
CHART: Final = "batch.svg"
REMARKS: Final = "batch.remarks.md"

RATE: Final = 1000
"""Invoices a second, on a core for the server and one for the batch."""
PEAK_MIB: Final = 100
CPU_RATIO: Final = 1.5
"""CPU of a row in a batch, in calls of the bare loop on the same engine."""
ROWS: Final = 100_000
BUDGET: Final = 0.99
LOOKING: Final = 60
"""Requests for 50 orders in doubt among 10,000."""

Run = dict[str, Any]

_STORES: Final = {"none": "a bare loop, no journal", "sqlite": "SQLite", "postgres": "PostgreSQL"}
_QUICK: Final = "**A quick run: it proves that the benchmark works. Do not quote its figures.**"
_METHOD: Final = """\
*Throughput*: {in_flight} requests in flight against a loopback server that answers at once with a uuid of its
own for each order; the server on core {server}, the batch on core {client}, and PostgreSQL on whichever is
free. The bare loop makes the same calls of the same client with as many tasks, and writes nothing down. The
time is that of `run`; *submit* is the validation and the writing of the rows before it. The rounds are
interleaved. Figures are medians of the rounds, and those of CPU minima, which other programs disturb least.

*Memory*: the greatest resident size of a process that submits from a generator and runs to the end, as the
kernel tells it (`VmHWM`); *at rest* is before the batch is opened.

*Budget*: {limit} requests per {window:g} s, answered after 4 ms, one process. Requests let through in the
whole windows, as a part of what these windows allowed; and *time*, as a part of what windows back to back
would have.

*Looking*: the sandbox in the process of the batch; every request that does not send an order is counted, the
list at the beginning of the run with them."""


def _table(head: Iterable[str], rows: Iterable[Iterable[str]], *, numbers: bool = True) -> str:
    columns = list(head)
    rule = ["---", *("---:" if numbers else "---" for _ in columns[1:])]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (columns, rule, *rows))


def _rate(raw: Run, store: str, engine: str) -> float | None:
    runs = [run for run in raw.get("throughput", ()) if (run["store"], run["engine"]) == (store, engine)]
    return median(run["rate"] for run in runs) if runs else None


def _cpu(raw: Run, store: str, engine: str) -> float | None:
    """Return the microseconds of CPU for an invoice."""
    runs = [run for run in raw.get("throughput", ()) if (run["store"], run["engine"]) == (store, engine)]
    return min((run["cpu_s"] / run["done"] * 1e6 for run in runs), default=None)


def _aims(raw: Run) -> Iterator[Verdict]:
    for store in ("sqlite", "postgres"):
        for engine in ("httpx", "aiohttp"):
            aim = f"no limit, {_STORES[store]}, {engine} engine: {RATE:,} invoices/s or more"
            rate, bare = _rate(raw, store, engine), _rate(raw, "none", engine)
            if rate is None or bare is None:
                yield Verdict(aim, "", None)
            else:
                yield Verdict(aim, f"{rate:,.0f}/s, the bare loop {bare:,.0f}/s", rate >= RATE)
    for store in ("sqlite", "postgres"):
        for engine in ("httpx", "aiohttp"):
            aim = f"CPU of a row, {_STORES[store]}, {engine} engine: at most {CPU_RATIO} bare calls"
            row, bare = _cpu(raw, store, engine), _cpu(raw, "none", engine)
            if row is None or bare is None:
                yield Verdict(aim, "", None)
            else:
                reached = f"{row / bare:.2f}: {row:,.0f} µs against {bare:,.0f} µs"
                yield Verdict(aim, reached, row / bare <= CPU_RATIO)
    runs = [run for run in raw.get("memory", ()) if run["count"] == ROWS]
    aim = f"{ROWS:,} rows in less than {PEAK_MIB} MiB"
    peak = max((run["peak_mib"] for run in runs), default=None)
    yield Verdict(aim, "", None) if peak is None else Verdict(aim, f"{peak:.0f} MiB", peak < PEAK_MIB)
    for store in ("sqlite", "postgres"):
        aim = f"with a limit, {_STORES[store]}: {BUDGET:.0%} of the budget"
        run = next((run for run in raw.get("budget", ()) if run["store"] == store), None)
        if run is None:
            yield Verdict(aim, "", None)
        else:
            reached = f"{run['budget']:.2%}, {run['refused']} answers of 429"
            yield Verdict(aim, reached, run["budget"] >= BUDGET)
    for run in raw.get("looking", ()):
        aim = f"{run['title']}: at most {LOOKING} requests, all decided rightly"
        reached = f"{run['requests']} requests, {run['wrong']} wrong, {run['parked']} parked"
        yield Verdict(aim, reached, run["requests"] <= LOOKING and not run["wrong"] and not run["parked"])


def _throughput(raw: Run) -> str:
    rows: list[list[str]] = []
    for engine in ("httpx", "aiohttp"):
        for store, label in _STORES.items():
            runs = [run for run in raw["throughput"] if (run["store"], run["engine"]) == (store, engine)]
            if not runs:
                continue
            cpu, bare = _cpu(raw, store, engine), _cpu(raw, "none", engine)
            submit = median(run["count"] / run["submit_s"] for run in runs) if store != "none" else None
            rows.append(
                [
                    label,
                    engine,
                    f"{median(run['rate'] for run in runs):,.0f}",
                    "" if cpu is None else f"{cpu:,.0f}",
                    "" if cpu is None or not bare else f"{cpu / bare:.2f}",
                    f"{median(run['server_cpu_s'] / run['seconds'] for run in runs):.0%}",
                    "—" if submit is None else f"{submit:,.0f}",
                ]
            )
    head = (
        *("journal", "engine", "invoices/s", "CPU µs per invoice", "bare calls"),
        *("server busy", "submit, rows/s"),
    )
    return f"## Throughput\n\n{_table(head, rows)}"


def _memory(raw: Run) -> str:
    rows = [
        [
            f"{run['count']:,}",
            run["engine"],
            f"{run['resting_mib']:.0f}",
            f"{run['peak_mib']:.0f}",
            f"{run['seconds']:,.0f}",
        ]
        for run in raw["memory"]
    ]
    return f"## Memory\n\n{_table(('rows', 'engine', 'at rest, MiB', 'peak, MiB', 'run, s'), rows)}"


def _budget(raw: Run) -> str:
    rows = [
        [
            _STORES[run["store"]],
            f"{run['budget']:.2%}",
            f"{run['time']:.2%}",
            str(run["refused"]),
            str(len(run["windows"]) - 1),
        ]
        for run in raw["budget"]
    ]
    return f"## Budget\n\n{_table(('journal', 'budget', 'time', '429s', 'whole windows'), rows)}"


def _looking(raw: Run) -> str:
    rows = [
        [
            run["title"],
            str(run["requests"]),
            str(run["lists"]),
            str(run["details"]),
            str(run["others"]),
            str(run["found"]),
            str(run["sent_again"]),
            str(run["wrong"]),
        ]
        for run in raw["looking"]
    ]
    head = ("case", "requests", "lists", "details", "others", "found", "sent again", "wrong")
    return f"## Looking\n\n{_table(head, rows)}"


def _markdown(raw: Run, remarks: str) -> str:
    machine = raw["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in raw["versions"].items())
    about = (
        f"{raw['date']}, {raw['minutes']} minutes. {machine['processor']}; {machine['system']};"
        f" {machine['python']}; {versions}. Load average before the run: {machine['load']:.2f}."
    )
    aims = ([verdict.aim, verdict.reached, verdict.word] for verdict in _aims(raw))
    parts = (("throughput", _throughput), ("memory", _memory), ("budget", _budget), ("looking", _looking))
    sections = [
        "# What a batch costs",
        *([_QUICK] if raw["quick"] else []),
        about,
        f"![Throughput, budget, memory and the cost of looking]({CHART})",
        f"## Aims\n\n{_table(('aim', 'reached', 'verdict'), aims, numbers=False)}",
        *([f"## Remarks\n\n{remarks.strip()}"] if remarks else []),
        *(part(raw) for name, part in parts if name in raw),
        "## How it was measured\n\n" + _METHOD.format(**{**raw, **raw["cores"]}),
    ]
    return "\n\n".join(sections) + "\n"


def write_batch_report(folder: Path) -> list[Path]:
    """Write the table and the chart beside the raw results in `folder`; return what was written."""
    raw = json.loads((folder / FILE).read_text(encoding="utf-8"))
    remarks = folder / REMARKS
    table = folder / TABLE
    text = remarks.read_text(encoding="utf-8") if remarks.exists() else ""
    table.write_text(_markdown(raw, text), encoding="utf-8")
    draw_batch(raw, folder / CHART, Aims(rate=RATE, peak_mib=PEAK_MIB, budget=BUDGET, looking=LOOKING))
    return [folder / FILE, table, folder / CHART]
