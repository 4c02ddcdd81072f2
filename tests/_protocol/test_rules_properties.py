"""Whatever set of rules is broken, exactly those wire paths are told."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs
import pytest
from hypothesis import given, strategies as st

from frontpay_async import CustomerType, InvalidOrderError, Language
from frontpay_async._protocol import operations
from frontpay_async._protocol.build import build
from frontpay_async._protocol.rules import check
from tests.support import builders, strategies
from tests.support.rule_cases import BODIES, FIELDS, ORDERS
from tests.support.wire import changed, without

if TYPE_CHECKING:
    from frontpay_async._protocol.operations import Operation

MISSING = object()
# A maturity is judged by the customer's type: with both broken there is nothing to judge it by.
JUDGED, JUDGE = "invoiceMaturity", "customerDetails.type"


def breakages(operation: Operation[Any]) -> st.SearchStrategy[dict[str, Any]]:
    """Some fields, each with a way to break its rule."""

    def ways(paths: set[str]) -> st.SearchStrategy[dict[str, Any]]:
        chosen = paths - {JUDGED} if JUDGE in paths else paths
        return st.fixed_dictionaries(
            {
                path: st.sampled_from(
                    [
                        *FIELDS[operation][path].breaks,
                        *([MISSING, None, "", " "] if FIELDS[operation][path].required else []),
                    ]
                )
                for path in sorted(chosen)
            }
        )

    return st.sets(st.sampled_from(sorted(FIELDS[operation]))).flatmap(ways)


@pytest.mark.parametrize("operation", FIELDS, ids=lambda row: row.name)
@given(data=st.data())
def test_any_broken_fields_of_a_body_are_told(operation: Operation[Any], data: st.DataObject) -> None:
    broken = data.draw(breakages(operation))
    body = BODIES[operation]
    for path, value in broken.items():
        body = without(body, path) if value is MISSING else changed(body, path, value)
    assert operation.rules is not None
    told = {breach.path for breach in check(operation.rules, body)}
    # The terminal's group of ways is required itself, and is missing when both of its members are.
    emptied = {"sendOrderBy"} if body.get("sendOrderBy") == {} else set()
    assert told == broken.keys() | (emptied if operation is operations.CREATE_TERMINAL_ORDER else set())


def snake(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


def with_field(order: Any, path: str, value: Any) -> Any:
    """A copy of an order with another value in the field that a wire path names."""
    match path.split("."):
        case ["products", index, name]:
            lines = list(order.products)
            lines[int(index)] = attrs.evolve(lines[int(index)], **{snake(name): value})
            return attrs.evolve(order, products=lines)
        case ["customerDetails", "address", name]:
            home = attrs.evolve(order.customer.address, **{snake(name): value})
            return attrs.evolve(order, customer=attrs.evolve(order.customer, address=home))
        case ["customerDetails", name]:
            return attrs.evolve(order, customer=attrs.evolve(order.customer, **{snake(name): value}))
        case ["callback", "callbackUrl"]:
            return attrs.evolve(order, callback_url=value)
        case ["sendOrderBy" | "invoiceReferences" as holder, name]:
            part = attrs.evolve(getattr(order, snake(holder)), **{snake(name): value})
            return attrs.evolve(order, **{snake(holder): part})
        case [name]:
            return attrs.evolve(order, **{snake(name): value})
        case _:
            raise AssertionError(path)


# Numbers and dates are refused when a value is built, so that an order cannot hold a wrong one.
NEVER_WRONG = ("quantity", "rate", "tax", "amount", "discount", "orderSummary", "orderDate", "grandTotal")
# Orders read these in any case.
IN_ANY_CASE = {"customerDetails.type": CustomerType, "customerDetails.preferredLanguage": Language}


@pytest.mark.parametrize("operation", ORDERS, ids=lambda row: row.name)
@given(data=st.data())
def test_any_broken_fields_of_an_order_are_told_at_once(
    operation: Operation[Any], data: st.DataObject
) -> None:
    broken = {
        path: None if value is MISSING else value
        for path, value in data.draw(breakages(operation)).items()
        if not any(name in path for name in NEVER_WRONG) and (operation, path) != FIXED
        if not (isinstance(value, str) and value.lower() in list(IN_ANY_CASE.get(path, ())))
    }
    order = ORDERS[operation]
    for path, value in broken.items():
        if path.startswith("products.") and operation in REFUNDS:
            order = attrs.evolve(order, lines=[builders.RefundLine(id=value, amount=10)])
        else:
            order = with_field(order, path, value)
    customer = getattr(order, "customer", None)
    number = getattr(customer, "organization_id", None)
    if getattr(customer, "type", None) == "private" or isinstance(number, int):
        # A private customer's is left out, so it is not checked either; a whole number is written as text.
        broken.pop("customerDetails.organizationId", None)
    if not broken:
        assert build(operation, uuid="ODR7", value=order).body
        return
    with pytest.raises(InvalidOrderError) as caught:
        build(operation, uuid="ODR7", value=order)
    told = {violation.path for violation in caught.value.violations}
    ways = ("sendOrderBy.sms", "sendOrderBy.email")
    emptied = all(way in broken and broken[way] is None for way in ways)
    assert told == broken.keys() | ({"sendOrderBy"} if emptied else set())


REFUNDS = (operations.REFUND_ORDER, operations.REFUND_TERMINAL_ORDER)
# A terminal refund has one type, which is no field of it.
FIXED = (operations.REFUND_TERMINAL_ORDER, "type")


@given(strategies.orders)
def test_a_valid_order_breaks_no_rule(order: Any) -> None:
    route = next(row for row in ORDERS if row.request is type(order))
    assert build(route, value=order).body


@given(body=strategies.json_values)
@pytest.mark.parametrize("operation", BODIES, ids=lambda row: row.name)
def test_any_json_object_is_judged(operation: Operation[Any], body: Any) -> None:
    """The sandbox checks whatever arrives."""
    rules = operation.rules
    assert rules is not None
    holder = body if isinstance(body, dict) else {"products": body, "customerDetails": body, "type": body}
    assert all(breach.path and breach.demand for breach in check(rules, holder))
