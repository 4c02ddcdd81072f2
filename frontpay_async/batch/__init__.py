"""Durable batch invoicing: each invoice is sent once, even across crashes; the extra ``batch``.

    async with InvoiceBatch(client, journal="invoices.db", name="2026-05") as batch:
        await batch.submit(BatchItem(key=each.number, order=each.order) for each in invoices)
        report = await batch.run()

Submitting the same orders again adds nothing, and running again continues an interrupted run.
"""

from __future__ import annotations

try:
    import sqlalchemy  # noqa: F401  # pyright: ignore[reportUnusedImport] - the only check for the extra
except ModuleNotFoundError as error:
    needs = "frontpay_async.batch needs the extra: pip install 'frontpay_async[batch]'"
    raise ModuleNotFoundError(needs, name=error.name) from error

from frontpay_async.batch.errors import AlreadySubmittedError, ContentMismatchError, JournalError
from frontpay_async.batch.invoices import InvoiceBatch
from frontpay_async.batch.journal import Journal
from frontpay_async.batch.report import ReportRow, write_csv, write_jsonl, write_report
from frontpay_async.batch.results import (
    AccountOverview,
    BatchReport,
    BatchRow,
    BatchStatus,
    Submission,
    UnfinishedBatch,
)
from frontpay_async.batch.states import State
from frontpay_async.order_files.files import DryRun, KindTotal, OrderFile, read_csv, read_jsonl
from frontpay_async.order_files.items import BatchItem
from frontpay_async.order_files.violations import InvalidFileError, LineViolation

__all__ = [
    "AccountOverview",
    "AlreadySubmittedError",
    "BatchItem",
    "BatchReport",
    "BatchRow",
    "BatchStatus",
    "ContentMismatchError",
    "DryRun",
    "InvalidFileError",
    "InvoiceBatch",
    "Journal",
    "JournalError",
    "KindTotal",
    "LineViolation",
    "OrderFile",
    "ReportRow",
    "State",
    "Submission",
    "UnfinishedBatch",
    "read_csv",
    "read_jsonl",
    "write_csv",
    "write_jsonl",
    "write_report",
]
