"""The behaviour of terminals: decline reasons, magic amounts, offline terminals, one payment at a time."""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Mapping
    from decimal import Decimal


class DeclineReason(StrEnum):
    """Why a payment or refund on a terminal was declined.

    The API does not report the reason; the page and ``SandboxOrder.decline_reason`` do. A failed payment has
    one of two documented messages: ``cancelledOrderSuccessfully`` for ``cancelled``, otherwise
    ``orderPaymentFailed``.
    """

    INSUFFICIENT_FUNDS = "insufficient-funds"
    EXPIRED_CARD = "expired-card"
    WRONG_PIN = "wrong-pin"
    BLOCKED_CARD = "blocked-card"
    NO_CONNECTION = "no-connection"
    """The terminal did not reach the bank."""
    CANCELLED = "cancelled"
    """The cardholder pressed stop."""

    @classmethod
    def _missing_(cls, value: object) -> None:
        raise ValueError(f"unknown decline reason {value!r}; use one of {', '.join(cls)}")


BUSY = "busy"
OFFLINE = "offline"
WAITS = "waits"
MAGIC_AMOUNTS: Mapping[int, DeclineReason | str] = MappingProxyType(
    {
        1: DeclineReason.INSUFFICIENT_FUNDS,
        2: DeclineReason.EXPIRED_CARD,
        3: DeclineReason.WRONG_PIN,
        4: DeclineReason.BLOCKED_CARD,
        5: DeclineReason.NO_CONNECTION,
        6: DeclineReason.CANCELLED,
        7: BUSY,
        8: OFFLINE,
        9: WAITS,
    }
)
"""The decisions of magic amounts, by the øre of the total: 149.01 is declined."""
_HUNDRED = 100


@define(eq=False)
class Behaviour:
    """Settings that can be changed while the sandbox runs.

    Args:
        one_at_a_time: Whether a terminal with a waiting payment or refund answers ``terminalIsBusy``.
        magic_amounts: Whether the øre of a payment's total determine its outcome.
    """

    one_at_a_time: bool = False
    magic_amounts: bool = False
    offline: set[str] = field(init=False, factory=set[str])
    """The terminals that are not connected."""

    def outcome(self, amount: Decimal) -> DeclineReason | str | None:
        """Return the decision of a magic amount; None for other amounts."""
        if not self.magic_amounts:
            return None
        return MAGIC_AMOUNTS.get(int(amount * _HUNDRED) % _HUNDRED)
