"""One process of the batch benchmark: `python -m benchmarks.batch.worker JOB`; prints its figures as JSON."""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Literal

from attrs import frozen

from benchmarks.common.machine import pin
from benchmarks.common.measure import cpu_seconds
from benchmarks.common.payloads import BASE_PATH, TOKEN
from frontpay_async import (
    Address,
    Customer,
    CustomerType,
    FrontPayClient,
    InvoiceOrder,
    Language,
    OrderSummary,
    Priority,
    Product,
    RateLimit,
)


@frozen(kw_only=True)
class Job:
    """What the process does.

    `journal` is None for the bare loop: the same calls, with nothing written down.
    """

    origin: str
    count: int
    concurrency: int
    journal: str | None = None
    core: int | None = None
    engine: Literal["httpx", "aiohttp"] = "httpx"
    limit: int | None = None
    window: float = 60.0


def orders(count: int) -> Iterator[tuple[str, InvoiceOrder]]:
    """Yield the invoices of a nightly job: two lines each, to customers who are all different."""
    address = Address(street="Luramyrveien 65", zip="4313", city="Sandnes", country="NO")
    products = (
        Product(name="Hair Wash", product_id="VFDDF", quantity=1, rate="51.00", tax=25),
        Product(
            name="Cut and colour, long hair", product_id="VFDDG-LONG", quantity=1, rate="4500.00", tax=12
        ),
    )
    summary, day = OrderSummary.of(products), datetime(2035, 6, 15, 10, 30, tzinfo=UTC)
    for number in range(count):
        customer = Customer(
            name=f"Kunde {number:06d}",
            address=address,
            type=CustomerType.PRIVATE,
            country_code="+47",
            msisdn=f"4{number:07d}",
            email=f"kunde{number}@example.com",
            preferred_language=Language.NORWEGIAN,
            personal_number=f"{number:011d}",
        )
        order = InvoiceOrder(
            products=products,
            summary=summary,
            order_date=day,
            customer=customer,
            invoice_interval=0,
            invoice_maturity=10,
            reference_no=f"2026-11-{number:06d}",
        )
        yield f"2026-11/{number:06d}", order


def _memory(name: str) -> float:
    """Return a figure of this process's memory, in MiB."""
    # Not getrusage: its peak begins with that of the process that forked this one.
    for line in Path("/proc/self/status").read_text(encoding="utf-8").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) / 1024
    raise LookupError(name)


async def _loop(client: FrontPayClient, job: Job) -> dict[str, float]:
    queue = iter(list(orders(job.count)))

    async def work() -> None:
        for _, order in queue:
            await client.orders.send_invoice(order)

    begun, cpu = time.perf_counter(), cpu_seconds()
    await asyncio.gather(*(work() for _ in range(job.concurrency)))
    return {"seconds": time.perf_counter() - begun, "cpu_s": cpu_seconds() - cpu, "done": job.count}


async def _batch(client: FrontPayClient, job: Job, journal: str) -> dict[str, float]:
    from frontpay_async.batch import BatchItem, InvoiceBatch  # noqa: PLC0415 - not in the bare loop's memory

    batch = InvoiceBatch(client, journal=journal, name="2026-11")
    try:
        begun = time.perf_counter()
        await batch.submit(BatchItem(key=key, order=order) for key, order in orders(job.count))
        submitted, cpu = time.perf_counter(), cpu_seconds()
        report = await batch.run(concurrency=job.concurrency)
        ended = time.perf_counter()
        return {
            "submit_s": submitted - begun,
            "seconds": ended - submitted,
            "cpu_s": cpu_seconds() - cpu,
            "done": report.done,
        }
    finally:
        await batch.aclose()


async def _measure(job: Job) -> dict[str, float]:
    limit = RateLimit(requests=job.limit, window=job.window)
    async with FrontPayClient(
        TOKEN,
        base_url=job.origin + BASE_PATH,
        rate_limit=limit,
        priority=Priority.BATCH,
        engine=job.engine,
        trust_env=False,
    ) as client:
        resting = _memory("VmRSS")
        figures = await (_loop(client, job) if job.journal is None else _batch(client, job, job.journal))
    return {**figures, "resting_mib": resting, "peak_mib": _memory("VmHWM")}


def _main(job: dict[str, Any]) -> None:
    if job["core"] is not None:
        pin(job["core"])
    print(json.dumps(asyncio.run(_measure(Job(**job)))))


if __name__ == "__main__":
    _main(json.loads(sys.argv[1]))
