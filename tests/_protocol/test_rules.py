from __future__ import annotations

from decimal import Decimal
from typing import Any

import pycountry
import pytest

from frontpay_async import InvalidOrderError, RefundLine
from frontpay_async._protocol import operations
from frontpay_async._protocol.build import build
from frontpay_async._protocol.operations import OPERATIONS, Operation
from frontpay_async._protocol.rules import (
    COUNTRY_CODES,
    OBJECT,
    OPTIONAL_OBJECT,
    Field,
    Rules,
    check,
    is_missing,
    one_of,
)
from tests.support import builders
from tests.support.rule_cases import BODIES, FIELDS
from tests.support.wire import changed, without

EVERY_FIELD = [
    pytest.param(operation, path, id=f"{operation.name}-{path}")
    for operation, cases in FIELDS.items()
    for path in cases
]
EVERY_BODY = [pytest.param(operation, id=operation.name) for operation in BODIES]


def paths(operation: Operation[Any], body: Any) -> list[str]:
    assert operation.rules is not None
    return [breach.path for breach in check(operation.rules, body)]


def leaves(fields: tuple[Field, ...], prefix: str = "") -> set[str]:
    found: set[str] = set()
    for member in fields:
        path = prefix + member.name
        row = "." if member.kind in (OBJECT, OPTIONAL_OBJECT) else ".0."
        found |= leaves(member.fields, path + row) if member.fields else {path}
    return found


def test_every_body_has_its_cases() -> None:
    with_rules = {operation for operation in OPERATIONS.values() if operation.rules is not None}
    assert with_rules == set(FIELDS) == set(BODIES)


@pytest.mark.parametrize("operation", EVERY_BODY)
def test_every_field_has_its_case(operation: Operation[Any]) -> None:
    assert operation.rules is not None
    assert leaves(operation.rules.fields) == set(FIELDS[operation])


@pytest.mark.parametrize("operation", EVERY_BODY)
def test_a_full_body_breaks_no_rule(operation: Operation[Any]) -> None:
    assert paths(operation, BODIES[operation]) == []


@pytest.mark.parametrize(("operation", "path"), EVERY_FIELD)
def test_what_fits_is_accepted(operation: Operation[Any], path: str) -> None:
    refused = [
        value
        for value in FIELDS[operation][path].fits
        if paths(operation, changed(BODIES[operation], path, value))
    ]
    assert refused == []


@pytest.mark.parametrize(("operation", "path"), EVERY_FIELD)
def test_what_does_not_fit_is_told_by_its_path(operation: Operation[Any], path: str) -> None:
    broken = {
        repr(value): set(paths(operation, changed(BODIES[operation], path, value)))
        for value in FIELDS[operation][path].breaks
    }
    assert all(told == {path} for told in broken.values()), broken


@pytest.mark.parametrize(("operation", "path"), EVERY_FIELD)
def test_what_is_required_is_missed(operation: Operation[Any], path: str) -> None:
    """Null, blank and empty count as missing, as they do for the API."""
    full = BODIES[operation]
    incomplete = [without(full, path), *(changed(full, path, empty) for empty in (None, "", " \t", [], {}))]
    expected = [path] if FIELDS[operation][path].required else []
    assert [paths(operation, body) for body in incomplete] == [expected] * 6


@pytest.mark.parametrize("operation", EVERY_BODY)
def test_an_empty_body_misses_every_required_field(operation: Operation[Any]) -> None:
    told = set(paths(operation, {}))
    # Of lines that are missing, and of an address that may be, no field is missed.
    inside = ("products.", "addresses.shipping.")
    missed = {
        path for path, case in FIELDS[operation].items() if case.required and not path.startswith(inside)
    }
    assert missed <= told | {"countryCode"}
    assert ("products" in told) == ("products" in BODIES[operation])


ADDRESSED = operations.SEND_PAYMENT_LINK


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"email": "ola@example.no"}, []),
        ({"countryCode": "+47", "msisdn": "40012345"}, []),
        ({"countryCode": "+47", "msisdn": "40012345", "email": "ola@example.no"}, []),
        ({"msisdn": "40012345"}, ["countryCode"]),
        ({"countryCode": "+47"}, ["msisdn", "email"]),
        ({}, ["countryCode", "msisdn", "email"]),
    ],
)
def test_a_payment_link_needs_an_email_or_a_whole_phone_number(given: Any, told: list[str]) -> None:
    customer = {
        name: value
        for name, value in BODIES[ADDRESSED]["customerDetails"].items()
        if name not in ("countryCode", "msisdn", "email")
    }
    body = changed(BODIES[ADDRESSED], "customerDetails", {**customer, **given})
    assert paths(ADDRESSED, body) == [f"customerDetails.{name}" for name in told]


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"email": "ola@example.no"}, []),
        ({"countryCode": "+47", "msisdn": "40012345"}, []),
        ({"countryCode": "+47", "email": "ola@example.no"}, []),
        ({"msisdn": "40012345"}, ["countryCode"]),
        ({"msisdn": "40012345", "email": "ola@example.no"}, ["countryCode"]),
        ({"countryCode": "+47"}, ["msisdn", "email"]),
        ({}, ["countryCode", "msisdn", "email"]),
    ],
)
def test_a_resend_needs_an_email_or_a_whole_phone_number(given: Any, told: list[str]) -> None:
    assert paths(operations.RESEND_PAYMENT_LINK, given) == told


@pytest.mark.parametrize(
    "operation", [operations.SEND_PAYMENT_LINK, operations.SEND_INVOICE, operations.CREATE_TERMINAL_ORDER]
)
def test_a_corporate_customer_needs_an_organisation_number(operation: Operation[Any]) -> None:
    corporate = changed(BODIES[operation], "customerDetails.type", "corporate")
    corporate.pop("invoiceMaturity", None)
    assert paths(operation, corporate) == []
    nameless = without(corporate, "customerDetails.organizationId")
    assert paths(operation, nameless) == ["customerDetails.organizationId"]


@pytest.mark.parametrize(
    ("kind", "fits"), [("private", {10}), ("corporate", {14, 30, 45}), ("unheard of", {10, 14, 30, 45})]
)
def test_an_invoice_matures_as_its_customer_may(kind: str, fits: set[int]) -> None:
    """A type that is none is told as such, and no maturity is guessed for it."""
    body = changed(BODIES[operations.SEND_INVOICE], "customerDetails.type", kind)
    accepted = {
        days
        for days in (10, 14, 30, 45)
        if "invoiceMaturity" not in paths(operations.SEND_INVOICE, changed(body, "invoiceMaturity", days))
    }
    assert accepted == fits


@pytest.mark.parametrize(
    ("sms", "email", "fits"), [(True, True, True), (True, False, True), (False, False, False)]
)
def test_a_terminal_order_is_sent_by_some_way(sms: bool, email: bool, fits: bool) -> None:
    body = changed(BODIES[operations.CREATE_TERMINAL_ORDER], "sendOrderBy", {"sms": sms, "email": email})
    assert paths(operations.CREATE_TERMINAL_ORDER, body) == ([] if fits else ["sendOrderBy"])


def test_a_payment_link_may_be_sent_by_no_way() -> None:
    body = changed(BODIES[ADDRESSED], "sendOrderBy", {"sms": False, "email": False})
    assert paths(ADDRESSED, body) == []


def test_a_missing_group_is_told_by_its_fields() -> None:
    body = without(BODIES[operations.SEND_EFAKTURA], "callback")
    assert paths(operations.SEND_EFAKTURA, body) == ["callback.callbackUrl"]


@pytest.mark.parametrize("group", ["orderSummary", "customerDetails", "callback"])
def test_a_group_is_an_object(group: str) -> None:
    body = changed(BODIES[operations.SEND_EFAKTURA], group, "text")
    assert paths(operations.SEND_EFAKTURA, body) == [group]


@pytest.mark.parametrize("operation", [operations.SEND_INVOICE, operations.CREATE_TERMINAL_ORDER])
def test_rows_are_told_by_their_keys(operation: Operation[Any]) -> None:
    """The API takes a list of products on one route and an object of them on another, and either is read."""
    row = BODIES[operation]["products"][0 if operation is operations.SEND_INVOICE else "0"]
    nameless = without(row, "name")
    listed = changed(BODIES[operation], "products", [row, nameless, "text"])
    keyed = changed(BODIES[operation], "products", {"a": row, "b": nameless, "c": "text"})
    assert paths(operation, listed) == ["products.1.name", "products.2"]
    assert paths(operation, keyed) == ["products.b.name", "products.c"]


def test_breaches_come_in_the_order_of_the_table() -> None:
    body = {"grandTotal": "x", "products": [{"amount": True}], "type": "other"}
    assert paths(operations.REFUND_ORDER, body) == [
        "type",
        "grandTotal",
        "products.0.id",
        "products.0.amount",
    ]


def test_a_conditional_breach_names_the_field_that_it_depends_on() -> None:
    rules = operations.SEND_INVOICE.rules
    assert rules is not None
    body = changed(BODIES[operations.SEND_INVOICE], "customerDetails.type", "corporate")
    body = without(body, "customerDetails.organizationId")
    told = {breach.path: (breach.code, breach.other, breach.value) for breach in check(rules, body)}
    assert told == {
        "customerDetails.organizationId": ("required_if", "customerDetails.type", "corporate"),
        "invoiceMaturity": ("in", "customerDetails.type", "corporate"),
    }


@pytest.mark.parametrize("value", [0, False, "x", [0], {"x": None}])
def test_what_holds_something_is_not_missing(value: Any) -> None:
    assert not is_missing(value)


def test_a_choice_says_what_it_takes() -> None:
    assert [one_of("a").demand, one_of(14, 30, 45).demand] == ["must be a", "must be 14, 30 or 45"]


def test_rules_may_be_empty() -> None:
    assert check(Rules(()), {"anything": 1}) == []


def test_the_countries_are_those_that_iso_has_assigned() -> None:
    assert {country.alpha_2 for country in pycountry.countries} == COUNTRY_CODES


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "sNaN"])
def test_a_number_is_finite(number: str) -> None:
    """It was an error of the JSON encoder that did not name the field."""
    for value in (builders.invoice(invoice_maturity=Decimal(number)),):
        with pytest.raises(InvalidOrderError, match="invoiceMaturity must be"):
            build(operations.SEND_INVOICE, value=value)
    refund = builders.refund(lines=[RefundLine(id=Decimal(number), amount=1)])  # type: ignore[arg-type]
    with pytest.raises(InvalidOrderError, match=r"products\.0\.id must be a number"):
        build(operations.REFUND_ORDER, uuid="ODR1", value=refund)
