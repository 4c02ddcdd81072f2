"""The API of the fleet benchmark: the sandbox, with the moment of each request that its throttle counted."""

from __future__ import annotations

from attrs import define, field, frozen

from frontpay_async.sandbox import Sandbox
from frontpay_async.sandbox.throttle import Admission, Throttle


@define(eq=False)
class _Counter(Throttle):
    """A throttle that keeps when it admitted what."""

    admitted: dict[str, list[float]] = field(init=False, factory=dict[str, list[float]])
    refused: int = field(init=False, default=0)

    def hit(self, token: str, now: float) -> Admission:
        """Count a request, and note when it came."""
        admission = super().hit(token, now)
        if admission.wait is None:
            self.admitted.setdefault(token, []).append(now)
        else:
            self.refused += 1
        return admission


@frozen(kw_only=True)
class Counts:
    """What came of a run at the API.

    Args:
        doubled: Orders that were created more than once.
        lost: Orders that were not created.
        requests: Requests that were admitted.
        refused: Answers of 429.
        budget: The requests of all tokens, as a part of what their limits allowed while they had demand.
        time: The seconds that the requests need at the limit, as a part of those that they took.
    """

    doubled: int
    lost: int
    requests: int
    refused: int
    budget: float
    time: float


class FleetApi:
    """A sandbox with a token for each merchant.

    Args:
        tokens: The tokens.
        limit: Requests of a token in a window.
        window: Seconds.
    """

    def __init__(self, tokens: list[str], limit: int, window: float) -> None:
        self.sandbox = Sandbox(tokens=tokens, rate_limit=limit, rate_window=window, request_history=0)
        self._tokens, self._limit, self._window = tokens, limit, window
        self._counter = _Counter(limit, window)
        self._api = self.sandbox._api  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        self._api.throttle = self._counter

    def counts(self, invoices: int) -> Counts:
        """Compare what was created with what each merchant asked for."""
        doubled = lost = requests = demand = 0
        needed = taken = 0.0
        for token in self._tokens:
            orders = list(self._api.state.accounts[token].orders.values())
            references = {str(order.body.get("referenceNo")) for order in orders}
            doubled += len(orders) - len(references)
            lost += invoices - len(references)
            times = self._counter.admitted.get(token, [])
            requests += len(times)
            demand += demanded(times, self._limit, self._window)
            needed += (len(times) - 1) / self._limit * self._window
            taken += times[-1] - times[0] if times else 0.0
        return Counts(
            doubled=doubled,
            lost=lost,
            requests=requests,
            refused=self._counter.refused,
            budget=requests / demand if demand else 0.0,
            time=min(1.0, needed / taken) if taken else 0.0,
        )


def demanded(times: list[float], limit: int, window: float) -> int:
    """Return how many requests a token's limit allowed while it had any left to make.

    The windows follow one another from the first request on. In each, the limit allows the smaller of itself
    and what was not sent yet when it began: so what is late counts again in the next window.
    """
    allowed = sent = 0
    end = times[0] if times else 0.0
    while sent < len(times):
        allowed += min(limit, len(times) - sent)
        end += window
        while sent < len(times) and times[sent] < end:
            sent += 1
    return allowed
