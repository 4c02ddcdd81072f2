"""Reservations in the sandbox, with their events as a table.

*Invariants*: ``captured + released <= reserved``, and ``refunded <= amount`` for each capture and charge.

A reservation is RESERVED while a part of it can still be captured. The last capture makes it CAPTURED; a
later charge makes it CHARGED. Completing, cancelling and the end of the hold release the rest.
"""

from __future__ import annotations

from decimal import Decimal, localcontext
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from attrs import define, field

from frontpay_async.models._fields import EXACT
from frontpay_async.models.statuses import ReservationStatus
from frontpay_async.sandbox.state import ForbiddenEventError, Line

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from frontpay_async._exact_json import JsonObject

_ZERO = Decimal(0)
DAY = 86400.0
HELD_FOR = 31 * DAY
"""Seconds for which a card holds a reservation; then the rest is released."""
FIRST_PAYMENT = 4406700000
"""The first number for ids of captures and charges."""
CHARGEABLE_FOR = 90
"""Days for which a charge is possible by default."""


class ReservationEvent(StrEnum):
    """An event that can happen to a reservation."""

    ACCEPT = "accept"
    """The customer accepts it, and the card holds the money."""
    EXPIRE = "expire"
    """The link runs out."""
    CAPTURE_PART = "capture a part"
    CAPTURE_REST = "capture the rest"
    CHARGE = "charge"
    RELEASE = "release"
    """The hold on the card ends."""
    COMPLETE = "complete"
    CANCEL = "cancel"


_S, _E = ReservationStatus, ReservationEvent
NEXT_RESERVATION: Mapping[tuple[ReservationStatus, ReservationEvent], ReservationStatus] = MappingProxyType(
    {
        (_S.SENT, _E.ACCEPT): _S.RESERVED,
        (_S.SENT, _E.EXPIRE): _S.EXPIRED,
        (_S.SENT, _E.CANCEL): _S.CANCELLED,
        (_S.RESERVED, _E.CAPTURE_PART): _S.RESERVED,
        (_S.RESERVED, _E.CAPTURE_REST): _S.CAPTURED,
        (_S.RESERVED, _E.CHARGE): _S.RESERVED,
        (_S.RESERVED, _E.RELEASE): _S.EXPIRED,
        (_S.RESERVED, _E.COMPLETE): _S.COMPLETED,
        (_S.RESERVED, _E.CANCEL): _S.CANCELLED,
        (_S.CAPTURED, _E.CHARGE): _S.CHARGED,
        (_S.CAPTURED, _E.COMPLETE): _S.COMPLETED,
        (_S.CHARGED, _E.CHARGE): _S.CHARGED,
        (_S.CHARGED, _E.COMPLETE): _S.COMPLETED,
    }
)
OUTSIDE_RESERVATION_EVENTS = (_E.ACCEPT, _E.EXPIRE, _E.RELEASE)
"""The events that can happen to a reservation without a call of the API."""


@define(eq=False, kw_only=True)
class Taken:
    """Money that was captured or charged.

    Args:
        uuid: Its id.
        source: ``captured`` or ``charged``.
        at: When, in Unix seconds.
        amount: How much.
        refundable: The refundable amount of each line, by line id.
        refunded: The refunded amount.
    """

    uuid: str
    source: str
    at: float
    amount: Decimal
    refundable: dict[Decimal, Decimal]
    refunded: Decimal = _ZERO


def _report_nothing(_: object) -> None:
    pass


@define(eq=False, kw_only=True)
class SandboxReservation:
    """One reservation.

    Args:
        uuid: The id.
        customer_uuid: The customer's id.
        serial: The reservation's number in the sandbox, counted from 1.
        operation: The operation that created it.
        body: The JSON body that created it; hidden in reprs.
        created_at: When it was created, in Unix seconds.
        lines: Its lines; a charge adds lines to them.
        amount: The reserved total.
        status: Its status.
        reserved_at: When the customer accepted it, in Unix seconds.
        captured: The captured amounts, by line id.
        released: The released amount.
        taken: The captures and charges.
        log: The events, newest last: title, Unix seconds, amount, note.
        report: Called when the status has changed, or money was taken.
        note: Called with the id when anything changes.
    """

    KEPT_IN: ClassVar = "reservations"

    uuid: str
    customer_uuid: str
    serial: int
    operation: str
    body: JsonObject = field(repr=False)
    created_at: float
    lines: list[Line]
    amount: Decimal
    status: ReservationStatus = ReservationStatus.SENT
    reserved_at: float | None = None
    captured: dict[Decimal, Decimal] = field(factory=dict[Decimal, Decimal])
    released: Decimal = _ZERO
    taken: list[Taken] = field(factory=list[Taken])
    log: list[tuple[str, float, Decimal, str]] = field(
        factory=list[tuple[str, float, Decimal, str]], repr=False
    )
    report: Callable[[SandboxReservation], None] = field(default=_report_nothing, repr=False)
    note: Callable[[str], None] = field(default=_report_nothing, repr=False)

    @property
    def total_captured(self) -> Decimal:
        """The captured total."""
        return sum((each.amount for each in self.taken if each.source == "captured"), _ZERO)

    @property
    def total_charged(self) -> Decimal:
        """The charged total."""
        return sum((each.amount for each in self.taken if each.source == "charged"), _ZERO)

    @property
    def capturable(self) -> Decimal:
        """The amount that may still be captured."""
        return self.amount - self.total_captured - self.released

    def refunded(self, source: str) -> Decimal:
        """Return the refunded amount of captures or of charges."""
        return sum((each.refunded for each in self.taken if each.source == source), _ZERO)

    def apply_event(
        self, event: ReservationEvent, at: float, *, amount: Decimal = _ZERO, note: str = ""
    ) -> None:
        """Apply an event; the only place where a reservation's status changes."""
        following = NEXT_RESERVATION.get((self.status, event))
        # A capture or charge cannot be cancelled.
        if following is None or (event is ReservationEvent.CANCEL and self.taken):
            raise ForbiddenEventError(event, f"a reservation that is {self.status}")
        before, self.status = self.status, following
        if event is ReservationEvent.ACCEPT:
            self.reserved_at = at
        elif following in (
            ReservationStatus.COMPLETED,
            ReservationStatus.CANCELLED,
            ReservationStatus.EXPIRED,
        ):
            self.released += self.capturable
            if event is ReservationEvent.RELEASE and self.taken:
                self.status = ReservationStatus.CAPTURED
        self.log.append((event.value.replace(" ", "-"), at, amount, note))
        self.note(self.uuid)
        if self.status is not before or amount:
            self.report(self)

    def accept(self, at: float) -> None:
        """Let the customer accept it."""
        self.apply_event(ReservationEvent.ACCEPT, at)

    @property
    def accepted_at(self) -> float | None:
        """When the customer accepted it, in Unix seconds."""
        return self.reserved_at

    def schedule(self, wall: Callable[[], float]) -> list[tuple[float, Callable[[], None]]]:
        """Return the timed events after the acceptance: seconds from then, and the event."""
        return [(HELD_FOR, lambda: self.apply_event(ReservationEvent.RELEASE, wall()))]

    def take(self, taken: Taken, lines: Mapping[Decimal, Decimal]) -> None:
        """Capture or charge an allowed amount."""
        with localcontext(EXACT):
            event = ReservationEvent.CHARGE
            if taken.source == "captured":
                rest = taken.amount == self.capturable
                event = ReservationEvent.CAPTURE_REST if rest else ReservationEvent.CAPTURE_PART
            if (self.status, event) not in NEXT_RESERVATION:
                raise ForbiddenEventError(event, f"a reservation that is {self.status}")
            self.taken.append(taken)
            for line_id, amount in lines.items():
                self.captured[line_id] = self.captured.get(line_id, _ZERO) + amount
            self.apply_event(event, taken.at, amount=taken.amount)

    def pay_back(self, taken: Taken, amount: Decimal, by_line: Mapping[Decimal, Decimal], at: float) -> None:
        """Refund a refundable amount."""
        with localcontext(EXACT):
            taken.refunded += amount
            for line_id, part in by_line.items():
                taken.refundable[line_id] -= part
            self.log.append((f"refund-sent-from-{taken.source}", at, amount, ""))
            self.note(self.uuid)
