"""Values of numpy and pandas as arguments: converted where a builtin equals them, else refused by name."""

from __future__ import annotations

import enum
import pickle
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import attrs
import pytest

from frontpay_async import InvalidOrderError, OrderSummary, Outcome, Product, RefundLine
from frontpay_async._protocol import operations
from frontpay_async._protocol.build import build
from frontpay_async._protocol.operations import kind_of_order
from frontpay_async.batch.payload import read, write
from frontpay_async.order_files.items import BatchItem
from tests.support import builders, more_builders as more

np = pytest.importorskip("numpy")
pd = pytest.importorskip("pandas")

NUMBERS = ("quantity", "rate", "tax", "amount", "discount")
TOTALS = ("sub_total", "total_tax", "total_discount", "grand_total")


class Level(enum.IntEnum):
    TWO = 2


class Money(Decimal):
    """A subclass, as other libraries have it."""


@pytest.mark.parametrize(
    "two",
    [
        np.int8(2),
        np.int64(2),
        np.uint64(2),
        np.array(2),
        np.str_("2"),
        Level.TWO,
        Money("2"),
    ],
    ids=lambda value: type(value).__name__,
)
@pytest.mark.parametrize("name", NUMBERS)
def test_what_equals_a_number_is_that_number(name: str, two: Any) -> None:
    number = getattr(builders.product(**{name: two}), name)
    assert (type(number), number) == (Decimal, 2)
    assert OrderSummary(**dict.fromkeys(TOTALS, two)).grand_total == 2
    assert RefundLine(id=1, amount=two).amount == 2


@pytest.mark.parametrize(
    "wrong",
    [
        True,
        np.True_,
        2.0,
        np.float64(2),
        np.float32(2),
        np.longdouble(2),
        np.complex128(2),
        np.array([2]),
        np.ma.masked,
        np.timedelta64(2, "D"),
        np.datetime64("NaT", "D"),
        pd.NA,
        pd.NaT,
        pd.Series([2]),
        float("nan"),
        b"2",
        np.bytes_(b"2"),
    ],
    ids=lambda value: f"{type(value).__name__} {value!r}".splitlines()[0],
)
@pytest.mark.parametrize("name", NUMBERS)
def test_what_no_number_equals_is_a_violation_of_its_field(name: str, wrong: Any) -> None:
    with pytest.raises(InvalidOrderError) as caught:
        builders.product(**{name: wrong})
    assert [violation.path for violation in caught.value.violations] == [name]
    assert caught.value.outcome is Outcome.NOT_SENT
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)  # noqa: S301 - our own


@pytest.mark.parametrize("wrong", [2.0, np.float64(2), True], ids=repr)
def test_a_number_of_a_wrong_type_is_a_type_error_too(wrong: Any) -> None:
    with pytest.raises(TypeError, match=r"rate is not valid: a .* cannot be money"):
        builders.product(rate=wrong)


def body(order: Any, operation: Any = operations.SEND_INVOICE) -> bytes:
    return build(operation, value=order).body or b""


@pytest.mark.parametrize("fee", [True, False])
def test_booleans_are_booleans(fee: bool) -> None:
    order = builders.invoice(invoice_fee_applicable=np.bool_(fee), separate_invoices=pd.array([fee])[0])
    assert (order.invoice_fee_applicable, order.separate_invoices) == (fee, fee)
    assert order == builders.invoice(invoice_fee_applicable=fee, separate_invoices=fee)


def test_other_fields_are_builtins_too() -> None:
    order = builders.invoice(
        invoice_maturity=np.int64(10), invoice_interval=np.uint8(0), reference_no=np.str_("R-1001")
    )
    assert order == builders.invoice()
    assert type(order.reference_no) is str
    assert body(order) == body(builders.invoice())
    kind = kind_of_order(order).operation.name
    assert write(order) == write(builders.invoice())
    assert read(kind, write(order)) == order
    line = RefundLine(id=np.int64(5410), amount=10)
    assert type(line.id) is int
    assert type(BatchItem(key=np.str_("K-1"), order=order).key) is str


@pytest.mark.parametrize("missing", [pd.NA, pd.NaT], ids=["NA", "NaT"])
@pytest.mark.parametrize(
    ("build_value", "name"),
    [
        (make, field.alias or field.name)
        for make in (
            builders.product,
            builders.address,
            builders.customer,
            builders.invoice,
            builders.payment_link,
            builders.terminal_order,
            builders.invoice_references,
        )
        for field in attrs.fields(type(make()))
        if (field.alias or field.name) not in {"products", "summary", "address", "customer", "send_order_by"}
    ],
)
def test_a_missing_value_is_a_violation_of_its_field(
    build_value: builders.Builder, name: str, missing: Any
) -> None:
    with pytest.raises(InvalidOrderError, match=rf"{name} is a missing value: pass None") as caught:
        build_value(**{name: missing})
    assert [violation.path for violation in caught.value.violations] == [name]


@pytest.mark.parametrize(
    "given",
    [
        pd.Timestamp("2035-06-15T10:30:00Z"),
        pd.Timestamp("2035-06-15T12:30:00", tz="Europe/Oslo"),
        pd.Timestamp(2065516200, unit="s", tz="UTC"),
    ],
)
def test_a_timestamp_is_a_moment(given: Any) -> None:
    order = builders.invoice(order_date=given)
    assert type(order.order_date) is datetime
    assert order.order_date == datetime(2035, 6, 15, 10, 30, tzinfo=UTC)
    assert body(order) == body(builders.invoice())


def test_a_numpy_day_is_a_day() -> None:
    assert builders.invoice(order_date=np.datetime64("2035-06-15")).order_date == date(2035, 6, 15)


@pytest.mark.parametrize(
    "given",
    [
        pd.Timestamp("2035-06-15"),
        pd.Timestamp("2035-06-15T10:30:00.000000001Z"),
        np.datetime64("2035-06-15T10:30:00", "ns"),
        np.datetime64("2035-06-15T10:30:00", "us"),
        np.datetime64("NaT", "D"),
        pd.NaT,
        pd.NA,
        np.int64(2065516200),
        pd.Period("2035-06"),
    ],
    ids=repr,
)
def test_what_names_no_moment_is_a_violation_of_the_date(given: Any) -> None:
    with pytest.raises(InvalidOrderError) as caught:
        builders.invoice(order_date=given)
    assert [each.path for each in caught.value.violations] in (["order_date"], ["orderDate"])


@pytest.mark.parametrize("wrong", [np.float64("nan"), float("nan"), np.float64(40012345), 40012345], ids=repr)
def test_a_number_where_text_belongs_is_a_violation_of_the_rules(wrong: Any) -> None:
    """Pandas reads phone numbers as floats, and an empty cell as NaN."""
    order = builders.invoice(customer=builders.customer(msisdn=wrong))
    with pytest.raises(InvalidOrderError) as caught:
        body(order)
    assert [violation.path for violation in caught.value.violations] == ["customerDetails.msisdn"]
    if isinstance(wrong, float):
        with pytest.raises(InvalidOrderError, match="msisdn cannot be a float"):
            write(order)


def test_a_row_of_a_data_frame_is_an_order() -> None:
    frame = pd.DataFrame({"name": ["Klipp"], "quantity": [2], "rate": ["51.00"], "tax": [25], "fee": [False]})
    (row,) = frame.itertuples()
    line = Product(name=row.name, quantity=row.quantity, rate=row.rate, tax=row.tax)  # type: ignore[arg-type]
    order = builders.invoice(
        products=[line], summary=OrderSummary.of([line]), invoice_fee_applicable=frame["fee"][0]
    )
    assert b'"invoiceFeeApplicable":false' in body(order)


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (builders.invoice, "products"),
        (builders.terminal_order, "products"),
        (builders.refund, "lines"),
        (more.reservation, "products"),
        (lambda: more.capture(1), "lines"),
        (more.charge, "products"),
        (more.corporate_update, "additional_contacts"),
    ],
)
@pytest.mark.parametrize("wrong", [pd.NA, pd.NaT, np.int64(5), np.array(5), 5, ["line"], None], ids=repr)
def test_what_is_no_list_of_lines_is_a_violation_of_its_field(make: Any, name: str, wrong: Any) -> None:
    with pytest.raises(InvalidOrderError) as caught:
        attrs.evolve(make(), **{name: wrong})
    assert [each.path for each in caught.value.violations] == [name]


@pytest.mark.parametrize("wrong", [5, "2026-05-01", np.int64(5), pd.NaT, datetime(2026, 5, 1)], ids=repr)  # noqa: DTZ001
@pytest.mark.parametrize("name", ["start_date", "end_date", "payment_link_due_date"])
def test_a_wrong_date_is_a_violation_of_its_own_field(name: str, wrong: Any) -> None:
    with pytest.raises(InvalidOrderError) as caught:
        more.subscription(**{name: wrong})
    assert [each.path for each in caught.value.violations] == [name]


def test_columns_are_taken_as_lines() -> None:
    lines = pd.Series([builders.product()])
    assert builders.invoice(products=lines, summary=OrderSummary.of(lines)).products == (builders.product(),)
