"""The ledger that several processes keep together, in Redis; the only user of ``redis``.

One Lua script holds the rules of ``_rate.ledger`` and runs on Redis's own time, so the processes'
clocks do not matter. The key is a hash of the account, and nothing of the token goes there.

Redis is a convenience, never a condition: what it does not answer within a quarter of a second is
decided by the process's own ledger. That is said once in the log, and Redis is tried again every few
seconds, by one call. When it is back its account is stale, so it first admits a few calls and looks
at their answers.

A caller that is cancelled, in asyncio's way or anyio's, leaves at once: its question goes on in a task of
its own, and a grant that comes of it is given back.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import os
from importlib.resources import files
from typing import TYPE_CHECKING, Self, TypeAlias, cast

from attrs import define, field

from frontpay_async._transport.instrumentation import logger
from frontpay_async.errors import ConfigurationError

try:
    from redis.asyncio import Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff
    from redis.exceptions import RedisError
except ImportError:
    raise ConfigurationError("RateLimit.redis needs the extra: pip install 'frontpay_async[redis]'") from None

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from frontpay_async._rate.ledger import Ledger
    from frontpay_async._rate.rate_headers import Quota
    from frontpay_async._transport.clock import Clock
    from frontpay_async.priority import Priority

Ticket: TypeAlias = str

# Seconds.
_REDIS_TIMEOUT = 0.25
_TRY_AGAIN_AFTER = 5.0
SCRIPT = files("frontpay_async._rate").joinpath("ledger.lua").read_text("utf-8")


@define(eq=False, repr=False)
class RedisLedger:
    """Ask the ledger in Redis, as long as it is there.

    Args:
        client: The connections.
        key: The key of the shared account.
        ledger: The own ledger, whose settings the shared one starts with.
        clock: Time.
        patience: Seconds to wait for Redis.
        time: The clock of the account, if not that of Redis; for tests.
    """

    client: Redis
    key: str
    ledger: Ledger
    clock: Clock
    patience: float = _REDIS_TIMEOUT
    time: Callable[[], float] | None = None
    _script: Callable[..., Awaitable[object]] = field(init=False)
    _tickets: itertools.count[int] = field(init=False, factory=itertools.count)
    _process: str = field(init=False, factory=lambda: os.urandom(6).hex())
    _asking: set[asyncio.Task[object]] = field(init=False, factory=set["asyncio.Task[object]"])
    _closed: bool = field(init=False, default=False)
    _gone: bool = field(init=False, default=False)
    _try_again_at: float = field(init=False, default=-math.inf)

    def __attrs_post_init__(self) -> None:
        self._script = cast("Callable[..., Awaitable[object]]", self.client.register_script(SCRIPT))

    @classmethod
    def open(cls, url: str, name: str, ledger: Ledger, clock: Clock) -> Self:
        """Set up the connections; none is made yet."""
        try:
            asyncio.get_running_loop()
            client = Redis.from_url(  # pyright: ignore[reportUnknownMemberType]
                url,
                # A command that was repeated unseen would be charged twice; and the patience is for one.
                retry=Retry(NoBackoff(), 0),
            )
        except RuntimeError:
            raise ConfigurationError("RateLimit.redis needs asyncio") from None
        except ValueError:
            # Its text may quote a part of the URL, such as the password.
            raise ConfigurationError("RateLimit.redis is not a usable URL") from None
        return cls(client, f"frontpay:rate:{name}", ledger, clock)

    async def acquire(self, priority: Priority) -> Ticket | float | None:
        """Return a ticket, the seconds to wait, or None when Redis is not there."""
        if self._closed or (self._gone and not await self._is_back()):
            return None
        ticket = f"{self._process}:{next(self._tickets)}"
        asked = self._start("acquire", ticket, int(priority))
        try:
            answer = await asyncio.shield(asked)
        except asyncio.CancelledError:
            # It may still yield a grant, which no call would use.
            asked.add_done_callback(lambda _: self._forget(asked, ticket))
            raise
        if not isinstance(answer, list) or not answer:
            return None
        verdict = [bytes(part).decode() for part in cast("list[bytes]", answer)]
        return ticket if verdict[0] == "granted" else float(verdict[1])

    async def report(self, ticket: Ticket, quota: Quota | None) -> None:
        """Pass an answer on; None if its headers tell nothing."""
        await self._tell("report", ticket, quota.limit if quota else 0, quota.count if quota else 0)

    async def refused(self, ticket: Ticket, retry_after: float | None) -> None:
        """Pass a 429 on, with the seconds that it asks to wait."""
        await self._tell("refused", ticket, "" if retry_after is None else retry_after)

    async def lost(self, ticket: Ticket) -> None:
        """Pass on that no answer came."""
        await self._tell("lost", ticket)

    async def give_back(self, ticket: Ticket) -> None:
        """Pass on that nothing was sent."""
        await self._tell("give_back", ticket)

    async def aclose(self) -> None:
        """Close the connections after all pending reports."""
        self._closed = True
        await self.settle()
        await self.client.aclose()

    async def settle(self) -> None:
        """Wait until nothing is under way between this process and Redis."""
        while self._asking:
            await asyncio.wait(self._asking)

    async def _is_back(self) -> bool:
        """Try again, by one call every few seconds."""
        now = self.clock.now()
        if now < self._try_again_at:
            return False
        self._try_again_at = now + _TRY_AGAIN_AFTER
        if await asyncio.shield(self._start("resume")) is None:
            return False
        self._gone = False
        logger.info("the shared rate ledger in Redis is back")
        return True

    async def _tell(self, command: str, ticket: Ticket, *arguments: str | float) -> None:
        # While Redis is down, reports would be stale by the time it is back.
        if not self._gone and not self._closed:
            await asyncio.shield(self._start(command, ticket, *arguments))

    def _forget(self, asked: asyncio.Task[object], ticket: Ticket) -> None:
        if not asked.cancelled() and not self._gone and not self._closed:
            _ = self._start("give_back", ticket)

    def _start(self, command: str, *arguments: str | float) -> asyncio.Task[object]:
        """Run a command in a task of its own, which no cancellation of a caller cuts off half-way."""
        task = asyncio.create_task(self._run(command, *arguments))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)
        return task

    async def _run(self, command: str, *arguments: str | float) -> object:
        """Run a command; None when Redis is not there."""
        ledger = self.ledger
        moment = "" if self.time is None else self.time()
        args = (command, ledger.limit, ledger.window, ledger.margin, moment, *arguments)
        try:
            async with asyncio.timeout(self.patience):
                return await self._script(keys=[self.key], args=args)
        except (RedisError, OSError) as error:
            self._try_again_at = self.clock.now() + _TRY_AGAIN_AFTER
            if not self._gone:
                self._gone = True
                logger.warning(
                    "the shared rate ledger in Redis is not there (%s): this process goes on by itself",
                    type(error).__name__,
                )
            return None
