"""Batches of many merchants as tasks of procrastinate, a queue on PostgreSQL; the extra ``procrastinate``.

*Model*: procrastinate decides when a batch runs, the journal decides what is sent. A job consists of two
names: an account and a batch. It may be lost, run twice or be retried: each order is still sent once.

*Invariants*: jobs of one account share a lock, so that at most one of them runs at a time. The queueing lock
is the account and the batch, so that at most one job of a batch waits.

*Recovery*: when a worker shuts down, it queues its jobs again at once. A failed job is retried after the
lease, when the rows of a dead runner can be taken over, unless only a person can fix the cause. The periodic
sweep queues the jobs of dead workers again, and all unfinished batches without a runner.

*Cost*: a sweep is three queries: for stalled jobs, for running jobs, and for unfinished batches. The last one
reads an index of unfinished rows, so its cost does not depend on the number of orders or finished batches.
"""

from __future__ import annotations

import asyncio
import logging
import math
from contextlib import suppress
from functools import cache
from importlib import import_module
from typing import TYPE_CHECKING, TypeAlias

try:
    from procrastinate import BaseRetryStrategy, Blueprint, JobContext, RetryDecision
    from procrastinate.exceptions import AlreadyEnqueued, JobAborted, UniqueViolation
    from procrastinate.jobs import Status
except ModuleNotFoundError as error:
    needs = "frontpay_async.batch.procrastinate needs the extra: pip install 'frontpay_async[procrastinate]'"
    raise ModuleNotFoundError(needs, name=error.name) from error

from frontpay_async import _checks
from frontpay_async.batch.invoices import InvoiceBatch
from frontpay_async.batch.journal import Journal
from frontpay_async.errors import (
    AuthenticationError,
    ConfigurationError,
    FrontPayError,
    NotFoundError,
    PermissionDeniedError,
)

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AbstractAsyncContextManager

    from procrastinate import App
    from procrastinate.jobs import Job

    from frontpay_async.batch.results import UnfinishedBatch
    from frontpay_async.client import FrontPayClient

__all__ = ["BatchTasks"]

OpenClient: TypeAlias = "Callable[[str], AbstractAsyncContextManager[FrontPayClient]]"

logger = logging.getLogger("frontpay_async")

# What a client imports when it is first used: up to a second of CPU, in which the event loop would stand.
_USED_LATER = ("httpcore", "frontpay_async._rate.redis")
# Errors that recur until a person fixes the cause.
_FOR_A_PERSON = (ConfigurationError, AuthenticationError, PermissionDeniedError, NotFoundError)


@cache
def _import_ahead() -> None:
    """Import what the first job needs; runs in a thread."""
    for name in _USED_LATER:
        # An extra that is not installed is not used.
        with suppress(ImportError, ConfigurationError):
            import_module(name)


class _AfterTheLease(BaseRetryStrategy):
    """Retry temporary failures after a lease, and interrupted jobs at once."""

    def __init__(self, wait: float, attempts: int) -> None:
        self._wait, self._attempts = wait, attempts

    def get_retry_decision(self, *, exception: BaseException, job: Job) -> RetryDecision | None:
        if isinstance(exception, (asyncio.CancelledError, JobAborted)):
            return RetryDecision()
        if not isinstance(exception, FrontPayError) or isinstance(exception, _FOR_A_PERSON):
            return None
        if job.attempts >= self._attempts:
            return None
        return RetryDecision(retry_in={"seconds": math.ceil(self._wait)})


class BatchTasks:
    """The tasks that run the batches of a journal's accounts, for an application of procrastinate.

        tasks = BatchTasks(journal, open_client)
        app.add_tasks_from(tasks.blueprint, namespace="frontpay")

    Args:
        journal: The journal of all accounts, which the caller closes. Each worker needs its own.
        open_client: Returns the client of an account, as an async context manager; a job enters it once.
        queue: The queue of the jobs.
        sweep: When the sweep runs, as a cron expression. Defaults to every minute.
        concurrency: How many requests of a batch may be in flight.
        lease: Seconds for which a runner owns a row. A failed job is retried after this time.
        settling: Seconds after which the API no longer processes a request whose response was lost; see
            ``InvoiceBatch``.
        heartbeat: Seconds without a heartbeat after which a worker counts as dead. More than the worker's
            ``update_heartbeat_interval``, or living workers would count as dead.
        attempts: How often a job is retried; after that, only the sweep queues it.
        is_wanted: Whether the sweep may run a batch, such as one whose merchant is not paused. Defaults to
            all.

    Raises:
        ConfigurationError: An argument is of the wrong type, or out of range.
    """

    blueprint: Blueprint
    """The tasks ``run`` and ``sweep``, to be added to an application."""

    def __init__(
        self,
        journal: Journal,
        open_client: OpenClient,
        *,
        queue: str = "frontpay",
        sweep: str = "* * * * *",
        concurrency: int = 16,
        lease: float = 120.0,
        settling: float = 60.0,
        heartbeat: float = 30.0,
        attempts: int = 10,
        is_wanted: Callable[[UnfinishedBatch], bool] = lambda _: True,
    ) -> None:
        self._journal = _checks.instance("journal", journal, Journal, "Journal.open(url)")
        self._concurrency = _checks.whole("concurrency", concurrency, "a whole number of at least 1")
        self._lease = _checks.seconds("lease", lease)
        self._settling = _checks.seconds("settling", settling, or_zero=True)
        self._heartbeat = _checks.seconds("heartbeat", heartbeat)
        attempts = _checks.whole("attempts", attempts, "a whole number of at least 1")
        self._queue, self._open_client, self._is_wanted = queue, open_client, is_wanted
        self.blueprint = Blueprint()
        retry = _AfterTheLease(self._lease, attempts)
        register = self.blueprint.task(name="run", queue=queue, retry=retry, pass_context=True)
        self._task = register(self._run)
        swept = self.blueprint.task(
            name="sweep", queue=queue, queueing_lock="frontpay:sweep", pass_context=True
        )
        self.blueprint.periodic(cron=sweep, queueing_lock="frontpay:sweep")(swept(self._sweep))

    async def defer(self, account: str, name: str) -> bool:
        """Queue a batch of the journal; call it when the batch is submitted.

        Args:
            account: The batch's account.
            name: The batch's name.

        Returns:
            Whether it was queued; False if a job of this batch is already waiting.
        """
        job = self._task.configure(
            lock=f"frontpay:{account}", queueing_lock=f"frontpay:{account}:{name}", queue=self._queue
        )
        try:
            await job.defer_async(account=account, name=name)
        except AlreadyEnqueued:
            return False
        return True

    async def _run(self, context: JobContext, *, account: str, name: str) -> dict[str, int]:
        await asyncio.to_thread(_import_ahead)
        try:
            async with (
                self._open_client(account) as client,
                InvoiceBatch(
                    client,
                    journal=self._journal,
                    account=account,
                    name=name,
                    lease=self._lease,
                    settling=self._settling,
                ) as batch,
            ):
                report = await batch.resume(concurrency=self._concurrency)
        except asyncio.CancelledError:
            # Requests in flight have their responses, or are reconciled by the next run.
            if context.should_abort():
                raise JobAborted from None
            raise
        return {state.value: count for state, count in report.counts.items()}

    async def _sweep(self, context: JobContext, timestamp: int) -> int:
        del timestamp
        await self._release(context.app)
        doing = await context.app.job_manager.list_jobs_async(task=self._task.name, status=Status.DOING.value)
        running = {(job.task_kwargs["account"], job.task_kwargs["name"]) for job in doing}
        count = 0
        async for each in self._journal.unfinished():
            is_run = each.in_hand or (each.account, each.name) in running
            if not is_run and self._is_wanted(each):
                count += await self.defer(each.account, each.name)
        return count

    async def _release(self, app: App) -> None:
        """Queue the jobs of dead workers again: their locks keep the other jobs of their accounts waiting."""
        manager = app.job_manager
        stalled = await manager.get_stalled_jobs(
            queue=self._queue, task_name=self._task.name, seconds_since_heartbeat=self._heartbeat
        )
        for job in stalled:
            logger.warning("a worker died while running job %s; the job is queued again", job.id)
            try:
                await manager.retry_job(job)
            except UniqueViolation:
                # Another job of this batch is already waiting.
                await manager.finish_job(job, status=Status.FAILED, delete_job=False)
