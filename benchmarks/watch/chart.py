"""The chart of the watch benchmark: mean delays and 429s; one row per contender, one dot per scene."""

from pathlib import Path
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.common.looks import BAND, INK, Form, dress, label_lines, panels, save_forms

_NUMBERS: Final = {10: ("#9ecae1", "o"), 100: ("#4292c6", "s"), 1000: ("#08306b", "D")}
"""Colour and marker, by number of payments."""
_SHOWN: Final = ("once", "stream")
"""The scenes in the chart; the table has the others."""
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


def _plot(form: Form, axes: Axes, panel: tuple[str, str, str], raw: dict[str, Any], names: list[str]) -> None:
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
            height = form.place(line, (list(_NUMBERS).index(facts["number"]) - 1) * 0.16)
            # The panel that shows both scenes has hollow dots for the stream.
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
    """Draw the chart and its phone form as SVG. Same input, same bytes."""
    names = [*_LIMITS, *raw["contenders"]]

    def draw(form: Form) -> Figure:
        figure, axes = panels(form, len(_PANELS), len(names), row=0.42)
        for place, panel in zip(axes, _PANELS, strict=True):
            _plot(form, place, panel, raw, names)
        label_lines(
            form,
            axes,
            [_LIMITS.get(name) or raw["contenders"][name]["label"] for name in names],
            bold=[line for line, name in enumerate(names) if name.startswith("hub")],
            italic=[line for line, name in enumerate(names) if name in _LIMITS],
        )
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
            ncols=form.columns(4),
            frameon=False,
        )
        return figure

    save_forms(draw, path)
