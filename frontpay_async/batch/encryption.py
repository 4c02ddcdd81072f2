"""Encryption of the orders in the journal; the only user of cryptography.

*Rotation*: when a journal is opened with a new first key, it is re-encrypted with that key. After it has been
opened once with both keys, the old key can be removed. A runner that has only the old key stops at the next
order, with an error that states the reason.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from attrs import define, field, frozen
from sqlalchemy import bindparam, select, update

from frontpay_async import _checks
from frontpay_async.batch.schema import notes, rows
from frontpay_async.errors import ConfigurationError

if TYPE_CHECKING:
    from cryptography.fernet import Fernet, MultiFernet
    from sqlalchemy import Connection


class Cipher(Protocol):
    """Encrypts what the journal writes, and decrypts what it reads."""

    def encrypt(self, content: bytes) -> bytes:
        """Return the encrypted content."""
        ...

    def decrypt(self, written: bytes) -> bytes:
        """Return the decrypted content."""
        ...

    def is_current(self, written: bytes) -> bool:
        """Return whether the content is encrypted in the current way."""
        ...


@frozen
class NoCipher:
    """No encryption: only the file's mode protects the content."""

    def encrypt(self, content: bytes) -> bytes:
        """Return the content."""
        return content

    def decrypt(self, written: bytes) -> bytes:
        """Return the content."""
        return written

    def is_current(self, written: bytes) -> bool:
        """Return True."""
        del written
        return True


@define(eq=False)
class FernetCipher:
    """Encryption with Fernet; the first key encrypts, all keys decrypt."""

    _first: Fernet = field(repr=False)
    _all: MultiFernet = field(repr=False)

    def encrypt(self, content: bytes) -> bytes:
        """Encrypt."""
        return self._first.encrypt(content)

    def decrypt(self, written: bytes) -> bytes:
        """Decrypt."""
        from cryptography.fernet import InvalidToken  # noqa: PLC0415 - needs the extra

        try:
            return self._all.decrypt(written)
        except InvalidToken:
            pass
        raise ConfigurationError("the journal was encrypted with a key that is not in FRONTPAY_JOURNAL_KEY")

    def is_current(self, written: bytes) -> bool:
        """Return whether it was encrypted with the first key."""
        from cryptography.fernet import InvalidToken  # noqa: PLC0415 - needs the extra

        try:
            self._first.decrypt(written)
        except InvalidToken:
            return False
        return True


def cipher_of(key: str | None) -> Cipher:
    """Return the cipher of a journal."""
    if key is not None and not isinstance(key, str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise _checks.refusal("key", "text: Fernet keys, separated by commas", key)
    if not key:
        return NoCipher()
    try:
        from cryptography.fernet import Fernet, MultiFernet  # noqa: PLC0415 - needs the extra
    except ImportError:
        raise ImportError(
            "an encrypted journal needs the extra: pip install 'frontpay_async[encryption]'"
        ) from None
    try:
        keys = [Fernet(part.strip()) for part in key.split(",")]
        return FernetCipher(keys[0], MultiFernet(keys))
    except ValueError:
        # The original error is dropped, because its message describes the key.
        del key
    raise ConfigurationError(
        "the journal's key is not a Fernet key: create one with cryptography.fernet.Fernet.generate_key()"
    )


_PAGE = 500


def rotate(connection: Connection, cipher: Cipher, check: bytes) -> None:
    """Re-encrypt the journal with the first key where needed."""
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
