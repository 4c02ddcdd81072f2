"""Send the invoices of a file, and continue what an earlier run left.

    python batch_cron.py /srv/invoices/2026-05.csv /srv/invoices/journal.db

The token and the environment come from FRONTPAY_TOKEN and FRONTPAY_ENVIRONMENT. After
exit status 1 the report lists the orders that need a person.
"""

import asyncio
import sys
from pathlib import Path

from frontpay_async import FrontPayClient
from frontpay_async.batch import InvoiceBatch, read_csv, write_report


async def send(file: Path, journal: str) -> int:
    """Send what is not sent yet; return the exit status."""
    async with (
        FrontPayClient() as client,
        InvoiceBatch(client, journal=journal, name=file.stem) as batch,
    ):
        await batch.submit(read_csv(file))
        report = await batch.run()
        await write_report(batch.rows(), file.with_suffix(".report.csv"))
    return 1 if report.failed or report.parked else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(send(Path(sys.argv[1]), sys.argv[2])))
