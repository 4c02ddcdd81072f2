from __future__ import annotations

import copy
import decimal
import pickle
import sys
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from typing import Any

import attrs
import pytest

import frontpay_async
from frontpay_async import (
    CustomerType,
    InvalidOrderError,
    InvoiceInterval,
    Language,
    OrderSummary,
    Product,
    RefundLine,
    SendOrderBy,
)
from tests.support import builders

ORDERS = [
    builders.payment_link,
    builders.invoice,
    builders.efaktura,
    builders.ehf,
    builders.terminal_order,
]
PUBLIC = [getattr(frontpay_async, name) for name in frontpay_async.__all__]
VALUES = [value for value in PUBLIC if isinstance(value, type) and attrs.has(value)]


@pytest.mark.parametrize("given", [Decimal("51.00"), "51.00", "+51.00"])
def test_numbers_keep_every_digit(given: Decimal | str) -> None:
    assert str(builders.product(rate=given).rate) == "51.00"


def test_whole_numbers_are_numbers() -> None:
    line = builders.product(quantity=3, rate=51, tax=25)
    assert (line.quantity, line.amount) == (Decimal(3), Decimal(153))


@pytest.mark.parametrize("name", ["quantity", "rate", "tax", "amount", "discount"])
def test_a_float_is_refused_with_the_reason(name: str) -> None:
    with pytest.raises(TypeError, match=r"a float cannot be money.*binary floats.*Decimal"):
        builders.product(**{name: 51.0})


@pytest.mark.parametrize("given", [True, None, b"51", [51], object()])
def test_what_is_no_number_is_refused(given: object) -> None:
    with pytest.raises(TypeError, match=f"a {type(given).__name__} cannot be money"):
        builders.product(rate=given)


@pytest.mark.parametrize(
    "given", ["", " 51", "51,00", "1e3", "0x10", "NaN", "1_000", "\u0665\u0661", "51.", "51\n"]
)
def test_text_that_is_no_plain_number_is_refused(given: str) -> None:
    with pytest.raises(ValueError, match="is not a plain number"):
        builders.product(rate=given)


@pytest.mark.parametrize("given", [Decimal("NaN"), Decimal("Infinity"), Decimal("-Infinity")])
def test_numbers_are_finite(given: Decimal) -> None:
    with pytest.raises(ValueError, match="finite"):
        builders.product(amount=given)


@pytest.mark.parametrize("given", [Decimal("1E+30"), 10**30, Decimal("1E-31"), "9" * 31])
def test_absurdly_long_numbers_are_refused(given: Decimal | int | str) -> None:
    with pytest.raises(ValueError, match="at most 30 digits"):
        builders.product(rate=given)


@pytest.mark.parametrize("given", [Decimal("1E+29"), 10**29, Decimal("1E-30")])
def test_thirty_digits_on_each_side_are_fine(given: Decimal | int) -> None:
    assert builders.product(rate=given).rate == given


def test_decimals_of_a_subclass_are_decimals() -> None:
    class Money(Decimal):
        pass

    assert type(builders.product(rate=Money("51.00")).rate) is Decimal


def test_the_amount_follows_from_rate_quantity_and_discount() -> None:
    assert builders.product(rate="10.10", quantity="3", discount="0.30").amount == Decimal("30.00")


@pytest.mark.parametrize(
    ("quantity", "rate", "amount"),
    [
        ("0.335", "149.90", "50.22"),
        ("0.5", "0.01", "0.01"),
        ("0.4999", "0.01", "0.00"),
        ("-0.335", "149.90", "-50.22"),
        ("3", "33.333", "100.00"),
        ("1.500", "2", "3.00"),
        ("2", "51", "102"),
        ("2", "51.00", "102.00"),
    ],
)
def test_an_amount_is_in_whole_ore_half_up(quantity: str, rate: str, amount: str) -> None:
    assert str(builders.product(rate=rate, quantity=quantity).amount) == amount


def test_lines_add_up_to_the_total() -> None:
    """Six lines of 0.335 kg at 149.90 are 301.32, in the lines as in the total."""
    lines = [builders.product(quantity="0.335", rate="149.90", tax=15) for _ in range(6)]
    assert sum(line.amount for line in lines) == OrderSummary.of(lines).grand_total == Decimal("301.32")


def copies(line: Product, **changes: Any) -> list[Product]:
    """The line with changes, by each way to make a copy."""
    made = [attrs.evolve(line, **changes), attrs.evolve(copy.deepcopy(line), **changes)]
    made.append(attrs.evolve(pickle.loads(pickle.dumps(line)), **changes))  # noqa: S301 - our own
    if sys.version_info >= (3, 13):
        made.append(copy.replace(line, **changes))
    return made


def test_a_derived_amount_follows_its_line() -> None:
    line = Product(name="x", quantity=1, rate=100, tax=25)
    assert line.amount == 100
    assert {each.amount for each in copies(line, quantity=3)} == {Decimal(300)}
    assert {each.amount for each in copies(line, rate="0.335", quantity="149.9")} == {Decimal("50.22")}
    assert {each.amount for each in copies(line, discount=10)} == {Decimal(90)}
    order = builders.invoice(products=[line], summary=OrderSummary.of([line]))
    again = attrs.evolve(order, products=[attrs.evolve(each, quantity=3) for each in order.products])
    assert again.products[0].amount == 300


def test_an_amount_that_was_given_stays_in_copies() -> None:
    line = Product(name="x", quantity=1, rate=100, tax=25, amount="99.50")
    assert {each.amount for each in copies(line, quantity=3)} == {Decimal("99.50")}
    assert {each.amount for each in copies(line, amount=None)} == {Decimal(100)}
    derived = Product(name="x", quantity=1, rate=100, tax=25)
    pinned = attrs.evolve(derived, amount=derived.amount)
    assert attrs.evolve(pinned, quantity=3).amount == 100


def test_a_given_amount_equals_a_derived_one() -> None:
    """A journal keeps only the value."""
    derived, given = builders.product(), builders.product(amount=102)
    assert derived == given
    assert hash(derived) == hash(given)
    assert derived != builders.product(amount=103)
    assert derived != object()
    assert repr(derived).startswith("Product(name='Hårvask', quantity=Decimal('2')")
    assert "amount=Decimal('102.00')" in repr(derived)


@pytest.mark.parametrize("build", ORDERS)
def test_values_can_be_copied_deeply(build: builders.Builder) -> None:
    value = build()
    assert copy.deepcopy(value) == value


def test_an_amount_that_is_given_stands() -> None:
    assert builders.product(rate="10", quantity=3, amount="29.99").amount == Decimal("29.99")


def test_money_does_not_depend_on_the_callers_decimal_context() -> None:
    with decimal.localcontext(prec=2, rounding=decimal.ROUND_DOWN):
        line = builders.product(rate="1234.56", quantity=3)
        summary = OrderSummary.of([line])
    assert (line.amount, summary.grand_total) == (Decimal("3703.68"), Decimal("3703.68"))
    assert summary.sub_total - summary.total_discount + summary.total_tax == summary.grand_total


def test_the_widest_product_is_exact_to_the_ore() -> None:
    line = builders.product(rate="9" * 30 + "." + "9" * 30, quantity="9" * 30 + "." + "9" * 30)
    assert str(line.amount) == "9" * 59 + "8.00"
    with pytest.raises(ValueError, match="at most 30 digits"):
        OrderSummary.of([line])


@pytest.mark.parametrize(
    ("amount", "tax", "sub_total", "total_tax"),
    [
        ("4500", "12", "4017.86", "482.14"),
        ("100", "25", "80.00", "20.00"),
        ("51", "0", "51.00", "0.00"),
        ("0.01", "25", "0.01", "0.00"),
        ("-100", "25", "-80.00", "-20.00"),
        ("0.015", "0", "0.02", "0.00"),
        ("0.03", "100", "0.02", "0.01"),
    ],
)
def test_a_summary_splits_each_amount_half_up(amount: str, tax: str, sub_total: str, total_tax: str) -> None:
    summary = OrderSummary.of([builders.product(amount=amount, tax=tax)])
    assert (str(summary.sub_total), str(summary.total_tax)) == (sub_total, total_tax)


def test_a_summary_adds_lines_of_different_tax() -> None:
    lines = [
        builders.product(quantity=1, rate="115", tax=15, discount="0"),
        builders.product(quantity=1, rate="130", tax=25, discount="5"),
    ]
    assert OrderSummary.of(lines) == OrderSummary(
        sub_total="205.00", total_tax="40.00", total_discount="5.00", grand_total="240.00"
    )


def test_a_summary_rounds_discounts_to_the_ore() -> None:
    summary = OrderSummary.of([builders.product(discount="0.005"), builders.product(discount="0.005")])
    assert str(summary.total_discount) == "0.01"


def test_a_summary_of_nothing_is_zero() -> None:
    assert str(OrderSummary.of([]).grand_total) == "0.00"


def test_a_tax_may_be_anything_above_minus_a_hundred_percent() -> None:
    summary = OrderSummary.of([builders.product(amount="1", tax="-99.5")])
    assert (summary.sub_total, summary.total_tax) == (Decimal(200), Decimal(-199))


@pytest.mark.parametrize("tax", ["-100", "-250"])
def test_no_amount_can_include_a_tax_of_minus_a_hundred_percent(tax: str) -> None:
    with pytest.raises(ValueError, match="no amount can include"):
        OrderSummary.of([builders.product(tax=tax)])


@pytest.mark.parametrize("build", ORDERS)
def test_products_are_frozen_into_a_tuple(build: builders.Builder) -> None:
    lines = [builders.product()]
    order = build(products=lines)
    lines.clear()
    assert order.products == (builders.product(),)


@pytest.mark.parametrize("build", ORDERS)
@pytest.mark.parametrize("name", ["products", "summary", "customer"])
def test_orders_refuse_parts_of_another_class_without_showing_them(
    build: builders.Builder, name: str
) -> None:
    part = {"name": builders.NAME}
    fields = {"summary": OrderSummary.of([]), name: [part] if name == "products" else part}
    with pytest.raises(TypeError, match=r"not a? ?dict") as caught:
        build(**fields)
    assert builders.NAME not in repr(caught.value)


@pytest.mark.parametrize(
    ("build", "name"),
    [
        (builders.customer, "address"),
        (builders.payment_link, "send_order_by"),
        (builders.terminal_order, "send_order_by"),
        (builders.terminal_order, "invoice_references"),
    ],
)
def test_nested_parts_of_another_class_are_refused(build: builders.Builder, name: str) -> None:
    with pytest.raises(TypeError, match=rf"^{name} must be .*, not str$"):
        build(**{name: "sms"})


@pytest.mark.parametrize(("build", "name"), [(builders.payment_link, "send_order_by")])
def test_optional_parts_may_be_none(build: builders.Builder, name: str) -> None:
    assert getattr(build(**{name: None}), name) is None


@pytest.mark.parametrize("build", [builders.refund, builders.terminal_refund])
def test_refund_lines_are_refund_lines(build: builders.Builder) -> None:
    assert build(lines=[RefundLine(id=1, amount=2)]).lines == (RefundLine(id=1, amount=Decimal(2)),)
    with pytest.raises(TypeError, match="must be a RefundLine, not a dict"):
        build(lines=[{"id": 1, "amount": 2}])


@pytest.mark.parametrize("build", ORDERS)
def test_a_naive_datetime_is_refused(build: builders.Builder) -> None:
    with pytest.raises(
        InvalidOrderError, match="orderDate must be a date or a datetime with a zone"
    ) as caught:
        build(order_date=datetime(2035, 6, 15, 10, 30))  # noqa: DTZ001 - what is refused
    assert [violation.path for violation in caught.value.violations] == ["orderDate"]


@pytest.mark.parametrize("given", ["2035-06-15", 2065516200, None])
def test_a_date_is_a_date(given: object) -> None:
    with pytest.raises(TypeError, match="order_date must be a date or a zone-aware datetime"):
        builders.invoice(order_date=given)


@pytest.mark.parametrize(
    "given",
    [
        date(2035, 6, 15),
        datetime(2035, 6, 15, tzinfo=UTC),
        datetime(2035, 6, 15, tzinfo=timezone(timedelta(hours=2))),
    ],
)
def test_days_and_moments_are_dates(given: date) -> None:
    assert builders.invoice(order_date=given).order_date is given


@pytest.mark.parametrize("cls", VALUES, ids=lambda cls: cls.__name__)
def test_values_are_frozen_and_keyword_only(cls: type[attrs.AttrsInstance]) -> None:
    with_few_fields = {"Clock", "Timeouts", "Violation"}
    with pytest.raises(attrs.exceptions.FrozenInstanceError):
        cls.__new__(cls).any_name = 1  # type: ignore[attr-defined]
    assert cls.__name__ in with_few_fields or all(each.kw_only for each in attrs.fields(cls))


def test_choices_stand_for_what_the_api_takes() -> None:
    assert {kind.__name__: [member.value for member in kind] for kind in (InvoiceInterval, Language)} == {
        "InvoiceInterval": [0, 1, 2],
        "Language": ["en", "no", "sv", "da", "de"],
    }
    assert (InvoiceInterval.DAILY, InvoiceInterval.ONCE_A_MONTH, InvoiceInterval.TWICE_A_MONTH) == (0, 1, 2)
    assert (CustomerType.PRIVATE, CustomerType.CORPORATE) == ("private", "corporate")


def test_values_with_the_same_fields_are_equal() -> None:
    assert builders.terminal_order() == builders.terminal_order()
    assert builders.terminal_order() != builders.terminal_order(
        send_order_by=SendOrderBy(sms=True, email=True)
    )
    assert len({builders.product(), builders.product(), Product(name="x", quantity=1, rate=1, tax=0)}) == 2


@pytest.mark.parametrize("build", [*ORDERS, builders.refund, builders.terminal_refund])
def test_values_can_be_handed_to_another_process(build: builders.Builder) -> None:
    value = build()
    assert pickle.loads(pickle.dumps(value)) == value  # noqa: S301 - our own


@pytest.mark.parametrize("word", ["Private", "PRIVATE", " private "])
def test_a_customers_type_is_read_in_any_case(word: str) -> None:
    """Customer details of the API have ``Private``."""
    customer = builders.customer(type=word, preferred_language="NO")
    assert customer.type is CustomerType.PRIVATE
    assert customer.preferred_language is Language.NORWEGIAN
    assert builders.customer(type="company", preferred_language="nb").type == "company"


@pytest.mark.parametrize("make", [builders.invoice, builders.efaktura, builders.ehf])
def test_whole_numbers_may_be_text(make: builders.Builder) -> None:
    order = make(invoice_interval="1", invoice_maturity="14")
    assert (order.invoice_interval, order.invoice_maturity) == (1, 14)
    assert make(invoice_interval="daily").invoice_interval == "daily"


@pytest.mark.parametrize(
    "value",
    [
        builders.invoice(),
        builders.invoice().customer,
        builders.invoice().summary,
        builders.terminal_order(),
        builders.refund(),
        frontpay_async.CreatedOrder(order_uuid="ODR1", unknown_fields={"note": "secret"}),
        frontpay_async.OrderMatches(),
    ],
    ids=lambda value: type(value).__name__,
)
def test_values_compare_and_show_themselves_as_attrs_would_have_them(value: Any) -> None:
    """They share the methods, which attrs would compile for each class."""
    cls = type(value)
    names = {each.name: each.alias for each in attrs.fields(cls)}
    generated: Any = attrs.make_class(cls.__name__, {}, bases=(cls,), frozen=True, repr=True, eq=True)
    arguments = {alias: getattr(value, name) for name, alias in names.items()}
    twin = generated(**arguments)
    assert repr(value) == repr(twin)
    assert value != twin
    same = cls(**arguments)
    assert value == same
    assert hash(value) == hash(same)
    for name, alias in names.items():
        other = {**arguments, alias: object.__new__(object)}
        changed, changed_twin = (_with(each, name, other[alias]) for each in (value, twin))
        assert (changed == value) is (changed_twin == twin)
        assert (hash(changed) == hash(value)) is (hash(changed_twin) == hash(twin))


def _with(value: Any, name: str, given: object) -> Any:
    """A copy with something in a field that the constructor might refuse."""
    copied = copy.copy(value)
    object.__setattr__(copied, name, given)
    return copied
