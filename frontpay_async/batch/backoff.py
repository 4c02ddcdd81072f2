"""The delay before a withdrawn row is sent again: exponential, with jitter. Pure."""

from __future__ import annotations

_LONGEST = 60.0


def backoff(attempts: int, chance: float) -> float:
    """Return the seconds until a withdrawn row is sent again."""
    return float(min(_LONGEST, 0.5 * 2.0 ** min(attempts, 10)) * (0.5 + chance / 2))
