"""What the sandbox refuses with 417, and the sentences it says so in."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest

from frontpay_async import DateFormat, OrderStatus, RequestRejectedError
from frontpay_async._protocol.operations import (
    CREATE_TERMINAL_ORDER,
    OPERATIONS,
    SEND_INVOICE,
    SEND_PAYMENT_LINK,
)
from frontpay_async._protocol.rules import DATE, Field
from frontpay_async.sandbox import Sandbox
from frontpay_async.sandbox.validation import _SENTENCES
from tests.support.builders import ORDER_DATE, invoice
from tests.support.sandboxes import NO_RETRY, body_of, paid, raw_client, terminal_order

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from frontpay_async import FrontPayClient
    from frontpay_async._protocol.operations import Operation

pytestmark = pytest.mark.integration

ABSENT = object()
NOT_A_DAY = "The order date does not match the format d M, Y."


def changed(body: dict[str, Any], path: str, value: object) -> dict[str, Any]:
    """Put a value at a wire path, or take the member away."""
    *way, last = path.split(".")
    holder: Any = body
    for step in way:
        holder = holder[int(step) if isinstance(holder, list) else step]
    if value is ABSENT:
        del holder[last]
    else:
        holder[last] = value
    return body


async def sentences(raw: httpx.AsyncClient, path: str, body: object) -> list[str]:
    """Return what a body is refused for."""
    answer = await raw.post(path, json=body)
    assert answer.status_code == 417, answer.text
    envelope = answer.json()
    errors: list[str] = envelope.pop("errors")
    assert envelope == {
        "status_code": 417,
        "status_message": "Client Error",
        "message": "payloadValidationErrors",
        "is_error": True,
    }
    return errors


CASES: list[tuple[Operation[object], str, object, list[str]]] = [
    (SEND_INVOICE, "products", [], ["The products field is required."]),
    (SEND_INVOICE, "products", "none", ["The products must be an array."]),
    (SEND_INVOICE, "products", [7], ["The products.0 must be an array."]),
    (SEND_INVOICE, "products.0.name", ABSENT, ["The products.0.name field is required."]),
    (SEND_INVOICE, "products.0.rate", "cheap", ["The products.0.rate must be a number."]),
    (SEND_INVOICE, "orderSummary.grandTotal", None, ["The order summary.grand total field is required."]),
    (SEND_INVOICE, "customerDetails.name", 7, ["The customer details.name must be a string."]),
    (
        SEND_INVOICE,
        "customerDetails.email",
        "me",
        ["The customer details.email must be a valid email address."],
    ),
    (SEND_INVOICE, "customerDetails.type", "robot", ["The selected customer details.type is invalid."]),
    (
        SEND_INVOICE,
        "customerDetails.type",
        "corporate",
        [
            "The customer details.organization id field is required when customer details.type is corporate.",
            "The selected invoice maturity is invalid.",
        ],
    ),
    (
        SEND_INVOICE,
        "customerDetails.personalNumber",
        "123",
        ["The customer details.personal number must be 11 digits."],
    ),
    (
        SEND_INVOICE,
        "customerDetails.organizationId",
        "NO 1",
        ["The customer details.organization id may only contain numbers."],
    ),
    (
        SEND_INVOICE,
        "customerDetails.address.country",
        "XX",
        ["The customer details.address.country must be a valid ISO alpha-2 country code."],
    ),
    (SEND_INVOICE, "invoiceFeeApplicable", 1, ["The invoice fee applicable field must be true or false."]),
    (SEND_INVOICE, "callback", {"callbackUrl": "no"}, ["The callback.callback url format is invalid."]),
    (SEND_INVOICE, "orderDate", ABSENT, ["The order date field is required."]),
    (SEND_INVOICE, "orderDate", " ", ["The order date field is required."]),
    (SEND_INVOICE, "orderDate", "07 Apr, 2035", ["The order date is not a valid timestamp."]),
    (SEND_INVOICE, "orderDate", "2035-04-07", ["The order date is not a valid timestamp."]),
    (SEND_INVOICE, "orderDate", 2060000000, ["The order date is not a valid timestamp."]),
    (
        SEND_PAYMENT_LINK,
        "customerDetails",
        {
            "name": "Ola",
            "type": "private",
            "address": {"street": "1", "zip": "1", "city": "1", "country": "NO"},
        },
        [
            "The customer details.country code field is required when customer details.email is not present.",
            "The customer details.msisdn field is required when customer details.email is not present.",
            "The customer details.email field is required when customer details.msisdn is not present.",
        ],
    ),
    (CREATE_TERMINAL_ORDER, "sendOrderBy.sms", ABSENT, ["The send order by.sms field is required."]),
    (CREATE_TERMINAL_ORDER, "sendOrderBy.email", False, ["The send order by needs sms or email."]),
    (CREATE_TERMINAL_ORDER, "orderDate", "2060000000", [NOT_A_DAY]),
    (CREATE_TERMINAL_ORDER, "orderDate", "31 Feb, 2035", [NOT_A_DAY]),
    (CREATE_TERMINAL_ORDER, "orderDate", "tomorrow", [NOT_A_DAY]),
]


@pytest.mark.parametrize(
    ("operation", "path", "value", "told"),
    CASES,
    ids=[f"{case[1]}-{index}" for index, case in enumerate(CASES)],
)
async def test_a_broken_rule_is_told_in_a_sentence(
    raw: httpx.AsyncClient, operation: Operation[object], path: str, value: object, told: list[str]
) -> None:
    assert await sentences(raw, operation.path, changed(body_of(operation), path, value)) == told
    assert (await raw.get("orders/status")).status_code == 404


def test_every_rule_has_a_sentence() -> None:
    def codes(fields: tuple[Field, ...]) -> Iterator[str]:
        for member in fields:
            yield member.kind.code
            yield from codes(member.fields)

    tables = [row.rules for row in OPERATIONS.values() if row.rules is not None]
    assert {code for rules in tables for code in codes(rules.fields)} - {DATE.code} <= _SENTENCES.keys()


async def test_all_broken_rules_are_told_together(raw: httpx.AsyncClient) -> None:
    told = await sentences(raw, SEND_INVOICE.path, {})
    assert len(told) == len(set(told)) > 10


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"[]",
        b'"text"',
        b"null",
        b"\xff",
        b'{"products": ' + b"[" * 100_000,
        b'{"a": 1e99999999999999999999}',
    ],
    ids=["empty", "cut", "list", "text", "null", "not-utf-8", "deep", "huge-number"],
)
async def test_a_body_that_is_no_object_lacks_everything(raw: httpx.AsyncClient, content: bytes) -> None:
    answer = await raw.post("orders/invoice/create", content=content)
    assert answer.status_code == 417
    assert "The products field is required." in answer.json()["errors"]


async def test_a_number_of_absurd_size_is_not_read(raw: httpx.AsyncClient) -> None:
    content = json.dumps(body_of(SEND_INVOICE)).replace('"rate": ', '"rate": 1e99, "": ', 1)
    answer = await raw.post(SEND_INVOICE.path, content=content)
    assert "The products field is required." in answer.json()["errors"]


async def test_a_long_number_in_text_is_told_as_text(raw: httpx.AsyncClient) -> None:
    body = changed(body_of(SEND_INVOICE), "orderSummary.grandTotal", "9" * 5000)
    uuid = (await raw.post(SEND_INVOICE.path, json=body)).json()["data"]["uuid"]
    status = (await raw.get(f"orders/status/{uuid}")).json()["data"]
    assert (status["orderAmount"], status["refundedAmount"]) == ("9" * 5000, 0)


async def test_a_number_may_come_as_a_fraction(raw: httpx.AsyncClient, sandbox: Sandbox) -> None:
    """Other clients send JSON numbers; they are kept exactly and told as numbers."""
    body = changed(body_of(SEND_INVOICE), "products.0.rate", 50.5)
    uuid = (await raw.post(SEND_INVOICE.path, json=body)).json()["data"]["uuid"]
    assert sandbox.orders[uuid].lines[0].product["rate"] == Decimal("50.5")
    details = (await raw.get(f"orders/details/{uuid}")).json()["data"]
    assert details["productList"][0]["rate"] == 50.5


@pytest.mark.parametrize("operation", [SEND_PAYMENT_LINK, CREATE_TERMINAL_ORDER], ids=lambda row: row.name)
async def test_products_may_be_a_list_or_keyed(
    raw: httpx.AsyncClient, sandbox: Sandbox, operation: Any
) -> None:
    body = body_of(operation)
    products = body["products"]
    rows = list(products.values()) if isinstance(products, dict) else products
    for form in (rows, {"0": rows[0]}):
        assert (await raw.post(operation.path, json={**body, "products": form})).status_code == 201
    first, second = sandbox.orders.values()
    assert [line.product for line in first.lines] == [line.product for line in second.lines] == rows


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (
            {"msisdn": "40000000"},
            ["The country code field is required when email is not present."],
        ),
        (
            {"msisdn": "40000000", "email": "kari@example.com"},
            ["The country code field is required when msisdn is present."],
        ),
    ],
)
async def test_a_phone_number_needs_a_country_code(
    raw: httpx.AsyncClient, body: dict[str, str], told: list[str]
) -> None:
    assert await sentences(raw, "orders/resend/ODR1", body) == told


@pytest.mark.parametrize("body", [{}, {"type": "everything"}])
async def test_what_is_cancelled_on_a_terminal_must_be_said(
    raw: httpx.AsyncClient, body: dict[str, str]
) -> None:
    """Two operations share this path; a body that fits neither is refused."""
    (told,) = await sentences(raw, "terminal/orders/cancel/ODR1", body)
    assert "type" in told


@pytest.mark.parametrize("amount", [0, -5, "-0.01"])
async def test_a_refund_of_nothing_or_less_is_refused(
    client: FrontPayClient, raw: httpx.AsyncClient, sandbox: Sandbox, amount: object
) -> None:
    """Otherwise the refunded amount could shrink."""
    uuid = await paid(client, sandbox)
    line_id = sandbox.orders[uuid].lines[0].id
    body = {"type": "regular", "grandTotal": amount, "products": [{"id": line_id, "amount": amount}]}
    assert await sentences(raw, f"orders/refund/{uuid}", body) == [
        "The grand total must be greater than 0.",
        "The products.0.amount must be greater than 0.",
    ]
    assert sandbox.orders[uuid].refunded == 0


async def test_a_line_is_named_by_its_whole_id(
    client: FrontPayClient, raw: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    uuid = await paid(client, sandbox)
    line_id = sandbox.orders[uuid].lines[0].id
    body = {"type": "regular", "grandTotal": 1, "products": [{"id": line_id + 0.5, "amount": 1}]}
    answer = await raw.post(f"orders/refund/{uuid}", json=body)
    assert (answer.status_code, answer.json()["message"]) == (400, "requestProductIdNotAvailable")


async def test_days_may_be_demanded_of_every_order() -> None:
    """In 2025 the order routes still wanted the terminal route's form; both sides can be switched."""
    sandbox = Sandbox(order_date_format="day")
    async with sandbox.client(retry=NO_RETRY) as client:
        with pytest.raises(RequestRejectedError) as caught:
            await client.orders.send_invoice(invoice())
    assert caught.value.messages == (NOT_A_DAY,)
    async with sandbox.client(order_date_format="day") as client:
        uuid = (await client.orders.send_invoice(invoice())).order_uuid
        details = await client.orders.get_details(uuid)
    assert details.order_date == ORDER_DATE.date()
    assert details.status is OrderStatus.INVOICED


async def test_timestamps_may_be_demanded_of_terminal_orders() -> None:
    sandbox = Sandbox(order_date_format=DateFormat.UNIX)
    async with sandbox.client() as client:
        with pytest.raises(RequestRejectedError):
            await client.terminals.create_order(terminal_order())
    async with raw_client(sandbox) as raw:
        body = body_of(CREATE_TERMINAL_ORDER, DateFormat.UNIX)
        assert (await raw.post(CREATE_TERMINAL_ORDER.path, json=body)).status_code == 201
