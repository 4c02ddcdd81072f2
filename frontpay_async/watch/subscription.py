"""What one caller waits for: the news of a watch, until it has ended, or the caller's patience has."""

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
    WatchKind.REFUND: "it may still be paid back",
    WatchKind.ORDER: "it may still be paid",
    WatchKind.RESERVATION: "it may still be accepted or captured",
    WatchKind.SUBSCRIPTION: "it may still be accepted",
}


# Without a slot for weak references: there may be ten thousand.
@define(eq=False, repr=False, weakref_slot=False)
class Subscription:
    """One caller's view of a watch.

    Args:
        leave: Lets go of it.
        watch: What is read.
        deadline: When to give up, in seconds on the hub's clock.
        patience: How long that is, for the error's text.
        until: The statuses that end it; those that are final of themselves, if None.
        every: Whether every change is news, or the last status alone.
        paid_back_beyond: The amount that more than must have been paid back, instead of a status.
    """

    leave: Callable[[Subscription], None]
    watch: Watch
    deadline: float
    patience: float | None
    until: Collection[str] | None = None
    every: bool = False
    paid_back_beyond: Decimal | None = None
    place: int = 0
    # Whether the API says how much was paid back.
    told_amount: bool = field(default=False, init=False)
    news: tuple[Status, ...] = field(default=(), init=False)
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
        return bool(self.news) or self.error is not None

    def take(self, status: Status, paid_back: Decimal | None = None) -> None:
        """Record what the watch's own route says: the status and perhaps how much was paid back."""
        self.told_amount |= paid_back is not None
        if self.paid_back_beyond is not None:
            ends = paid_back is not None and paid_back > self.paid_back_beyond
        else:
            ends = status.is_final if self.until is None else status in self.until
        if ends or (self.every and status != self.last):
            self.news += (status,)
            self.wake()
        self.last = status
        self.over = ends

    def next(self) -> Status:
        """Return the oldest news; there must be some."""
        status, self.news = self.news[0], self.news[1:]
        return status

    def fail(self, error: FrontPayError) -> None:
        """End with an error."""
        self.error = error
        self.over = True
        self.wake()

    def wake(self) -> None:
        """Let the caller see what there is."""
        if self.event is not None:
            self.event.set()

    def too_late(self) -> WatchTimeoutError:
        """Return the error of a reader whose time is over."""
        watch = self.watch
        last = f"the last status was {watch.status}" if watch.status else "no status was seen"
        return WatchTimeoutError(
            f"watch.{watch.kind}: nothing final was seen in {self.patience:g} s; {last}. This does not mean"
            f" that it failed: {MAY_STILL[watch.kind]}. Watch it again, or cancel it and watch how that"
            " ends.",
            last_status=watch.status,
            operation=f"watch.{watch.kind}",
            order_uuid=watch.order_uuid,
        )
