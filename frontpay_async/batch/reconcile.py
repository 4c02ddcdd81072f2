"""Reconciling: unresolved rows are resolved by searching the API's orders, never by sending again.

A round lists the account's orders once, selects the unmatched orders that were first seen after the
unresolved requests were made, reads their details (each once, in all rounds together), and matches them.
If the order is found, the row is done. If two searches, a settling delay apart, do not find it, the row may
be sent again. If it is undecidable, the row is parked. Matches and unrelated orders are stored during the
round, so that little is lost if the runner dies; other verdicts wait for the last candidate. So do rows with
identical content: an early match could assign a newer order to an older row and leave the older order without
a row.

*Invariant*: a missing order alone never proves absence. All of the following is required:

- The list was read completely, and is complete for the row (see ``completeness``): it is not cut above the
  row's order, and does not lag behind it. For the first rows of a new account, this is known only after all
  other rows have been sent: until then they remain unresolved.
- The details that the API shows are those of the orders that were requested (see ``details_check``).
- No order that appeared since the row was claimed can be the row's. Each must belong to another customer or
  differ in more than one trait (see ``order_comparison``), and must match another row or have other goods or
  another date. An order that cannot be read, or whose id is invalid, may be the row's.
- The search started a settling delay after the row became unresolved, because the API may still be processing
  a request whose response was lost; if the list was observed to lag, at least twice that lag.
- No more rows are sent again than the confirmed orders in the list allow (see ``completeness``): the others
  wait until those are confirmed and listed.

If these conditions are not met after a few rounds, the row is parked. A row for which the API always fails is
parked after ten attempts, or after three if no newer order was confirmed.

*The account* is verified before anything is sent: by a confirmed order that is in its list or can be read by
its id. Before the first order is confirmed, one token identifies the account: the first one that leased rows.
Runners check this in each transaction that leases rows.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import partial
from hashlib import blake2b
from inspect import isawaitable
from typing import TYPE_CHECKING, cast

from anyio import CancelScope
from attrs import define, evolve, field, frozen

from frontpay_async._protocol.operations import GET_ORDER_STATUS, LIST_ORDER_STATUSES
from frontpay_async._protocol.order_comparison import Comparison, SentOrders, identity_of_order
from frontpay_async._transport.auth import Secret
from frontpay_async._transport.instrumentation import logger
from frontpay_async.batch.completeness import Caution
from frontpay_async.batch.details_check import RecentOrders, are_mixed_up, choose
from frontpay_async.batch.listings import Verdict
from frontpay_async.batch.matching import UNREADABLE, Absent, Found, Undecidable, Unresolved, match
from frontpay_async.batch.payload import read
from frontpay_async.batch.states import RowEvent
from frontpay_async.batch.transitions import Transition
from frontpay_async.errors import (
    ConfigurationError,
    NotFoundError,
    OutcomeUnknownError,
    PermissionDeniedError,
    ServerError,
)
from frontpay_async.resources.find_order import look_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from frontpay_async._protocol.order_comparison import OrderIdentity
    from frontpay_async._session import Session
    from frontpay_async._transport.call import CallOptions
    from frontpay_async.batch.completeness import Completeness
    from frontpay_async.batch.encryption import Cipher
    from frontpay_async.batch.journal import Journal
    from frontpay_async.batch.listings import LeaseCheck, Listings, UnresolvedRow
    from frontpay_async.batch.matching import Resolution
    from frontpay_async.errors import FrontPayError

_MOST_INCOMPLETE_LISTS = 5
_MOST_ATTEMPTS = 10
# The number of candidates read between two writes; it grows, because each write reads all unresolved rows.
_AT_FIRST = 8
_AT_ONCE = 128
_LONGEST_LAG = 600.0
# The number of searches in which only this order could not be read.
_MOST_FAILURES = 5
_POLL = 1.0
_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}", re.ASCII)
INCOMPLETE = "the list of orders does not show orders that were confirmed: absence cannot be concluded"
UNPROVEN = "the list of orders is not known to be complete: absence cannot be concluded"
UNTESTED = "no confirmed order proves that the list of orders is complete: absence cannot be concluded"
HIDDEN = "a list hid a confirmed order: lists of this account no longer prove absence (see trust_lists)"
MIXED_UP = "an order may be this one: the API shows confirmed orders with the content of others"
IN_VAIN = "it was sent {} times, and never appeared in the list; the last time: {}"


@frozen(eq=False)
class _View:
    """The input of a verdict.

    Args:
        candidates: The orders that were read, with the number of the list that showed them first.
        looked_at: When the search started, in Unix seconds.
        completeness: What the list proves.
        is_whole: Whether all candidates have been read.
        is_last: Whether no row is left to be sent, so that later lists cannot prove more.
    """

    candidates: Mapping[str, int]
    looked_at: float
    completeness: Completeness
    is_whole: bool = field(kw_only=True)
    is_last: bool = field(kw_only=True)


@define(eq=False)
class Reconciler:
    """The search for unresolved rows.

    Args:
        journal: The journal, whose threads are used.
        listings: The journal's queries.
        session: Executes the calls.
        options: The caller's options, with priority BATCH.
        cipher: Encrypts the content of orders.
        settling: Seconds after which the API no longer works on a lost request.
        turn: Seconds of a runner's turn; extended during the search.
        checks_account: Whether the account is verified before anything is sent.
    """

    journal: Journal
    listings: Listings
    session: Session
    options: CallOptions
    cipher: Cipher
    settling: float
    turn: float
    checks_account: bool = True
    requests: int = field(init=False, default=0)
    """The number of requests made."""
    recent: RecentOrders = field(init=False, factory=RecentOrders)
    """The last orders that this runner sent."""
    _seen: dict[str, OrderIdentity | None] = field(init=False, factory=dict[str, "OrderIdentity | None"])
    _sent: SentOrders[bytes] = field(init=False, factory=SentOrders[bytes])
    _unreadable: set[bytes] = field(init=False, factory=set[bytes])
    _alike: dict[str, Mapping[bytes, Comparison] | None] = field(init=False)
    _is_proven: bool = field(init=False, default=False)
    _incomplete: Counter[int] = field(init=False, factory=Counter[int])
    _untested: Counter[int] = field(init=False, factory=Counter[int])
    _witnesses: int = field(init=False, default=0)
    _lag: float = field(init=False, default=0.0)
    _failures: Counter[str] = field(init=False, factory=Counter[str])
    _mixed_up: int = field(init=False, default=0)

    def __attrs_post_init__(self) -> None:
        self._alike = {}

    # The account

    async def begin(self) -> None:
        """List the account's orders before anything is sent: existing orders are not candidates."""
        await self._list()

    async def _list(self) -> frozenset[str]:
        """List the account's orders, and record those that are new."""
        self.requests += 1
        entries = await self.session.execute(LIST_ORDER_STATUSES, self.options)
        listed = frozenset([*(_name(entry.order_uuid) for entry in entries), *_names(entries.unreadable)])
        await self._prove(listed)
        await self.journal.run(self.listings.note_list, listed)
        return listed

    async def _prove(self, listed: frozenset[str]) -> None:
        """Verify once that the client and the journal belong to the same account."""
        if self._is_proven or not self.checks_account:
            return
        mark = await self._mark()
        admission = await self.journal.run(self.listings.admit_token, mark)
        is_known, known_orders = admission.is_known, admission.known_orders
        while True:
            if known_orders:
                if listed.isdisjoint(known_orders) and not await self._can_read(known_orders):
                    raise ConfigurationError(
                        "nothing was sent: the account shows none of the confirmed orders in this journal,"
                        f" such as {known_orders[0]}. Does the token belong to another account? If it is the"
                        " same account, and old orders can no longer be read, use check_account=False"
                    )
                break
            if is_known or await self.journal.run(self.listings.replace_token, mark):
                # Until an order is leased with it, another token may still take its place.
                return
            if not await self.journal.run(self.listings.is_undecided):
                raise ConfigurationError(
                    "nothing was sent: the journal's orders were sent with another token, and none of them is"
                    " confirmed yet, so the account cannot be verified. Use that token until an order is"
                    " confirmed, or check_account=False if it is the same account"
                )
            # Another runner is about to confirm its first order, which will decide.
            await self.session.clock.sleep(_POLL)
            known_orders = await self.journal.run(self.listings.known_orders)
        if not is_known:
            await self.journal.run(self.listings.adopt_token, mark)
        self._is_proven = True

    async def lease_check(self) -> LeaseCheck | None:
        """Return what a transaction that leases rows checks first; None if the account is verified."""
        # The token of a new account may have been replaced since; once rows are leased, it is fixed.
        if self._is_proven or not self.checks_account:
            return None
        return partial(self.listings.may_lease, await self._mark())

    async def confirm(self) -> None:
        """Verify the account again if another token has replaced the client's."""
        if self._is_proven or not self.checks_account:
            return
        if not await self.journal.run(self.listings.holds_token, await self._mark()):
            await self._prove(frozenset())

    async def _mark(self) -> bytes:
        source = self.session.rate.credential
        if not isinstance(source, Secret):
            given: object = source()
            source = Secret(str(await given) if isawaitable(given) else "")
        return blake2b(source.text.encode(), key=self.listings.store.salt, digest_size=20).digest()

    async def _can_read(self, uuids: Sequence[str]) -> bool:
        """Whether one of several orders can be read, because the list may be cut or lag."""
        for uuid in uuids:
            self.requests += 1
            try:
                await self.session.execute(GET_ORDER_STATUS, self.options, uuid=uuid)
            except (NotFoundError, PermissionDeniedError):
                continue
            return True
        return False

    # Searching

    async def next_look(self) -> float | None:
        """Return the seconds until a search counts; None if no row is unresolved."""
        return await self.journal.run(self.listings.next_look, self._delay)

    @property
    def _delay(self) -> float:
        return max(self.settling, 2 * self._lag)

    async def look(self, *, is_last: bool) -> list[Transition] | None:
        """Search once, and return the verdicts; None while another runner has the turn."""
        if not await self.journal.run(self.listings.take_turn, self.turn):
            return None
        try:
            return await self._look(is_last=is_last)
        finally:
            with CancelScope(shield=True):
                await self.journal.run(self.listings.end_turn)

    async def _look(self, *, is_last: bool) -> list[Transition]:
        looked_at = await self.journal.run(self.listings.now)
        before = await self.journal.run(self.listings.last_number)
        listed = await self._list()
        unresolved = await self.journal.run(self.listings.unresolved)
        searched = [each for each in unresolved if not each.in_flight]
        if not searched:
            return []
        completeness = await self.journal.run(
            self.listings.completeness, listed, looked_at, before, self._delay
        )
        self._lag = min(_LONGEST_LAG, max(self._lag, completeness.lag))
        witnesses = sum(map(len, completeness.witnesses.values()))
        if witnesses != self._witnesses:
            # Rows that wait for more of them do not wait in vain.
            self._untested.clear()
        self._witnesses = witnesses
        for each in searched:
            is_in_vain = completeness.is_in_vain(each, is_last=is_last)
            self._incomplete[each.id] = self._incomplete[each.id] + 1 if is_in_vain else 0
        await self.journal.run(self._learn, unresolved)
        since = min(each.listing for each in searched)
        candidates = await self.journal.run(self.listings.candidates, listed, since)
        # An order that could not be read is requested again.
        unread = [uuid for uuid in candidates if self._seen.get(uuid) is None]
        size = _AT_FIRST
        decided: list[Transition] = []
        while True:
            some, unread = unread[:size], unread[size:]
            size = min(2 * size, _AT_ONCE)
            if not await self._read(some, unresolved):
                return decided
            left = frozenset(unread)
            seen = {uuid: number for uuid, number in candidates.items() if uuid not in left}
            view = _View(seen, looked_at, completeness, is_whole=not unread, is_last=is_last)
            some_decided = await self._decide(view)
            decided += some_decided or []
            if some_decided is None or not unread or len(decided) >= len(searched):
                return decided

    async def _read(self, uuids: Sequence[str], unresolved: Sequence[UnresolvedRow]) -> bool:
        """Read the details of orders; return whether the details can be used in this round."""
        asked = [uuid for uuid in uuids if _ID.fullmatch(uuid)]
        self._seen |= dict.fromkeys(uuid for uuid in uuids if uuid not in asked)
        if not asked:
            return True
        recent = await self.journal.run(self.recent.samples)
        chosen = choose(recent or await self.journal.run(self.listings.samples), self.session.clock.chance)
        shown = await self._details([*(each.uuid for each in chosen), *asked])
        # Without an order of known content, what is shown must at least stay the same.
        again = {} if recent else await self._details([asked[0], *(each.uuid for each in chosen[:1])])
        seen = {uuid: it for uuid in asked if (it := shown[uuid]) is not None}
        samples = [(each, it) for each in chosen if (it := shown[each.uuid]) is not None]
        rows = Counter(each.content for each in unresolved)
        is_steady = all(it is None or shown[uuid] in {None, it} for uuid, it in again.items())
        if not is_steady or await self.journal.run(are_mixed_up, samples, recent, seen, self._sent, rows):
            self._mixed_up += 1
            # A cache may recover, so everything is read again.
            self._seen, shown = dict.fromkeys(self._seen), dict.fromkeys(asked)
            self._alike.clear()
            if self._mixed_up < _MOST_INCOMPLETE_LISTS:
                return False
        self._seen |= {uuid: shown[uuid] for uuid in asked}
        return True

    async def _details(self, uuids: Sequence[str]) -> dict[str, OrderIdentity | None]:
        """Return the traits of orders; None for those that cannot be read."""
        shown: dict[str, OrderIdentity | None] = {}
        self.requests += len(uuids)
        await look_at(self.session, self.options, uuids, shown.__setitem__, self._gives_up)
        return shown

    def _gives_up(self, uuid: str, error: FrontPayError) -> bool:
        """Whether to skip an order that cannot be read, so that it does not block the others."""
        if not isinstance(error, (ServerError, OutcomeUnknownError)):
            return False
        self._failures[uuid] += 1
        return self._failures[uuid] >= _MOST_FAILURES

    def _learn(self, unresolved: Sequence[UnresolvedRow]) -> None:
        """Load the traits of the unresolved rows."""
        new = {each.content: each for each in unresolved if each.content not in self._sent}
        for content, each in new.items():
            try:
                order = read(each.kind, self.cipher.decrypt(each.payload))
            except ValueError:
                logger.warning("the content of an unresolved row cannot be read: it is left for a person")
                self._unreadable.add(content)
                continue
            self._sent.add(content, identity_of_order(order))
        if new:
            self._alike.clear()

    async def _decide(self, view: _View) -> list[Transition] | None:
        await self.journal.run(self._compare, view.candidates)
        verdict = partial(self._verdict, view)
        return await self.journal.run(self.listings.decide, view.candidates, verdict, self.turn)

    def _compare(self, candidates: Mapping[str, int]) -> None:
        for uuid in candidates:
            if self._alike.get(uuid) is None:
                seen = self._seen[uuid]
                self._alike[uuid] = None if seen is None else self._compared(seen)

    def _compared(self, seen: OrderIdentity) -> Mapping[bytes, Comparison]:
        found = self._sent.compare(seen)
        return found if Comparison.SAME in found.values() else self._sent.with_equal_goods(seen) | found

    def _verdict(self, view: _View, rows: Sequence[UnresolvedRow], candidates: Mapping[str, int]) -> Verdict:
        """Decide; runs within the transaction that writes it."""
        unresolved = [Unresolved(row.id, row.content, row.listing, row.in_flight) for row in rows]
        decisions = match(unresolved, candidates, self._alike)
        by_id = {row.id: row for row in rows}
        count = Counter(row.content for row in rows)
        absent = _provably_absent(view, rows)
        caution = Caution(view.completeness.witnesses, view.completeness.resent)
        made = [
            self._transition(view, by_id[row], each, caution, is_absent=row in absent)
            for row, each in decisions.items()
            if view.is_whole or count[by_id[row].content] == 1
        ]
        first: dict[bytes, int] = {}
        for row in rows:
            first[row.content] = min(row.listing, first.get(row.content, row.listing))
        unrelated = [
            uuid for uuid, number in candidates.items() if not self._may_be_ours(uuid, number, first)
        ]
        return Verdict([each for each in made if each is not None], unrelated)

    def _may_be_ours(self, uuid: str, number: int, first: Mapping[bytes, int]) -> bool:
        alike = self._alike[uuid]
        # An order that cannot be read now may be readable later.
        return alike is None or any(number > first[content] for content in alike if content in first)

    def _transition(
        self, view: _View, row: UnresolvedRow, decision: Resolution, caution: Caution, *, is_absent: bool
    ) -> Transition | None:
        named = Transition(row=row.id, fence=row.fence, event=RowEvent.PARK)
        match decision:
            case Found(uuid):
                return evolve(named, event=RowEvent.CONFIRM, order_uuid=uuid)
            case _ if not view.is_whole:
                return None
            case Undecidable(reason, among):
                is_mixed_up = reason == UNREADABLE and self._mixed_up >= _MOST_INCOMPLETE_LISTS
                return evolve(named, error=MIXED_UP if is_mixed_up else reason, candidates=among)
            case Absent() if row.content in self._unreadable:
                return evolve(named, error="its content in the journal cannot be read")
            # Otherwise it became unresolved during this round: the next round searches for it.
            case Absent() if row.content in self._sent and view.looked_at >= row.due_at(self._delay):
                return self._missing(view, row, named, caution, is_absent=is_absent)
            case _:
                return None

    def _missing(
        self, view: _View, row: UnresolvedRow, named: Transition, caution: Caution, *, is_absent: bool
    ) -> Transition | None:
        """Decide a row that has no candidate."""
        if not is_absent:
            is_parked = self._incomplete[row.id] >= _MOST_INCOMPLETE_LISTS
            return evolve(named, error=_why_not(view.completeness)) if is_parked else None
        if row.missed_at is None:
            return evolve(named, event=RowEvent.MISS)
        if row.attempts >= _MOST_ATTEMPTS:
            return evolve(named, error=IN_VAIN.format(row.attempts, row.error))
        if caution.allows(row):
            return evolve(named, event=RowEvent.DENY)
        # It waits for the rows that were sent again before it.
        is_in_vain = view.is_last and caution.is_over(row)
        self._untested[row.id] = self._untested[row.id] + 1 if is_in_vain else 0
        is_parked = self._untested[row.id] >= _MOST_INCOMPLETE_LISTS
        reason = UNTESTED if row.attempts == 1 else IN_VAIN.format(row.attempts, row.error)
        return evolve(named, error=reason) if is_parked else None


def _why_not(completeness: Completeness) -> str:
    if completeness.is_distrusted:
        return HIDDEN
    return INCOMPLETE if completeness.lacks else UNPROVEN


def _provably_absent(view: _View, rows: Sequence[UnresolvedRow]) -> frozenset[int]:
    """Return the rows whose orders the list proves absent."""
    searched = [row for row in rows if not row.in_flight]
    is_first_time = len(searched) == len(rows) and all(row.attempts <= 1 for row in rows)
    found = {row.id for row in searched if view.completeness.proves_absence(row, is_last=view.is_last)}
    if view.is_last and view.completeness.is_blank and is_first_time:
        # Only once: if the repeated order is not shown either, the list hides it.
        found.update(row.id for row in searched[:1])
    return frozenset(found)


def _name(uuid: str) -> str:
    """Return an id in its stored form; an invalid one is replaced by a name."""
    if _ID.fullmatch(uuid):
        return uuid
    return _mark(uuid)


def _names(rows: Iterable[object]) -> Iterator[str]:
    """Yield a name for each list row without an id, from its content and ordinal."""
    count: Counter[str] = Counter()
    for row in rows:
        members = cast("dict[str, object]", row) if isinstance(row, dict) else {"uuid": row}
        shown = [members[name] for name in ("uuid", "orderUuid") if name in members]
        mark = _mark(json.dumps(shown, sort_keys=True, default=str))
        count[mark] += 1
        yield f"{mark}/{count[mark]}"


def _mark(text: str) -> str:
    return f"?{blake2b(text.encode('utf-8', 'surrogatepass'), digest_size=16).hexdigest()}"
