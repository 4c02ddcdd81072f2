"""Reconciling: rows in doubt are resolved by looking, never by sending again.

A round lists the account's orders once, takes those that nobody accounts for and that were first seen after
the doubtful requests were made, reads their details (each once, whatever the number of rounds), and lets the
matching decide. Found: done. Not found in two looks, each a settling delay after the last: it may be sent
again. Undecidable: parked. After every few details, what was found is written down, and which orders are
strangers, so that a runner that dies meanwhile has not looked in vain; the other verdicts wait for the last
candidate. So does what was found for one of several rows of the same content: given an order that came later,
the row would be missing to an order of its own that is still to be read, and which fits no later row.

Absence is the dangerous verdict, so it needs more than "not in the list":
- The list must show the orders that were confirmed last, and those of the rows before the oldest in doubt: a
  list that lags, or is cut at either end, proves nothing.
- The API must have been seen to show an order of that kind as it was sent: one whose uuid is known, or one
  that was recognised. Until then, an order counts as another one only where both goods and customer differ.
- The look must have begun a settling delay after the doubt, because a request that was lost on the way back
  may still be at work at the API.

An order at which the API fails each time would go round for ever: after ten times in vain it is parked.
"""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING

from anyio import CancelScope, to_thread
from attrs import define, evolve, field, frozen

from frontpay_async._protocol.comparison import Comparison, identity_of_order, likeness
from frontpay_async._protocol.operations import LIST_ORDER_STATUSES
from frontpay_async._transport.instrumentation import logger
from frontpay_async.batch.listings import Verdict
from frontpay_async.batch.matching import Absent, Found, Undecidable, Unresolved, match
from frontpay_async.batch.payload import read
from frontpay_async.batch.states import RowEvent
from frontpay_async.batch.transitions import Transition
from frontpay_async.errors import ConfigurationError, FrontPayError, OutcomeUnknownError
from frontpay_async.resources.find import look_at

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from frontpay_async._protocol.comparison import OrderIdentity
    from frontpay_async._session import Session
    from frontpay_async._transport.call import CallOptions
    from frontpay_async.batch.encryption import Cipher
    from frontpay_async.batch.listings import Listings, UnresolvedRow
    from frontpay_async.batch.matching import Resolution
    from frontpay_async.order_files.items import BatchOrder

_MOST_INCOMPLETE_LISTS = 5
_MOST_ATTEMPTS = 10
# Candidates that are read before what was found is written down.
_AT_ONCE = 8
INCOMPLETE = "the list of orders does not show orders that were confirmed: absence cannot be concluded"
IN_VAIN = f"it was sent {_MOST_ATTEMPTS} times, and never stood there"


@frozen(eq=False)
class _View:
    """What a verdict goes by.

    Args:
        candidates: The orders that were read, with the number of the list that showed them first.
        looked_at: When the look began, in Unix seconds.
        is_complete: Whether the list showed what it must.
        is_whole: Whether no candidate is left to be read.
    """

    candidates: Mapping[str, int]
    looked_at: float
    is_complete: bool = field(kw_only=True)
    is_whole: bool = field(kw_only=True)


@define(eq=False)
class Reconciler:
    """Look for rows in doubt.

    Args:
        listings: The journal's part.
        session: What executes the calls.
        options: What the caller chose, with rank BATCH.
        cipher: What protects the content of orders.
        settling: Seconds after which a request that was lost is no longer at work at the API.
        turn: Seconds for which no other runner looks; taken again while looking.
    """

    listings: Listings
    session: Session
    options: CallOptions
    cipher: Cipher
    settling: float
    turn: float
    listing: int = field(init=False, default=0)
    requests: int = field(init=False, default=0)
    """How many requests the looking cost."""
    _seen: dict[str, OrderIdentity | None] = field(init=False, factory=dict[str, "OrderIdentity | None"])
    _sent: dict[int, OrderIdentity] = field(init=False, factory=dict[int, "OrderIdentity"])
    # Operations whose orders are shown as they were sent, and those of which one was looked at.
    _echoes_verbatim: set[str] = field(init=False, factory=set[str])
    _tried: set[str] = field(init=False, factory=set[str])
    _has_listed: bool = field(init=False, default=False)
    _incomplete: int = field(init=False, default=0)

    async def begin(self) -> None:
        """List the account before anything is sent: what is there already is no candidate.

        Raises:
            ConfigurationError: The list shows none of the orders that were confirmed: it is another account.
        """
        self._echoes_verbatim |= await to_thread.run_sync(self.listings.echoes_verbatim)
        await self._list(await to_thread.run_sync(self.listings.witnesses))

    def knows_the_form(self, kind: str) -> bool:
        """Whether a confirmed order need not be looked at: how the API shows such orders is known."""
        return kind in self._echoes_verbatim or kind in self._tried

    async def confirmed(self, uuid: str, kind: str, order: BatchOrder) -> None:
        """Take in an order that was sent and confirmed.

        The first one of a kind proves whether the API shows such orders as they were sent. It is looked at
        once for each journal, and early: later there may be nobody who remembers an order that was confirmed.
        """
        if self.knows_the_form(kind):
            return
        self._tried.add(kind)
        shown: dict[str, OrderIdentity | None] = {}
        self.requests += 1
        try:
            await look_at(self.session, self.options, [uuid], shown.__setitem__)
        except FrontPayError:
            # Another order will do.
            self._tried.discard(kind)
            return
        seen = shown[uuid]
        is_verbatim = seen is not None and likeness(identity_of_order(order), seen) is Comparison.SAME
        await to_thread.run_sync(self.listings.note_faithful, kind, is_verbatim)
        if is_verbatim:
            self._echoes_verbatim.add(kind)
        else:
            logger.warning("the API shows order %s in another form than it was sent", uuid)

    async def next_look(self) -> float | None:
        """Return the seconds until a look counts; None where no row is in doubt."""
        return await to_thread.run_sync(self.listings.next_look, self.settling)

    async def look(self) -> list[Transition] | None:
        """Look once, and return what was decided; None while another runner has the turn.

        Raises:
            ConfigurationError: The first list of this run shows none of the orders that were confirmed.
            FrontPayError: The API could not be asked.
        """
        if not await to_thread.run_sync(self.listings.take_turn, self.turn):
            return None
        try:
            return await self._look()
        finally:
            with CancelScope(shield=True):
                await to_thread.run_sync(self.listings.end_turn)

    async def _look(self) -> list[Transition]:
        doubts, looked_at = await to_thread.run_sync(self.listings.doubts)
        doubtful = [each for each in doubts if not each.in_flight]
        if not doubtful:
            return []
        oldest = min(each.id for each in doubtful)
        witnesses = await to_thread.run_sync(self.listings.witnesses, oldest)
        listed = await self._list(witnesses)
        is_complete = listed.issuperset(witnesses)
        self._incomplete = 0 if is_complete else self._incomplete + 1
        since = min(each.listing for each in doubtful)
        candidates = await to_thread.run_sync(self.listings.candidates, listed, since)
        # Another runner may have found out meanwhile.
        self._echoes_verbatim |= await to_thread.run_sync(self.listings.echoes_verbatim)
        unread = [uuid for uuid in candidates if uuid not in self._seen]
        decided: list[Transition] = []
        while True:
            some, unread = unread[:_AT_ONCE], unread[_AT_ONCE:]
            self.requests += len(some)
            await look_at(self.session, self.options, some, self._seen.__setitem__)
            seen = {uuid: number for uuid, number in candidates.items() if uuid in self._seen}
            view = _View(seen, looked_at, is_complete=is_complete, is_whole=not unread)
            some_decided = await self._decide(view)
            decided += some_decided or []
            if some_decided is None or not unread or len(decided) >= len(doubtful):
                return decided

    async def _decide(self, view: _View) -> list[Transition] | None:
        known = frozenset(self._echoes_verbatim)
        verdict = partial(self._verdict, view)
        decided = await to_thread.run_sync(self.listings.decide, view.candidates, verdict, self.turn)
        for kind in self._echoes_verbatim - known:
            await to_thread.run_sync(self.listings.note_faithful, kind, True)  # noqa: FBT003 - found so
        for each in decided or []:
            if each.event is not RowEvent.MISS:
                self._sent.pop(each.row, None)
        return decided

    async def _list(self, witnesses: Sequence[str]) -> frozenset[str]:
        self.requests += 1
        entries = await self.session.execute(LIST_ORDER_STATUSES, self.options)
        if entries.unreadable:
            # An order that is listed without a usable id may be any of ours.
            raise OutcomeUnknownError(
                f"orders.list_statuses: {len(entries.unreadable)} rows of the list cannot be read",
                operation=LIST_ORDER_STATUSES.name,
            )
        listed = frozenset(entry.order_uuid for entry in entries)
        if not self._has_listed and witnesses and listed.isdisjoint(witnesses):
            raise ConfigurationError(
                "nothing was sent: the account shows none of the orders that this journal saw confirmed, "
                f"such as {witnesses[0]}. Is it the token of another account? A journal belongs to one."
            )
        self._has_listed = True
        self.listing = await to_thread.run_sync(self.listings.note_list, listed)
        return listed

    def _verdict(self, view: _View, rows: Sequence[UnresolvedRow], candidates: Mapping[str, int]) -> Verdict:
        """Decide; runs within the transaction that writes it."""
        table = self._compare(rows, candidates)
        recognised = {row for (row, _), found in table.items() if found is Comparison.SAME}
        news = {row.kind for row in rows if row.id in recognised} - self._echoes_verbatim
        if news:
            # One was recognised, so that the others of its kind need not be judged with that caution.
            self._echoes_verbatim |= news
            table = self._compare(rows, candidates)
        doubts = [Unresolved(row.id, row.content, row.in_flight) for row in rows]
        decisions = match(doubts, list(candidates), lambda row, uuid: table[row, uuid])
        by_id = {row.id: row for row in rows}
        alike = Counter(row.content for row in rows)
        made = [
            self._transition(view, by_id[row], each)
            for row, each in decisions.items()
            if view.is_whole or alike[by_id[row].content] == 1
        ]
        strange = [
            uuid for uuid in candidates if all(table[row.id, uuid] is Comparison.DIFFERENT for row in rows)
        ]
        return Verdict([each for each in made if each is not None], strange)

    def _compare(
        self, rows: Sequence[UnresolvedRow], candidates: Mapping[str, int]
    ) -> Mapping[tuple[int, str], Comparison]:
        return {
            (row.id, uuid): self._alike(row, uuid, candidates[uuid]) for row in rows for uuid in candidates
        }

    def _alike(self, row: UnresolvedRow, uuid: str, first_seen: int) -> Comparison:
        seen = self._seen[uuid]
        if first_seen <= row.listing:
            return Comparison.DIFFERENT
        if seen is None:
            return Comparison.UNCLEAR
        return likeness(self._traits(row), seen, cautious=row.kind not in self._echoes_verbatim)

    def _transition(  # noqa: PLR0911 - a table
        self, view: _View, row: UnresolvedRow, decision: Resolution
    ) -> Transition | None:
        named = Transition(row=row.id, fence=row.fence, event=RowEvent.PARK)
        match decision:
            case Found(uuid):
                return evolve(named, event=RowEvent.CONFIRM, order_uuid=uuid)
            case _ if not view.is_whole:
                return None
            case Undecidable(reason, among):
                return evolve(named, error=reason, candidates=among)
            case Absent() if view.looked_at < row.due_at(self.settling):
                return None
            case Absent() if (
                view.is_complete and row.missed_at is not None and row.attempts >= _MOST_ATTEMPTS
            ):
                return evolve(named, error=f"{IN_VAIN}; the last time: {row.error}")
            case Absent() if view.is_complete:
                return evolve(named, event=RowEvent.MISS if row.missed_at is None else RowEvent.DENY)
            case Absent() if self._incomplete >= _MOST_INCOMPLETE_LISTS:
                return evolve(named, error=INCOMPLETE)
            case _:
                return None

    def _traits(self, row: UnresolvedRow) -> OrderIdentity:
        known = self._sent.get(row.id)
        if known is None:
            order = read(row.kind, self.cipher.decrypt(row.payload))
            known = self._sent[row.id] = identity_of_order(order)
        return known
