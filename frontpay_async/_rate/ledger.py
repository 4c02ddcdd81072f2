"""The window ledger: which requests may be sent now so that the window is used up and never exceeded. Pure.

Model. The server counts requests per token in a *fixed window*: it starts with the first request that the
server counts, ends ``window`` seconds later, and the next one starts with the next request. A request over
the limit is refused with 429 and not counted. Every response states ``limit`` and ``remaining``, from which
we derive *n*: the request's ordinal in its window or, where the headers are made when the response is
written (as in the framework's own middleware), the count at that time. When the window ends is not stated.

What a response proves. A request sent at *a* and answered at *b* was counted in [a, b].

- n = 1: the window started in [a, b], so it ends in [a + T, b + T]: the phase is known.
- n = 1 is ambiguous if no earlier response had arrived by *a* and the old window can have ended by *b*: its
  window may be the known one or a new one. If b < a + T, it is the open window: the older bounds and counts
  are dropped, all charges are kept. Otherwise it may have ended as well, and the response proves nothing.
- Any n: the window had started by b, so it ends by b + T, and it ended after a.
- If a request is sent after another one of the same window was answered, it has the greater n. If its n is
  not greater, a new window started after the first request was sent and before the second was answered. Each
  grant therefore records its *floor*, the greatest n known when it was given.
- Upper bound: the server's count of the open window is at most n plus the requests of this process that it
  may have counted later, which are those in flight when this one was granted, and those granted since.
  Charges above that bound are dropped.
- If n exceeds the number of requests that this process can have sent, other programs sent at least the
  difference.
- 429 with ``Retry-After`` r, rounded in some way: the window was full and ends in [a + r - 1, b + r + 1].
- Bounds that contradict each other belong to two windows.

*Charges.* The ledger keeps the bounds ``[lo, hi]`` of the open window's end, and charges requests in
*generations*: a generation starts when now passes ``hi``, or with a response that proves a new window. A
grant is charged when it is given. Three kinds of requests may be counted in either window and are charged to
both: those without a response when a generation starts, lost requests whose loss was noticed so late that the
new window may count them, and those with a response between ``lo`` and ``hi``.

*Assumption: only user, until a count proves otherwise.* A new process assumes that its first request starts
the window. The phase is therefore known from the first response on, even if that response is lost, has no
headers, or its count includes requests in flight. As soon as a count shows other programs, the ledger returns
to the bounds that are valid whichever program started the window.

*Invariant* (only user, any latency; a lost request is counted within a sixth of a window of its loss or
never): ``server's count <= used <= limit``. Hence no 429. Between ``lo`` and ``hi`` only INTERACTIVE requests
are granted, and charged to both windows.

*Uncertain end.* If the first responses were lost, ``hi`` may be far beyond the likely end. A few requests are
then kept, and sent one by one from the likely end on: the first one of the next window shows that it started.

*Pace.* WATCH and BATCH requests follow a line from the window's start to its end. Above the line, after a
burst of other requests, the remaining budget, less a reserve, is spread over the rest of the window. While
polls are sent, NORMAL leaves a part of the rest of the window to them and to INTERACTIVE, so that a burst of
it does not use the window up.

*Shared token.* If other programs use the token, nothing is certain between two responses, and each response
costs a request. Then:

- Every process paces by the same line, from its first count in the window to ``hi``, and compares the line
  with the last n. The process that is due sends one request, whose response shows the others' requests: the
  sum follows the line, and all processes get similar shares.
- Paced calls are granted between ``lo`` and ``hi``, too. They detect the new window within a call or two of
  its start, so the bounds are measured in each window instead of widening from one to the next.
- The requests of others since the last response are estimated from their rate in this window or the last, and
  paced calls leave an additional standard deviation free. If others send all the time, the request itself
  needs room beside these.
- If a generation started by time alone, the usage of others is unknown: only a few calls are granted before
  the first response.
- A window that others have used up and whose end is unknown is probed, one request at a time: a 429 is not
  counted and states the end.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from frontpay_async.priority import Priority

if TYPE_CHECKING:
    from frontpay_async._rate.rate_headers import Quota

# The number of requests granted while the usage of others is unknown.
_BLIND_GRANTS = 8
# The part of a window after its loss in which a lost request may still be counted.
_LINGER = 1 / 6
# The part of a window between two probes of a window that others have used up.
_PROBES = 1 / 12
# The part of the limit that others use in each window if they send all the time.
_STEADY = 1 / 20
# The part of the limit that is kept for finding an uncertain end, and the parts of a window from the likely
# end to the first such request, and between two of them.
_KEPT, _FIRST_LOOK, _LOOK_AGAIN = 1 / 80, 1 / 240, 1 / 60
# The part of a window for which polls are expected to go on after the last.
_POLLING = 1 / 4
# The part of the budget that paced requests leave free after a burst.
_RESERVE = 0.1
# The part that NORMAL leaves to polls and INTERACTIVE while polls are sent.
_LEFT_TO_POLLS = 0.15
# On a shared token: the lead over the line that counts as a burst, in windows, and the assumed number of
# processes that share the rest.
_BURST = 1 / 12
_SHARERS = 4


@frozen(eq=False, repr=False)
class Grant:
    """The permission for one request.

    Args:
        at: When it was given, in seconds.
        generation: The window that it was charged to.
        order: Its ordinal among the grants of its generation.
        floor: The greatest count known when it was given.
        floor_at: When the request with that count was sent.
        number: Its ordinal among all grants of the ledger.
        open: The number of earlier requests that the server could still count at that time.
    """

    at: float
    generation: int
    order: int = 0
    floor: int = 0
    floor_at: float = -math.inf
    number: int = 0
    open: int = 0


@define(eq=False, repr=False)
class Ledger:
    """The accounting of the server's window for one token.

    Args:
        limit: Requests per window, until a response states another limit.
        window: Seconds.
        margin: Maximum drift between the clocks within a window, in seconds.
    """

    limit: int = 240
    window: float = 60.0
    margin: float = 0.0
    generation: int = field(init=False, default=0)
    lo: float = field(init=False, default=-math.inf)
    hi: float = field(init=False, default=-math.inf)
    unanswered: int = field(init=False, default=0)
    refusals: int = field(init=False, default=0)
    # Charges of this generation: own requests, including carried ones, and the proven usage of others.
    _own: int = field(init=False, default=0)
    _foreign: int = field(init=False, default=0)
    _foreign_before: int = field(init=False, default=0)
    # The number of grants of this generation, and of all.
    _granted: int = field(init=False, default=0)
    _grants: int = field(init=False, default=0)
    # Charges that the next generation inherits: responses that may be of its window, and lost requests.
    _late: int = field(init=False, default=0)
    _losses: list[float] = field(init=False, factory=list[float])
    # The greatest count of this generation, and when its request was sent.
    _greatest: int = field(init=False, default=0)
    _greatest_at: float = field(init=False, default=-math.inf)
    # The order up to which this generation's grants may be of the previous window.
    _older: int = field(init=False, default=0)
    # The start of the pacing line: time and count.
    _start: float = field(init=False, default=-math.inf)
    _start_count: int = field(init=False, default=0)
    # The earliest end if another program started the window.
    _lo_if_shared: float = field(init=False, default=-math.inf)
    _answered: bool = field(init=False, default=False)
    # The time of the last response or loss: if nothing is in flight, the window ends at most its length
    # later.
    _quiet_since: float = field(init=False, default=-math.inf)
    _unknown: bool = field(init=False, default=True)
    _probing: bool = field(init=False, default=False)
    _gate: float = field(init=False, default=-math.inf)
    _gated_at: float = field(init=False, default=-math.inf)
    # The times of the last poll, the last paced request and the last probe.
    _polled_at: float = field(init=False, default=-math.inf)
    _paced_at: float = field(init=False, default=-math.inf)
    _probed_at: float = field(init=False, default=-math.inf)

    @property
    def used(self) -> int:
        """How many requests of the window are used or reserved, by this process and others."""
        return self._own + self._foreign

    @property
    def shared(self) -> bool:
        """Whether others have used the token in this window or the last."""
        return bool(self._foreign or self._foreign_before)

    @property
    def _end(self) -> float:
        """The time when the window has certainly ended: at the latest bound, or proven by a response."""
        if self.unanswered:
            return self.hi
        return min(self.hi, self._quiet_since + self.window + self.margin)

    def acquire(self, now: float, priority: Priority) -> Grant | float:
        """Grant a request, or return when to ask again."""
        if now < self._gate:
            return self._gate
        if now >= self._end:
            self._roll(now)
        wait = self._must_wait(now, priority)
        if wait is not None:
            return wait
        if priority > Priority.NORMAL:
            self._paced_at = now
        if priority is Priority.WATCH:
            self._polled_at = now
        return self._grant(now)

    def charge(self, now: float) -> Grant:
        """Grant a request that another ledger of the same token has granted."""
        if now >= self._end:
            self._roll(now)
        return self._grant(now)

    def _grant(self, now: float) -> Grant:
        earlier = self.unanswered + (self._lost_since(now) if self._losses else 0)
        self._own += 1
        self._granted += 1
        self._grants += 1
        self.unanswered += 1
        return Grant(
            now, self.generation, self._granted, self._greatest, self._greatest_at, self._grants, earlier
        )

    def _lost_since(self, moment: float) -> int:
        """Return how many lost requests the server may have counted after a moment."""
        return sum(lost_at + self.window * _LINGER > moment for lost_at in self._losses)

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
            return self._look_for_end(now)
        paced = priority > Priority.NORMAL
        spoken_for = used + expected + (math.sqrt(expected) if paced else 0.0)
        # While others send all the time, the request itself needs room beside those expected of them.
        goes_on = min(self._foreign, self._foreign_before) >= _STEADY * limit
        if spoken_for >= limit or (goes_on and spoken_for > limit - 1):
            return self._wait_for_end(now)
        if priority is not Priority.INTERACTIVE and used >= limit - self._kept and now < self.lo:
            return self.lo
        if not paced:
            return self._leaves_polls(now, priority, used + expected)
        due = self._due(used)
        if now < due:
            due = min(due, self._catches_up(now, due, used + expected, self._paced_at))
        return None if now >= due else due

    @property
    def _kept(self) -> int:
        """The number of requests kept for finding the window's end, if that is uncertain."""
        is_uncertain = self.window * _PROBES < self.hi - self.lo < self.window / 2
        return int(_KEPT * self.limit) if is_uncertain and not self.shared else 0

    def _look_for_end(self, now: float) -> float | None:
        """Return when a request may show that the window has ended; None: now."""
        if not self._kept or self._own >= self.limit:
            return self.hi
        # Most likely it ends a window after it was started.
        end = self._start + self.window
        when = max(self.lo, end + self.window * _FIRST_LOOK)
        if self._probed_at > self._start:
            when = self._probed_at + max(self.window * _LOOK_AGAIN, self._probed_at - end)
        if now < when:
            return min(when, self.hi)
        self._probed_at = now
        return None

    def _leaves_polls(self, now: float, priority: Priority, used: float) -> float | None:
        """Return when one more leaves polls and INTERACTIVE their part; None: now."""
        if priority is Priority.INTERACTIVE or now >= self._polled_at + self.window * _POLLING:
            return None
        left = (self.limit - used) / (_LEFT_TO_POLLS * self.limit)
        when = self._line_end - self.window * left
        return when if when > now else None

    def _wait_for_end(self, now: float) -> float | None:
        """Return when to ask again in a used-up window; None to probe the server now."""
        probe = self._probe_at
        if now < probe:
            return min(probe, self._end)
        self._probed_at = now
        return None

    @property
    def _probe_at(self) -> float:
        """The time when a request may probe whether a used-up window has ended; infinite if never."""
        pause = self.window * _PROBES
        if not self.shared or self.hi - self.lo < pause:
            return math.inf
        return max(self.lo, self._probed_at + pause)

    def _catches_up(self, now: float, due: float, used: float, paced_at: float) -> float:
        """Return when the next paced request may be sent after a burst."""
        rest = self._line_end - now
        left = self.limit - used
        left -= min(_RESERVE * self.limit * rest / self.window, left / 2)
        if rest <= 0 or left < 1:
            return math.inf
        if not self.shared:
            return paced_at + rest / left
        # Others may do the same at the same time.
        return paced_at + _SHARERS * rest / left if due > now + self.window * _BURST else math.inf

    def _due(self, used: int) -> float:
        """Return when the pace allows the next request."""
        end, left = self._line_end, self.limit - self._start_count
        return self._start + (end - self._start) * (used - self._start_count) / left if left > 0 else end

    @property
    def _line_end(self) -> float:
        """When the pacing line reaches the limit."""
        known = self.hi == math.inf or self.hi - self.lo < self.window / 2
        return self.lo if known and not self.shared else self.hi

    def _roll(self, now: float) -> None:
        """Start a generation because the old window has certainly ended."""
        if not self.unanswered and now >= self._quiet_since + self.window + self.margin:
            self._late = 0
            self._losses.clear()
        # Other programs, or requests in flight, may have started the next window as soon as the old one could
        # have ended.
        began = max(self.lo, now - self.window)
        earliest = began + self.window - self.margin
        carried = self.unanswered or self._late or self._lost_since(began) or self._probing or self.shared
        unknown = self.generation == 0 or self._probing or self.shared
        self._open(now, lo=earliest if carried else now + self.window - self.margin, hi=math.inf)
        self._lo_if_shared = earliest
        self._unknown = unknown

    def _open(self, start: float, *, lo: float, hi: float) -> None:
        self.generation += 1
        self.lo = self._lo_if_shared = lo
        self.hi = hi
        self._start, self._start_count = start, 0
        began = lo - self.window + self.margin
        self._losses = [each for each in self._losses if each + self.window * _LINGER > began]
        self._own = self.unanswered + len(self._losses) + self._late
        self._late = self._granted = self._older = 0
        self._foreign_before, self._foreign = self._foreign, 0
        self._greatest, self._greatest_at = 0, -math.inf
        self._answered = False

    def report(self, grant: Grant, now: float, quota: Quota | None) -> bool:
        """Record a response; return whether waiting requests should ask again."""
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
        # It may belong to a window that started since: the next generation is charged with it, too.
        small = (
            now >= self.lo
            and not self.shared
            and count <= self._late + self.unanswered + self._lost_since(self.lo) + 1
        )
        self._late += small
        if grant.generation != self.generation or grant.order <= self._older:
            # Granted before this window was known, and charged to it; a greater count proves an older window.
            self._own -= count > self.used
            self._bound(grant, count)
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
        self._bound(grant, count)
        self._charge_others(grant, count)
        if first and self.shared:
            self._start, self._start_count = now, count
        if count > self._greatest:
            self._greatest, self._greatest_at = count, grant.at

    def _bound(self, grant: Grant, count: int) -> None:
        """Drop the charges that, by a count, cannot belong to the open window."""
        self._own = min(self._own, count + grant.open + self._grants - grant.number)

    def _take_in_first(self, grant: Grant, now: float, end: float, *, small: bool) -> None:
        """Record n = 1 without a contradiction: the request started this window, or a later one."""
        if small and now < end:
            # In either case this window is open now: no response so far was of a later one. Responses in
            # flight may still state a count of the previous window.
            self.hi, self._late = math.inf, 0
            self._greatest, self._greatest_at, self._older = 0, -math.inf, self._granted
        elif small:
            if self._granted != 1 or self.unanswered or self._losses:
                # It took longer than a window, so it is unknown which window it started.
                return
            # It was the only request: it started this window, and cannot be of a later one.
            self._late -= 1
        if end >= self.lo:
            self.lo = self._lo_if_shared = end
            self._start = grant.at

    def _charge_others(self, grant: Grant, count: int) -> None:
        if count <= self._own and not self.shared:
            return
        if not self._foreign:
            self.lo = min(self.lo, self._lo_if_shared)
        # Requests that were sent later and are unanswered were most likely counted later.
        after = max(0, min(self.unanswered, self._granted - grant.order))
        self._foreign = max(self._foreign, count - (self._own - after))

    def refused(self, grant: Grant, now: float, retry_after: float | None) -> None:
        """Record a 429: close the gate once."""
        self.unanswered -= 1
        self._quiet_since = now
        self.refusals += 1
        if grant.at <= self._gated_at:
            # It was sent before the gate was closed, so it adds no information.
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
        """Record a lost response: the request may be counted, in this window or the next."""
        self.unanswered -= 1
        self._quiet_since = now
        self._losses.append(now)
        self._probing = False

    def give_back(self, grant: Grant) -> None:
        """Cancel a grant that was not used: nothing was sent."""
        self.unanswered -= 1
        self._own -= 1
        if grant.generation == self.generation:
            self._granted -= 1

    def gated_for(self, now: float) -> float:
        """Return the seconds for which nothing is granted after a 429."""
        return max(0.0, self._gate - now)

    def eta(self, now: float, priority: Priority, ahead: int) -> float:
        """Estimate when a request with a number of others ahead of it would be granted."""
        others = max(self._foreign, self._foreign_before)
        if now < self._gate:
            used, end, left = 0, self._gate, 0.0
        elif now >= self._end:
            used, end, left = 0, now, 0.0
        else:
            used, end = self.used, min(self.hi, self._start + self.window)
            left = self.limit - used - others * max(0.0, end - now) / self.window
        if ahead < left:
            return now if priority <= Priority.NORMAL else max(now, self._eta_here(now, used, ahead))
        if not ahead and self.shared and now >= self._gate and now < self._end:
            return min(end, max(now, self._probe_at))
        share = max(1, self.limit - others)
        windows, place = divmod(ahead - max(0, math.floor(left)), share)
        opens = max(now, end) + windows * self.window
        return opens if priority <= Priority.NORMAL else opens + self.window * place / share

    def _eta_here(self, now: float, used: int, ahead: int) -> float:
        """Estimate when a paced request is granted in the open window."""
        paced_at = self._paced_at
        for count in range(used, used + ahead + 1):
            due = self._due(count)
            if now < due:
                now = min(due, max(now, self._catches_up(now, due, count, paced_at)))
            paced_at = now
        return now
