"""The documented rules, restated: for each body and each of its fields, what fits and what does not.

Written from the reference's tables and not from the rows, so that either can catch the other.
"""

from __future__ import annotations

from typing import Any

import attrs

from frontpay_async._protocol import operations
from tests.support import builders
from tests.support.more_rule_cases import MORE_BODIES, MORE_FIELDS
from tests.support.rule_values import (
    BILLED,
    BOOLEAN,
    CONTENT,
    CORPORATE_MATURITY,
    CUSTOMER_TYPE,
    DIGITS,
    ELEVEN_DIGITS,
    EMAIL,
    INVOICED,
    PRIVATE_MATURITY,
    REACHABLE,
    REFERENCES,
    REFUND_LINES,
    TEXT,
    URL,
    FieldCase,
    optional,
    required,
)
from tests.support.wire import body_of

__all__ = ["BODIES", "FIELDS", "ORDERS", "FieldCase"]


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
    **MORE_FIELDS,
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
    **MORE_BODIES,
}
