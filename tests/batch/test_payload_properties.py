"""An order in the journal: written, read, and known again by its fingerprint."""

from __future__ import annotations

from datetime import date, timedelta, timezone
from decimal import Decimal, localcontext
from typing import Any

import attrs
import pytest
from attrs import evolve
from hypothesis import given, settings, strategies as st

from frontpay_async import InvoiceOrder, TerminalOrder
from frontpay_async._protocol.build import build
from frontpay_async._protocol.operations import kind_of_order
from frontpay_async.batch.payload import SALT_BYTES, fingerprint, read, write
from tests.support import more_builders as more, strategies
from tests.support.builders import (
    PERSONAL_NUMBER,
    customer,
    efaktura,
    ehf,
    invoice,
    payment_link,
    product,
    terminal_order,
)

batch_orders = strategies.orders.filter(lambda order: not isinstance(order, TerminalOrder))
SALT = bytes(SALT_BYTES)


def written(order: Any) -> bytes:
    return write(order)


def print_of(order: Any, salt: bytes = SALT) -> bytes:
    return fingerprint(salt, kind_of_order(order).operation.name, written(order))


@given(batch_orders)
def test_what_is_read_is_what_was_written(order: Any) -> None:
    assert read(kind_of_order(order).operation.name, written(order)) == order


@given(batch_orders)
def test_it_is_sent_as_the_same_request(order: Any) -> None:
    operation = kind_of_order(order).operation
    again = build(operation, value=read(kind_of_order(order).operation.name, written(order)))
    first = build(operation, value=order)
    # The digits of a number may differ: 51 for 51.00.
    assert (again.path, again.method) == (first.path, first.method)
    assert print_of(read(kind_of_order(order).operation.name, written(order))) == print_of(order)


@settings(max_examples=40)
@given(batch_orders, st.integers(-12, 12))
def test_the_same_order_in_other_words_has_the_same_fingerprint(order: Any, hours: int) -> None:
    zone = timezone(timedelta(hours=hours))
    products = [evolve(each, rate=each.rate + Decimal("0.00"), amount=each.amount) for each in order.products]
    again = evolve(order, order_date=order.order_date.astimezone(zone), products=products)
    assert print_of(again) == print_of(order)


@settings(max_examples=40)
@given(batch_orders, batch_orders)
def test_other_orders_have_other_fingerprints(one: Any, other: Any) -> None:
    assert (print_of(one) == print_of(other)) is (type(one) is type(other) and one == other)


@pytest.mark.parametrize(
    "field", [field.name for field in attrs.fields(InvoiceOrder) if field.name not in {"products", "summary"}]
)
def test_every_field_counts(field: str) -> None:
    """Also those that the API does not show: a changed reference is another order."""
    other = {
        "order_date": date(2036, 1, 1),
        "customer": customer(name="Kari"),
        "invoice_interval": 1,
        "invoice_maturity": 14,
        "invoice_fee_applicable": False,
        "separate_invoices": True,
        "reference_no": "R-2",
        "customer_reference": "PO-2",
        "callback_url": "https://shop.example.no/other",
        "extra": {"dueDateForPaymentLink": "1790000000"},
    }
    assert print_of(evolve(invoice(), **{field: other[field]})) != print_of(invoice())


def test_the_kind_counts() -> None:
    assert len({print_of(order) for order in (invoice(), payment_link(), efaktura(), ehf())}) == 4


def test_the_salt_counts() -> None:
    assert print_of(invoice(), b"a" * SALT_BYTES) != print_of(invoice(), b"b" * SALT_BYTES)


def test_the_callers_decimal_context_does_not() -> None:
    expected = print_of(invoice(products=(product(rate="123456789.123456789"),)))
    with localcontext() as context:
        context.prec = 3
        # Rounded, this context would make other products of them.
        order = read("orders.send_invoice", written(invoice(products=(product(rate="123456789.123456789"),))))
        assert print_of(order) == expected


def test_what_a_subclass_adds_is_not_kept() -> None:
    @attrs.frozen(kw_only=True)
    class Ours(InvoiceOrder):
        note: str = "ours"

    fields = attrs.asdict(invoice(), recurse=False)
    assert print_of(Ours(**fields)) == print_of(invoice())
    assert read("orders.send_invoice", written(Ours(**fields))) == invoice()


def test_a_terminal_order_is_no_order_of_a_batch() -> None:
    with pytest.raises(TypeError, match="a batch does not send a TerminalOrder"):
        kind_of_order(terminal_order())


@pytest.mark.parametrize(
    ("order", "why"),
    [
        (more.capture(5401), "two of the same amount on one reservation cannot be distinguished"),
        (more.charge(), "two of the same amount"),
        (more.reservation(), "no operation lists reservations with their content"),
        (more.subscription(), "no source says that the list is complete"),
        (more.subscription_session(), "bill the customer twice in each cycle"),
        (more.checkout_session(), "a customer waits for its page"),
        (object(), "it is not an order"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_could_not_be_reconciled_is_refused_with_the_reason(order: object, why: str) -> None:
    with pytest.raises(TypeError, match=f"a batch does not send a {type(order).__name__}: .*{why}"):
        kind_of_order(order)


@pytest.mark.parametrize(
    "damaged",
    [b"", b"[]", b"{", b'{"products":[{"name":1}]}', written(invoice()).replace(b'"rate"', b'"price"')],
)
def test_a_damaged_order_is_told_without_its_content(damaged: bytes) -> None:
    with pytest.raises(ValueError, match="cannot be read") as caught:
        read("orders.send_invoice", damaged)
    assert caught.value.__context__ is None
    assert PERSONAL_NUMBER not in str(caught.value)
