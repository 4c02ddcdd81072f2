"""The Markdown table of the rate benchmark: every aim beside what was reached, then every cell.

Remarks of a person about the run stand in `rate.remarks.md` beside the results and are taken in as they are.
"""

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from statistics import median
from typing import Any, Final, TypeAlias

from benchmarks.common.aims import Verdict
from benchmarks.rate.chart import draw_rate
from benchmarks.rate.simulated import SEEDS

FILE: Final = "rate.json"
TABLE: Final = "rate.md"
CHART: Final = "rate.svg"
REMARKS: Final = "rate.remarks.md"

Run: TypeAlias = dict[str, Any]
_WHERE: Final = {"": "scaled time", "real-": "real time"}
_QUICK: Final = "**A quick run: it proves that the benchmark works. Do not quote its figures.**"
_ACQUIRE: Final = {
    "frontpay": "`frontpay_async`, acquire",
    "frontpay-answered": "`frontpay_async`, acquire and the answer's headers taken in",
}
_METHOD: Final = """\
A loopback server counts as Laravel's throttle does: a fixed window that begins with the first request; 429
and a `Retry-After` in whole seconds, rounded up, beyond the limit. Half of a request's latency (2 to 8 ms in
scaled time, 60 to 240 ms in real time) lies before the count. 64 batch callers per token, shared out among
the processes, each make one call after the other; beside them 12 calls a window come at random times from
people who wait. The stranger is simulated in the server, at random times, and does not obey anything.

`frontpay_async` runs as the whole client, batch calls with `Priority.BATCH` and the others with
`Priority.INTERACTIVE`. Each other limiter stands in front of one bare httpx client, all alike; refused, a
call sleeps for `Retry-After` and asks its limiter again. They have no priorities. In four processes without
Redis each of them is given a quarter of the budget, the best that can be done when nobody knows of the
others; it suits them here, because the load is the same in each process. `frontpay_async` is told nothing.

- *Budget*: requests let through, as a part of what the server's whole windows allowed; with a stranger, of
  what he left. A contender that begins a window late does not lose here.
- *Time*: the same as a part of what back-to-back windows would have allowed. Lateness counts here.
- *429s*: per window, on average and in the worst; the stranger's own are not counted.
- *p50, p95*: from an interactive call's start until it was let through by the server, in % of the window;
  the way to the server is part of it. What was never let through counts with its age.
- *Overtaken*: batch calls that a later one of the same process overtook by more than 1 % of a window.

{at_once} cells of scaled time run at a time, on tokens of their own, each in processes of its own; the real
ones run beside them, all at once: they send four requests a second each. In scaled time `Retry-After` in
whole seconds is coarse, which is hard on whoever lives by it alone: read *no limiter* in real time."""

_SIMULATED: Final = """\
The ledger alone against the exact throttle: 240 requests per 60 s, responses in 60 to 240 ms unless the row
says otherwise. One process (or four) saturates the token with batch calls from its start, and an interactive
call comes every five seconds on average. Means of {seeds} seeds, the worst in brackets. The aim of a row: at
least 97 % of the budget, no 429 (one where others used the window up before, two where others send), and a
p95 of the interactive calls below a second, or below the latency. Where others used the window up,
interactive calls have to wait for its end. The same code gives the same figures on any machine."""


def _table(head: Iterable[str], rows: Iterable[Iterable[str]], *, numbers: bool = True) -> str:
    columns = list(head)
    rule = ["---", *("---:" if numbers else "---" for _ in columns[1:])]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (columns, rule, *rows))


def _share(value: float | None, digits: int = 1) -> str:
    return "—" if value is None else f"{value * 100:.{digits}f} %"


def _refusals(run: Run) -> float:
    mean: float = sum(run["refusals"]) / len(run["refusals"])
    return mean


def _acquire_cost(raw: dict[str, Any], name: str) -> float | None:
    costs = raw["acquire_us"].get(name)
    return median(costs) if costs else None


def _budget_aim(run: Run, least: float) -> tuple[str, bool]:
    total = sum(run["refusals"])
    return f"{run['budget']:.2%}, {total} answers of 429", run["budget"] >= least and total == 0


def _four_aim(run: Run) -> tuple[str, bool]:
    return f"{run['budget']:.2%}, {_refusals(run):.1f} answers of 429 a window", run["budget"] >= 0.95


def _stranger_aim(run: Run) -> tuple[str, bool]:
    worst = max(run["refusals"])
    reached = f"{run['budget']:.2%}, {_refusals(run):.1f} answers of 429 a window, {worst} in the worst"
    return reached, run["budget"] >= 0.95 and worst <= 2


def _wait_aim(run: Run) -> tuple[str, bool]:
    return _share(run["p95"], 2), run["p95"] is not None and run["p95"] < 0.01


def _aims(raw: dict[str, Any]) -> Iterator[Verdict]:
    runs = {(run["contender"], run["scene"]): run for run in raw["runs"] if "problem" not in run}

    def verdict(aim: str, cell: tuple[str, str], judge: Callable[[Run], tuple[str, bool]]) -> Verdict:
        if (run := runs.get(cell)) is None:
            return Verdict(aim, "", None)
        return Verdict(aim, *judge(run))

    for prefix, where in _WHERE.items():
        if not any(scene.startswith(prefix or "one") for scene in raw["scenes"]):
            continue
        yield verdict(
            f"{where}: one process uses 99.5 % or more, no 429",
            ("frontpay", f"{prefix}one"),
            lambda run: _budget_aim(run, 0.995),
        )
        yield verdict(
            f"{where}: four processes on Redis use 99 % or more, no 429",
            ("frontpay-redis", f"{prefix}four"),
            lambda run: _budget_aim(run, 0.99),
        )
        yield verdict(
            f"{where}: four processes without Redis use 95 % or more, next to no 429",
            ("frontpay", f"{prefix}four"),
            _four_aim,
        )
        for name, scene, words in (
            ("frontpay", "one", "one process"),
            ("frontpay-redis", "four", "four processes on Redis"),
            ("frontpay", "four", "four processes without Redis"),
        ):
            aim = f"{where}: {words}, interactive p95 under 1 % of the window"
            yield verdict(aim, (name, f"{prefix}{scene}"), _wait_aim)
    aim = "a 10 % stranger: 95 % or more of what is left, at most 2 answers of 429 in any window"
    yield verdict(aim, ("frontpay", "stranger"), _stranger_aim)
    cost = _acquire_cost(raw, "frontpay")
    aim = "an acquire in memory costs less than 5 µs"
    yield Verdict(aim, "", None) if cost is None else Verdict(aim, f"{cost:.2f} µs", cost < 5)


def _cells(label: str, run: Run) -> list[str]:
    if "problem" in run:
        return [label, run["problem"], *[""] * 7]
    failed = ", ".join(f"{count} {name}" for name, count in run["failed"].items())
    return [
        label,
        _share(run["budget"]),
        _share(run["time"]),
        f"{_refusals(run):.1f}",
        f"{max(run['refusals'])}",
        _share(run["p50"], 2),
        _share(run["p95"], 2),
        f"{run['inversions']} of {run['batch']}",
        failed or "0",
    ]


def _scenes(raw: dict[str, Any]) -> Iterator[str]:
    head = ("contender", "budget", "time", "429s", "worst", "p50", "p95", "overtaken", "failed calls")
    for name, scene in raw["scenes"].items():
        rows = []
        for run in raw["runs"]:
            if run["scene"] == name:
                label = raw["contenders"][run["contender"]]["label"]
                bold = run["contender"].startswith("frontpay")
                rows.append(_cells(f"**{label}**" if bold else label, run))
        title = f"### {scene['title']} ({scene['windows']} windows of {scene['window']:g} s)"
        yield f"{title}\n\n{_table(head, rows)}"


def _simulated(rows: Iterable[dict[str, Any]]) -> str:
    head = ("what hides the window", "minutes", "budget", "429s", "interactive p95", "verdict")
    cells = (
        [
            row["title"],
            f"{row['minutes']}",
            f"{row['share']:.1%} ({row['least']:.1%})",
            f"{row['refused']:.1f} ({row['most_refused']})",
            f"{row['p95']:.1f} s ({row['longest_p95']:.1f} s)",
            "met" if row["met"] else "**missed**",
        ]
        for row in rows
    )
    return _table(head, cells)


def _costs(raw: dict[str, Any]) -> str:
    rows = []
    for name in raw["acquire_us"]:
        label = _ACQUIRE.get(name) or raw["contenders"].get(name, {}).get("label", name)
        cost = _acquire_cost(raw, name)
        rows.append([label, "—" if cost is None else f"{cost:.2f}"])
    return _table(("with room in the window", "CPU µs"), rows)


def _settings(raw: dict[str, Any]) -> str:
    rows = []
    for name, row in raw["contenders"].items():
        versions = ", ".join(f"{package} {version}" for package, version in row["versions"].items())
        rows.append([row["label"], f"`{name}`", row["settings"], versions or "—"])
    rows += [["—", f"`{name}`", reason, "—"] for name, reason in raw["skipped"].items()]
    return _table(("contender", "name for `--only`", "settings", "versions"), rows, numbers=False)


def _markdown(raw: dict[str, Any], remarks: str) -> str:
    machine = raw["machine"]
    about = (
        f"{raw['date']}, {raw['minutes']} minutes. {machine['processor']}; {machine['system']}; "
        f"{machine['python']}. Load average before the run: {machine['load']:.2f}."
    )
    aims = ([verdict.aim, verdict.reached, verdict.word] for verdict in _aims(raw))
    at_once = "Four" if raw["quick"] else "Two"
    sections = [
        "# How much of a rate limit gets used",
        *([_QUICK] if raw["quick"] else []),
        about,
        f"![Budget used, 429s and waits of each limiter]({CHART})",
        f"## Aims\n\n{_table(('aim', 'reached', 'verdict'), aims, numbers=False)}",
        *([f"## Remarks\n\n{remarks.strip()}"] if remarks else []),
        *(
            [
                f"## Hostile starts and neighbours, in simulated time\n\n{_SIMULATED.format(seeds=SEEDS)}",
                _simulated(raw["simulated"]),
            ]
            if raw.get("simulated")
            else []
        ),
        "## Every cell",
        *_scenes(raw),
        f"## An acquire in memory\n\n{_costs(raw)}",
        f"## How it was measured\n\n{_METHOD.format(at_once=at_once)}",
        _settings(raw),
    ]
    return "\n\n".join(sections) + "\n"


def write_rate_report(folder: Path) -> list[Path]:
    """Write the table and the chart beside the raw results in `folder`; return what was written."""
    raw = json.loads((folder / FILE).read_text(encoding="utf-8"))
    remarks = folder / REMARKS
    table, chart = folder / TABLE, folder / CHART
    text = _markdown(raw, remarks.read_text(encoding="utf-8") if remarks.exists() else "")
    table.write_text(text, encoding="utf-8")
    draw_rate(raw, chart)
    return [folder / FILE, table, chart]
