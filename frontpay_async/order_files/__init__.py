"""Files of orders: CSV and JSON lines, checked as a whole and read one order at a time."""

from __future__ import annotations

from frontpay_async.order_files.files import DryRun, KindTotal, OrderFile, read_csv, read_jsonl
from frontpay_async.order_files.items import BatchItem
from frontpay_async.order_files.violations import InvalidFileError, LineViolation

__all__ = [
    "BatchItem",
    "DryRun",
    "InvalidFileError",
    "KindTotal",
    "LineViolation",
    "OrderFile",
    "read_csv",
    "read_jsonl",
]
