"""Upgrades of a journal from earlier schemas, in the transaction that opens it.

    1 -> 2   unrelated orders are stored
    2 -> 3   accounts; the times of claims and confirmations; keys and names in one Unicode form
    3 -> 4   runners report that they are alive; unfinished rows are indexed

The tables of version 2 become those of one account with an empty name. They are created again and copied,
because SQLite cannot change the constraints of a table. *Invariant*: rows keep their numbers, states,
payloads and fingerprints.
"""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING

from sqlalchemy import inspect, select, text, update
from sqlalchemy.exc import IntegrityError

from frontpay_async.batch.schema import (
    SCHEMA_VERSION,
    accounts,
    batches,
    listings,
    metadata,
    notes,
    rows,
    runners,
    unfinished_rows,
    unrelated,
)

if TYPE_CHECKING:
    from sqlalchemy import Column, Connection

_OLD = "_of_version_2"
_MOVED = (unrelated, listings, rows, batches)
_PAGE = 1000
_WITH_ACCOUNTS = 3


def upgrade(connection: Connection, version: int, now: float) -> None:
    """Upgrade an older journal to this version."""
    if version < _WITH_ACCOUNTS:
        _add_accounts(connection, now)
    else:
        runners.create(connection, checkfirst=True)
        unfinished_rows.create(connection, checkfirst=True)
    written = str(SCHEMA_VERSION).encode()
    connection.execute(notes.update().where(notes.c.name == "schema").values(content=written))


def _add_accounts(connection: Connection, now: float) -> None:
    found = inspect(connection)
    here = [table for table in _MOVED if found.has_table(table.name)]
    for table in here:
        # Index names share one namespace; the names for the new tables must be free.
        for index in found.get_indexes(table.name):
            if index["name"] and not index.get("duplicates_constraint"):
                connection.execute(text(f'DROP INDEX "{index["name"]}"'))
        connection.execute(text(f"ALTER TABLE {table.name} RENAME TO {table.name}{_OLD}"))
    metadata.create_all(connection)
    known = dict(iter(connection.execute(select(notes.c.name, notes.c.content))))
    url = known.get("base url")
    connection.execute(
        accounts.insert().values(
            name="", base_url=None if url is None else bytes(url).decode(), turn_until=0.0
        )
    )
    account = int(connection.execute(select(accounts.c.id)).scalar_one())
    for table in reversed(here):
        _copy(connection, table.name, table.columns.values(), account, now)
    for table in here:
        connection.execute(text(f"DROP TABLE {table.name}{_OLD}"))
    _normalise(connection)
    kept = ("schema", "salt", "seal")
    connection.execute(notes.delete().where(notes.c.name.not_in(kept)))


def _copy(
    connection: Connection, table: str, columns: list[Column[object]], account: int, now: float
) -> None:
    added = {
        "account_id": str(account),
        "noted_at": repr(now),
        "claimed_at": "NULL",
        # An order that is done was confirmed before now.
        "settled_at": f"CASE WHEN state = 'done' THEN {now!r} END",
    }
    names = [column.name for column in columns]
    values = [added.get(name, name) for name in names]
    connection.execute(
        text(f"INSERT INTO {table} ({', '.join(names)}) SELECT {', '.join(values)} FROM {table}{_OLD}")  # noqa: S608 - our own names
    )
    if connection.dialect.name == "postgresql" and {"id", "number"} & {*names}:
        serial = "id" if "id" in names else "number"
        connection.execute(
            text(
                f"SELECT setval(pg_get_serial_sequence('{table}', '{serial}'), max({serial})) FROM {table}"  # noqa: S608 - our own names
            )
        )


def _normalise(connection: Connection) -> None:
    """Normalise keys and names; one that exists in both forms stays unchanged."""
    for table, column in ((batches, batches.c.name), (rows, rows.c.key)):
        after = 0
        while page := connection.execute(
            select(table.c.id, column).where(table.c.id > after).order_by(table.c.id).limit(_PAGE)
        ).all():
            after = page[-1][0]
            for number, written in page:
                normal = unicodedata.normalize("NFC", written)
                if normal != written:
                    try:
                        with connection.begin_nested():
                            connection.execute(
                                update(table).where(table.c.id == number).values({column.name: normal})
                            )
                    except IntegrityError:
                        continue
