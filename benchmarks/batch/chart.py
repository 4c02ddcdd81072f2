"""The chart of the batch benchmark: throughput, memory, use of the budget, and the cost of looking."""

import textwrap
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any, Final

from attrs import frozen
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.common.looks import BAND, drawing, dress, give_room, mark_aim, note, save

_STYLES: Final = {"httpx": ("#9ecae1", "o"), "aiohttp": ("#08519c", "D")}
"""Colour and marker by engine: both tell the same, for whoever does not see one of them."""
_STORES: Final = {"none": "a bare loop, no journal", "sqlite": "SQLite", "postgres": "PostgreSQL"}


@frozen
class Aims:
    """Hold what was to be reached: invoices a second, MiB, a share of the budget, and requests."""

    rate: float
    peak_mib: float
    budget: float
    looking: float


def _lines(axes: Axes, labels: Iterable[str], *, ours: Iterable[int] = ()) -> None:
    named = list(labels)
    axes.set_yticks(range(len(named)), named)
    axes.set_ylim(len(named) - 0.5, -0.5)
    for line in ours:
        axes.axhspan(line - 0.5, line + 0.5, color=BAND, zorder=0)


def _bar(axes: Axes, line: float, value: float, words: str, colour: str = "#4292c6") -> None:
    axes.barh(line, value, height=0.5, color=colour, zorder=2)
    note(axes, value, line, words)


def _throughput(axes: Axes, runs: list[dict[str, Any]], aim: float) -> None:
    _lines(axes, _STORES.values(), ours=(1, 2))
    for line, store in enumerate(_STORES):
        for place, (engine, (colour, marker)) in enumerate(_STYLES.items()):
            rates = [run["rate"] for run in runs if (run["store"], run["engine"]) == (store, engine)]
            if not rates:
                continue
            height = line + (place - 0.5) * 0.3
            axes.plot([0, median(rates)], [height] * 2, color=colour, linewidth=2.4, zorder=2)
            axes.plot(rates, [height] * len(rates), marker, color=colour, markeredgecolor="white", zorder=3)
    handles = [
        axes.plot([], [], marker, color=colour, markeredgecolor="white")[0]
        for colour, marker in _STYLES.values()
    ]
    axes.legend(handles, list(_STYLES), title="engine", loc="lower right", frameon=False)
    dress(axes, "Throughput without a limit", "invoices a second, a dot a round; more is better")
    mark_aim(axes, aim)
    axes.set_xlim(left=0)


def _memory(axes: Axes, runs: list[dict[str, Any]], aim: float) -> None:
    _lines(axes, (f"{run['count']:,} rows" for run in runs))
    for line, run in enumerate(runs):
        _bar(axes, line, run["peak_mib"], f"{run['peak_mib']:.0f}")
    dress(axes, "Memory", "MiB at the peak; less is better")
    mark_aim(axes, aim)
    axes.set_xlim(0, aim * 1.1)


def _budget(axes: Axes, runs: list[dict[str, Any]], aim: float) -> None:
    _lines(axes, (_STORES[run["store"]] for run in runs))
    for line, run in enumerate(runs):
        _bar(axes, line, run["budget"] * 100, f"{run['budget']:.2%}, {run['refused']} of 429")
    dress(axes, "Budget used", "% of the server's windows; more is better")
    mark_aim(axes, aim * 100)
    axes.set_xlim(0, 140)
    axes.set_xticks(range(0, 101, 20))


def _looking(axes: Axes, runs: list[dict[str, Any]], aim: float) -> None:
    _lines(axes, (textwrap.fill(run["title"], 34) for run in runs))
    for line, run in enumerate(runs):
        _bar(axes, line, run["requests"], f"{run['requests']}, {run['wrong']} wrong")
    dress(axes, "Looking for 50 in doubt", "requests; less is better")
    mark_aim(axes, aim)
    axes.set_xlim(0, max(aim, *(run["requests"] for run in runs)) * 1.35)


def draw_batch(raw: dict[str, Any], path: Path, aims: Aims) -> None:
    """Draw the parts that were measured; dashed lines are the aims."""
    parts = (
        ("throughput", _throughput, aims.rate),
        ("budget", _budget, aims.budget),
        ("memory", _memory, aims.peak_mib),
        ("looking", _looking, aims.looking),
    )
    shown = [part for part in parts if raw.get(part[0])]
    with drawing():
        figure = Figure(
            figsize=(12, 0.4 + 2.9 * ((len(shown) + 1) // 2)), facecolor="white", layout="constrained"
        )
        give_room(figure)
        for place, (name, draw, aim) in enumerate(shown):
            draw(figure.add_subplot((len(shown) + 1) // 2, 2, place + 1), raw[name], aim)
        save(figure, path)
