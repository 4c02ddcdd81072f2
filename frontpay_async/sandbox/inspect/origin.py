"""Protection of the sandbox against web sites in the developer's browser.

A web site can send requests to the developer's machine. Two checks reject them:

- On every route, the ``Host`` must be this machine's, an IP address or an allowed name. Otherwise a site
  could resolve its own name to this machine (DNS rebinding), and the browser would treat the sandbox as part
  of the site.
- On the page and the control routes, a request that the browser marks as cross-site (``Sec-Fetch-Site``), or
  whose ``Origin`` differs from its host, is rejected. Programs send neither header and are accepted.

Responses of the page and the control routes forbid MIME sniffing, embedding by other sites, and caching.
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
_OTHER_HOST = (
    "the sandbox rejects this host name; start it with --allow-host NAME, or"
    " Sandbox(allowed_hosts=[...]), to reach it by that name"
)
_OTHER_SITE = "another site must not control the sandbox"
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


class AllowedHost:
    """An ASGI middleware that rejects requests to other host names.

    Args:
        app: The protected app.
        allowed: Host names in addition to this machine's.
    """

    def __init__(self, app: ASGIApp, allowed: Collection[str] = ()) -> None:
        self._app = app
        self._allowed = frozenset(name.lower() for name in allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 403."""
        app = self._app
        if not _is_ours(host_name(Headers(scope=scope).get("host", "")), self._allowed):
            # Clients of the API show "message".
            app = JSONResponse({"error": _OTHER_HOST, "message": _OTHER_HOST}, 403, headers=_HEADERS)
        await app(scope, receive, send)


def objection(headers: Headers) -> str | None:
    """Return the reason to reject a browser's request; None if it is accepted."""
    # All browsers send this header to local addresses, and no page can set it.
    site = headers.get("sec-fetch-site")
    if site is not None:
        return None if site in _OWN else _OTHER_SITE
    origin = headers.get("origin")
    if origin is None or origin.partition("://")[2].lower() == headers.get("host", "").lower():
        return None
    return _OTHER_SITE


class OwnOrigin:
    """An ASGI middleware that rejects requests from other sites.

    Args:
        app: The protected app.
        to_read: Whether the app is a page that other sites may link to.
    """

    def __init__(self, app: ASGIApp, *, to_read: bool = False) -> None:
        self._app = app
        self._to_read = to_read

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, or answer 403."""
        reason = None if self._to_read else objection(Headers(scope=scope))
        app: ASGIApp = self._app if reason is None else JSONResponse({"error": reason}, 403)

        async def closed(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(_HEADERS)
            await send(message)

        await app(scope, receive, closed)
