"""The bearer credential: fresh for every attempt, renewed once when the API refuses it.

A token given as text never changes. A token given as an async callable is asked for before each
attempt (it should cache), and asked again after a 401: if it then gives another token, the call goes
once more through the rate stage and here; if not, the 401 stands. A 401 means that nothing was done,
so this is safe for every operation.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from attrs import define

from frontpay_async._transport.call import Secret
from frontpay_async.errors import FrontPayError
from frontpay_async.settings import checked_token

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from frontpay_async._protocol.messages import HttpResponse
    from frontpay_async._transport.call import Call, Stage

__all__ = ["Auth", "CredentialRenewed"]


class CredentialRenewed(Exception):  # noqa: N818 - a signal to the retry stage, not an error
    """Tell the retry stage that the refused token has a successor and nothing was done."""


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
        call.credential, call.successor = call.successor or await self._ask(source, call), None
        response = await self.following.send(call)
        if response.status == HTTPStatus.UNAUTHORIZED and not call.renewed:
            successor = await self._ask(source, call)
            if successor != call.credential:
                call.successor, call.renewed = successor, True
                raise CredentialRenewed
        return response

    async def _ask(self, source: Callable[[], Awaitable[str]], call: Call) -> Secret:
        try:
            return Secret(checked_token(await source()))
        except FrontPayError:
            raise
        except Exception as error:
            # The caller's own code may raise anything.
            raise call.not_sent(f"the token callable failed with {type(error).__name__}") from error
