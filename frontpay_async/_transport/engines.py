"""Opening the HTTP engine that the settings name."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx
from attrs import frozen

from frontpay_async._transport.httpx_engine import open_pools
from frontpay_async.errors import ConfigurationError
from frontpay_async.settings import is_loopback

if TYPE_CHECKING:
    import ssl

Engine: TypeAlias = Literal["httpx", "aiohttp", "httpx2"]

CONNECTIONS = 100
# Short enough that a server or proxy seldom closes an idle connection first (nginx waits 75 s):
# a request that races with such a close is lost, and a lost create cannot be sent again.
KEEPALIVE = 15.0


@cache
def _default_tls() -> ssl.SSLContext:
    # 20 ms each: one for all clients of the process.
    return httpx.create_ssl_context()


def environment_proxy(base_url: str) -> str | None:
    """Return the proxy for a base URL, from HTTPS_PROXY, ALL_PROXY and NO_PROXY or the system's settings."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    proxies = getproxies()
    # NO_PROXY may name a host, or a host and its port.
    if is_loopback(host) or proxy_bypass(host) or proxy_bypass(parts.netloc):
        return None
    return proxies.get(parts.scheme) or proxies.get("all")


@frozen
class EngineSettings:
    """Say which engine is opened, and how; checked when it is built, before a payment depends on it.

    Args:
        name: ``httpx``; or ``aiohttp`` or ``httpx2``, with the extra of that name.
        tls: How servers are verified; certifi's authorities or those of SSL_CERT_FILE unless given.
        proxy: The proxy, if any.
    """

    name: Engine
    tls: ssl.SSLContext | None
    proxy: httpx.Proxy | None

    @classmethod
    def checked(cls, name: Engine, tls: ssl.SSLContext | None, proxy: str | None) -> EngineSettings:
        """Check the settings.

        Raises:
            ConfigurationError: There is no such engine, its extra is not installed, or the proxy's URL is no
                usable one.
        """
        if name not in get_args(Engine):
            raise ConfigurationError(f"unknown engine {name!r}: it is one of {', '.join(get_args(Engine))}")
        if name != "httpx" and find_spec(name) is None:
            raise ConfigurationError(f"engine={name!r} needs the extra: pip install 'frontpay_async[{name}]'")
        return cls(name, tls, _read_proxy(proxy) if proxy else None)

    def open(self) -> httpx.AsyncBaseTransport:
        """Open the engine in the running event loop; no connection is made yet."""
        tls = self.tls or _default_tls()
        if self.name == "aiohttp":
            # Imported here: the extra may be missing, and it costs more to import than all the rest.
            from frontpay_async._transport.aiohttp_engine import open_aiohttp  # noqa: PLC0415

            return open_aiohttp(tls, self.proxy, CONNECTIONS, KEEPALIVE)
        return open_pools(self.name, tls, self.proxy, CONNECTIONS, KEEPALIVE)


def _read_proxy(url: str) -> httpx.Proxy:
    try:
        proxy = httpx.Proxy(url)
    except (ValueError, httpx.InvalidURL):
        # Their texts show the URL, which may hold a password.
        proxy = None
    if proxy is None or proxy.url.scheme not in ("http", "https") or not proxy.url.host:
        raise ConfigurationError("the proxy must be an http or https URL, such as http://proxy.example:3128")
    return proxy
