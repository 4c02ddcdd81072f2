"""Recorded answers of the demo API: the client reads them, and the sandbox gives the same."""

from __future__ import annotations

import contextlib
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import httpx
import pytest
from attrs import frozen

from frontpay_async import (
    APIError,
    AuthenticationError,
    FrontPayClient,
    FrontPayError,
    NotFoundError,
    Outcome,
    PaymentStatus,
    RateLimit,
    RateLimitedError,
    RefundStatus,
    RequestRejectedError,
    ServerError,
    TerminalBusyError,
)
from frontpay_async._protocol.operations import OPERATIONS, SEND_INVOICE
from frontpay_async.sandbox import DEFAULT_TOKEN, Cardholder, Sandbox
from tests.support.sandboxes import BASE_URL, NO_RETRY, UNKNOWN_UUID, body_of, call, prepare, raw_client

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.integration

UUID = "ODR2210048815"
NOT_FOUND = {"status_code": 404, "status_message": "Not Found", "is_data": False, "data": None}
FAILED = {"status_code": 510, "status_message": "Execution Exception Occurred", "is_error": True}
HEADERS = {
    "content-type": "application/json",
    "server": "nginx/1.24.0 (Ubuntu)",
    "cache-control": "no-cache, private",
    "access-control-allow-origin": "*",
    "x-ratelimit-limit": "240",
}


@frozen
class Recorded:
    """An answer of the demo API.

    Args:
        name: What it shows.
        operation: The operation that it answered.
        status: The HTTP status.
        body: The JSON body, or text.
        means: Checks what the client makes of it: a value or an error.
        provoke: What makes the sandbox give it: a fault, or "" where the request alone does.
        unlike: Members whose values differ in the sandbox, such as ids.
    """

    name: str
    operation: str
    status: int
    body: Any
    means: Callable[[Any], bool]
    provoke: str | None = ""
    unlike: tuple[str, ...] = ("data",)


def ok(status: int, message: str, *, is_data: bool, data: Any = None, **beside: Any) -> dict[str, Any]:
    """A success's envelope."""
    head = {"status_code": status, "status_message": "OK", **beside}
    return {**head, "message": message, "is_data": is_data, "data": data}


def error(cls: type[FrontPayError], outcome: Outcome = Outcome.REJECTED) -> Callable[[Any], bool]:
    """What the client raises."""
    return lambda found: type(found) is cls and found.outcome is outcome


NOTHING_HERE = [
    Recorded(f"404 of {name}", name, 404, {**NOT_FOUND, "message": message}, error(NotFoundError))
    for name, message in {
        "orders.get_status": "Order Not Found",
        "orders.get_details": "orderNotFound",
        "orders.get_invoice_number": "orderNotFound",
        "orders.cancel": "orderNotFound",
        "orders.refund": "orderNotFound",
        "orders.resend_payment_link": "orderNotFound",
    }.items()
]
RECORDED = [
    *NOTHING_HERE,
    Recorded(
        "an account without orders",
        "orders.list_statuses",
        404,
        {**NOT_FOUND, "message": "Order Not Found"},
        lambda found: found == (),
    ),
    Recorded(
        "a created order, whose data is there although is_data is false",
        "orders.send_invoice",
        201,
        ok(201, "orderAddedSuccessfully", is_data=False, data={"uuid": UUID, "customerUuid": "CSRT1"}),
        lambda found: found.order_uuid == UUID,
    ),
    Recorded(
        "a created terminal order, whose id is named otherwise",
        "terminals.create_order",
        201,
        ok(201, "terminalOrderAddedSuccessfully", is_data=True, data={"orderUuid": UUID}),
        lambda found: found.order_uuid == UUID,
    ),
    Recorded(
        "a status in words",
        "orders.get_status",
        200,
        ok(
            200,
            "Order Status Retrieved Successfully",
            is_data=True,
            data={"uuid": UUID, "status": "SENT", "orderAmount": "51.00", "refundedAmount": 0},
        ),
        lambda found: (found.status, found.order_amount) == ("SENT", Decimal("51.00")),
    ),
    Recorded(
        "a status without amounts",
        "orders.get_status",
        200,
        ok(200, "Order Status Retrieved Successfully", is_data=True, data={"uuid": UUID, "status": "SENT"}),
        lambda found: (found.status, found.order_amount) == ("SENT", None),
    ),
    Recorded(
        "a terminal resend, whose body has another status and PHP for data",
        "terminals.resend_order",
        202,
        ok(200, "orderSentSuccessfully", is_data=False, data=[]),
        lambda found: found is None,
    ),
    Recorded(
        "a payment's status beside data",
        "terminals.get_payment_status",
        200,
        ok(200, "orderPaymentConfirmed", is_data=False, order_status="PAID"),
        lambda found: found is PaymentStatus.PAID,
        provoke="approve",
    ),
    Recorded(
        "a refund's status beside data",
        "terminals.get_refund_status",
        200,
        ok(200, "orderRefundedSuccessfully", is_data=False, refund_status="REFUNDED"),
        lambda found: found is RefundStatus.REFUNDED,
        provoke="approve_refund",
    ),
    Recorded(
        "a failure within, with a map",
        "orders.send_invoice",
        500,
        {
            "status_code": 500,
            "status_message": "Internal Dependency Error",
            "message": "internalErrorOccurredPleaseTryAgainLater",
            "is_error": True,
            "errors": {"happenedAt": "x", "internalErrorDetails": ["y"]},
        },
        error(ServerError, Outcome.UNKNOWN),
        provoke="500-before",
        unlike=("errors",),
    ),
    Recorded(
        "a failure in a code",
        "orders.send_invoice",
        510,
        {**FAILED, "message": "somethingWentWrong", "errors": None},
        error(ServerError, Outcome.UNKNOWN),
        provoke="510-before",
    ),
    Recorded(
        "a failure in words",
        "orders.cancel",
        510,
        {**FAILED, "message": "Something Went Wrong", "errors": []},
        error(ServerError, Outcome.UNKNOWN),
        provoke="510-before",
    ),
    Recorded(
        "a busy terminal, with the text Array",
        "terminals.resend_order",
        510,
        {**FAILED, "message": "terminalIsBusy", "errors": "Array"},
        error(TerminalBusyError),
        provoke="busy",
    ),
    Recorded(
        "a refused identity number",
        "orders.send_invoice",
        510,
        {**FAILED, "message": "personCurrentStatusIsWrong", "errors": []},
        lambda found: isinstance(found, APIError) and found.message == "personCurrentStatusIsWrong",
        provoke="510-refused",
    ),
    Recorded(
        "a refund of what was never paid",
        "orders.refund",
        404,
        {**NOT_FOUND, "message": "refundRejectionForTransactionNotFound"},
        lambda found: isinstance(found, APIError) and found.outcome is Outcome.REJECTED,
        provoke="unpaid",
    ),
    Recorded(
        "no token",
        "orders.get_status",
        401,
        {"message": "Unauthenticated."},
        error(AuthenticationError),
        provoke="no token",
    ),
    Recorded(
        "a used-up window",
        "orders.get_status",
        429,
        {"message": "Too Many Attempts."},
        error(RateLimitedError),
        provoke="no quota",
    ),
    Recorded(
        "a proxy's page",
        "orders.get_status",
        502,
        "<html><h1>502 Bad Gateway</h1></html>",
        error(ServerError, Outcome.REJECTED),
        provoke="502-before",
    ),
]


@frozen
class Replay(httpx.AsyncBaseTransport):
    """A server that has one answer."""

    recorded: Recorded

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = self.recorded.body
        text = body if isinstance(body, str) else json.dumps(body, separators=(",", ":")).replace("/", "\\/")
        kind = "text/html" if isinstance(body, str) else "application/json"
        return httpx.Response(
            self.recorded.status,
            headers={**HEADERS, "content-type": kind, "x-ratelimit-remaining": "239"},
            content=text.encode(),
        )


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda each: each.name)
async def test_the_client_reads_what_was_recorded(recorded: Recorded) -> None:
    async with FrontPayClient(
        "token",
        base_url=BASE_URL,
        transport=Replay(recorded),
        retry=NO_RETRY,
        rate_limit=RateLimit.unlimited(),
    ) as client:
        found: object
        try:
            found = await call(client, recorded.operation, UUID)
        except FrontPayError as caught:
            found = caught
    assert recorded.means(found), found


async def told(recorded: Recorded) -> httpx.Response:
    """Let the sandbox answer what was answered in the recording."""
    sandbox = Sandbox(
        cardholder=Cardholder(after=None), rate_limit=1 if recorded.provoke == "no quota" else 240
    )
    row, provoke = OPERATIONS[recorded.operation], recorded.provoke
    async with sandbox.client() as client:
        uuid = "orders.refund" if provoke == "unpaid" else recorded.operation
        if "{order_uuid}" not in row.path or recorded in NOTHING_HERE or provoke == "no quota":
            uuid = UNKNOWN_UUID
        elif provoke == "unpaid":
            uuid = await prepare(client, sandbox, "orders.cancel")
        else:
            uuid = await prepare(client, sandbox, recorded.operation)
    if provoke in ("approve", "approve_refund"):
        getattr(sandbox, provoke)(uuid)
    elif (provoke and provoke[0].isdigit()) or provoke == "busy":
        sandbox.fail(provoke)
    answers: list[httpx.Response] = []

    class Listening(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            answer = await sandbox.transport().handle_async_request(request)
            await answer.aread()
            answers.append(answer)
            return answer

    async with FrontPayClient(
        "another" if provoke == "no token" else DEFAULT_TOKEN,
        base_url=BASE_URL,
        transport=Listening(),
        retry=NO_RETRY,
        rate_limit=RateLimit.unlimited(),
    ) as client:
        for _ in range(2 if provoke == "no quota" else 1):
            with contextlib.suppress(FrontPayError):
                await call(client, recorded.operation, uuid)
    return answers[-1]


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda each: each.name)
async def test_the_sandbox_answers_as_recorded(recorded: Recorded) -> None:
    answer = await told(recorded)
    assert answer.status_code == recorded.status
    if isinstance(recorded.body, str):
        assert answer.headers["content-type"] == "text/html"
        return
    body = answer.json()
    assert body.keys() == recorded.body.keys()
    for name in recorded.body.keys() - set(recorded.unlike):
        assert body[name] == recorded.body[name], name
    if recorded.operation == "orders.get_status" and recorded.status == 200:
        assert recorded.body["data"].keys() <= body["data"].keys()


@pytest.mark.parametrize("recorded", RECORDED, ids=lambda each: each.name)
async def test_every_answer_has_the_recorded_headers(recorded: Recorded) -> None:
    answer = await told(recorded)
    expected = {**HEADERS, "x-ratelimit-limit": "1" if recorded.provoke == "no quota" else "240"}
    if isinstance(recorded.body, str):
        expected["content-type"] = "text/html"
    assert {name: answer.headers.get(name) for name in expected} == expected
    assert "x-ratelimit-remaining" in answer.headers
    assert "content-length" not in answer.headers
    assert ("retry-after" in answer.headers) == (recorded.status == 429)


async def test_the_sentences_come_in_the_order_of_the_fields_and_those_of_lines_last() -> None:
    """``products.*`` are the last rules of the API's own validation; the first is no line's either."""
    body = body_of(SEND_INVOICE)
    del body["products"][0]["name"], body["customerDetails"]["address"]["street"], body["orderSummary"]
    body["products"][0]["rate"] = "much"
    body["orderDate"] = "7 Apr, 2024"
    body["invoiceInterval"] = 3
    async with raw_client(Sandbox()) as raw:
        answer = await raw.post(SEND_INVOICE.path, json=body)
    assert answer.status_code == 417
    sentences = answer.json()["errors"]
    lines = [each for each in sentences if "products.0" in each]
    assert sentences[-len(lines) :] == lines != []
    fields = [member.name for member in SEND_INVOICE.rules.fields] if SEND_INVOICE.rules else []
    told_of = [next(name for name in fields if words(name) in each) for each in sentences[: -len(lines)]]
    assert told_of == sorted(told_of, key=fields.index)
    assert "orderDate" in told_of


def words(name: str) -> str:
    """A field's name as a sentence has it."""
    return "".join(f" {each.lower()}" if each.isupper() else each for each in name)


async def test_the_client_reads_the_sentences_of_a_417(client: FrontPayClient) -> None:
    recorded = Recorded(
        "",
        "orders.send_invoice",
        417,
        {
            "status_code": 417,
            "status_message": "Client Error",
            "message": "payloadValidationErrors",
            "is_error": True,
            "errors": [
                "The order date does not match the format d M, Y.",
                "The send order by.sms field is required.",
            ],
        },
        lambda _: True,
    )
    async with FrontPayClient(
        "token", base_url=BASE_URL, transport=Replay(recorded), retry=NO_RETRY
    ) as reader:
        with pytest.raises(RequestRejectedError) as caught:
            await call(reader, "orders.send_invoice", UUID)
    assert len(caught.value.messages) == 2
