"""Each documented error, and each that was seen, parses to its class and its outcome."""

from __future__ import annotations

import json
import pickle
from typing import Any

import pytest

from frontpay_async import (
    AlreadyCancelledError,
    AlreadyInvoicedError,
    AlreadyPaidError,
    AlreadyPaidOrCancelledError,
    APIError,
    AuthenticationError,
    BusinessRuleError,
    FrontPayError,
    NotFoundError,
    Outcome,
    PermissionDeniedError,
    RateLimitedError,
    RefundRejectedError,
    RequestRejectedError,
    ServerError,
    TerminalBusyError,
)
from frontpay_async._protocol import operations
from frontpay_async._protocol.operations import OPERATIONS, Operation, Safety
from frontpay_async._protocol.parse import problem
from tests.support.wire import answer

EVERY = pytest.mark.parametrize("operation", OPERATIONS.values(), ids=OPERATIONS.keys())
HTML = b"<html><body><center><h1>502 Bad Gateway</h1></center><hr>nginx</body></html>"


def error_of(operation: Operation[Any], status: int, body: Any, **headers: str) -> APIError:
    error = problem(operation, answer(status, body, **headers), "ODR7")
    assert isinstance(error, APIError)
    assert (error.status, error.operation, error.order_uuid) == (status, operation.name, "ODR7")
    return error


def envelope(message: str, errors: Any = None, **more: Any) -> dict[str, Any]:
    return {
        "status_message": "…",
        "message": message,
        "is_error": errors is not None,
        "errors": errors,
        **more,
    }


@EVERY
def test_a_404_names_what_is_not_there(operation: Operation[Any]) -> None:
    error = error_of(operation, 404, envelope("terminalNotFound"))
    assert type(error) is NotFoundError
    assert (error.outcome, error.code) == (Outcome.REJECTED, "terminalNotFound")
    assert "Check the id and the environment." in str(error)


@pytest.mark.parametrize("operation", [operations.REFUND_ORDER, operations.REFUND_TERMINAL_ORDER])
@pytest.mark.parametrize("status", [400, 404, 409, 417])
def test_a_refused_refund_is_one_whatever_its_status(operation: Operation[Any], status: int) -> None:
    """The API answers a refund without a transaction with 404."""
    code = "refundRejectionForTransactionNotFound"
    error = error_of(operation, status, {"message": code, "is_data": False, "data": None})
    assert isinstance(error, RefundRejectedError)
    assert (type(error), error.reason, error.outcome) == (RefundRejectedError, code, Outcome.REJECTED)


@pytest.mark.parametrize("message", ["orderNotFound", "Order Not Found"])
def test_an_unknown_order_has_one_code_however_it_is_spelled(message: str) -> None:
    error = error_of(operations.GET_ORDER_STATUS, 404, {"message": message, "is_data": False, "data": None})
    assert (type(error), error.message, error.code) == (NotFoundError, message, "orderNotFound")


@pytest.mark.parametrize(
    "body", [HTML, b"", b"{}", {"message": "Page Not Found"}, {"message": None}], ids=repr
)
def test_a_404_of_something_else_is_no_empty_list(body: Any) -> None:
    assert isinstance(error_of(operations.LIST_ORDER_STATUSES, 404, body), NotFoundError)


@pytest.mark.parametrize("status", [400, 403, 410, 500, 510])
def test_only_a_404_is_an_empty_list(status: int) -> None:
    assert error_of(operations.LIST_ORDER_STATUSES, status, envelope("orderNotFound")).code == "orderNotFound"


@pytest.mark.parametrize(
    ("errors", "messages"),
    [
        (
            ["The order date is wrong.", "A name is required."],
            ("The order date is wrong.", "A name is required."),
        ),
        (
            {"products.0.name": ["Required.", "Too short."], "orderDate": "Wrong."},
            ("Required.", "Too short.", "Wrong."),
        ),
        (None, ()),
        ("Array", ()),
        ("", ()),
        ([], ()),
        ({}, ()),
        ("Something is wrong.", ("Something is wrong.",)),
        ([["Deep."], {"a": [None, "Deeper."]}], ("Deep.", "Deeper.")),
        ([1, True], ("1", "True")),
    ],
    ids=repr,
)
@pytest.mark.parametrize("status", [417, 422])
def test_a_refused_payload_lists_the_servers_sentences(
    status: int, errors: Any, messages: tuple[str, ...]
) -> None:
    error = error_of(operations.SEND_INVOICE, status, envelope("payloadValidationErrors", errors))
    assert type(error) is RequestRejectedError
    assert (error.messages, error.outcome, error.errors) == (messages, Outcome.REJECTED, errors)
    assert all(sentence.rstrip(".") in str(error) for sentence in messages)
    assert ".." not in str(error)
    assert "was not done" in str(error)


@pytest.mark.parametrize("status", [400, 404, 500, 510])
def test_only_a_refused_payload_puts_the_details_into_words(status: int) -> None:
    """A trace of the server's is of use to no reader of a log."""
    error = error_of(operations.SEND_INVOICE, status, envelope("somethingWentWrong", ["at line 7"]))
    assert error.messages == ("at line 7",)
    assert "line 7" not in str(error)


def test_errors_may_be_missing() -> None:
    error = error_of(operations.SEND_INVOICE, 417, {"message": "payloadValidationErrors"})
    assert (error.errors, error.messages) == (None, ())


@pytest.mark.parametrize(
    ("operation", "code", "cls"),
    [
        (operations.RESEND_PAYMENT_LINK, "orderStatusAlreadyPaid", AlreadyPaidError),
        (operations.RESEND_PAYMENT_LINK, "orderStatusAlreadyCancelled", AlreadyCancelledError),
        (operations.CANCEL_ORDER, "orderStatusAlreadyPaid", AlreadyPaidError),
        (operations.CANCEL_ORDER, "Order Status Already Paid", AlreadyPaidError),
        (operations.CANCEL_TERMINAL_PAYMENT, "orderStatusAlreadyPaid", AlreadyPaidError),
        (operations.CHARGE_DELAYED, "orderStatusAlreadyInvoiced", AlreadyInvoicedError),
        (operations.CANCEL_ORDER, "orderStatusAlreadyPaidOrCancelled", AlreadyPaidOrCancelledError),
        (operations.REFUND_ORDER, "orderRefundRequestAlreadySubmitted", RefundRejectedError),
        (
            operations.REFUND_ORDER,
            "refundRejectionForRefundedCancelledInvoicedOrderParamRefunded",
            RefundRejectedError,
        ),
        (operations.SEND_INVOICE, "somethingNew", BusinessRuleError),
        (operations.SEND_INVOICE, "That cannot be done.", BusinessRuleError),
        *(
            (operation, code, RefundRejectedError)
            for operation in (operations.REFUND_ORDER, operations.REFUND_TERMINAL_ORDER)
            for code in operation.business_codes
        ),
    ],
)
@pytest.mark.parametrize("errors", [None, "Array"])
def test_business_rules(operation: Operation[Any], code: str, cls: type[APIError], errors: Any) -> None:
    error = error_of(operation, 400, envelope(code, errors))
    assert (type(error), error.message, error.outcome) == (cls, code, Outcome.REJECTED)


def test_every_documented_code_has_a_class_of_its_own() -> None:
    codes = {(row, code) for row in OPERATIONS.values() for code in row.business_codes}
    plain = {code for row, code in codes if type(error_of(row, 400, envelope(code))) is BusinessRuleError}
    assert plain == set()


def test_a_refused_refund_says_why() -> None:
    error = error_of(operations.REFUND_ORDER, 400, envelope("refundRejectionForWeeklyThresholdExceed"))
    assert isinstance(error, RefundRejectedError)
    assert error.reason == error.code == "refundRejectionForWeeklyThresholdExceed"


@pytest.mark.parametrize("body", [{}, HTML, {"message": ["x"]}, {"message": ""}], ids=repr)
def test_a_400_without_a_code(body: Any) -> None:
    error = error_of(operations.CANCEL_ORDER, 400, body)
    assert (type(error), error.code, error.message) == (BusinessRuleError, None, None)


def test_a_missing_token() -> None:
    error = error_of(operations.LIST_TERMINALS, 401, {"message": "Unauthenticated."})
    assert (type(error), error.code, error.message) == (AuthenticationError, None, "Unauthenticated.")
    assert "Check the token" in str(error)


def test_a_token_that_may_not() -> None:
    assert type(error_of(operations.SEND_INVOICE, 403, {"message": "Forbidden"})) is PermissionDeniedError


def test_the_rate_limit() -> None:
    """Laravel's own body, without the envelope."""
    error = error_of(operations.SEND_INVOICE, 429, {"message": "Too Many Attempts."}, retry_after="17")
    assert (type(error), error.retry_after, error.outcome) == (RateLimitedError, 17.0, Outcome.REJECTED)


@EVERY
@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, envelope("internalErrorOccurred", {"happenedAt": "…", "internalErrorDetails": ["x"]})),
        (510, envelope("somethingWentWrong", "Array")),
        (510, envelope("Something Went Wrong", None)),
        (510, envelope("somethingWentWrong", ["x"])),
        (502, HTML),
        (503, b""),
        (504, HTML),
        (599, {"message": 5}),
    ],
    ids=repr,
)
def test_a_failing_api_leaves_it_unknown_unless_it_only_reads(
    operation: Operation[Any], status: int, body: Any
) -> None:
    error = error_of(operation, status, body)
    expected = Outcome.REJECTED if operation.safety is Safety.READ else Outcome.UNKNOWN
    assert (type(error), error.outcome) == (ServerError, expected)


def test_what_went_wrong_has_one_code_however_it_is_spelled() -> None:
    codes = {
        error_of(operations.CANCEL_ORDER, 510, envelope(message)).code
        for message in ("somethingWentWrong", "Something Went Wrong")
    }
    assert codes == {"somethingWentWrong"}


@EVERY
@pytest.mark.parametrize("message", ["terminalIsBusy", "Terminal Is Busy"])
def test_a_busy_terminal_did_nothing(operation: Operation[Any], message: str) -> None:
    error = error_of(operation, 510, envelope(message, "Array"))
    assert (type(error), error.outcome) == (TerminalBusyError, Outcome.REJECTED)


@pytest.mark.parametrize("status", [402, 405, 409, 413, 418, 451])
def test_other_refusals(status: int) -> None:
    error = error_of(operations.SEND_INVOICE, status, HTML)
    assert (type(error), error.outcome, error.message) == (APIError, Outcome.REJECTED, None)


@EVERY
@pytest.mark.parametrize("status", [408, 499])
def test_a_proxy_that_cut_the_request_off_leaves_it_unknown_unless_it_only_reads(
    operation: Operation[Any], status: int
) -> None:
    """Neither says whether the API had the whole request by then."""
    error = error_of(operation, status, HTML)
    expected = Outcome.REJECTED if operation.safety is Safety.READ else Outcome.UNKNOWN
    assert (type(error), error.outcome) == (APIError, expected)


def test_the_request_id_is_kept() -> None:
    assert error_of(operations.SEND_INVOICE, 500, {}, x_request_id="r-1").request_id == "r-1"
    assert error_of(operations.SEND_INVOICE, 500, {}).request_id is None


def test_what_the_server_said_is_masked() -> None:
    said = "Customer eva@example.no (01017012345) at https://pay.example/s/bankid-secret"
    errors = {"eva@example.no": [said, {"deep": said}], "trace": said}
    error = error_of(operations.SEND_INVOICE, 417, envelope(said, errors))
    shown = repr((error, error.args, str(error), error.message, error.errors, error.messages, vars(error)))
    secrets = ("eva@example", "01017012345", "bankid-secret")
    assert [secret for secret in secrets if secret in shown] == []
    assert "https://pay.example/***" in shown


@pytest.mark.parametrize("depth", [100, 400, 900])
@pytest.mark.parametrize(("opening", "closing"), [("[", "]"), ('{"a": ', "}")])
def test_errors_nested_absurdly_deep_are_cut(depth: int, opening: str, closing: str) -> None:
    nested = opening * depth + '"eva@example.no"' + closing * depth
    error = error_of(operations.SEND_INVOICE, 417, b'{"errors": %b}' % nested.encode())
    # The deepest are more than the JSON reader takes.
    assert json.dumps(error.errors) in ("null", opening * 16 + '"***"' + closing * 16)
    assert "eva@example.no" not in str(error)


@pytest.mark.parametrize(
    ("status", "step"),
    [
        (400, "nothing was changed."),
        (401, "Check the token and that it belongs to this environment."),
        (403, "Ask Front Payment what this token may do."),
        (404, "Check the id and the environment."),
        (417, "Correct the order and send it again."),
        (422, "Correct the order and send it again."),
        (429, "Wait until the window has passed."),
    ],
)
@pytest.mark.parametrize("said", ["why", "why."])
def test_a_refusal_ends_with_what_to_do(status: int, step: str, said: str) -> None:
    text = str(error_of(operations.SEND_INVOICE, status, envelope(said)))
    assert text.startswith(f"orders.send_invoice: the API answered {status}: why. It was not done")
    assert text.endswith(step)


@pytest.mark.parametrize("status", [417, 422])
def test_only_an_order_is_sent_again_after_its_correction(status: int) -> None:
    """A watch that ends by such an answer must not advise to send the order again."""
    for operation in OPERATIONS.values():
        text = str(error_of(operation, status, envelope("why")))
        sends_order = operation.date_format is not None
        assert ("Correct the order and send it again" in text) is sends_order
        assert ("send it again" in text) is (operation.safety is not Safety.READ)
    refund = str(error_of(operations.REFUND_ORDER, 404, envelope("refundRejectionForTransactionNotFound")))
    assert refund.endswith("It was not done, and nothing was changed.")


@pytest.mark.parametrize(
    ("operation", "consequence"),
    [
        (operations.GET_ORDER_STATUS, "Nothing was changed: this is a read."),
        (operations.CANCEL_ORDER, "It may or may not have been done; it is safe to send it again."),
        (operations.SEND_INVOICE, "It may or may not have been done: check before you send it again."),
    ],
)
def test_a_failure_ends_with_what_is_known(operation: Operation[Any], consequence: str) -> None:
    text = str(error_of(operation, 502, HTML))
    assert text == f"{operation.name}: the API answered 502. {consequence}"


def test_a_parsed_error_pickles() -> None:
    error = error_of(operations.SEND_INVOICE, 417, envelope("payloadValidationErrors", {"a": ["b"]}))
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - our own
    assert (type(copy), vars(copy), str(copy)) == (type(error), vars(error), str(error))


def test_every_error_is_one_of_ours() -> None:
    found = [problem(operations.SEND_INVOICE, answer(status, HTML), None) for status in range(300, 600)]
    assert all(isinstance(error, FrontPayError) for error in found)


@pytest.mark.parametrize(
    "body",
    [
        {"message": "aaa:" * 2_000_000},
        {"message": "x", "errors": "aaa: " * 2_000_000},
        {"message": "x", "errors": [f"Sentence {number}." for number in range(200_000)]},
        {"message": "x", "errors": {f"field{number}": ["Wrong."] for number in range(100_000)}},
        {"message": "x", "errors": [[["Deep."] * 1000] * 1000]},
    ],
    ids=["message", "text", "list", "map", "deep"],
)
def test_an_error_is_small_whatever_the_server_sent(body: Any) -> None:
    """Building it takes no time either: what is cut off is not masked."""
    error = error_of(operations.SEND_INVOICE, 417, body)
    assert len(str(error)) < 5_000
    assert len(pickle.dumps(error)) < 200_000


def test_the_first_five_hundred_errors_are_kept() -> None:
    body = {"message": "x", "errors": [f"Sentence {number}." for number in range(700)]}
    assert error_of(operations.SEND_INVOICE, 417, body).errors == body["errors"][:500]


def test_the_request_id_is_masked_and_cut() -> None:
    headers = {"x_request_id": "01017012345\x1b[0m" + "r" * 10_000}
    request_id = error_of(operations.SEND_INVOICE, 500, {}, **headers).request_id
    assert request_id is not None
    assert request_id.startswith("***\\u{1b}[0mrrr")
    assert len(request_id) < 300


@pytest.mark.parametrize("status", [401, 403, 429])
@pytest.mark.parametrize("code", ["orderStatusAlreadyPaid", "refundRejectionForX", "cycleNotfound#cycle1"])
def test_no_code_changes_the_meaning_of_some_statuses(status: int, code: str) -> None:
    """That the order is paid does not explain a 401: the token was rejected."""
    kinds = {401: AuthenticationError, 403: PermissionDeniedError, 429: RateLimitedError}
    error = problem(operations.REFUND_ORDER, answer(status, {"message": code, "is_error": True}), "ODR7")
    assert type(error) is kinds[status]


@pytest.mark.parametrize("length", [1990, 1991])
def test_a_text_is_marked_where_it_is_cut(length: int) -> None:
    sentences = ["x" * length, "y" * 2000]
    body = {"message": "payloadValidationErrors", "errors": sentences, "is_error": True}
    error = problem(operations.SEND_INVOICE, answer(417, body), None)
    # The message, two separators and the sentences: exactly as long as is shown, and one longer.
    shown = len("payloadValidationErrors") + 4 + length + 2000
    assert ("…" in str(error)) is (shown > 4000)
