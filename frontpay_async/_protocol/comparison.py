"""Whether an order that the API shows is one that was sent. Pure.

There is no idempotency key, so an order whose answer was lost can only be recognised by its content. Both
mistakes cost money: to take another order for ours loses an invoice, and to overlook ours sends it twice. The
second is worse, so there are three answers, and "another order" needs the better evidence:

    SAME       all that can be compared is equal, and the goods and the customer could be compared
    DIFFERENT  other goods, or another customer
    UNCLEAR    neither: a person, or a better match, must decide

Nobody promises that details show an order as it was sent. So numbers are compared as an API that keeps two
decimals would show them (0.335 x 149.905 is 0.34 x 149.91, half up), phone numbers by
their last digits, texts without regard to case, spaces and HTML escapes; what is missing, masked or written
in a form that nobody can read is not compared; and an unequal date, name or rate makes it UNCLEAR, not
DIFFERENT: a server may round a rate, cut a text, move a date, or show the name that it has on file.

Goods are other goods where the sent lines are not among the shown ones by amount and quantity. An order
with lines of ours *and* more may be ours with a fee. A customer is another one where no identifier is equal:
phone number, e-mail address, personal number, organisation number.
"""

from __future__ import annotations

import html
import re
import unicodedata
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING

from attrs import field, frozen

from frontpay_async._protocol.dates import norwegian_day
from frontpay_async._protocol.operations import ORDER_KINDS, kind_of_order
from frontpay_async.models._fields import to_ore
from frontpay_async.models.common import Product

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from frontpay_async.models.common import Customer, OrderSummary, PartialSummary
    from frontpay_async.models.orders import (
        EFakturaOrder,
        EhfOrder,
        InvoiceOrder,
        OrderDetails,
        PaymentLinkOrder,
    )


class Comparison(Enum):
    """Say whether a shown order is the sent one."""

    SAME = "same"
    UNCLEAR = "unclear"
    DIFFERENT = "different"


class _Agreement(Enum):
    """Say how one trait compares."""

    EQUAL = 0
    ABSENT = 1
    """One side does not tell."""
    NEAR = 2
    """Unequal, but it may be the server's doing."""
    UNEQUAL = 3


_ROUNDING = Decimal("0.01")
_ONE = Decimal(1)
_PHONE_DIGITS = 8
_TOTALS = ("sub_total", "total_tax", "total_discount", "grand_total")
_MASK = re.compile(r"[*•·…#]|x{3,}", re.IGNORECASE)
_NOT_DIGIT = re.compile(r"\D+", re.ASCII)
_NOT_WORD = re.compile(r"[\W_]+")
# The API's words for a kind are not documented; those of the rows are taken as telling, any others as silent.
_KIND_OF_WORD: Mapping[str, str] = MappingProxyType(
    {word: kind.name for kind in ORDER_KINDS.values() for word in kind.words}
)


@frozen
class _Line:
    """One line: its numbers with two decimals, and the exact ones by which another line is ruled out."""

    amount: Decimal
    quantity: Decimal
    name: str
    rate: Decimal
    tax: Decimal
    discount: Decimal
    product_id: str
    exact_amount: Decimal
    exact_quantity: Decimal


@frozen(eq=False)
class OrderIdentity:
    """Hold what an order can be recognised by, in one form for sent and shown; hidden in reprs.

    Args:
        kind: What kind of order it is; empty where that is not told.
        lines: The lines, in the order of amount, quantity and name.
        summary: The totals, if they are told.
        moment: The order date, if it could be read.
        identifiers: What tells one customer from another, by its name.
        name: The customer's name.
        place: The customer's postal code and street.
    """

    kind: str
    lines: tuple[_Line, ...] = field(repr=False)
    summary: OrderSummary | PartialSummary | None = field(repr=False)
    moment: datetime | date | None = field(repr=False)
    identifiers: Mapping[str, str] = field(repr=False)
    name: str = field(repr=False)
    place: str = field(repr=False)


def identity_of_order(order: PaymentLinkOrder | InvoiceOrder | EFakturaOrder | EhfOrder) -> OrderIdentity:
    """Return what an order will be recognised by once it has been sent."""
    kind = kind_of_order(order).name
    return OrderIdentity(
        kind, _lines(order.products), order.summary, order.order_date, *_customer(order.customer)
    )


def identity_of_details(details: OrderDetails) -> OrderIdentity:
    """Return what the API shows of an order."""
    moment = details.order_date
    # Where a line lacks a number, the goods are not compared: neither the same nor others.
    lines = [each for each in details.products if isinstance(each, Product)]
    return OrderIdentity(
        _KIND_OF_WORD.get(_NOT_WORD.sub("", (details.type or "").lower()), ""),
        _lines(lines if len(lines) == len(details.products) else ()),
        details.summary,
        None if isinstance(moment, str) else moment,
        *_customer(details.customer),
    )


def likeness(sent: OrderIdentity, seen: OrderIdentity, *, cautious: bool = False) -> Comparison:
    """Say whether a shown order is the sent one.

    Args:
        sent: What was sent.
        seen: What is shown.
        cautious: Ask of a different order that goods *and* customer differ: nothing has proved yet that this
            API shows orders as they are sent.
    """
    goods, customer = _goods(sent, seen), _who(sent, seen)
    unequal = (goods, customer).count(_Agreement.UNEQUAL)
    if unequal > (1 if cautious else 0):
        return Comparison.DIFFERENT
    if goods is not _Agreement.EQUAL or customer is not _Agreement.EQUAL:
        return Comparison.UNCLEAR
    rest = (_totals(sent.summary, seen.summary), _when(sent.moment, seen.moment), _kind(sent, seen))
    return Comparison.UNCLEAR if _Agreement.NEAR in rest else Comparison.SAME


def _lines(products: Sequence[Product]) -> tuple[_Line, ...]:
    lines = [
        _Line(
            to_ore(each.amount),
            to_ore(each.quantity),
            _plain(each.name),
            to_ore(each.rate),
            to_ore(each.tax),
            to_ore(each.discount),
            (each.product_id or "").strip(),
            each.amount,
            each.quantity,
        )
        for each in products
    ]
    return tuple(sorted(lines, key=lambda line: (line.amount, line.quantity, line.name)))


def _customer(customer: Customer | None) -> tuple[Mapping[str, str], str, str]:
    if customer is None:
        return {}, "", ""
    told = {
        "msisdn": _digits(customer.msisdn)[-_PHONE_DIGITS:],
        "email": _legible(customer.email).strip().casefold(),
        "personal number": _digits(customer.personal_number),
        "organisation": _digits(customer.organization_id),
    }
    address = customer.address
    place = _plain(f"{address.zip} {address.street}")
    return {name: text for name, text in told.items() if text}, _plain(customer.name), place


def _legible(text: str | None) -> str:
    return "" if text is None or _MASK.search(text) else text


def _digits(text: str | None) -> str:
    return _NOT_DIGIT.sub("", _legible(text)).lstrip("0")


def _plain(text: str) -> str:
    folded = unicodedata.normalize("NFKC", html.unescape(_legible(text))).casefold()
    return " ".join(folded.split())


def _goods(sent: OrderIdentity, seen: OrderIdentity) -> _Agreement:
    if not seen.lines:
        return _Agreement.ABSENT
    if len(sent.lines) == len(seen.lines):
        pairs = list(zip(sent.lines, seen.lines, strict=True))
        if all(one.amount == other.amount and one.quantity == other.quantity for one, other in pairs):
            alike = all(_is_alike(one, other) for one, other in pairs)
            return _Agreement.EQUAL if alike else _Agreement.NEAR
    left = list(seen.lines)
    for line in sent.lines:
        found = next((other for other in left if _is_near(line, other)), None)
        if found is None:
            return _Agreement.UNEQUAL
        left.remove(found)
    return _Agreement.NEAR


def _is_alike(sent: _Line, seen: _Line) -> bool:
    """Compare what may be missing; a rate of VAT or discount that is not told reads as 0."""
    return (
        sent.rate == seen.rate
        and seen.name in ("", sent.name)
        and seen.product_id in ("", sent.product_id)
        and (not seen.tax or seen.tax == sent.tax)
        and (not seen.discount or seen.discount == sent.discount)
    )


def _is_near(sent: _Line, seen: _Line) -> bool:
    # The reference calls a shown quantity an integer.
    off_by = abs(sent.exact_quantity - seen.exact_quantity)
    whole = sent.exact_quantity == sent.exact_quantity.to_integral_value()
    return abs(sent.exact_amount - seen.exact_amount) < _ROUNDING and off_by < (_ROUNDING if whole else _ONE)


def _who(sent: OrderIdentity, seen: OrderIdentity) -> _Agreement:
    shared = sent.identifiers.keys() & seen.identifiers.keys()
    equal = sum(sent.identifiers[name] == seen.identifiers[name] for name in shared)
    same_name = bool(sent.name) and sent.name == seen.name
    if not shared:
        same_place = bool(sent.place) and sent.place == seen.place
        return _Agreement.EQUAL if same_name and same_place else _Agreement.ABSENT
    if equal == len(shared):
        return _Agreement.EQUAL if same_name or not seen.name else _Agreement.NEAR
    # One identifier alone may have been replaced by what is on file.
    if equal or (same_name and len(shared) == 1):
        return _Agreement.NEAR
    return _Agreement.UNEQUAL


def _totals(
    sent: OrderSummary | PartialSummary | None, seen: OrderSummary | PartialSummary | None
) -> _Agreement:
    if sent is None or seen is None:
        return _Agreement.ABSENT
    told = {name: total for name in _TOTALS if (total := getattr(seen, name)) is not None}
    # What the sent order leaves out is not compared either.
    known = {name: total for name in told if (total := getattr(sent, name)) is not None}
    equal = all(to_ore(known[name]) == to_ore(told[name]) for name in known)
    return _Agreement.EQUAL if equal else _Agreement.NEAR


def _when(sent: datetime | date | None, seen: datetime | date | None) -> _Agreement:
    if sent is None or seen is None:
        return _Agreement.ABSENT
    if isinstance(sent, datetime) and isinstance(seen, datetime):
        if int(sent.timestamp()) == int(seen.timestamp()):
            return _Agreement.EQUAL
        if not _is_midnight(seen):
            return _Agreement.NEAR
    return _Agreement.EQUAL if _day(sent) == _day(seen) else _Agreement.NEAR


def _day(moment: datetime | date) -> date:
    return norwegian_day(moment) if isinstance(moment, datetime) else moment


def _is_midnight(moment: datetime) -> bool:
    """Whether it looks like a day rather than a moment: midnight in UTC, or in Norway."""
    utc = moment.astimezone(UTC)
    return utc.minute == utc.second == 0 and any(
        (utc + timedelta(hours=hours)).hour == 0 for hours in (0, 1, 2)
    )


def _kind(sent: OrderIdentity, seen: OrderIdentity) -> _Agreement:
    if not seen.kind:
        return _Agreement.ABSENT
    return _Agreement.EQUAL if sent.kind == seen.kind else _Agreement.NEAR
