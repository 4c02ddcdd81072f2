"""The fixes of the batch, each of which can be taken out, so that what finds the fault is itself tested.

``without("…")`` replaces what the fix added by what was there before, or by what an author who did not
think of it would write. A kind of world of ``chaos_worlds`` that is named beside it must then have a problem
within a few seeds.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import time
import zlib
from math import inf
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from attrs import evolve, frozen
from sqlalchemy import func, select

from frontpay_async._protocol import order_comparison
from frontpay_async._protocol.order_comparison import Comparison, OrderIdentity, SentOrders
from frontpay_async.batch import completeness as checking, listings as keeping, reconcile
from frontpay_async.batch.completeness import Caution, Completeness, KnownOrder
from frontpay_async.batch.listings import Listings
from frontpay_async.batch.reconcile import Reconciler
from frontpay_async.batch.schema import listings

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Generator, Mapping, Sequence

__all__ = ["FIXES", "Fix", "without"]

Setter: TypeAlias = "Callable[[object, str, object], None]"


@frozen
class Fix:
    """A fix.

    Args:
        finding: What it is about.
        kinds: The kinds of worlds that find out, and of races.
        take_out: Takes it out.
    """

    finding: str
    kinds: tuple[str, ...]
    take_out: Callable[[Setter], None]


def _believe(put: Setter) -> None:
    put(Completeness, "proves_absence", lambda *_, **__: True)


def _shown_only(known: Sequence[KnownOrder], listed: Collection[str], looked_at: float) -> Completeness:
    return checking.completeness([each for each in known if each.uuid in listed], listed, looked_at)


def _ignore_missing(put: Setter) -> None:
    put(keeping, "completeness", _shown_only)
    put(keeping, "hides_orders", lambda *_: False)


def _ignore_the_middle(put: Setter) -> None:
    def careless(known: Sequence[KnownOrder], listed: Collection[str], looked_at: float) -> Completeness:
        found = checking.completeness(known, listed, looked_at)
        shown = [each for each in known if each.uuid in listed]
        since = min((each.before for each in shown), default=inf)
        return evolve(found, since=since, lacks=False)

    put(keeping, "completeness", careless)
    put(keeping, "hides_orders", lambda *_: False)


def _do_not_wait_in_a_new_account(put: Setter) -> None:
    put(Listings, "is_anchored", lambda _: True)
    put(Completeness, "covers", lambda self, _: not self.lacks)


def _forget_odd_ids(put: Setter) -> None:
    put(reconcile, "_name", lambda uuid: uuid if reconcile._ID.fullmatch(uuid) else "ODR0")
    put(reconcile, "_names", lambda _: [])
    put(Reconciler, "_may_be_ours", lambda *_: False)
    old = Reconciler._compare

    def careless(self: Reconciler, candidates: Mapping[str, int]) -> None:
        old(self, candidates)
        self._alike.update({uuid: {} for uuid in candidates if self._alike.get(uuid) is None})

    put(Reconciler, "_compare", careless)


def _do_not_lock_lists(put: Setter) -> None:
    pauses = itertools.cycle([0.0, 0.6, 0.1])

    def note_list(self: Listings, uuids: Collection[str]) -> int:
        with self.store.reading() as connection:
            seen = self._seen(connection)
        # An unlucky moment between the two, as another process or the database may cause.
        time.sleep(next(pauses))
        new = [uuid for uuid in uuids if uuid not in seen]
        with self.store.writing() as connection:
            if new:
                self._note(connection, new)
            mine = select(func.max(listings.c.number))
            return int(connection.scalar(mine.where(listings.c.account_id == self.account)) or 0)

    def last_wins(self: Listings, connection: Any) -> dict[str, tuple[int, float]]:
        mine = select(listings.c.number, listings.c.noted_at, listings.c.uuids)
        found: dict[str, tuple[int, float]] = {}
        for number, noted_at, content in connection.execute(mine.order_by(listings.c.number)):
            names = zlib.decompress(bytes(content)).decode().split("\n")
            found.update(dict.fromkeys(names, (number, noted_at)))
        return found

    put(Listings, "note_list", note_list)
    put(Listings, "_seen", last_wins)


def _take_older_orders(put: Setter) -> None:
    def candidates(self: Listings, uuids: Collection[str], since: int) -> dict[str, int]:
        del since
        with self.store.reading() as connection:
            return dict.fromkeys(sorted(self._unattributed(connection, uuids)), 1 << 40)

    put(Listings, "candidates", candidates)


def _same_or_different(put: Setter) -> None:
    old = order_comparison._likeness

    def careless(sent: OrderIdentity, seen: OrderIdentity) -> Comparison:
        found = old(sent, seen)
        return found if found is Comparison.SAME else Comparison.DIFFERENT

    put(order_comparison, "_likeness", careless)
    put(SentOrders, "with_equal_goods", lambda *_: {})


def _goods_alone_differ(put: Setter) -> None:
    old = order_comparison._likeness

    def careless(sent: OrderIdentity, seen: OrderIdentity) -> Comparison:
        goods = order_comparison._goods(sent, seen)
        is_other = goods in (order_comparison._Agreement.NEAR, order_comparison._Agreement.UNEQUAL)
        return Comparison.DIFFERENT if is_other else old(sent, seen)

    put(order_comparison, "_likeness", careless)


def _know_no_forms(put: Setter) -> None:
    put(order_comparison, "_merged", lambda lines, **_: tuple(lines))
    put(order_comparison, "_UNITS", (order_comparison._ONE,))
    put(order_comparison, "_FEE", re.compile("(?!)"))
    put(order_comparison, "_net", lambda amount, _: amount)


def _trust_details(put: Setter) -> None:
    put(reconcile, "are_mixed_up", lambda *_: False)


def _compare_goods_only(put: Setter) -> None:
    def careless(self: SentOrders[Any], seen: OrderIdentity) -> dict[Any, Comparison]:
        return {
            key: Comparison.UNCLEAR
            for (_, sent), keys in self._by_goods.items()
            if order_comparison._has_equal_goods(sent, seen)
            for key in keys
        }

    put(SentOrders, "with_equal_goods", careless)


def _prove_by_the_list_alone(put: Setter) -> None:
    async def cannot(*_: object) -> bool:
        return False

    put(Reconciler, "_can_read", cannot)


async def _nothing(*_: object) -> None:
    pass


def _do_not_prove(put: Setter) -> None:
    put(Reconciler, "_prove", _nothing)
    put(Reconciler, "lease_check", _nothing)


def _take_any_first_token(put: Setter) -> None:
    put(Listings, "replace_token", lambda *_: True)
    put(Reconciler, "lease_check", _nothing)
    put(Reconciler, "confirm", _nothing)


def _resend_without_witnesses(put: Setter) -> None:
    put(Caution, "allows", lambda *_: True)


def _believe_empty_lists(put: Setter) -> None:
    put(Caution, "allows", lambda *_: True)
    old = reconcile._provably_absent

    def careless(view: Any, rows: Any) -> frozenset[int]:
        if view.is_last and view.completeness.is_blank:
            return frozenset(row.id for row in rows if not row.in_flight)
        return old(view, rows)

    put(reconcile, "_provably_absent", careless)


FIXES: Final[Mapping[str, Fix]] = {
    "lists are checked": Fix("lists", ("cut", "cut, new account", "a page"), _believe),
    "missing orders count": Fix("lists", ("lagging", "cut and lagging"), _ignore_missing),
    "a hole in a list counts": Fix("lists", ("hides half", "hides a third"), _ignore_the_middle),
    "a new account begins slowly": Fix("lists", ("cut, new account",), _do_not_wait_in_a_new_account),
    "odd ids may be ours": Fix("lists", ("odd ids",), _forget_odd_ids),
    "lists get numbers under a lock": Fix("two runners", ("two runners",), _do_not_lock_lists),
    "older orders are no candidates": Fix("two runners", ("older orders", "two runners"), _take_older_orders),
    "caution for each row": Fix("details", ("known form", "other form"), _same_or_different),
    "goods alone prove nothing": Fix("details", ("other form", "known form"), _goods_alone_differ),
    "known forms": Fix("details", ("known form",), _know_no_forms),
    "details are checked": Fix("details", ("another order", "another order, new account"), _trust_details),
    "companies are not persons": Fix("details", ("colleague",), _compare_goods_only),
    "the account is read by id": Fix("account", ("pushed out",), _prove_by_the_list_alone),
    "the account is proven": Fix("account", ("other account",), _do_not_prove),
    "one token for a new account": Fix("two tokens", ("two tokens",), _take_any_first_token),
    "witnesses": Fix(
        "hidden orders", ("frozen, all lost", "hides a third, all lost"), _resend_without_witnesses
    ),
    "an empty list is believed once": Fix("hidden orders", ("hides all, new account",), _believe_empty_lists),
}


@contextlib.contextmanager
def without(name: str) -> Generator[None]:
    """Take a fix out until the block ends."""
    with contextlib.ExitStack() as stack:

        def put(owner: object, attribute: str, value: object) -> None:
            stack.callback(setattr, owner, attribute, getattr(owner, attribute))
            setattr(owner, attribute, value)

        FIXES[name].take_out(put)
        yield
