"""The response to a callback, for any web framework, so that no callback is lost or handled twice.

| what came | answer |
|---|---|
| a new callback, handled | 200 |
| a callback that was handled before | 200, and nothing is done |
| one that is being handled at this moment | 503 with ``Retry-After`` |
| a wrong checksum or token | 403 |
| anything else, such as a callback that is too old or ambiguous | 400 |
| the handler raised, or the request was cancelled | the error is raised on; the callback is as new again |

Responses contain nothing from the request.
"""

from __future__ import annotations

from inspect import isawaitable
from typing import TYPE_CHECKING

import anyio
from attrs import field, frozen

from frontpay_async import _checks
from frontpay_async.callbacks.guard import CallbackGuard
from frontpay_async.errors import (
    CallbackError,
    ConfigurationError,
    InvalidChecksumError,
    ReplayedCallbackError,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from frontpay_async.callbacks import Callback, Query

_RETRY_AFTER = 5
_STORE_PATIENCE = 5


@frozen
class CallbackAnswer:
    """The HTTP response to a callback.

    Args:
        status: The HTTP status.
        text: The body, plain text.
        headers: Additional headers.
    """

    status: int
    text: str
    headers: Mapping[str, str] = field(factory=dict[str, str])


def check_route(guard: object, handler: object, path: object, *, start: str = "") -> None:
    """Check the arguments of a route at construction, not at the first callback."""
    _checks.instance("guard", guard, CallbackGuard, "CallbackGuard(secret)")
    _checks.function("handler", handler, "the callback")
    if not _checks.text("path", path).startswith(start):
        raise ConfigurationError(f"path must begin with {start}")


async def answer_callback(
    guard: CallbackGuard, query: Query, handler: Callable[[Callback], object]
) -> CallbackAnswer:
    """Verify a callback, pass it to a handler once, and return the response to send.

    Args:
        guard: The check.
        query: The query string as received, still encoded.
        handler: Called with the callback; it may be asynchronous. If it raises, the callback is released
            and can be handled again.

    Returns:
        The answer.

    Raises:
        Exception: Any error of the handler or the guard's store; answer with status 500.
    """
    try:
        acceptance = await guard.claim(query)
    except CallbackError as error:
        return _refusal(error)
    try:
        result = handler(acceptance.callback)
        if isawaitable(result):
            await result
    except BaseException:
        # A cancelled request has not handled it either, so it must be released.
        await _settle(acceptance.release)
        raise
    await _settle(acceptance.commit)
    return _answer(200, "ok")


async def _settle(step: Callable[[], Awaitable[None]]) -> None:
    """Update the store even if the request is being cancelled: otherwise the claim stays until it expires."""
    with anyio.fail_after(_STORE_PATIENCE, shield=True):
        await step()


def _refusal(error: CallbackError) -> CallbackAnswer:
    if error.is_retryable:
        return _answer(503, "try again later", {"Retry-After": str(_RETRY_AFTER)})
    if isinstance(error, ReplayedCallbackError):
        return _answer(200, "ok")
    if isinstance(error, InvalidChecksumError) and not error.is_ambiguous:
        return _answer(403, "not authentic")
    return _answer(400, "not acceptable")


def _answer(status: int, text: str, headers: Mapping[str, str] | None = None) -> CallbackAnswer:
    return CallbackAnswer(status, text, {"Cache-Control": "no-store", **(headers or {})})
