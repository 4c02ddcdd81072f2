"""One worker of the fleet benchmark: `python -m benchmarks.fleet.worker PLAN`, until it is killed."""

from __future__ import annotations

import asyncio
import json
import sys
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from attrs import asdict, frozen
from procrastinate import App, Blueprint, JobContext, PsycopgConnector, RetryStrategy

from benchmarks.batch.worker import orders
from frontpay_async import ConnectionPool, FrontPayClient, FrontPayError, Priority, RateLimit
from frontpay_async.batch import BatchItem, InvoiceBatch, Journal
from frontpay_async.batch.procrastinate import BatchTasks

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from procrastinate.types import JSONDict

HEARTBEAT = 2.0


Contender = Literal["journal and queue", "queue alone", "plain loop"]


@frozen(kw_only=True)
class Plan:
    """What a worker does."""

    base_url: str
    journal: str
    queue: str
    redis: str
    folder: str
    merchants: int
    invoices: int
    limit: int
    window: float
    workers: int
    connections: int
    lease: float
    settling: float
    contender: Contender

    def json(self) -> str:
        """Write it for a process."""
        return json.dumps(asdict(self))


def account(number: int) -> str:
    """Return the name of a merchant's account, which is its token here."""
    return f"merchant-{number:04}"


def items(count: int) -> list[BatchItem]:
    """Return a merchant's invoices."""
    return [BatchItem(key=key, order=order) for key, order in orders(count)]


class Worker:
    """What the processes of a plan share."""

    def __init__(self, plan: Plan) -> None:
        self.plan = plan
        self.pool = ConnectionPool(trust_env=False)
        self.journal = Journal.open(plan.journal, connections=plan.connections)
        self.app = App(connector=PsycopgConnector(conninfo=plan.queue, max_size=plan.connections))
        self.tasks = BatchTasks(
            self.journal,
            self.client,
            sweep="* * * * * */2",
            concurrency=4,
            lease=plan.lease,
            settling=plan.settling,
            heartbeat=3 * HEARTBEAT,
        )
        if plan.contender == "journal and queue":
            self.app.add_tasks_from(self.tasks.blueprint, namespace="frontpay")
        else:
            self.app.add_tasks_from(self._bare_tasks(), namespace="frontpay")
        self.clients: dict[str, FrontPayClient] = {}

    def _new_client(self, name: str) -> FrontPayClient:
        plan = self.plan
        rate = RateLimit(requests=plan.limit, window=plan.window, redis=plan.redis, account=name)
        return FrontPayClient(
            name,
            base_url=plan.base_url,
            connection_pool=self.pool,
            rate_limit=rate,
            priority=Priority.BATCH,
        )

    @asynccontextmanager
    async def client(self, name: str) -> AsyncIterator[FrontPayClient]:
        """Open the client of a merchant."""
        async with self._new_client(name) as client:
            yield client

    async def run(self) -> None:
        """Run jobs until the process is killed."""
        async with self.app.open_async():
            sys.stdout.write("ready\n")
            sys.stdout.flush()
            journal = self.plan.contender == "journal and queue"
            await self.app.run_worker_async(
                # Alone, each waiting invoice takes a place.
                concurrency=self.plan.merchants * (1 if journal else 4),
                update_heartbeat_interval=HEARTBEAT,
                stalled_worker_timeout=3 * HEARTBEAT,
                fetch_job_polling_interval=0.5,
            )

    def _bare_tasks(self) -> Blueprint:
        """Return the tasks of a queue without a journal, as its documentation shows them."""
        blueprint = Blueprint()
        wanted = [order for _, order in orders(self.plan.invoices)]

        @blueprint.task(name="send", queue="frontpay", retry=RetryStrategy(max_attempts=20, wait=1))
        async def send(*, name: str, number: int) -> None:
            client = self.clients.get(name)
            if client is None:
                client = self.clients[name] = self._new_client(name)
            await client.orders.send_invoice(wanted[number])

        @blueprint.periodic(cron="* * * * * */2", queueing_lock="sweep")
        @blueprint.task(name="sweep", queue="frontpay", queueing_lock="sweep", pass_context=True)
        async def sweep(context: JobContext, timestamp: int) -> None:
            del timestamp
            manager = context.app.job_manager
            for job in await manager.get_stalled_jobs(seconds_since_heartbeat=3 * HEARTBEAT):
                await manager.retry_job(job)

        self.send = send
        return blueprint

    async def submit(self) -> None:
        """Write all orders into the journal, and queue all batches; or queue all invoices."""
        async with self.app.open_async():
            await self.app.schema_manager.apply_schema_async()
            if self.plan.contender == "queue alone":
                for number in range(self.plan.invoices):
                    names = [account(merchant) for merchant in range(self.plan.merchants)]
                    jobs: list[JSONDict] = [{"name": name, "number": number} for name in names]
                    await self.send.batch_defer_async(*jobs)
                return
            for number in range(self.plan.merchants):
                name = account(number)
                async with (
                    self.client(name) as client,
                    InvoiceBatch(client, journal=self.journal, account=name, name="night") as batch,
                ):
                    await batch.submit(items(self.plan.invoices))
                await self.tasks.defer(name, "night")
        await self.journal.aclose()

    async def loop(self, share: int) -> None:
        """Send every merchant's invoices in a loop, as people write it: a place in a file, written after."""
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        mine = range(share, self.plan.merchants, self.plan.workers)
        await asyncio.gather(*(self._send_all(account(number)) for number in mine))

    async def _send_all(self, name: str) -> None:
        place = Path(self.plan.folder, name)
        async with self.client(name) as client:
            wanted = [order for _, order in orders(self.plan.invoices)]
            at = int(place.read_text()) if place.exists() else 0  # noqa: ASYNC240 - a plain loop does so
            while at < len(wanted):
                try:
                    await client.orders.send_invoice(wanted[at])
                except FrontPayError:
                    # It cannot know whether it happened, and sends it again.
                    await asyncio.sleep(0.1)
                    continue
                at += 1
                place.write_text(str(at))  # noqa: ASYNC240 - as above


def _main(plan: dict[str, Any], share: int) -> None:
    worker = Worker(Plan(**plan))
    asyncio.run(worker.loop(share) if worker.plan.contender == "plain loop" else worker.run())


if __name__ == "__main__":
    _main(json.loads(sys.argv[1]), int(sys.argv[2]))
