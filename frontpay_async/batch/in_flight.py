"""One order in flight: its progress and its cancellation."""

from __future__ import annotations

from math import inf
from typing import TYPE_CHECKING

import anyio
from anyio.lowlevel import checkpoint_if_cancelled
from attrs import define, field

from frontpay_async._transport.instrumentation import logger
from frontpay_async.batch.states import RowEvent
from frontpay_async.batch.store import NotOursError

if TYPE_CHECKING:
    from collections.abc import Callable

    from frontpay_async.batch.group_commit import Lane
    from frontpay_async.batch.store import LeasedRow
    from frontpay_async.batch.transitions import Transition
    from frontpay_async.order_files.items import BatchOrder

# The part of a lease after which its request is abandoned.
_LEASE_SHARE = 0.6


@define(eq=False)
class InFlight:
    """One order in flight.

    Args:
        leased: Its row.
        had_turn: Called once, when the rate window admits it or it ends.
        scope: The only scope that cancels its request.
        has_left: Whether its request may have left.
        order: The order, once it has been read from the row.
    """

    leased: LeasedRow
    had_turn: Callable[[], object]
    scope: anyio.CancelScope = field(factory=lambda: anyio.CancelScope(shield=True))
    has_left: bool = False
    order: BatchOrder | None = field(default=None, repr=False)
    _dead_at: float = field(init=False, default=inf)
    _is_ahead: bool = field(init=False, default=True)

    def note_turn(self) -> None:
        """Record that it no longer waits for the rate window; calling it again does nothing."""
        if self._is_ahead:
            self._is_ahead = False
            self.had_turn()

    async def claim(self, commits: Lane, claim: Transition) -> None:
        """Commit the claim before the request leaves, and limit the request's time."""
        # The lease starts when the claim is written, at the earliest now.
        dead_at = anyio.current_time() + claim.lease * _LEASE_SHARE
        if not await commits.commit(claim):
            raise NotOursError
        self._dead_at = min(self._dead_at, dead_at)
        if not self.may_leave():
            self.scope.cancel()
        # If it is called back while the claim is written, it stops here and nothing is unresolved.
        await checkpoint_if_cancelled()
        self.has_left = True
        # It may be sent a second time, after a 401 and a new token, under the lease of the first claim.
        self.scope.deadline = min(self.scope.deadline, dead_at)

    def may_leave(self) -> bool:
        """Whether the lease is still valid; this process may have been suspended."""
        return anyio.current_time() < self._dead_at

    def recall(self, drain: float) -> None:
        """Cancel the request, or limit it to some more seconds if it has left."""
        if self.has_left:
            self.scope.deadline = min(self.scope.deadline, anyio.current_time() + drain)
        else:
            self.scope.cancel()

    def report_too_late(self, ended: Transition) -> None:
        """Log a result that the journal rejected: another runner has leased the row."""
        if ended.event is RowEvent.CONFIRM:
            logger.error(
                "the response for %r arrived too late: order %s was created, but another runner has leased"
                " the row: check whether it was sent twice",
                self.leased.key,
                ended.order_uuid,
            )
        else:
            logger.warning("the result of %r (%s) arrived too late", self.leased.key, ended.event)
