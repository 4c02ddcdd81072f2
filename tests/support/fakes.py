"""Hand-written fakes for tests of the client: a clock that obeys, hooks that remember, calls by safety."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import anyio.lowlevel
from attrs import Factory, define

from frontpay_async import AttemptRecord, Clock, FrontPayClient, ResultRecord
from frontpay_async._protocol.operations import Safety
from tests.support.builders import ORDER_UUID, invoice

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

__all__ = ["CALLS", "TOKEN", "Call", "FakeClock", "Hooks", "cancel", "create", "read"]

TOKEN = "fp-live-7f3c9a51d2e84b60"


@define
class FakeClock:
    """A clock whose time passes only in its own sleeps; chance is always one half."""

    time: float = 1000.0
    slept: list[float] = Factory(list)

    def now(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += seconds
        await anyio.lowlevel.checkpoint()

    def clock(self) -> Clock:
        return Clock(now=self.now, sleep=self.sleep, chance=lambda: 0.5)


@define
class Hooks:
    """Remembers what the observer hooks are told."""

    attempts: list[AttemptRecord] = Factory(list)
    results: list[ResultRecord] = Factory(list)

    def settings(self) -> dict[str, Any]:
        """The arguments for a client."""
        return {"on_attempt": self.attempts.append, "on_result": self.results.append}


Call: TypeAlias = "Callable[[FrontPayClient], Awaitable[object]]"


async def read(client: FrontPayClient) -> object:
    """Ask for an order's status."""
    return await client.orders.get_status(ORDER_UUID)


async def cancel(client: FrontPayClient) -> object:
    """Cancel an order."""
    return await client.orders.cancel(ORDER_UUID, note="a mistake")


async def create(client: FrontPayClient) -> object:
    """Send an invoice."""
    return await client.orders.send_invoice(invoice())


CALLS: Mapping[Safety, Call] = {Safety.READ: read, Safety.IDEMPOTENT: cancel, Safety.UNSAFE: create}
"""A call of each safety class."""
