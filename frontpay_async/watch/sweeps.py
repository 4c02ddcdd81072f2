"""Sweeps: the list of orders covers all watches in one request, if it contains them. Pure.

Sweeps every P seconds with one poll for each change give a mean delay of P/2 + 1/(2B); single polls give
n_eff/(2B) (see ``schedule.py``). So sweeps pay where n_eff > B·P + 1. P is at least a second, and so long
that sweeps take at most a third of the budget. It grows with what a list costs: it may take half of the
time, and a second for each 1,000 orders in it, so that a huge account is not listed again and again.

Whether the list has terminal orders is documented nowhere, so it is found out for each kind: an order that
its own route has known for ``SETTLED`` seconds before the list was asked for is in it, or the kind is not.
"Not" is asked again after ``RELEARN`` seconds. Of one watch the list is only trusted once it has shown it.

What the list shows is news, and never the result. News is a status that it did not show before and that may
be an end, or that a watch is gone from it.

The list is not trusted for a kind any more, for ``RELEARN`` seconds, once it shows an order as open whose
own route had stated an end before the list was asked for: the list lags. A list that has none of the orders
that it showed before is taken for unreadable. Where rows could not be read, nothing follows from an order
that is missing. While a list is overdue, single polls look after its watches.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import TYPE_CHECKING

from attrs import define, field

from frontpay_async.models.statuses import OrderStatus
from frontpay_async.watch.kinds import KINDS, WatchKind

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

    from frontpay_async.watch.kinds import Watch

SETTLED = 3.0
RELEARN = 600.0

_EVERY = 1.0
_PART = 3.0
_TIMES_ITS_COST = 2.0
_ENTRIES_A_SECOND = 1000.0
# A list that takes so many times longer than the last one is overdue.
_OVERDUE = 3.0
# So many orders do not vanish from the list at once.
_SEVERAL = 3
# Ends that no list has been compared with.
_MOST_ENDS = 1000
# Once sweeps run, they go on until they are worth clearly less than single polls.
_STAY = 0.7
_AFTER_FAILURE = 1.0

_NEWS_OF_REFUND = frozenset({OrderStatus.REFUNDED, OrderStatus.PARTIAL_REFUNDED})
_OPEN = frozenset({OrderStatus.SENT, OrderStatus.UNKNOWN})


class _Has(dict[WatchKind, "bool | None"]):
    def __missing__(self, kind: WatchKind) -> bool | None:
        found = self[kind] = None if KINDS[kind].facts.listed else False
        return found


@define(eq=False, repr=False)
class Sweeps:
    """When the list of orders is requested, and how it is read."""

    on: bool = field(init=False, default=False)
    """Whether sweeps pay at present."""
    asked_at: float = field(init=False, default=-math.inf)
    under_way: bool = field(init=False, default=False)
    overdue: bool = field(init=False, default=False)
    """Whether the last list that was asked for has not come."""
    _took: float = field(init=False, default=0.0)
    _entries: int = field(init=False, default=0)
    # Whether the list has a kind's orders; when that was last seen not to be so.
    _has: _Has = field(
        init=False,
        factory=_Has,
    )
    _missed_at: dict[WatchKind, float] = field(init=False, factory=dict[WatchKind, float])
    # Orders whose own route stated an end, and when; until a list that was asked for later is compared.
    _ends: OrderedDict[str, tuple[WatchKind, float]] = field(
        init=False, factory=OrderedDict[str, tuple[WatchKind, float]]
    )

    def has(self, kind: WatchKind, now: float) -> bool | None:
        """Return whether the list has a kind's orders; None if that is not known."""
        if self._has[kind] is False and KINDS[kind].facts.listed and now >= self._missed_at[kind] + RELEARN:
            return None
        return self._has[kind]

    def looks_after(self, watch: Watch) -> bool:
        """Return whether sweeps tell of a watch at present."""
        trusted = self.on and not self.overdue and self._has[watch.kind] is True
        return trusted and watch.listed is not None

    def period(self, budget: float) -> float:
        """Return the seconds from one sweep to the next, with so many requests a second."""
        return max(_EVERY, _PART / budget, _TIMES_ITS_COST * self._took, self._entries / _ENTRIES_A_SECOND)

    def weigh(self, worth: float, budget: float) -> bool:
        """Decide whether sweeps pay; tell whether they do not pay any more."""
        least = budget * self.period(budget) + 1
        was_on = self.on
        self.on = worth > (_STAY * least if was_on else least)
        return was_on and not self.on

    def due(self, budget: float) -> float:
        """Return when the next is due; infinite for never."""
        return self.asked_at + self.period(budget) if self.on and not self.under_way else math.inf

    def patience(self, least: float) -> float:
        """Return the seconds after which a list is overdue; at least so many."""
        return max(least, _OVERDUE * self._took)

    def begin(self, now: float) -> None:
        """Record that the list is asked for."""
        self.under_way, self.asked_at = True, now

    def give_up(self) -> None:
        """Record that a sweep was given up under way: it is repeated at once."""
        self.under_way, self.asked_at = False, -math.inf

    def fail(self, now: float) -> None:
        """Record that a sweep failed: they become less frequent."""
        self.under_way, self.overdue = False, True
        self._took = max(_AFTER_FAILURE, 2 * self._took, now - self.asked_at)

    def ended(self, watch: Watch, now: float) -> None:
        """Record that a watch's own route states an end, which no later list may deny."""
        if not KINDS[watch.kind].facts.listed:
            return
        self._ends[watch.order_uuid] = watch.kind, now
        if len(self._ends) > _MOST_ENDS:
            self._ends.popitem(last=False)

    def read(
        self,
        watches: Collection[Watch],
        listed: Mapping[str, OrderStatus],
        now: float,
        *,
        whole: bool = True,
    ) -> list[Watch]:
        """Record the list; return the watches that it has news of."""
        shown = [watch for watch in watches if watch.listed is not None]
        if (len(shown) >= _SEVERAL or (shown and not listed)) and not any(
            watch.order_uuid in listed for watch in shown
        ):
            self.fail(now)
            return []
        self.under_way = self.overdue = False
        self._took, self._entries = now - self.asked_at, len(listed)
        self._compare(listed, now)
        news: list[Watch] = []
        for watch in watches:
            before = watch.listed
            found = listed.get(watch.order_uuid)
            if found is None and not whole:
                continue
            watch.listed = found
            if watch.listed is None:
                if before is not None:
                    news.append(watch)
                elif self._has[watch.kind] is not True and watch.known_at <= self.asked_at - SETTLED:
                    self._distrust(watch.kind, now)
                continue
            if self.has(watch.kind, now) is None:
                self._has[watch.kind] = True
            # It shows the state at some time after it was requested.
            watch.listed_at = self.asked_at
            if watch.listed != before and _may_have_ended(watch, before):
                news.append(watch)
        return news

    def _compare(self, listed: Mapping[str, OrderStatus], now: float) -> None:
        """Compare the list with the ends that were known before it was asked for."""
        known = [(uuid, kind) for uuid, (kind, at) in self._ends.items() if at < self.asked_at]
        for uuid, kind in known:
            del self._ends[uuid]
            if listed.get(uuid) == OrderStatus.SENT:
                self._distrust(kind, now)

    def _distrust(self, kind: WatchKind, now: float) -> None:
        self._has[kind], self._missed_at[kind] = False, now


def _may_have_ended(watch: Watch, before: OrderStatus | None) -> bool:
    """Return whether a status that the list has not shown before says so."""
    match watch.kind:
        case WatchKind.PAYMENT:
            return watch.listed not in _OPEN
        case WatchKind.REFUND:
            return watch.listed in _NEWS_OF_REFUND and before is not None
        case WatchKind.ORDER:
            return watch.listed not in (watch.status or OrderStatus.SENT, OrderStatus.UNKNOWN)
        case WatchKind.RESERVATION | WatchKind.SUBSCRIPTION:
            # The list of orders does not know them.
            return False
