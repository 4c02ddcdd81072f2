"""``frontpay reservations``, ``subscriptions`` and ``customers``, against a sandbox over a socket."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from frontpay_async.cli.exit_codes import next_step
from frontpay_async.errors import OutcomeUnknownError
from frontpay_async.sandbox import Sandbox
from tests.support import builders
from tests.support.command import frontpay, settings
from tests.support.sandboxes import client_of, line_of, reserved, subscribed

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.integration


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox()


@pytest.fixture
async def url(sandbox: Sandbox) -> AsyncIterator[str]:
    async with sandbox.serve() as base_url:
        yield base_url


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


def test_an_unknown_outcome_names_the_details() -> None:
    error = OutcomeUnknownError("x", operation="reservations.capture", order_uuid="RES1")
    assert next_step(error) == "Look before you run it again: frontpay reservations details RES1"
