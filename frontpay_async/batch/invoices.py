"""A batch as its caller sees it: submit, run, resolve."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterable
from functools import partial
from itertools import islice
from typing import TYPE_CHECKING, Literal, Self

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
from frontpay_async.errors import ConfigurationError
from frontpay_async.order_files.items import BatchItem, key_flaw, normal
from frontpay_async.priority import Priority
from frontpay_async.settings import RetryPolicy, Timeouts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping
    from pathlib import Path
    from types import TracebackType

    from frontpay_async._session import Session
    from frontpay_async._transport.call import CallOptions
    from frontpay_async.batch.results import BatchRow
    from frontpay_async.batch.store import Store

_CHUNK = 500


class InvoiceBatch:
    """Many orders, each sent exactly once, whatever process or connection dies meanwhile.

    Every order is in a journal on disk before it leaves, and so is what came of it. A batch that was killed
    is continued by running it again. An order whose answer was lost is reconciled, never sent blindly.

    Several runners, on one host or many, may share a journal and a batch. Building a batch does no I/O. Use
    it as ``async with``, or call ``aclose``.

    Args:
        client: The client that sends. Its retry policy does not apply; the calls have the rank
            ``Priority.BATCH``.
        journal: The path of an SQLite file, an SQLAlchemy URL of SQLite or PostgreSQL, or a ``Journal`` that
            several batches share, which stays the caller's to close.
        name: The batch's name in the journal.
        account: The name of the account whose orders these are, where a journal has several. Orders, tokens
            and batches of two accounts are never mixed. Defaults to the one account of a journal.
        key: A Fernet key that encrypts the orders in the journal; several, separated by commas, to change it:
            the first writes, and what the others wrote is encrypted again. Defaults to
            ``FRONTPAY_JOURNAL_KEY``; without one, nothing is encrypted.
        lease: Seconds for which a runner keeps a row, and after which its request is certainly dead. What a
            killed runner leaves behind is taken over after so long.
        settling: Seconds after which a request whose answer was lost is not at work at the API any more. An
            order counts as not sent when it was absent twice, each time so long after.
        drain: Seconds that requests in flight get for their answers when a run is stopped.
        check_account: Whether a run first proves that the token belongs to the account of the journal's
            orders. False only where you know that it does, and the API cannot show it any more.

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
        self._number: int | None = None
        self._runs: set[Run] = set()
        self._ended = anyio.Event()
        self._is_closed = False

    async def submit(
        self, items: Iterable[BatchItem] | AsyncIterable[BatchItem], *, again: bool = False
    ) -> Submission:
        """Write orders into the journal; nothing is sent. A key that is there already is not added again.

        They are read and written in pieces, so that any number needs little memory. When it fails in the
        middle, the pieces before stay; submitting all again adds what is missing.

        Args:
            items: The orders with their keys.
            again: Whether orders are taken, too, that another batch of the account has with the same key and
                content. Defaults to False, so that a file is not sent again under another name by mistake.

        Returns:
            How many were added, and how many were there.

        Raises:
            ContentMismatchError: A key is there with another order.
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
        """Send what is not sent, look for what is unresolved, and return when nothing is left to do.

        Left to do are neither done and failed orders nor parked ones, which wait for ``resolve``. What
        another runner has leased is waited for. Cancelled, or stopped by ``aclose``, it lets requests in
        flight have their answers, at most ``drain`` seconds, and leaves a journal that the next run
        continues.

        Args:
            concurrency: How many requests may be in flight.
            on_progress: Called with the counts about once a second.

        Returns:
            The counts, and what this run did.

        Raises:
            ConfigurationError: The client shows another account than the one that the journal knows.
            AuthenticationError: The API refused the token (401); the orders are as they were.
            PermissionDeniedError: The token may not do this (403).
            NotFoundError: The API does not know the route: the base URL is wrong.
            JournalError: The journal cannot be read or written.
        """
        concurrency = _checks.whole("concurrency", concurrency, "a whole number of at least 1")
        if on_progress is not None:
            _checks.hook("on_progress", on_progress)
        store, batch = await self._open()
        clock = _inside(self._client)[0].clock
        begun = clock.now()
        run = await self._new_run(store, batch, concurrency, on_progress)
        self._runs.add(run)
        try:
            await run.run()
        finally:
            self._runs.discard(run)
            self._ended.set()
        try:
            await self._journal.run(forget, store.engine)
            counts = await self._journal.run(store.counts, batch)
        except JournalError as error:
            raise run.speak_for(error) from error.__cause__
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
        """Run a batch that was begun before: like ``run``, but an unknown name is an error.

        Args:
            concurrency: How many requests may be in flight.
            on_progress: Called with the counts about once a second.

        Raises:
            ConfigurationError: There is no such batch in the journal.
        """
        store = await self._open_store()
        if await self._journal.run(store.find_batch, self._name, self._account) is None:
            raise ConfigurationError(f"the journal has no batch {self._name!r} to resume")
        return await self.run(concurrency=concurrency, on_progress=on_progress)

    async def status(self) -> BatchStatus:
        """Count the batch's orders by state."""
        store, batch = await self._open()
        return BatchStatus(name=self._name, counts=await self._journal.run(store.counts, batch))

    async def rows(self) -> AsyncIterator[BatchRow]:
        """Yield where each order stands, in the order of submission."""
        store, batch = await self._open()
        after = 0
        while page := await self._journal.run(store.page, batch, after, _CHUNK):
            for number, row in page:
                after = number
                yield row

    async def resolve(
        self, key: str, *, as_sent: str | None = None, resend: Literal[True] | None = None
    ) -> None:
        """Decide a parked order, as a person who has looked.

        Args:
            key: Its key.
            as_sent: It was sent, and is the order with this id.
            resend: It was not sent; the next run sends it.

        Raises:
            ConfigurationError: There is no such key, it is not parked, or the order is another row's; or not
                exactly one of both was said.
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
            # The API's own spelling: another one would count as an order that the list does not show.
            as_sent = (await self._client.orders.get_status(as_sent)).order_uuid
        event = RowEvent.DENY if as_sent is None else RowEvent.CONFIRM
        decision = Transition(row=number, fence=fence, event=event, order_uuid=as_sent)
        if not (await self._journal.run(store.apply, [decision]))[0]:
            raise ConfigurationError(
                f"{key!r} was not decided: {as_sent or 'it'} already belongs to another row"
            )

    async def aclose(self) -> None:
        """Stop the runs of this batch, let requests in flight have their answers, and close its journal."""
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
        if self._number is None:
            url = _inside(self._client)[2]
            self._number = await self._journal.run(store.join, self._name, url, self._account)
        return store, self._number

    async def _new_run(
        self,
        store: Store,
        batch: int,
        concurrency: int,
        on_progress: Callable[[BatchStatus], object] | None,
    ) -> Run:
        account = await self._journal.run(store.account_of, batch)
        owner = secrets.token_hex(16)
        session, given, _ = _inside(self._client)
        options = evolve(
            given,
            priority=Priority.BATCH,
            # A row may wait long for its turn, but an answer that never ends must not hold it for ever.
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
            owner=owner,
            session=session,
            # Whether a create is sent again is decided here, never in the transport.
            options=evolve(options, retry=RetryPolicy(attempts=1, retry_unsafe_server_errors=False)),
            reconciler=Reconciler(
                self._journal,
                Listings(store, owner, account),
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


def _inside(client: FrontPayClient) -> tuple[Session, CallOptions, str]:
    """Return what a client sends by, its options and its base URL: a batch adds a hook to its calls."""
    return client._session, client._options, client._url  # noqa: SLF001  # pyright: ignore[reportPrivateUsage] - of one package


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
