"""Comparison of orders at the API with orders that were sent. Pure.

*Model.* There is no idempotency key, so an order whose response was lost can only be recognised by its
content. Both mistakes cost money: mistaking another order for ours loses an invoice, overlooking ours sends
it twice.

    SAME       the goods and the customer are those that were sent, in a form that is known
    DIFFERENT  another customer's; or, where the customer is not shown, other goods and another date or kind
    UNCLEAR    neither: a person, or a better match, must decide

*Invariant.* DIFFERENT never rests on one trait. An API may show an order otherwise than it was sent, and some
orders only: without VAT, in øre, rounded, with equal lines merged, with a fee, with the contact on file. So
goods that differ for the same customer are UNCLEAR, and so is a customer who agrees in one trait. Another
customer's order differs in the name *and* in each identifier that both sides have. A contact on file changes
all of those at once, so ``SentOrders.with_equal_goods`` says which sent orders such a one may be. Not those
where one side has a person's number, the other an organisation's, and the kinds of order differ, too: that is
another customer in name, contact, number and kind.

*Known forms.* A transformation counts where it explains every line of an order, and its total:

- equal lines are merged, or one line is split into equal ones;
- amounts and rates are without VAT; in minor units (øre); rounded to øre or to whole kroner;
- a fractional quantity is shown as a whole number; a tax of 25 % as 0.25;
- one more line whose name is that of a fee, if the order allows a fee; the total may include it;
- texts in another case, with other spaces, HTML escapes, or cut after a length;
- a phone number with or without country code; the name's parts in another order;
- a contact on file, where the identity number, or name and address, are those that were sent;
- a date as a day, a moment, or a moment that is off by the hours of Norway's time zone.

Missing, masked and unreadable values are not compared.
"""

from __future__ import annotations

import html
import re
import unicodedata
from collections import defaultdict
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal, localcontext
from enum import Enum
from types import MappingProxyType
from typing import TYPE_CHECKING, Generic, TypeVar

from attrs import define, evolve, field, frozen

from frontpay_async._protocol.dates import norwegian_day
from frontpay_async._protocol.operations import ORDER_KINDS, kind_of_order
from frontpay_async.models._fields import EXACT
from frontpay_async.models.orders import PaymentLinkOrder

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence

    from frontpay_async.models.common import Customer, PartialProduct, Product
    from frontpay_async.models.orders import EFakturaOrder, EhfOrder, InvoiceOrder, OrderDetails

KeyT = TypeVar("KeyT", bound="Hashable")


class Comparison(Enum):
    """Whether a shown order is the sent one."""

    SAME = "same"
    UNCLEAR = "unclear"
    DIFFERENT = "different"


class _Agreement(Enum):
    """The comparison of one trait."""

    EQUAL = 0
    ABSENT = 1
    """One side does not show it."""
    NEAR = 2
    """Unequal, but the server may have changed it."""
    UNEQUAL = 3


_ORE = Decimal("0.01")
_ONE = Decimal(1)
_HUNDRED = Decimal(100)
_UNITS = (_ONE, _HUNDRED)
_PHONE_DIGITS = 8
# A prefix of a name is the same name only if it was cut after a length.
_CUT_NAME = 16
_CUT_GOODS = 10
_MOST_SHIFTED = timedelta(hours=2)
_OTHER_DAY = timedelta(days=2)
_IDENTITY = ("personal number", "organisation")
_MASK = re.compile(r"[*•·…#]|x{3,}", re.IGNORECASE)
_NOT_DIGIT = re.compile(r"\D+", re.ASCII)
_NOT_WORD = re.compile(r"[\W_]+")
_FEE = re.compile(r"gebyr|\bfee\b|fees|faktura|invoic|charge|omkost|porto|avgift|tillegg", re.IGNORECASE)
# The API's words for a kind are not documented; only those in the rows are compared.
_KIND_OF_WORD: Mapping[str, str] = MappingProxyType(
    {word: kind.name for kind in ORDER_KINDS.values() for word in kind.words}
)
_LINK = next(kind.name for kind in ORDER_KINDS.values() if kind.order is PaymentLinkOrder)


@frozen
class _Line:
    """A line, or the sum of several equal lines."""

    name: str
    quantity: Decimal
    rate: Decimal
    amount: Decimal
    tax: Decimal
    discount: Decimal
    product_id: str
    count: int = 1


@frozen
class OrderIdentity:
    """The traits of an order, in one form for sent and shown orders; hidden in reprs.

    Args:
        kind: The kind of order; empty if it is not shown.
        lines: The lines.
        total: The grand total; None if it is not shown.
        moment: The order date, if it could be read.
        identifiers: The identifiers of the customer, by name.
        name: The customer's name.
        place: The customer's postal code and street.
        may_have_fee: Whether the API may add a fee.
    """

    kind: str
    lines: tuple[_Line, ...] = field(repr=False)
    total: Decimal | None = field(repr=False)
    moment: datetime | date | None = field(repr=False)
    identifiers: Mapping[str, str] = field(repr=False, hash=False)
    name: str = field(repr=False)
    place: str = field(repr=False)
    may_have_fee: bool = False


def identity_of_order(order: PaymentLinkOrder | InvoiceOrder | EFakturaOrder | EhfOrder) -> OrderIdentity:
    """Return the traits of an order to send."""
    may_have_fee = not isinstance(order, PaymentLinkOrder) and order.invoice_fee_applicable
    return OrderIdentity(
        kind_of_order(order).name,
        _lines(order.products),
        order.summary.grand_total,
        order.order_date,
        *_customer(order.customer),
        may_have_fee=may_have_fee,
    )


def identity_of_details(details: OrderDetails) -> OrderIdentity:
    """Return the traits of an order at the API."""
    moment = details.order_date
    return OrderIdentity(
        _KIND_OF_WORD.get(_NOT_WORD.sub("", (details.type or "").lower()), ""),
        _lines(details.products),
        None if details.summary is None else details.summary.grand_total,
        None if isinstance(moment, str) else moment,
        *_customer(details.customer),
    )


def compare(sent: OrderIdentity, seen: OrderIdentity) -> Comparison:
    """Decide whether a shown order is the sent one."""
    with localcontext(EXACT):
        return _likeness(sent, seen)


def _likeness(sent: OrderIdentity, seen: OrderIdentity) -> Comparison:
    customer = _who(sent, seen)
    if customer is _Agreement.UNEQUAL:
        return Comparison.DIFFERENT
    if customer is _Agreement.NEAR:
        return Comparison.UNCLEAR
    goods, when, kind = _goods(sent, seen), _when(sent.moment, seen.moment), _kind(sent, seen)
    if customer is _Agreement.ABSENT:
        others = (when, kind).count(_Agreement.UNEQUAL)
        is_other = goods is _Agreement.UNEQUAL and others > 0
        return Comparison.DIFFERENT if is_other else Comparison.UNCLEAR
    is_same = goods is _Agreement.EQUAL and {when, kind} <= {_Agreement.EQUAL, _Agreement.ABSENT}
    return Comparison.SAME if is_same else Comparison.UNCLEAR


@define(eq=False)
class SentOrders(Generic[KeyT]):
    """Sent orders, indexed by their customers' traits.

    *Cost*: an order that is shown is compared only with those that share a trait with it, or whose customer
    cannot be distinguished from its own; with distinct customers that is always one comparison.
    """

    _traits: dict[KeyT, OrderIdentity] = field(init=False, factory=dict[KeyT, OrderIdentity])
    _by_trait: defaultdict[tuple[str, str], list[KeyT]] = field(init=False)
    _by_form: defaultdict[frozenset[str], list[KeyT]] = field(init=False)
    _by_goods: defaultdict[tuple[frozenset[str], OrderIdentity], list[KeyT]] = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._by_trait = defaultdict(list)
        self._by_form = defaultdict(list)
        self._by_goods = defaultdict(list)

    def __contains__(self, key: KeyT) -> bool:
        return key in self._traits

    def add(self, key: KeyT, sent: OrderIdentity) -> None:
        """Add a sent order under a key that is not there yet."""
        self._traits[key] = sent
        for trait in _traits(sent):
            self._by_trait[trait].append(key)
        form = _form(sent)
        self._by_form[form].append(key)
        goods = evolve(sent, identifiers={}, name="", place="")
        self._by_goods[form.intersection(_IDENTITY), goods].append(key)

    def compare(self, seen: OrderIdentity) -> dict[KeyT, Comparison]:
        """Return the sent orders from which the shown order is not clearly different."""
        near: dict[KeyT, None] = {}
        for trait in _traits(seen):
            near.update(dict.fromkeys(self._by_trait.get(trait, ())))
        shown = _form(seen)
        for form, keys in self._by_form.items():
            if "name" not in shown & form or len(shown & form) < 2:  # noqa: PLR2004 - the name and an identifier
                near.update(dict.fromkeys(keys))
        found = {key: compare(self._traits[key], seen) for key in near}
        return {key: verdict for key, verdict in found.items() if verdict is not Comparison.DIFFERENT}

    def with_equal_goods(self, seen: OrderIdentity) -> dict[KeyT, Comparison]:
        """Return the sent orders that a shown order with a contact on file may be."""
        # Products and date match, and no identity number distinguishes the customers. Orders of
        # one batch are often alike in that, so ask only for an order that is the same as none.
        # A person's number where a company's was sent, on an order of another kind, is another customer's.
        shown = _form(seen)
        with localcontext(EXACT):
            return {
                key: Comparison.UNCLEAR
                for (identity, sent), keys in self._by_goods.items()
                if not identity & shown
                and not (identity and shown.intersection(_IDENTITY) and sent.kind != seen.kind != "")
                and _has_equal_goods(sent, seen)
                for key in keys
            }


def _has_equal_goods(sent: OrderIdentity, seen: OrderIdentity) -> bool:
    """Whether only the customer may differ; cheap comparisons come first."""
    alike = {_Agreement.EQUAL, _Agreement.ABSENT}
    return (
        _when(sent.moment, seen.moment) in alike
        and _kind(sent, seen) in alike
        and _goods(sent, seen) is _Agreement.EQUAL
    )


def _form(traits: OrderIdentity) -> frozenset[str]:
    return frozenset([*traits.identifiers, *(["name"] if traits.name else [])])


def _traits(traits: OrderIdentity) -> Iterator[tuple[str, str]]:
    """Yield the traits of which two orders of one customer share at least one."""
    yield from traits.identifiers.items()
    if traits.name:
        yield "name", _parts(traits.name)
        yield "beginning", traits.name[:_CUT_NAME]


def _lines(products: Sequence[Product | PartialProduct]) -> tuple[_Line, ...]:
    return tuple(
        _Line(
            _plain(each.name),
            _number(each.quantity),
            _number(each.rate),
            _number(each.amount),
            _number(each.tax),
            _number(each.discount),
            (each.product_id or "").strip().casefold(),
        )
        for each in products
    )


def _number(shown: Decimal | None) -> Decimal:
    """Return a number of a line; an unreadable one is not compared, like 0."""
    return Decimal(0) if shown is None else shown


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


def _plain(text: str | None) -> str:
    folded = unicodedata.normalize("NFKC", html.unescape(_legible(text))).casefold()
    return " ".join(folded.split())


def _parts(name: str) -> str:
    """Return the words of a name in one order: "Testmann, Ola" is "Ola Testmann"."""
    return " ".join(sorted(_NOT_WORD.sub(" ", name).split())) or name


def _is_cut(one: str, other: str, length: int) -> bool:
    short, long = sorted((one, other), key=len)
    return len(short) >= length and long.startswith(short)


# The customer


def _who(sent: OrderIdentity, seen: OrderIdentity) -> _Agreement:  # noqa: PLR0911 - a table
    shared = sent.identifiers.keys() & seen.identifiers.keys()
    equal = {name for name in shared if sent.identifiers[name] == seen.identifiers[name]}
    identity = [name in equal for name in _IDENTITY if name in shared]
    has_names = bool(sent.name and seen.name)
    same_name = has_names and _is_same_name(sent.name, seen.name)
    same_place = bool(sent.place) and sent.place == seen.place
    if identity and all(identity):
        return _Agreement.EQUAL
    if any(identity) or (identity and (equal or same_name)):
        return _Agreement.NEAR
    if equal:
        # The other identifier may be from the contact on file; so may the name, or it is a relative.
        return _Agreement.EQUAL if same_name or (not has_names and equal == shared) else _Agreement.NEAR
    if same_name:
        return _Agreement.EQUAL if same_place else _Agreement.NEAR
    if has_names and shared:
        return _Agreement.UNEQUAL
    # Without names, only an identity number and a contact together are more than one trait.
    if identity and len(shared) > len(identity):
        return _Agreement.UNEQUAL
    return _Agreement.NEAR if shared else _Agreement.ABSENT


def _is_same_name(one: str, other: str) -> bool:
    return one == other or _parts(one) == _parts(other) or _is_cut(one, other, _CUT_NAME)


# The goods


def _goods(sent: OrderIdentity, seen: OrderIdentity) -> _Agreement:
    """Compare lines and total: EQUAL where one known transformation explains all of them."""
    if not seen.lines or not sent.lines:
        return _Agreement.ABSENT
    ours, theirs = sent.lines, seen.lines
    if len(ours) != len(theirs):
        by_name = any(line.name for line in theirs)
        ours, theirs = _merged(ours, by_name=by_name), _merged(theirs, by_name=by_name)
    if any(
        _is_explained(sent, seen, ours, theirs, unit, is_net=is_net)
        for unit in _UNITS
        for is_net in (False, True)
    ):
        return _Agreement.EQUAL
    return _Agreement.NEAR if _have_something_in_common(sent, seen) else _Agreement.UNEQUAL


def _merged(lines: Iterable[_Line], *, by_name: bool) -> tuple[_Line, ...]:
    """Add up equal lines, so that merged and split lines look the same."""
    added: dict[tuple[object, ...], _Line] = {}
    for line in lines:
        key = (line.name if by_name else "", line.rate, line.tax)
        known = added.get(key)
        added[key] = (
            line
            if known is None
            else _Line(
                line.name,
                known.quantity + line.quantity,
                line.rate,
                known.amount + line.amount,
                line.tax,
                known.discount + line.discount,
                line.product_id if line.product_id == known.product_id else "",
                known.count + line.count,
            )
        )
    return tuple(added.values())


def _is_explained(
    sent: OrderIdentity,
    seen: OrderIdentity,
    ours: Sequence[_Line],
    theirs: Sequence[_Line],
    unit: Decimal,
    *,
    is_net: bool,
) -> bool:
    left = list(theirs)
    for line in ours:
        found = next((other for other in left if _is_alike(line, other, unit, is_net=is_net)), None)
        if found is None:
            return False
        left.remove(found)
    if left and not (sent.may_have_fee and len(left) == 1 and _FEE.search(left[0].name)):
        return False
    if sent.total is None or seen.total is None:
        return True
    tax = sum((_included_tax(line) for line in sent.lines), Decimal(0)) if is_net else Decimal(0)
    fees = {Decimal(0), *(line.amount for line in left)}
    wanted = {(sent.total - less) * unit + fee for less in {Decimal(0), tax} for fee in fees}
    # If prices are shown without VAT, so are fees.
    wanted |= {sent.total * unit + line.amount + _added_tax(line) for line in left}
    lines = len(sent.lines) + len(left)
    return any(_is_close(each, seen.total, unit, lines) for each in wanted)


def _included_tax(line: _Line) -> Decimal:
    return line.amount - _net(line.amount, line.tax)


def _added_tax(line: _Line) -> Decimal:
    return line.amount * line.tax / _HUNDRED


def _net(amount: Decimal, tax: Decimal) -> Decimal:
    return amount * _HUNDRED / (_HUNDRED + tax) if tax > -_HUNDRED else amount


def _is_alike(sent: _Line, seen: _Line, unit: Decimal, *, is_net: bool) -> bool:
    """Compare two lines; values that are 0 or missing are not compared."""
    factors = [_ONE, _HUNDRED / (_HUNDRED + sent.tax)] if is_net and sent.tax > -_HUNDRED else [_ONE]
    amounts = [
        each * factor * unit for each in (sent.amount, sent.amount + sent.discount) for factor in factors
    ]
    count = max(sent.count, seen.count)
    return (
        (not seen.name or seen.name == sent.name or _is_cut(seen.name, sent.name, _CUT_GOODS))
        and seen.product_id in ("", sent.product_id)
        and _is_quantity(sent, seen)
        and (not seen.tax or seen.tax == sent.tax or seen.tax * _HUNDRED == sent.tax)
        and any(_is_close(each, seen.amount, unit, count) for each in amounts)
        and (not seen.rate or any(_is_close(sent.rate * each * unit, seen.rate, unit, 1) for each in factors))
        and (
            not seen.discount
            or any(_is_close(sent.discount * each * unit, seen.discount, unit, count) for each in factors)
        )
    )


def _is_quantity(sent: _Line, seen: _Line) -> bool:
    """Compare two quantities; the reference calls a shown one an integer."""
    if not seen.quantity or seen.quantity == sent.quantity:
        return True
    off_by, count = abs(sent.quantity - seen.quantity), max(sent.count, seen.count)
    is_cut = not _is_whole(sent.quantity) and _is_whole(seen.quantity)
    return off_by < _ORE * count or (is_cut and off_by < count)


def _is_whole(number: Decimal) -> bool:
    return number == number.to_integral_value()


def _is_close(wanted: Decimal, shown: Decimal, unit: Decimal, count: int) -> bool:
    """Whether two amounts are equal except for rounding: to øre, or to kroner if no amount has a fraction."""
    off_by = abs(wanted - shown)
    return off_by < _ORE * unit * count or (not shown % unit and off_by < unit * count)


def _have_something_in_common(sent: OrderIdentity, seen: OrderIdentity) -> bool:
    if sent.total is not None and seen.total is not None and sent.total == seen.total:
        return True
    return any(
        # An unreadable line cannot be compared.
        not (other.name or other.amount)
        or (bool(one.name) and one.name == other.name)
        or any(
            _is_close(each * unit, other.amount, unit, one.count)
            for unit in _UNITS
            for each in (one.amount, _net(one.amount, one.tax))
        )
        for one in sent.lines
        for other in seen.lines
    )


# Date and kind


def _when(sent: datetime | date | None, seen: datetime | date | None) -> _Agreement:
    if sent is None or seen is None:
        return _Agreement.ABSENT
    if isinstance(sent, datetime) and isinstance(seen, datetime):
        off_by = abs(timedelta(seconds=int(sent.timestamp()) - int(seen.timestamp())))
        if off_by <= _MOST_SHIFTED and not off_by % timedelta(hours=1):
            return _Agreement.EQUAL
        if not _is_midnight(seen):
            return _Agreement.UNEQUAL if off_by >= _OTHER_DAY else _Agreement.NEAR
    off_by = abs(_day(sent) - _day(seen))
    if not off_by:
        return _Agreement.EQUAL
    return _Agreement.UNEQUAL if off_by >= _OTHER_DAY else _Agreement.NEAR


def _day(moment: datetime | date) -> date:
    return norwegian_day(moment) if isinstance(moment, datetime) else moment


def _is_midnight(moment: datetime) -> bool:
    """Whether it looks like a day rather than a moment: midnight in UTC, or in Norway."""
    utc = moment.astimezone(UTC)
    return utc.minute == utc.second == 0 and any(
        (utc + timedelta(hours=hours)).hour == 0 for hours in (0, 1, 2)
    )


def _kind(sent: OrderIdentity, seen: OrderIdentity) -> _Agreement:
    if not seen.kind or sent.kind == seen.kind:
        return _Agreement.EQUAL if seen.kind else _Agreement.ABSENT
    # E-faktura and EHF are invoices, too.
    return _Agreement.UNEQUAL if _LINK in {sent.kind, seen.kind} else _Agreement.ABSENT
