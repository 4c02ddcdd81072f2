"""The chart of the chaos benchmark: what went wrong, of a thousand invoices.

A dot is a seed, a bar all of them, and the number beside it how many invoices that were.
"""

from pathlib import Path
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.common.looks import BAND, drawing, dress, give_room, note, save

_PANELS: Final = (("duplicates", "Sent twice"), ("lost", "Lost"), ("parked", "Left to a person"))
_THOUSAND: Final = 1000


def _plot(axes: Axes, part: str, title: str, raw: dict[str, Any], cells: list[str]) -> float:
    """Draw a panel; return its greatest value."""
    dress(axes, title, "of a thousand invoices; less is better")
    greatest = 0.0
    for line, cell in enumerate(cells):
        runs = [run for run in raw["runs"] if run["cell"] == cell]
        ours = cell.startswith("batch")
        if ours:
            axes.axhspan(line - 0.5, line + 0.5, color=BAND, zorder=0)
        total = sum(run[part] for run in runs)
        share = total / sum(run["count"] for run in runs) * _THOUSAND
        shares = [run[part] / run["count"] * _THOUSAND for run in runs]
        greatest = max(greatest, share, *shares)
        axes.barh(line, share, height=0.5, color="#fdae6b", zorder=2)
        axes.plot(shares, [line] * len(shares), "o", color="#d94801", markeredgecolor="white", zorder=3)
        note(axes, max(share, *shares), line, f"{total:,} in all", BAND if ours else "white")
    return greatest


def draw_chaos(raw: dict[str, Any], path: Path, labels: dict[str, str]) -> None:
    """Draw the chart.

    Args:
        raw: The results.
        path: Where to; its suffix chooses the format.
        labels: The contenders, and their names.
    """
    cells = [cell for cell in labels if any(run["cell"] == cell for run in raw["runs"])]
    with drawing():
        figure = Figure(figsize=(12, 1.3 + 0.55 * len(cells)), facecolor="white", layout="constrained")
        give_room(figure)
        panels = figure.subplots(1, len(_PANELS), sharey=True)
        greatest = max(
            _plot(axes, part, title, raw, cells) for axes, (part, title) in zip(panels, _PANELS, strict=True)
        )
        for axes in panels:
            # One scale, so that the panels can be compared; a little to the left, so that a 0 can be seen.
            axes.set_xlim(-greatest * 0.03 or -1, greatest * 1.4 or 1)
        panels[0].set_yticks(range(len(cells)), [labels[cell] for cell in cells])
        for cell, text in zip(cells, panels[0].get_yticklabels(), strict=True):
            if cell.startswith("batch"):
                text.set_fontweight("bold")
        panels[0].set_ylim(len(cells) - 0.5, -0.5)
        save(figure, path)
