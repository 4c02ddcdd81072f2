"""What can be reached with single polls: the arithmetic behind the table.

**The fluid bound.** Each payment that is under way has a hazard h, the chance a second that it ends. Polled
evenly at rate r, its end is found after 1/(2r) on average, so the payments under way collect delay at the
rate Σ h/(2r), and end at the rate Σh. With Σr = B that is least for r = B·√h/Σ√h, where it is (Σ√h)²/(2B).
So over any stretch of time the mean delay is at least

    ∫ (Σ√h)²/(2B) dt  /  ∫ Σh dt,

with both sums over the payments under way at each moment. Payments that all begin at once have one h, and
of N there are N·S left when the part S has not ended: ∫ N²S²h/(2B) dt / N = N/(4B), whatever the
distribution.

It is a bound for the fluid that it speaks of, which is spread over those that have *not ended*, at any moment
B of it, in shares however small. Real polls differ in three ways, two for the worse and one for the better:

- A payment that has ended and was not found out takes polls, too, and nobody can tell it from the others.
- Each end takes one whole poll at least. N payments that have all ended after a minute need N/B seconds.
- B is an average: the server counts 240 in a window. Polls that would be wasted while all are young can be
  kept for later in the same window.

**The service floor** takes only the second one: a scheduler that knows when each payment ends, and asks once,
as soon as a poll is free; one poll each 1/B seconds.

**The blind floor** takes all three, and relaxes what ties the payments together: in each window of the
server the *expected* polls are at most 240. Then a price for each window, λ(t), decides, and each payment can
be looked at by itself: asked at ages x1 < x2 < … it costs the sum of λ(x) over its polls and the delay. The
cheapest sequence is a shortest path (Barlow, Hunter and Proschan's inspection of a thing that fails once):

    V(l) = min over x > l of  λ(x) + ∫_l^x (F(s) - F(l))/S(l) ds + S(x)/S(l)·V(x),     V = V(0).

For any λ ≥ 0, V - Σ λ·(polls that there are for a payment) is no more than the mean delay of *every*
scheduler that does not know the future; the greatest of these is the floor. It is that of the distribution,
not of the payments that were drawn. Polls lie on a grid of ages here, a quarter or a half of a second apart.

None of them knows the network: the way back of an answer comes on top.
"""

import math
from collections.abc import Sequence
from functools import cache
from statistics import fmean

import numpy as np
from attrs import field, frozen
from numpy.typing import NDArray

from benchmarks.watch.world import BUDGET, LIMIT, WINDOW, Payment, Scene

_ROOT_2 = math.sqrt(2.0)
_STEP = 0.1
_OLDEST = 2000.0
_FAR = 8.0


@frozen(eq=False)
class Duration:
    """How long payments take: log-normal."""

    median: float
    sigma: float
    reached: NDArray[np.float64] = field(init=False)
    """∫√h from 0 to each age, on a grid of a tenth of a second."""

    def __attrs_post_init__(self) -> None:
        ages = ((place + 0.5) * _STEP for place in range(round(_OLDEST / _STEP)))
        roots = np.array([math.sqrt(self.hazard(age)) for age in ages])
        # Frozen for everybody else.
        object.__setattr__(self, "reached", np.concatenate([[0.0], np.cumsum(roots * _STEP)]))

    def survivor(self, age: float) -> float:
        """Return the part of the payments that has not ended at an age."""
        return 1.0 if age <= 0 else 0.5 * math.erfc(math.log(age / self.median) / (self.sigma * _ROOT_2))

    def hazard(self, age: float) -> float:
        """Return the chance a second that a payment of this age ends."""
        z = math.log(age / self.median) / self.sigma
        if z > _FAR:
            # The survivor underflows; its asymptote is exact enough.
            return z / (age * self.sigma)
        density = math.exp(-z * z / 2) / (age * self.sigma * math.sqrt(2 * math.pi))
        return density / self.survivor(age)

    def progress(self, age: float) -> float:
        """Return ∫√h from 0 to an age."""
        place = min(age / _STEP, len(self.reached) - 1.001)
        below = int(place)
        return float(self.reached[below] + (place - below) * (self.reached[below + 1] - self.reached[below]))


@cache
def duration(median: float, sigma: float) -> Duration:
    """Return the distribution."""
    return Duration(median, sigma)


@frozen
class Bounds:
    """What no scheduler can do better, in seconds; each by its own argument."""

    fluid: float
    service: float
    blind: float

    @property
    def floor(self) -> float:
        """The greater of the two that hold for real polls."""
        return max(self.service, self.blind)


def _fluid(scene: Scene, worlds: Sequence[Sequence[Payment]]) -> float:
    hazard, delay, changes = duration(scene.median, scene.sigma).hazard, 0.0, 0.0
    for payments in worlds:
        last = max(each.ends for each in payments)
        times = (
            np.arange(scene.before, scene.before + scene.spread if scene.spread else last, _STEP) + _STEP / 2
        )
        roots, sums = np.zeros(len(times)), np.zeros(len(times))
        # By age, a grid as fine as that of time.
        ages = [hazard((place + 0.5) * _STEP) for place in range(round((last + 1) / _STEP))]
        hazards = np.array(ages)
        square_roots = np.sqrt(hazards)
        for each in payments:
            low, high = np.searchsorted(times, (each.begins, each.ends))
            places = ((times[low:high] - each.begins) / _STEP).astype(int)
            roots[low:high] += square_roots[places]
            sums[low:high] += hazards[places]
        delay += float((roots**2).sum()) * _STEP / (2 * BUDGET)
        changes += float(sums.sum()) * _STEP
    return delay / changes


def _service(worlds: Sequence[Sequence[Payment]]) -> float:
    delays: list[float] = []
    for payments in worlds:
        free = -math.inf
        for each in sorted(payments, key=lambda payment: payment.ends):
            free = max(free + 1 / BUDGET, each.ends)
            if each.counted:
                delays.append(free - each.ends)
    return fmean(delays)


@frozen(eq=False)
class _Ages:
    """The distribution on a grid of ages."""

    ages: NDArray[np.float64]
    survivors: NDArray[np.float64]
    ended: NDArray[np.float64]
    """The integral of 1 - S."""

    @classmethod
    def grid(cls, scene: Scene, step: float) -> "_Ages":
        ages = np.arange(0, 300.0 * scene.median / 20.0 + step / 2, step)
        survivors = np.array([duration(scene.median, scene.sigma).survivor(age) for age in ages])
        means = (2 - survivors[1:] - survivors[:-1]) / 2 * step
        return cls(ages, survivors, np.concatenate([[0.0], np.cumsum(means)]))

    def cheapest(self, prices: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        """Return the least cost of a payment, and the expected polls at each age."""
        count = len(self.ages)
        costs, following = np.zeros(count), np.zeros(count, dtype=int)
        for low in range(count - 2, -1, -1):
            part = slice(low + 1, count)
            late = (
                self.ended[part]
                - self.ended[low]
                - (1 - self.survivors[low]) * (self.ages[part] - self.ages[low])
            )
            each = self.survivors[low] * prices[part] + late + costs[part]
            best = int(np.argmin(each))
            costs[low], following[low] = each[best], low + 1 + best
        polls, place = np.zeros(count), 0
        while place < count - 1:
            polls[following[place]] += self.survivors[place]
            place = int(following[place])
        return float(costs[0]), polls


def _blind_stream(scene: Scene) -> float:
    """Return the floor of a steady stream: one price, found by bisection."""
    grid = _Ages.grid(scene, 0.25 * scene.median / 20.0)
    share, low, high, best = BUDGET * scene.spread / scene.number, 0.0, 400.0, 0.0
    for _ in range(30):
        price = (low + high) / 2
        cost, polls = grid.cheapest(np.full(len(grid.ages), price))
        best = max(best, cost - price * share)
        low, high = (price, high) if polls.sum() > share else (low, price)
    return best


def _blind_at_once(scene: Scene) -> float:
    """Return the floor of N that begin at once: one price for each window, found by subgradient steps."""
    number = scene.number
    grid = _Ages.grid(scene, 0.25 if number <= 10 else 0.5)
    windows = np.minimum((grid.ages // WINDOW).astype(int), round(grid.ages[-1] / WINDOW) - 1)
    share, best = LIMIT / number, 0.0
    prices = np.full(windows.max() + 1, number / 50)
    for step in range(80):
        cost, polls = grid.cheapest(prices[windows])
        best = max(best, cost - float(prices.sum()) * share)
        over = np.bincount(windows, weights=polls) - share
        length = max(1.0, number / 20) / (1 + step / 5)
        prices = np.maximum(0.0, prices + length * over / math.sqrt(float((over**2).sum()) + 1e-12))
    return best


def bounds(scene: Scene) -> Bounds:
    """Return what a scene allows."""
    worlds = [scene.payments(repetition) for repetition in range(scene.repetitions)]
    blind = _blind_stream(scene) if scene.spread else _blind_at_once(scene)
    return Bounds(_fluid(scene, worlds), _service(worlds), blind)


def ideal(scene: Scene, payments: Sequence[Payment]) -> tuple[list[float], int]:
    """Run a scheduler without a network that knows the distribution; return delays and polls.

    There is a poll each 1/B seconds. It goes to the payment in which √h has added up to most since its last:
    so each is polled at a rate in proportion to √h, whatever there are.
    """
    progress = duration(scene.median, scene.sigma).progress
    coming = sorted(payments, key=lambda payment: payment.begins, reverse=True)
    live: dict[Payment, float] = {}
    delays: list[float] = []
    polls, now = 0, 0.0
    missing = sum(each.counted for each in payments)
    while missing:
        while coming and coming[-1].begins <= now:
            live[coming.pop()] = 0.0
        if live:
            polls += 1
            reached = {each: progress(now - each.begins) for each in live}
            most = max(live, key=lambda each: reached[each] - live[each])
            live[most] = reached[most]
            if most.ends <= now:
                del live[most]
                if most.counted:
                    missing -= 1
                    delays.append(now - most.ends)
        now += 1 / BUDGET
    return delays, polls
