"""The batch in a chaos run, as the process of a runner, and its journal read from outside.

Each start does what a cron job would do: it submits the whole file again, and runs what is not done.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
from typing import TYPE_CHECKING, Any

from attrs import frozen
from sqlalchemy import create_engine, text

from frontpay_async import FrontPayClient, Priority, RateLimit
from frontpay_async.batch import BatchItem, InvoiceBatch
from frontpay_async.sandbox import DEFAULT_TOKEN
from tests.support.chaos_orders import invoices

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["NAME", "JournalRow", "main", "read_journal"]

NAME = "2026-11"
"""The name of the batch."""
_IN_VAIN = re.compile(r"it was sent (?:[3-9]|\d\d+) times, and never appeared in the list")


@frozen
class JournalRow:
    """What the journal says of an invoice."""

    state: str
    order_uuid: str | None
    error: str | None
    candidates: list[str]

    @property
    def was_repeated_in_vain(self) -> bool:
        """Whether it was parked because it was sent again and again, and never stored."""
        return self.state == "parked" and self.error is not None and _IN_VAIN.match(self.error) is not None


def read_journal(journal: str) -> dict[str, JournalRow]:
    """Read the rows by key, with nothing of the code that is under test.

    Args:
        journal: The path of a file, or a URL.
    """
    engine = create_engine(journal if "://" in journal else f"sqlite:///{journal}")
    try:
        with engine.connect() as connection:
            rows = connection.execute(
                text("SELECT key, state, order_uuid, error, candidates FROM frontpay_rows")
            )
            return {
                key: JournalRow(state, uuid, error, json.loads(candidates or "[]"))
                for key, state, uuid, error, candidates in rows
            }
    finally:
        engine.dispose()


async def _run(job: Mapping[str, Any]) -> None:
    limit = RateLimit(requests=job["limit"], window=job["window"])
    async with (
        FrontPayClient(
            DEFAULT_TOKEN,
            base_url=job["base_url"],
            rate_limit=limit,
            priority=Priority.BATCH,
            trust_env=False,
            user_agent_suffix=f"chaos/{os.getpid()}",
        ) as client,
        InvoiceBatch(
            client,
            journal=job["journal"],
            name=NAME,
            lease=job["lease"],
            settling=job["settling"],
            drain=job["lease"] / 2,
        ) as batch,
    ):
        items = (BatchItem(key=key, order=order) for key, order in invoices(job["count"], job["seed"]))
        await batch.submit(items)
        print(await batch.run(concurrency=job["concurrency"]), flush=True)  # noqa: T201 - into the log


def main(job: Mapping[str, Any]) -> int:
    """Submit and run the batch; return the exit status."""
    asyncio.run(_run(job))
    return 0
