"""The connections of clients: separate ones, or a pool that many clients share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

from attrs import frozen

from frontpay_async import _checks
from frontpay_async._transport.auth import Secret
from frontpay_async._transport.engines import check_engine, open_engine
from frontpay_async._transport.loop_guard import LoopGuard
from frontpay_async._transport.proxy import Proxy, environment_proxy, environment_proxy_source
from frontpay_async._transport.tls import check_default_tls, check_key_log, default_tls, no_tls, read_tls

if TYPE_CHECKING:
    import ssl
    from collections.abc import Hashable
    from pathlib import Path
    from types import TracebackType

    import httpx

    from frontpay_async._transport.engines import Engine

CONNECTIONS = 100
# Short enough that a server or proxy seldom closes an idle connection first (nginx waits 75 s):
# a request that races with such a close is lost, and a lost create cannot be sent again.
KEEPALIVE = 15.0


@frozen(eq=False, repr=False)
class Route:
    """How a base URL is reached.

    Args:
        place: The host and port.
        secure: Whether TLS is spoken, to the host or to the proxy.
        proxy: The proxy, if any.
    """

    place: str
    secure: bool
    proxy: Proxy | None

    def __str__(self) -> str:
        if self.proxy is None:
            return self.place
        return f"{self.place} through the proxy {self.proxy.place} of {self.proxy.source}"


class ConnectionPool:
    """Connections for many clients, such as one for each merchant whose token you hold.

    Give it to each of them as ``connection_pool``. Everything else is a client's own: its token, its rate
    window, its watches. Closing such a client closes no connection: its calls that wait for one fail at once,
    and those that have left get their answers.

    Building a pool does no I/O and needs no event loop. Its connections belong to the process and the loop
    of the first call of any client. Use it as ``async with`` around the clients, or call ``aclose`` after
    theirs. A hundred requests may be in flight; one client can take them all.

    Args:
        engine: ``httpx``; or ``aiohttp`` or ``httpx2``, with the extra of that name.
        proxy: The URL of an HTTP or HTTPS proxy. Defaults to HTTPS_PROXY and NO_PROXY, with ``trust_env``.
        trust_env: Whether the proxy may come from the environment.
        tls: A CA bundle's path or an ``ssl.SSLContext``. Defaults to the usual authorities.

    Raises:
        ConfigurationError: A setting cannot work.
    """

    def __init__(
        self,
        *,
        engine: Engine = "httpx",
        proxy: str | None = None,
        trust_env: bool = True,
        tls: ssl.SSLContext | str | Path | None = None,
    ) -> None:
        # Out of the reach of the traceback of whatever goes wrong from here on: it may hold a password.
        named = None if proxy is None else Secret(proxy)
        del proxy
        check_engine(engine)
        if engine == "aiohttp":
            # Its import builds contexts.
            check_key_log()
        self.engine: Engine = engine
        self.loop_guard = LoopGuard()
        self.closed = False
        self._trust_env = _checks.flag("trust_env", trust_env)
        self._proxy: Proxy | None = None
        if named is not None:
            self.use_proxy(named)
        self._tls = read_tls(tls)
        # One for each way: the environment may name a proxy for some hosts and none for others.
        self._opened: dict[Hashable, httpx.AsyncBaseTransport] = {}

    def use_proxy(self, url: Secret) -> None:
        """Send through a proxy; for the constructors of pools and clients.

        Raises:
            ConfigurationError: It cannot be used.
        """
        self._proxy = Proxy.read(url, "proxy")

    def route(self, base_url: str) -> Route:
        """Return how a base URL is reached; used by clients.

        Raises:
            ConfigurationError: The environment names a proxy or a CA bundle that cannot be used.
        """
        parts = urlsplit(base_url)
        proxy = self._proxy
        if proxy is None and self._trust_env:
            named = environment_proxy(base_url)
            found = None if named is None else Secret(named)
            del named
            if found is not None:
                proxy = Proxy.read(found, environment_proxy_source(base_url))
        secure = parts.scheme == "https" or (proxy is not None and proxy.proxy.url.scheme == "https")
        if secure and self._tls is None:
            check_default_tls()
        port = parts.port or (443 if parts.scheme == "https" else 80)
        return Route(f"{parts.hostname}:{port}", secure, proxy)

    def open(self, route: Route) -> httpx.AsyncBaseTransport:
        """Return the engine for a route, opened in the running event loop without a connection yet."""
        key = (route.secure, route.proxy and route.proxy.key)
        transport = self._opened.get(key)
        if transport is None:
            tls = (self._tls or default_tls()) if route.secure else no_tls()
            transport = self._opened[key] = open_engine(self.engine, tls, route.proxy, CONNECTIONS, KEEPALIVE)
        return transport

    async def aclose(self) -> None:
        """Close the connections; calling it again does nothing. Clients that are left send nothing more.

        Raises:
            ConfigurationError: They belong to another process or event loop, which must close them.
        """
        self.loop_guard.check(None)
        self.closed = True
        for transport in tuple(self._opened.values()):
            await transport.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {'closed' if self.closed else 'open'}>"
