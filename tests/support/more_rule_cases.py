"""The rules of the operations beyond the reference, restated from the vendor's pages."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs

from frontpay_async._protocol.operations import OPERATIONS, Operation
from tests.support import builders, more_builders as more
from tests.support.rule_values import (
    ADDRESS,
    BOOLEAN,
    COUNTRY,
    CUSTOMER_TYPE,
    DATE,
    DIGITS,
    ELEVEN_DIGITS,
    EMAIL,
    INTERVAL,
    LANGUAGE,
    NUMERIC,
    PRODUCT,
    REACHABLE,
    REFERENCES,
    REFUND_LINES,
    SUMMARY,
    TEXT,
    URL,
    FieldCase,
    optional,
    required,
)
from tests.support.wire import body_of

__all__ = ["MORE_BODIES", "MORE_FIELDS"]

WHOLE = ((1, 987654321), ("1", 1.5, Decimal("0.5"), True, [1]))
TEXTS = ((["Cycle 1"], ["Cycle 1", "Cycle 2"]), ("Cycle 1", 5, {"0": "Cycle 1"}))

LINES = {f"products.0.{name}": case for name, case in PRODUCT.items()}
SHORT = {
    **LINES,
    "products.0.productId": optional((("x", "x" * 25), ("x" * 26, 5, True))),
}
# A reservation's line has no quantity and no discount.
SINGLE = {path: case for path, case in LINES.items() if not path.endswith((".quantity", ".discount"))}
CUSTOMER = {
    **ADDRESS,
    "customerDetails.name": required(TEXT),
    "customerDetails.firstName": optional(TEXT),
    "customerDetails.preferredLanguage": optional(LANGUAGE),
    "customerDetails.type": FieldCase(True, ("private",), CUSTOMER_TYPE[1]),
    "customerDetails.personalNumber": optional(ELEVEN_DIGITS),
    "customerDetails.organizationId": optional(DIGITS),
    "customerDetails.customerUuid": optional(TEXT),
}
ANY_WAY = {
    "customerDetails.countryCode": optional(TEXT),
    "customerDetails.msisdn": optional(TEXT),
    "customerDetails.email": optional(EMAIL),
}
CALLBACK = {"callback.callbackUrl": optional(URL)}
REDIRECTS = {
    **CALLBACK,
    "callback.success": required(URL),
    "callback.failure": required(URL),
}
SENT_BY = {"sendOrderBy.sms": required(BOOLEAN), "sendOrderBy.email": required(BOOLEAN)}
VIA = {"submitPayment.via": required(TEXT)}
CURRENCY = {"submitPayment.currency": optional(TEXT)}
SECURE = {"settings.secureDetails": optional(BOOLEAN)}
NOTE = {"note": required(TEXT)}
RESEND = {
    "countryCode": FieldCase(True, *TEXT),  # the valid body has an msisdn, and needs it
    "msisdn": optional(TEXT),
    "email": optional(EMAIL),
}
RESERVATION = {
    **{path: case for path, case in CUSTOMER.items() if path != "customerDetails.firstName"},
    **REACHABLE,
    "customerDetails.preferredLanguage": required(LANGUAGE),
    **{path: case for path, case in SUMMARY.items() if path != "orderSummary.totalDiscount"},
    **SINGLE,
    **REFERENCES,
    **SENT_BY,
    **SECURE,
    "orderDate": required(DATE),
    "dueDateForPaymentLink": required(DATE),
    "chargeValidity": optional(DIGITS),
    "customerNotes": optional(TEXT),
    "tnc": optional(TEXT),
    "settings.isChargePartiallyRefundable": optional(BOOLEAN),
}
SUBSCRIPTION = {
    **SHORT,
    **SUMMARY,
    **CUSTOMER,
    **REACHABLE,
    **SENT_BY,
    "orderSummary.payablePerCycle": required(NUMERIC),
    "orderSummary.initialCycleAmount": optional(NUMERIC),
    "billingFrequency": required(TEXT),
    "numberOfRepeats": required(NUMERIC),
    "subscriptionStartDate": required(DATE),
    "subscriptionEndsDate": required(DATE),
    "dueDateForPaymentLink": required(DATE),
    "customerNotes": optional(TEXT),
    "termsAndConditions": optional(TEXT),
}
INVOICE_REFERENCES = {
    f"invoiceReferences.{name}": optional(TEXT)
    for name in ("referenceNo", "customerReference", "receiptNo", "customerNotes", "tnc")
}
_CONTACT = ("name", "designation", "countryCode", "msisdn", "note")
UPDATE = {
    "name": required(TEXT),
    "email": required(EMAIL),
    "countryCode": required(TEXT),
    "msisdn": required(TEXT),
    "preferredLanguage": required(LANGUAGE),
    **{f"addresses.billing.{name}": required(TEXT) for name in ("street", "zip", "city")},
    "addresses.billing.country": required(COUNTRY),
    **{f"addresses.shipping.{name}": required(TEXT) for name in ("street", "zip", "city")},
    "addresses.shipping.country": required(COUNTRY),
}

_BY_NAME: dict[str, dict[str, FieldCase]] = {
    "orders.request_refund_approval": {
        **REFUND_LINES,
        "type": required((("regular", "invoiced"), ("Regular", 1))),
        "message": required(TEXT),
        "source": optional((("captured", "charged"), ("reserved", 1))),
        "reference": optional(TEXT),
    },
    "checkout.create_session": {
        **LINES,
        **SUMMARY,
        **CUSTOMER,
        **ANY_WAY,
        **REFERENCES,
        **INVOICE_REFERENCES,
        **VIA,
        **CURRENCY,
        **REDIRECTS,
        "orderSummary.shippingCost": required(NUMERIC),
        "orderDate": required(DATE),
        "dueDateForPaymentLink": optional(DATE),
        "sendOrderBy.sms": optional(BOOLEAN),
        "sendOrderBy.email": optional(BOOLEAN),
        "withCustomer": optional(BOOLEAN),
        "invoiceInterval": optional(INTERVAL),
        "separateInvoices": optional(BOOLEAN),
    },
    "checkout.create_invoice_session": {
        **SHORT,
        **SUMMARY,
        **{path: case for path, case in CUSTOMER.items() if path != "customerDetails.customerUuid"},
        **REACHABLE,
        **REFERENCES,
        **REDIRECTS,
        **SECURE,
        "orderDate": required(DATE),
        "invoiceInterval": optional(INTERVAL),
        "separateInvoices": optional(BOOLEAN),
        "invoiceFeeApplicable": required(BOOLEAN),
        # The first one, a number as the client sends it, completes the body.
        "invoiceMaturity": optional(((14, *NUMERIC[0]), NUMERIC[1])),
    },
    "checkout.create_hosted_link": {
        **LINES,
        **SUMMARY,
        **{path: case for path, case in CUSTOMER.items() if path != "customerDetails.customerUuid"},
        **ANY_WAY,
        **REDIRECTS,
        "customerDetails.type": optional(CUSTOMER_TYPE),
        "orderDate": required(DATE),
        "dueDateForPaymentLink": required(DATE),
        "checkoutLanguage": optional(TEXT),
        "referencesNo": optional(TEXT),
        "customerNotes": optional(TEXT),
    },
    "reservations.submit": {**RESERVATION, **CALLBACK},
    "reservations.create_session": {**RESERVATION, **VIA, **REDIRECTS},
    "reservations.capture": {**REFUND_LINES, "additionalText": optional(TEXT)},
    "reservations.charge": {**SINGLE, "grandTotal": required(NUMERIC), "additionalText": optional(TEXT)},
    "reservations.cancel": NOTE,
    "reservations.complete": NOTE,
    "reservations.resend": RESEND,
    "reservations.refund": {
        **REFUND_LINES,
        "type": required((("reservation",), ("regular", 1))),
        "source": required((("captured", "charged"), ("reserved", 1))),
        "reference": required(TEXT),
    },
    "subscriptions.submit": {**SUBSCRIPTION, **CALLBACK},
    "subscriptions.create_session": {**SUBSCRIPTION, **VIA, **CURRENCY, **SECURE, **REDIRECTS},
    "subscriptions.resend": {**RESEND, "orderUuid": required(TEXT)},
    "subscriptions.cancel": NOTE,
    "subscriptions.refund_cycles": {"cycles": required(TEXTS), "amount": required(NUMERIC)},
    "customers.update_private": {**UPDATE, "personalNumber": optional(ELEVEN_DIGITS)},
    "customers.update_corporate": {
        **UPDATE,
        "organizationId": optional(DIGITS),
        **{f"additionalContact.0.{name}": optional(TEXT) for name in _CONTACT},
        "additionalContact.0.email": optional(EMAIL),
    },
    "credit_checks.check_private": {
        "personalId": required(TEXT),
        "countryCode": optional(TEXT),
        "msisdn": optional(TEXT),
    },
    "credit_checks.check_corporate": {"organizationId": required(TEXT)},
    "company_checks.start": {
        "companyId": required(WHOLE),
        **{path: required(URL) for path in REDIRECTS},
    },
}
MORE_FIELDS: dict[Operation[Any], dict[str, FieldCase]] = {
    OPERATIONS[name]: fields for name, fields in _BY_NAME.items()
}

_CUSTOMER = builders.customer(first_name="Ola", customer_uuid="CSRT8812003417")


def _full_body(name: str) -> dict[str, Any]:
    """A body with all that the row's rules name: what the value leaves out is filled in with what fits."""
    operation, fields = OPERATIONS[name], _BY_NAME[name]
    value: Any = more.values()[name]
    names = {each.name for each in attrs.fields(type(value))}
    if "customer" in names:
        value = attrs.evolve(value, customer=_CUSTOMER)
    body: dict[str, Any] = body_of(operation, value)
    for path, case in fields.items():
        _fill(body, path.split("."), case.fits[0])
    return body


def _fill(holder: Any, path: list[str], value: object) -> None:
    *way, last = path
    for step in way:
        key: Any = int(step) if isinstance(holder, list) else step
        if isinstance(holder, dict) and not isinstance(holder.get(key), (dict, list)):
            holder[key] = {}
        holder = holder[key]
    if holder.get(last) is None:
        holder[last] = value


MORE_BODIES: dict[Operation[Any], Any] = {OPERATIONS[name]: _full_body(name) for name in _BY_NAME}
