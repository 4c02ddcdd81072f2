"""Checkout sessions: orders that the customer pays on a page to which your shop redirects. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal

from attrs import field, frozen

from frontpay_async.models._fields import exact, is_a, is_a_or_none, masked, to_date, to_decimal, to_whole
from frontpay_async.models.common import (
    Customer,
    InvoiceInterval,
    OrderSummary,
    Product,
    SendOrderBy,
    to_products,
)
from frontpay_async.models.orders import extra_field, unknown_fields_field
from frontpay_async.models.value import Value


def _to_date_or_none(value: date | None) -> date | None:
    return None if value is None else to_date(value)


@frozen(kw_only=True, eq=False, repr=False, field_transformer=exact)
class SessionReferences(Value):
    """References and notes that an invoice of a checkout session shows.

    Args:
        reference_no: Your reference.
        customer_reference: The customer's reference.
        receipt_no: The receipt's number.
        customer_notes: Notes for the customer.
        tnc: Terms and conditions.
    """

    reference_no: str | None = None
    customer_reference: str | None = None
    receipt_no: str | None = None
    customer_notes: str | None = None
    tnc: str | None = None


@frozen(kw_only=True, eq=False, repr=False, field_transformer=exact)
class CheckoutSession(Value):
    """An order that the customer pays at once on a payment page (page "Checkout Session").

    Args:
        products: The lines; at least one.
        summary: The totals; see ``OrderSummary.of``. Whether its grand total includes
            ``shipping_cost`` is not documented; both are accepted.
        order_date: A date or a zone-aware datetime.
        customer: As for a payment link; needs ``personal_number`` when ``via`` is ``invoice``.
        via: How the customer pays. ``visa`` and ``invoice`` were observed; the pages also mention mastercard,
            vipps, Apple Pay and Google Pay, without the spelling.
        success_url: The URL to which the browser returns after the payment.
        failure_url: The URL to which it returns after a failure.
        shipping_cost: The shipping cost, in the order's currency. Defaults to 0.
        currency: The currency, such as ``NOK``; not sent by default.
        with_customer: Sent unchanged if given; the newest example has it, but its meaning is not documented.
        payment_link_due_date: The expiry of the page: a date or a zone-aware datetime. Accounts on an
            older revision require it.
        send_order_by: How the order is sent. Accounts on an older revision require it.
        reference_no: Your reference.
        customer_reference: The customer's reference.
        invoice_references: References that an invoice shows.
        invoice_interval: How often invoices are collected.
        separate_invoices: Whether each order gets a separate invoice.
        callback_url: The URL to which the API sends callbacks, by HTTP GET. Masked in reprs.
        extra: Members that are merged deeply into the body, under their wire names; not validated.
    """

    products: tuple[Product, ...] = field(converter=to_products)
    summary: OrderSummary = field(validator=is_a(OrderSummary))
    order_date: date = field(converter=to_date)
    customer: Customer = field(validator=is_a(Customer))
    via: str
    success_url: str = field(repr=masked)
    failure_url: str = field(repr=masked)
    shipping_cost: Decimal = field(default=Decimal(0), converter=to_decimal)
    currency: str | None = None
    with_customer: bool | None = None
    payment_link_due_date: date | None = field(default=None, converter=_to_date_or_none)
    send_order_by: SendOrderBy | None = field(default=None, validator=is_a_or_none(SendOrderBy))
    reference_no: str | None = None
    customer_reference: str | None = None
    invoice_references: SessionReferences | None = field(
        default=None, validator=is_a_or_none(SessionReferences)
    )
    invoice_interval: InvoiceInterval | int | None = field(default=None, converter=to_whole)
    separate_invoices: bool | None = None
    callback_url: str | None = field(default=None, repr=masked)
    extra: Mapping[str, object] = extra_field()


@frozen(kw_only=True, eq=False, repr=False, field_transformer=exact)
class InvoiceSession(Value):
    """An order that is invoiced from a checkout, with BankID for private customers (page "Invoice Session").

    Args:
        products: The lines; at least one. A ``product_id`` has at most 25 characters.
        summary: The totals; see ``OrderSummary.of``.
        order_date: A date or a zone-aware datetime, today or later.
        customer: Needs ``type``, country code, phone number and e-mail address; if corporate, also an
            organisation number.
        success_url: The URL to which the browser returns afterwards.
        failure_url: The URL to which it returns after a failure.
        invoice_fee_applicable: Whether the invoice fee is added.
        invoice_interval: How often invoices are collected; daily by default.
        invoice_maturity: Days until it is due.
        separate_invoices: Whether each order gets a separate invoice.
        reference_no: Your reference.
        customer_reference: The customer's reference.
        secure_details: Show the order only after the customer has identified with BankID.
        callback_url: The URL to which the API sends callbacks, by HTTP GET. Masked in reprs.
        extra: Members that are merged deeply into the body, under their wire names; not validated.
    """

    products: tuple[Product, ...] = field(converter=to_products)
    summary: OrderSummary = field(validator=is_a(OrderSummary))
    order_date: date = field(converter=to_date)
    customer: Customer = field(validator=is_a(Customer))
    success_url: str = field(repr=masked)
    failure_url: str = field(repr=masked)
    invoice_fee_applicable: bool = True
    invoice_interval: InvoiceInterval | int | None = field(default=None, converter=to_whole)
    invoice_maturity: int | None = None
    separate_invoices: bool | None = None
    reference_no: str | None = None
    customer_reference: str | None = None
    secure_details: bool | None = None
    callback_url: str | None = field(default=None, repr=masked)
    extra: Mapping[str, object] = extra_field()


@frozen(kw_only=True, eq=False, repr=False, field_transformer=exact)
class HostedCheckout(Value):
    """An order that is paid on the vendor's checkout page, by any method (page "Hosted Checkout").

    Args:
        products: The lines; at least one.
        summary: The totals; see ``OrderSummary.of``.
        order_date: A date or a zone-aware datetime.
        payment_link_due_date: The expiry of the page: a date or a zone-aware datetime.
        customer: Country code, phone number, e-mail address, name and postal address.
        success_url: The URL to which the browser returns after the payment.
        failure_url: The URL to which it returns after a failure.
        checkout_language: The language of the page, such as ``en`` or ``no``.
        reference_no: Your reference.
        customer_notes: Notes for the customer.
        callback_url: The URL to which the API sends callbacks, by HTTP GET. Masked in reprs.
        extra: Members that are merged deeply into the body, under their wire names; not validated.
    """

    products: tuple[Product, ...] = field(converter=to_products)
    summary: OrderSummary = field(validator=is_a(OrderSummary))
    order_date: date = field(converter=to_date)
    payment_link_due_date: date = field(converter=to_date)
    customer: Customer = field(validator=is_a(Customer))
    success_url: str = field(repr=masked)
    failure_url: str = field(repr=masked)
    checkout_language: str | None = None
    reference_no: str | None = None
    customer_notes: str | None = None
    callback_url: str | None = field(default=None, repr=masked)
    extra: Mapping[str, object] = extra_field()


@frozen(kw_only=True, eq=False, repr=False)
class CheckoutLink(Value):
    """The created order, and the page to which to redirect the browser.

    Args:
        order_uuid: The order's id.
        customer_uuid: The customer's id, if the API returned it.
        payment_url: The page on which the customer pays, or proves who they are; None if there is none,
            as for a company's invoice. A secret: it can carry a BankID session. Masked in reprs.
        unknown_fields: Undocumented members of the response, by wire path.
    """

    order_uuid: str
    customer_uuid: str | None = None
    payment_url: str | None = field(default=None, repr=masked)
    unknown_fields: Mapping[str, object] = unknown_fields_field()
