"""Subscriptions in the sandbox: cycles that follow the sandbox's clock, and payments that may fail."""

from __future__ import annotations

from decimal import Decimal
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from attrs import define, field

from frontpay_async.models.statuses import SubscriptionStatus
from frontpay_async.sandbox.state import ForbiddenEventError, Line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from frontpay_async._exact_json import JsonObject

_ZERO = Decimal(0)
_DAY = 86400.0


class SubscriptionEvent(StrEnum):
    """An event that can happen to a subscription."""

    ACCEPT = "accept"
    """The customer accepts it and pays the first cycle."""
    CYCLE = "cycle"
    """The next cycle is billed."""
    END = "end"
    """The last cycle has ended."""
    CANCEL = "cancel"


_S, _E = SubscriptionStatus, SubscriptionEvent
NEXT_SUBSCRIPTION: Mapping[tuple[SubscriptionStatus, SubscriptionEvent], SubscriptionStatus] = (
    MappingProxyType(
        {
            (_S.SENT, _E.ACCEPT): _S.ONGOING,
            (_S.SENT, _E.CANCEL): _S.CANCELLED,
            (_S.ONGOING, _E.CYCLE): _S.ONGOING,
            (_S.ONGOING, _E.END): _S.COMPLETED,
            (_S.ONGOING, _E.CANCEL): _S.CANCELLED,
        }
    )
)
OUTSIDE_SUBSCRIPTION_EVENTS = (_E.ACCEPT, _E.CYCLE)
"""The events that can happen to a subscription without a call of the API."""


@define(eq=False, kw_only=True)
class Cycle:
    """One billed cycle.

    Args:
        number: Its number, from 1.
        order_uuid: The order of its payment.
        at: When it was billed, in Unix seconds.
        amount: The amount.
        is_paid: Whether the payment succeeded.
        refunded_at: When it was refunded, in Unix seconds.
        refunded: The refunded amount.
    """

    number: int
    order_uuid: str
    at: float
    amount: Decimal
    is_paid: bool
    refunded_at: float | None = None
    refunded: Decimal = _ZERO

    @property
    def name(self) -> str:
        """The name by which refunds refer to it."""
        return f"Cycle {self.number}"

    @property
    def is_refundable(self) -> bool:
        """Whether it was paid and not refunded."""
        return self.is_paid and self.refunded_at is None


def _report_nothing(_: object) -> None:
    pass


def period(frequency: str) -> float:
    """Return the seconds of a cycle; an unknown frequency counts as a month of 30 days."""
    word = frequency.strip().lower()
    return _DAY * (1 if word in ("day", "daily") else 7 if word in ("week", "weekly") else 30)


@define(eq=False, kw_only=True)
class SandboxSubscription:
    """One subscription.

    Args:
        uuid: The id.
        order_uuid: The id of its order.
        customer_uuid: The customer's id.
        serial: The subscription's number in the sandbox, counted from 1.
        operation: The operation that created it.
        body: The JSON body that created it; hidden in reprs.
        created_at: When it was created, in Unix seconds.
        lines: Its lines.
        amount: The price of a cycle.
        repeats: The number of cycles.
        status: Its status.
        cycles: The cycles that were billed.
        failing: The number of next cycles whose payments fail.
        report: Called when the status has changed, or a cycle was billed.
        note: Called with the id when anything changes.
    """

    KEPT_IN: ClassVar = "subscriptions"

    uuid: str
    order_uuid: str
    customer_uuid: str
    serial: int
    operation: str
    body: JsonObject = field(repr=False)
    created_at: float
    lines: list[Line]
    amount: Decimal
    repeats: int
    status: SubscriptionStatus = SubscriptionStatus.SENT
    cycles: list[Cycle] = field(factory=list[Cycle])
    failing: int = 0
    report: Callable[[SandboxSubscription], None] = field(default=_report_nothing, repr=False)
    note: Callable[[str], None] = field(default=_report_nothing, repr=False)

    @property
    def frequency(self) -> str:
        """The frequency of its cycles."""
        return str(self.body.get("billingFrequency"))

    def apply_event(self, event: SubscriptionEvent, at: float) -> None:
        """Apply an event; the only place where a subscription's status changes."""
        following = NEXT_SUBSCRIPTION.get((self.status, event))
        if following is None or (event is SubscriptionEvent.CYCLE and len(self.cycles) >= self.repeats):
            raise ForbiddenEventError(event, f"a subscription that is {self.status}")
        self.status = following
        if event in (SubscriptionEvent.ACCEPT, SubscriptionEvent.CYCLE):
            self._bill(at)
        self.note(self.uuid)
        self.report(self)

    def accept(self, at: float) -> None:
        """Let the customer accept it."""
        self.apply_event(SubscriptionEvent.ACCEPT, at)

    @property
    def accepted_at(self) -> float | None:
        """When the customer accepted it, in Unix seconds."""
        return self.cycles[0].at if self.cycles else None

    def schedule(self, wall: Callable[[], float]) -> list[tuple[float, Callable[[], None]]]:
        """Return the timed events after the acceptance: seconds from then, and the event."""
        cycle = period(self.frequency)
        bills: list[tuple[float, Callable[[], None]]] = [
            (number * cycle, lambda: self.apply_event(SubscriptionEvent.CYCLE, wall()))
            for number in range(max(1, len(self.cycles)), self.repeats)
        ]
        return [*bills, (self.repeats * cycle, lambda: self.apply_event(SubscriptionEvent.END, wall()))]

    def _bill(self, at: float) -> None:
        number = len(self.cycles) + 1
        fails = self.failing > 0
        self.failing -= fails
        self.cycles.append(
            Cycle(
                number=number,
                order_uuid=f"{self.order_uuid}{number:02d}",
                at=at,
                amount=self.amount,
                is_paid=not fails,
            )
        )

    def pay_back(self, cycles: list[Cycle], amount: Decimal, at: float) -> None:
        """Refund refundable cycles, each up to its price."""
        left = amount
        for cycle in cycles:
            part = min(left, cycle.amount)
            cycle.refunded, cycle.refunded_at = part, at
            left -= part
        self.note(self.uuid)
