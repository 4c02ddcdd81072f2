"""Whatever is asked of a sandbox and whatever happens to its orders, its books stay right."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from contextlib import suppress
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, initialize, invariant, rule

from frontpay_async import (
    BusinessRuleError,
    NotFoundError,
    OrderStatus,
    OutcomeUnknownError,
    Refund,
    RefundLine,
    RefundStatus,
    ServerError,
    TerminalRefund,
)
from frontpay_async.sandbox import Cardholder, Event, ForbiddenEventError, Sandbox
from frontpay_async.sandbox.state import NEXT_STATUS, RefundRequest
from tests.support.builders import efaktura, ehf, invoice, payment_link, product
from tests.support.fakes import FakeClock
from tests.support.sandboxes import NO_RETRY, call, terminal_order

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from frontpay_async import FrontPayClient

pytestmark = pytest.mark.integration

TOKENS = ["one", "two"]
KINDS: dict[str, Any] = {
    "orders.send_payment_link": payment_link,
    "orders.send_invoice": invoice,
    "orders.send_efaktura": efaktura,
    "orders.send_ehf_invoice": ehf,
    "terminals.create_order": terminal_order,
}
PRODUCTS = {
    "one line": [product(quantity=1, rate="10.00")],
    "two lines": [product(quantity=1, rate="6.50"), product(quantity=1, rate="3.50", name="Klipp")],
}
LOST_AFTER = ["510-after", "drop-after", "cut-body", "502-after"]
LOST_BEFORE = ["510-before", "drop-before", "busy"]
AMOUNTS = st.sampled_from(["0.01", "3.50", "6.50", "10.00"])
FROM_OUTSIDE = [Event.PAY, Event.CANCEL, Event.EXPIRE, Event.INVOICE, Event.REMIND, Event.COLLECT]
TOUCHING = [
    "orders.resend_payment_link",
    "orders.cancel",
    "orders.charge_delayed",
    "terminals.cancel_payment",
    "terminals.resend_order",
    "terminals.cancel_refund",
]
REPEATABLE = ["orders.resend_payment_link", "terminals.resend_order"]
STEPS = {(before, after) for (before, _), after in NEXT_STATUS.items()}


class Books(RuleBasedStateMachine):
    """Ask and let happen at random, keep books of our own, and compare."""

    orders = Bundle("orders")

    def __init__(self) -> None:
        super().__init__()
        self.runner = asyncio.Runner()
        self.clock = FakeClock()
        self.sandbox = Sandbox(
            tokens=TOKENS, rate_limit=None, clock=self.clock.clock(), cardholder=Cardholder(after=5)
        )
        self.clients = {
            token: self.sandbox.client(token, retry=NO_RETRY, strict_totals=False) for token in TOKENS
        }
        self.owners: dict[str, str] = {}
        self.statuses: dict[str, OrderStatus] = {}
        self.paid_back: defaultdict[str, Decimal] = defaultdict(Decimal)
        self.requests: defaultdict[str, list[RefundRequest]] = defaultdict(list)
        self.effects: Counter[tuple[str, ...]] = Counter()

    def teardown(self) -> None:
        for client in self.clients.values():
            self.runner.run(client.aclose())
        self.runner.close()

    def is_done(self, request: Awaitable[object]) -> bool:
        """Send a request; tell whether it was done or refused."""

        async def send() -> bool:
            try:
                await request
            except (BusinessRuleError, NotFoundError):
                return False
            return True

        return self.runner.run(send())

    def client_of(self, uuid: str) -> FrontPayClient:
        return self.clients[self.owners[uuid]]

    @rule(
        target=orders,
        token=st.sampled_from(TOKENS),
        kind=st.sampled_from(sorted(KINDS)),
        content=st.sampled_from(sorted(PRODUCTS)),
        lost=st.sampled_from([None, None, None, *LOST_AFTER]),
    )
    def send(self, token: str, kind: str, content: str, lost: str | None) -> str:
        """Each create makes one order, whether its answer arrives or not."""
        if lost:
            self.sandbox.fail(lost)
        resource, method = kind.split(".")
        create = getattr(getattr(self.clients[token], resource), method)
        try:
            self.runner.run(create(KINDS[kind](products=PRODUCTS[content])))
            assert not lost
        except (ServerError, OutcomeUnknownError):
            assert lost
        return self.noted(token, kind, content)

    def noted(self, token: str, kind: str, content: str) -> str:
        uuid = list(self.sandbox.orders)[-1]
        assert uuid not in self.owners
        self.owners[uuid] = token
        self.statuses[uuid] = self.sandbox.orders[uuid].status
        self.effects[token, kind, content] += 1
        return uuid

    @initialize(target=orders, token=st.sampled_from(TOKENS), content=st.sampled_from(sorted(PRODUCTS)))
    def sell_on_a_terminal(self, token: str, content: str) -> str:
        """Refunds are the hard part, so that every run has an order that can be refunded in two ways."""
        order = terminal_order(products=PRODUCTS[content])
        self.runner.run(self.clients[token].terminals.create_order(order))
        uuid = self.noted(token, "terminals.create_order", content)
        self.sandbox.approve(uuid)
        return uuid

    @rule(token=st.sampled_from(TOKENS), lost=st.sampled_from(LOST_BEFORE))
    def send_in_vain(self, token: str, lost: str) -> None:
        self.sandbox.fail(lost)
        with pytest.raises((ServerError, OutcomeUnknownError)):
            self.runner.run(self.clients[token].terminals.create_order(terminal_order()))

    @rule(uuid=orders, event=st.sampled_from(sorted(FROM_OUTSIDE)))
    def apply_event(self, uuid: str, event: Event) -> None:
        before = self.sandbox.orders[uuid].status
        try:
            self.sandbox.apply_event(uuid, event)
        except ForbiddenEventError:
            assert (before, event) not in NEXT_STATUS
        else:
            assert self.sandbox.orders[uuid].status is NEXT_STATUS[before, event]

    @rule(uuid=orders, operation=st.sampled_from(TOUCHING))
    def touch(self, uuid: str, operation: str) -> None:
        if self.is_done(call(self.client_of(uuid), operation, uuid)) and operation in REPEATABLE:
            self.effects[self.owners[uuid], operation, uuid] += 1

    @rule(uuid=orders, total=AMOUNTS, amount=AMOUNTS, place=st.integers(0, 1))
    def refund(self, uuid: str, total: str, amount: str, place: int) -> None:
        """The lines need not add up to the total."""
        lines = self.sandbox.orders[uuid].lines
        wanted = Refund(grand_total=total, lines=[RefundLine(id=lines[place % len(lines)].id, amount=amount)])
        if self.is_done(self.client_of(uuid).orders.refund(uuid, wanted)):
            self.paid_back[uuid] += Decimal(total)
            self.effects[self.owners[uuid], "orders.refund", uuid, repr(wanted)] += 1

    @rule(uuid=orders, total=AMOUNTS, amount=AMOUNTS, place=st.integers(0, 1))
    def refund_on_the_terminal(self, uuid: str, total: str, amount: str, place: int) -> None:
        order = self.sandbox.orders[uuid]
        line_id = order.lines[place % len(order.lines)].id
        wanted = TerminalRefund(grand_total=total, lines=[RefundLine(id=line_id, amount=amount)])
        if self.is_done(self.client_of(uuid).terminals.refund(uuid, wanted)):
            assert order.refund_request is not None
            self.requests[uuid].append(order.refund_request)
            self.effects[self.owners[uuid], "terminals.refund", uuid, repr(wanted)] += 1

    @rule(uuid=orders, decision=st.sampled_from(["approve", "decline", "approve_refund", "decline_refund"]))
    def decide(self, uuid: str, decision: str) -> None:
        with suppress(ForbiddenEventError):
            getattr(self.sandbox, decision)(uuid)

    @rule(seconds=st.sampled_from([1, 4, 5]))
    def wait(self, seconds: int) -> None:
        self.clock.time += seconds

    @rule(uuid=orders, operation=st.sampled_from([*TOUCHING, "orders.get_status", "orders.get_details"]))
    def intrude(self, uuid: str, operation: str) -> None:
        """Another account does not know the order."""
        (stranger,) = set(TOKENS) - {self.owners[uuid]}
        assert not self.is_done(call(self.clients[stranger], operation, uuid))

    @rule(uuid=orders)
    def look(self, uuid: str) -> None:
        order = self.sandbox.orders[uuid]
        client = self.client_of(uuid)
        report = self.runner.run(client.orders.get_status(uuid))
        assert (report.status, report.order_amount, report.refunded_amount) == (
            order.status,
            order.amount,
            order.refunded,
        )
        listed = self.runner.run(client.orders.list_statuses())
        assert {entry.order_uuid: entry.status for entry in listed} == {
            mine: self.sandbox.orders[mine].status
            for mine, token in self.owners.items()
            if token == self.owners[uuid]
        }

    @invariant()
    def every_order_is_known(self) -> None:
        assert self.sandbox.orders.keys() == self.owners.keys()

    @invariant()
    def statuses_follow_the_table(self) -> None:
        for uuid, order in self.sandbox.orders.items():
            before, self.statuses[uuid] = self.statuses[uuid], order.status
            assert before is order.status or (before, order.status) in STEPS

    @invariant()
    def what_was_paid_back_is_accounted_for(self) -> None:
        for uuid, order in self.sandbox.orders.items():
            taken = [each.amount for each in self.requests[uuid] if each.status is RefundStatus.REFUNDED]
            assert order.refunded == self.paid_back[uuid] + sum(taken)
            assert 0 <= order.refundable <= order.amount - order.refunded
            assert all(0 <= line.refunded <= line.amount for line in order.lines)

    @invariant()
    def the_status_tells_what_was_paid_back(self) -> None:
        for order in self.sandbox.orders.values():
            if order.refunded == 0:
                assert order.status not in (OrderStatus.REFUNDED, OrderStatus.PARTIAL_REFUNDED)
            elif order.refunded < order.amount:
                assert order.status is OrderStatus.PARTIAL_REFUNDED
            else:
                assert order.status is OrderStatus.REFUNDED

    @invariant()
    def duplicates_are_what_was_done_twice(self) -> None:
        done_twice = Counter((key[1], times) for key, times in self.effects.items() if times > 1)
        assert Counter((each.operation, each.times) for each in self.sandbox.duplicates()) == done_twice


TestBooks = Books.TestCase
TestBooks.settings = settings(max_examples=60, stateful_step_count=40)
