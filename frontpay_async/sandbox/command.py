"""The sandbox's command line, shared by ``python3 -m frontpay_async.sandbox`` and ``frontpay sandbox``."""

from __future__ import annotations

import contextlib
import ipaddress
import math
import os
import webbrowser
from threading import Thread
from typing import TYPE_CHECKING, Any

import click
from attrs import frozen

from frontpay_async.sandbox import DEFAULT_CALLBACK_SECRET, DEFAULT_TOKEN, Cardholder, FaultKind, Sandbox
from frontpay_async.sandbox.app import BASE_PATH
from frontpay_async.sandbox.faults import read_fault
from frontpay_async.sandbox.server import base_url, bind, run
from frontpay_async.sandbox.settings import DEFAULT_ORGANIZATION

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable, Mapping

_LAST_PORT = 65535
_YEAR = 365 * 86400.0
_OPEN_TO_ALL = (
    "warning: {host} is reachable from other machines. The sandbox has no password: every machine on the"
    " network can read its orders and decide payments. Use 127.0.0.1 unless that is intended."
)

HELP = f"""Run the sandbox until Ctrl-C, and print its base URL.

The page at / of the same address is a virtual terminal, on which you are the cardholder.

The sandbox accepts the token in FRONTPAY_SANDBOX_TOKEN (default: {DEFAULT_TOKEN}) and signs callbacks
with the secret in FRONTPAY_SANDBOX_CALLBACK_SECRET (default: {DEFAULT_CALLBACK_SECRET}).
"""


class _Seconds(click.FloatRange):
    """A finite number of seconds; click's own ranges accept NaN."""

    def __init__(self) -> None:
        super().__init__(min=0, max=_YEAR)

    def convert(
        self,
        value: Any,  # noqa: ANN401 - click's signature
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> float:
        """Return the number."""
        seconds: float = super().convert(value, param, ctx)
        if math.isnan(seconds):
            self.fail(f"{value!r} is not a number of seconds.", param, ctx)
        return seconds


def _rates(context: click.Context, option: click.Parameter, given: tuple[str, ...]) -> dict[str, float]:
    rates: dict[str, float] = {}
    for text in given:
        kind, _, rate = text.partition("=")
        try:
            rates[kind] = float(rate)
        except ValueError:
            raise click.BadParameter(f"{text!r} is not written as KIND=RATE.", context, option) from None
    return rates


def options() -> list[click.Parameter]:
    """Return the options, except those for the output format."""
    several: dict[str, Any] = {"multiple": True}
    return [
        click.Option(["--host"], default="127.0.0.1", show_default=True, help="The address to listen on."),
        click.Option(
            ["--port"],
            type=click.IntRange(0, _LAST_PORT),
            default=8123,
            show_default=True,
            help="The port; 0 takes a free one.",
        ),
        click.Option(
            ["--rate-limit"],
            type=click.IntRange(min=0),
            default=240,
            show_default=True,
            help="Requests per window and token; 0 for no limit.",
        ),
        click.Option(
            ["--rate-window"],
            type=_Seconds(),
            default=60.0,
            metavar="SECONDS",
            show_default=True,
            help="The length of a rate window.",
        ),
        click.Option(
            ["--cardholder"],
            type=click.Choice(["pays", "declines", "waits"]),
            default="pays",
            show_default=True,
            help="The cardholder's behaviour; waits: until you decide on the page.",
        ),
        click.Option(
            ["--cardholder-after"],
            type=_Seconds(),
            default=1.0,
            metavar="SECONDS",
            show_default=True,
            help="The time that the cardholder takes.",
        ),
        click.Option(
            ["--one-at-a-time"],
            is_flag=True,
            help="A terminal with a waiting payment or refund is busy.",
        ),
        click.Option(
            ["--magic-amounts"],
            is_flag=True,
            help="The øre of a terminal payment determine its outcome: 149.01 is declined. The page lists the"
            " amounts.",
        ),
        click.Option(
            ["--state"],
            type=click.Path(dir_okay=False),
            metavar="FILE",
            help="Keep the state in a file over restarts.",
        ),
        click.Option(
            ["--fault", "faults"],
            **several,
            metavar="KIND[:SECONDS][@OPERATION][xTIMES]",
            help="A fault on demand, such as 510-after@orders.send_invoicex2, or latency:0.2x* without end."
            f" Kinds: {', '.join(FaultKind)}.",
        ),
        click.Option(
            ["--random-fault", "random_faults"],
            **several,
            callback=_rates,
            metavar="KIND=RATE",
            help="A fault that affects a share of the requests, such as 510-after=0.05.",
        ),
        click.Option(
            ["--random-seconds"],
            type=_Seconds(),
            default=0.0,
            metavar="SECONDS",
            help="The duration of latency and drip among the random faults.",
        ),
        click.Option(
            ["--seed"],
            type=int,
            default=0,
            show_default=True,
            help="The seed of the random faults.",
        ),
        click.Option(
            ["--callback-host", "callback_hosts"],
            **several,
            metavar="HOST",
            help="A host, other than this machine, to which callbacks may be sent.",
        ),
        click.Option(
            ["--allow-host", "allowed_hosts"],
            **several,
            metavar="HOST",
            help="An additional host name by which the sandbox may be reached, such as a container's.",
        ),
        click.Option(["--open", "opens"], is_flag=True, help="Open the page in a browser."),
    ]


@frozen
class Printer:
    """The output of the command.

    Args:
        result: Called with the base URL and the page's URL once the sandbox answers.
        note: Called with each remark.
        warn: Called with each warning.
    """

    result: Callable[[str, str], object]
    note: Callable[[str], object]
    warn: Callable[[str], object]


def build(given: Mapping[str, Any]) -> Sandbox:
    """Return the sandbox that the options describe."""
    cardholder = given["cardholder"]
    try:
        sandbox = Sandbox(
            tokens=(os.environ.get("FRONTPAY_SANDBOX_TOKEN") or DEFAULT_TOKEN,),
            rate_limit=given["rate_limit"] or None,
            rate_window=given["rate_window"],
            cardholder=Cardholder(
                after=None if cardholder == "waits" else given["cardholder_after"],
                pays=cardholder != "declines",
            ),
            callback_secret=os.environ.get("FRONTPAY_SANDBOX_CALLBACK_SECRET") or DEFAULT_CALLBACK_SECRET,
            callback_hosts=given["callback_hosts"],
            allowed_hosts=given["allowed_hosts"],
            one_payment_at_a_time=given["one_at_a_time"],
            magic_amounts=given["magic_amounts"],
            state_file=given["state"],
        )
        for text in given["faults"]:
            sandbox.faults.add(read_fault(text))
        rates, seconds = given["random_faults"], given["random_seconds"]
        sandbox.fail_randomly(rates, seed=given["seed"], seconds=seconds)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    except OSError as error:
        raise click.ClickException(f"{given['state']} cannot be read: {error.strerror}") from None
    return sandbox


def serve(given: Mapping[str, Any], printer: Printer) -> None:
    """Run the sandbox that the options describe, until Ctrl-C."""
    sandbox = build(given)
    host, port = given["host"], given["port"]
    try:
        listener = bind(host, port)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise click.ClickException(f"cannot listen on {host}:{port}: {reason}") from None

    def ready() -> None:
        url = base_url(listener)
        page = url.removesuffix(BASE_PATH) + "/"
        printer.result(url, page)
        # The default token is valid only for the sandbox; a token of the caller is not shown.
        token = "(yours)" if os.environ.get("FRONTPAY_SANDBOX_TOKEN") else DEFAULT_TOKEN
        settings = (
            f"FRONTPAY_BASE_URL={url} FRONTPAY_TOKEN={token} FRONTPAY_ORGANIZATION={DEFAULT_ORGANIZATION}"
        )
        printer.note(settings)
        printer.note(f"the page: {page}; Ctrl-C stops the sandbox")
        if not _is_loopback(listener):
            printer.warn(_OPEN_TO_ALL.format(host=host))
        if given["opens"]:
            # A text-mode browser blocks until the user leaves it.
            Thread(target=_open, args=(printer, page), daemon=True).start()

    with contextlib.suppress(KeyboardInterrupt):
        run(sandbox.app, listener, ready, sandbox.run_beside)


def _is_loopback(listener: socket.socket) -> bool:
    return ipaddress.ip_address(listener.getsockname()[0]).is_loopback


def _open(printer: Printer, page: str) -> None:
    if not webbrowser.open(page):
        printer.warn(f"no browser could be started: open {page} yourself")
