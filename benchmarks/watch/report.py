"""The Markdown table of the watch benchmark: every aim beside what was reached, then every cell.

Remarks of a person about the run stand in `watch.remarks.md` beside the results and are taken in as they are.
"""

import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from statistics import median
from typing import Any, Final, TypeAlias

from benchmarks.common.aims import Verdict
from benchmarks.watch.chart import draw_watch
from benchmarks.watch.world import WAY_BACK

FILE: Final = "watch.json"
TABLE: Final = "watch.md"
CHART: Final = "watch.svg"
REMARKS: Final = "watch.remarks.md"
IDEAL: Final = "ideal"

Run: TypeAlias = dict[str, Any]
_RATIO: Final = 1.25
_SWEEPS: Final = 1.5
_CALLBACKS: Final = 0.5
_BYTES: Final = 2048
_QUICK: Final = "**A quick run: it proves that the benchmark works. Do not quote its figures.**"
_TO_IDEAL: Final = 1.1
_LONE: Final = """\
The case of most users: nothing else is sent with the token. Beside the hub a loop that sleeps for a fixed
time after each response, chosen so that it sends about as many requests."""
_METHOD: Final = """\
Simulated time, seeded: the same code gives the same figures on any machine (the costs apart). A payment takes
a log-normal time with a median of 20 s and a spread of 0.8 in ln(seconds): 99.7 % are over in three minutes.
The hub's prior is the same; in one scene the truth is another, median 60 s and spread 0.5. A watch begins
with its payment. The API answers after 0.12 to 0.28 s, a list of orders takes 0.3 ms more for each order that
the account ever had; half of the 0.12 to 0.28 s lies before the request is counted and its answer fixed. 240
requests in a fixed window of 60 s that begins with the first; then 429 and `Retry-After`. A callback comes
0.05 to 0.25 s after the end, and a third of them never in the row that says so. The account lists only what
this run created.

*At once*: N payments begin in the same moment. *In ten minutes*: N payments begin at random moments of ten
minutes, two minutes into a stream of the same rate that goes on for two minutes after; the others are
watched, too, and not counted. *In half an hour*: the same without a stream around it. {repetitions}

- *Mean, p95*: seconds from the end on the server until whoever waits is told.
- *Requests*: per payment, lists and confirmations included; those answered with 429 are the last column.
- *Bound*: (Σ√h)²/(2B·Σh) over the payments under way at each moment, integrated over time (`watch_bound.py`
  derives it). *To the bound* is the mean to it, plus the {way:.1f} s that an answer is under way on average.
- *Floor, one poll each*: that of one who knows every end beforehand and needs one poll for it. It is also the
  floor of sweeps and callbacks, which are confirmed by one poll each.
- *Floor, single polls*: the greater of that and of what no scheduler can undercut that does not know the
  ends.
- *Ideal*: a scheduler without network, which knows the distribution and asks each quarter of a second for the
  payment in which √h has added up to most.

The hub is the whole client: its governor, its pipeline, its codec, over a transport that is the simulated
API. The peers call the API without an HTTP client between, a loop for each order."""


def _table(head: Iterable[str], rows: Iterable[Iterable[str]], *, numbers: bool = True) -> str:
    columns = list(head)
    rule = ["---", *("---:" if numbers else "---" for _ in columns[1:])]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (columns, rule, *rows))


def _seconds(value: float | None) -> str:
    if value is None:
        return "—"
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


def _ratio(run: Run, bound: dict[str, float]) -> float | None:
    """Return the mean to the bound; an ideal scheduler has no network to wait for."""
    way = 0.0 if run["contender"] == IDEAL else WAY_BACK
    return None if run["mean"] is None else float(run["mean"] / (bound["fluid"] + way))


def _floor(bound: dict[str, float], *, polls_only: bool) -> float:
    return max(bound["service"], bound["blind"]) if polls_only else bound["service"]


def _single(raw: dict[str, Any], runs: dict[tuple[str, str], Run]) -> Iterator[Verdict]:
    for name, scene in raw["scenes"].items():
        aim = f"single polls, {scene['title']}: within {_RATIO} of the bound"
        run, bound = runs.get(("hub-single", name)), raw["bounds"][name]
        ratio = None if run is None else _ratio(run, bound)
        if run is None or ratio is None:
            yield Verdict(aim, "", None)
            continue
        least = (_floor(bound, polls_only=True) + WAY_BACK) / (bound["fluid"] + WAY_BACK)
        reached = f"{ratio:.2f}: {_seconds(run['mean'])} s against {_seconds(bound['fluid'])} s"
        ideal = runs.get((IDEAL, name))
        best = None if ideal is None else _ratio(ideal, bound)
        if best is not None and best > _RATIO:
            reached += f"; an ideal scheduler reaches {best:.2f}"
        if least > 1.005:
            reached += f"; none can undercut {least:.2f}"
        yield Verdict(aim, reached, ratio <= _RATIO)


def _ideal_aims(raw: dict[str, Any], runs: dict[tuple[str, str], Run]) -> Iterator[Verdict]:
    """Compare with the ideal scheduler; it has no network, so the way back of a response is added to it."""
    for name, scene in raw["scenes"].items():
        aim = f"single polls, {scene['title']}: within {_TO_IDEAL} of the ideal scheduler"
        run, ideal = runs.get(("hub-single", name)), runs.get((IDEAL, name))
        if run is None or ideal is None or run["mean"] is None:
            yield Verdict(aim, "", None)
            continue
        best = ideal["mean"] + WAY_BACK
        reached = f"{run['mean'] / best:.2f}: {_seconds(run['mean'])} s against {_seconds(best)} s"
        yield Verdict(aim, reached, run["mean"] / best <= _TO_IDEAL)


def _lone(raw: dict[str, Any]) -> str:
    rows = []
    for each in raw["lone"]:
        for name, label in (("hub", "**hub, single polls**"), ("fixed", each["interval"])):
            run = each[name]
            figures = [_seconds(run["mean"]), _seconds(run["p95"]), f"{run['requests']:.1f}"]
            rows.append([f"{each['lasts']:g} s", label, *figures])
    return _table(("ends after", "contender", "mean", "p95", "requests"), rows)


def _mean_aim(
    raw: dict[str, Any], runs: dict[tuple[str, str], Run], cell: tuple[str, str], words: str, most: float
) -> Verdict:
    _, scene = cell
    aim = f"{words}, {raw['scenes'][scene]['title']}: mean under {most} s"
    run = runs.get(cell)
    if run is None or run["mean"] is None:
        return Verdict(aim, "", None)
    reached = f"{_seconds(run['mean'])} s"
    if (floor := _floor(raw["bounds"][scene], polls_only=False)) > most:
        reached += f"; one poll for each cannot be under {_seconds(floor)} s"
    return Verdict(aim, reached, run["mean"] < most and not run["missing"])


def _cost_aims(cost: dict[str, Any] | None) -> Iterator[Verdict]:
    aim = "10,000 watches: at most 2 KiB each"
    if cost is None:
        yield Verdict(aim, "", None)
        return
    yield Verdict(aim, f"{cost['bytes']['hub']:,.0f} bytes", cost["bytes"]["hub"] <= _BYTES)
    few, many = (median(cost["decision_us"][number]) for number in ("100", "10000"))
    most = math.log(10_000) / math.log(100)
    yield Verdict(
        f"a decision among 10,000 costs at most {most:.0f} times one among 100, as log n does",
        f"{many / few:.2f} times: {many:.1f} µs against {few:.1f} µs",
        many / few <= most,
    )


def _aims(raw: dict[str, Any]) -> Iterator[Verdict]:
    runs = {(run["contender"], run["scene"]): run for run in raw["runs"]}
    yield from _single(raw, runs)
    yield from _ideal_aims(raw, runs)
    for scene in raw["scenes"]:
        if scene.endswith("-1000"):
            yield _mean_aim(raw, runs, ("hub-sweeps", scene), "sweeps", _SWEEPS)
    for scene in raw["scenes"]:
        yield _mean_aim(raw, runs, ("hub-callbacks", scene), "callbacks", _CALLBACKS)
    ours = [run for run in raw["runs"] if run["contender"].startswith("hub")]
    total = sum(run["refusals"] for run in ours)
    yield Verdict(
        "the hub: no 429 in any cell", f"{total} in {len(ours)} cells", total == 0 if ours else None
    )
    yield from _cost_aims(raw["cost"])


def _cells(label: str, run: Run, bound: dict[str, float]) -> list[str]:
    ratio = _ratio(run, bound)
    return [
        label,
        _seconds(run["mean"]) + (f" ({run['missing']} never)" if run["missing"] else ""),
        _seconds(run["p95"]),
        "—" if ratio is None else f"{ratio:.2f}",
        f"{run['requests'] / max(1, run['payments']):.2f}",
        f"{run['lists'] / max(1, run['payments']):.2f}",
        f"{run['refusals']:,}",
    ]


def _scenes(raw: dict[str, Any]) -> Iterator[str]:
    head = ("contender", "mean", "p95", "to the bound", "requests", "of them lists", "429s")
    for name, scene in raw["scenes"].items():
        bound = raw["bounds"][name]
        rows = [
            ["*bound*", _seconds(bound["fluid"]), *["—"] * 5],
            ["*floor, one poll each*", _seconds(bound["service"]), *["—"] * 5],
            ["*floor, single polls*", _seconds(_floor(bound, polls_only=True)), *["—"] * 5],
        ]
        for run in raw["runs"]:
            if run["scene"] != name:
                continue
            if run["contender"] == IDEAL:
                rows.append(_cells("*ideal, single polls*", run, bound))
                continue
            label = raw["contenders"][run["contender"]]["label"]
            rows.append(_cells(f"**{label}**" if run["contender"].startswith("hub") else label, run, bound))
        yield f"### {scene['title']}\n\n{_table(head, rows)}"


def _costs(cost: dict[str, Any]) -> str:
    rows = [
        ["what the hub holds for a watch", f"{cost['bytes']['hub']:,.0f} bytes"],
        ["in all, with the task that waits for it", f"{cost['bytes']['waited']:,.0f} bytes"],
        ["a bare task that waits for an event", f"{cost['bytes']['task']:,.0f} bytes"],
    ]
    for number, costs in cost["decision_us"].items():
        rows.append([f"CPU of a decision among {int(number):,}", f"{median(costs):.1f} µs"])
    return _table(("10,000 watches in one process", ""), rows)


def _repetitions(raw: dict[str, Any]) -> str:
    times = ", ".join(f"{scene['title']}: {scene['repetitions']}" for scene in raw["scenes"].values())
    return f"Repetitions, with other random numbers: {times}."


def _markdown(raw: dict[str, Any], remarks: str) -> str:
    machine = raw["machine"]
    about = (
        f"{raw['date']}, {raw['minutes']} minutes. {machine['processor']}; {machine['system']}; "
        f"{machine['python']}. Load average before the run: {machine['load']:.2f}; it matters to the CPU"
        " figures alone."
    )
    aims = ([verdict.aim, verdict.reached, verdict.word] for verdict in _aims(raw))
    settings = ([row["label"], f"`{name}`", row["settings"]] for name, row in raw["contenders"].items())
    sections = [
        "# How soon the end of a payment is known",
        *([_QUICK] if raw["quick"] else []),
        about,
        f"![Mean delay and 429s of each way to wait]({CHART})",
        f"## Aims\n\n{_table(('aim', 'reached', 'verdict'), aims, numbers=False)}",
        *([f"## Remarks\n\n{remarks.strip()}"] if remarks else []),
        "## Every cell",
        *_scenes(raw),
        *([f"## One payment on an idle token\n\n{_LONE}\n\n{_lone(raw)}"] if raw.get("lone") else []),
        *([f"## Cost\n\n{_costs(raw['cost'])}"] if raw["cost"] else []),
        f"## How it was measured\n\n{_METHOD.format(way=WAY_BACK, repetitions=_repetitions(raw))}",
        _table(("contender", "name for `--only`", "settings"), settings, numbers=False),
    ]
    return "\n\n".join(sections) + "\n"


def write_watch_report(folder: Path) -> list[Path]:
    """Write the table and the chart beside the raw results in `folder`; return what was written."""
    raw = json.loads((folder / FILE).read_text(encoding="utf-8"))
    remarks = folder / REMARKS
    table, chart = folder / TABLE, folder / CHART
    text = _markdown(raw, remarks.read_text(encoding="utf-8") if remarks.exists() else "")
    table.write_text(text, encoding="utf-8")
    draw_watch(raw, chart)
    return [folder / FILE, table, chart]
