"""Opening the configured HTTP engine."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Literal, TypeAlias, get_args

from frontpay_async import _checks
from frontpay_async.errors import ConfigurationError

if TYPE_CHECKING:
    import ssl

    import httpx

    from frontpay_async._transport.proxy import Proxy

Engine: TypeAlias = Literal["httpx", "aiohttp", "httpx2"]


def check_engine(name: Engine) -> None:
    """Check that there is such an engine, and that its extra is installed."""
    _checks.one_of("engine", name, get_args(Engine))
    if name != "httpx" and find_spec(name) is None:
        raise ConfigurationError(f"engine={name!r} needs the extra: pip install 'frontpay_async[{name}]'")


def open_engine(
    name: Engine, tls: ssl.SSLContext, proxy: Proxy | None, connections: int, keepalive: float
) -> httpx.AsyncBaseTransport:
    """Open an engine in the running event loop, without connecting."""
    through = None if proxy is None else proxy.proxy
    if name == "aiohttp":
        # Imported here, because the extra may be missing, and its import takes longer than the whole package.
        from frontpay_async._transport.aiohttp_engine import open_aiohttp  # noqa: PLC0415

        return open_aiohttp(tls, through, connections, keepalive)
    # Imported here, because it imports h11, which only the first call needs.
    from frontpay_async._transport.httpx_engine import open_pool  # noqa: PLC0415

    return open_pool(name, tls, through, connections, keepalive)
