"""The rank of a call; pure, because the ledger decides by it. Settings offer it to callers. Pure."""

from __future__ import annotations

from enum import IntEnum


class Priority(IntEnum):
    """Rank a call among those that share a token; the lower number goes first."""

    INTERACTIVE = 0
    """A customer waits at the point of sale or in the browser."""
    NORMAL = 1
    WATCH = 2
    BATCH = 3
