"""The documented rules for every request body, as literal tables over wire paths. Pure.

One tree of fields per body, in the order of the reference's "Validation Rules" tables. A rule that the
reference does not state does not stand here: the API stays the judge. Two consequences: an order date
in the past is not refused (that needs the server's clock), and totals are not added up.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from frontpay_async._protocol.rules import (
    BOOLEAN,
    COUNTRY,
    DATE,
    DIGITS,
    ELEVEN_DIGITS,
    EMAIL,
    KEYED_ROWS,
    NUMERIC,
    OBJECT,
    ROWS,
    TEXT,
    URL,
    Breach,
    Field,
    Kind,
    Presence,
    Rules,
    is_missing,
    one_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from frontpay_async._json import JsonObject

REQUIRED, OPTIONAL = Presence.REQUIRED, Presence.OPTIONAL
LANGUAGE = one_of("en", "no", "sv", "da", "de")
CUSTOMER_TYPE = one_of("private", "corporate")

_PRODUCT = (
    Field("name", TEXT, REQUIRED),
    Field("productId", TEXT),
    Field("quantity", NUMERIC, REQUIRED),
    Field("rate", NUMERIC, REQUIRED),
    Field("discount", NUMERIC),
    Field("tax", NUMERIC, REQUIRED),
    Field("amount", NUMERIC, REQUIRED),
)
_PRODUCTS = Field("products", ROWS, REQUIRED, fields=_PRODUCT)
_SUMMARY = Field(
    "orderSummary",
    OBJECT,
    fields=(
        Field("subTotal", NUMERIC, REQUIRED),
        Field("totalTax", NUMERIC, REQUIRED),
        Field("totalDiscount", NUMERIC, REQUIRED),
        Field("grandTotal", NUMERIC, REQUIRED),
    ),
)
_ORDER_DATE = Field("orderDate", DATE, REQUIRED)
_ADDRESS = Field(
    "address",
    OBJECT,
    fields=(
        Field("street", TEXT, REQUIRED),
        Field("zip", TEXT, REQUIRED),
        Field("city", TEXT, REQUIRED),
        Field("country", COUNTRY, REQUIRED),
    ),
)
_REACHABLE = (
    Field("countryCode", TEXT, REQUIRED),
    Field("msisdn", TEXT, REQUIRED),
    Field("email", EMAIL, REQUIRED),
)
_REACHABLE_SOMEHOW = (
    Field("countryCode", TEXT, unless="email"),
    Field("msisdn", TEXT, unless="email"),
    Field("email", EMAIL, unless="msisdn"),
)
_FIRST_NAME = Field("firstName", TEXT)
_NAMED = (Field("name", TEXT, REQUIRED), Field("preferredLanguage", LANGUAGE))
_BILLED = (
    Field("type", CUSTOMER_TYPE, REQUIRED),
    Field("personalNumber", ELEVEN_DIGITS),
    Field("organizationId", DIGITS, when=("type", "corporate")),
)
_REFERENCES = (Field("referenceNo", TEXT), Field("customerReference", TEXT))


def _customer(*fields: Field) -> Field:
    return Field("customerDetails", OBJECT, fields=(*fields, _ADDRESS))


def _callback(presence: Presence) -> Field:
    return Field("callback", OBJECT, fields=(Field("callbackUrl", URL, presence),))


def _invoice_terms(maturity: Kind) -> tuple[Field, ...]:
    return (
        Field("invoiceInterval", one_of(0, 1, 2)),
        Field("invoiceFeeApplicable", BOOLEAN, REQUIRED),
        Field("invoiceMaturity", maturity),
        Field("separateInvoices", BOOLEAN),
        *_REFERENCES,
    )


_MATURITY_BY_TYPE = {"private": one_of(10), "corporate": one_of(14, 30, 45)}


def _maturity_fits_customer(body: JsonObject) -> Iterator[Breach]:
    maturity, customer = body.get("invoiceMaturity"), body.get("customerDetails")
    who = customer.get("type") if isinstance(customer, dict) else None
    allowed = _MATURITY_BY_TYPE.get(who) if isinstance(who, str) else None
    if allowed is not None and not is_missing(maturity) and not allowed.accepts(maturity):
        demand = f"{allowed.demand} for {who} customers"
        yield Breach("invoiceMaturity", "in", demand, "customerDetails.type", str(who))


def _sent_by_some_way(body: JsonObject) -> Iterator[Breach]:
    ways = body.get("sendOrderBy")
    if isinstance(ways, dict) and ways.get("sms") is False and ways.get("email") is False:
        yield Breach("sendOrderBy", "one_of", "needs sms or email to be true")


PAYMENT_LINK = Rules(
    (
        _PRODUCTS,
        _SUMMARY,
        Field("sendOrderBy", OBJECT, fields=(Field("sms", BOOLEAN), Field("email", BOOLEAN))),
        _ORDER_DATE,
        _customer(*_REACHABLE_SOMEHOW, _FIRST_NAME, *_NAMED, *_BILLED),
        Field("invoiceAsPaymentOption", BOOLEAN, REQUIRED),
        *_REFERENCES,
        Field("secureDetails", BOOLEAN),
        _callback(OPTIONAL),
    )
)
INVOICE = Rules(
    (
        _PRODUCTS,
        _SUMMARY,
        _ORDER_DATE,
        _customer(*_REACHABLE, _FIRST_NAME, *_NAMED, *_BILLED),
        *_invoice_terms(NUMERIC),
        _callback(OPTIONAL),
    ),
    (_maturity_fits_customer,),
)
EFAKTURA = Rules(
    (
        _PRODUCTS,
        _SUMMARY,
        _ORDER_DATE,
        _customer(*_REACHABLE, *_NAMED, Field("personalNumber", ELEVEN_DIGITS, REQUIRED)),
        *_invoice_terms(_MATURITY_BY_TYPE["private"]),
        _callback(REQUIRED),
    )
)
EHF = Rules(
    (
        _PRODUCTS,
        _SUMMARY,
        _ORDER_DATE,
        _customer(*_REACHABLE, *_NAMED, Field("organizationId", DIGITS, REQUIRED)),
        *_invoice_terms(_MATURITY_BY_TYPE["corporate"]),
        _callback(REQUIRED),
    )
)
TERMINAL_ORDER = Rules(
    (
        Field("products", KEYED_ROWS, REQUIRED, fields=_PRODUCT),
        _SUMMARY,
        Field(
            "sendOrderBy",
            OBJECT,
            REQUIRED,
            fields=(Field("sms", BOOLEAN, REQUIRED), Field("email", BOOLEAN, REQUIRED)),
        ),
        _ORDER_DATE,
        # customerUuid stands in the page's example, not in its table.
        _customer(*_REACHABLE, *_NAMED, *_BILLED, Field("customerUuid", TEXT)),
        Field("receiptPrint", BOOLEAN, REQUIRED),
        Field("terminalUuid", TEXT, REQUIRED),
        Field(
            "invoiceReferences",
            OBJECT,
            fields=(*_REFERENCES, Field("customerNotes", TEXT), Field("tnc", TEXT)),
        ),
        Field("callbackUrl", URL),
    ),
    (_sent_by_some_way,),
)
RESEND = Rules(
    (
        Field("countryCode", TEXT, unless="email", along_with="msisdn"),
        Field("msisdn", TEXT, unless="email"),
        Field("email", EMAIL, unless="msisdn"),
    )
)
CANCEL = Rules((Field("cancellationNote", TEXT, REQUIRED),))
CANCEL_PAYMENT = Rules((Field("type", one_of("payment"), REQUIRED),))
CANCEL_REFUND = Rules((Field("type", one_of("refund"), REQUIRED),))
_REFUND_LINES = Field(
    "products", ROWS, REQUIRED, fields=(Field("id", NUMERIC, REQUIRED), Field("amount", NUMERIC, REQUIRED))
)
REFUND = Rules(
    (
        Field("type", one_of("regular", "invoiced"), REQUIRED),
        Field("grandTotal", NUMERIC, REQUIRED),
        _REFUND_LINES,
    )
)
TERMINAL_REFUND = Rules(
    (
        Field("type", one_of("regular"), REQUIRED),
        Field("grandTotal", NUMERIC, REQUIRED),
        _REFUND_LINES,
        Field("isReversal", BOOLEAN),
    )
)
