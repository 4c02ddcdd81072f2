"""A batch as its caller sees it: submit, run, resolve."""

from __future__ import annotations

import os
import secrets
from collections.abc import AsyncIterable
from itertools import islice
from typing import TYPE_CHECKING, Literal, Self

import anyio
from anyio import to_thread
from attrs import evolve

from frontpay_async.batch.encryption import cipher_of
from frontpay_async.batch.errors import JournalError
from frontpay_async.batch.journal import Journal
from frontpay_async.batch.listings import Listings
from frontpay_async.batch.reconcile import Reconciler
from frontpay_async.batch.results import BatchReport, BatchStatus, Submission
from frontpay_async.batch.runner import Run
from frontpay_async.batch.schema import forget
from frontpay_async.batch.states import RowEvent, State
from frontpay_async.batch.transitions import Transition
from frontpay_async.errors import ConfigurationError
from frontpay_async.order_files.items import BatchItem, key_flaw
from frontpay_async.priority import Priority
from frontpay_async.settings import RetryPolicy, Timeouts

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterable, Mapping
    from pathlib import Path
    from types import TracebackType

    from frontpay_async._session import Session
    from frontpay_async._transport.call import CallOptions
    from frontpay_async.batch.encryption import Cipher
    from frontpay_async.batch.results import BatchRow
    from frontpay_async.client import FrontPayClient

_CHUNK = 500
_KEY_VARIABLE = "FRONTPAY_JOURNAL_KEY"


class InvoiceBatch:
    """Send many orders, each exactly once, whatever dies meanwhile.

    Every order stands in a journal on disk before it leaves, and what came of it after. A batch that was
    killed is continued by running it again. An order whose answer was lost is looked for, never sent blindly.

    The journal belongs to one account. Several runners, on one host or many, may share a journal and a batch.
    Building a batch does no I/O. Use it as ``async with``, or call ``aclose``.

    Args:
        client: What sends. Its retry policy does not apply; the calls have the rank ``Priority.BATCH``.
        journal: The path of an SQLite file, or an SQLAlchemy URL of SQLite or PostgreSQL.
        name: The batch's name in the journal.
        key: A Fernet key that encrypts the orders in the journal; several, separated by commas, to change it:
            the first writes, and what the others wrote is encrypted anew. ``FRONTPAY_JOURNAL_KEY`` unless
            given; none of both, no encryption.
        lease: Seconds for which a runner keeps a row in hand, and after which its request is dead for
            certain. What a killed runner leaves behind is taken over after so long.
        settling: Seconds after which a request whose answer was lost is not at work at the API any more. An
            order counts as not sent when it was absent twice, each time so long after.
        drain: Seconds that requests in flight get for their answers when a run is stopped.

    Raises:
        ConfigurationError: The name, the key or a duration cannot be used.
    """

    def __init__(
        self,
        client: FrontPayClient,
        *,
        journal: str | Path,
        name: str,
        key: str | None = None,
        lease: float = 120.0,
        settling: float = 60.0,
        drain: float = 30.0,
    ) -> None:
        flaw = key_flaw(name)
        if flaw is not None:
            raise ConfigurationError(f"the name of a batch {flaw}")
        if not (lease > 0 and settling >= 0 and drain >= 0):
            raise ConfigurationError("lease must be more than 0 seconds, settling and drain at least 0")
        self._cipher: Cipher = cipher_of(os.environ.get(_KEY_VARIABLE) if key is None else key)
        del key
        self._client = client
        self._target = journal
        self._name = name
        self._lease, self._settling, self._drain = float(lease), float(settling), float(drain)
        self._clock: Callable[[], float] | None = None
        self._journal: Journal | None = None
        self._number: int | None = None
        self._opening = anyio.Lock()
        self._runs: set[Run] = set()
        self._ended = anyio.Event()
        self._is_closed = False

    async def submit(self, items: Iterable[BatchItem] | AsyncIterable[BatchItem]) -> Submission:
        """Write orders into the journal; nothing is sent. A key that is there already is not added again.

        They are read and written in pieces, so that any number needs little memory. When it fails in the
        middle, the pieces before stay; submitting all again adds what is missing.

        Args:
            items: The orders with their keys.

        Returns:
            How many were added, and how many were there.

        Raises:
            ContentMismatchError: A key is there with another order.
            JournalError: The journal cannot be written.
        """
        journal, batch = await self._open()
        added = known = 0
        async for chunk in _chunks(items):
            new = await to_thread.run_sync(journal.submit, batch, chunk)
            added, known = added + new, known + len(chunk) - new
        return Submission(added=added, known=known)

    async def run(
        self, *, concurrency: int = 16, on_progress: Callable[[BatchStatus], object] | None = None
    ) -> BatchReport:
        """Send what is not sent, look for what is in doubt, and return when nothing is left to do.

        Left to do are neither done and failed orders nor parked ones, which wait for ``resolve``. What
        another runner has in hand is waited for. Cancelled, or stopped by ``aclose``, it lets requests in
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
        if concurrency < 1:
            raise ConfigurationError("concurrency must be at least 1")
        journal, batch = await self._open()
        clock = _inside(self._client)[0].clock
        begun = clock.now()
        run = self._new_run(journal, batch, concurrency, on_progress)
        self._runs.add(run)
        try:
            await run.run()
        finally:
            self._runs.discard(run)
            self._ended.set()
        try:
            await to_thread.run_sync(forget, journal.engine)
            counts = await to_thread.run_sync(journal.counts, batch)
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
        journal = await self._open_journal()
        if await to_thread.run_sync(journal.find_batch, self._name) is None:
            raise ConfigurationError(f"the journal has no batch {self._name!r} that could be resumed")
        return await self.run(concurrency=concurrency, on_progress=on_progress)

    async def status(self) -> BatchStatus:
        """Count the batch's orders by state."""
        journal, batch = await self._open()
        return BatchStatus(name=self._name, counts=await to_thread.run_sync(journal.counts, batch))

    async def rows(self) -> AsyncIterator[BatchRow]:
        """Yield where each order stands, in the order of submission."""
        journal, batch = await self._open()
        after = 0
        while page := await to_thread.run_sync(journal.page, batch, after, _CHUNK):
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
            raise ConfigurationError("say either as_sent=… or resend=True")
        journal, batch = await self._open()
        found = await to_thread.run_sync(journal.find, batch, key)
        if found is None:
            raise ConfigurationError(f"the batch {self._name!r} has no order {key!r}")
        number, fence, row = found
        if row.state is not State.PARKED:
            raise ConfigurationError(f"{key!r} is {row.state}; only a parked order is decided by a person")
        if as_sent is not None:
            # A mistyped id would count as proof that the account's list is not complete.
            await self._client.orders.get_status(as_sent)
        event = RowEvent.DENY if as_sent is None else RowEvent.CONFIRM
        decision = Transition(row=number, fence=fence, event=event, order_uuid=as_sent)
        if not (await to_thread.run_sync(journal.apply, [decision]))[0]:
            raise ConfigurationError(
                f"{key!r} was not decided: {as_sent or 'it'} is accounted for by another row"
            )

    async def aclose(self) -> None:
        """Stop the runs of this batch, let requests in flight have their answers, and close the journal."""
        self._is_closed = True
        for run in self._runs:
            run.stop()
        while self._runs:
            self._ended = anyio.Event()
            await self._ended.wait()
        journal, self._journal = self._journal, None
        if journal is not None:
            await to_thread.run_sync(journal.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        with anyio.CancelScope(shield=True):
            await self.aclose()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._name!r}>"

    async def _open_journal(self) -> Journal:
        async with self._opening:
            if self._is_closed:
                raise ConfigurationError("the batch is closed")
            if self._journal is None:
                self._journal = await to_thread.run_sync(
                    Journal.open, self._target, self._cipher, self._clock
                )
            return self._journal

    async def _open(self) -> tuple[Journal, int]:
        journal = await self._open_journal()
        if self._number is None:
            self._number = await to_thread.run_sync(journal.join, self._name, _inside(self._client)[2])
        return journal, self._number

    def _new_run(
        self,
        journal: Journal,
        batch: int,
        concurrency: int,
        on_progress: Callable[[BatchStatus], object] | None,
    ) -> Run:
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
            journal=journal,
            batch=batch,
            owner=owner,
            session=session,
            # Whether a create is sent again is decided here, never in the transport.
            options=evolve(options, retry=RetryPolicy(attempts=1, retry_unsafe_server_errors=False)),
            reconciler=Reconciler(
                Listings(journal, owner), session, options, self._cipher, self._settling, turn=self._lease / 4
            ),
            cipher=self._cipher,
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
