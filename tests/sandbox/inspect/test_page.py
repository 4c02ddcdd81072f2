"""The sandbox's page: its files, its headers, and who may act through it."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from typing import TYPE_CHECKING

import httpx
import pytest

from frontpay_async.sandbox import DEFAULT_TOKEN, Sandbox
from tests.support.builders import EMAIL, MSISDN, NAME, PERSONAL_NUMBER, STREET, invoice
from tests.support.feeds import FEED, ORIGIN, Reader
from tests.support.sandboxes import raw_client, waiting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from frontpay_async import FrontPayClient

pytestmark = pytest.mark.integration

PARTS = [
    "/",
    "/_sandbox/page/page.css",
    "/_sandbox/page/page.js",
    "/_sandbox/page/words.js",
    "/_sandbox/page/icon.svg",
]
LOOKS = ["/_sandbox/orders", "/_sandbox/requests", "/_sandbox/duplicates", "/_sandbox/callbacks"]
STEERS = [
    "/_sandbox/orders/{uuid}/approve",
    "/_sandbox/sales",
    "/_sandbox/terminals/TRML1914739698",
    "/_sandbox/behaviour",
    "/_sandbox/callbacks/listener",
    "/_sandbox/callbacks/1/resend",
    "/_sandbox/faults",
    "/_sandbox/faults/clear",
    "/_sandbox/callbacks/faults",
    "/_sandbox/callbacks/deliver",
    "/_sandbox/reset",
]
ELSEWHERE = [
    {"sec-fetch-site": "cross-site"},
    {"sec-fetch-site": "same-site", "origin": ORIGIN},
    {"origin": "http://evil.example"},
    {"origin": "null"},
    {"origin": "http://localhost:9999"},
]
HERE = [{}, {"sec-fetch-site": "same-origin"}, {"sec-fetch-site": "none"}, {"origin": ORIGIN}]


@pytest.fixture
async def browser(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(transport=sandbox.transport(), base_url=ORIGIN, trust_env=False) as browser:
        yield browser


@pytest.mark.parametrize("path", PARTS)
async def test_a_part_of_the_page_is_served_under_a_strict_policy(
    browser: httpx.AsyncClient, path: str
) -> None:
    answer = await browser.get(path)
    assert answer.status_code == 200
    policy = dict(rule.strip().split(" ", 1) for rule in answer.headers["content-security-policy"].split(";"))
    assert policy["default-src"] == policy["frame-ancestors"] == policy["base-uri"] == "'none'"
    assert {policy[name] for name in ("script-src", "style-src", "img-src", "connect-src")} == {"'self'"}
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    kind = {"/": "html", "s": "javascript", "css": "css", "svg": "svg"}
    assert any(word in answer.headers["content-type"] for end, word in kind.items() if path.endswith(end))


@pytest.mark.parametrize("path", [*PARTS, *LOOKS, "/_sandbox/requests/1"])
@pytest.mark.parametrize("headers", [{}, {"host": "evil.example"}])
async def test_no_answer_is_sniffed_embedded_or_kept(
    browser: httpx.AsyncClient, path: str, headers: dict[str, str]
) -> None:
    answer = await browser.get(path, headers=headers)
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cross-origin-resource-policy"] == "same-origin"
    assert answer.headers["cache-control"] == "no-store"


async def test_the_page_asks_nobody_else_and_has_no_inline_code(browser: httpx.AsyncClient) -> None:
    found: list[tuple[str, str, str]] = []

    class Reading(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            found.extend((tag, name, value or "") for name, value in attrs)

    Reading().feed((await browser.get("/")).text)
    links = {value for _, name, value in found if name in ("src", "href") and not value.startswith("#")}
    assert links == {path for path in PARTS if path != "/"}
    assert not [name for _, name, _ in found if name == "style" or name.startswith("on")]
    for path in PARTS[:3]:
        text = (await browser.get(path)).text
        assert not re.findall(
            r"https?://|innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(", text
        )


async def test_the_page_counts_as_no_request(browser: httpx.AsyncClient, sandbox: Sandbox) -> None:
    for path in PARTS:
        await browser.get(path)
    assert sandbox.requests == ()
    assert (await Reader(sandbox).next())["windows"] == []


@pytest.mark.parametrize("headers", ELSEWHERE)
@pytest.mark.parametrize("path", STEERS)
async def test_another_site_may_not_steer(
    client: FrontPayClient,
    sandbox: Sandbox,
    browser: httpx.AsyncClient,
    path: str,
    headers: dict[str, str],
) -> None:
    uuid = await waiting(client)
    sandbox.fail("busy")
    answer = await browser.post(path.format(uuid=uuid), headers=headers, json={"kind": "lose"})
    assert answer.status_code == 403
    assert "another site" in answer.json()["error"]
    assert sandbox.orders[uuid].status == "SENT"
    assert len(sandbox.faults.idle()) == 1


@pytest.mark.parametrize("headers", ELSEWHERE)
@pytest.mark.parametrize("path", [*LOOKS, FEED, "/_sandbox/requests/1"])
async def test_another_site_may_not_look(
    browser: httpx.AsyncClient, path: str, headers: dict[str, str]
) -> None:
    assert (await browser.get(path, headers=headers)).status_code == 403


@pytest.mark.parametrize("headers", HERE)
async def test_the_page_and_programs_may_steer(
    client: FrontPayClient, browser: httpx.AsyncClient, headers: dict[str, str]
) -> None:
    uuid = await waiting(client)
    answer = await browser.post(f"/_sandbox/orders/{uuid}/approve", headers=headers)
    assert answer.json() == {"status": "PAID"}


@pytest.mark.parametrize("path", PARTS)
async def test_another_site_may_link_to_the_page(browser: httpx.AsyncClient, path: str) -> None:
    assert (await browser.get(path, headers={"sec-fetch-site": "cross-site"})).status_code == 200


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8123", "localhost.evil.example", "", "[", "sandbox"]
)
@pytest.mark.parametrize("path", ["/", "/_sandbox/orders", FEED])
async def test_a_name_that_is_not_the_sandboxs_is_refused(
    browser: httpx.AsyncClient, host: str, path: str
) -> None:
    """Or a site could point its own name here, and be taken for the sandbox by the browser."""
    answer = await browser.get(path, headers={"host": host})
    assert answer.status_code == 403
    assert "host name" in answer.json()["error"]


@pytest.mark.parametrize(
    "host", ["localhost:8123", "127.0.0.1:1", "[::1]:8123", "192.0.2.7", "APP.localhost"]
)
async def test_this_machine_and_addresses_are_the_sandboxs(browser: httpx.AsyncClient, host: str) -> None:
    assert (await browser.get("/_sandbox/orders", headers={"host": host})).status_code == 200


async def test_other_names_can_be_allowed() -> None:
    sandbox = Sandbox(allowed_hosts=["Sandbox"])
    async with httpx.AsyncClient(
        transport=sandbox.transport(), base_url="http://sandbox:8123", trust_env=False
    ) as browser:
        for path in ("/", "/_sandbox/orders"):
            assert (await browser.get(path)).status_code == 200
        assert (await browser.get("/", headers={"host": "other"})).status_code == 403


@pytest.mark.parametrize("path", ["orders/status", "orders/everything", ""])
async def test_the_api_is_not_reached_by_another_name(
    raw: httpx.AsyncClient, sandbox: Sandbox, path: str
) -> None:
    """A site whose name points at this machine must not read orders with the default token."""
    answer = await raw.get(path, headers={"host": "evil.example:8123"})
    assert answer.status_code == 403
    assert "--allow-host" in answer.json()["message"]
    assert sandbox.requests == ()


async def test_faults_are_switched_off(browser: httpx.AsyncClient, raw: httpx.AsyncClient) -> None:
    await browser.post("/_sandbox/faults", json={"kind": "500-before", "times": None})
    assert (await raw.get("orders/status")).status_code == 500
    assert (await browser.post("/_sandbox/faults/clear")).status_code == 200
    assert (await raw.get("orders/status")).status_code == 404


async def test_a_request_and_its_answer_are_told_without_personal_data(
    client: FrontPayClient, sandbox: Sandbox, browser: httpx.AsyncClient
) -> None:
    uuid = (
        await client.orders.send_invoice(invoice(callback_url="https://shop.example/cb?key=s3cr3t"))
    ).order_uuid
    await client.orders.get_details(uuid)
    told = await Reader(sandbox).next()
    details, created = [
        (await browser.get(f"/_sandbox/requests/{row['number']}")).json() for row in told["requests"]
    ]
    assert '"grandTotal": "102.00"' in created["request"]
    assert '"name": "Hårvask"' in created["request"]
    assert f'"uuid": "{uuid}"' in created["answer"]
    assert details["request"] == ""
    assert '"status": "INVOICED"' in details["answer"]
    order = (await browser.get(f"/_sandbox/orders/{uuid}")).json()
    # The default token opens nothing but sandboxes, and is there to be copied.
    assert told.pop("access")["token"] == DEFAULT_TOKEN
    everything = f"{told} {details} {created} {order}"
    secrets = (NAME, STREET, EMAIL, MSISDN, PERSONAL_NUMBER, "s3cr3t", "shop.example", DEFAULT_TOKEN)
    assert [secret for secret in secrets if secret in everything] == []


async def test_a_token_of_ones_own_is_not_told() -> None:
    told = await Reader(Sandbox(tokens=["one-of-my-own"])).next()
    assert told["access"]["token"] is None
    assert "one-of-my-own" not in str(told)


async def test_callbacks_are_told_without_what_may_be_secret(
    client: FrontPayClient, sandbox: Sandbox
) -> None:
    uuid = (
        await client.orders.send_invoice(invoice(callback_url="http://u:p@localhost:9/s3cr3t?k=v"))
    ).order_uuid
    sandbox.apply_event(uuid, "pay")
    await sandbox.deliver_callbacks()
    newest, first = (await Reader(sandbox).next())["callbacks"]
    assert (newest["says"], first["says"], first["uuid"]) == ("PAID", "INVOICED", uuid)
    assert first["host"] == "localhost:9"
    assert "s3cr3t" not in f"{newest} {first}"


async def test_the_query_of_a_request_is_masked(sandbox: Sandbox) -> None:
    async with raw_client(sandbox) as raw:
        await raw.get("orders/status", params={"type": "PAID", "token": "s3cr3t"})
    (row,) = (await Reader(sandbox).next())["requests"]
    assert row["path"] == "/api/v1/connect/orders/status?type=PAID&token=•••"


async def test_of_a_long_list_little_is_kept(sandbox: Sandbox) -> None:
    async with sandbox.client() as client:
        for _ in range(30):
            await client.orders.send_invoice(invoice())
        assert len(await client.orders.list_statuses()) == 30
    answer = sandbox._feed.exchanges_since(0)[0].answer
    assert isinstance(answer, dict)
    assert isinstance(answer["data"], list)
    assert len(answer["data"]) == 21
    assert answer["data"][-1] == "… and 10 more"


@pytest.mark.parametrize("number", ["0", "999999"])
async def test_a_request_that_is_not_kept_is_not_found(browser: httpx.AsyncClient, number: str) -> None:
    assert (await browser.get(f"/_sandbox/requests/{number}")).status_code == 404


async def test_an_answer_that_was_dropped_is_none(
    sandbox: Sandbox, raw: httpx.AsyncClient, browser: httpx.AsyncClient
) -> None:
    sandbox.fail("drop-after")
    with pytest.raises(httpx.RemoteProtocolError):
        await raw.get("orders/status")
    (row,) = (await Reader(sandbox).next())["requests"]
    assert (row["status"], row["fault"]) == (None, "drop-after")
    assert (await browser.get(f"/_sandbox/requests/{row['number']}")).json()["answer"] == ""
