"""The service for many merchants by uvicorn: what befalls one is not felt by the others."""

from __future__ import annotations

import json
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from attrs import define

from frontpay_async import ConnectionPool
from frontpay_async.sandbox import Sandbox
from tests.support.examples import load, open_shop, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    import httpx

pytestmark = pytest.mark.integration

SEND = "orders.send_payment_link"
TOKENS = {"oslo": "oslo-1f0e", "bergen": "bergen-7c2d", "tromso": "tromso-55a9"}


@define(eq=False)
class Service:
    """The service, the sandbox behind it, and the file of tokens."""

    sandbox: Sandbox
    http: httpx.AsyncClient
    tokens: Path

    async def send(self, merchant: str, **changes: object) -> httpx.Response:
        said = {
            "reference": "B-1001",
            "item": "Ski wax",
            "price": "149.50",
            "name": "Kari Nordmann",
            "email": "kari@example.com",
        }
        return await self.http.post(f"/merchants/{merchant}/links", json={**said, **changes})

    def rotate(self, **tokens: str) -> None:
        """Replace the file, as a secret that is mounted is."""
        new = self.tokens.with_suffix(".new")
        new.write_text(json.dumps({**TOKENS, **tokens}), "utf-8")
        new.replace(self.tokens)


@asynccontextmanager
async def opened(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sandbox: Sandbox, **changes: Any
) -> AsyncIterator[Service]:
    tokens = tmp_path / "tokens.json"
    tokens.write_text(json.dumps(TOKENS), "utf-8")
    monkeypatch.setenv("MERCHANT_TOKENS", str(tokens))
    example = load("multi_tenant", monkeypatch, **changes)
    async with open_shop(example, sandbox, monkeypatch) as http:
        yield Service(sandbox, http, tokens)


async def test_each_merchant_has_an_account_of_its_own(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with opened(monkeypatch, tmp_path, Sandbox(tokens=TOKENS.values())) as service:
        sent = await service.send("oslo")
        path = f"orders/{sent.json()['order']}"
        own = await service.http.get(f"/merchants/oslo/{path}")
        others = await service.http.get(f"/merchants/bergen/{path}")
        unknown = await service.send("hamar")
    assert sent.status_code == 201
    assert (own.status_code, own.json()["status"]) == (200, "SENT")
    assert (others.status_code, unknown.status_code) == (404, 404)


async def test_a_refused_token_is_one_merchants_matter_and_a_new_one_is_taken_up(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without a restart: the file is looked at for each attempt."""
    sandbox = Sandbox(tokens=[TOKENS["oslo"], "bergen-renewed"])
    async with opened(monkeypatch, tmp_path, sandbox) as service:
        refused, sent = await service.send("bergen"), await service.send("oslo")
        service.rotate(bergen="bergen-renewed")
        renewed = await service.send("bergen")
    assert [each.status_code for each in (refused, sent, renewed)] == [502, 201, 201]
    assert refused.text == "AuthenticationError: rejected"


async def test_a_used_up_token_is_one_merchants_matter(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """It is 503 with the seconds to wait, and the server never had to say so itself."""
    sandbox = Sandbox(tokens=TOKENS.values(), rate_limit=3)
    async with opened(monkeypatch, tmp_path, sandbox) as service:
        answers = [await service.send("bergen", reference=f"B-{number}") for number in range(4)]
        sent = await service.send("oslo")
    assert [each.status_code for each in (*answers, sent)] == [201, 201, 201, 503, 201]
    assert 0 < int(answers[3].headers["retry-after"]) <= 61
    assert [each for each in sandbox.requests if each.status == 429] == []


async def test_a_merchant_whose_calls_hang_takes_no_more_than_its_places(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """What is beyond them is refused at once, before anything is sent; the others go on."""
    sandbox = Sandbox(tokens=TOKENS.values())
    sandbox.fail("latency", operation=SEND, times=2, seconds=3600)
    async with (
        opened(monkeypatch, tmp_path, sandbox, PLACES=2) as service,
        anyio.create_task_group() as tasks,
    ):
        for _ in range(2):
            tasks.start_soon(service.send, "bergen")
        await until(lambda: len(sandbox.orders) == 2)
        beyond, others = await service.send("bergen"), await service.send("oslo")
        tasks.cancel_scope.cancel()
    assert (beyond.status_code, others.status_code) == (503, 201)
    assert len(sandbox.orders) == 3


async def test_an_order_that_breaks_a_rule_names_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    async with opened(monkeypatch, tmp_path, Sandbox(tokens=TOKENS.values())) as service:
        broken, none = await service.send("oslo", email="nobody"), await service.send("oslo", price="much")
    assert (broken.status_code, none.status_code) == (422, 400)
    assert broken.text == "customerDetails.email must be an e-mail address"
    assert service.sandbox.requests == ()


async def test_a_lost_answer_is_not_told_as_a_failure(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    sandbox = Sandbox(tokens=TOKENS.values())
    sandbox.fail("drop-after", operation=SEND)
    async with opened(monkeypatch, tmp_path, sandbox) as service:
        lost = await service.send("oslo")
    assert (lost.status_code, lost.text) == (504, "OutcomeUnknownError: unknown")


async def test_only_so_many_clients_are_kept_and_none_is_closed_in_use(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """The one that was used longest ago goes first; who comes back has a new one, on the same connections."""
    tokens = tmp_path / "tokens.json"
    tokens.write_text(json.dumps(TOKENS), "utf-8")
    example = load("multi_tenant", monkeypatch, KEPT=1)
    sandbox = Sandbox(tokens=TOKENS.values())
    async with sandbox.serve() as base_url, ConnectionPool() as pool:
        monkeypatch.setenv("FRONTPAY_BASE_URL", base_url)
        tenants = example.Tenants(pool, example.TokenFile(tokens))
        async with tenants.client("oslo") as oslo:
            async with tenants.client("bergen") as bergen:
                await bergen.orders.list_statuses()
            # Bergen was used last, but Oslo is in use.
            assert tenants.merchants == ("oslo",)
            assert repr(bergen).endswith("closed>")
            await oslo.orders.list_statuses()
        async with tenants.client("tromso"):
            pass
        assert tenants.merchants == ("tromso",)
        assert repr(oslo).endswith("closed>")
        async with tenants.client("oslo") as again:
            assert await again.orders.list_statuses() == ()
        await tenants.aclose()
        assert repr(again).endswith("closed>")
