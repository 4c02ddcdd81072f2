"""Whether a list of orders is complete: where a row's order is missing in it, the row was not sent. Pure.

Completeness is one condition of absence; ``reconcile`` lists them all.

*Model.* The order of a row may be missing in a list because the list is cut, lags or is incomplete in
another way. It counts as complete for a row where

- it shows an order that is older than the row's, so that a list of the newest N cannot hide it; and
- each order that is known to exist and is missing is older than that one; and
- the missing ones are the oldest of all: a list that shows an older order than one that it lacks is not a
  list of the newest, and proves nothing.

Where an order is older than a row's is known from the journal (confirmed before the claim) or from an earlier
list. That is so for all rows but the first of a new account: its orders go one at a time, until one of them
stands there. For such a row, two lists prove it together:

- the first was read a settling delay after the row came into doubt, and did not show its order;
- the second, when no row is left to be sent, does not show it either, shows all orders that are known to
  exist, and has more orders than the first can have had. So the first was not cut: a list of the newest N
  that lacks something has N orders, and no later one has more. And the second hides, or delays, none of the
  orders by which it can be checked.

Where nothing at all is known, and both lists are empty (the documented 404), there is nothing to check a list
by. Then it is believed once, for one row that was sent once: its result decides about the others. If that is
lost, too, and the list still empty, the list hides what is sent, and all are parked.

*Limit*: a list that hides an order of a row, and none of those that are known, is taken for a complete one.
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
    """For which rows a list of orders is complete.

    Args:
        since: It is complete for rows claimed at this time or later, in Unix seconds.
        number: And for rows claimed after the list of this number.
        lag: Seconds that the list was seen to lag.
        size: How many orders it shows.
        known: The orders that existed when it was asked for.
        lacks: Whether one of these is missing.
    """

    since: float = inf
    number: float = inf
    lag: float = 0.0
    size: int = field(default=0, kw_only=True)
    known: Sequence[KnownOrder] = field(default=(), kw_only=True, repr=False)
    lacks: bool = field(default=False, kw_only=True)

    @property
    def is_blank(self) -> bool:
        """Whether there is nothing to check the list by."""
        return not self.size and not self.known

    def covers(self, row: UnresolvedRow) -> bool:
        """Whether the list would show the row's order, because it shows one that is older."""
        return self.number <= row.listing or (row.claimed_at is not None and self.since <= row.claimed_at)

    def proves_absence(self, row: UnresolvedRow, *, is_last: bool) -> bool:
        """Whether the list proves a row absent; ``is_last``: nothing is left to be sent."""
        if self.covers(row):
            return True
        if self.lacks or row.missed_at is None:
            return not self.lacks
        return is_last and self._has_outgrown(row.missed_at)

    def is_in_vain(self, row: UnresolvedRow, *, is_last: bool) -> bool:
        """Whether the list proves nothing of a row, and further orders will not change that."""
        if self.proves_absence(row, is_last=is_last):
            return False
        return self.lacks or is_last

    def _has_outgrown(self, missed_at: float) -> bool:
        """Whether it shows more orders than the list can have shown in which a row was searched for first."""
        # What was claimed since is not in that list, even where the clock stood still.
        return self.size > sum(each.before <= missed_at and each.after < missed_at for each in self.known)


def completeness(known: Sequence[KnownOrder], listed: Collection[str], looked_at: float) -> Completeness:
    """Return for which rows a list is complete that was asked for at ``looked_at``, in Unix seconds."""
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
