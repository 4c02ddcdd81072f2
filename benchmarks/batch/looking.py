"""What it costs to look for orders in doubt: requests, counted by the sandbox. Prints a line of JSON a case.

A batch is sent to the sandbox, in this process, and 50 of its answers are lost. What is counted is every
request that does not send an order: the lists, the details, and whatever else the batch asks for.
"""

import asyncio
import json
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any, Final

from attrs import frozen

from benchmarks.batch.worker import orders
from frontpay_async import Priority, RateLimit
from frontpay_async.batch import BatchItem, InvoiceBatch
from frontpay_async.sandbox import Sandbox

_LOST: Final = 50
_SEND: Final = "orders.send_invoice"


@frozen(kw_only=True)
class Case:
    """Which orders are there, and which answers are lost.

    `others` stood in the account before; of `stored` of the lost answers the order was stored.
    """

    title: str
    others: int
    count: int
    stored: int


def _cases(*, quick: bool) -> tuple[Case, ...]:
    many = 1000 if quick else 10_000
    few = 500 if quick else 1000
    doubt = f"{_LOST} in doubt in a batch of"
    half = _LOST // 2
    return (
        Case(title=f"{doubt} {many:,}, half of them stored", others=0, count=many, stored=half),
        Case(title=f"{doubt} {many:,}, all of them stored", others=0, count=many, stored=_LOST),
        Case(
            title=f"{doubt} {few:,} in an account with {many:,} older orders, half of them stored",
            others=many,
            count=few,
            stored=half,
        ),
    )


def _lose(sandbox: Sandbox, case: Case) -> None:
    """Lose answers at equal distances, those of stored orders and of others in turn."""
    stored = 0
    for number in range(_LOST):
        due = case.stored * (number + 1) // _LOST
        kind, stored = ("drop-after" if due > stored else "drop-before"), due
        sandbox.fail(kind, operation=_SEND, skip=number * (case.count // (_LOST + 1)))


async def _measure(case: Case, folder: Path) -> dict[str, Any]:
    sandbox = Sandbox(rate_limit=None, request_history=1_000_000)
    unlimited = RateLimit.unlimited()
    async with sandbox.client(rate_limit=unlimited) as client:
        for _, order in orders(case.others):
            await client.orders.send_invoice(order)
    before = len(sandbox.requests)
    _lose(sandbox, case)
    async with sandbox.client(rate_limit=unlimited, priority=Priority.BATCH) as client:
        batch = InvoiceBatch(client, journal=folder / "journal.db", name="looking", settling=0.5)
        try:
            await batch.submit(BatchItem(key=key, order=order) for key, order in orders(case.count))
            report = await batch.run(concurrency=16)
        finally:
            await batch.aclose()
    asked = Counter(request.operation for request in sandbox.requests[before:])
    sent = asked.pop(_SEND)
    stands = Counter(str(order.body["referenceNo"]) for order in sandbox.orders.values())
    wanted = Counter(str(order.reference_no) for _, order in orders(case.count))
    # The other orders have the references of the batch's first.
    wanted += Counter(str(order.reference_no) for _, order in orders(case.others))
    lists, details = asked.pop("orders.list_statuses", 0), asked.pop("orders.get_details", 0)
    return {
        "title": case.title,
        "requests": lists + details + asked.total(),
        "lists": lists,
        "details": details,
        "others": asked.total(),
        "found": report.reconciled - (sent - case.count),
        "sent_again": sent - case.count,
        "wrong": ((stands - wanted) + (wanted - stands)).total(),
        "parked": report.parked,
    }


def _main(*, quick: bool) -> None:
    for case in _cases(quick=quick):
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(asyncio.run(_measure(case, Path(folder)))), flush=True)


if __name__ == "__main__":
    _main(quick="--quick" in sys.argv)
