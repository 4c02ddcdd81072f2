"""Checkout sessions: the rules for their bodies, and their rows. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from frontpay_async._protocol.codec import describe
from frontpay_async._protocol.dates import DateFormat
from frontpay_async._protocol.operations.fields import (
    ADDRESS,
    BILLED,
    CUSTOMER_TYPE,
    FIRST_NAME,
    LINK_DUE_DATE,
    NAMED,
    ORDER_DATE,
    PRODUCTS,
    REACHABLE,
    REACHABLE_SOMEHOW,
    REFERENCES,
    REQUIRED,
    SHORT_PRODUCT_ID,
    SUMMARY,
    paid_by,
    redirects,
)
from frontpay_async._protocol.operations.row import Evidence, Operation, Safety
from frontpay_async._protocol.rules import (
    BOOLEAN,
    DIGITS,
    ELEVEN_DIGITS,
    NUMERIC,
    NUMERIC_TEXT,
    OBJECT,
    ROWS,
    TEXT,
    UNIX_DATE,
    Breach,
    Field,
    Rules,
    is_missing,
    one_of,
)
from frontpay_async._protocol.totals import contradictions, order_totals, total_below_zero
from frontpay_async.models._fields import EXACT, to_decimal
from frontpay_async.models.checkout import CheckoutLink, CheckoutSession, HostedCheckout, InvoiceSession

if TYPE_CHECKING:
    from collections.abc import Iterator

    from frontpay_async._exact_json import JsonObject

# Rules


def _invoice_needs_personal_number(body: JsonObject) -> Iterator[Breach]:
    paid, customer = body.get("submitPayment"), body.get("customerDetails")
    via = paid.get("via") if isinstance(paid, dict) else None
    number = customer.get("personalNumber") if isinstance(customer, dict) else None
    kind = customer.get("type") if isinstance(customer, dict) else None
    if via == "invoice" and kind != "corporate" and is_missing(number):
        demand = "is required when submitPayment.via is invoice"
        yield Breach("customerDetails.personalNumber", "required_if", demand, "submitPayment.via", "invoice")


def _totals_with_shipping(body: JsonObject) -> Iterator[Breach]:
    """Yield the contradictions between totals and lines; shipping is in no line, and may be in the total."""
    breaches = list(order_totals(body))
    if not breaches:
        return
    yield from total_below_zero(body)
    summary = body.get("orderSummary")
    if isinstance(summary, dict):
        try:
            total, shipping = (
                to_decimal(cast("str", summary.get(name))) for name in ("grandTotal", "shippingCost")
            )
        except (TypeError, ValueError):
            return
        body = {**body, "orderSummary": {**summary, "grandTotal": EXACT.subtract(total, shipping)}}
    yield from contradictions(body)


_SESSION_RULES = Rules(
    (
        PRODUCTS,
        Field(
            "orderSummary",
            OBJECT,
            fields=(*SUMMARY.fields, Field("shippingCost", NUMERIC_TEXT, REQUIRED)),
        ),
        ORDER_DATE,
        Field("dueDateForPaymentLink", UNIX_DATE),
        Field("sendOrderBy", OBJECT, fields=(Field("sms", BOOLEAN), Field("email", BOOLEAN))),
        Field("withCustomer", BOOLEAN),
        Field(
            "customerDetails",
            OBJECT,
            fields=(*REACHABLE_SOMEHOW, FIRST_NAME, *NAMED, *BILLED, Field("customerUuid", TEXT), ADDRESS),
        ),
        *REFERENCES,
        Field(
            "invoiceReferences",
            OBJECT,
            fields=(
                *REFERENCES,
                Field("receiptNo", TEXT),
                Field("customerNotes", TEXT),
                Field("tnc", TEXT),
            ),
        ),
        Field("invoiceInterval", one_of(0, 1, 2)),
        Field("separateInvoices", BOOLEAN),
        paid_by(Field("currency", TEXT)),
        redirects(),
    ),
    (_invoice_needs_personal_number,),
    totals=(_totals_with_shipping,),
)
_INVOICE_RULES = Rules(
    (
        Field("products", ROWS, REQUIRED, fields=SHORT_PRODUCT_ID),
        SUMMARY,
        ORDER_DATE,
        Field("customerDetails", OBJECT, fields=(*REACHABLE, FIRST_NAME, *NAMED, *BILLED, ADDRESS)),
        *REFERENCES,
        Field("invoiceInterval", one_of(0, 1, 2)),
        Field("separateInvoices", BOOLEAN),
        Field("invoiceFeeApplicable", BOOLEAN, REQUIRED),
        Field("invoiceMaturity", NUMERIC),
        redirects(),
        Field("settings", OBJECT, fields=(Field("secureDetails", BOOLEAN),)),
    ),
    totals=(order_totals,),
)
# No table of rules is known for this page: only what its example has, and what no order can do without.
_HOSTED_RULES = Rules(
    (
        PRODUCTS,
        SUMMARY,
        ORDER_DATE,
        LINK_DUE_DATE,
        Field(
            "customerDetails",
            OBJECT,
            fields=(
                *REACHABLE_SOMEHOW,
                FIRST_NAME,
                *NAMED,
                Field("type", CUSTOMER_TYPE),
                Field("personalNumber", ELEVEN_DIGITS),
                Field("organizationId", DIGITS),
                ADDRESS,
            ),
        ),
        Field("checkoutLanguage", TEXT),
        # The vendor's spelling.
        Field("referencesNo", TEXT),
        Field("customerNotes", TEXT),
        redirects(),
    ),
    totals=(order_totals,),
)

# Names on the wire

_NAMES = {
    "summary": "orderSummary",
    "customer": "customerDetails",
    "payment_link_due_date": "dueDateForPaymentLink",
    "via": "submitPayment.via",
    "currency": "submitPayment.currency",
    "shipping_cost": "orderSummary.shippingCost",
    "secure_details": "settings.secureDetails",
    "callback_url": "callback.callbackUrl",
    "success_url": "callback.success",
    "failure_url": "callback.failure",
}
describe(CheckoutSession, names=_NAMES)
describe(InvoiceSession, names=_NAMES)
describe(HostedCheckout, names={**_NAMES, "reference_no": "referencesNo"})
describe(
    CheckoutLink,
    other_names={
        "uuid": "orderUuid",
        "checkoutUrl": "paymentUrl",
        "paymentLink": "paymentUrl",
        "verificationUrl": "paymentUrl",
        "url": "paymentUrl",
    },
)

# Rows

_WAITED_FOR = "a customer waits for its page, but a batch returns no page"

CREATE_CHECKOUT_SESSION: Operation[CheckoutLink] = Operation(
    name="checkout.create_session",
    method="POST",
    path="orders/regular/submit",
    success=201,
    safety=Safety.UNSAFE,
    result=CheckoutLink,
    request=CheckoutSession,
    rules=_SESSION_RULES,
    date_format=DateFormat.UNIX,
    look_at="orders.list_statuses",
    not_batched=_WAITED_FOR,
    message="Order Submitted Successfully",
    has_data=True,
    evidence=Evidence.RECORDED,
    reference="Checkout Session",
)
CREATE_INVOICE_SESSION: Operation[CheckoutLink] = Operation(
    name="checkout.create_invoice_session",
    method="POST",
    path="orders/invoice/submit",
    success=201,
    safety=Safety.UNSAFE,
    result=CheckoutLink,
    request=InvoiceSession,
    rules=_INVOICE_RULES,
    date_format=DateFormat.UNIX,
    look_at="orders.list_statuses",
    not_batched=_WAITED_FOR,
    message="Order Submitted Successfully",
    message_seen=False,
    has_data=True,
    evidence=Evidence.VENDOR_PAGE,
    reference="Invoice Session",
)
CREATE_HOSTED_LINK: Operation[CheckoutLink] = Operation(
    name="checkout.create_hosted_link",
    method="POST",
    path="hosted/orders/payment-link/create",
    # Every revision of the page prints it without /api; probably a misprint.
    other_path="../../../v1/connect/hosted/orders/payment-link/create",
    success=201,
    safety=Safety.UNSAFE,
    result=CheckoutLink,
    request=HostedCheckout,
    rules=_HOSTED_RULES,
    date_format=DateFormat.UNIX,
    look_at="orders.list_statuses",
    not_batched=_WAITED_FOR,
    message="orderAddedSuccessfully",
    message_seen=False,
    has_data=True,
    evidence=Evidence.VENDOR_PAGE,
    reference="Hosted Checkout",
)
