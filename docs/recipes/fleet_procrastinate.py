"""Run the batches of many merchants from procrastinate, on one journal."""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from procrastinate import App, PsycopgConnector

from frontpay_async import ConnectionPool, FrontPayClient
from frontpay_async.batch import BatchItem, InvoiceBatch, Journal
from frontpay_async.batch.procrastinate import BatchTasks

# The connection of the queue comes from PGHOST, PGDATABASE and their like.
app = App(connector=PsycopgConnector())
journal = Journal.open(os.environ["INVOICE_JOURNAL"], connections=10)
pool = ConnectionPool()


def token_of(account: str) -> str:
    """Read a merchant's token; yours are in a vault."""
    return os.environ[f"TOKEN_{account.upper()}"]


@asynccontextmanager
async def open_client(account: str) -> AsyncIterator[FrontPayClient]:
    """Open the client of a merchant; all of them share the connections."""
    async with FrontPayClient(token_of(account), connection_pool=pool) as client:
        yield client


tasks = BatchTasks(journal, open_client)
app.add_tasks_from(tasks.blueprint, namespace="frontpay")


async def order_invoices(account: str, name: str, items: list[BatchItem]) -> None:
    """Write the orders to the journal first, then queue the run."""
    async with (
        open_client(account) as client,
        InvoiceBatch(client, journal=journal, account=account, name=name) as batch,
    ):
        await batch.submit(items)
    await tasks.defer(account, name)
