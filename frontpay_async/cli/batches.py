"""Running a batch with a view of it: states, rate and remaining time; Ctrl-C drains.

Every tenth of the way is a line where there is no terminal. When it is stopped, what waits is called back,
and what has left gets its answer; a second Ctrl-C changes nothing. To kill it is safe: the journal knows.
"""

from __future__ import annotations

import asyncio
import contextlib
import sys
from typing import TYPE_CHECKING

from frontpay_async.batch import InvoiceBatch, State
from frontpay_async.cli.exits import Exit, exit_of
from frontpay_async.cli.output import clean, console_of
from frontpay_async.cli.payments import stop_on_signals
from frontpay_async.errors import FrontPayError

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Mapping

    from frontpay_async.batch import BatchStatus, OrderFile
    from frontpay_async.cli.invocation import Invocation
    from frontpay_async.cli.output import Output
    from frontpay_async.client import FrontPayClient

__all__ = ["conclusion", "run_batch"]

_TENTHS = 10


def run_batch(
    invocation: Invocation, journal: str, name: str, *, concurrency: int, orders: OrderFile | None = None
) -> int:
    """Submit orders, if there are any, and run the batch; return the exit status.

    Args:
        invocation: The command.
        journal: The journal.
        name: The batch.
        concurrency: How many requests may be in flight.
        orders: What is submitted first.
    """
    output = invocation.output

    async def work(client: FrontPayClient) -> tuple[BatchStatus, bool, FrontPayError | None]:
        async with InvoiceBatch(client, journal=journal, name=name) as batch:
            if orders is not None:
                submission = await batch.submit(orders)
                output.note(
                    f"{submission.added} orders are new in the journal, {submission.known} were there"
                )
            with stop_on_signals(gives_up=False) as stop, _view(output, client.rate.estimate) as show:
                running = asyncio.create_task(batch.run(concurrency=concurrency, on_progress=show))
                stopping = asyncio.create_task(stop.wait())
                await asyncio.wait([running, stopping], return_when=asyncio.FIRST_COMPLETED)
                stopped = not running.done()
                if stopped:
                    output.tell("stopping: what has left gets its answer, the rest is not sent")
                    running.cancel()
                stopping.cancel()
                (ended, _) = await asyncio.gather(running, stopping, return_exceptions=True)
            trouble = ended if isinstance(ended, FrontPayError) else None
            if isinstance(ended, Exception) and trouble is None:
                raise ended
            return await batch.status(), stopped, trouble

    status, stopped, trouble = invocation.call(work)
    output.result({"name": name, "total": status.total, **_counts(status.counts), "stopped": stopped})
    resume = f"frontpay invoices resume --journal … --name {name}"
    if trouble is not None:
        output.error(
            trouble,
            money="What is done above was sent. The journal knows the rest.",
            step=f"To go on: {resume}",
        )
        return exit_of(trouble)
    if stopped and not status.is_settled:
        output.tell(f"To go on: {resume}")
    elif status.failed or status.parked:
        output.tell(f"What was refused or needs a person: frontpay invoices report --journal … --name {name}")
    return conclusion(status.counts)


def conclusion(counts: Mapping[State, int]) -> Exit:
    """Return the exit status of a batch that has ended, or was stopped.

    Args:
        counts: How many orders are in each state.
    """
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
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    said = TextColumn("{task.fields[said]}", markup=False)
    with Progress(BarColumn(), MofNCompleteColumn(), said, console=console) as bar:
        task = bar.add_task("", total=None, said="")

        def show(status: BatchStatus) -> None:
            # Of the bar's own guess, which does not know the rate window, nothing is shown.
            seconds = estimate(status.total - _ended(status))
            elapsed = bar.tasks[0].elapsed or 0.0
            rate = _ended(status) / elapsed * 60 if elapsed else 0.0
            text = f"{_states(status)}; {rate:.0f}/min, {seconds:.0f} s left"
            bar.update(task, total=status.total, completed=_ended(status), said=clean(text))

        yield show


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
