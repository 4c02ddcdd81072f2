"""The commands for checkout, reservations, subscriptions, customers and checks, against a sandbox."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Any

import pytest

from frontpay_async.cli.exit_codes import next_step
from frontpay_async.errors import BusinessRuleError, OutcomeUnknownError
from frontpay_async.sandbox import Sandbox
from tests.support import builders, more_builders as more
from tests.support.command import Ended, Here, frontpay, here, session_json, settings
from tests.support.sandboxes import client_of, line_of, reserved, subscribed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

__all__ = ["here"]

pytestmark = pytest.mark.integration
PAGE = {"via": "visa", "success_url": "https://shop.example/ok", "failure_url": "https://shop.example/no"}
LINE = {"name": "Sein retur", "rate": "25.00", "tax": 25}
QUANTITY = [{**LINE, "quantity": 1, "rate": "102.00"}]
CYCLES = {
    "products": QUANTITY,
    "payable_per_cycle": "102.00",
    "billing_frequency": "month",
    "repeats": 3,
    "start_date": "2035-06-15",
    "end_date": "2035-09-15",
    "payment_link_due_date": "2035-07-01",
}
RECORD = {
    "name": "Ola Testmann",
    "email": "ola@example.no",
    "country_code": "+47",
    "msisdn": "40012345",
    "preferred_language": "no",
}
ADDRESS = {"street": "Storgata 1", "zip": "0155", "city": "Oslo", "country": "NO"}


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox()


@pytest.fixture
async def url(sandbox: Sandbox) -> AsyncIterator[str]:
    async with sandbox.serve() as base_url:
        yield base_url


@pytest.fixture
def run(url: str, here: Here, tmp_path: Path) -> Callable[..., Awaitable[Ended]]:
    """Run a command in a thread; a mapping among its words becomes a file of JSON."""

    async def one(*words: str | dict[str, Any], env: dict[str, str] | None = None) -> Ended:
        file = tmp_path / "body.json"
        for each in words:
            if not isinstance(each, str):
                file.write_text(json.dumps(each), "utf-8")
        given = [each if isinstance(each, str) else str(file) for each in words]
        return await asyncio.to_thread(here, *given, env=env or settings(url))

    return one


CREATIONS: dict[str, tuple[str, dict[str, Any], str]] = {
    "session": ("checkout session", {"products": QUANTITY, **PAGE}, "order_uuid"),
    "invoice": (
        "checkout invoice-session",
        {"products": QUANTITY, **{name: PAGE[name] for name in ("success_url", "failure_url")}},
        "order_uuid",
    ),
    "hosted": (
        "checkout hosted-link",
        {
            "products": QUANTITY,
            "payment_link_due_date": "2035-07-01",
            **{name: PAGE[name] for name in ("success_url", "failure_url")},
        },
        "order_uuid",
    ),
    "reservation": ("reservations submit", {"payment_link_due_date": "2035-07-01"}, "reservation_uuid"),
    "reservation session": (
        "reservations create-session",
        {"payment_link_due_date": "2035-07-01", **PAGE},
        "reservation_uuid",
    ),
    "subscription": ("subscriptions submit", CYCLES, "subscription_uuid"),
    "subscription session": ("subscriptions create-session", {**CYCLES, **PAGE}, "subscription_uuid"),
}


@pytest.mark.parametrize("case", CREATIONS)
async def test_what_a_file_describes_is_created(
    case: str, run: Callable[..., Awaitable[Ended]], sandbox: Sandbox
) -> None:
    """Only after a yes, from the file that is read as a terminal's order is, with its page only if asked."""
    words, fields, name = CREATIONS[case]
    order = json.loads(session_json(**fields))
    asked = await run(*words.split(), order)
    assert asked.status == 2, "without --yes and without a terminal nothing is sent"
    assert not {**sandbox.orders, **sandbox.reservations, **sandbox.subscriptions}
    made = await run(*words.split(), order, "--yes", "--json")
    assert made.status == 0, made.err
    result = made.objects[0]
    assert result[name] in {**sandbox.orders, **sandbox.reservations, **sandbox.subscriptions}
    assert result["payment_url"] in ("***", None), "the page is a secret"
    shown = await run(*words.split(), order, "--yes", "--json", "--show-url")
    assert shown.objects[0]["payment_url"] != "***"
    wrong = await run(*words.split(), {**order, "colour": "red", "products": []}, "--yes")
    assert wrong.status == 5
    assert "colour is not known" in wrong.err
    assert "products" in wrong.err


async def test_a_link_is_sent_again_and_a_charge_is_made(
    run: Callable[..., Awaitable[Ended]], url: str, sandbox: Sandbox
) -> None:
    async with client_of(url) as client:
        uuid = await reserved(client, sandbox)
        waiting = (await client.reservations.submit(more.reservation())).reservation_uuid
        subscription = await client.subscriptions.submit(more.subscription())
    charge = {"grand_total": "25.00", "products": [LINE]}
    done = await run("reservations", "charge", uuid, charge, "--yes", "--json")
    assert (done.status, done.objects[0]["amount"]) == (0, "25.00"), done.err
    assert sandbox.reservations[uuid].total_charged == 25
    address = ("--email", "kari@example.com", "--yes")
    assert (await run("reservations", "resend", waiting, *address)).status == 0
    of = (subscription.subscription_uuid, "--order", str(subscription.order_uuid))
    assert (await run("subscriptions", "resend", *of, *address)).status == 0
    assert (await run("reservations", "resend", waiting, "--msisdn", "40012345", "--yes")).status == 5


async def test_failed_cycles_are_listed_and_shown(
    run: Callable[..., Awaitable[Ended]], url: str, sandbox: Sandbox
) -> None:
    async with client_of(url) as client:
        uuid = await subscribed(client, sandbox, failing=1)
    listed = await run("subscriptions", "failed", "--subscription", uuid, "--json")
    order = listed.objects[0]["order_uuid"]
    shown = await run("subscriptions", "failed-details", order, "--json")
    assert shown.objects[0]["subscription_uuid"] == uuid


async def test_a_customer_is_updated_only_with_an_address(
    run: Callable[..., Awaitable[Ended]], url: str, sandbox: Sandbox
) -> None:
    async with client_of(url) as client:
        customer = (await client.orders.send_payment_link(builders.payment_link())).customer_uuid
    assert customer is not None
    update = ("customers", "update-private", customer)
    without = await run(*update, RECORD, "--yes")
    assert without.status == 5
    assert "billing_address.street is required" in without.err
    assert (await run(*update, {**RECORD, "billing_address": ADDRESS}, "--yes")).status == 0
    company = {**RECORD, "billing_address": ADDRESS, "organization_id": "987654321"}
    corporate = ("customers", "update-corporate", customer, company, "--yes")
    ended = await run(*corporate)
    assert ended.status in (0, 4), ended.err


async def test_checks_ask_and_are_listed(run: Callable[..., Awaitable[Ended]], sandbox: Sandbox) -> None:
    person = {"personal_id": builders.PERSONAL_NUMBER}
    assert (await run("credit-checks", "private", person)).status == 2
    assert (await run("credit-checks", "list", "--json")).objects == []
    assert (await run("credit-checks", "private", person, "--yes")).status == 0
    assert (await run("credit-checks", "corporate", builders.ORGANIZATION_ID, "--yes")).status == 0
    listed = await run("credit-checks", "list", "--json")
    assert len(listed.objects) == 2
    assert builders.PERSONAL_NUMBER not in listed.out
    urls = [f"--{name}-url=https://shop.example/{name}" for name in ("success", "failure", "callback")]
    started = await run("company-checks", "start", "987654321", *urls, "--yes", "--json")
    assert started.objects[0]["url"] == "***"
    found = await run("company-checks", "details", "987654321", "--json")
    assert found.objects[0]["company_check_uuid"] == started.objects[0]["company_check_uuid"]


async def test_a_reservation_is_captured_refunded_and_completed(url: str, sandbox: Sandbox) -> None:
    async with client_of(url) as client:
        uuid = await reserved(client, sandbox)
    line = line_of(sandbox, uuid)
    env = settings(url)
    asked = await frontpay("reservations", "capture", uuid, "--line", f"{line}=40.00", env=env)
    assert asked.status == 2, "without --yes and without a terminal nothing is changed"
    assert sandbox.reservations[uuid].total_captured == 0
    done = await frontpay("reservations", "capture", uuid, "--line", f"{line}=40.00", "--yes", env=env)
    assert done.status == 0, done.err
    reference = sandbox.reservations[uuid].taken[0].uuid
    refund = ("--line", f"{line}=10", "--source", "captured", "--reference", reference, "--yes")
    assert (await frontpay("reservations", "refund", uuid, *refund, env=env)).status == 0
    assert (await frontpay("reservations", "complete", uuid, "--note", "x", "--yes", env=env)).status == 0
    shown = await frontpay("reservations", "details", uuid, "--json", env=env)
    assert shown.objects[0]["status"] == "COMPLETED"
    late = await frontpay("reservations", "cancel", uuid, "--note", "x", "--yes", env=env)
    assert late.status == 4


async def test_subscriptions_and_customers(url: str, sandbox: Sandbox) -> None:
    async with client_of(url) as client:
        uuid = await subscribed(client, sandbox)
    env = settings(url)
    listed = await frontpay("subscriptions", "list", "--json", env=env)
    assert [each["subscription_uuid"] for each in listed.objects] == [uuid]
    refund = ("--cycle", "Cycle 1", "--amount", "10", "--yes")
    assert (await frontpay("subscriptions", "refund", uuid, *refund, env=env)).status == 0
    assert (await frontpay("subscriptions", "cancel", uuid, "--note", "x", "--yes", env=env)).status == 0
    customer = sandbox.subscriptions[uuid].customer_uuid
    shown = await frontpay("customers", "details", customer, "--json", env=env)
    assert shown.status == 0
    assert builders.NAME not in shown.out


@pytest.mark.parametrize(
    ("operation", "look"),
    [
        ("checkout.create_session", "orders list"),
        ("reservations.submit", "reservations history"),
        ("subscriptions.create_session", "subscriptions list"),
        ("credit_checks.check_private", "credit-checks list"),
        ("company_checks.start", "company-checks details COMPANY"),
    ],
)
def test_a_lost_creation_names_the_list_to_look_at(operation: str, look: str) -> None:
    step = next_step(OutcomeUnknownError("x", operation=operation))
    assert step == f"Search for it before you run it again: frontpay {look}"


def test_a_refused_change_names_the_details_of_its_own_kind() -> None:
    error = BusinessRuleError("x", status=400, operation="subscriptions.cancel", order_uuid="SUB1")
    assert next_step(error) == "To see what its status allows: frontpay subscriptions details SUB1"


def test_an_unknown_outcome_names_the_details() -> None:
    error = OutcomeUnknownError("x", operation="reservations.capture", order_uuid="RES1")
    assert next_step(error) == "Check before you run it again: frontpay reservations details RES1"
