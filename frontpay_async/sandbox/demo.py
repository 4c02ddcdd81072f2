"""An end-to-end demo: ``python3 -m frontpay_async.sandbox.demo``.

It starts the sandbox in a separate process. Over real sockets it sends one order of each kind, takes a card
payment, refunds a part of it, cancels another order, pays a checkout session on its page, and checks all of
them; reserves, captures, refunds and completes; subscribes, refunds a cycle and cancels. It handles a server
error and a busy terminal, and shows the errors of an invalid order. The exit status is 0 only if all checks
passed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import sys
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import httpx
from attrs import define, field

from frontpay_async import (
    AlreadyPaidError,
    AttemptRecord,
    Clock,
    Customer,
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
from frontpay_async._protocol.operations import RESEND_TERMINAL_ORDER, SEND_INVOICE
from frontpay_async.sandbox import DEFAULT_ORGANIZATION, DEFAULT_TERMINAL, DEFAULT_TOKEN
from frontpay_async.sandbox.demo_agreements import check_out, reserve, subscribe
from frontpay_async.sandbox.demo_shop import ADDRESS, BASKET, KARI, SALON, SHAMPOO

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator
    from contextlib import AbstractAsyncContextManager

ON_THE_WAY = ("510-before@orders.send_invoicex1", "busy@terminals.resend_orderx2")
_START_WITHIN = 20.0
_DECIDED_WITHIN = 20.0
_CALLBACK = "https://shop.example/frontpay/callback"


class DemoFailedError(Exception):
    """A check of the demo that failed."""


@define(eq=False)
class Story:
    """The demo's output, and its failed checks.

    Args:
        clock: Time.
    """

    clock: Clock
    attempts: list[AttemptRecord] = field(init=False, factory=list[AttemptRecord])
    failed: int = field(init=False, default=0)

    def chapter(self, title: str) -> None:
        """Print a heading."""
        print(f"\n{title}")

    def check(self, holds: bool, text: str) -> None:  # noqa: FBT001 - reads as a sentence
        """Print a line with its check, and record a failure."""
        if holds:
            self.tell(text)
        else:
            self.fail(text)

    def tell(self, text: str) -> None:
        """Print a line that is true if all earlier checks passed."""
        print(f"  ✓ {text}")

    def fail(self, text: str) -> None:
        """Print a line about a failed check, and record the failure."""
        self.failed += 1
        print(f"  ✗ FAILED: {text}")

    def show(self, error: FrontPayError) -> None:
        """Print an error as a user would see it."""
        print(f"    {type(error).__name__}: {error}")


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
    retried = [a for a in story.attempts if a.operation == SEND_INVOICE.name]
    statuses = [a.status for a in retried]
    story.check(statuses == [510, 201], f"the invoice was retried after a server error: {statuses}")
    return [uuid for _, uuid in sent]


async def _pay_and_refund(client: FrontPayClient, story: Story) -> str:
    story.chapter("A card payment and a partial refund")
    terminals = await client.terminals.list(DEFAULT_ORGANIZATION)
    story.check(bool(terminals), f"terminals: {', '.join(each.name for each in terminals)}")
    uuid = (await client.terminals.create_order(_terminal_order(*BASKET))).order_uuid
    story.tell(f"order {uuid} is on the terminal")
    await client.terminals.resend_order(uuid)
    busy = [a.status for a in story.attempts if a.operation == RESEND_TERMINAL_ORDER.name]
    story.check(busy == [510, 510, 202], f"the busy terminal was retried: {busy}")
    paid = await client.watch.payment(uuid, timeout=_DECIDED_WITHIN)
    story.check(paid is PaymentStatus.PAID, f"payment: {paid}")
    line = (await client.orders.get_details(uuid)).products[0]
    story.check(line.id is not None, f"line {line.id}: {line.name}, {line.amount:.2f} NOK")
    refund = TerminalRefund(grand_total=100, lines=[RefundLine(id=line.id or 0, amount=100)])
    await client.terminals.refund(uuid, refund)
    refunded = await client.watch.refund(uuid, timeout=_DECIDED_WITHIN)
    report = await client.orders.get_status(uuid)
    story.check(
        refunded is RefundStatus.REFUNDED and report.refunded_amount == Decimal(100),
        f"refund: {refunded}, {report.refunded_amount:.2f} of {report.order_amount:.2f} NOK;"
        f" the order is {report.status}",
    )
    return uuid


async def _cancel_another(client: FrontPayClient, story: Story) -> str:
    story.chapter("A cancelled payment")
    uuid = (await client.terminals.create_order(_terminal_order(SHAMPOO))).order_uuid
    await client.terminals.cancel_payment(uuid)
    status = await client.watch.payment(uuid, timeout=_DECIDED_WITHIN)
    story.check(status is PaymentStatus.CANCELLED, f"order {uuid}: {status}")
    return uuid


async def _look_up(client: FrontPayClient, story: Story, sent: list[str], uuids: list[str]) -> None:
    story.chapter("Checking all orders")
    listed = {entry.order_uuid: entry.status for entry in await client.orders.list_statuses()}
    story.check(set(listed) == set(uuids), f"{len(listed)} orders, as expected")
    for uuid, status in listed.items():
        print(f"      {uuid}  {status}")
    details = await client.orders.get_details(sent[1])
    story.check(
        details.summary is not None and details.summary.grand_total == OrderSummary.of(BASKET).grand_total,
        f"details of {details.order_uuid}: {', '.join(product.name or '?' for product in details.products)}",
    )
    number = await client.orders.get_invoice_number(sent[1])
    story.check(bool(number.invoice_number), f"its invoice number is {number.invoice_number}")


async def _go_wrong(client: FrontPayClient, story: Story, paid: str) -> None:
    story.chapter("The errors of an invalid order")
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
        story.check(len(error.violations) >= 4, "a validation error, before anything was sent:")  # noqa: PLR2004
        story.show(error)
    else:
        story.fail("an invalid order was accepted")
    try:
        await client.orders.cancel(paid, note="changed my mind")
    except AlreadyPaidError as error:
        story.tell("a business error:")
        story.show(error)
    else:
        story.fail("a paid order was cancelled")


async def _tell(base_url: str, story: Story) -> None:
    async with FrontPayClient(
        DEFAULT_TOKEN,
        base_url=base_url,
        timeouts=Timeouts(total=30),
        # So fast that the retries end before the simulated cardholder decides.
        retry=RetryPolicy(base_delay=0.2),
        on_attempt=story.attempts.append,
        clock=story.clock,
    ) as client:
        sent = await _send_one_of_each(client, story)
        paid = await _pay_and_refund(client, story)
        cancelled = await _cancel_another(client, story)
        checked_out = await check_out(client, story)
        await _look_up(client, story, sent, [*sent, paid, cancelled, checked_out])
        await reserve(client, story)
        await subscribe(client, story)
        await _go_wrong(client, story, paid)
    async with httpx.AsyncClient(base_url=base_url.partition("/api/")[0], trust_env=False) as look:
        twice = (await look.get("/_sandbox/duplicates")).json()
    story.chapter("Duplicates in the sandbox")
    story.check(not twice, "nothing was carried out twice" if not twice else f"carried out twice: {twice}")


async def run(sandbox: AbstractAsyncContextManager[str], clock: Clock) -> int:
    """Run the demo against a sandbox with the faults ``ON_THE_WAY``; return the exit status."""
    story, started = Story(clock), clock.now()
    try:
        async with sandbox as base_url:
            print(f"The sandbox is at {base_url}")
            await _tell(base_url, story)
    except (FrontPayError, DemoFailedError) as error:
        story.fail(f"{type(error).__name__}: {error}")
    verdict = "All checks passed" if story.failed == 0 else f"{story.failed} checks FAILED"
    print(f"\n{verdict}: {len(story.attempts)} requests in {clock.now() - started:.1f} s.")
    return 0 if story.failed == 0 else 1


@contextlib.asynccontextmanager
async def _own_process(cardholder_after: float) -> AsyncGenerator[str]:
    """Run the sandbox in a separate process; yields its base URL."""
    command = ["-m", "frontpay_async.sandbox", "--quiet", "--port", "0"]
    command += ["--cardholder-after", str(cardholder_after)]
    for fault in ON_THE_WAY:
        command += ["--fault", fault]
    process = await asyncio.create_subprocess_exec(sys.executable, *command, stdout=asyncio.subprocess.PIPE)
    try:
        base_url = b""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_START_WITHIN):
                base_url = await process.stdout.readline() if process.stdout else b""
        if not base_url:
            raise DemoFailedError("the sandbox did not start")
        yield base_url.decode().strip()
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.terminate()
        await process.wait()


def main(arguments: list[str] | None = None) -> int:
    """Run the demo; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="python3 -m frontpay_async.sandbox.demo",
        description="Run every kind of order against a sandbox.",
    )
    parser.add_argument(
        "--cardholder-after",
        type=float,
        default=2.0,
        metavar="SECONDS",
        help="the time that the simulated cardholder takes (default: 2)",
    )
    options = parser.parse_args(arguments)
    if reconfigure := getattr(sys.stdout, "reconfigure", None):
        # A console that knows no check mark must not end the demo.
        reconfigure(errors="replace")
    try:
        return asyncio.run(run(_own_process(options.cardholder_after), Clock()))
    except KeyboardInterrupt:
        print("\nstopped")
        return 130


if __name__ == "__main__":
    sys.exit(main())
