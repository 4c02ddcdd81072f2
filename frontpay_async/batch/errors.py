"""Errors of journals; part of the hierarchy in ``frontpay_async.errors``."""

from __future__ import annotations

from frontpay_async.errors import ConfigurationError, FrontPayError


class JournalError(FrontPayError):
    """Error for a journal that cannot be read or written; the next run reconciles requests in flight.

    The outcome is UNKNOWN if the run had sent orders before, and NOT_SENT otherwise.
    """


class ContentMismatchError(ConfigurationError):
    """Error for a key that was submitted before with different content.

    Args:
        message: The two contents as fingerprints, without personal data.
        key: The key.
    """

    key: str

    def __init__(self, message: str, *, key: str) -> None:
        super().__init__(message)
        self.key = key


class AlreadySubmittedError(ConfigurationError):
    """Error for an order that another batch of the account already has, under the same key.

    Args:
        message: The other batch, and what to do.
        key: The key.
        name: The other batch.
    """

    key: str
    name: str

    def __init__(self, message: str, *, key: str, name: str) -> None:
        super().__init__(message)
        self.key = key
        self.name = name
