"""The clients that are measured: one row each, in the order in which the report lists them.

A contender's `opener` takes the server's origin, makes *one* client and returns a function that makes one
call with it and gives the id in the answer. Nobody closes the client: it lives as long as its process,
which runs one cell. The openers lie in modules of their own, because a process imports only the client that
it measures.
"""

import pkgutil
from collections.abc import Awaitable, Callable
from typing import Final

from attrs import frozen

from benchmarks.common.machine import version_of

Call = Callable[[], Awaitable[str]]
"""Make one call and return the id that the answer carries."""

Opener = Callable[[str], Awaitable[Call]]
"""Open a client of the server at this origin."""

TIMEOUT: Final = 30.0
"""Seconds: long enough that nobody fails in a cell merely because it is slow."""

WIDE: Final = 1000
"""Connections where the limit is raised: twice the largest number in flight."""


@frozen(kw_only=True)
class Contender:
    """One row of the comparison."""

    name: str
    """What `--only` and the results call it."""
    label: str
    """What tables and charts call it."""
    opener: str
    """`module:function` of its opener."""
    distributions: tuple[str, ...]
    """What must be installed, the client itself first."""
    settings: str
    """How it is set up, for the reader of the result."""
    from_in_flight: int = 1
    """The smallest number in flight at which it differs from another row."""

    @property
    def ours(self) -> bool:
        """Whether this row is the SDK that the benchmark belongs to."""
        return self.name.startswith("frontpay")

    def missing(self) -> tuple[str, ...]:
        """Return what is not installed."""
        return tuple(name for name in self.distributions if version_of(name) is None)

    def load(self) -> Opener:
        """Import the client and return the opener."""
        opener: Opener = pkgutil.resolve_name(f"benchmarks.transport.contenders.{self.opener}")
        return opener


CONTENDERS: Final = (
    Contender(
        name="frontpay-httpx",
        label="frontpay_async",
        opener="frontpay:on_httpx",
        distributions=("httpx",),
        settings="default engine; every setting as shipped",
    ),
    Contender(
        name="frontpay-aiohttp",
        label="frontpay_async, aiohttp",
        opener="frontpay:on_aiohttp",
        distributions=("httpx-aiohttp", "aiohttp"),
        settings='engine="aiohttp"; every other setting as shipped',
    ),
    Contender(
        name="httpx",
        label="httpx",
        opener="bare_httpx:default",
        distributions=("httpx", "httpcore"),
        settings="one AsyncClient; its default limits (100 connections, 20 kept alive)",
    ),
    Contender(
        name="httpx-wide",
        label="httpx, wide pool",
        opener="bare_httpx:wide",
        distributions=("httpx", "httpcore"),
        settings=f"one AsyncClient; {WIDE} connections, all kept alive",
        from_in_flight=100,
    ),
    Contender(
        name="httpx2",
        label="httpx2",
        opener="bare_httpx2:default",
        distributions=("httpx2", "httpcore2"),
        settings="one AsyncClient; its default limits",
    ),
    Contender(
        name="aiohttp",
        label="aiohttp",
        opener="bare_aiohttp:default",
        distributions=("aiohttp",),
        settings="one ClientSession; its default limit (100 connections)",
    ),
    Contender(
        name="aiohttp-wide",
        label="aiohttp, wide pool",
        opener="bare_aiohttp:wide",
        distributions=("aiohttp",),
        settings=f"one ClientSession; {WIDE} connections",
        from_in_flight=500,
    ),
    Contender(
        name="stripe-httpx",
        label="stripe, httpx",
        opener="stripe_sdk:on_httpx",
        distributions=("stripe", "httpx"),
        settings="invoices.create_async; its HTTPXClient as shipped; no retries, no telemetry",
    ),
    Contender(
        name="stripe-aiohttp",
        label="stripe, aiohttp",
        opener="stripe_sdk:on_aiohttp",
        distributions=("stripe", "aiohttp"),
        settings="invoices.create_async; its AIOHTTPClient as shipped; no retries, no telemetry",
    ),
    Contender(
        name="openai-httpx2",
        label="openai, httpx2",
        opener="openai_sdk:on_httpx2",
        distributions=("openai", "httpx2"),
        settings="conversations.create; its limits (1000 connections, 100 kept alive); no retries",
    ),
    Contender(
        name="openai-aiohttp",
        label="openai, aiohttp",
        opener="openai_sdk:on_aiohttp",
        distributions=("openai", "aiohttp"),
        settings="conversations.create; its DefaultAioHttpClient as shipped; no retries",
    ),
    Contender(
        name="floor",
        label="raw sockets",
        opener="floor:raw",
        distributions=(),
        settings="no library: prebuilt bytes on asyncio protocols; what server and harness can do",
    ),
)
"""Every contender. The last one is no client but the ceiling of the set-up."""


def contender(name: str) -> Contender:
    """Return the row of this name."""
    return next(row for row in CONTENDERS if row.name == name)


def select(names: list[str]) -> tuple[Contender, ...]:
    """Return the rows whose name starts with one of `names`; all of them when it is empty."""
    return tuple(row for row in CONTENDERS if not names or row.name.startswith(tuple(names)))
