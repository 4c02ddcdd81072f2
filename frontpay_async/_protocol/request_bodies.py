"""The bodies that resource methods build from their arguments: small private values. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from attrs import field, frozen

from frontpay_async.models._fields import exact, masked
from frontpay_async.models.orders import Refund, RefundLine

if TYPE_CHECKING:
    from frontpay_async.models.reservations import ReservationRefund


@frozen(field_transformer=exact, eq=False, repr=False)
class Resend:
    """The recipient of a repeated payment link."""

    country_code: str | None
    msisdn: str | None = field(repr=masked)
    email: str | None = field(repr=masked)


@frozen(field_transformer=exact, eq=False, repr=False)
class Cancellation:
    """The reason of an order's cancellation."""

    cancellation_note: str = field(repr=masked)


@frozen(field_transformer=exact, eq=False, repr=False)
class RefundApproval:
    """A request to Front Payment to approve a refund."""

    type: str
    grand_total: Decimal
    lines: tuple[RefundLine, ...]
    message: str
    source: str | None
    reference: str | None


def refund_approval(refund: Refund | ReservationRefund, reason: str) -> RefundApproval:
    """Return the request to approve a rejected refund."""
    if isinstance(refund, Refund):
        return RefundApproval(refund.type, refund.grand_total, refund.lines, reason, None, None)
    source, reference = refund.source, refund.reference
    return RefundApproval("reservation", refund.grand_total, refund.lines, reason, source, reference)


@frozen(field_transformer=exact, eq=False, repr=False)
class Note:
    """The reason of an operation."""

    note: str = field(repr=masked)


@frozen(field_transformer=exact, eq=False, repr=False)
class TerminalCancellation:
    """The type of the cancellation on the terminal: ``payment`` or ``refund``."""

    type: str
