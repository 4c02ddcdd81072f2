"""Masking of bodies for the page: an allow-list of members; everything else is masked.

Unknown members are masked, and so are all texts and numbers about a customer, except a few that identify no
person. Long, deep or wide values are cut, so that displaying them costs little.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

if TYPE_CHECKING:
    from collections.abc import Collection

    from frontpay_async._exact_json import Json

MASK = "•••"
_CUT = "…"
_SHOWN = frozenset(
    """
    amount discount grandTotal id invoiceInterval invoiceMaturity invoiceNumber orderDate productId quantity
    rate subTotal tax totalDiscount totalTax type terminalUuid
    customerUuid errors happenedAt internalErrorDetails message orderAmount orderUuid order_status
    organization_uuid refundedAmount refund_status status status_code status_message uuid
    """.split()  # noqa: SIM905 - a list of one a line is too long to read
)
_SHOWN_OF_PRODUCTS = _SHOWN | {"name"}
_SHOWN_OF_CUSTOMERS = frozenset({"country", "countryCode", "customerUuid", "preferredLanguage", "type"})
# The members that may be shown within a member, if they differ from the general ones.
_WITHIN = {
    "products": _SHOWN_OF_PRODUCTS,
    "customer": _SHOWN_OF_CUSTOMERS,
    "customerDetails": _SHOWN_OF_CUSTOMERS,
}
_NAME = re.compile(r"\w[\w .-]{0,59}")
_LONGEST_TEXT = 300
_MOST_ITEMS = 20
_DEEPEST = 8
_LONGEST = 8000
_LONGEST_PATH = 200


def masked(value: Json, shown: Collection[str] = _SHOWN, *, depth: int = 0) -> Json:
    """Return a body with everything masked that must not be shown."""
    if isinstance(value, (dict, list)) and depth > _DEEPEST:
        return _CUT
    if isinstance(value, list):
        items = [masked(item, shown, depth=depth + 1) for item in value[:_MOST_ITEMS]]
        more = len(value) - _MOST_ITEMS
        return [*items, f"{_CUT} and {more} more"] if more > 0 else items
    if isinstance(value, dict):
        members: dict[str, Json] = {}
        for name, member in list(value.items())[: 2 * _MOST_ITEMS]:
            within = _WITHIN.get(name, shown)
            label = name if _NAME.fullmatch(name) else MASK
            is_legible = name in shown and _is_plain(member)
            members[label] = _cut(member) if is_legible else masked(member, within, depth=depth + 1)
        if len(value) > len(members):
            members[_CUT] = f"and {len(value) - len(members)} more"
        return members
    return value if value is None or isinstance(value, bool) else MASK


def _is_plain(value: Json) -> bool:
    """Return whether a value contains no object."""
    items = value if isinstance(value, list) else [value]
    return not any(isinstance(item, (dict, list)) for item in items)


def _cut(value: Json) -> Json:
    """Shorten a value for display."""
    if isinstance(value, str):
        return value if len(value) <= _LONGEST_TEXT else value[:_LONGEST_TEXT] + _CUT
    if isinstance(value, list):
        return [_cut(item) for item in value[:_MOST_ITEMS]]
    return value


def shown(body: Json) -> str:
    """Format a body for display, masked; "" if there is none."""
    if body is None:
        return ""
    text = (
        body if isinstance(body, str) else json.dumps(masked(body), indent=2, ensure_ascii=False, default=str)
    )
    # JSON may contain a lone surrogate, which cannot be encoded.
    return text[:_LONGEST].encode(errors="replace").decode()


def masked_path(path: str) -> str:
    """Return the path and query, with all values of the query masked except an order type."""
    bare, mark, query = path.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True)[:_MOST_ITEMS]
    words = (f"{name}={value if name == 'type' else MASK}" for name, value in pairs)
    return (bare + mark + "&".join(words))[:_LONGEST_PATH]
