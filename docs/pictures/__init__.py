"""The pictures of the documentation, drawn from the code that they show: ``python -m docs.pictures``."""

from __future__ import annotations

from functools import partial

from docs.pictures import architecture, retry, states, window

__all__ = ["PICTURES"]

PICTURES = {
    "architecture.svg": architecture.draw,
    "architecture.phone.svg": partial(architecture.draw, phone=True),
    "retry.svg": retry.draw,
    "retry.phone.svg": partial(retry.draw, phone=True),
    "states.svg": states.draw,
    "states.phone.svg": partial(states.draw, phone=True),
    "window.svg": window.draw,
    "window.phone.svg": partial(window.draw, phone=True),
}
"""The function that draws each file."""
