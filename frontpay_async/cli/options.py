"""The base of all commands: common options, client, confirmation, and error handling."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import sys
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

import click
from attrs import define, field

from frontpay_async._protocol.operations import OPERATIONS, Safety
from frontpay_async.cli.exit_codes import Exit
from frontpay_async.cli.logs import clean_logs
from frontpay_async.cli.output import Output, clean
from frontpay_async.errors import ConfigurationError, FrontPayError, Outcome, OutcomeUnknownError
from frontpay_async.priority import Priority
from frontpay_async.settings import Environment, RetryPolicy, Timeouts, resolve_base_url

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Generator

    from frontpay_async.client import FrontPayClient
    from frontpay_async.models.records import ResultRecord

T = TypeVar("T")
_NOTHING = (Outcome.NOT_SENT, Outcome.REJECTED)
_DEFAULT_TIMEOUT = 60.0
# A year, longer than any wait.
_LONGEST = 365 * 86400.0


@define(eq=False)
class CommandContext:
    """The values of the common options; every command gets one.

    Args:
        output: The output of results.
        environment: The environment. Defaults to the environment variable.
        base_url: Another URL. Defaults to the environment variable.
        timeout: Seconds for a call, including retries.
        yes: Whether the confirmation before money moves is skipped.
    """

    output: Output
    environment: str | None = None
    base_url: str | None = None
    timeout: float = _DEFAULT_TIMEOUT
    yes: bool = False
    strict_totals: bool = field(init=False, default=True)
    """Whether contradictory amounts are rejected; set by commands with that option."""
    changed: ResultRecord | None = field(init=False, default=None)
    """The last call that may have changed something."""
    _token: str | None = field(init=False, default=None, repr=False)

    def where(self) -> str:
        """Return the base URL."""
        try:
            return resolve_base_url(self.environment, self.base_url)
        except ConfigurationError as error:
            raise click.UsageError(_in_options(error)) from None

    def token(self) -> str:
        """Return the token from the environment variable or a prompt."""
        if self._token is None:
            self._token = os.environ.get("FRONTPAY_TOKEN") or None
        if self._token is None:
            host = urlsplit(self.where()).netloc
            if not is_interactive():
                raise click.UsageError(
                    f"no token for {host}: set FRONTPAY_TOKEN, or run this on a terminal to get a prompt"
                )
            self._token = str(click.prompt(f"Token for {clean(host)}", hide_input=True, err=True)).strip()
        return self._token

    def call(self, work: Callable[[FrontPayClient], Awaitable[T]]) -> T:
        """Run work with a client in a new event loop."""
        return asyncio.run(self._with_client(self.where(), self.token(), work))

    async def _with_client(self, url: str, token: str, work: Callable[[FrontPayClient], Awaitable[T]]) -> T:
        from frontpay_async.client import FrontPayClient

        try:
            client = FrontPayClient(
                token,
                base_url=url,
                timeouts=Timeouts(total=self.timeout),
                # A person must check before it is sent again.
                retry=RetryPolicy(retry_unsafe_server_errors=False),
                priority=Priority.INTERACTIVE,
                user_agent_suffix="frontpay-cli",
                strict_totals=self.strict_totals,
                on_result=self._remember,
            )
        except ConfigurationError as error:
            raise click.UsageError(_in_options(error)) from None
        finally:
            del token
        async with client:
            return await work(client)

    def _remember(self, record: ResultRecord) -> None:
        reads = OPERATIONS[record.operation].safety is Safety.READ
        if not (reads or record.outcome in _NOTHING):
            self.changed = record

    def cut_short(self) -> OutcomeUnknownError | None:
        """Return the error of a command that was interrupted; None if it had changed nothing."""
        if self.changed is None:
            return None
        name, uuid = self.changed.operation, self.changed.order_uuid
        if self.changed.outcome is Outcome.UNKNOWN:
            what = f"{name}: interrupted after the request was sent. It may or may not have been done."
        else:
            what = f"{name}: done, but the command ended before it could report the result."
        return OutcomeUnknownError(what, operation=name, order_uuid=uuid)

    def confirm(self, question: Callable[[], str]) -> bool:
        """Ask for confirmation unless ``--yes`` is given; report a refusal."""
        if self.yes:
            return True
        if not is_interactive():
            raise click.UsageError(
                "this command changes something and cannot ask for confirmation"
                " without a terminal: pass --yes"
            )
        if click.confirm(clean(question()), err=True):
            return True
        self.output.tell("Not done: nothing was sent.")
        return False


@contextlib.contextmanager
def extra(name: str, *packages: str) -> Generator[None]:
    """Report the extra to install if an import fails."""
    try:
        yield
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in packages:
            raise
        raise click.ClickException(f"this needs an extra: pip install 'frontpay_async[{name}]'") from None


def is_interactive() -> bool:
    """Return whether there is a terminal for a prompt."""
    return all(stream is not None and stream.isatty() for stream in (sys.stdin, sys.stderr))


def _in_options(error: ConfigurationError) -> str:
    """Return an error of the settings with the names of the command line."""
    return str(error).replace(
        "pass environment='demo', 'staging' or 'production' (or base_url=…)",
        "give --environment demo, staging or production (or --base-url)",
    )


class Seconds(click.FloatRange):
    """A number of seconds, at most a year; click's own ranges accept NaN."""

    def __init__(self, *, or_none: bool = False) -> None:
        super().__init__(min=0, max=_LONGEST, min_open=not or_none)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> float:
        """Return the number."""
        seconds: float = super().convert(value, param, ctx)
        if math.isnan(seconds):
            self.fail(f"{value!r} is not a number of seconds.", param, ctx)
        return seconds


class PlainCommand(click.Command):
    """A command with ``--json`` and ``--quiet``; its callback gets a ``CommandContext``."""

    def __init__(self, name: str | None, **settings: Any) -> None:
        super().__init__(name, **settings)
        self.params += [
            click.Option(["--json", "as_json"], is_flag=True, help="Print one JSON object per line."),
            click.Option(["--quiet", "-q"], is_flag=True, help="Print only results and errors."),
        ]

    def invoke(self, ctx: click.Context) -> int:
        """Run the callback; return the exit status."""
        taken = {name: ctx.params.pop(name) for name in _COMMON if name in ctx.params}
        output = Output(as_json=taken.pop("as_json"), quiet=taken.pop("quiet"))
        command = ctx.obj = CommandContext(output, **taken)
        clean_logs()
        try:
            status = super().invoke(ctx)
        except FrontPayError as error:
            status = output.error(error)
        except (click.ClickException, click.Abort):
            raise
        except (Exception, KeyboardInterrupt) as error:
            # Any exception: a failure of the program does not undo what it did.
            trouble = command.cut_short()
            if trouble is None:
                raise
            if isinstance(error, Exception):
                output.crash()
            status = output.error(trouble)
        return output.finish(Exit.OK if status is None else status)


class LookingCommand(PlainCommand):
    """A command with calls to the API."""

    def __init__(self, name: str | None, **settings: Any) -> None:
        super().__init__(name, **settings)
        self.params += [
            click.Option(
                ["--environment", "-e"],
                type=click.Choice([each.value for each in Environment]),
                help="The environment. Defaults to FRONTPAY_ENVIRONMENT.",
            ),
            click.Option(
                ["--base-url"],
                metavar="URL",
                help="Another URL, such as the sandbox's. Defaults to FRONTPAY_BASE_URL.",
            ),
            click.Option(
                ["--timeout"],
                type=Seconds(),
                default=_DEFAULT_TIMEOUT,
                metavar="SECONDS",
                show_default=True,
                help="Seconds for a call, including retries.",
            ),
        ]


class MoneyCommand(LookingCommand):
    """A command that changes something, and asks for confirmation."""

    def __init__(self, name: str | None, **settings: Any) -> None:
        super().__init__(name, **settings)
        self.params.append(click.Option(["--yes", "-y"], is_flag=True, help="Do not ask for confirmation."))


_COMMON = ("as_json", "quiet", "environment", "base_url", "timeout", "yes")
sandbox_option = click.option(
    "--sandbox",
    metavar="URL",
    envvar="FRONTPAY_BASE_URL",
    default="http://127.0.0.1:8123/api/v1/connect",
    show_default=True,
    help="The sandbox's base URL. FRONTPAY_BASE_URL sets it, too.",
)
