"""The values that several orders share. All are frozen, keyword-only and exact. Pure."""

from __future__ import annotations

from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Self, cast

from attrs import field, fields, frozen

from frontpay_async.models._fields import (
    EXACT,
    ORE,
    exact,
    exactly,
    is_a,
    masked,
    member_of,
    to_decimal,
    to_decimal_or_none,
    to_ore,
    tuple_of,
)
from frontpay_async.models.value import Value

if TYPE_CHECKING:
    from collections.abc import Iterable

_ZERO = Decimal(0)
_HUNDRED = Decimal(100)
_ORE_EXPONENT = -2


class CustomerType(StrEnum):
    """Whether a person or a company is billed."""

    PRIVATE = "private"
    CORPORATE = "corporate"


class Language(StrEnum):
    """The language in which the customer is addressed."""

    ENGLISH = "en"
    NORWEGIAN = "no"
    SWEDISH = "sv"
    DANISH = "da"
    GERMAN = "de"


def to_customer_type(value: CustomerType | str | None) -> CustomerType | str | None:
    """Read a customer's type in any case: the API's own answers have ``Private``."""
    return member_of(CustomerType, value)


def to_language(value: Language | str) -> Language | str:
    """Read a language in any case."""
    return member_of(Language, value) or value


def to_language_or_none(value: Language | str | None) -> Language | str | None:
    """Read a language in any case, or None."""
    return member_of(Language, value)


class InvoiceInterval(IntEnum):
    """How often invoices are collected and sent."""

    DAILY = 0
    ONCE_A_MONTH = 1
    TWICE_A_MONTH = 2


@frozen(kw_only=True, eq=False, repr=False, field_transformer=exact)
class Product(Value):
    """One line of an order. Prices include VAT.

    ``amount`` is derived: unless it was given, it is computed whenever it is read, so that a copy with
    another quantity (``attrs.evolve``, ``copy.replace``) has another amount.

    Args:
        name: The product or service.
        quantity: How many units (Decimal, int or numeric text).
        rate: The price of one unit, in the order's currency.
        tax: The VAT rate in percent: 0, 12, 15 or 25 unless your account is set up otherwise.
        amount: The amount of the line, in the order's currency. Defaults to ``rate * quantity - discount`` in
            whole øre, rounded half up.
        discount: The discount on the line, in the order's currency.
        product_id: Your own identifier.
        id: The API's numeric id of the line, from order details; a refund names it. Never sent with an order.

    Raises:
        TypeError: A number is a float.
        ValueError: A number's text is not a number.
    """

    name: str
    quantity: Decimal = field(converter=to_decimal)
    rate: Decimal = field(converter=to_decimal)
    tax: Decimal = field(converter=to_decimal)
    _given_amount: Decimal | None = field(default=None, converter=to_decimal_or_none, alias="amount")
    discount: Decimal = field(default=Decimal(0), converter=to_decimal)
    product_id: str | None = None
    id: int | None = None

    @property
    def amount(self) -> Decimal:
        """The amount of the line; defaults to ``rate * quantity - discount``, in the order's currency."""
        if self._given_amount is not None:
            return self._given_amount
        exact = EXACT.subtract(EXACT.multiply(self.rate, self.quantity), self.discount)
        # What is in whole øre already keeps its digits. Nearly all amounts have two, and counting is slower.
        if exact.same_quantum(ORE) or cast("int", exact.as_tuple().exponent) >= _ORE_EXPONENT:
            return exact
        return to_ore(exact)

    def _values(self) -> dict[str, object]:
        names = (each.alias or each.name for each in fields(type(self)))
        return {name: getattr(self, name) for name in names}

    def __eq__(self, other: object) -> bool:
        # An amount that was given equals one that was computed: a journal keeps only its value.
        if not isinstance(other, Product) or other.__class__ is not self.__class__:
            return NotImplemented
        return self._values() == other._values()

    def __hash__(self) -> int:
        return hash(tuple(self._values().values()))

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value!r}" for name, value in self._values().items())
        return f"{type(self).__name__}({shown})"


def included_tax(amount: Decimal, tax: Decimal) -> Decimal:
    """Return the VAT within an amount of whole øre: the rest after the net amount, rounded half up."""
    # Its callers compute ``exactly``.
    gross_percent = _HUNDRED + tax
    if gross_percent <= _ZERO:
        raise ValueError(f"no amount can include a tax of {tax} %")
    return amount - (amount * _HUNDRED / gross_percent).quantize(ORE)


def to_products(values: Iterable[Product]) -> tuple[Product, ...]:
    """Freeze the lines of an order."""
    return tuple_of(Product, values)


@frozen(kw_only=True, eq=False, repr=False, field_transformer=exact)
class OrderSummary(Value):
    """The totals of an order, in the order's currency; ``OrderSummary.of`` computes them.

    ``sub_total`` is the sum before tax *and discount*, as the reference has it, so
    ``sub_total - total_discount + total_tax == grand_total``.

    Args:
        sub_total: The sum before tax and discount.
        total_tax: The VAT.
        total_discount: The discounts.
        grand_total: The total to pay.

    Raises:
        TypeError: A number is a float.
        ValueError: A number's text is not a number.
    """

    sub_total: Decimal = field(converter=to_decimal)
    total_tax: Decimal = field(converter=to_decimal)
    total_discount: Decimal = field(converter=to_decimal)
    grand_total: Decimal = field(converter=to_decimal)

    @classmethod
    @exactly
    def of(cls, products: Iterable[Product]) -> Self:
        """Add up the products: each amount, in whole øre, is split at its own tax rate, half up.

        4500 at 12 % is 4017.86 + 482.14. ``sub_total`` is before tax and discount, as in the reference:
        ``sub_total - total_discount + total_tax == grand_total`` always holds, and ``grand_total`` is the sum
        of the lines' amounts.

        Args:
            products: The lines of the order.

        Raises:
            ValueError: A tax rate is -100 % or less: no amount can include it.
        """
        total_tax = total_discount = grand_total = Decimal("0.00")
        for product in products:
            amount = product.amount.quantize(ORE)
            total_tax += included_tax(amount, product.tax)
            total_discount += product.discount
            grand_total += amount
        total_discount = total_discount.quantize(ORE)
        return cls(
            sub_total=grand_total - total_tax + total_discount,
            total_tax=total_tax,
            total_discount=total_discount,
            grand_total=grand_total,
        )


@frozen(kw_only=True, eq=False, repr=False)
class PartialProduct(Value):
    """A line of an order as the API shows it, of which a ``Product`` cannot be made: a number is missing.

    Missing and unreadable values are None.

    Args:
        name: The product or service.
        quantity: How many units.
        rate: The price of one unit, in the order's currency.
        tax: The VAT rate in percent.
        amount: The amount of the line, in the order's currency.
        discount: The discount on the line, in the order's currency.
        product_id: Your own identifier.
        id: The API's numeric id of the line; a refund names it.
    """

    name: str | None = None
    quantity: Decimal | None = None
    rate: Decimal | None = None
    tax: Decimal | None = None
    amount: Decimal | None = None
    discount: Decimal | None = None
    product_id: str | None = None
    id: int | None = None


@frozen(kw_only=True, eq=False, repr=False)
class PartialSummary(Value):
    """Totals as the API shows them, of which an ``OrderSummary`` cannot be made: one of them is missing.

    Missing and unreadable values are None.

    Args:
        sub_total: The sum before tax and discount, in the order's currency.
        total_tax: The VAT.
        total_discount: The discounts.
        grand_total: The total to pay.
    """

    sub_total: Decimal | None = None
    total_tax: Decimal | None = None
    total_discount: Decimal | None = None
    grand_total: Decimal | None = None


@frozen(kw_only=True, eq=False, repr=False, field_transformer=exact)
class Address(Value):
    """A postal address; masked in reprs.

    Args:
        street: The street and number.
        zip: The postal code, as text: leading zeros count.
        city: The town.
        country: An assigned ISO 3166-1 alpha-2 code, such as ``NO``.
    """

    street: str = field(repr=masked)
    zip: str = field(repr=masked)
    city: str = field(repr=masked)
    country: str


@frozen(kw_only=True, eq=False, repr=False, field_transformer=exact)
class Customer(Value):
    """The customer; personal data is masked in reprs.

    The required fields depend on the order, and only the fields in that order's table are sent.

    Args:
        name: The full name.
        address: The postal address.
        type: Private or corporate; required except for e-faktura and EHF, where it follows from the route.
        country_code: The country code of the phone number, such as ``+47``.
        msisdn: The phone number without country code.
        email: The e-mail address.
        preferred_language: en, no, sv, da or de; the API defaults to ``no``.
        first_name: The first name.
        personal_number: The Norwegian identity number: 11 digits. Required for e-faktura.
        organization_id: The organisation number: digits only. Required for corporate customers and EHF.
        customer_uuid: The API's id of a known customer.
    """

    name: str = field(repr=masked)
    address: Address = field(validator=is_a(Address))
    type: CustomerType | str | None = field(default=None, converter=to_customer_type)
    country_code: str | None = None
    msisdn: str | None = field(default=None, repr=masked)
    email: str | None = field(default=None, repr=masked)
    preferred_language: Language | str | None = field(default=None, converter=to_language_or_none)
    first_name: str | None = field(default=None, repr=masked)
    personal_number: str | None = field(default=None, repr=masked)
    organization_id: str | None = field(default=None, repr=masked)
    customer_uuid: str | None = None


@frozen(kw_only=True, eq=False, repr=False, field_transformer=exact)
class SendOrderBy(Value):
    """How the order reaches the customer.

    Args:
        sms: Send it as a text message.
        email: Send it as an e-mail.
    """

    sms: bool
    email: bool
