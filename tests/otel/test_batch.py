"""What a batch does, in spans: a trace of the run, with each request in it, and nothing of the orders."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from tests.support.batches import CREATE, Night, item, rows_of
from tests.support.builders import EMAIL, PERSONAL_NUMBER
from tests.support.telemetry import Recorded

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.integration

ORDERS = 5


async def test_a_run_is_part_of_the_callers_trace(tmp_path: Path) -> None:
    """Each send is below the span that was the current one when the batch was run, and so is each look."""
    night, recorded = Night(tmp_path / "journal.db"), Recorded()
    night.sandbox.fail("510-after", operation=CREATE)
    tracer = recorded.tracer_provider.get_tracer("nightly")
    async with night.client(telemetry=recorded.telemetry()) as client, night.batch(client) as batch:
        await batch.submit(item(number) for number in range(ORDERS))
        with tracer.start_as_current_span("invoicing") as job:
            report = await batch.run()
    assert (report.done, report.reconciled) == (ORDERS, 1)
    calls = [span for span in recorded.kind("INTERNAL") if span.name != "invoicing"]
    assert {span.parent and span.parent.span_id for span in calls} == {job.get_span_context().span_id}
    assert {dict(span.attributes or {})["frontpay.priority"] for span in calls} == {"batch"}
    outcomes = Counter(
        str(dict(span.attributes or {})["frontpay.outcome"])
        for span in calls
        if span.name == "frontpay orders.send_invoice"
    )
    assert outcomes == {"succeeded": ORDERS - 1, "unknown": 1}
    assert len(recorded.kind("CLIENT")) == len(calls) == len(night.sandbox.requests)


async def test_a_batch_names_no_order_in_its_spans(tmp_path: Path) -> None:
    """Neither by its key nor by its id."""
    night, recorded = Night(tmp_path / "journal.db"), Recorded()
    async with night.client(telemetry=recorded.telemetry()) as client, night.batch(client) as batch:
        await batch.submit([item(1)])
        await batch.run()
        (row,) = (await rows_of(batch)).values()
    told = " ".join(span.to_json() for span in recorded.spans) + str(recorded.reader.get_metrics_data())
    for secret in (row.key, str(row.order_uuid), EMAIL, PERSONAL_NUMBER, "Customer 1"):
        assert secret not in told
