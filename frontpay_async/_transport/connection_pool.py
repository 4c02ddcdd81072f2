"""A connection pool that many clients share."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from frontpay_async._transport.connections import Connections

if TYPE_CHECKING:
    import ssl
    from pathlib import Path
    from types import TracebackType

    from frontpay_async._transport.engines import Engine


class ConnectionPool:
    """Keep connections for many clients, such as one for each merchant whose token you hold.

    Give it to each of them as ``connection_pool``. Everything else is a client's own: its token, its rate
    window, its watches. Closing such a client closes no connection: its calls that wait for one are told, and
    those that have left get their answers.

    Building a pool does no I/O and needs no event loop. Its connections belong to the process and the loop
    of the first call of any client. Use it as ``async with`` around the clients, or call ``aclose`` after
    theirs. A hundred requests may be in flight; one client can take them all.

    Args:
        engine: ``httpx``, or ``aiohttp`` with the extra of that name.
        proxy: The URL of an HTTP or HTTPS proxy; with ``trust_env``, HTTPS_PROXY and NO_PROXY unless given.
        trust_env: Whether the proxy may come from the environment.
        tls: A CA bundle's path or an ``ssl.SSLContext``; the usual authorities unless given.

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
        self._connections = Connections.checked(engine, tls, proxy, trust_env=trust_env)

    async def aclose(self) -> None:
        """Close the connections; calling it again does nothing. Clients that are left send nothing more.

        Raises:
            ConfigurationError: They belong to another process or event loop, which must close them.
        """
        self._connections.loop_guard.check(None)
        await self._connections.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {'closed' if self._connections.closed else 'open'}>"
