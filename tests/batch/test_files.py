"""From a file to the API and back to a file."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("sqlalchemy")

from frontpay_async import FrontPayClient, RateLimit
from frontpay_async.batch import BatchItem, InvalidFileError, InvoiceBatch, read_csv, read_jsonl, write_report
from frontpay_async.sandbox import DEFAULT_TOKEN, Sandbox
from tests.support import builders
from tests.support.order_files import csv_of, csv_text, jsonl_text, written
from tests.support.sandboxes import BASE_URL

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.integration


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox()


@pytest.fixture
async def batch(sandbox: Sandbox, tmp_path: Path) -> AsyncIterator[InvoiceBatch]:
    transport = sandbox.transport()
    client = FrontPayClient(
        DEFAULT_TOKEN,
        base_url=BASE_URL,
        transport=transport,
        rate_limit=RateLimit.unlimited(),
        trust_env=False,
    )
    async with client, InvoiceBatch(client, journal=tmp_path / "journal.db", name="night") as batch:
        yield batch


async def test_a_file_is_sent_once_and_reported(
    batch: InvoiceBatch, sandbox: Sandbox, tmp_path: Path
) -> None:
    """Whether it is read as CSV or as JSON lines: it is the same content under the same keys."""
    buyers = [builders.customer(name=f"Kunde {number}") for number in range(3)]
    items = [BatchItem(key=f"K{each.name[-1]}", order=builders.invoice(customer=each)) for each in buyers]
    orders = read_csv(written(tmp_path / "orders.csv", csv_text(items)))
    assert (await batch.submit(orders)).added == 3
    assert (await batch.submit(read_jsonl(written(tmp_path / "orders.jsonl", jsonl_text(items))))).known == 3
    report = await batch.run()
    assert report.done == len(sandbox.orders) == 3
    await write_report(batch.rows(), tmp_path / "report.jsonl")
    lines = (tmp_path / "report.jsonl").read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    assert [(row["key"], row["state"]) for row in rows] == [(each.key, "done") for each in items]
    assert {row["order_uuid"] for row in rows} == sandbox.orders.keys()
    personal = ("Kunde", builders.EMAIL, builders.MSISDN, builders.PERSONAL_NUMBER, builders.STREET)
    assert not any(text in line for text in personal for line in lines)


async def test_of_a_file_that_is_wrong_nothing_is_submitted(
    batch: InvoiceBatch, sandbox: Sandbox, tmp_path: Path
) -> None:
    content = csv_of(*({"key": f"K{number}"} for number in range(600)), {"key": "last", "customer_zip": ""})
    with pytest.raises(InvalidFileError, match=r"line 602: customer_zip is required\.$"):
        await batch.submit(read_csv(written(tmp_path / "orders.csv", content)))
    assert (await batch.status()).total == 0
    assert not sandbox.orders
