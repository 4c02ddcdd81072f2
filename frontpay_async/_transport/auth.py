"""The bearer credential: fresh for every attempt, renewed once when the API refuses it.

A token given as text never changes. A token given as an async callable is asked for before each
attempt (it should cache), and asked again after a 401: if it then gives another token, the call goes
once more through the rate stage and here; if not, the 401 stands. A 401 means that nothing was done,
so this is safe for every operation.

The token is text only inside a ``Secret`` and in the header that is sent: never in a local variable of
a frame that an exception can pass through, where an error reporter would show it.
"""

from __future__ import annotations

from http import HTTPStatus
from inspect import isawaitable
from typing import TYPE_CHECKING

from attrs import define

from frontpay_async._transport.call import Secret
from frontpay_async.errors import ConfigurationError
from frontpay_async.settings import token_problem

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from frontpay_async._protocol.messages import HttpResponse
    from frontpay_async._transport.call import Call, Stage


class CredentialRenewed(Exception):  # noqa: N818 - a signal to the retry stage, not an error
    """Tell the retry stage that the refused token has a successor and nothing was done."""


def check_credential(credential: Secret) -> None:
    """Refuse what cannot be a token.

    Raises:
        ConfigurationError: It is no text, is empty, or has characters that no token has.
    """
    problem = token_problem(credential.text)
    if problem is not None:
        raise ConfigurationError(problem)


@define(eq=False)
class Auth:
    """Put the credential on each attempt.

    Args:
        following: The next stage.
        source: The token, or what gives it.
    """

    following: Stage
    source: Secret | Callable[[], Awaitable[str]]

    async def send(self, call: Call) -> HttpResponse:
        """Send the call with a credential.

        Raises:
            NotSentError: The callable failed.
            ConfigurationError: The callable gave what cannot be a token.
            CredentialRenewed: The API refused the token, and the callable gave another.
        """
        source = self.source
        if isinstance(source, Secret):
            call.credential = source
            return await self.following.send(call)
        call.credential, call.successor = call.successor or await _ask(source, call), None
        response = await self.following.send(call)
        if response.status == HTTPStatus.UNAUTHORIZED and not call.renewed:
            call.may_have_left, call.counted = False, True
            successor = await _ask(source, call, "the API refused the token, and ")
            if successor != call.credential:
                call.successor, call.renewed = successor, True
                raise CredentialRenewed
        return response


async def _ask(source: Callable[[], Awaitable[str]], call: Call, before: str = "") -> Secret:
    try:
        given: object = source()
        credential = Secret(await given) if isawaitable(given) else None
    except Exception as error:
        # The caller's own code may raise anything.
        raise call.not_sent(f"{before}the token callable failed with {type(error).__name__}") from error
    if credential is None:
        raise ConfigurationError("the token callable must be async: what it returned cannot be awaited")
    check_credential(credential)
    return credential
