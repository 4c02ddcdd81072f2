"""Run the sandbox over a socket: ``python -m frontpay_async.sandbox --port 0``.

Prints its base URL, alone on a line, when it is ready. Ctrl-C stops it.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import sys

from frontpay_async.sandbox import DEFAULT_TOKEN, Cardholder, FaultKind, Sandbox
from frontpay_async.sandbox.server import base_url, bind, run


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m frontpay_async.sandbox",
        description="A sandbox of Front Payment's Connect API. The token is taken from FRONTPAY_SANDBOX_TOKEN,"
        f" or is {DEFAULT_TOKEN}.",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: this machine only)"
    )
    parser.add_argument("--port", type=int, default=8123, help="port; 0 takes a free one (default: 8123)")
    parser.add_argument(
        "--rate-limit", type=int, default=240, help="requests a window (default: 240); 0 for no limit"
    )
    parser.add_argument("--rate-window", type=float, default=60.0, help="seconds (default: 60)")
    parser.add_argument(
        "--cardholder-after", type=float, default=1.0, help="seconds until the cardholder decides"
    )
    parser.add_argument("--cardholder-declines", action="store_true", help="payments are declined")
    parser.add_argument(
        "--fault",
        action="append",
        default=[],
        metavar="KIND[@OPERATION][xN]",
        help=f"a fault on demand, such as 510-after@orders.send_invoicex1; kinds: {', '.join(FaultKind)}",
    )
    parser.add_argument(
        "--random-fault",
        action="append",
        default=[],
        metavar="KIND=RATE",
        help="a fault at a rate, such as 510-after=0.05",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="decides which requests random faults strike (default: 0)"
    )
    return parser


def _add_fault(sandbox: Sandbox, text: str) -> None:
    what, _, times = text.rpartition("x") if text.rpartition("x")[2].isdigit() else (text, "", "1")
    kind, _, operation = what.partition("@")
    sandbox.fail(kind, operation=operation or "*", times=int(times) or None)


def main(arguments: list[str] | None = None) -> int:
    """Run the sandbox until it is stopped; return the exit status."""
    parser = _parser()
    options = parser.parse_args(arguments)
    sandbox = Sandbox(
        tokens=(os.environ.get("FRONTPAY_SANDBOX_TOKEN") or DEFAULT_TOKEN,),
        rate_limit=options.rate_limit or None,
        rate_window=options.rate_window,
        cardholder=Cardholder(after=options.cardholder_after, pays=not options.cardholder_declines),
    )
    try:
        for text in options.fault:
            _add_fault(sandbox, text)
        rates = dict(text.split("=", 1) for text in options.random_fault)
        if rates:
            sandbox.fail_randomly({kind: float(rate) for kind, rate in rates.items()}, seed=options.seed)
    except ValueError as error:
        parser.error(str(error))
    try:
        listener = bind(options.host, options.port)
    except OSError as error:
        print(f"cannot listen on {options.host}:{options.port}: {error.strerror}", file=sys.stderr)
        return 1
    with contextlib.suppress(KeyboardInterrupt):
        run(sandbox.app, listener, lambda: print(base_url(listener), flush=True))
    return 0


if __name__ == "__main__":
    sys.exit(main())
