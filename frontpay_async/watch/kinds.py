"""The kinds of watches: the operation that reads the status of each, and its final statuses. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import Enum, StrEnum
from typing import TYPE_CHECKING

from attrs import define, frozen

from frontpay_async._protocol.operations import OPERATIONS
from frontpay_async.models.orders import OrderStatusReport
from frontpay_async.models.statuses import OrderStatus, Status

if TYPE_CHECKING:
    from collections.abc import Iterator
    from decimal import Decimal

    from frontpay_async._protocol.operations import Operation, Watched


class WatchKind(StrEnum):
    """The kind of a watch."""

    PAYMENT = "payment"
    """The payment on a terminal: until PAID or CANCELLED."""
    REFUND = "refund"
    """The refund on a terminal: until REFUNDED or REJECTED."""
    ORDER = "order"
    """The order itself: until PAID, CANCELLED, EXPIRED or REFUNDED, by default."""
    RESERVATION = "reservation"
    """The reservation: until CAPTURED, COMPLETED, CANCELLED or EXPIRED, by default."""
    SUBSCRIPTION = "subscription"
    """The subscription: until COMPLETED or CANCELLED, by default."""


@frozen
class WatchSpec:
    """The properties of a kind.

    Args:
        operation: The row that reads its status.
        facts: Its typical durations.
    """

    operation: Operation[object]
    facts: Watched


class _Kinds(Mapping[WatchKind, WatchSpec]):
    """The row that reads the status of each kind; loaded with its resource when it is needed."""

    def __init__(self) -> None:
        self._known: dict[WatchKind, WatchSpec] = {}

    def __getitem__(self, kind: WatchKind) -> WatchSpec:
        known = self._known.get(kind)
        if known is None:
            known = self._known[kind] = self._find(kind)
        return known

    def __iter__(self) -> Iterator[WatchKind]:
        return iter(WatchKind)

    def __len__(self) -> int:
        return len(WatchKind)

    def _find(self, kind: WatchKind) -> WatchSpec:
        for row in OPERATIONS.values():
            if row.watched is not None and row.watched.kind == kind:
                return WatchSpec(row, row.watched)
        raise KeyError(kind)


KINDS = _Kinds()
EARLY_KINDS = (WatchKind.PAYMENT, WatchKind.REFUND, WatchKind.ORDER)
"""The kinds whose rows are loaded with the client."""


class WatchState(Enum):
    """The state of a watch in the schedule."""

    RESTING = "resting"
    """Resting: it was polled recently."""
    READY = "ready"
    """In the queue."""
    REPORTED = "reported"
    """Polled before anything else: the list shows a change, or a poll has to be repeated."""
    CLAIMED = "claimed"
    """Polled early, because of a callback, which may be forged."""
    ASKED = "asked"
    """A poll is in flight."""
    GONE = "gone"


# Without a slot for weak references: there may be ten thousand.
@define(eq=False, repr=False, weakref_slot=False)
class Watch:
    """One watch; all times are seconds on the hub's clock.

    Args:
        kind: The kind.
        order_uuid: The order.
        since: The time from which its age counts.
        began: When it was added here.
    """

    kind: WatchKind
    order_uuid: str
    since: float
    began: float
    state: WatchState = WatchState.GONE
    place: int = 0
    # Its tag in virtual time, and its share, the root of its hazard.
    tag: float = 0.0
    share: float = 0.0
    asked_at: float = -math.inf
    # Its own route's responses: times of the first and the last, when the last was requested, and its status.
    known_at: float = math.inf
    seen_at: float = -math.inf
    answered: float = -math.inf
    status: Status | None = None
    # The number of consecutive polls that hung.
    hedges: int = 0
    # The last status in the list of orders, and its time.
    listed: OrderStatus | None = None
    listed_at: float = -math.inf
    # The last change reported by the list or a callback; the remaining repetitions of polls without a change;
    # and the early polls left after a wrong callback (one for each regular poll).
    reported_at: float = -math.inf
    claimed: bool = False
    repeats_left: int = 0
    disproved: bool = False
    early_poll_left: bool = True
    # When its early poll is due.
    early: float = -math.inf

    @property
    def looked_at(self) -> float:
        """When it was last updated."""
        return max(self.seen_at, self.listed_at)

    @property
    def known(self) -> bool:
        """Whether its own route has returned the order before."""
        return self.status is not None or self.known_at < math.inf


def status_in(answer: object) -> Status:
    """Return the status in a result of the kind's operation."""
    status = getattr(answer, "status", answer)
    if isinstance(status, Status):
        return status
    raise TypeError(f"{type(answer).__name__} has no status")


def paid_back_in(answer: object) -> Decimal | None:
    """Return the refunded amount in a result; None if it has none."""
    return answer.refunded_amount if isinstance(answer, OrderStatusReport) else None
