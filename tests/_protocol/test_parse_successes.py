"""Each documented success parses to its value."""

from __future__ import annotations

import pickle
import re
from decimal import Decimal
from typing import Any

import pytest

from frontpay_async import (
    AlreadyInvoicedError,
    AlreadyPaidError,
    APIError,
    CreatedOrder,
    CreatedTerminalOrder,
    InvoiceNumber,
    Listing,
    NotFoundError,
    OrderStatus,
    OrderStatusEntry,
    OrderStatusReport,
    Outcome,
    OutcomeUnknownError,
    PaymentStatus,
    RefundRejectedError,
    RefundStatus,
    RequestRejectedError,
    ServerError,
    Terminal,
    TerminalBusyError,
)
from frontpay_async._protocol import operations
from frontpay_async._protocol.build import build
from frontpay_async._protocol.operations import (
    OPERATIONS,
    Operation,
    Safety,
    customers,
    reservations,
    subscriptions,
)
from frontpay_async._protocol.parse import problem
from tests._protocol.test_codec import DETAILS
from tests.support.wire import answer, read, success

ORDERS = [
    operations.SEND_PAYMENT_LINK,
    operations.SEND_INVOICE,
    operations.SEND_EFAKTURA,
    operations.SEND_EHF_INVOICE,
]
SILENT = [row for row in OPERATIONS.values() if row.result is None]


@pytest.mark.parametrize("operation", ORDERS, ids=lambda row: row.name)
def test_a_created_order(operation: Operation[CreatedOrder]) -> None:
    """The documented answer says that it holds no data, and holds it."""
    data = {"uuid": "ODR2210048815", "customerUuid": "CSRT8812003417"}
    created = read(operation, success(operation, data, is_data=False))
    assert created == CreatedOrder(order_uuid="ODR2210048815", customer_uuid="CSRT8812003417")


@pytest.mark.parametrize("name", ["orderUuid", "uuid"])
def test_a_created_terminal_order(name: str) -> None:
    response = success(operations.CREATE_TERMINAL_ORDER, {name: "ODR7"})
    assert read(operations.CREATE_TERMINAL_ORDER, response) == CreatedTerminalOrder(order_uuid="ODR7")


@pytest.mark.parametrize("operation", SILENT, ids=lambda row: row.name)
@pytest.mark.parametrize("data", [None, [], {}, {"orderUuid": "ODR7"}, ["ODR7"], "text"], ids=repr)
def test_what_carries_nothing_is_none(operation: Operation[None], data: Any) -> None:
    """Terminal resend's data is documented in PHP, so its form is anybody's guess."""
    assert read(operation, success(operation, data)) is None


def test_the_http_status_and_that_of_the_body_may_differ() -> None:
    response = success(operations.RESEND_TERMINAL_ORDER, status_code=200)
    assert (response.status, read(operations.RESEND_TERMINAL_ORDER, response)) == (202, None)


@pytest.mark.parametrize("status", [200, 201, 202, 203, 299])
def test_a_2xx_with_the_envelope_is_a_success(status: int) -> None:
    assert read(operations.SEND_INVOICE, answer(status, {"data": {"uuid": "ODR7"}})).order_uuid == "ODR7"


CHANGES = [row for row in OPERATIONS.values() if row.safety is not Safety.READ]


def done(operation: Operation[Any], **more: Any) -> dict[str, Any]:
    """The envelope of a success, with other members over it."""
    data = {"uuid": "ODR7", "orderUuid": "ODR7"} if operation.result else None
    return {
        "status_code": operation.success,
        "status_message": "OK",
        "message": operation.message,
        "is_data": False,
        "data": data,
        **more,
    }


@pytest.mark.parametrize("operation", CHANGES, ids=lambda row: row.name)
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"ok": True},
        {"status": "success"},
        {"data": None},
        {"message": "Accepted"},
        {"error": {"code": "upstream"}},
        {"is_error": True, "errors": None},
        {"status_code": 510, "status_message": "Execution Exception Occurred"},
    ],
    ids=repr,
)
def test_a_2xx_without_the_envelope_is_not_a_success(operation: Operation[Any], body: Any) -> None:
    """Money: a gateway's 200 does not say that a refund was carried out."""
    with pytest.raises(OutcomeUnknownError) as caught:
        read(operation, answer(operation.success, body))
    assert caught.value.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("operation", CHANGES, ids=lambda row: row.name)
@pytest.mark.parametrize(
    "marked",
    [
        {"is_error": True},
        {"is_error": 1},
        {"is_error": "true"},
        {"errors": ["The amount is wrong."]},
        {"errors": {"happenedAt": "x"}},
        {"error": "upstream"},
        {"success": False},
        {"status_code": 400},
        {"status_code": "510"},
        {"message": "somethingNewWasRejected"},
        {"message": "Order Could Not Be Changed"},
    ],
    ids=repr,
)
def test_a_2xx_that_contradicts_itself_is_not_a_success(operation: Operation[Any], marked: Any) -> None:
    with pytest.raises(OutcomeUnknownError):
        read(operation, answer(operation.success, done(operation, **marked)))


OTHER_MARKS: list[dict[str, Any]] = [
    {"isError": True}, {"IsError": "true"}, {"is_error": "TRUE"}, {"is_error": "yes"}, {"has_error": 1},
    {"isSuccess": False}, {"success": "false"}, {"success": 0}, {"ok": False}, {"status": "error"},
    {"status": "FAILED"}, {"status": 400}, {"statusCode": 417}, {"status_code": "417 Expectation Failed"},
    {"code": 500}, {"errorMessage": "x"}, {"error_code": 17}, {"Errors": {"a": ["b"]}}, {"exception": "X"},
    {"success": True, "errors": ["x"]}, {"status_message": "Bad Request"}, {"errors": [None]},
    {"status_message": "Execution Exception Occurred"}, {"message": "orderIsLocked"},
    {"message": "refundLimitReached"}, {"message": "duplicateRequest"}, {"message": "insufficientFunds"},
]  # fmt: skip


@pytest.mark.parametrize("marked", OTHER_MARKS, ids=repr)
def test_an_error_is_marked_in_any_spelling(marked: dict[str, Any]) -> None:
    """Money: whichever member says that it failed, and however it is spelt."""
    for operation in CHANGES:
        with pytest.raises(OutcomeUnknownError):
            read(operation, answer(operation.success, done(operation, **marked)))


# Copied, so that a name that is lost from the lists is noticed.
ERROR_MEMBERS = (
    "error", "errors", "isError", "hasError", "hasErrors", "errorCode", "errorMessage", "errorDescription",
    "exception", "fault", "failed", "isFailed", "failure", "validationErrors",
)  # fmt: skip
SUCCESS_MEMBERS = ("success", "isSuccess", "successful", "isSuccessful", "ok")
STATUS_MEMBERS = ("status", "statusCode", "statusMessage", "httpStatus", "code", "result")


@pytest.mark.parametrize(
    ("name", "failure", "fine"),
    [
        *((name, (True, 1, "x", ["x"]), (False, 0, "", None, [])) for name in ERROR_MEMBERS),
        *((name, (False, 0, "no", ""), (True, 1, "yes", None)) for name in SUCCESS_MEMBERS),
        *(
            (
                name,
                (False, 100, 199, 300, "599", "404 Not Found", "Conflict", "declined"),
                (True, 200, 299, 99, 600, "OK"),
            )
            for name in STATUS_MEMBERS
        ),
    ],
)
def test_each_member_that_may_mark_a_failure(
    name: str, failure: tuple[Any, ...], fine: tuple[Any, ...]
) -> None:
    operation = operations.REFUND_ORDER
    for value in failure:
        with pytest.raises(OutcomeUnknownError):
            read(operation, answer(operation.success, done(operation, **{name: value})))
    for value in fine:
        assert read(operation, answer(operation.success, done(operation, **{name: value}))) is None


@pytest.mark.parametrize(
    "word",
    [
        *("Cancelled", "Released", "Voided", "Refunded", "Credited"),
        *("Captured", "Charged", "Paid", "Payed", "Settled"),
    ],
)
def test_a_created_order_that_was_something_else_is_unknown(word: str) -> None:
    response = success(operations.SEND_INVOICE, {"uuid": "ODR7"}, message=f"order{word}Successfully")
    with pytest.raises(OutcomeUnknownError, match="another operation"):
        read(operations.SEND_INVOICE, response)


@pytest.mark.parametrize("inner", [{"is_error": True}, {"error": "x"}, {"success": False}], ids=repr)
def test_an_error_inside_the_data_is_not_a_success(inner: dict[str, Any]) -> None:
    for operation in CHANGES:
        data = {"uuid": "ODR7", "orderUuid": "ODR7", **inner}
        with pytest.raises(OutcomeUnknownError):
            read(operation, success(operation, data))


@pytest.mark.parametrize(
    "message", ["somethingWentWrong", "Too Many Attempts.", "Service Unavailable", "Upstream timed out"]
)
def test_an_empty_list_beside_a_failure_is_not_an_empty_account(message: str) -> None:
    for operation in (row for row in OPERATIONS.values() if row.listed or row.paged):
        body = {"message": message, "is_data": True, "data": []}
        with pytest.raises((OutcomeUnknownError, ServerError)):
            read(operation, answer(200, body))
        assert read(operation, answer(200, {**body, "message": "No Orders Found"})) is not None


@pytest.mark.parametrize("uuid", ["", [], {}, None])
def test_an_id_that_is_not_repeated_hides_no_status(uuid: Any) -> None:
    body = {"data": {"uuid": uuid, "orderUuid": uuid, "status": "PAID", "order_status": "PAID"}}
    for operation in (operations.GET_ORDER_STATUS, operations.GET_ORDER_DETAILS):
        assert read(operation, answer(200, body), "ODR7").status == "PAID"


def test_a_terminal_check_about_another_order_is_no_answer() -> None:
    for more in ({"orderUuid": "ODR8"}, {"uuid": "ODR8"}, {"data": {"orderUuid": "ODR8"}}):
        body = {"order_status": "PAID", "data": None, **more}
        with pytest.raises(OutcomeUnknownError):
            read(operations.GET_PAYMENT_STATUS, answer(200, body), "ODR7")


def test_a_message_that_is_not_text_names_no_success() -> None:
    for operation in SILENT:
        for message in (["x"], {"a": "refundRejectionX"}, 7):
            with pytest.raises(OutcomeUnknownError):
                read(operation, answer(operation.success, done(operation, message=message)))


@pytest.mark.parametrize(
    "message",
    ["orderStatusAlreadyPaid", "ORDER STATUS ALREADY PAID", "order_status_already_paid",
     "order-status-already-paid", " orderStatusAlreadyPaid ", "orderstatusalreadypaid"],
)  # fmt: skip
def test_a_known_code_is_its_error_in_any_spelling(message: str) -> None:
    for operation in (operations.REFUND_ORDER, operations.CANCEL_ORDER, operations.CHARGE_DELAYED):
        for status in (200, 400):
            with pytest.raises(AlreadyPaidError):
                read(operation, answer(status, {"message": message, "is_error": True, "errors": None}))


@pytest.mark.parametrize("uuid", [0, "0", "null", "undefined", "None", False], ids=repr)
def test_what_stands_for_no_id_is_no_id(uuid: Any) -> None:
    for operation in ORDERS:
        with pytest.raises(OutcomeUnknownError):
            read(operation, success(operation, {"uuid": uuid, "customerUuid": "CSRT1"}))


@pytest.mark.parametrize("operation", CHANGES, ids=lambda row: row.name)
@pytest.mark.parametrize(
    "quiet", [{"is_error": False}, {"errors": None}, {"errors": "Array"}, {"errors": []}]
)
@pytest.mark.parametrize("message", [None, "", " ", "Request Completed", "customerNotifiedOfIt"])
def test_other_words_do_not_hide_a_success(operation: Operation[Any], quiet: Any, message: Any) -> None:
    """Another revision of the API may word its success otherwise."""
    for more in (quiet, {"message": message}):
        assert problem(operation, answer(operation.success, done(operation, **more)), None) is None


@pytest.mark.parametrize(
    "message",
    ["Ikke nok penger", "avvist", "Kortet er sperret", "accepted for review", "Under behandling",
     "Refund amount greater than balance", "over the weekly threshold", "Something New"],
)  # fmt: skip
def test_words_that_name_no_success_are_none(message: str) -> None:
    """Money: a rejection in words that are not known, or in Norwegian, is not taken for a refund."""
    for operation in SILENT:
        with pytest.raises(OutcomeUnknownError):
            read(operation, answer(operation.success, done(operation, message=message)))


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
@pytest.mark.parametrize("status", [204, 205, 206])
def test_a_2xx_that_has_no_whole_body_is_not_a_success(operation: Operation[Any], status: int) -> None:
    for body in (b"", success(operation, done(operation)["data"]).body):
        with pytest.raises(OutcomeUnknownError, match=str(status)):
            read(operation, answer(status, body))


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
@pytest.mark.parametrize("status", [0, 99, 600, 999, 2000])
def test_a_status_that_http_does_not_have_leaves_it_unknown(operation: Operation[Any], status: int) -> None:
    with pytest.raises(OutcomeUnknownError, match=str(status)):
        read(operation, answer(status, done(operation)))


@pytest.mark.parametrize("is_error", [True, False])
@pytest.mark.parametrize(
    ("operation", "code", "cls", "outcome"),
    [
        *(
            (row, "refundRejectionForProductAmountExceed", RefundRejectedError, Outcome.REJECTED)
            for row in CHANGES
            if row.result is None
        ),
        (operations.CANCEL_ORDER, "orderStatusAlreadyPaid", AlreadyPaidError, Outcome.REJECTED),
        (operations.CANCEL_ORDER, "Order Not Found", NotFoundError, Outcome.REJECTED),
        (operations.CHARGE_DELAYED, "orderStatusAlreadyInvoiced", AlreadyInvoicedError, Outcome.REJECTED),
        (operations.SEND_INVOICE, "payloadValidationErrors", RequestRejectedError, Outcome.REJECTED),
        (operations.RESEND_TERMINAL_ORDER, "terminalIsBusy", TerminalBusyError, Outcome.REJECTED),
        (operations.SEND_INVOICE, "personCurrentStatusIsWrong", ServerError, Outcome.UNKNOWN),
        (operations.SEND_INVOICE, "somethingWentWrong", ServerError, Outcome.UNKNOWN),
        (operations.GET_ORDER_STATUS, "orderNotFound", NotFoundError, Outcome.REJECTED),
        (operations.LIST_ORDER_STATUSES, "somethingWentWrong", ServerError, Outcome.REJECTED),
        (operations.GET_PAYMENT_STATUS, "orderNotFound", NotFoundError, Outcome.REJECTED),
    ],
)
def test_a_2xx_with_the_code_of_an_error_is_that_error(
    operation: Operation[Any], code: str, cls: type[APIError], outcome: Outcome, is_error: bool
) -> None:
    body = {"message": code, "is_error": is_error, "errors": None, "data": None}
    with pytest.raises(cls) as caught:
        read(operation, answer(200, body), "ODR7")
    assert (type(caught.value), caught.value.outcome, caught.value.status) == (cls, outcome, 200)
    assert caught.value.order_uuid == "ODR7"


def test_an_id_beside_a_refusal_is_looked_up() -> None:
    """It may be the id of the order that was created all the same."""
    body = {"message": "payloadValidationErrors", "is_error": True, "data": {"uuid": "ODR7"}}
    with pytest.raises(OutcomeUnknownError):
        read(operations.SEND_INVOICE, answer(200, body))


ABOUT_ONE = [
    (
        row,
        {"uuid": "ODR8", "orderUuid": "ODR8", "status": "PAID", "order_status": "PAID", "refund_status": "x"},
    )
    for row in OPERATIONS.values()
    if "{order_uuid}" in row.path
]


@pytest.mark.parametrize(("operation", "data"), ABOUT_ONE, ids=lambda each: getattr(each, "name", ""))
def test_an_answer_about_another_order_is_no_answer(operation: Operation[Any], data: Any) -> None:
    """A watch of one order must not end by another's payment."""
    response = success(operation, data)
    with pytest.raises(OutcomeUnknownError, match="another order"):
        read(operation, response, "ODR7")
    read(operation, response, "ODR8")
    read(operation, response, "odr8")


@pytest.mark.parametrize(
    ("operation", "uuid"),
    [
        *(
            (row, "ODR7")
            for row in (operations.CANCEL_ORDER, operations.REFUND_ORDER, operations.CHARGE_DELAYED)
        ),
        *((row, "RES7") for row in (reservations.CAPTURE_RESERVATION, reservations.CANCEL_RESERVATION)),
        (subscriptions.REFUND_CYCLES, "SUB7"),
    ],
    ids=str,
)
def test_a_change_of_another_order_is_not_this_ones(operation: Operation[Any], uuid: str) -> None:
    """Under whatever name; an id of another kind is what was created."""
    for name in ("uuid", "orderUuid", "reservationUuid", "subscriptionUuid"):
        with pytest.raises(OutcomeUnknownError, match="another order"):
            read(operation, success(operation, {name: uuid[:3] + "8"}), uuid)
        read(operation, success(operation, {"uuid": "CAP9", name: uuid.lower()}), uuid)
    read(operation, success(operation, {"uuid": "CAP9"}), uuid)


@pytest.mark.parametrize("name", ["uuid", "customerUuid"])
def test_a_customer_who_was_not_asked_for_is_no_answer(name: str) -> None:
    row = customers.GET_CUSTOMER_DETAILS
    request = build(row, uuid="CSRT7")
    response = success(row, {name: "CSRT8"})
    assert isinstance(problem(row, response, request.order_uuid, tuple, request.asked), OutcomeUnknownError)
    assert problem(row, success(row, {name: "CSRT7"}), request.order_uuid, tuple, request.asked) is None


CHANGES = [row for row in OPERATIONS.values() if row.safety is not Safety.READ and not row.raw]


@pytest.mark.parametrize("operation", CHANGES, ids=lambda row: row.name)
def test_the_success_of_another_operation_is_not_this_ones(operation: Operation[Any]) -> None:
    """An answer that belongs to another request must not report that this one was carried out."""
    data: Any = {"uuid": "CAP7", "orderUuid": "ODR7", "customerUuid": "CSRT7"} if operation.result else None
    for message, verbs in {
        "cancelledOrderSuccessfully": "cancel",
        "Order Refunded Successfully": "refund",
        "reservationCapturedSuccessfully": "captur|charg",
    }.items():
        if not re.search(verbs, operation.message, re.IGNORECASE):
            with pytest.raises(OutcomeUnknownError):
                read(operation, success(operation, data, message=message))


@pytest.mark.parametrize("keyed", [False, True])
def test_a_list_of_statuses(keyed: bool) -> None:
    rows = [{"uuid": "ODR7", "status": "PARTIAL REFUNDED"}, {"uuid": "ODR8", "status": None}]
    data = {str(index): row for index, row in enumerate(rows)} if keyed else rows
    assert read(operations.LIST_ORDER_STATUSES, success(operations.LIST_ORDER_STATUSES, data)) == (
        OrderStatusEntry(order_uuid="ODR7", status=OrderStatus.PARTIAL_REFUNDED),
        OrderStatusEntry(order_uuid="ODR8", status=OrderStatus.UNKNOWN),
    )


@pytest.mark.parametrize("operation", [operations.LIST_ORDER_STATUSES, operations.LIST_TERMINALS])
def test_a_list_of_nothing(operation: Operation[Any]) -> None:
    assert read(operation, success(operation, [])) == ()


@pytest.mark.parametrize("operation", [operations.LIST_ORDER_STATUSES, operations.LIST_TERMINALS])
@pytest.mark.parametrize(
    "body",
    [
        {},
        {"error": {"code": "upstream"}},
        {"data": None},
        {"data": {}},
        {"data": "text"},
        {"data": 5},
        {"data": True},
        {"data": [], "is_error": True},
        {"data": [], "status_code": 500},
        {"message": "Server Error", "exception": "x"},
    ],
    ids=repr,
)
def test_what_is_missing_is_not_an_empty_list(operation: Operation[Any], body: Any) -> None:
    """Money: an account that looks empty lets a batch send again."""
    with pytest.raises((OutcomeUnknownError, ServerError)):
        read(operation, answer(200, body))


@pytest.mark.parametrize("message", ["Order Not Found", "orderNotFound"])
def test_an_account_without_orders_is_an_empty_list(message: str) -> None:
    body = {"status_code": 404, "message": message, "is_error": False, "errors": None}
    assert read(operations.LIST_ORDER_STATUSES, answer(404, body)) == ()


ROW: dict[str, Any] = {"uuid": "ODR7", "status": "SENT"}


@pytest.mark.parametrize(
    "more",
    [{"total": 500}, {"metaData": {"total": "500"}}, {"meta": {"last_page": 2}},
     {"meta": {"current_page": 2}}, {"links": {"next": "/?page=2"}},
     {"metaData": {"currentPage": 2, "lastPage": 2}}, {"pagination": {"current_page": 1, "last_page": 3}}],
    ids=repr,
)  # fmt: skip
def test_a_list_that_is_one_page_of_several_proves_no_absence(more: dict[str, Any]) -> None:
    """Money: an empty page is not an empty account, and a full one is not the whole account."""
    operation = operations.LIST_ORDER_STATUSES
    with pytest.raises(OutcomeUnknownError):
        read(operation, answer(200, {"data": [], **more}))
    listing = read(operation, answer(200, {"data": [ROW], **more}))
    assert [each.order_uuid for each in listing] == ["ODR7"]
    assert listing.unreadable == (None,)


def test_an_empty_list_of_one_row_is_not_an_empty_account() -> None:
    for total in (1, "1"):
        with pytest.raises(OutcomeUnknownError):
            read(operations.LIST_ORDER_STATUSES, answer(200, {"data": [], "total": total}))
    assert read(operations.LIST_ORDER_STATUSES, answer(200, {"data": [], "total": 0})) == ()


@pytest.mark.parametrize("envelope", [{"is_data": False}, {"data": None, "status_code": 201}], ids=repr)
def test_the_members_of_the_envelope_are_a_success_without_a_message(envelope: dict[str, Any]) -> None:
    operation = operations.CANCEL_ORDER
    assert read(operation, answer(operation.success, envelope)) is None
    for name, value in envelope.items():
        with pytest.raises(OutcomeUnknownError):
            read(
                operation,
                answer(operation.success, {"other": 7, **({} if name == "is_data" else {name: value})}),
            )


def test_the_rows_of_a_paginator_are_read() -> None:
    page = {"current_page": 1, "data": [ROW], "last_page": 1, "total": 1, "next_page_url": None}
    operation = operations.LIST_ORDER_STATUSES
    listing = read(operation, answer(200, {"data": page}))
    assert (len(listing), listing.unreadable) == (1, ())
    assert read(operation, answer(200, {"data": {**page, "total": 2}})).unreadable == (None,)
    with pytest.raises(OutcomeUnknownError):
        read(operation, answer(200, {"data": {**page, "data": []}}))


@pytest.mark.parametrize(
    "more",
    [{"total": 1}, {"metaData": {"total": 1, "currentPage": 1, "lastPage": 1}, "links": {"next": None}},
     {"total": "many"}, {"metaData": []}, {"links": {"next": ""}}],
    ids=repr,
)  # fmt: skip
def test_a_list_that_is_whole_has_nothing_unreadable(more: dict[str, Any]) -> None:
    assert read(operations.LIST_ORDER_STATUSES, answer(200, {"data": [ROW], **more})).unreadable == ()


def test_no_orders_beside_orders_is_no_empty_account() -> None:
    body = {"message": "Order Not Found", "data": [ROW]}
    with pytest.raises(NotFoundError):
        read(operations.LIST_ORDER_STATUSES, answer(404, body))


def test_an_orders_status() -> None:
    data = {"uuid": "ODR7", "status": "PAID", "orderAmount": 640, "refundedAmount": "0.50"}
    assert read(operations.GET_ORDER_STATUS, success(operations.GET_ORDER_STATUS, data)) == OrderStatusReport(
        order_uuid="ODR7",
        status=OrderStatus.PAID,
        order_amount=Decimal(640),
        refunded_amount=Decimal("0.50"),
    )


def test_a_json_number_keeps_its_digits() -> None:
    body = b'{"data": {"uuid": "ODR7", "orderAmount": 0.10, "refundedAmount": 12345678901234567890.12}}'
    report = read(operations.GET_ORDER_STATUS, answer(200, body))
    assert [str(report.order_amount), str(report.refunded_amount)] == ["0.10", "12345678901234567890.12"]


def test_an_orders_details() -> None:
    data = {**DETAILS, "productList": []}
    details = read(operations.GET_ORDER_DETAILS, success(operations.GET_ORDER_DETAILS, data))
    assert (details.order_uuid, details.invoice_number) == ("ODR2210048815", "10004711")


def test_an_invoice_number() -> None:
    data = {"orderUuid": "ODR7", "invoiceNumber": "10004711", "status": "INKASSO"}
    response = success(operations.GET_INVOICE_NUMBER, data)
    assert read(operations.GET_INVOICE_NUMBER, response) == InvoiceNumber(
        order_uuid="ODR7", invoice_number="10004711", status=OrderStatus.INKASSO
    )


def test_a_list_of_terminals() -> None:
    data = [{"uuid": "TRML7", "name": "Kasse 1", "status": 1, "organization_uuid": "ORG9"}]
    assert read(operations.LIST_TERMINALS, success(operations.LIST_TERMINALS, data)) == (
        Terminal(uuid="TRML7", name="Kasse 1", status=1, organization_uuid="ORG9"),
    )


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("PAID", PaymentStatus.PAID),
        ("CANCELLED", PaymentStatus.CANCELLED),
        ("paid", PaymentStatus.PAID),
        ("SENT", PaymentStatus("SENT")),
        (None, PaymentStatus.UNKNOWN),
        ("", PaymentStatus.UNKNOWN),
    ],
)
@pytest.mark.parametrize("message", ["orderPaymentConfirmed", "orderStatusUpdatedSuccessfully"])
def test_a_payments_status_stands_beside_the_data(
    written: str | None, read_as: PaymentStatus, message: str
) -> None:
    response = success(operations.GET_PAYMENT_STATUS, order_status=written, message=message)
    assert read(operations.GET_PAYMENT_STATUS, response) == read_as


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("REFUNDED", RefundStatus.REFUNDED),
        ("REJECTED", RefundStatus.REJECTED),
        ("PENDING", RefundStatus("PENDING")),
        (None, RefundStatus.UNKNOWN),
    ],
)
def test_a_refunds_status_stands_beside_the_data(written: str | None, read_as: RefundStatus) -> None:
    response = success(operations.GET_REFUND_STATUS, refund_status=written)
    assert read(operations.GET_REFUND_STATUS, response) == read_as


def test_a_status_may_stand_within_the_data() -> None:
    response = success(operations.GET_PAYMENT_STATUS, {"order_status": "PAID"})
    assert read(operations.GET_PAYMENT_STATUS, response) is PaymentStatus.PAID


@pytest.mark.parametrize("data", [None, [], {"order_status": None}], ids=repr)
def test_a_missing_status_is_no_error(data: Any) -> None:
    response = success(operations.GET_PAYMENT_STATUS, data)
    assert read(operations.GET_PAYMENT_STATUS, response) is PaymentStatus.UNKNOWN


@pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>hello</html>",
        b'{"data": {"uuid": "OD',
        b"[]",
        b"null",
        b'"text"',
        b"\xff\xfe",
        b"NaN",
        b'{"data": NaN}',
        b'{"data": 1e99999999999999999999}',
        b"[" * 100_000,
    ],
    ids=lambda body: body[:30].decode("latin-1"),
)
def test_a_success_that_is_not_the_apis_json_leaves_it_unknown(
    operation: Operation[Any], body: bytes
) -> None:
    with pytest.raises(OutcomeUnknownError, match="is not the API's JSON") as caught:
        read(operation, answer(operation.success, body), "ODR7")
    error = caught.value
    assert (error.outcome, error.operation, error.order_uuid) == (Outcome.UNKNOWN, operation.name, "ODR7")
    assert ("check before you send it again" in str(error)) == (operation.safety is Safety.UNSAFE)
    assert ("this is a read" in str(error)) == (operation.safety is Safety.READ)


@pytest.mark.parametrize("status", [100, 199, 301, 302, 304, 399])
def test_what_is_neither_success_nor_error_leaves_it_unknown(status: int) -> None:
    with pytest.raises(OutcomeUnknownError, match=str(status)):
        read(operations.SEND_INVOICE, answer(status, {"data": {"uuid": "ODR7"}}))


@pytest.mark.parametrize(
    ("data", "why"),
    [
        *((data, "cannot be used: it is not a success") for data in (None, [], {}, "text")),
        ({"customerUuid": "CSRT1"}, r"not in the documented form .*\$"),
    ],
    ids=repr,
)
def test_a_success_without_its_id_leaves_it_unknown(data: Any, why: str) -> None:
    with pytest.raises(OutcomeUnknownError, match=rf"201.*{why}.*check before"):
        read(operations.SEND_INVOICE, success(operations.SEND_INVOICE, data))


def test_an_unreadable_answer_keeps_its_values_to_itself() -> None:
    response = success(operations.SEND_INVOICE, {"uuid": {"secret": "01017012345"}})
    with pytest.raises(OutcomeUnknownError) as caught:
        read(operations.SEND_INVOICE, response)
    assert "01017012345" not in str(caught.value)
    assert caught.value.__cause__ is caught.value.__context__ is None


def test_a_success_is_no_problem() -> None:
    assert problem(operations.CANCEL_ORDER, success(operations.CANCEL_ORDER), None) is None


def test_a_row_that_cannot_be_read_does_not_hide_the_others() -> None:
    rows = [{"uuid": "ODR7", "status": "PAID"}, {"uuid": None, "status": "SENT"}, None, {"uuid": "O\0"}, 5]
    for operation in (operations.LIST_ORDER_STATUSES, operations.LIST_TERMINALS):
        found = read(operation, success(operation, rows))
        assert isinstance(found, Listing)
        assert len(found) == 1
        assert found.unreadable == tuple(rows[1:])
        assert "4 unreadable" in repr(found)
        assert "SENT" not in repr(found)
        again = pickle.loads(pickle.dumps(found))  # noqa: S301 - our own
        assert (again, again.unreadable) == (found, found.unreadable)


@pytest.mark.parametrize("rows", [[None], [{}], [{"uuid": ""}, 5], {"0": {}}], ids=repr)
def test_a_list_of_which_no_row_can_be_read_is_not_empty(rows: Any) -> None:
    with pytest.raises(OutcomeUnknownError, match="no row of"):
        read(operations.LIST_ORDER_STATUSES, success(operations.LIST_ORDER_STATUSES, rows))


@pytest.mark.parametrize(
    "data", [{"code": "upstream"}, {"data": [], "total": 0}, {"0": {"uuid": "O"}, "1": 2}]
)
def test_an_object_that_is_not_rows_is_no_list(data: Any) -> None:
    with pytest.raises(OutcomeUnknownError, match="not a list"):
        read(operations.LIST_ORDER_STATUSES, success(operations.LIST_ORDER_STATUSES, data))


@pytest.mark.parametrize(
    ("operation", "data", "python"),
    [
        (operations.GET_ORDER_STATUS, {"status": "PAID", "orderAmount": "1,234.50"}, "status"),
        (operations.GET_ORDER_DETAILS, {"invoiceNumber": "7"}, "invoice_number"),
        (operations.GET_INVOICE_NUMBER, {"invoiceNumber": "7", "uuid": None}, "invoice_number"),
    ],
)
def test_an_answer_that_does_not_name_its_order_is_about_the_one_asked_for(
    operation: Operation[Any], data: Any, python: str
) -> None:
    value = read(operation, success(operation, data), "ODR7")
    assert (value.order_uuid, getattr(value, python)) == (
        "ODR7",
        data[{"invoice_number": "invoiceNumber"}.get(python, python)],
    )


@pytest.mark.parametrize("operation", [operations.GET_ORDER_STATUS, operations.GET_ORDER_DETAILS])
def test_an_answer_of_which_nothing_is_known_is_unreadable(operation: Operation[Any]) -> None:
    with pytest.raises(OutcomeUnknownError):
        read(operation, success(operation, {"foo": 1}), "ODR7")


@pytest.mark.parametrize(("data", "uuid"), [({"uuid": "CAP1"}, "CAP1"), (None, None), ([], None)])
def test_money_was_taken_although_the_payments_id_is_missing(data: Any, uuid: str | None) -> None:
    for operation in (reservations.CAPTURE_RESERVATION, reservations.CHARGE_RESERVATION):
        assert read(operation, success(operation, data), "RES7").uuid == uuid
