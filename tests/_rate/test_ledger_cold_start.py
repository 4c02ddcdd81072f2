"""The first four minutes of a process: whatever hides the window's phase, the budget is used up."""

from __future__ import annotations

from statistics import fmean

import pytest

from tests.support.simulated_token import WINDOW, First, SimulatedToken

pytestmark = pytest.mark.search

SECONDS = 4 * WINDOW

HIDDEN = {
    "as usual": {},
    "the first response is lost": {"first": First(lost=True)},
    "the first hundred responses are lost": {"first": First(lost=True, count=100)},
    "the first response is bare": {"first": First(bare=True)},
    "the first response is slow": {"first": First(seconds=15.0)},
    "headers when written": {"written": True},
    "headers when written, the first response is slow": {"written": True, "first": First(seconds=15.0)},
    "headers when written, a slow network": {"written": True, "latency": (1.0, 2.0)},
    "no headers at all": {"bare": 1.0},
    "three tenths without headers": {"bare": 0.3},
    "a twentieth is lost": {"lost": 0.05},
    "a twentieth is lost, headers when written": {"lost": 0.05, "written": True},
    "the first response of each window is slow": {"slow_first": 15.0},
    "the first response of each window is slow, headers when written": {"slow_first": 15.0, "written": True},
}


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("hidden", HIDDEN.values(), ids=HIDDEN)
def test_the_only_user_loses_nothing(hidden: dict[str, object], seed: int) -> None:
    """At least 97 % of the budget, no 429, and 95 of 100 interactive calls pass within the network's time."""
    token = SimulatedToken(seed, **hidden)  # type: ignore[arg-type]
    token.play(SECONDS)
    assert token.share >= 0.97
    assert token.refused == 0
    assert token.p95 < max(1.0, token.latency[1])


@pytest.mark.parametrize("written", [False, True], ids=["counted", "written"])
@pytest.mark.parametrize(("used", "seconds"), [(230, 5.0), (230, 20.0), (230, 50.0), (240, 30.0)])
def test_used_up_by_others_before_the_start(used: int, seconds: float, *, written: bool) -> None:
    """One request at a time asks when the window ends; a 429 is not counted and says so."""
    shares = []
    for seed in range(8):
        token = SimulatedToken(seed, used_before=used, used_for=seconds, written=written)
        token.play(SECONDS)
        shares.append(token.share)
        assert token.refused <= 1
    assert fmean(shares) >= 0.97
    assert min(shares) >= 0.95
