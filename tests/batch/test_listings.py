"""What a look comes to while some of the candidates are still to be read."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import pytest

from frontpay_async._protocol.operations import kind_of_order
from frontpay_async._protocol.order_comparison import identity_of_order
from frontpay_async.batch.encryption import NoCipher
from frontpay_async.batch.listings import Evidence, Listings, UnresolvedRow
from frontpay_async.batch.reconcile import Reconciler, _View
from frontpay_async.batch.store import Store
from tests.support.batches import order

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from frontpay_async.batch.listings import Verdict

ORDER = order(1)
KIND = kind_of_order(ORDER).operation.name


def doubtful(number: int, *, listing: int, content: bytes = b"the same") -> UnresolvedRow:
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
    view = _View(candidates, 1000.0, Evidence(number=0), is_whole=is_whole)
    return reconciler._verdict(view, rows, candidates)


def found(decided: Verdict) -> dict[int, str | None]:
    return {each.row: each.order_uuid for each in decided.transitions if each.order_uuid}


def test_of_twins_nothing_is_decided_before_the_last_candidate_is_read() -> None:
    """The younger order fits both; given to the older row, it would leave the older order to nobody."""
    twins = [doubtful(1, listing=18), doubtful(2, listing=20)]
    assert verdict(twins, {"ODR-YOUNGER": 21}, is_whole=False).transitions == []
    whole = verdict(twins, {"ODR-YOUNGER": 21, "ODR-OLDER": 19}, is_whole=True)
    assert found(whole) == {1: "ODR-OLDER", 2: "ODR-YOUNGER"}
    assert whole.unrelated == []


def test_a_row_that_is_alone_is_decided_as_soon_as_its_order_is_read() -> None:
    """A runner that dies in a long look has not looked in vain."""
    rows = [doubtful(1, listing=18), doubtful(2, listing=30, content=b"another")]
    assert found(verdict(rows, {"ODR-1": 19}, is_whole=False)) == {1: "ODR-1"}


@pytest.mark.parametrize("lists", [(["ODR-B"], ["ODR-A"]), (["ODR-A"], ["ODR-B"])])
def test_candidates_are_read_in_the_order_in_which_they_came(
    tmp_path: Path, lists: tuple[list[str], list[str]]
) -> None:
    journal = Store.open(tmp_path / "journal.db", NoCipher())
    listings = Listings(journal, "owner", journal.account_of(journal.join("night", "http://localhost")))
    first, second = lists
    assert (listings.note_list(first), listings.note_list([*second, *first])) == (1, 2)
    seen = listings.candidates({*first, *second}, 0)
    journal.close()
    assert list(seen.items()) == [(first[0], 1), (second[0], 2)]
