"""Taking a payment on a terminal: create, watch, and cancel when interrupted.

The possible interruptions, and their consequences:

- While the order is being created, the command waits for the response, because otherwise the order might stay
  on the terminal with an unknown id. It is cancelled as soon as its id is known.
- While the cardholder decides, the payment is cancelled. The customer may pay at the same time, so the
  payment's final status decides, whatever the response to the cancellation: PAID means that the cardholder
  was faster. If the status cannot be read, a rejection "already paid" or "already cancelled" decides.
- A second interruption ends the command. The outcome is then unknown, and the error names the order.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from typing import TYPE_CHECKING, TypeVar

from attrs import frozen

from frontpay_async._protocol.operations import CANCEL_TERMINAL_PAYMENT, CREATE_TERMINAL_ORDER
from frontpay_async.errors import (
    AlreadyCancelledError,
    AlreadyPaidError,
    FrontPayError,
    OutcomeUnknownError,
    WatchTimeoutError,
)
from frontpay_async.models.statuses import PaymentStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Generator
    from decimal import Decimal
    from types import FrameType

    from frontpay_async.client import FrontPayClient
    from frontpay_async.models.terminals import TerminalOrder

T = TypeVar("T")
# The maximum delay between a cancellation and the payment's final status, in seconds.
_SETTLES_WITHIN = 15.0


@frozen(kw_only=True)
class TakenPayment:
    """The end of a payment.

    Args:
        order_uuid: The order.
        payment_status: PAID or CANCELLED.
        amount: The amount, in the order's currency.
        stopped: Whether it was interrupted before the decision.
    """

    order_uuid: str
    payment_status: PaymentStatus
    amount: Decimal
    stopped: bool


async def take_payment(
    client: FrontPayClient,
    order: TerminalOrder,
    *,
    wait: float,
    stop: asyncio.Event,
    tell: Callable[[str], object],
) -> TakenPayment:
    """Create an order on a terminal and wait until it is decided."""
    uuid = None
    try:
        uuid = (await client.terminals.create_order(order)).order_uuid
        tell(f"order {uuid} is on the terminal")
        try:
            status = await _unless_stopped(_watch(client, uuid, wait, tell), stop)
        except FrontPayError as error:
            raise _unwatched(uuid, error) from None
        stopped = status is None
        if status is None:
            tell("stopping: the payment is being cancelled")
            status = await _cancel(client, uuid)
    except asyncio.CancelledError:
        known = f"order {uuid} may still be paid" if uuid else "an order may be on the terminal"
        # Raised here, so that the cancelled call is not shown as its cause.
    else:
        return TakenPayment(
            order_uuid=uuid, payment_status=status, amount=order.summary.grand_total, stopped=stopped
        )
    raise OutcomeUnknownError(
        f"interrupted before the response arrived: {known}.",
        operation=(CANCEL_TERMINAL_PAYMENT if uuid else CREATE_TERMINAL_ORDER).name,
        order_uuid=uuid,
    )


async def _watch(
    client: FrontPayClient, uuid: str, wait: float, tell: Callable[[str], object]
) -> PaymentStatus:
    status = PaymentStatus.UNKNOWN
    async with contextlib.aclosing(client.watch.updates(uuid, kind="payment", timeout=wait)) as updates:
        async for update in updates:
            status = PaymentStatus(update)
            tell(f"payment: {status}")
    return status


def _unwatched(uuid: str, error: FrontPayError) -> FrontPayError:
    """Return the error of a payment whose order is on the terminal, after the watch failed."""
    if isinstance(error, WatchTimeoutError):
        return error
    return OutcomeUnknownError(
        f"order {uuid} is on the terminal and may be paid, but it cannot be watched ({error}).",
        operation="watch.payment",
        order_uuid=uuid,
    )


async def _cancel(client: FrontPayClient, uuid: str) -> PaymentStatus:
    trouble: FrontPayError | None = None
    told: PaymentStatus | None = None
    try:
        await client.terminals.cancel_payment(uuid)
    except AlreadyPaidError:
        told = PaymentStatus.PAID
    except AlreadyCancelledError:
        told = PaymentStatus.CANCELLED
    except FrontPayError as error:
        trouble = error
    try:
        return await client.watch.payment(uuid, timeout=_SETTLES_WITHIN)
    except FrontPayError as error:
        if told is not None:
            return told
        why = f"It could not be cancelled ({trouble})" if trouble else "Its cancellation was accepted"
        raise OutcomeUnknownError(
            f"it is not known how the payment ended. {why}, and its status was not final ({error}). Order"
            f" {uuid} may still be paid at the terminal.",
            operation=CANCEL_TERMINAL_PAYMENT.name,
            order_uuid=uuid,
        ) from None


async def _unless_stopped(work: Coroutine[object, object, T], stop: asyncio.Event) -> T | None:
    """Return the result of the work; if stop is set first, cancel the work and return None."""
    working, stopping = asyncio.create_task(work), asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([working, stopping], return_when=asyncio.FIRST_COMPLETED)
        return working.result() if working.done() else None
    finally:
        for task in (working, stopping):
            task.cancel()
        await asyncio.gather(working, stopping, return_exceptions=True)


@contextlib.contextmanager
def stop_on_signals(*, gives_up: bool = True) -> Generator[asyncio.Event]:
    """Set an event on the first Ctrl-C or SIGTERM."""
    stop, loop, task = asyncio.Event(), asyncio.get_running_loop(), asyncio.current_task()

    def heed() -> None:
        if gives_up and stop.is_set() and task is not None:
            task.cancel()
        stop.set()

    def on_signal(_: int, __: FrameType | None) -> None:
        loop.call_soon_threadsafe(heed)

    # loop.add_signal_handler does not exist on Windows.
    before = {number: signal.signal(number, on_signal) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
