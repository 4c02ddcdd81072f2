from __future__ import annotations

import math
import random

import pytest

from frontpay_async.watch.hazard import Hazard


def survivor(hazard: Hazard, age: float) -> float:
    return 0.5 * math.erfc((math.log(age) - hazard.mu) / hazard.sigma / math.sqrt(2))


@pytest.mark.parametrize("age", [0.5, 2.0, 10.0, 20.0, 60.0, 180.0, 3600.0])
def test_the_hazard_is_how_fast_the_survivor_falls(age: float) -> None:
    hazard, step = Hazard(), age * 1e-5
    fallen = (survivor(hazard, age - step) - survivor(hazard, age + step)) / (2 * step)
    assert hazard.at(age) == pytest.approx(fallen / survivor(hazard, age), rel=1e-4)


def test_half_of_them_are_decided_by_the_median() -> None:
    assert survivor(Hazard(), 20.0) == pytest.approx(0.5)


@pytest.mark.parametrize("age", [1e6, 1e9, 1e30])
def test_far_out_it_is_small_and_finite(age: float) -> None:
    """Where the survivor has underflown, the asymptote goes on from where the formula ended."""
    assert 0 < Hazard().at(age) < 1e-4


def test_the_asymptote_meets_the_formula() -> None:
    hazard = Hazard()
    edge = math.exp(hazard.mu + 20 * hazard.sigma)
    assert hazard.at(edge * 1.0001) == pytest.approx(hazard.at(edge * 0.9999), rel=0.01)


@pytest.mark.parametrize("age", [0.0, 1.0, 7.0, 20.0, 100.0, 5000.0])
@pytest.mark.parametrize("progress", [0.01, 0.3, 3.0])
def test_progress_is_the_integral_of_the_root(age: float, progress: float) -> None:
    hazard = Hazard()
    seconds = hazard.reaches(age, progress)
    steps = 4000
    width = seconds / steps
    total = sum(math.sqrt(hazard.at(age + (step + 0.5) * width)) for step in range(steps)) * width
    assert total == pytest.approx(progress, rel=0.05)


def test_beyond_the_grid_nothing_is_reached() -> None:
    assert Hazard().reaches(1e7, 1.0) == math.inf
    assert Hazard().reaches(0.0, 1e6) == math.inf


def test_it_learns_the_median_and_the_spread_that_it_sees() -> None:
    hazard = Hazard()
    for _ in range(500):
        for age in (4.0, 5.0, 6.25):
            hazard.learn(age, age)
    assert math.exp(hazard.mu) == pytest.approx(5.0, rel=0.08)
    assert hazard.sigma < 0.4


@pytest.mark.search
@pytest.mark.parametrize("gap", [0.5, 5.0, 15.0])
@pytest.mark.parametrize(("median", "spread"), [(20.0, 0.8), (60.0, 0.5), (8.0, 0.6)])
def test_it_learns_the_truth_however_seldom_anybody_looked(gap: float, median: float, spread: float) -> None:
    """From the intervals between looks alone; the first and the last are as wide as any."""
    chance, hazard = random.Random(7), Hazard()  # noqa: S311 - no secret
    for _ in range(1500):
        age = median * math.exp(chance.gauss(0, spread))
        looks = chance.uniform(0, gap)
        while looks < age:
            looks += gap
        hazard.learn(max(0.0, looks - gap), looks)
    assert math.exp(hazard.mu) == pytest.approx(median, rel=0.1)
    assert hazard.sigma == pytest.approx(spread, rel=0.15)


def test_how_many_are_decided_before_an_age() -> None:
    hazard = Hazard()
    assert hazard.before(20.0) == pytest.approx(0.5)
    assert hazard.before(0.0) < 1e-6
    assert hazard.before(1e6) == pytest.approx(1.0)


def test_a_few_do_not_move_it_far() -> None:
    hazard = Hazard()
    hazard.learn(1.0, 1.0)
    assert math.exp(hazard.mu) > 15


def test_what_is_long_ago_is_forgotten() -> None:
    hazard = Hazard(memory=100)
    for _ in range(1000):
        hazard.learn(100.0, 100.0)
    for _ in range(400):
        hazard.learn(5.0, 5.0)
    assert hazard.seen == pytest.approx(100)
    assert math.exp(hazard.mu) < 10


def test_what_was_learnt_can_be_taken_up() -> None:
    hazard, again = Hazard(), Hazard()
    for age in (3.0, 8.0, 30.0):
        hazard.learn(age / 2, age)
    again.resume(hazard.state())
    assert (again.mu, again.sigma, again.at(12.0)) == (hazard.mu, hazard.sigma, hazard.at(12.0))


@pytest.mark.parametrize(
    "state", [[-1.0, 0.0, 0.0], [1.0, math.inf, 0.0], [1.0, 0.0, -1.0], [math.nan, 0.0, 0.0], [1.0], []]
)
def test_nonsense_is_not_taken_up(state: list[float]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - unpacking says it in its own words
        Hazard().resume(state)


def test_an_age_of_nothing_is_taken_for_a_short_one() -> None:
    hazard = Hazard()
    hazard.learn(0.0, 0.0)
    assert hazard.at(0.0) == hazard.at(0.1)
