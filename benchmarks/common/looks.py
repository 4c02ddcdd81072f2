"""How the charts look, for all of them.

Same input, same bytes: a chart in version control should change only when its figures do. Where colours tell
something apart, markers tell the same, for whoever does not see one of them.
"""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine

INK: Final = "#1f2933"
FAINT: Final = "#d5dbe1"
BAND: Final = "#fff3d6"
"""Behind the lines of this client."""
_STYLE: Final[dict[Any, Any]] = {
    "svg.hashsalt": "frontpay_async",
    "font.size": 9.5,
    "text.color": INK,
    "axes.labelcolor": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "axes.edgecolor": FAINT,
}


def drawing() -> AbstractContextManager[None]:
    """Return the context in which a chart is drawn and saved."""
    return mpl.rc_context(_STYLE)


def dress(axes: Axes, title: str, unit: str) -> None:
    """Give a panel its title and unit, and take away what tells nothing."""
    axes.set_title(title, fontsize=11, fontweight="bold", loc="left")
    axes.set_xlabel(unit)
    axes.grid(axis="x", color=FAINT, linewidth=0.8)
    axes.set_axisbelow(True)
    axes.tick_params(length=0)
    axes.spines[["top", "right", "left"]].set_visible(False)


def mark_aim(axes: Axes, aim: float) -> None:
    """Draw the line that was to be reached, or not to be passed."""
    axes.axvline(aim, color=INK, linestyle=(0, (3, 3)), linewidth=1.0, zorder=1)


def note(axes: Axes, x: float, y: float, words: str, ground: str = "white") -> None:
    """Write beside a bar or a dot, over what is drawn behind on a ground of that colour."""
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
    """Leave some room between panels, and around them."""
    engine = figure.get_layout_engine()
    if isinstance(engine, ConstrainedLayoutEngine):
        engine.set(w_pad=0.12, h_pad=0.1)


def save(figure: Figure, path: Path) -> None:
    """Write the chart; the suffix of `path` chooses the format."""
    figure.savefig(path, metadata={"Date": None} if path.suffix == ".svg" else None, dpi=110)
