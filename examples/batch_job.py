"""The nightly invoicing job: a CSV file in, each invoice sent once, a report out.

    python3 -m pip install ".[batch,cli,sandbox]"  # in a clone, in a venv
    frontpay sandbox                               # in another terminal; prints its URL
    export FRONTPAY_TOKEN=sandbox-token
    export FRONTPAY_BASE_URL=http://127.0.0.1:8123/api/v1/connect
    cp docs/batch-files/invoices.csv 2026-12.csv
    python3 examples/batch_job.py 2026-12.csv --dry-run
    python3 examples/batch_job.py 2026-12.csv --journal journal.db --expect 10594.00

The name of the file is the name of the batch, and each invoice has a key, so the job
can be run again at any time: it continues. On SIGTERM and Ctrl-C it waits for the
responses to the requests in flight and sends nothing more.

| exit status | |
|---|---|
| 0 | all invoices were sent |
| 1 | some were rejected or need a person: 2026-12.report.csv lists them |
| 2 | the file is invalid or its total is not the expected one; nothing was sent |
| 75 | stopped, or the journal is unavailable: run it again |
| 78 | a setting or the token is wrong: correct it, then run it again |
"""

from __future__ import annotations

import argparse
import signal
import sys
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from frontpay_async import APIError, ConfigurationError, FrontPayClient, FrontPayError
from frontpay_async.batch import (
    ContentMismatchError,
    InvalidFileError,
    InvoiceBatch,
    read_csv,
    write_report,
)

if TYPE_CHECKING:
    from frontpay_async.batch import BatchReport, BatchStatus, OrderFile

OK, UNDECIDED, UNFIT, AGAIN, SETTINGS = 0, 1, 2, 75, 78
SHOWN = 20  # violations


def tell(text: str) -> None:
    """Say something to whoever reads the job's log."""
    print(text, file=sys.stderr, flush=True)


def is_fit(file: OrderFile, expected: Decimal | None) -> bool:
    """Check the whole file, and compare its total with the one that the books say."""
    summed = file.dry_run()
    for violation in summed.violations[:SHOWN]:
        tell(str(violation))
    if summed.violation_count:
        tell(
            f"{file.path.name}: nothing was sent; violations: {summed.violation_count}"
        )
        return False
    for kind, total in summed.kinds.items():
        tell(f"{total.orders} {kind}, {total.grand_total:.2f}")
    if expected is not None and summed.total.grand_total != expected:
        tell(
            f"{file.path.name}: the total is {summed.total.grand_total:.2f},"
            f" not {expected:.2f}; nothing was sent"
        )
        return False
    return True


async def send(client: FrontPayClient, file: OrderFile, journal: str) -> int:
    """Send the rest, write the report in any case, and return the exit status.

    Raises:
        FrontPayError: The file contradicts an earlier run, or the run could not go on.
    """

    def progress(status: BatchStatus) -> None:
        left = status.total - status.done - status.failed - status.parked
        tell(
            f"{status.done} of {status.total} sent,"
            f" {client.rate.estimate(left) / 60:.0f} min to go"
        )

    async with InvoiceBatch(client, journal=journal, name=file.path.stem) as batch:
        submission = await batch.submit(file)
        tell(f"{submission.added} new invoices, {submission.known} from an earlier run")
        report: BatchReport | None = None
        failure: FrontPayError | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(cancel_at_a_signal, tasks.cancel_scope)
            try:
                report = await batch.run(on_progress=progress)
            except FrontPayError as error:
                failure = error
            tasks.cancel_scope.cancel()
        status = await batch.status()
        await write_report(
            batch.rows(), file.path.with_suffix(".report.csv"), delimiter=";"
        )
    told = ", ".join(
        f"{count} {state}" for state, count in status.counts.items() if count
    )
    tell(f"{file.path.name}: {told or 'no invoices'}")
    if failure is not None:
        raise failure
    if report is None:
        tell("stopped: run the job again")
        return AGAIN
    return OK if status.done == status.total else UNDECIDED


async def cancel_at_a_signal(run: anyio.CancelScope) -> None:
    """Stop the run at the first signal; it waits for what has left."""
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            tell("stopping: waiting for requests in flight")
            run.cancel()


async def main(options: argparse.Namespace) -> int:
    """Do what the command line says; return the exit status."""
    file = read_csv(options.file)
    if not await anyio.to_thread.run_sync(is_fit, file, options.expect):
        return UNFIT
    if options.dry_run:
        return OK
    try:
        async with FrontPayClient() as client:
            return await send(client, file, options.journal)
    except FrontPayError as error:
        tell(str(error))
        match error:
            case InvalidFileError() | ContentMismatchError():
                return UNFIT
            case ConfigurationError() | APIError():
                return SETTINGS
            case _:
                return AGAIN


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description="Send the invoices of a CSV file, each once."
    )
    parser.add_argument("file", type=Path)
    parser.add_argument(
        "--journal", default="invoices.db", help="a path, or the URL of a database"
    )
    parser.add_argument(
        "--expect",
        type=Decimal,
        metavar="TOTAL",
        help="what the invoices come to by the books",
    )
    parser.add_argument(
        "--dry-run", action="store_true", help="check and sum up the file; send nothing"
    )
    sys.exit(anyio.run(main, parser.parse_args()))
