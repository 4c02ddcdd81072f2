"""The Markdown table of the chaos benchmark."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final

from benchmarks.chaos.chart import draw_chaos

FILE: Final = "chaos.json"
TABLE: Final = "chaos.md"
CHART: Final = "chaos.svg"
REMARKS: Final = "chaos.remarks.md"

_LABELS: Final = {
    "batch-sqlite": "**`InvoiceBatch`, SQLite**",
    "batch-postgres": "**`InvoiceBatch`, PostgreSQL**",
    "naive-after": "tenacity loop, file written after a send",
    "naive-before": "tenacity loop, file written before a send",
}
_PARTIAL: Final = "**A partial run: do not quote its figures.**"
_METHOD: Final = """\
The sandbox runs in a process of its own, over a real socket, and counts like Laravel: {limit} requests in
{window:g} s, a stranger takes {stranger:.0%} of them in bursts, a colleague sends {colleague} orders by hand
meanwhile. Requests are struck at random, by seed and content: {rates}; and every answer takes up to
{latency:.0f} ms longer. `kill-after` and `kill-before` kill the process that sent the request, right after
the order was stored or before, unanswered. Beside that one of the three processes, at random, is killed with
`kill -9` about every second and started again: when it has had an answer, and {kill_after} have come since
the last kill, on average, so that a busy machine has fewer kills a second and not fewer answers a life. Every
25th invoice is its predecessor again, to the last field: both must go out.

*Sent twice* and *lost* are counted in the sandbox's account, by the reference that each invoice carries
and no answer tells. *Parked*: rows that the batch left to a person. *Contradictions*: rows whose state or
uuid does not agree with the account. The naive loops post with httpx and send again up to four times after
any status from 400 on and any transport error; one that ends with failures is started again, which sends
the ones that are not in its file."""


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    columns = list(head)
    rule = ["---", *("---:" for _ in columns[1:])]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (columns, rule, *rows))


def _total(runs: list[dict[str, Any]]) -> list[str]:
    def total(name: str) -> int:
        return sum(run[name] for run in runs)

    return [
        str(len(runs)),
        f"{total('count'):,}",
        f"{total('duplicates'):,}",
        f"{total('lost'):,}",
        str(total("parked")),
        str(total("contradictions")),
        str(total("kills")),
        f"{sum(sum(run['faults'].values()) for run in runs):,}",
        f"{total('refused'):,}",
        f"{total('requests') / total('count'):.2f}",
    ]


def _summary(raw: dict[str, Any]) -> str:
    rows: list[list[str]] = []
    for cell, label in _LABELS.items():
        if runs := [run for run in raw["runs"] if run["cell"] == cell]:
            rows.append([label, *_total(runs)])
    head = (
        "contender",
        "runs",
        "invoices",
        "sent twice",
        "lost",
        "parked",
        "contradictions",
        "kills",
        "faults",
        "429s",
        "requests per invoice",
    )
    return _table(head, rows)


def _seeds(raw: dict[str, Any]) -> str:
    rows = [
        [
            str(run["seed"]),
            _LABELS[run["cell"]],
            str(run["duplicates"]),
            str(run["lost"]),
            str(run["parked"]),
            str(run["kills"]),
            str(sum(run["faults"].values())),
            f"{run['seconds']:.0f}",
        ]
        for run in raw["runs"]
    ]
    return _table(("seed", "contender", "sent twice", "lost", "parked", "kills", "faults", "seconds"), rows)


def _problems(raw: dict[str, Any]) -> Iterator[str]:
    for run in raw["runs"]:
        if run["problems"]:
            lines = "\n".join(f"- {problem}" for problem in run["problems"])
            yield f"### Problems of {run['cell']}, seed {run['seed']}\n\n{lines}"


def _about(raw: dict[str, Any]) -> str:
    machine = raw["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in raw["versions"].items())
    return (
        f"{raw['date']}, {raw['minutes']} minutes. {machine['processor']}; {machine['system']};"
        f" {machine['python']}; {versions}. Load average before the run: {machine['load']:.2f}."
    )


def _markdown(raw: dict[str, Any], remarks: str) -> str:
    weather = raw["weather"]
    rates = ", ".join(f"{rate:.1%} `{fault}`" for fault, rate in weather["rates"].items())
    sections = [
        "# What a night of faults does to a batch",
        *([_PARTIAL] if raw["partial"] else []),
        _about(raw),
        f"![Invoices sent twice, lost, and left to a person]({CHART})",
        _summary(raw),
        *([f"## Remarks\n\n{remarks.strip()}"] if remarks else []),
        "## How it was measured\n\n"
        + _METHOD.format(
            **{
                "kill_after": raw["kill_after"],
                **weather,
                "rates": rates,
                "latency": weather["latency"] * 1000,
            }
        ),
        f"## Every run\n\n{_seeds(raw)}",
        *_problems(raw),
    ]
    return "\n\n".join(sections) + "\n"


def write_chaos_report(folder: Path) -> list[Path]:
    """Write the table and the chart beside the raw results in `folder`; return what was written."""
    raw = json.loads((folder / FILE).read_text(encoding="utf-8"))
    remarks = folder / REMARKS
    table = folder / TABLE
    table.write_text(
        _markdown(raw, remarks.read_text(encoding="utf-8") if remarks.exists() else ""), encoding="utf-8"
    )
    labels = {cell: label.replace("*", "").replace("`", "") for cell, label in _LABELS.items()}
    draw_chaos(raw, folder / CHART, labels)
    return [folder / FILE, table, folder / CHART]
