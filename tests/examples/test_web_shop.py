"""The example of a web shop without a browser: lost answers, refusals and wrong forms."""

from __future__ import annotations

import re
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

import pytest

from frontpay_async.sandbox import DEFAULT_CALLBACK_SECRET, Sandbox
from tests.support.examples import load, open_shop

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    import httpx

pytest.importorskip("fastapi")

pytestmark = pytest.mark.integration
FORM = {
    "name": "Kari Nordmann",
    "msisdn": "40000000",
    "email": "kari@example.com",
    "street": "Storgata 1",
    "zip": "0155",
    "city": "Oslo",
}


@asynccontextmanager
async def opened(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    example = load("web_shop", monkeypatch, PATIENCE=0.05)
    monkeypatch.setenv("SHOP_URL", "http://127.0.0.1:9")
    monkeypatch.setenv("SHOP_CALLBACK_SECRET", DEFAULT_CALLBACK_SECRET)
    async with open_shop(example, sandbox, monkeypatch) as shop:
        yield shop


async def basket(shop: httpx.AsyncClient) -> str:
    found = re.search(r'action="([^"]+)"', (await shop.get("/")).text)
    assert found is not None
    return found[1]


@pytest.mark.parametrize(("fault", "orders"), [("drop-after", 1), ("510-before", 0)])
async def test_a_basket_whose_outcome_is_unknown_is_closed(
    monkeypatch: pytest.MonkeyPatch, fault: str, orders: int
) -> None:
    sandbox = Sandbox()
    sandbox.fail(fault, operation="checkout.create_session")
    async with opened(monkeypatch, sandbox) as shop:
        path = await basket(shop)
        for _ in range(2):
            answer = await shop.post(path, data=FORM, follow_redirects=True)
            assert (answer.status_code, "Please do not order again" in answer.text) == (202, True)
    assert len(sandbox.orders) == orders
    assert len(sandbox.requests) == 1


async def test_a_basket_that_was_refused_can_be_sent_again(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = Sandbox(tokens=["another"])
    async with opened(monkeypatch, sandbox) as shop:
        path = await basket(shop)
        for tried in (1, 2):
            answer = await shop.post(path, data=FORM, follow_redirects=True)
            assert (answer.status_code, "Nothing was ordered" in answer.text) == (503, True)
            assert len(sandbox.requests) == tried


async def test_a_form_that_breaks_a_rule_is_shown_again(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = Sandbox()
    async with opened(monkeypatch, sandbox) as shop:
        path = await basket(shop)
        wrong = await shop.post(path, data={**FORM, "email": "kari"})
        assert (wrong.status_code, "customerDetails.email" in wrong.text) == (422, True)
        assert sandbox.requests == ()
        right = await shop.post(path, data=FORM)
        assert right.status_code == 303
        assert right.headers["location"].endswith(f"/checkout/{next(iter(sandbox.orders))}")


async def test_opening_the_success_url_proves_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    sandbox = Sandbox()
    async with opened(monkeypatch, sandbox) as shop:
        path = await basket(shop)
        await shop.post(path, data=FORM)
        answer = await shop.get(f"{path}/result")
        assert "is not decided yet" in answer.text
        assert (await shop.get("/baskets/made-up/result")).status_code == 404
