"""The chart of the watch benchmark: delay, requests and 429s; one line per contender, a dot per scene."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from attrs import frozen
from matplotlib.axes import Axes
from matplotlib.figure import Figure

_INK: Final = "#1f2933"
_FAINT: Final = "#d5dbe1"
_BAND: Final = "#fff3d6"
_SCENES: Final = {
    "n10": ("10 in half an hour", "#6baed6", "o"),
    "n100": ("100 in half an hour", "#2171b5", "s"),
    "n1000": ("1,000 in half an hour", "#08306b", "D"),
    "slow": ("100, three times as slow", "#238b45", "^"),
    "rush": ("100 at once", "#fdae6b", "v"),
    "flood": ("1,000 at once", "#d94801", "P"),
}
"""Label, colour and marker: the last two tell the same, for whoever does not see one of them."""


@frozen
class _Panel:
    title: str
    unit: str
    value: Callable[[dict[str, Any]], float]
    scale: str


_PANELS: Final = (
    _Panel("Mean delay", "s (log); dashes: bound for single polls", lambda run: run["mean"], "log"),
    _Panel("Requests", "per payment (log)", lambda run: run["requests"] / run["payments"], "log"),
    _Panel(
        "429s",
        "per 100 payments (log above 1)",
        lambda run: run["refusals"] / run["payments"] * 100,
        "symlog",
    ),
)


def _plot(axes: Axes, panel: _Panel, raw: dict[str, Any], names: list[str]) -> None:
    axes.set_title(panel.title, fontsize=11, fontweight="bold", loc="left")
    axes.set_xlabel(panel.unit)
    axes.set_xscale(panel.scale)
    axes.grid(axis="x", color=_FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)
    for line, name in enumerate(names):
        if name.startswith("hub"):
            axes.axhspan(line - 0.5, line + 0.5, color=_BAND, zorder=0)
        for place, (scene, (_, colour, marker)) in enumerate(_SCENES.items()):
            # A little apart, so that equal values stay visible.
            height = line + (place - (len(_SCENES) - 1) / 2) * 0.11
            values = [
                panel.value(run) for run in raw["runs"] if (run["contender"], run["scene"]) == (name, scene)
            ]
            axes.plot(
                values,
                [height] * len(values),
                marker,
                color=colour,
                markersize=6.5,
                markeredgecolor="white",
                zorder=3,
            )


def draw_watch(raw: dict[str, Any], path: Path) -> None:
    """Draw the chart; the suffix of `path` chooses the format. Same input, same bytes."""
    names = list(raw["contenders"])
    style = {
        "svg.hashsalt": "frontpay_async",
        "font.size": 9.5,
        "text.color": _INK,
        "axes.labelcolor": _INK,
        "xtick.color": _INK,
        "ytick.color": _INK,
        "axes.edgecolor": _FAINT,
    }
    with mpl.rc_context(style):
        figure = Figure(figsize=(12.5, 1.9 + 0.55 * len(names)), facecolor="white", layout="constrained")
        axes = figure.subplots(1, 3, sharey=True)
        for place, panel in zip(axes, _PANELS, strict=True):
            _plot(place, panel, raw, names)
        for scene in ("n10", "n100", "n1000"):
            if scene in raw["scenes"]:
                bound, colour = raw["scenes"][scene]["polling"], _SCENES[scene][1]
                axes[0].axvline(bound, color=colour, linestyle=(0, (3, 3)), linewidth=1.0, zorder=1)
        axes[0].set_yticks(range(len(names)), [raw["contenders"][name]["label"] for name in names])
        for name, text in zip(names, axes[0].get_yticklabels(), strict=True):
            if name.startswith("hub"):
                text.set_fontweight("bold")
        axes[0].set_ylim(len(names) - 0.5, -0.5)
        shown = [each for scene, each in _SCENES.items() if scene in raw["scenes"]]
        handles = [
            axes[0].plot([], [], marker, color=colour, markersize=6.5, markeredgecolor="white")[0]
            for _, colour, marker in shown
        ]
        labels = [label for label, _, _ in shown]
        figure.legend(handles, labels, loc="outside lower center", ncols=len(handles), frameon=False)
        figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=110)
