"""Opening the HTTP engine that the settings name."""

from __future__ import annotations

from functools import cache
from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from frontpay_async._transport.pools import PooledTransport
from frontpay_async.errors import ConfigurationError
from frontpay_async.settings import is_loopback

if TYPE_CHECKING:
    import ssl

__all__ = ["Engine", "check_engine", "environment_proxy", "open_engine"]

Engine: TypeAlias = Literal["httpx", "aiohttp"]

CONNECTIONS = 100
PER_POOL = 10
# Short enough that a server or proxy seldom closes an idle connection first (nginx waits 75 s):
# a request that races with such a close is lost, and a lost create cannot be sent again.
KEEPALIVE = 15.0


@cache
def _default_tls() -> ssl.SSLContext:
    # 20 ms each: one for all clients of the process.
    return httpx.create_ssl_context()


def check_engine(engine: str) -> None:
    """Refuse an engine that cannot be opened, before a payment depends on it.

    Raises:
        ConfigurationError: There is no such engine, or its extra is not installed.
    """
    if engine not in get_args(Engine):
        raise ConfigurationError(f"unknown engine {engine!r}: it is one of {', '.join(get_args(Engine))}")
    if engine == "aiohttp" and find_spec("httpx_aiohttp") is None:
        raise ConfigurationError("engine='aiohttp' needs its extra: pip install 'frontpay-async[aiohttp]'")


def environment_proxy(base_url: str) -> str | None:
    """Return the proxy for a base URL that HTTPS_PROXY, ALL_PROXY and NO_PROXY or the system's settings name."""
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    proxies = getproxies()
    if is_loopback(host) or proxy_bypass(host):
        return None
    return proxies.get(parts.scheme) or proxies.get("all")


def open_engine(engine: Engine, tls: ssl.SSLContext | None, proxy: str | None) -> httpx.AsyncBaseTransport:
    """Open an HTTP engine; no connection is made yet.

    Args:
        engine: ``httpx``, or ``aiohttp`` with the extra of that name.
        tls: How servers are verified; the system's and certifi's authorities unless given.
        proxy: The URL of an HTTP or HTTPS proxy.

    Raises:
        ConfigurationError: The proxy's URL is no usable one.
    """
    context = tls or _default_tls()
    try:
        parsed = httpx.Proxy(proxy) if proxy else None
    except (ValueError, httpx.InvalidURL):
        parsed = None
    if proxy and parsed is None:
        raise ConfigurationError("the proxy must be a URL such as http://proxy.example:3128")
    if engine == "aiohttp":
        return _open_aiohttp(context, parsed)
    limits = httpx.Limits(
        max_connections=PER_POOL, max_keepalive_connections=PER_POOL, keepalive_expiry=KEEPALIVE
    )
    return PooledTransport(
        lambda: httpx.AsyncHTTPTransport(verify=context, limits=limits, proxy=parsed), CONNECTIONS, PER_POOL
    )


def _open_aiohttp(context: ssl.SSLContext, proxy: httpx.Proxy | None) -> httpx.AsyncBaseTransport:
    # Imported here: the extra may be missing, and it costs more to import than all the rest.
    import aiohttp  # noqa: PLC0415
    from httpx_aiohttp import AiohttpTransport  # noqa: PLC0415

    def session() -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(limit=CONNECTIONS, keepalive_timeout=KEEPALIVE, ssl=context)
        # The default jar would send back what the API's session cookies hold.
        return aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())

    return AiohttpTransport(verify=context, proxy=proxy, client=session)
