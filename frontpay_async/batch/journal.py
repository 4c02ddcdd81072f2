"""The public interface of a journal: opened once, shared by many batches of many accounts."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from typing import TYPE_CHECKING, Self, TypeVar

import anyio
from anyio import CapacityLimiter, to_thread
from sqlalchemy import Engine

from frontpay_async import _checks
from frontpay_async.batch.all_accounts import overview, trust_lists, unfinished
from frontpay_async.batch.encryption import cipher_of
from frontpay_async.batch.errors import JournalError
from frontpay_async.batch.group_commit import GroupCommit
from frontpay_async.batch.store import Store
from frontpay_async.errors import ConfigurationError
from frontpay_async.order_files.items import normal

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import TypeVarTuple

    from frontpay_async.batch.encryption import Cipher
    from frontpay_async.batch.results import AccountOverview, UnfinishedBatch
    from frontpay_async.batch.transitions import Transition

    PosArgsT = TypeVarTuple("PosArgsT")

ResultT = TypeVar("ResultT")

_KEY_VARIABLE = "FRONTPAY_JOURNAL_KEY"
# Seconds; a report follows within twice this time.
_REPORT_EVERY = 2.5


class Journal:
    """The durable record of batches: an SQLite file or a PostgreSQL database.

    One journal serves many accounts. Its batches share a limited number of connections and threads.

        async with Journal.open("postgresql://journal/frontpay") as journal:
            batch = InvoiceBatch(client, journal=journal, account="merchant-17", name="2026-05")

    Create it with ``Journal.open``. It does no I/O before first use.
    """

    def __init__(
        self,
        target: str | Path | Engine,
        *,
        key: str | None = None,
        connections: int = 5,
        clock: Callable[[], float] | None = None,
    ) -> None:
        connections = _checks.whole("connections", connections, "a whole number of at least 1")
        if not isinstance(target, Engine):
            _checks.path("target", target, "a path, a URL, or an Engine")
        self._cipher: Cipher = cipher_of(os.environ.get(_KEY_VARIABLE) if key is None else key)
        del key
        self._target = target
        self._connections = connections
        self._clock = clock
        self._store: Store | None = None
        self._opening = threading.Lock()
        self._in_use = threading.Condition()
        self._users = 0
        self._limiter: CapacityLimiter | None = None
        self._commits: GroupCommit | None = None
        self._reporting: anyio.Lock | None = None
        self._is_closed = False

    @classmethod
    def open(cls, target: str | Path | Engine, *, key: str | None = None, connections: int = 5) -> Self:
        """Return a journal; it is created on first use.

        Args:
            target: The path of an SQLite file, an SQLAlchemy URL of SQLite or PostgreSQL, or an ``Engine`` of
                SQLAlchemy for PostgreSQL, which the caller disposes of.
            key: Fernet keys that encrypt the orders, separated by commas; see ``InvoiceBatch``. Defaults to
                ``FRONTPAY_JOURNAL_KEY``; empty for no encryption.
            connections: The maximum number of PostgreSQL connections and of threads.

        Raises:
            ConfigurationError: The target has the wrong type, the key is not a Fernet key, or ``connections``
                is not a whole number of at least 1.
        """
        return cls(target, key=key, connections=connections)

    async def opened(self) -> Store:
        """Return the store, opened on first use; for this package.

        Raises:
            ConfigurationError: It cannot be opened, or is closed.
            JournalError: It cannot be read or written.

        :meta private:
        """
        return await self.run(self._open) if self._store is None else self._store

    def _open(self) -> Store:
        with self._opening:
            if self._store is None:
                self._store = Store.open(
                    self._target, self._cipher, self._clock, connections=self._connections
                )
            return self._store

    async def run(self, do: Callable[[*PosArgsT], ResultT], *args: *PosArgsT) -> ResultT:
        """Run a function in one of the journal's threads; for this package.

        Raises:
            ConfigurationError: The journal is closed.

        :meta private:
        """
        if self._limiter is None:
            self._limiter = CapacityLimiter(self._connections)

        def run_while_open() -> ResultT:
            with self._in_use:
                if self._is_closed:
                    raise ConfigurationError("the journal is closed")
                self._users += 1
            try:
                return do(*args)
            finally:
                with self._in_use:
                    self._users -= 1
                    self._in_use.notify_all()

        return await to_thread.run_sync(run_while_open, limiter=self._limiter)

    def commits(self, store: Store) -> GroupCommit:
        """Return the queue of transitions that all batches of the journal share; for this package.

        :meta private:
        """

        async def apply(transitions: Sequence[Transition]) -> Sequence[bool]:
            return await self.run(store.apply, transitions)

        if self._commits is None:
            self._commits = GroupCommit(apply)
        return self._commits

    async def keep_alive(self, store: Store) -> None:
        """Report that this process is alive, until it is cancelled; for this package.

        Whatever the number of batches, one of them reports.

        :meta private:
        """
        if self._reporting is None:
            self._reporting = anyio.Lock()
        async with self._reporting:
            while True:
                # Real time: a process that stands still must not seem alive.
                await anyio.sleep(_REPORT_EVERY)
                is_known, store.has_reported = store.has_reported, False
                if not is_known:
                    # If the journal fails, the run finds out itself.
                    with suppress(JournalError):
                        await self.run(store.report_alive)

    async def unfinished(self) -> AsyncIterator[UnfinishedBatch]:
        """Yield the batches of all accounts with work left for a runner, by account and name.

        Its cost depends on the number of these batches, not on the number of orders.

        Raises:
            JournalError: The journal cannot be read.
        """
        store = await self.opened()
        for each in await self.run(unfinished, store):
            yield each

    async def overview(self) -> AsyncIterator[AccountOverview]:
        """Yield the state of the batches of all accounts, by account and name, in one query.

        Raises:
            JournalError: The journal cannot be read.
        """
        store = await self.opened()
        for each in await self.run(overview, store):
            yield each

    async def trust_lists(self, account: str = "") -> bool:
        """Trust an account's lists of orders again, after one of them hid a confirmed order.

        Until then, no list of the account proves that an order is missing, so rows that are not found are
        parked. Call it when the cause is known and fixed: an order that a list hides is sent twice. The next
        list that hides a confirmed order ends the trust again. Rows that are already parked stay parked; see
        ``InvoiceBatch.resolve``.

        Args:
            account: The account. Defaults to the single account of a journal.

        Returns:
            Whether its lists were not trusted before.

        Raises:
            ConfigurationError: The journal has no such account.
            JournalError: The journal cannot be read or written.
        """
        store = await self.opened()
        changed = await self.run(trust_lists, store, normal(account))
        if changed is None:
            raise ConfigurationError(f"the journal has no account {account!r}")
        return changed

    async def aclose(self) -> None:
        """Close the connections, even if the caller is cancelled. Close the batches that use it first."""
        # Its own thread: those of the limiter may all be in use.
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(self._close)

    def _close(self) -> None:
        # asyncio's cancellation leaves threads at work. A connection that one of them gives back to a closed
        # engine would never be closed.
        with self._in_use:
            self._is_closed = True
            self._in_use.wait_for(lambda: not self._users)
        store, self._store = self._store, None
        if store is not None:
            store.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()
