"""The chart of the batch benchmark: throughput, memory, use of the budget, and the cost of reconciling."""

import textwrap
from collections.abc import Iterable
from pathlib import Path
from statistics import median
from typing import Any, Final

from attrs import frozen
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.common.looks import (
    BAND,
    Form,
    dress,
    give_room,
    label_lines,
    mark_aim,
    note,
    save_forms,
)

_STYLES: Final = {"httpx": ("#9ecae1", "o"), "aiohttp": ("#08519c", "D")}
"""Colour and marker, by engine."""
_STORES: Final = {"none": "a bare loop, no journal", "sqlite": "SQLite", "postgres": "PostgreSQL"}


@frozen
class Aims:
    """The targets: invoices per second, MiB, a share of the budget, and requests."""

    rate: float
    peak_mib: float
    budget: float
    looking: float


def _lines(form: Form, axes: Axes, labels: Iterable[str], *, ours: Iterable[int] = ()) -> None:
    label_lines(form, [axes], list(labels))
    for line in ours:
        axes.axhspan(line - 0.5, line + 0.5, color=BAND, zorder=0)


def _bar(form: Form, axes: Axes, line: int, value: float, words: str) -> None:
    height = form.place(line)
    axes.barh(height, value, height=0.3 if form.stacked else 0.5, color="#4292c6", zorder=2)
    note(axes, value, height, words)


def _throughput(form: Form, axes: Axes, runs: list[dict[str, Any]], aim: float) -> None:
    _lines(form, axes, _STORES.values(), ours=(1, 2))
    for line, store in enumerate(_STORES):
        for place, (engine, (colour, marker)) in enumerate(_STYLES.items()):
            rates = [run["rate"] for run in runs if (run["store"], run["engine"]) == (store, engine)]
            if not rates:
                continue
            height = form.place(line, (place - 0.5) * 0.3)
            axes.plot([0, median(rates)], [height] * 2, color=colour, linewidth=2.4, zorder=2)
            axes.plot(rates, [height] * len(rates), marker, color=colour, markeredgecolor="white", zorder=3)
    handles = [
        axes.plot([], [], marker, color=colour, markeredgecolor="white")[0]
        for colour, marker in _STYLES.values()
    ]
    axes.legend(handles, list(_STYLES), title="engine", loc="lower right", frameon=False)
    dress(axes, "Throughput without a limit", "invoices per second; more is better")
    mark_aim(axes, aim)
    axes.set_xlim(left=0)


def _memory(form: Form, axes: Axes, runs: list[dict[str, Any]], aim: float) -> None:
    _lines(form, axes, (f"{run['count']:,} rows" for run in runs))
    for line, run in enumerate(runs):
        _bar(form, axes, line, run["peak_mib"], f"{run['peak_mib']:.0f}")
    dress(axes, "Memory", "peak MiB; less is better")
    mark_aim(axes, aim)
    axes.set_xlim(0, aim * 1.1)


def _budget(form: Form, axes: Axes, runs: list[dict[str, Any]], aim: float) -> None:
    _lines(form, axes, (_STORES[run["store"]] for run in runs))
    for line, run in enumerate(runs):
        _bar(form, axes, line, run["budget"] * 100, f"{run['budget']:.2%}, {run['refused']} of 429")
    dress(axes, "Budget used", "% of the server's windows; more is better")
    mark_aim(axes, aim * 100)
    axes.set_xlim(0, 165 if form.stacked else 140)
    axes.set_xticks(range(0, 101, 20))


def _looking(form: Form, axes: Axes, runs: list[dict[str, Any]], aim: float) -> None:
    columns = 50 if form.stacked else 34
    _lines(form, axes, (textwrap.fill(run["title"], columns) for run in runs))
    for line, run in enumerate(runs):
        _bar(form, axes, line, run["requests"], f"{run['requests']}, {run['wrong']} wrong")
    dress(axes, "Reconciling 50 unresolved rows", "requests; less is better")
    mark_aim(axes, aim)
    axes.set_xlim(0, max(aim, *(run["requests"] for run in runs)) * 1.35)


def draw_batch(raw: dict[str, Any], path: Path, aims: Aims) -> None:
    """Draw the chart and its phone form, with the parts that were measured; dashed lines are the targets."""
    parts = (
        ("throughput", _throughput, aims.rate),
        ("budget", _budget, aims.budget),
        ("memory", _memory, aims.peak_mib),
        ("looking", _looking, aims.looking),
    )
    shown = [part for part in parts if raw.get(part[0])]

    def draw(form: Form) -> Figure:
        columns = 1 if form.stacked else 2
        rows = -(-len(shown) // columns)
        height = 0.4 + (2.6 if form.stacked else 2.9) * rows
        figure = Figure(figsize=(form.width, height), facecolor="white", layout="constrained")
        give_room(figure)
        for place, (name, draw_part, aim) in enumerate(shown):
            draw_part(form, figure.add_subplot(rows, columns, place + 1), raw[name], aim)
        return figure

    save_forms(draw, path)
