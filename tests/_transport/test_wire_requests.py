"""The exact request of each operation: URL, headers and bytes.

Written out here instead of being derived from the operation table, so that a slip in the table shows.
"""

from __future__ import annotations

import json
import platform
import re
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl

import httpx
import pytest

from frontpay_async import FrontPayClient, InvalidOrderError, OrderStatus, RetryPolicy, __version__
from frontpay_async._protocol.operations import OPERATIONS, Evidence
from tests.support.builders import (
    CALLBACK_URL,
    ORDER_UUID,
    ORGANIZATION_UUID,
    efaktura,
    ehf,
    invoice,
    payment_link,
    refund,
    terminal_order,
    terminal_refund,
)
from tests.support.fakes import TOKEN
from tests.support.wire_steps import BASE_PATH, envelope, failed

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    import respx

    from tests._transport.conftest import Connect
    from tests.support.wire_server import WireServer

pytestmark = pytest.mark.integration

DEMO = "https://demo-api.frontpayment.no"
ONCE = RetryPolicy(attempts=1)
AGENT = f"frontpay-async/{__version__} python/{platform.python_version()} httpx/{httpx.__version__}"
# The digits of a JSON number stand between "<" and ">": a float would not keep its zeros.
_DIGITS = re.compile(r'"<([0-9.]+)>"')
PRODUCT = {
    "name": "Hårvask",
    "productId": "HV-1",
    "quantity": "2",
    "rate": "<51.00>",
    "discount": "<0>",
    "tax": "25",
    "amount": "<102.00>",
}
SUMMARY = {"subTotal": "81.60", "totalTax": "20.40", "totalDiscount": "0.00", "grandTotal": "102.00"}
ADDRESS = {"street": "Storgata 1", "zip": "0155", "city": "Oslo", "country": "NO"}
REACHABLE = {"countryCode": "+47", "msisdn": "40012345", "email": "ola.testmann@example.no"}
NAMED = {**REACHABLE, "name": "Ola Testmann", "preferredLanguage": "no"}
PRIVATE = {**NAMED, "type": "private", "personalNumber": "01017012345", "address": ADDRESS}
REFERENCES = {"referenceNo": "R-1001", "customerReference": "PO-77"}
SOLD = {"products": [PRODUCT], "orderSummary": SUMMARY}
DATED = {**SOLD, "orderDate": "2065516200"}
CALLBACK = {"callback": {"callbackUrl": CALLBACK_URL}}

Request = tuple["Callable[[FrontPayClient], Awaitable[object]]", str, str, "Mapping[str, Any] | None"]
REQUESTS: Mapping[str, Request] = {
    "orders.send_payment_link": (
        lambda client: client.orders.send_payment_link(payment_link()),
        "POST",
        "orders/payment-link/create",
        {
            **SOLD,
            "sendOrderBy": {"sms": False, "email": False},
            "orderDate": "2065516200",
            "customerDetails": PRIVATE,
            "invoiceAsPaymentOption": True,
            **REFERENCES,
        },
    ),
    "orders.send_invoice": (
        lambda client: client.orders.send_invoice(invoice()),
        "POST",
        "orders/invoice/create",
        {
            **DATED,
            "customerDetails": PRIVATE,
            "invoiceInterval": 0,
            "invoiceFeeApplicable": True,
            "invoiceMaturity": 10,
            **REFERENCES,
        },
    ),
    "orders.send_efaktura": (
        lambda client: client.orders.send_efaktura(efaktura()),
        "POST",
        "orders/faktura/create",
        {
            **DATED,
            # The API demanded the type in 2025, and its reference does not name it: given, it is sent.
            "customerDetails": PRIVATE,
            "invoiceFeeApplicable": True,
            "invoiceMaturity": 10,
            **REFERENCES,
            **CALLBACK,
        },
    ),
    "orders.send_ehf_invoice": (
        lambda client: client.orders.send_ehf_invoice(ehf()),
        "POST",
        "orders/ehf/create",
        {
            **DATED,
            "customerDetails": {**NAMED, "organizationId": "987654321", "address": ADDRESS},
            "invoiceFeeApplicable": True,
            "invoiceMaturity": 14,
            **REFERENCES,
            **CALLBACK,
        },
    ),
    "orders.resend_payment_link": (
        lambda client: client.orders.resend_payment_link(
            ORDER_UUID, country_code="+47", msisdn="40012345", email="ola.testmann@example.no"
        ),
        "POST",
        f"orders/resend/{ORDER_UUID}",
        REACHABLE,
    ),
    "orders.cancel": (
        lambda client: client.orders.cancel(ORDER_UUID, note="Angret «kjøp»"),
        "POST",
        f"orders/cancel/{ORDER_UUID}",
        {"cancellationNote": "Angret «kjøp»"},
    ),
    "orders.refund": (
        lambda client: client.orders.refund(ORDER_UUID, refund()),
        "POST",
        f"orders/refund/{ORDER_UUID}",
        {"type": "regular", "grandTotal": "<10.00>", "products": [{"id": 5410, "amount": "<10.00>"}]},
    ),
    "orders.list_statuses": (lambda client: client.orders.list_statuses(), "GET", "orders/status", None),
    "orders.get_status": (
        lambda client: client.orders.get_status(ORDER_UUID),
        "GET",
        f"orders/status/{ORDER_UUID}",
        None,
    ),
    "orders.get_details": (
        lambda client: client.orders.get_details(ORDER_UUID),
        "GET",
        f"orders/details/{ORDER_UUID}",
        None,
    ),
    "orders.get_invoice_number": (
        lambda client: client.orders.get_invoice_number(ORDER_UUID),
        "GET",
        f"orders/invoice-number/{ORDER_UUID}",
        None,
    ),
    "orders.charge_delayed": (
        lambda client: client.orders.charge_delayed(ORDER_UUID),
        "POST",
        f"orders/delayed/charge/{ORDER_UUID}",
        None,
    ),
    "terminals.list": (
        lambda client: client.terminals.list(ORGANIZATION_UUID),
        "GET",
        f"terminal/lists/{ORGANIZATION_UUID}",
        None,
    ),
    "terminals.create_order": (
        lambda client: client.terminals.create_order(terminal_order()),
        "POST",
        "terminal/orders/create",
        {
            "products": {"0": PRODUCT},
            "orderSummary": SUMMARY,
            "sendOrderBy": {"sms": False, "email": True},
            "orderDate": "15 Jun, 2035",
            "customerDetails": PRIVATE,
            "receiptPrint": False,
            "terminalUuid": "TRML5501928374",
            "invoiceReferences": REFERENCES,
        },
    ),
    "terminals.cancel_payment": (
        lambda client: client.terminals.cancel_payment(ORDER_UUID),
        "POST",
        f"terminal/orders/cancel/{ORDER_UUID}",
        {"type": "payment"},
    ),
    "terminals.resend_order": (
        lambda client: client.terminals.resend_order(ORDER_UUID),
        "POST",
        f"terminal/orders/resend/{ORDER_UUID}",
        None,
    ),
    "terminals.get_payment_status": (
        lambda client: client.terminals.get_payment_status(ORDER_UUID),
        "GET",
        f"terminal/orders/payment-status/{ORDER_UUID}",
        None,
    ),
    "terminals.refund": (
        lambda client: client.terminals.refund(ORDER_UUID, terminal_refund()),
        "POST",
        f"terminal/orders/refund/{ORDER_UUID}",
        {
            "type": "regular",
            "grandTotal": "<10.00>",
            "products": [{"id": 12, "amount": "<10.00>"}],
            "isReversal": False,
        },
    ),
    "terminals.get_refund_status": (
        lambda client: client.terminals.get_refund_status(ORDER_UUID),
        "POST",
        f"terminal/orders/refund-status/{ORDER_UUID}",
        None,
    ),
    "terminals.cancel_refund": (
        lambda client: client.terminals.cancel_refund(ORDER_UUID),
        "POST",
        f"terminal/orders/cancel/{ORDER_UUID}",
        {"type": "refund"},
    ),
}


def written(body: Mapping[str, Any] | None) -> bytes:
    """Return a body's bytes: compact, in the order of the reference's tables, and in UTF-8."""
    if body is None:
        return b""
    return _DIGITS.sub(r"\1", json.dumps(body, separators=(",", ":"), ensure_ascii=False)).encode()


def headers(host: str, method: str, body: bytes) -> dict[str, str]:
    """Return all headers that a request may carry."""
    sized = {} if method == "GET" else {"content-length": str(len(body))}
    return {
        "host": host,
        "accept": "application/json",
        "accept-encoding": "identity",
        "content-type": "application/json",
        "user-agent": AGENT,
        "authorization": f"Bearer {TOKEN}",
        **sized,
    }


def test_every_operation_is_written_out() -> None:
    written_out = {row.name for row in OPERATIONS.values() if row.evidence is Evidence.REFERENCE}
    assert REQUESTS.keys() == written_out


@pytest.mark.parametrize("name", REQUESTS)
async def test_a_request_as_httpx_gets_it(respx_mock: respx.MockRouter, name: str) -> None:
    """Against the demo environment, at the seam where httpx's transport takes over."""
    call, method, path, body = REQUESTS[name]
    url = f"{DEMO}{BASE_PATH}/{path}"
    route = respx_mock.request(method, url).mock(httpx.Response(422, json={"message": "no"}))
    async with FrontPayClient(TOKEN, environment="demo", trust_env=False) as client:
        with pytest.raises(Exception, match="422"):
            await call(client)
    (sent,) = route.calls
    assert str(sent.request.url) == url
    assert sent.request.content == written(body)
    assert sent.request.headers.raw == [
        (key.title().encode() if key != "user-agent" else b"User-Agent", value.encode())
        for key, value in headers("demo-api.frontpayment.no", method, written(body)).items()
    ]


@pytest.mark.parametrize("name", REQUESTS)
async def test_a_request_as_the_server_gets_it(server: WireServer, connect: Connect, name: str) -> None:
    """Both engines write the same: nothing is added, dropped or coded otherwise."""
    call, method, path, body = REQUESTS[name]
    server.otherwise = failed(422)
    with pytest.raises(Exception, match="422"):
        await call(connect(server))
    (request,) = server.requests
    assert (request.method, request.target, request.body) == (method, f"{BASE_PATH}/{path}", written(body))
    got = {key.lower(): value for key, value in request.headers}
    assert len(got) == len(request.headers)
    # aiohttp counts the nothing of a GET, too; HTTP allows both.
    got = {key: value for key, value in got.items() if (method, key) != ("GET", "content-length")}
    assert got == headers(f"127.0.0.1:{server.port}", method, written(body))


@pytest.mark.parametrize(
    ("status", "wanted"),
    [
        (OrderStatus.PAID, "PAID"),
        ("paid", "PAID"),
        (OrderStatus.PARTIAL_REFUNDED, "PARTIAL REFUNDED"),
        ("partial_refunded", "PARTIAL REFUNDED"),
    ],
)
async def test_the_status_filter_stands_in_the_query(
    server: WireServer, connect: Connect, status: OrderStatus | str, wanted: str
) -> None:
    """Quoted, so that no text can add a parameter or leave the path."""
    server.otherwise = failed(404, "orderNotFound")
    await connect(server).orders.list_statuses(status=status)
    path, _, query = server.requests[0].target.partition("?")
    assert (path, parse_qsl(query)) == (f"{BASE_PATH}/orders/status", [("type", wanted)])
    assert " " not in query


@pytest.mark.parametrize(
    "status",
    [
        *("", " ", "REFUND", "ALL", "PAID,SENT", "ON HOLD/2&x=1#y", "BETALT \ud800", "LØPENDE", "x" * 70_000),
        *(OrderStatus.UNKNOWN, OrderStatus.INKASSO, OrderStatus.PURRING),
    ],
)
async def test_a_filter_that_the_api_does_not_document_is_refused(
    server: WireServer, connect: Connect, status: OrderStatus | str
) -> None:
    """The API answers a filter that it does not know as if there were no orders."""
    with pytest.raises(InvalidOrderError, match="must be one of SENT, PAID"):
        await connect(server).orders.list_statuses(status=status)
    assert server.connections == 0


@pytest.mark.parametrize("form", ["unix", "day"])
async def test_the_form_of_dates_can_be_set_for_all_orders(
    server: WireServer, connect: Connect, form: str
) -> None:
    """In 2025 the order routes asked for the terminal route's form."""
    client = connect(server, order_date_format=form)
    await client.orders.send_invoice(invoice())
    await client.terminals.create_order(terminal_order())
    expected = {"unix": "2065516200", "day": "15 Jun, 2035"}[form]
    assert [request.json()["orderDate"] for request in server.requests] == [expected] * 2


@pytest.mark.parametrize("ending", ["", "/"])
async def test_the_base_urls_path_is_kept(server: WireServer, connect: Connect, ending: str) -> None:
    """With or without a slash at its end."""
    server.otherwise = envelope(200)
    await connect(server.url + ending).orders.get_status(ORDER_UUID)
    assert server.requests[0].target == f"{BASE_PATH}/orders/status/{ORDER_UUID}"


@pytest.mark.parametrize(
    "uuid", ["../x", "a/b", "a?b", "a#b", "a b", "", ".", "é", "a%2fb", "x" * 129, None, 7]
)
async def test_an_id_cannot_leave_its_place_in_the_path(
    server: WireServer, connect: Connect, uuid: Any
) -> None:
    """It is refused before a connection is made."""
    with pytest.raises(ValueError, match="orderUuid"):
        await connect(server).orders.cancel(uuid, note="no")
    assert server.connections == 0


@pytest.mark.parametrize(
    ("effect", "expected"),
    [(httpx.ReadTimeout, "OutcomeUnknownError"), (httpx.ConnectError, "NotSentError")],
)
async def test_a_mock_in_the_engines_place_is_told_honestly(
    respx_mock: respx.MockRouter, effect: type[Exception], expected: str
) -> None:
    """A mock does not tell when it writes: a timeout in a user's test must not look like "not sent"."""
    respx_mock.post(url__startswith=DEMO).mock(side_effect=effect)
    async with FrontPayClient(TOKEN, environment="demo", trust_env=False, retry=ONCE) as client:
        with pytest.raises(Exception, match="orders") as caught:
            await client.orders.send_invoice(invoice())
    assert type(caught.value).__name__ == expected
