"""The pictures of the documentation, drawn from what they show: ``python -m docs.pictures``."""

from __future__ import annotations

from docs.pictures import architecture, retry, states, window

__all__ = ["PICTURES"]

PICTURES = {
    "architecture.svg": architecture.draw,
    "retry.svg": retry.draw,
    "states.svg": states.draw,
    "window.svg": window.draw,
}
"""Each file, and what draws it."""
