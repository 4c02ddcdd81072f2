"""Reading the feed of the sandbox's page: off the stream itself, and event by event."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import anyio

from frontpay_async.sandbox.inspect.feed import Place
from frontpay_async.sandbox.inspect.routes import Stream

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from frontpay_async.sandbox import Sandbox

__all__ = ["FEED", "ORIGIN", "Reader", "data_of", "place_of"]

ORIGIN = "http://sandbox.localhost"
FEED = "/_sandbox/feed"


def data_of(event: str) -> dict[str, Any]:
    """Return what an event tells."""
    lines = [line for line in event.splitlines() if line.startswith("data: ")]
    assert len(lines) == 1, event
    told: dict[str, Any] = json.loads(lines[0].removeprefix("data: "))
    return told


def place_of(event: str) -> str:
    """Return the id of an event."""
    return next(line.removeprefix("id: ") for line in event.splitlines() if line.startswith("id: "))


class Reader:
    """A reader of a sandbox's feed, in this process, for whom nothing is gathered."""

    def __init__(self, sandbox: Sandbox, after: str = "", *, silence: float = 600) -> None:
        stream = Stream(sandbox._api, Place.read(after), silence=silence, pace=0)
        self._events: AsyncGenerator[str] = stream.events()
        self.place = ""

    async def raw(self) -> str:
        """Return the next thing that is written."""
        # Who waits for what is never told shall not wait for ever.
        with anyio.fail_after(20):
            return await anext(self._events)

    async def next(self) -> dict[str, Any]:
        """Return what the next event tells."""
        event = await self.raw()
        while not event.startswith("id: "):
            event = await self.raw()
        self.place = place_of(event)
        return data_of(event)

    async def close(self) -> None:
        await self._events.aclose()
