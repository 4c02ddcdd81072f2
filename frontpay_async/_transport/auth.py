"""The bearer token: fresh for every attempt, renewed once after a 401.

A token passed as text never changes. An async callable is called before each attempt (it should cache) and
again after a 401: if it then returns another token, the request is repeated once, through the rate stage;
otherwise the 401 is final. A 401 means that nothing was done, so this is safe for every operation.

If the callable raises a ``CancelledError`` although the call is not being cancelled, this counts as a failure
of the callable: it must not end the caller's task silently.

The token is text only inside a ``Secret`` and in the header, never in a local variable of a frame through
which an exception can pass, where an error reporter would show it.
"""

from __future__ import annotations

from http import HTTPStatus
from inspect import isawaitable
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from frontpay_async.errors import ConfigurationError
from frontpay_async.settings import token_problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from frontpay_async._protocol.messages import HttpResponse
    from frontpay_async._transport.call import Call, Stage


@frozen
class Secret:
    """Text that is hidden in reprs."""

    text: str = field(repr=lambda _: "'***'")


class CredentialRenewed(Exception):  # noqa: N818 - a signal to the retry stage, not an error
    """A signal that the rejected token has a successor, and nothing was done.

    Args:
        credential: The successor.
    """

    def __init__(self, credential: Secret) -> None:
        super().__init__()
        self.credential = credential


def check_credential(credential: Secret) -> None:
    """Reject an invalid token."""
    problem = token_problem(credential.text)
    if problem is not None:
        raise ConfigurationError(problem)


@define(eq=False, repr=False)
class Auth:
    """The stage that adds the token to each attempt.

    Args:
        following: The next stage.
        source: The token, or the callable that returns it.
    """

    following: Stage
    source: Secret | Callable[[], Awaitable[str]]

    async def send(self, call: Call) -> HttpResponse:
        """Send the attempt with a token."""
        source, attempt = self.source, call.attempt
        if isinstance(source, Secret):
            attempt.credential = source
            return await self.following.send(call)
        attempt.credential = attempt.successor or await _ask(source, call)
        response = await self.following.send(call)
        if response.status == HTTPStatus.UNAUTHORIZED and not call.renewed:
            attempt.did_nothing, attempt.response = True, response
            successor = await _ask(source, call, "the API rejected the token, and ")
            if successor != attempt.credential:
                raise CredentialRenewed(successor)
        return response


async def _ask(source: Callable[[], Awaitable[str]], call: Call, before: str = "") -> Secret:
    failure: BaseException
    try:
        given: object = source()
        credential = Secret(await given) if isawaitable(given) else None
    except Exception as error:  # noqa: BLE001 - the caller's own code may raise anything
        failure = error
    except BaseException as error:
        # A refresh shared by several calls ends this way for all of them if the first one is cancelled.
        if not _cancelled_itself(error):
            raise
        failure = error
    else:
        return _checked(credential)
    raise call.not_sent(f"{before}the token callable failed with {type(failure).__name__}") from failure


def _cancelled_itself(error: BaseException) -> bool:
    """Return whether an error is asyncio's cancellation, and the running task is not being cancelled."""
    # Imported here: it takes a fifth of the package's import, and under trio it is not needed.
    import asyncio  # noqa: PLC0415

    if not isinstance(error, asyncio.CancelledError):
        return False
    try:
        task = asyncio.current_task()
    except RuntimeError:
        # Under trio there is no asyncio cancellation.
        return True
    return task is None or task.cancelling() == 0


def _checked(credential: Secret | None) -> Secret:
    if credential is None:
        raise ConfigurationError("the token callable must be async: its result cannot be awaited")
    check_credential(credential)
    return credential
