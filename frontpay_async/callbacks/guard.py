"""Callbacks: what the API tells a merchant by HTTP GET, read, checked, and accepted once. Pure.

    guard = CallbackGuard(secret)
    callback = await guard.check(request.url.query)

Nothing here does any I/O. What is known of a callback that the guard let through:

- An ``OrderCallback`` was made by somebody who knows the secret, at most ``max_age`` seconds ago, and is
  accepted once. With the older form of the checksum only the order, its status and its date are vouched for.
- A ``TerminalCallback`` is not signed by the API. Its token proves that it came to a URL that was made for
  ``order_reference`` and nothing else: neither its order, nor its outcome, nor its amounts.

So a callback is a reason to look: ask the API for the status before goods are handed over.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import parse_qsl, urlsplit

from attrs import define, evolve, field

from frontpay_async.callbacks.query import (
    CHECKSUM,
    DOCUMENTED,
    SIGNED,
    TOKEN,
    Query,
    checksum_covers,
    make_token,
    read_callback,
    read_query,
    read_token,
    to_key,
)
from frontpay_async.callbacks.replay import Claim, MemoryReplayStore, ReplayStore
from frontpay_async.errors import (
    CallbackError,
    InvalidChecksumError,
    ReplayedCallbackError,
    StaleCallbackError,
)
from frontpay_async.models._fields import EXACT
from frontpay_async.models.callbacks import Callback, OrderCallback, TerminalCallback

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

_CallbackT = TypeVar("_CallbackT", TerminalCallback, OrderCallback)

_FIELD_OF = {
    "orderUuid": "order_uuid",
    "status": "status",
    "createdAt": "created_at",
    "paymentMethod": "payment_method",
    "amount": "amount",
    "timestamp": "timestamp",
}


def parse_callback(query: Query, *, accept_older_form: bool = False) -> Callback:
    """Read a callback without checking who made it; see ``CallbackGuard`` for that.

    Args:
        query: The query string as it came (text or bytes, still encoded), or its parameters as a mapping or
            pairs.
        accept_older_form: Whether payment method, amount and timestamp may be missing.

    Raises:
        CallbackError: It is none, or a parameter is missing, malformed, too long or there twice.
    """
    return read_callback(read_query(query), accept_older_form=accept_older_form)


def verify_checksum(
    query: Query,
    secret: str | bytes,
    *,
    now: float | None = None,
    max_age: float = 300.0,
    accept_older_form: bool = False,
) -> OrderCallback:
    """Return the callback about an order, if its checksum was made with the secret.

    Args:
        query: See ``parse_callback``.
        secret: The merchant's secret key.
        now: The time, in Unix seconds; None leaves the callback's age unchecked.
        max_age: How far ``timestamp`` may lie from ``now``, either way; in seconds.
        accept_older_form: Whether a checksum over order, status and date alone is accepted. It says nothing
            about the amount, and has no age.

    Raises:
        InvalidChecksumError: It was not, or the values that it covers could be read in another way.
        StaleCallbackError: Its timestamp is too far away.
        CallbackError: See ``parse_callback``; a callback about a terminal order has no checksum.
    """
    fields = read_query(query)
    callback = read_callback(fields, accept_older_form=accept_older_form)
    if isinstance(callback, TerminalCallback):
        raise InvalidChecksumError("a terminal callback has no checksum", order_uuid=callback.order_uuid)
    verified = _verified(callback, fields, to_key(secret), or_older=accept_older_form)
    if now is not None:
        _check_age(verified, now, max_age)
    return verified


def _verified(
    callback: OrderCallback, fields: Mapping[str, str], key: bytes, *, or_older: bool
) -> OrderCallback:
    covered = checksum_covers(fields, key, or_older=or_older)
    if not covered:
        raise InvalidChecksumError(
            "the callback's checksum was not made with this secret", order_uuid=callback.order_uuid
        )
    verified = evolve(callback, signed_fields=frozenset(_FIELD_OF[name] for name in covered))
    if covered == SIGNED:
        return verified
    # What nobody vouches for is not told.
    return evolve(verified, payment_method=None, amount=None, timestamp=None)


def _check_age(callback: OrderCallback, now: float, max_age: float) -> None:
    if callback.timestamp is not None and abs(now - callback.timestamp.timestamp()) > max_age:
        raise StaleCallbackError(
            "the callback was made too long ago, or in the future", order_uuid=callback.order_uuid
        )


def sign_callback_url(url: str, order_reference: str, secret: str | bytes) -> str:
    """Add a token to a callback URL, so that callbacks to it can be told from made-up ones.

    Args:
        url: Where callbacks shall come; may have a query of its own.
        order_reference: Your own name for the order, of at most 200 characters. It can be read in the URL.
        secret: The guard's ``token_secret``; its ``secret``, if it has no other.

    Raises:
        ValueError: It is no absolute ``http(s)`` URL, it has a fragment, a token, or a parameter that the API
            adds itself; or the reference is empty or too long.
    """
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.netloc or "#" in url:
        raise ValueError("a callback URL is an absolute http or https URL without a fragment")
    own = dict(parse_qsl(parts.query, keep_blank_values=True))
    if TOKEN in own:
        raise ValueError("the callback URL is signed already")
    if own.keys() & set(DOCUMENTED):
        raise ValueError("a parameter of the callback URL has the name of one that the API adds")
    separator = "?" if "?" not in url else "" if url.endswith(("?", "&")) else "&"
    return f"{url}{separator}{TOKEN}={make_token(order_reference, to_key(secret))}"


@define(eq=False)
class Acceptance:
    """Hold a callback that was accepted, until it is handled.

    In an ``async with`` block it is committed at the end, and released when the block raises.

    Args:
        callback: The callback.
    """

    callback: Callback
    _store: ReplayStore = field(repr=False)
    _key: str | None = field(repr=False)

    async def commit(self) -> None:
        """Remember that it was handled: the next one like it is a replay."""
        if self._key is not None:
            await self._store.commit(self._key)

    async def release(self) -> None:
        """Give it back: the next one like it is accepted."""
        if self._key is not None:
            await self._store.release(self._key)

    async def __aenter__(self) -> Callback:
        return self.callback

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await (self.commit() if error is None else self.release())


def _system_time() -> float:
    return datetime.now(UTC).timestamp()


class CallbackGuard:
    """Let genuine callbacks through, each of them once.

    Args:
        secret: The merchant's secret key, which checksums are made with.
        token_secret: What ``sign_callback_url`` was given; ``secret`` unless given.
        replay_store: Remembers what was accepted; in this process unless given.
        max_age: How far a callback's timestamp may lie from now, either way; in seconds.
        require_token: Whether a terminal callback needs a token. Without one nothing about it is known, and
            it is not remembered either: made-up ones would fill the store. A token that is there is always
            checked.
        accept_older_form: Whether a checksum over order, status and date alone is accepted. It has no age:
            once ``remember`` has passed, a copy is accepted again.
        remember: How long a callback without a signed timestamp is remembered, in seconds. Two refunds of the
            same amount on one terminal order look alike: the second within this time is taken for a replay.
        now: The time, in Unix seconds.

    Raises:
        ValueError: A secret is empty, or no time is left to ``max_age`` or ``remember``.
    """

    def __init__(
        self,
        secret: str | bytes,
        *,
        token_secret: str | bytes | None = None,
        replay_store: ReplayStore | None = None,
        max_age: float = 300.0,
        require_token: bool = True,
        accept_older_form: bool = False,
        remember: float = 3600.0,
        now: Callable[[], float] = _system_time,
    ) -> None:
        if not (max_age > 0 and remember > 0):
            raise ValueError("max_age and remember are more than 0 seconds")
        self._key = to_key(secret)
        self._token_key = self._key if token_secret is None else to_key(token_secret)
        self._store = MemoryReplayStore() if replay_store is None else replay_store
        self._max_age = max_age
        self._require_token = require_token
        self._accept_older_form = accept_older_form
        self._remember = remember
        self._now = now

    async def check(self, query: Query) -> Callback:
        """Return a callback that is genuine, fresh and new; from now on it is a replay.

        Args:
            query: The query string as it came (text or bytes, still encoded), or its parameters.

        Raises:
            CallbackError: It is malformed, or there is no room to remember it (``is_retryable``).
            InvalidChecksumError: Its checksum or its token is wrong, or it has none.
            StaleCallbackError: Its timestamp is too far away.
            ReplayedCallbackError: It was accepted before.
        """
        acceptance = await self.claim(query)
        await acceptance.commit()
        return acceptance.callback

    async def claim(self, query: Query) -> Acceptance:
        """Do the same, but let the caller say when it is handled.

        Until then the same callback is refused with a ``ReplayedCallbackError`` that ``is_retryable``.

            async with await guard.claim(query) as callback:
                await handle(callback)

        Args:
            query: See ``check``.

        Raises:
            CallbackError: See ``check``.
        """
        now = self._now()
        callback, key, until = self._verify(read_query(query), now)
        if key is not None:
            claim = await self._store.claim(key, now=now, until=until)
            if claim is not Claim.NEW:
                raise _refusal(claim, callback.order_uuid)
        return Acceptance(callback, self._store, key)

    def _verify(self, fields: Mapping[str, str], now: float) -> tuple[Callback, str | None, float]:
        """Return the callback, the key to remember it by, and until when.

        There is no key for a callback that nobody vouches for.
        """
        callback = read_callback(fields, accept_older_form=self._accept_older_form)
        reference = None
        if TOKEN in fields:
            try:
                reference = read_token(fields[TOKEN], self._token_key)
            except InvalidChecksumError as error:
                error.order_uuid = callback.order_uuid
                raise
        if isinstance(callback, OrderCallback):
            callback = _verified(callback, fields, self._key, or_older=self._accept_older_form)
            _check_age(callback, now, self._max_age)
            # The checksum is the same however its text is cut, and the age of a copy cannot be changed. Once
            # more ``max_age``, should the clock be set back.
            made = callback.timestamp
            until = now + self._remember if made is None else made.timestamp() + 2 * self._max_age
            return _with_reference(callback, reference), f"order:{fields[CHECKSUM]}", until
        if reference is None:
            if self._require_token:
                raise InvalidChecksumError(
                    "the terminal callback has no token, and whoever sent it may have made it up",
                    order_uuid=callback.order_uuid,
                )
            return callback, None, now
        return _with_reference(callback, reference), _terminal_key(callback, reference), now + self._remember


def _with_reference(callback: _CallbackT, reference: str | None) -> _CallbackT:
    if reference is None:
        return callback
    return evolve(
        callback,
        order_reference=reference,
        signed_fields=callback.signed_fields | {"order_reference"},
    )


def _terminal_key(callback: TerminalCallback, reference: str) -> str:
    # 42 and 42.00 are the same amount, and the same hash.
    said = (reference, callback.order_uuid, callback.kind, callback.is_approved, callback.currency)
    digest = hashlib.sha256(json.dumps(said).encode())
    digest.update(str(callback.total_amount.normalize(EXACT)).encode())
    return f"terminal:{digest.hexdigest()}"


def _refusal(claim: Claim, order_uuid: str) -> CallbackError:
    if claim is Claim.FULL:
        return CallbackError(
            "there is no room to remember the callback", is_retryable=True, order_uuid=order_uuid
        )
    return ReplayedCallbackError(
        "the callback was accepted before, and is being handled"
        if claim is Claim.BUSY
        else "the callback was accepted before",
        is_retryable=claim is Claim.BUSY,
        order_uuid=order_uuid,
    )
