"""Another key for an encrypted journal: whoever opens it with a new first key closes everything with that.

So the old key can be left out as soon as the journal has been opened once with both; a runner that has only
the old one stops at the next order, with an error that says so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, select, update

from frontpay_async.batch.schema import notes, rows

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from frontpay_async.batch.encryption import Cipher

_PAGE = 500


def rotate(connection: Connection, cipher: Cipher, check: bytes) -> None:
    """Close what the journal keeps with the first key, unless it is.

    Args:
        connection: The transaction.
        cipher: What protects the journal.
        check: What tells by which key the journal is closed.
    """
    if cipher.is_current(check):
        return
    closed = update(rows).where(rows.c.id == bindparam("row")).values(payload=bindparam("closed"))
    after = 0
    while page := connection.execute(
        select(rows.c.id, rows.c.payload)
        .where(rows.c.id > after, rows.c.payload.is_not(None))
        .order_by(rows.c.id)
        .limit(_PAGE)
    ).all():
        renewed = [
            {"row": row, "closed": cipher.encrypt(cipher.decrypt(bytes(payload)))} for row, payload in page
        ]
        connection.execute(closed, renewed)
        after = page[-1].id
    content = cipher.encrypt(cipher.decrypt(check))
    connection.execute(update(notes).where(notes.c.name == "seal").values(content=content))
