"""One order of a batch, and the key under which it is known."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, TypeAlias

from attrs import field, frozen

from frontpay_async.models.orders import EFakturaOrder, EhfOrder, InvoiceOrder, PaymentLinkOrder

if TYPE_CHECKING:
    from attrs import Attribute

BatchOrder: TypeAlias = PaymentLinkOrder | InvoiceOrder | EFakturaOrder | EhfOrder

LONGEST_KEY = 200
"""The most characters that a key may have: it is an indexed column of the journal."""


def key_flaw(key: object) -> str | None:
    """Say what is wrong with a key, without showing it; None if nothing is."""
    if not isinstance(key, str):
        return f"must be text, not {type(key).__name__}"
    if not key or key != key.strip():
        return "must not be empty, nor begin or end with white space"
    if len(normal(key)) > LONGEST_KEY:
        return f"may have at most {LONGEST_KEY} characters"
    # A line break would break a log line and a report; a lone surrogate has no bytes.
    if not key.isprintable():
        return "must have printable characters only"
    return None


def normal(key: str) -> str:
    """Return a key in the form in which it is compared: composed (NFC), so that one text is one key."""
    # A text of numpy's is a subclass of str, which no database driver takes; the validator judges the rest.
    return unicodedata.normalize("NFC", str.__str__(key)) if str in type(key).__mro__ else key


def _check_key(_: object, attribute: Attribute[str], value: object) -> None:
    flaw = key_flaw(value)
    if flaw is not None:
        raise (ValueError if isinstance(value, str) else TypeError)(f"{attribute.name} {flaw}")


def _check_order(_: object, attribute: Attribute[BatchOrder], value: object) -> None:
    if not isinstance(value, BatchOrder):
        raise TypeError(
            f"{attribute.name} must be a PaymentLinkOrder, InvoiceOrder, EFakturaOrder or EhfOrder,"
            f" not {type(value).__name__}"
        )


@frozen(kw_only=True)
class BatchItem:
    """Pair an order with your own key for it; a batch sends the order of each key once.

    The key appears in the journal, in reports and in logs: use the identifier in your records, such as
    an invoice number, and hold nothing personal.

    Args:
        key: Your identifier: 1 to 200 printable characters, no white space around it, unique in the batch. It
            is kept in the composed Unicode form (NFC), so that ``Å`` is one key however it was typed.
        order: What is sent; hidden in reprs, because it holds personal data.

    Raises:
        TypeError: The key is not text, or the order is not of one of the four kinds.
        ValueError: The key is empty, too long, or has characters that cannot be printed.
    """

    key: str = field(converter=normal, validator=_check_key)
    order: BatchOrder = field(repr=False, validator=_check_order)
