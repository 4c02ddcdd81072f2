"""What one token sees, and what was done for it more than once."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict, deque
from decimal import Decimal
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from frontpay_async._protocol.operations import Safety

if TYPE_CHECKING:
    from frontpay_async._protocol.messages import JsonObject
    from frontpay_async._protocol.operations import Operation
    from frontpay_async.sandbox.state import SandboxOrder

_ZERO = Decimal(0)


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

    orders: dict[str, SandboxOrder] = field(init=False, factory=dict[str, "SandboxOrder"])
    _refunds: deque[tuple[float, Decimal]] = field(init=False, factory=deque[tuple[float, Decimal]])
    _effects: dict[tuple[str, bytes], list[str]] = field(
        init=False, factory=lambda: defaultdict[tuple[str, bytes], list[str]](list)
    )

    def note_refund(self, moment: float, amount: Decimal) -> None:
        """Remember when how much was paid back."""
        self._refunds.append((moment, amount))

    def refunded_since(self, moment: float) -> Decimal:
        """Sum up what was paid back later than a moment; what is older is forgotten."""
        while self._refunds and self._refunds[0][0] <= moment:
            self._refunds.popleft()
        return sum((amount for _, amount in self._refunds), _ZERO)

    def note_effect(self, operation: Operation[object], order: SandboxOrder, body: JsonObject) -> None:
        """Remember something that must not be done twice."""
        if operation.safety is Safety.UNSAFE:
            target = order.uuid if "{order_uuid}" in operation.path else ""
            content = json.dumps([target, body], sort_keys=True, default=str)
            self._effects[operation.name, hashlib.sha256(content.encode()).digest()].append(order.uuid)

    def duplicates(self) -> list[Duplicate]:
        """List all that was done more than once with the same content."""
        return [
            Duplicate(name, tuple(dict.fromkeys(uuids)), len(uuids))
            for (name, _), uuids in self._effects.items()
            if len(uuids) > 1
        ]
