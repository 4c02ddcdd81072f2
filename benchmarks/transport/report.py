"""The Markdown table of the transport benchmark: every aim beside what was reached, then every cell.

`python -m benchmarks report [FOLDER]` writes it, and the chart, again from the raw results. Remarks of a
person about the run, such as why an aim was missed, stand in `transport.remarks.md` beside them and are
taken in as they are.
"""

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Final

from benchmarks.common.aims import ideal_rate, verdicts
from benchmarks.common.measure import Latency
from benchmarks.common.payloads import CREATED_BODY, ORDER_SIZE
from benchmarks.common.processes import ROOT
from benchmarks.transport.chart import draw
from benchmarks.transport.imports import STATEMENTS
from benchmarks.transport.results import FILE, Results, Row, load

TABLE: Final = "transport.md"
CHART: Final = "transport.svg"
REMARKS: Final = "transport.remarks.md"

_QUICK: Final = "**A quick run: it proves that the benchmark works. Do not quote its figures.**"

_NOOP: Final = {
    "frontpay": "`frontpay_async`, the order built beforehand",
    "frontpay-new-order": "`frontpay_async`, a new order built for each call",
    "httpx": "httpx, `post(json=)` and `.json()`",
    "transport": "the no-op transport alone, called with a ready request",
}

_SANDBOX: Final = {
    "call": "one call of a client, to a sandbox that is there",
    "starlette": "httpx, `post(json=)` and `.json()`, to a Starlette app with one route",
    "test": "a sandbox and a client made, one call, both closed",
}

_CORE_ONLY: Final = ", with the core's dependencies alone"

_METHOD: Final = """\
Every contender posts the same invoice order ({order} bytes of JSON) over loopback TCP and reads an answer
of {answer} bytes, chunked, with the API's headers. `frontpay_async` does more in a call than the bare
clients: it takes a frozen model, checks every documented rule, encodes it with exact decimals, passes its
retry, rate and credential stages, and returns a model; they post a ready dict and read a dict. It also
does less: no redirects, no cookie jar, no merging of headers for each call. That exchange is what is
compared. The other SDKs post the same number of bytes to an answer of the same size, in the shapes that
their own APIs take.

Client and server are processes of their own, {cores}. One process per contender imports only that client
and forks a child for each cell, so no cell inherits a pool, a heap or garbage from another. The load is
closed: exactly so many calls are in flight, for {window:g} s after {warm_up:g} s of warm-up. All
contenders run a cell in turn before the next cell begins; figures are medians of {repetitions} such
rounds.

CPU is the client process's user and system time per call; with 1 in flight on the 50 ms server it is
mostly the price of waking from sleep. `≥` marks a latency that is a lower bound, because calls had not
ended {drain:g} s after the load did. *Connections* are counted by the server. *Server busy* is the share
of the server's core: near 100 % it would be the limit. The last row is no client: it sends prebuilt bytes
and shows what server and harness can do."""


def _table(head: Iterable[str], rows: Iterable[Iterable[str]], *, numbers: bool = True) -> str:
    """Lay out a Markdown table: `numbers` puts all columns but the first to the right."""
    columns = list(head)
    rule = ["---", *("---:" if numbers else "---" for _ in columns[1:])]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (columns, rule, *rows))


def _number(value: float | None, digits: int = 0) -> str:
    return "—" if value is None else f"{value:,.{digits}f}"


def _latency(latency: Latency | None) -> str:
    return "—" if latency is None else f"{'≥ ' if latency.bound else ''}{latency.ms:,.1f}"


def _cells(results: Results, name: str, row: Row) -> list[str]:
    label = results.label(name)
    return [
        f"**{label}**" if name.startswith("frontpay") else label,
        _number(row.rate),
        _number(row.cpu_us),
        "—" if row.cpu_range is None else f"{row.cpu_range[0]:,.0f} to {row.cpu_range[1]:,.0f}",
        _latency(row.p50),
        _latency(row.p99),
        _number(row.connections),
        _number(row.errors),
        f"{row.server_busy:.0%}",
    ]


def _cell_tables(results: Results) -> Iterator[str]:
    head = (
        "client",
        "req/s",
        "CPU µs/req",
        "range",
        "p50 ms",
        "p99 ms",
        "connections",
        "errors",
        "server busy",
    )
    for delay_ms, in_flight in results.cells():
        title = f"### {in_flight} in flight, {delay_ms} ms server"
        if delay_ms:
            title += f" (ideal: {ideal_rate(delay_ms, in_flight):,.0f}/s)"
        rows = []
        for name in results.contenders:
            cell = (name, delay_ms, in_flight)
            if cell in results.rows:
                rows.append(_cells(results, name, results.rows[cell]))
            elif cell in results.failed:
                rows.append([results.label(name), results.failed[cell], *[""] * (len(head) - 2)])
        yield f"{title}\n\n{_table(head, rows)}"


def _settings(results: Results) -> str:
    rows = []
    for name in results.contenders:
        facts = results.raw["contenders"][name]
        versions = ", ".join(f"{package} {version}" for package, version in facts["versions"].items())
        sizes = [row.body_bytes for (contender, _, _), row in results.rows.items() if contender == name]
        size = f"{sizes[0]:.0f}" if sizes else "—"
        rows.append([facts["label"], f"`{name}`", facts["settings"], versions or "—", size])
    for name, reason in results.raw["skipped"].items():
        rows.append(["—", f"`{name}`", reason, "—", "—"])
    head = ("client", "name for `--only`", "settings", "versions", "body bytes")
    return _table(head, rows, numbers=False)


def _machine(results: Results) -> str:
    raw, machine = results.raw, results.raw["machine"]
    return (
        f"{raw['date']}, {raw['minutes']} minutes. "
        f"{machine['processor']}; {machine['system']}; {machine['python']}. "
        f"Load average before the run: {machine['load']:.2f}."
    )


def _aims(results: Results) -> str:
    rows = ([verdict.aim, verdict.reached, verdict.word] for verdict in verdicts(results))
    return _table(("aim", "reached", "verdict"), rows, numbers=False)


def _noop(results: Results) -> str:
    rows = ([_NOOP[name], _number(cost, 1)] for name, cost in results.noop_us.items())
    plan = results.raw["plan"]
    table = _table(("one call over a no-op transport", "CPU µs"), rows)
    return f"{table}\n\nMedians of {plan['noop_rounds']} rounds of {plan['noop_calls']} calls."


def _sandbox(results: Results) -> str:
    rows = ([_SANDBOX[name], _number(cost)] for name, cost in results.sandbox_us.items())
    return _table(("in a sandbox, without a socket", "CPU µs"), rows)


def _imports(results: Results) -> str:
    bare = results.imports_ms.get("httpx", 0.0)
    rows = (
        [
            f"`{STATEMENTS[name]}`{_CORE_ONLY if name.endswith('-core') else ''}",
            _number(cost, 1),
            f"{cost - bare:+.1f}",
        ]
        for name, cost in results.imports_ms.items()
    )
    table = _table(("a fresh interpreter runs", "ms", "above `import httpx`"), rows)
    return f"{table}\n\nMedians of {results.raw['plan']['import_rounds']} rounds."


def _method(results: Results) -> str:
    plan, cores = results.raw["plan"], results.raw["cores"]
    placing = (
        f"pinned to core {cores['server']} (server) and core {cores['client']} (client)"
        if cores["server"] != cores["client"]
        else f"sharing core {cores['server']}, the only one: the figures are not those of two cores"
    )
    return _METHOD.format(
        order=ORDER_SIZE,
        answer=len(CREATED_BODY),
        cores=placing,
        window=plan["window"],
        warm_up=plan["warm_up"],
        drain=plan["drain"],
        repetitions=plan["repetitions"],
    )


def _markdown(results: Results, remarks: str) -> str:
    sections = [
        "# What a call costs",
        *([_QUICK] if results.raw["quick"] else []),
        _machine(results),
        f"![CPU per call and throughput of each client]({CHART})",
        f"## Aims\n\n{_aims(results)}",
        *([f"## Remarks\n\n{remarks.strip()}"] if remarks else []),
        f"## In the process\n\n{_noop(results)}",
        *([_sandbox(results)] if results.sandbox_us else []),
        _imports(results),
        f"## How it was measured\n\n{_method(results)}",
        _settings(results),
        "## Every cell",
        *_cell_tables(results),
    ]
    return "\n\n".join(sections) + "\n"


def write_report(folder: Path) -> list[Path]:
    """Write the table and the chart beside the raw results in `folder`; return what was written."""
    results = load(folder / FILE)
    remarks = folder / REMARKS
    table, chart = folder / TABLE, folder / CHART
    text = _markdown(results, remarks.read_text(encoding="utf-8") if remarks.exists() else "")
    table.write_text(text, encoding="utf-8")
    draw(results, chart)
    return [folder / FILE, table, chart]


def main(arguments: list[str]) -> int:
    """Write the report of the folder that is named, or of the published results."""
    folder = Path(arguments[0]) if arguments else ROOT / "benchmarks" / "results"
    for path in write_report(folder):
        sys.stdout.write(f"wrote {path}\n")
    return 0
