"""Parsing of large responses in a worker thread, so that the event loop is not blocked."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from anyio import to_thread

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

LARGE = 128 * 1024
"""Bytes. Parsing this many takes a few milliseconds; a thread costs a tenth of a millisecond."""


async def in_worker_thread(read: Callable[[], T]) -> T:
    """Call a function whose input is large in a worker thread."""
    return await to_thread.run_sync(read, abandon_on_cancel=True)
