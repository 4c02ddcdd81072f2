"""One caller's wait for the changes of a watch, until a final status or a timeout."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self

from attrs import define, field

from frontpay_async.errors import WatchTimeoutError
from frontpay_async.watch.kinds import WatchKind

if TYPE_CHECKING:
    from collections.abc import Callable, Collection
    from decimal import Decimal

    import anyio

    from frontpay_async.errors import FrontPayError
    from frontpay_async.models.statuses import Status
    from frontpay_async.watch.kinds import Watch

MAY_STILL = {
    WatchKind.PAYMENT: "it may still be paid",
    WatchKind.REFUND: "it may still be refunded",
    WatchKind.ORDER: "it may still be paid",
    WatchKind.RESERVATION: "it may still be accepted or captured",
    WatchKind.SUBSCRIPTION: "it may still be accepted",
}


# Without a slot for weak references, to save memory: there may be ten thousand.
@define(eq=False, repr=False, weakref_slot=False)
class Subscription:
    """One caller's view of a watch.

    Args:
        leave: Ends the subscription.
        watch: The watch.
        deadline: When to time out, in seconds on the hub's clock.
        patience: The timeout, for the error's message.
        until: The statuses that end it; None for the final ones.
        every: Whether every change is returned, or only the last status.
        paid_back_beyond: Ends when the refunded amount exceeds this, instead of at a status.
    """

    leave: Callable[[Subscription], None]
    watch: Watch
    deadline: float
    patience: float | None
    until: Collection[str] | None = None
    every: bool = False
    paid_back_beyond: Decimal | None = None
    place: int = 0
    # Whether the API states the refunded amount.
    has_amount: bool = field(default=False, init=False)
    changes: tuple[Status, ...] = field(default=(), init=False)
    last: Status | None = field(default=None, init=False)
    over: bool = field(default=False, init=False)
    error: FrontPayError | None = field(default=None, init=False)
    event: anyio.Event | None = field(default=None, init=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.leave(self)

    @property
    def served(self) -> bool:
        """Whether there is something to return or to raise."""
        return bool(self.changes) or self.error is not None

    def take(self, status: Status, paid_back: Decimal | None = None) -> None:
        """Record a response of the watch's own route: the status and possibly the refunded amount."""
        self.has_amount |= paid_back is not None
        if self.paid_back_beyond is not None:
            ends = paid_back is not None and paid_back > self.paid_back_beyond
        else:
            ends = status.is_final if self.until is None else status in self.until
        if ends or (self.every and status != self.last):
            self.changes += (status,)
            self.wake()
        self.last = status
        self.over = ends

    def next(self) -> Status:
        """Return the oldest change; there must be one."""
        status, self.changes = self.changes[0], self.changes[1:]
        return status

    def fail(self, error: FrontPayError) -> None:
        """End with an error."""
        self.error = error
        self.over = True
        self.wake()

    def wake(self) -> None:
        """Wake the caller."""
        if self.event is not None:
            self.event.set()

    def too_late(self) -> WatchTimeoutError:
        """Return the error of a reader that has timed out."""
        watch = self.watch
        last = f"the last status was {watch.status}" if watch.status else "no status was seen"
        return WatchTimeoutError(
            f"watch.{watch.kind}: no final status was seen in {self.patience:g} s; {last}. This does not mean"
            f" that it failed: {MAY_STILL[watch.kind]}. Watch it again, or cancel it and watch how that"
            " ends.",
            last_status=watch.status,
            operation=f"watch.{watch.kind}",
            order_uuid=watch.order_uuid,
        )
