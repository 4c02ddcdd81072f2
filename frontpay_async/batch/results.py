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
        attempts: The number of claims.
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
        """How many exist at the API."""
        return self.counts.get(State.DONE, 0)

    @property
    def failed(self) -> int:
        """How many were rejected."""
        return self.counts.get(State.FAILED, 0)

    @property
    def parked(self) -> int:
        """How many wait for a person's decision."""
        return self.counts.get(State.PARKED, 0)

    @property
    def is_settled(self) -> bool:
        """Whether no work is left for a runner."""
        return self.total == self.done + self.failed + self.parked


@frozen(kw_only=True)
class BatchReport(BatchStatus):
    """The result of a run; ``InvoiceBatch.rows`` has the single rows.

    Args:
        name: The batch.
        counts: How many rows are in each state.
        elapsed: Seconds that the run took.
        sent: The number of orders confirmed in this run.
        reconciled: How many unresolved rows this run decided.
    """

    elapsed: float
    sent: int
    reconciled: int


@frozen(kw_only=True)
class Submission:
    """The result of a submission.

    Args:
        added: How many orders are new in the batch.
        known: How many already existed, with the same content.
    """

    added: int
    known: int


@frozen(kw_only=True)
class UnfinishedBatch:
    """A batch with work left for a runner.

    Args:
        account: The account; empty for the single account of a journal.
        name: The batch.
        in_hand: Whether a runner has leased rows of it.
    """

    account: str
    name: str
    in_hand: bool


@frozen(kw_only=True)
class AccountOverview(BatchStatus):
    """The state of one batch of one account.

    Args:
        account: The account; empty for the single account of a journal.
        name: The batch.
        counts: How many rows are in each state.
        in_hand: Whether a runner has leased rows of it.
    """

    account: str
    in_hand: bool
