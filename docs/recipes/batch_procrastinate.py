"""Run a batch from procrastinate: the queue decides when, the journal decides what.

A job only requests a run of the batch. It may run twice, on two hosts at once, or be
retried after a crash: each order is still sent once, because the journal decides.
"""

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from procrastinate import App, PsycopgConnector, RetryStrategy

from frontpay_async import FrontPayClient
from frontpay_async.batch import BatchItem, InvoiceBatch

# The connection comes from PGHOST, PGDATABASE and their like.
app = App(connector=PsycopgConnector())


@asynccontextmanager
async def batch_of(name: str) -> AsyncIterator[InvoiceBatch]:
    """Open a batch in the journal that all workers share."""
    journal = os.environ["INVOICE_JOURNAL"]
    async with (
        FrontPayClient() as client,
        InvoiceBatch(client, journal=journal, name=name) as batch,
    ):
        yield batch


async def order_invoices(name: str, items: list[BatchItem]) -> None:
    """Write the orders to the journal first, then defer the run."""
    async with batch_of(name) as batch:
        await batch.submit(items)
    await send_invoices.defer_async(name=name)


@app.task(queue="invoices", retry=RetryStrategy(max_attempts=10, wait=60))
async def send_invoices(name: str) -> dict[str, int]:
    """Run the batch to its end; what was interrupted is continued."""
    async with batch_of(name) as batch:
        report = await batch.resume()
    return {state.value: count for state, count in report.counts.items()}
