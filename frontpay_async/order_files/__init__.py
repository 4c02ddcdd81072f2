"""Order files: CSV and JSON lines, validated as a whole and read one order at a time."""

from __future__ import annotations

from frontpay_async.order_files.files import DryRun, KindTotal, OrderFile, read_csv, read_jsonl
from frontpay_async.order_files.items import BatchItem
from frontpay_async.order_files.mapping import CsvMapping, read_mapping
from frontpay_async.order_files.template import template
from frontpay_async.order_files.violations import InvalidFileError, LineViolation, ViolationGroup

__all__ = [
    "BatchItem",
    "CsvMapping",
    "DryRun",
    "InvalidFileError",
    "KindTotal",
    "LineViolation",
    "OrderFile",
    "ViolationGroup",
    "read_csv",
    "read_jsonl",
    "read_mapping",
    "template",
]
