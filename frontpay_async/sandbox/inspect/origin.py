"""Who may look into the sandbox and steer it: programs, and its own page in a browser.

A site that a developer has open can send requests to the developer's machine. Two checks keep it out:

- The ``Host`` must be this machine's, an IP address or a name that was allowed. Otherwise a site could let
  its own name point here (DNS rebinding), and the browser would take us for that site.
- A request that a browser says comes from another site (``Sec-Fetch-Site``), or whose ``Origin`` is not
  where it arrives, is refused. Programs send neither header, and pass.

And no answer is taken for anything but what it says it is, embedded by another site, or kept.
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse

if TYPE_CHECKING:
    from collections.abc import Collection

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_OWN = frozenset({"same-origin", "none"})
_HEADERS = {
    "x-content-type-options": "nosniff",
    "cross-origin-resource-policy": "same-origin",
    # A newer version may come from the same address.
    "cache-control": "no-store",
}


def host_name(host: str) -> str:
    """Return a ``Host`` header's name, in lower case and without the port; "" where it has none."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""


def _is_ours(name: str, allowed: Collection[str]) -> bool:
    if name == "localhost" or name.endswith(".localhost") or name in allowed:
        return True
    try:
        # No DNS, no rebinding.
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def objection(headers: Headers, allowed: Collection[str], *, to_read: bool) -> str | None:
    """Say why a request is refused; None where it may pass.

    Args:
        headers: The request's headers.
        allowed: Host names beside this machine's, in lower case.
        to_read: Whether it asks for nothing but a page that may be linked to.
    """
    if not _is_ours(host_name(headers.get("host", "")), allowed):
        return "this host name is not the sandbox's; name it as a page host to allow it"
    if to_read:
        return None
    # Sent to addresses like this machine's by all browsers, and by no page's own doing.
    site = headers.get("sec-fetch-site")
    if site is not None:
        return None if site in _OWN else "another site may not steer the sandbox"
    origin = headers.get("origin")
    if origin is None or origin.partition("://")[2].lower() == headers.get("host", "").lower():
        return None
    return "another site may not steer the sandbox"


class OwnOrigin:
    """Refuse what comes from other sites (an ASGI middleware).

    Args:
        app: What is protected.
        allowed: Host names beside this machine's.
        to_read: Whether it is a page that may be linked to.
    """

    def __init__(self, app: ASGIApp, allowed: Collection[str] = (), *, to_read: bool = False) -> None:
        self._app = app
        self._allowed = frozenset(name.lower() for name in allowed)
        self._to_read = to_read

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 403."""
        reason = objection(Headers(scope=scope), self._allowed, to_read=self._to_read)
        app: ASGIApp = self._app if reason is None else JSONResponse({"error": reason}, 403)

        async def closed(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        await app(scope, receive, closed)
