"""The values of callbacks. Pure."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import TypeAlias

from attrs import frozen

from frontpay_async.models.statuses import OrderStatus
from frontpay_async.models.value import Value


class CallbackKind(StrEnum):
    """The kind of a callback about a terminal order."""

    PAYMENT = "payment"
    REFUND = "refund"


@frozen(kw_only=True, eq=False, repr=False)
class TerminalCallback(Value):
    """The end of a payment or a refund on a terminal (page "Create Terminal Order"); unsigned.

    Args:
        order_uuid: The order.
        kind: A payment or a refund.
        is_approved: Whether the cardholder approved it; otherwise it was cancelled.
        total_amount: The paid or refunded amount, in ``currency``; None if it is not a number.
        currency: The ISO 4217 code.
        base_amount: The amount without VAT; None if it was not returned, as for refunds, or is not a
            number.
        vat_amount: The VAT; None if it was not returned or is not a number.
        order_reference: The reference in the URL's token; None if it has no token or the token was not
            checked.
        signed_fields: The verified fields: ``order_reference`` or none.
    """

    order_uuid: str
    kind: CallbackKind
    is_approved: bool
    total_amount: Decimal | None
    currency: str
    base_amount: Decimal | None = None
    vat_amount: Decimal | None = None
    order_reference: str | None = None
    signed_fields: frozenset[str] = frozenset()

    @property
    def is_cancelled(self) -> bool:
        """Whether the cardholder declined, or it was taken back."""
        return not self.is_approved


@frozen(kw_only=True, eq=False, repr=False)
class OrderCallback(Value):
    """A change of an order's status (page "Notifications via Callback URL").

    Args:
        order_uuid: The order, the reservation or the subscription.
        status: Its new status; one that is not listed is kept as text.
        created_at: When it was created, in UTC.
        payment_method: How it was paid, in the API's words; may be empty.
        amount: The amount, in the order's currency; None if it was not returned or is not a number, such as
            ``1 234,50``. Ask the API for the order in that case; an amount is never guessed.
        timestamp: When the callback was made, in UTC.
        order_reference: The reference in the URL's token, if any.
        signed_fields: The verified fields; empty before the checksum is checked. A field that is not among
            them is as received, and may have been divided wrongly.

    Fields that an older formula of the checksum does not cover are None.
    """

    order_uuid: str
    status: OrderStatus
    created_at: datetime
    payment_method: str | None
    amount: Decimal | None
    timestamp: datetime | None
    order_reference: str | None = None
    signed_fields: frozenset[str] = frozenset()


Callback: TypeAlias = TerminalCallback | OrderCallback
