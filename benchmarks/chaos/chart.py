"""The chart of the chaos benchmark: invoices sent twice, lost and parked, per thousand.

A dot is one seed, a bar is all seeds, and the number beside it is how many invoices that is.
"""

from pathlib import Path
from typing import Any, Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks.common.looks import BAND, Form, dress, give_room, label_lines, note, panels, save_forms

_PANELS: Final = (("duplicates", "Sent twice"), ("lost", "Lost"), ("parked", "Parked for a person"))
_THOUSAND: Final = 1000


def _plot(form: Form, axes: Axes, panel: tuple[str, str], raw: dict[str, Any], cells: list[str]) -> float:
    """Draw a panel; return its greatest value."""
    part, title = panel
    dress(axes, title, "per thousand invoices; less is better")
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
        height = form.place(line)
        axes.barh(height, share, height=0.3 if form.stacked else 0.5, color="#fdae6b", zorder=2)
        axes.plot(shares, [height] * len(shares), "o", color="#d94801", markeredgecolor="white", zorder=3)
        note(axes, max(share, *shares), height, f"{total:,} in all", BAND if ours else "white")
    return greatest


def draw_chaos(raw: dict[str, Any], path: Path, labels: dict[str, str]) -> None:
    """Draw the chart and its phone form.

    Args:
        raw: The results.
        path: The SVG file to write.
        labels: The contenders' names, by key.
    """
    cells = [cell for cell in labels if any(run["cell"] == cell for run in raw["runs"])]

    def draw(form: Form) -> Figure:
        figure, axes = panels(form, len(_PANELS), len(cells), row=0.55, margin=1.3)
        give_room(figure)
        greatest = max(
            _plot(form, place, panel, raw, cells) for place, panel in zip(axes, _PANELS, strict=True)
        )
        for panel in axes:
            # One scale makes the panels comparable; the left margin keeps a 0 visible.
            panel.set_xlim(-greatest * 0.03 or -1, greatest * 1.4 or 1)
        ours = [line for line, cell in enumerate(cells) if cell.startswith("batch")]
        label_lines(form, axes, [labels[cell] for cell in cells], bold=ours)
        return figure

    save_forms(draw, path)
