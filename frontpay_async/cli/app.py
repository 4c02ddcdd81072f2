"""The root command: names and summaries of all commands, which are loaded on demand."""

from __future__ import annotations

import sys
from difflib import get_close_matches
from importlib import import_module
from typing import TYPE_CHECKING

import click

from frontpay_async._version import __version__

if TYPE_CHECKING:
    from collections.abc import Sequence

    from frontpay_async.cli.output import Output

_FAILED = 1
_INTERRUPTED = 130

COMMANDS = {
    "callbacks": ("callbacks:callbacks", "Verify callbacks, and repeat one."),
    "checkout": ("checkout:checkout", "Create orders that the customer pays on a page."),
    "company-checks": ("company_checks:company_checks", "Check companies."),
    "completion": ("completion:completion", "Print the completion script of a shell."),
    "credit-checks": ("credit_checks:credit_checks", "Check the credit of persons and companies."),
    "customers": ("customers:customers", "Show and replace customer records."),
    "demo": ("demo:demo", "Run every kind of order against a sandbox."),
    "doctor": ("doctor:doctor", "Check token, reachability, clock and rate limit."),
    "invoices": ("invoices:invoices", "Send each order of a file once."),
    "listen": ("listen:listen", "Print and forward the sandbox's callbacks."),
    "orders": ("orders:orders", "Show, cancel, charge and refund orders."),
    "reservations": ("reservations:reservations", "Reserve, capture, charge, refund and cancel."),
    "sandbox": ("sandbox:sandbox", "Run the sandbox, with its page in a browser."),
    "subscriptions": ("subscriptions:subscriptions", "Create, refund and cancel subscriptions."),
    "terminals": ("terminals:terminals", "List card terminals, and take payments on them."),
}
"""Name -> module and summary."""


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

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args[0] not in COMMANDS and (near := get_close_matches(args[0], COMMANDS, 1)):
            ctx.fail(f"No such command {args[0]!r}. Did you mean {near[0]!r}?")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, COMMANDS[name][1]) for name in self.list_commands(ctx)])


@click.group(
    cls=_LazyGroup,
    epilog="The token comes from FRONTPAY_TOKEN, or from a prompt. Exit status: 0 ok, 1 failed, 2 usage,"
    " 3 outcome unknown, 4 rejected, 5 not sent.",
)
@click.version_option(__version__, prog_name="frontpay")
def root() -> None:
    """Front Payment's Connect API on the command line: orders, invoices and card terminals."""


def run(arguments: Sequence[str] | None = None) -> int:
    """Run the command; return the exit status."""
    for stream in (sys.stdout, sys.stderr):
        if reconfigure := getattr(stream, "reconfigure", None):
            # A console without ø must not interrupt a payment.
            reconfigure(errors="backslashreplace")
    words = sys.argv[1:] if arguments is None else list(arguments)
    try:
        _refuse_nul(words)
        status = root.main(words, prog_name="frontpay", standalone_mode=False)
    except click.ClickException as error:
        return _output(words).wrong_usage(error)
    except (click.Abort, KeyboardInterrupt):
        _output(words).tell("stopped: nothing was changed")
        return _INTERRUPTED
    except Exception:  # noqa: BLE001 - the end of the process
        _output(words).crash()
        return _FAILED
    return int(status or 0)


def _refuse_nul(words: Sequence[str]) -> None:
    if any("\0" in word for word in words):
        raise click.UsageError("an argument contains a NUL character, which no path or id can have")


def _output(words: Sequence[str]) -> Output:
    """Return the output for errors before or after a command."""
    from frontpay_async.cli.output import Output

    return Output(as_json="--json" in words)
