"""``frontpay`` on a pseudo-terminal: prompts, questions, colours, and Ctrl-C during a payment."""

from __future__ import annotations

import re
import signal
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from frontpay_async.sandbox import DEFAULT_TERMINAL, DEFAULT_TOKEN, Cardholder, Sandbox
from tests.support import builders
from tests.support.command import on_terminal, order_json, settings
from tests.support.sandboxes import client_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.integration

CTRL_C = "\x03"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")


@pytest.fixture
def sandbox() -> Sandbox:
    """A sandbox on the real clock whose cardholder waits to be told."""
    return Sandbox(cardholder=Cardholder(after=None))


@pytest.fixture
async def url(sandbox: Sandbox) -> AsyncIterator[str]:
    async with sandbox.serve() as base_url:
        yield base_url


@pytest.fixture
def order(tmp_path: Path) -> str:
    path = tmp_path / "order.json"
    path.write_text(order_json(), encoding="utf-8")
    return str(path)


async def link(url: str) -> str:
    """Send an order of 102.00 by payment link."""
    async with client_of(url) as client:
        return (await client.orders.send_payment_link(builders.payment_link())).order_uuid


def prompt(url: str) -> str:
    """Return the prompt with its space: when that is shown, the echo is off and nothing typed is dropped."""
    return f"Token for {urlsplit(url).netloc}: "


async def test_the_token_is_asked_for_and_not_shown(url: str) -> None:
    async with on_terminal("orders", "list", env=settings(url, token=None)) as screen:
        await screen.until(prompt(url))
        screen.type(f"{DEFAULT_TOKEN}\n")
        assert await screen.ended() == 0
        await screen.until("0 orders")
    assert DEFAULT_TOKEN not in screen.shown


async def test_ctrl_c_at_the_prompt_sends_nothing(sandbox: Sandbox, url: str) -> None:
    async with on_terminal("orders", "list", env=settings(url, token=None)) as screen:
        await screen.until(prompt(url))
        assert await screen.interrupted() == 130
        await screen.until("nothing was changed")
    assert sandbox.requests == ()


async def test_a_change_is_asked_about_with_amount_and_order(sandbox: Sandbox, url: str) -> None:
    uuid = await link(url)
    async with on_terminal("orders", "charge", uuid, env=settings(url)) as screen:
        await screen.until(f"Charge the customer for order {uuid} (SENT, amount 102.00)? [y/N]:")
        screen.type("n\n")
        assert await screen.ended() == 5
        await screen.until("Not done: nothing was sent.")
    assert sandbox.requests[-1].operation == "orders.get_status"
    async with on_terminal("orders", "charge", uuid, env=settings(url)) as screen:
        await screen.until("[y/N]:")
        screen.type("y\n")
        assert await screen.ended() == 0
    assert sandbox.requests[-1].operation == "orders.charge_delayed"


async def test_ctrl_c_at_the_question_sends_nothing(sandbox: Sandbox, url: str) -> None:
    uuid = await link(url)
    async with on_terminal("orders", "charge", uuid, env=settings(url)) as screen:
        await screen.until("[y/N]: ")
        assert await screen.interrupted() == 130
    assert sandbox.requests[-1].operation == "orders.get_status"


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_change_that_is_interrupted_under_way_is_3(
    sandbox: Sandbox, url: str, number: signal.Signals
) -> None:
    """The request has left, so nobody knows."""
    uuid = await link(url)
    sandbox.fail("latency", operation="orders.charge_delayed", seconds=600)
    async with on_terminal("orders", "charge", uuid, "--yes", env=settings(url)) as screen:
        await screen.till(lambda: sandbox.requests[-1].operation == "orders.charge_delayed")
        screen.process.send_signal(number)
        assert await screen.ended() == 3
        await screen.until(f"frontpay orders status {uuid}")
    assert "Traceback" not in screen.shown


@pytest.mark.parametrize("variables", [{}, {"NO_COLOR": "1"}])
async def test_colours_are_for_terminals_that_want_them(url: str, variables: dict[str, str]) -> None:
    uuid = await link(url)
    async with on_terminal("orders", "list", env=settings(url, **variables)) as screen:
        await screen.until("1 order")
        await screen.ended()
    assert uuid in screen.shown
    coloured = [code for code in COLOUR.findall(screen.shown) if re.search(r"\[3\d", code)]
    assert bool(coloured) == (not variables)


async def test_what_the_api_says_cannot_steer_the_terminal(url: str) -> None:
    products = (builders.product(name="\x1b]0;gone\x07Hat [red]"),)
    async with client_of(url) as client:
        uuid = (await client.orders.send_payment_link(builders.payment_link(products=products))).order_uuid
    async with on_terminal("orders", "details", uuid, env=settings(url)) as screen:
        await screen.until("customer_uuid")
        await screen.ended()
    assert r"\x1b]0;gone\x07Hat [red]" in screen.shown


# Payments


async def test_a_payment_is_watched_until_it_is_paid(sandbox: Sandbox, url: str, order: str) -> None:
    async with on_terminal("terminals", "pay", order, env=settings(url)) as screen:
        await screen.until(f"Take 102.00 on terminal {DEFAULT_TERMINAL}? [y/N]:")
        assert sandbox.requests == ()
        screen.type("y\n")
        await screen.until("payment: SENT")
        (uuid,) = sandbox.orders
        sandbox.approve(uuid)
        assert await screen.ended() == 0
        await screen.until("payment: PAID")


async def test_ctrl_c_cancels_the_payment(sandbox: Sandbox, url: str, order: str) -> None:
    async with on_terminal("terminals", "pay", order, "--yes", env=settings(url)) as screen:
        await screen.until("payment: SENT")
        screen.type(CTRL_C)
        assert await screen.ended() == 1
        await screen.until("no money moved")
    (paid_for,) = sandbox.orders.values()
    assert paid_for.status == "CANCELLED"
    assert "Traceback" not in screen.shown


async def test_a_terminal_that_goes_away_cancels_the_payment(sandbox: Sandbox, url: str, order: str) -> None:
    """The kernel tells of it, and the shell again; nobody is there to read what comes of it."""
    async with on_terminal("terminals", "pay", order, "--yes", env=settings(url)) as screen:
        await screen.until("payment: SENT")
        for _ in range(2):
            screen.process.send_signal(signal.SIGHUP)
        assert await screen.ended() == 1
    (left,) = sandbox.orders.values()
    assert left.status == "CANCELLED"


async def test_a_narrow_terminal_is_told_as_much(sandbox: Sandbox, url: str, order: str) -> None:
    async with on_terminal("terminals", "pay", order, "--yes", env=settings(url, COLUMNS="40")) as screen:
        await screen.until("payment: SENT")
        await screen.until("of 5:00")
        await screen.until("Ctrl-C")
        sandbox.approve(next(iter(sandbox.orders)))
        assert await screen.ended() == 0
    assert "…" not in screen.shown


async def test_ctrl_c_after_it_was_paid_says_so(sandbox: Sandbox, url: str, order: str) -> None:
    """The cardholder was faster than the cancellation, and the command says that money moved."""
    async with on_terminal("terminals", "pay", order, "--yes", env=settings(url)) as screen:
        await screen.until("payment: SENT")
        (uuid,) = sandbox.orders
        # No look at it tells before the cancellation does.
        sandbox.fail("latency", operation="terminals.get_payment_status", seconds=600)
        before = len(sandbox.requests)
        await screen.till(lambda: len(sandbox.requests) > before)
        sandbox.approve(uuid)
        screen.type(CTRL_C)
        assert await screen.ended() == 0
        await screen.until("It was paid before it could be cancelled: 102.00 was charged.")
        await screen.until(f"frontpay orders refund {uuid} --terminal --all")


async def test_ctrl_c_while_the_order_is_created_cancels_it(sandbox: Sandbox, url: str, order: str) -> None:
    """Its id is waited for: given up, the order would stand on the terminal and nobody would know it."""
    sandbox.fail("latency", operation="terminals.create_order", seconds=1)
    async with on_terminal("terminals", "pay", order, "--yes", env=settings(url)) as screen:
        await screen.till(lambda: sandbox.orders)
        screen.type(CTRL_C)
        assert await screen.ended() == 1
    (stopped,) = sandbox.orders.values()
    assert stopped.status == "CANCELLED"


async def test_a_second_ctrl_c_gives_up_and_says_what_may_be(sandbox: Sandbox, url: str, order: str) -> None:
    sandbox.fail("latency", operation="terminals.cancel_payment", seconds=600)
    async with on_terminal("terminals", "pay", order, "--yes", env=settings(url)) as screen:
        await screen.until("payment: SENT")
        screen.type(CTRL_C)
        await screen.until("the payment is being cancelled")
        screen.type(CTRL_C)
        assert await screen.ended() == 3
        (uuid,) = sandbox.orders
        await screen.until(f"order {uuid} may still be paid")
    assert "Traceback" not in screen.shown
