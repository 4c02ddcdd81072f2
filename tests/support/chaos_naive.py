"""The loop that people write: httpx, tenacity, and a file of what has been sent.

A runner sends its share of the invoices. A failed POST is sent again, whatever
is known of it: four times, with backoff. A key is written into the file after its invoice was sent
(``after``), so that a crash sends an invoice again; or before (``before``), so that a crash loses one.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import httpx
from attrs import define, field
from tenacity import retry, retry_if_exception_type, stop_after_attempt, wait_random_exponential

from frontpay_async import EFakturaOrder, EhfOrder, InvoiceOrder, PaymentLinkOrder
from frontpay_async._protocol.build import build
from frontpay_async._protocol.operations import (
    SEND_EFAKTURA,
    SEND_EHF_INVOICE,
    SEND_INVOICE,
    SEND_PAYMENT_LINK,
    Operation,
)
from frontpay_async.sandbox import DEFAULT_TOKEN
from tests.support.chaos_orders import invoices

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from tests.support.chaos_orders import Order

_OPERATIONS: dict[type[object], Operation[object]] = {
    InvoiceOrder: SEND_INVOICE,
    EFakturaOrder: SEND_EFAKTURA,
    EhfOrder: SEND_EHF_INVOICE,
    PaymentLinkOrder: SEND_PAYMENT_LINK,
}


@define(eq=False)
class _Loop:
    client: httpx.AsyncClient
    file: TextIO
    mark: str
    failed: int = field(init=False, default=0)

    @retry(
        stop=stop_after_attempt(4),
        wait=wait_random_exponential(multiplier=0.2, max=2),
        retry=retry_if_exception_type(httpx.HTTPError),
        reraise=True,
    )
    async def _post(self, order: Order) -> None:
        request = build(_OPERATIONS[type(order)], value=order)
        response = await self.client.post(request.path, content=request.body)
        response.raise_for_status()
        response.json()

    def _write(self, key: str) -> None:
        self.file.write(f"{key}\n")
        self.file.flush()
        os.fsync(self.file.fileno())

    async def send(self, key: str, order: Order) -> None:
        """Send an invoice; one that fails in the end is logged, and the loop goes on."""
        if self.mark == "before":
            self._write(key)
        try:
            await self._post(order)
        except (httpx.HTTPError, ValueError) as error:
            self.failed += 1
            sys.stderr.write(f"{key}: {type(error).__name__}\n")
            return
        if self.mark == "after":
            self._write(key)


async def _send_all(job: Mapping[str, Any], mine: Iterable[tuple[str, Order]], file: TextIO) -> int:
    headers = {
        "Authorization": f"Bearer {DEFAULT_TOKEN}",
        "User-Agent": f"chaos/{os.getpid()}",
        "Content-Type": "application/json",
    }
    async with httpx.AsyncClient(base_url=job["base_url"], headers=headers, trust_env=False) as client:
        loop, queue = _Loop(client, file, job["mark"]), iter(mine)

        async def work() -> None:
            for key, order in queue:
                await loop.send(key, order)

        await asyncio.gather(*(work() for _ in range(job["concurrency"])))
    return loop.failed


def main(job: Mapping[str, Any]) -> int:
    """Send this runner's share of the invoices; return the exit status: 1 where some failed."""
    path = Path(f"{job['journal']}.{job['index']}")
    sent = set(path.read_text("utf-8").split()) if path.exists() else set[str]()
    mine = [
        (key, order)
        for number, (key, order) in enumerate(invoices(job["count"], job["seed"]))
        if number % job["runners"] == job["index"] and key not in sent
    ]
    with path.open("a", encoding="utf-8") as file:
        return 1 if asyncio.run(_send_all(job, mine, file)) else 0
