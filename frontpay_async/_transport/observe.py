"""Observer hooks and the log: what may be told, and that telling never breaks a payment."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, TypeVar

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from frontpay_async.records import AttemptRecord, ResultRecord

__all__ = ["Observers", "logger", "tell"]

RecordT = TypeVar("RecordT")

logger = logging.getLogger("frontpay_async")
logger.addHandler(logging.NullHandler())


@frozen(eq=False)
class Observers:
    """Hold the caller's hooks.

    Args:
        on_attempt: Called after each attempt.
        on_result: Called after each call.
    """

    on_attempt: Callable[[AttemptRecord], object] | None = None
    on_result: Callable[[ResultRecord], object] | None = None


def tell(hook: Callable[[RecordT], object], record: RecordT) -> None:
    """Call a hook; what it raises is logged, and goes no further."""
    try:
        hook(record)
    except Exception as error:  # noqa: BLE001 - a broken hook must not lose the answer of a payment
        logger.error("an observer hook raised %s; the call goes on", type(error).__name__)  # noqa: TRY400 - the traceback may show the caller's secrets
