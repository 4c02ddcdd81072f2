"""The look shared by all charts.

Same input, same bytes: a chart in version control changes only when its figures do. Series differ in marker
as well as in colour, for readers who cannot tell the colours apart. Each chart is drawn twice, for wide
screens and for phones (``NAME.phone.svg``), and both follow the reader's light or dark scheme.
"""

from collections.abc import Callable, Collection, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from attrs import frozen
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

INK: Final = "#1f2933"
FAINT: Final = "#d5dbe1"
BAND: Final = "#fff3d6"
"""Background of this client's rows."""
_STYLE: Final[dict[Any, Any]] = {
    "svg.hashsalt": "frontpay_async",
    "font.size": 9.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.edgecolor": FAINT,
}
_DARK: Final = {
    "#ffffff": "#15191d",
    INK: "#e4e7eb",
    FAINT: "#3a444d",
    BAND: "#3a2d0c",
    "#08142b": "#e3f0fb",
    "#08306b": "#c6dcf2",
    "#08519c": "#8fc1e8",
    "#6baed6": "#2f7fb8",
    "#9ecae1": "#2b5d86",
    "#238b45": "#41ab5d",
    "#6a51a3": "#a996d6",
    "#d94801": "#fd8d3c",
    "#fdae6b": "#a8551a",
}
"""Colours of the dark scheme, by the light one's; any other colour is used in both."""


@frozen
class Form:
    """The layout of a chart.

    Args:
        suffix: What the file's suffix becomes.
        width: Inches.
        stacked: The panels are below one another, and the label of a row is above it.
    """

    suffix: str
    width: float
    stacked: bool

    def place(self, line: int, offset: float = 0.0) -> float:
        """Return the height at which a row is drawn; `offset` separates equal values (-0.5 to 0.5)."""
        return line + 0.22 + offset * 0.45 if self.stacked else line + offset

    def columns(self, entries: int) -> int:
        """Return the number of columns of a legend."""
        return 2 if self.stacked else entries


WIDE: Final = Form(".svg", 12.0, stacked=False)
PHONE: Final = Form(".phone.svg", 3.9, stacked=True)


def save_forms(draw: Callable[[Form], Figure], path: Path) -> None:
    """Write a chart and its phone form, with the colours of both schemes."""
    rules = "\n".join(
        f'[style*="{name}: {light}"] {{ {name}: {dark} !important }}'
        for light, dark in _DARK.items()
        for name in ("fill", "stroke")
    )
    style = f"<style>\n@media (prefers-color-scheme: dark) {{\n{rules}\n}}\n</style>\n"
    for form in (WIDE, PHONE):
        file = path.with_suffix(form.suffix)
        with drawing():
            draw(form).savefig(file, metadata={"Date": None})
        before, defs, after = file.read_text(encoding="utf-8").partition(" <defs>\n")
        file.write_text(before + style + defs + after, encoding="utf-8")


def drawing() -> AbstractContextManager[None]:
    """Return the context in which a chart is drawn and saved."""
    return mpl.rc_context(_STYLE)


def panels(
    form: Form, number: int, lines: int, *, row: float, margin: float = 1.9
) -> tuple[Figure, Sequence[Axes]]:
    """Return a figure and its panels, which have the same rows.

    Args:
        form: The layout.
        number: How many panels.
        lines: How many rows each panel has.
        row: Inches of a row on wide screens; on phones it is high enough for its label.
        margin: Inches for titles, units and legend on wide screens.
    """
    height = number * (1.1 + 0.42 * lines) + 0.6 if form.stacked else margin + row * lines
    figure = Figure(figsize=(form.width, height), facecolor="white", layout="constrained")
    across = (number, 1) if form.stacked else (1, number)
    grid = figure.subplots(*across, sharey=not form.stacked, squeeze=False)
    return figure, list(grid.flat)


def label_lines(
    form: Form,
    axes: Sequence[Axes],
    labels: Sequence[str],
    *,
    bold: Collection[int] = (),
    italic: Collection[int] = (),
) -> None:
    """Label the rows: to the left of the first panel, or above each row of every panel."""
    style = [
        {
            "fontweight": "bold" if line in bold else "normal",
            "fontstyle": "italic" if line in italic else "normal",
        }
        for line in range(len(labels))
    ]
    for panel in axes if form.stacked else axes[:1]:
        panel.set_ylim(len(labels) - 0.5, -0.5)
        if not form.stacked:
            panel.set_yticks(range(len(labels)), labels)
            for text, looks in zip(panel.get_yticklabels(), style, strict=True):
                text.set(**looks)
            continue
        panel.set_yticks([])
        for line, (label, looks) in enumerate(zip(labels, style, strict=True)):
            panel.annotate(
                label,
                (0, line - 0.42),
                xycoords=("axes fraction", "data"),
                va="top",
                fontsize=9,
                zorder=4,
                **looks,
            )


def dress(axes: Axes, title: str, unit: str) -> None:
    """Give a panel its title and unit, and remove what carries no information."""
    axes.set_title(title, fontsize=11, fontweight="bold", loc="left")
    axes.set_xlabel(unit)
    axes.grid(axis="x", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)


def mark_aim(axes: Axes, aim: float) -> None:
    """Draw the line of a target."""
    axes.axvline(aim, color=INK, linestyle=(0, (3, 3)), linewidth=1.0, zorder=1)


def note(axes: Axes, x: float, y: float, words: str, ground: str = "white") -> None:
    """Write beside a bar or a dot; `ground` is the colour behind the words."""
    axes.annotate(
        words,
        (x, y),
        xytext=(8, 0),
        textcoords="offset points",
        va="center",
        fontsize=9,
        bbox={"facecolor": ground, "edgecolor": "none", "pad": 1.5},
        zorder=4,
    )


def give_room(figure: Figure) -> None:
    """Add space between panels and around them."""
    engine = figure.get_layout_engine()
    if isinstance(engine, ConstrainedLayoutEngine):
        engine.set(w_pad=0.12, h_pad=0.1)
