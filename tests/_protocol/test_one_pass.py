"""One pass over an ordinary body writes what the three passes would, and never lets a broken rule through."""

from __future__ import annotations

from decimal import Decimal
from operator import attrgetter
from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import given, strategies as st

from frontpay_async import InvalidOrderError
from frontpay_async._exact_json import write_exact
from frontpay_async._protocol.build import build
from frontpay_async._protocol.codec import encode, members_of
from frontpay_async._protocol.one_pass import one_pass
from frontpay_async._protocol.operations import OPERATIONS, Operation
from frontpay_async._protocol.rules import check, check_totals
from frontpay_async._protocol.totals import contradictions, order_totals, total_below_zero
from tests._protocol.test_build import VALUES
from tests._protocol.test_rules_properties import with_field
from tests.support import builders, strategies
from tests.support.rule_cases import ORDERS

if TYPE_CHECKING:
    from frontpay_async._exact_json import JsonObject

ROWS: dict[Operation[Any], object] = {**ORDERS, **VALUES}
MONEY = ("sub_total", "total_tax", "total_discount", "grand_total")


def by_three_passes(operation: Operation[Any], value: object) -> bytes | list[tuple[str, str]]:
    """The body, or the violations, as the table of rules has them: pick, check, write."""
    assert operation.rules is not None
    body = encode(value, operation.rules, operation.date_format)
    breaches = check(operation.rules, body) + check_totals(operation.rules, body)
    return [(each.path, each.demand) for each in breaches] or write_exact(body).encode()


def by_build(operation: Operation[Any], value: object) -> bytes | list[tuple[str, str]] | None:
    try:
        return build(operation, uuid="ODR7" if "{" in operation.path else None, value=value).body
    except InvalidOrderError as error:
        return [(each.path, each.message) for each in error.violations]


@pytest.mark.parametrize("operation", ROWS, ids=lambda row: row.name)
def test_an_ordinary_value_of_every_row_takes_the_one_pass(operation: Operation[Any]) -> None:
    assert operation.rules is not None
    value = ROWS[operation]
    text, _ = one_pass(operation.rules)(members_of(value, operation.date_format))
    assert text.encode() == by_three_passes(operation, value) == by_build(operation, value)


def test_every_row_with_a_body_is_tried() -> None:
    assert ROWS.keys() >= {row for row in OPERATIONS.values() if row.rules is not None}


@given(strategies.orders)
def test_any_valid_order_is_written_as_by_three_passes(order: Any) -> None:
    row = next(row for row in ORDERS if row.request is type(order))
    assert by_build(row, order) == by_three_passes(row, order)


TEXTS = (
    "",
    " ",
    "\t",
    "x",
    "\ud800",
    "æ\u2028\x7f\x00",
    "private",
    "corporate",
    "no",
    "10",
    "0",
    "1" * 11,
    "NO",
)
ODD = st.sampled_from([None, *TEXTS, "https://[", "a@b", "+47", True, False, 0, 1, 10, 14, -1])


@given(operation=st.sampled_from(list(ORDERS)), data=st.data())
def test_any_odd_members_are_judged_as_by_three_passes(
    operation: Operation[Any], data: st.DataObject
) -> None:
    """Whatever the members hold, and whichever conditions on siblings are met."""
    order = ORDERS[operation]
    holders = ["", *(("customer", "customer.address") if hasattr(order, "customer") else ())]
    holder = data.draw(st.sampled_from(holders))
    inner: Any = attrgetter(holder)(order) if holder else order
    names = [each.name for each in attrs.fields(type(inner))]
    plain = [name for name in names if isinstance(getattr(inner, name), (str, int, type(None)))]
    try:
        changed = attrs.evolve(inner, **data.draw(st.dictionaries(st.sampled_from(plain), ODD, max_size=3)))
    except (InvalidOrderError, TypeError):
        # Refused before it is an order.
        return
    if holder == "customer.address":
        changed = attrs.evolve(order.customer, address=changed)
    order = attrs.evolve(order, customer=changed) if holder else changed
    assert by_build(operation, order) == by_three_passes(operation, order)


@given(order=strategies.orders, data=st.data())
def test_figures_that_fit_to_the_digit_are_found_to_fit_one_by_one(order: Any, data: st.DataObject) -> None:
    """The quick look at the figures and the checks one by one agree, whatever is changed by how little."""
    name = data.draw(st.sampled_from(MONEY))
    by = data.draw(st.sampled_from(["0", "0.001", "0.01", "-0.01", "0.02", "1", "-1", "100"]))
    summary = attrs.evolve(order.summary, **{name: getattr(order.summary, name) + Decimal(by)})
    order = attrs.evolve(order, summary=summary)
    row = next(row for row in ORDERS if row.request is type(order))
    assert row.rules is not None
    members: JsonObject = encode(order, row.rules, row.date_format)
    _, picked = one_pass(row.rules)(members_of(order, row.date_format))
    expected = [*total_below_zero(members), *contradictions(members)]
    assert list(order_totals(picked)) == list(order_totals(members)) == expected


@pytest.mark.parametrize("text", ["0.25", "-100", "-25", "0", "0.0", "1", "25"])
def test_a_tax_is_judged_the_same_at_every_bound(text: str) -> None:
    order = builders.invoice()
    order = with_field(order, "products.0.tax", text)
    row = next(row for row in ORDERS if row.request is type(order))
    assert by_build(row, order) == by_three_passes(row, order)
