"""The chart of the watch benchmark: mean delays and 429s; one line per contender, a dot per scene."""

from pathlib import Path
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.common.looks import BAND, INK, drawing, dress, save

_NUMBERS: Final = {10: ("#9ecae1", "o"), 100: ("#4292c6", "s"), 1000: ("#08306b", "D")}
"""Colour and marker: both tell the same, for whoever does not see one of them."""
_SHOWN: Final = ("once", "stream")
"""The scenes in the chart; the others stand in the table."""
_LIMITS: Final = {"bound": "bound", "floor": "floor, single polls", "ideal": "ideal, single polls"}
_PANELS: Final = (
    ("once", "Mean delay, all at once", "seconds (log); less is better"),
    ("stream", "Mean delay, in ten minutes", "seconds (log); less is better"),
    ("", "429s per payment", "all scenes (log above 0.01); less is better"),
)


def _delay(raw: dict[str, Any], scene: str, name: str) -> float | None:
    bound = raw["bounds"][scene]
    if name == "bound":
        return float(bound["fluid"])
    if name == "floor":
        return float(max(bound["service"], bound["blind"]))
    found = [run["mean"] for run in raw["runs"] if (run["contender"], run["scene"]) == (name, scene)]
    return found[0] if found else None


def _refusals(raw: dict[str, Any], scene: str, name: str) -> float | None:
    for run in raw["runs"]:
        if (run["contender"], run["scene"]) == (name, scene) and name not in _LIMITS:
            return float(run["refusals"] / max(1, run["payments"]))
    return None


def _plot(axes: Axes, panel: tuple[str, str, str], raw: dict[str, Any], names: list[str]) -> None:
    prefix, title, unit = panel
    if prefix:
        axes.set_xscale("log")
    else:
        axes.set_xscale("symlog", linthresh=0.01)
    dress(axes, title, unit)
    for line, name in enumerate(names):
        if name.startswith("hub"):
            axes.axhspan(line - 0.5, line + 0.5, color=BAND, zorder=0)
        for scene, facts in raw["scenes"].items():
            if not scene.startswith(prefix or _SHOWN):
                continue
            colour, marker = _NUMBERS[facts["number"]]
            value = _delay(raw, scene, name) if prefix else _refusals(raw, scene, name)
            if value is None:
                continue
            height = line + (list(_NUMBERS).index(facts["number"]) - 1) * 0.16
            # In the panel of both, the stream's dots are hollow.
            hollow = not prefix and scene.startswith("stream")
            axes.plot(
                [value],
                [height],
                marker,
                color=colour,
                markersize=6.5,
                markerfacecolor="white" if hollow else colour,
                markeredgecolor=colour if hollow else "white",
                zorder=3,
            )


def draw_watch(raw: dict[str, Any], path: Path) -> None:
    """Draw the chart; the suffix of `path` chooses the format. Same input, same bytes."""
    names = [*_LIMITS, *raw["contenders"]]
    with drawing():
        figure = Figure(figsize=(12, 1.9 + 0.42 * len(names)), facecolor="white", layout="constrained")
        axes = figure.subplots(1, 3, sharey=True)
        for place, panel in zip(axes, _PANELS, strict=True):
            _plot(place, panel, raw, names)
        labels = [_LIMITS.get(name) or raw["contenders"][name]["label"] for name in names]
        axes[0].set_yticks(range(len(names)), labels)
        for name, text in zip(names, axes[0].get_yticklabels(), strict=True):
            if name.startswith("hub"):
                text.set_fontweight("bold")
            elif name in _LIMITS:
                text.set_fontstyle("italic")
        axes[0].set_ylim(len(names) - 0.5, -0.5)
        handles = [
            axes[0].plot([], [], marker, color=colour, markersize=6.5, markeredgecolor="white")[0]
            for colour, marker in _NUMBERS.values()
        ]
        words = [f"{number:,} payments" for number in _NUMBERS]
        hollow = axes[0].plot([], [], "o", markerfacecolor="white", markeredgecolor=INK, markersize=6.5)[0]
        figure.legend(
            [*handles, hollow],
            [*words, "hollow: in ten minutes"],
            loc="outside lower center",
            ncols=4,
            frameon=False,
        )
        save(figure, path)
