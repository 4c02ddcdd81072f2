"""Sweeps: the list of orders covers all watches in one request, if it contains them. Pure.

*Model.* Sweeps every P seconds, with one poll for each change, have a mean delay of P/2 + 1/(2B); single
polls have n_eff/(2B) (see ``schedule.py``). So sweeps pay off if n_eff > B·P + 1. P is at least a second, and
long enough that sweeps take at most a third of the budget. It grows with the cost of a list, which may take
half of the time, and a second for each 1,000 orders, so that a huge account is listed less often.

It is not documented whether the list contains terminal orders, so this is learnt for each kind: if an order
that its own route has returned for ``SETTLED`` seconds before the list was requested is missing, the list
does not contain the kind. This is checked again after ``RELEARN`` seconds. For each watch, the list is
trusted only after it has shown the order once.

The list only indicates changes, it never ends a watch. A change is a possibly final status that the list did
not show before, or the disappearance of a watched order.

The list is not trusted for a kind, for ``RELEARN`` seconds, after it shows an order as open whose own route
returned a final status before the list was requested: the list lags. A list with none of the orders that it
showed before counts as unreadable. If some rows cannot be read, missing orders prove nothing. While a list is
overdue, single polls are used.

*Audit.* A lagging list shows nothing of its lag by itself, so some watches that it shows as open are polled.
A poll catches a list that lags by L seconds with a probability of about h·L, where h is the hazard. Once the
polls without a catch sum up to ``_ENOUGH`` for L = ``_LAG``, the list is trusted without further audits for
``RELEARN`` seconds.
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
# A list is overdue if it takes this multiple of the last one's time.
_OVERDUE = 3.0
# This many orders do not vanish from the list at once.
_SEVERAL = 3
# The maximum number of final statuses kept for comparison with the next list.
_MOST_ENDS = 1000
# Hysteresis: running sweeps continue until single polls are clearly better.
_STAY = 0.7
_AFTER_FAILURE = 1.0
# An audit after so many periods, until so many catches of a lag of so many seconds were to be expected.
_AUDITS = 1.5
_ENOUGH = 3.0
_LAG = 3.0

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
    """Whether sweeps pay off at present."""
    asked_at: float = field(init=False, default=-math.inf)
    under_way: bool = field(init=False, default=False)
    overdue: bool = field(init=False, default=False)
    """Whether the last requested list has not arrived."""
    _took: float = field(init=False, default=0.0)
    _entries: int = field(init=False, default=0)
    # Whether the list contains a kind's orders; and when they were last missing.
    _has: _Has = field(
        init=False,
        factory=_Has,
    )
    _missed_at: dict[WatchKind, float] = field(init=False, factory=dict[WatchKind, float])
    # The expected catches so far, when they were last enough, and when the last audit was.
    _expected: float = field(init=False, default=0.0)
    _vouched_at: float = field(init=False, default=-math.inf)
    _audited_at: float = field(init=False, default=math.inf)
    # Orders with a final status from their own route, and its time, until a later list is compared.
    _ends: OrderedDict[str, tuple[WatchKind, float]] = field(
        init=False, factory=OrderedDict[str, tuple[WatchKind, float]]
    )

    def has(self, kind: WatchKind, now: float) -> bool | None:
        """Return whether the list contains a kind's orders; None if unknown."""
        if self._has[kind] is False and KINDS[kind].facts.listed and now >= self._missed_at[kind] + RELEARN:
            return None
        return self._has[kind]

    def looks_after(self, watch: Watch) -> bool:
        """Return whether sweeps currently cover a watch."""
        trusted = self.on and not self.overdue and self._has[watch.kind] is True
        return trusted and watch.listed is not None

    def period(self, budget: float) -> float:
        """Return the seconds between sweeps for a rate of requests per second."""
        return max(_EVERY, _PART / budget, _TIMES_ITS_COST * self._took, self._entries / _ENTRIES_A_SECOND)

    def weigh(self, worth: float, budget: float) -> bool:
        """Decide whether sweeps pay off; return whether they have just been stopped."""
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
        """Record that the list was requested."""
        self.under_way, self.asked_at = True, now
        if self._audited_at == math.inf:
            self._audited_at = now

    def give_up(self) -> None:
        """Record that a sweep was abandoned: it is repeated at once."""
        self.under_way, self.asked_at = False, -math.inf

    def fail(self, now: float) -> None:
        """Record that a sweep failed: they become less frequent."""
        self.under_way, self.overdue = False, True
        self._took = max(_AFTER_FAILURE, 2 * self._took, now - self.asked_at)

    def audit_due(self, now: float, budget: float) -> float:
        """Return when a watch is polled in order to test the list; infinite for never."""
        if now < self._vouched_at + RELEARN:
            return math.inf
        return self._audited_at + _AUDITS * self.period(budget)

    def audit(self, now: float) -> None:
        """Record that a watch is polled in order to test the list."""
        self._audited_at = now

    def vouch(self, hazard: float, now: float) -> None:
        """Record that a watch of this hazard, which the list shows as open, is open."""
        self._expected += hazard * _LAG
        if self._expected >= _ENOUGH:
            self._expected, self._vouched_at = 0.0, now

    def ended(self, watch: Watch, now: float) -> None:
        """Record a final status from a watch's own route, which no later list may contradict."""
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
        """Record the list; return the watches that changed in it."""
        shown = [watch for watch in watches if watch.listed is not None]
        if (len(shown) >= _SEVERAL or (shown and not listed)) and not any(
            watch.order_uuid in listed for watch in shown
        ):
            self.fail(now)
            return []
        self.under_way = self.overdue = False
        self._took, self._entries = now - self.asked_at, len(listed)
        self._compare(listed, now)
        changes: list[Watch] = []
        for watch in watches:
            before = watch.listed
            found = listed.get(watch.order_uuid)
            if found is None and not whole:
                continue
            watch.listed = found
            if watch.listed is None:
                if before is not None:
                    changes.append(watch)
                elif self._has[watch.kind] is not True and watch.known_at <= self.asked_at - SETTLED:
                    self._distrust(watch.kind, now)
                continue
            if self.has(watch.kind, now) is None:
                self._has[watch.kind] = True
            # The list shows the state at some time after the request.
            watch.listed_at = self.asked_at
            if watch.listed != before and _may_have_ended(watch, before):
                changes.append(watch)
        return changes

    def _compare(self, listed: Mapping[str, OrderStatus], now: float) -> None:
        """Compare the list with the final statuses that were known before it was requested."""
        known = [(uuid, kind) for uuid, (kind, at) in self._ends.items() if at < self.asked_at]
        for uuid, kind in known:
            del self._ends[uuid]
            if listed.get(uuid) == OrderStatus.SENT:
                self._distrust(kind, now)

    def _distrust(self, kind: WatchKind, now: float) -> None:
        self._has[kind], self._missed_at[kind] = False, now
        self._expected, self._vouched_at = 0.0, -math.inf


def _may_have_ended(watch: Watch, before: OrderStatus | None) -> bool:
    """Return whether a new status in the list may be final."""
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
