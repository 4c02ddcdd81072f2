"""The answers byte by byte: envelopes, and the traps that real answers hold."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from frontpay_async._protocol.operations import CREATE_TERMINAL_ORDER, OPERATIONS, SEND_INVOICE
from frontpay_async.sandbox import Cardholder, Sandbox, responses
from tests.support.sandboxes import body_of, paid, raw_client, waiting

if TYPE_CHECKING:
    import httpx

    from frontpay_async import FrontPayClient

pytestmark = pytest.mark.integration


def test_every_documented_rule_that_may_be_broken_has_its_form() -> None:
    codes = {code for row in OPERATIONS.values() for code in row.business_codes}
    assert responses._BROKEN_RULES.keys() < codes


async def test_a_create_carries_data_and_says_that_it_does_not(raw: httpx.AsyncClient) -> None:
    """The reference shows ``is_data`` false beside data; a reader that trusts it loses the order."""
    sent = await raw.post(SEND_INVOICE.path, json=body_of(SEND_INVOICE))
    assert sent.status_code == 201
    assert sent.json() == {
        "status_code": 201,
        "status_message": "OK",
        "message": "orderAddedSuccessfully",
        "is_data": False,
        "data": {"uuid": "ODR3506700001", "customerUuid": "CSRT3463000001"},
    }


async def test_an_order_on_a_terminal_is_named_otherwise(raw: httpx.AsyncClient) -> None:
    sent = await raw.post(CREATE_TERMINAL_ORDER.path, json=body_of(CREATE_TERMINAL_ORDER))
    assert (sent.json()["is_data"], sent.json()["data"]) == (True, {"orderUuid": "ODR3506700001"})


async def test_showing_an_order_again_differs_in_http_and_in_the_body(
    client: FrontPayClient, raw: httpx.AsyncClient
) -> None:
    answer = await raw.post(f"terminal/orders/resend/{await waiting(client)}")
    assert (answer.status_code, answer.json()["status_code"]) == (202, 200)


@pytest.mark.parametrize(
    ("decision", "status", "message"),
    [("approve", "PAID", "orderPaymentConfirmed"), ("decline", "CANCELLED", "orderPaymentFailed")],
)
async def test_the_status_of_a_payment_stands_beside_data(
    raw: httpx.AsyncClient, sandbox: Sandbox, decision: str, status: str, message: str
) -> None:
    async with sandbox.client() as client:
        uuid = await waiting(client)
    getattr(sandbox, decision)(uuid)
    answer = await raw.get(f"terminal/orders/payment-status/{uuid}")
    assert answer.json() == {
        "status_code": 200,
        "status_message": "OK",
        "order_status": status,
        "message": message,
        "is_data": False,
        "data": None,
    }


async def test_the_status_that_is_not_known_yet_may_be_left_out() -> None:
    sandbox = Sandbox(cardholder=Cardholder(after=None), pending_status=None)
    async with sandbox.client() as client, raw_client(sandbox) as raw:
        answer = await raw.get(f"terminal/orders/payment-status/{await waiting(client)}")
    assert answer.status_code == 200
    assert "order_status" not in answer.json()


async def test_numbers_come_as_numbers_and_as_text(
    client: FrontPayClient, raw: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    uuid = await paid(client, sandbox)
    status = (await raw.get(f"orders/status/{uuid}")).text
    assert '"orderAmount":102,"refundedAmount":0' in status
    details = (await raw.get(f"orders/details/{uuid}")).json()["data"]
    assert details["orderSummary"]["grandTotal"] == "102.00"
    line = details["productList"][0]
    assert (line["quantity"], line["rate"], line["amount"]) == (2, 51, 102)


async def test_a_list_without_orders_is_a_404_in_words(raw: httpx.AsyncClient) -> None:
    answer = await raw.get("orders/status", params={"type": "Paid"})
    assert (answer.status_code, answer.json()["message"]) == (404, "Order Not Found")


@pytest.mark.parametrize("spelled", ["Paid", "paid", "PAID"])
async def test_the_filter_of_the_list_is_spelled_in_several_ways(
    client: FrontPayClient, raw: httpx.AsyncClient, sandbox: Sandbox, spelled: str
) -> None:
    uuid = await paid(client, sandbox)
    answer = await raw.get("orders/status", params={"type": spelled})
    assert answer.json()["data"] == [{"uuid": uuid, "status": "PAID"}]


@pytest.mark.parametrize(
    ("kind", "path", "told"),
    [
        ("510-before", "orders/cancel/ODR1", {"message": "Something Went Wrong", "errors": []}),
        ("510-before", "orders/delayed/charge/ODR1", {"message": "somethingWentWrong", "errors": None}),
        ("busy", "terminal/orders/resend/ODR1", {"message": "terminalIsBusy", "errors": "Array"}),
        ("510-refused", "orders/invoice/create", {"message": "personCurrentStatusIsWrong", "errors": []}),
    ],
)
async def test_a_510_comes_in_several_forms(
    raw: httpx.AsyncClient, sandbox: Sandbox, kind: str, path: str, told: dict[str, object]
) -> None:
    sandbox.fail(kind)
    answer = await raw.post(path)
    head = {"status_code": 510, "status_message": "Execution Exception Occurred", "is_error": True}
    assert (answer.status_code, answer.json()) == (510, {**head, **told})


async def test_a_500_carries_a_map(raw: httpx.AsyncClient, sandbox: Sandbox) -> None:
    sandbox.fail("500-before")
    body = (await raw.get("orders/status")).json()
    assert body["errors"].keys() == {"happenedAt", "internalErrorDetails"}


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "orders/everything", 404),
        ("GET", "", 404),
        ("PUT", "orders/status", 405),
        ("GET", "orders/invoice/create", 405),
    ],
)
async def test_what_is_no_operation_is_answered_by_laravel_itself(
    raw: httpx.AsyncClient, sandbox: Sandbox, method: str, path: str, status: int
) -> None:
    answer = await raw.request(method, path)
    assert (answer.status_code, answer.json().keys()) == (status, {"message"})
    assert [request.operation for request in sandbox.requests] == [None]


async def test_a_wrong_method_is_told_the_right_ones(raw: httpx.AsyncClient) -> None:
    answer = await raw.put("terminal/orders/refund-status/ODR1")
    assert answer.headers["allow"] == "POST, GET"


async def test_slashes_and_letters_are_escaped(raw: httpx.AsyncClient) -> None:
    body = body_of(SEND_INVOICE)
    body["products"][0]["name"] = "Klipp/vask på lørdag"
    uuid = (await raw.post(SEND_INVOICE.path, json=body)).json()["data"]["uuid"]
    answer = await raw.get(f"orders/details/{uuid}")
    assert rb"Klipp\/vask p\u00e5 l\u00f8rdag" in answer.content
    assert answer.headers["content-type"] == "application/json"
    assert "content-length" not in answer.headers
