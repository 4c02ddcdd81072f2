"""Reservations: the rules for their bodies, and their rows. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from frontpay_async._protocol.codec import describe
from frontpay_async._protocol.dates import DateFormat
from frontpay_async._protocol.operations.fields import (
    ADDRESS,
    BILLED,
    LINK_DUE_DATE,
    ORDER_DATE,
    REFERENCES,
    REFUND_LINES,
    REQUIRED,
    SENT_BY,
    WITH_LANGUAGE,
    callback,
    paid_by,
    redirects,
)
from frontpay_async._protocol.operations.row import Evidence, Operation, Safety, Watched
from frontpay_async._protocol.request_bodies import Note, Resend
from frontpay_async._protocol.rules import (
    BOOLEAN,
    DIGITS,
    EMAIL,
    KEYED_ROWS,
    NUMERIC,
    NUMERIC_TEXT,
    OBJECT,
    TEXT,
    Breach,
    Field,
    Presence,
    Rules,
    one_of,
)
from frontpay_async._protocol.totals import line_totals, order_totals, refund_totals
from frontpay_async.models.reservations import (
    Capture,
    Charge,
    CreatedReservation,
    ReservationDetails,
    ReservationHistoryEntry,
    ReservationOrder,
    ReservationPayment,
    ReservationPayments,
    ReservationRefund,
    ReservationSession,
    ReservedProduct,
)
from frontpay_async.models.statuses import ReservationStatus

if TYPE_CHECKING:
    from collections.abc import Iterator

    from frontpay_async._exact_json import Json, JsonObject

# Rules

# A reservation's line has no quantity and no discount.
_LINES = Field(
    "products",
    KEYED_ROWS,
    REQUIRED,
    fields=(
        Field("name", TEXT, REQUIRED),
        Field("productId", TEXT),
        Field("rate", NUMERIC, REQUIRED),
        Field("tax", NUMERIC_TEXT, REQUIRED),
        Field("amount", NUMERIC, REQUIRED),
    ),
)
_GRAND_TOTAL = Field("grandTotal", NUMERIC, REQUIRED)
_ADDITIONAL_TEXT = Field("additionalText", TEXT)
_BODY = (
    Field("customerDetails", OBJECT, fields=(*BILLED, *WITH_LANGUAGE, Field("customerUuid", TEXT), ADDRESS)),
    ORDER_DATE,
    LINK_DUE_DATE,
    *REFERENCES,
    SENT_BY,
    _LINES,
    Field(
        "orderSummary",
        OBJECT,
        fields=(
            Field("subTotal", NUMERIC_TEXT, REQUIRED),
            Field("totalTax", NUMERIC_TEXT, REQUIRED),
            Field("grandTotal", NUMERIC_TEXT, REQUIRED),
        ),
    ),
    Field("chargeValidity", DIGITS),
    Field("customerNotes", TEXT),
    Field("tnc", TEXT),
    Field(
        "settings",
        OBJECT,
        fields=(Field("secureDetails", BOOLEAN), Field("isChargePartiallyRefundable", BOOLEAN)),
    ),
)
_SUBMIT_RULES = Rules((*_BODY, callback(Presence.OPTIONAL)), totals=(order_totals,))
_SESSION_RULES = Rules((*_BODY, paid_by(), redirects()), totals=(order_totals,))
_CAPTURE_RULES = Rules(
    (
        Field(
            "products",
            KEYED_ROWS,
            REQUIRED,
            fields=(Field("id", NUMERIC, REQUIRED), Field("amount", NUMERIC, REQUIRED)),
        ),
        _GRAND_TOTAL,
        _ADDITIONAL_TEXT,
    ),
    totals=(refund_totals,),
)
_CHARGE_RULES = Rules((_LINES, _GRAND_TOTAL, _ADDITIONAL_TEXT), totals=(refund_totals, line_totals))
_NOTE_RULES = Rules((Field("note", TEXT, REQUIRED),))
_RESEND_RULES = Rules(
    (
        Field("countryCode", TEXT, unless="email", along_with="msisdn"),
        Field("msisdn", TEXT, unless="email"),
        Field("email", EMAIL, unless="msisdn"),
    )
)


def _reference_of_source(body: JsonObject) -> Iterator[Breach]:
    """Yield where a capture is refunded as a charge, or a charge as a capture."""
    source, reference = body.get("source"), body.get("reference")
    for kind, other in (("captured", "CHA"), ("charged", "CAP")):
        if source == kind and isinstance(reference, str) and reference.strip().startswith(other):
            demand = f"must be the id of a {kind} payment; {other}… ids belong to the other source"
            yield Breach("reference", "source", demand)


_REFUND_RULES = Rules(
    (
        Field("type", one_of("reservation"), REQUIRED),
        _GRAND_TOTAL,
        REFUND_LINES,
        Field("source", one_of("captured", "charged"), REQUIRED),
        Field("reference", TEXT, REQUIRED),
    ),
    totals=(refund_totals, _reference_of_source),
)

# Names on the wire

_ORDER_NAMES = {
    "summary": "orderSummary",
    "customer": "customerDetails",
    "payment_link_due_date": "dueDateForPaymentLink",
    "secure_details": "settings.secureDetails",
    "is_charge_partially_refundable": "settings.isChargePartiallyRefundable",
    "callback_url": "callback.callbackUrl",
    "via": "submitPayment.via",
    "success_url": "callback.success",
    "failure_url": "callback.failure",
}


def _with_history_as_list(source: JsonObject) -> JsonObject:
    """Return details whose payment history, an object of lists, is one list."""
    history = source.get("paymentHistory")
    if not isinstance(history, dict):
        return source
    rows: list[Json] = [
        {"kind": kind, **row}
        for kind, group in history.items()
        for row in (group.values() if isinstance(group, dict) else group if isinstance(group, list) else ())
        if isinstance(row, dict)
    ]
    return {**source, "paymentHistory": rows}


describe(ReservationOrder, names=_ORDER_NAMES)
describe(ReservationSession, names=_ORDER_NAMES)
describe(Capture, names={"lines": "products"})
describe(ReservationRefund, names={"lines": "products"}, constants={"type": "reservation"})
describe(
    CreatedReservation,
    other_names={
        "uuid": "reservationUuid",
        "orderUuid": "reservationUuid",
        "checkoutUrl": "paymentUrl",
        "url": "paymentUrl",
    },
)
describe(ReservedProduct)
describe(
    ReservationPayments,
    names={
        "reserved": "reservedAmount",
        "captured": "capturedAmount",
        "charged": "chargedAmount",
        "refunded_from_captured": "amountRefunded.fromCaptured",
        "refunded_from_charged": "amountRefunded.fromCharge",
    },
)
describe(
    ReservationDetails,
    names={
        "products": "productList",
        "payments": "paymentDetails",
        "history": "paymentHistory",
        "customer": "customerDetails",
        "reference_no": "referenceNumber",
        "tnc": "termsAndCondition",
    },
    other_names={"uuid": "reservationUuid"},
    assumed={"status": ReservationStatus.UNKNOWN},
    prepare=_with_history_as_list,
)
describe(
    ReservationHistoryEntry,
    names={"reservation_uuid": "uuid", "at": "datetime"},
    other_names={"reservationUuid": "uuid"},
)

# Rows

_NOT_LISTED = "no operation lists reservations with their content, so a lost one could not be found"
_ALIKE = (
    "two of the same amount on one reservation cannot be distinguished, so a lost one could be sent twice;"
    " send it yourself, and after a lost response check the reservation's details"
)

SUBMIT_RESERVATION: Operation[CreatedReservation] = Operation(
    name="reservations.submit",
    method="POST",
    path="reservations/submit",
    success=201,
    safety=Safety.UNSAFE,
    result=CreatedReservation,
    request=ReservationOrder,
    rules=_SUBMIT_RULES,
    date_format=DateFormat.UNIX,
    look_at="reservations.list_history",
    not_batched=_NOT_LISTED,
    message="reservationSubmittedSuccessfully",
    message_seen=False,
    has_data=True,
    failure="somethingWentWrong",
    evidence=Evidence.VENDOR_PAGE,
    reference="Reservation",
)
CREATE_RESERVATION_SESSION: Operation[CreatedReservation] = Operation(
    name="reservations.create_session",
    method="POST",
    path="reservations/create",
    success=201,
    safety=Safety.UNSAFE,
    result=CreatedReservation,
    request=ReservationSession,
    rules=_SESSION_RULES,
    date_format=DateFormat.UNIX,
    look_at="reservations.list_history",
    not_batched=_NOT_LISTED,
    message="reservationCreatedSuccessfully",
    message_seen=False,
    has_data=True,
    failure="somethingWentWrong",
    evidence=Evidence.VENDOR_PAGE,
    reference="Reservation Session",
)
GET_RESERVATION_DETAILS: Operation[ReservationDetails] = Operation(
    name="reservations.get_details",
    method="GET",
    path="reservations/details/{reservation_uuid}",
    success=200,
    safety=Safety.READ,
    result=ReservationDetails,
    # A customer accepts within minutes, or not today; nothing lists reservations with their status.
    watched=Watched(kind="reservation", statuses=ReservationStatus, median=120.0, spread=2.0, listed=False),
    message="reservationRetrievedSuccessfully",
    has_data=True,
    not_found="reservationNotFound",
    evidence=Evidence.VENDOR_PAGE,
    reference="Reservation Details",
)
CAPTURE_RESERVATION: Operation[ReservationPayment] = Operation(
    name="reservations.capture",
    method="POST",
    path="reservations/capture/{reservation_uuid}",
    success=202,
    safety=Safety.UNSAFE,
    result=ReservationPayment,
    may_lack_data=True,
    request=Capture,
    rules=_CAPTURE_RULES,
    look_at="reservations.get_details",
    not_batched=_ALIKE,
    message="reservationCapturedSuccessfully",
    has_data=True,
    not_found="reservationNotFound",
    failure="somethingWentWrong",
    evidence=Evidence.VENDOR_PAGE,
    reference="Capture Reservation",
)
CHARGE_RESERVATION: Operation[ReservationPayment] = Operation(
    name="reservations.charge",
    method="POST",
    path="reservations/charge/{reservation_uuid}",
    success=202,
    safety=Safety.UNSAFE,
    result=ReservationPayment,
    may_lack_data=True,
    request=Charge,
    rules=_CHARGE_RULES,
    look_at="reservations.get_details",
    not_batched=_ALIKE,
    message="reservationChargedSuccessfully",
    has_data=True,
    not_found="reservationNotFound",
    failure="somethingWentWrong",
    evidence=Evidence.VENDOR_PAGE,
    reference="Charge Reservation",
)
CANCEL_RESERVATION: Operation[None] = Operation(
    name="reservations.cancel",
    # A GET with a body on every revision of the vendor's page, a POST in another client.
    method="GET",
    other_method="POST",
    path="reservations/cancel/{reservation_uuid}",
    success=202,
    safety=Safety.IDEMPOTENT,
    request=Note,
    rules=_NOTE_RULES,
    business_codes=("reservationStatusAlreadyCompleted", "prerequisiteFailedToCancelReservation"),
    # Not documented, but named like the two that are.
    done_code="reservationStatusAlreadyCancelled",
    message="cancelledOrderSuccessfully",
    evidence=Evidence.VENDOR_PAGE,
    reference="Cancel Reservation",
)
COMPLETE_RESERVATION: Operation[None] = Operation(
    name="reservations.complete",
    method="POST",
    path="reservations/complete/{reservation_uuid}",
    success=202,
    safety=Safety.UNSAFE,
    request=Note,
    rules=_NOTE_RULES,
    business_codes=("prerequisiteFailedToCompleteReservation",),
    look_at="reservations.get_details",
    message="reservationCompletedSuccessfully",
    has_data=True,
    not_found="reservationNotFound",
    evidence=Evidence.VENDOR_PAGE,
    reference="Complete Reservation",
)
RESEND_RESERVATION: Operation[None] = Operation(
    name="reservations.resend",
    method="POST",
    path="reservations/resend/{reservation_uuid}",
    success=202,
    safety=Safety.UNSAFE,
    request=Resend,
    rules=_RESEND_RULES,
    look_at="reservations.list_history",
    message="resentOrderSuccessfully",
    has_data=True,
    evidence=Evidence.VENDOR_PAGE,
    reference="Resend Reservation",
)
REFUND_RESERVATION: Operation[None] = Operation(
    name="reservations.refund",
    method="POST",
    path="reservations/refund/{reservation_uuid}",
    success=202,
    safety=Safety.UNSAFE,
    request=ReservationRefund,
    rules=_REFUND_RULES,
    business_codes=(
        "refundRejectionForRefundedCancelledInvoicedOrderParamRefunded",
        "requestProductIdNotAvailable",
        "refundRejectionForProductAmountExceed",
    ),
    look_at="reservations.get_details",
    not_batched=_ALIKE,
    message="orderRefundedSuccessfully",
    has_data=True,
    failure="somethingWentWrong",
    evidence=Evidence.VENDOR_PAGE,
    reference="Refund Reservation",
)
LIST_RESERVATION_HISTORY: Operation[tuple[ReservationHistoryEntry, ...]] = Operation(
    name="reservations.list_history",
    method="GET",
    path="reservations/history",
    steps=("start", "end"),
    success=200,
    safety=Safety.READ,
    result=ReservationHistoryEntry,
    listed=True,
    message="reservationRetrievedSuccessfully",
    has_data=True,
    not_found="reservationNotFound",
    evidence=Evidence.VENDOR_PAGE,
    reference="Reservation History",
)
