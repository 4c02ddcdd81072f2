"""What the simulated API remembers: orders, terminals, and the states they go through.

Two state machines, as literal tables. An order:

    SENT ──pay──▶ PAID ──refund──▶ PARTIAL REFUNDED ──refund──▶ REFUNDED
    SENT ──cancel──▶ CANCELLED     SENT ──expire──▶ EXPIRED
    INVOICED ──remind──▶ PURRING ──collect──▶ INKASSO, each of which may be paid or cancelled, too

A refund on a terminal: PENDING, then REFUNDED or REJECTED. A payment on a terminal is its order: SENT
until the cardholder pays (PAID) or declines (CANCELLED).

Nothing happens in the background: what a cardholder does after a while stands in a queue by its time,
and is caught up with whenever somebody looks.
"""

from __future__ import annotations

import heapq
import itertools
import json
from collections import defaultdict
from decimal import Decimal
from types import MappingProxyType
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from frontpay_async._protocol.operations import Safety
from frontpay_async.models.statuses import OrderStatus, RefundStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from frontpay_async._protocol.messages import JsonObject
    from frontpay_async._protocol.operations import Operation
    from frontpay_async.models.terminals import Terminal

__all__ = ["Account", "Duplicate", "ForbiddenEventError", "Line", "PendingRefund", "SandboxOrder", "State"]

_S = OrderStatus
NEXT_STATUS: Mapping[tuple[OrderStatus, str], OrderStatus] = MappingProxyType(
    {
        (_S.SENT, "pay"): _S.PAID,
        (_S.SENT, "cancel"): _S.CANCELLED,
        (_S.SENT, "expire"): _S.EXPIRED,
        (_S.INVOICED, "pay"): _S.PAID,
        (_S.INVOICED, "cancel"): _S.CANCELLED,
        (_S.INVOICED, "remind"): _S.PURRING,
        (_S.PURRING, "pay"): _S.PAID,
        (_S.PURRING, "cancel"): _S.CANCELLED,
        (_S.PURRING, "collect"): _S.INKASSO,
        (_S.INKASSO, "pay"): _S.PAID,
        (_S.INKASSO, "cancel"): _S.CANCELLED,
        (_S.INVOICED, "refund a part"): _S.PARTIAL_REFUNDED,
        (_S.INVOICED, "refund the rest"): _S.REFUNDED,
        (_S.PAID, "refund a part"): _S.PARTIAL_REFUNDED,
        (_S.PAID, "refund the rest"): _S.REFUNDED,
        (_S.PARTIAL_REFUNDED, "refund a part"): _S.PARTIAL_REFUNDED,
        (_S.PARTIAL_REFUNDED, "refund the rest"): _S.REFUNDED,
    }
)


class ForbiddenEventError(Exception):
    """Say that an order's status does not allow an event.

    Args:
        status: The order's status.
        event: The event.
    """

    def __init__(self, status: OrderStatus, event: str) -> None:
        super().__init__(f"an order that is {status} cannot {event}")
        self.status = status


@define(eq=False, kw_only=True)
class Line:
    """Hold one line of an order.

    Args:
        id: The numeric id that refunds name.
        amount: What the line costs.
        refunded: What was paid back on it.
        product: The product as it was sent.
    """

    id: int
    amount: Decimal
    refunded: Decimal = Decimal(0)
    product: JsonObject = field(repr=False)


@define(eq=False, kw_only=True)
class PendingRefund:
    """Hold a refund that was asked of a terminal.

    Args:
        amounts: What is paid back, by line id.
        status: UNKNOWN until the cardholder decides.
    """

    amounts: Mapping[int, Decimal]
    status: RefundStatus = RefundStatus.UNKNOWN


@define(eq=False, kw_only=True)
class SandboxOrder:
    """Hold one order.

    Args:
        uuid: The id.
        customer_uuid: The customer's id.
        operation: The operation that created it, such as ``orders.send_invoice``.
        body: The JSON body that created it; hidden in reprs.
        status: Where it stands.
        lines: Its lines.
        amount: What the customer pays.
        refunded: What was paid back.
        invoice_number: The invoice number; None for an order that is not invoiced.
        terminal_refund: The last refund asked of the terminal.
    """

    uuid: str
    customer_uuid: str
    operation: str
    body: JsonObject = field(repr=False)
    status: OrderStatus
    lines: list[Line]
    amount: Decimal
    refunded: Decimal = Decimal(0)
    invoice_number: str | None = None
    terminal_refund: PendingRefund | None = None

    @property
    def terminal_uuid(self) -> str | None:
        """The terminal that it was sent to, if any."""
        uuid = self.body.get("terminalUuid")
        return uuid if isinstance(uuid, str) else None

    def happen(self, event: str) -> None:
        """Move on by an event.

        Raises:
            ForbiddenEventError: The status does not allow it.
        """
        following = NEXT_STATUS.get((self.status, event))
        if following is None:
            raise ForbiddenEventError(self.status, event)
        self.status = following

    def pay_back(self, amounts: Mapping[int, Decimal]) -> None:
        """Refund amounts by line id.

        Raises:
            ForbiddenEventError: The status does not allow it.
        """
        total = sum(amounts.values(), Decimal(0))
        self.happen("refund the rest" if self.refunded + total >= self.amount else "refund a part")
        self.refunded += total
        for line in self.lines:
            line.refunded += amounts.get(line.id, Decimal(0))


@frozen
class Duplicate:
    """Name something that was done more than once.

    Args:
        operation: The operation.
        order_uuids: The orders that came of it, or the one that it was done to.
        times: How often it was done.
    """

    operation: str
    order_uuids: tuple[str, ...]
    times: int


@define(eq=False)
class Account:
    """Hold what one token sees."""

    orders: dict[str, SandboxOrder] = field(init=False, factory=dict)
    refunds: list[tuple[float, Decimal]] = field(init=False, factory=list)


@define(eq=False)
class State:
    """Hold everything, and let time pass.

    Args:
        terminals: The card terminals.
        now: Seconds on the sandbox's clock.
    """

    terminals: tuple[Terminal, ...]
    now: Callable[[], float]
    accounts: dict[str, Account] = field(init=False, factory=lambda: defaultdict(Account))
    _numbers: itertools.count[int] = field(init=False, factory=lambda: itertools.count(1))
    _queue: list[tuple[float, int, Callable[[], None]]] = field(init=False, factory=list)
    _effects: dict[tuple[str, str], list[str]] = field(init=False, factory=lambda: defaultdict(list))

    def number(self) -> int:
        """Return the next number, for ids."""
        return next(self._numbers)

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Let something happen after a while."""
        heapq.heappush(self._queue, (self.now() + seconds, self.number(), action))

    def catch_up(self) -> None:
        """Let all that is due happen, in its order."""
        while self._queue and self._queue[0][0] <= self.now():
            heapq.heappop(self._queue)[2]()

    def note_effect(self, operation: Operation[object], order: SandboxOrder, body: JsonObject) -> None:
        """Remember something that must not be done twice."""
        if operation.safety is Safety.UNSAFE:
            target = order.uuid if "{order_uuid}" in operation.path else ""
            content = json.dumps(body, sort_keys=True, default=str)
            self._effects[operation.name, target + content].append(order.uuid)

    def duplicates(self) -> tuple[Duplicate, ...]:
        """Name all that was done more than once with the same content."""
        return tuple(
            Duplicate(name, tuple(dict.fromkeys(uuids)), len(uuids))
            for (name, _), uuids in self._effects.items()
            if len(uuids) > 1
        )
