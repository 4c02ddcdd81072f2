"""The root of the command: names and summaries of all commands, loaded when they are used."""

from __future__ import annotations

import sys
from importlib import import_module
from typing import TYPE_CHECKING

import click

from frontpay_async._version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["COMMANDS", "root", "run"]

_USAGE = 2
_INTERRUPTED = 130

COMMANDS = {
    "callbacks": ("callbacks:callbacks", "Check callbacks."),
    "completion": ("completion:completion", "Print the script that completes words in a shell."),
    "demo": ("local:demo", "Run the main job against the sandbox."),
    "doctor": ("doctor:doctor", "Check token, reachability, clock and rate limit."),
    "invoices": ("invoices:invoices", "Send a file of orders, each once."),
    "orders": ("orders:orders", "Look at orders, and change them."),
    "sandbox": ("local:sandbox", "Run the sandbox, and print its URL."),
    "terminals": ("terminals:terminals", "List card terminals, and take payments on them."),
}
"""Name -> where it is, below this package, and what it does."""


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        del ctx
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name][0].partition(":")
        command: click.Command = getattr(import_module(f"frontpay_async.cli.{module}"), name)
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])


@click.group(
    cls=_LazyGroup,
    epilog="The token comes from FRONTPAY_TOKEN, or is asked for. Exit status: 0 ok, 1 failed, 2 usage,"
    " 3 outcome unknown, 4 rejected, 5 not sent.",
)
@click.version_option(__version__, prog_name="frontpay")
def root() -> None:
    """Front Payment's Connect API on the command line: orders, invoices and card terminals."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status.

    Args:
        arguments: Those of this process unless given.
    """
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            # A console that knows no ø must not end a payment.
            reconfigure(errors="backslashreplace")
    try:
        status = root.main(
            None if arguments is None else list(arguments), prog_name="frontpay", standalone_mode=False
        )
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except (click.Abort, KeyboardInterrupt):
        print("stopped: nothing was changed", file=sys.stderr)
        return _INTERRUPTED
    return int(status or 0)
