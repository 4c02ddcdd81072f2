"""Encryption of what the journal keeps of an order; the only user of cryptography."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from attrs import define, field, frozen

from frontpay_async.errors import ConfigurationError

if TYPE_CHECKING:
    from cryptography.fernet import MultiFernet

__all__ = ["Plain", "Seal", "Sealed", "seal_of"]


class Seal(Protocol):
    """Close what is written, and open what is read."""

    def close(self, content: bytes) -> bytes:
        """Return what may be written."""
        ...

    def open(self, written: bytes) -> bytes:
        """Return what was closed.

        Raises:
            ConfigurationError: It was closed with another key.
        """
        ...


@frozen
class Plain:
    """Write as it is: the file's mode is what protects it."""

    def close(self, content: bytes) -> bytes:
        """Return the content."""
        return content

    def open(self, written: bytes) -> bytes:
        """Return what was written."""
        return written


@define(eq=False)
class Sealed:
    """Encrypt with Fernet; the first key writes, all of them read."""

    _fernet: MultiFernet = field(repr=False)

    def close(self, content: bytes) -> bytes:
        """Encrypt."""
        return self._fernet.encrypt(content)

    def open(self, written: bytes) -> bytes:
        """Decrypt.

        Raises:
            ConfigurationError: It was encrypted with another key.
        """
        from cryptography.fernet import InvalidToken  # noqa: PLC0415 - needs the extra

        try:
            return self._fernet.decrypt(written)
        except InvalidToken:
            pass
        raise ConfigurationError("the journal was encrypted with another key than FRONTPAY_JOURNAL_KEY")


def seal_of(key: str | None) -> Seal:
    """Return what protects a journal.

    Args:
        key: Fernet keys, separated by commas: the first writes, all read. None or empty for none.

    Raises:
        ConfigurationError: It is no Fernet key.
        ImportError: The package ``cryptography`` is not there.
    """
    if not key:
        return Plain()
    try:
        from cryptography.fernet import Fernet, MultiFernet  # noqa: PLC0415 - needs the extra
    except ImportError:
        raise ImportError(
            "an encrypted journal needs the extra: pip install 'frontpay_async[encryption]'"
        ) from None
    try:
        return Sealed(MultiFernet([Fernet(part.strip()) for part in key.split(",")]))
    except ValueError:
        # Not told onwards: what it says quotes the key's form.
        del key
    raise ConfigurationError(
        "the journal's key is no Fernet key: make one with cryptography.fernet.Fernet.generate_key()"
    )
