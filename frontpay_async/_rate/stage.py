"""The rate stage: each attempt waits for its token's governor and reports its result to it.

Clients of the same token in one process share a governor automatically: it is looked up by the token, the
base URL, the limit, the process and the event loop, at the first call. A token callable is identified by the
callable itself, not by the tokens that it returns.
"""

from __future__ import annotations

import hashlib
import importlib
import os
from typing import TYPE_CHECKING
from weakref import WeakValueDictionary

from anyio.lowlevel import current_token
from attrs import define, field

from frontpay_async._protocol.retry_after import retry_after
from frontpay_async._rate.governor import Governor
from frontpay_async._rate.ledger import Ledger
from frontpay_async._transport.auth import Secret

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Hashable

    from frontpay_async._protocol.messages import HttpResponse
    from frontpay_async._rate.governor import RateStatistics
    from frontpay_async._transport.call import Call, Stage
    from frontpay_async._transport.clock import Clock
    from frontpay_async.settings import RateLimit

# The maximum difference between the server's clock and ours at the window's end, as a part of the window.
_DRIFT = 0.001
_governors: WeakValueDictionary[Hashable, Governor] = WeakValueDictionary()


@define(eq=False, repr=False)
class Rate:
    """The stage that delays each attempt until its token's window has room.

    Args:
        following: The next stage.
        limit: The rate limit and the location of its account.
        credential: The token, or the callable that returns it.
        base_url: The base URL of the token.
        clock: Time.
    """

    following: Stage
    limit: RateLimit
    credential: Secret | Callable[[], Awaitable[str]]
    base_url: str
    clock: Clock
    _governor: Governor | None = field(init=False, default=None)
    _key: Hashable = field(init=False, default=None)
    _closed: bool = field(init=False, default=False)

    def __attrs_post_init__(self) -> None:
        if self.limit.redis is not None:
            # A missing extra raises when the client is built, not at the first payment.
            importlib.import_module("frontpay_async._rate.redis")

    async def send(self, call: Call) -> HttpResponse:
        """Send the attempt when the governor admits it."""
        governor = self._governor or self._find()
        if governor is None:
            return await self.following.send(call)
        attempt = call.attempt
        arrived = self.clock.now()
        permit = await governor.acquire(call, self)
        attempt.waited = self.clock.now() - arrived
        try:
            response = await self.following.send(call)
        except BaseException:
            # The permit is settled however the attempt ended, even by cancellation. A request with a rejected
            # token was counted as well, although the auth stage handles its response.
            settle = governor.lost if attempt.may_have_left else governor.give_back
            await settle(permit)
            raise
        asked = retry_after(response.headers)
        await governor.answered(permit, response.status, response.headers, asked)
        return response

    def statistics(self) -> RateStatistics | None:
        """Return the state of the window; None without a limit, or after the client was closed."""
        governor = self._find()
        return None if governor is None else governor.statistics()

    def estimate(self, calls: int) -> float:
        """Return the seconds until a number of further batch calls have been sent; 0 without a limit."""
        governor = self._find()
        return 0.0 if governor is None else governor.estimate(calls)

    def remaining(self) -> int | None:
        """Return the remaining requests of the window, in any thread; None while there is no governor."""
        governor = self._governor
        return None if governor is None else governor.statistics().remaining

    async def aclose(self) -> None:
        """Release the governor; the last client closes its connections."""
        self._closed = True
        governor, self._governor = self._governor, None
        if governor is not None:
            governor.dismiss(self)
            if governor.users == 1:
                # It may still be in use; the next client needs one with open connections.
                _governors.pop(self._key, None)
            await governor.release()

    def _find(self) -> Governor | None:
        if self.limit.requests is None or self._closed:
            # The send stage of a closed client sends nothing.
            return None
        if self._governor is None:
            who = _who(self.credential)
            key = self._key = (who, self.base_url, self.limit, self.clock, os.getpid(), current_token())
            governor = _governors.get(key)
            if governor is None:
                account = f"{self.base_url} {self.limit.account or who}"
                governor = _governors[key] = _open(self.limit, account, self.clock)
            governor.users += 1
            self._governor = governor
        return self._governor


def _who(source: Secret | Callable[[], Awaitable[str]]) -> Hashable:
    if isinstance(source, Secret):
        # A hash, because a value that lives as long as the process should not contain the token.
        return hashlib.sha256(source.text.encode()).hexdigest()
    try:
        hash(source)
    except TypeError:
        # A callable that is not hashable is identified by a number, which is valid as long as the stage.
        return id(source)
    return source


def _open(limit: RateLimit, account: str, clock: Clock) -> Governor:
    assert limit.requests is not None  # noqa: S101 - for the type checkers
    ledger = Ledger(limit.requests, limit.window, limit.window * _DRIFT)
    if limit.redis is None:
        return Governor(ledger, clock)
    # Imported here because it needs the extra.
    from frontpay_async._rate.redis import RedisLedger  # noqa: PLC0415

    name = hashlib.sha256(account.encode()).hexdigest()
    return Governor(ledger, clock, RedisLedger.open(limit.redis, name, ledger, clock))
