"""The results of a batch: a row, the counts, the report. Frozen, and without personal data."""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from frontpay_async.batch.states import State

if TYPE_CHECKING:
    from collections.abc import Mapping


@frozen(kw_only=True)
class BatchRow:
    """The state of one order of a batch.

    Args:
        key: Your key.
        kind: The operation that sends it, such as ``orders.send_invoice``.
        state: pending, sending, unknown, done, failed or parked.
        attempts: How often it was about to leave.
        order_uuid: The order's id, once it is done.
        customer_uuid: The customer's id, if the API returned it.
        error: Why it failed, was parked, or waits for another attempt; None otherwise.
        candidates: The orders that may be this one, for a parked row.
    """

    key: str
    kind: str
    state: State
    attempts: int = 0
    order_uuid: str | None = None
    customer_uuid: str | None = None
    error: str | None = None
    candidates: tuple[str, ...] = ()


@frozen(kw_only=True)
class BatchStatus:
    """The number of rows of a batch in each state.

    Args:
        name: The batch.
        counts: How many rows are in each state.
    """

    name: str
    counts: Mapping[State, int]

    @property
    def total(self) -> int:
        """How many orders the batch has."""
        return sum(self.counts.values())

    @property
    def done(self) -> int:
        """How many were sent and stand at the API."""
        return self.counts.get(State.DONE, 0)

    @property
    def failed(self) -> int:
        """How many were refused."""
        return self.counts.get(State.FAILED, 0)

    @property
    def parked(self) -> int:
        """How many wait for a person."""
        return self.counts.get(State.PARKED, 0)

    @property
    def is_settled(self) -> bool:
        """Whether there is nothing left that a runner could do."""
        return self.total == self.done + self.failed + self.parked


@frozen(kw_only=True)
class BatchReport(BatchStatus):
    """The result of a run; ``InvoiceBatch.rows`` has the single rows.

    Args:
        name: The batch.
        counts: How many rows are in each state.
        elapsed: Seconds that the run took.
        sent: The number of orders confirmed in this run.
        reconciled: How many unresolved rows this run decided by looking.
    """

    elapsed: float
    sent: int
    reconciled: int


@frozen(kw_only=True)
class Submission:
    """The result of a submission.

    Args:
        added: How many orders are new in the batch.
        known: How many were there already, with the same content.
    """

    added: int
    known: int


@frozen(kw_only=True)
class AccountOverview(BatchStatus):
    """How one batch of one account stands, in a journal of several.

    Args:
        account: The account; empty for the one of a journal that has no others.
        name: The batch.
        counts: How many rows are in each state.
        in_hand: Whether a runner has rows of it now.
    """

    account: str
    in_hand: bool
