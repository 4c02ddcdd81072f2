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

*Limit*: a list that hides a row's order but none of the known orders counts as complete.
"""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

from attrs import evolve, field, frozen

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from frontpay_async.batch.listings import UnresolvedRow


@frozen
class KnownOrder:
    """An order that exists: created after ``after`` and before ``before``, both in Unix seconds."""

    uuid: str
    after: float
    before: float
    number: float


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
    """

    since: float = inf
    number: float = inf
    lag: float = 0.0
    size: int = field(default=0, kw_only=True)
    known: Sequence[KnownOrder] = field(default=(), kw_only=True, repr=False)
    lacks: bool = field(default=False, kw_only=True)

    @property
    def is_blank(self) -> bool:
        """Whether the list cannot be checked."""
        return not self.size and not self.known

    def covers(self, row: UnresolvedRow) -> bool:
        """Whether the list would show the row's order, because it shows an older one."""
        return self.number <= row.listing or (row.claimed_at is not None and self.since <= row.claimed_at)

    def proves_absence(self, row: UnresolvedRow, *, is_last: bool) -> bool:
        """Whether the list proves a row absent; ``is_last``: no row is left to be sent."""
        if self.covers(row):
            return True
        if self.lacks or row.missed_at is None:
            return not self.lacks
        return is_last and self._has_outgrown(row.missed_at)

    def is_in_vain(self, row: UnresolvedRow, *, is_last: bool) -> bool:
        """Whether the list proves nothing about a row, and further orders cannot change that."""
        if self.proves_absence(row, is_last=is_last):
            return False
        return self.lacks or is_last

    def _has_outgrown(self, missed_at: float) -> bool:
        """Whether it shows more orders than the list of the row's first search can have had."""
        # Orders claimed since are not in that list, even if the clock stood still.
        return self.size > sum(each.before <= missed_at and each.after < missed_at for each in self.known)


def completeness(known: Sequence[KnownOrder], listed: Collection[str], looked_at: float) -> Completeness:
    """Return the completeness of a list that was requested at ``looked_at``, in Unix seconds."""
    shown = [each for each in known if each.uuid in listed]
    missing = [each for each in known if each.uuid not in listed]
    begun = max((each.after for each in shown), default=-inf)
    late = [each.before for each in missing if each.after >= begun]
    lag = max(0.0, looked_at - min(late, default=looked_at))
    checked = Completeness(lag=lag, size=len(listed), known=known, lacks=bool(missing))
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
