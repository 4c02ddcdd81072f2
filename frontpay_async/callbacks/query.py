"""Callbacks on the wire: reading a query, making and reading a token. Pure.

**The query.** Values are percent-decoded as UTF-8 and ``+`` is a space, as in any form. The decoded values
are what is hashed: the reference says "values", and proxies change the encoding (``+`` and ``%20``, ``%c3``
and ``%C3``). A provider that appends ``?orderUuid=…`` to a URL that already has a query is understood, too.

**The token** of a callback URL is ``v1.<reference>.<HMAC-SHA256>``, in base64url: characters that no URL has
to escape. It is the last parameter of the URL, so that it ends where the provider's parameters begin.
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Protocol, TypeAlias, cast, runtime_checkable
from urllib.parse import parse_qsl

from frontpay_async._protocol.checksums import CHECKSUM, DOCUMENTED, PATTERNS, SHORTEST, TABLE
from frontpay_async.errors import CallbackError, ConfigurationError, InvalidChecksumError
from frontpay_async.models.callbacks import Callback, CallbackKind, OrderCallback, TerminalCallback
from frontpay_async.models.statuses import OrderStatus

TOKEN = "frontpay_token"  # noqa: S105 - the name of a parameter

LONGEST_REFERENCE = 200
_LONGEST = 8192
_MOST_FIELDS = 64

_MERGED = re.compile(rf"(.*?)\?({'|'.join(DOCUMENTED)})=(.*)", re.DOTALL)
_TOKEN_FORM = re.compile(r"v1\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{43})")
_TOKEN_PURPOSE = b"frontpay_async callback token v1\0"

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
        CallbackError: The query is not a callback, or a parameter is missing or malformed.
    """
    # A query that has a checksum must pass it, whatever else is added to the query.
    if CHECKSUM in fields or "type" not in fields:
        return _read_order(fields, accept_older_form=accept_older_form)
    return _read_terminal(fields)


def _read_order(fields: Mapping[str, str], *, accept_older_form: bool) -> OrderCallback:
    _require(fields, (*(SHORTEST if accept_older_form else TABLE), CHECKSUM))
    values = {name: fields[name] for name in TABLE if name in fields}
    for name, value in values.items():
        _check_form(name, PATTERNS[name].fullmatch(value) is not None)
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
    _require(fields, ("orderUuid", "status", "type", "totalAmount", "currency"))
    uuid, status, kind = fields["orderUuid"], fields["status"].lower(), fields["type"].lower()
    _check_form("orderUuid", PATTERNS["orderUuid"].fullmatch(uuid) is not None)
    _check_form("type", kind in _KINDS)
    _check_form("status", status in _APPROVED)
    _check_form("currency", _CURRENCY.fullmatch(fields["currency"]) is not None)
    amounts = {name: fields[name] for name in ("totalAmount", "baseAmount", "vatAmount") if name in fields}
    for name, value in amounts.items():
        _check_form(name, PATTERNS["amount"].fullmatch(value) is not None)
    return TerminalCallback(
        order_uuid=uuid,
        kind=_KINDS[kind],
        is_approved=_APPROVED[status],
        total_amount=Decimal(amounts["totalAmount"]),
        currency=fields["currency"],
        base_amount=Decimal(amounts["baseAmount"]) if "baseAmount" in amounts else None,
        vat_amount=Decimal(amounts["vatAmount"]) if "vatAmount" in amounts else None,
    )


def _require(fields: Mapping[str, str], names: tuple[str, ...]) -> None:
    missing = [name for name in names if name not in fields]
    if missing:
        raise CallbackError(f"the callback lacks {', '.join(missing)}")


def _check_form(name: str, is_good: bool) -> None:  # noqa: FBT001 - the two make one sentence
    if not is_good:
        raise CallbackError(f"the callback's {name} is malformed")


def _moment(seconds: str) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)


class InvalidSecretError(ConfigurationError, ValueError):
    """A secret that was copied or read wrongly."""


# What a copy from a page, a file or a shell leaves at the ends: blanks, line breaks, a BOM, zero-width
# characters.
_INVISIBLE = "\ufeff\u200b\u200c\u200d\u2060"
_QUOTES = ('""', "''", "``", "\u201c\u201d", "\u2018\u2019", "\u00ab\u00bb")


def to_key(secret: str | bytes, *, name: str = "secret") -> bytes:
    """Read a secret.

    Args:
        secret: The secret. Bytes that are not text are taken as they are.
        name: The argument that it is, for the error.

    Raises:
        TypeError: It is neither text nor bytes.
        InvalidSecretError: It is empty, or has blanks, quotes or invisible characters around it.
    """
    if not isinstance(secret, (str, bytes)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"{name} is text or bytes, not {type(secret).__name__}")
    # An error of the codec's would hold the secret.
    key = secret.encode(errors="surrogatepass") if isinstance(secret, str) else secret
    problem = _problem(secret if isinstance(secret, str) else _text_of(secret))
    if problem:
        raise InvalidSecretError(f"{name} {problem}; copy it again")
    return key


def _text_of(secret: bytes) -> str:
    """Return the text of a key that is one; a binary key is taken as it is."""
    text = secret.decode(errors="replace")
    inner = text.strip().strip(_INVISIBLE)
    return text if not inner or (inner.isprintable() and "\ufffd" not in inner) else "binary"


def _problem(text: str) -> str | None:
    if not text.strip():
        return "is empty"
    if text != text.strip():
        return "begins or ends with a blank or a line break"
    if text != text.strip(_INVISIBLE):
        return "begins or ends with an invisible character such as a byte order mark"
    if len(text) > 1 and text[0] + text[-1] in _QUOTES:
        return "is in quotes"
    if any(character < " " for character in text):
        return "contains a control character"
    return None


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
