"""Reconciling: rows in doubt are resolved by looking, never by sending again.

A round lists the account's orders once, takes those that nobody accounts for and that were first seen after
the doubtful requests were made, reads their details (each once, whatever the number of rounds), and lets the
matching decide. Found: done. Not found in two looks, each a settling delay after the last: it may be sent
again.
Undecidable: parked.

Absence is the dangerous verdict, so it needs more than "not in the list":
- The list must show the orders that were confirmed last: a list that lags, or is cut, proves nothing.
- The API must have been seen to show an order as it was sent: one whose uuid is known, or one that was
  recognised. Until then, an order counts as another one only where both its goods and its customer differ.
- The look must have begun a settling delay after the doubt, because a request that was lost on the way back
  may still be at work at the API.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from anyio import CancelScope, to_thread
from attrs import define, evolve, field

from frontpay_async._protocol.likeness import Likeness, likeness, traits_of_order
from frontpay_async._protocol.operations import LIST_ORDER_STATUSES
from frontpay_async._transport.find import look_at
from frontpay_async._transport.observe import logger
from frontpay_async.batch.matching import Absent, Doubt, Found, Undecidable, match
from frontpay_async.batch.payload import read
from frontpay_async.batch.states import Event
from frontpay_async.batch.transitions import Transition

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from frontpay_async._protocol.likeness import Traits
    from frontpay_async._transport.call import CallOptions
    from frontpay_async._transport.session import Session
    from frontpay_async.batch.items import BatchOrder
    from frontpay_async.batch.matching import Decision
    from frontpay_async.batch.sealing import Seal
    from frontpay_async.batch.sightings import DoubtfulRow, Sightings

__all__ = ["Reconciler"]

_MOST_INCOMPLETE_LISTS = 5
INCOMPLETE = "the list of orders does not show orders that were confirmed: absence cannot be concluded"


@define(eq=False)
class Reconciler:
    """Look for rows in doubt.

    Args:
        sightings: The journal's part.
        session: What executes the calls.
        options: What the caller chose, with rank BATCH.
        seal: What protects the content of orders.
        settling: Seconds after which a request that was lost is no longer at work at the API.
        turn: Seconds for which no other runner looks; whoever needs longer decides in the next turn.
    """

    sightings: Sightings
    session: Session
    options: CallOptions
    seal: Seal
    settling: float
    turn: float
    listing: int = field(init=False, default=0)
    requests: int = field(init=False, default=0)
    """How many requests the looking cost."""
    _seen: dict[str, Traits | None] = field(init=False, factory=dict[str, "Traits | None"])
    _sent: dict[int, Traits] = field(init=False, factory=dict[int, "Traits"])
    _is_faithful: bool = field(init=False, default=False)
    _specimen: tuple[str, BatchOrder] | None = field(init=False, default=None)
    _incomplete: int = field(init=False, default=0)

    async def begin(self) -> None:
        """List the account before anything is sent: what is there already is no candidate."""
        await self._list()

    def confirmed(self, uuid: str, order: BatchOrder) -> None:
        """Take in an order that was sent and confirmed: a specimen of how the API shows what is sent."""
        if self._specimen is None and not self._is_faithful:
            self._specimen = (uuid, order)

    async def next_look(self) -> float | None:
        """Return the seconds until a look counts; None where no row is in doubt."""
        return await to_thread.run_sync(self.sightings.next_look, self.settling)

    async def look(self) -> list[Transition] | None:
        """Look once, and return what was decided; None while another runner has the turn.

        Raises:
            FrontPayError: The API could not be asked.
        """
        if not await to_thread.run_sync(self.sightings.take_turn, self.turn):
            return None
        try:
            return await self._look()
        finally:
            with CancelScope(shield=True):
                await to_thread.run_sync(self.sightings.end_turn)

    async def _look(self) -> list[Transition]:
        doubts, looked_at = await to_thread.run_sync(self.sightings.doubts)
        doubtful = [each for each in doubts if not each.in_flight]
        if not doubtful:
            return []
        witnesses = await to_thread.run_sync(self.sightings.witnesses)
        listed = await self._list()
        is_complete = listed.issuperset(witnesses)
        self._incomplete = 0 if is_complete else self._incomplete + 1
        since = min(each.listing for each in doubtful)
        candidates = await to_thread.run_sync(self.sightings.candidates, listed, since)
        await self._read(candidates)
        if candidates:
            await self._try_specimen()

        def verdict(rows: Sequence[DoubtfulRow], open_candidates: Mapping[str, int]) -> list[Transition]:
            return self._verdict(rows, open_candidates, looked_at, is_complete=is_complete)

        done = await to_thread.run_sync(self.sightings.decide, candidates, verdict)
        for each in done or ():
            if each.event is not Event.MISS:
                self._sent.pop(each.row, None)
        return done or []

    async def _list(self) -> frozenset[str]:
        self.requests += 1
        entries = await self.session.execute(LIST_ORDER_STATUSES, self.options)
        listed = frozenset(entry.order_uuid for entry in entries)
        self.listing = await to_thread.run_sync(self.sightings.note_list, listed)
        return listed

    async def _read(self, uuids: Mapping[str, int]) -> None:
        unread = [uuid for uuid in uuids if uuid not in self._seen]
        self.requests += len(unread)
        await look_at(self.session, self.options, unread, self._seen.__setitem__)

    async def _try_specimen(self) -> None:
        """Find out whether the API shows an order as it was sent, by one that is known to be there."""
        if self._is_faithful:
            return
        if self._specimen is None:
            # An earlier run may have found it out.
            self._is_faithful = await to_thread.run_sync(self.sightings.is_faithful)
            return
        uuid, order = self._specimen
        shown: dict[str, Traits | None] = {}
        self.requests += 1
        await look_at(self.session, self.options, [uuid], shown.__setitem__)
        seen = shown[uuid]
        self._is_faithful = seen is not None and likeness(traits_of_order(order), seen) is Likeness.SAME
        await to_thread.run_sync(self.sightings.note_faithful, self._is_faithful)
        if not self._is_faithful:
            logger.warning("the API shows order %s in another form than it was sent", uuid)
        # Once is enough, and it holds personal data.
        self._specimen = None

    def _verdict(
        self,
        rows: Sequence[DoubtfulRow],
        candidates: Mapping[str, int],
        looked_at: float,
        *,
        is_complete: bool,
    ) -> list[Transition]:
        """Decide; runs within the transaction that writes it."""
        by_id = {row.id: row for row in rows}

        def alike(row_id: int, uuid: str) -> Likeness:
            row, seen = by_id[row_id], self._seen[uuid]
            if candidates[uuid] <= row.listing:
                return Likeness.DIFFERENT
            if seen is None:
                return Likeness.UNCLEAR
            found = likeness(self._traits(row), seen, cautious=not self._is_faithful)
            self._is_faithful |= found is Likeness.SAME
            return found

        doubts = [Doubt(row.id, row.content, row.in_flight) for row in rows]
        was_faithful = self._is_faithful
        decisions = match(doubts, list(candidates), alike)
        if self._is_faithful and not was_faithful:
            # One was recognised, so that the others need not be judged with that caution.
            decisions = match(doubts, list(candidates), alike)
        made = [self._transition(by_id[row], each, looked_at, is_complete) for row, each in decisions.items()]
        return [each for each in made if each is not None]

    def _transition(
        self,
        row: DoubtfulRow,
        decision: Decision,
        looked_at: float,
        is_complete: bool,  # noqa: FBT001 - what was found
    ) -> Transition | None:
        named = Transition(row=row.id, fence=row.fence, event=Event.PARK)
        match decision:
            case Found(uuid):
                return evolve(named, event=Event.CONFIRM, order_uuid=uuid)
            case Undecidable(reason, among):
                return evolve(named, error=reason, candidates=among)
            case Absent() if looked_at < row.due_at(self.settling):
                return None
            case Absent() if is_complete:
                return evolve(named, event=Event.MISS if row.missed_at is None else Event.DENY)
            case Absent() if self._incomplete >= _MOST_INCOMPLETE_LISTS:
                return evolve(named, error=INCOMPLETE)
            case _:
                return None

    def _traits(self, row: DoubtfulRow) -> Traits:
        known = self._sent.get(row.id)
        if known is None:
            order = read(row.kind, self.seal.open(row.payload))
            known = self._sent[row.id] = traits_of_order(order)
        return known
