"""A headless Chromium of the machine's, a sandbox that is served to it, and its page in it."""

from __future__ import annotations

import os
import shutil
from typing import TYPE_CHECKING

import pytest

from frontpay_async.sandbox import Cardholder, Sandbox
from frontpay_async.sandbox.app import BASE_PATH
from tests.support.sandboxes import client_of

try:
    from playwright.async_api import async_playwright
except ImportError:
    async_playwright = None

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from playwright.async_api import BrowserContext, Page

    from frontpay_async import FrontPayClient

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
FLAGS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
# "1" where a browser must be there, so that nobody takes a test that was skipped for one that passed.
IS_DEMANDED = os.environ.get("DEMAND_BROWSER") == "1"


def chromium() -> str:
    """Return the path of the machine's Chromium, or skip the test."""
    found = next(filter(None, map(shutil.which, NAMES)), None)
    if found is not None and async_playwright is not None:
        return found
    reason = "no Chromium is found on the path" if found is None else "playwright is not installed"
    if IS_DEMANDED:
        pytest.fail(f"{reason}, and DEMAND_BROWSER is 1")
    pytest.skip(reason)


@pytest.fixture
def sandbox() -> Sandbox:
    """A sandbox on real time, whose cardholder waits to be told."""
    return Sandbox(cardholder=Cardholder(after=None))


@pytest.fixture
async def base_url(sandbox: Sandbox) -> AsyncIterator[str]:
    async with sandbox.serve() as base_url:
        yield base_url


@pytest.fixture
async def client(base_url: str) -> AsyncIterator[FrontPayClient]:
    async with client_of(base_url) as client:
        yield client


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[BrowserContext]:
    path = chromium()
    async with async_playwright() as playwright:
        context = await playwright.chromium.launch_persistent_context(
            tmp_path / "profile",
            executable_path=path,
            headless=True,
            args=FLAGS,
            viewport={"width": 1200, "height": 900},
        )
        context.set_default_timeout(20_000)
        yield context
        await context.close()


@pytest.fixture
async def page(browser: BrowserContext, base_url: str) -> AsyncIterator[Page]:
    """The page, connected; what it complains of fails the test."""
    page, complaints = browser.pages[0], list[str]()
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
    await page.goto(base_url.removesuffix(BASE_PATH))
    await page.get_by_text("Live", exact=True).wait_for()
    yield page
    # Chromium itself reports each answer that is a refusal.
    assert [line for line in complaints if "409" not in line and "422" not in line] == []
