"""The chart of the rate benchmark: budget used, 429s and waits; one row per contender, one dot per scene."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

from attrs import frozen
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.common.looks import BAND, Form, dress, label_lines, mark_aim, panels, save_forms

_SCENES: Final = {
    "one": ("one process", "#08519c", "o"),
    "four": ("four processes", "#d94801", "s"),
    "stranger": ("another user, 10 %", "#238b45", "D"),
    "slow": ("slow first answer", "#6a51a3", "^"),
    "real-one": ("real time, one process", "#6baed6", "v"),
    "real-four": ("real time, four processes", "#fdae6b", "P"),
}
"""Label, colour and marker."""


@frozen
class _Panel:
    title: str
    unit: str
    value: Callable[[dict[str, Any]], float]
    scale: str
    aim: float


_PANELS: Final = (
    _Panel(
        "Budget used",
        "% of the server's windows; more is better",
        lambda run: run["budget"] * 100,
        "linear",
        99.5,
    ),
    _Panel(
        "429s a window",
        "on average (log above 1); less is better",
        lambda run: sum(run["refusals"]) / len(run["refusals"]),
        "symlog",
        0.0,
    ),
    _Panel(
        "Interactive wait, p95",
        "% of the window (log); less is better",
        lambda run: max(0.01, (run["p95"] or 0.0) * 100),
        "log",
        1.0,
    ),
)


def _plot(form: Form, axes: Axes, panel: _Panel, raw: dict[str, Any], names: list[str]) -> None:
    axes.set_xscale(panel.scale)
    dress(axes, panel.title, panel.unit)
    mark_aim(axes, panel.aim)
    runs = [run for run in raw["runs"] if "problem" not in run]
    for line, name in enumerate(names):
        if name.startswith("frontpay"):
            axes.axhspan(line - 0.5, line + 0.5, color=BAND, zorder=0)
        for place, (scene, (_, colour, marker)) in enumerate(_SCENES.items()):
            # The offset keeps equal values visible.
            height = form.place(line, (place - (len(_SCENES) - 1) / 2) * 0.11)
            values = [panel.value(run) for run in runs if (run["contender"], run["scene"]) == (name, scene)]
            axes.plot(
                values,
                [height] * len(values),
                marker,
                color=colour,
                markersize=6.5,
                markeredgecolor="white",
                zorder=3,
            )


def draw_rate(raw: dict[str, Any], path: Path) -> None:
    """Draw the chart and its phone form as SVG. Same input, same bytes."""
    names = list(raw["contenders"])

    def draw(form: Form) -> Figure:
        figure, axes = panels(form, len(_PANELS), len(names), row=0.55)
        for place, panel in zip(axes, _PANELS, strict=True):
            _plot(form, place, panel, raw, names)
        ours = [line for line, name in enumerate(names) if name.startswith("frontpay")]
        label_lines(form, axes, [raw["contenders"][name]["label"] for name in names], bold=ours)
        shown = [each for scene, each in _SCENES.items() if scene in raw["scenes"]]
        handles = [
            axes[0].plot([], [], marker, color=colour, markersize=6.5, markeredgecolor="white")[0]
            for _, colour, marker in shown
        ]
        labels = [label for label, _, _ in shown]
        columns = form.columns(len(handles))
        figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False)
        return figure

    save_forms(draw, path)
