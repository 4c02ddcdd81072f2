"""The hazard of a payment: the probability per second that it is decided, by its age. Pure.

*Model.* The duration of a payment is assumed to be log-normal: most are decided within a minute, a few take
many minutes. With distribution F and density f, the *hazard* at age a is

    h(a) = f(a) / (1 - F(a)),   f(a) = φ(z) / (a·s),   1 - F(a) = Φ(-z),   z = (ln a - m) / s.

m and s start with a prior that counts as k = ``trust`` payments, and are updated with observed durations:
with n of them, the mean x̄ of ln a and the sum d of its squared deviations,

    m = (k·m0 + n·x̄) / (k + n),   s² = (k·s0² + d + k·n·(x̄ - m0)² / (k + n)) / (k + n).

The observation is not an age but the interval between the last two polls, which is wide if there are many
watches. Each counts with its expected values within the interval (one EM step): with the normalised ends z1
and z2 and p = Φ(z2) - Φ(z1),

    E[ln a] = m + s·(φ(z1) - φ(z2)) / p,
    E[ln² a] = m² + 2·m·s·(φ(z1) - φ(z2)) / p + s²·(1 + (z1·φ(z1) - z2·φ(z2)) / p).

n is limited to ``memory``, so old observations lose weight. *Limit*: watches abandoned undecided
(right-censored) are ignored, which biases the estimate low; the cost is extra polls, never a missed change.

The scheduler polls at a rate proportional to √h, so it needs the integral G(a) = ∫√h over [0, a]. It is
tabulated on a grid of ages, a quarter of an octave apart, and interpolated linearly.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from typing import TYPE_CHECKING

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Sequence

# The grid covers a tenth of a second to three months.
_GRID = tuple(0.1 * 2 ** (step / 4) for step in range(107))
_ROOT_2 = math.sqrt(2.0)
_ROOT_2PI = math.sqrt(2.0 * math.pi)
# Beyond this many deviations the survival function underflows, and its asymptote is exact enough.
_FAR = 20.0
# In narrower intervals, or further out, the differences are only rounding errors.
_NARROW = 1e-9
# The length of a state, and the maximum number of payments in it.
_STATE = 3
_MOST_SEEN = 1e6


def check_state(state: Sequence[float]) -> tuple[float, float, float]:
    """Validate a value from ``Hazard.state``."""
    if len(state) != _STATE:
        raise ValueError("not a learnt distribution in a snapshot")
    seen, mean, deviations = state
    if not (0 <= seen <= _MOST_SEEN and abs(mean) <= _FAR and 0 <= deviations <= seen * _FAR**2):
        raise ValueError("not a learnt distribution in a snapshot")
    return seen, mean, deviations


def _read(reached: list[float], age: float) -> float:
    """Interpolate a function of the age that is tabulated on the grid."""
    above = bisect_right(_GRID, age)
    if above == 0:
        return reached[0] * age / _GRID[0]
    if above >= len(_GRID):
        return reached[-1]
    part = (age - _GRID[above - 1]) / (_GRID[above] - _GRID[above - 1])
    return reached[above - 1] + part * (reached[above] - reached[above - 1])


@define(eq=False, repr=False)
class Hazard:
    """An estimate of the hazard, from a log-normal prior and observed durations.

    Args:
        median: The prior's median, in seconds.
        spread: The prior's standard deviation of ln(seconds).
        trust: The weight of the prior, in payments.
        memory: The maximum weight of the observations, in payments.
    """

    median: float = 20.0
    spread: float = 0.8
    trust: float = 20.0
    memory: float = 500.0
    mu: float = field(init=False)
    sigma: float = field(init=False)
    peak: float = field(init=False)
    """The maximum of √h over all ages."""
    seen: float = field(init=False, default=0.0)
    _mean: float = field(init=False, default=0.0)
    _deviations: float = field(init=False, default=0.0)
    _reached: list[float] = field(init=False, factory=list[float])
    # The same, for payments that are undecided at each age.
    _expected_reach: list[float] = field(init=False, factory=list[float])

    def __attrs_post_init__(self) -> None:
        self._fit()

    def learn(self, after: float, by: float) -> None:
        """Record that a payment was decided between two ages."""
        value, square = self._expected(max(after, 0.0), max(by, after, _GRID[0]))
        if self.seen >= self.memory:
            kept = (self.memory - 1) / self.seen
            self.seen *= kept
            self._deviations *= kept
        self.seen += 1
        off = value - self._mean
        self._mean += off / self.seen
        # The variance within the interval counts as well; otherwise the spread would shrink.
        self._deviations += off * (value - self._mean) + max(0.0, square - value * value)
        self._fit()

    def before(self, age: float) -> float:
        """Return the share of payments that are decided before an age in seconds."""
        return 0.5 * math.erfc((self.mu - math.log(max(age, _GRID[0]))) / (self.sigma * _ROOT_2))

    def state(self) -> list[float]:
        """Return the learnt state as plain data: count, mean, sum of squared deviations."""
        return [self.seen, self._mean, self._deviations]

    def resume(self, state: list[float]) -> None:
        """Restore a value from ``state``."""
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
        """Return the mean of ln(seconds) and of its square for payments decided between two ages."""
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
        """Return the expected integral of √h over the next seconds, until the decision."""
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
