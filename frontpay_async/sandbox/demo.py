"""The main job, end to end: ``python -m frontpay_async.sandbox.demo``.

Starts the sandbox in a process of its own and, over real sockets, sends one order of each kind, takes a
card payment until it is PAID, refunds a part of it until it is REFUNDED, cancels another, and looks all
of it up; meets a server error and a busy terminal on the way; and shows what a user sees when an order
is wrong. The exit status is 0 only if everything held.
"""

from __future__ import annotations

import asyncio
import contextlib
import io
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar

import httpx
from attrs import define, field

from frontpay_async import (
    Address,
    AlreadyPaidError,
    AttemptRecord,
    Customer,
    CustomerType,
    EFakturaOrder,
    EhfOrder,
    FrontPayClient,
    FrontPayError,
    InvalidOrderError,
    InvoiceOrder,
    OrderSummary,
    PaymentLinkOrder,
    PaymentStatus,
    Product,
    RefundLine,
    RefundStatus,
    RetryPolicy,
    SendOrderBy,
    TerminalOrder,
    TerminalRefund,
    Timeouts,
)
from frontpay_async.sandbox import DEFAULT_ORGANIZATION, DEFAULT_TERMINAL, DEFAULT_TOKEN

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

__all__ = ["main"]

T = TypeVar("T", PaymentStatus, RefundStatus)

_ON_THE_WAY = ("510-before@orders.send_invoicex1", "busy@terminals.resend_orderx2")
_START_WITHIN = 20.0
_DECIDED_WITHIN = 20.0
_CALLBACK = "https://shop.example/frontpay/callback"

HAIRCUT = Product(name="Haircut", quantity=1, rate="450.00", tax=25)
SHAMPOO = Product(name="Shampoo", quantity=2, rate="129.50", tax=25, discount="10.00")
BASKET = (HAIRCUT, SHAMPOO)
ADDRESS = Address(street="Luramyrveien 65", zip="4313", city="Sandnes", country="NO")
KARI = Customer(
    name="Kari Nordmann",
    type=CustomerType.PRIVATE,
    country_code="+47",
    msisdn="40000000",
    email="kari@example.com",
    personal_number="12345678901",
    address=ADDRESS,
)
SALON = Customer(
    name="Salong AS",
    type=CustomerType.CORPORATE,
    country_code="+47",
    msisdn="40000001",
    email="post@salong.example",
    organization_id="123456789",
    address=ADDRESS,
)


class DemoFailedError(Exception):
    """Say what did not hold."""


@define(eq=False)
class Story:
    """Print what happens, and remember what did not hold."""

    attempts: list[AttemptRecord] = field(init=False, factory=list)
    failed: int = field(init=False, default=0)

    def chapter(self, title: str) -> None:
        """Print a heading."""
        print(f"\n{title}")

    def check(self, holds: bool, text: str) -> None:  # noqa: FBT001 - reads as a sentence
        """Print a line, and count it as failed if it does not hold."""
        self.failed += not holds
        print(f"  {'✓' if holds else '✗ FAILED:'} {text}")

    def show(self, error: FrontPayError) -> None:
        """Print an error as a user would see it."""
        print(f"    {type(error).__name__}: {error}")


async def _until_final(ask: Callable[[], Awaitable[T]]) -> T:
    deadline = time.monotonic() + _DECIDED_WITHIN
    while not (status := await ask()).is_final:
        if time.monotonic() > deadline:
            raise DemoFailedError(f"still {status} after {_DECIDED_WITHIN} s")
        await asyncio.sleep(0.25)
    return status


def _terminal_order(*products: Product) -> TerminalOrder:
    return TerminalOrder(
        products=products,
        summary=OrderSummary.of(products),
        order_date=datetime.now(UTC),
        customer=KARI,
        terminal_uuid=DEFAULT_TERMINAL,
        receipt_print=True,
        send_order_by=SendOrderBy(sms=False, email=True),
    )


async def _send_one_of_each(client: FrontPayClient, story: Story) -> list[str]:
    story.chapter("One order of each kind")
    summary, now = OrderSummary.of(BASKET), datetime.now(UTC)
    link = PaymentLinkOrder(
        products=BASKET, summary=summary, order_date=now, customer=KARI, invoice_as_payment_option=True
    )
    invoice = InvoiceOrder(
        products=BASKET, summary=summary, order_date=now, customer=KARI, invoice_maturity=10
    )
    efaktura = EFakturaOrder(
        products=BASKET, summary=summary, order_date=now, customer=KARI, callback_url=_CALLBACK
    )
    ehf = EhfOrder(
        products=BASKET,
        summary=summary,
        order_date=now,
        customer=SALON,
        callback_url=_CALLBACK,
        invoice_maturity=14,
    )
    sent = [
        ("payment link", (await client.orders.send_payment_link(link)).order_uuid),
        ("invoice", (await client.orders.send_invoice(invoice)).order_uuid),
        ("e-faktura", (await client.orders.send_efaktura(efaktura)).order_uuid),
        ("EHF invoice", (await client.orders.send_ehf_invoice(ehf)).order_uuid),
    ]
    for kind, uuid in sent:
        story.check(uuid.startswith("ODR"), f"{kind} {uuid}, {summary.grand_total} NOK")
    retried = [a for a in story.attempts if a.operation == "orders.send_invoice"]
    statuses = [a.status for a in retried]
    story.check(statuses == [510, 201], f"the invoice met a server error and got past it: {statuses}")
    return [uuid for _, uuid in sent]


async def _pay_and_refund(client: FrontPayClient, story: Story) -> str:
    story.chapter("A card payment, and a refund of a part of it")
    terminals = await client.terminals.list(DEFAULT_ORGANIZATION)
    story.check(bool(terminals), f"terminals: {', '.join(each.name for each in terminals)}")
    uuid = (await client.terminals.create_order(_terminal_order(*BASKET))).order_uuid
    story.check(True, f"order {uuid} is on the terminal")
    await client.terminals.resend_order(uuid)
    busy = [a.status for a in story.attempts if a.operation == "terminals.resend_order"]
    story.check(busy == [510, 510, 202], f"the terminal was busy and was asked again: {busy}")
    paid = await _until_final(lambda: client.terminals.get_payment_status(uuid))
    story.check(paid is PaymentStatus.PAID, f"payment: {paid}")
    line = (await client.orders.get_details(uuid)).products[0]
    story.check(line.id is not None, f"line {line.id}: {line.name}, {line.amount} NOK")
    refund = TerminalRefund(grand_total=100, lines=[RefundLine(id=line.id or 0, amount=100)])
    await client.terminals.refund(uuid, refund)
    refunded = await _until_final(lambda: client.terminals.get_refund_status(uuid))
    report = await client.orders.get_status(uuid)
    story.check(
        refunded is RefundStatus.REFUNDED and report.refunded_amount == Decimal(100),
        f"refund: {refunded}, {report.refunded_amount} of {report.order_amount} NOK; the order is {report.status}",
    )
    return uuid


async def _cancel_another(client: FrontPayClient, story: Story) -> str:
    story.chapter("A payment that is cancelled")
    uuid = (await client.terminals.create_order(_terminal_order(SHAMPOO))).order_uuid
    await client.terminals.cancel_payment(uuid)
    status = await _until_final(lambda: client.terminals.get_payment_status(uuid))
    story.check(status is PaymentStatus.CANCELLED, f"order {uuid}: {status}")
    return uuid


async def _look_up(client: FrontPayClient, story: Story, sent: list[str], uuids: list[str]) -> None:
    story.chapter("Looking it all up")
    listed = {entry.order_uuid: entry.status for entry in await client.orders.list_statuses()}
    story.check(set(listed) == set(uuids), f"{len(listed)} orders, none missing and none too many")
    for uuid, status in listed.items():
        print(f"      {uuid}  {status}")
    details = await client.orders.get_details(sent[1])
    story.check(
        details.summary is not None and details.summary.grand_total == OrderSummary.of(BASKET).grand_total,
        f"details of {details.order_uuid}: {', '.join(product.name for product in details.products)}",
    )
    number = await client.orders.get_invoice_number(sent[1])
    story.check(bool(number.invoice_number), f"its invoice number is {number.invoice_number}")


async def _go_wrong(client: FrontPayClient, story: Story, paid: str) -> None:
    story.chapter("What a user sees when an order is wrong")
    wrong = EFakturaOrder(
        products=BASKET,
        summary=OrderSummary.of(BASKET),
        order_date=datetime.now(UTC),
        customer=Customer(
            name="Kari Nordmann", address=ADDRESS, email="kari@example.com", personal_number="123"
        ),
    )
    try:
        await client.orders.send_efaktura(wrong)
    except InvalidOrderError as error:
        story.check(len(error.violations) >= 4, "a validation error, before a byte was sent:")  # noqa: PLR2004
        story.show(error)
    else:
        story.check(False, "an invalid order was let through")
    try:
        await client.orders.cancel(paid, note="changed my mind")
    except AlreadyPaidError as error:
        story.check(True, "a business error:")
        story.show(error)
    else:
        story.check(False, "a paid order was cancelled")


async def _tell(base_url: str, story: Story) -> None:
    async with FrontPayClient(
        DEFAULT_TOKEN,
        base_url=base_url,
        timeouts=Timeouts(total=30),
        # Quick enough that the retries end before the simulated cardholder decides.
        retry=RetryPolicy(base_delay=0.2),
        on_attempt=story.attempts.append,
    ) as client:
        sent = await _send_one_of_each(client, story)
        paid = await _pay_and_refund(client, story)
        cancelled = await _cancel_another(client, story)
        await _look_up(client, story, sent, [*sent, paid, cancelled])
        await _go_wrong(client, story, paid)
    async with httpx.AsyncClient(base_url=base_url.partition("/api/")[0], trust_env=False) as look:
        twice = (await look.get("/_sandbox/duplicates")).json()
    story.chapter("What the other side has seen")
    story.check(not twice, "nothing was done twice" if not twice else f"done twice: {twice}")


@contextlib.contextmanager
def _sandbox() -> Iterator[str]:
    """Run the sandbox in a process of its own; yields its base URL."""
    command = [sys.executable, "-m", "frontpay_async.sandbox", "--port", "0", "--cardholder-after", "2"]
    for fault in _ON_THE_WAY:
        command += ["--fault", fault]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603 - our own module
    try:
        base_url = process.stdout.readline().strip() if process.stdout else ""
        if not base_url:
            raise DemoFailedError(f"the sandbox did not start (exit status {process.wait(_START_WITHIN)})")
        yield base_url
    finally:
        process.terminate()
        process.wait(_START_WITHIN)
        if process.stdout:
            process.stdout.close()


def main() -> int:
    """Run the main job; return the exit status."""
    if isinstance(sys.stdout, io.TextIOWrapper):
        # A console that knows no check mark must not end the demo.
        sys.stdout.reconfigure(errors="replace")
    story, started = Story(), time.monotonic()
    try:
        with _sandbox() as base_url:
            print(f"The sandbox answers at {base_url}")
            asyncio.run(_tell(base_url, story))
    except KeyboardInterrupt:
        print("\nstopped")
        return 130
    except (FrontPayError, DemoFailedError) as error:
        story.failed += 1
        print(f"  ✗ FAILED: {type(error).__name__}: {error}")
    requests, elapsed = len(story.attempts), time.monotonic() - started
    verdict = "Everything held" if story.failed == 0 else f"{story.failed} checks FAILED"
    print(f"\n{verdict}: {requests} requests in {elapsed:.1f} s.")
    return 0 if story.failed == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
