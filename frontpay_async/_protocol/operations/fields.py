"""Rules for members that several bodies share, in the order of the reference's "Validation Rules". Pure.

Only rules of the reference are checked; the API decides about the rest. An order date in the past, for
example, is not rejected, because that needs the server's clock. The exceptions are the cross-checks of
amounts (``totals``), which callers can disable.
"""

from __future__ import annotations

from frontpay_async._protocol.rules import (
    BOOLEAN,
    COUNTRY,
    DATE,
    DIGITS,
    ELEVEN_DIGITS,
    EMAIL,
    NUMERIC,
    NUMERIC_TEXT,
    OBJECT,
    ROWS,
    TEXT,
    UNIX_DATE,
    URL,
    Field,
    Presence,
    one_of,
    text_of_at_most,
)

REQUIRED, OPTIONAL = Presence.REQUIRED, Presence.OPTIONAL
LANGUAGE = one_of("en", "no", "sv", "da", "de")
CUSTOMER_TYPE = one_of("private", "corporate")

PRODUCT = (
    Field("name", TEXT, REQUIRED),
    Field("productId", TEXT),
    Field("quantity", NUMERIC_TEXT, REQUIRED),
    Field("rate", NUMERIC, REQUIRED),
    Field("discount", NUMERIC),
    Field("tax", NUMERIC_TEXT, REQUIRED),
    Field("amount", NUMERIC, REQUIRED),
)
PRODUCTS = Field("products", ROWS, REQUIRED, fields=PRODUCT)
SUMMARY = Field(
    "orderSummary",
    OBJECT,
    fields=(
        Field("subTotal", NUMERIC_TEXT, REQUIRED),
        Field("totalTax", NUMERIC_TEXT, REQUIRED),
        Field("totalDiscount", NUMERIC_TEXT, REQUIRED),
        Field("grandTotal", NUMERIC_TEXT, REQUIRED),
    ),
)
ORDER_DATE = Field("orderDate", DATE, REQUIRED)
ADDRESS = Field(
    "address",
    OBJECT,
    fields=(
        Field("street", TEXT, REQUIRED),
        Field("zip", TEXT, REQUIRED),
        Field("city", TEXT, REQUIRED),
        Field("country", COUNTRY, REQUIRED),
    ),
)
REACHABLE = (
    Field("countryCode", TEXT, REQUIRED),
    Field("msisdn", TEXT, REQUIRED),
    Field("email", EMAIL, REQUIRED),
)
REACHABLE_SOMEHOW = (
    Field("countryCode", TEXT, unless="email"),
    Field("msisdn", TEXT, unless="email"),
    Field("email", EMAIL, unless="msisdn"),
)
FIRST_NAME = Field("firstName", TEXT)
# Not in every table, but accepted by the live API on every order route, and sent if given.
TYPE = Field("type", CUSTOMER_TYPE)
CUSTOMER_UUID = Field("customerUuid", TEXT)
NAMED = (Field("name", TEXT, REQUIRED), Field("preferredLanguage", LANGUAGE))
BILLED = (
    Field("type", CUSTOMER_TYPE, REQUIRED),
    Field("personalNumber", ELEVEN_DIGITS),
    Field("organizationId", DIGITS, when=("type", "corporate")),
)
REFERENCES = (Field("referenceNo", TEXT), Field("customerReference", TEXT))


def customer(*fields: Field) -> Field:
    """Return the rules for a customer and the address."""
    return Field("customerDetails", OBJECT, fields=(*fields, ADDRESS))


def callback(presence: Presence) -> Field:
    """Return the rules for the callback URL."""
    return Field("callback", OBJECT, fields=(Field("callbackUrl", URL, presence),))


REFUND_LINES = Field(
    "products", ROWS, REQUIRED, fields=(Field("id", NUMERIC, REQUIRED), Field("amount", NUMERIC, REQUIRED))
)
SENT_BY = Field(
    "sendOrderBy",
    OBJECT,
    REQUIRED,
    fields=(Field("sms", BOOLEAN, REQUIRED), Field("email", BOOLEAN, REQUIRED)),
)
LINK_DUE_DATE = Field("dueDateForPaymentLink", UNIX_DATE, REQUIRED)
WITH_LANGUAGE = (*REACHABLE, Field("name", TEXT, REQUIRED), Field("preferredLanguage", LANGUAGE, REQUIRED))
SHORT_PRODUCT_ID = (
    Field("name", TEXT, REQUIRED),
    Field("productId", text_of_at_most(25)),
    *PRODUCT[2:],
)


def redirects(callback_presence: Presence = OPTIONAL) -> Field:
    """Return the rules for the callback URL and the URLs to which a payment page redirects the browser."""
    return Field(
        "callback",
        OBJECT,
        fields=(
            Field("callbackUrl", URL, callback_presence),
            Field("success", URL, REQUIRED),
            Field("failure", URL, REQUIRED),
        ),
    )


def paid_by(*more: Field) -> Field:
    """Return the rules for the payment of a session."""
    return Field("submitPayment", OBJECT, fields=(Field("via", TEXT, REQUIRED), *more))
