"""The journal's part in reconciling: unresolved rows, unmatched orders, and the verdict.

*Model.* A list of the account's orders that was recorded before a row was claimed cannot show that row's
order. So each list gets a number, only its new orders are stored, and a claim stores the last number: the
row's candidates are the orders that were first seen in later lists. Lists are recorded one after another
under a lock of the account, and an order keeps its first number. Numbers are used instead of times because
clocks may be set back.

*Guarantee.* An order that differs from every row that could have produced it is recorded as unrelated,
permanently: rows claimed later are newer than it. Runners of one account take turns. Only the runner that has
the turn writes verdicts, based on the journal's state at that moment.
"""

from __future__ import annotations

import zlib
from math import inf
from typing import TYPE_CHECKING, TypeAlias

from attrs import define, evolve, field, frozen
from sqlalchemy import and_, func, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from frontpay_async.batch.completeness import KnownOrder, Resent, completeness, hides_orders
from frontpay_async.batch.details_check import Sample
from frontpay_async.batch.schema import (
    distrust_note,
    listings,
    notes,
    rows,
    tokens,
    unrelated,
)
from frontpay_async.batch.statements import (
    ANY_IN_STATE,
    ANY_LISTED,
    ANY_OPEN,
    ANY_OPEN_UNLISTED,
    BATCHES,
    CONFIRMED,
    LAST_CONFIRMED,
    LAST_NUMBER,
    SEEN,
    SET_TURN,
    TOKENS,
    TURN,
)
from frontpay_async.batch.states import State

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from sqlalchemy import ColumnElement, Connection

    from frontpay_async.batch.completeness import Completeness
    from frontpay_async.batch.store import Store
    from frontpay_async.batch.transitions import Transition

LeaseCheck: TypeAlias = "Callable[[Connection], bool]"

_MOST_PARAMETERS = 500
_KNOWN_ORDERS = 5
# The maximum number of confirmed orders that anchor a new account.
_ANCHORS = 10
_OPEN = (State.UNKNOWN.value, State.SENDING.value)
# The columns needed to decide a row whose content has been read.
_LIGHT = (
    rows.c.id,
    rows.c.kind,
    rows.c.fingerprint,
    rows.c.fence,
    rows.c.listing,
    rows.c.state,
    rows.c.claimed_at,
    rows.c.doubt_at,
    rows.c.missed_at,
    rows.c.attempts,
    rows.c.error,
)


@frozen
class UnresolvedRow:
    """An unresolved row, or a row in flight that may be confused with it.

    Args:
        id: Its number.
        kind: The operation that sends it.
        content: Its fingerprint.
        fence: The fence that a verdict must state.
        listing: The last list that was complete before it was claimed.
        in_flight: Whether its response may still arrive.
        claimed_at: When it was claimed, in Unix seconds; None for a row of an older journal.
        doubt_at: When it became unresolved, in Unix seconds.
        missed_at: When a search first did not find it; None before.
        attempts: The number of claims.
        error: Why it is unresolved.
        payload: Its content, as stored; empty if it was not requested.
    """

    id: int
    kind: str
    content: bytes
    fence: int
    listing: int
    in_flight: bool
    claimed_at: float | None
    doubt_at: float
    missed_at: float | None
    attempts: int
    error: str | None = field(repr=False)
    payload: bytes = field(default=b"", repr=False)

    def due_at(self, settling: float) -> float:
        """Return the earliest time of the next search that counts, in Unix seconds."""
        return (self.doubt_at if self.missed_at is None else self.missed_at) + settling


@frozen
class Beginning:
    """What a run finds in the journal.

    Args:
        has_pending: Whether a row of the batch is pending.
        is_anchored: Whether a known order of the account is older than any order sent from now on.
    """

    has_pending: bool
    is_anchored: bool


@frozen
class Admission:
    """Whether a token may be used for the account.

    Args:
        is_known: Whether it is known to belong to it; the first token of a new account is.
        known_orders: Some of the last confirmed orders.
    """

    is_known: bool
    known_orders: Sequence[str]


@frozen
class Verdict:
    """The result of a search.

    Args:
        transitions: The transitions of unresolved rows.
        unrelated: Orders that belong to no row that is unresolved or in flight.
    """

    transitions: Sequence[Transition]
    unrelated: Sequence[str] = ()


@define(eq=False)
class Listings:
    """The journal's queries for a runner that reconciles.

    Args:
        store: The journal.
        owner: The runner.
        account: The number of the account.
    """

    store: Store
    owner: str
    account: int
    _mine: Mapping[str, object] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._mine = {"account": self.account}

    # Turns

    def take_turn(self, seconds: float) -> bool:
        """Take the turn for a number of seconds, unless another runner has it."""
        with self.store.writing() as connection:
            owner, until = self._turn(connection)
            now = self.store.now(connection)
            if owner not in (None, self.owner) and now < until:
                return False
            self._set_turn(connection, now + seconds)
        return True

    def end_turn(self) -> None:
        """Release the turn."""
        with self.store.writing() as connection:
            if self._turn(connection)[0] == self.owner:
                self._set_turn(connection, 0.0)

    def _turn(self, connection: Connection) -> tuple[str | None, float]:
        """Return the owner of the turn and its end; locks the account."""
        owner, until = connection.execute(TURN, self._mine).one()
        return owner, float(until)

    def _set_turn(self, connection: Connection, until: float) -> None:
        connection.execute(SET_TURN, {**self._mine, "by": self.owner, "until": until})

    def beginning(self, batch: int) -> Beginning:
        """Return what a run of a batch begins with."""
        with self.store.reading() as connection:
            pending = {"batch": batch, "state": State.PENDING.value}
            has_pending = connection.execute(ANY_IN_STATE, pending).first() is not None
            return Beginning(has_pending, has_pending and self._is_anchored(connection) is True)

    def is_anchored(self) -> bool:
        """Whether a known order of the account is older than any order sent from now on."""
        with self.store.reading() as connection:
            is_anchored = self._is_anchored(connection)
            if is_anchored is not None:
                return is_anchored
            if connection.execute(CONFIRMED, {**self._mine, "most": 1}).first() is None:
                return False
        with self.store.writing() as connection:
            self._turn(connection)
            known = list(connection.scalars(CONFIRMED, {**self._mine, "most": _ANCHORS}))
            if not known or self._is_open(connection):
                return False
            self._note(connection, known)
            return True

    def _is_anchored(self, connection: Connection) -> bool | None:
        """Whether a listed order is older; None if no order was ever listed."""
        # These are the orders in a list, and the first confirmed orders as soon as all orders sent before
        # them are decided or have been searched for once.
        if connection.execute(ANY_OPEN_UNLISTED, self._mine).first() is not None:
            return False
        return None if connection.execute(ANY_LISTED, self._mine).first() is None else True

    def _is_open(self, connection: Connection) -> bool:
        """Whether an order is in flight, or unresolved and not searched for yet."""
        return connection.execute(ANY_OPEN, self._mine).first() is not None

    def _note(self, connection: Connection, uuids: Sequence[str]) -> None:
        content = zlib.compress("\n".join(uuids).encode())
        made = {"account_id": self.account, "noted_at": self.store.now(connection), "uuids": content}
        connection.execute(listings.insert().values(**made))

    def may_go_first(self, seconds: float) -> bool:
        """Take the turn to send an account's first orders, unless one is open."""
        with self.store.writing() as connection:
            owner, until = self._turn(connection)
            now = self.store.now(connection)
            is_others = owner not in (None, self.owner) and now < until
            if is_others or self._is_open(connection):
                return False
            self._set_turn(connection, now + seconds)
        return True

    # Tokens

    def admit_token(self, mark: bytes) -> Admission:
        """Look a token up; the first token of a new account is accepted."""
        with self.store.writing() as connection:
            self._turn(connection)
            known = self._tokens(connection)
            if not known:
                connection.execute(tokens.insert().values(account_id=self.account, print=mark))
            return Admission(not known or mark in known, self._known_orders(connection))

    def holds_token(self, mark: bytes) -> bool:
        """Whether a token belongs to the account now."""
        with self.store.reading() as connection:
            return self._holds_token(connection, mark)

    def may_lease(self, mark: bytes, connection: Connection) -> bool:
        """Whether rows may be leased with a token; permanent once this transaction has leased some."""
        # The token cannot be replaced while the account is locked, nor when rows are leased.
        self._turn(connection)
        return self._holds_token(connection, mark)

    def _holds_token(self, connection: Connection, mark: bytes) -> bool:
        return mark in self._tokens(connection)

    def _tokens(self, connection: Connection) -> set[bytes]:
        return {bytes(each) for each in connection.scalars(TOKENS, self._mine)}

    def adopt_token(self, mark: bytes) -> None:
        """Record that a token belongs to the account."""
        with self.store.writing() as connection:
            insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
            made = insert(tokens).values(account_id=self.account, print=mark)
            connection.execute(made.on_conflict_do_nothing())

    def replace_token(self, mark: bytes) -> bool:
        """Replace the token of an account that has sent nothing; return whether that was possible."""
        with self.store.writing() as connection:
            self._turn(connection)
            if self._has_sent(connection) or self._is_in_hand(connection):
                return False
            connection.execute(tokens.delete().where(tokens.c.account_id == self.account))
            connection.execute(tokens.insert().values(account_id=self.account, print=mark))
            return True

    def is_undecided(self) -> bool:
        """Whether a runner may still confirm the account's first order."""
        with self.store.reading() as connection:
            return self._is_in_hand(connection)

    def _has_sent(self, connection: Connection) -> bool:
        """Whether an order of the account may have been sent."""
        mine = select(rows.c.id).where(rows.c.account_id == self.account)
        left = mine.where(rows.c.attempts > 0).where(
            rows.c.state.not_in([State.PENDING.value, State.FAILED.value])
        )
        return connection.execute(left.limit(1)).first() is not None

    def _is_in_hand(self, connection: Connection) -> bool:
        mine = select(rows.c.id).where(rows.c.account_id == self.account)
        leased = mine.where(rows.c.lease_until >= self.store.now(connection))
        return connection.execute(leased.limit(1)).first() is not None

    # Unresolved rows

    def next_look(self, settling: float) -> float | None:
        """Return the seconds until a search for an unresolved row counts; None if no row is unresolved."""
        since = func.coalesce(rows.c.missed_at, rows.c.doubt_at, 0.0)
        mine = (rows.c.account_id == self.account, rows.c.state == State.UNKNOWN.value)
        with self.store.reading() as connection:
            earliest = connection.scalar(select(func.min(since)).where(*mine))
            return None if earliest is None else float(earliest) + settling - self.store.now(connection)

    def now(self) -> float:
        """Return the journal's time."""
        with self.store.reading() as connection:
            return self.store.now(connection)

    def unresolved(self) -> list[UnresolvedRow]:
        """Return the account's rows that are unresolved or in flight, with their content."""
        with self.store.reading() as connection:
            return self._unresolved(connection, rows.c.payload)

    def _unresolved(self, connection: Connection, *more: ColumnElement[bytes]) -> list[UnresolvedRow]:
        wanted = select(*_LIGHT, *more).where(rows.c.account_id == self.account, rows.c.state.in_(_OPEN))
        return [
            UnresolvedRow(
                each.id,
                each.kind,
                bytes(each.fingerprint),
                each.fence,
                each.listing,
                each.state == State.SENDING.value,
                each.claimed_at,
                each.doubt_at or 0.0,
                each.missed_at,
                each.attempts,
                each.error,
                bytes(each.payload or b"") if more else b"",
            )
            for each in connection.execute(wanted.order_by(rows.c.id))
        ]

    # Lists

    def known_orders(self) -> list[str]:
        """Return some of the last confirmed orders."""
        with self.store.reading() as connection:
            return self._known_orders(connection)

    def samples(self) -> list[Sample]:
        """Return some of the last confirmed orders, to check the details that the API shows."""
        with self.store.reading() as connection:
            return self._samples(connection)

    def _known_orders(self, connection: Connection) -> list[str]:
        return [each.uuid for each in self._samples(connection)]

    def _samples(self, connection: Connection) -> list[Sample]:
        found: list[Sample] = []
        for batch in connection.scalars(BATCHES, self._mine):
            most = {"batch": batch, "most": _KNOWN_ORDERS - len(found)}
            found += [
                Sample(uuid, bytes(content)) for uuid, content in connection.execute(LAST_CONFIRMED, most)
            ]
            if len(found) >= _KNOWN_ORDERS:
                break
        return found

    def note_list(self, uuids: Collection[str]) -> int:
        """Record the new orders of a list, and return the number of the last list."""
        with self.store.writing() as connection:
            self._turn(connection)
            seen = self._seen(connection)
            new = [uuid for uuid in uuids if uuid not in seen]
            if new:
                self._note(connection, new)
            return int(connection.scalar(LAST_NUMBER, self._mine) or 0)

    def last_number(self) -> int:
        """Return the number of the last recorded list."""
        with self.store.reading() as connection:
            return int(connection.scalar(LAST_NUMBER, self._mine) or 0)

    def candidates(self, uuids: Collection[str], since: int) -> dict[str, int]:
        """Return the unmatched orders that were first seen after a list, by the number of that list."""
        # Unrelated orders are excluded.
        with self.store.reading() as connection:
            seen = self._seen(connection)
            found = {uuid: seen[uuid][0] for uuid in uuids if uuid in seen and seen[uuid][0] > since}
            left = self._unattributed(connection, found)
        # Oldest first, so that the search does not depend on the runner.
        return dict(sorted(((uuid, found[uuid]) for uuid in left), key=lambda each: (each[1], each[0])))

    def completeness(
        self, listed: Collection[str], looked_at: float, number: int, settling: float
    ) -> Completeness:
        """Return the completeness of a list; if it hides orders, no later list is trusted."""
        with self.store.reading() as connection:
            known = self._known(connection, looked_at, number)
            resent = self._resent(connection)
            mark = select(notes.c.name).where(notes.c.name == distrust_note(self.account))
            is_distrusted = connection.execute(mark).first() is not None
        if not is_distrusted and hides_orders(known, listed, looked_at - settling):
            is_distrusted = True
            with self.store.writing() as connection:
                insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
                made = insert(notes).values(name=distrust_note(self.account), content=b"")
                connection.execute(made.on_conflict_do_nothing())
        found = completeness(known, listed, looked_at)
        return evolve(found, is_distrusted=is_distrusted, resent=resent)

    def _resent(self, connection: Connection) -> dict[int, Resent]:
        """Return the rows that were sent again, and not confirmed by their answers since."""
        waiting, again = rows.c.state == State.PENDING.value, rows.c.attempts > 1
        kept = rows.c.state.in_([*_OPEN, State.PARKED.value])
        found = and_(rows.c.state == State.DONE.value, rows.c.doubt_at.is_not(None))
        mine = select(rows.c.id, rows.c.kind, rows.c.state, rows.c.claimed_at).where(
            rows.c.account_id == self.account,
            rows.c.attempts > 0,
            or_(waiting, and_(again, or_(kept, found))),
        )
        return {
            each.id: Resent(
                each.kind,
                each.claimed_at or 0.0,
                is_sent=each.state in (State.PENDING.value, State.SENDING.value),
                is_searched=each.state == State.UNKNOWN.value,
                is_found=each.state == State.DONE.value,
            )
            for each in connection.execute(mine)
        }

    def _known(self, connection: Connection, looked_at: float, number: int) -> list[KnownOrder]:
        """Return the orders that existed when a list was requested."""
        seen = {uuid: each for uuid, each in self._seen(connection).items() if each[0] <= number}
        ours = select(
            rows.c.order_uuid, rows.c.claimed_at, rows.c.settled_at, rows.c.doubt_at, rows.c.kind
        ).where(rows.c.account_id == self.account, rows.c.order_uuid.is_not(None))
        found: list[KnownOrder] = []
        for uuid, claimed_at, settled_at, doubt_at, kind in connection.execute(ours):
            first, noted_at = seen.pop(uuid, (inf, inf))
            before = min(noted_at, inf if settled_at is None else settled_at)
            if before <= looked_at:
                after = -inf if claimed_at is None else claimed_at
                answered = kind if doubt_at is None else None
                found.append(KnownOrder(uuid, after, before, first, answered))
        found += [KnownOrder(uuid, -inf, noted_at, first) for uuid, (first, noted_at) in seen.items()]
        return found

    def _seen(self, connection: Connection) -> dict[str, tuple[int, float]]:
        """Return the number and time of the first list that showed each order."""
        found: dict[str, tuple[int, float]] = {}
        for number, noted_at, content in connection.execute(SEEN, self._mine):
            for uuid in zlib.decompress(bytes(content)).decode().split("\n"):
                found.setdefault(uuid, (number, noted_at))
        return found

    def _unattributed(self, connection: Connection, uuids: Collection[str]) -> list[str]:
        """Return the orders that belong to no row and are not recorded as unrelated."""
        ordered = list(uuids)
        known: set[str] = set()
        for start in range(0, len(ordered), _MOST_PARAMETERS):
            some = ordered[start : start + _MOST_PARAMETERS]
            for table in (rows, unrelated):
                theirs = select(table.c.order_uuid).where(table.c.account_id == self.account)
                known.update(connection.scalars(theirs.where(table.c.order_uuid.in_(some))))
        return [uuid for uuid in ordered if uuid not in known]

    # Verdicts

    def decide(
        self,
        candidates: Mapping[str, int],
        verdict: Callable[[Sequence[UnresolvedRow], Mapping[str, int]], Verdict],
        seconds: float,
    ) -> list[Transition] | None:
        """Apply a verdict on the journal's current state to the unresolved rows; None without the turn."""
        try:
            with self.store.writing() as connection:
                if self._turn(connection)[0] != self.owner:
                    return None
                self._set_turn(connection, self.store.now(connection) + seconds)
                still = self._unattributed(connection, candidates)
                found = verdict(self._unresolved(connection), {uuid: candidates[uuid] for uuid in still})
                self._note_unrelated(connection, found.unrelated)
                moved = self.store.move(connection, found.transitions)
                return [each for each, was_moved in zip(found.transitions, moved, strict=True) if was_moved]
        except IntegrityError:
            # A response has just confirmed one of the candidates: the next search will take it into account.
            return []

    def _note_unrelated(self, connection: Connection, uuids: Sequence[str]) -> None:
        if uuids:
            insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
            made = [{"account_id": self.account, "order_uuid": uuid} for uuid in uuids]
            connection.execute(insert(unrelated).on_conflict_do_nothing(), made)
