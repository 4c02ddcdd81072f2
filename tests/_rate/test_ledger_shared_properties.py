"""Several processes, and other users, on one token, who know of one another by the responses alone."""

from __future__ import annotations

import pytest

from tests.support.simulated_token import WINDOW, SimulatedToken

WINDOWS = 12


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("processes", [2, 4, 8])
@pytest.mark.parametrize("written", [False, True], ids=["counted", "written"])
def test_processes_by_headers_alone(processes: int, seed: int, *, written: bool) -> None:
    token = SimulatedToken(seed, written=written)
    token.play(WINDOWS * WINDOW, processes)
    assert token.share >= 0.98
    assert token.refused <= WINDOWS / 2
    assert token.p95 < 0.01 * WINDOW


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("processes", [1, 4])
def test_with_another_user(processes: int, seed: int) -> None:
    """A tenth of the budget is taken by a program that sees no header."""
    token = SimulatedToken(seed, others=0.1)
    token.play(WINDOWS * WINDOW, processes)
    assert token.share >= 0.98
    assert token.refused <= WINDOWS / 2
    assert token.p95 < 0.01 * WINDOW


def test_alone() -> None:
    token = SimulatedToken(0)
    token.play(WINDOWS * WINDOW)
    assert token.share >= 0.995
    assert token.refused == 0
    assert token.p95 < 0.24


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("written", [False, True], ids=["counted", "written"])
def test_the_first_response_of_each_window_is_late(seed: int, *, written: bool) -> None:
    """By a quarter of a window: four processes that cannot see where the window begins."""
    token = SimulatedToken(seed, slow_first=WINDOW / 4, written=written)
    token.play(WINDOWS * WINDOW, 4)
    assert token.share >= 0.98
    assert token.refused <= 1
    assert token.p95 < 0.01 * WINDOW
