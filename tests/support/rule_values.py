"""Values that fit and break each kind of field, shared by the tables of rules."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from attrs import frozen

__all__ = [
    "ADDRESS",
    "BILLED",
    "BOOLEAN",
    "CONTENT",
    "CORPORATE_MATURITY",
    "COUNTRY",
    "CUSTOMER_TYPE",
    "DATE",
    "DIGITS",
    "ELEVEN_DIGITS",
    "EMAIL",
    "INTERVAL",
    "INVOICED",
    "LANGUAGE",
    "NUMERIC",
    "PRIVATE_MATURITY",
    "PRODUCT",
    "REACHABLE",
    "REFERENCES",
    "REFUND_LINES",
    "SUMMARY",
    "TEXT",
    "URL",
    "FieldCase",
    "optional",
    "required",
]


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
