"""Reservations: money that is held on a card, captured or charged later, refunded by its source. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from typing import Literal

from attrs import field, frozen

from frontpay_async.errors import InvalidOrderError, Violation
from frontpay_async.models._fields import (
    exact,
    is_a,
    is_a_or_none,
    masked,
    to_date,
    to_decimal,
    to_whole,
    tuple_of,
)
from frontpay_async.models.common import Customer, OrderSummary, Product, SendOrderBy, to_products
from frontpay_async.models.orders import RefundLine, extra_field, to_lines, unknown_fields_field
from frontpay_async.models.statuses import ReservationStatus
from frontpay_async.models.value import Value


def to_single_products(values: Iterable[Product]) -> tuple[Product, ...]:
    """Freeze lines that are sent without a quantity and a discount."""
    products = to_products(values)
    violations: list[Violation] = []
    for index, product in enumerate(products):
        if product.quantity != 1:
            must = "must be 1: a reservation's line has no quantity; give the line's price as its rate"
            violations.append(Violation(f"products.{index}.quantity", must))
        if product.discount:
            must = "must be 0: a reservation's line has no discount; give the reduced price as its rate"
            violations.append(Violation(f"products.{index}.discount", must))
    if violations:
        raise InvalidOrderError(violations)
    return products


@frozen(kw_only=True, eq=False, repr=False, field_transformer=exact)
class CaptureLine(Value):
    """One line of a reservation to capture, fully or partly.

    Args:
        id: The line's numeric id, from ``ReservationDetails.products[n].id``.
        amount: The amount to capture, in the reservation's currency.
    """

    id: int = field(converter=to_whole)
    amount: Decimal = field(converter=to_decimal)


def to_capture_lines(values: Iterable[CaptureLine]) -> tuple[CaptureLine, ...]:
    """Freeze the lines of a capture."""
    return tuple_of(CaptureLine, values)


@frozen(kw_only=True, eq=False, repr=False, field_transformer=exact)
class ReservationOrder(Value):
    """Reservation that the customer accepts through a link (page "Reservation").

    Args:
        products: The lines; at least one. Each has the quantity 1 and no discount.
        summary: The totals; see ``OrderSummary.of``.
        order_date: A date or a zone-aware datetime.
        customer: Needs ``type``, country code, phone number, e-mail address and preferred language; if
            corporate, also an organisation number.
        payment_link_due_date: The expiry of the link: a date or a zone-aware datetime.
        send_order_by: How the link is sent.
        reference_no: Your reference.
        customer_reference: The customer's reference.
        charge_validity: For how many days a charge is possible; the API defaults to 90.
        customer_notes: Notes for the customer.
        tnc: Terms and conditions.
        secure_details: Show the reservation only after the customer has identified with BankID.
        is_charge_partially_refundable: Whether a charge can be refunded in part.
        callback_url: The URL to which the API sends callbacks, by HTTP GET. Masked in reprs.
        extra: Members that are merged deeply into the body, under their wire names; not validated.
    """

    products: tuple[Product, ...] = field(converter=to_single_products)
    summary: OrderSummary = field(validator=is_a(OrderSummary))
    order_date: date = field(converter=to_date)
    customer: Customer = field(validator=is_a(Customer))
    payment_link_due_date: date = field(converter=to_date)
    send_order_by: SendOrderBy = field(validator=is_a(SendOrderBy))
    reference_no: str | None = None
    customer_reference: str | None = None
    charge_validity: int | None = None
    customer_notes: str | None = None
    tnc: str | None = None
    secure_details: bool | None = None
    is_charge_partially_refundable: bool | None = None
    callback_url: str | None = field(default=None, repr=masked)
    extra: Mapping[str, object] = extra_field()


@frozen(kw_only=True, eq=False, repr=False, field_transformer=exact)
class ReservationSession(ReservationOrder):
    """Reservation that the customer accepts on a payment page of your checkout (page "Reservation Session").

    Args:
        products: The lines; at least one. Each has the quantity 1 and no discount.
        summary: The totals; see ``OrderSummary.of``.
        order_date: A date or a zone-aware datetime.
        customer: Needs ``type``, country code, phone number, e-mail address and preferred language; if
            corporate, also an organisation number.
        payment_link_due_date: The expiry of the page: a date or a zone-aware datetime.
        send_order_by: How the link is sent.
        via: How the customer pays; ``visa`` was observed.
        success_url: The URL to which the browser returns after the reservation.
        failure_url: The URL to which it returns after a failure.
        reference_no: Your reference.
        customer_reference: The customer's reference.
        charge_validity: For how many days a charge is possible; the API defaults to 90.
        customer_notes: Notes for the customer.
        tnc: Terms and conditions.
        secure_details: Show the reservation only after the customer has identified with BankID.
        is_charge_partially_refundable: Whether a charge can be refunded in part.
        callback_url: The URL to which the API sends callbacks, by HTTP GET. Masked in reprs.
        extra: Members that are merged deeply into the body, under their wire names; not validated.
    """

    via: str
    success_url: str = field(repr=masked)
    failure_url: str = field(repr=masked)


@frozen(kw_only=True, eq=False, repr=False, field_transformer=exact)
class Capture(Value):
    """Capture of reserved money, fully or partly (page "Capture Reservation").

    Args:
        grand_total: The captured total, in the reservation's currency.
        lines: The captured lines; at least one.
        additional_text: A text for the customer.
    """

    grand_total: Decimal = field(converter=to_decimal)
    lines: tuple[CaptureLine, ...] = field(converter=to_capture_lines)
    additional_text: str | None = None


@frozen(kw_only=True, eq=False, repr=False, field_transformer=exact)
class Charge(Value):
    """Charge beyond what was reserved, such as for a late return (page "Charge Reservation").

    Args:
        grand_total: The charged total, in the reservation's currency.
        products: The charged lines; at least one. Each has the quantity 1 and no discount.
        additional_text: A text for the customer.
    """

    grand_total: Decimal = field(converter=to_decimal)
    products: tuple[Product, ...] = field(converter=to_single_products)
    additional_text: str | None = None


@frozen(kw_only=True, eq=False, repr=False, field_transformer=exact)
class ReservationRefund(Value):
    """Refund of a capture or a charge, fully or partly (page "Refund Reservation").

    Args:
        grand_total: The refunded total, in the reservation's currency.
        lines: The refunded lines; at least one.
        source: Whether a capture or a charge is refunded.
        reference: The id of that capture (``CAP…``) or charge (``CHA…``).
    """

    grand_total: Decimal = field(converter=to_decimal)
    lines: tuple[RefundLine, ...] = field(converter=to_lines)
    source: Literal["captured", "charged"]
    reference: str


@frozen(kw_only=True, eq=False, repr=False)
class CreatedReservation(Value):
    """The reservation that was created.

    Args:
        reservation_uuid: The reservation's id, such as ``RES3506777330``.
        customer_uuid: The customer's id, if the API returned it.
        payment_url: The page on which the customer accepts it. A secret, masked in reprs.
        unknown_fields: Undocumented members of the response, by wire path.
    """

    reservation_uuid: str
    customer_uuid: str | None = None
    payment_url: str | None = field(default=None, repr=masked)
    unknown_fields: Mapping[str, object] = unknown_fields_field()


@frozen(kw_only=True, eq=False, repr=False)
class ReservationPayment(Value):
    """The capture or charge that was made.

    Args:
        uuid: Its id (``CAP…`` or ``CHA…``), which a refund names; None if the API omitted it, though it
            confirmed the payment.
        unknown_fields: Undocumented members of the response, by wire path.
    """

    uuid: str | None = None
    unknown_fields: Mapping[str, object] = unknown_fields_field()


@frozen(kw_only=True, eq=False, repr=False)
class ReservedProduct(Value):
    """One line of a reservation, as its details show it.

    Args:
        id: The API's numeric id of the line; a capture and a refund name it.
        name: The product or service.
        product_id: Your own identifier.
        quantity: How many units.
        rate: The price of one unit.
        discount: The discount on the line.
        tax: The VAT rate in percent.
        amount: The amount of the line.
        reserved: The reserved amount of the line.
        captured: The captured amount of the line.
    """

    id: int | None = None
    name: str | None = None
    product_id: str | None = None
    quantity: Decimal | None = None
    rate: Decimal | None = None
    discount: Decimal | None = None
    tax: Decimal | None = None
    amount: Decimal | None = None
    reserved: Decimal | None = None
    captured: Decimal | None = None


@frozen(kw_only=True, eq=False, repr=False)
class ReservationPayments(Value):
    """The payments of a reservation, in its currency.

    Args:
        reserved_at: When it was reserved; text if the API sent it without a zone.
        reserved: The reserved amount.
        captured: The captured amount.
        charged: The amount charged beyond the reservation.
        refunded_from_captured: The refunded amount of captures.
        refunded_from_charged: The refunded amount of charges.
    """

    reserved_at: datetime | date | str | None = None
    reserved: Decimal | None = None
    captured: Decimal | None = None
    charged: Decimal | None = None
    refunded_from_captured: Decimal | None = None
    refunded_from_charged: Decimal | None = None


@frozen(kw_only=True, eq=False, repr=False)
class ReservationEvent(Value):
    """One entry of a reservation's payment history.

    Args:
        kind: The kind, such as ``reserved``, ``captured`` or ``charged``.
        uuid: The id of the capture or charge, where the API shows it.
        at: When; text if the API sent it without a zone.
        amount: The amount, in the reservation's currency.
    """

    kind: str
    uuid: str | None = None
    at: datetime | date | str | None = None
    amount: Decimal | None = None


@frozen(kw_only=True, eq=False, repr=False)
class ReservationDetails(Value):
    """All that the API shows of a reservation (page "Reservation Details").

    Args:
        reservation_uuid: The reservation's id.
        status: The status; open.
        is_paid: Whether it is paid.
        products: The lines, with their ids.
        grand_total: The reserved total.
        payments: The payments.
        history: Each reservation, capture, charge and refund.
        reservation_date: When it was made; text if it could not be read.
        payment_link_due_date: The expiry of the link; text if it could not be read.
        send_order_by: How the link was sent.
        customer: The customer.
        charge_validity: For how many days a charge is possible.
        reference_no: Your reference.
        customer_reference: The customer's reference.
        customer_notes: Notes for the customer.
        tnc: Terms and conditions.
        unknown_fields: Undocumented members of the response, by wire path.
    """

    reservation_uuid: str
    status: ReservationStatus
    is_paid: bool | None = None
    products: tuple[ReservedProduct, ...] = ()
    grand_total: Decimal | None = None
    payments: ReservationPayments | None = None
    history: tuple[ReservationEvent, ...] = ()
    reservation_date: datetime | date | str | None = None
    payment_link_due_date: datetime | date | str | None = None
    send_order_by: SendOrderBy | None = field(default=None, validator=is_a_or_none(SendOrderBy))
    customer: Customer | None = None
    charge_validity: str | None = None
    reference_no: str | None = None
    customer_reference: str | None = None
    customer_notes: str | None = None
    tnc: str | None = None
    unknown_fields: Mapping[str, object] = unknown_fields_field()


@frozen(kw_only=True, eq=False, repr=False)
class ReservationHistoryEntry(Value):
    """One row of the account's reservation history (page "Reservation History").

    Args:
        reservation_uuid: The reservation's id.
        title: The event, such as ``refund-sent-from-captured``.
        at: When, as the API writes it (``21.01.2024 04:00``): it names no zone.
        sent_to: The recipient of a message. Masked in reprs.
        action_by: The person who did it. Masked in reprs.
        note: A note. Masked in reprs.
        payment_method: How it was paid.
        is_refundable: Whether it can be refunded.
        amount: The amount, in the reservation's currency.
        unknown_fields: Undocumented members of the response, by wire path.
    """

    reservation_uuid: str
    title: str | None = None
    at: datetime | date | str | None = None
    sent_to: str | None = field(default=None, repr=masked)
    action_by: str | None = field(default=None, repr=masked)
    note: str | None = field(default=None, repr=masked)
    payment_method: str | None = None
    is_refundable: bool | None = None
    amount: Decimal | None = None
    unknown_fields: Mapping[str, object] = unknown_fields_field()
