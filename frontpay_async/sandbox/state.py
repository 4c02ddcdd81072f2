"""The state of the simulated API: orders, refunds, and their state machines.

There are two state machines, as tables. An order:

    SENT ──pay──▶ PAID ──refund──▶ PARTIAL REFUNDED ──refund──▶ REFUNDED
    SENT ──cancel──▶ CANCELLED     SENT ──expire──▶ EXPIRED ──resend──▶ SENT
    SENT ──invoice──▶ INVOICED ──remind──▶ PURRING ──collect──▶ INKASSO

An invoice, in any of its three statuses, may also be paid, cancelled, sent again, or refunded unpaid. A
payment on a terminal has the status of its order: SENT until the cardholder pays (PAID) or declines
(CANCELLED). A refund on a terminal is UNKNOWN until the cardholder decides, then REFUNDED or REJECTED.

*Invariants*: ``refunded + pending refund <= amount``; an order is REFUNDED exactly when ``refunded ==
amount``.

Nothing runs in the background: the future decisions of a cardholder are in a queue by time, and are applied
on each access. Changes of an order are passed to the callback sender and to observers.
"""

from __future__ import annotations

import contextlib
import hashlib
import heapq
import itertools
import json
from collections import defaultdict, deque
from decimal import Decimal, localcontext
from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING, Protocol

from attrs import define, field, frozen

from frontpay_async._protocol.operations import Safety
from frontpay_async.models._fields import EXACT
from frontpay_async.models.statuses import OrderStatus, RefundStatus
from frontpay_async.sandbox.terminal_behaviour import Behaviour, DeclineReason

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from frontpay_async._exact_json import Json, JsonObject
    from frontpay_async._protocol.operations import Operation
    from frontpay_async.sandbox.company_checks import SandboxCompanyCheck
    from frontpay_async.sandbox.reservations import SandboxReservation
    from frontpay_async.sandbox.subscriptions import SandboxSubscription


_FIRST_INVOICE = 99900000
_ZERO = Decimal(0)


class Event(StrEnum):
    """An event that can happen to an order."""

    PAY = "pay"
    CANCEL = "cancel"
    EXPIRE = "expire"
    """The payment link runs out."""
    INVOICE = "invoice"
    """The customer chooses to be invoiced."""
    REMIND = "remind"
    """A reminder is sent for the invoice."""
    COLLECT = "collect"
    """The invoice goes to debt collection."""
    RESEND = "resend"
    REFUND_PART = "refund a part"
    REFUND_REST = "refund the rest"


class Decision(StrEnum):
    """The decision of a payment or refund on a terminal."""

    APPROVE = "approve"
    DECLINE = "decline"
    CANCEL = "cancel"
    """The merchant cancels the refund."""


_S, _E = OrderStatus, Event
NEXT_STATUS: Mapping[tuple[OrderStatus, Event], OrderStatus] = MappingProxyType(
    {
        (_S.SENT, _E.PAY): _S.PAID,
        (_S.SENT, _E.CANCEL): _S.CANCELLED,
        (_S.SENT, _E.EXPIRE): _S.EXPIRED,
        (_S.SENT, _E.INVOICE): _S.INVOICED,
        (_S.SENT, _E.RESEND): _S.SENT,
        (_S.EXPIRED, _E.RESEND): _S.SENT,
        (_S.INVOICED, _E.PAY): _S.PAID,
        (_S.INVOICED, _E.CANCEL): _S.CANCELLED,
        (_S.INVOICED, _E.REMIND): _S.PURRING,
        (_S.INVOICED, _E.RESEND): _S.INVOICED,
        (_S.INVOICED, _E.REFUND_PART): _S.PARTIAL_REFUNDED,
        (_S.INVOICED, _E.REFUND_REST): _S.REFUNDED,
        (_S.PURRING, _E.PAY): _S.PAID,
        (_S.PURRING, _E.CANCEL): _S.CANCELLED,
        (_S.PURRING, _E.COLLECT): _S.INKASSO,
        (_S.PURRING, _E.RESEND): _S.PURRING,
        (_S.PURRING, _E.REFUND_PART): _S.PARTIAL_REFUNDED,
        (_S.PURRING, _E.REFUND_REST): _S.REFUNDED,
        (_S.INKASSO, _E.PAY): _S.PAID,
        (_S.INKASSO, _E.CANCEL): _S.CANCELLED,
        (_S.INKASSO, _E.RESEND): _S.INKASSO,
        (_S.INKASSO, _E.REFUND_PART): _S.PARTIAL_REFUNDED,
        (_S.INKASSO, _E.REFUND_REST): _S.REFUNDED,
        (_S.PAID, _E.REFUND_PART): _S.PARTIAL_REFUNDED,
        (_S.PAID, _E.REFUND_REST): _S.REFUNDED,
        (_S.PARTIAL_REFUNDED, _E.REFUND_PART): _S.PARTIAL_REFUNDED,
        (_S.PARTIAL_REFUNDED, _E.REFUND_REST): _S.REFUNDED,
    }
)
OUTSIDE_EVENTS = (_E.PAY, _E.CANCEL, _E.EXPIRE, _E.INVOICE, _E.REMIND, _E.COLLECT)
"""The events that can happen to an order without a call of the API."""
_R, _D = RefundStatus, Decision
NEXT_REFUND: Mapping[tuple[RefundStatus, Decision], RefundStatus] = MappingProxyType(
    {
        (_R.UNKNOWN, _D.APPROVE): _R.REFUNDED,
        (_R.UNKNOWN, _D.DECLINE): _R.REJECTED,
        (_R.UNKNOWN, _D.CANCEL): _R.REJECTED,
        (_R.REJECTED, _D.CANCEL): _R.REJECTED,
    }
)


class ForbiddenEventError(Exception):
    """Error for an event that is impossible in an order's current state.

    Args:
        event: The impossible event.
        state: The order's state, in words.
    """

    def __init__(self, event: str, state: str) -> None:
        super().__init__(f"'{event}' cannot happen to {state}")


@define(eq=False, kw_only=True)
class Line:
    """One line of an order.

    Args:
        id: The numeric id that refunds name.
        amount: The line's amount.
        refunded: The refunded amount of the line.
        product: The product as it was sent.
    """

    id: int
    amount: Decimal
    refunded: Decimal = _ZERO
    product: JsonObject = field(repr=False)


@define(eq=False, kw_only=True)
class RefundRequest:
    """A refund requested on a terminal.

    Args:
        amount: The amount of the refund.
        by_line: The refunded amounts, by line id.
        status: UNKNOWN until the cardholder decides.
    """

    amount: Decimal
    by_line: Mapping[Decimal, Decimal]
    status: RefundStatus = RefundStatus.UNKNOWN

    @property
    def waits(self) -> bool:
        """Whether the cardholder has yet to decide."""
        return self.status is RefundStatus.UNKNOWN


def _tell_nobody(_: object, __: object) -> None:
    pass


def _note_nothing(_: str) -> None:
    pass


@define(eq=False, kw_only=True)
class SandboxOrder:
    """One order.

    Args:
        uuid: The id.
        customer_uuid: The customer's id.
        serial: The order's number in the sandbox, counted from 1.
        operation: The operation that created it, such as ``orders.send_invoice``.
        body: The JSON body that created it; hidden in reprs.
        created_at: When it was created, in Unix seconds.
        status: Its status.
        lines: Its lines.
        amount: The total.
        refunded: The refunded amount.
        terminal_uuid: Its terminal, if any.
        invoice_number: The invoice number; None for an order that was never invoiced.
        refund_request: The last refund on the terminal.
        decline_reason: The reason of the cardholder's last decline.
        tell: Called when the status has changed, and with a refund on a terminal when it is decided.
        note: Called with the id when anything changes.
    """

    uuid: str
    customer_uuid: str
    serial: int
    operation: str
    body: JsonObject = field(repr=False)
    created_at: float
    status: OrderStatus = OrderStatus.SENT
    lines: list[Line]
    amount: Decimal
    refunded: Decimal = _ZERO
    terminal_uuid: str | None = None
    invoice_number: str | None = None
    refund_request: RefundRequest | None = None
    decline_reason: DeclineReason | None = None
    tell: Callable[[SandboxOrder, RefundRequest | None], None] = field(default=_tell_nobody, repr=False)
    note: Callable[[str], None] = field(default=_note_nothing, repr=False)

    @property
    def callback_url(self) -> str | None:
        """The callback URL; terminal orders have it in another member."""
        nested = self.body.get("callback")
        url = nested.get("callbackUrl") if isinstance(nested, dict) else self.body.get("callbackUrl")
        return url if isinstance(url, str) else None

    @property
    def refundable(self) -> Decimal:
        """The amount that may still be refunded; a refund that waits on the terminal counts as refunded."""
        request = self.refund_request
        return self.amount - self.refunded - (request.amount if request and request.waits else _ZERO)

    def refundable_by_line(self) -> dict[Decimal, Decimal]:
        """Return the refundable amount of each line, by line id."""
        request = self.refund_request
        waiting: Mapping[Decimal, Decimal] = request.by_line if request and request.waits else {}
        ids = ((Decimal(line.id), line) for line in self.lines)
        return {line_id: line.amount - line.refunded - waiting.get(line_id, _ZERO) for line_id, line in ids}

    def apply_event(self, event: Event) -> None:
        """Apply an event; the only place where an order's status changes.

        Raises:
            ForbiddenEventError: The status does not allow it.
        """
        following = NEXT_STATUS.get((self.status, event))
        if following is None:
            raise ForbiddenEventError(event, f"an order that is {self.status}")
        before, self.status = self.status, following
        if following is OrderStatus.INVOICED:
            self.invoice_number = str(_FIRST_INVOICE + self.serial)
        self.note(self.uuid)
        if following is not before:
            self.tell(self, None)

    def pay_back(self, amount: Decimal, by_line: Mapping[Decimal, Decimal]) -> None:
        """Refund a refundable amount.

        Raises:
            ForbiddenEventError: The status does not allow it.
        """
        with localcontext(EXACT):
            self.apply_event(
                Event.REFUND_REST if self.refunded + amount == self.amount else Event.REFUND_PART
            )
            self.refunded += amount
            for line in self.lines:
                line.refunded += by_line.get(Decimal(line.id), _ZERO)

    @property
    def waits_for(self) -> str | None:
        """The decision that the cardholder has yet to make: payment, refund, or None."""
        if self.terminal_uuid is None:
            return None
        if self.status is OrderStatus.SENT:
            return "payment"
        return "refund" if self.refund_request is not None and self.refund_request.waits else None

    def decide_payment(self, decision: Decision, reason: DeclineReason | None = None) -> None:
        """Let the cardholder pay or decline.

        Args:
            decision: The decision.
            reason: Why it was declined.

        Raises:
            ForbiddenEventError: The order does not wait on a terminal.
        """
        if self.terminal_uuid is None:
            raise ForbiddenEventError(decision, "an order that was not sent to a terminal")
        if self.status is not OrderStatus.SENT:
            raise ForbiddenEventError(decision, f"an order that is {self.status}")
        self.decline_reason = reason
        self.apply_event(Event.PAY if decision is Decision.APPROVE else Event.CANCEL)

    def ask_refund(self, request: RefundRequest) -> None:
        """Show a refund on the terminal."""
        self.refund_request = request
        self.note(self.uuid)

    def decide_refund(
        self, request: RefundRequest, decision: Decision, reason: DeclineReason | None = None
    ) -> None:
        """Accept, decline or cancel the refund on the terminal.

        Raises:
            ForbiddenEventError: It has already been decided differently.
        """
        following = NEXT_REFUND.get((request.status, decision))
        if following is None:
            raise ForbiddenEventError(decision, f"a refund that is {request.status}")
        before, request.status = request.status, following
        self.decline_reason = reason
        self.note(self.uuid)
        if following is RefundStatus.REFUNDED:
            self.pay_back(request.amount, request.by_line)
        if following is not before:
            self.tell(self, request)


class Reported(Protocol):
    """The content of a callback about a reservation or a subscription."""

    uuid: str
    body: JsonObject
    created_at: float
    amount: Decimal

    @property
    def status(self) -> StrEnum:
        """The status."""
        ...


@define(eq=False)
class SandboxState:
    """The complete state, which changes with time.

    Args:
        now: Seconds on the sandbox's clock.
        wall: Unix seconds.
        tell: See ``SandboxOrder``.
        note: See ``SandboxOrder``.
        wake: Called when an event is scheduled.
        report: Called when a reservation or a subscription has changed.
        report_check: Called when a company check has been decided.
    """

    now: Callable[[], float]
    wall: Callable[[], float]
    tell: Callable[[SandboxOrder, RefundRequest | None], None] = _tell_nobody
    note: Callable[[str], None] = _note_nothing
    wake: Callable[[], None] = lambda: None
    report: Callable[[Reported], None] = lambda _: None
    report_check: Callable[[SandboxCompanyCheck], None] = lambda _: None
    accounts: dict[str, Account] = field(init=False, factory=lambda: defaultdict[str, Account](Account))
    orders: dict[str, SandboxOrder] = field(init=False, factory=dict[str, SandboxOrder])
    behaviour: Behaviour = field(init=False, factory=Behaviour)
    # Whether a callback is sent when a cardholder decides.
    is_listened_to: bool = field(init=False, default=False)
    line_ids: itertools.count[int] = field(init=False, factory=lambda: itertools.count(5401))
    customer_ids: itertools.count[int] = field(init=False, factory=lambda: itertools.count(1))
    payment_ids: itertools.count[int] = field(init=False, factory=lambda: itertools.count(1))
    reservations: dict[str, SandboxReservation] = field(init=False, factory=dict[str, "SandboxReservation"])
    subscriptions: dict[str, SandboxSubscription] = field(
        init=False, factory=dict[str, "SandboxSubscription"]
    )
    company_checks: dict[str, SandboxCompanyCheck] = field(
        init=False, factory=dict[str, "SandboxCompanyCheck"]
    )
    _queue: list[tuple[float, int, Callable[[], None]]] = field(
        init=False, factory=list[tuple[float, int, "Callable[[], None]"]]
    )
    _queued: itertools.count[int] = field(init=False, factory=itertools.count)

    def add(self, account: Account, order: SandboxOrder) -> None:
        """Store a new order."""
        self.orders[order.uuid] = account.orders[order.uuid] = order
        self.note(order.uuid)
        self.is_listened_to |= order.terminal_uuid is not None and order.callback_url is not None

    def keep(
        self, account: Account, each: SandboxReservation | SandboxSubscription | SandboxCompanyCheck
    ) -> None:
        """Store a new reservation, subscription or company check."""
        for holder in (self, account):
            getattr(holder, each.KEPT_IN)[each.uuid] = each
        self.note(each.uuid)

    def accept(self, subject: SandboxReservation | SandboxSubscription) -> None:
        """Let a customer accept a reservation or a subscription, and schedule its timed events."""
        subject.accept(self.wall())
        self.schedule(subject)

    def schedule(self, subject: SandboxReservation | SandboxSubscription) -> None:
        """Schedule the timed events of what a customer has accepted, now or before a restart."""
        since = 0.0 if subject.accepted_at is None else self.wall() - subject.accepted_at
        for seconds, action in subject.schedule(self.wall):
            self.later(max(0.0, seconds - since), action)

    def later(self, seconds: float, action: Callable[[], None]) -> None:
        """Schedule an event, which is skipped if it is forbidden by then."""
        heapq.heappush(self._queue, (self.now() + seconds, next(self._queued), action))
        self.wake()

    def catch_up(self) -> None:
        """Apply all events that are due, in order."""
        while self._queue and self._queue[0][0] <= self.now():
            # It may have been decided in the meantime.
            with contextlib.suppress(ForbiddenEventError):
                heapq.heappop(self._queue)[2]()

    def next_due(self) -> float | None:
        """Return the time of the next scheduled event, on the sandbox's clock; None if there is none."""
        return self._queue[0][0] if self._queue else None

    def duplicates(self) -> tuple[Duplicate, ...]:
        """Return the operations that an account carried out more than once with the same content."""
        return tuple(found for account in self.accounts.values() for found in account.duplicates())


@frozen
class Duplicate:
    """An operation that was carried out more than once.

    Args:
        operation: The operation.
        order_uuids: The created orders, or the order that it was about.
        times: How often it was carried out.
    """

    operation: str
    order_uuids: tuple[str, ...]
    times: int


@define(eq=False)
class Account:
    """The data that one token sees."""

    orders: dict[str, SandboxOrder] = field(init=False, factory=dict[str, "SandboxOrder"])
    reservations: dict[str, SandboxReservation] = field(init=False, factory=dict[str, "SandboxReservation"])
    subscriptions: dict[str, SandboxSubscription] = field(
        init=False, factory=dict[str, "SandboxSubscription"]
    )
    customers: dict[str, JsonObject] = field(init=False, factory=dict[str, "JsonObject"], repr=False)
    credit_checks: list[Json] = field(init=False, factory=list["Json"], repr=False)
    company_checks: dict[str, SandboxCompanyCheck] = field(
        init=False, factory=dict[str, "SandboxCompanyCheck"]
    )
    approvals: dict[str, JsonObject] = field(init=False, factory=dict[str, "JsonObject"], repr=False)
    _refunds: deque[tuple[float, Decimal]] = field(init=False, factory=deque[tuple[float, Decimal]])
    _effects: dict[tuple[str, bytes], list[str]] = field(
        init=False, factory=lambda: defaultdict[tuple[str, bytes], list[str]](list)
    )

    def note_refund(self, moment: float, amount: Decimal) -> None:
        """Record the time and amount of a refund."""
        self._refunds.append((moment, amount))

    def refunded_since(self, moment: float) -> Decimal:
        """Sum up the refunds since a time, and delete older ones."""
        while self._refunds and self._refunds[0][0] <= moment:
            self._refunds.popleft()
        return sum((amount for _, amount in self._refunds), _ZERO)

    def note_effect(self, operation: Operation[object], uuid: str, body: JsonObject) -> None:
        """Record an operation that must not be carried out twice."""
        if operation.safety is Safety.UNSAFE:
            target = uuid if operation.id_name else ""
            content = json.dumps([target, body], sort_keys=True, default=str)
            self._effects[operation.name, hashlib.sha256(content.encode()).digest()].append(uuid)

    def duplicates(self) -> list[Duplicate]:
        """List the operations that were carried out more than once with the same content."""
        return [
            Duplicate(name, tuple(dict.fromkeys(uuids)), len(uuids))
            for (name, _), uuids in self._effects.items()
            if len(uuids) > 1
        ]
