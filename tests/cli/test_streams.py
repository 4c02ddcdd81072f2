"""``frontpay`` where its streams are no terminal, not UTF-8, full, or closed."""

from __future__ import annotations

import asyncio
import os
import subprocess
from typing import TYPE_CHECKING

import pytest

from frontpay_async.sandbox import Cardholder, Sandbox
from tests.support import builders
from tests.support.command import COMMAND, MODULE, PATIENCE, frontpay, order_json, settings
from tests.support.processes import PIPE, start
from tests.support.sandboxes import client_of

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

pytestmark = pytest.mark.integration


@pytest.fixture
async def url() -> AsyncIterator[str]:
    async with Sandbox(cardholder=Cardholder(after=None)).serve() as base_url:
        yield base_url


async def link(url: str) -> str:
    """Send an order of 102.00 by payment link."""
    async with client_of(url) as client:
        return (await client.orders.send_payment_link(builders.payment_link())).order_uuid


async def test_without_a_terminal_there_are_no_colours_and_no_bars() -> None:
    """Each change of the payment is a line."""
    paying = Sandbox(cardholder=Cardholder(after=0))
    async with paying.serve() as url:
        ended = await frontpay("terminals", "pay", "-", "--yes", env=settings(url), stdin=order_json())
        listed = await frontpay("orders", "list", env=settings(url))
    (uuid,) = paying.orders
    assert ended.err.splitlines() == [f"order {uuid} is on the terminal", "payment: PAID"]
    assert listed.out == f"{uuid}\tPAID\n"
    assert "\x1b" not in ended.out + ended.err + listed.out + listed.err


async def test_a_stdout_that_is_not_utf_8_ends_nothing(url: str) -> None:
    uuid = await link(url)
    ascii_only = settings(url, PYTHONUTF8="0", PYTHONIOENCODING="ascii", LC_ALL="C")
    ended = await frontpay("orders", "details", uuid, env=ascii_only)
    assert ended.status == 0
    assert r"H\xe5rvask" in ended.out


async def test_a_payment_goes_on_when_nobody_reads_of_it() -> None:
    """As with ``2>&1 | head -1``: left alone, the order would stand on the terminal."""
    paying = Sandbox(cardholder=Cardholder(after=0))
    reader, writer = os.pipe()
    os.close(reader)
    async with paying.serve() as url:
        process = await start(
            MODULE, "terminals", "pay", "-", "--yes", env=settings(url), stdin=PIPE, stderr=writer
        )
        os.close(writer)
        out, _ = await process.communicate(order_json().encode())
    assert process.returncode == 0
    assert b"payment_status: PAID" in out


def run_into(url: str, stdout: int | None, *arguments: str) -> tuple[int, str]:
    ended = subprocess.run(  # noqa: S603 - our own module
        [*COMMAND, *arguments],
        env=settings(url),
        stdin=subprocess.DEVNULL,
        stdout=stdout,
        stderr=subprocess.PIPE,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return ended.returncode, ended.stderr


async def test_a_closed_pipe_is_no_error(url: str) -> None:
    """The exit status still tells what happened."""
    uuid = await link(url)
    reader, writer = os.pipe()
    os.close(reader)
    try:
        ended = await asyncio.to_thread(run_into, url, writer, "orders", "charge", uuid, "--yes")
    finally:
        os.close(writer)
    assert ended == (0, "")


async def test_a_result_that_cannot_be_written_is_told(url: str) -> None:
    await link(url)
    full = os.open("/dev/full", os.O_WRONLY)
    try:
        status, err = await asyncio.to_thread(run_into, url, full, "orders", "list", "--quiet")
    finally:
        os.close(full)
    assert status == 1
    assert "could not be written (No space left on device)" in err
    assert "would have been 0" in err
