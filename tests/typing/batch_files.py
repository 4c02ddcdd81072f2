"""What a type checker sees of files of orders and of reports; checked, and imported once."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, assert_type

from frontpay_async.batch import (
    BatchItem,
    DryRun,
    InvalidFileError,
    InvoiceBatch,
    LineViolation,
    OrderFile,
    read_csv,
    read_jsonl,
    write_csv,
    write_jsonl,
    write_report,
)

if TYPE_CHECKING:
    from pathlib import Path
    from typing import TextIO

    from frontpay_async.batch import BatchRow


def reading(path: Path) -> None:
    assert_type(read_jsonl(path, kind="ehf", zone="Europe/Oslo"), OrderFile)
    orders = read_csv("orders.csv", mapping={"Fakturanr": "key", "Selger": None}, decimal=",")
    read_csv(path, decimal=";")  # type: ignore[arg-type] # pyright: ignore[reportArgumentType]
    read_csv(path, "invoice")  # type: ignore[call-arg] # pyright: ignore[reportCallIssue]
    for item in orders:
        assert_type(item, BatchItem)
    summed = orders.dry_run()
    assert_type(summed, DryRun)
    assert_type(summed.total.grand_total, Decimal)
    try:
        orders.check()
    except InvalidFileError as error:
        assert_type(error.violations, tuple[LineViolation, ...])


async def reporting(batch: InvoiceBatch, rows: list[BatchRow], file: TextIO) -> None:
    async for item in read_csv("orders.csv"):
        assert_type(item, BatchItem)
    await batch.submit(read_csv("orders.csv"))
    await write_report(batch.rows(), "report.csv")
    write_csv(rows, file, delimiter=";")
    write_jsonl(rows, "report.jsonl")
