"""The schedule: which watch is polled next. No I/O, no clock: callers pass the time. Pure.

*Model.* A watch has a hazard h: the probability per second that its result is decided. If it is polled evenly
at rate r, a change is found after 1/(2r) on average, so n watches accumulate Σ h/(2r) of delay per second.
With a budget of B = Σr polls per second, that sum is smallest where h/(2r²) is the same value λ for all
watches, so

    r = B·√h / Σ√h,    mean delay = (Σ√h)² / (2·B·Σh),    λ = K²/2 with K = Σ√h / B.

(Optimal inspection: Barlow, Hunter and Proschan 1963; the density √(h/2λ): Keller 1974.) λ is the price of a
poll, in seconds of delay. K determines the next poll: it is due when the integral of √h since the last poll
reaches K. n_eff = (Σ√h)²/Σh is the equivalent number of equal watches; it is at most n. The mean delay is a
lower bound for single polls: it assumes that all of B is spent on undecided watches, evenly spaced. In fact,
watches that are decided but not yet polled also take their share.

*Fair queueing* yields these rates without knowing B. Virtual time V is the tag (``tag``) of the watch that is
polled; its next tag is V + T/K, where T is the time until the integral of √h reaches K. The watch with the
smallest tag is polled first. If h were constant, T/K = 1/√h, and each watch would get its share √h of any
budget, as evenly as possible. K is the sum of the shares times the mean time between polls. It may be
approximate: it only sets the horizon of the hazard. The watch to poll is chosen when the rate governor has
admitted the poll, not before (late binding).

*One price per window.* A poll of little value now can be saved for later in the same window. If polls are
plentiful (two a minute for each watch), a watch is polled only when the integral of √h since its last poll
reaches the price: the expected sum of these integrals until the window ends, divided by the remaining polls.

*The first poll.* A new watch is already decided with probability p0. Polling at once instead of at the due
time T saves p0·T of delay and costs λ. So it is polled at once if p0·T > K²/2, which is the case unless there
are many watches. p0 is learnt from the first polls of earlier watches.

*Bounds.* The interval between two polls of a watch is at least ``CLOSEST``, and at least 1/400 of its age:
after an hour, nine seconds do not matter. It is at most ``LONGEST``. No watch starves: its share is at least
a tenth of the largest share of its kind, so another watch is polled at most eleven times between two of its
polls, and V passes every assigned tag. If the budget allows n polls per ``LONGEST``, no watch waits much
longer than that; otherwise about n/B, one round of all watches. The remainder of a rate window is spread
(``least_gap``).

*Sweeps.* The list of orders shows all orders in one request, which pays off for many watches: ``sweeps.py``.
While sweeps run, the watches that the list shows are polled only every ``LONGEST`` and for audits, in case
the list lags, and a new watch is first polled after the next list.

*Changes in the list.* A new status in the list is confirmed by a poll, with precedence over all other polls.
If the response shows no change, the poll is repeated a few times, at growing intervals. A change that is seen
during a poll leads to another poll, because the response may be older.

*Callbacks* may be forged, so they get a separate share: a bucket of ``_CLAIMS`` early polls, to which each
regular poll and each confirmed callback adds one. While it is empty, an early poll waits for the next regular
one. Confirmed callbacks cost nothing. Forged ones cost at most half of the polls, so other watches wait at
most twice as long on average, however many callbacks arrive. After a wrong callback, a watch gets one early
poll for each regular one, and an early poll without a change is not repeated.

*Hedging.* A poll without a response for ``HEDGE_AFTER`` seconds, or three times the mean, is repeated, and
the first response counts. While polls of a watch hang, each gets twice the time of the previous one.

*After the last reader* has left, an undecided watch is kept for ``KEPT_FOR`` seconds, so a handler that waits
two seconds and calls again finds its age, its tag and its last status.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from enum import Enum
from typing import TYPE_CHECKING

from attrs import define, field

from frontpay_async.watch.hazard import Hazard
from frontpay_async.watch.kinds import EARLY_KINDS, KINDS, Watch, WatchKind, WatchState
from frontpay_async.watch.lazy_heap import LazyHeap
from frontpay_async.watch.sweeps import Sweeps

if TYPE_CHECKING:
    from collections.abc import Mapping

    from frontpay_async.models.statuses import OrderStatus, Status

CLOSEST = 0.25
"""The minimum seconds between two polls of a watch."""
LONGEST = 60.0
"""The maximum seconds between two polls of a watch, if the budget allows it."""

HEDGE_AFTER = 3.0
"""Seconds after which a poll without a response is repeated."""
KEPT_FOR = 600.0
"""Seconds for which an undecided watch is kept after its last reader."""

_RETRY_SHARE = 1 / 400
# The chance that a new watch is decided already: the prior and the number of first polls that it counts as,
# the most seconds until a first poll, and how many first polls are remembered.
_DECIDED_ALREADY = 0.05
_PRIOR_LOOKS = 20.0
_FIRST_LOOK = 1.0
_MOST_LOOKS = 500.0
_SURPRISE = 0.02
_HURRY = 0.1
_REPEATS = 4
_REPEAT_AFTER = 0.25
# The minimum share of a watch, relative to the largest share of its kind.
_LEAST_SHARE = 0.1
_LEAST_PACE = 1e-4
_SMOOTHING = 0.1
_MOST_PAUSE = 8.0
# More than can be in flight at once: each confirmed callback returns its poll.
_CLAIMS = 16.0
_MOST_KEPT = 10_000
# The polls per second and watch that count as plentiful, and the seconds between updates of the price.
_PLENTY = 1 / 30
_PRICED_EVERY = 1.0


class Sweep(Enum):
    """A request for the list of orders instead of a poll."""

    LIST = "list"


@define(eq=False, repr=False)
class _Share:
    """The watches of a kind: their hazard, the sum of their shares, and the queue."""

    hazard: Hazard
    count: int = 0
    shares: float = 0.0
    squares: float = 0.0
    ready: LazyHeap[Watch] = field(factory=LazyHeap[Watch])
    # Looks at watches that had just begun, and those that found an end.
    first_looks: float = 0.0
    first_ends: float = 0.0

    def decided_already(self, watch: Watch) -> float:
        """Return the chance that a watch was decided before it was begun."""
        if watch.since < watch.began:
            # Restored: it may have been decided in the meantime.
            return _DECIDED_ALREADY
        return (_DECIDED_ALREADY * _PRIOR_LOOKS + self.first_ends) / (_PRIOR_LOOKS + self.first_looks)

    def learn_first_look(self, *, ended: bool) -> None:
        """Record a look at a watch that had just begun."""
        if self.first_looks >= _MOST_LOOKS:
            self.first_ends *= (_MOST_LOOKS - 1) / self.first_looks
            self.first_looks = _MOST_LOOKS - 1
        self.first_looks += 1
        self.first_ends += ended


class _ByKind(dict[WatchKind, _Share]):
    """The group of each kind; groups of resources that are not loaded are created at the first watch."""

    def __missing__(self, kind: WatchKind) -> _Share:
        facts = KINDS[kind].facts
        share = self[kind] = _Share(Hazard(median=facts.median, spread=facts.spread))
        return share


def _by_kind() -> _ByKind:
    kinds = _ByKind()
    for kind in EARLY_KINDS:
        kinds[kind]
    return kinds


@define(eq=False, repr=False)
class Schedule:
    """The schedule of polls and sweeps."""

    watches: dict[tuple[WatchKind, str], Watch] = field(
        init=False, factory=dict[tuple[WatchKind, str], Watch]
    )
    sweeps: Sweeps = field(init=False, factory=Sweeps)
    least_gap: float = field(init=False, default=0.0)
    """The minimum seconds between two single polls, which spreads the remaining rate limit."""
    _kinds: _ByKind = field(init=False, factory=_by_kind)
    _resting: LazyHeap[Watch] = field(init=False, factory=LazyHeap[Watch])
    _reported: LazyHeap[Watch] = field(init=False, factory=LazyHeap[Watch])
    _claimed: LazyHeap[Watch] = field(init=False, factory=LazyHeap[Watch])
    # The number of early polls available to callbacks.
    _claims: float = field(init=False, default=_CLAIMS)
    # Undecided watches without a reader, with the time when the last reader left, oldest first.
    _kept: OrderedDict[tuple[WatchKind, str], tuple[Watch, float]] = field(
        init=False, factory=OrderedDict[tuple[WatchKind, str], tuple[Watch, float]]
    )
    _virtual: float = field(init=False, default=0.0)
    # The mean time between single polls, and the time of the last one.
    _gap: float = field(init=False, default=CLOSEST)
    _single_at: float = field(init=False, default=-math.inf)
    # The price: the integral of √h before a poll is due, and when it was set.
    _price: float = field(init=False, default=0.0)
    _priced_at: float = field(init=False, default=-math.inf)
    _failures: int = field(init=False, default=0)
    _paused_until: float = field(init=False, default=-math.inf)

    def begin(
        self, kind: WatchKind, order_uuid: str, now: float, *, age: float = 0.0, status: Status | None = None
    ) -> Watch:
        """Add a watch, or return the existing or kept one."""
        key = (kind, order_uuid)
        watch = self.watches.get(key)
        if watch is not None:
            return watch
        if not self.watches:
            self._single_at = -math.inf
        kept = self._kept.pop(key, None)
        if kept is not None and now < kept[1] + KEPT_FOR:
            return self._resume(key, kept[0], now)
        watch = self.watches[key] = Watch(kind, order_uuid, now - age if age else now, now, status=status)
        share = self._kinds[kind]
        share.count += 1
        pace = self._pace()
        due = self._set_share(watch, now, pace)
        if self.sweeps.on and self.sweeps.has(kind, now):
            # The next list or the one after it will show it.
            self._rest(watch, now + 2 * self.sweeps.period(math.inf))
            watch.tag = self._virtual
        else:
            at_once = share.decided_already(watch) * due > pace * pace / 2
            watch.tag = self._virtual + (0.0 if at_once else due / pace)
            self._ready(watch)
        return watch

    def _resume(self, key: tuple[WatchKind, str], watch: Watch, now: float) -> Watch:
        self.watches[key] = watch
        self._kinds[watch.kind].count += 1
        due = self._set_share(watch, max(watch.asked_at, watch.began), self._pace())
        if watch.reported_at > watch.asked_at:
            self._confirm(watch, now, claimed=watch.claimed)
        elif watch.asked_at > watch.answered:
            # Its last poll was abandoned when its reader left.
            watch.tag = self._virtual
            self._ready(watch)
        else:
            watch.tag = min(watch.tag, self._virtual + due / self._pace())
            self._rest(watch, self._rested(watch, now))
        return watch

    def leave(self, watch: Watch, now: float) -> None:
        """Retire a watch whose last reader has left; an undecided one is kept for a while."""
        self.end(watch)
        if watch.status is not None and watch.status.is_final:
            return
        self._kept[watch.kind, watch.order_uuid] = watch, now
        while len(self._kept) > _MOST_KEPT or now >= next(iter(self._kept.values()))[1] + KEPT_FOR:
            self._kept.popitem(last=False)

    def end(self, watch: Watch) -> None:
        """Remove a watch."""
        self._take_out(watch)
        watch.state = WatchState.GONE
        share = self._kinds[watch.kind]
        share.count -= 1
        share.shares -= watch.share
        share.squares -= watch.share**2
        if not share.count:
            # This also resets the rounding errors.
            share.shares = share.squares = 0.0
        watch.share = 0.0
        del self.watches[watch.kind, watch.order_uuid]

    def decided(self, watch: Watch) -> None:
        """Update the hazard with the age of a decided watch; call it before ``looked`` and ``end``."""
        # A watch that was decided at its first poll, at an implausibly low age, was decided before it was
        # watched and is ignored.
        hazard = self._kinds[watch.kind].hazard
        latest = watch.asked_at if watch.reported_at == -math.inf else watch.reported_at
        by = latest - watch.since
        if watch.looked_at > -math.inf:
            hazard.learn(max(min(watch.looked_at, latest), watch.began) - watch.since, by)
        elif hazard.before(by) > _SURPRISE:
            hazard.learn(watch.began - watch.since, by)

    def wakes(self, now: float, budget: float) -> float:
        """Return the time of the next poll or sweep, in seconds; a time in the past means now."""
        if now < self._paused_until:
            return self._paused_until
        self._stir(now, budget)
        told, claimed = self._reported.first(), self._claimed.first()
        early = claimed[0] if claimed else math.inf
        if self._most_due(now):
            single = max(now, self._single_at + self.least_gap)
            if self._claims < 1:
                early = max(early, single)
        else:
            resting = self._resting.first()
            single = resting[0] if resting else math.inf
        audit = self.sweeps.audit_due(now, budget) if self._audited() else math.inf
        return min(told[0] if told else math.inf, early, self.sweeps.due(budget), audit, single)

    def take(self, now: float, budget: float) -> Watch | Sweep | None:
        """Return the next poll or sweep; None if nothing is due."""
        self._stir(now, budget)
        told = self._reported.first()
        if told and told[0] <= now:
            return self._ask(told[1], now)
        claimed = self._claimed.first()
        early = claimed[1] if claimed and claimed[0] <= now else None
        if early is not None and self._claims >= 1:
            self._claims -= 1
            return self._ask(early, now)
        if self.sweeps.due(budget) <= now:
            self.sweeps.begin(now)
            return Sweep.LIST
        audited = self._audited()
        if audited is not None and self.sweeps.audit_due(now, budget) <= now:
            self.sweeps.audit(now)
            return self._ask(audited, now)
        watch = self._most_due(now)
        if watch is None:
            return None if early is None else self._ask(early, now)
        self._claims = min(self._claims + 1, _CLAIMS)
        watch.early_poll_left = True
        self._virtual = max(self._virtual, watch.tag)
        gap = min(now - self._single_at, LONGEST)
        if self._single_at > -math.inf:
            self._gap += _SMOOTHING * (gap - self._gap)
        self._single_at = now
        return self._ask(watch, now)

    @property
    def priced(self) -> bool:
        """Whether polls have to be worth their price."""
        return self._price > 0

    def set_price(self, now: float, polls: float, seconds: float) -> None:
        """Set the price of a poll for the rest of the window."""
        if now < self._priced_at + _PRICED_EVERY:
            return
        self._priced_at, before, self._price = now, self._price, 0.0
        if polls >= _PLENTY * seconds * len(self.watches) and not self.sweeps.on:
            expected = sum(
                self._kinds[watch.kind].hazard.expects(max(0.0, now - watch.since), seconds)
                for watch in self.watches.values()
            )
            self._price = expected / polls
        if self._price < before:
            self._wake_resting(now)

    def tell(self, watch: Watch, now: float) -> None:
        """Record that the list shows a change of a watch."""
        watch.reported_at, watch.claimed = now, False
        watch.repeats_left = _REPEATS
        if watch.state is not WatchState.ASKED:
            self._confirm(watch, max(now, watch.asked_at + _HURRY))

    def claim(self, kind: WatchKind, order_uuid: str, now: float) -> bool:
        """Record a callback about a watch; return whether there is such a watch."""
        watch = self.watches.get((kind, order_uuid))
        if watch is None:
            if (kind, order_uuid) in self._kept:
                # The next caller that waits for it is informed.
                self._believe(self._kept[kind, order_uuid][0], now)
            return False
        if (
            not self._believe(watch, now)
            or watch.state is WatchState.REPORTED
            or watch.state is WatchState.ASKED
        ):
            return True
        when = max(now, watch.asked_at + _HURRY)
        if watch.state is not WatchState.CLAIMED or when < watch.early:
            self._confirm(watch, when, claimed=True)
        return True

    def _believe(self, watch: Watch, now: float) -> bool:
        """Record a callback; return whether an early poll follows."""
        if watch.reported_at > -math.inf:
            # A confirmation is under way already.
            if watch.repeats_left:
                watch.reported_at = now
            return watch.repeats_left > 0
        if watch.disproved and not watch.early_poll_left:
            return False
        watch.reported_at, watch.claimed = now, True
        watch.early_poll_left = not watch.disproved
        watch.repeats_left = 0 if watch.disproved else _REPEATS
        return True

    def hasten(self, watch: Watch, now: float) -> None:
        """Poll a watch before others, because a caller needs its current status."""
        if watch.state is not WatchState.ASKED:
            self._confirm(watch, max(now, watch.asked_at + _HURRY))

    def hedge(self, watch: Watch, now: float) -> None:
        """Record that a poll hangs, and schedule the watch again."""
        watch.hedges += 1
        if watch.reported_at > -math.inf or self.sweeps.looks_after(watch):
            self._confirm(watch, now, claimed=watch.claimed)
        else:
            self._take_out(watch)
            watch.tag = self._virtual
            self._ready(watch)

    def looked(self, watch: Watch, status: Status, now: float, asked_at: float | None = None) -> None:
        """Record a response of a watch's own route."""
        self._failures, self._paused_until = 0, -math.inf
        first, changed = watch.status is None, watch.status is not None and status != watch.status
        watch.answered = asked = watch.asked_at if asked_at is None else asked_at
        if first and watch.since == watch.began and asked <= watch.began + _FIRST_LOOK:
            self._kinds[watch.kind].learn_first_look(ended=status.is_final)
        watch.known_at = min(watch.known_at, now)
        watch.seen_at = now
        watch.hedges = 0
        watch.status = status
        if not status.is_final and self.sweeps.looks_after(watch):
            self.sweeps.vouch(self._kinds[watch.kind].hazard.at(now - watch.since), now)
        confirmed = changed or (first and status.is_final)
        if confirmed and watch.claimed:
            self._claims = min(self._claims + 1, _CLAIMS)
        if confirmed:
            watch.repeats_left, watch.disproved, watch.early_poll_left = (
                min(watch.repeats_left, 1),
                False,
                True,
            )
        if watch.reported_at > asked and (watch.repeats_left > 0 or watch.disproved):
            watch.repeats_left = max(0, watch.repeats_left - 1)
            self._confirm(watch, now, claimed=watch.claimed)
        elif watch.repeats_left > 0 and not confirmed:
            watch.repeats_left -= 1
            when = asked + _REPEAT_AFTER * 2 ** (_REPEATS - watch.repeats_left)
            self._confirm(watch, when, claimed=watch.claimed)
        else:
            watch.disproved = not confirmed and (watch.disproved or watch.claimed)
            watch.reported_at, watch.claimed, watch.repeats_left = -math.inf, False, 0
            self._next_turn(watch, now)

    def missed(self, watch: Watch, now: float) -> None:
        """Record that a poll of an active watch failed."""
        if watch.repeats_left > 0:
            self._confirm(watch, now + _REPEAT_AFTER, claimed=watch.claimed)
        else:
            self._next_turn(watch, now)

    def again(self, watch: Watch, now: float) -> None:
        """Record that a poll of a watch was abandoned: the watch is polled again before others."""
        self._confirm(watch, now)

    def trouble(self, now: float) -> None:
        """Record a failed request: after two consecutive failures, polling pauses briefly."""
        self._failures += 1
        if self._failures > 1:
            self._paused_until = now + min(0.25 * 2 ** min(self._failures - 1, 10), _MOST_PAUSE)

    def swept(self, listed: Mapping[str, OrderStatus], now: float, *, whole: bool = True) -> None:
        """Record the list of orders."""
        self._failures, self._paused_until = 0, -math.inf
        trusted = {kind: self.sweeps.has(kind, now) for kind in KINDS}
        for watch in self.sweeps.read(self.watches.values(), listed, now, whole=whole):
            self.tell(watch, now)
        if self.sweeps.overdue or any(
            has and not self.sweeps.has(kind, now) for kind, has in trusted.items()
        ):
            self._wake_resting(now)

    def sweep_failed(self, now: float) -> None:
        """Record that a sweep failed: single polls are used until a sweep succeeds."""
        self.sweeps.fail(now)
        self._wake_resting(now)

    def sweep_hangs(self, now: float) -> None:
        """Record that the list is overdue: single polls are used until it arrives."""
        self.sweeps.overdue = True
        self._wake_resting(now)

    def learnt(self) -> dict[WatchKind, Hazard]:
        """Return the learnt state of each kind."""
        return {kind: share.hazard for kind, share in self._kinds.items()}

    def hazard(self, kind: WatchKind) -> Hazard:
        """Return the learnt state of a kind."""
        return self._kinds[kind].hazard

    def _stir(self, now: float, budget: float) -> None:
        """Queue the rested watches, and decide whether sweeps pay off."""
        shares = squares = 0.0
        for kind, share in self._kinds.items():
            if share.count and self.sweeps.has(kind, now) is not False:
                shares += share.shares
                squares += share.squares
        if self.sweeps.weigh(shares**2 / squares if squares > 0 else 0.0, budget):
            self._wake_resting(now)
        while (resting := self._resting.first()) and resting[0] <= now:
            self._ready(self._resting.pop())

    def _wake_resting(self, now: float) -> None:
        """Shorten the rest of watches that were covered by sweeps."""
        for watch in self.watches.values():
            if watch.state is WatchState.RESTING:
                self._take_out(watch)
                self._rest(watch, self._rested(watch, now))

    def _most_due(self, now: float) -> Watch | None:
        """Return the watch to poll next; watches that are covered by sweeps are put to rest."""
        best: Watch | None = None
        for share in self._kinds.values():
            while first := share.ready.first():
                watch = first[1]
                until = max(watch.asked_at, watch.began) + LONGEST
                if not self.sweeps.looks_after(watch):
                    until = self._worth_from(watch) if self._price else now
                if until > now:
                    share.ready.drop(watch)
                    self._rest(watch, until)
                    continue
                if best is None or watch.tag < best.tag:
                    best = watch
                break
        return best

    def _audited(self) -> Watch | None:
        """Return the watch whose poll would test the list: the one that has rested for longest."""
        resting = self._resting.first()
        return resting[1] if resting and self.sweeps.looks_after(resting[1]) else None

    def _ask(self, watch: Watch, now: float) -> Watch:
        self._take_out(watch)
        watch.state = WatchState.ASKED
        watch.asked_at = now
        return watch

    def _next_turn(self, watch: Watch, now: float) -> None:
        pace = self._pace()
        due = self._set_share(watch, watch.asked_at, pace)
        watch.tag = self._virtual + due / pace
        self._take_out(watch)
        self._rest(watch, self._rested(watch, now))

    def _rested(self, watch: Watch, now: float) -> float:
        """Return the earliest time of the next poll of a watch."""
        if self.sweeps.looks_after(watch):
            return max(watch.asked_at, watch.began) + LONGEST
        return watch.asked_at + min(max(CLOSEST, (now - watch.since) * _RETRY_SHARE), LONGEST)

    def _worth_from(self, watch: Watch) -> float:
        """Return the time at which a poll of a watch is worth its price."""
        kind = self._kinds[watch.kind]
        last = max(watch.asked_at, watch.since)
        due = min(kind.hazard.reaches(last - watch.since, self._price), LONGEST)
        if watch.asked_at == -math.inf and kind.decided_already(watch) * due > self._price**2 / 2:
            return watch.began
        return last + due

    def _pace(self) -> float:
        """Return K, the integral of √h between two polls of a watch."""
        shares = sum(
            share.shares
            for kind, share in self._kinds.items()
            if not (self.sweeps.on and self.sweeps.has(kind, -math.inf))
        )
        return max(shares * self._gap, _LEAST_PACE)

    def _set_share(self, watch: Watch, now: float, pace: float) -> float:
        """Set the share of a watch; return the seconds until it is due."""
        kind = self._kinds[watch.kind]
        due = min(max(kind.hazard.reaches(max(0.0, now - watch.since), pace), 1e-3), LONGEST)
        # If LONGEST makes it due early, its share is still limited to the largest.
        share = kind.hazard.peak * min(max(pace / due / kind.hazard.peak, _LEAST_SHARE), 1.0)
        kind.shares += share - watch.share
        kind.squares += share**2 - watch.share**2
        watch.share = share
        return pace / share

    def _confirm(self, watch: Watch, when: float, *, claimed: bool = False) -> None:
        self._take_out(watch)
        watch.state, watch.early = WatchState.CLAIMED if claimed else WatchState.REPORTED, when
        (self._claimed if claimed else self._reported).push(watch, when)

    def _rest(self, watch: Watch, until: float) -> None:
        watch.state = WatchState.RESTING
        self._resting.push(watch, until)

    def _ready(self, watch: Watch) -> None:
        watch.state = WatchState.READY
        self._kinds[watch.kind].ready.push(watch, watch.tag)

    def _take_out(self, watch: Watch) -> None:
        match watch.state:
            case WatchState.RESTING:
                self._resting.drop(watch)
            case WatchState.READY:
                self._kinds[watch.kind].ready.drop(watch)
            case WatchState.REPORTED:
                self._reported.drop(watch)
            case WatchState.CLAIMED:
                self._claimed.drop(watch)
            case WatchState.ASKED | WatchState.GONE:
                pass
