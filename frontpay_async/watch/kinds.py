"""What can be watched: the kinds, where each is asked for, and when it has ended. Pure."""

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
    """What is watched of an order."""

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
    """What is asked for a kind of watch.

    Args:
        operation: The row that reads its status.
        facts: What waiting for it is like.
    """

    operation: Operation[object]
    facts: Watched


class _Kinds(Mapping[WatchKind, WatchSpec]):
    """The row that reads the status of each kind; found when it is needed, with its resource."""

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
    """Looked at so lately that it is not asked for yet."""
    READY = "ready"
    """Waiting for its share."""
    TOLD = "told"
    """Polled before anything else: the list shows a change, or a poll has to be repeated."""
    CLAIMED = "claimed"
    """Polled early: a callback, which may be forged, says that it has changed."""
    ASKED = "asked"
    """A poll is under way."""
    GONE = "gone"


# Without a slot for weak references: there may be ten thousand.
@define(eq=False, repr=False, weakref_slot=False)
class Watch:
    """One watch; all times are seconds on the hub's clock.

    Args:
        kind: What is watched.
        order_uuid: The order.
        since: When its age began.
        began: When it was taken up here.
    """

    kind: WatchKind
    order_uuid: str
    since: float
    began: float
    state: WatchState = WatchState.GONE
    place: int = 0
    # Its turn, in virtual time; and its share, which is the root of its hazard.
    tag: float = 0.0
    share: float = 0.0
    asked_at: float = -math.inf
    # Its own route's responses: the first, the last, when that one was asked for, and its status.
    known_at: float = math.inf
    seen_at: float = -math.inf
    answered: float = -math.inf
    status: Status | None = None
    # How many polls in a row were repeated because they hung.
    hedges: int = 0
    # What the list of orders said last, and when.
    listed: OrderStatus | None = None
    listed_at: float = -math.inf
    # When it was last said to have changed, by the list or by a callback; how many more responses that show
    # no change are followed by another poll; and what is left after a callback that proved wrong: one early
    # poll for each regular one.
    told_at: float = -math.inf
    claimed: bool = False
    doubts: int = 0
    disproved: bool = False
    credit: bool = True
    # When its early poll is due.
    early: float = -math.inf

    @property
    def looked_at(self) -> float:
        """When anything was last heard of it."""
        return max(self.seen_at, self.listed_at)

    @property
    def known(self) -> bool:
        """Whether its own route has known the order before."""
        return self.status is not None or self.known_at < math.inf


def status_in(answer: object) -> Status:
    """Return the status that an answer to a kind's operation holds, or is."""
    status = getattr(answer, "status", answer)
    if isinstance(status, Status):
        return status
    raise TypeError(f"{type(answer).__name__} has no status")


def paid_back_in(answer: object) -> Decimal | None:
    """Return how much an answer says was paid back; None if it does not say so."""
    return answer.refunded_amount if isinstance(answer, OrderStatusReport) else None
