"""The public interface of a batch: submit, run, resolve."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterable
from contextlib import suppress
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Literal, Self, cast

import anyio
from attrs import evolve

from frontpay_async import _checks
from frontpay_async.batch.errors import JournalError
from frontpay_async.batch.journal import Journal
from frontpay_async.batch.listings import Listings
from frontpay_async.batch.reconcile import Reconciler
from frontpay_async.batch.results import BatchReport, BatchStatus, Submission
from frontpay_async.batch.runner import Run
from frontpay_async.batch.schema import forget
from frontpay_async.batch.states import RowEvent, State
from frontpay_async.batch.transitions import Transition
from frontpay_async.client import FrontPayClient
from frontpay_async.errors import ConfigurationError, FrontPayError
from frontpay_async.order_files.items import BatchItem, key_flaw, normal
from frontpay_async.priority import Priority
from frontpay_async.settings import RetryPolicy, Timeouts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping
    from pathlib import Path
    from types import TracebackType

    from frontpay_async.batch.results import BatchRow
    from frontpay_async.batch.store import FoundBatch, Store

_CHUNK = 500


class InvoiceBatch:
    """Many orders, each sent exactly once, even if processes or connections die.

    Every order, and its result, is recorded in a journal on disk. Running a batch again after a crash
    continues it. An order whose response was lost is reconciled, never sent again blindly.

    Several runners, on one host or many, may share a journal and a batch. Building a batch does no I/O. Use
    it as ``async with``, or call ``aclose``.

    Args:
        client: The client that sends. Its retry policy does not apply; the calls have ``Priority.BATCH``.
        journal: The path of an SQLite file, an SQLAlchemy URL of SQLite or PostgreSQL, or a ``Journal`` that
            several batches share and that the caller closes.
        name: The batch's name in the journal.
        account: The account of the orders, in a journal of several accounts. Orders, tokens and batches of
            different accounts are never mixed. Defaults to the single account of a journal.
        key: A Fernet key that encrypts the orders in the journal; several keys, separated by commas, to
            rotate it: the first one encrypts, and existing content is re-encrypted with it. Defaults to
            ``FRONTPAY_JOURNAL_KEY``; without a key, nothing is encrypted.
        lease: Seconds for which a runner owns a row, and after which its request has certainly ended. Other
            runners take over the rows of a killed runner after this time, and those that were not sent after
            ten seconds.
        settling: Seconds after which the API no longer processes a request whose response was lost. An order
            counts as not sent if two searches, each after this delay, do not find it.
        drain: Seconds for which a stopped run waits for the responses to requests in flight.
        check_account: Whether a run first verifies that the token belongs to the account of the journal's
            orders. Use False only if you know that it does and the API can no longer show it.

    Raises:
        ConfigurationError: The name, the account, the key or a duration is not valid.
    """

    def __init__(
        self,
        client: FrontPayClient,
        *,
        journal: str | Path | Journal,
        name: str,
        account: str = "",
        key: str | None = None,
        lease: float = 120.0,
        settling: float = 60.0,
        drain: float = 30.0,
        check_account: bool = True,
    ) -> None:
        _checks.instance("client", client, FrontPayClient, "FrontPayClient()")
        for what, text in (("name: the name of a batch", name), ("account", account)):
            flaw = None if what == "account" and text == "" else key_flaw(text)
            if flaw is not None:
                raise ConfigurationError(f"{what} {flaw}")
        self._lease = _checks.seconds("lease", lease)
        self._settling = _checks.seconds("settling", settling, or_zero=True)
        self._drain = _checks.seconds("drain", drain, or_zero=True)
        self._checks_account = _checks.flag("check_account", check_account)
        self._is_own = not isinstance(journal, Journal)
        if isinstance(journal, Journal):
            if key is not None:
                raise ConfigurationError("the key belongs to the journal: pass it to Journal.open")
            self._journal = journal
        else:
            _checks.path("journal", journal, "a path, an SQLAlchemy URL or a Journal")
            self._journal = Journal.open(journal, key=key)
        del key
        self._client = client
        self._name, self._account = normal(name), normal(account)
        self._found: FoundBatch | None = None
        self._runs: set[Run] = set()
        self._ended = anyio.Event()
        self._is_closed = False

    async def submit(
        self, items: Iterable[BatchItem] | AsyncIterable[BatchItem], *, again: bool = False
    ) -> Submission:
        """Write orders to the journal; nothing is sent. Existing keys are not added again.

        Orders are read and written in chunks, so any number needs little memory. If it fails, the earlier
        chunks remain; submitting all orders again adds the missing ones.

        Args:
            items: The orders with their keys.
            again: Whether to accept orders that another batch of the account has with the same key and
                content. Defaults to False, so that a file is not sent twice under another name by mistake.

        Returns:
            The numbers of added and of existing orders.

        Raises:
            ContentMismatchError: A key exists with another order.
            AlreadySubmittedError: Another batch of the account has a key with the same order.
            JournalError: The journal cannot be written.
        """
        store, batch = await self._open()
        added = known = 0
        async for chunk in _chunks(items):
            new = await self._journal.run(partial(store.submit, batch, chunk, again=again))
            added, known = added + new, known + len(chunk) - new
        return Submission(added=added, known=known)

    async def run(
        self, *, concurrency: int = 16, on_progress: Callable[[BatchStatus], object] | None = None
    ) -> BatchReport:
        """Send pending orders, reconcile unresolved ones, and return when nothing is left to do.

        Done, failed and parked orders need no more work; parked ones wait for ``resolve``. The run waits for
        rows that another runner has leased. If it is cancelled, or stopped by ``aclose``, it waits up to
        ``drain`` seconds for the responses to requests in flight; the next run continues.

        Args:
            concurrency: How many requests may be in flight.
            on_progress: Called with the counts about once a second.

        Returns:
            The counts, and the statistics of this run.

        Raises:
            ConfigurationError: The client's token belongs to another account than the journal's orders.
            AuthenticationError: The API rejected the token (401); the orders are unchanged.
            PermissionDeniedError: The token may not do this (403).
            NotFoundError: The API does not know the route: the base URL is wrong.
            JournalError: The journal cannot be read or written.
        """
        concurrency = _checks.whole("concurrency", concurrency, "a whole number of at least 1")
        if on_progress is not None:
            _checks.hook("on_progress", on_progress)
        store, batch = await self._open()
        account = cast("FoundBatch", self._found).account
        clock = self._client.internals()[0].clock
        begun = clock.now()
        run = self._new_run(store, batch, account, concurrency, on_progress)
        # Until its report is read, the journal is in use.
        self._runs.add(run)
        try:
            await run.run()
            await self._journal.run(forget, store.engine)
            counts = await self._journal.run(store.counts, batch)
        except JournalError as error:
            raise run.speak_for(error) from error.__cause__
        finally:
            self._runs.discard(run)
            self._ended.set()
        return BatchReport(
            name=self._name,
            counts=counts,
            elapsed=clock.now() - begun,
            sent=run.sent,
            reconciled=run.reconciled,
        )

    async def resume(
        self, *, concurrency: int = 16, on_progress: Callable[[BatchStatus], object] | None = None
    ) -> BatchReport:
        """Continue an existing batch: like ``run``, but an unknown name is an error.

        Args:
            concurrency: How many requests may be in flight.
            on_progress: Called with the counts about once a second.

        Raises:
            ConfigurationError: There is no such batch in the journal.
        """
        if await self._find(await self._open_store()) is None:
            raise ConfigurationError(f"the journal has no batch {self._name!r} to resume")
        return await self.run(concurrency=concurrency, on_progress=on_progress)

    async def status(self) -> BatchStatus:
        """Count the batch's orders by state."""
        store, batch = await self._open()
        return BatchStatus(name=self._name, counts=await self._journal.run(store.counts, batch))

    async def rows(self) -> AsyncIterator[BatchRow]:
        """Yield the state of each order, in the order of submission."""
        store, batch = await self._open()
        after = 0
        while page := await self._journal.run(store.page, batch, after, _CHUNK):
            for number, row in page:
                after = number
                yield row

    async def resolve(
        self, key: str, *, as_sent: str | None = None, resend: Literal[True] | None = None
    ) -> None:
        """Record a person's decision about a parked order.

        Args:
            key: Its key.
            as_sent: It was sent; the id of the order.
            resend: It was not sent; the next run sends it.

        Raises:
            ConfigurationError: There is no such key, it is not parked, or the order belongs to another row;
                or not exactly one of ``as_sent`` and ``resend`` is given.
            NotFoundError: The API does not know the order ``as_sent``.
        """
        if (as_sent is None) == (resend is None):
            raise ConfigurationError("pass either as_sent=… or resend=True")
        store, batch = await self._open()
        key = normal(key)
        found = await self._journal.run(store.find, batch, key)
        if found is None:
            raise ConfigurationError(f"the batch {self._name!r} has no order {key!r}")
        number, fence, row = found
        if row.state is not State.PARKED:
            raise ConfigurationError(f"{key!r} is {row.state}; only a parked order can be resolved by hand")
        if as_sent is not None:
            as_sent = await self._spelled(as_sent)
        event = RowEvent.DENY if as_sent is None else RowEvent.CONFIRM
        decision = Transition(row=number, fence=fence, event=event, order_uuid=as_sent)
        if not (await self._journal.run(store.apply, [decision]))[0]:
            raise ConfigurationError(
                f"{key!r} was not decided: {as_sent or 'it'} already belongs to another row"
            )

    async def _spelled(self, order_uuid: str) -> str:
        """Return the API's spelling of an id; with another one, its order would be missing in the list."""
        orders = self._client.orders
        told = (await orders.get_status(order_uuid)).order_uuid
        if told != order_uuid:
            return told
        # A status may repeat the id as it was typed, or have none.
        with suppress(FrontPayError):
            listed = {each.order_uuid for each in await orders.list_statuses()}
            if told not in listed:
                return next((each for each in listed if each.casefold() == told.casefold()), told)
        return told

    async def aclose(self) -> None:
        """Stop the runs of this batch, drain requests in flight, and close its journal."""
        self._is_closed = True
        for run in self._runs:
            run.stop()
        while self._runs:
            self._ended = anyio.Event()
            await self._ended.wait()
        if self._is_own:
            await self._journal.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with anyio.CancelScope(shield=True):
            await self.aclose()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._name!r}>"

    async def _open_store(self) -> Store:
        if self._is_closed:
            raise ConfigurationError("the batch is closed")
        return await self._journal.opened()

    async def _open(self) -> tuple[Store, int]:
        store = await self._open_store()
        found, url = await self._find(store), self._client.internals()[2]
        if found is None or found.base_url != url:
            await self._journal.run(store.join, self._name, url, self._account)
            self._found = None
            found = cast("FoundBatch", await self._find(store))
        return store, found.id

    async def _find(self, store: Store) -> FoundBatch | None:
        if self._found is None:
            self._found = await self._journal.run(store.find_batch, self._name, self._account)
        return self._found

    def _new_run(
        self,
        store: Store,
        batch: int,
        account: int,
        concurrency: int,
        on_progress: Callable[[BatchStatus], object] | None,
    ) -> Run:
        session, given, _ = self._client.internals()
        options = evolve(
            given,
            priority=Priority.BATCH,
            # A row may wait long for the rate window, but a response that never ends must not block it for
            # ever.
            timeouts=evolve(given.timeouts, total=None),
            attempt_within=given.timeouts.total or Timeouts().total,
        )

        def tell(counts: Mapping[State, int]) -> None:
            if on_progress is not None:
                on_progress(BatchStatus(name=self._name, counts=counts))

        return Run(
            journal=self._journal,
            store=store,
            batch=batch,
            owner=store.runner,
            session=session,
            # The batch decides whether a create is sent again, never the transport.
            options=evolve(options, retry=RetryPolicy(attempts=1, retry_unsafe_server_errors=False)),
            reconciler=Reconciler(
                self._journal,
                Listings(store, secrets.token_hex(16), account),
                session,
                options,
                store.cipher,
                self._settling,
                turn=self._lease / 4,
                checks_account=self._checks_account,
            ),
            cipher=store.cipher,
            concurrency=concurrency,
            lease=self._lease,
            drain=self._drain,
            on_counts=None if on_progress is None else tell,
        )


async def _chunks(items: Iterable[BatchItem] | AsyncIterable[BatchItem]) -> AsyncIterator[list[BatchItem]]:
    chunk: list[BatchItem] = []
    if isinstance(items, AsyncIterable):
        async for item in items:
            chunk.append(item)
            if len(chunk) >= _CHUNK:
                yield chunk
                chunk = []
        if chunk:
            yield chunk
        return
    iterator = iter(items)
    while chunk := list(islice(iterator, _CHUNK)):
        yield chunk
