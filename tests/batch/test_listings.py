"""What a look comes to while some of the candidates are still to be read."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING, Any, cast

import pytest
from attrs import evolve

from frontpay_async._protocol.operations import kind_of_order
from frontpay_async._protocol.order_comparison import identity_of_order
from frontpay_async.batch.completeness import Caution, Completeness, KnownOrder, Resent, hides_orders
from frontpay_async.batch.encryption import NoCipher
from frontpay_async.batch.listings import Listings, UnresolvedRow
from frontpay_async.batch.reconcile import Reconciler, _View
from frontpay_async.batch.states import RowEvent
from frontpay_async.batch.store import Store
from tests.support.batches import account_of, order

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from frontpay_async.batch.listings import Verdict

ORDER = order(1)
KIND = kind_of_order(ORDER).operation.name


def unresolved_row(number: int, *, listing: int, content: bytes = b"the same") -> UnresolvedRow:
    """A row whose request was claimed after the list of that number."""
    return UnresolvedRow(
        id=number,
        kind=KIND,
        content=content,
        fence=1,
        listing=listing,
        in_flight=False,
        claimed_at=None,
        doubt_at=0.0,
        missed_at=None,
        attempts=1,
        error=None,
    )


def verdict(rows: Sequence[UnresolvedRow], candidates: Mapping[str, int], *, is_whole: bool) -> Verdict:
    """Decide on candidates that all look like the order, by the list that showed each of them first."""
    nobody = cast("Any", None)
    reconciler = Reconciler(nobody, nobody, nobody, nobody, NoCipher(), 60.0, turn=1.0)
    for content in {row.content for row in rows}:
        reconciler._sent.add(content, identity_of_order(ORDER if content == b"the same" else order(2)))
    reconciler._seen.update(dict.fromkeys(candidates, identity_of_order(ORDER)))
    reconciler._compare(candidates)
    view = _View(candidates, 1000.0, Completeness(number=0), is_whole=is_whole, is_last=True)
    return reconciler._verdict(view, rows, candidates)


def found(decided: Verdict) -> dict[int, str | None]:
    return {each.row: each.order_uuid for each in decided.transitions if each.order_uuid}


def test_of_twins_nothing_is_decided_before_the_last_candidate_is_read() -> None:
    """The younger order fits both; given to the older row, it would leave the older order to nobody."""
    twins = [unresolved_row(1, listing=18), unresolved_row(2, listing=20)]
    assert verdict(twins, {"ODR-YOUNGER": 21}, is_whole=False).transitions == []
    whole = verdict(twins, {"ODR-YOUNGER": 21, "ODR-OLDER": 19}, is_whole=True)
    assert found(whole) == {1: "ODR-OLDER", 2: "ODR-YOUNGER"}
    assert whole.unrelated == []


def test_a_row_that_is_alone_is_decided_as_soon_as_its_order_is_read() -> None:
    """A runner that dies in a long look has not looked in vain."""
    rows = [unresolved_row(1, listing=18), unresolved_row(2, listing=30, content=b"another")]
    assert found(verdict(rows, {"ODR-1": 19}, is_whole=False)) == {1: "ODR-1"}


@pytest.mark.parametrize("lists", [(["ODR-B"], ["ODR-A"]), (["ODR-A"], ["ODR-B"])])
def test_candidates_are_read_in_the_order_in_which_they_came(
    tmp_path: Path, lists: tuple[list[str], list[str]]
) -> None:
    journal = Store.open(tmp_path / "journal.db", NoCipher())
    journal.join("night", "http://localhost")
    listings = Listings(journal, "owner", account_of(journal))
    first, second = lists
    assert (listings.note_list(first), listings.note_list([*second, *first])) == (1, 2)
    seen = listings.candidates({*first, *second}, 0)
    journal.close()
    assert list(seen.items()) == [(first[0], 1), (second[0], 2)]


def test_a_row_that_came_into_doubt_during_a_round_is_left_to_the_next() -> None:
    """Its content was not compared with the candidates, so that one of them may be its order."""
    nobody = cast("Any", None)
    reconciler = Reconciler(nobody, nobody, nobody, nobody, NoCipher(), 60.0, turn=1.0)
    view = _View({}, 1000.0, Completeness(number=0), is_whole=True, is_last=True)
    row = unresolved_row(1, listing=18)
    assert reconciler._verdict(view, [row], {}).transitions == []
    reconciler._sent.add(row.content, identity_of_order(ORDER))
    assert [each.event for each in reconciler._verdict(view, [row], {}).transitions] == [RowEvent.MISS]


@pytest.mark.parametrize(
    ("size", "before", "is_last", "lacks", "proves"),
    [
        (2, 100.0, True, False, True),
        (1, 100.0, True, False, False),
        (2, 100.0, False, False, False),
        (2, 100.0, True, True, False),
        (1, 300.0, True, False, True),
    ],
    ids=["it has grown", "it may be cut", "more will be sent", "it lacks an order", "one that came later"],
)
def test_where_nothing_older_is_known_a_list_proves_absence_when_it_has_grown(
    size: int, before: float, is_last: bool, lacks: bool, proves: bool
) -> None:
    """One order was known when the row was looked for first, at 200 s, or one came later."""
    known = [KnownOrder("ODR-1", -inf, before, 1)]
    completeness = Completeness(number=1, size=size, known=known, lacks=lacks)
    row = evolve(unresolved_row(1, listing=0), missed_at=200.0)
    assert completeness.proves_absence(row, is_last=is_last) is proves


@pytest.mark.parametrize(
    ("older", "newer", "before", "since", "allowed"),
    [
        (0, 0, 0, 0, 1),
        (0, 0, 0, 1, 0),
        (9, 0, 0, 0, 1),
        (9, 0, 3, 0, 1),
        (9, 0, 0, 1, 0),
        (9, 2, 0, 0, 2),
        (9, 2, 0, 1, 1),
        (9, 2, 3, 0, 2),
        (9, 2, 5, 0, 0),
        (3, 3, 0, 0, 3),
        (0, 9, 0, 0, 4),
        (0, 9, 0, 4, 0),
    ],
)
def test_not_more_rows_are_sent_again_than_witnesses_show(
    older: int, newer: int, before: int, since: int, allowed: int
) -> None:
    """The rows were claimed at 1,000 s; others were sent again before the newest witness, and since."""
    times = [100.0] * 50 + [900.0] * older + [1000.0] * newer
    again = [Resent(KIND, 800.0)] * before + [Resent(KIND, 1100.0)] * since
    caution = Caution({KIND: times}, dict(enumerate(again, 100)))
    rows = [evolve(unresolved_row(number, listing=0), claimed_at=1000.0) for number in range(10)]
    assert sum(caution.allows(row) for row in rows) == allowed


def test_a_kind_that_no_list_showed_yet_is_tried_with_one_row() -> None:
    caution = Caution({"orders.send_ehf_invoice": [1000.0] * 50}, {})
    rows = [evolve(unresolved_row(number, listing=0), claimed_at=900.0) for number in range(10)]
    assert sum(caution.allows(row) for row in rows) == 1


@pytest.mark.parametrize(
    ("witness", "attempts", "allowed"),
    [(1000.0, 9, True), (900.0, 2, True), (900.0, 3, False), (100.0, 2, False)],
)
def test_a_row_is_sent_a_third_time_only_while_orders_are_confirmed(
    witness: float, attempts: int, allowed: bool
) -> None:
    caution = Caution({KIND: [witness]}, {1: Resent(KIND, 1000.0, is_searched=True)})
    row = evolve(unresolved_row(1, listing=0), claimed_at=1000.0, attempts=attempts)
    assert caution.allows(row) is allowed


@pytest.mark.parametrize(
    ("again", "other", "mine"),
    [
        (Resent(KIND, 1000.0, is_sent=True), False, False),
        (Resent(KIND, 1000.0, is_searched=True), False, True),
        (Resent(KIND, 1000.0), True, True),
    ],
)
def test_a_row_waits_for_those_that_were_sent_again(again: Resent, other: bool, mine: bool) -> None:
    """Two rows that were both sent again do not wait for each other for ever."""
    caution = Caution({}, {1: again, 2: again})
    assert caution.is_over(unresolved_row(3, listing=0)) is other
    assert caution.is_over(unresolved_row(1, listing=0)) is mine


ORDERS = [KnownOrder(f"ODR-{at}", 100.0 * at, 100.0 * at + 1, inf) for at in range(1, 6)]


@pytest.mark.parametrize(
    ("shown", "until", "hides"),
    [
        ((1, 2, 3, 4, 5), 600.0, False),
        ((3, 4, 5), 600.0, False),
        ((1, 2, 3), 600.0, False),
        ((2, 3, 4), 600.0, False),
        ((), 600.0, False),
        ((1, 3, 4, 5), 600.0, True),
        ((1, 3, 4, 5), 200.0, False),
        ((1, 2, 5), 400.0, True),
    ],
    ids=["whole", "cut", "late", "both", "empty", "a hole", "a new hole", "a wide hole"],
)
def test_a_list_with_a_hole_hides_orders(shown: tuple[int, ...], until: float, hides: bool) -> None:
    listed = {f"ODR-{at}" for at in shown}
    assert hides_orders(ORDERS, listed, until) is hides
    assert not hides_orders([evolve(each, after=-inf) for each in ORDERS], listed, until)
