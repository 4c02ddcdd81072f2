"""The journal's part in looking: who is in doubt, which orders nobody accounts for, and the verdict.

A list of the account's orders that was complete before a row was claimed cannot show that row's order. So
each list gets a number, only what is new in it is kept, and a row remembers the last number before its claim:
its candidates are the orders that were first seen later. Numbers, not times: clocks may be set back.

An order that is another one than each row that could own it is a stranger, for good: a row that is claimed
later is younger than it. That much is kept, so that nobody has to read it again, whoever dies.

Runners of one journal take turns in looking, and a verdict is only written by whoever has the turn, on what
the journal says in that moment.
"""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from attrs import define, field, frozen
from sqlalchemy import func, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from frontpay_async.batch.schema import listings, notes, rows, unrelated
from frontpay_async.batch.states import State

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection

    from frontpay_async.batch.journal import Journal
    from frontpay_async.batch.transitions import Transition

_TURN = "reconciler"
_FAITHFUL = "as sent: "
_MOST_PARAMETERS = 500
_WITNESSES = 25
_STRANGERS = unrelated.c.order_uuid


@frozen
class UnresolvedRow:
    """Hold a row in doubt, or one in flight that may be mistaken for it.

    Args:
        id: Its number.
        kind: The operation that sends it.
        payload: Its content, as the journal keeps it.
        content: Its fingerprint.
        fence: What a verdict must name.
        listing: The last list that was complete before it was claimed.
        in_flight: Whether its answer may still come.
        doubt_at: Since when it is in doubt, in Unix seconds.
        missed_at: When it was looked for and not found, if it was.
        attempts: How often it was about to leave.
        error: Why it is in doubt.
    """

    id: int
    kind: str
    payload: bytes = field(repr=False)
    content: bytes = field(repr=False)
    fence: int
    listing: int
    in_flight: bool
    doubt_at: float
    missed_at: float | None
    attempts: int
    error: str | None = field(repr=False)

    def due_at(self, settling: float) -> float:
        """Return when the next look at it counts, in Unix seconds."""
        return (self.doubt_at if self.missed_at is None else self.missed_at) + settling


@frozen
class Verdict:
    """Say what a look came to.

    Args:
        transitions: What happens to rows in doubt.
        unrelated: Orders that are of none of the rows in doubt or in flight.
    """

    transitions: Sequence[Transition]
    unrelated: Sequence[str] = ()


@define(eq=False)
class Listings:
    """Ask and tell the journal on behalf of somebody who looks.

    Args:
        journal: The journal.
        owner: Who looks.
    """

    journal: Journal
    owner: str

    def take_turn(self, seconds: float) -> bool:
        """Take the turn in looking for so long, unless another runner has it."""
        with self.journal.writing() as connection:
            insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
            nobody = insert(notes).values(name=_TURN, content=b"nobody 0").on_conflict_do_nothing()
            connection.execute(nobody)
            owner, until = self._turn(connection)
            now = self.journal.now(connection)
            if owner != self.owner and now < until:
                return False
            self._set_turn(connection, now + seconds)
        return True

    def end_turn(self) -> None:
        """Let another runner look."""
        with self.journal.writing() as connection:
            if self._turn(connection)[0] == self.owner:
                self._set_turn(connection, 0.0)

    def _turn(self, connection: Connection) -> tuple[str, float]:
        locked = select(notes.c.content).where(notes.c.name == _TURN).with_for_update()
        owner, until = bytes(connection.execute(locked).scalar_one()).decode().split()
        return owner, float(until)

    def _set_turn(self, connection: Connection, until: float) -> None:
        content = f"{self.owner} {until}".encode()
        connection.execute(update(notes).where(notes.c.name == _TURN).values(content=content))

    def next_look(self, settling: float) -> float | None:
        """Return the seconds until a look at a row in doubt counts; None where no row is in doubt."""
        with self.journal.reading() as connection:
            doubts = [each for each in self._doubts(connection) if not each.in_flight]
            if not doubts:
                return None
            return min(each.due_at(settling) for each in doubts) - self.journal.now(connection)

    def doubts(self) -> tuple[list[UnresolvedRow], float]:
        """Return the rows in doubt and those in flight, of all batches, and the time."""
        with self.journal.reading() as connection:
            return self._doubts(connection), self.journal.now(connection)

    def _doubts(self, connection: Connection) -> list[UnresolvedRow]:
        wanted = select(rows).where(rows.c.state.in_([State.UNKNOWN.value, State.SENDING.value]))
        return [
            UnresolvedRow(
                each.id,
                each.kind,
                bytes(each.payload or b""),
                bytes(each.fingerprint),
                each.fence,
                each.listing,
                each.state == State.SENDING.value,
                each.doubt_at or 0.0,
                each.missed_at,
                each.attempts,
                each.error,
            )
            for each in connection.execute(wanted.order_by(rows.c.id))
        ]

    def witnesses(self, oldest: int | None = None) -> list[str]:
        """Return orders that a complete list must show: the last that were confirmed.

        Args:
            oldest: A row; those that were submitted just before it must be shown, too, because a list may
                have an end at either side.
        """
        known = select(rows.c.order_uuid).where(rows.c.state == State.DONE.value)
        known = known.order_by(rows.c.id.desc()).limit(_WITNESSES)
        with self.journal.reading() as connection:
            found = list(connection.scalars(known))
            if oldest is not None:
                found += connection.scalars(known.where(rows.c.id < oldest))
            return found

    def echoes_verbatim(self) -> frozenset[str]:
        """Return the operations whose orders the API was seen to show as they were sent."""
        with self.journal.reading() as connection:
            known = self.journal.notes(connection)
        return frozenset(
            name.removeprefix(_FAITHFUL)
            for name, content in known.items()
            if name.startswith(_FAITHFUL) and content == b"yes"
        )

    def note_faithful(self, kind: str, found: bool) -> None:  # noqa: FBT001 - what was found
        """Keep whether the API shows the orders of an operation as they are sent."""
        with self.journal.writing() as connection:
            insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
            name = _FAITHFUL + kind
            connection.execute(insert(notes).values(name=name, content=b"").on_conflict_do_nothing())
            content = b"yes" if found else b"no"
            connection.execute(update(notes).where(notes.c.name == name).values(content=content))

    def note_list(self, uuids: Collection[str]) -> int:
        """Keep what is new in a list of the account's orders, and return the number of the list.

        Args:
            uuids: All orders in the list, which was complete before this call.
        """
        with self.journal.writing() as connection:
            seen = self._seen(connection)
            new = [uuid for uuid in self._unaccounted(connection, uuids) if uuid not in seen]
            if new:
                content = zlib.compress("\n".join(new).encode())
                connection.execute(listings.insert().values(uuids=content))
            return int(connection.scalar(select(func.max(listings.c.number))) or 0)

    def candidates(self, uuids: Collection[str], since: int) -> dict[str, int]:
        """Return the orders that nobody accounts for and that were first seen after a list, with that number.

        Strangers are not among them.

        Args:
            uuids: All orders in the last list.
            since: The number of the list.
        """
        with self.journal.reading() as connection:
            seen = self._seen(connection)
            listed = [uuid for uuid in uuids if seen.get(uuid, 0) > since]
            ours = self._without(connection, listed, _STRANGERS)
            found = {uuid: seen[uuid] for uuid in self._unaccounted(connection, ours)}
        # The oldest first, so that a look is the same whoever looks.
        return dict(sorted(found.items(), key=lambda each: (each[1], each[0])))

    def _seen(self, connection: Connection) -> dict[str, int]:
        kept = connection.execute(select(listings).order_by(listings.c.number))
        return {
            uuid: number
            for number, content in kept
            for uuid in zlib.decompress(bytes(content)).decode().split("\n")
        }

    def _unaccounted(self, connection: Connection, uuids: Collection[str]) -> list[str]:
        return self._without(connection, uuids, rows.c.order_uuid)

    def _without(
        self, connection: Connection, uuids: Collection[str], column: ColumnElement[str]
    ) -> list[str]:
        ordered = list(uuids)
        known: set[str] = set()
        for start in range(0, len(ordered), _MOST_PARAMETERS):
            some = ordered[start : start + _MOST_PARAMETERS]
            known.update(connection.scalars(select(column).where(column.in_(some))))
        return [uuid for uuid in ordered if uuid not in known]

    def decide(
        self,
        candidates: Mapping[str, int],
        verdict: Callable[[Sequence[UnresolvedRow], Mapping[str, int]], Verdict],
        seconds: float,
    ) -> list[Transition] | None:
        """Move the rows in doubt by a verdict on what the journal says now; None without the turn.

        Args:
            candidates: The orders that were looked at, with the number of the list that showed them first.
            verdict: The decision, given the rows and the candidates that still nobody accounts for.
            seconds: How long the turn goes on.

        Returns:
            What was done.
        """
        try:
            with self.journal.writing() as connection:
                if self._turn(connection)[0] != self.owner:
                    return None
                self._set_turn(connection, self.journal.now(connection) + seconds)
                still = self._without(connection, self._unaccounted(connection, candidates), _STRANGERS)
                found = verdict(self._doubts(connection), {uuid: candidates[uuid] for uuid in still})
                self._note_strangers(connection, found.unrelated)
                moved = self.journal.move(connection, found.transitions)
                return [each for each, was_moved in zip(found.transitions, moved, strict=True) if was_moved]
        except IntegrityError:
            # An answer came in that moment and accounts for one of the candidates: the next look will know.
            return []

    def _note_strangers(self, connection: Connection, uuids: Sequence[str]) -> None:
        if uuids:
            insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
            made = [{"order_uuid": uuid} for uuid in uuids]
            connection.execute(insert(unrelated).on_conflict_do_nothing(), made)
