"""The values that several orders share. All are frozen, keyword-only and exact. Pure."""

from __future__ import annotations

from decimal import Decimal
from enum import IntEnum, StrEnum
from typing import TYPE_CHECKING, Self

from attrs import field, frozen

from frontpay_async.models._fields import (
    EXACT,
    UNSET,
    is_a,
    masked,
    to_decimal,
    to_decimal_or_unset,
    tuple_of,
)

if TYPE_CHECKING:
    from collections.abc import Iterable

_ORE = Decimal("0.01")
_HUNDRED = Decimal(100)


class CustomerType(StrEnum):
    """Say who is billed: a person or a company."""

    PRIVATE = "private"
    CORPORATE = "corporate"


class Language(StrEnum):
    """Name the language in which the customer is addressed."""

    ENGLISH = "en"
    NORWEGIAN = "no"
    SWEDISH = "sv"
    DANISH = "da"
    GERMAN = "de"


class InvoiceInterval(IntEnum):
    """Say how often invoices are gathered and sent."""

    DAILY = 0
    ONCE_A_MONTH = 1
    TWICE_A_MONTH = 2


@frozen(kw_only=True)
class Product:
    """Describe one line of an order. Prices include VAT.

    Args:
        name: What is sold.
        quantity: How many units (Decimal, int or numeric text).
        rate: The price of one unit, in the order's currency.
        tax: The VAT rate in percent: 0, 12, 15 or 25 unless your account is set up otherwise.
        amount: What the line costs, in the order's currency; ``rate * quantity - discount`` unless given.
        discount: What is taken off the line, in the order's currency.
        product_id: Your own identifier.
        id: The API's numeric id of the line, from order details; a refund names it. Never sent with an order.

    Raises:
        TypeError: A number is a float.
        ValueError: A number's text is no number.
    """

    name: str
    quantity: Decimal = field(converter=to_decimal)
    rate: Decimal = field(converter=to_decimal)
    tax: Decimal = field(converter=to_decimal)
    amount: Decimal = field(default=None, converter=to_decimal_or_unset)
    discount: Decimal = field(default=Decimal(0), converter=to_decimal)
    product_id: str | None = None
    id: int | None = None

    def __attrs_post_init__(self) -> None:
        if self.amount is UNSET:
            amount = EXACT.subtract(EXACT.multiply(self.rate, self.quantity), self.discount)
            object.__setattr__(self, "amount", amount)


def to_products(values: Iterable[Product]) -> tuple[Product, ...]:
    """Freeze the lines of an order."""
    return tuple_of(Product, values)


@frozen(kw_only=True)
class OrderSummary:
    """State an order's totals, in the order's currency.

    Args:
        sub_total: The sum before tax.
        total_tax: The VAT.
        total_discount: The discounts.
        grand_total: What the customer pays.

    Raises:
        TypeError: A number is a float.
        ValueError: A number's text is no number.
    """

    sub_total: Decimal = field(converter=to_decimal)
    total_tax: Decimal = field(converter=to_decimal)
    total_discount: Decimal = field(converter=to_decimal)
    grand_total: Decimal = field(converter=to_decimal)

    @classmethod
    def of(cls, products: Iterable[Product]) -> Self:
        """Sum up the products: each amount, in whole øre, is split at its own tax rate, half up.

        4500 at 12 % becomes 4017.86 + 482.14, so ``sub_total + total_tax == grand_total`` always holds.

        Args:
            products: The lines of the order.

        Raises:
            ValueError: A tax rate is -100 % or less: no amount can include it.
        """
        sub_total = total_tax = total_discount = grand_total = Decimal("0.00")
        for product in products:
            amount = EXACT.quantize(product.amount, _ORE)
            gross_percent = EXACT.add(_HUNDRED, product.tax)
            if gross_percent <= 0:
                raise ValueError(f"no amount can include a tax of {product.tax} %")
            net = EXACT.quantize(EXACT.divide(EXACT.multiply(amount, _HUNDRED), gross_percent), _ORE)
            sub_total = EXACT.add(sub_total, net)
            total_tax = EXACT.add(total_tax, EXACT.subtract(amount, net))
            total_discount = EXACT.add(total_discount, product.discount)
            grand_total = EXACT.add(grand_total, amount)
        return cls(
            sub_total=sub_total,
            total_tax=total_tax,
            total_discount=EXACT.quantize(total_discount, _ORE),
            grand_total=grand_total,
        )


@frozen(kw_only=True)
class Address:
    """Give a postal address; masked in reprs.

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


@frozen(kw_only=True)
class Customer:
    """Name who buys; personal data is masked in reprs.

    What is required depends on the order, and only the fields in that order's table are sent.

    Args:
        name: The full name.
        address: The postal address.
        type: Private or corporate; required but for e-faktura and EHF, where the route decides it.
        country_code: The country code of the phone number, such as ``+47``.
        msisdn: The phone number without country code.
        email: The e-mail address.
        preferred_language: en, no, sv, da or de; the API takes no when it is missing.
        first_name: The first name.
        personal_number: The Norwegian identity number: 11 digits. Required for e-faktura.
        organization_id: The organisation number: digits only. Required for corporate customers and EHF.
        customer_uuid: The API's id of a known customer.
    """

    name: str = field(repr=masked)
    address: Address = field(validator=is_a(Address))
    type: CustomerType | str | None = None
    country_code: str | None = None
    msisdn: str | None = field(default=None, repr=masked)
    email: str | None = field(default=None, repr=masked)
    preferred_language: Language | str | None = None
    first_name: str | None = field(default=None, repr=masked)
    personal_number: str | None = field(default=None, repr=masked)
    organization_id: str | None = field(default=None, repr=masked)
    customer_uuid: str | None = None


@frozen(kw_only=True)
class SendOrderBy:
    """Say how the order reaches the customer.

    Args:
        sms: Send it as a text message.
        email: Send it as an e-mail.
    """

    sms: bool
    email: bool
