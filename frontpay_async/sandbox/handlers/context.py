"""One request as seen by a handler, and reading of the values in its body."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

from attrs import frozen

from frontpay_async.models.statuses import OrderStatus
from frontpay_async.sandbox.responses import Answer, Refusal, broken_rule, invalid, not_found, success
from frontpay_async.sandbox.state import Event, ForbiddenEventError, Line, SandboxOrder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from frontpay_async._exact_json import Json, JsonObject
    from frontpay_async._protocol.operations import Operation
    from frontpay_async.sandbox.settings import SandboxSettings
    from frontpay_async.sandbox.state import Account, SandboxState

_FIRST_ORDER = 3506700000
FIRST_CUSTOMER = 3463000000
"""The first number for customer ids."""
_ZERO = Decimal(0)
_MORE_THAN_THE_ORDER = "refundRejectionForRefundRequestGreaterThanOrderAmount"
_MORE_THAN_THE_LINE = "refundRejectionForProductAmountExceed"


@frozen
class RequestContext:
    """One request, as seen by a handler.

    Args:
        operation: The row of the operation table.
        account: The data of the token's account.
        state: The whole state.
        settings: The behaviour of the sandbox.
        uuid: The id in the path, or "".
        body: The JSON body, checked against the rules.
        query: The query parameters.
        steps: The optional segments at the end of the path.
        origin: The sandbox's own address, up to the first slash.
    """

    operation: Operation[object]
    account: Account
    state: SandboxState
    settings: SandboxSettings
    uuid: str
    body: JsonObject
    query: Mapping[str, str]
    steps: tuple[str, ...] = ()
    origin: str = "http://sandbox.localhost/"

    def order(self) -> SandboxOrder:
        """Return the order that the path names; the terminal routes know only terminal orders."""
        order = self.account.orders.get(self.uuid)
        if order is None or (self.operation.resource == "terminals" and order.terminal_uuid is None):
            raise not_found(self.operation)
        return order

    def status_of(self, order: SandboxOrder) -> str:
        """Return the status that the API shows of an order."""
        if order.uuid in self.account.approvals:
            return "Refund Pending"
        pending = self.settings.pending_refund_status
        request = order.refund_request
        return (
            pending if pending is not None and request is not None and request.waits else order.status.value
        )

    def new_order(self, *, terminal_uuid: str | None = None) -> SandboxOrder:
        """Store a new order from the body."""
        serial = len(self.state.orders) + 1
        order = SandboxOrder(
            uuid=f"ODR{_FIRST_ORDER + serial}",
            customer_uuid=self.new_customer(),
            serial=serial,
            operation=self.operation.name,
            body=self.body,
            created_at=self.state.wall(),
            lines=ordinary_lines(self),
            amount=number(json_object(self.body["orderSummary"])["grandTotal"]),
            terminal_uuid=terminal_uuid,
            tell=self.state.tell,
            note=self.state.note,
        )
        self.state.add(self.account, order)
        return order

    def apply_event(self, order: SandboxOrder, event: Event) -> None:
        """Apply an event to an order."""
        try:
            order.apply_event(event)
        except ForbiddenEventError:
            raise already(order) from None

    def refund(self, order: SandboxOrder) -> tuple[Decimal, dict[Decimal, Decimal]]:
        """Return the refund that the body requests: the total, and the amounts by line id."""
        lines = json_objects(self.body["products"])
        amounts = {"grand total": number(self.body["grandTotal"])}
        amounts |= {f"products.{index}.amount": number(line["amount"]) for index, line in enumerate(lines)}
        nothing = [f"The {name} must be greater than 0." for name, amount in amounts.items() if amount <= 0]
        if nothing:
            raise invalid(nothing)
        by_line: dict[Decimal, Decimal] = {}
        for line in lines:
            line_id = number(line["id"])
            by_line[line_id] = by_line.get(line_id, _ZERO) + number(line["amount"])
        refundable = order.refundable_by_line()
        if not by_line.keys() <= refundable.keys():
            raise broken_rule("requestProductIdNotAvailable")
        if amounts["grand total"] > order.refundable:
            documented = self.operation.business_codes
            raise broken_rule(
                _MORE_THAN_THE_ORDER if _MORE_THAN_THE_ORDER in documented else _MORE_THAN_THE_LINE
            )
        if any(amount > refundable[line_id] for line_id, amount in by_line.items()):
            raise broken_rule(_MORE_THAN_THE_LINE)
        return amounts["grand total"], by_line

    def new_customer(self) -> str:
        """Return the customer's id, and store a new customer."""
        details = json_object(self.body["customerDetails"])
        known = details.get("customerUuid")
        if isinstance(known, str) and known:
            return known
        uuid = f"CSRT{FIRST_CUSTOMER + next(self.state.customer_ids)}"
        address = details.get("address")
        self.account.customers[uuid] = {**details, "addresses": {"billing": address}}
        return uuid

    def payment_url(self, uuid: str) -> str:
        """Return the page on which a person pays, accepts or confirms."""
        return f"{self.origin}checkout/{uuid}"

    def did(self, uuid: str, data: Json = None) -> Answer:
        """Return the operation's documented success, and record the operation with its id."""
        self.account.note_effect(self.operation, uuid, self.body)
        return success(self.operation, data)

    def done(self, order: SandboxOrder, data: Json = None, *, body_status: int | None = None) -> Answer:
        """Return the operation's documented success, and record the operation."""
        self.account.note_effect(self.operation, order.uuid, self.body)
        return success(self.operation, data, body_status=body_status)


Handler: TypeAlias = "Callable[[RequestContext], Answer]"
HANDLERS: dict[str, Handler] = {}
"""The handler of each row, by the row's name; filled by ``handles``."""


def handles(*operations: Operation[Any]) -> Callable[[Handler], Handler]:
    """Register the decorated handler for rows of the operation table."""

    def register(handler: Handler) -> Handler:
        HANDLERS.update({operation.name: handler for operation in operations})
        return handler

    return register


def ordinary_lines(context: RequestContext) -> list[Line]:
    """Return the lines in the body, with new ids."""
    return [
        Line(id=next(context.state.line_ids), amount=number(product["amount"]), product=product)
        for product in json_objects(context.body["products"])
    ]


def already(order: SandboxOrder) -> Refusal:
    """Return the rejection of an event that the order's status forbids."""
    over = order.status in (OrderStatus.CANCELLED, OrderStatus.EXPIRED)
    return broken_rule("orderStatusAlreadyCancelled" if over else "orderStatusAlreadyPaid")


def number(value: Json) -> Decimal:
    """Read a number that the rules have accepted."""
    return Decimal(str(value).strip())


def json_object(value: Json) -> JsonObject:
    """Read an object; a missing one is empty."""
    return value if isinstance(value, dict) else {}


def json_objects(value: Json) -> list[JsonObject]:
    """Read the objects in a list, or in an object that is keyed by their places."""
    rows = list(value.values()) if isinstance(value, dict) else value
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
