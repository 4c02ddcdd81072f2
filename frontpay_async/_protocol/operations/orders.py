"""Orders: the rules for their bodies, their rows, and the kinds that a batch sends. Pure."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING

from frontpay_async._protocol import request_bodies
from frontpay_async._protocol.dates import DateFormat
from frontpay_async._protocol.operations.fields import (
    BILLED,
    CUSTOMER_UUID,
    FIRST_NAME,
    NAMED,
    OPTIONAL,
    ORDER_DATE,
    PRODUCTS,
    REACHABLE,
    REACHABLE_SOMEHOW,
    REFERENCES,
    REFUND_LINES,
    REQUIRED,
    SUMMARY,
    TYPE,
    callback,
    customer,
)
from frontpay_async._protocol.operations.row import Evidence, Operation, OrderKind, Safety, Watched
from frontpay_async._protocol.rules import (
    BOOLEAN,
    DIGITS,
    ELEVEN_DIGITS,
    EMAIL,
    NUMERIC,
    OBJECT,
    TEXT,
    Breach,
    Field,
    Kind,
    Rules,
    is_missing,
    one_of,
)
from frontpay_async._protocol.totals import order_totals, refund_totals
from frontpay_async.models import orders, statuses

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from frontpay_async._exact_json import JsonObject
    from frontpay_async.models.listing import Listing


def _invoice_terms(maturity: Kind) -> tuple[Field, ...]:
    return (
        Field("invoiceInterval", one_of(0, 1, 2)),
        Field("invoiceFeeApplicable", BOOLEAN, REQUIRED),
        Field("invoiceMaturity", maturity),
        Field("separateInvoices", BOOLEAN),
        *REFERENCES,
    )


_MATURITY_BY_TYPE = {"private": one_of(10), "corporate": one_of(14, 30, 45)}


def _maturity_fits_customer(body: JsonObject) -> Iterator[Breach]:
    maturity, customer = body.get("invoiceMaturity"), body.get("customerDetails")
    who = customer.get("type") if isinstance(customer, dict) else None
    allowed = _MATURITY_BY_TYPE.get(who) if isinstance(who, str) else None
    if allowed is not None and not is_missing(maturity) and not allowed.accepts(maturity):
        demand = f"{allowed.demand} for {who} customers"
        yield Breach("invoiceMaturity", "in", demand, "customerDetails.type", str(who))


_PAYMENT_LINK_RULES = Rules(
    (
        PRODUCTS,
        SUMMARY,
        Field("sendOrderBy", OBJECT, fields=(Field("sms", BOOLEAN), Field("email", BOOLEAN))),
        ORDER_DATE,
        customer(*REACHABLE_SOMEHOW, FIRST_NAME, *NAMED, *BILLED, CUSTOMER_UUID),
        Field("invoiceAsPaymentOption", BOOLEAN, REQUIRED),
        *REFERENCES,
        Field("secureDetails", BOOLEAN),
        callback(OPTIONAL),
    ),
    totals=(order_totals,),
)
_INVOICE_RULES = Rules(
    (
        PRODUCTS,
        SUMMARY,
        ORDER_DATE,
        customer(*REACHABLE, FIRST_NAME, *NAMED, *BILLED, CUSTOMER_UUID),
        *_invoice_terms(NUMERIC),
        callback(OPTIONAL),
    ),
    (_maturity_fits_customer,),
    totals=(order_totals,),
)
_EFAKTURA_RULES = Rules(
    (
        PRODUCTS,
        SUMMARY,
        ORDER_DATE,
        customer(
            *REACHABLE,
            FIRST_NAME,
            *NAMED,
            TYPE,
            Field("personalNumber", ELEVEN_DIGITS, REQUIRED),
            CUSTOMER_UUID,
        ),
        *_invoice_terms(_MATURITY_BY_TYPE["private"]),
        callback(REQUIRED),
    ),
    totals=(order_totals,),
)
_EHF_RULES = Rules(
    (
        PRODUCTS,
        SUMMARY,
        ORDER_DATE,
        customer(
            *REACHABLE, FIRST_NAME, *NAMED, TYPE, Field("organizationId", DIGITS, REQUIRED), CUSTOMER_UUID
        ),
        *_invoice_terms(_MATURITY_BY_TYPE["corporate"]),
        callback(REQUIRED),
    ),
    totals=(order_totals,),
)
_RESEND_RULES = Rules(
    (
        Field("countryCode", TEXT, unless="email", along_with="msisdn"),
        Field("msisdn", TEXT, unless="email"),
        Field("email", EMAIL, unless="msisdn"),
    )
)
_CANCEL_RULES = Rules((Field("cancellationNote", TEXT, REQUIRED),))
_REFUND_RULES = Rules(
    (
        Field("type", one_of("regular", "invoiced"), REQUIRED),
        Field("grandTotal", NUMERIC, REQUIRED),
        REFUND_LINES,
    ),
    totals=(refund_totals,),
)

_APPROVAL_RULES = Rules(
    (
        Field("type", one_of("regular", "invoiced", "reservation"), REQUIRED),
        Field("grandTotal", NUMERIC, REQUIRED),
        REFUND_LINES,
        Field("message", TEXT, REQUIRED),
        Field("source", one_of("captured", "charged"), when=("type", "reservation")),
        Field("reference", TEXT, when=("type", "reservation")),
    ),
    totals=(refund_totals,),
)

SEND_PAYMENT_LINK: Operation[orders.CreatedOrder] = Operation(
    name="orders.send_payment_link",
    method="POST",
    path="orders/payment-link/create",
    success=201,
    safety=Safety.UNSAFE,
    result=orders.CreatedOrder,
    request=orders.PaymentLinkOrder,
    rules=_PAYMENT_LINK_RULES,
    date_format=DateFormat.UNIX,
    look_at="orders.list_statuses",
    message="orderAddedSuccessfully",
    failure="somethingWentWrong",
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
    rules=_INVOICE_RULES,
    date_format=DateFormat.UNIX,
    look_at="orders.list_statuses",
    message="orderAddedSuccessfully",
    failure="somethingWentWrong",
    reference="Send Invoice",
)
SEND_EFAKTURA: Operation[orders.CreatedOrder] = Operation(
    name="orders.send_efaktura",
    method="POST",
    path="orders/faktura/create",
    # As recorded in July 2025.
    other_path="orders/invoice/create/faktura",
    success=201,
    safety=Safety.UNSAFE,
    result=orders.CreatedOrder,
    request=orders.EFakturaOrder,
    rules=_EFAKTURA_RULES,
    date_format=DateFormat.UNIX,
    look_at="orders.list_statuses",
    message="orderAddedSuccessfully",
    failure="somethingWentWrong",
    reference="Send E-Faktura",
)
SEND_EHF_INVOICE: Operation[orders.CreatedOrder] = Operation(
    name="orders.send_ehf_invoice",
    method="POST",
    path="orders/ehf/create",
    # As recorded in July 2025.
    other_path="orders/invoice/create/ehf",
    success=201,
    safety=Safety.UNSAFE,
    result=orders.CreatedOrder,
    request=orders.EhfOrder,
    rules=_EHF_RULES,
    date_format=DateFormat.UNIX,
    look_at="orders.list_statuses",
    message="orderAddedSuccessfully",
    failure="somethingWentWrong",
    reference="Send EHF Invoice",
)
RESEND_PAYMENT_LINK: Operation[None] = Operation(
    name="orders.resend_payment_link",
    method="POST",
    path="orders/resend/{order_uuid}",
    success=202,
    safety=Safety.UNSAFE,
    request=request_bodies.Resend,
    rules=_RESEND_RULES,
    business_codes=("orderStatusAlreadyPaid", "orderStatusAlreadyCancelled"),
    message="resentOrderSuccessfully",
    has_data=True,
    reference="Resend Payment Link",
)
CANCEL_ORDER: Operation[None] = Operation(
    name="orders.cancel",
    method="POST",
    path="orders/cancel/{order_uuid}",
    success=202,
    safety=Safety.IDEMPOTENT,
    request=request_bodies.Cancellation,
    rules=_CANCEL_RULES,
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
    rules=_REFUND_RULES,
    business_codes=(
        "requestProductIdNotAvailable",
        "refundRejectionForRefundRequestGreaterThanOrderAmount",
        "refundRejectionForProductAmountExceed",
        "refundRejectionForWeeklyThresholdExceed",
        "refundRejectionForRequestAmountThresholdExceed",
    ),
    look_at="orders.get_status",
    message="orderRefundedSuccessfully",
    has_data=True,
    failure="somethingWentWrong",
    reference="Refund Order",
)
LIST_ORDER_STATUSES: Operation[Listing[orders.OrderStatusEntry]] = Operation(
    name="orders.list_statuses",
    method="GET",
    path="orders/status",
    query=("type",),
    success=200,
    safety=Safety.READ,
    result=orders.OrderStatusEntry,
    listed=True,
    empty_when_not_found=True,
    message="Order Status Retrieved Successfully",
    has_data=True,
    not_found="Order Not Found",
    reference="Get All Order Status",
)
GET_ORDER_STATUS: Operation[orders.OrderStatusReport] = Operation(
    name="orders.get_status",
    method="GET",
    path="orders/status/{order_uuid}",
    success=200,
    safety=Safety.READ,
    result=orders.OrderStatusReport,
    # A payment link is paid after a minute, or on the next pay day.
    watched=Watched(kind="order", statuses=statuses.OrderStatus, median=120.0, spread=2.0, listed=True),
    message="Order Status Retrieved Successfully",
    has_data=True,
    not_found="Order Not Found",
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
    has_data=True,
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
    has_data=True,
    reference="Get Invoice Number By UUID",
)
CHARGE_DELAYED: Operation[None] = Operation(
    name="orders.charge_delayed",
    method="POST",
    path="orders/delayed/charge/{order_uuid}",
    success=200,
    safety=Safety.UNSAFE,
    look_at="orders.get_status",
    message="orderDelayedChargedSuccessfully",
    has_data=True,
    failure="somethingWentWrong",
    reference="Delayed Charge",
)
REQUEST_REFUND_APPROVAL: Operation[None] = Operation(
    name="orders.request_refund_approval",
    method="POST",
    # Not below connect/: the vendor's page, another client and the vendor's portal agree.
    path="../orders/refund/request/approval/{order_uuid}",
    success=201,
    safety=Safety.UNSAFE,
    request=request_bodies.RefundApproval,
    rules=_APPROVAL_RULES,
    business_codes=("orderRefundRequestAlreadySubmitted",),
    look_at="orders.get_status",
    message="requestedOrderRefundSuccessfully",
    evidence=Evidence.VENDOR_PAGE,
    reference="Request Refund Approval",
)

_KINDS: tuple[OrderKind, ...] = (
    OrderKind(
        name="payment_link",
        order=orders.PaymentLinkOrder,
        operation=SEND_PAYMENT_LINK,
        words=frozenset({"paymentlink"}),
    ),
    OrderKind(
        name="invoice",
        order=orders.InvoiceOrder,
        operation=SEND_INVOICE,
        words=frozenset({"invoice"}),
    ),
    OrderKind(
        name="efaktura",
        order=orders.EFakturaOrder,
        operation=SEND_EFAKTURA,
        words=frozenset({"efaktura", "faktura", "einvoice"}),
        customer_type="private",
    ),
    OrderKind(
        name="ehf",
        order=orders.EhfOrder,
        operation=SEND_EHF_INVOICE,
        words=frozenset({"ehf", "ehfinvoice"}),
        customer_type="corporate",
    ),
)
ORDER_KINDS: Mapping[str, OrderKind] = MappingProxyType({kind.name: kind for kind in _KINDS})
"""The kinds of orders that a batch sends, by their names in files."""
