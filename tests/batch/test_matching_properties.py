"""The matching of rows in doubt and orders, against worlds in which the truth is known."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from attrs import frozen
from hypothesis import given, strategies as st

from frontpay_async._protocol.order_comparison import Comparison
from frontpay_async.batch.matching import Absent, Found, Later, Undecidable, Unresolved, match


@frozen
class Row:
    """A row: what the API shows of it, what it does not show, and whether its order was stored."""

    number: int
    shown: int
    hidden: int
    stored: bool
    in_flight: bool

    @property
    def content(self) -> bytes:
        return b"%d/%d" % (self.shown, self.hidden)

    @property
    def uuid(self) -> str:
        return f"own-{self.number}"


@frozen
class World:
    """Rows, and orders of others by what the API shows of them."""

    rows: tuple[Row, ...]
    foreign: tuple[int, ...]
    unreadable: frozenset[str]

    def candidates(self) -> list[str]:
        own = [row.uuid for row in self.rows if row.stored]
        return [*own, *(f"foreign-{number}" for number in range(len(self.foreign)))]

    def shown(self, uuid: str) -> int:
        kind, number = uuid.split("-")
        return self.rows[int(number)].shown if kind == "own" else self.foreign[int(number)]

    def alike(self) -> dict[str, dict[bytes, Comparison] | None]:
        return {
            uuid: {row.content: Comparison.SAME for row in self.rows if row.shown == self.shown(uuid)}
            for uuid in self.candidates()
        }

    def decide(self) -> dict[int, Any]:
        unresolved = [Unresolved(row.number, row.content, in_flight=row.in_flight) for row in self.rows]
        return dict(match(unresolved, dict.fromkeys(self.candidates(), 1), self.alike()))


def worlds(
    *, foreign_twins: bool = False, hidden: int = 0, in_flight: bool = False
) -> st.SearchStrategy[World]:
    row = st.tuples(
        st.integers(0, 3),
        st.integers(0, hidden),
        st.booleans(),
        st.booleans() if in_flight else st.just(False),
    )
    foreign = st.integers(0, 3) if foreign_twins else st.integers(100, 103)

    @st.composite
    def build(draw: st.DrawFn) -> World:
        rows = [Row(number, *fields) for number, fields in enumerate(draw(st.lists(row, max_size=7)))]
        unrelated = draw(st.lists(foreign, max_size=4))
        return World(tuple(rows), tuple(unrelated), frozenset())

    return build()


def stored(world: World, content: bytes) -> int:
    return sum(row.stored for row in world.rows if row.content == content)


@given(worlds())
def test_without_identical_orders_of_others_everything_is_decided_and_right(world: World) -> None:
    decided = world.decide()
    assert decided.keys() == {row.number for row in world.rows}
    for content in {row.content for row in world.rows}:
        verdicts = [decided[row.number] for row in world.rows if row.content == content]
        found = [each.uuid for each in verdicts if isinstance(each, Found)]
        assert len(found) == len(set(found)) == stored(world, content)
        assert all(world.rows[int(uuid.split("-")[1])].content == content for uuid in found)
        assert sum(isinstance(each, Absent) for each in verdicts) == len(verdicts) - len(found)


@given(worlds(foreign_twins=True, hidden=1, in_flight=True))
def test_whatever_others_send_no_order_is_sent_twice(world: World) -> None:
    """At most as many rows are absent, and so sent again, as were not stored."""
    decided = world.decide()
    assert decided.keys() == {row.number for row in world.rows if not row.in_flight}
    for content in {row.content for row in world.rows}:
        rows = [row for row in world.rows if row.content == content and not row.in_flight]
        absent = sum(isinstance(decided[row.number], Absent) for row in rows)
        assert absent <= sum(not row.stored for row in rows)


@given(worlds(foreign_twins=True, hidden=1, in_flight=True))
def test_no_order_is_given_to_two_rows(world: World) -> None:
    found = [each.uuid for each in world.decide().values() if isinstance(each, Found)]
    assert len(found) == len(set(found))
    assert set(found) <= set(world.candidates())


@given(worlds(hidden=2))
def test_rows_that_the_api_shows_alike_are_never_mixed_up(world: World) -> None:
    """A row is done as its own order, or one of the same request; else it is left to a person."""
    for number, decision in world.decide().items():
        if isinstance(decision, Found):
            assert world.rows[int(decision.uuid.split("-")[1])].content == world.rows[number].content


@given(worlds(hidden=1), st.randoms(use_true_random=False))
def test_the_order_of_rows_and_candidates_decides_nothing(world: World, chance: Any) -> None:
    unresolved = [Unresolved(row.number, row.content) for row in world.rows]
    candidates = world.candidates()
    chance.shuffle(unresolved)
    chance.shuffle(candidates)
    again = match(unresolved, dict.fromkeys(candidates, 1), world.alike())
    assert {row: type(each) for row, each in again.items()}.keys() == world.decide().keys()
    for content in {row.content for row in world.rows}:
        numbers = [row.number for row in world.rows if row.content == content]
        first = sorted(type(world.decide()[number]).__name__ for number in numbers)
        assert first == sorted(type(again[number]).__name__ for number in numbers)


def one(compared: Comparison | None, *, in_flight: bool = False) -> Any:
    """Decide one row in doubt, beside another that may be in flight, and one candidate."""
    unresolved = [Unresolved(1, b"a"), *([Unresolved(2, b"b", in_flight=True)] if in_flight else [])]
    alike = None if compared is None else {b"a": compared, b"b": compared}
    return match(unresolved, {"ODR1": 1}, {"ODR1": alike})[1]


@pytest.mark.parametrize("compared", [Comparison.UNCLEAR, None])
def test_an_order_that_may_be_it_is_left_to_a_person(compared: Comparison | None) -> None:
    """One that is unclear, and one that cannot be read."""
    decision = one(compared)
    assert isinstance(decision, Undecidable)
    assert decision.candidates == ("ODR1",)


@pytest.mark.parametrize("compared", [Comparison.UNCLEAR, Comparison.SAME, None])
def test_what_may_belong_to_a_request_in_flight_is_decided_later(compared: Comparison | None) -> None:
    assert one(compared, in_flight=True) == Later()


def test_an_unclear_order_that_is_another_rows_own_is_not_held_against_it() -> None:
    """Members of one household share an address: a better match takes the order away."""
    alike = {"ODR1": {b"a": Comparison.SAME, b"b": Comparison.UNCLEAR}}
    decided = match([Unresolved(1, b"a"), Unresolved(2, b"b")], {"ODR1": 1}, alike)
    assert decided == {1: Found("ODR1"), 2: Absent()}


def same(*uuids: str) -> dict[str, dict[bytes, Comparison]]:
    return {uuid: {b"a": Comparison.SAME} for uuid in uuids}


def test_an_older_order_is_no_candidate_of_a_younger_row() -> None:
    """Identical rows, but one was claimed after the order was there: only the other can own it."""
    decided = match([Unresolved(1, b"a", listing=5), Unresolved(2, b"a")], {"ODR1": 5}, same("ODR1"))
    assert decided == {1: Absent(), 2: Found("ODR1")}


def test_an_older_order_that_cannot_be_read_is_none_either() -> None:
    decided = match(
        [Unresolved(1, b"a", listing=5), Unresolved(2, b"b", listing=4)], {"ODR1": 5}, {"ODR1": None}
    )
    assert decided[1] == Absent()
    assert isinstance(decided[2], Undecidable)


def test_a_row_gives_way_to_one_that_has_no_other_order() -> None:
    rows = [Unresolved(1, b"a"), Unresolved(2, b"a", listing=3)]
    decided = match(rows, {"ODR1": 4, "ODR2": 2}, same("ODR1", "ODR2"))
    assert decided == {1: Found("ODR2"), 2: Found("ODR1")}


@given(st.lists(st.integers(0, 5), max_size=6), st.lists(st.integers(1, 6), max_size=6))
def test_as_many_orders_as_possible_get_a_row(listings: list[int], numbers: list[int]) -> None:
    """Compared with trying all assignments."""
    rows = [Unresolved(number, b"a", listing=listing) for number, listing in enumerate(listings)]
    candidates = {f"ODR{index}": number for index, number in enumerate(numbers)}
    decided = match(rows, candidates, same(*candidates))
    possible = (
        max(
            (
                sum(candidates[uuid] > row.listing for row, uuid in zip(rows, order, strict=False))
                for order in itertools.permutations(candidates)
            ),
            default=0,
        )
        if len(candidates) >= len(rows)
        else max(
            sum(number > row.listing for row, number in zip(order, numbers, strict=False))
            for order in itertools.permutations(rows)
        )
    )
    owned = sum(any(number > listing for listing in listings) for number in numbers)
    found = {row: each.uuid for row, each in decided.items() if isinstance(each, Found)}
    assert all(candidates[uuid] > rows[row].listing for row, uuid in found.items())
    assert len(found) == (possible if possible == owned else 0)


def test_more_identical_orders_than_rows_are_left_to_a_person() -> None:
    decided = match([Unresolved(1, b"a")], {"ODR1": 1, "ODR2": 1}, same("ODR1", "ODR2"))
    assert isinstance(decided[1], Undecidable)
    assert decided[1].candidates == ("ODR1", "ODR2")


def test_thousands_of_identical_rows() -> None:
    unresolved = [Unresolved(number, b"a") for number in range(3000)]
    uuids = [f"ODR{number}" for number in range(2500)]
    decided = match(unresolved, dict.fromkeys(uuids, 1), same(*uuids))
    assert sum(isinstance(each, Found) for each in decided.values()) == 2500
    assert sum(isinstance(each, Absent) for each in decided.values()) == 500
