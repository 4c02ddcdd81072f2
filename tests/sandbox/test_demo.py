"""The demo: its whole story holds against a sandbox, and it says so when something does not."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import anyio
import pytest

from frontpay_async import Clock
from frontpay_async.sandbox import Cardholder, Sandbox, demo
from frontpay_async.sandbox.faults import read_fault

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.fakes import FakeClock

pytestmark = pytest.mark.integration


_AN_ALARM = 15.0


def jumping(clock: FakeClock) -> Clock:
    """A clock that jumps over waits; but a long one is an alarm, set while an answer is under way."""

    async def sleep(seconds: float) -> None:
        await (clock.sleep(seconds) if seconds < _AN_ALARM else anyio.sleep_forever())

    return Clock(now=clock.now, sleep=sleep, chance=lambda: 0.5)


def prepared(clock: FakeClock, cardholder: Cardholder) -> Sandbox:
    """Return a sandbox with the faults that the story meets on its way."""
    sandbox = Sandbox(clock=clock.clock(), cardholder=cardholder)
    for text in demo.ON_THE_WAY:
        sandbox.faults.add(read_fault(text))
    return sandbox


async def test_the_story_holds(fake_clock: FakeClock, capsys: pytest.CaptureFixture[str]) -> None:
    """Over real sockets, with the client and the cardholder on one clock that only their waiting moves."""
    sandbox = prepared(fake_clock, Cardholder(after=2))
    assert await demo.run(sandbox.serve(), jumping(fake_clock)) == 0
    told = capsys.readouterr().out
    assert "FAILED" not in told
    assert "Everything held" in told
    kinds = [order.operation for order in sandbox.orders.values()]
    assert kinds == [
        "orders.send_payment_link",
        "orders.send_invoice",
        "orders.send_efaktura",
        "orders.send_ehf_invoice",
        "terminals.create_order",
        "terminals.create_order",
    ]
    assert [order.status for order in sandbox.orders.values()][4:] == ["PARTIAL REFUNDED", "CANCELLED"]
    assert sandbox.duplicates() == ()


@pytest.mark.parametrize(
    ("cardholder", "told"),
    [
        (Cardholder(after=2, pays=False), "✗ FAILED: payment: CANCELLED"),
        (Cardholder(after=2, takes_refund=False), "✗ FAILED: refund: REJECTED"),
        (
            Cardholder(after=None),
            "✗ FAILED: WatchTimeoutError: watch.payment: nothing final was seen in 20 s",
        ),
    ],
)
async def test_a_story_that_does_not_hold_is_told_and_fails(
    fake_clock: FakeClock, capsys: pytest.CaptureFixture[str], cardholder: Cardholder, told: str
) -> None:
    assert await demo.run(prepared(fake_clock, cardholder).serve(), jumping(fake_clock)) == 1
    out = capsys.readouterr().out
    assert told in out
    assert "checks FAILED" in out.splitlines()[-1]


async def test_a_sandbox_that_does_its_work_twice_fails_the_story(
    fake_clock: FakeClock, capsys: pytest.CaptureFixture[str]
) -> None:
    sandbox = prepared(fake_clock, Cardholder(after=2))
    sandbox.fail("510-after", operation="orders.send_efaktura")
    assert await demo.run(sandbox.serve(), jumping(fake_clock)) == 1
    assert "✗ FAILED: done twice" in capsys.readouterr().out


async def test_a_sandbox_that_does_not_start_fails_the_story(
    fake_clock: FakeClock, capsys: pytest.CaptureFixture[str]
) -> None:
    @asynccontextmanager
    async def broken() -> AsyncIterator[str]:
        raise demo.DemoFailedError("the sandbox did not start")
        yield ""

    assert await demo.run(broken(), jumping(fake_clock)) == 1
    assert "did not start" in capsys.readouterr().out


def test_it_runs_as_a_command() -> None:
    """The sandbox in a process of its own, on the real clock."""
    done = subprocess.run(
        [sys.executable, "-m", "frontpay_async.sandbox.demo", "--cardholder-after", "1"],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "Everything held" in done.stdout


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
