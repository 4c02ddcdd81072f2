"""Reading of large responses in a worker thread, so that the event loop goes on."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from anyio import to_thread

if TYPE_CHECKING:
    from collections.abc import Callable

T = TypeVar("T")

# Bytes. Reading that many takes a few milliseconds; a thread costs a tenth of one.
_LARGE = 128 * 1024


async def in_worker_thread(size: int, read: Callable[[], T]) -> T:
    """Return what a function returns; where its input is large, it runs in a worker thread."""
    if size < _LARGE:
        return read()
    return await to_thread.run_sync(read, abandon_on_cancel=True)
