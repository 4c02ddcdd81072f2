"""The journal's tables and database connections, durable on SQLite and PostgreSQL.

*SQLite*: WAL with synchronous FULL, so that a committed intent is on disk; every write transaction takes the
write lock at its start, so that it cannot fail in the middle; deleted data is overwritten. A moved or deleted
file could still be written, and the data would be lost. Each write transaction therefore first checks that
the path still leads to the opened file (``journal_file``).

*PostgreSQL*: commits are synchronous, and transactions see what others committed, whatever the server's
defaults. There is no session state and there are no prepared statements, so a pooler in transaction mode
(PgBouncer) can be used. Without a pooler, ``?prepare_threshold=5`` in the URL enables prepared statements.

*Time* is the database's, because the hosts that share a journal must agree on the end of a lease.
"""

from __future__ import annotations

import math
import os
import sqlite3
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sqlalchemy import (
    URL,
    BigInteger,
    Column,
    Engine,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    bindparam,
    case,
    create_engine,
    event,
    make_url,
    select,
    text,
)
from sqlalchemy.exc import ArgumentError, DisconnectionError, NoSuchModuleError

from frontpay_async.batch.errors import JournalError
from frontpay_async.batch.journal_file import claim_file, identity
from frontpay_async.errors import ConfigurationError
from frontpay_async.order_files.items import LONGEST_KEY

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import ColumnElement, Connection
    from sqlalchemy.engine.interfaces import DBAPIConnection
    from sqlalchemy.pool import ConnectionPoolEntry

SCHEMA_VERSION = 4
_READING = "frontpay_reading"
_WRITING = "frontpay_writing"
_BUSY_SECONDS = 30.0
# Seconds unused after which a connection is tried before it is used: no server has restarted sooner.
_TRIED_AFTER = 0.1
_BEGAN = "frontpay_began"
_USED = "frontpay_used"
# The first that returns what an UPDATE has changed.
_OLDEST_SQLITE = (3, 35)
OPEN = text("state IN ('sending', 'unknown')")
"""The rows in flight or unresolved; literal, as in the index, so that SQLite uses it."""
UNFINISHED = text("state IN ('pending', 'sending', 'unknown')")
"""The rows that a runner has work with; literal, as in the index, so that SQLite uses it."""
_Serial = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData()
notes = Table(
    "frontpay_notes",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("content", LargeBinary, nullable=False),
)
accounts = Table(
    "frontpay_accounts",
    metadata,
    Column("id", _Serial, primary_key=True),
    # The caller's name for it; "" is the single account of a journal.
    Column("name", String(LONGEST_KEY), nullable=False, unique=True),
    Column("base_url", Text),
    # The runner that reconciles, and the end of its turn.
    Column("turn_owner", String(32)),
    Column("turn_until", Float, nullable=False),
)
tokens = Table(
    "frontpay_tokens",
    metadata,
    Column("account_id", _Serial, ForeignKey("frontpay_accounts.id"), primary_key=True),
    # A keyed hash of a token that belongs to the account.
    Column("print", LargeBinary, primary_key=True),
)
batches = Table(
    "frontpay_batches",
    metadata,
    Column("id", _Serial, primary_key=True),
    Column("account_id", _Serial, ForeignKey("frontpay_accounts.id"), nullable=False),
    Column("name", String(LONGEST_KEY), nullable=False),
    Column("created_at", Float, nullable=False),
    UniqueConstraint("account_id", "name"),
)
rows = Table(
    "frontpay_rows",
    metadata,
    Column("id", _Serial, primary_key=True),
    Column("batch_id", _Serial, ForeignKey("frontpay_batches.id"), nullable=False),
    # The account of its batch, so that an order belongs to at most one row of an account.
    Column("account_id", _Serial, ForeignKey("frontpay_accounts.id"), nullable=False),
    Column("key", String(LONGEST_KEY), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("state", String(10), nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("payload", LargeBinary),
    Column("submitted_at", Float, nullable=False),
    Column("due_at", Float, nullable=False),
    Column("attempts", Integer, nullable=False),
    # Incremented with each lease; responses with an older fence are rejected.
    Column("fence", Integer, nullable=False),
    Column("owner", String(32)),
    # The end of a pending row's lease, or the time by which a sending row's request has ended.
    Column("lease_until", Float),
    # The last list of the account's orders that was complete before the row was claimed.
    Column("listing", Integer, nullable=False),
    # The times of its last claim and its confirmation: its order was created in between.
    Column("claimed_at", Float),
    Column("settled_at", Float),
    # Since when it is unresolved; kept in a done row that was found by searching.
    Column("doubt_at", Float),
    Column("missed_at", Float),
    Column("order_uuid", String(128)),
    Column("customer_uuid", String(128)),
    Column("error", Text),
    Column("candidates", Text),
    UniqueConstraint("batch_id", "key"),
    # Even a damaged journal must not count an order twice.
    UniqueConstraint("account_id", "order_uuid"),
    Index("frontpay_rows_by_state", "batch_id", "state", "id"),
    Index("frontpay_rows_by_key", "account_id", "key"),
    Index(
        "frontpay_rows_open",
        "account_id",
        "id",
        sqlite_where=OPEN,
        postgresql_where=OPEN,
    ),
)
unfinished_rows = Index(
    "frontpay_rows_unfinished",
    rows.c.batch_id,
    # With it, SQLite need not read the rows.
    rows.c.state,
    sqlite_where=UNFINISHED,
    postgresql_where=UNFINISHED,
)
runners = Table(
    "frontpay_runners",
    metadata,
    # A process, or a journal opened in it: the owner of its rows.
    Column("name", String(32), primary_key=True),
    # If it does not report again by then, its rows that were not sent are free.
    Column("alive_until", Float, nullable=False),
)
listings = Table(
    "frontpay_listings",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("account_id", _Serial, ForeignKey("frontpay_accounts.id"), nullable=False),
    Column("noted_at", Float, nullable=False),
    Column("uuids", LargeBinary, nullable=False),
    Index("frontpay_listings_by_account", "account_id", "number"),
)
unrelated = Table(
    "frontpay_strangers",
    metadata,
    Column("account_id", _Serial, ForeignKey("frontpay_accounts.id"), primary_key=True),
    Column("order_uuid", String(128), primary_key=True),
)


IS_OF_DEAD_RUNNER = rows.c.owner.in_(select(runners.c.name).where(runners.c.alive_until < bindparam("now")))
"""Whether a row is leased by a runner that no longer reports; with the parameter ``now``."""
LEASED_UNTIL: ColumnElement[float | None] = case((IS_OF_DEAD_RUNNER, None), else_=rows.c.lease_until)
"""The end of a row's lease; NULL without one, and for a row of a dead runner; with the parameter ``now``."""


def distrust_note(account: int) -> str:
    """Return the name of the note that a list of an account hid orders."""
    return f"hides orders: {account}"


def open_engine(target: str | Path, connections: int = 5) -> tuple[Engine, Callable[[], None]]:
    """Set up the connections to a journal, without connecting."""
    written = os.fspath(target)
    if "\0" in written:
        raise ConfigurationError("the journal's path or URL contains a NUL character")
    if "://" not in written:
        return _sqlite(written)
    try:
        url = make_url(written)
    except ArgumentError:
        raise ConfigurationError("the journal must be a path or an SQLAlchemy URL") from None
    backend = url.get_backend_name()
    if backend == "sqlite":
        return _sqlite(url.database or "")
    if backend not in ("postgresql", "postgres"):
        raise ConfigurationError(f"a journal on {backend} is not supported: use SQLite or PostgreSQL")
    return _postgres(url, connections), lambda: None


def now_of(connection: Connection) -> float:
    """Return the database's time, in Unix seconds."""
    if connection.dialect.name == "sqlite":
        # SQLite uses this host's clock, so no query is needed.
        return time.time()
    return float(connection.exec_driver_sql("SELECT extract(epoch FROM clock_timestamp())").scalar() or 0.0)


def began_at(connection: Connection) -> float:
    """Return when a transaction that writes began, by the database's time; this asks nothing."""
    return time.time() if connection.dialect.name == "sqlite" else cast("float", connection.info[_BEGAN])


def writer_of(engine: Engine) -> Engine:
    """Return an engine whose transactions write."""
    return engine.execution_options(**{_WRITING: True})


def reader_of(engine: Engine) -> Engine:
    """Return an engine whose transactions only read."""
    if engine.dialect.name == "sqlite":
        return engine.execution_options(**{_READING: True})
    # At READ COMMITTED, each statement sees what is committed when it begins, within a transaction as well:
    # BEGIN and COMMIT would only cost round trips.
    return engine.execution_options(**{_READING: True}, isolation_level="AUTOCOMMIT")


def forget(engine: Engine) -> None:
    """Empty SQLite's log, which otherwise keeps copies of deleted data."""
    # If another connection is active, the last connection that closes does this.
    if engine.dialect.name != "sqlite":
        return
    connection = engine.raw_connection()
    try:
        cursor = connection.cursor()
        cursor.execute("PRAGMA busy_timeout=0")
        with suppress(engine.dialect.loaded_dbapi.Error):
            cursor.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        cursor.execute(f"PRAGMA busy_timeout={_BUSY_SECONDS * 1000:.0f}")
    finally:
        connection.close()


def _sqlite(path: str) -> tuple[Engine, Callable[[], None]]:
    if path in ("", ":memory:"):
        raise ConfigurationError(
            "a journal must outlive its process: pass the path of a file, not an in-memory database"
        )
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise ConfigurationError(
            f"a journal needs SQLite {'.'.join(map(str, _OLDEST_SQLITE))} or newer; this Python has"
            f" {sqlite3.sqlite_version}: use another Python, or PostgreSQL"
        )
    undo = claim_file(path)
    opened = identity(path)
    engine = create_engine(
        # A URI, because with a plain path SQLite would create a missing file again.
        URL.create("sqlite", database=Path(path).absolute().as_uri(), query={"mode": "rw", "uri": "true"}),
        connect_args={"timeout": _BUSY_SECONDS},
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _: object) -> None:  # noqa: ANN401
        # Transactions are started below; the driver would start them at the first write.
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get(_READING):
            connection.exec_driver_sql("BEGIN")
            return
        if identity(path) != opened:
            raise JournalError(f"the journal {path!r} was moved, deleted or replaced while it was in use")
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine, undo


def _postgres(url: URL, connections: int) -> Engine:
    threshold = url.query.get("prepare_threshold", "none")
    if not (threshold == "none" or (isinstance(threshold, str) and threshold.isdecimal())):
        raise ConfigurationError("prepare_threshold in the journal's URL must be a whole number, or none")
    try:
        engine = create_engine(
            url.set(drivername="postgresql+psycopg").difference_update_query(["prepare_threshold"]),
            hide_parameters=True,
            pool_size=connections,
            max_overflow=0,
            isolation_level="READ COMMITTED",
            connect_args={"prepare_threshold": None if threshold == "none" else int(str(threshold))},
        )
    except (ImportError, NoSuchModuleError):
        raise ConfigurationError(
            "a journal on PostgreSQL needs the extra: pip install 'frontpay_async[postgres]'"
        ) from None
    set_up_events(engine)
    _try_unused(engine)
    return engine


def _try_unused(engine: Engine) -> None:
    """Have connections tried before they are used, like ``pool_pre_ping``, but not those just used."""

    @event.listens_for(engine, "checkin")
    def note(_: object, record: ConnectionPoolEntry) -> None:
        record.info[_USED] = time.monotonic()

    @event.listens_for(engine, "checkout")
    def try_it(connection: DBAPIConnection, record: ConnectionPoolEntry, _: object) -> None:
        if record.info.get(_USED, math.inf) + _TRIED_AFTER < time.monotonic():
            try:
                engine.dialect.do_ping(connection)
            except engine.dialect.loaded_dbapi.Error as error:
                # The pool opens another one.
                raise DisconnectionError from error


def set_up_events(engine: Engine) -> None:
    """Make the journal's write transactions on PostgreSQL commit synchronously."""

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        # Set for the transaction, because a pooler may use another session for each transaction.
        if connection.get_execution_options().get(_WRITING):
            found = connection.exec_driver_sql(
                "SELECT extract(epoch FROM clock_timestamp()), CASE"
                " WHEN current_setting('synchronous_commit') = 'off'"
                " THEN set_config('synchronous_commit', 'on', true) END"
            )
            connection.info[_BEGAN] = float(found.one()[0])
