"""Subscriptions: orders that bill the customer in cycles. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal

from attrs import field, frozen

from frontpay_async.models._fields import exact, is_a, masked, to_date, to_decimal, to_decimal_or_none
from frontpay_async.models.common import Customer, OrderSummary, Product, SendOrderBy, to_products
from frontpay_async.models.orders import extra_field, unknown_fields_field
from frontpay_async.models.statuses import SubscriptionStatus
from frontpay_async.models.value import Value


@frozen(kw_only=True, eq=False, repr=False, field_transformer=exact)
class SubscriptionOrder(Value):
    """Subscription that the customer accepts through a link (page "Create Subscription").

    Args:
        products: The lines; at least one. A ``product_id`` has at most 25 characters.
        summary: The totals of one cycle; see ``OrderSummary.of``.
        payable_per_cycle: The amount of each cycle.
        billing_frequency: The frequency; ``month`` was observed, and ``monthly``, ``weekly`` and ``daily`` in
            a comment.
        repeats: The number of cycles.
        start_date: The first day: a date, or a zone-aware datetime whose day in Norway is sent.
        end_date: The last day.
        payment_link_due_date: The expiry of the link: a date or a zone-aware datetime.
        send_order_by: How the link is sent.
        customer: Needs ``type``, country code, phone number and e-mail address; if corporate, also an
            organisation number.
        initial_cycle_amount: The amount of the first cycle, if it differs.
        customer_notes: Notes for the customer.
        tnc: Terms and conditions.
        callback_url: The URL to which the API sends callbacks, by HTTP GET. Masked in reprs.
        extra: Members that are merged deeply into the body, under their wire names; not validated.
    """

    products: tuple[Product, ...] = field(converter=to_products)
    summary: OrderSummary = field(validator=is_a(OrderSummary))
    payable_per_cycle: Decimal = field(converter=to_decimal)
    billing_frequency: str
    repeats: int
    start_date: date = field(converter=to_date)
    end_date: date = field(converter=to_date)
    payment_link_due_date: date = field(converter=to_date)
    send_order_by: SendOrderBy = field(validator=is_a(SendOrderBy))
    customer: Customer = field(validator=is_a(Customer))
    initial_cycle_amount: Decimal | None = field(default=None, converter=to_decimal_or_none)
    customer_notes: str | None = None
    tnc: str | None = None
    callback_url: str | None = field(default=None, repr=masked)
    extra: Mapping[str, object] = extra_field()


@frozen(kw_only=True, eq=False, repr=False, field_transformer=exact)
class SubscriptionSession(SubscriptionOrder):
    """Subscription that the customer accepts on a page of your checkout (page "Subscription Session").

    Args:
        products: The lines; at least one. A ``product_id`` has at most 25 characters.
        summary: The totals of one cycle; see ``OrderSummary.of``.
        payable_per_cycle: The amount of each cycle.
        billing_frequency: The frequency; ``month`` was observed, and ``monthly``, ``weekly`` and ``daily`` in
            a comment.
        repeats: The number of cycles.
        start_date: The first day: a date, or a zone-aware datetime whose day in Norway is sent.
        end_date: The last day.
        payment_link_due_date: The expiry of the page: a date or a zone-aware datetime.
        send_order_by: How the link is sent.
        customer: Needs ``type``, country code, phone number and e-mail address; if corporate, also an
            organisation number.
        via: How the customer pays; ``visa`` was observed.
        success_url: The URL to which the browser returns after the payment.
        failure_url: The URL to which it returns after a failure.
        currency: The currency. Defaults to ``NOK``.
        secure_details: Show the order only after the customer has identified with BankID.
        initial_cycle_amount: The amount of the first cycle, if it differs.
        customer_notes: Notes for the customer.
        tnc: Terms and conditions.
        callback_url: The URL to which the API sends callbacks, by HTTP GET. Masked in reprs.
        extra: Members that are merged deeply into the body, under their wire names; not validated.
    """

    via: str
    success_url: str = field(repr=masked)
    failure_url: str = field(repr=masked)
    currency: str | None = "NOK"
    secure_details: bool | None = None


@frozen(kw_only=True, eq=False, repr=False)
class CreatedSubscription(Value):
    """The subscription that was created.

    Args:
        subscription_uuid: The subscription's id, such as ``SUB3506777330``.
        order_uuid: The id of its order, if the API returned it.
        customer_uuid: The customer's id, if the API returned it.
        payment_url: The page on which the customer accepts it. A secret, masked in reprs.
        unknown_fields: Undocumented members of the response, by wire path.
    """

    subscription_uuid: str
    order_uuid: str | None = None
    customer_uuid: str | None = None
    payment_url: str | None = field(default=None, repr=masked)
    unknown_fields: Mapping[str, object] = unknown_fields_field()


@frozen(kw_only=True, eq=False, repr=False)
class SubscriptionEntry(Value):
    """One subscription, as the list shows it.

    Args:
        subscription_uuid: The subscription's id.
        status: The status; open.
        order_uuid: The id of its order.
        repeats: The number of cycles.
        frequency: The frequency of its cycles.
        amount: The price of a cycle.
        currency: The currency.
        created_at: When it was created; text if the API sent it without a zone.
        customer_name: The customer's name. Masked in reprs.
        customer_email: The customer's e-mail address. Masked in reprs.
        country_code: The country code of the phone number.
        msisdn: The phone number. Masked in reprs.
        is_paid: Whether it is paid.
        is_refundable: Whether it can be refunded.
        paid_cycles: How many cycles were paid.
        unknown_fields: Undocumented members of the response, by wire path.
    """

    subscription_uuid: str
    status: SubscriptionStatus
    order_uuid: str | None = None
    repeats: int | None = None
    frequency: str | None = None
    amount: Decimal | None = None
    currency: str | None = None
    created_at: datetime | date | str | None = None
    customer_name: str | None = field(default=None, repr=masked)
    customer_email: str | None = field(default=None, repr=masked)
    country_code: str | None = None
    msisdn: str | None = field(default=None, repr=masked)
    is_paid: bool | None = None
    is_refundable: bool | None = None
    paid_cycles: int | None = None
    unknown_fields: Mapping[str, object] = unknown_fields_field()


@frozen(kw_only=True, eq=False, repr=False)
class FailedOrderEntry(Value):
    """One cycle's order whose payment failed, as the list shows it.

    Args:
        order_uuid: The order's id.
        status: Its result: ``paid``, ``invoiced`` and ``debtCollection`` are documented.
        subscription_uuid: The subscription's id, where the API shows it.
        order_date: The order's date; text if it could not be read.
        customer_name: The customer's name. Masked in reprs.
        country_code: The country code of the phone number.
        msisdn: The phone number. Masked in reprs.
        currency: The currency.
        amount: How much.
        unknown_fields: Undocumented members of the response, by wire path.
    """

    order_uuid: str
    status: str | None = None
    subscription_uuid: str | None = None
    order_date: datetime | date | str | None = None
    customer_name: str | None = field(default=None, repr=masked)
    country_code: str | None = None
    msisdn: str | None = field(default=None, repr=masked)
    currency: str | None = None
    amount: Decimal | None = None
    unknown_fields: Mapping[str, object] = unknown_fields_field()


@frozen(kw_only=True, eq=False, repr=False)
class SubscriptionCycle(Value):
    """One cycle of a subscription.

    Args:
        name: Its name, such as ``Cycle 1``; a refund names it.
        reference: The API's reference of its payment.
        status: Its status, as the API writes it.
        invoiced: Whether it was invoiced.
        amount: The amount.
        start_date: Its first day; text if it could not be read.
        end_date: Its last day; text if it could not be read.
        is_refunded: Whether it was refunded.
        refunded_at: When it was refunded.
        refunded_amount: The refunded amount.
    """

    name: str
    reference: str | None = None
    status: str | None = None
    invoiced: bool | None = None
    amount: Decimal | None = None
    start_date: datetime | date | str | None = None
    end_date: datetime | date | str | None = None
    is_refunded: bool | None = None
    refunded_at: datetime | date | str | None = None
    refunded_amount: Decimal | None = None


@frozen(kw_only=True, eq=False, repr=False)
class SubscriptionDetails(Value):
    """All that the API shows of a subscription (page "Subscription Details").

    Args:
        subscription_uuid: The subscription's id.
        status: The status; open.
        cycles: The cycles.
        products: The lines.
        amount: The amount of all cycles.
        amount_paid: The paid amount.
        amount_refunded: The refunded amount.
        payable_per_cycle: The amount of a cycle.
        frequency: The frequency of its cycles.
        repeats: The number of cycles.
        current_cycle: The number of the present cycle.
        currency: The currency.
        start_date: The day on which it begins; text if it could not be read.
        end_date: The day on which it ends; text if it could not be read.
        payment_link_due_date: The expiry of the link; text if it could not be read.
        is_paid: Whether it is paid.
        is_refundable: Whether it can be refunded.
        send_order_by: How the link was sent.
        customer: The customer.
        customer_notes: Notes for the customer.
        tnc: Terms and conditions.
        unknown_fields: Undocumented members of the response, by wire path.
    """

    subscription_uuid: str
    status: SubscriptionStatus
    cycles: tuple[SubscriptionCycle, ...] = ()
    products: tuple[Product, ...] = ()
    amount: Decimal | None = None
    amount_paid: Decimal | None = None
    amount_refunded: Decimal | None = None
    payable_per_cycle: Decimal | None = None
    frequency: str | None = None
    repeats: int | None = None
    current_cycle: int | None = None
    currency: str | None = None
    start_date: datetime | date | str | None = None
    end_date: datetime | date | str | None = None
    payment_link_due_date: datetime | date | str | None = None
    is_paid: bool | None = None
    is_refundable: bool | None = None
    send_order_by: SendOrderBy | None = None
    customer: Customer | None = None
    customer_notes: str | None = None
    tnc: str | None = None
    unknown_fields: Mapping[str, object] = unknown_fields_field()


@frozen(kw_only=True, eq=False, repr=False)
class FailedOrderDetails(Value):
    """The order of a cycle whose payment failed (page "Failed Order Details").

    Args:
        order_uuid: The order's id, if the API returned it.
        subscription_uuid: The subscription's id.
        order_date: The order's date; text if it could not be read.
        products: The lines.
        summary: The totals, if the API returned all of them.
        customer: The customer.
        invoice_status: The invoice's status, as the API writes it.
        payment_status: The payment's status, as the API writes it.
        unknown_fields: Undocumented members of the response, by wire path.
    """

    order_uuid: str | None = None
    subscription_uuid: str | None = None
    order_date: datetime | date | str | None = None
    products: tuple[Product, ...] = ()
    summary: OrderSummary | None = None
    customer: Customer | None = None
    invoice_status: str | None = None
    payment_status: str | None = None
    unknown_fields: Mapping[str, object] = unknown_fields_field()


def to_cycles(values: Iterable[str]) -> tuple[str, ...]:
    """Freeze the names of cycles."""
    if isinstance(values, str):
        raise TypeError("cycles must be a list of names, such as ['Cycle 1']")
    names = tuple(values)
    if not all(isinstance(name, str) for name in names):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError("the name of a cycle must be text, such as 'Cycle 1'")
    return names
