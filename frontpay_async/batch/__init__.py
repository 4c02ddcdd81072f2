"""Durable batch invoicing: no invoice twice, none lost, whatever dies; the extra ``batch``.

    async with InvoiceBatch(client, journal="invoices.db", name="2026-05") as batch:
        await batch.submit(BatchItem(key=each.number, order=each.order) for each in invoices)
        report = await batch.run()

Submitting the same again adds nothing, and running again continues where it was interrupted.
"""

from __future__ import annotations

from frontpay_async.batch.errors import ContentMismatchError, JournalError
from frontpay_async.batch.invoices import InvoiceBatch
from frontpay_async.batch.items import BatchItem
from frontpay_async.batch.rows import BatchReport, BatchRow, BatchStatus, Submission
from frontpay_async.batch.states import State

__all__ = [
    "BatchItem",
    "BatchReport",
    "BatchRow",
    "BatchStatus",
    "ContentMismatchError",
    "InvoiceBatch",
    "JournalError",
    "State",
    "Submission",
]
