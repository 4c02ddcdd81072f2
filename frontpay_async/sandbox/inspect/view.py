"""What the page is told: rows made from the sandbox as it stands, without personal data or secrets."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from attrs import frozen

from frontpay_async._protocol.operations import OPERATIONS
from frontpay_async.models.statuses import OrderStatus
from frontpay_async.sandbox.faults import FaultKind
from frontpay_async.sandbox.inspect.masking import masked_path, shown
from frontpay_async.sandbox.state import NEXT_STATUS, OUTSIDE_EVENTS

if TYPE_CHECKING:
    from decimal import Decimal
    from typing import TypeAlias

    from frontpay_async._json import Json, JsonObject
    from frontpay_async.sandbox.app import Api
    from frontpay_async.sandbox.inspect.feed import Exchange, Place
    from frontpay_async.sandbox.state import Line, SandboxOrder

    Row: TypeAlias = "dict[str, object]"

_MOST_ORDERS = 200
_MOST_WAITING = 100
_MOST_WINDOWS = 8
_MOST_LINES = 4


@frozen
class View:
    """Tell what there is to see.

    Args:
        api: The sandbox's insides.
    """

    api: Api

    def since(self, place: Place | None) -> Row:
        """Tell what has changed since a reader looked, or everything.

        Args:
            place: How far the reader has come; None for nowhere.
        """
        api, feed = self.api, self.api.feed
        api.state.catch_up()
        changed = None
        if place is not None and place.era == feed.era and place.revision <= feed.revision:
            changed = feed.orders_since(place.revision)
        is_whole = changed is None or len(changed) > _MOST_ORDERS
        orders = self._all_orders() if changed is None or is_whole else self._known(changed)
        since = 0 if is_whole or place is None else place.revision
        told: Row = {
            "whole": is_whole,
            "orders": [_order_row(order) for order in orders],
            "order_count": len(api.state.orders),
            "requests": [_exchange_row(each) for each in feed.exchanges_since(since)],
            "request_count": api.request_count,
            "windows": self._windows(),
            "faults": api.faults.rows(),
        }
        return {**told, **self._furniture()} if is_whole else told

    def exchange(self, number: int) -> Row | None:
        """Tell what a request and its answer said; None where it is not kept."""
        found = self.api.feed.exchange(number)
        if found is None:
            return None
        return {"request": shown(found.request.body), "answer": shown(found.answer)}

    def _all_orders(self) -> list[SandboxOrder]:
        """Return the newest orders, and those that wait at a terminal, the oldest first."""
        orders = self.api.state.orders
        newest = list(islice(reversed(orders.values()), _MOST_ORDERS))
        oldest = newest[-1].serial if newest else 0
        # One that waits is not pushed out by newer ones.
        waiting = (order for order in orders.values() if order.serial < oldest and _waits_for(order))
        return [*islice(waiting, _MOST_WAITING), *reversed(newest)]

    def _known(self, uuids: list[str]) -> list[SandboxOrder]:
        orders = self.api.state.orders
        return sorted((orders[uuid] for uuid in uuids), key=lambda order: order.serial)

    def _windows(self) -> list[Row]:
        throttle = self.api.throttle
        if throttle is None:
            return []
        return [
            {"token": place, "limit": throttle.limit, "used": used, "ends_in": round(ends_in, 3)}
            for place, used, ends_in in throttle.open_windows(self.api.clock.now())[:_MOST_WINDOWS]
        ]

    def _furniture(self) -> Row:
        """Tell what does not change while the sandbox runs."""
        settings, throttle = self.api.settings, self.api.throttle
        return {
            "terminals": [{"uuid": each.uuid, "name": each.name} for each in settings.terminals],
            "cardholder": {"after": settings.cardholder.after, "pays": settings.cardholder.pays},
            "limit": None if throttle is None else {"requests": throttle.limit, "window": throttle.window},
            "kinds": [{"kind": kind, "slow": kind.is_slowness} for kind in FaultKind],
            "operations": list(OPERATIONS),
        }


def _order_row(order: SandboxOrder) -> Row:
    waits_for = _waits_for(order)
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
        "lines": [_line_words(line) for line in order.lines[:_MOST_LINES]],
        "more_lines": max(0, len(order.lines) - _MOST_LINES),
        "events": [] if order.terminal_uuid else _possible(order.status),
    }


def _waits_for(order: SandboxOrder) -> str | None:
    """Say what a cardholder has yet to decide."""
    if order.terminal_uuid is None:
        return None
    if order.status is OrderStatus.SENT:
        return "payment"
    return "refund" if order.refund_request is not None and order.refund_request.waits else None


def _possible(status: OrderStatus) -> list[str]:
    return [event for event in OUTSIDE_EVENTS if (status, event) in NEXT_STATUS]


def _line_words(line: Line) -> str:
    product: JsonObject = line.product
    name, quantity = (_short(product.get(member)) for member in ("name", "quantity"))
    return f"{quantity} \N{MULTIPLICATION SIGN} {name}"


def _short(value: Json) -> str:
    return str(value)[:60]


def _money(amount: Decimal) -> str:
    """Write an amount with two decimals, or with all that it has."""
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
