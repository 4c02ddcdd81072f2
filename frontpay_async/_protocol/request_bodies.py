"""The bodies that resource methods build from their arguments: small values with no public name. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from attrs import field, frozen

from frontpay_async.models._fields import exact, masked
from frontpay_async.models.orders import Refund, RefundLine

if TYPE_CHECKING:
    from frontpay_async.models.reservations import ReservationRefund


@frozen(field_transformer=exact)
class Resend:
    """Where a payment link is sent again."""

    country_code: str | None
    msisdn: str | None = field(repr=masked)
    email: str | None = field(repr=masked)


@frozen(field_transformer=exact)
class Cancellation:
    """Why an order is cancelled."""

    cancellation_note: str = field(repr=masked)


@frozen(field_transformer=exact)
class RefundApproval:
    """A refund that a person at Front Payment is asked to approve."""

    type: str
    grand_total: Decimal
    lines: tuple[RefundLine, ...]
    message: str
    source: str | None
    reference: str | None


def refund_approval(refund: Refund | ReservationRefund, reason: str) -> RefundApproval:
    """Return the request to approve a refund that was refused."""
    if isinstance(refund, Refund):
        return RefundApproval(refund.type, refund.grand_total, refund.lines, reason, None, None)
    source, reference = refund.source, refund.reference
    return RefundApproval("reservation", refund.grand_total, refund.lines, reason, source, reference)


@frozen(field_transformer=exact)
class Note:
    """Why something is done."""

    note: str = field(repr=masked)


@frozen(field_transformer=exact)
class TerminalCancellation:
    """What is cancelled on the terminal: ``payment`` or ``refund``."""

    type: str
