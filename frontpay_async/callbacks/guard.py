"""Callbacks: the API's HTTP GETs to a merchant, parsed, verified, and accepted once.

    guard = CallbackGuard(secret)
    callback = await guard.check(request.url.query)

*Guarantee.* For a callback that the guard has accepted:

- An ``OrderCallback`` was made with the secret, at most ``max_age`` seconds ago, and is accepted once. Its
  order and its status are verified, and so are the fields in ``signed_fields``.
- A ``TerminalCallback`` is not signed by the API. Its token proves only that its URL was made for
  ``order_reference``, not its order, its outcome or its amounts.

*Limit.* If the capacity is used up, a callback and its copies are accepted without being recorded. A callback
is therefore a reason to poll: ask the API for the status before you deliver.
"""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import parse_qsl, urlsplit

from attrs import define, evolve, field, frozen

from frontpay_async import _checks
from frontpay_async.callbacks.checksum import CHECKSUM, DOCUMENTED, PAYMENT_METHODS, Verdict, check_checksum
from frontpay_async.callbacks.query import Query, read_callback, read_query
from frontpay_async.callbacks.replay import Claim, MemoryReplayStore, ReplayStore, TokenAllowance
from frontpay_async.callbacks.token import TOKEN, make_token, read_token, to_key
from frontpay_async.errors import InvalidChecksumError, ReplayedCallbackError, StaleCallbackError
from frontpay_async.models._fields import EXACT
from frontpay_async.models.callbacks import Callback, OrderCallback, TerminalCallback

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping
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


def parse_callback(query: Query, *, accept_older_form: bool = True) -> Callback:
    """Read a callback without checking who made it; see ``CallbackGuard`` for that.

    Args:
        query: The query string as received (text or bytes, still encoded), or its parameters as a mapping or
            pairs.
        accept_older_form: Whether payment method, amount and timestamp may be missing, as in callbacks with
            an older formula of the checksum. Defaults to True.

    Raises:
        CallbackError: It is not a callback, or a parameter is missing, malformed, too long or repeated.
    """
    return read_callback(read_query(query), accept_older_form=accept_older_form)


def verify_checksum(
    query: Query,
    secret: str | bytes,
    *,
    now: float | None = None,
    max_age: float = 300.0,
    accept_older_form: bool = True,
    payment_methods: Collection[str] = (),
) -> OrderCallback:
    """Return the callback about an order if its checksum is valid.

    Args:
        query: See ``parse_callback``.
        secret: The merchant's secret key.
        now: The time, in Unix seconds; None leaves the callback's age unchecked.
        max_age: The largest distance of ``timestamp`` from ``now``, either way; in seconds.
        accept_older_form: See ``CallbackGuard``.
        payment_methods: See ``CallbackGuard``.

    Returns:
        The callback. Only the fields in ``signed_fields`` are verified.

    Raises:
        InvalidChecksumError: The checksum was not made with the secret, or its text ``is_ambiguous``.
        StaleCallbackError: Its timestamp is too far away.
        CallbackError: See ``parse_callback``; a callback about a terminal order has no checksum.
        ConfigurationError: The secret or another argument is not valid.
    """
    key, words = to_key(secret), _known_methods(payment_methods)
    _checks.flag("accept_older_form", accept_older_form)
    max_age = _checks.seconds("max_age", max_age)
    if now is not None:
        _checks.number("now", now, "a time in Unix seconds, as a number")
    fields = read_query(query)
    callback = read_callback(fields, accept_older_form=accept_older_form)
    if isinstance(callback, TerminalCallback):
        raise InvalidChecksumError("a terminal callback has no checksum", order_uuid=callback.order_uuid)
    verified = _verified(callback, fields, key, words, or_older=accept_older_form)
    if now is not None:
        _check_age(verified, now, max_age)
    return verified


def _verified(
    callback: OrderCallback,
    fields: Mapping[str, str],
    key: bytes,
    payment_methods: frozenset[str],
    *,
    or_older: bool,
) -> OrderCallback:
    verdict = check_checksum(fields, key, or_older=or_older, payment_methods=payment_methods)
    if not verdict.signed:
        raise _invalid(verdict, callback.order_uuid)
    # A value that the formula does not cover is None; an ambiguous one is kept, but is not in signed_fields.
    covers = verdict.formula.__contains__
    return evolve(
        callback,
        payment_method=callback.payment_method if covers("paymentMethod") else None,
        amount=callback.amount if covers("amount") else None,
        timestamp=callback.timestamp if covers("timestamp") else None,
        signed_fields=frozenset(_FIELD_OF[name] for name in verdict.signed),
    )


def _invalid(verdict: Verdict, order_uuid: str) -> InvalidChecksumError:
    if verdict.formula:
        return InvalidChecksumError(
            "the callback's checksum was made with this secret, but its text has"
            " several readings: check the order's status",
            is_ambiguous=True,
            order_uuid=order_uuid,
        )
    if verdict.is_older:
        return InvalidChecksumError(
            "the callback's checksum was made with this secret and an older formula:"
            " accept_older_form=True accepts it",
            order_uuid=order_uuid,
        )
    return InvalidChecksumError(
        "the callback's checksum was made with another secret, or a value was changed afterwards",
        order_uuid=order_uuid,
    )


def _check_age(callback: OrderCallback, now: float, max_age: float) -> None:
    if callback.timestamp is not None and abs(now - callback.timestamp.timestamp()) > max_age:
        raise StaleCallbackError(
            "the timestamp of the callback is too old or in the future", order_uuid=callback.order_uuid
        )


def sign_callback_url(url: str, order_reference: str, secret: str | bytes) -> str:
    """Add a token to a callback URL, so that forged callbacks can be detected.

    Args:
        url: The URL that receives callbacks; it may already have a query string.
        order_reference: Your own name for the order, of at most 200 characters. It is readable in the URL.
        secret: The guard's ``token_secret``, or its ``secret`` if it has no ``token_secret``.

    Raises:
        ValueError: It is not an absolute ``http(s)`` URL, it has a fragment, a token, or a parameter that the
            API adds itself; or the reference is empty or too long.
    """
    _checks.instance("url", url, str, "'https://shop.example/frontpay/callback'")
    _checks.instance("order_reference", order_reference, str, "'B-1001'")
    try:
        parts = urlsplit(url)
    except ValueError:
        parts = urlsplit("")
    if parts.scheme not in ("http", "https") or not parts.netloc or "#" in url:
        raise ValueError("a callback URL must be an absolute http or https URL without a fragment")
    own = dict(parse_qsl(parts.query, keep_blank_values=True))
    if TOKEN in own:
        raise ValueError("the callback URL is already signed")
    if own.keys() & set(DOCUMENTED):
        raise ValueError("the callback URL contains a parameter with the name of one that the API adds")
    separator = "?" if "?" not in url else "" if url.endswith(("?", "&")) else "&"
    return f"{url}{separator}{TOKEN}={make_token(order_reference, to_key(secret))}"


@define(eq=False)
class Acceptance:
    """A claimed callback, which has yet to be handled.

    An ``async with`` block commits it at the end, or releases it after an exception.

    Args:
        callback: The callback.
    """

    callback: Callback
    _store: ReplayStore = field(repr=False)
    _key: str | None = field(repr=False)

    @property
    def is_remembered(self) -> bool:
        """Whether a copy is rejected as a replay; otherwise it is accepted again."""
        return self._key is not None

    async def commit(self) -> None:
        """Record that it was handled: further copies are replays."""
        if self._key is not None:
            await self._store.commit(self._key)

    async def release(self) -> None:
        """Release it: the next copy is accepted."""
        if self._key is not None:
            await self._store.release(self._key)

    async def __aenter__(self) -> Callback:
        return self.callback

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await (self.commit() if error is None else self.release())


def _known_methods(words: Collection[str]) -> frozenset[str]:
    return PAYMENT_METHODS.union(map(str.casefold, _checks.texts("payment_methods", words)))


def _system_time() -> float:
    return datetime.now(UTC).timestamp()


class CallbackGuard:
    """The verification of callbacks: genuine ones are accepted, each of them once.

    Args:
        secret: The merchant's secret key, with which checksums are made.
        token_secret: The secret for ``sign_callback_url``. Defaults to ``secret``.
        replay_store: The record of accepted callbacks. Defaults to one in this process.
        max_age: The largest distance of a callback's timestamp from now, either way; in seconds.
        require_token: Whether a terminal callback needs a token. Without a token nothing is verified or
            recorded. A token that is present is always checked.
        accept_older_form: Whether checksums of the two older formulas are accepted: over order, status,
            creation date, amount and timestamp, and over order, status and creation date. Fields that a
            formula does not cover are None. The last formula has no age: a copy is accepted again after
            ``remember``. Defaults to True.
        remember: How long a callback without a signed timestamp is remembered, in seconds. Two refunds of the
            same amount on one terminal order look the same: the second one within this time counts as a
            replay.
        token_capacity: The maximum number of recorded callbacks per token; further ones are accepted without
            being recorded.
        payment_methods: Additional payment methods, case-insensitive. Known are visa, mastercard, vipps,
            invoice and some others. The amount after an unknown method is not verified.
        now: The time, in Unix seconds.

    Raises:
        ConfigurationError: A secret is empty, or has blanks, quotes or invisible characters around it, or
            another argument has the wrong type or is out of range; also a ``ValueError``.
        TypeError: A secret is neither text nor bytes.
    """

    def __init__(
        self,
        secret: str | bytes,
        *,
        token_secret: str | bytes | None = None,
        replay_store: ReplayStore | None = None,
        max_age: float = 300.0,
        require_token: bool = True,
        accept_older_form: bool = True,
        remember: float = 3600.0,
        token_capacity: int = 1000,
        payment_methods: Collection[str] = (),
        now: Callable[[], float] = _system_time,
    ) -> None:
        if replay_store is not None:
            methods = ("claim", "commit", "release")
            _checks.offers("replay_store", replay_store, methods, f"an object with {', '.join(methods)}")
        _checks.function("now", now, "nothing and returns Unix seconds")
        self._key = to_key(secret)
        self._token_key = self._key if token_secret is None else to_key(token_secret, name="token_secret")
        self._store = MemoryReplayStore() if replay_store is None else replay_store
        self._max_age = _checks.seconds("max_age", max_age)
        self._require_token = _checks.flag("require_token", require_token)
        self._accept_older_form = _checks.flag("accept_older_form", accept_older_form)
        self._remember = _checks.seconds("remember", remember)
        capacity = _checks.whole("token_capacity", token_capacity, "a whole number of at least 1")
        self._allowance = TokenAllowance(capacity)
        self._payment_methods = _known_methods(payment_methods)
        self._now = now

    async def check(self, query: Query) -> Callback:
        """Verify and accept a callback; further copies are replays.

        Args:
            query: The query string as received (text or bytes, still encoded), or its parameters.

        Raises:
            CallbackError: It is not a callback, or a parameter is missing, malformed, too long or repeated.
            InvalidChecksumError: Its checksum or its token is wrong, or missing, or its text
                ``is_ambiguous``.
            StaleCallbackError: Its timestamp is too far away.
            ReplayedCallbackError: It was accepted before.
        """
        acceptance = await self.claim(query)
        await acceptance.commit()
        return acceptance.callback

    async def claim(self, query: Query) -> Acceptance:
        """Verify a callback and return it as a claim, which the caller commits or releases.

        Until then, copies are rejected with a ``ReplayedCallbackError`` that ``is_retryable``.

            async with await guard.claim(query) as callback:
                await handle(callback)

        Args:
            query: See ``check``.

        Raises:
            CallbackError: See ``check``.
        """
        now = self._now()
        callback = self._verify(read_query(query), now)
        claimed, uuid = None, callback.callback.order_uuid
        match await self._claim(callback, now):
            case Claim.NEW:
                claimed = callback.key
            case Claim.BUSY:
                raise ReplayedCallbackError(
                    "the callback was accepted before, and is being handled",
                    is_retryable=True,
                    order_uuid=uuid,
                )
            case Claim.DONE:
                raise ReplayedCallbackError("the callback was accepted before", order_uuid=uuid)
            case Claim.FULL:
                pass
        return Acceptance(callback.callback, self._store, claimed)

    async def _claim(self, callback: _Verified, now: float) -> Claim:
        """Claim a callback if it can be recorded and its token has capacity left."""
        if callback.key is None:
            return Claim.FULL
        if callback.token is None:
            return await self._store.claim(callback.key, now=now, until=callback.until)
        if not self._allowance.take(callback.token, now=now, until=callback.until):
            return Claim.FULL
        is_new = False
        try:
            claim = await self._store.claim(callback.key, now=now, until=callback.until)
            is_new = claim is Claim.NEW
        finally:
            if not is_new:
                self._allowance.give_back(callback.token)
        return claim

    def _verify(self, fields: Mapping[str, str], now: float) -> _Verified:
        callback = read_callback(fields, accept_older_form=self._accept_older_form)
        reference = None
        if TOKEN in fields:
            try:
                reference = read_token(fields[TOKEN], self._token_key)
            except InvalidChecksumError as error:
                error.order_uuid = callback.order_uuid
                raise
        if isinstance(callback, OrderCallback):
            callback = _verified(
                callback, fields, self._key, self._payment_methods, or_older=self._accept_older_form
            )
            _check_age(callback, now, self._max_age)
            # Readings share the checksum, and the age of a copy cannot be changed. ``max_age`` is added again
            # in case the clock is set back.
            made = callback.timestamp
            until = now + self._remember if made is None else made.timestamp() + 2 * self._max_age
            return _Verified(_with_reference(callback, reference), f"order:{fields[CHECKSUM]}", until)
        if reference is None:
            if self._require_token:
                raise InvalidChecksumError(
                    "the terminal callback has no token, so it cannot be verified; use"
                    " sign_callback_url for its URL",
                    order_uuid=callback.order_uuid,
                )
            return _Verified(callback)
        key = _terminal_key(callback, reference, fields["totalAmount"])
        return _Verified(_with_reference(callback, reference), key, now + self._remember, token=reference)


@frozen
class _Verified:
    """A callback with its key, its expiry, and the reference of its token if that is limited.

    An unverified callback has no key, because forged ones would fill the store.
    """

    callback: Callback
    key: str | None = None
    until: float = 0.0
    token: str | None = None


def _with_reference(callback: _CallbackT, reference: str | None) -> _CallbackT:
    if reference is None:
        return callback
    return evolve(
        callback,
        order_reference=reference,
        signed_fields=callback.signed_fields | {"order_reference"},
    )


def _terminal_key(callback: TerminalCallback, reference: str, told: str) -> str:
    # 42 and 42.00 are the same amount, and the same hash; an unreadable amount is itself only.
    amount = callback.total_amount
    said = (reference, callback.order_uuid, callback.kind, callback.is_approved, callback.currency)
    digest = hashlib.sha256(json.dumps(said).encode())
    digest.update((told if amount is None else str(amount.normalize(EXACT))).encode())
    return f"terminal:{digest.hexdigest()}"
