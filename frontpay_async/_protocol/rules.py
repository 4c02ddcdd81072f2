"""The documented rules for every request body, as literal tables over wire paths.

One tree of fields per body, in the order of the reference's "Validation Rules" tables. Three readers
share it: ``build`` checks what is about to be sent, the codec sends only the fields that stand here,
and the sandbox checks what arrived. A rule that the reference does not state does not stand here:
the API stays the judge. Two consequences: an order date in the past is not refused (that needs the
server's clock), and totals are not added up.

A field counts as missing when it is null, blank text, or an empty list or object, as for Laravel.
"""

from __future__ import annotations

import re
from decimal import Decimal
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from attrs import field, frozen

from frontpay_async._protocol.countries import COUNTRY_CODES

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from frontpay_async._protocol.messages import Json, JsonObject

__all__ = ["KEYED_ROWS", "ROWS", "Breach", "Field", "Kind", "Rules", "check"]

_NUMBER = re.compile(r"[+-]?\d+(?:\.\d+)?", re.ASCII)
_DIGITS = re.compile(r"\d+", re.ASCII)
_EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
_DAY = re.compile(r"\d{2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec), \d{4}", re.ASCII)
_NOT_IN_URL = re.compile(r"[\s\x00-\x1f\x7f<>\"\\^`{|}]")


@frozen
class Kind:
    """Name what a field's value must be.

    Args:
        code: The rule's name in Laravel's vocabulary; the sandbox words its sentences by it.
        accepts: Whether a value that is present fits.
        demand: What is asked, for people, following the field's path.
    """

    code: str
    accepts: Callable[[Json], bool]
    demand: str


@frozen
class Field:
    """State the rules for one member of an object.

    Args:
        name: The member's name on the wire.
        kind: What its value must be.
        required: Whether it must be there.
        unless: It must be there when this sibling is missing.
        along_with: It must be there when this sibling is.
        when: It must be there when this sibling has this value.
        fields: The members of the object, or of each object in the list, that it holds.
    """

    name: str
    kind: Kind
    required: bool = False
    unless: str | None = field(default=None, kw_only=True)
    along_with: str | None = field(default=None, kw_only=True)
    when: tuple[str, str] | None = field(default=None, kw_only=True)
    fields: tuple[Field, ...] = field(default=(), kw_only=True)


@frozen
class Breach:
    """Name one broken rule.

    Args:
        path: The wire path.
        code: The rule's name.
        demand: What is asked.
        other: The wire path of the other field that a conditional rule looks at.
        value: The other field's value that a conditional rule looks for.
    """

    path: str
    code: str
    demand: str
    other: str | None = None
    value: str | None = None


@frozen
class Rules:
    """Hold all rules for one body.

    Args:
        fields: The members of the body.
        across: Rules that look at distant fields together.
    """

    fields: tuple[Field, ...]
    across: tuple[Callable[[JsonObject], Iterator[Breach]], ...] = ()


def check(rules: Rules, body: JsonObject) -> list[Breach]:
    """List every rule that the body breaks, in the order of the tables."""
    breaches: list[Breach] = []
    _check_members(rules.fields, body, "", breaches)
    for rule in rules.across:
        breaches.extend(rule(body))
    return breaches


def _check_members(fields: tuple[Field, ...], holder: JsonObject, prefix: str, breaches: list[Breach]) -> None:
    for member in fields:
        value = holder.get(member.name)
        if _missing(value):
            breach = _absence(member, holder, prefix)
            if breach is not None:
                breaches.append(breach)
            if member.kind is OBJECT:
                # The tables name leaves: a missing callback is told as callback.callbackUrl.
                _check_members(member.fields, {}, f"{prefix}{member.name}.", breaches)
        elif not member.kind.accepts(value):
            breaches.append(Breach(prefix + member.name, member.kind.code, member.kind.demand))
        elif member.fields:
            _check_nested(member, value, prefix + member.name, breaches)


def _check_nested(member: Field, value: Json, path: str, breaches: list[Breach]) -> None:
    if member.kind is OBJECT:
        if isinstance(value, dict):
            _check_members(member.fields, value, f"{path}.", breaches)
        return
    for index, row in _rows(value):
        if isinstance(row, dict):
            _check_members(member.fields, row, f"{path}.{index}.", breaches)
        else:
            breaches.append(Breach(f"{path}.{index}", OBJECT.code, OBJECT.demand))


def _missing(value: Json) -> bool:
    return value is None or value == "" or value == [] or value == {} or (isinstance(value, str) and value.isspace())


def _absence(member: Field, holder: JsonObject, prefix: str) -> Breach | None:
    path = prefix + member.name
    if member.required:
        return Breach(path, "required", "is required")
    if member.unless is not None and _missing(holder.get(member.unless)):
        other = prefix + member.unless
        return Breach(path, "required_without", f"is required unless {other} is given", other)
    if member.along_with is not None and not _missing(holder.get(member.along_with)):
        other = prefix + member.along_with
        return Breach(path, "required_with", f"is required together with {other}", other)
    if member.when is not None and holder.get(member.when[0]) == member.when[1]:
        other, value = prefix + member.when[0], member.when[1]
        return Breach(path, "required_if", f"is required when {other} is {value}", other, value)
    return None


def _rows(value: Json) -> list[tuple[str, Json]]:
    """Return a list's or a keyed object's rows with their keys; the terminal route keys products "0", "1", …"""
    if isinstance(value, dict):
        return list(value.items())
    return [(str(index), row) for index, row in enumerate(value)] if isinstance(value, list) else []


def _is_number(value: Json) -> bool:
    if isinstance(value, str):
        return _NUMBER.fullmatch(value.strip()) is not None
    return isinstance(value, (int, Decimal)) and not isinstance(value, bool)


def _is_url(value: Json) -> bool:
    if not isinstance(value, str) or _NOT_IN_URL.search(value):
        return False
    try:
        parts = urlsplit(value)
        port_is_valid = parts.port is None or parts.port >= 0
    except ValueError:
        return False
    return parts.scheme in ("http", "https") and bool(parts.hostname) and port_is_valid


def _is_date(value: Json) -> bool:
    return isinstance(value, str) and (_DIGITS.fullmatch(value) is not None or _DAY.fullmatch(value) is not None)


def _matches(pattern: re.Pattern[str]) -> Callable[[Json], bool]:
    return lambda value: isinstance(value, str) and pattern.fullmatch(value) is not None


def _one_of(*choices: str | int) -> Kind:
    spelled = frozenset(map(str, choices))
    *most, last = map(str, choices)
    demand = f"must be {', '.join(most)} or {last}" if most else f"must be {last}"
    return Kind("in", lambda value: not isinstance(value, bool) and str(value) in spelled, demand)


TEXT = Kind("string", lambda value: isinstance(value, str), "must be text")
NUMERIC = Kind("numeric", _is_number, "must be a number")
BOOLEAN = Kind("boolean", lambda value: isinstance(value, bool), "must be true or false")
EMAIL = Kind("email", _matches(_EMAIL), "must be an e-mail address")
URL = Kind("url", _is_url, "must be an absolute http or https URL")
DIGITS = Kind("digits_only", _matches(_DIGITS), "must contain only digits, without spaces")
ELEVEN_DIGITS = Kind(
    "digits",
    lambda value: isinstance(value, str) and len(value) == 11 and _DIGITS.fullmatch(value) is not None,
    "must be exactly 11 digits, without spaces",
)
COUNTRY = Kind(
    "country",
    lambda value: isinstance(value, str) and value in COUNTRY_CODES,
    "must be an assigned ISO 3166-1 alpha-2 country code, such as NO",
)
DATE = Kind("date", _is_date, "must be a date from 1970 on")
ROWS = Kind("array", lambda value: isinstance(value, (list, dict)), "must be a list of objects")
KEYED_ROWS = Kind("array", lambda value: isinstance(value, (list, dict)), "must be an object of objects")
OBJECT = Kind("array", lambda value: isinstance(value, dict), "must be an object")
LANGUAGE = _one_of("en", "no", "sv", "da", "de")
CUSTOMER_TYPE = _one_of("private", "corporate")

_PRODUCT = (
    Field("name", TEXT, True),
    Field("productId", TEXT),
    Field("quantity", NUMERIC, True),
    Field("rate", NUMERIC, True),
    Field("discount", NUMERIC),
    Field("tax", NUMERIC, True),
    Field("amount", NUMERIC, True),
)
_PRODUCTS = Field("products", ROWS, True, fields=_PRODUCT)
_SUMMARY = Field(
    "orderSummary",
    OBJECT,
    fields=(
        Field("subTotal", NUMERIC, True),
        Field("totalTax", NUMERIC, True),
        Field("totalDiscount", NUMERIC, True),
        Field("grandTotal", NUMERIC, True),
    ),
)
_ORDER_DATE = Field("orderDate", DATE, True)
_ADDRESS = Field(
    "address",
    OBJECT,
    fields=(
        Field("street", TEXT, True),
        Field("zip", TEXT, True),
        Field("city", TEXT, True),
        Field("country", COUNTRY, True),
    ),
)
_REACHABLE = (Field("countryCode", TEXT, True), Field("msisdn", TEXT, True), Field("email", EMAIL, True))
_REACHABLE_SOMEHOW = (
    Field("countryCode", TEXT, unless="email"),
    Field("msisdn", TEXT, unless="email"),
    Field("email", EMAIL, unless="msisdn"),
)
_FIRST_NAME = Field("firstName", TEXT)
_NAMED = (Field("name", TEXT, True), Field("preferredLanguage", LANGUAGE))
_BILLED = (
    Field("type", CUSTOMER_TYPE, True),
    Field("personalNumber", ELEVEN_DIGITS),
    Field("organizationId", DIGITS, when=("type", "corporate")),
)
_REFERENCES = (Field("referenceNo", TEXT), Field("customerReference", TEXT))


def _customer(*fields: Field) -> Field:
    return Field("customerDetails", OBJECT, fields=(*fields, _ADDRESS))


def _callback(*, required: bool) -> Field:
    return Field("callback", OBJECT, fields=(Field("callbackUrl", URL, required),))


def _invoice_terms(maturity: Kind) -> tuple[Field, ...]:
    return (
        Field("invoiceInterval", _one_of(0, 1, 2)),
        Field("invoiceFeeApplicable", BOOLEAN, True),
        Field("invoiceMaturity", maturity),
        Field("separateInvoices", BOOLEAN),
        *_REFERENCES,
    )


_MATURITY_BY_TYPE = {"private": _one_of(10), "corporate": _one_of(14, 30, 45)}


def _maturity_fits_customer(body: JsonObject) -> Iterator[Breach]:
    maturity, customer = body.get("invoiceMaturity"), body.get("customerDetails")
    who = customer.get("type") if isinstance(customer, dict) else None
    allowed = _MATURITY_BY_TYPE.get(who) if isinstance(who, str) else None
    if allowed is not None and not _missing(maturity) and not allowed.accepts(maturity):
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
        Field("invoiceAsPaymentOption", BOOLEAN, True),
        *_REFERENCES,
        Field("secureDetails", BOOLEAN),
        _callback(required=False),
    )
)
INVOICE = Rules(
    (
        _PRODUCTS,
        _SUMMARY,
        _ORDER_DATE,
        _customer(*_REACHABLE, _FIRST_NAME, *_NAMED, *_BILLED),
        *_invoice_terms(NUMERIC),
        _callback(required=False),
    ),
    (_maturity_fits_customer,),
)
EFAKTURA = Rules(
    (
        _PRODUCTS,
        _SUMMARY,
        _ORDER_DATE,
        _customer(*_REACHABLE, *_NAMED, Field("personalNumber", ELEVEN_DIGITS, True)),
        *_invoice_terms(_MATURITY_BY_TYPE["private"]),
        _callback(required=True),
    )
)
EHF = Rules(
    (
        _PRODUCTS,
        _SUMMARY,
        _ORDER_DATE,
        _customer(*_REACHABLE, *_NAMED, Field("organizationId", DIGITS, True)),
        *_invoice_terms(_MATURITY_BY_TYPE["corporate"]),
        _callback(required=True),
    )
)
TERMINAL_ORDER = Rules(
    (
        Field("products", KEYED_ROWS, True, fields=_PRODUCT),
        _SUMMARY,
        Field("sendOrderBy", OBJECT, True, fields=(Field("sms", BOOLEAN, True), Field("email", BOOLEAN, True))),
        _ORDER_DATE,
        # customerUuid stands in the page's example, not in its table.
        _customer(*_REACHABLE, *_NAMED, *_BILLED, Field("customerUuid", TEXT)),
        Field("receiptPrint", BOOLEAN, True),
        Field("terminalUuid", TEXT, True),
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
CANCEL = Rules((Field("cancellationNote", TEXT, True),))
CANCEL_PAYMENT = Rules((Field("type", _one_of("payment"), True),))
CANCEL_REFUND = Rules((Field("type", _one_of("refund"), True),))
_REFUND_LINES = Field(
    "products", ROWS, True, fields=(Field("id", NUMERIC, True), Field("amount", NUMERIC, True))
)
REFUND = Rules((Field("type", _one_of("regular", "invoiced"), True), Field("grandTotal", NUMERIC, True), _REFUND_LINES))
TERMINAL_REFUND = Rules(
    (
        Field("type", _one_of("regular"), True),
        Field("grandTotal", NUMERIC, True),
        _REFUND_LINES,
        Field("isReversal", BOOLEAN),
    )
)
