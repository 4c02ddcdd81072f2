"""An order pipeline with back-pressure: JSON lines in, payment links and results out.

    python3 -m pip install ".[cli,sandbox]"  # in a clone and a virtual environment
    frontpay sandbox                         # in another terminal; prints its URL
    export FRONTPAY_TOKEN=sandbox-token
    export FRONTPAY_BASE_URL=http://127.0.0.1:8123/api/v1/connect
    python3 examples/order_pipeline.py examples/orders.jsonl > ends.jsonl

    file ─> read ─> [16] ─> 4 senders ─> [16] ─> write ─> stdout

The streams between the stages hold a few orders; a stage that writes to a full stream
waits. The file is therefore read as fast as orders can be sent, and only the ids of
sent orders stay in memory.

The result of an order is ``sent``, ``rejected`` (by the API), ``not_sent`` or
``unknown``. An unknown order is never sent again: it is looked up after all others, and
gets a second line, which is the final one.

Ctrl-C (or SIGTERM) stops the reading: requests in flight get their responses, the rest
is ``not_sent``, and unknown orders are looked up. A second Ctrl-C stops at once;
requests in flight then have no line, as after ``kill -9``. If that matters, use
``frontpay_async.batch``, which keeps a journal.

Exit status: 0 all sent, 1 some not sent, 3 some unknown.
"""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections import Counter
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import anyio
from anyio import create_memory_object_stream as stream

from frontpay_async import (
    Address,
    AuthenticationError,
    Customer,
    CustomerType,
    FrontPayClient,
    FrontPayError,
    OrderSummary,
    Outcome,
    PaymentLinkOrder,
    PermissionDeniedError,
    Priority,
    Product,
    RateBudgetExceededError,
    RetryPolicy,
    SendOrderBy,
    Timeouts,
)

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream

SENDERS = 4
BUFFER = 16  # orders that a stream between two stages holds
PATIENCE = 20.0  # seconds for a call with its retries and its wait for the rate limit
MOST_UNKNOWN = 20  # then something is wrong that more orders will not mend


@dataclass(frozen=True)
class Entry:
    """An order, and the key that it has in your books."""

    key: str
    order: PaymentLinkOrder


@dataclass(frozen=True)
class End:
    """What became of an order: one line of the output."""

    key: str
    end: str
    order_uuid: str | None = None
    detail: str | None = None


def read_order(line: str) -> Entry:
    """Build an order from a line; the API's rules are checked before it is sent.

    Raises:
        ValueError: The line is no JSON, or a value cannot be used.
        KeyError: A member is missing.
        TypeError: A value is of another type.
    """
    # Exact: a price goes through no float.
    said: dict[str, Any] = json.loads(line, parse_float=Decimal)
    products = [Product(name=said["item"], quantity=1, rate=said["price"], tax=25)]
    order = PaymentLinkOrder(
        products=products,
        summary=OrderSummary.of(products),
        order_date=datetime.now(UTC),
        customer=Customer(
            type=CustomerType.PRIVATE,
            name=said["name"],
            email=said["email"],
            address=Address(
                street=said["street"], zip=said["zip"], city=said["city"], country="NO"
            ),
        ),
        invoice_as_payment_option=False,
        send_order_by=SendOrderBy(sms=False, email=True),
        reference_no=said["key"],
    )
    return Entry(said["key"], order)


class Pipeline:
    """Sends orders from a source that is as fast as it likes."""

    def __init__(self, client: FrontPayClient) -> None:
        self.client = client.with_options(
            priority=Priority.BATCH,
            timeouts=Timeouts(total=PATIENCE),
            # A 500 may follow a stored order: look it up, do not send it again.
            retry=RetryPolicy(retry_unsafe_server_errors=False),
        )
        self.stopped = anyio.Event()
        self.unknown: list[Entry] = []
        self._accounted_for: set[str] = set()
        self._reading = anyio.CancelScope()

    def stop(self) -> None:
        """Begin no more orders; what has left gets its answer."""
        self.stopped.set()
        self._reading.cancel()

    async def take_stock(self) -> None:
        """Note which orders are there already: none of them can be one of ours."""
        self._accounted_for = {
            each.order_uuid for each in await self.client.orders.list_statuses()
        }

    async def run(
        self, lines: AsyncIterator[str], write: Callable[[End], Awaitable[None]]
    ) -> None:
        """Send the orders of all lines, and tell each one's end as it is known.

        Args:
            lines: The source.
            write: The sink; while it waits, everything before it does.
        """
        into_orders, orders = stream[Entry](BUFFER)
        into_ends, ends = stream[End](BUFFER)
        async with anyio.create_task_group() as stages:
            async with into_ends, orders:
                stages.start_soon(self._read, lines, into_orders, into_ends.clone())
                for _ in range(SENDERS):
                    stages.start_soon(self._send, orders.clone(), into_ends.clone())
            async with ends:
                async for end in ends:
                    await write(end)

    async def _read(
        self,
        lines: AsyncIterator[str],
        orders: MemoryObjectSendStream[Entry],
        ends: MemoryObjectSendStream[End],
    ) -> None:
        number = 0
        async with orders, ends:
            while not self.stopped.is_set():
                line = None
                # Stopping ends the wait for a line; a line that was read has a result.
                with anyio.CancelScope() as self._reading:
                    line = await anext(lines, None)
                if line is None:
                    break
                number += 1
                try:
                    entry = read_order(line)
                except (ValueError, KeyError, TypeError) as error:
                    # Its words may quote the line, which is personal.
                    detail = f"line {number} is no order ({type(error).__name__})"
                    await ends.send(End(f"line {number}", "not_sent", detail=detail))
                else:
                    await orders.send(entry)

    async def _send(
        self,
        orders: MemoryObjectReceiveStream[Entry],
        ends: MemoryObjectSendStream[End],
    ) -> None:
        async with orders, ends:
            async for entry in orders:
                await ends.send(await self._end_of(entry))

    async def _end_of(self, entry: Entry) -> End:
        while not self.stopped.is_set():
            try:
                created = await self.client.orders.send_payment_link(entry.order)
            except RateBudgetExceededError as error:
                # Not sent. Waiting here makes the stages before wait, too.
                with anyio.move_on_after(error.retry_after):
                    await self.stopped.wait()
            except FrontPayError as error:
                return self._failed(entry, error)
            else:
                self._accounted_for.add(created.order_uuid)
                return End(entry.key, "sent", created.order_uuid)
        return End(entry.key, "not_sent", detail="stopped before it was sent")

    def _failed(self, entry: Entry, error: FrontPayError) -> End:
        if error.outcome is Outcome.UNKNOWN:
            self.unknown.append(entry)
        if len(self.unknown) >= MOST_UNKNOWN or isinstance(
            error, (AuthenticationError, PermissionDeniedError)
        ):
            self.stop()
        return End(entry.key, str(error.outcome), detail=str(error))

    async def look_up(self, write: Callable[[End], Awaitable[None]]) -> None:
        """Look for the orders whose answers were lost; none of them is sent again.

        Args:
            write: Told of each one's end.
        """
        listed = await self.client.orders.list_statuses()
        strangers = {each.order_uuid for each in listed} - self._accounted_for
        for entry in tuple(self.unknown):
            found = await self.client.orders.find(entry.order, among=sorted(strangers))
            if len(found.same) == 1:
                (uuid,) = found.same
                strangers.remove(uuid)
                self.unknown.remove(entry)
                await write(End(entry.key, "sent", uuid))
            else:
                may_be = (
                    ", ".join((*found.same, *found.unclear)) or "none that is there"
                )
                await write(
                    End(
                        entry.key,
                        "unknown",
                        detail=f"for a person to decide; it may be: {may_be}",
                    )
                )


async def stop_at_a_signal(pipeline: Pipeline) -> None:
    """Stop the pipeline at the first signal; the second has its usual effect."""
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        async for _ in signals:
            break
    seconds = pipeline.client.rate.estimate(SENDERS)
    print(
        f"stopping: waiting up to {seconds:.0f} s for requests in flight",
        file=sys.stderr,
    )
    pipeline.stop()


async def main(path: str, settling: float) -> int:
    """Run the pipeline over a file; return the exit status."""
    ends: Counter[str] = Counter()

    async def write(end: End) -> None:
        print(json.dumps(asdict(end), ensure_ascii=False), flush=True)
        ends[end.end] += 1

    async with (
        FrontPayClient() as client,
        await anyio.open_file(path, encoding="utf-8") as file,
    ):
        pipeline = Pipeline(client)
        try:
            await pipeline.take_stock()
        except FrontPayError as error:
            print(f"nothing was sent: {error}", file=sys.stderr)
            return 1
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(stop_at_a_signal, pipeline)
            await pipeline.run(aiter(file), write)
            tasks.cancel_scope.cancel()
        if pipeline.unknown:
            # Until then, a request that was lost may still be at work.
            print(
                f"{len(pipeline.unknown)} unknown: looking in {settling:.0f} s",
                file=sys.stderr,
            )
            await anyio.sleep(settling)
            try:
                await pipeline.look_up(write)
            except FrontPayError as error:
                print(f"the look-up failed: {error}", file=sys.stderr)
    ends["unknown"] = len(pipeline.unknown)
    print(
        ", ".join(f"{count} {end}" for end, count in sorted(ends.items()) if count),
        file=sys.stderr,
    )
    if pipeline.unknown:
        return 3
    return 1 if ends["rejected"] or ends["not_sent"] else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description="Send payment links from a file of JSON lines."
    )
    parser.add_argument("file")
    parser.add_argument(
        "--settling",
        type=float,
        default=60.0,
        help="seconds before a lost order is looked up",
    )
    parser.add_argument("--backend", choices=("asyncio", "trio"), default="asyncio")
    options = parser.parse_args()
    sys.exit(anyio.run(main, options.file, options.settling, backend=options.backend))
