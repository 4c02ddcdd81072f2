"""How ``frontpay`` ends where it is used wrongly, interrupted, or fails itself; in this process."""

from __future__ import annotations

import itertools
import json
import os
import signal
import socket
import ssl
import sys
from pathlib import Path
from typing import TYPE_CHECKING, TextIO

import click
import pytest

from frontpay_async import Outcome, ResultRecord
from frontpay_async.cli import main
from frontpay_async.cli.app import run
from frontpay_async.cli.demo import _Aloud
from frontpay_async.cli.doctor import why_unreached
from frontpay_async.cli.exit_codes import Exit
from frontpay_async.cli.options import CommandContext, PlainCommand
from frontpay_async.cli.output import Output
from frontpay_async.cli.signals import heed_signals
from tests.support.builders import ORDER_UUID as UUID

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

CREATE, READ, CHARGE = "orders.send_invoice", "orders.get_status", "orders.charge_delayed"
NOWHERE = "http://127.0.0.1:9/api/v1/connect"


@pytest.fixture(autouse=True)
def _signals_as_they_were() -> Iterator[None]:
    numbers = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    before = {number: signal.getsignal(number) for number in numbers}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


def record(operation: str, outcome: Outcome | None, uuid: str | None = UUID) -> ResultRecord:
    return ResultRecord(
        operation=operation, order_uuid=uuid, attempts=1, status=None, elapsed=0.0, outcome=outcome
    )


# Wrong usage


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["order", "list"], "Did you mean 'orders'?"),
        (["terminals", "pay", "-", "--yes", "--wait", "nan"], "'nan' is not a number of seconds"),
        (["callbacks", "verify", "a=b", "--max-age", "nan"], "'nan' is not a number of seconds"),
        (["doctor", "--timeout", "nan"], "'nan' is not a number of seconds"),
        (["doctor", "--timeout", "inf"], "is not in the range"),
        (["orders", "refund", UUID, "--line", "1=5", "--line", "1=6"], "each line may be passed only once"),
    ],
)
@pytest.mark.parametrize("as_json", [False, True])
def test_wrong_usage_is_2_and_told_as_it_is_read(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str, as_json: bool
) -> None:
    assert run([*arguments, *(["--json"] if as_json else [])]) == Exit.USAGE
    out, err = capsys.readouterr()
    assert out == ""
    if as_json:
        said = json.loads(err)
        assert message in said["message"]
        assert (said["exit_status"], said["outcome"]) == (2, "not_sent")
    else:
        assert message in err.replace("\n", " ")


@pytest.mark.parametrize(
    "arguments", [["callbacks", "verify"], ["terminals", "pay", "-", "--yes", "--base-url", NOWHERE]]
)
def test_a_closed_standard_input_is_2(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", None)
    assert run(arguments) == Exit.USAGE
    assert "Error:" in capsys.readouterr().err


def test_a_closed_standard_error_leaves_standard_output_to_results(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stderr", None)
    Output().tell("a note")
    assert capsys.readouterr().out == ""


def unread() -> TextIO:
    """Return a pipe that nobody reads."""
    reader, writer = os.pipe()
    os.close(reader)
    return os.fdopen(writer, "w")


def full() -> TextIO:
    """Return a file on a disk that is full."""
    return Path("/dev/full").open("w", encoding="utf-8")


@pytest.mark.parametrize(("opened", "status"), [(unread, Exit.OK), (full, Exit.FAILED)])
def test_the_demo_goes_on_where_its_story_cannot_be_written(
    opened: Callable[[], TextIO], status: Exit, capsys: pytest.CaptureFixture[str]
) -> None:
    with opened() as stream:
        output = Output()
        aloud = _Aloud(output, stream)
        assert [aloud.write("once upon a time"), aloud.write("the end")] == [16, 7]
    assert output.finish(0) == status
    assert ("No space left" in capsys.readouterr().err) is (status is Exit.FAILED)


# What a command that ended early had done


@pytest.mark.parametrize(
    ("operation", "outcome", "changed"),
    [
        (CREATE, None, True),
        (CREATE, Outcome.UNKNOWN, True),
        (CREATE, Outcome.REJECTED, False),
        (CREATE, Outcome.NOT_SENT, False),
        (READ, None, False),
        (READ, Outcome.UNKNOWN, False),
    ],
)
def test_an_invocation_knows_whether_something_was_changed(
    operation: str, outcome: Outcome | None, changed: bool
) -> None:
    """Ctrl-C afterwards must not claim that nothing was, whatever was looked at since."""
    command = CommandContext(Output())
    command._remember(record(operation, outcome))
    command._remember(record(READ, None))
    assert (command.cut_short() is not None) is changed


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("a fault of ours")])
@pytest.mark.parametrize(
    ("outcome", "message"), [(None, "done, but the command ended"), (Outcome.UNKNOWN, "may or may not")]
)
def test_whatever_ends_a_command_after_a_change_it_is_3_and_names_the_order(
    capsys: pytest.CaptureFixture[str], error: BaseException, outcome: Outcome | None, message: str
) -> None:
    @click.command(cls=PlainCommand)
    @click.pass_obj
    def stopped(command: CommandContext) -> None:
        command._remember(record(CHARGE, outcome))
        raise error

    assert stopped.main([], standalone_mode=False) is Exit.UNKNOWN
    err = capsys.readouterr().err
    assert message in err
    assert f"frontpay orders status {UUID}" in err
    assert ("a fault of ours" in err) is isinstance(error, Exception)


def test_a_fault_before_any_change_is_shown_as_it_is() -> None:
    @click.command(cls=PlainCommand)
    @click.pass_obj
    def failing(_: CommandContext) -> None:
        raise RuntimeError("a fault of ours")

    with pytest.raises(RuntimeError, match="a fault of ours"):
        failing.main([], standalone_mode=False)


# Signals


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("ctrl_c", [signal.default_int_handler, signal.SIG_IGN])
def test_what_ends_a_process_interrupts_it(number: signal.Signals, ctrl_c: signal.Handlers) -> None:
    """Where a shell has switched Ctrl-C off, as for what runs in its background, too."""
    signal.signal(signal.SIGINT, ctrl_c)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    heed_signals()
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(number)


def test_it_does_what_ctrl_c_does_at_that_moment() -> None:
    heard: list[int] = []
    heed_signals()
    signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    signal.raise_signal(signal.SIGTERM)
    assert heard == [signal.SIGINT]


def test_a_terminal_that_goes_away_is_heard_once() -> None:
    """The kernel and the shell both tell of it, and a second Ctrl-C would give up the cancellation."""
    heard: list[int] = []
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    heed_signals()
    signal.signal(signal.SIGINT, lambda number, _: heard.append(number))
    signal.raise_signal(signal.SIGHUP)
    signal.raise_signal(signal.SIGHUP)
    assert heard == [signal.SIGINT]


def test_under_nohup_a_hangup_stays_ignored() -> None:
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    heed_signals()
    assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN


def test_a_late_ctrl_c_does_not_change_the_exit_status(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["frontpay", "--version"])
    assert main() == 0
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        assert signal.getsignal(number) is signal.SIG_IGN


# What the doctor says of a host that was not reached


def chained(*errors: BaseException) -> BaseException:
    """Chain errors as an HTTP engine does: the first is what is caught, the last what the system said."""
    for error, cause in itertools.pairwise(errors):
        error.__cause__ = cause
    return errors[0]


CERTIFICATE = ssl.SSLCertVerificationError()
CERTIFICATE.verify_message = "self-signed certificate"


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (chained(RuntimeError("x"), socket.gaierror(-2, "unknown")), "the host name is not found: unknown"),
        (chained(RuntimeError("x"), ConnectionRefusedError(111, "no")), "nothing listens there"),
        (ExceptionGroup("both", [ConnectionRefusedError(111, "no")]), "nothing listens there"),
        (chained(RuntimeError("x"), TimeoutError()), "timed out"),
        (chained(RuntimeError("x"), CERTIFICATE), "is not trusted: self-signed certificate"),
        (chained(RuntimeError("x"), ssl.SSLEOFError()), "there is no TLS"),
        (chained(RuntimeError("x"), OSError(101, "Network is unreachable")), "Network is unreachable"),
        (RuntimeError("it hung up"), "RuntimeError: it hung up"),
    ],
)
def test_why_a_host_was_not_reached_is_said(error: BaseException, why: str) -> None:
    assert why in why_unreached(error)


def test_a_chain_that_bites_its_tail_ends() -> None:
    first, second = RuntimeError("x"), RuntimeError("y")
    chained(first, second, first)
    assert why_unreached(first) == "RuntimeError: x"
