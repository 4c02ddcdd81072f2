"""Whether a list of orders is complete for a row: if it is, a missing order was not created. Pure.

Completeness is one condition of absence; ``reconcile`` lists all of them.

*Model.* An existing order may be missing in a list because the list is cut, lags or is otherwise incomplete.
A list counts as complete for a row if

- it shows an order that is older than the row's, so the row's order is not cut off in a list of the newest N;
  and
- each known order that is missing is older than that one; and
- the missing orders are the oldest: a list that shows an older order than one that it lacks is not a list of
  the newest orders, and proves nothing.

Whether an order is older than a row's is known from the journal (it was confirmed before the claim) or from
an earlier list. An older order is known for all rows except the first ones of a new account, whose orders are
sent one at a time until one is confirmed. For such a row, absence is proven by two lists together:

- the first was read a settling delay after the row became unresolved, and did not show its order;
- the second was read when no row was left to be sent, does not show it either, shows all known orders, and
  has more orders than the first can have had. So the first list was not cut: a list of the newest N that
  lacks an order has N orders, and no later list has more. And the second list neither hides nor delays any
  order by which it can be checked.

If no order is known, and both lists are empty (the documented 404), a list cannot be checked. It is then
trusted once, for one row that was sent once: the result of that row decides about the others. If its response
is lost, too, and the list is still empty, the list hides orders, and all rows are parked.

*Caution*: a list may hide orders permanently: every third, those of one kind, or all new ones, as a cache
does. Orders that are known from lists cannot reveal that. Orders that were confirmed by their responses can,
including those of rows that were sent again; call them witnesses. A row is sent again for the first time only
if

- fewer rows of its kind were sent again without becoming witnesses than half of the witnesses that the list
  shows, counting only what is newer than ten minutes before the row's claim; and
- fewer rows were sent again after the newest witness than there are witnesses newer than the row.

One row is always allowed, and three that a list showed afterwards count as one. A row that was sent again
before may be sent once more if a witness of its kind is newer than its last claim; with a witness that is
only newer than ten minutes before that claim, the limit is three attempts.

So if a list hides orders, few are duplicated before a witness is missing from it; as long as none is missing,
the number of rows that are sent again doubles with each round. If a list lacks a confirmed order between two
others after the settling delay, no list of the account is trusted again, by any runner.

*Limit*: a list that hides a row's order but no witness counts as complete, for as many rows as stated above.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from math import inf
from typing import TYPE_CHECKING

from attrs import define, evolve, field, frozen

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping, Sequence

    from frontpay_async.batch.listings import UnresolvedRow


# Seconds before a row's claim in which a witness counts for it: a list that lags more is seen by that.
_NEAR = 600.0
# This many resent rows that a list showed afterwards count as one that it does not show.
_FOUND = 3
# Attempts of a row that has no newer witness.
_MOST_UNTESTED = 3


@frozen
class KnownOrder:
    """An order that exists: created after ``after`` and before ``before``, both in Unix seconds.

    Args:
        number: The first list that showed it.
        kind: The operation that sent it, if its response confirmed it.
    """

    uuid: str
    after: float
    before: float
    number: float
    kind: str | None = None


@frozen
class Resent:
    """A row that was sent again and not confirmed by its response since.

    Args:
        kind: The operation that sends it.
        claimed_at: When it was claimed last, in Unix seconds.
        is_sent: Whether its response may still arrive.
        is_searched: Whether it is unresolved.
        is_found: Whether a list showed it afterwards.
    """

    kind: str
    claimed_at: float
    is_sent: bool = False
    is_searched: bool = False
    is_found: bool = False


@frozen
class Completeness:
    """The rows for which a list of orders is complete.

    Args:
        since: It is complete for rows claimed at this time or later, in Unix seconds.
        number: And for rows claimed after the list of this number.
        lag: The observed lag of the list, in seconds.
        size: How many orders it shows.
        known: The orders that existed when it was requested.
        lacks: Whether one of them is missing.
        is_distrusted: Whether a list of the account was seen to hide orders.
        witnesses: For each kind, the sorted creation times of the orders that were confirmed by their
            responses and that the list shows.
        resent: The rows that were sent again, by number.
    """

    since: float = inf
    number: float = inf
    lag: float = 0.0
    size: int = field(default=0, kw_only=True)
    known: Sequence[KnownOrder] = field(default=(), kw_only=True, repr=False)
    lacks: bool = field(default=False, kw_only=True)
    is_distrusted: bool = field(default=False, kw_only=True)
    witnesses: Mapping[str, Sequence[float]] = field(factory=dict[str, "Sequence[float]"], kw_only=True)
    resent: Mapping[int, Resent] = field(factory=dict[int, Resent], kw_only=True, repr=False)

    @property
    def is_blank(self) -> bool:
        """Whether the list cannot be checked."""
        return not self.size and not self.known

    def covers(self, row: UnresolvedRow) -> bool:
        """Whether the list would show the row's order, because it shows an older one."""
        return self.number <= row.listing or (row.claimed_at is not None and self.since <= row.claimed_at)

    def proves_absence(self, row: UnresolvedRow, *, is_last: bool) -> bool:
        """Whether the list proves a row absent; ``is_last``: no row is left to be sent."""
        if self.is_distrusted:
            return False
        if self.covers(row):
            return True
        if self.lacks or row.missed_at is None:
            return not self.lacks
        return is_last and self._has_outgrown(row.missed_at)

    def is_in_vain(self, row: UnresolvedRow, *, is_last: bool) -> bool:
        """Whether the list proves nothing about a row, and further orders cannot change that."""
        if self.proves_absence(row, is_last=is_last):
            return False
        return self.lacks or self.is_distrusted or is_last

    def _has_outgrown(self, missed_at: float) -> bool:
        """Whether it shows more orders than the list of the row's first search can have had."""
        # Orders claimed since are not in that list, even if the clock stood still.
        return self.size > sum(each.before <= missed_at and each.after < missed_at for each in self.known)


@define(eq=False)
class Caution:
    """Which absent rows may be sent again.

    Args:
        witnesses: As in ``Completeness``.
        resent: As in ``Completeness``.
    """

    witnesses: Mapping[str, Sequence[float]]
    resent: Mapping[int, Resent]
    _newest: float = field(init=False)
    _new: Counter[str] = field(init=False, factory=Counter[str])
    _by_kind: defaultdict[tuple[str, bool], list[float]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._by_kind = defaultdict(list)
        for each in sorted(self.resent.values(), key=lambda each: each.claimed_at):
            self._by_kind[each.kind, each.is_found].append(each.claimed_at)
        self._newest = max((times[-1] for times in self.witnesses.values()), default=-inf)

    def allows(self, row: UnresolvedRow) -> bool:
        """Whether a row may be sent again; if so, it counts from now on."""
        claimed_at = row.claimed_at or 0.0
        near = claimed_at - _NEAR
        witnesses = self.witnesses.get(row.kind, ())
        shown, newer = _since(witnesses, near), _all_since(self.witnesses.values(), claimed_at)
        if row.id in self.resent:
            return _since(witnesses, claimed_at) > 0 or (shown > 0 and row.attempts < _MOST_UNTESTED)
        alike = self._new[row.kind] + self._resent_since({row.kind}, near)
        late = self._new.total() + self._resent_since(self._kinds(), max(near, self._newest))
        if alike >= max(1, shown // 2) or late >= max(1, newer):
            return False
        self._new[row.kind] += 1
        return True

    def _kinds(self) -> set[str]:
        return {kind for kind, _ in self._by_kind}

    def _resent_since(self, kinds: Collection[str], since: float) -> int:
        """Count resent rows; those that a list showed afterwards count less."""
        missing = _all_since((self._by_kind[kind, False] for kind in kinds), since)
        return missing + _all_since((self._by_kind[kind, True] for kind in kinds), since) // _FOUND

    def is_over(self, row: UnresolvedRow) -> bool:
        """Whether waiting for other resent rows cannot help a row."""
        those = self.resent.values()
        is_first = row.id not in self.resent
        return not any(each.is_sent or (each.is_searched and is_first) for each in those)


def _all_since(times: Iterable[Sequence[float]], since: float) -> int:
    return sum(_since(each, since) for each in times)


def _since(times: Sequence[float], since: float) -> int:
    return len(times) - bisect_left(times, since)


def hides_orders(known: Sequence[KnownOrder], listed: Collection[str], until: float) -> bool:
    """Whether a list lacks an order that existed at ``until`` and is between two that it shows."""
    shown = [each for each in known if each.uuid in listed]
    oldest = min((each.before for each in shown), default=inf)
    newest = max((each.after for each in shown), default=-inf)
    return any(
        each.before <= until and oldest < each.after and each.before < newest
        for each in known
        if each.uuid not in listed
    )


def completeness(known: Sequence[KnownOrder], listed: Collection[str], looked_at: float) -> Completeness:
    """Return the completeness of a list that was requested at ``looked_at``, in Unix seconds."""
    shown = [each for each in known if each.uuid in listed]
    missing = [each for each in known if each.uuid not in listed]
    begun = max((each.after for each in shown), default=-inf)
    late = [each.before for each in missing if each.after >= begun]
    lag = max(0.0, looked_at - min(late, default=looked_at))
    witnesses: dict[str, list[float]] = {}
    for each in sorted(shown, key=lambda order: order.after):
        if each.kind is not None:
            witnesses.setdefault(each.kind, []).append(each.after)
    checked = Completeness(lag=lag, size=len(listed), known=known, lacks=bool(missing), witnesses=witnesses)
    newest_missing = max((each.after for each in missing), default=-inf)
    if any(each.before < newest_missing for each in shown):
        return checked
    end = max((each.before for each in missing), default=-inf)
    usable = [each for each in shown if each.after > end] if missing else shown
    return evolve(
        checked,
        since=min((each.before for each in usable), default=inf),
        number=min((each.number for each in usable), default=inf),
    )
