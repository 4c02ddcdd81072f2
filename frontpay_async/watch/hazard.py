"""How likely a payment is to be decided in the next second, by how long it has been waited for. Pure.

The time that a payment takes is taken to be log-normal: most are decided within a minute, a few take
many. With F its distribution and f its density, the *hazard* at age a is

    h(a) = f(a) / (1 - F(a)),   f(a) = φ(z) / (a·s),   1 - F(a) = Φ(-z),   z = (ln a - m) / s.

m and s begin with a prior that counts as k = ``trust`` payments, and are updated by those that are seen to
be decided: with n of them, the mean x̄ and the squared deviations d of their ln a,

    m = (k·m0 + n·x̄) / (k + n),   s² = (k·s0² + d + k·n·(x̄ - m0)² / (k + n)) / (k + n).

What is seen is not an age but an interval, from the last look to this one, and a wide one where many wait. So
each counts with what is expected within it (one step of EM): with its ends z1 and z2, in deviations, and
p = Φ(z2) - Φ(z1),

    E[ln a] = m + s·(φ(z1) - φ(z2)) / p,
    E[ln² a] = m² + 2·m·s·(φ(z1) - φ(z2)) / p + s²·(1 + (z1·φ(z1) - z2·φ(z2)) / p).

Old ones are forgotten: n is never more than ``memory``. What is given up before it is decided is not
counted, so the estimate is a little early where many are; that costs polls, not news.

The scheduler asks at a rate in proportion to √h, so what it needs is how far √h adds up:
G(a) = ∫√h over [0, a]. It is kept on a grid of ages, a quarter of an octave apart, and read by
linear interpolation.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import TYPE_CHECKING

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Sequence

# From a tenth of a second to three months.
_GRID = tuple(0.1 * 2 ** (step / 4) for step in range(107))
_ROOT_2 = math.sqrt(2.0)
_ROOT_2PI = math.sqrt(2.0 * math.pi)
# Beyond so many deviations the survivor underflows, and its asymptote is exact enough.
_FAR = 20.0
# In a narrower interval, or further out, the differences are rounding errors.
_NARROW = 1e-9
# How many numbers a state has, and the greatest number of payments in one.
_STATE = 3
_MOST_SEEN = 1e6


def check_state(state: Sequence[float]) -> tuple[float, float, float]:
    """Return what ``Hazard.state`` returned, checked."""
    if len(state) != _STATE:
        raise ValueError("not a learnt distribution in a snapshot")
    seen, mean, deviations = state
    if not (0 <= seen <= _MOST_SEEN and abs(mean) <= _FAR and 0 <= deviations <= seen * _FAR**2):
        raise ValueError("not a learnt distribution in a snapshot")
    return seen, mean, deviations


def _read(reached: list[float], age: float) -> float:
    """Read a function of the age that is kept on the grid."""
    above = bisect_right(_GRID, age)
    if above == 0:
        return reached[0] * age / _GRID[0]
    if above >= len(_GRID):
        return reached[-1]
    part = (age - _GRID[above - 1]) / (_GRID[above] - _GRID[above - 1])
    return reached[above - 1] + part * (reached[above] - reached[above - 1])


@define(eq=False, repr=False)
class Hazard:
    """Estimate the hazard from a log-normal prior and what is seen.

    Args:
        median: The prior's median, in seconds.
        spread: The prior's standard deviation of ln(seconds).
        trust: How many payments the prior counts as.
        memory: The most payments that are remembered.
    """

    median: float = 20.0
    spread: float = 0.8
    trust: float = 20.0
    memory: float = 500.0
    mu: float = field(init=False)
    sigma: float = field(init=False)
    peak: float = field(init=False)
    """The greatest √h of all ages."""
    seen: float = field(init=False, default=0.0)
    _mean: float = field(init=False, default=0.0)
    _deviations: float = field(init=False, default=0.0)
    _reached: list[float] = field(init=False, factory=list[float])
    # The same, of those that are not decided yet at each age.
    _expected_reach: list[float] = field(init=False, factory=list[float])

    def __attrs_post_init__(self) -> None:
        self._fit()

    def learn(self, after: float, by: float) -> None:
        """Take in that one was decided between two ages."""
        value, square = self._expected(max(after, 0.0), max(by, after, _GRID[0]))
        if self.seen >= self.memory:
            kept = (self.memory - 1) / self.seen
            self.seen *= kept
            self._deviations *= kept
        self.seen += 1
        off = value - self._mean
        self._mean += off / self.seen
        # What is not known of it within its interval counts, too, or the spread would shrink.
        self._deviations += off * (value - self._mean) + max(0.0, square - value * value)
        self._fit()

    def before(self, age: float) -> float:
        """Return the part of them that is decided before an age in seconds."""
        return 0.5 * math.erfc((self.mu - math.log(max(age, _GRID[0]))) / (self.sigma * _ROOT_2))

    def state(self) -> list[float]:
        """Return what was learnt, as plain data: how many, the mean, the sum of squared deviations."""
        return [self.seen, self._mean, self._deviations]

    def resume(self, state: list[float]) -> None:
        """Take up what ``state`` returned."""
        self.seen, self._mean, self._deviations = check_state(state)
        self._fit()

    def at(self, age: float) -> float:
        """Return the hazard at an age in seconds."""
        age = max(age, _GRID[0])
        z = (math.log(age) - self.mu) / self.sigma
        if z > _FAR:
            return z / (age * self.sigma)
        density = math.exp(-z * z / 2) / (_ROOT_2PI * age * self.sigma)
        return density / (0.5 * math.erfc(z / _ROOT_2))

    def reaches(self, age: float, progress: float) -> float:
        """Return the seconds after an age in which ∫√h reaches a value; infinite beyond the grid."""
        wanted = self._progress(age) + progress
        reached = self._reached
        above = bisect_right(reached, wanted)
        if above >= len(_GRID):
            return math.inf
        if above == 0:
            return max(0.0, _GRID[0] * wanted / reached[0] - age) if reached[0] else _GRID[0]
        part = (wanted - reached[above - 1]) / (reached[above] - reached[above - 1])
        return max(0.0, _GRID[above - 1] + part * (_GRID[above] - _GRID[above - 1]) - age)

    def _expected(self, after: float, by: float) -> tuple[float, float]:
        """Return the mean of ln(seconds), and of its square, of those decided between two ages."""
        low = max(-_FAR, (math.log(after) - self.mu) / self.sigma) if after > 0 else -_FAR
        high = (math.log(by) - self.mu) / self.sigma
        part = 0.5 * (math.erfc(low / _ROOT_2) - math.erfc(high / _ROOT_2))
        if part < _NARROW:
            value = (math.log(max(after, _GRID[0])) + math.log(by)) / 2
            return value, value * value
        at_low, at_high = math.exp(-low * low / 2) / _ROOT_2PI, math.exp(-high * high / 2) / _ROOT_2PI
        first = (at_low - at_high) / part
        second = 1 + (low * at_low - high * at_high) / part
        return (
            self.mu + self.sigma * first,
            self.mu**2 + 2 * self.mu * self.sigma * first + self.sigma**2 * second,
        )

    def expects(self, age: float, seconds: float) -> float:
        """Return how far √h is expected to add up in so many seconds, until it is decided."""
        left = 1 - self.before(age)
        if left < _NARROW:
            return seconds * math.sqrt(self.at(age))
        return (_read(self._expected_reach, age + seconds) - _read(self._expected_reach, age)) / left

    def _progress(self, age: float) -> float:
        return _read(self._reached, age)

    def _fit(self) -> None:
        prior = math.log(self.median)
        weight = self.trust + self.seen
        self.mu = (self.trust * prior + self.seen * self._mean) / weight
        between = self.trust * self.seen * (self._mean - prior) ** 2 / weight
        self.sigma = math.sqrt((self.trust * self.spread**2 + self._deviations + between) / weight)
        last_age, last, last_left = 0.0, 0.0, 0.0
        total = expected = 0.0
        self._reached, self._expected_reach = [], []
        self.peak = 0.0
        for age in _GRID:
            root = math.sqrt(self.at(age))
            left = root * (1 - self.before(age))
            total += (age - last_age) * (root + last) / 2
            expected += (age - last_age) * (left + last_left) / 2
            self._reached.append(total)
            self._expected_reach.append(expected)
            self.peak = max(self.peak, root)
            last_age, last, last_left = age, root, left
