"""The recipes of the documentation, run as they stand there, against a sandbox over a socket."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import pytest
from attrs import evolve

from frontpay_async import DateFormat
from frontpay_async.batch import read_csv
from frontpay_async.sandbox import DEFAULT_TOKEN, FaultKind, Sandbox
from tests.support.batches import item
from tests.support.examples import load
from tests.support.order_files import csv_text
from tests.support.processes import start

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.integration

RECIPES = Path(__file__).parents[2] / "docs" / "recipes"
ITEMS = [item(number) for number in range(5)]


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox(rate_limit=None)


@pytest.fixture
async def base_url(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    async with sandbox.serve() as url:
        monkeypatch.setenv("FRONTPAY_BASE_URL", url)
        monkeypatch.setenv("FRONTPAY_TOKEN", DEFAULT_TOKEN)
        yield url


@pytest.mark.usefixtures("base_url")
async def test_cron(sandbox: Sandbox, tmp_path: Path) -> None:
    file = tmp_path / "2026-05.csv"
    await anyio.Path(file).write_text(csv_text(ITEMS), encoding="utf-8")
    for _ in range(2):
        job = await start(RECIPES / "batch_cron.py", file, tmp_path / "journal.db", env=os.environ)
        await job.communicate()
        assert job.returncode == 0
    assert len(sandbox.orders) == len(ITEMS) == sum(1 for _ in read_csv(file))
    report = await anyio.Path(tmp_path / "2026-05.report.csv").read_text(encoding="utf-8")
    assert report.count("done") == len(ITEMS)


@pytest.mark.usefixtures("base_url")
async def test_cron_says_that_there_is_something_to_look_at(sandbox: Sandbox, tmp_path: Path) -> None:
    """An order that the API refuses: exit status 1, and the sentence in the report."""
    file = tmp_path / "2026-05.csv"
    await anyio.Path(file).write_text(csv_text(ITEMS[:1]), encoding="utf-8")
    sandbox._api.settings = evolve(sandbox._api.settings, order_date_format=DateFormat.DAY)
    job = await start(RECIPES / "batch_cron.py", file, tmp_path / "journal.db", env=os.environ)
    await job.communicate()
    assert job.returncode == 1
    report = await anyio.Path(tmp_path / "2026-05.report.csv").read_text(encoding="utf-8")
    assert "The order date does not match" in report


@pytest.mark.usefixtures("base_url")
async def test_procrastinate(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A job that is run twice sends nothing twice, also where the first run met a refused connection."""
    testing = pytest.importorskip("procrastinate.testing")
    monkeypatch.setenv("INVOICE_JOURNAL", str(tmp_path / "journal.db"))
    jobs = load("batch_procrastinate", monkeypatch, folder=RECIPES)
    sandbox.fail(FaultKind.ERROR_500_BEFORE, operation="orders.list_statuses")
    with jobs.app.replace_connector(testing.InMemoryConnector()) as app:
        await jobs.order_invoices("2026-05", ITEMS)
        await jobs.send_invoices.defer_async(name="2026-05")
        await app.run_worker_async(wait=False, install_signal_handlers=False, listen_notify=False)
        assert {job["status"] for job in app.connector.jobs.values()} == {"succeeded"}
    assert len(sandbox.orders) == len(ITEMS)
    assert sum(each.operation == "orders.send_invoice" for each in sandbox.requests) == len(ITEMS)


@pytest.mark.usefixtures("base_url")
async def test_fleet_procrastinate(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The batch of a merchant, ordered and run."""
    testing = pytest.importorskip("procrastinate.testing")
    monkeypatch.setenv("INVOICE_JOURNAL", str(tmp_path / "journal.db"))
    monkeypatch.setenv("TOKEN_SHOP", DEFAULT_TOKEN)
    jobs = load("fleet_procrastinate", monkeypatch, folder=RECIPES)
    with jobs.app.replace_connector(testing.InMemoryConnector()) as app:
        await jobs.order_invoices("shop", "2026-05", ITEMS)
        await app.run_worker_async(wait=False, install_signal_handlers=False, listen_notify=False)
        assert {job["status"] for job in app.connector.jobs.values()} == {"succeeded"}
    await jobs.journal.aclose()
    await jobs.pool.aclose()
    assert len(sandbox.orders) == len(ITEMS)
