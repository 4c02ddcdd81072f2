"""Connections belong to the process and the event loop that first used them."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from anyio.lowlevel import current_token
from attrs import define, field

from frontpay_async.errors import ConfigurationError

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop


def asyncio_loop() -> AbstractEventLoop | None:
    """Return the running event loop of asyncio; None under trio."""
    # Imported here: it takes a fifth of the package's import, and trio does not need it.
    import asyncio  # noqa: PLC0415

    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


@define(eq=False, repr=False)
class LoopGuard:
    """A guard that records the process and event loop of the first use."""

    _where: tuple[int, object] | None = field(init=False, default=None)

    def check(self, operation: str | None) -> None:
        """Reject any other process or event loop."""
        # anyio finds out at length which library runs; nearly always it is asyncio.
        here = (os.getpid(), asyncio_loop() or current_token())
        if self._where is None:
            self._where = here
        elif self._where != here:
            another = (
                "process: build the client after the fork"
                if self._where[0] != here[0]
                else "event loop: build one in each"
            )
            raise ConfigurationError(
                f"this client's connections belong to another {another}", operation=operation
            )
