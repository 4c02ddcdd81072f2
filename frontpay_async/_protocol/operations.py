"""THE TABLE: one named row per operation; an endpoint's facts stand here and nowhere else. Pure.

Resources, the sandbox's routes, the tests and the docs derive from these rows. They are keyed by
name, because cancelling a terminal payment and cancelling its refund share one path.
"""

from __future__ import annotations

from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Generic, TypeVar

from attrs import field, frozen

from frontpay_async._protocol import requests, rule_tables
from frontpay_async.models import orders, statuses, terminals

if TYPE_CHECKING:
    from collections.abc import Mapping

    from frontpay_async._protocol.rules import Rules

ResultT_co = TypeVar("ResultT_co", covariant=True)


class Safety(Enum):
    """Say what a second send of the same request may do; the retry table is decided by this."""

    READ = "read"
    """It changes nothing."""
    IDEMPOTENT = "idempotent"
    """Done twice, it is as if done once."""
    UNSAFE = "unsafe"
    """Done twice, somebody is billed, refunded or messaged twice."""


class DateFormat(Enum):
    """Name a form of ``orderDate`` on the wire."""

    UNIX = "unix"
    """Unix seconds, as text."""
    DAY = "day"
    """A day such as ``07 Apr, 2024``."""


@frozen
class Evidence:
    """Say what tells, when the answer was lost, whether an operation was carried out.

    Args:
        operation: The row that reads it; None where the API shows no trace of it.
        sign: What to look for there, or beside the API; Markdown.
    """

    operation: str | None
    sign: str


@frozen(kw_only=True, eq=False)
class Operation(Generic[ResultT_co]):
    """Hold the facts of one operation.

    Args:
        name: The resource and method that offer it, such as ``orders.send_invoice``.
        method: The HTTP method.
        other_method: The method that other sources name; tried when the API answers 405.
        path: The path below the base URL; ``{order_uuid}`` stands for the id.
        success: The documented HTTP status of a success.
        safety: What a second send may do.
        result: What a success is read as; None where it carries nothing.
        listed: The success carries a list of ``result``.
        empty_when_not_found: A 404 means an empty list.
        request: The class of what is sent; None where there is no body.
        rules: The rules for the body; None where there is none.
        date_format: The form of ``orderDate``; None where there is none.
        business_codes: The documented codes of a 400.
        done_code: The code of a refusal that shows that the operation has taken effect before.
        undone_code: The code of a refusal that shows that the operation has never taken effect.
        evidence: Where to look after a lost answer; None where it may simply be sent again.
        message: The ``message`` of a success.
        reference: The page of the reference.
    """

    name: str
    method: str
    other_method: str | None = None
    path: str
    success: int
    safety: Safety
    result: type[object] | None = None
    listed: bool = False
    empty_when_not_found: bool = False
    request: type[object] | None = None
    rules: Rules | None = field(default=None, repr=False)
    date_format: DateFormat | None = None
    business_codes: tuple[str, ...] = ()
    done_code: str | None = None
    undone_code: str | None = None
    evidence: Evidence | None = None
    message: str
    reference: str


_AMONG_ALL = Evidence(
    "orders.list_statuses",
    "an order that your records do not know, and that `orders.find` recognises by its content",
)

SEND_PAYMENT_LINK: Operation[orders.CreatedOrder] = Operation(
    name="orders.send_payment_link",
    method="POST",
    path="orders/payment-link/create",
    success=201,
    safety=Safety.UNSAFE,
    result=orders.CreatedOrder,
    request=orders.PaymentLinkOrder,
    rules=rule_tables.PAYMENT_LINK,
    date_format=DateFormat.UNIX,
    evidence=_AMONG_ALL,
    message="orderAddedSuccessfully",
    reference="Send Payment Link",
)
SEND_INVOICE: Operation[orders.CreatedOrder] = Operation(
    name="orders.send_invoice",
    method="POST",
    path="orders/invoice/create",
    success=201,
    safety=Safety.UNSAFE,
    result=orders.CreatedOrder,
    request=orders.InvoiceOrder,
    rules=rule_tables.INVOICE,
    date_format=DateFormat.UNIX,
    evidence=_AMONG_ALL,
    message="orderAddedSuccessfully",
    reference="Send Invoice",
)
SEND_EFAKTURA: Operation[orders.CreatedOrder] = Operation(
    name="orders.send_efaktura",
    method="POST",
    path="orders/faktura/create",
    success=201,
    safety=Safety.UNSAFE,
    result=orders.CreatedOrder,
    request=orders.EFakturaOrder,
    rules=rule_tables.EFAKTURA,
    date_format=DateFormat.UNIX,
    evidence=_AMONG_ALL,
    message="orderAddedSuccessfully",
    reference="Send E-Faktura",
)
SEND_EHF_INVOICE: Operation[orders.CreatedOrder] = Operation(
    name="orders.send_ehf_invoice",
    method="POST",
    path="orders/ehf/create",
    success=201,
    safety=Safety.UNSAFE,
    result=orders.CreatedOrder,
    request=orders.EhfOrder,
    rules=rule_tables.EHF,
    date_format=DateFormat.UNIX,
    evidence=_AMONG_ALL,
    message="orderAddedSuccessfully",
    reference="Send EHF Invoice",
)
RESEND_PAYMENT_LINK: Operation[None] = Operation(
    name="orders.resend_payment_link",
    method="POST",
    path="orders/resend/{order_uuid}",
    success=202,
    safety=Safety.UNSAFE,
    request=requests.Resend,
    rules=rule_tables.RESEND,
    business_codes=("orderStatusAlreadyPaid", "orderStatusAlreadyCancelled"),
    evidence=Evidence(None, "nothing; a second message is the worst that can come of sending again"),
    message="resentOrderSuccessfully",
    reference="Resend Payment Link",
)
CANCEL_ORDER: Operation[None] = Operation(
    name="orders.cancel",
    method="POST",
    path="orders/cancel/{order_uuid}",
    success=202,
    safety=Safety.IDEMPOTENT,
    request=requests.Cancellation,
    rules=rule_tables.CANCEL,
    business_codes=("orderStatusAlreadyPaid",),
    done_code="orderStatusAlreadyCancelled",
    undone_code="orderStatusAlreadyPaid",  # a cancelled order cannot be paid
    message="cancelledOrderSuccessfully",
    reference="Cancel Order",
)
REFUND_ORDER: Operation[None] = Operation(
    name="orders.refund",
    method="POST",
    path="orders/refund/{order_uuid}",
    success=202,
    safety=Safety.UNSAFE,
    request=orders.Refund,
    rules=rule_tables.REFUND,
    business_codes=(
        "requestProductIdNotAvailable",
        "refundRejectionForRefundRequestGreaterThanOrderAmount",
        "refundRejectionForProductAmountExceed",
        "refundRejectionForWeeklyThresholdExceed",
        "refundRejectionForRequestAmountThresholdExceed",
    ),
    evidence=Evidence("orders.get_status", "`refunded_amount` has grown"),
    message="orderRefundedSuccessfully",
    reference="Refund Order",
)
LIST_ORDER_STATUSES: Operation[tuple[orders.OrderStatusEntry, ...]] = Operation(
    name="orders.list_statuses",
    method="GET",
    path="orders/status",
    success=200,
    safety=Safety.READ,
    result=orders.OrderStatusEntry,
    listed=True,
    empty_when_not_found=True,
    message="Order Status Retrieved Successfully",
    reference="Get All Order Status",
)
GET_ORDER_STATUS: Operation[orders.OrderStatusReport] = Operation(
    name="orders.get_status",
    method="GET",
    path="orders/status/{order_uuid}",
    success=200,
    safety=Safety.READ,
    result=orders.OrderStatusReport,
    message="Order Status Retrieved Successfully",
    reference="Get Order Status By UUID",
)
GET_ORDER_DETAILS: Operation[orders.OrderDetails] = Operation(
    name="orders.get_details",
    method="GET",
    path="orders/details/{order_uuid}",
    success=200,
    safety=Safety.READ,
    result=orders.OrderDetails,
    message="orderRetrievedSuccessfully",
    reference="Get Order Details By UUID",
)
GET_INVOICE_NUMBER: Operation[orders.InvoiceNumber] = Operation(
    name="orders.get_invoice_number",
    method="GET",
    path="orders/invoice-number/{order_uuid}",
    success=200,
    safety=Safety.READ,
    result=orders.InvoiceNumber,
    message="orderInvoiceNoRetrievedSuccessfully",
    reference="Get Invoice Number By UUID",
)
CHARGE_DELAYED: Operation[None] = Operation(
    name="orders.charge_delayed",
    method="POST",
    path="orders/delayed/charge/{order_uuid}",
    success=200,
    safety=Safety.UNSAFE,
    evidence=Evidence("orders.get_status", "`status` has become `PAID`"),
    message="orderDelayedChargedSuccessfully",
    reference="Delayed Charge",
)
LIST_TERMINALS: Operation[tuple[terminals.Terminal, ...]] = Operation(
    name="terminals.list",
    method="GET",
    path="terminal/lists/{organization_uuid}",
    success=200,
    safety=Safety.READ,
    result=terminals.Terminal,
    listed=True,
    message="terminalsRetrievedSuccessfully",
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
    rules=rule_tables.TERMINAL_ORDER,
    date_format=DateFormat.DAY,
    evidence=Evidence(
        None,
        "the terminal's own display; no source says whether `orders.list_statuses` includes terminal orders",
    ),
    message="terminalOrderAddedSuccessfully",
    reference="Create Terminal Order",
)
CANCEL_TERMINAL_PAYMENT: Operation[None] = Operation(
    name="terminals.cancel_payment",
    method="POST",
    path="terminal/orders/cancel/{order_uuid}",
    success=200,
    safety=Safety.IDEMPOTENT,
    request=requests.TerminalCancellation,
    rules=rule_tables.CANCEL_PAYMENT,
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
    evidence=Evidence(
        None,
        "the terminal's own display; `terminals.get_payment_status` tells whether it still has to be paid",
    ),
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
    rules=rule_tables.TERMINAL_REFUND,
    business_codes=("requestProductIdNotAvailable", "refundRejectionForProductAmountExceed"),
    evidence=Evidence(
        "terminals.get_refund_status",
        "a refund where there was none (it tells of the last one only); once that is taken,"
        " `refunded_amount` in `orders.get_status` has grown",
    ),
    message="terminalOrderRefundRequestSuccessfully",
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
    message="orderRefundedSuccessfully",
    reference="Refund Status Check",
)
CANCEL_TERMINAL_REFUND: Operation[None] = Operation(
    name="terminals.cancel_refund",
    method="POST",
    path="terminal/orders/cancel/{order_uuid}",
    success=200,
    safety=Safety.IDEMPOTENT,
    request=requests.TerminalCancellation,
    rules=rule_tables.CANCEL_REFUND,
    message="refundRequestRejectedSuccessfully",
    reference="Cancel Refund Request",
)

OPERATIONS: Mapping[str, Operation[object]] = MappingProxyType(
    {
        row.name: row
        for row in (
            SEND_PAYMENT_LINK,
            SEND_INVOICE,
            SEND_EFAKTURA,
            SEND_EHF_INVOICE,
            RESEND_PAYMENT_LINK,
            CANCEL_ORDER,
            REFUND_ORDER,
            LIST_ORDER_STATUSES,
            GET_ORDER_STATUS,
            GET_ORDER_DETAILS,
            GET_INVOICE_NUMBER,
            CHARGE_DELAYED,
            LIST_TERMINALS,
            CREATE_TERMINAL_ORDER,
            CANCEL_TERMINAL_PAYMENT,
            RESEND_TERMINAL_ORDER,
            GET_PAYMENT_STATUS,
            REFUND_TERMINAL_ORDER,
            GET_REFUND_STATUS,
            CANCEL_TERMINAL_REFUND,
        )
    }
)
