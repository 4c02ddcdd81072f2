"""Personal data and secrets stand in no repr, str, or traceback of ours."""

from __future__ import annotations

import traceback
from typing import Any

import attrs
import pytest

from frontpay_async import (
    Address,
    Customer,
    EhfOrder,
    InvalidOrderError,
    InvoiceOrder,
    OrderDetails,
    OrderStatus,
    PaymentLinkOrder,
    TerminalOrder,
)
from frontpay_async._protocol import operations
from frontpay_async._protocol.build import build
from frontpay_async._protocol.codec import encode
from frontpay_async._protocol.decode import decode
from frontpay_async._protocol.messages import HttpResponse, WireBody
from frontpay_async._protocol.request_bodies import Cancellation, Resend
from tests.support import builders
from tests.support.rule_cases import BODIES

FIRST_NAME = "Fornavnet"
SECRETS = (
    builders.NAME,
    builders.STREET,
    "0155",
    "Oslo",
    builders.EMAIL,
    builders.MSISDN,
    builders.PERSONAL_NUMBER,
    builders.ORGANIZATION_ID,
    builders.CALLBACK_URL,
    "s3cr3t",
    FIRST_NAME,
)
PERSON = builders.customer(first_name=FIRST_NAME, organization_id=builders.ORGANIZATION_ID)
SHOWN = [
    PERSON,
    builders.address(),
    *(
        build(customer=PERSON, callback_url=builders.CALLBACK_URL)
        for build in (
            builders.payment_link,
            builders.invoice,
            builders.efaktura,
            builders.ehf,
            builders.terminal_order,
        )
    ),
    Resend("+47", builders.MSISDN, builders.EMAIL),
    Cancellation(f"Kunden {builders.NAME} angret"),
    OrderDetails(order_uuid="ODR1", status=OrderStatus.SENT, customer=PERSON),
    build(operations.SEND_INVOICE, value=builders.invoice(customer=PERSON)),
    HttpResponse(200, {"x-secret": builders.EMAIL}, builders.NAME.encode()),
    WireBody(BODIES[operations.SEND_INVOICE]),
]


def leaked(shown: str) -> list[str]:
    return [secret for secret in SECRETS if secret in shown]


@pytest.mark.parametrize("value", SHOWN, ids=lambda value: type(value).__name__)
def test_nothing_personal_is_shown(value: object) -> None:
    assert leaked(f"{value!r} {value!s} {[value]} {value:}") == []


@pytest.mark.parametrize(
    ("cls", "names"),
    [
        (Address, {"street", "zip", "city"}),
        (
            Customer,
            {"name", "first_name", "msisdn", "email", "personal_number", "organization_id"},
        ),
        (PaymentLinkOrder, {"callback_url", "extra"}),
        (InvoiceOrder, {"callback_url", "extra"}),
        (EhfOrder, {"callback_url", "extra"}),
        (TerminalOrder, {"callback_url", "extra"}),
        (Resend, {"msisdn", "email"}),
        (Cancellation, {"cancellation_note"}),
    ],
)
def test_which_fields_are_masked(cls: type[attrs.AttrsInstance], names: set[str]) -> None:
    assert {each.name for each in attrs.fields(cls) if callable(each.repr)} == names


@pytest.mark.parametrize("given", [None, ""])
def test_a_mask_does_not_hide_that_there_is_nothing(given: Any) -> None:
    assert f"email={given!r}" in repr(builders.customer(email=given))


def test_a_body_on_its_way_shows_its_size() -> None:
    order = builders.invoice(customer=PERSON)
    rules = operations.SEND_INVOICE.rules
    assert rules is not None
    body = encode(order, rules, operations.SEND_INVOICE.date_format)
    assert repr(body) == f"<JSON object with {len(body)} members>"


@pytest.mark.parametrize("bad", ["\ud800", "x\ud800"])
def test_text_that_cannot_be_sent_is_told_and_not_shown(bad: str) -> None:
    """An encoding error would carry the whole body along."""
    order = builders.invoice(customer=builders.customer(name=bad, first_name=FIRST_NAME))
    with pytest.raises(InvalidOrderError, match="name must be valid Unicode text") as caught:
        build(operations.SEND_INVOICE, value=order)
    assert leaked(traceback_of(caught.value)) == []


@pytest.mark.parametrize(
    "fields",
    [
        {"customer": {"name": builders.NAME}},
        {"customer": builders.NAME},
        {"products": [{"name": builders.NAME}]},
        {"products": [builders.NAME]},
    ],
    ids=repr,
)
def test_a_value_of_another_class_is_not_shown(fields: dict[str, Any]) -> None:
    with pytest.raises(TypeError) as caught:
        builders.invoice(summary=builders.OrderSummary.of([]), **fields)
    assert leaked(f"{caught.value!r}") == []


def test_an_unreadable_answer_is_not_shown() -> None:
    customer = {**BODIES[operations.SEND_INVOICE]["customerDetails"], "name": [builders.NAME]}
    details = decode(OrderDetails, {"orderUuid": "ODR1", "customerDetails": customer})
    assert details.unknown_fields["customerDetails.name"] == [builders.NAME]
    assert leaked(repr(details)) == []
    with pytest.raises(ValueError, match=r"\$\.orderUuid") as caught:
        decode(OrderDetails, {"orderUuid": [builders.NAME], "customerDetails": customer})
    assert leaked(str(caught.value)) == []


def traceback_of(error: BaseException) -> str:
    return "".join(traceback.TracebackException.from_exception(error, capture_locals=True).format())


@pytest.mark.parametrize("operation", [operations.SEND_INVOICE])
def test_a_broken_rule_leaves_nothing_in_the_tracebacks_locals(operation: operations.Operation[Any]) -> None:
    order = builders.invoice(
        customer=attrs.evolve(PERSON, email="nobody"), callback_url=builders.CALLBACK_URL
    )
    with pytest.raises(InvalidOrderError) as caught:
        build(operation, value=order)
    assert leaked(traceback_of(caught.value)) == []
