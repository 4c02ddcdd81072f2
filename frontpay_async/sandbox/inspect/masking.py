"""What the page may show of a body: an allow-list of members; everything else is masked.

An unknown member is masked. So are all texts and numbers about a customer, but for a few
that tell nothing of a person. What is long, deep or wide is cut, so that showing it costs little.
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
# What a member's members may show, where it is not what may be shown anyway.
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
    """Return a body in which only what may be shown can be read."""
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
    """Return whether nothing has names of its own in it."""
    items = value if isinstance(value, list) else [value]
    return not any(isinstance(item, (dict, list)) for item in items)


def _cut(value: Json) -> Json:
    """Shorten a value that may be shown."""
    if isinstance(value, str):
        return value if len(value) <= _LONGEST_TEXT else value[:_LONGEST_TEXT] + _CUT
    if isinstance(value, list):
        return [_cut(item) for item in value[:_MOST_ITEMS]]
    return value


def shown(body: Json) -> str:
    """Write a body as a person reads it, masked; "" for none."""
    if body is None:
        return ""
    text = (
        body if isinstance(body, str) else json.dumps(masked(body), indent=2, ensure_ascii=False, default=str)
    )
    # A half of a pair of surrogates may stand in JSON, and cannot be encoded.
    return text[:_LONGEST].encode(errors="replace").decode()


def masked_path(path: str) -> str:
    """Return a path and query; of the query's values, only an order type can be read."""
    bare, mark, query = path.partition("?")
    pairs = parse_qsl(query, keep_blank_values=True)[:_MOST_ITEMS]
    words = (f"{name}={value if name == 'type' else MASK}" for name, value in pairs)
    return (bare + mark + "&".join(words))[:_LONGEST_PATH]
