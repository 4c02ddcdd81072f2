"""Observer hooks and the log: what may be told, and that telling never breaks a payment."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar

from attrs import define

if TYPE_CHECKING:
    from collections.abc import Callable

    from frontpay_async.records import AttemptRecord, ResultRecord

__all__ = ["Observers", "logger"]

RecordT = TypeVar("RecordT")

logger = logging.getLogger("frontpay_async")
logger.addHandler(logging.NullHandler())


@define(eq=False)
class Observers:
    """Hold the caller's hooks.

    Args:
        on_attempt: Called after each attempt.
        on_result: Called after each call.
    """

    on_attempt: Callable[[AttemptRecord], object] | None = None
    on_result: Callable[[ResultRecord], object] | None = None

    def attempt(self, record: AttemptRecord) -> None:
        """Tell of an attempt."""
        if self.on_attempt is not None:
            _tell(self.on_attempt, record)

    def result(self, record: ResultRecord) -> None:
        """Tell of a call's end."""
        if self.on_result is not None:
            _tell(self.on_result, record)


def _tell(hook: Callable[[RecordT], object], record: RecordT) -> None:
    try:
        hook(record)
    except Exception as error:  # noqa: BLE001 - a broken hook must not lose the answer of a payment
        logger.error("an observer hook raised %s; the call goes on", type(error).__name__)  # noqa: TRY400 - the traceback may show the caller's secrets
