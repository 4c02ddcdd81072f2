"""Money that contradicts itself is refused before it is sent, with a way out."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import assume, given, strategies as st

from frontpay_async import (
    ConfigurationError,
    FrontPayClient,
    InvalidOrderError,
    OrderSummary,
    Product,
    Refund,
    RefundLine,
    TerminalRefund,
)
from frontpay_async._protocol import operations
from frontpay_async._protocol.build import build
from frontpay_async._protocol.operations import OPERATIONS, Operation
from frontpay_async._protocol.operations.subscriptions import CycleRefund
from frontpay_async._protocol.request_bodies import refund_approval
from frontpay_async._protocol.rules import check_totals
from frontpay_async._protocol.totals import amount_total, refund_totals
from tests.support import builders, more_builders as more, strategies

ORDERS: list[tuple[Operation[Any], builders.Builder]] = [
    (operations.SEND_PAYMENT_LINK, builders.payment_link),
    (operations.SEND_INVOICE, builders.invoice),
    (operations.SEND_EFAKTURA, builders.efaktura),
    (operations.SEND_EHF_INVOICE, builders.ehf),
    (operations.CREATE_TERMINAL_ORDER, builders.terminal_order),
]
REFUNDS: list[tuple[Operation[Any], builders.Builder]] = [
    (operations.REFUND_ORDER, builders.refund),
    (operations.REFUND_TERMINAL_ORDER, builders.terminal_refund),
]
LINES = (builders.product(), builders.product(name="Voks", quantity=1, rate="230", tax=15, discount="30"))
SUMMARY = OrderSummary.of(LINES)
TOTALS = ("sub_total", "total_tax", "total_discount", "grand_total")


def violations(operation: Operation[Any], value: object, *, strict: bool = True) -> dict[str, str]:
    uuid = "ODR1" if "{" in operation.path else None
    try:
        build(operation, uuid=uuid, value=value, strict_totals=strict)
    except InvalidOrderError as error:
        return {each.path: each.message for each in error.violations}
    return {}


def of_summary(summary: OrderSummary, lines: Any = LINES) -> dict[str, str]:
    return violations(operations.SEND_INVOICE, builders.invoice(products=lines, summary=summary))


@pytest.mark.parametrize(("operation", "make"), REFUNDS)
def test_a_refunds_total_is_the_sum_of_its_lines(operation: Operation[Any], make: builders.Builder) -> None:
    refund = make(grand_total=400, lines=[RefundLine(id=1, amount=40)])
    (message,) = violations(operation, refund).values()
    assert message.startswith("must be the sum of the lines, 40.00")
    assert "strict_totals=False" in message
    assert violations(operation, refund, strict=False) == {}
    lines = [RefundLine(id=1, amount="39.99"), RefundLine(id=2, amount="0.01")]
    assert violations(operation, make(grand_total=40, lines=lines)) == {}
    assert violations(operation, make(grand_total="40.01", lines=lines)).keys() == {"grandTotal"}


@pytest.mark.parametrize(("total", "which"), [(4000, "this one"), ("0.40", "that")])
def test_a_refund_in_ore_is_told_as_such(total: Any, which: str) -> None:
    refund = Refund(grand_total=total, lines=[RefundLine(id=1, amount=40)])
    assert f"{which} seems to be in øre" in violations(operations.REFUND_ORDER, refund)["grandTotal"]


@pytest.mark.parametrize(("operation", "make"), ORDERS)
@pytest.mark.parametrize("name", TOTALS)
def test_each_total_fits_the_lines_of_each_order(
    operation: Operation[Any], make: builders.Builder, name: str
) -> None:
    wrong = attrs.evolve(SUMMARY, **{name: getattr(SUMMARY, name) + 7})
    order = make(products=LINES, summary=wrong)
    found = violations(operation, order)
    camel = {"sub_total": "subTotal", "total_tax": "totalTax", "total_discount": "totalDiscount"}
    assert f"orderSummary.{camel.get(name, 'grandTotal')}" in found
    assert all("strict_totals=False" in message for message in found.values())
    assert violations(operation, order, strict=False) == {}
    assert violations(operation, make(products=LINES, summary=SUMMARY)) == {}


@pytest.mark.parametrize("name", TOTALS)
@pytest.mark.parametrize("sign", [1, -1])
def test_an_ore_a_line_is_rounding(name: str, sign: int) -> None:
    for ore, is_refused in (("0.02", False), ("0.03", True)):
        total = getattr(SUMMARY, name) + sign * Decimal(ore)
        assert bool(of_summary(attrs.evolve(SUMMARY, **{name: total}))) is is_refused


def test_totals_in_ore_beside_lines_in_kroner_are_told_as_such() -> None:
    in_ore = OrderSummary(**{name: getattr(SUMMARY, name) * 100 for name in TOTALS})
    found = of_summary(in_ore)
    assert found.keys() == {"orderSummary.grandTotal", "orderSummary.totalTax", "orderSummary.totalDiscount"}
    assert all("this one seems to be in øre" in message for message in found.values())


def test_lines_in_ore_beside_totals_in_kroner_are_told_as_such() -> None:
    lines = [attrs.evolve(line, rate=line.rate * 100, discount=line.discount * 100) for line in LINES]
    found = of_summary(SUMMARY, lines)
    assert all("that seems to be in øre" in message for message in found.values())
    assert "orderSummary.grandTotal" in found


@pytest.mark.parametrize("amount", ["10200", "1.02"])
def test_an_amount_in_ore_beside_a_rate_in_kroner_is_refused(amount: str) -> None:
    lines = [builders.product(amount=amount)]
    found = of_summary(OrderSummary.of(lines), lines)
    assert found.keys() == {"products.0.amount"}
    assert "in øre" in found["products.0.amount"]


def test_an_amount_of_your_own_stands() -> None:
    """Rates that are rounded, or that a contract overrules, do not contradict the amount."""
    lines = [builders.product(rate="10", quantity=3, amount="29.99"), builders.product(amount=0)]
    assert of_summary(OrderSummary.of(lines), lines) == {}


@pytest.mark.parametrize("tax", ["0.25", "0.15", "0.5", "0.01", "0.99", "100.01", "1500", "2500"])
def test_a_tax_that_is_a_fraction_is_refused(tax: str) -> None:
    lines = [builders.product(), builders.product(tax=tax)]
    assert of_summary(OrderSummary.of(lines), lines).keys() == {"products.1.tax"}


@pytest.mark.parametrize("tax", ["0", "1", "6", "11.11", "12", "15", "25", "100", "-10"])
def test_other_rates_are_not_judged(tax: str) -> None:
    lines = [builders.product(tax=tax)]
    assert of_summary(OrderSummary.of(lines), lines) == {}


def test_a_discount_of_the_whole_order_may_be_within_the_amounts() -> None:
    lines = [builders.product(amount="92.00"), builders.product(amount="92.00")]
    summary = OrderSummary(sub_total="167.20", total_tax="36.80", total_discount=20, grand_total=184)
    assert of_summary(summary, lines) == {}


def test_a_sub_total_may_be_before_or_after_discount() -> None:
    """The reference has it before; a journal of an older version, and many systems, have it after."""
    after = attrs.evolve(SUMMARY, sub_total=SUMMARY.sub_total - SUMMARY.total_discount)
    assert of_summary(after) == {}


def test_terminal_orders_name_their_lines_by_key() -> None:
    lines = [builders.product(), builders.product(tax="0.25")]
    order = builders.terminal_order(products=lines)
    assert violations(operations.CREATE_TERMINAL_ORDER, order).keys() == {"products.1.tax"}


def test_a_line_that_cannot_be_read_is_not_compared() -> None:
    order = builders.invoice(summary=attrs.evolve(SUMMARY, grand_total=1), products=[])
    assert violations(operations.SEND_INVOICE, order).keys() == {"products"}


def test_contradictions_are_told_beside_broken_rules() -> None:
    order = builders.invoice(customer=builders.customer(email="ola"), products=[builders.product(tax="0.25")])
    found = violations(operations.SEND_INVOICE, order)
    assert found.keys() == {"customerDetails.email", "products.0.tax"}


RESERVED = more.reserved_product()


def of_reservation(**fields: Any) -> dict[str, str]:
    return violations(OPERATIONS["reservations.submit"], more.reservation(**fields))


def test_a_reservation_has_no_discount_to_explain_its_totals() -> None:
    summary = OrderSummary.of([RESERVED])
    assert of_reservation() == {}
    for name, path in (("sub_total", "subTotal"), ("total_tax", "totalTax"), ("grand_total", "grandTotal")):
        wrong = attrs.evolve(summary, **{name: getattr(summary, name) * 100})
        assert f"orderSummary.{path}" in of_reservation(summary=wrong)


@pytest.mark.parametrize("change", [{"amount": "10200"}, {"tax": "0.25"}])
def test_a_reserved_or_charged_line_fits_its_rate(change: dict[str, Any]) -> None:
    line = more.reserved_product(**change)
    (path,) = (f"products.0.{name}" for name in change)
    assert of_reservation(products=(line,)).keys() == {path}
    charge = more.charge(grand_total=line.amount, products=[line])
    assert violations(OPERATIONS["reservations.charge"], charge).keys() == {path}
    assert violations(OPERATIONS["reservations.charge"], more.charge()) == {}


@pytest.mark.parametrize(
    ("fields", "path"),
    [
        ({"payable_per_cycle": 10200}, "payablePerCycle"),
        ({"payable_per_cycle": 103}, "payablePerCycle"),
        ({"initial_cycle_amount": 10200}, "initialCycleAmount"),
        ({"payable_per_cycle": 34, "initial_cycle_amount": "0.34"}, "initialCycleAmount"),
        ({"payable_per_cycle": -34}, "payablePerCycle"),
        ({"payable_per_cycle": 34, "initial_cycle_amount": -1}, "initialCycleAmount"),
    ],
)
def test_a_cycle_fits_the_order(fields: dict[str, Any], path: str) -> None:
    for name, make in (("submit", more.subscription), ("create_session", more.subscription_session)):
        operation = OPERATIONS[f"subscriptions.{name}"]
        assert violations(operation, make(**fields)).keys() == {f"orderSummary.{path}"}
        assert violations(operation, make(**fields), strict=False) == {}
        assert violations(operation, make(payable_per_cycle=34, initial_cycle_amount=50)) == {}


@pytest.mark.parametrize("amount", [0, "0.001", "-0.01", -100])
def test_what_moves_money_moves_some(amount: Any) -> None:
    """Refunds, captures and charges of nothing, or of less."""
    lines = [RefundLine(id=1, amount=amount)]
    moves: dict[str, object] = {
        "orders.refund": Refund(grand_total=amount, lines=lines),
        "orders.request_refund_approval": refund_approval(
            Refund(grand_total=amount, lines=lines), "refundRejectionForWeeklyThresholdExceed"
        ),
        "terminals.refund": TerminalRefund(grand_total=amount, lines=lines),
        "reservations.capture": more.capture(1, amount),
        "reservations.charge": more.charge(amount),
        "reservations.refund": more.reservation_refund(1, amount),
        "subscriptions.refund_cycles": CycleRefund(["Cycle 1"], amount),
    }
    assert moves.keys() == {
        row.name
        for row in OPERATIONS.values()
        if row.rules and {refund_totals, amount_total} & {*row.rules.totals}
    }
    for name, value in moves.items():
        path = "amount" if name == "subscriptions.refund_cycles" else "grandTotal"
        assert path in violations(OPERATIONS[name], value)
        assert violations(OPERATIONS[name], value, strict=False) == {}


def test_no_line_of_a_refund_or_capture_is_negative() -> None:
    """Money: -40 beside 80 would take 40 from the customer; a charge, however, may contain a credit."""
    lines = [RefundLine(id=1, amount=-40), RefundLine(id=2, amount=80)]
    for operation, make in REFUNDS:
        found = violations(operation, make(grand_total=40, lines=lines))
        assert found == {"products.0.amount": "must be 0 or more (strict_totals=False turns this check off)"}
    charged = [more.reserved_product(), more.reserved_product(rate="-2", amount="-2")]
    charge = more.charge(grand_total=charged[0].amount - 2, products=charged)
    assert violations(OPERATIONS["reservations.charge"], charge) == {}


CREDIT = builders.product(name="Kreditt", quantity=-1, rate="500")
BELOW_ZERO = "must be 0 or more: refund the order that is credited"


@pytest.mark.parametrize(("operation", "make"), ORDERS)
def test_a_total_below_zero_is_refused(operation: Operation[Any], make: builders.Builder) -> None:
    """A credit line is fine; an order of which the merchant would owe the total is not."""
    order = make(products=[*LINES, CREDIT])
    (message,) = violations(operation, order).values()
    assert message.startswith(BELOW_ZERO)
    assert "strict_totals=False" in message
    assert violations(operation, order, strict=False) == {}
    fine = [builders.product(quantity=20), CREDIT]
    assert violations(operation, make(products=fine)) == {}
    assert violations(operation, make(products=[builders.product(discount=102)])) == {}


def test_each_operation_with_a_total_refuses_one_below_zero() -> None:
    checked = 0
    for row in OPERATIONS.values():
        if row.rules and any(field.name == "orderSummary" for field in row.rules.fields):
            found = check_totals(row.rules, {"orderSummary": {"grandTotal": "-1", "shippingCost": "5"}})
            assert [each.path for each in found] == ["orderSummary.grandTotal"]
            checked += 1
    assert checked >= len(ORDERS)


def test_every_operation_with_amounts_is_cross_checked() -> None:
    amounts = ("orderSummary", "grandTotal", "amount")
    names = [
        row.name
        for row in OPERATIONS.values()
        if row.rules and any(field.name in amounts for field in row.rules.fields)
    ]
    assert names
    assert all((rules := OPERATIONS[name].rules) and rules.totals for name in names)


@given(st.lists(strategies.products, min_size=1, max_size=5))
def test_what_is_computed_never_contradicts_itself(products: list[Product]) -> None:
    fine = [line for line in products if not 0 < line.tax < 1]
    if fine and OrderSummary.of(fine).grand_total >= 0:
        assert of_summary(OrderSummary.of(fine), fine) == {}


@given(st.lists(st.builds(RefundLine, id=st.integers(1, 9), amount=strategies.money), min_size=1, max_size=5))
def test_a_refund_of_its_lines_never_contradicts_itself(lines: list[RefundLine]) -> None:
    total = sum((line.amount for line in lines), Decimal(0))
    assume(total > 0)
    refund = TerminalRefund(grand_total=total, lines=lines)
    assert violations(operations.REFUND_TERMINAL_ORDER, refund) == {}


@pytest.mark.parametrize("setting", ["no", 0, None])
def test_the_setting_is_true_or_false(setting: Any) -> None:
    with pytest.raises(ConfigurationError, match="strict_totals must be True or False"):
        FrontPayClient("t0ken", environment="demo", strict_totals=setting)
