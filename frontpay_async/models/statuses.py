"""Open enums: what the API reports about orders, payments and refunds. Pure.

The reference lists some values, recorded traffic shows more, and new ones may come. So each enum
keeps an unlisted value verbatim (``status == "ON HOLD"`` holds, and ``is_final`` is False), and a
missing one is ``UNKNOWN``. Do not write a ``match`` that relies on the listed members being all.
"""

from __future__ import annotations

from enum import StrEnum, auto
from typing import Self, TypeAlias, TypeVar

_EnumT = TypeVar("_EnumT", bound=StrEnum)


def _verbatim(cls: type[_EnumT], value: str) -> _EnumT:
    """Return a value of its own, not registered: the server must not be able to grow the class."""
    verbatim = str.__new__(cls, value)
    verbatim._name_ = value
    verbatim._value_ = value
    return verbatim


class _OpenStatus(StrEnum):
    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        if not isinstance(value, str):
            return None
        # The list filter is documented as Paid, paid and PAID, so case is not trusted.
        spelled = value.strip().replace("_", " ").upper()
        for member in cls:
            if member.value == spelled:
                return member
        return _verbatim(cls, value)


class OrderStatus(_OpenStatus):
    """The status of an order (page "Get All Order Status")."""

    SENT = "SENT"
    PAID = "PAID"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    INVOICED = "INVOICED"
    REFUNDED = "REFUNDED"
    PARTIAL_REFUNDED = "PARTIAL REFUNDED"
    PURRING = "PURRING"
    """A reminder has been sent for the invoice."""
    INKASSO = "INKASSO"
    """The invoice has gone to debt collection."""
    UNKNOWN = "UNKNOWN"
    """The response has no status."""

    @property
    def is_final(self) -> bool:
        """Whether a sale is decided: PAID, CANCELLED, EXPIRED or REFUNDED."""
        return self in _FINAL_ORDER


class PaymentStatus(_OpenStatus):
    """The status of a card payment on a terminal (page "Payment Status Check")."""

    PAID = "PAID"
    CANCELLED = "CANCELLED"
    UNKNOWN = "UNKNOWN"
    """The response has no status: the payment is not decided yet."""

    @property
    def is_final(self) -> bool:
        """Whether the payment is decided: PAID or CANCELLED."""
        return self in _FINAL_PAYMENT


class RefundStatus(_OpenStatus):
    """The status of a refund on a terminal (page "Refund Status Check")."""

    REFUNDED = "REFUNDED"
    REJECTED = "REJECTED"
    UNKNOWN = "UNKNOWN"
    """The response has no status: the refund is not decided yet."""

    @property
    def is_final(self) -> bool:
        """Whether the refund is decided: REFUNDED or REJECTED."""
        return self in _FINAL_REFUND


class OrderType(StrEnum):
    """The kind of an order, as order details name it (page "Get Order Details By UUID").

    Open: the API's words are not documented, so any other word is kept verbatim, also in another spelling.
    """

    PAYMENT_LINK = auto()
    INVOICE = auto()
    EFAKTURA = auto()
    EHF = auto()
    TERMINAL = auto()

    @classmethod
    def _missing_(cls, value: object) -> Self | None:
        return _verbatim(cls, value) if isinstance(value, str) else None


class ReservationStatus(_OpenStatus):
    """The status of a reservation (page "Reservation Details")."""

    SENT = "SENT"
    RESERVED = "RESERVED"
    RESERVED_NOT_PAID = "RESERVED NOT PAID"
    CAPTURED = "CAPTURED"
    CHARGED = "CHARGED"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    UNKNOWN = "UNKNOWN"
    """The response has no status."""

    @property
    def is_final(self) -> bool:
        """Whether the reserved money is decided: CAPTURED, COMPLETED, CANCELLED or EXPIRED."""
        return self in _FINAL_RESERVATION


class SubscriptionStatus(_OpenStatus):
    """The status of a subscription (page "Subscription Details")."""

    SENT = "SENT"
    ONGOING = "ONGOING"
    COMPLETED = "COMPLETED"
    CANCELLED = "CANCELLED"
    UNKNOWN = "UNKNOWN"
    """The response has no status."""

    @property
    def is_final(self) -> bool:
        """Whether it has ended: COMPLETED or CANCELLED."""
        return self in _FINAL_SUBSCRIPTION


_FINAL_ORDER = frozenset({OrderStatus.PAID, OrderStatus.CANCELLED, OrderStatus.EXPIRED, OrderStatus.REFUNDED})
_FINAL_PAYMENT = frozenset({PaymentStatus.PAID, PaymentStatus.CANCELLED})
_FINAL_REFUND = frozenset({RefundStatus.REFUNDED, RefundStatus.REJECTED})
_FINAL_RESERVATION = frozenset(
    {
        ReservationStatus.CAPTURED,
        ReservationStatus.COMPLETED,
        ReservationStatus.CANCELLED,
        ReservationStatus.EXPIRED,
    }
)
_FINAL_SUBSCRIPTION = frozenset({SubscriptionStatus.COMPLETED, SubscriptionStatus.CANCELLED})

Status: TypeAlias = PaymentStatus | RefundStatus | OrderStatus | ReservationStatus | SubscriptionStatus
"""Any status that can be waited for."""
