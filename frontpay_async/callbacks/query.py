"""Callbacks on the wire: reading a query, checking a checksum, making and reading a token. Pure.

**The query.** Values are percent-decoded as UTF-8 and ``+`` is a space, as in any form. The decoded values
are what is hashed: the reference says "values", and an encoding is nobody's value, for proxies change it
(``+`` and ``%20``, ``%c3`` and ``%C3``). A provider that appends ``?orderUuid=…`` to a URL that has a query
already is understood, too.

**The checksum** is SHA-256 over values that are glued together, without their names and without anything
between them, followed by the secret. So whoever holds one genuine query could move a character from one
value to its neighbour, or swap names, and keep the checksum. What is done against it:

- Only the six documented parameters are hashed, besides those that stand *before* all of them: the merchant's
  own, from the callback URL, which the sources neither include nor exclude. Others are never hashed and
  never reported, so nothing can be moved into a parameter that somebody made up.
- Each value has a strict form. Numbers have no sign, no leading zero and no exponent, times have exactly ten
  digits, and names (status, payment method) have none. So nearly every border is one between a digit and
  a letter, or lies ten digits away from one.
- The glued text is cut again by these forms, once with every value as long as it can be and once as short
  as it can be. The first cut is the lexicographically greatest that there is, the second the least: if
  both are what was received, there is no other.
- The documented order of the names is one of many ("in the order received"). Where the names stand
  otherwise, the text must not be readable in the documented order as well.

**The older form** hashes three of the values only, and is looked for only when it is asked for.

**The token** of a callback URL is ``v1.<reference>.<HMAC-SHA256>``, in base64url: characters that no URL has
to escape. It is the last parameter of the URL, so that it ends where the provider's parameters begin.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from functools import lru_cache
from itertools import takewhile
from typing import Protocol, TypeAlias, cast, runtime_checkable
from urllib.parse import parse_qsl

from frontpay_async.errors import CallbackError, InvalidChecksumError
from frontpay_async.models.callbacks import Callback, CallbackKind, OrderCallback, TerminalCallback
from frontpay_async.models.statuses import OrderStatus

SIGNED = ("orderUuid", "status", "createdAt", "paymentMethod", "amount", "timestamp")
"""What the checksum covers, in the documented order."""
_OLDER_SIGNED = SIGNED[:3]
"""What its older form covers."""
CHECKSUM = "checksum"
TOKEN = "frontpay_token"  # noqa: S105 - the name of a parameter
DOCUMENTED = (*SIGNED, CHECKSUM, "type", "totalAmount", "baseAmount", "vatAmount", "currency")

LONGEST_REFERENCE = 200
_LONGEST = 8192
_MOST_FIELDS = 64

_MERGED = re.compile(rf"(.*?)\?({'|'.join(DOCUMENTED)})=(.*)", re.DOTALL)
_HEX = re.compile(r"[0-9a-f]{64}")
_TOKEN_FORM = re.compile(r"v1\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{43})")
_TOKEN_PURPOSE = b"frontpay_async callback token v1\0"

# A "~" stands behind each quantifier that decides a length; it becomes nothing (long) or "?" (short).
_FORMS = {
    "orderUuid": "ODR[0-9]{1,30}~",
    "status": "[A-Za-z][A-Za-z _-]{0,39}~",
    "createdAt": "[1-9][0-9]{9}",
    "paymentMethod": r"[^0-9\x00-\x1f\x7f]{0,60}~",
    "amount": r"(?:0|[1-9][0-9]{0,29}~)(?:\.[0-9]{1,30}~)?~",
    "timestamp": "[1-9][0-9]{9}",
}
_PATTERNS: Mapping[str, re.Pattern[str]] = {
    name: re.compile(form.replace("~", "")) for name, form in _FORMS.items()
}
_CURRENCY = re.compile("[A-Z]{3}")
_KINDS = {"payment": CallbackKind.PAYMENT, "payment_refund": CallbackKind.REFUND}
_APPROVED = {"approved": True, "cancelled": False}


@runtime_checkable
class _MultiItems(Protocol):
    def multi_items(self) -> Iterable[tuple[str, str]]: ...


Query: TypeAlias = str | bytes | Mapping[str, str] | Iterable[tuple[str, str]]


def read_query(query: Query) -> dict[str, str]:
    """Read the parameters of a query, in the order received.

    Args:
        query: The query string, encoded, with or without its ``?``; or what it says, decoded, as a mapping or
            pairs. A mapping cannot show that a name came twice, unless it has ``multi_items()`` as
            Starlette's has.

    Raises:
        CallbackError: It is too long, it is no UTF-8, or a name stands in it twice.
    """
    read: dict[str, str] = {}
    length = 0
    for name, value in _pairs(query):
        length += len(name) + len(value)
        if length > _LONGEST or len(read) >= _MOST_FIELDS:
            raise _too_long()
        for each, its_value in _unmerged(name, value):
            if each in read:
                raise CallbackError("a parameter of the callback stands in it twice")
            read[each] = its_value
    try:
        "".join((*read, *read.values())).encode()
    except UnicodeEncodeError:
        raise _not_text() from None
    return read


def _pairs(query: Query) -> Iterable[tuple[str, str]]:
    if isinstance(query, (str, bytes)):
        return _decoded(query)
    if isinstance(query, _MultiItems):
        return map(_pair, query.multi_items())
    if isinstance(query, Mapping):
        return map(_pair, cast("Mapping[str, str]", query).items())
    return map(_pair, query)


def _pair(item: object) -> tuple[str, str]:
    match item:
        case (str(name), str(value)):
            return name, value
        case _:
            raise CallbackError("a callback consists of names and values that are text")


def _decoded(query: str | bytes) -> Iterable[tuple[str, str]]:
    if len(query) > _LONGEST:
        raise _too_long()
    try:
        text = query if isinstance(query, str) else query.decode()
        return parse_qsl(
            text.removeprefix("?"), keep_blank_values=True, errors="strict", max_num_fields=_MOST_FIELDS
        )
    except UnicodeError:
        raise _not_text() from None
    except ValueError:
        raise _too_long() from None


def _unmerged(name: str, value: str) -> Iterable[tuple[str, str]]:
    """Part a value of the callback URL from a ``?`` and what the provider appended to it."""
    merged = None if name in DOCUMENTED else _MERGED.fullmatch(value)
    return [(name, value)] if merged is None else [(name, merged[1]), (merged[2], merged[3])]


def _too_long() -> CallbackError:
    return CallbackError("the callback is longer than any that the API sends")


def _not_text() -> CallbackError:
    return CallbackError("the callback is not UTF-8")


def read_callback(fields: Mapping[str, str], *, accept_older_form: bool) -> Callback:
    """Read what a callback says, without checking who made it.

    Raises:
        CallbackError: It is none, or a parameter is missing or malformed.
    """
    # What has a checksum must keep it, whatever else is added to the query.
    if CHECKSUM in fields or "type" not in fields:
        return _read_order(fields, accept_older_form=accept_older_form)
    return _read_terminal(fields)


def _read_order(fields: Mapping[str, str], *, accept_older_form: bool) -> OrderCallback:
    values = {name: fields[name] for name in SIGNED if name in fields}
    needed = _OLDER_SIGNED if accept_older_form else SIGNED
    if not values.keys() >= set(needed) or CHECKSUM not in fields:
        raise CallbackError("the callback lacks a parameter")
    if not all(_PATTERNS[name].fullmatch(value) for name, value in values.items()):
        raise CallbackError("a parameter of the callback is malformed")
    amount, timestamp = values.get("amount"), values.get("timestamp")
    return OrderCallback(
        order_uuid=values["orderUuid"],
        status=OrderStatus(values["status"]),
        created_at=_moment(values["createdAt"]),
        payment_method=values.get("paymentMethod"),
        amount=None if amount is None else Decimal(amount),
        timestamp=None if timestamp is None else _moment(timestamp),
    )


def _read_terminal(fields: Mapping[str, str]) -> TerminalCallback:
    try:
        uuid, status, kind = fields["orderUuid"], fields["status"], fields["type"]
        total, currency = fields["totalAmount"], fields["currency"]
    except KeyError:
        raise CallbackError("the callback lacks a parameter") from None
    amounts = [total, *(fields[name] for name in ("baseAmount", "vatAmount") if name in fields)]
    if not (
        _PATTERNS["orderUuid"].fullmatch(uuid)
        and kind.lower() in _KINDS
        and status.lower() in _APPROVED
        and all(map(_PATTERNS["amount"].fullmatch, amounts))
        and _CURRENCY.fullmatch(currency)
    ):
        raise CallbackError("a parameter of the callback is malformed")
    base, vat = fields.get("baseAmount"), fields.get("vatAmount")
    return TerminalCallback(
        order_uuid=uuid,
        kind=_KINDS[kind.lower()],
        is_approved=_APPROVED[status.lower()],
        total_amount=Decimal(total),
        currency=currency,
        base_amount=None if base is None else Decimal(base),
        vat_amount=None if vat is None else Decimal(vat),
    )


def _moment(seconds: str) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)


def to_key(secret: str | bytes) -> bytes:
    """Read a secret.

    Raises:
        TypeError: It is neither text nor bytes.
        ValueError: It is empty.
    """
    if not isinstance(secret, (str, bytes)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"a secret is text or bytes, not {type(secret).__name__}")
    if not secret:
        raise ValueError("an empty secret protects nothing")
    # An error of the codec's would hold the secret.
    return secret.encode(errors="surrogatepass") if isinstance(secret, str) else secret


def checksum_covers(fields: Mapping[str, str], key: bytes, *, or_older: bool) -> tuple[str, ...]:
    """Return the names that the checksum covers; none where it is wrong.

    Args:
        fields: What ``read_query`` returned; values of the covered names have the form that is asked of them.
        key: The secret.
        or_older: Whether the older form is accepted.
    """
    given = fields.get(CHECKSUM, "")
    if _HEX.fullmatch(given) is None:
        return ()
    names = tuple(name for name in fields if name in SIGNED)
    values = tuple(fields[name] for name in names)
    if len(names) == len(SIGNED):
        for own in {"", _own(fields)}:
            if _is_hash(given, own + "".join(values), key):
                return SIGNED if _reads_only_as(own, names, values) else ()
    if or_older and fields.keys() >= set(_OLDER_SIGNED):
        values = tuple(fields[name] for name in _OLDER_SIGNED)
        if _is_hash(given, "".join(values), key) and _reads_only_as("", _OLDER_SIGNED, values):
            return _OLDER_SIGNED
    return ()


def _own(fields: Mapping[str, str]) -> str:
    """Glue the values that stand before all that are documented."""
    return "".join(value for _, value in takewhile(lambda pair: pair[0] not in DOCUMENTED, fields.items()))


def _is_hash(given: str, text: str, key: bytes) -> bool:
    return hmac.compare_digest(hashlib.sha256(text.encode() + key).hexdigest(), given)


def _reads_only_as(own: str, names: tuple[str, ...], values: tuple[str, ...]) -> bool:
    text = own + "".join(values)
    cuts = [_cutter(names, length).fullmatch(text) for length in ("", "?")]
    if not all(cut is not None and cut.groups() == (own, *values) for cut in cuts):
        return False
    # With fewer names it is the older form, whose order is fixed.
    return names in (SIGNED, _OLDER_SIGNED) or _cutter(SIGNED, "").fullmatch(text) is None


@lru_cache(maxsize=32)
def _cutter(names: tuple[str, ...], length: str) -> re.Pattern[str]:
    fields = "".join(f"({_FORMS[name].replace('~', length)})" for name in names)
    return re.compile(f"(.*{length}){fields}", re.DOTALL)


def make_token(reference: str, key: bytes) -> str:
    """Return the token of a reference.

    Raises:
        ValueError: The reference is empty, too long, or no text.
    """
    # A lone surrogate is text to Python, and cannot be sent.
    if not 0 < len(reference) <= LONGEST_REFERENCE or any("\ud800" <= c <= "\udfff" for c in reference):
        raise ValueError(f"an order reference is text of 1 to {LONGEST_REFERENCE} characters")
    body = _base64(reference.encode())
    return f"v1.{body}.{_seal(body, key)}"


def read_token(token: str, key: bytes) -> str:
    """Return the reference of a token.

    Raises:
        InvalidChecksumError: It was not made with this key.
    """
    form = _TOKEN_FORM.fullmatch(token)
    if form is None or not hmac.compare_digest(_seal(form[1], key), form[2]):
        raise InvalidChecksumError("the callback's token was not made with this secret")
    return urlsafe_b64decode(form[1] + "==").decode()


def _seal(body: str, key: bytes) -> str:
    return _base64(hmac.digest(key, _TOKEN_PURPOSE + body.encode(), "sha256"))


def _base64(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()
