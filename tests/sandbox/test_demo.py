"""The demo: its whole story holds against a sandbox, and it says so when something does not."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest

from frontpay_async.sandbox import Cardholder, Sandbox, demo
from frontpay_async.sandbox.faults import read_fault
from tests.support.processes import start
from tests.support.simulated_time import CLOCK, simulate

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from frontpay_async.sandbox.state import Duplicate, SandboxOrder
    from tests.support.fakes import FakeClock

pytestmark = pytest.mark.integration


def prepared(cardholder: Cardholder) -> Sandbox:
    """Return a sandbox with the faults that the story meets on its way; its time is simulated, too."""
    sandbox = Sandbox(clock=CLOCK, cardholder=cardholder)
    for text in demo.ON_THE_WAY:
        sandbox.faults.add(read_fault(text))
    return sandbox


def test_the_story_holds(capsys: pytest.CaptureFixture[str]) -> None:
    """Over real sockets, with the client and the cardholder on one clock that only their waiting moves."""

    async def story() -> tuple[int, list[SandboxOrder], tuple[Duplicate, ...]]:
        sandbox = prepared(Cardholder(after=2))
        status = await demo.run(sandbox.serve(), CLOCK)
        return status, list(sandbox.orders.values()), sandbox.duplicates()

    status, orders, duplicates = simulate(story)
    told = capsys.readouterr().out
    assert "FAILED" not in told
    assert "All checks passed" in told
    assert status == 0
    kinds = [order.operation for order in orders]
    assert kinds == [
        "orders.send_payment_link",
        "orders.send_invoice",
        "orders.send_efaktura",
        "orders.send_ehf_invoice",
        "terminals.create_order",
        "terminals.create_order",
        "checkout.create_session",
    ]
    assert [order.status for order in orders][4:] == ["PARTIAL REFUNDED", "CANCELLED", "PAID"]
    for says in (
        "RESERVED",
        "3000.00 of 4990.00 NOK captured, 500.00 of that refunded; it is COMPLETED",
        "Cycle 1 refunded; it is CANCELLED",
    ):
        assert says in told
    assert duplicates == ()


@pytest.mark.parametrize(
    ("cardholder", "told"),
    [
        (Cardholder(after=2, pays=False), "✗ FAILED: payment: CANCELLED"),
        (Cardholder(after=2, takes_refund=False), "✗ FAILED: refund: REJECTED"),
        (
            Cardholder(after=None),
            "✗ FAILED: WatchTimeoutError: watch.payment: no final status was seen in 20 s",
        ),
    ],
)
def test_a_story_that_does_not_hold_is_told_and_fails(
    capsys: pytest.CaptureFixture[str], cardholder: Cardholder, told: str
) -> None:
    async def story() -> int:
        return await demo.run(prepared(cardholder).serve(), CLOCK)

    assert simulate(story) == 1
    out = capsys.readouterr().out
    assert told in out
    assert "checks FAILED" in out.splitlines()[-1]


def test_a_sandbox_that_does_its_work_twice_fails_the_story(capsys: pytest.CaptureFixture[str]) -> None:
    async def story() -> int:
        sandbox = prepared(Cardholder(after=2))
        sandbox.fail("510-after", operation="orders.send_efaktura")
        return await demo.run(sandbox.serve(), CLOCK)

    assert simulate(story) == 1
    assert "✗ FAILED: carried out twice" in capsys.readouterr().out


async def test_a_sandbox_that_does_not_start_fails_the_story(
    fake_clock: FakeClock, capsys: pytest.CaptureFixture[str]
) -> None:
    @asynccontextmanager
    async def broken() -> AsyncIterator[str]:
        raise demo.DemoFailedError("the sandbox did not start")
        yield ""

    assert await demo.run(broken(), fake_clock.clock()) == 1
    assert "did not start" in capsys.readouterr().out


async def test_it_runs_as_a_command() -> None:
    """The sandbox in a process of its own, on the real clock."""
    process = await start("frontpay_async.sandbox.demo", "--cardholder-after", "1", env=os.environ)
    out, err = await process.communicate()
    assert (process.returncode, err) == (0, b"")
    assert b"All checks passed" in out


def test_a_sandbox_that_refuses_its_arguments_fails_the_command(capfd: pytest.CaptureFixture[str]) -> None:
    assert demo.main(["--cardholder-after", "-1"]) == 1
    assert "✗ FAILED: DemoFailedError: the sandbox did not start" in capfd.readouterr().out


def test_ctrl_c_ends_it_and_its_sandbox() -> None:
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "frontpay_async.sandbox.demo", "--cardholder-after", "600"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        sandbox = urlsplit(process.stdout.readline().split()[-1])
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert (process.returncode, err) == (130, "")
    assert out.endswith("\nstopped\n")
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((sandbox.hostname, sandbox.port))
