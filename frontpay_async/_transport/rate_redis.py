"""The ledger that several processes keep together, in Redis; the only user of ``redis``.

One Lua script holds the rules of ``_protocol.ledger`` and runs on Redis's own time, so the processes'
clocks do not matter. The key is a hash of the account, and nothing of the token goes there.

Redis is a convenience, never a condition: what it does not answer within a quarter of a second is
decided by the process's own ledger. That is said once in the log, and Redis is tried again every few
seconds, by one call. When it is back its books are stale, so it first lets a few calls pass and looks at
their answers.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import uuid
from importlib.resources import files
from typing import TYPE_CHECKING, Self, TypeAlias, cast

import anyio
from attrs import define, field

from frontpay_async._transport.observe import logger
from frontpay_async.errors import ConfigurationError

try:
    from redis.asyncio import Redis
    from redis.exceptions import RedisError
except ImportError:
    raise ConfigurationError("RateLimit.redis needs the extra: pip install 'frontpay_async[redis]'") from None

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from frontpay_async._protocol.ledger import Ledger, Quota
    from frontpay_async._transport.clock import Clock
    from frontpay_async.settings import Priority

__all__ = ["SCRIPT", "RedisLedger", "Ticket"]

Ticket: TypeAlias = str

# Seconds.
_PATIENCE = 0.25
_TRY_AGAIN_AFTER = 5.0
SCRIPT = files("frontpay_async._transport").joinpath("ledger.lua").read_text("utf-8")


@define(eq=False)
class RedisLedger:
    """Ask the ledger in Redis, as long as it is there.

    Args:
        client: The connections.
        key: Where the books are.
        ledger: The own ledger, whose settings the shared one starts with.
        clock: Time.
    """

    client: Redis
    key: str
    ledger: Ledger
    clock: Clock
    _script: Callable[..., Awaitable[object]] = field(init=False)
    _tickets: itertools.count[int] = field(init=False, factory=itertools.count)
    _process: str = field(init=False, factory=lambda: uuid.uuid4().hex[:12])
    _gone: bool = field(init=False, default=False)
    _try_again_at: float = field(init=False, default=-math.inf)

    def __attrs_post_init__(self) -> None:
        self._script = cast("Callable[..., Awaitable[object]]", self.client.register_script(SCRIPT))

    @classmethod
    def open(cls, url: str, name: str, ledger: Ledger, clock: Clock) -> Self:
        """Set up the connections; none is made yet.

        Args:
            url: Redis's.
            name: The account's, as a hash.
            ledger: The own ledger.
            clock: Time.

        Raises:
            ConfigurationError: The URL cannot be used, or this is not asyncio.
        """
        try:
            asyncio.get_running_loop()
            client = Redis.from_url(  # pyright: ignore[reportUnknownMemberType]
                url, socket_timeout=_PATIENCE, socket_connect_timeout=_PATIENCE
            )
        except (RuntimeError, ValueError) as error:
            raise ConfigurationError(f"RateLimit.redis cannot be used: {error}") from None
        return cls(client, f"frontpay:rate:{name}", ledger, clock)

    async def acquire(self, priority: Priority) -> Ticket | float | None:
        """Return a ticket, the seconds to wait, or None when Redis is not there."""
        if self._gone and self.clock.now() >= self._try_again_at:
            await self._run("resume")
        ticket = f"{self._process}:{next(self._tickets)}"
        answer = await self._run("acquire", ticket, int(priority))
        if not isinstance(answer, list) or not answer:
            return None
        verdict = [bytes(part).decode() for part in cast("list[bytes]", answer)]
        return ticket if verdict[0] == "granted" else float(verdict[1])

    async def report(self, ticket: Ticket, quota: Quota | None) -> None:
        """Pass an answer on; None where its headers tell nothing."""
        await self._run("report", ticket, quota.limit if quota else 0, quota.count if quota else 0)

    async def refused(self, ticket: Ticket, retry_after: float | None) -> None:
        """Pass a 429 on, with the seconds that it asks to wait."""
        await self._run("refused", ticket, "" if retry_after is None else retry_after)

    async def lost(self, ticket: Ticket) -> None:
        """Pass on that no answer came."""
        await self._run("lost", ticket)

    async def give_back(self, ticket: Ticket) -> None:
        """Pass on that nothing was sent."""
        await self._run("give_back", ticket)

    async def aclose(self) -> None:
        """Close the connections."""
        await self.client.aclose()

    async def _run(self, command: str, *arguments: str | float) -> object:
        """Run a command; None when Redis is not there."""
        if self._gone and self.clock.now() < self._try_again_at:
            return None
        ledger = self.ledger
        args = (command, ledger.limit, ledger.window, ledger.margin, "", *arguments)
        try:
            with anyio.fail_after(_PATIENCE, shield=True):
                answer = await self._script(keys=[self.key], args=args)
        except (RedisError, OSError) as error:
            self._try_again_at = self.clock.now() + _TRY_AGAIN_AFTER
            if not self._gone:
                self._gone = True
                logger.warning(
                    "the shared rate ledger in Redis is not there (%s): this process goes on by itself",
                    type(error).__name__,
                )
            return None
        if self._gone:
            self._gone = False
            logger.info("the shared rate ledger in Redis is back")
        return answer
