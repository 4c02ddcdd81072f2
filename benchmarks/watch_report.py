"""The Markdown table of the watch benchmark: every aim beside what was reached, then every cell.

Remarks of a person about the run stand in `watch.remarks.md` beside the results and are taken in as they are.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, Final, TypeAlias

from benchmarks.aims import Verdict
from benchmarks.watch_chart import draw_watch

FILE: Final = "watch.json"
TABLE: Final = "watch.md"
CHART: Final = "watch.svg"
REMARKS: Final = "watch.remarks.md"

Run: TypeAlias = dict[str, Any]
_AIMED: Final = ("n10", "n100", "n1000")
_QUICK: Final = "**A quick run: it proves that the benchmark works. Do not quote its figures.**"
_METHOD: Final = """\
In simulated time: the event loop's clock jumps to the next timer whenever everybody waits, so that half an hour
takes seconds, and each run gives the same figures. The client, its hub and its rate governor are the real ones;
the API is simulated with 50 ms each way and a fixed window of 240 requests a minute (429 and `Retry-After`
beyond it, not counted). Payments take a log-normal time with a median of 20 s and a deviation of ln of 0.8: one in
twenty takes more than 75 s, one in 330 more than 3 minutes. That is what the hub's prior says, too; the scene
*three times as long* shows what it does where the prior is wrong. Orders are created outside of the budget.

- *Delay*: from the change on the server until the waiting call returns; the answer's way back, 50 ms, is in it.
- *Requests*: that the server let through, per payment. *Sweeps* are those of them that asked for the list.
- *429s*: what the server refused.
- *Bound for single polls*: (Σ√h)² / (2·B·Σh) with B = 4 a second and the true hazard h of the payments that are
  open on the server, both sums integrated over the scene. Only somebody who knows which payments are decided,
  spaces every poll evenly and loses no time on the way could reach it. It has a meaning where payments are found out
  much sooner than they are decided: not where a thousand begin at once.
- *Bound of the queue*: every end takes one poll of its own after it, and there are four a second. Nobody who
  asks each order for its end can be faster, whatever tells of it. With a thousand at once nearly all of
  the delay is this queue.

*Single polls*: the API's list has no terminal orders, which the hub finds out. *With sweeps*: it has them. *With
callbacks*: also, each callback comes 50 to 300 ms after the end, and is confirmed by a poll. *Lost*: a third of them
never come. *By hand*: one loop for each order that asks, waits, and sleeps for `Retry-After` after a 429; and
tenacity with `wait_exponential(multiplier=0.5, max=30)`. They know nothing of one another, and have no connection
pool, client or parser to pay for.

Why within half an hour and not all at once: a thousand payments that end within a minute or two cannot be confirmed
by four polls a second, by anybody. The two scenes with all at once are there to show that."""


def _table(head: Iterable[str], rows: Iterable[Iterable[str]], *, numbers: bool = True) -> str:
    columns = list(head)
    rule = ["---", *("---:" if numbers else "---" for _ in columns[1:])]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in (columns, rule, *rows))


def _aims(raw: dict[str, Any]) -> Iterator[Verdict]:
    runs = {(run["contender"], run["scene"]): run for run in raw["runs"]}
    for scene in _AIMED:
        count = f"{int(scene[1:]):,}"
        aim = f"single polls, N = {count}: a mean delay within 1.25 of the bound"
        if (run := runs.get(("hub", scene))) is None:
            yield Verdict(aim, "", None)
            continue
        bound = raw["scenes"][scene]["polling"]
        ratio = run["mean"] / bound
        yield Verdict(aim, f"{ratio:.2f}: {run['mean']:.3f} s against {bound:.3f} s", ratio <= 1.25)
    for name, words, most in (
        ("hub-sweeps", "with sweeps, N = 1,000: a mean delay under 1.5 s", 1.5),
        ("hub-callbacks", "with callbacks, N = 1,000: a mean delay under 0.5 s", 0.5),
        ("hub-lossy", "with a third of the callbacks lost, N = 1,000: no aim was set", None),
    ):
        if (run := runs.get((name, "n1000"))) is None:
            yield Verdict(words, "", None)
        else:
            met = None if most is None else run["mean"] < most
            yield Verdict(words, f"{run['mean']:.3f} s", met)
    ours = [run for run in raw["runs"] if run["contender"].startswith("hub")]
    refusals = sum(run["refusals"] for run in ours)
    yield Verdict(f"no 429 in all {len(ours)} cells", f"{refusals} answers of 429", refusals == 0)
    scale = raw["scale"]
    size = scale["bytes_per_watch"]
    aim = f"{scale['watches']:,} watches: at most 2 KiB each"
    yield Verdict(aim, f"{size} bytes, with the coroutines that wait", size <= 2048)
    costs = scale["decision_us"]
    first, last = list(costs)[0], list(costs)[-1]
    yield Verdict(
        "scheduling costs O(log n)",
        f"{costs[first]} µs among {int(first):,}, {costs[last]} µs among {int(last):,}",
        costs[last] < 4 * costs[first],
    )


def _word(verdict: Verdict) -> str:
    return "—" if verdict.met is None and verdict.reached else verdict.word


def _scenes(raw: dict[str, Any]) -> Iterator[str]:
    head = ("", "mean s", "p50 s", "p95 s", "worst s", "requests each", "sweeps", "429s")
    for name, scene in raw["scenes"].items():
        rows = []
        for run in raw["runs"]:
            if run["scene"] != name:
                continue
            label = raw["contenders"][run["contender"]]["label"]
            rows.append(
                [
                    f"**{label}**" if run["contender"].startswith("hub") else label,
                    f"{run['mean']:.3f}",
                    f"{run['p50']:.2f}",
                    f"{run['p95']:.2f}",
                    f"{run['worst']:.1f}",
                    f"{run['requests'] / run['payments']:.1f}",
                    f"{run['sweeps']:,}",
                    f"{run['refusals']:,}",
                ]
            )
        times = "" if scene["runs"] == 1 else f", {scene['runs']} times"
        bounds = (
            f"Bound for single polls: {scene['polling']:.3f} s. Bound of the queue: {scene['queue']:.3f} s."
        )
        yield f"### {scene['title']}{times}\n\n{bounds}\n\n{_table(head, rows)}"


def _scale(raw: dict[str, Any]) -> str:
    scale = raw["scale"]
    rows = [[f"{int(size):,}", f"{cost}"] for size, cost in scale["decision_us"].items()]
    return (
        f"{_table(('watches', 'CPU µs for one decision'), rows)}\n\n"
        "A decision is: when is something due, what is asked, and taking in the answer. Memory, by tracemalloc, of"
        f" {scale['watches']:,} tasks that wait in `client.watch.payment`, beyond those of tasks that wait for a"
        f" bare future: {scale['bytes_per_watch']} bytes each, with the coroutines, timers and heaps of the hub. The"
        f" waiting task itself takes {scale['bytes_per_waiting_task']} bytes."
    )


def _markdown(raw: dict[str, Any], remarks: str) -> str:
    machine = raw["machine"]
    about = (
        f"{raw['date']}, {raw['minutes']} minutes. {machine['processor']}; {machine['system']}; "
        f"{machine['python']}. Load average before the run: {machine['load']:.2f}; it has a bearing on the CPU"
        " figures alone."
    )
    aims = ([verdict.aim, verdict.reached, _word(verdict)] for verdict in _aims(raw))
    sections = [
        "# How late the end of a payment is heard of",
        *([_QUICK] if raw["quick"] else []),
        about,
        f"![Mean delay and requests of each way to wait]({CHART})",
        f"## Aims\n\n{_table(('aim', 'reached', 'verdict'), aims, numbers=False)}",
        *([f"## Remarks\n\n{remarks.strip()}"] if remarks else []),
        "## Every cell",
        *_scenes(raw),
        f"## Ten thousand watches\n\n{_scale(raw)}",
        f"## How it was measured\n\n{_METHOD}",
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
