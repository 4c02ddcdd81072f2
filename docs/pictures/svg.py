"""A sheet to draw on: SVG as text, one element per line, so that diffs of pictures are readable.

A picture has a title and a description for screen readers, its own background, and two sets of colours: it
follows the reader's light or dark scheme.
"""

from __future__ import annotations

from html import escape
from pathlib import Path

from attrs import define, field

__all__ = ["Sheet"]

_ARROW_HEAD = """\
<defs>
<marker id="head" viewBox="0 0 10 10" refX="8.5" refY="5" markerWidth="7" markerHeight="7" orient="auto">
<path class="head" d="M0 0.8 L9 5 L0 9.2 z"/>
</marker>
</defs>"""
_STYLE = Path(__file__).with_name("style.css").read_text(encoding="utf-8")


def _number(value: float) -> str:
    return f"{value:.1f}".removesuffix(".0")


@define
class Sheet:
    """The elements of one picture.

    Args:
        width: Pixels.
        height: Pixels.
        title: What it shows, in a few words.
        description: The content of the picture, for screen readers.
    """

    width: int
    height: int
    title: str
    description: str
    _elements: list[str] = field(factory=list[str])

    def _add(self, name: str, kind: str, **places: float) -> None:
        attributes = "".join(f' {key.replace("_", "-")}="{_number(value)}"' for key, value in places.items())
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
        width, height = self.width, self.height
        size = f'width="{width}" height="{height}" viewBox="0 0 {width} {height}"'
        return "\n".join(
            [
                f'<svg xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-labelledby="title desc">',
                f'<title id="title">{escape(self.title, quote=False)}</title>',
                f'<desc id="desc">{escape(self.description, quote=False)}</desc>',
                f"<style>\n{_STYLE}</style>",
                _ARROW_HEAD,
                f'<rect class="ground" x="0.5" y="0.5" width="{width - 1}" height="{height - 1}" rx="8"/>',
                *self._elements,
                "</svg>",
                "",
            ]
        )
