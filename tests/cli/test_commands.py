"""``frontpay`` as a process with pipes, over real sockets, against a sandbox."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from frontpay_async import (
    InvoiceNumber,
    OrderStatus,
    OrderStatusEntry,
    OrderStatusReport,
    Terminal,
)
from frontpay_async.sandbox import DEFAULT_ORGANIZATION, DEFAULT_TERMINAL, Cardholder, Sandbox
from tests.support import builders
from tests.support.command import Here, frontpay, in_process, order_json, settings
from tests.support.sandboxes import UNKNOWN_UUID, client_of, paid, terminal_order, waiting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.integration

# A port that nobody listens on.
NOWHERE = "http://127.0.0.1:9/api/v1/connect"


@pytest.fixture
def sandbox() -> Sandbox:
    """A sandbox on the real clock whose cardholder waits to be told."""
    return Sandbox(cardholder=Cardholder(after=None))


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    return lambda *arguments, env: in_process(*arguments, env=env, patch=monkeypatch, capsys=capsys)


@pytest.fixture
async def url(sandbox: Sandbox) -> AsyncIterator[str]:
    async with sandbox.serve() as base_url:
        yield base_url


async def link(url: str) -> str:
    """Send an order of 102.00 by payment link."""
    async with client_of(url) as client:
        return (await client.orders.send_payment_link(builders.payment_link())).order_uuid


# Exit statuses


async def test_done_is_0(url: str) -> None:
    ended = await frontpay("orders", "list", "--status", "paid", env=settings(url))
    assert (ended.status, ended.out, ended.err) == (0, "", "0 orders\n")


async def test_a_misspelt_status_is_refused(url: str) -> None:
    ended = await frontpay("orders", "list", "--status", "payed", env=settings(url))
    assert (ended.status, ended.out) == (5, "")
    assert "must be one of SENT, PAID" in ended.err


async def test_a_payment_that_is_declined_is_1(sandbox: Sandbox) -> None:
    declining = Sandbox(cardholder=Cardholder(pays=False))
    async with declining.serve() as url:
        ended = await frontpay("terminals", "pay", "-", "--yes", env=settings(url), stdin=order_json())
    # Standard input is no terminal, and with --yes nobody is asked.
    assert ended.status == 1
    assert "payment_status: CANCELLED" in ended.out
    assert "no money moved" in ended.err
    assert sandbox.requests == ()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["orders", "explode"], "explode"),
        (["orders", "status"], "ORDER"),
        (["orders", "status", "ODR1", "--token", "secret"], "--token"),
        (["orders", "status", "ODR1", "-e", "demo", "--base-url", NOWHERE], "not both"),
        (["orders", "status", "ODR1", "-e", "moon"], "'moon' is not one of 'demo', 'staging', 'production'"),
        (["orders", "status", "ODR1", "--base-url", "http://example.com"], "plain http to example.com"),
        (["orders", "cancel", "ODR1", "--yes"], "pass --note"),
        (["orders", "refund", "ODR1", "--yes"], "pass what to refund"),
        (["orders", "refund", "ODR1", "--line", "1=x"], "ID=AMOUNT"),
        (["orders", "refund", "ODR1", "--line", "1=-5"], "ID=AMOUNT"),
        (
            ["orders", "refund", "ODR1", "--line", "1=5", "--no-terminal", "--reversal"],
            "--reversal requires --terminal",
        ),
        (["orders", "charge", "ODR1"], "pass --yes"),
        (["terminals", "pay", "no-such-file.json"], "no-such-file.json"),
    ],
)
def test_a_wrong_command_is_2_and_nothing_is_sent(here: Here, arguments: list[str], message: str) -> None:
    """Where it would be sent nobody listens, and that is another status."""
    ended = here(*arguments, env=settings(NOWHERE))
    assert (ended.status, ended.out) == (2, "")
    assert message in ended.err.replace("\n", " ")


def test_no_environment_is_2(here: Here) -> None:
    ended = here("orders", "list", env=settings())
    assert ended.status == 2
    assert "production is never chosen for you" in ended.err


@pytest.mark.parametrize("token", [None, ""])
def test_no_token_and_nobody_to_ask_is_2(here: Here, token: str | None) -> None:
    ended = here("orders", "list", env=settings(NOWHERE, token))
    assert ended.status == 2
    assert "set FRONTPAY_TOKEN" in ended.err


def test_a_token_that_cannot_be_one_is_2_and_not_shown(here: Here) -> None:
    ended = here("orders", "list", env=settings(NOWHERE, "to ken"))
    assert ended.status == 2
    assert "a space, a line break or a non-ASCII character" in ended.err
    assert "to ken" not in ended.err


async def test_an_unknown_outcome_is_3_and_says_where_to_look(sandbox: Sandbox, url: str) -> None:
    uuid = await link(url)
    sandbox.fail("drop-after", operation="orders.charge_delayed")
    ended = await frontpay("orders", "charge", uuid, "--yes", env=settings(url))
    assert (ended.status, ended.out) == (3, "")
    assert "money: Unknown: it may have been done." in ended.err
    assert f"frontpay orders status {uuid}" in ended.err
    assert sandbox.duplicates() == ()


async def test_a_server_error_is_3_and_not_sent_again(sandbox: Sandbox, url: str) -> None:
    """A person looks first, though the client's own default is to send again."""
    uuid = await link(url)
    sandbox.fail("510-after", operation="orders.charge_delayed")
    ended = await frontpay("orders", "charge", uuid, "--yes", env=settings(url))
    assert ended.status == 3
    assert [each.operation for each in sandbox.requests].count("orders.charge_delayed") == 1


async def test_what_the_api_refuses_is_4(url: str) -> None:
    ended = await frontpay("orders", "status", UNKNOWN_UUID, env=settings(url))
    assert (ended.status, ended.out) == (4, "")
    assert "money: None moved" in ended.err
    assert "Traceback" not in ended.err


async def test_a_refused_token_is_4_and_not_shown(url: str) -> None:
    ended = await frontpay("orders", "list", env=settings(url, token="wrong-token-7f3c"))
    assert ended.status == 4
    assert "Check FRONTPAY_TOKEN" in ended.err
    assert "7f3c" not in ended.out + ended.err


async def test_a_dead_server_is_5() -> None:
    ended = await frontpay("orders", "list", "--timeout", "1", env=settings(NOWHERE))
    assert (ended.status, ended.out) == (5, "")
    assert "money: None moved" in ended.err
    assert "Traceback" not in ended.err


async def test_an_order_that_breaks_a_rule_is_5(sandbox: Sandbox, url: str) -> None:
    broken = order_json(customer={"name": "Kari", "address": {"street": "Storgata 1"}})
    ended = await frontpay("terminals", "pay", "-", "--yes", env=settings(url), stdin=broken)
    assert ended.status == 5
    for lacking in (
        "country_code",
        "msisdn",
        "email",
        "type",
        "address.zip",
        "address.city",
        "address.country",
    ):
        assert f"customer.{lacking} is required" in ended.err
    assert "Storgata" not in ended.err
    assert sandbox.requests == ()


# JSON


def report(fields: dict[str, Any]) -> OrderStatusReport:
    amounts = {
        name: None if fields[name] is None else Decimal(fields[name])
        for name in ("order_amount", "refunded_amount")
    }
    return OrderStatusReport(**{**fields, **amounts, "status": OrderStatus(fields["status"])})


async def test_json_is_read_back_as_the_models(url: str) -> None:
    async with client_of(url) as client:
        uuid = (await client.orders.send_invoice(builders.invoice())).order_uuid
        expected = await client.orders.get_status(uuid)
        number = await client.orders.get_invoice_number(uuid)
    ran = await asyncio.gather(
        frontpay("orders", "status", uuid, "--json", env=settings(url)),
        frontpay("orders", "invoice-number", uuid, "--json", env=settings(url)),
    )
    assert [report(each) for each in ran[0].objects] == [expected]
    (fields,) = ran[1].objects
    assert InvoiceNumber(**{**fields, "status": OrderStatus(fields["status"])}) == number


async def test_a_list_is_an_object_a_line(url: str) -> None:
    uuids = [await link(url), await link(url)]
    ran = await asyncio.gather(
        frontpay("orders", "list", "--json", "--status", "sent", env=settings(url)),
        frontpay("terminals", "list", DEFAULT_ORGANIZATION, "--json", "--quiet", env=settings(url)),
    )
    entries = [OrderStatusEntry(**{**each, "status": OrderStatus(each["status"])}) for each in ran[0].objects]
    assert entries == [OrderStatusEntry(order_uuid=uuid, status=OrderStatus.SENT) for uuid in uuids]
    terminals = [Terminal(**each) for each in ran[1].objects]
    assert [each.uuid for each in terminals] == [DEFAULT_TERMINAL, "TRML1216693970"]
    assert ran[1].err == ""


async def test_an_error_is_an_object_too(url: str) -> None:
    ended = await frontpay("orders", "status", UNKNOWN_UUID, "--json", env=settings(url))
    (said,) = [line for line in ended.err.splitlines() if line]
    assert ended.out == ""
    assert '"error": "NotFoundError", "outcome": "rejected"' in said
    assert '"exit_status": 4' in said


async def test_personal_data_is_masked(url: str) -> None:
    uuid = await link(url)
    shown = await frontpay("orders", "details", uuid, env=settings(url))
    (fields,) = (await frontpay("orders", "details", uuid, "--json", env=settings(url))).objects
    assert fields["customer"]["email"] == "***"
    for secret in (builders.EMAIL, builders.NAME, builders.MSISDN, builders.STREET):
        assert secret not in shown.out + str(fields)
    assert "products.0.name: Hårvask" in shown.out


# Changes


async def test_a_refund_of_all_lines(sandbox: Sandbox, url: str) -> None:
    async with client_of(url) as client:
        uuid = await paid(client, sandbox)
    ended = await frontpay("orders", "refund", uuid, "--all", "--yes", "--json", env=settings(url))
    assert ended.objects == [{"order_uuid": uuid, "operation": "orders.refund", "amount": "102"}]
    assert sandbox.orders[uuid].status is OrderStatus.REFUNDED


async def test_a_refund_of_a_line_on_a_terminal(sandbox: Sandbox, url: str) -> None:
    async with client_of(url) as client:
        uuid = (await client.terminals.create_order(terminal_order())).order_uuid
    sandbox.approve(uuid)
    line = sandbox.orders[uuid].lines[0].id
    ended = await frontpay(
        "orders", "refund", uuid, "--terminal", "--line", f"{line}=10.50", "--yes", env=settings(url)
    )
    assert (ended.status, "amount: 10.50" in ended.out) == (0, True)
    asked = sandbox.orders[uuid].refund_request
    assert asked is not None
    assert asked.amount == Decimal("10.50")


@pytest.mark.parametrize(
    ("arguments", "operation"),
    [
        (["cancel", "--note", "changed my mind"], "orders.cancel"),
        (["charge"], "orders.charge_delayed"),
        (["resend", "--email", builders.EMAIL], "orders.resend_payment_link"),
    ],
)
async def test_a_change_is_made_once_and_told(
    sandbox: Sandbox, url: str, arguments: list[str], operation: str
) -> None:
    uuid = await link(url)
    ended = await frontpay("orders", arguments[0], uuid, *arguments[1:], "--yes", env=settings(url))
    assert (ended.status, ended.err) == (0, "")
    assert ended.out == f"order_uuid: {uuid}\noperation: {operation}\n"
    assert [each.operation for each in sandbox.requests][1:] == [operation]


@pytest.mark.parametrize(
    ("verb", "operation"), [("cancel", "terminals.cancel_payment"), ("resend", "terminals.resend_order")]
)
async def test_what_waits_on_a_terminal(sandbox: Sandbox, url: str, verb: str, operation: str) -> None:
    async with client_of(url) as client:
        uuid = (await client.terminals.create_order(terminal_order())).order_uuid
    ended = await frontpay("orders", verb, uuid, "--terminal", "--yes", env=settings(url))
    assert ended.out == f"order_uuid: {uuid}\noperation: {operation}\n"
    assert sandbox.requests[-1].operation == operation


async def test_a_payment_that_is_not_decided_in_time_is_3(sandbox: Sandbox, url: str) -> None:
    ended = await frontpay(
        "terminals", "pay", "-", "--yes", "--wait", "0.5", env=settings(url), stdin=order_json()
    )
    (uuid,) = sandbox.orders
    assert ended.status == 3
    assert f"frontpay orders cancel {uuid} --terminal" in ended.err


# Help


async def test_help_is_light() -> None:
    """Neither the HTTP engine nor rich is imported for it, nor for completion."""
    script = (
        "import sys; from frontpay_async.cli.app import run; run(sys.argv[1:]);"
        " print(sorted({'httpx', 'anyio', 'asyncio', 'cattrs', 'rich', 'starlette'} & set(sys.modules)))"
    )
    for arguments in (["--help"], ["--version"]):
        ended = await asyncio.to_thread(
            subprocess.run,
            [sys.executable, "-c", script, *arguments],
            capture_output=True,
            text=True,
            check=True,
        )
        assert ended.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("frontpay o", {"orders"}),
        ("frontpay orders c", {"cancel", "charge"}),
        ("frontpay orders list --status p", {"PAID", "PARTIAL REFUNDED"}),
        ("frontpay orders status --environment ", {"demo", "staging", "production"}),
    ],
)
async def test_words_are_completed(words: str, expected: set[str]) -> None:
    asked = {
        "_FRONTPAY_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    ended = await frontpay(env=settings(**asked))
    assert {line.partition(",")[2] for line in ended.out.splitlines()} == expected


async def test_the_completion_script_is_one_that_bash_takes() -> None:
    ended = await frontpay("completion", "bash", env=settings())
    assert "_FRONTPAY_COMPLETE=bash_complete" in ended.out
    taken = await asyncio.to_thread(
        subprocess.run, ["bash", "-n"], input=ended.out, text=True, check=False, capture_output=True
    )
    assert (taken.returncode, taken.stderr) == (0, "")


async def test_without_the_extra_it_says_what_to_install() -> None:
    """As where click cannot be imported."""
    script = "import sys; sys.modules['click'] = None; from frontpay_async.cli import main; sys.exit(main())"
    ended = await asyncio.to_thread(
        subprocess.run, [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )
    assert (ended.returncode, ended.stdout) == (1, "")
    assert ended.stderr == "frontpay needs an extra: pip install 'frontpay_async[cli]'\n"


# Terminals


async def test_the_organisation_comes_from_the_environment(url: str) -> None:
    env = settings(url, FRONTPAY_ORGANIZATION=DEFAULT_ORGANIZATION)
    listed, wrong, unnamed = await asyncio.gather(
        frontpay("terminals", "list", env=env),
        frontpay("terminals", "list", "ORG0", env=env),
        frontpay("terminals", "list", env=settings(url)),
    )
    assert (listed.status, "Oslo Terminal" in listed.out) == (0, True)
    assert (wrong.status, wrong.out) == (1, "")
    assert "ORG0 has no active terminal" in wrong.err
    assert (unnamed.status, "ORGANIZATION" in unnamed.err) == (2, True)


async def test_a_refund_finds_out_by_itself_how_the_order_was_paid(sandbox: Sandbox, url: str) -> None:
    async with client_of(url) as client:
        at_terminal, other, still = await waiting(client), await paid(client, sandbox), await waiting(client)
        sandbox.approve(at_terminal)
    env = settings(url)
    lines = {uuid: f"{sandbox.orders[uuid].lines[0].id}=10" for uuid in sandbox.orders}
    told = await asyncio.gather(
        *(
            frontpay("orders", "refund", uuid, "--line", lines[uuid], "--yes", "--json", env=env)
            for uuid in (at_terminal, other, still)
        )
    )
    assert [each.objects[0]["operation"] for each in told[:2]] == ["terminals.refund", "orders.refund"]
    assert (told[2].status, told[2].out) == (2, "")
    assert "--terminal or --no-terminal" in told[2].err
    assert sandbox.orders[still].refund_request is None
