"""A sheet to draw on: SVG as text, an element a line, so that a change of a picture can be read in a diff.

A picture has a title and a description for whoever hears it, a ground of its own, and two sets of colours:
it follows the system's light or dark scheme, and can be read on either page.
"""

from __future__ import annotations

from html import escape

from attrs import define, field

__all__ = ["Sheet"]

_STYLE = """\
text { font-family: system-ui, -apple-system, "Segoe UI", Roboto, "DejaVu Sans", sans-serif; font-size: 13px; fill: #1f2933 }
.mono { font-family: ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", monospace; font-size: 12px }
.bold { font-weight: 650 }
.small { font-size: 11.5px }
.faint { fill: #5b6975 }
.middle { text-anchor: middle }
.end { text-anchor: end }
.ground { fill: #ffffff; stroke: #d5dbe1 }
.box { fill: #f3f6f9; stroke: #9aa5b1 }
.pure { fill: #e6f0fa; stroke: #4292c6 }
.good { fill: #e3f4e6; stroke: #238b45 }
.care { fill: #fff3d6; stroke: #c98a00 }
.stop { fill: #fde7e1; stroke: #d94801 }
.guard { fill: #fff3d6 }
.line { fill: none; stroke: #52606d; stroke-width: 1.4 }
.late { fill: none; stroke: #9aa5b1; stroke-width: 1.2; stroke-dasharray: 5 4 }
.grid { fill: none; stroke: #d5dbe1 }
.used { fill: none; stroke: #08519c; stroke-width: 2 }
.pace { fill: none; stroke: #d94801; stroke-width: 1.6; stroke-dasharray: 6 4 }
.dot { fill: #08519c }
.till { fill: #d94801 }
.head { fill: #52606d }
@media (prefers-color-scheme: dark) {
text { fill: #e4e7eb }
.faint { fill: #a3b1bd }
.ground { fill: #15191d; stroke: #3a444d }
.box { fill: #22292f; stroke: #66727d }
.pure { fill: #17293b; stroke: #4292c6 }
.good { fill: #15301d; stroke: #41ab5d }
.care { fill: #3a2d0c; stroke: #d9a520 }
.stop { fill: #41200f; stroke: #f16913 }
.guard { fill: #3a2d0c }
.line { stroke: #a3b1bd }
.late { stroke: #66727d }
.grid { stroke: #333d45 }
.used { stroke: #6baed6 }
.pace { stroke: #fd8d3c }
.dot { fill: #6baed6 }
.till { fill: #fd8d3c }
.head { fill: #a3b1bd }
}"""


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


@define
class Sheet:
    """Collect the elements of one picture.

    Args:
        width: Pixels.
        height: Pixels.
        title: What it shows, in a few words.
        description: What there is to see, for whoever does not see it.
    """

    width: int
    height: int
    title: str
    description: str
    _elements: list[str] = field(factory=list[str])

    def _add(self, name: str, kind: str, **places: float) -> None:
        attributes = "".join(
            f' {key.replace("_", "-")}="{_number(value)}"' for key, value in places.items()
        )
        self._elements.append(f'<{name} class="{kind}"{attributes}/>')

    def box(self, x: float, y: float, width: float, height: float, kind: str = "box") -> None:
        """Draw a box with round corners."""
        self._add("rect", kind, x=x, y=y, width=width, height=height, rx=6)

    def area(self, x: float, y: float, width: float, height: float, kind: str) -> None:
        """Draw an area with square corners."""
        self._add("rect", kind, x=x, y=y, width=width, height=height)

    def text(self, x: float, y: float, words: str, kind: str = "") -> None:
        """Write a line; y is its base line."""
        self._elements.append(
            f'<text class="{kind}" x="{_number(x)}" y="{_number(y)}">{escape(words, quote=False)}</text>'
        )

    def path(self, path: str, kind: str = "line", *, arrow: bool = False) -> None:
        """Draw a path."""
        marker = ' marker-end="url(#head)"' if arrow else ""
        self._elements.append(f'<path class="{kind}" d="{path}"{marker}/>')

    def arrow(self, *points: tuple[float, float], kind: str = "line") -> None:
        """Draw straight lines from point to point, with a head at the end."""
        self.path("M" + " L".join(f"{_number(x)} {_number(y)}" for x, y in points), kind, arrow=True)

    def line(self, *points: tuple[float, float], kind: str = "line") -> None:
        """Draw straight lines from point to point."""
        self.path("M" + " L".join(f"{_number(x)} {_number(y)}" for x, y in points), kind)

    def dot(self, x: float, y: float, radius: float, kind: str = "dot") -> None:
        """Draw a dot."""
        self._add("circle", kind, cx=x, cy=y, r=radius)

    def render(self) -> str:
        """Return the file."""
        size = f'width="{self.width}" height="{self.height}" viewBox="0 0 {self.width} {self.height}"'
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title description">',
                f'<title id="title">{escape(self.title, quote=False)}</title>',
                f'<desc id="description">{escape(self.description, quote=False)}</desc>',
                f"<style>\n{_STYLE}\n</style>",
                '<defs><marker id="head" viewBox="0 0 10 10" refX="8.5" refY="5" markerWidth="7" markerHeight="7"'
                ' orient="auto-start-reverse"><path class="head" d="M0 0.8 L9 5 L0 9.2 z"/></marker></defs>',
                f'<rect class="ground" x="0.5" y="0.5" width="{self.width - 1}" height="{self.height - 1}" rx="8"/>',
                *self._elements,
                "</svg>",
                "",
            ]
        )
