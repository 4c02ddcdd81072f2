"""What a client sends through: its own engine, or one that it shares with other clients.

An engine is opened for each proxy: the environment may name one for some hosts and none for others.
"""

from __future__ import annotations

import ssl
from typing import TYPE_CHECKING

from attrs import define, field

from frontpay_async._transport.engines import EngineSettings, environment_proxy
from frontpay_async._transport.loop_guard import LoopGuard
from frontpay_async.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Hashable
    from pathlib import Path

    import httpx

    from frontpay_async._transport.engines import Engine


@define(eq=False)
class Connections:
    """Open the engines of one client, or of several.

    Args:
        engine: Which engine.
        tls: How servers are verified; the usual authorities unless given.
        proxy: The proxy, if one was named.
        trust_env: Whether it may come from the environment.
    """

    engine: Engine
    tls: ssl.SSLContext | None
    proxy: str | None
    trust_env: bool
    loop_guard: LoopGuard = field(init=False, factory=LoopGuard)
    closed: bool = field(init=False, default=False)
    _opened: dict[Hashable, httpx.AsyncBaseTransport] = field(
        init=False, factory=dict["Hashable", "httpx.AsyncBaseTransport"]
    )

    @classmethod
    def checked(
        cls, engine: Engine, tls: ssl.SSLContext | str | Path | None, proxy: str | None, *, trust_env: bool
    ) -> Connections:
        """Check the settings, before a payment depends on them.

        Raises:
            ConfigurationError: There is no such engine, its extra is not installed, or a setting cannot work.
        """
        EngineSettings.checked(engine, None, proxy)
        return cls(engine, _tls_context(tls), proxy, trust_env)

    def settings(self, base_url: str) -> EngineSettings:
        """Return how a base URL is reached.

        Raises:
            ConfigurationError: The environment names a proxy that cannot be used.
        """
        through = self.proxy or (environment_proxy(base_url) if self.trust_env else None)
        return EngineSettings.checked(self.engine, self.tls, through)

    def open(self, settings: EngineSettings) -> httpx.AsyncBaseTransport:
        """Return the engine for these settings, opened in the running event loop without a connection yet."""
        through = settings.proxy and (settings.proxy.url, settings.proxy.raw_auth)
        transport = self._opened.get(through)
        if transport is None:
            transport = self._opened[through] = settings.open()
        return transport

    async def aclose(self) -> None:
        """Close all of them for good."""
        self.closed = True
        for transport in tuple(self._opened.values()):
            await transport.aclose()


def _tls_context(tls: ssl.SSLContext | str | Path | None) -> ssl.SSLContext | None:
    if tls is None or isinstance(tls, ssl.SSLContext):
        return tls
    try:
        return ssl.create_default_context(cafile=str(tls))
    except OSError as error:
        raise ConfigurationError(
            f"the CA bundle {str(tls)!r} cannot be read: {type(error).__name__}"
        ) from error
