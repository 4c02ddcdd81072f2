"""The sandbox's orders in a file, so that they survive a restart.

*Guarantee*: the file is replaced as a whole, at most a moment after a change and when the server ends, and
only its owner can read it. *Limit*: the orders of the order and terminal routes are kept, with their refunds;
requests, faults, rate windows and callbacks are not. A payment that waits for the simulated cardholder begins
to wait again. Tokens are kept as hashes.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
from attrs import define, field

from frontpay_async.models.statuses import OrderStatus, RefundStatus
from frontpay_async.sandbox.behaviour import DeclineReason
from frontpay_async.sandbox.state import Decision, Line, RefundRequest, SandboxOrder

if TYPE_CHECKING:
    from pathlib import Path

    from frontpay_async.sandbox.app import Api

_FORMAT = "frontpay_async sandbox 1"
_PAUSE = 0.2  # seconds in which changes are gathered
_NUMBER = "$number"
_HASH = "sha256:"
# What is written as it is.
_PLAIN = (
    "uuid",
    "customer_uuid",
    "serial",
    "operation",
    "body",
    "created_at",
    "status",
    "amount",
    "refunded",
    "terminal_uuid",
    "invoice_number",
    "decline_reason",
)


@define(eq=False)
class StateFile:
    """A file of a sandbox's orders.

    Args:
        path: The file; made where there is none.
        api: The sandbox's insides.
    """

    path: Path
    _api: Api
    _saved: tuple[str, int] | None = field(init=False, default=None)

    def load(self) -> None:
        """Take over the orders of the file, if there is one."""
        try:
            text = self.path.read_text("utf-8")
        except FileNotFoundError:
            return
        try:
            kept = json.loads(text, object_hook=_number_of)
            rows = {_FORMAT: kept["orders"]}[kept["format"]]
            tokens = {_hashed(token): token for token in self._api.settings.tokens}
            orders = [(str(row.pop("account")), _order(row, self._api)) for row in rows]
        except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError):
            raise ValueError(f"{self.path} is not a state file of the sandbox; choose another name") from None
        state = self._api.state
        for account, order in orders:
            state.add(state.accounts[tokens.get(account, account)], order)
        last = max((line.id for _, order in orders for line in order.lines), default=None)
        if last is not None:
            state.line_ids = itertools.count(last + 1)
        self._wait_anew([order for _, order in orders])

    def _wait_anew(self, orders: list[SandboxOrder]) -> None:
        holder, state = self._api.settings.cardholder, self._api.state
        if holder.after is None:
            return
        for order in orders:
            if order.waits_for == "payment":
                decision = Decision.APPROVE if holder.pays else Decision.DECLINE
                state.later(holder.after, partial(order.decide_payment, decision))
            elif order.waits_for == "refund" and order.refund_request is not None:
                decision = Decision.APPROVE if holder.takes_refund else Decision.DECLINE
                state.later(holder.after, partial(order.decide_refund, order.refund_request, decision))

    def save(self) -> None:
        """Write all orders, unless nothing has changed since."""
        place = (self._api.feed.era, self._api.feed.revision)
        if place == self._saved:
            return
        rows = [
            {"account": _hashed(token), **_row(order)}
            for token, account in self._api.state.accounts.items()
            for order in account.orders.values()
        ]
        rows.sort(key=lambda row: row["serial"])
        text = json.dumps({"format": _FORMAT, "orders": rows}, default=_plain)
        beside = self.path.with_name(f"{self.path.name}.new")
        with open(beside, "w", encoding="utf-8", opener=partial(os.open, mode=0o600)) as file:
            file.write(text)
        beside.replace(self.path)
        self._saved = place

    async def run(self) -> None:
        """Save after each change, until cancelled, and then once more."""
        try:
            while True:
                news = self._api.feed.news()
                self.save()
                await news.wait()
                await anyio.sleep(_PAUSE)
        finally:
            self.save()


def _hashed(token: str) -> str:
    """Return an account's name in the file: that of a token that is not accepted any more stays as it is."""
    return token if token.startswith(_HASH) else _HASH + hashlib.sha256(token.encode()).hexdigest()


def _row(order: SandboxOrder) -> dict[str, Any]:
    request = order.refund_request
    return {
        **{name: getattr(order, name) for name in _PLAIN},
        "lines": [[line.id, line.amount, line.refunded, line.product] for line in order.lines],
        "refund": request and [request.amount, [*request.by_line.items()], request.status],
    }


def _order(row: dict[str, Any], api: Api) -> SandboxOrder:
    lines, refund, reason = row.pop("lines"), row.pop("refund"), row.pop("decline_reason")
    request = None
    if refund is not None:
        amount, by_line, status = refund
        request = RefundRequest(amount=amount, by_line=dict(map(tuple, by_line)), status=RefundStatus(status))
    row["status"] = OrderStatus(row["status"])
    return SandboxOrder(
        **row,
        lines=[
            Line(id=number, amount=amount, refunded=refunded, product=product)
            for number, amount, refunded, product in lines
        ],
        refund_request=request,
        decline_reason=reason and DeclineReason(reason),
        tell=api.state.tell,
        note=api.state.note,
    )


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return {_NUMBER: str(value)}
    raise TypeError(type(value).__name__)


def _number_of(members: dict[str, Any]) -> object:
    return Decimal(members[_NUMBER]) if members.keys() == {_NUMBER} else members
