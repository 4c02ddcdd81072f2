"""Run the sandbox over a socket: ``python -m frontpay_async.sandbox --port 0``.

Prints its base URL, alone on a line, when it is ready. Ctrl-C stops it. At ``/`` of the same address there
is a page on which a person decides at the terminals: with ``--cardholder waits``.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys

from frontpay_async.sandbox import DEFAULT_CALLBACK_SECRET, DEFAULT_TOKEN, Cardholder, FaultKind, Sandbox
from frontpay_async.sandbox.faults import read_fault
from frontpay_async.sandbox.server import base_url, bind, run

_LAST_PORT = 65535


def _port(text: str) -> int:
    port = int(text)
    if not 0 <= port <= _LAST_PORT:
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to {_LAST_PORT}")
    return port


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m frontpay_async.sandbox",
        description="A sandbox of Front Payment's Connect API. It takes the token in FRONTPAY_SANDBOX_TOKEN,"
        f" or else {DEFAULT_TOKEN}, and signs callbacks with the secret in FRONTPAY_SANDBOX_CALLBACK_SECRET,"
        f" or else {DEFAULT_CALLBACK_SECRET}.",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: this machine only)"
    )
    parser.add_argument("--port", type=_port, default=8123, help="port; 0 takes a free one (default: 8123)")
    parser.add_argument(
        "--rate-limit", type=int, default=240, help="requests a window (default: 240); 0 for no limit"
    )
    parser.add_argument("--rate-window", type=float, default=60.0, help="seconds (default: 60)")
    parser.add_argument(
        "--cardholder",
        choices=("pays", "declines", "waits"),
        default="pays",
        help="what happens at the terminals (default: pays); waits is until told, on the page at / or below"
        " /_sandbox/orders",
    )
    parser.add_argument(
        "--cardholder-after",
        type=float,
        default=1.0,
        metavar="SECONDS",
        help="how long the cardholder takes (default: 1)",
    )
    parser.add_argument(
        "--callback-host",
        action="append",
        default=[],
        metavar="HOST",
        help="a host beside this machine that callbacks may be sent to",
    )
    parser.add_argument(
        "--page-host",
        action="append",
        default=[],
        metavar="HOST",
        help="a name beside this machine's by which the page and /_sandbox are reached",
    )
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="KIND[:SECONDS][@OPERATION][xTIMES]",
        help="a fault on demand, such as 510-after@orders.send_invoicex2, or latency:0.2x* for ever;"
        f" kinds: {', '.join(FaultKind)}",
    )
    parser.add_argument(
        "--random-fault",
        action="append",
        default=[],
        metavar="KIND=RATE",
        help="a fault at a rate, such as 510-after=0.05",
    )
    parser.add_argument(
        "--random-seconds", type=float, default=0.0, help="for latency and drip at a rate, how long"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="decides which requests random faults strike (default: 0)"
    )
    return parser


def _rate(text: str) -> tuple[str, float]:
    kind, _, rate = text.partition("=")
    try:
        return kind, float(rate)
    except ValueError:
        raise ValueError(f"{text!r} is not written as KIND=RATE") from None


def _sandbox(options: argparse.Namespace) -> Sandbox:
    sandbox = Sandbox(
        tokens=(os.environ.get("FRONTPAY_SANDBOX_TOKEN") or DEFAULT_TOKEN,),
        rate_limit=options.rate_limit or None,
        rate_window=options.rate_window,
        cardholder=Cardholder(
            after=None if options.cardholder == "waits" else options.cardholder_after,
            pays=options.cardholder != "declines",
        ),
        callback_secret=os.environ.get("FRONTPAY_SANDBOX_CALLBACK_SECRET") or DEFAULT_CALLBACK_SECRET,
        callback_hosts=options.callback_host,
        page_hosts=options.page_host,
    )
    for text in options.fault:
        sandbox.faults.add(read_fault(text))
    rates = dict(map(_rate, options.random_fault))
    sandbox.fail_randomly(rates, seed=options.seed, seconds=options.random_seconds)
    return sandbox


def main(arguments: list[str] | None = None) -> int:
    """Run the sandbox until it is stopped; return the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    try:
        sandbox = _sandbox(options)
    except ValueError as error:
        parser.error(str(error))
    try:
        listener = bind(options.host, options.port)
    except OSError as error:
        print(f"cannot listen on {options.host}:{options.port}: {error.strerror}", file=sys.stderr)
        return 1
    with contextlib.suppress(KeyboardInterrupt):
        run(
            sandbox.app,
            listener,
            lambda: print(base_url(listener), flush=True),
            sandbox.callback_sender.run,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
