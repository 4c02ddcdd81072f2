"""Opening the HTTP engine that the settings name."""

from __future__ import annotations

import hashlib
import os
import ssl
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx
from attrs import frozen

from frontpay_async import _checks
from frontpay_async._transport.httpx_engine import open_pools
from frontpay_async.errors import ConfigurationError
from frontpay_async.settings import is_loopback

if TYPE_CHECKING:
    from collections.abc import Hashable

    from frontpay_async._transport.call import Secret

Engine: TypeAlias = Literal["httpx", "aiohttp", "httpx2"]

CONNECTIONS = 100
# Short enough that a server or proxy seldom closes an idle connection first (nginx waits 75 s):
# a request that races with such a close is lost, and a lost create cannot be sent again.
KEEPALIVE = 15.0


def check_engine(name: Engine) -> None:
    """Check that there is such an engine, and that its extra is installed.

    Raises:
        ConfigurationError: It cannot be used.
    """
    _checks.one_of("engine", name, get_args(Engine))
    if name != "httpx" and find_spec(name) is None:
        raise ConfigurationError(f"engine={name!r} needs the extra: pip install 'frontpay_async[{name}]'")


@frozen(eq=False, repr=False)
class Proxy:
    """A proxy, and the setting that names it.

    Args:
        proxy: Its URL and credentials.
        source: The argument or variable.
    """

    proxy: httpx.Proxy
    source: str

    @classmethod
    def read(cls, url: Secret, source: str) -> Proxy:
        """Read the URL of a proxy.

        Raises:
            ConfigurationError: It cannot be used; the text shows nothing of it but the scheme.
        """
        _checks.text(source, url.text)
        scheme = url.text.partition("://")[0].lower()
        if scheme.startswith("socks"):
            way_out = "name an http proxy" + ("" if source == "proxy" else ", or pass trust_env=False")
            raise ConfigurationError(f"{source} names a SOCKS proxy, which is not supported: {way_out}")
        try:
            proxy = httpx.Proxy(url.text)
        except (ValueError, httpx.InvalidURL):
            # Their texts show the URL, which may hold a password.
            proxy = None
        if proxy is None or proxy.url.scheme not in ("http", "https") or not proxy.url.host:
            raise ConfigurationError(
                f"{source} is not the URL of a proxy: the proxy must be an http or https URL, such as"
                " http://proxy.example:3128"
            )
        return cls(proxy, source)

    @property
    def place(self) -> str:
        """Its host and port, for errors."""
        url = self.proxy.url
        return f"{url.host}:{url.port or (443 if url.scheme == 'https' else 80)}"

    @property
    def key(self) -> Hashable:
        """What tells it from other proxies, without its credentials."""
        user, password = self.proxy.raw_auth or (b"", b"")
        return str(self.proxy.url), hashlib.sha256(user + b"\0" + password).hexdigest()


def environment_proxy(base_url: str) -> str | None:
    """Return the proxy for a base URL, from HTTPS_PROXY, ALL_PROXY and NO_PROXY or the system's settings.

    One without a scheme, such as ``proxy:3128``, is an http proxy.
    """
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    proxies = getproxies()
    # NO_PROXY may name a host, or a host and its port.
    if is_loopback(host) or proxy_bypass(host) or proxy_bypass(parts.netloc):
        return None
    proxy = proxies.get(parts.scheme) or proxies.get("all")
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy


def environment_proxy_source(base_url: str) -> str:
    """Return the name of the variable that ``environment_proxy`` found."""
    for scheme in (urlsplit(base_url).scheme, "all"):
        for name, value in os.environ.items():
            if value and name.lower() == f"{scheme}_proxy":
                return name
    return "the proxy of the system's settings"


def read_tls(tls: object) -> ssl.SSLContext | None:
    """Return what verifies servers, if it is named: an ``ssl.SSLContext`` or a CA bundle's path.

    Raises:
        ConfigurationError: The CA bundle cannot be read.
    """
    if tls is None or isinstance(tls, ssl.SSLContext):
        return tls
    if not isinstance(tls, (str, Path)):
        raise _checks.refusal("tls", "a CA bundle's path or an ssl.SSLContext", tls)
    return _context("tls", str(tls), directory=False)


def default_tls() -> ssl.SSLContext:
    """Return what verifies servers by default: SSL_CERT_FILE, SSL_CERT_DIR, or certifi's authorities.

    Raises:
        ConfigurationError: A variable names what cannot be read.
    """
    return _default_tls(os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))


def check_default_tls() -> None:
    """Check what the variables name, before a payment depends on it; certifi's authorities need no check.

    Raises:
        ConfigurationError: A variable names what cannot be read.
    """
    if os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR"):
        default_tls()


@cache
def _default_tls(file: str | None, directory: str | None) -> ssl.SSLContext:
    # 20 ms each: one for all clients of the process.
    if file:
        return _context("SSL_CERT_FILE", file, directory=False)
    if directory:
        return _context("SSL_CERT_DIR", directory, directory=True)
    return httpx.create_ssl_context(trust_env=False)


def _context(source: str, path: str, *, directory: bool) -> ssl.SSLContext:
    reason = "there is no such directory" if directory and not Path(path).is_dir() else ""
    if not reason:
        try:
            return ssl.create_default_context(
                cafile=None if directory else path, capath=path if directory else None
            )
        except ssl.SSLError:
            reason = "it holds no certificate in PEM form"
        except (OSError, ValueError) as error:
            reason = getattr(error, "strerror", None) or type(error).__name__
    raise ConfigurationError(f"{source}: the CA bundle {path!r} cannot be read: {reason}")


@cache
def no_tls() -> ssl.SSLContext:
    """Return a context that trusts no server, for routes without TLS; it costs no time to make."""
    return ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)


def open_engine(name: Engine, tls: ssl.SSLContext, proxy: Proxy | None) -> httpx.AsyncBaseTransport:
    """Open an engine in the running event loop; no connection is made yet.

    Args:
        name: Which.
        tls: How servers are verified.
        proxy: The proxy, if any.

    Raises:
        ConfigurationError: It does not run under this event loop.
    """
    through = None if proxy is None else proxy.proxy
    if name == "aiohttp":
        # Imported here: the extra may be missing, and it costs more to import than all the rest.
        from frontpay_async._transport.aiohttp_engine import open_aiohttp  # noqa: PLC0415

        return open_aiohttp(tls, through, CONNECTIONS, KEEPALIVE)
    return open_pools(name, tls, through, CONNECTIONS, KEEPALIVE)
