"""Card terminals: the rules for their bodies, and their rows. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from frontpay_async._protocol import request_bodies
from frontpay_async._protocol.dates import DateFormat
from frontpay_async._protocol.operations.fields import (
    BILLED,
    CUSTOMER_UUID,
    FIRST_NAME,
    NAMED,
    ORDER_DATE,
    PRODUCT,
    REACHABLE,
    REFERENCES,
    REFUND_LINES,
    REQUIRED,
    SUMMARY,
    customer,
)
from frontpay_async._protocol.operations.row import Operation, Safety, Watched
from frontpay_async._protocol.rules import (
    BOOLEAN,
    KEYED_ROWS,
    NUMERIC,
    OBJECT,
    TEXT,
    URL,
    Breach,
    Field,
    Rules,
    one_of,
)
from frontpay_async._protocol.totals import order_totals, refund_totals
from frontpay_async.models import statuses, terminals

if TYPE_CHECKING:
    from collections.abc import Iterator

    from frontpay_async._exact_json import JsonObject
    from frontpay_async.models.listing import Listing


def _sent_by_some_way(body: JsonObject) -> Iterator[Breach]:
    ways = body.get("sendOrderBy")
    if isinstance(ways, dict) and ways.get("sms") is False and ways.get("email") is False:
        yield Breach("sendOrderBy", "one_of", "needs sms or email to be true")


_TERMINAL_ORDER_RULES = Rules(
    (
        Field("products", KEYED_ROWS, REQUIRED, fields=PRODUCT),
        SUMMARY,
        Field(
            "sendOrderBy",
            OBJECT,
            REQUIRED,
            fields=(Field("sms", BOOLEAN, REQUIRED), Field("email", BOOLEAN, REQUIRED)),
        ),
        ORDER_DATE,
        customer(*REACHABLE, FIRST_NAME, *NAMED, *BILLED, CUSTOMER_UUID),
        Field("receiptPrint", BOOLEAN, REQUIRED),
        Field("terminalUuid", TEXT, REQUIRED),
        Field(
            "invoiceReferences",
            OBJECT,
            fields=(*REFERENCES, Field("customerNotes", TEXT), Field("tnc", TEXT)),
        ),
        Field("callbackUrl", URL),
    ),
    (_sent_by_some_way,),
    totals=(order_totals,),
)
_CANCEL_PAYMENT_RULES = Rules((Field("type", one_of("payment"), REQUIRED),))
_CANCEL_REFUND_RULES = Rules((Field("type", one_of("refund"), REQUIRED),))
_TERMINAL_REFUND_RULES = Rules(
    (
        Field("type", one_of("regular"), REQUIRED),
        Field("grandTotal", NUMERIC, REQUIRED),
        REFUND_LINES,
        Field("isReversal", BOOLEAN),
    ),
    totals=(refund_totals,),
)

LIST_TERMINALS: Operation[Listing[terminals.Terminal]] = Operation(
    name="terminals.list",
    method="GET",
    path="terminal/lists/{organization_uuid}",
    success=200,
    safety=Safety.READ,
    result=terminals.Terminal,
    listed=True,
    message="terminalsRetrievedSuccessfully",
    has_data=True,
    reference="Get Terminal Lists",
)
CREATE_TERMINAL_ORDER: Operation[terminals.CreatedTerminalOrder] = Operation(
    name="terminals.create_order",
    method="POST",
    path="terminal/orders/create",
    success=201,
    safety=Safety.UNSAFE,
    result=terminals.CreatedTerminalOrder,
    request=terminals.TerminalOrder,
    rules=_TERMINAL_ORDER_RULES,
    date_format=DateFormat.DAY,
    needs_terminal=True,
    message="terminalOrderAddedSuccessfully",
    has_data=True,
    failure="somethingWentWrong",
    reference="Create Terminal Order",
)
CANCEL_TERMINAL_PAYMENT: Operation[None] = Operation(
    name="terminals.cancel_payment",
    method="POST",
    path="terminal/orders/cancel/{order_uuid}",
    success=200,
    safety=Safety.IDEMPOTENT,
    request=request_bodies.TerminalCancellation,
    rules=_CANCEL_PAYMENT_RULES,
    business_codes=("orderStatusAlreadyPaid",),
    done_code="orderStatusAlreadyCancelled",
    undone_code="orderStatusAlreadyPaid",  # a cancelled order cannot be paid
    message="cancelledOrderSuccessfully",
    reference="Cancel Terminal Order",
)
RESEND_TERMINAL_ORDER: Operation[None] = Operation(
    name="terminals.resend_order",
    method="POST",
    path="terminal/orders/resend/{order_uuid}",
    success=202,
    safety=Safety.UNSAFE,
    needs_terminal=True,
    message="orderSentSuccessfully",
    reference="Resend Terminal Order",
)
GET_PAYMENT_STATUS: Operation[statuses.PaymentStatus] = Operation(
    name="terminals.get_payment_status",
    method="GET",
    path="terminal/orders/payment-status/{order_uuid}",
    success=200,
    safety=Safety.READ,
    result=statuses.PaymentStatus,
    watched=Watched(kind="payment", statuses=statuses.PaymentStatus, median=20.0, spread=0.8, listed=True),
    message="orderPaymentConfirmed",
    reference="Payment Status Check",
)
REFUND_TERMINAL_ORDER: Operation[None] = Operation(
    name="terminals.refund",
    method="POST",
    path="terminal/orders/refund/{order_uuid}",
    success=202,
    safety=Safety.UNSAFE,
    request=terminals.TerminalRefund,
    rules=_TERMINAL_REFUND_RULES,
    business_codes=("requestProductIdNotAvailable", "refundRejectionForProductAmountExceed"),
    look_at="terminals.get_refund_status",
    needs_terminal=True,
    message="terminalOrderRefundRequestSuccessfully",
    failure="somethingWentWrong",
    reference="Refund or Reverse Payment",
)
GET_REFUND_STATUS: Operation[statuses.RefundStatus] = Operation(
    name="terminals.get_refund_status",
    # A POST in the reference, a GET elsewhere: it only reads, whatever its verb.
    method="POST",
    other_method="GET",
    path="terminal/orders/refund-status/{order_uuid}",
    success=200,
    safety=Safety.READ,
    result=statuses.RefundStatus,
    watched=Watched(kind="refund", statuses=statuses.RefundStatus, median=20.0, spread=0.8, listed=False),
    message="orderRefundedSuccessfully",
    reference="Refund Status Check",
)
CANCEL_TERMINAL_REFUND: Operation[None] = Operation(
    name="terminals.cancel_refund",
    method="POST",
    path="terminal/orders/cancel/{order_uuid}",
    success=200,
    safety=Safety.IDEMPOTENT,
    request=request_bodies.TerminalCancellation,
    rules=_CANCEL_REFUND_RULES,
    message="refundRequestRejectedSuccessfully",
    reference="Cancel Refund Request",
)
