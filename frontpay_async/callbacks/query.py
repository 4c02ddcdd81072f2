"""Parsing of a callback's query. Pure.

**The query.** Values are percent-decoded as UTF-8 and ``+`` is a space, as in any form. The checksum is
computed over the decoded values: the reference says "values", and proxies change the encoding (``+`` and
``%20``, ``%c3`` and ``%C3``). A provider that appends ``?orderUuid=…`` to a URL with a query is supported,
too.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from decimal import Decimal
from typing import Protocol, TypeAlias, cast, runtime_checkable
from urllib.parse import parse_qsl

from frontpay_async.callbacks.checksum import (
    CHECKSUM,
    DOCUMENTED,
    PATTERNS,
    SHORTEST,
    TABLE,
    UNREADABLE_AMOUNT,
)
from frontpay_async.errors import CallbackError
from frontpay_async.models.callbacks import Callback, CallbackKind, OrderCallback, TerminalCallback
from frontpay_async.models.statuses import OrderStatus

_LONGEST = 8192
_MOST_FIELDS = 64

_MERGED = re.compile(rf"(.*?)\?({'|'.join(DOCUMENTED)})=(.*)", re.DOTALL)

_CURRENCY = re.compile("[A-Z]{3}")
_KINDS = {"payment": CallbackKind.PAYMENT, "payment_refund": CallbackKind.REFUND}
_APPROVED = {"approved": True, "cancelled": False}


@runtime_checkable
class _MultiItems(Protocol):
    def multi_items(self) -> Iterable[tuple[str, str]]: ...


Query: TypeAlias = str | bytes | Mapping[str, str] | Iterable[tuple[str, str]]


def read_query(query: Query) -> dict[str, str]:
    """Read the parameters of a query, in the order received."""
    read: dict[str, str] = {}
    length = 0
    for name, value in _pairs(query):
        length += len(name) + len(value)
        if length > _LONGEST or len(read) >= _MOST_FIELDS:
            raise _too_long()
        for each, its_value in _unmerged(name, value):
            if each in read:
                raise CallbackError("the callback has a repeated parameter")
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
    if not isinstance(query, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may pass None
        raise CallbackError(
            f"a callback must be a query string or its parameters, not {type(query).__name__}"
        )
    return map(_pair, query)


def _pair(item: object) -> tuple[str, str]:
    match item:
        case (str(name), str(value)):
            return name, value
        case _:
            raise CallbackError("the names and values of a callback must be text")


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
    """Separate a value of the callback URL from a ``?`` and the parameters that the provider appended."""
    merged = None if name in DOCUMENTED else _MERGED.fullmatch(value)
    return [(name, value)] if merged is None else [(name, merged[1]), (merged[2], merged[3])]


def _too_long() -> CallbackError:
    return CallbackError("the callback is longer than any callback of the API")


def _not_text() -> CallbackError:
    return CallbackError("the callback is not UTF-8")


def read_callback(fields: Mapping[str, str], *, accept_older_form: bool) -> Callback:
    """Parse a callback without verifying it."""
    # A query with a checksum must have a valid one, whatever other parameters it has.
    if CHECKSUM in fields or "type" not in fields:
        return _read_order(fields, accept_older_form=accept_older_form)
    return _read_terminal(fields)


def _read_order(fields: Mapping[str, str], *, accept_older_form: bool) -> OrderCallback:
    _require(fields, (*(SHORTEST if accept_older_form else TABLE), CHECKSUM))
    values = {name: fields[name] for name in TABLE if name in fields}
    uuid = _checked_uuid(fields)
    amount, timestamp = _amount(uuid, "amount", values.pop("amount", None)), values.get("timestamp")
    for name, value in values.items():
        _check_form(uuid, name, PATTERNS[name].fullmatch(value) is not None)
    return OrderCallback(
        order_uuid=uuid,
        status=OrderStatus(values["status"]),
        created_at=_moment(values["createdAt"]),
        payment_method=values.get("paymentMethod"),
        amount=amount,
        timestamp=None if timestamp is None else _moment(timestamp),
    )


def _read_terminal(fields: Mapping[str, str]) -> TerminalCallback:
    _require(fields, ("orderUuid", "status", "type", "totalAmount", "currency"))
    uuid, status, kind = _checked_uuid(fields), fields["status"].lower(), fields["type"].lower()
    _check_form(uuid, "type", kind in _KINDS)
    _check_form(uuid, "status", status in _APPROVED)
    _check_form(uuid, "currency", _CURRENCY.fullmatch(fields["currency"]) is not None)
    total, base, vat = (
        _amount(uuid, name, fields.get(name)) for name in ("totalAmount", "baseAmount", "vatAmount")
    )
    return TerminalCallback(
        order_uuid=uuid,
        kind=_KINDS[kind],
        is_approved=_APPROVED[status],
        total_amount=total,
        currency=fields["currency"],
        base_amount=base,
        vat_amount=vat,
    )


def _checked_uuid(fields: Mapping[str, str]) -> str:
    uuid = fields["orderUuid"]
    _check_form(None, "orderUuid", PATTERNS["orderUuid"].fullmatch(uuid) is not None)
    return uuid


def _amount(uuid: str, name: str, value: str | None) -> Decimal | None:
    """Read an amount; None if it is missing or is not a number, because the callback has to arrive anyway."""
    if value is None:
        return None
    if PATTERNS["amount"].fullmatch(value) is not None:
        return Decimal(value)
    _check_form(uuid, name, UNREADABLE_AMOUNT.fullmatch(value) is not None)
    return None


def _require(fields: Mapping[str, str], names: tuple[str, ...]) -> None:
    missing = [name for name in names if name not in fields]
    if missing:
        raise CallbackError(f"the callback has no {', '.join(missing)}")


def _check_form(uuid: str | None, name: str, is_good: bool) -> None:  # noqa: FBT001 - a sentence
    if not is_good:
        check = "" if uuid is None else ": check the order's status"
        raise CallbackError(f"the callback's {name} is malformed{check}", order_uuid=uuid)


def _moment(seconds: str) -> datetime:
    return datetime.fromtimestamp(int(seconds), UTC)
