"""Requests from JSON files: the argument, reading, sending, and the result."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import click

from frontpay_async.cli.exit_codes import Exit

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from frontpay_async._protocol.operations import Operation
    from frontpay_async.cli.options import CommandContext
    from frontpay_async.client import FrontPayClient

T = TypeVar("T")


class _JsonFile(click.File):
    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        stdin: TextIO | None = sys.stdin
        if value == "-" and stdin is None:
            self.fail("standard input is closed.", param, ctx)
        return super().convert(value, param, ctx)


def body_argument(name: str) -> Callable[[Any], Any]:
    """Return the argument for a JSON file; ``-`` is standard input."""
    return click.argument(name, type=_JsonFile(encoding="utf-8"))


strict_totals_option = click.option(
    "--strict-totals/--no-strict-totals",
    default=True,
    help="Whether to reject amounts that contradict each other.",
)
show_url_option = click.option(
    "--show-url",
    is_flag=True,
    help="Print the page's URL. It is a secret: anyone who has it can act as the customer.",
)


def read_text(file: TextIO) -> str:
    """Read a JSON file."""
    try:
        return file.read()
    except UnicodeDecodeError:
        raise click.UsageError(f"{file.name} cannot be read: it is not UTF-8") from None


def read_body(
    operation: Operation[Any], file: TextIO, *, uuid: str | None = None, strict: bool = True
) -> Any:
    """Read the request of an operation."""
    from frontpay_async.order_files.json_objects import read_object

    return read_object(operation, read_text(file), today=datetime.now(UTC), uuid=uuid, strict_totals=strict)


def change(
    command: CommandContext,
    question: Callable[[], str] | str,
    work: Callable[[FrontPayClient], Awaitable[T]],
    done: Callable[[T], dict[str, object]],
) -> int:
    """Ask for confirmation, execute, and print the result; return the exit status."""
    if not command.confirm((lambda: question) if isinstance(question, str) else question):
        return Exit.NOT_SENT
    command.output.result(done(command.call(work)))
    return Exit.OK


def created(operation: Operation[Any], *, show_url: bool) -> Callable[[Any], dict[str, object]]:
    """Return the function that builds the result: the ids, and the page's URL if requested."""

    def result(answer: Any) -> dict[str, object]:
        from frontpay_async._protocol.to_dict import MASK

        ids = {
            name: getattr(answer, name, None)
            for name in ("order_uuid", "reservation_uuid", "subscription_uuid", "customer_uuid")
        }
        url = answer.payment_url
        return {
            **{name: uuid for name, uuid in ids.items() if uuid is not None},
            "operation": operation.name,
            "payment_url": url if show_url or not url else MASK,
        }

    return result
