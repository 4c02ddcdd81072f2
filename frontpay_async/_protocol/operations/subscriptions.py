"""Subscriptions: the rules for their bodies, and their rows. Pure."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING

from attrs import field, frozen

from frontpay_async._protocol.codec import describe
from frontpay_async._protocol.operations.fields import (
    ADDRESS,
    BILLED,
    FIRST_NAME,
    LINK_DUE_DATE,
    NAMED,
    REACHABLE,
    REQUIRED,
    SENT_BY,
    SHORT_PRODUCT_ID,
    callback,
    paid_by,
    redirects,
)
from frontpay_async._protocol.operations.row import Evidence, Operation, Safety, Watched
from frontpay_async._protocol.request_bodies import Note
from frontpay_async._protocol.rules import (
    BOOLEAN,
    DAY_DATE,
    EMAIL,
    NUMERIC,
    NUMERIC_TEXT,
    OBJECT,
    ROWS,
    TEXT,
    TEXTS,
    Field,
    Presence,
    Rules,
)
from frontpay_async._protocol.totals import amount_total, cycle_totals, order_totals
from frontpay_async.models._fields import exact, masked, to_decimal
from frontpay_async.models.pages import Page
from frontpay_async.models.statuses import SubscriptionStatus
from frontpay_async.models.subscriptions import (
    CreatedSubscription,
    FailedOrderDetails,
    FailedOrderEntry,
    SubscriptionCycle,
    SubscriptionDetails,
    SubscriptionEntry,
    SubscriptionOrder,
    SubscriptionSession,
    to_cycles,
)

if TYPE_CHECKING:
    from frontpay_async._exact_json import Json, JsonObject


@frozen(field_transformer=exact)
class SubscriptionResend:
    """The order and recipient of a subscription's repeated link."""

    order_uuid: str
    country_code: str | None
    msisdn: str | None = field(repr=masked)
    email: str | None = field(repr=masked)


@frozen(field_transformer=exact)
class CycleRefund:
    """The refunded cycles and the total."""

    cycles: tuple[str, ...] = field(converter=to_cycles)
    amount: Decimal = field(converter=to_decimal)


# Rules

_BODY = (
    Field("products", ROWS, REQUIRED, fields=SHORT_PRODUCT_ID),
    Field(
        "orderSummary",
        OBJECT,
        fields=(
            Field("subTotal", NUMERIC_TEXT, REQUIRED),
            Field("totalTax", NUMERIC_TEXT, REQUIRED),
            Field("totalDiscount", NUMERIC_TEXT, REQUIRED),
            Field("grandTotal", NUMERIC_TEXT, REQUIRED),
            Field("payablePerCycle", NUMERIC_TEXT, REQUIRED),
            Field("initialCycleAmount", NUMERIC_TEXT),
        ),
    ),
    Field("billingFrequency", TEXT, REQUIRED),
    Field("numberOfRepeats", NUMERIC, REQUIRED),
    Field("subscriptionStartDate", DAY_DATE, REQUIRED),
    Field("subscriptionEndsDate", DAY_DATE, REQUIRED),
    LINK_DUE_DATE,
    SENT_BY,
    Field(
        "customerDetails",
        OBJECT,
        fields=(*REACHABLE, FIRST_NAME, *NAMED, *BILLED, Field("customerUuid", TEXT), ADDRESS),
    ),
    Field("customerNotes", TEXT),
    Field("termsAndConditions", TEXT),
)
_SUBMIT_RULES = Rules((*_BODY, callback(Presence.OPTIONAL)), totals=(order_totals, cycle_totals))
_SESSION_RULES = Rules(
    (
        *_BODY,
        paid_by(Field("currency", TEXT)),
        Field("settings", OBJECT, fields=(Field("secureDetails", BOOLEAN),)),
        redirects(),
    ),
    totals=(order_totals, cycle_totals),
)
_RESEND_RULES = Rules(
    (
        Field("orderUuid", TEXT, REQUIRED),
        Field("countryCode", TEXT, unless="email", along_with="msisdn"),
        Field("msisdn", TEXT, unless="email"),
        Field("email", EMAIL, unless="msisdn"),
    )
)
_CANCEL_RULES = Rules((Field("note", TEXT, REQUIRED),))
_REFUND_RULES = Rules(
    (Field("cycles", TEXTS, REQUIRED), Field("amount", NUMERIC, REQUIRED)), totals=(amount_total,)
)

# Names on the wire

_ORDER_NAMES = {
    "summary": "orderSummary",
    "customer": "customerDetails",
    "payable_per_cycle": "orderSummary.payablePerCycle",
    "initial_cycle_amount": "orderSummary.initialCycleAmount",
    "repeats": "numberOfRepeats",
    "start_date": "subscriptionStartDate",
    "end_date": "subscriptionEndsDate",
    "payment_link_due_date": "dueDateForPaymentLink",
    "tnc": "termsAndConditions",
    "callback_url": "callback.callbackUrl",
    "via": "submitPayment.via",
    "currency": "submitPayment.currency",
    "success_url": "callback.success",
    "failure_url": "callback.failure",
    "secure_details": "settings.secureDetails",
}


def _with_cycles_as_list(source: JsonObject) -> JsonObject:
    """Return details whose cycles, an object keyed by their names, are a list."""
    cycles = source.get("subscriptionCycles")
    if not isinstance(cycles, dict):
        return source
    rows: list[Json] = [{"name": name, **row} for name, row in cycles.items() if isinstance(row, dict)]
    return {**source, "subscriptionCycles": rows}


describe(SubscriptionOrder, names=_ORDER_NAMES)
describe(SubscriptionSession, names=_ORDER_NAMES)
describe(
    CreatedSubscription,
    other_names={"uuid": "subscriptionUuid", "checkoutUrl": "paymentUrl", "url": "paymentUrl"},
)
describe(
    SubscriptionEntry,
    names={"paid_cycles": "numberOfPaidCycles"},
    other_names={"uuid": "subscriptionUuid"},
    assumed={"status": SubscriptionStatus.UNKNOWN},
)
describe(FailedOrderEntry, other_names={"uuid": "orderUuid"})
describe(SubscriptionCycle)
describe(
    SubscriptionDetails,
    names={
        "cycles": "subscriptionCycles",
        "products": "productList",
        "customer": "customerDetails",
        "customer_notes": "customerNote",
        "tnc": "termsAndConditions",
        "amount": "subscriptionSummary.subscriptionAmount",
        "amount_paid": "subscriptionSummary.amountPaid",
        "amount_refunded": "subscriptionSummary.amountRefunded",
        "payable_per_cycle": "subscriptionSummary.payablePerCycle",
        "frequency": "subscriptionSummary.frequency",
        "repeats": "subscriptionSummary.repeats",
        "current_cycle": "subscriptionSummary.currentCycle",
        "currency": "subscriptionSummary.currency",
        "start_date": "subscriptionSummary.startDate",
        "end_date": "subscriptionSummary.endDate",
        "payment_link_due_date": "subscriptionSummary.dueDateForPaymentLink",
        "is_paid": "subscriptionSummary.isPaid",
        "is_refundable": "subscriptionSummary.isRefundable",
    },
    other_names={"uuid": "subscriptionUuid", "customerNotes": "customerNote"},
    assumed={"status": SubscriptionStatus.UNKNOWN},
    prepare=_with_cycles_as_list,
)
describe(
    FailedOrderDetails,
    names={"products": "productList", "summary": "orderSummary", "customer": "customerDetails"},
    other_names={"uuid": "orderUuid", "products": "productList"},
)

# Rows

_NOT_STEADY = (
    "subscriptions are listed in pages, and no source says that the list is complete or keeps its order"
    " while it is read, so a lost one could be missed, sent again, and bill the customer twice in each cycle"
)

_FILTERS = ("phone", "customerName", "startDate", "endDate")

SUBMIT_SUBSCRIPTION: Operation[CreatedSubscription] = Operation(
    name="subscriptions.submit",
    method="POST",
    path="subscriptions/submit",
    # Another client and the older pages have it in the singular.
    other_path="subscription/submit",
    success=201,
    safety=Safety.UNSAFE,
    result=CreatedSubscription,
    request=SubscriptionOrder,
    rules=_SUBMIT_RULES,
    look_at="subscriptions.list",
    not_batched=_NOT_STEADY,
    message="subscriptionSubmittedSuccessfully",
    message_seen=False,
    has_data=True,
    failure="somethingWentWrong",
    evidence=Evidence.VENDOR_PAGE,
    reference="Create Subscription",
)
CREATE_SUBSCRIPTION_SESSION: Operation[CreatedSubscription] = Operation(
    name="subscriptions.create_session",
    method="POST",
    path="subscription/create",
    other_path="subscriptions/create",
    success=201,
    safety=Safety.UNSAFE,
    result=CreatedSubscription,
    request=SubscriptionSession,
    rules=_SESSION_RULES,
    look_at="subscriptions.list",
    not_batched=_NOT_STEADY,
    message="subscriptionCreatedSuccessfully",
    message_seen=False,
    has_data=True,
    failure="somethingWentWrong",
    evidence=Evidence.VENDOR_PAGE,
    reference="Subscription Session",
)
LIST_SUBSCRIPTIONS: Operation[Page[SubscriptionEntry]] = Operation(
    name="subscriptions.list",
    method="GET",
    path="subscriptions/list",
    steps=("status",),
    query=(*_FILTERS, "page"),
    success=200,
    safety=Safety.READ,
    result=SubscriptionEntry,
    paged=True,
    message="subscriptionRetrieveSuccessfully",
    has_data=True,
    not_found="subscriptionNotFound",
    evidence=Evidence.VENDOR_PAGE,
    reference="Subscription List",
)
LIST_FAILED_ORDERS: Operation[Page[FailedOrderEntry]] = Operation(
    name="subscriptions.list_failed",
    method="GET",
    path="subscriptions/failed/list",
    steps=("status",),
    query=(*_FILTERS, "subscriptionUuid", "page"),
    success=200,
    safety=Safety.READ,
    result=FailedOrderEntry,
    paged=True,
    message="subscriptionRetrieveSuccessfully",
    has_data=True,
    not_found="subscriptionNotFound",
    evidence=Evidence.VENDOR_PAGE,
    reference="Failed Order List",
)
GET_SUBSCRIPTION_DETAILS: Operation[SubscriptionDetails] = Operation(
    name="subscriptions.get_details",
    method="GET",
    path="subscriptions/details/{subscription_uuid}",
    success=200,
    safety=Safety.READ,
    result=SubscriptionDetails,
    # Accepted within minutes, or not today; its end is months away.
    watched=Watched(kind="subscription", statuses=SubscriptionStatus, median=600.0, spread=3.0, listed=False),
    message="subscriptionDetailsRetrievedSuccessfully",
    has_data=True,
    not_found="subscriptionNotFound",
    evidence=Evidence.VENDOR_PAGE,
    reference="Subscription Details",
)
GET_FAILED_ORDER_DETAILS: Operation[FailedOrderDetails] = Operation(
    name="subscriptions.get_failed_details",
    method="GET",
    path="subscriptions/failed/details/{order_uuid}",
    success=200,
    safety=Safety.READ,
    result=FailedOrderDetails,
    message="subscriptionDetailsRetrievedSuccessfully",
    has_data=True,
    evidence=Evidence.VENDOR_PAGE,
    reference="Failed Order Details",
)
RESEND_SUBSCRIPTION: Operation[None] = Operation(
    name="subscriptions.resend",
    method="POST",
    path="subscriptions/resend/{subscription_uuid}",
    success=202,
    safety=Safety.UNSAFE,
    request=SubscriptionResend,
    rules=_RESEND_RULES,
    message="resentOrderSuccessfully",
    message_seen=False,
    has_data=True,
    not_found="subscriptionNotFound",
    evidence=Evidence.CLIENT_ONLY,
    reference="Resend Subscription",
)
CANCEL_SUBSCRIPTION: Operation[None] = Operation(
    name="subscriptions.cancel",
    method="POST",
    path="subscriptions/cancel/{subscription_uuid}",
    success=201,
    safety=Safety.IDEMPOTENT,
    request=Note,
    rules=_CANCEL_RULES,
    business_codes=("subscriptionStatusAlreadyCancelled", "subscriptionStatusAlreadyCompleted"),
    done_code="subscriptionStatusAlreadyCancelled",
    message="successfullyCancelledSubscription",
    has_data=True,
    not_found="subscriptionNotFound",
    evidence=Evidence.VENDOR_PAGE,
    reference="Cancel Subscription",
)
REFUND_CYCLES: Operation[None] = Operation(
    name="subscriptions.refund_cycles",
    method="POST",
    path="subscriptions/cycles/refund/{subscription_uuid}",
    success=201,
    safety=Safety.UNSAFE,
    request=CycleRefund,
    rules=_REFUND_RULES,
    business_codes=("someCyclesFailedToPassValidation",),
    look_at="subscriptions.get_details",
    message="refundProcessedSuccessfully",
    has_data=True,
    not_found="subscriptionNotFound",
    failure="somethingWentWrong",
    evidence=Evidence.VENDOR_PAGE,
    reference="Refund Subscription Cycles",
)
