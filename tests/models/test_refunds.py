"""Refunds of lines, of whole orders, and of what is left."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, strategies as st

from frontpay_async import (
    CaptureLine,
    InvalidOrderError,
    OrderDetails,
    OrderStatus,
    OrderStatusReport,
    OrderType,
    PartialProduct,
    Refund,
    RefundLine,
    RefundType,
    TerminalRefund,
)
from frontpay_async._protocol import operations
from frontpay_async._protocol.build import build
from tests.support import builders, strategies

BOTH: list[Any] = [Refund, TerminalRefund]


def details(*amounts: Any, uuid: str = builders.ORDER_UUID) -> OrderDetails:
    """An order with a line for each amount, with the ids 1, 2 and so on."""
    lines = tuple(builders.product(id=number, amount=amount) for number, amount in enumerate(amounts, 1))
    return OrderDetails(order_uuid=uuid, status=OrderStatus.PAID, products=lines)


def report(refunded: Any, status: str = "PARTIAL REFUNDED") -> OrderStatusReport:
    amount = None if refunded is None else Decimal(refunded)
    return OrderStatusReport(
        order_uuid=builders.ORDER_UUID, status=OrderStatus(status), refunded_amount=amount
    )


def violated(call: Any, *arguments: Any) -> list[str]:
    with pytest.raises(InvalidOrderError) as caught:
        call(*arguments)
    return [violation.path for violation in caught.value.violations]


def test_a_line_is_refunded_wholly_or_in_part() -> None:
    line = builders.product(id=7)
    assert RefundLine.of(line) == RefundLine(id=7, amount="102.00")
    assert RefundLine.of(line, 40) == RefundLine(id=7, amount=40)
    assert RefundLine.of(PartialProduct(id=7), "40") == RefundLine(id=7, amount=40)
    assert violated(RefundLine.of, builders.product()) == ["id"]
    assert violated(RefundLine.of, PartialProduct(id=7)) == ["amount"]
    assert violated(RefundLine.of, line, "102.01") == ["amount"]
    assert violated(RefundLine.of, line, 1.5) == ["amount"]
    for nothing in ("-1", 0, "-0.00"):
        assert violated(RefundLine.of, line, nothing) == ["amount"]
        assert violated(RefundLine.of, PartialProduct(id=7), nothing) == ["amount"]
    for cost in (-10, 0):
        free = builders.product(id=7, rate=cost, quantity=1)
        assert violated(RefundLine.of, free) == violated(RefundLine.of, free, 1) == ["amount"]


@pytest.mark.parametrize("cls", BOTH)
def test_a_whole_order_is_refunded_by_its_lines(cls: Any) -> None:
    refund = cls.all(details("100.00", "0", "49.90"))
    assert refund.grand_total == Decimal("149.90")
    assert refund.lines == (RefundLine(id=1, amount=100), RefundLine(id=3, amount="49.90"))
    assert cls.rest(details(100, 50), report(0)) == cls.all(details(100, 50))
    assert cls.rest(details(100, 50), report(None, "PAID")) == cls.all(details(100, 50))


def test_what_kind_of_refund_it_is_can_be_said() -> None:
    assert Refund.all(details(10), type="invoiced").type is RefundType.INVOICED
    assert Refund.rest(details(10), report(1), type=RefundType.INVOICED).type == "invoiced"
    assert TerminalRefund.all(details(10), is_reversal=True).is_reversal
    assert Refund(grand_total=1, lines=[RefundLine(id=1, amount=1)]).type is RefundType.REGULAR
    body = build(operations.REFUND_ORDER, uuid="ODR1", value=Refund.all(details(10), type="invoiced")).body
    assert b'"type":"invoiced"' in (body or b"")


@pytest.mark.parametrize("cls", BOTH)
def test_the_rest_of_one_line_is_what_was_not_refunded(cls: Any) -> None:
    refund = cls.rest(details("100.00"), report("40.50"))
    assert (refund.grand_total, refund.lines) == (Decimal("59.50"), (RefundLine(id=1, amount="59.50"),))


@pytest.mark.parametrize("cls", BOTH)
def test_the_rest_of_several_lines_is_known_by_whole_lines(cls: Any) -> None:
    left = cls.rest(details(100, 50, 30), report(50))
    assert left.lines == (RefundLine(id=1, amount=100), RefundLine(id=3, amount=30))
    # Either line of 50.
    assert violated(cls.rest, details(50, 50), report(50)) == ["refundedAmount"]
    assert violated(cls.rest, details(100, 50), report(20)) == ["refundedAmount"]
    assert violated(cls.rest, details(*range(1, 40)), report(1)) == ["refundedAmount"]


@pytest.mark.parametrize("cls", BOTH)
def test_a_refund_that_cannot_be_known_is_refused(cls: Any) -> None:
    assert violated(cls.rest, details(100), report(100)) == ["refundedAmount"]
    assert violated(cls.rest, details(100), report(None)) == ["refundedAmount"]
    assert violated(cls.rest, details(100, uuid="ODR2"), report(10)) == ["orderUuid"]
    assert violated(cls.all, details()) == ["products"]
    assert violated(cls.all, details(100, -10)) == ["products.1.amount"]
    lines = (builders.product(), PartialProduct(id=1))
    incomplete = OrderDetails(order_uuid="ODR1", status=OrderStatus.PAID, products=lines)
    assert violated(cls.all, incomplete) == ["products.0.id", "products.1.amount"]


@given(st.lists(strategies.money.filter(bool), min_size=1, max_size=5), st.data())
def test_the_rest_and_what_was_refunded_are_the_whole(amounts: list[Decimal], data: st.DataObject) -> None:
    refunded = data.draw(st.sampled_from([Decimal(0), *amounts]))
    try:
        refund = Refund.rest(details(*amounts), report(refunded))
    except InvalidOrderError:
        return
    assert refund.grand_total + refunded == sum(amounts)
    assert build(operations.REFUND_ORDER, uuid="ODR1", value=refund).body


def test_the_type_of_an_order_is_open() -> None:
    assert OrderType("payment_link") is OrderType.PAYMENT_LINK
    assert OrderType("Invoice") == "Invoice"
    assert OrderType("Invoice") not in set(OrderType)
    with pytest.raises(ValueError, match="5"):
        OrderType(5)


@pytest.mark.parametrize("cls", [RefundLine, CaptureLine])
def test_the_id_of_a_line_may_be_text(cls: Any) -> None:
    """A form has it as text; on the wire it is the number that the API was seen to accept."""
    assert cls(id="7", amount=1).id == 7
    for odd in ("", "x", "7.5", " 7", "-7"):
        assert cls(id=odd, amount=1).id == odd
