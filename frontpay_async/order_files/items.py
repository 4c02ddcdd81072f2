"""One order of a batch and its key."""

from __future__ import annotations

import unicodedata
from typing import TYPE_CHECKING, TypeAlias

from attrs import field, frozen

from frontpay_async.models.orders import EFakturaOrder, EhfOrder, InvoiceOrder, PaymentLinkOrder

if TYPE_CHECKING:
    from attrs import Attribute

BatchOrder: TypeAlias = PaymentLinkOrder | InvoiceOrder | EFakturaOrder | EhfOrder

LONGEST_KEY = 200
"""The maximum length of a key, which is an indexed column of the journal."""


def key_flaw(key: object) -> str | None:
    """Return the violation of a key, without the key; None if it is valid."""
    if not isinstance(key, str):
        return f"must be text, not {type(key).__name__}"
    if not key or key != key.strip():
        return "must not be empty, nor begin or end with white space"
    if len(normal(key)) > LONGEST_KEY:
        return f"may have at most {LONGEST_KEY} characters"
    # A line break would break logs and reports; a lone surrogate cannot be encoded.
    if not key.isprintable():
        return "must have printable characters only"
    return None


def normal(key: str) -> str:
    """Return a key in its normalised form: composed (NFC)."""
    # A numpy string is a subclass of str, which database drivers reject; the validator checks the rest.
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
    """An order with your own key; a batch sends the order of each key once.

    The key appears in the journal, in reports and in logs: use the identifier in your records, such as an
    invoice number, without personal data.

    Args:
        key: Your identifier: 1 to 200 printable characters, no white space around it, unique in the batch. It
            is normalised to composed Unicode (NFC), so ``Å`` is one key however it was typed.
        order: The order; hidden in reprs, because it contains personal data.

    Raises:
        TypeError: The key is not text, or the order is not of one of the four kinds.
        ValueError: The key is empty, too long, or has characters that cannot be printed.
    """

    key: str = field(converter=normal, validator=_check_key)
    order: BatchOrder = field(repr=False, validator=_check_order)
