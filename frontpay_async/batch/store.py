"""The store of a journal: the rows of all batches of all accounts; synchronous, for threads.

Each method is one transaction. A row changes only by the state table, and only by the holder of its fence.
The data of one account is never read for another.
"""

from __future__ import annotations

import json
import os
import secrets
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Self, cast

from attrs import define, field, frozen
from sqlalchemy import Engine, func, inspect, select, text, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import DBAPIError, IntegrityError, SQLAlchemyError

from frontpay_async._protocol.operations import kind_of_order
from frontpay_async.batch.encryption import rotate
from frontpay_async.batch.errors import AlreadySubmittedError, ContentMismatchError, JournalError
from frontpay_async.batch.payload import SALT_BYTES, fingerprint, write
from frontpay_async.batch.results import BatchRow
from frontpay_async.batch.schema import (
    SCHEMA_VERSION,
    accounts,
    batches,
    began_at,
    forget,
    metadata,
    notes,
    now_of,
    open_engine,
    reader_of,
    rows,
    runners,
    set_up_events,
    writer_of,
)
from frontpay_async.batch.statements import (
    ANY_IN_STATE,
    FIND_BATCH,
    FIRST_DUE,
    FIRST_LEASE_END,
    LEASE,
    REPORTS,
)
from frontpay_async.batch.states import RowEvent, State, target
from frontpay_async.batch.transitions import Transition, move
from frontpay_async.batch.upgrades import upgrade
from frontpay_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping, Sequence
    from pathlib import Path

    from sqlalchemy import Connection, Select

    from frontpay_async.batch.encryption import Cipher
    from frontpay_async.order_files.items import BatchItem

_METADATA = ("schema", "salt", "seal")
_KEY_CHECK = b"frontpay_async"
_CREATION_LOCK = 0x66706179
# Seconds without a report after which a runner counts as dead, and after which it is forgotten.
_ALIVE_FOR = 10.0
_KNOWN_FOR = 86_400.0

# PostgreSQL ends one of two transactions that wait for one another; it is as if it had not begun.
_DEADLOCK = "40P01"
_MOST_DEADLOCKS = 5


class _DeadlockError(JournalError):
    """Two transactions waited for one another."""


class NotOursError(Exception):
    """Another runner leased the row before it was claimed, or has replaced the account's token."""


@frozen
class FoundBatch:
    """A batch and its account.

    Args:
        id: The batch's number.
        account: The account's number.
        base_url: Where the account's orders are; None in a journal of an older version.
    """

    id: int
    account: int
    base_url: str | None


@frozen
class LeasedRow:
    """A leased row.

    Args:
        id: Its number.
        key: Its key.
        kind: The operation that sends it.
        payload: Its content, as stored.
        fence: The fence that later changes must state.
        attempts: How often it was claimed before.
    """

    id: int
    key: str
    kind: str
    payload: bytes = field(repr=False)
    fence: int
    attempts: int


@define(eq=False)
class Store:
    """The rows of a journal.

    Args:
        engine: The database.
        cipher: Encrypts the content of orders.
        clock: The time in Unix seconds, for tests. Defaults to the database's.
        is_ours: Whether the engine was created here, and is closed here.
        runner: The owner of the rows that are leased with this store.
        has_reported: Whether it has reported that it is alive since this was last set to False.
    """

    engine: Engine
    cipher: Cipher
    clock: Callable[[], float] | None = None
    is_ours: bool = True
    runner: str = field(init=False, factory=lambda: secrets.token_hex(16))
    has_reported: bool = field(init=False, default=False)
    salt: bytes = field(init=False, default=b"", repr=False)
    _writer: Engine = field(init=False)
    _reader: Engine = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._writer, self._reader = writer_of(self.engine), reader_of(self.engine)

    @classmethod
    def open(
        cls,
        target: str | Path | Engine,
        cipher: Cipher,
        clock: Callable[[], float] | None = None,
        *,
        connections: int = 5,
    ) -> Self:
        """Open a journal, and create it if it does not exist."""
        if isinstance(target, (str, os.PathLike)):
            engine, undo = open_engine(target, connections)
            store = cls(engine, cipher, clock)
        else:
            store, undo = cls(_borrowed(target), cipher, clock, is_ours=False), lambda: None
        try:
            with store.writing() as connection:
                is_new = store._set_up(connection)
            if is_new and store.is_ours:
                # The tables are in the main file, by which a journal is recognised.
                forget(store.engine)
        except BaseException:
            # No other code could close the connections.
            store.close()
            undo()
            raise
        return store

    def close(self) -> None:
        """Close the connections, unless they are the caller's."""
        if self.is_ours:
            self.engine.dispose()

    @contextmanager
    def writing(self) -> Generator[Connection]:
        """Run a transaction, and translate database errors."""
        with _translated(), self._writer.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Generator[Connection]:
        """Run a read-only transaction."""
        with _translated(), self._reader.begin() as connection:
            yield connection

    def now(self, connection: Connection) -> float:
        """Return the time used for leases, in Unix seconds."""
        return now_of(connection) if self.clock is None else self.clock()

    def _began_at(self, connection: Connection) -> float:
        return began_at(connection) if self.clock is None else self.clock()

    def _set_up(self, connection: Connection) -> bool:
        """Create the tables, or check and upgrade them; return whether the journal is new."""
        if connection.dialect.name == "postgresql":
            # Two runners that start together must not both create the tables.
            connection.execute(text(f"SELECT pg_advisory_xact_lock({_CREATION_LOCK})"))
        is_new = not inspect(connection).has_table(notes.name)
        if is_new:
            metadata.create_all(connection)
        known = self.notes(connection)
        if not known:
            known = {
                "schema": str(SCHEMA_VERSION).encode(),
                "salt": secrets.token_bytes(SALT_BYTES),
                "seal": self.cipher.encrypt(_KEY_CHECK),
            }
            connection.execute(notes.insert(), [{"name": k, "content": v} for k, v in known.items()])
        version = int(known["schema"])
        if version > SCHEMA_VERSION:
            raise ConfigurationError(
                f"the journal was written by a newer version (its schema is {version}, this version knows"
                f" {SCHEMA_VERSION}): upgrade frontpay_async on this host"
            )
        self._check_seal(known["seal"])
        if version < SCHEMA_VERSION:
            upgrade(connection, version, self.now(connection))
        rotate(connection, self.cipher, known["seal"])
        self.salt = known["salt"]
        forgotten = runners.c.alive_until < self.now(connection) - _KNOWN_FOR
        connection.execute(runners.delete().where(forgotten))
        return is_new

    def _check_seal(self, check: bytes) -> None:
        is_plain = check == _KEY_CHECK
        if is_plain != (self.cipher.encrypt(_KEY_CHECK) == _KEY_CHECK):
            raise ConfigurationError(
                "the journal was created without encryption: unset FRONTPAY_JOURNAL_KEY, or use another"
                if is_plain
                else "the journal is encrypted: set FRONTPAY_JOURNAL_KEY to its key"
            )
        self.cipher.decrypt(check)

    def notes(self, connection: Connection) -> dict[str, bytes]:
        """Return the journal's metadata, without its notes about accounts."""
        wanted = select(notes).where(notes.c.name.in_(_METADATA))
        return {name: bytes(content) for name, content in connection.execute(wanted)}

    def join(self, name: str, base_url: str, account: str = "") -> int:
        """Return the number of a batch, which is created if it does not exist."""
        with self.writing() as connection:
            self._add(connection, accounts, {"name": account, "base_url": base_url, "turn_until": 0.0})
            mine = select(accounts.c.id, accounts.c.base_url).where(accounts.c.name == account)
            number, owner = connection.execute(mine).one()
            if owner is None:
                connection.execute(update(accounts).where(accounts.c.id == number).values(base_url=base_url))
            elif owner != base_url:
                raise ConfigurationError(
                    f"the journal belongs to orders at {owner}, not at {base_url}: use another journal"
                )
            made = {"account_id": number, "name": name, "created_at": self.now(connection)}
            self._add(connection, batches, made)
            found = select(batches.c.id).where(batches.c.account_id == number, batches.c.name == name)
            return int(connection.execute(found).scalar_one())

    def find_batch(self, name: str, account: str = "") -> FoundBatch | None:
        """Return a batch; None if it does not exist."""
        with self.reading() as connection:
            found = connection.execute(FIND_BATCH, {"account": account, "name": name}).one_or_none()
        return None if found is None else FoundBatch(*found)

    def submit(self, batch: int, items: Sequence[BatchItem], *, again: bool = False) -> int:
        """Add items to a batch; return how many are new."""
        prints: dict[str, bytes] = {}
        made: list[dict[str, object]] = []
        for item in items:
            kind = kind_of_order(item.order).operation.name
            content = write(item.order)
            own = fingerprint(self.salt, kind, content)
            known = prints.setdefault(item.key, own)
            if known != own:
                raise _mismatch(item.key, own, "an earlier item of this submission", known)
            made.append(
                {"key": item.key, "kind": kind, "payload": self.cipher.encrypt(content), "fingerprint": known}
            )
        with self.writing() as connection:
            now = self.now(connection)
            before = self._prints(connection, batch, prints)
            for key, (known, told) in before.items():
                if known != prints[key]:
                    raise _mismatch(key, prints[key], told, known)
            new = {str(row["key"]): row for row in made if row["key"] not in before}
            if new:
                account = cast("int", connection.scalar(_account_of(batch)))
                if not again:
                    self._refuse_repeated(connection, account, batch, {key: prints[key] for key in new})
                fixed: dict[str, object] = {
                    "batch_id": batch,
                    "account_id": account,
                    "state": State.PENDING.value,
                    "submitted_at": now,
                    "due_at": now,
                    "attempts": 0,
                    "fence": 0,
                    "listing": 0,
                }
                connection.execute(rows.insert(), [{**fixed, **row} for row in new.values()])
        return len(new)

    def _prints(
        self, connection: Connection, batch: int, keys: Mapping[str, bytes]
    ) -> dict[str, tuple[bytes, str]]:
        if connection.dialect.name == "postgresql":
            # Two submissions of one batch take turns, so a key that is missing now cannot appear a moment
            # later.
            connection.execute(select(batches.c.id).where(batches.c.id == batch).with_for_update())
        columns = (rows.c.key, rows.c.fingerprint, rows.c.state, rows.c.order_uuid, rows.c.kind)
        found = connection.execute(
            select(*columns).where(rows.c.batch_id == batch, rows.c.key.in_(list(keys)))
        )
        return {
            key: (bytes(known), f"one of {kind} that is {state}" + (f" as {uuid}" if uuid else ""))
            for key, known, state, uuid, kind in found
        }

    def _refuse_repeated(
        self, connection: Connection, account: int, batch: int, prints: Mapping[str, bytes]
    ) -> None:
        """Reject orders that another batch of the account has, such as the same file under another name."""
        columns = (rows.c.key, rows.c.fingerprint, rows.c.state, batches.c.name)
        others = (
            select(*columns)
            .join(batches, rows.c.batch_id == batches.c.id)
            .where(rows.c.account_id == account, rows.c.key.in_(list(prints)))
            .where(rows.c.batch_id != batch, rows.c.state != State.FAILED.value)
        )
        for key, known, state, name in connection.execute(others):
            if bytes(known) == prints[key]:
                raise AlreadySubmittedError(
                    f"key {key!r} was already submitted with the same content to the batch {name!r}, where it"
                    f" is {state}. Use that name to continue it, or submit(…, again=True) to send it again",
                    key=key,
                    name=name,
                )

    def lease_rows(
        self,
        batch: int,
        owner: str,
        limit: int,
        seconds: float,
        is_allowed: Callable[[Connection], bool] | None = None,
    ) -> list[LeasedRow]:
        """Lease pending rows in the order of their submission; this leaves nothing unresolved."""
        with self.writing() as connection:
            if is_allowed is not None and not is_allowed(connection):
                raise NotOursError
            now = self._began_at(connection)
            self._report_alive(connection, owner, now)
            given = {"batch": batch, "now": now, "most": limit, "by": owner, "until": now + seconds}
            found = connection.execute(LEASE, given).all()
        self.has_reported = True
        leased = [
            LeasedRow(each.id, each.key, each.kind, bytes(each.payload or b""), *each[4:]) for each in found
        ]
        # Databases return changed rows in any order.
        return sorted(leased, key=lambda each: each.id)

    def report_alive(self) -> None:
        """Show other processes that this one is alive."""
        with self.writing() as connection:
            self._report_alive(connection, self.runner, self._began_at(connection))
        self.has_reported = True

    def _report_alive(self, connection: Connection, owner: str, now: float) -> None:
        report = REPORTS[connection.dialect.name]
        connection.execute(report, {"name": owner, "alive_until": now + _ALIVE_FOR})

    def apply(self, transitions: Sequence[Transition]) -> list[bool]:
        """Move rows in one transaction; return for each whether it was moved."""
        # A row is not moved if another runner has leased it, or if the event is not possible in its state.
        for _ in range(_MOST_DEADLOCKS):
            try:
                with self.writing() as connection:
                    return self.move(connection, transitions)
            except _DeadlockError:
                continue
            except IntegrityError:
                break
        # The order already belongs to another row. Moving rows one by one shows which.
        return [self._apply_one(each) for each in transitions]

    def _apply_one(self, transition: Transition) -> bool:
        try:
            with self.writing() as connection:
                return self.move(connection, [transition])[0]
        except IntegrityError:
            lost = Transition(row=transition.row, fence=transition.fence, event=RowEvent.LOSE)
            with self.writing() as connection:
                self.move(connection, [lost])
            return False

    def move(self, connection: Connection, transitions: Sequence[Transition]) -> list[bool]:
        """Move rows within a transaction; see ``apply``."""
        return move(connection, transitions, self._began_at(connection))

    def expire(self, batch: int) -> int:
        """Mark the rows of dead runners in the batch's account as unknown; return how many."""
        with self.reading() as connection:
            earliest = connection.scalar(FIRST_LEASE_END, {"batch": batch})
            if earliest is None or earliest >= self.now(connection):
                return 0
        with self.writing() as connection:
            now = self.now(connection)
            account = _account_of(batch).scalar_subquery()
            mine = (rows.c.account_id == account, rows.c.state == State.SENDING.value)
            left = update(rows).where(*mine, rows.c.lease_until < now)
            values = {
                "state": target(RowEvent.LOSE).value,
                "owner": None,
                "lease_until": None,
                "doubt_at": now,
            }
            error = "its process has ended; the request may have been sent"
            return connection.execute(left.values(**values, missed_at=None, error=error)).rowcount

    def counts(self, batch: int) -> dict[State, int]:
        """Count a batch's rows by state."""
        with self.reading() as connection:
            counted = (
                select(rows.c.state, func.count()).where(rows.c.batch_id == batch).group_by(rows.c.state)
            )
            return {State(state): count for state, count in connection.execute(counted)}

    def open_states(self, batch: int) -> set[State]:
        """Return the states of a batch's rows in which a runner has work to do."""
        with self.reading() as connection:
            return {
                state
                for state in (State.PENDING, State.SENDING, State.UNKNOWN)
                if connection.execute(ANY_IN_STATE, {"batch": batch, "state": state.value}).first()
            }

    def next_due(self, batch: int) -> float | None:
        """Return the seconds until a pending row may be leased; None without one."""
        with self.reading() as connection:
            return self.due_in(connection, batch)

    def due_in(self, connection: Connection, batch: int) -> float | None:
        """Return the result of ``next_due`` within a transaction."""
        now = self.now(connection)
        first = FIRST_DUE[connection.dialect.name]
        earliest = connection.scalar(first, {"batch": batch, "now": now})
        return None if earliest is None else max(0.0, float(earliest) - now)

    def page(self, batch: int, after: int, limit: int) -> list[tuple[int, BatchRow]]:
        """Return some rows of a batch, in the order of their submission, with their numbers."""
        wanted = (
            select(rows).where(rows.c.batch_id == batch, rows.c.id > after).order_by(rows.c.id).limit(limit)
        )
        with self.reading() as connection:
            return [(each.id, _row(each)) for each in connection.execute(wanted)]

    def find(self, batch: int, key: str) -> tuple[int, int, BatchRow] | None:
        """Return a row by its key, with its number and fence; None if there is none."""
        with self.reading() as connection:
            found = connection.execute(
                select(rows).where(rows.c.batch_id == batch, rows.c.key == key)
            ).one_or_none()
        return None if found is None else (found.id, found.fence, _row(found))

    def _add(self, connection: Connection, table: Any, row: Mapping[str, object]) -> None:  # noqa: ANN401
        """Add a row unless it is there."""
        insert = sqlite.insert if connection.dialect.name == "sqlite" else postgresql.insert
        connection.execute(insert(table).values(**row).on_conflict_do_nothing())


@contextmanager
def _translated() -> Generator[None]:
    try:
        yield
    except IntegrityError:
        raise
    except SQLAlchemyError as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        kind = _DeadlockError if getattr(cause, "sqlstate", None) == _DEADLOCK else JournalError
        said = str(cause).split("\n")[0]
        raise kind(f"the journal cannot be used ({type(error).__name__}: {said})") from None


def _account_of(batch: int) -> Select[Any]:
    return select(batches.c.account_id).where(batches.c.id == batch)


def _borrowed(engine: Engine) -> Engine:
    """Return a caller's engine, with the transaction settings that a journal needs."""
    if not isinstance(cast("object", engine), Engine) or engine.dialect.name != "postgresql":
        raise ConfigurationError(
            "a journal takes a path, a URL, or an Engine of SQLAlchemy for PostgreSQL (not an AsyncEngine)"
        )
    derived = engine.execution_options(isolation_level="READ COMMITTED")
    set_up_events(derived)
    return derived


def _mismatch(key: str, new: bytes, other: str, known: bytes) -> ContentMismatchError:
    return ContentMismatchError(
        f"key {key!r} was already submitted with different content (was {known.hex()[:8]}, {other}; now"
        f" {new.hex()[:8]}). Use a new key for a changed order.",
        key=key,
    )


def _row(row: Any) -> BatchRow:  # noqa: ANN401 - a row of the table
    return BatchRow(
        key=row.key,
        kind=row.kind,
        state=State(row.state),
        attempts=row.attempts,
        order_uuid=row.order_uuid,
        customer_uuid=row.customer_uuid,
        error=row.error,
        candidates=tuple(cast("list[str]", json.loads(row.candidates))) if row.candidates else (),
    )
