"""Laravel's throttle: a counter per token that starts with the first request and lasts one window."""

from __future__ import annotations

import math

from attrs import define, field, frozen
from attrs.validators import ge, gt


@frozen
class Admission:
    """The throttle's decision about a request.

    Args:
        limit: Requests a window.
        remaining: Requests left after this one.
        wait: Seconds until the window ends; None if the request is admitted.
    """

    limit: int
    remaining: int
    wait: float | None = None

    def headers(self, wall: float) -> dict[str, str]:
        """Return the headers, at a wall-clock time in Unix seconds."""
        headers = {"x-ratelimit-limit": str(self.limit), "x-ratelimit-remaining": str(self.remaining)}
        if self.wait is not None:
            # Rounded up, so that the window is over after the wait.
            headers["retry-after"] = str(math.ceil(self.wait))
            headers["x-ratelimit-reset"] = str(math.ceil(wall + self.wait))
        return headers


@define(eq=False)
class Throttle:
    """A counter of requests per token in fixed windows.

    Args:
        limit: Requests a window.
        window: Seconds.
        when_written: Whether headers show the count when the response is written, as in the framework's own
            middleware, or when the request was counted.
    """

    limit: int = field(default=240, validator=ge(1))
    window: float = field(default=60.0, validator=gt(0))
    when_written: bool = False
    _windows: dict[str, tuple[float, int]] = field(init=False, factory=dict[str, tuple[float, int]])

    def hit(self, token: str, now: float) -> Admission:
        """Count a request of a token at a time in seconds; a rejected one does not count."""
        start, used = self._windows.get(token, (now, 0))
        if now >= start + self.window:
            start, used = now, 0
        if used >= self.limit:
            return Admission(self.limit, 0, start + self.window - now)
        self._windows[token] = (start, used + 1)
        return Admission(self.limit, self.limit - used - 1)

    def shown(self, token: str, now: float) -> Admission:
        """Return the content of headers that are created at a time in seconds."""
        start, used = self._windows.get(token, (now, 0))
        return Admission(self.limit, self.limit - (used if now < start + self.window else 0))

    def open_windows(self, now: float) -> list[tuple[int, int, float]]:
        """Return the token, the count and the seconds until the end of each open window."""
        # The token is secret, so it is identified by its number, from 1.
        rows = enumerate(self._windows.values(), start=1)
        told = ((place, used, start + self.window - now) for place, (start, used) in rows)
        return [(place, used, ends_in) for place, used, ends_in in told if ends_in > 0]

    def reset(self) -> None:
        """Close all windows."""
        self._windows.clear()
