"""Hypothesis strategies for valid orders and for what stands on the wire."""

from __future__ import annotations

from datetime import UTC, date, datetime
from decimal import Context, Decimal
from functools import reduce
from typing import Any

import attrs
from hypothesis import strategies as st

from frontpay_async import (
    Address,
    Customer,
    CustomerType,
    EFakturaOrder,
    EhfOrder,
    InvoiceOrder,
    InvoiceReferences,
    Language,
    OrderSummary,
    PaymentLinkOrder,
    Product,
    Refund,
    RefundLine,
    SendOrderBy,
    TerminalOrder,
    TerminalRefund,
)
from frontpay_async._protocol.rules import COUNTRY_CODES

__all__ = ["json_values", "money", "numbers", "orders", "products", "refunds", "texts", "wire_numbers"]

texts = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=20).filter(
    lambda text: not text.isspace()
)
_references = st.none() | texts
_ids = st.none() | st.from_regex(r"\ACSRT[0-9]{10}\Z")
_booleans = st.booleans()


def _decimal(sign: int, digits: int, exponent: int) -> Decimal:
    return Decimal((sign, tuple(map(int, str(digits))), exponent))


# Any Decimal that a value takes: at most 30 digits on each side of the point, in any notation.
numbers = st.builds(
    _decimal, st.integers(0, 1), st.integers(0, 10**12), st.integers(-12, 12)
) | st.sampled_from([Decimal("0E+3"), Decimal("-0"), Decimal("-0.00"), Decimal("9" * 30 + "." + "9" * 30)])
money = st.decimals(min_value=0, max_value=10**9, places=2)
# A rate below 1 % counts as a fraction by mistake.
_rates = st.decimals(min_value=1, max_value=100, places=2) | st.sampled_from([0, 12, 15, 25])
_EXACT = Context(prec=200)

products = st.builds(
    Product,
    name=texts,
    quantity=st.decimals(min_value=0, max_value=10_000, places=3),
    rate=st.decimals(min_value=-(10**6), max_value=10**6, places=4),
    tax=_rates,
    discount=money | st.just(0),
    product_id=_references,
)
_addresses = st.builds(
    Address, street=texts, zip=texts, city=texts, country=st.sampled_from(sorted(COUNTRY_CODES))
)
_emails = st.from_regex(r"[a-z0-9.+'-]{1,12}@[a-z0-9-]{1,12}\.no", fullmatch=True)
_digits = st.from_regex(r"[0-9]{1,12}", fullmatch=True)
_eleven_digits = st.from_regex(r"[0-9]{11}", fullmatch=True)
_urls = st.from_regex(
    r"https?://[a-z0-9]{1,12}\.no(:8[0-9]{3})?(/[a-z0-9/]{0,9})?(\?[a-z]=[a-z0-9%]{0,9})?", fullmatch=True
)
# Whole seconds: the wire has no others.
_moments = st.integers(0, 4_000_000_000).map(lambda seconds: datetime.fromtimestamp(seconds, UTC))
_days = st.dates(min_value=date(1970, 1, 1), max_value=date(9999, 12, 31))
_reached = {
    "name": texts,
    "address": _addresses,
    "country_code": texts,
    "msisdn": texts,
    "email": _emails,
    "preferred_language": st.none() | st.sampled_from(Language),
}
_private = {"type": st.just(CustomerType.PRIVATE), "personal_number": st.none() | _eleven_digits}
_corporate = {"type": st.just(CustomerType.CORPORATE), "organization_id": _digits}


def _customers(*, either: bool = False, **fields: Any) -> st.SearchStrategy[Customer]:
    if not either:
        return st.builds(Customer, **_reached, **fields)
    return st.builds(Customer, **_reached, **_private, **fields) | st.builds(
        Customer, **_reached, **_corporate, **fields
    )


_content = {
    "products": st.lists(products, min_size=1, max_size=4).map(tuple),
    "summary": st.just(OrderSummary.of([])),
}


def _with_totals(order: Any) -> Any:
    """The order with totals that fit its lines, as those that go out have."""
    total = OrderSummary.of(order.products).grand_total
    # A credit is a line of an order that still has something to pay.
    rest = [Product(name="Rest", quantity=1, rate=total.copy_abs(), tax=0)] if total < 0 else []
    products = [*order.products, *rest]
    return attrs.evolve(order, products=products, summary=OrderSummary.of(products))


_terms = {
    "invoice_interval": st.none() | st.integers(0, 2),
    "invoice_fee_applicable": _booleans,
    "separate_invoices": st.none() | _booleans,
    "reference_no": _references,
    "customer_reference": _references,
}
_payment_links = st.builds(
    PaymentLinkOrder,
    **_content,
    order_date=_moments,
    customer=_customers(either=True, first_name=_references),
    invoice_as_payment_option=_booleans,
    send_order_by=st.builds(SendOrderBy, sms=_booleans, email=_booleans),
    reference_no=_references,
    customer_reference=_references,
    secure_details=st.none() | _booleans,
    callback_url=st.none() | _urls,
)
_invoices = st.builds(
    InvoiceOrder,
    **_content,
    **_terms,
    order_date=_moments,
    customer=_customers(**_private, first_name=_references),
    invoice_maturity=st.sampled_from([None, 10]),
    callback_url=st.none() | _urls,
)
_efakturas = st.builds(
    EFakturaOrder,
    **_content,
    **_terms,
    order_date=_moments,
    customer=_customers(personal_number=_eleven_digits),
    invoice_maturity=st.sampled_from([None, 10]),
    callback_url=_urls,
)
_ehfs = st.builds(
    EhfOrder,
    **_content,
    **_terms,
    order_date=_moments,
    customer=_customers(organization_id=_digits),
    invoice_maturity=st.sampled_from([None, 14, 30, 45]),
    callback_url=_urls,
)
_terminal_orders = st.builds(
    TerminalOrder,
    **_content,
    order_date=_days,
    customer=_customers(either=True, customer_uuid=_ids),
    terminal_uuid=texts,
    receipt_print=_booleans,
    send_order_by=st.sampled_from([SendOrderBy(sms=True, email=False), SendOrderBy(sms=False, email=True)]),
    invoice_references=st.builds(
        InvoiceReferences,
        reference_no=texts,
        customer_reference=_references,
        customer_notes=_references,
        tnc=_references,
    ),
    callback_url=st.none() | _urls,
)
orders = (_payment_links | _invoices | _efakturas | _ehfs | _terminal_orders).map(_with_totals)

_lines = st.lists(
    st.builds(RefundLine, id=st.integers(0, 10**9), amount=numbers.map(Decimal.copy_abs)),
    min_size=1,
    max_size=4,
).map(tuple)


def _sum_of(lines: tuple[RefundLine, ...]) -> Decimal:
    return _EXACT.create_decimal(reduce(_EXACT.add, (line.amount for line in lines)))


_refunded = _lines.filter(lambda lines: _sum_of(lines) >= Decimal("0.01") and _sum_of(lines).adjusted() < 30)
refunds = st.builds(
    lambda lines, kind: Refund(grand_total=_sum_of(lines), lines=lines, type=kind),
    _refunded,
    st.sampled_from(["regular", "invoiced"]),
) | st.builds(
    lambda lines, is_reversal: TerminalRefund(
        grand_total=_sum_of(lines), lines=lines, is_reversal=is_reversal
    ),
    _refunded,
    _booleans,
)


def wire_numbers(number: Decimal) -> st.SearchStrategy[Any]:
    """The forms in which the API may write a number: a JSON number, or text."""
    plain = format(number, "f")
    forms: list[Any] = [number, plain]
    return st.sampled_from([*forms, int(number)] if number == number.to_integral_value() else forms)


json_values: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
