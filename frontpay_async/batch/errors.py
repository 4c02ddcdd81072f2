"""What can go wrong with a journal; part of the hierarchy in ``frontpay_async.errors``."""

from __future__ import annotations

from frontpay_async.errors import ConfigurationError, FrontPayError


class JournalError(FrontPayError):
    """Error of a journal that cannot be read or written; what was in flight is found again by the next run.

    Its outcome is UNKNOWN where a run had sent orders before it, and NOT_SENT otherwise.
    """


class ContentMismatchError(ConfigurationError):
    """Error of a key that was submitted before with other content.

    Args:
        message: Which two contents, without personal data.
        key: The key.
    """

    key: str

    def __init__(self, message: str, *, key: str) -> None:
        super().__init__(message)
        self.key = key


class AlreadySubmittedError(ConfigurationError):
    """Error of an order that another batch of the account already has, under the same key.

    Args:
        message: Which batch has it, and what to do.
        key: The key.
        name: The other batch.
    """

    key: str
    name: str

    def __init__(self, message: str, *, key: str, name: str) -> None:
        super().__init__(message)
        self.key = key
        self.name = name
