"""The example of a web shop in a real browser: shop, payment page, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from frontpay_async.sandbox import DEFAULT_CALLBACK_SECRET, Sandbox
from frontpay_async.sandbox.server import bind
from tests.support.callbacks import origin
from tests.support.examples import load, open_shop, until

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext

pytest.importorskip("fastapi")

pytestmark = pytest.mark.browser

FORM = {
    "name": "Kari Nordmann",
    "msisdn": "40000000",
    "email": "kari@example.com",
    "street": "Storgata 1",
    "zip": "0155",
    "city": "Oslo",
}


@pytest.mark.parametrize(
    ("word", "title", "status"), [("Pay", "Thank you", "PAID"), ("Cancel", "Not paid", "CANCELLED")]
)
async def test_a_customer_orders_and_pays_or_cancels(  # noqa: PLR0917 - fixtures and parameters
    browser: BrowserContext,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    word: str,
    title: str,
    status: str,
) -> None:
    """One order comes of it, whatever the customer does; the shop believes the API, and is called back."""
    example, listener = load("web_shop", monkeypatch), bind("127.0.0.1", 0)
    monkeypatch.setenv("SHOP_URL", origin(listener))
    monkeypatch.setenv("SHOP_CALLBACK_SECRET", DEFAULT_CALLBACK_SECRET)
    async with open_shop(example, sandbox, monkeypatch, listener):
        page = browser.pages[0]
        await page.goto(origin(listener))
        for name, value in FORM.items():
            await page.get_by_label(name).fill(value)
        await page.get_by_role("button", name="Pay by card").click()
        await page.get_by_text("1490.00 kr").wait_for()
        await page.get_by_role("button", name=word, exact=True).click()
        await page.get_by_role("heading", name=title).wait_for()
        (order,) = sandbox.orders.values()
        assert order.status == status
        await until(lambda: sandbox.callbacks)
        # The browser's way back leads to what was sent, not to another order.
        await page.go_back()
        await page.go_back()
        await page.get_by_role("button", name="Pay by card").click()
        await page.get_by_role("heading", name=title).wait_for()
    assert list(sandbox.orders) == [order.uuid]
    assert [sent.status for sent in sandbox.callbacks] == [200]
