"""The documentation in a real Chromium: nothing is cut off at 1280 and 390 pixels, and the search works.

Run by ``nox -s page``; by hand: ``pytest -m browser tests/browser/test_docs.py``. A failure lists every page
with the elements that are wider than the screen.
"""

from __future__ import annotations

import subprocess
import sys
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("sphinx", reason="the group docs is not installed")

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.async_api import BrowserContext

pytestmark = pytest.mark.browser

DOCS = Path(__file__).parents[2] / "docs"
# An element is cut off if it ends beyond the screen, or scrolls inside itself or its frame.
CUT_OFF = """() => {
  const found = [];
  const edge = document.documentElement.clientWidth;
  if (document.scrollingElement.scrollWidth > edge) found.push("the page itself");
  for (const each of document.querySelectorAll("article pre, article table, article img, article dt.sig")) {
    const box = each.getBoundingClientRect();
    if (box.width === 0) continue;
    const frame = each.closest(".table-wrapper");
    const scrolls = each.scrollWidth > each.clientWidth + 1
      || (frame && frame.scrollWidth > frame.clientWidth + 1);
    const broken = each.tagName === "IMG" && each.naturalWidth === 0;
    if (box.right > edge + 1 || scrolls || broken) {
      const words = each.innerText?.slice(0, 60) || each.src;
      found.push(`${each.tagName} ${Math.round(each.scrollWidth)}: ${words}`);
    }
  }
  return found;
}"""
DARK = """() => {
  const shade = (element) => getComputedStyle(element).backgroundColor.match(/\\d+/g).map(Number);
  const light = shade(document.body).slice(0, 3).every((part) => part > 128);
  return light ? ["the page is light"] : [];
}"""


class QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, *args: object) -> None:
        """Keep the test's output free of requests."""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    to = tmp_path_factory.mktemp("html")
    command = [sys.executable, "-m", "sphinx", "-W", "-q", "-b", "html", str(DOCS), str(to)]
    subprocess.run(command, check=True, cwd=DOCS.parent)  # noqa: S603 - our own pages
    return to


@pytest.fixture(scope="module")
def pages(built: Path) -> list[str]:
    return sorted(path.relative_to(built).as_posix() for path in built.rglob("*.html"))


@pytest.fixture(scope="module")
def site(built: Path) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(QuietHandler, directory=str(built)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


async def test_no_page_is_cut_off(browser: BrowserContext, pages: list[str], site: str) -> None:
    """Code, tables, signatures and pictures fit the screen on every page, and pictures are there."""
    page = browser.pages[0]
    wrong: list[str] = []
    for name in pages:
        await page.goto(f"{site}/{name}")
        for scheme in ("light", "dark"):
            await page.emulate_media(color_scheme=scheme)
            for width in (1280, 390):
                await page.set_viewport_size({"width": width, "height": 900})
                # A picture that fits this width is fetched only now.
                await page.wait_for_function("[...document.images].every((each) => each.complete)")
                found = await page.evaluate(CUT_OFF)
                wrong += [f"{name} at {width}, {scheme}: {each}" for each in found]
        wrong += [f"{name}: {each}" for each in await page.evaluate(DARK)]
    assert len(pages) > 40
    assert wrong == [], "\n".join(wrong)


@pytest.mark.parametrize(
    ("word", "title"),
    [
        ("webhook", "Callbacks"),
        ("Django", "Django"),
        ("pagination", "Pagination"),
        ("refund", "Refunds"),
    ],
)
async def test_the_search_finds(browser: BrowserContext, site: str, word: str, title: str) -> None:
    """The page about a thing is among the first three results for its common name."""
    page = browser.pages[0]
    await page.goto(f"{site}/search.html?q={word}")
    await page.locator("#search-results ul.search li").first.wait_for()
    results = await page.locator("#search-results ul.search li > a").all_inner_texts()
    assert any(title in result for result in results[:3]), results[:10]


async def test_the_helpers_of_a_page_are_there(browser: BrowserContext, site: str) -> None:
    """A block has its copy button, a page its edit link, and the site its version."""
    page = browser.pages[0]
    await page.goto(f"{site}/tutorial.html")
    assert await page.locator("button.copybtn").count() == await page.locator("article pre").count()
    edit = page.locator("a[href*='/edit/main/docs/tutorial.md']")
    assert await edit.count() > 0
    assert "0.1.0" in await page.title()
