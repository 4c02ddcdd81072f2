"""Waiting for a refund that is not the order's first.

The refund's status check does not say which refund it is about: until the second refund is decided, it shows
the result of the first. Two observations distinguish them, and both are watched: the order's refunded amount
exceeds the earlier one (REFUNDED), or the status changes to a final one (REJECTED; REFUNDED only if the API
omits the amount). A rejection in the first poll may belong to the earlier refund and proves nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import anyio
from attrs import define, field

from frontpay_async.errors import FrontPayError, NotFoundError, WatchTimeoutError
from frontpay_async.models.statuses import RefundStatus

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from frontpay_async.models.statuses import Status
    from frontpay_async.watch.poller import Poller
    from frontpay_async.watch.subscription import Subscription


@define(eq=False)
class LaterRefund:
    """The wait for a refund after earlier ones.

    Args:
        poller: Polls for both subscriptions.
        amount: Ends when the order's refunded amount exceeds the earlier one.
        status: Iterates over the refund's statuses, and does not end with a final one.
    """

    poller: Poller
    amount: Subscription
    status: Subscription
    _end: RefundStatus | None = field(init=False, default=None)
    _error: FrontPayError | None = field(init=False, default=None)

    async def end(self) -> RefundStatus:
        """Wait for the refund's final status."""
        async with anyio.create_task_group() as tasks:
            for wait in (self._exceeded, self._turned):
                tasks.start_soon(self._first, wait, tasks.cancel_scope)
        if self._end is not None:
            return self._end
        assert self._error is not None  # noqa: S101 - for the type checkers
        if isinstance(self._error, WatchTimeoutError):
            raise self._too_late()
        raise self._error

    async def _first(self, wait: Callable[[], Awaitable[None]], scope: anyio.CancelScope) -> None:
        """Run one of the two waits; its result ends both, unless it is inconclusive."""
        try:
            await wait()
        except FrontPayError as error:
            self._error = self._error or error
        if self._end is not None or self._error is not None:
            scope.cancel()

    async def _exceeded(self) -> None:
        try:
            await self.poller.next(self.amount)
        except NotFoundError:
            # The order's route does not know terminal orders: only the refund's status remains.
            return
        self._end = RefundStatus.REFUNDED

    async def _turned(self) -> None:
        last: Status | None = None
        while True:
            status = await self.poller.next(self.status)
            if last is not None and (
                status == RefundStatus.REJECTED
                or (status == RefundStatus.REFUNDED and not self.amount.has_amount)
            ):
                self._end = cast("RefundStatus", status)
                return
            last = status

    def _too_late(self) -> WatchTimeoutError:
        before, order_uuid = self.amount.paid_back_beyond, self.status.watch.order_uuid
        return WatchTimeoutError(
            f"watch.refund: no final status of a refund beyond the {before} refunded before was seen in"
            f" {self.status.patience:g} s. This does not mean that it failed: it may still be refunded."
            " Watch it again.",
            last_status=None,
            operation="watch.refund",
            order_uuid=order_uuid,
        )
