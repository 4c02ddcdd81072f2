"""The documented rules, restated: for each body and each of its fields, what fits and what does not.

Written from the reference's tables and not from the rows, so that either can catch the other.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import attrs
from attrs import frozen

from frontpay_async._protocol import operations
from tests.support import builders
from tests.support.wire import body_of

__all__ = ["BODIES", "FIELDS", "ORDERS", "FieldCase"]


@frozen
class FieldCase:
    """One row of a table.

    Args:
        required: Whether the body is refused without it, whatever the other fields hold.
        fits: Values that are accepted.
        breaks: Values that are refused.
    """

    required: bool
    fits: tuple[Any, ...]
    breaks: tuple[Any, ...]


def required(kind: tuple[tuple[Any, ...], tuple[Any, ...]]) -> FieldCase:
    return FieldCase(True, *kind)


def optional(kind: tuple[tuple[Any, ...], tuple[Any, ...]]) -> FieldCase:
    return FieldCase(False, *kind)


TEXT = (("x", "Ærlig Åse", "0", "🧾"), (5, True, Decimal("1.5"), ["x"], {"x": "y"}, "\ud800"))
NUMERIC = (
    ("1", 1, Decimal("51.00"), "-0.5", 0, " 7 ", "0001"),
    ("x", "1,5", "1e3", "NaN", "1.", True, ["1"], "\u0663"),
)
BOOLEAN = ((True, False), ("true", "yes", 1, 0, [True]))
EMAIL = (("ola@example.no", "a.b+c@x.example"), ("ola", "ola@", "@example.no", "o la@x.no", "a@b@c", 5))
URL = (
    ("https://example.no/cb?a=1", "http://example.no", "https://[::1]:8080/x"),
    (
        "example.no/cb",
        "ftp://example.no",
        "javascript:alert(1)",
        "https://",
        "https:///cb",
        "https://exa mple.no",
        "https://example.no/\n",
        "https://example.no:99999/",
        "https://[::1",
        5,
    ),
)
DATE = (
    ("0", "1703040812", "07 Apr, 2024", "31 Dec, 9999"),
    ("2024-04-07", "7 Apr, 2024", "07 Mai, 2024", "07 Apr 2024", "07 Apr, 1969", "-1", 1703040812, "\u0667"),
)
ELEVEN_DIGITS = (
    ("01017012345",),
    ("0101701234", "010170123456", "010170 12345", "0101701234x", "\u0660" * 11, 12345678901),
)
DIGITS = (("987654321", "1"), ("987 654 321", "NO987654321", "\u0669", "98-7", 987654321))
COUNTRY = (("NO", "SE", "AX"), ("no", "NOR", "XX", "UK", "EU", "XK", "N", 47))
LANGUAGE = (("en", "no", "sv", "da", "de"), ("fr", "NO", "nb", 1))
CUSTOMER_TYPE = (("private", "corporate"), ("Private", "company", 0))
INTERVAL = ((0, 1, 2, "0", "2"), (3, -1, "daily", True, Decimal("0.5")))

PRODUCT = {
    "name": required(TEXT),
    "productId": optional(TEXT),
    "quantity": required(NUMERIC),
    "rate": required(NUMERIC),
    "discount": optional(NUMERIC),
    "tax": required(NUMERIC),
    "amount": required(NUMERIC),
}
SUMMARY = {
    f"orderSummary.{name}": required(NUMERIC)
    for name in ("subTotal", "totalTax", "totalDiscount", "grandTotal")
}
ADDRESS = {
    "customerDetails.address.street": required(TEXT),
    "customerDetails.address.zip": required(TEXT),
    "customerDetails.address.city": required(TEXT),
    "customerDetails.address.country": required(COUNTRY),
}
CONTENT = {
    **{f"products.0.{name}": case for name, case in PRODUCT.items()},
    **SUMMARY,
    **ADDRESS,
    "orderDate": required(DATE),
    "customerDetails.name": required(TEXT),
    "customerDetails.firstName": optional(TEXT),
    "customerDetails.customerUuid": optional(TEXT),
    "customerDetails.preferredLanguage": optional(LANGUAGE),
}
REACHABLE = {
    "customerDetails.countryCode": required(TEXT),
    "customerDetails.msisdn": required(TEXT),
    "customerDetails.email": required(EMAIL),
}
BILLED = {
    "customerDetails.type": FieldCase(True, ("private",), CUSTOMER_TYPE[1]),
    "customerDetails.personalNumber": optional(ELEVEN_DIGITS),
    "customerDetails.organizationId": optional(DIGITS),
}
REFERENCES = {"referenceNo": optional(TEXT), "customerReference": optional(TEXT)}
INVOICED = {
    "invoiceInterval": optional(INTERVAL),
    "invoiceFeeApplicable": required(BOOLEAN),
    "separateInvoices": optional(BOOLEAN),
    **REFERENCES,
}
PRIVATE_MATURITY = optional(((10, "10"), (14, 30, 45, 0, "ten", True)))
CORPORATE_MATURITY = optional(((14, 30, 45, "30"), (10, 0, "ten", True)))
REFUND_LINES = {
    "grandTotal": required(NUMERIC),
    "products.0.id": required(NUMERIC),
    "products.0.amount": required(NUMERIC),
}

FIELDS: dict[operations.Operation[Any], dict[str, FieldCase]] = {
    operations.SEND_PAYMENT_LINK: {
        **CONTENT,
        **BILLED,
        **REFERENCES,
        # Each of the three may be missing while another way to the customer is given.
        "customerDetails.countryCode": optional(TEXT),
        "customerDetails.msisdn": optional(TEXT),
        "customerDetails.email": optional(EMAIL),
        "sendOrderBy.sms": optional(BOOLEAN),
        "sendOrderBy.email": optional(BOOLEAN),
        "invoiceAsPaymentOption": required(BOOLEAN),
        "secureDetails": optional(BOOLEAN),
        "callback.callbackUrl": optional(URL),
    },
    operations.SEND_INVOICE: {
        **CONTENT,
        **REACHABLE,
        **BILLED,
        **INVOICED,
        "invoiceMaturity": PRIVATE_MATURITY,
        "callback.callbackUrl": optional(URL),
    },
    operations.SEND_EFAKTURA: {
        **CONTENT,
        **REACHABLE,
        **INVOICED,
        "customerDetails.type": optional(CUSTOMER_TYPE),
        "customerDetails.personalNumber": required(ELEVEN_DIGITS),
        "invoiceMaturity": PRIVATE_MATURITY,
        "callback.callbackUrl": required(URL),
    },
    operations.SEND_EHF_INVOICE: {
        **CONTENT,
        **REACHABLE,
        **INVOICED,
        "customerDetails.type": optional(CUSTOMER_TYPE),
        "customerDetails.organizationId": required(DIGITS),
        "invoiceMaturity": CORPORATE_MATURITY,
        "callback.callbackUrl": required(URL),
    },
    operations.CREATE_TERMINAL_ORDER: {
        **CONTENT,
        **REACHABLE,
        **BILLED,
        "sendOrderBy.sms": required(BOOLEAN),
        "sendOrderBy.email": FieldCase(True, (True,), BOOLEAN[1]),
        "receiptPrint": required(BOOLEAN),
        "terminalUuid": required(TEXT),
        **{f"invoiceReferences.{name}": case for name, case in REFERENCES.items()},
        "invoiceReferences.customerNotes": optional(TEXT),
        "invoiceReferences.tnc": optional(TEXT),
        "callbackUrl": optional(URL),
    },
    operations.RESEND_PAYMENT_LINK: {
        "countryCode": FieldCase(True, *TEXT),  # the valid body has an msisdn, and needs it
        "msisdn": optional(TEXT),
        "email": optional(EMAIL),
    },
    operations.CANCEL_ORDER: {"cancellationNote": required(TEXT)},
    operations.REFUND_ORDER: {
        "type": required((("regular", "invoiced"), ("Regular", "partial", 1))),
        **REFUND_LINES,
    },
    operations.CANCEL_TERMINAL_PAYMENT: {"type": required((("payment",), ("refund", "Payment", 1)))},
    operations.REFUND_TERMINAL_ORDER: {
        "type": required((("regular",), ("invoiced", 1))),
        **REFUND_LINES,
        "isReversal": optional(BOOLEAN),
    },
    operations.CANCEL_TERMINAL_REFUND: {"type": required((("refund",), ("payment", "Refund", 1)))},
}

_FULL_CUSTOMER = builders.customer(
    first_name="Ola", organization_id=builders.ORGANIZATION_ID, customer_uuid="CSRT8812003417"
)
# For every operation on money: a value that is valid and has every field.
ORDERS: dict[operations.Operation[Any], Any] = {
    operations.SEND_PAYMENT_LINK: builders.payment_link(
        customer=_FULL_CUSTOMER,
        send_order_by=builders.SendOrderBy(sms=True, email=False),
        secure_details=False,
        callback_url=builders.CALLBACK_URL,
    ),
    operations.SEND_INVOICE: builders.invoice(
        customer=_FULL_CUSTOMER, separate_invoices=True, callback_url=builders.CALLBACK_URL
    ),
    operations.SEND_EFAKTURA: builders.efaktura(
        customer=_FULL_CUSTOMER, invoice_interval=0, separate_invoices=True
    ),
    operations.SEND_EHF_INVOICE: builders.ehf(
        customer=attrs.evolve(_FULL_CUSTOMER, type="corporate"), invoice_interval=0, separate_invoices=True
    ),
    operations.CREATE_TERMINAL_ORDER: builders.terminal_order(
        customer=_FULL_CUSTOMER,
        invoice_references=builders.invoice_references(customer_notes="Ring", tnc="30 dager"),
        callback_url=builders.CALLBACK_URL,
    ),
    operations.REFUND_ORDER: builders.refund(),
    operations.REFUND_TERMINAL_ORDER: builders.terminal_refund(is_reversal=True),
}


def _full_body(operation: operations.Operation[Any]) -> Any:
    """The body with a private customer's organisation number, too: the client leaves it out."""
    body = body_of(operation, ORDERS[operation])
    if "customerDetails.organizationId" in FIELDS[operation]:
        body["customerDetails"]["organizationId"] = builders.ORGANIZATION_ID
    return body


# For every operation with a body: one that is valid and has every field.
BODIES: dict[operations.Operation[Any], Any] = {
    **{operation: _full_body(operation) for operation in ORDERS},
    operations.RESEND_PAYMENT_LINK: {
        "countryCode": "+47",
        "msisdn": builders.MSISDN,
        "email": builders.EMAIL,
    },
    operations.CANCEL_ORDER: {"cancellationNote": "Utsolgt"},
    operations.CANCEL_TERMINAL_PAYMENT: {"type": "payment"},
    operations.CANCEL_TERMINAL_REFUND: {"type": "refund"},
}
