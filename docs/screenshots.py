"""Take the screenshots of the sandbox's page: ``python3 docs/screenshots.py``.

Needs a Chromium on the path and the dependency group ``page``. The orders are made up.
"""

from __future__ import annotations

import asyncio
import shutil
import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from playwright.async_api import async_playwright

from frontpay_async import (
    Address,
    Customer,
    FrontPayClient,
    InvoiceOrder,
    OrderSummary,
    PaymentLinkOrder,
    Product,
    RefundLine,
    RetryPolicy,
    SendOrderBy,
    TerminalOrder,
    TerminalRefund,
)
from frontpay_async.sandbox import DEFAULT_TERMINAL, DEFAULT_TOKEN, Cardholder, Sandbox

if TYPE_CHECKING:
    from playwright.async_api import Page

HERE = Path(__file__).parent
OTHER_TERMINAL = "TRML1216693970"
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
WIDE = {"width": 1180, "height": 960}
NARROW = {"width": 390, "height": 760}
REQUESTS_BEFORE = 110


def basket(*lines: tuple[str, int, str]) -> dict[str, object]:
    """Return what every order has, with some products."""
    products = [Product(name=name, quantity=quantity, rate=rate, tax=25) for name, quantity, rate in lines]
    return {
        "products": products,
        "summary": OrderSummary.of(products),
        "order_date": datetime.now(UTC),
        "customer": Customer(
            type="private",
            name="Kari Nordmann",
            country_code="+47",
            msisdn="40000000",
            email="kari@example.com",
            preferred_language="no",
            personal_number="12345678901",
            address=Address(street="Storgata 1", zip="0155", city="Oslo", country="NO"),
        ),
    }


async def at_terminal(client: FrontPayClient, terminal: str, *lines: tuple[str, int, str]) -> str:
    """Put an order on a terminal, and return its id."""
    order = TerminalOrder(
        **basket(*lines),
        terminal_uuid=terminal,
        receipt_print=False,
        send_order_by=SendOrderBy(sms=False, email=True),
    )
    return (await client.terminals.create_order(order)).order_uuid


async def fill(client: FrontPayClient, sandbox: Sandbox) -> None:
    """Let a morning in a shop pass."""
    for _ in range(REQUESTS_BEFORE):
        await client.terminals.list("ORG2074299506")
    bought = await at_terminal(client, OTHER_TERMINAL, ("Wool socks", 3, "149.00"))
    sandbox.approve(bought)
    link = PaymentLinkOrder(**basket(("Ski poles", 1, "899.00")), invoice_as_payment_option=True)
    paid = (await client.orders.send_payment_link(link)).order_uuid
    sandbox.apply_event(paid, "pay")
    await client.orders.send_payment_link(link)
    invoice = InvoiceOrder(
        **basket(("Ski service, season", 1, "2400.00")), invoice_interval=0, invoice_maturity=10
    )
    await client.orders.send_invoice(invoice)
    declined = await at_terminal(client, DEFAULT_TERMINAL, ("Goggles", 1, "749.00"))
    sandbox.decline(declined)
    line = RefundLine(id=sandbox.orders[bought].lines[0].id, amount="149.00")
    await client.terminals.refund(bought, TerminalRefund(grand_total="149.00", lines=[line]))
    await at_terminal(client, DEFAULT_TERMINAL, ("Ski wax", 2, "149.50"), ("Cork", 1, "89.00"))
    sandbox.fail("drop-after", operation="orders.send_invoice", times=3)


async def shoot(page: Page, name: str, size: dict[str, int]) -> None:
    """Take one screenshot of what is seen first."""
    await page.set_viewport_size({"width": size["width"], "height": size["height"]})
    await page.screenshot(path=HERE / name)
    print(f"{name}: {(HERE / name).stat().st_size // 1024} KB")


async def main() -> int:
    """Take all of them."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        print("no Chromium is found on the path", file=sys.stderr)
        return 1
    sandbox = Sandbox(cardholder=Cardholder(after=None))
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        async with sandbox.serve() as base_url, async_playwright() as playwright:
            async with FrontPayClient(
                DEFAULT_TOKEN, base_url=base_url, retry=RetryPolicy(base_delay=0.01)
            ) as client:
                await fill(client, sandbox)
            browser = await playwright.chromium.launch_persistent_context(
                profile, executable_path=chromium, headless=True, args=FLAGS
            )
            page = browser.pages[0]
            await page.goto(base_url.removesuffix("/api/v1/connect"))
            await page.get_by_text("Live", exact=True).wait_for()
            await shoot(page, "page.png", WIDE)
            await shoot(page, "page-phone.png", NARROW)
            await page.emulate_media(color_scheme="dark")
            await shoot(page, "page-dark.png", WIDE)
            await browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
