"""The journal's tables, and how its database is opened: SQLite or PostgreSQL, durable in both.

SQLite: WAL with synchronous FULL, so that a committed intent is on disk; every write transaction takes the
write lock when it begins, so that none fails in its middle; what is deleted is overwritten; and the file is
its owner's alone. A file that is moved or deleted could still be written, and what was written would be lost
with it: so each write transaction begins by looking whether it is the file that was opened. PostgreSQL:
commits are synchronous, and transactions see what others committed, whatever the server's defaults.

Time is the database's: the hosts that share a journal must agree on when a lease is over.
"""

from __future__ import annotations

import os
import sqlite3
import time
from contextlib import nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

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
    create_engine,
    event,
    make_url,
    text,
)
from sqlalchemy.exc import ArgumentError, NoSuchModuleError

from frontpay_async.batch.errors import JournalError
from frontpay_async.errors import ConfigurationError
from frontpay_async.order_files.items import LONGEST_KEY

if TYPE_CHECKING:
    from sqlalchemy import Connection

SCHEMA_VERSION = 2
READING = {"frontpay_reading": True}
"""The execution options of a transaction that writes nothing."""

_BUSY_SECONDS = 30.0
# The first that returns what an UPDATE has changed.
_OLDEST_SQLITE = (3, 35)
_OWNER_ONLY = 0o600
_OTHERS = 0o077
_Serial = BigInteger().with_variant(Integer, "sqlite")

metadata = MetaData()
notes = Table(
    "frontpay_notes",
    metadata,
    Column("name", String(40), primary_key=True),
    Column("content", LargeBinary, nullable=False),
)
batches = Table(
    "frontpay_batches",
    metadata,
    Column("id", _Serial, primary_key=True),
    Column("name", String(LONGEST_KEY), nullable=False, unique=True),
    Column("created_at", Float, nullable=False),
)
rows = Table(
    "frontpay_rows",
    metadata,
    Column("id", _Serial, primary_key=True),
    Column("batch_id", _Serial, ForeignKey("frontpay_batches.id"), nullable=False),
    Column("key", String(LONGEST_KEY), nullable=False),
    Column("kind", String(40), nullable=False),
    Column("state", String(10), nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    Column("payload", LargeBinary),
    Column("submitted_at", Float, nullable=False),
    Column("due_at", Float, nullable=False),
    Column("attempts", Integer, nullable=False),
    # Grows each time the row is taken in hand; an answer with an older one comes too late.
    Column("fence", Integer, nullable=False),
    Column("owner", String(32)),
    # Of a pending row: taken in hand until then. Of a sending one: its request is dead by then.
    Column("lease_until", Float),
    # The last list of the account's orders that was complete before the row was claimed.
    Column("listing", Integer, nullable=False),
    Column("doubt_at", Float),
    Column("missed_at", Float),
    # Not even a journal that is wrong may count one order twice.
    Column("order_uuid", String(128), unique=True),
    Column("customer_uuid", String(128)),
    Column("error", Text),
    Column("candidates", Text),
    UniqueConstraint("batch_id", "key"),
    Index("frontpay_rows_by_state", "batch_id", "state", "id"),
)
listings = Table(
    "frontpay_listings",
    metadata,
    Column("number", Integer, primary_key=True),
    Column("uuids", LargeBinary, nullable=False),
)
unrelated = Table(
    "frontpay_strangers",
    metadata,
    Column("order_uuid", String(128), primary_key=True),
)


def open_engine(target: str | Path) -> Engine:
    """Set up the connections to a journal; none is made yet.

    Args:
        target: A path, or an SQLAlchemy URL of SQLite or PostgreSQL.

    Raises:
        ConfigurationError: It is no such thing, or its driver is not installed.
    """
    written = os.fspath(target)
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
    return _postgres(url)


def now_of(connection: Connection) -> float:
    """Return the database's time, in Unix seconds."""
    if connection.dialect.name == "sqlite":
        # The database is this process, and its clock this host's: no need to ask it.
        return time.time()
    return float(connection.scalar(text("SELECT extract(epoch FROM clock_timestamp())")) or 0.0)


def upgrade(connection: Connection) -> None:
    """Bring an older journal to this version: version 2 added the strangers, and changed nothing else."""
    metadata.create_all(connection)
    version = str(SCHEMA_VERSION).encode()
    connection.execute(notes.update().where(notes.c.name == "schema").values(content=version))


def forget(engine: Engine) -> None:
    """Empty SQLite's log, where copies of what was removed would stay until it is written over.

    Where another connection is at work it is left to the last one that closes.
    """
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


def _sqlite(path: str) -> Engine:
    if path in ("", ":memory:"):
        raise ConfigurationError("a journal must outlive its process: give the path of a file")
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise ConfigurationError(
            f"a journal needs SQLite {'.'.join(map(str, _OLDEST_SQLITE))} or newer; this Python has"
            f" {sqlite3.sqlite_version}: use another Python, or PostgreSQL"
        )
    opened = _protect(path)
    engine = create_engine(
        # An URI, because a mere path would be made anew when it is gone.
        URL.create("sqlite", database=Path(path).absolute().as_uri(), query={"mode": "rw", "uri": "true"}),
        connect_args={"timeout": _BUSY_SECONDS},
        hide_parameters=True,
    )

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _: object) -> None:  # noqa: ANN401
        # Transactions are begun below; the driver would begin them at the first write.
        connection.isolation_level = None
        for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON", "secure_delete=ON"):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get("frontpay_reading"):
            connection.exec_driver_sql("BEGIN")
            return
        if _identity(path) != opened:
            raise JournalError(f"the journal {path!r} was moved, deleted or replaced while it was in use")
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _protect(path: str) -> tuple[int, int] | None:
    """Make the file its owner's alone, with those that SQLite has beside it; return which file it is."""
    try:
        # One that is there is not opened: closing any descriptor of a file drops all locks that this process
        # has on it, and SQLite's would be among them.
        with suppress(FileExistsError):
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, _OWNER_ONLY))
        for each in (path, f"{path}-wal", f"{path}-shm"):
            # Those beside it get its mode when they are made; they may have been made before.
            with nullcontext() if each == path else suppress(FileNotFoundError):
                mode = os.stat(each).st_mode  # noqa: PTH116 - as the calls around it
                if mode & _OTHERS:
                    os.chmod(each, mode & ~_OTHERS)  # noqa: PTH101 - as the calls around it
    except OSError as error:
        raise ConfigurationError(f"the journal {path!r} cannot be opened: {error.strerror}") from None
    return _identity(path)


def _identity(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)  # noqa: PTH116 - as the calls above
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _postgres(url: URL) -> Engine:
    try:
        engine = create_engine(
            url.set(drivername="postgresql+psycopg"),
            hide_parameters=True,
            pool_pre_ping=True,
            isolation_level="READ COMMITTED",
        )
    except (ImportError, NoSuchModuleError):
        raise ConfigurationError(
            "a journal on PostgreSQL needs the extra: pip install 'frontpay_async[postgres]'"
        ) from None

    @event.listens_for(engine, "connect")
    def set_up(connection: Any, _: object) -> None:  # noqa: ANN401
        cursor = connection.cursor()
        cursor.execute(
            "SELECT CASE WHEN current_setting('synchronous_commit') = 'off'"
            " THEN set_config('synchronous_commit', 'on', false) END"
        )
        cursor.close()
        connection.commit()

    return engine
