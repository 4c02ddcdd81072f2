"""Whatever comes back, the caller gets a value or one of our errors."""

from __future__ import annotations

import json
import pickle
from typing import Any

from hypothesis import example, given, strategies as st

from frontpay_async import (
    APIError,
    FrontPayError,
    InvalidOrderError,
    OrderStatus,
    Outcome,
    PaymentStatus,
    RefundStatus,
)
from frontpay_async._protocol import operations
from frontpay_async._protocol.build import build
from frontpay_async._protocol.messages import HttpResponse
from frontpay_async._protocol.operations import OPERATIONS, Operation, Safety
from frontpay_async._protocol.retry_after import retry_after
from tests.support.strategies import json_values
from tests.support.wire import read

ROWS = st.sampled_from(list(OPERATIONS.values()))
HEADERS = st.dictionaries(
    st.sampled_from(["content-type", "date", "retry-after", "x-ratelimit-reset", "x-request-id"]),
    st.text(max_size=30)
    | st.integers().map(str)
    | st.from_regex(
        r"\A[A-Z][a-z]{2}, [0-9]{1,2} [A-Z][a-z]{2} [0-9]{1,11} [0-9:]{1,9} ([+-][0-9]{1,12}|GMT)\Z"
    ),
)
MEMBERS = st.sampled_from(
    [
        "uuid",
        "orderUuid",
        "status",
        "orderAmount",
        "productList",
        "products",
        "orderSummary",
        "customerDetails",
        "name",
        "quantity",
        "rate",
        "tax",
        "amount",
        "address",
        "orderDate",
        "invoiceNumber",
        "organization_uuid",
    ]
)
DATA = st.recursive(
    json_values,
    lambda inner: st.dictionaries(MEMBERS, inner, max_size=6) | st.lists(inner, max_size=3),
    max_leaves=8,
)
ENVELOPES = st.fixed_dictionaries(
    {},
    optional={
        "data": DATA,
        "errors": json_values,
        "message": json_values
        | st.sampled_from(["orderNotFound", "Order Not Found", "terminalIsBusy", "orderStatusAlreadyPaid"]),
        "order_status": json_values,
        "refund_status": json_values,
    },
)
BODIES = (
    st.binary(max_size=80)
    | json_values.map(json.dumps).map(str.encode)
    | ENVELOPES.map(json.dumps).map(str.encode)
)


def outcome_of(operation: Operation[Any], response: HttpResponse) -> Any:
    try:
        return read(operation, response, "ODR7")
    except FrontPayError as error:
        return error


@given(operation=ROWS, status=st.integers(100, 999), headers=HEADERS, body=BODIES)
@example(operations.LIST_TERMINALS, 200, {}, b'{"data": [{"uuid": "T", "status": 1e999999999}]}')
@example(
    operations.GET_ORDER_STATUS, 200, {}, b'{"data": {"uuid": "O", "orderAmount": 1e99999999999999999999}}'
)
@example(operations.SEND_INVOICE, 417, {}, b'{"errors": ' + b"[" * 900 + b"]" * 900 + b"}")
@example(operations.SEND_INVOICE, 429, {"retry-after": "Mon, 01 Jan 99999999999 00:00:00 GMT"}, b"{}")
def test_any_answer_is_a_value_or_an_error_of_ours(
    operation: Operation[Any], status: int, headers: dict[str, str], body: bytes
) -> None:
    outcome = outcome_of(operation, HttpResponse(status, headers, body))
    if isinstance(outcome, FrontPayError):
        assert outcome.outcome is not Outcome.NOT_SENT
        assert (outcome.operation, outcome.order_uuid) == (operation.name, "ODR7")
        assert outcome.__cause__ is outcome.__context__ is None
        again = pickle.loads(pickle.dumps(outcome))  # noqa: S301 - our own
        assert (type(again), again.args, vars(again)) == (type(outcome), outcome.args, vars(outcome))
    else:
        assert status in range(200, 300) or (operation.empty_when_not_found and outcome == ())


@given(operation=ROWS, status=st.integers(400, 599), headers=HEADERS, body=BODIES)
def test_a_change_that_may_have_happened_is_never_called_rejected(
    operation: Operation[Any], status: int, headers: dict[str, str], body: bytes
) -> None:
    outcome = outcome_of(operation, HttpResponse(status, headers, body))
    if isinstance(outcome, APIError):
        changes = operation.safety is not Safety.READ
        busy = outcome.code == "terminalIsBusy"
        failed = status >= 500 or status in (408, 499)
        expected = Outcome.UNKNOWN if failed and changes and not busy else Outcome.REJECTED
        assert outcome.outcome is expected
        assert outcome.status == status
    else:
        assert outcome == ()


@given(operation=ROWS, status=st.integers(200, 299), body=BODIES)
def test_a_2xx_that_says_no_is_never_done(operation: Operation[Any], status: int, body: bytes) -> None:
    """Whatever else it holds: an error that is marked as one, or a code of a refusal."""
    try:
        envelope = json.loads(body)
    except ValueError:
        envelope = {}
    if not isinstance(envelope, dict):
        envelope = {}
    for refusal in ({"is_error": True}, {"status_code": 510}, {"errors": ["no"]}, {"error": {"code": "x"}}):
        content = json.dumps({**envelope, **refusal}).encode()
        assert isinstance(outcome_of(operation, HttpResponse(status, {}, content)), FrontPayError)
    if operation.safety is not Safety.READ:
        content = json.dumps({**envelope, "message": "refundRejectionForProductAmountExceed"}).encode()
        assert isinstance(outcome_of(operation, HttpResponse(status, {}, content)), FrontPayError)


@given(HEADERS)
def test_any_headers_ask_for_a_wait_or_for_none(headers: dict[str, str]) -> None:
    seconds = retry_after(headers)
    assert seconds is None or seconds >= 0


@given(st.text())
def test_any_status_is_kept(text: str) -> None:
    for kind in (OrderStatus, PaymentStatus, RefundStatus):
        status = kind(text)
        known = text.strip().replace("_", " ").upper()
        assert status == (known if known in set(kind) else text)
        assert status.is_final is (status in set(kind) and kind(known).is_final)
        assert pickle.loads(pickle.dumps(status)) == status  # noqa: S301 - our own


@given(uuid=st.text() | st.from_regex(r"\A[A-Za-z0-9._/%?#-]{1,20}\Z"), operation=ROWS)
def test_an_id_never_leaves_its_place_in_the_path(uuid: str, operation: Operation[Any]) -> None:
    if "{" not in operation.path or operation.request is not None:
        operation = operations.GET_ORDER_STATUS
    try:
        path = build(operation, uuid=uuid).path
    except InvalidOrderError:
        return
    before, _, after = operation.path.partition("{")
    assert path == before + uuid + after.partition("}")[2]
    assert not set(uuid) & set("./?#%\\ \n")
