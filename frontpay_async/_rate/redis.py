"""The ledger that several processes share in Redis; the only user of ``redis``.

A Lua script implements the rules of ``_rate.ledger`` and uses the time of Redis, so the processes' clocks do
not matter. The key is a hash of the account; the token is not stored.

Redis is optional at run time: if it does not answer within a quarter of a second, the process's own ledger
decides. This is logged once, and one call tries Redis again every few seconds. After an outage, the shared
account is stale, so it first admits only a few calls and uses their responses.

The accounts of an event loop share their connections to one Redis, whose number is bounded: a process with
hundreds of merchants needs no more than one with a few. Each command names its account.

A cancelled caller, under asyncio or anyio, leaves at once: its Redis command continues in a separate task,
and a resulting grant is returned.
"""

from __future__ import annotations

import asyncio
import itertools
import math
import os
from importlib.resources import files
from typing import TYPE_CHECKING, Self, TypeAlias, cast
from weakref import WeakValueDictionary

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
    from collections.abc import Awaitable, Callable, Hashable

    from frontpay_async._rate.ledger import Ledger
    from frontpay_async._rate.rate_headers import Quota
    from frontpay_async._transport.clock import Clock
    from frontpay_async.priority import Priority

Ticket: TypeAlias = str

# Seconds.
_REDIS_TIMEOUT = 0.25
_TRY_AGAIN_AFTER = 5.0
# A command takes less than a millisecond.
_MOST_CONNECTIONS = 16
SCRIPT = files("frontpay_async._rate").joinpath("ledger.lua").read_text("utf-8")


@define(eq=False, repr=False)
class Connections:
    """The connections to one Redis that the accounts of an event loop share; the last one closes them.

    Args:
        client: The connections.
        users: The number of accounts that use them.
    """

    client: Redis
    users: int = 0
    _places: asyncio.Semaphore = field(init=False, factory=lambda: asyncio.Semaphore(_MOST_CONNECTIONS))
    _script: Callable[..., Awaitable[object]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._script = cast("Callable[..., Awaitable[object]]", self.client.register_script(SCRIPT))

    @classmethod
    def to(cls, url: str) -> Self:
        """Return the connections to a Redis, for one more user; none is made yet."""
        # A process that was forked must not use its parent's connections.
        key = (url, asyncio.get_running_loop(), os.getpid())
        known = _connections.get(key)
        if known is None:
            client = Redis.from_url(  # pyright: ignore[reportUnknownMemberType]
                url,
                # A command that redis-py repeats would be charged twice, and the timeout is for one command.
                retry=Retry(NoBackoff(), 0),
            )
            known = _connections[key] = cls(client)
        known.users += 1
        return cast("Self", known)

    async def run(self, *, keys: list[str], args: tuple[object, ...]) -> object:
        """Run a command of the script, as soon as one of the connections is free."""
        async with self._places:
            return await self._script(keys=keys, args=args)

    async def release(self) -> None:
        """Remove one user; after the last one, the connections are closed."""
        self.users -= 1
        if self.users == 0:
            for key in [key for key, value in _connections.items() if value is self]:
                del _connections[key]
            await self.client.aclose()


_connections: WeakValueDictionary[Hashable, Connections] = WeakValueDictionary()


@define(eq=False, repr=False)
class RedisLedger:
    """The shared ledger, used while Redis is available.

    Args:
        connections: The connections.
        key: The key of the shared account.
        ledger: The process's ledger, whose settings the shared one starts with.
        clock: Time.
        patience: Seconds to wait for Redis.
        time: The clock of the account, if not that of Redis; for tests.
    """

    connections: Connections
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
        self._script = self.connections.run

    @classmethod
    def open(cls, url: str, name: str, ledger: Ledger, clock: Clock) -> Self:
        """Set up the connections; none is made yet."""
        try:
            connections = Connections.to(url)
        except RuntimeError:
            raise ConfigurationError("RateLimit.redis needs asyncio") from None
        except ValueError:
            # The message may contain a part of the URL, such as the password.
            raise ConfigurationError("RateLimit.redis is not a usable URL") from None
        return cls(connections, f"frontpay:rate:{name}", ledger, clock)

    async def acquire(self, priority: Priority) -> Ticket | float | None:
        """Return a ticket, the seconds to wait, or None if Redis is unavailable."""
        if self._closed or (self._gone and not await self._is_back()):
            return None
        ticket = f"{self._process}:{next(self._tickets)}"
        asked = self._start("acquire", ticket, int(priority))
        try:
            answer = await asyncio.shield(asked)
        except asyncio.CancelledError:
            # The command may still yield a grant, which no call would use.
            asked.add_done_callback(lambda _: self._forget(asked, ticket))
            raise
        if not isinstance(answer, list) or not answer:
            return None
        verdict = [bytes(part).decode() for part in cast("list[bytes]", answer)]
        return ticket if verdict[0] == "granted" else float(verdict[1])

    async def report(self, ticket: Ticket, quota: Quota | None) -> None:
        """Report a response; None if its headers state no quota."""
        await self._tell("report", ticket, quota.limit if quota else 0, quota.count if quota else 0)

    async def refused(self, ticket: Ticket, retry_after: float | None) -> None:
        """Report a 429, with its wait in seconds."""
        await self._tell("refused", ticket, "" if retry_after is None else retry_after)

    async def lost(self, ticket: Ticket) -> None:
        """Report a lost response."""
        await self._tell("lost", ticket)

    async def give_back(self, ticket: Ticket) -> None:
        """Report that nothing was sent."""
        await self._tell("give_back", ticket)

    async def aclose(self) -> None:
        """Release the connections after all pending reports."""
        self._closed = True
        await self.settle()
        await self.connections.release()

    async def settle(self) -> None:
        """Wait until all commands of this process have completed."""
        while self._asking:
            await asyncio.wait(self._asking)

    async def _is_back(self) -> bool:
        """Try Redis again, with one call every few seconds."""
        now = self.clock.now()
        if now < self._try_again_at:
            return False
        self._try_again_at = now + _TRY_AGAIN_AFTER
        if await asyncio.shield(self._start("resume")) is None:
            return False
        self._gone = False
        logger.info("the shared rate ledger in Redis is available again")
        return True

    async def _tell(self, command: str, ticket: Ticket, *arguments: str | float) -> None:
        # Reports would be stale by the time Redis is available again.
        if not self._gone and not self._closed:
            await asyncio.shield(self._start(command, ticket, *arguments))

    def _forget(self, asked: asyncio.Task[object], ticket: Ticket) -> None:
        if not asked.cancelled() and not self._gone and not self._closed:
            _ = self._start("give_back", ticket)

    def _start(self, command: str, *arguments: str | float) -> asyncio.Task[object]:
        """Run a command in a separate task, so that the caller's cancellation does not interrupt it."""
        task = asyncio.create_task(self._run(command, *arguments))
        self._asking.add(task)
        task.add_done_callback(self._asking.discard)
        return task

    async def _run(self, command: str, *arguments: str | float) -> object:
        """Run a command; None if Redis is unavailable."""
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
                    "the shared rate ledger in Redis is unavailable (%s): this process uses its own",
                    type(error).__name__,
                )
            return None
