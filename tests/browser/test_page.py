"""The virtual terminal in a real browser: a person clicks, and Python waits."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import anyio
import pytest

from frontpay_async import OrderStatus, PaymentStatus, RefundStatus, ServerError
from frontpay_async.sandbox import (
    DEFAULT_ORGANIZATION,
    DEFAULT_TOKEN,
    MAGIC_AMOUNTS,
    Cardholder,
    Sandbox,
)
from frontpay_async.sandbox.app import BASE_PATH
from tests.support import more_builders as more
from tests.support.builders import EMAIL, NAME, invoice, payment_link, product
from tests.support.sandboxes import call, client_of, terminal_order, waiting

if TYPE_CHECKING:
    from playwright.async_api import BrowserContext, Locator, Page

    from frontpay_async import FrontPayClient

pytestmark = pytest.mark.browser

PATIENCE = 30
BERGEN = "TRML1216693970"


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
    await page.get_by_role("alert").get_by_text("Failed: 'approve' cannot happen to").wait_for()
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
    await page.get_by_label("Fault", exact=True).select_option("510-before")
    await page.get_by_label("Operation").select_option("terminals.*")
    await page.get_by_label("Repeat").select_option("3 times")
    await page.get_by_role("button", name="Add fault").click()
    shown = page.locator("#faults li")
    await shown.get_by_text("in terminals.*, 3 more").wait_for()
    with pytest.raises(ServerError):
        await client.terminals.list("ORG1")
    await shown.get_by_text("2 more").wait_for()
    await page.locator("#requests").get_by_text("fault: 510-before").wait_for()
    await page.get_by_role("button", name="Clear all faults").click()
    await page.get_by_text("No active faults.").wait_for()
    assert await client.terminals.list("ORG1") == ()


async def test_slowness_asks_for_seconds_and_nonsense_is_told(page: Page, sandbox: Sandbox) -> None:
    seconds = page.get_by_label("Seconds")
    assert await seconds.is_hidden()
    await page.get_by_label("Fault", exact=True).select_option("latency")
    await seconds.fill("1.5")
    await page.get_by_role("button", name="Add fault").click()
    await page.locator("#faults li").get_by_text("a late response, 1.5 s").wait_for()
    assert [(each.kind, each.seconds) for each in sandbox.faults.idle()] == [("latency", 1.5)]
    await page.get_by_label("Fault", exact=True).select_option("busy")
    await page.get_by_label("Operation").select_option("orders.cancel")
    await page.get_by_role("button", name="Add fault").click()
    await page.get_by_role("alert").get_by_text("matches no operation").wait_for()


async def test_what_comes_from_outside_is_text(page: Page, client: FrontPayClient) -> None:
    evil = "<img src=x onerror=alert(1)><b>bold</b>"
    order = terminal_order(products=(product(name=evil, product_id=evil),))
    await client.terminals.create_order(order)
    await page.locator(".lines").get_by_text(evil).wait_for()
    await page.locator("#requests summary").first.click()
    await page.locator("pre.sent").get_by_text("bold").wait_for()
    assert await page.locator("main b, main img").count() == 0


async def test_a_keyboard_is_enough(page: Page, client: FrontPayClient) -> None:
    """From the top of the page to the payment; then the focus is at the next one, on no button of it."""
    first, second = await waiting(client), await waiting(client)
    await button(page, "Approve", second).wait_for()
    visited: list[str] = []
    for _ in range(8):
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
    assert await focused.evaluate("element => element.tagName") == "LI"
    assert second in await focused.inner_text()
    for key in ("Enter", "Space", "Enter"):
        await page.keyboard.press(key)
    await page.keyboard.press("Tab")
    assert await focused.get_attribute("aria-label") == f"Approve the payment of 102.00 NOK, order {second}"
    assert not (await client.terminals.get_payment_status(second)).is_final
    await page.keyboard.press("Tab")
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
            await page.get_by_text(f"The cardholder pays automatically after {60 * serial} s.").wait_for()
            await waiting(client)
            await page.get_by_role("button", name="Approve").click()
            await page.locator("#orders .badge").get_by_text("PAID", exact=True).wait_for()
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


@pytest.mark.parametrize("width", [320, 360, 640])
async def test_it_fits_a_phone(page: Page, client: FrontPayClient, width: int) -> None:
    """And 1280 at 200 % zoom, which are 640."""
    await page.set_viewport_size({"width": width, "height": 740})
    uuid = await waiting(client)
    await client.orders.send_payment_link(payment_link())
    await page.locator("#requests summary").first.click()
    await page.locator("pre.answered").get_by_text("message").first.wait_for()
    assert await page.evaluate("document.documentElement.scrollWidth") == width
    outside = await page.evaluate(
        """[...document.querySelectorAll('main *:not(option, thead, thead *)')].filter(each => {
            const section = each.closest('section');
            return section && each.getBoundingClientRect().right > section.getBoundingClientRect().right + 1;
        }).map(each => each.outerHTML.slice(0, 80))"""
    )
    assert outside == []
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
    await page.get_by_text("8 waiting", exact=True).wait_for()
    last = button(page, "Approve", uuids[-1])
    await last.focus()
    assert await last.evaluate("button => document.activeElement === button")
    terminals = await page.locator("section.terminals").bounding_box()
    assert terminals is not None
    assert terminals["height"] < 700
    await page.keyboard.press("Enter")
    assert await until_decided(client, uuids[-1]) is PaymentStatus.PAID
    await page.get_by_text("7 waiting", exact=True).wait_for()


# A terminal simulator


async def test_a_new_sale_is_declined_for_a_reason(page: Page, sandbox: Sandbox) -> None:
    await page.get_by_label("Terminal", exact=True).select_option("Bergen Terminal")
    await page.get_by_label("Item").fill("Skismøring")
    await page.get_by_label("Amount, NOK", exact=True).fill("149,50")
    await page.get_by_role("button", name="Send to the terminal").click()
    await page.locator(".lines").get_by_text("Skismøring").wait_for()
    (uuid,) = sandbox.orders
    await page.get_by_label(f"Why order {uuid} is declined").select_option("wrong PIN")
    await button(page, "Decline", uuid).click()
    await row(page, uuid).get_by_text("wrong PIN").wait_for()
    order = sandbox.orders[uuid]
    assert (order.decline_reason, str(order.amount), order.terminal_uuid) == ("wrong-pin", "149.50", BERGEN)


async def test_terminals_are_busy_and_offline_when_told(page: Page, sandbox: Sandbox) -> None:
    send = page.get_by_role("button", name="Send to the terminal")
    await page.get_by_label("One payment at a time").check()
    await send.click()
    await page.locator(".waiting > li").wait_for()
    await send.click()
    await page.get_by_role("alert").get_by_text("terminalIsBusy").wait_for()
    await page.get_by_role("button", name="Disconnect Bergen Terminal").click()
    await page.get_by_text("Not connected").wait_for()
    assert sandbox.behaviour.offline == {BERGEN}
    await page.get_by_role("button", name="Connect Bergen Terminal").click()
    await page.get_by_role("button", name="Disconnect Bergen Terminal").wait_for()
    assert sandbox.behaviour.offline == set()
    assert len(sandbox.orders) == 1


async def test_magic_amounts_are_listed_and_switched_on(page: Page, sandbox: Sandbox) -> None:
    await page.get_by_text("Which amounts").click()
    listed = await page.locator("#magic-list").inner_text()
    assert len(listed.split()) >= 2 * len(MAGIC_AMOUNTS)
    await page.get_by_label("Magic amounts").check()
    await page.get_by_label("Amount, NOK", exact=True).fill("149.02")
    await page.get_by_role("button", name="Send to the terminal").click()
    await page.locator("#orders .why").get_by_text("expired card").wait_for()
    (order,) = sandbox.orders.values()
    assert order.status is OrderStatus.CANCELLED


async def test_callbacks_are_shown_resent_and_go_wrong(
    page: Page, client: FrontPayClient, sandbox: Sandbox
) -> None:
    order = payment_link(callback_url="http://127.0.0.1:9/cb?key=s3cr3t")
    uuid = (await client.orders.send_payment_link(order)).order_uuid
    sandbox.apply_event(uuid, "invoice")
    shown = page.locator("#callbacks > li")
    await shown.get_by_text("INVOICED").wait_for()
    await page.get_by_role("button", name=f"Send the callback INVOICED of order {uuid} again").click()
    await shown.nth(1).wait_for()
    await page.get_by_text("Callback fault").click()
    await page.get_by_label("Kind of fault").select_option("lost")
    await page.get_by_role("button", name="Add", exact=True).click()
    # The request of the form must have been answered before the next callback is made.
    await page.wait_for_function("!document.querySelector('#callback-form button').ariaDisabled")
    sandbox.apply_event(uuid, "pay")
    await shown.first.get_by_text("fault: lost").wait_for()
    assert "s3cr3t" not in await page.locator("#callbacks").inner_text()
    assert [each.problem for each in sandbox.callbacks][-1] == "lost"


async def test_what_a_program_needs_is_copied(page: Page, browser: BrowserContext, base_url: str) -> None:
    await browser.grant_permissions(["clipboard-read", "clipboard-write"])
    for name, value in (
        ("Base URL", base_url),
        ("Token", DEFAULT_TOKEN),
        ("Organisation", DEFAULT_ORGANIZATION),
    ):
        await page.get_by_role("button", name=f"Copy {name}").click()
        await page.locator("#announcer").get_by_text(f"{name} copied.").wait_for(state="attached")
        assert await page.evaluate("navigator.clipboard.readText()") == value


async def test_a_reset_asks_first_with_the_focus_on_no(
    page: Page, client: FrontPayClient, sandbox: Sandbox
) -> None:
    uuid = await waiting(client)
    await row(page, uuid).wait_for()
    await page.get_by_role("button", name="Reset…").click()
    assert await page.locator(":focus").inner_text() == "Keep everything"
    await page.keyboard.press("Enter")
    assert list(sandbox.orders) == [uuid]
    await page.get_by_role("button", name="Reset…").click()
    await page.get_by_role("button", name="Reset", exact=True).click()
    await page.get_by_text("No order has been sent yet.").wait_for()
    assert sandbox.orders == {}


async def test_orders_and_requests_are_searched_and_filtered(
    page: Page, client: FrontPayClient, sandbox: Sandbox
) -> None:
    at_terminal = await waiting(client)
    link = (await client.orders.send_payment_link(payment_link())).order_uuid
    sandbox.apply_event(link, "pay")
    await row(page, link).get_by_text("PAID").wait_for()
    await page.get_by_label("Search", exact=True).fill("oslo")
    await row(page, link).wait_for(state="detached")
    assert await row(page, at_terminal).is_visible()
    await page.get_by_label("Search", exact=True).fill("")
    await page.get_by_label("Status", exact=True).select_option("PAID")
    await row(page, at_terminal).wait_for(state="detached")
    await page.get_by_label("Search", exact=True).fill("nothing like it")
    await page.get_by_text("No order matches.").wait_for()
    await page.get_by_label("Search the requests").fill("payment_link")
    assert await page.locator("#requests > li").count() == 1


async def test_faults_strike_at_random(page: Page, client: FrontPayClient) -> None:
    await page.get_by_label("Fault", exact=True).select_option("500-before")
    await page.get_by_label("Repeat").select_option("at random")
    await page.get_by_label("Percentage of requests").fill("100")
    await page.get_by_role("button", name="Add fault").click()
    await page.locator("#faults li").get_by_text("for 100 % of requests").wait_for()
    with pytest.raises(ServerError):
        await client.terminals.list("ORG1")


async def test_an_order_is_shown_in_detail_and_masked(page: Page, client: FrontPayClient) -> None:
    uuid = (await client.orders.send_invoice(invoice())).order_uuid
    opener = page.get_by_role("button", name=f"Details of order {uuid}")
    await opener.click()
    dialog = page.get_by_role("dialog")
    await dialog.get_by_text("Hårvask").first.wait_for()
    text = await dialog.inner_text()
    assert [secret for secret in (NAME, EMAIL) if secret in text] == []
    await dialog.get_by_role("button", name="Close").click()
    assert await opener.evaluate("button => button === document.activeElement")


async def test_the_page_speaks_norwegian_and_remembers_it(page: Page, client: FrontPayClient) -> None:
    uuid = await waiting(client)
    await page.get_by_role("button", name="Norsk").click()
    await page.get_by_role("heading", name="Terminaler").wait_for()
    await page.locator(".waiting .sum").get_by_text("102,00").wait_for()
    approve = page.get_by_role("button", name=f"Godkjenn betalingen av 102,00 NOK, ordre {uuid}")
    assert await page.evaluate("document.documentElement.lang") == "nb"
    await page.reload()
    await page.get_by_text("Direkte", exact=True).wait_for()
    await approve.click()
    await page.get_by_text("Sist: 102,00 NOK betalt").wait_for()
    await page.get_by_role("button", name="English").click()
    await page.get_by_text("Last: 102.00 NOK paid").wait_for()


async def test_every_word_has_its_translation(page: Page) -> None:
    """What the page marks, and what its tables name."""
    missing = await page.evaluate(
        """[
            ...[...document.querySelectorAll('[data-t]')].map(each => each.dataset.english),
            ...[...document.querySelectorAll('template')].flatMap(
                each => [...each.content.querySelectorAll('[data-t]')].map(part => part.dataset.english)),
            ...[KINDS, EVENTS, FAULTS, CALLBACK_FAULTS, OUTCOMES].flatMap(Object.values),
            ...seen.told.reasons.map(each => OUTCOMES[each]),
            ...Object.values(seen.told.magic).map(each => OUTCOMES[each]),
            ...seen.told.kinds.map(each => FAULTS[each.kind]),
            ...seen.told.callback_faults.map(each => CALLBACK_FAULTS[each]),
        ].filter(each => !(each in NORWEGIAN))"""
    )
    assert missing == []


async def test_what_is_stale_is_dimmed(page: Page) -> None:
    assert await page.evaluate("getComputedStyle(document.querySelector('main')).opacity") == "1"
    await page.emulate_media(reduced_motion="reduce")
    await page.evaluate("say('lost', 'Disconnected, trying again…')")
    assert float(await page.evaluate("getComputedStyle(document.querySelector('main')).opacity")) < 0.7
    await page.evaluate("say('live', 'Live')")
    assert await page.evaluate("getComputedStyle(document.querySelector('main')).opacity") == "1"


async def test_agreements_are_shown_and_accepted_on_their_payment_page(
    page: Page, browser: BrowserContext, client: FrontPayClient, sandbox: Sandbox
) -> None:
    """A reservation by its payment page, a subscription and a check by a button; all appear by themselves."""
    await page.get_by_text("None has been created yet.").wait_for()
    uuid = (await client.reservations.submit(more.reservation())).reservation_uuid
    await row(page, uuid).get_by_text("SENT", exact=True).wait_for()
    async with browser.expect_page() as opened:
        await row(page, uuid).get_by_role("link", name=f"Payment page of {uuid}").click()
    checkout = await opened.value
    await checkout.get_by_role("button", name="Accept").click()
    await checkout.locator("#status").get_by_text("RESERVED").wait_for()
    await checkout.close()
    await row(page, uuid).get_by_text("RESERVED", exact=True).wait_for()
    line = sandbox.reservations[uuid].lines[0].id
    await client.reservations.capture(uuid, more.capture(line, 40))
    await row(page, uuid).get_by_text("40.00 captured").wait_for()
    subscription = (await client.subscriptions.submit(more.subscription())).subscription_uuid
    await row(page, subscription).get_by_role("button", name="Accept").click()
    await row(page, subscription).get_by_text("cycles paid: 1/3").wait_for()
    await row(page, subscription).get_by_role("button", name="Bill the next cycle").click()
    await row(page, subscription).get_by_text("cycles paid: 2/3").wait_for()
    check = (await call(client, "company_checks.start", "")).company_check_uuid
    await row(page, check).get_by_role("button", name="Confirm").click()
    await row(page, check).get_by_text("score 87").wait_for()
    assert await row(page, check).get_by_role("link").count() == 0


@pytest.mark.parametrize("kind", ["payment link", "checkout session"])
async def test_an_order_is_paid_on_its_payment_page(
    page: Page, browser: BrowserContext, client: FrontPayClient, kind: str
) -> None:
    if kind == "payment link":
        uuid = (await client.orders.send_payment_link(payment_link())).order_uuid
    else:
        session = more.checkout_session(success_url=page.url)
        uuid = (await client.checkout.create_session(session)).order_uuid
    async with browser.expect_page() as opened:
        await row(page, uuid).get_by_role("link", name=f"Payment page of {uuid}").click()
    checkout = await opened.value
    await checkout.get_by_role("button", name="Pay").click()
    await row(page, uuid).get_by_text("PAID", exact=True).wait_for()
    assert (await client.orders.get_status(uuid)).status is OrderStatus.PAID
