from __future__ import annotations

import decimal
from decimal import Decimal

from hypothesis import given, strategies as st

from frontpay_async import OrderSummary, Product, Refund, RefundLine
from frontpay_async._protocol import operations
from frontpay_async._protocol.build import build
from tests.support import strategies

ORE = Decimal("0.01")
CONTEXTS = st.builds(
    decimal.Context,
    prec=st.integers(1, 40),
    rounding=st.sampled_from([decimal.ROUND_DOWN, decimal.ROUND_UP, decimal.ROUND_HALF_EVEN]),
    Emin=st.just(-3),
    Emax=st.just(3),
    traps=st.just([decimal.Inexact, decimal.Rounded, decimal.Clamped, decimal.Overflow]),
)
EXACT = decimal.Context(prec=200)


@given(st.lists(strategies.products, max_size=6))
def test_a_summary_adds_up_to_the_ore(products: list[Product]) -> None:
    summary = OrderSummary.of(products)
    totals = (summary.sub_total, summary.total_tax, summary.total_discount, summary.grand_total)
    assert summary.sub_total - summary.total_discount + summary.total_tax == summary.grand_total
    assert [total.as_tuple().exponent for total in totals] == [-2] * 4


@given(strategies.products)
def test_a_lines_tax_is_its_rates_share_to_the_ore(product: Product) -> None:
    """The net amount is the exact one, to the nearest øre."""
    summary = OrderSummary.of([product])
    amount = product.amount.quantize(ORE, decimal.ROUND_HALF_UP, EXACT)
    exact_net = amount * 100 / (100 + product.tax)
    assert summary.grand_total == amount
    assert abs(summary.sub_total - summary.total_discount - exact_net) <= ORE / 2
    if product.tax == 0:
        assert summary.total_tax == 0


@given(st.lists(strategies.products, max_size=4))
def test_the_order_of_the_lines_does_not_matter(products: list[Product]) -> None:
    assert OrderSummary.of(products) == OrderSummary.of(products[::-1])


@given(strategies.products)
def test_an_amount_is_the_exact_one_in_whole_ore(product: Product) -> None:
    exact = EXACT.subtract(EXACT.multiply(product.rate, product.quantity), product.discount)
    assert product.amount == exact.quantize(ORE, decimal.ROUND_HALF_UP, EXACT)


@given(st.lists(strategies.products, max_size=6))
def test_lines_add_up_to_the_total(products: list[Product]) -> None:
    assert OrderSummary.of(products).grand_total == sum((line.amount for line in products), Decimal(0))


@given(products=st.lists(strategies.products, min_size=1, max_size=3), context=CONTEXTS)
def test_no_sum_depends_on_the_callers_decimal_context(
    products: list[Product], context: decimal.Context
) -> None:
    expected = OrderSummary.of(products)
    with decimal.localcontext(context):
        again = [
            Product(
                name=each.name,
                quantity=each.quantity,
                rate=each.rate,
                tax=each.tax,
                discount=each.discount,
                product_id=each.product_id,
            )
            for each in products
        ]
        summary = OrderSummary.of(again)
    assert (again, summary) == (products, expected)


@given(number=strategies.numbers, context=CONTEXTS)
def test_no_digit_on_the_wire_depends_on_the_callers_decimal_context(
    number: Decimal, context: decimal.Context
) -> None:
    expected = _body(number)
    with decimal.localcontext(context):
        assert _body(number) == expected


def _body(number: Decimal) -> bytes | None:
    refund = Refund(grand_total=number, lines=[RefundLine(id=1, amount=number)])
    return build(operations.REFUND_ORDER, uuid="ODR7", value=refund, strict_totals=False).body


@given(st.floats())
def test_no_float_gets_in(number: float) -> None:
    refused = []
    for field in ("quantity", "rate", "tax", "amount", "discount"):
        try:
            Product(**{"name": "x", "quantity": 1, "rate": 1, "tax": 0, field: number})
        except TypeError:
            refused.append(field)
    assert len(refused) == 5
