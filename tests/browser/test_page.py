"""The virtual terminal in a real browser: a person clicks, and Python waits."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import anyio
import pytest

from frontpay_async import OrderStatus, PaymentStatus, RefundStatus, ServerError
from frontpay_async.sandbox import Cardholder, Sandbox
from frontpay_async.sandbox.app import BASE_PATH
from tests.support.builders import EMAIL, NAME, invoice, payment_link, product
from tests.support.sandboxes import call, client_of, terminal_order, waiting

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Locator, Page

    from frontpay_async import FrontPayClient

pytestmark = pytest.mark.browser

PATIENCE = 30


async def until_decided(client: FrontPayClient, uuid: str) -> PaymentStatus:
    """Wait for a payment, as a program does."""
    return await client.watch.payment(uuid, timeout=PATIENCE)


async def until_refunded(client: FrontPayClient, uuid: str) -> RefundStatus:
    """Wait for a refund, as a program does."""
    return await client.watch.refund(uuid, timeout=PATIENCE)


def button(page: Page, word: str, uuid: str) -> Locator:
    """Find a button on a terminal."""
    return page.get_by_role("button", name=word).and_(page.locator(f"[aria-label$='{uuid}']"))


def row(page: Page, uuid: str) -> Locator:
    """Find an order's row."""
    return page.get_by_role("row").filter(has_text=uuid)


@pytest.mark.parametrize(
    ("word", "status", "last"),
    [
        ("Approve", PaymentStatus.PAID, "Last: 102.00 NOK paid"),
        ("Decline", PaymentStatus.CANCELLED, "Last: 102.00 NOK not paid"),
    ],
)
async def test_a_payment_is_decided_by_a_click_while_python_waits(
    page: Page, client: FrontPayClient, word: str, status: PaymentStatus, last: str
) -> None:
    uuid = await waiting(client)
    async with anyio.create_task_group() as tasks:
        statuses: list[PaymentStatus] = []

        async def wait() -> None:
            statuses.append(await until_decided(client, uuid))

        tasks.start_soon(wait)
        await button(page, word, uuid).click()
    assert statuses == [status]
    await row(page, uuid).get_by_text(status, exact=True).wait_for()
    await page.get_by_text(last).wait_for()
    assert await button(page, word, uuid).count() == 0


@pytest.mark.parametrize(
    ("word", "status"), [("Approve", RefundStatus.REFUNDED), ("Decline", RefundStatus.REJECTED)]
)
async def test_a_refund_is_decided_by_a_click(
    page: Page, client: FrontPayClient, sandbox: Sandbox, word: str, status: RefundStatus
) -> None:
    uuid = await waiting(client)
    sandbox.approve(uuid)
    await call(client, "terminals.refund", uuid, line_id=sandbox.orders[uuid].lines[0].id)
    await button(page, f"{word} the refund of 10.00 NOK", uuid).click()
    assert await until_refunded(client, uuid) is status
    is_refunded = status is RefundStatus.REFUNDED
    await page.get_by_text(f"Last: 10.00 NOK {'' if is_refunded else 'not '}refunded").wait_for()
    assert await row(page, uuid).get_by_text("10.00 refunded").count() == is_refunded


async def test_orders_appear_and_change_by_themselves(
    page: Page, client: FrontPayClient, sandbox: Sandbox
) -> None:
    await page.get_by_text("No order has been sent yet.").wait_for()
    uuid = (await client.orders.send_payment_link(payment_link())).order_uuid
    await row(page, uuid).get_by_text("SENT").wait_for()
    sandbox.apply_event(uuid, "invoice")
    await row(page, uuid).get_by_text("INVOICED").wait_for()
    await row(page, uuid).get_by_text("Choose", exact=True).click()
    await row(page, uuid).get_by_role("button", name="Pay").click()
    await row(page, uuid).get_by_text("PAID").wait_for()
    assert sandbox.orders[uuid].status is OrderStatus.PAID
    assert await row(page, uuid).get_by_text("Choose", exact=True).is_hidden()


async def test_what_others_decided_goes_and_a_late_click_is_told(
    page: Page, client: FrontPayClient, sandbox: Sandbox
) -> None:
    uuid = await waiting(client)
    approve = button(page, "Approve", uuid)
    await approve.wait_for()
    # The click that is refused was on its way when the order was decided.
    sandbox.orders[uuid].note = lambda _: None
    sandbox.decline(uuid)
    await approve.click()
    await page.get_by_role("alert").get_by_text("That did not work: 'approve' cannot happen to").wait_for()
    assert sandbox.orders[uuid].status is OrderStatus.CANCELLED


async def test_requests_are_shown_with_their_answers_masked(page: Page, client: FrontPayClient) -> None:
    await client.orders.send_invoice(invoice())
    summary = page.locator("#requests summary").filter(has_text="orders.send_invoice")
    await summary.get_by_text("201").wait_for()
    await summary.click()
    await page.get_by_label("Answer", exact=True).get_by_text("orderAddedSuccessfully").wait_for()
    text = await page.locator("body").inner_text()
    assert '"grandTotal": "102.00"' in text
    assert [secret for secret in (NAME, EMAIL) if secret in text] == []


async def test_the_rate_window_fills(page: Page, client: FrontPayClient) -> None:
    await page.get_by_text("No window is open. The next request opens one, for 240 in 60 s.").wait_for()
    for used in (1, 2):
        await client.terminals.list("ORG1")
        await page.get_by_text(f"Token 1: {used} of 240").wait_for()
    meter = page.get_by_role("meter")
    assert await meter.get_attribute("aria-valuenow") == "2"


async def test_a_fault_is_switched_on_and_off(page: Page, client: FrontPayClient) -> None:
    await page.get_by_label("What goes wrong").select_option("510-before")
    await page.get_by_label("In which operation").select_option("terminals.*")
    await page.get_by_label("How often").select_option("3 times")
    await page.get_by_role("button", name="Switch on").click()
    shown = page.locator("#faults li")
    await shown.get_by_text("in terminals.*, 3 more").wait_for()
    with pytest.raises(ServerError):
        await client.terminals.list("ORG1")
    await shown.get_by_text("2 more").wait_for()
    await page.locator("#requests").get_by_text("fault: 510-before").wait_for()
    await page.get_by_role("button", name="Switch all faults off").click()
    await page.get_by_text("No fault is switched on.").wait_for()
    assert await client.terminals.list("ORG1") == ()


async def test_slowness_asks_for_seconds_and_nonsense_is_told(page: Page, sandbox: Sandbox) -> None:
    seconds = page.get_by_label("For how many seconds")
    assert await seconds.is_hidden()
    await page.get_by_label("What goes wrong").select_option("latency")
    await seconds.fill("1.5")
    await page.get_by_role("button", name="Switch on").click()
    await page.locator("#faults li").get_by_text("a late answer, 1.5 s").wait_for()
    assert [(each.kind, each.seconds) for each in sandbox.faults.idle()] == [("latency", 1.5)]
    await page.get_by_label("What goes wrong").select_option("busy")
    await page.get_by_label("In which operation").select_option("orders.cancel")
    await page.get_by_role("button", name="Switch on").click()
    await page.get_by_role("alert").get_by_text("can strike no operation").wait_for()


async def test_what_comes_from_outside_is_text(page: Page, client: FrontPayClient) -> None:
    evil = "<img src=x onerror=alert(1)><b>bold</b>"
    order = terminal_order(products=(product(name=evil, product_id=evil),))
    await client.terminals.create_order(order)
    await page.locator(".lines").get_by_text(evil).wait_for()
    await page.locator("#requests summary").first.click()
    await page.locator("pre.sent").get_by_text("bold").wait_for()
    assert await page.locator("main b, main img").count() == 0


async def test_a_keyboard_is_enough(page: Page, client: FrontPayClient) -> None:
    """From the top of the page to the payment; then the focus is on the next that waits."""
    first, second = await waiting(client), await waiting(client)
    await button(page, "Approve", second).wait_for()
    visited: list[str] = []
    for _ in range(5):
        await page.keyboard.press("Tab")
        visited.append(
            await page.evaluate("document.activeElement.ariaLabel ?? document.activeElement.textContent")
        )
        if visited[-1].startswith("Approve"):
            break
    assert visited[0] == "Skip to the orders"
    assert visited[-1] == f"Approve the payment of 102.00 NOK, order {first}"
    await page.keyboard.press("Enter")
    assert await until_decided(client, first) is PaymentStatus.PAID
    await button(page, "Approve", first).wait_for(state="detached")
    focused = page.locator(":focus")
    assert await focused.get_attribute("aria-label") == f"Decline the payment of 102.00 NOK, order {second}"
    await page.keyboard.press("Space")
    assert await until_decided(client, second) is PaymentStatus.CANCELLED
    await button(page, "Decline", second).wait_for(state="detached")
    assert await focused.inner_text() == "Terminals"


async def test_updates_leave_the_focus_where_it_is(
    page: Page, client: FrontPayClient, sandbox: Sandbox
) -> None:
    uuid = await waiting(client)
    approve = button(page, "Approve", uuid)
    await approve.focus()
    other = (await client.orders.send_payment_link(payment_link())).order_uuid
    await row(page, other).wait_for()
    third = await waiting(client)
    await button(page, "Approve", third).wait_for()
    sandbox.fail("busy")
    await page.locator("#faults li").wait_for()
    assert await approve.evaluate("button => button === document.activeElement")


async def test_changes_are_announced_politely(page: Page, client: FrontPayClient, sandbox: Sandbox) -> None:
    announcer = page.locator("#announcer")
    assert await announcer.get_attribute("role") == "status"
    uuid = await waiting(client)
    await announcer.get_by_text("A payment of 102.00 NOK waits on Oslo Terminal.").wait_for(state="attached")
    sandbox.approve(uuid)
    await announcer.get_by_text(f"Order {uuid} is PAID.").wait_for(state="attached")


async def test_a_page_comes_back_and_is_told_what_it_missed(
    page: Page, client: FrontPayClient, sandbox: Sandbox
) -> None:
    """Its connection goes, as it does when a machine sleeps; the browser takes up where it was."""
    first = await waiting(client)
    await button(page, "Approve", first).wait_for()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url) if "/feed" in request.url else None)
    await page.evaluate("disconnect()")
    sandbox.approve(first)
    second = await waiting(client)
    await page.evaluate("connect()")
    await button(page, "Approve", second).wait_for()
    assert await row(page, first).get_by_text("PAID").is_visible()
    assert [url.partition("?")[2].startswith(f"after={sandbox._feed.era}-") for url in asked] == [True]


async def test_a_page_outlives_its_sandbox(page: Page, client: FrontPayClient, sandbox: Sandbox) -> None:
    uuid = await waiting(client)
    await row(page, uuid).wait_for()
    sandbox.reset()
    await page.get_by_text("No order has been sent yet.").wait_for()
    assert await row(page, uuid).count() == 0


async def test_a_page_finds_the_next_sandbox_at_its_address(browser: BrowserContext) -> None:
    """A developer starts the sandbox anew, and leaves the page open."""
    page, port = browser.pages[0], 0
    for serial in (1, 2):
        sandbox = Sandbox(cardholder=Cardholder(after=60 * serial))
        async with sandbox.serve(port=port) as base_url, client_of(base_url) as client:
            if not port:
                port = int(base_url.removesuffix(BASE_PATH).rpartition(":")[2])
                await page.goto(base_url.removesuffix(BASE_PATH))
            await page.get_by_text(f"The cardholder pays by itself after {60 * serial} s.").wait_for()
            await waiting(client)
            await page.get_by_role("button", name="Approve").click()
            await page.get_by_text("PAID", exact=True).wait_for()
            assert [order.status for order in sandbox.orders.values()] == ["PAID"]
        await page.get_by_text("Disconnected, trying again…").wait_for()


async def test_many_orders_are_few_rows(page: Page, base_url: str, sandbox: Sandbox) -> None:
    sandbox._api.throttle = None
    async with sandbox.client() as client:
        oldest = await waiting(client)
        for _ in range(230):
            await client.orders.send_payment_link(payment_link())
    await page.get_by_text("of 231").first.wait_for()
    assert await page.locator("#orders tr").count() <= 201
    assert await button(page, "Approve", oldest).is_visible()


async def test_it_fits_a_phone(page: Page, client: FrontPayClient) -> None:
    await page.set_viewport_size({"width": 360, "height": 740})
    uuid = await waiting(client)
    await client.orders.send_payment_link(payment_link())
    await page.locator("#requests summary").first.click()
    await page.locator("pre.answered").get_by_text("message").first.wait_for()
    width = await page.evaluate("document.documentElement.scrollWidth")
    assert width == 360
    approve = button(page, "Approve", uuid)
    box = await approve.bounding_box()
    assert box is not None
    assert min(box["width"], box["height"]) >= 44
    await approve.click()
    assert await until_decided(client, uuid) is PaymentStatus.PAID


@pytest.mark.parametrize(("scheme", "width"), [*itertools.product(["light", "dark"], [1200, 360])])
async def test_no_barrier_is_found(
    page: Page, client: FrontPayClient, sandbox: Sandbox, scheme: str, width: int
) -> None:
    """By axe-core, in each scheme, wide and narrow, with everything on the page that can be there."""
    axe = pytest.importorskip("axe_playwright_python.async_playwright").Axe()
    await page.emulate_media(color_scheme="dark" if scheme == "dark" else "light")
    await page.set_viewport_size({"width": width, "height": 900})
    paid = await waiting(client)
    sandbox.approve(paid)
    await call(client, "terminals.refund", paid, line_id=sandbox.orders[paid].lines[0].id)
    link = (await client.orders.send_payment_link(payment_link())).order_uuid
    for event in (None, "cancel", "expire", "invoice", "pay"):
        uuid = (await client.orders.send_payment_link(payment_link())).order_uuid
        if event:
            sandbox.apply_event(uuid, event)
    sandbox.fail("500-before", operation="terminals.list")
    with pytest.raises(ServerError):
        await client.terminals.list("ORG1")
    sandbox.fail("latency", seconds=2)
    await row(page, link).get_by_text("Choose", exact=True).click()
    await page.locator("#requests summary").first.click()
    await page.evaluate("complain('a made-up reason')")
    await page.locator("#faults li").wait_for()
    found = await axe.run(page)
    assert found.violations_count == 0, found.generate_report()


async def test_who_wants_no_motion_gets_none(page: Page) -> None:
    await page.emulate_media(reduced_motion="reduce")
    motions = await page.evaluate(
        "[...document.querySelectorAll('*')].map(each => getComputedStyle(each).transitionDuration)"
    )
    assert set(motions) == {"0s"}


async def test_who_forces_colours_sees_the_window_fill(page: Page, client: FrontPayClient) -> None:
    """The browser takes away backgrounds, and the bar is one."""
    await page.emulate_media(forced_colors="active")
    await client.terminals.list("ORG1")
    await page.get_by_role("meter").wait_for()
    colours = await page.evaluate(
        "['section', '.fill'].map(each => getComputedStyle(document.querySelector(each)).backgroundColor)"
    )
    assert len(set(colours)) == 2


async def test_a_long_queue_leaves_the_rest_of_the_page_in_reach(page: Page, client: FrontPayClient) -> None:
    """It scrolls within its terminal, to the last one, with the keyboard too."""
    uuids = [await waiting(client) for _ in range(8)]
    await page.get_by_text("8 wait", exact=True).wait_for()
    last = button(page, "Approve", uuids[-1])
    await last.focus()
    assert await last.evaluate("button => document.activeElement === button")
    terminals = await page.locator("section.terminals").bounding_box()
    assert terminals is not None
    assert terminals["height"] < 700
    await page.keyboard.press("Enter")
    assert await until_decided(client, uuids[-1]) is PaymentStatus.PAID
    await page.get_by_text("7 wait", exact=True).wait_for()
