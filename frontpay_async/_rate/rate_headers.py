"""The rate limit in a response's headers. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

_MOST_REQUESTS = 1_000_000
_MOST_DIGITS = 9


@frozen
class Quota:
    """The rate limit as stated by a response's headers.

    Args:
        limit: Requests per window.
        count: The request's ordinal in its window.
    """

    limit: int
    count: int


def read_quota(headers: Mapping[str, str]) -> Quota | None:
    """Read ``x-ratelimit-*``; None if they are missing or invalid."""
    limit, remaining = headers.get("x-ratelimit-limit", ""), headers.get("x-ratelimit-remaining", "")
    if not (limit.isascii() and limit.isdigit() and remaining.isascii() and remaining.isdigit()):
        return None
    if max(len(limit), len(remaining)) > _MOST_DIGITS:
        return None
    most, left = int(limit), int(remaining)
    if not 0 < most <= _MOST_REQUESTS or left >= most:
        return None
    return Quota(most, most - left)
