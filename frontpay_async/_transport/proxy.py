"""The proxy for requests, from an argument or the environment."""

from __future__ import annotations

import hashlib
import os
import re
from typing import TYPE_CHECKING
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx
from attrs import frozen

from frontpay_async import _checks
from frontpay_async.errors import ConfigurationError
from frontpay_async.settings import is_loopback

if TYPE_CHECKING:
    from collections.abc import Hashable

    from frontpay_async._transport.auth import Secret


_HOST = re.compile(r"[\w.:-]+")
_LAST_PORT = 65535


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
        """Read the URL of a proxy."""
        _checks.text(source, url.text)
        scheme = url.text.partition("://")[0].lower()
        if scheme.startswith("socks"):
            way_out = "name an http proxy" + ("" if source == "proxy" else ", or pass trust_env=False")
            raise ConfigurationError(f"{source} names a SOCKS proxy, which is not supported: {way_out}")
        try:
            proxy = httpx.Proxy(url.text)
        except (ValueError, httpx.InvalidURL):
            # Their messages contain the URL, which may contain a password.
            proxy = None
        if proxy is None or proxy.url.scheme not in ("http", "https") or not _is_place(proxy.url):
            raise ConfigurationError(
                f"{source} is not the URL of a proxy: the proxy must be an http or https URL, such as"
                " http://proxy.example:3128"
            )
        return cls(proxy, source)

    @property
    def place(self) -> str:
        """Its host and port, for errors."""
        url = self.proxy.url
        host = f"[{url.host}]" if ":" in url.host else url.host
        return f"{host}:{url.port or (443 if url.scheme == 'https' else 80)}"

    @property
    def key(self) -> Hashable:
        """What identifies the proxy, without its credentials."""
        user, password = self.proxy.raw_auth or (b"", b"")
        return str(self.proxy.url), hashlib.sha256(user + b"\0" + password).hexdigest()


def _is_place(url: httpx.URL) -> bool:
    # The engines treat invalid ports differently.
    return _HOST.fullmatch(url.host) is not None and (url.port is None or 0 < url.port <= _LAST_PORT)


def environment_proxy(base_url: str) -> str | None:
    """Return the proxy for a base URL, from HTTPS_PROXY, ALL_PROXY and NO_PROXY or the system's settings."""
    # A value without a scheme, such as `proxy:3128`, is an http proxy.
    parts = urlsplit(base_url)
    host = parts.hostname or ""
    proxies = getproxies()
    # NO_PROXY may contain a host, or a host and port.
    if is_loopback(host) or proxy_bypass(host) or proxy_bypass(parts.netloc):
        return None
    # A variable that was read from a file may end with a line break.
    proxy = (proxies.get(parts.scheme) or proxies.get("all") or "").strip()
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy or None


def environment_proxy_source(base_url: str) -> str:
    """Return the name of the variable that ``environment_proxy`` found."""
    for scheme in (urlsplit(base_url).scheme, "all"):
        for name, value in os.environ.items():
            if value and name.lower() == f"{scheme}_proxy":
                return name
    return "the proxy of the system's settings"
