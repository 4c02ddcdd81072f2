"""Running a batch with a progress display: states, rate and remaining time; Ctrl-C drains.

Without a terminal, every tenth of the orders is reported with a line. When it is stopped, waiting rows are
withdrawn, and requests in flight are drained; a second Ctrl-C changes nothing. Killing it is safe because of
the journal.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import shlex
import sys
from typing import TYPE_CHECKING

from attrs import field, frozen

from frontpay_async.batch import InvoiceBatch, JournalError, State
from frontpay_async.cli.exit_codes import Exit, exit_of
from frontpay_async.cli.output import clock, console_of, counted
from frontpay_async.cli.payments import stop_on_signals
from frontpay_async.errors import FrontPayError, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from rich.text import Text

    from frontpay_async.batch import BatchStatus, OrderFile
    from frontpay_async.cli.options import CommandContext
    from frontpay_async.cli.output import Output
    from frontpay_async.client import FrontPayClient

_TENTHS = 10
_BAR, _WIDE = 24, 100
_COLOURS = {State.DONE: "green", State.FAILED: "red", State.UNKNOWN: "yellow", State.PARKED: "yellow"}


@frozen
class ChosenBatch:
    """The batch of a command: its journal, name and account, and whether the account is verified."""

    journal: str
    name: str
    account: str = ""
    checks_account: bool = field(default=True, kw_only=True)

    def options(self) -> str:
        """Return the command line options that select it, without those from environment variables."""
        named = f"--name {shlex.quote(self.name)}"
        if self.account:
            named = f"--account {shlex.quote(self.account)} {named}"
        if self.journal == os.environ.get("FRONTPAY_JOURNAL"):
            return named
        return f"--journal {shlex.quote(self.journal)} {named}"


def run_batch(
    command: CommandContext,
    chosen: ChosenBatch,
    *,
    concurrency: int,
    orders: OrderFile | None = None,
    again: bool = False,
) -> int:
    """Submit orders, if there are any, and run the batch; return the exit status."""
    output = command.output

    async def work(client: FrontPayClient) -> tuple[BatchStatus, bool, FrontPayError | None]:
        async with InvoiceBatch(
            client,
            journal=chosen.journal,
            name=chosen.name,
            account=chosen.account,
            check_account=chosen.checks_account,
        ) as batch:
            if orders is not None:
                submission = await batch.submit(orders, again=again)
                output.note(f"new in the journal: {submission.added}; already there: {submission.known}")
            with stop_on_signals(gives_up=False) as stop, _view(output, client.rate.estimate) as show:
                running = asyncio.create_task(batch.run(concurrency=concurrency, on_progress=show))
                stopping = asyncio.create_task(stop.wait())
                await asyncio.wait([running, stopping], return_when=asyncio.FIRST_COMPLETED)
                stopped = not running.done()
                if stopped:
                    output.tell("stopping: waiting for requests in flight; no more orders are sent")
                    running.cancel()
                stopping.cancel()
                (ended, _) = await asyncio.gather(running, stopping, return_exceptions=True)
            trouble = ended if isinstance(ended, FrontPayError) else None
            if isinstance(ended, Exception) and trouble is None:
                raise ended
            try:
                status = await batch.status()
            except JournalError as error:
                # The run's own error states whether something was sent; this one would say that nothing was.
                raise trouble or _cut_off(error) from None
            show(status)
            return status, stopped, trouble

    status, stopped, trouble = command.call(work)
    told = {"name": chosen.name, "total": status.total, **_counts(status.counts), "stopped": stopped}
    rows = [(state.value, f"{count}") for state, count in status.counts.items() if count]
    output.result(told, table=(("state", "orders"), [*rows, ("total", f"{status.total}")]))
    named = chosen.options()
    if trouble is not None:
        output.error(
            trouble,
            money=f"{counted(status.done, 'order')} of {status.total} were sent. The journal has the rest.",
            step=f"To continue: frontpay invoices resume {named}",
        )
        return exit_of(trouble)
    if stopped and not status.is_settled:
        output.tell(f"To continue: frontpay invoices resume {named}")
    elif status.failed or status.parked:
        output.tell(f"Rejected and parked orders: frontpay invoices report {named}")
    return conclusion(status.counts)


def _cut_off(error: JournalError) -> JournalError:
    return JournalError(str(error), outcome=Outcome.UNKNOWN, operation="batch.run")


def conclusion(counts: Mapping[State, int]) -> Exit:
    """Return the exit status of a batch that has ended, or was stopped."""
    if counts.get(State.UNKNOWN) or counts.get(State.SENDING) or counts.get(State.PARKED):
        return Exit.UNKNOWN
    if counts.get(State.FAILED) or counts.get(State.PENDING):
        return Exit.FAILED
    return Exit.OK


def _counts(counts: Mapping[State, int]) -> dict[str, object]:
    return {state.value: counts.get(state, 0) for state in State}


@contextlib.contextmanager
def _view(output: Output, estimate: Callable[[int], float]) -> Generator[Callable[[BatchStatus], object]]:
    console = console_of(sys.stderr)
    if output.quiet or not console.is_terminal or console.is_dumb_terminal:
        yield _lines(output)
        return
    from rich.progress import BarColumn, Progress, ProgressColumn, Task
    from rich.table import Column
    from rich.text import Text

    told, before, said = False, 0, Text()

    class Said(ProgressColumn):
        def render(self, task: Task) -> Text:
            del task
            return said

    # On a narrow terminal the text takes precedence over the bar, and is wrapped.
    bars = (BarColumn(_BAR),) if console.width >= _WIDE else ()
    column = Said(table_column=Column(overflow="fold"))
    with Progress(*bars, column, console=console) as bar:
        task = bar.add_task("", total=None)

        def show(status: BatchStatus) -> None:
            nonlocal told, before, said
            if not told:
                # The work of another run does not count for this run's rate.
                told, before = True, _ended(status)
            elapsed = bar.tasks[0].elapsed or 0.0
            said = _progress(status, _ended(status) - before, elapsed, estimate)
            bar.update(task, total=status.total, completed=_ended(status), refresh=True)

        yield show


def _progress(status: BatchStatus, ended: int, elapsed: float, estimate: Callable[[int], float]) -> Text:
    """Return the progress of a batch, without the bar's own estimate, which ignores the rate window."""
    from rich.text import Text

    said = Text(f"{_ended(status)}/{status.total}")
    for state, count in status.counts.items():
        if count:
            said.append("  ").append(f"{count} {state}", style=_COLOURS.get(state, ""))
    if ended and elapsed:
        said.append(f"  {ended / elapsed * 60:.0f}/min")
    seconds = estimate(status.total - _ended(status))
    if math.isfinite(seconds) and not status.is_settled:
        said.append(f"  {clock(math.ceil(seconds))} left")
    return said


def _lines(output: Output) -> Callable[[BatchStatus], object]:
    told = -1

    def show(status: BatchStatus) -> None:
        nonlocal told
        tenth = _ended(status) * _TENTHS // max(1, status.total)
        if tenth > told:
            told = tenth
            output.note(f"{_ended(status)} of {status.total}: {_states(status)}")

    return show


def _ended(status: BatchStatus) -> int:
    return status.done + status.failed + status.parked


def _states(status: BatchStatus) -> str:
    return ", ".join(f"{count} {state}" for state, count in status.counts.items() if count)
