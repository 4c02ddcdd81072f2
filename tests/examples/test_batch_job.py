"""The nightly job as a command, against the sandbox over a socket: files, exit statuses, resumption."""

from __future__ import annotations

import csv
import signal
from typing import TYPE_CHECKING, Any

import pytest
from attrs import define

from frontpay_async.sandbox import Sandbox
from frontpay_async.sandbox.throttle import Throttle
from tests.support.batches import CREATE, item
from tests.support.examples import ended, started, until
from tests.support.order_files import csv_text

if TYPE_CHECKING:
    import asyncio
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager
    from pathlib import Path

    from tests.support.command import Ended

pytestmark = pytest.mark.integration

NAME = "batch_job"
ORDERS = 6
MANY = 150
TOTAL = "612.00"


@define(eq=False)
class Night:
    """A sandbox on a socket, a file, and the job."""

    sandbox: Sandbox
    base_url: str
    file: Path

    def begin(
        self, *arguments: str, **variables: str
    ) -> AbstractAsyncContextManager[asyncio.subprocess.Process]:
        journal = ("--journal", self.file.parent / "journal.db")
        return started(NAME, self.file, *journal, *arguments, base_url=self.base_url, **variables)

    async def job(self, *arguments: str, **variables: str) -> Ended:
        """Run the job to its end."""
        async with self.begin(*arguments, **variables) as process:
            return await ended(process)

    def fill(self, count: int) -> None:
        """Write a file of so many invoices."""
        self.file.write_text(csv_text(item(number) for number in range(count)), "utf-8")

    def change(self, text: str, other: str) -> None:
        """Change the file."""
        self.file.write_text(self.file.read_text("utf-8").replace(text, other), "utf-8")

    def report(self) -> dict[str, str]:
        """The state of each invoice, as the report has it."""
        with self.file.with_suffix(".report.csv").open(encoding="utf-8", newline="") as report:
            return {row["key"]: row["state"] for row in csv.DictReader(report, delimiter=";")}


@pytest.fixture
def settings() -> dict[str, Any]:
    """What the sandbox is built with."""
    return {}


@pytest.fixture
async def night(tmp_path: Path, settings: dict[str, Any]) -> AsyncIterator[Night]:
    file = tmp_path / "2026-12.csv"
    sandbox = Sandbox(**settings)
    async with sandbox.serve() as base_url:
        night = Night(sandbox, base_url, file)
        night.fill(ORDERS)
        yield night


async def test_a_dry_run_sums_up_and_sends_nothing(night: Night) -> None:
    done = await night.job("--dry-run", "--expect", TOTAL)
    assert (done.status, done.err) == (0, f"{ORDERS} invoice, {TOTAL}\n")
    assert night.sandbox.requests == ()
    assert [path.name for path in night.file.parent.iterdir()] == [night.file.name]


async def test_each_invoice_is_sent_once_however_often_the_job_runs(night: Night) -> None:
    first = await night.job("--expect", TOTAL)
    again = await night.job("--expect", TOTAL)
    assert (first.status, again.status) == (0, 0)
    assert f"{ORDERS} new invoices, 0 from an earlier run" in first.err
    assert f"0 new invoices, {ORDERS} from an earlier run" in again.err
    assert len(night.sandbox.orders) == ORDERS
    assert night.report() == {f"I-{number}": "done" for number in range(ORDERS)}


async def test_a_file_that_is_not_what_the_books_say_is_not_sent(night: Night) -> None:
    done = await night.job("--expect", "611.99")
    assert done.status == 2
    assert done.err.endswith(f"2026-12.csv: the total is {TOTAL}, not 611.99; nothing was sent\n")
    assert night.sandbox.requests == ()


async def test_a_file_with_a_flaw_is_not_sent(night: Night) -> None:
    night.change("c3@example.no", "nobody")
    done = await night.job()
    assert done.status == 2
    assert done.err.splitlines()[0].startswith("line 5")
    assert done.err.endswith(": nothing was sent; violations: 1\n")
    assert night.sandbox.requests == ()


async def test_an_invoice_that_was_changed_after_it_was_sent_is_told_of(night: Night) -> None:
    """Its number stands for what was sent; a correction needs one of its own."""
    assert (await night.job()).status == 0
    night.change("Customer 3", "Somebody else")
    done = await night.job()
    assert done.status == 2
    assert "'I-3'" in done.err
    assert len(night.sandbox.orders) == ORDERS


@pytest.mark.parametrize("settings", [{"order_date_format": "day"}], ids=["refusing"])
async def test_a_refused_invoice_is_in_the_report(night: Night) -> None:
    done = await night.job()
    assert done.status == 1
    assert done.err.endswith(f"2026-12.csv: {ORDERS} failed\n")
    assert set(night.report().values()) == {"failed"}


async def test_a_refused_token_is_a_matter_of_the_settings(night: Night) -> None:
    """The invoices are as they were: with the right token, the next run sends them."""
    done = await night.job(FRONTPAY_TOKEN="revoked")
    assert done.status == 78
    assert set(night.report().values()) == {"pending"}
    assert (await night.job()).status == 0
    assert len(night.sandbox.orders) == ORDERS


@pytest.mark.parametrize("settings", [{"rate_limit": None}], ids=[""])
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
async def test_a_signal_ends_the_job_in_order_and_the_next_run_continues(
    night: Night, sent: signal.Signals
) -> None:
    """What has left gets its answer; no invoice is in doubt after, and each stands once in the end."""
    # More than four a second can send before the signal arrives.
    night.fill(MANY)
    night.sandbox.fail("latency", operation=CREATE, times=2, seconds=0.5)
    async with night.begin() as process:
        await until(lambda: night.sandbox.orders)
        process.send_signal(sent)
        done = await ended(process)
    assert done.status == 75
    assert "stopping: waiting for requests in flight" in done.err
    assert done.err.endswith("\nstopped: run the job again\n")
    states = night.report()
    assert set(states.values()) == {"done", "pending"}
    assert list(states.values()).count("done") == len(night.sandbox.orders) < MANY
    # A larger budget, so that nobody has to wait for the rest.
    night.sandbox._api.throttle = Throttle(6000, 60.0)
    assert (await night.job()).status == 0
    assert len(night.sandbox.orders) == MANY
    assert night.sandbox.duplicates() == ()
