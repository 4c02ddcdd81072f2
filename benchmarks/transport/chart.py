"""The chart of the transport benchmark: CPU per call, and throughput against a slow server.

One row of dots per client, cheapest first; one dot for each number in flight.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Final

from attrs import frozen
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, NullLocator

from benchmarks.common.aims import ideal_rate
from benchmarks.common.looks import BAND, FAINT, Form, label_lines, panels, save_forms
from benchmarks.transport.results import Results, Row

_STYLES: Final = {1: ("#9ecae1", "o"), 16: ("#4292c6", "s"), 100: ("#08519c", "D"), 500: ("#08142b", "^")}
"""Colour and marker, by number in flight."""


@frozen
class _Panel:
    title: str
    unit: str
    delay_ms: int
    value: Callable[[Row], float | None]


_PANELS: Final = (
    _Panel(
        title="CPU per call, server answers at once",
        unit="µs of CPU per call (log); less is better",
        delay_ms=0,
        value=lambda row: row.cpu_us,
    ),
    _Panel(
        title="Throughput, server takes 50 ms",
        unit="calls per second (log); more is better",
        delay_ms=50,
        value=lambda row: row.rate,
    ),
)


def _by_cost(results: Results) -> list[str]:
    """Return the contenders, cheapest call first; the raw sockets, which are not a client, come last."""

    def key(name: str) -> tuple[bool, float]:
        costs = [
            row.cpu_us or 0.0
            for (other, delay, _), row in results.rows.items()
            if (other, delay) == (name, 0)
        ]
        at_16 = results.rows.get((name, 0, 16))
        cost = at_16.cpu_us if at_16 and at_16.cpu_us else min(costs, default=float("inf"))
        return name == "floor", cost

    return sorted(results.contenders, key=key)


def _plain(value: float, _position: int) -> str:
    return f"{value:,.0f}"


def _dress(axes: Axes, panel: _Panel) -> None:
    axes.set_title(panel.title, loc="left", fontsize=11, fontweight="bold", pad=22)
    axes.set_xlabel(panel.unit)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter(FuncFormatter(_plain))
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.grid(axis="x", which="major", color=FAINT, linewidth=0.8)
    axes.tick_params(length=0)
    axes.set_axisbelow(True)
    for side in ("top", "right", "left"):
        axes.spines[side].set_visible(False)


def _plot(form: Form, axes: Axes, panel: _Panel, results: Results, names: list[str]) -> None:
    _dress(axes, panel)
    for line, name in enumerate(names):
        if name.startswith("frontpay"):
            axes.axhspan(line - 0.5, line + 0.5, color=BAND, zorder=0)
        points = [
            (in_flight, value)
            for in_flight in _STYLES
            if (row := results.rows.get((name, panel.delay_ms, in_flight))) and (value := panel.value(row))
        ]
        values = [value for _, value in points]
        height = form.place(line)
        axes.plot(values, [height] * len(values), color="#9aa5b1", linewidth=1.2, zorder=2)
        for in_flight, value in points:
            colour, marker = _STYLES[in_flight]
            axes.plot(value, height, marker, color=colour, markersize=7.5, markeredgecolor="white", zorder=3)


def _mark_ideals(axes: Axes, delay_ms: int) -> None:
    for in_flight, (colour, _) in _STYLES.items():
        rate = ideal_rate(delay_ms, in_flight)
        axes.axvline(rate, color=colour, linestyle=(0, (3, 3)), linewidth=1.1, zorder=1)
        axes.annotate(
            f"ideal {rate:,.0f}",
            (rate, 1),
            xycoords=("data", "axes fraction"),
            xytext=(0, 4),
            textcoords="offset points",
            ha="center",
            fontsize=8,
        )


def draw(results: Results, path: Path) -> None:
    """Draw the chart and its phone form as SVG."""
    names = _by_cost(results)

    def draw_form(form: Form) -> Figure:
        figure, axes = panels(form, len(_PANELS), len(names), row=0.36)
        for place, panel in zip(axes, _PANELS, strict=True):
            _plot(form, place, panel, results, names)
        _mark_ideals(axes[1], 50)
        label_lines(
            form,
            axes,
            [results.label(name) for name in names],
            bold=[line for line, name in enumerate(names) if name.startswith("frontpay")],
            italic=[line for line, name in enumerate(names) if name == "floor"],
        )
        handles = [
            axes[0].plot([], [], marker, color=colour, markersize=7.5, markeredgecolor="white")[0]
            for colour, marker in _STYLES.values()
        ]
        figure.legend(
            handles,
            [f"{in_flight} in flight" for in_flight in _STYLES],
            loc="outside lower center",
            ncols=form.columns(len(handles)),
            frameon=False,
        )
        return figure

    save_forms(draw_form, path)
