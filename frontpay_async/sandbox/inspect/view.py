"""The data for the page: rows of the sandbox's current state, without personal data or secrets."""

from __future__ import annotations

from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

from attrs import frozen

from frontpay_async._protocol.operations import OPERATIONS
from frontpay_async.sandbox.app import BASE_PATH
from frontpay_async.sandbox.callback_sender import CallbackFault
from frontpay_async.sandbox.company_checks import CheckStatus, SandboxCompanyCheck
from frontpay_async.sandbox.faults import FaultKind
from frontpay_async.sandbox.inspect.masking import masked_path, shown
from frontpay_async.sandbox.reservations import (
    NEXT_RESERVATION,
    OUTSIDE_RESERVATION_EVENTS,
    SandboxReservation,
)
from frontpay_async.sandbox.settings import DEFAULT_TOKEN
from frontpay_async.sandbox.state import NEXT_STATUS, OUTSIDE_EVENTS
from frontpay_async.sandbox.subscriptions import (
    NEXT_SUBSCRIPTION,
    OUTSIDE_SUBSCRIPTION_EVENTS,
    SandboxSubscription,
    SubscriptionEvent,
)
from frontpay_async.sandbox.terminal_behaviour import MAGIC_AMOUNTS, DeclineReason

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import TypeAlias

    from frontpay_async._exact_json import Json, JsonObject
    from frontpay_async.models.statuses import OrderStatus
    from frontpay_async.sandbox.app import Api
    from frontpay_async.sandbox.callback_sender import SentCallback
    from frontpay_async.sandbox.inspect.feed import Exchange, Place
    from frontpay_async.sandbox.settings import SandboxSettings
    from frontpay_async.sandbox.state import Line, SandboxOrder

    Row: TypeAlias = "dict[str, object]"

KeptT = TypeVar("KeptT", SandboxReservation, SandboxSubscription, SandboxCompanyCheck)
_MOST_ORDERS = 200
_MOST_AGREEMENTS = 100
_MOST_WAITING = 100
_MOST_WINDOWS = 8
_MOST_LINES = 4


@frozen
class View:
    """The content of the page.

    Args:
        api: The sandbox's insides.
    """

    api: Api

    def since(self, place: Place | None) -> Row:
        """Return the changes since a reader's position, or the whole state."""
        api, feed = self.api, self.api.feed
        api.state.catch_up()
        changed = None
        if place is not None and place.era == feed.era and place.revision <= feed.revision:
            changed = feed.orders_since(place.revision)
        is_whole = changed is None or len(changed) > _MOST_ORDERS
        orders = self._all_orders() if changed is None or is_whole else self._known(changed)
        agreements = self._agreements(None if is_whole else changed)
        since = 0 if is_whole or place is None else place.revision
        told: Row = {
            "whole": is_whole,
            "orders": [_order_row(order) for order in orders],
            "order_count": len(api.state.orders),
            "agreements": agreements,
            "requests": [_exchange_row(each) for each in feed.exchanges_since(since)],
            "request_count": api.request_count,
            "windows": self._windows(),
            "faults": api.faults.rows(),
            "callbacks": [_callback_row(each) for each in feed.callbacks_since(since)],
            "terminals": self._terminals(),
            "behaviour": {
                "one_at_a_time": api.state.behaviour.one_at_a_time,
                "magic_amounts": api.state.behaviour.magic_amounts,
            },
        }
        return {**told, **self._furniture()} if is_whole else told

    def exchange(self, number: int) -> Row | None:
        """Return a request and its response, masked; None if it is not kept."""
        found = self.api.feed.exchange(number)
        if found is None:
            return None
        return {"request": shown(found.request.body), "answer": shown(found.answer)}

    def order(self, uuid: str) -> Row | None:
        """Return an order's details, masked; None for an unknown order."""
        order = self.api.state.orders.get(uuid)
        if order is None:
            return None
        lines = [
            {
                "id": line.id,
                "words": _line_words(line),
                "amount": _money(line.amount),
                "refunded": _money(line.refunded),
            }
            for line in order.lines
        ]
        return {
            **_order_row(order),
            "customer": order.customer_uuid,
            "invoice_number": order.invoice_number,
            "all_lines": lines,
            "calls_back": order.callback_url is not None,
            "body": shown(order.body),
        }

    def _terminals(self) -> list[Row]:
        offline = self.api.state.behaviour.offline
        return [
            {"uuid": each.uuid, "name": each.name, "offline": each.uuid in offline}
            for each in self.api.settings.terminals
        ]

    def _all_orders(self) -> list[SandboxOrder]:
        """Return the newest orders and those that wait on a terminal, the oldest first."""
        orders = self.api.state.orders
        newest = list(islice(reversed(orders.values()), _MOST_ORDERS))
        oldest = newest[-1].serial if newest else 0
        # Newer orders do not displace a waiting one.
        waiting = (order for order in orders.values() if order.serial < oldest and order.waits_for)
        return [*islice(waiting, _MOST_WAITING), *reversed(newest)]

    def _known(self, uuids: list[str]) -> list[SandboxOrder]:
        orders = self.api.state.orders
        found = (orders[uuid] for uuid in uuids if uuid in orders)
        return sorted(found, key=lambda order: order.serial)

    def _agreements(self, uuids: list[str] | None) -> list[Row]:
        """Return the newest reservations, subscriptions and company checks, or those of some ids."""
        state = self.api.state
        rows = [
            *(_reservation_row(each) for each in _some(state.reservations, uuids)),
            *(_subscription_row(each) for each in _some(state.subscriptions, uuids)),
            *(_check_row(each) for each in _some(state.company_checks, uuids)),
        ]
        return sorted(rows, key=lambda row: (row["at"], row["uuid"]))

    def _windows(self) -> list[Row]:
        throttle = self.api.throttle
        if throttle is None:
            return []
        return [
            {"token": place, "limit": throttle.limit, "used": used, "ends_in": round(ends_in, 3)}
            for place, used, ends_in in throttle.open_windows(self.api.clock.now())[:_MOST_WINDOWS]
        ]

    def _furniture(self) -> Row:
        """Return the data that does not change while the sandbox runs."""
        settings, throttle = self.api.settings, self.api.throttle
        return {
            "access": _access(settings),
            "reasons": list(DeclineReason),
            "magic": {f"{end:02}": outcome for end, outcome in MAGIC_AMOUNTS.items()},
            "callback_faults": list(CallbackFault),
            "cardholder": {"after": settings.cardholder.after, "pays": settings.cardholder.pays},
            "limit": None if throttle is None else {"requests": throttle.limit, "window": throttle.window},
            "kinds": [{"kind": kind, "slow": kind.is_slowness} for kind in FaultKind],
            "operations": list(OPERATIONS),
        }


def _order_row(order: SandboxOrder) -> Row:
    waits_for = order.waits_for
    refund = order.refund_request
    return {
        "uuid": order.uuid,
        "serial": order.serial,
        "operation": order.operation,
        "status": order.status,
        "amount": _money(order.amount),
        "refunded": _money(order.refunded) if order.refunded else None,
        "at": order.created_at,
        "terminal": order.terminal_uuid,
        "waits_for": waits_for,
        "refund": _money(refund.amount) if refund and waits_for == "refund" else None,
        "reason": order.decline_reason,
        "lines": [_line_words(line) for line in order.lines[:_MOST_LINES]],
        "more_lines": max(0, len(order.lines) - _MOST_LINES),
        "events": [] if order.terminal_uuid else _possible(order.status),
        "is_payable": order.terminal_uuid is None and order.status == "SENT",
    }


def _some(kept: dict[str, KeptT], uuids: list[str] | None) -> list[KeptT]:
    if uuids is None:
        return list(islice(reversed(kept.values()), _MOST_AGREEMENTS))
    return [kept[uuid] for uuid in uuids if uuid in kept]


def _agreement(
    each: SandboxReservation | SandboxSubscription | SandboxCompanyCheck,
    amount: Decimal | None,
    facts: Mapping[str, str],
    events: list[str],
) -> Row:
    return {
        "uuid": each.uuid,
        "kind": each.KEPT_IN,
        "status": each.status,
        "at": each.created_at,
        "amount": None if amount is None else _money(amount),
        "facts": facts,
        "events": events,
        "is_open": each.status == "SENT",
    }


def _reservation_row(each: SandboxReservation) -> Row:
    amounts = {
        "captured": each.total_captured,
        "charged": each.total_charged,
        "released": each.released,
        "refunded": each.refunded("captured") + each.refunded("charged"),
    }
    facts = {name: _money(amount) for name, amount in amounts.items() if amount}
    possible = [event for event in OUTSIDE_RESERVATION_EVENTS if (each.status, event) in NEXT_RESERVATION]
    return _agreement(each, each.amount, facts, [*possible])


def _subscription_row(each: SandboxSubscription) -> Row:
    paid = sum(cycle.is_paid for cycle in each.cycles)
    facts = {"cycles": f"{paid}/{each.repeats}"}
    if paid < len(each.cycles):
        facts["failed"] = str(len(each.cycles) - paid)
    refunded = sum((cycle.refunded for cycle in each.cycles), Decimal(0))
    if refunded:
        facts["refunded"] = _money(refunded)
    possible = [
        event
        for event in OUTSIDE_SUBSCRIPTION_EVENTS
        if (each.status, event) in NEXT_SUBSCRIPTION
        and (event is not SubscriptionEvent.CYCLE or len(each.cycles) < each.repeats)
    ]
    return _agreement(each, each.amount, facts, [*possible])


def _check_row(each: SandboxCompanyCheck) -> Row:
    facts = {"company": each.company_id} | ({} if each.score is None else {"score": str(each.score)})
    return _agreement(each, None, facts, ["confirm", "cancel"] if each.status is CheckStatus.SENT else [])


def _callback_row(callback: SentCallback) -> Row:
    # Without path and query, which may contain the merchant's secrets.
    host = urlsplit(callback.url).netloc.rpartition("@")[2]
    return {
        "number": callback.number,
        "at": callback.at,
        "uuid": callback.order_uuid,
        "says": callback.says,
        "host": host,
        "status": callback.status,
        "problem": callback.problem,
        "fault": callback.fault,
    }


def _access(settings: SandboxSettings) -> Row:
    """Return the settings that a program needs; a token of the caller is not shown."""
    return {
        "path": BASE_PATH,
        "token": DEFAULT_TOKEN if DEFAULT_TOKEN in settings.tokens else None,
        "organizations": list(dict.fromkeys(each.organization_uuid for each in settings.terminals)),
    }


def _possible(status: OrderStatus) -> list[str]:
    return [event for event in OUTSIDE_EVENTS if (status, event) in NEXT_STATUS]


def _line_words(line: Line) -> str:
    product: JsonObject = line.product
    name, quantity = (_short(product.get(member)) for member in ("name", "quantity"))
    return f"{quantity} \N{MULTIPLICATION SIGN} {name}"


def _short(value: Json) -> str:
    return str(value)[:60]


def _money(amount: Decimal) -> str:
    """Format an amount with at least two decimals."""
    exponent = amount.as_tuple().exponent
    places = -exponent if isinstance(exponent, int) else 0
    return f"{amount:,.{max(2, places)}f}".replace(",", "\N{NO-BREAK SPACE}")


def _exchange_row(exchange: Exchange) -> Row:
    request = exchange.request
    return {
        "number": exchange.number,
        "at": exchange.at,
        "method": request.method,
        "path": masked_path(request.path),
        "operation": request.operation,
        "status": request.status,
        "fault": request.fault,
    }
