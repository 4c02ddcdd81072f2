"""The window ledger: what may be sent now so that the server's window is used up and never overrun. Pure.

The server counts requests per token in a *fixed window*: it starts with the first request it works on,
ends ``window`` seconds later, and the next one starts with the next request. A request over the limit is
refused with 429 and not counted. Every answer tells ``limit`` and ``remaining``, so it tells *n*, how
manyeth its request was in its window. It does not tell when the window ends.

What an answer proves. For a request sent at *a* and answered at *b*, the server worked on it in [a, b].

- n = 1: the window started in [a, b], so it ends in [a + T, b + T]: the phase is known.
- n = 1 does not tell whether that window is the one of the answers before it, where none of them had come
  by a, and the old one can have ended by b. If b < a + T, it is the one that runs: the older bounds and
  counts are dropped, and all charges kept. If not, it may be over, too: then nothing is learnt.
- Any n: the window had started by b, so it ends by b + T; and it ended after a.
- Two requests of one window, the second sent after the first was answered: the second has the greater n.
  Where it has not, a new window started after the first was sent, and before the second was answered.
  So a grant remembers its *floor*, the greatest n known when it was given. No threshold, no guess.
- An n beyond all that this process can have sent: others use the token. So many of them, at least.
- 429: the window was full; ``Retry-After`` r, rounded somehow: it ends in [a + r - 1, b + r + 1].
- Bounds that contradict one another belong to two windows.

The ledger keeps the bounds ``[lo, hi]`` of the current window's end, and charges in *generations*: one
begins when now passes ``hi``, or with an answer that proves a new window. What a grant may cost is
charged when it is given. A request without an answer when a generation begins may be worked on in either
window, so it is charged to both; an answer that shows it in the old one gives the new one its charge back.

Invariant (only user, phase known, any latency and any loss): what the server has counted in its window is
at most ``used``, and ``used`` at most ``limit``. Hence no 429. Between ``lo`` and ``hi`` only INTERACTIVE
passes, charged to both windows.

With others on the token nothing is certain between two looks, and a look costs a request. Then:

- Everybody paces by the same line, from the window's first look to ``hi``, and compares it with the n last
  seen. Whoever is due sends one and sees what the others did: the sum follows the line, and all get alike.
- Paced calls pass between ``lo`` and ``hi``, too. They find the new window within a call or two of its
  start, so the bounds are measured afresh in each window instead of widening from one to the next.
- What others sent since the last look is estimated by their rate in this window or the last, and paced
  calls leave one standard deviation more free.
- A generation that began by time alone says nothing about what others have used of it: a few calls may
  go until the first answer.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from frontpay_async.priority import Priority

if TYPE_CHECKING:
    from frontpay_async._rate.quota import Quota

# While nobody knows what others have used: a few may go, not a stampede.
_BLIND_GRANTS = 8


@frozen(eq=False)
class Grant:
    """Remember one request that was let through.

    Args:
        at: When, in seconds.
        generation: The window that it was charged to.
        order: How manyeth it was of this process in its generation.
        floor: The greatest count known when it was given.
        floor_at: When the request with that count was sent.
    """

    at: float
    generation: int
    order: int = 0
    floor: int = 0
    floor_at: float = -math.inf


@define(eq=False)
class Ledger:
    """Mirror the server's window for one token.

    Args:
        limit: Requests a window, until an answer tells another.
        window: Seconds.
        margin: Seconds that clocks may drift in a window.
    """

    limit: int = 240
    window: float = 60.0
    margin: float = 0.0
    generation: int = field(init=False, default=0)
    lo: float = field(init=False, default=-math.inf)
    hi: float = field(init=False, default=-math.inf)
    unanswered: int = field(init=False, default=0)
    refusals: int = field(init=False, default=0)
    # Charges of this generation: our own with the carried ones, and what others are proven to have used.
    _own: int = field(init=False, default=0)
    _foreign: int = field(init=False, default=0)
    _foreign_before: int = field(init=False, default=0)
    # Grants of this generation; and what the next will be charged: lost, or answered out of its window.
    _granted: int = field(init=False, default=0)
    _lost: int = field(init=False, default=0)
    _late: int = field(init=False, default=0)
    # The greatest count of this generation, and when its request was sent.
    _greatest: int = field(init=False, default=0)
    _greatest_at: float = field(init=False, default=-math.inf)
    # Up to which order this generation's grants may be of the window before.
    _older: int = field(init=False, default=0)
    # The pace: from when, and from what count.
    _start: float = field(init=False, default=-math.inf)
    _start_count: int = field(init=False, default=0)
    # The earliest end if others began the window.
    _lo_if_shared: float = field(init=False, default=-math.inf)
    _answered: bool = field(init=False, default=False)
    # When the last answer or loss came: with nothing under way, the window ends within its length of it.
    _quiet_since: float = field(init=False, default=-math.inf)
    _unknown: bool = field(init=False, default=True)
    _probing: bool = field(init=False, default=False)
    _gate: float = field(init=False, default=-math.inf)
    _gated_at: float = field(init=False, default=-math.inf)

    @property
    def used(self) -> int:
        """How many requests of the window are spoken for, by whomever."""
        return self._own + self._foreign

    @property
    def shared(self) -> bool:
        """Whether others have used the token in this window or the last."""
        return bool(self._foreign or self._foreign_before)

    @property
    def _end(self) -> float:
        """When the window has ended for certain: an answer proves it, or nothing is left to keep it open."""
        if self.unanswered:
            return self.hi
        return min(self.hi, self._quiet_since + self.window + self.margin)

    def acquire(self, now: float, priority: Priority) -> Grant | float:
        """Let a request through, or return when to ask again.

        Args:
            now: Seconds on a clock that never jumps.
            priority: The request's rank.

        Returns:
            A grant; or a time, in seconds, before which asking is of no use unless an answer comes.
        """
        if now < self._gate:
            return self._gate
        if now >= self._end:
            self._roll(now)
        wait = self._must_wait(now, priority)
        return self._grant(now) if wait is None else wait

    def charge(self, now: float) -> Grant:
        """Let a request through that another ledger of the same token has let through.

        Args:
            now: Seconds on the ledger's clock.
        """
        if now >= self._end:
            self._roll(now)
        return self._grant(now)

    def _grant(self, now: float) -> Grant:
        self._own += 1
        self._granted += 1
        self.unanswered += 1
        return Grant(now, self.generation, self._granted, self._greatest, self._greatest_at)

    def _must_wait(self, now: float, priority: Priority) -> float | None:
        used, limit = self._own + self._foreign, self.limit
        if self._unknown:
            allowed = 1.0 if self._probing else 1 + (now - self._start) * limit / self.window
            if priority <= Priority.NORMAL and not self._probing:
                allowed += _BLIND_GRANTS
            return None if self._granted + 1 <= allowed and used < limit else now + self.window / limit
        expected = 0.0
        if self.shared:
            others = max(self._foreign, self._foreign_before) / self.window
            expected = others * (now - max(self._greatest_at, self._start))
        elif now >= self.lo and priority is not Priority.INTERACTIVE and self.hi - self.lo < self.window / 2:
            return self.hi
        if priority <= Priority.NORMAL:
            return None if used + expected < limit else self._end
        if used + expected + math.sqrt(expected) >= limit:
            return self._end
        due = self._due(used)
        return None if now >= due else due

    def _due(self, used: int) -> float:
        """Return when the pace allows one more."""
        if not self.shared:
            end = self.lo if self.hi - self.lo < self.window / 2 or self.hi == math.inf else self.hi
            return self._start + (end - self._start) * used / self.limit
        left = self.limit - self._start_count
        return (
            self._start + (self.hi - self._start) * (used - self._start_count) / left if left > 0 else self.hi
        )

    def _roll(self, now: float) -> None:
        """Begin a generation because the old window has ended for certain."""
        if not self.unanswered and now >= self._quiet_since + self.window + self.margin:
            self._lost = self._late = 0
        # Others, or what is still under way, may have begun the next as soon as the old one could have ended.
        earliest = max(self.lo, now - self.window) + self.window - self.margin
        carried = self.unanswered or self._lost or self._late
        unknown = self.generation == 0 or self._probing or self.shared
        self._open(now, lo=earliest if carried or unknown else now + self.window - self.margin, hi=math.inf)
        self._lo_if_shared = earliest
        self._unknown = unknown

    def _open(self, start: float, *, lo: float, hi: float) -> None:
        self.generation += 1
        self.lo = self._lo_if_shared = lo
        self.hi = hi
        self._start, self._start_count = start, 0
        self._own = self.unanswered + self._lost + self._late
        self._lost = self._late = self._granted = self._older = 0
        self._foreign_before, self._foreign = self._foreign, 0
        self._greatest, self._greatest_at = 0, -math.inf
        self._answered = False

    def report(self, grant: Grant, now: float, quota: Quota | None) -> bool:
        """Take in an answer; tell whether somebody who waits should ask again.

        Args:
            grant: What the request was let through by.
            now: When the answer came.
            quota: What its headers tell, if anything.
        """
        known = self.generation, self._unknown, self.hi, self.limit
        self.unanswered -= 1
        self._quiet_since = now
        self._probing = False
        if quota is None:
            self._late += now >= self.lo
            if grant.generation == self.generation:
                self._note_answer(now)
        else:
            self._take_in(grant, now, quota)
        return known != (self.generation, self._unknown, self.hi, self.limit)

    def _note_answer(self, now: float) -> None:
        self.hi = min(self.hi, now + self.window + self.margin)
        self._answered, self._unknown = True, False

    def _take_in(self, grant: Grant, now: float, quota: Quota) -> None:
        self.limit, count = quota.limit, quota.count
        # Small enough to be of a window that has begun since: the next generation is charged with it, too.
        small = now >= self.lo and count <= self._late + self.unanswered + self._lost + 1
        self._late += small
        if grant.generation != self.generation or grant.order <= self._older:
            # Given before this window was known, and charged to it; a greater count shows an older one.
            self._own -= count > self.used
            return
        end = grant.at + self.window - self.margin
        if count <= grant.floor or (count == 1 and end > self.hi):
            since = grant.at if count == 1 else max(self.lo, grant.floor_at)
            self._late += not small
            self._open(since, lo=since + self.window - self.margin, hi=math.inf)
            first = True
        else:
            first = not self._answered
            if count == 1:
                self._take_in_first(grant, now, end, small=small)
            elif not small and count > self._greatest:
                self.lo = max(self.lo, grant.at)
                self._lo_if_shared = max(self._lo_if_shared, grant.at)
        self._note_answer(now)
        self._charge_others(grant, count)
        if first and self.shared:
            self._start, self._start_count = now, count
        if count > self._greatest:
            self._greatest, self._greatest_at = count, grant.at

    def _take_in_first(self, grant: Grant, now: float, end: float, *, small: bool) -> None:
        """Take in n = 1 where no bound contradicts it: it began this window, or a later one."""
        if small and now < end:
            # Whichever it is, it runs now: no answer so far was of a later one. What is under way may tell a
            # count of the one before.
            self.hi, self._late = math.inf, 0
            self._greatest, self._greatest_at, self._older = 0, -math.inf, self._granted
        elif small:
            if self._granted != 1 or self.unanswered or self._lost:
                # It took longer than a window: nothing tells which it began.
                return
            # The only request there was: it began this window, and cannot be of a later one.
            self._late -= 1
        if end >= self.lo:
            self.lo = self._lo_if_shared = end
            self._start = grant.at

    def _charge_others(self, grant: Grant, count: int) -> None:
        if count <= self._own and not self.shared:
            return
        if not self._foreign:
            self.lo = min(self.lo, self._lo_if_shared)
        # What was sent after it and is unanswered was most likely counted after it.
        after = max(0, min(self.unanswered, self._granted - grant.order))
        self._foreign = max(self._foreign, count - (self._own - after))

    def refused(self, grant: Grant, now: float, retry_after: float | None) -> None:
        """Take in a 429: gate the token once.

        Args:
            grant: What the request was let through by.
            now: When the answer came.
            retry_after: Seconds that it asks to wait, if it does.
        """
        self.unanswered -= 1
        self._quiet_since = now
        self.refusals += 1
        if grant.at <= self._gated_at:
            # Sent before the gate was shut: the same news once more.
            return
        lo, hi = grant.at, now + self.window + self.margin
        if retry_after is not None and retry_after <= self.window:
            lo = max(lo, lo + retry_after - 1.0)
            hi = min(hi, now + retry_after + 1.0)
        if max(lo, self.lo) <= min(hi, self.hi):
            lo, hi = max(lo, self.lo), min(hi, self.hi)
        self.lo = self._lo_if_shared = lo
        self._gate = self.hi = max(hi, now)
        self._gated_at = now
        self._own = max(self._own, self.limit - self._foreign)
        self._probing = True

    def lost(self, now: float) -> None:
        """Take in that no answer came: the request may have been counted, in this window or in the next.

        Args:
            now: When that became known.
        """
        self.unanswered -= 1
        self._quiet_since = now
        self._lost += 1
        self._probing = False

    def give_back(self, grant: Grant) -> None:
        """Take back a grant that was not used: nothing was sent.

        Args:
            grant: The grant; an older generation's is charged to this one, too.
        """
        self.unanswered -= 1
        self._own -= 1
        if grant.generation == self.generation:
            self._granted -= 1

    def gated_for(self, now: float) -> float:
        """Return the seconds for which a 429 lets nothing through."""
        return max(0.0, self._gate - now)

    def eta(self, now: float, priority: Priority, ahead: int) -> float:
        """Return about when a request would be let through that has so many ahead of it.

        Args:
            now: Seconds on the ledger's clock.
            priority: The request's rank.
            ahead: How many go before it.
        """
        if now < self._gate:
            start, used, end = self._gate, 0, self._gate + self.window
        elif now >= self.hi:
            start, used, end = now, 0, now + self.window
        else:
            start, used, end = self._start, self.used, min(self.hi, self._start + self.window)
        windows, place = divmod(used + ahead, self.limit)
        opens = start if windows == 0 else end + (windows - 1) * self.window
        if priority <= Priority.NORMAL:
            return max(now, opens)
        span = end - start if windows == 0 else self.window
        return max(now, opens + span * place / self.limit)
