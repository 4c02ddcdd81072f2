"""The sandbox's state in a file, so that it survives a restart.

*Guarantee*: the file is replaced atomically, shortly after each change and when the server stops, and only
its owner can read it. It contains orders, reservations, subscriptions, customers and checks with their
history; cycles that became due in the meantime are billed at the start. *Limit*: requests, faults, rate
windows and callbacks are not kept. A payment that waits for the simulated cardholder waits for the full time
again. Tokens are stored as hashes.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import re
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
from attrs import define, field

from frontpay_async.models.statuses import (
    OrderStatus,
    RefundStatus,
    ReservationStatus,
    SubscriptionStatus,
)
from frontpay_async.sandbox.company_checks import CheckStatus, SandboxCompanyCheck
from frontpay_async.sandbox.handlers.context import FIRST_CUSTOMER
from frontpay_async.sandbox.reservations import FIRST_PAYMENT, SandboxReservation, Taken
from frontpay_async.sandbox.state import Decision, Line, RefundRequest, SandboxOrder
from frontpay_async.sandbox.subscriptions import Cycle, SandboxSubscription
from frontpay_async.sandbox.terminal_behaviour import DeclineReason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from typing import TypeAlias

    from frontpay_async.sandbox.app import Api
    from frontpay_async.sandbox.state import Account

    Kept: TypeAlias = SandboxReservation | SandboxSubscription | SandboxCompanyCheck

_FORMAT = "frontpay_async sandbox 2"
_OLDER = "frontpay_async sandbox 1"
_PAUSE = 0.2  # seconds over which changes are collected
_NUMBER = "$number"
_HASH = "sha256:"
# Fields that are written unchanged.
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
_RESERVATION = (
    *("uuid", "customer_uuid", "serial", "operation", "body", "created_at", "amount"),
    *("status", "reserved_at", "released"),
)
_SUBSCRIPTION = (
    *("uuid", "order_uuid", "customer_uuid", "serial", "operation", "body", "created_at", "amount"),
    *("status", "repeats", "failing"),
)
_CYCLE = ("number", "order_uuid", "at", "amount", "is_paid", "refunded_at", "refunded")
_CHECK = ("uuid", "company_id", "body", "created_at", "status")
_ID = re.compile(r"\d+", re.ASCII)


@define(eq=False)
class StateFile:
    """The file of a sandbox's state.

    Args:
        path: The file; created if it does not exist.
        api: The sandbox's insides.
    """

    path: Path
    _api: Api
    _saved: tuple[str, int] | None = field(init=False, default=None)

    def load(self) -> None:
        """Load the file, if it exists."""
        try:
            text = self.path.read_text("utf-8")
        except FileNotFoundError:
            return
        state = self._api.state
        tokens = {_hashed(token): token for token in self._api.settings.tokens}

        def account_of(row: dict[str, Any]) -> Account:
            name = str(row.pop("account"))
            return state.accounts[tokens.get(name, name)]

        try:
            kept = json.loads(text, object_hook=_number_of)
            # A file of another format has no orders here.
            rows = {_FORMAT: kept["orders"], _OLDER: kept["orders"]}[kept["format"]]
            orders = [(account_of(row), _order(row, self._api)) for row in rows]
            more = [
                (account_of(row), make(row, self._api))
                for name, make in _MAKERS.items()
                for row in kept.get(name, ())
            ]
            others = [(account_of(row), row) for row in kept.get("accounts", ())]
        except (ValueError, TypeError, KeyError, AttributeError, ArithmeticError):
            raise ValueError(f"{self.path} is not a state file of the sandbox; choose another name") from None
        for account, order in orders:
            state.add(account, order)
        for account, each in more:
            state.keep(account, each)
        for account, row in others:
            account.customers.update(row["customers"])
            account.credit_checks.extend(row["credit_checks"])
            account.approvals.update(row["approvals"])
        self._count_on()
        self._wait_anew([order for _, order in orders])
        self._schedule()

    def _schedule(self) -> None:
        state = self._api.state
        for reservation in state.reservations.values():
            if reservation.status is ReservationStatus.RESERVED:
                state.schedule(reservation)
        for subscription in state.subscriptions.values():
            if subscription.status is SubscriptionStatus.ONGOING:
                state.schedule(subscription)

    def _count_on(self) -> None:
        """Continue the ids after the stored ones."""
        state = self._api.state
        holders: tuple[SandboxOrder | SandboxReservation | SandboxSubscription, ...] = (
            *state.orders.values(),
            *state.reservations.values(),
            *state.subscriptions.values(),
        )
        lines = [line.id for holder in holders for line in holder.lines]
        if lines:
            state.line_ids = itertools.count(max(lines) + 1)
        customers = [uuid for account in state.accounts.values() for uuid in account.customers]
        payments = [taken.uuid for each in state.reservations.values() for taken in each.taken]
        for name, ids, first in (
            ("customer_ids", customers, FIRST_CUSTOMER),
            ("payment_ids", payments, FIRST_PAYMENT),
        ):
            last = max((int(found[0]) - first for each in ids if (found := _ID.search(each))), default=0)
            setattr(state, name, itertools.count(last + 1))

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
        """Write everything, unless nothing has changed since."""
        place = (self._api.feed.era, self._api.feed.revision)
        if place == self._saved:
            return
        accounts = [(_hashed(token), each) for token, each in self._api.state.accounts.items()]
        orders = [
            {"account": name, **_row(order)}
            for name, account in accounts
            for order in account.orders.values()
        ]
        orders.sort(key=lambda row: row["serial"])
        kept: dict[str, object] = {
            "format": _FORMAT,
            "orders": orders,
            "reservations": [
                {"account": name, **_reservation_row(each)}
                for name, account in accounts
                for each in account.reservations.values()
            ],
            "subscriptions": [
                {"account": name, **_subscription_row(each)}
                for name, account in accounts
                for each in account.subscriptions.values()
            ],
            "company_checks": [
                {"account": name, **_members(each, _CHECK)}
                for name, account in accounts
                for each in account.company_checks.values()
            ],
            "accounts": [
                {"account": name, **_members(each, ("customers", "credit_checks", "approvals"))}
                for name, each in accounts
            ],
        }
        text = json.dumps(kept, default=_plain)
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
    """Return an account's name in the file; the name of a former token is kept."""
    return token if token.startswith(_HASH) else _HASH + hashlib.sha256(token.encode()).hexdigest()


def _members(value: object, names: tuple[str, ...]) -> dict[str, Any]:
    return {name: getattr(value, name) for name in names}


def _lines_row(lines: list[Line]) -> list[list[object]]:
    return [[line.id, line.amount, line.refunded, line.product] for line in lines]


def _lines(rows: list[list[Any]]) -> list[Line]:
    return [
        Line(id=number, amount=amount, refunded=refunded, product=product)
        for number, amount, refunded, product in rows
    ]


def _row(order: SandboxOrder) -> dict[str, Any]:
    request = order.refund_request
    return {
        **_members(order, _PLAIN),
        "lines": _lines_row(order.lines),
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
        lines=_lines(lines),
        refund_request=request,
        decline_reason=reason and DeclineReason(reason),
        tell=api.state.tell,
        note=api.state.note,
    )


def _reservation_row(each: SandboxReservation) -> dict[str, Any]:
    return {
        **_members(each, _RESERVATION),
        "lines": _lines_row(each.lines),
        "captured": [*each.captured.items()],
        "taken": [
            [taken.uuid, taken.source, taken.at, taken.amount, [*taken.refundable.items()], taken.refunded]
            for taken in each.taken
        ],
        "log": each.log,
    }


def _reservation(row: dict[str, Any], api: Api) -> SandboxReservation:
    row["status"] = ReservationStatus(row["status"])
    row["lines"] = _lines(row["lines"])
    row["captured"] = dict(map(tuple, row["captured"]))
    row["log"] = [(title, at, amount, note) for title, at, amount, note in row["log"]]
    row["taken"] = [
        Taken(
            uuid=uuid,
            source=source,
            at=at,
            amount=amount,
            refundable=dict(map(tuple, refundable)),
            refunded=refunded,
        )
        for uuid, source, at, amount, refundable, refunded in row["taken"]
    ]
    return SandboxReservation(**row, report=api.state.report, note=api.state.note)


def _subscription_row(each: SandboxSubscription) -> dict[str, Any]:
    return {
        **_members(each, _SUBSCRIPTION),
        "lines": _lines_row(each.lines),
        "cycles": [_members(cycle, _CYCLE) for cycle in each.cycles],
    }


def _subscription(row: dict[str, Any], api: Api) -> SandboxSubscription:
    row["status"] = SubscriptionStatus(row["status"])
    row["lines"] = _lines(row["lines"])
    row["cycles"] = [Cycle(**cycle) for cycle in row["cycles"]]
    return SandboxSubscription(**row, report=api.state.report, note=api.state.note)


def _company_check(row: dict[str, Any], api: Api) -> SandboxCompanyCheck:
    row["status"] = CheckStatus(row["status"])
    return SandboxCompanyCheck(**row, report=api.state.report_check, note=api.state.note)


_MAKERS: Mapping[str, Callable[[dict[str, Any], Api], Kept]] = {
    "reservations": _reservation,
    "subscriptions": _subscription,
    "company_checks": _company_check,
}


def _plain(value: object) -> object:
    if isinstance(value, Decimal):
        return {_NUMBER: str(value)}
    raise TypeError(type(value).__name__)


def _number_of(members: dict[str, Any]) -> object:
    return Decimal(members[_NUMBER]) if members.keys() == {_NUMBER} else members
