"""Card terminals: the orders sent to them, their refunds, and the terminals themselves. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Self

from attrs import field, frozen

from frontpay_async.models._fields import exact, is_a, is_a_or_none, masked, to_date, to_decimal
from frontpay_async.models.common import Customer, OrderSummary, Product, SendOrderBy, to_products
from frontpay_async.models.orders import (
    OrderDetails,
    OrderStatusReport,
    RefundLine,
    all_lines,
    extra_field,
    remaining_lines,
    sum_of,
    to_lines,
    unknown_fields_field,
)
from frontpay_async.models.value import Value


@frozen(kw_only=True, eq=False, repr=False, field_transformer=exact)
class InvoiceReferences(Value):
    """The references and notes of a terminal order.

    Args:
        reference_no: Your reference.
        customer_reference: The customer's reference.
        customer_notes: Notes for the customer.
        tnc: Terms and conditions.
    """

    reference_no: str | None = None
    customer_reference: str | None = None
    customer_notes: str | None = None
    tnc: str | None = None


@frozen(kw_only=True, eq=False, repr=False, field_transformer=exact)
class TerminalOrder(Value):
    """An order that the customer pays by card on a terminal (page "Create Terminal Order").

    Args:
        products: The lines; at least one.
        summary: The totals; see ``OrderSummary.of``.
        order_date: A date, or a zone-aware datetime whose day in Norway is sent; today or later.
        customer: Needs ``type``, country code, phone number and e-mail address; if corporate, also an
            organisation number.
        terminal_uuid: The terminal.
        receipt_print: Whether the terminal prints a receipt.
        send_order_by: How the order is sent; at least one of the two ways must be True.
        invoice_references: References and notes.
        callback_url: The URL to which the API sends callbacks, by HTTP GET. Masked in reprs.
        extra: Members that are merged deeply into the body, under their wire names. They are checked against
            nothing.
    """

    products: tuple[Product, ...] = field(converter=to_products)
    summary: OrderSummary = field(validator=is_a(OrderSummary))
    order_date: date = field(converter=to_date)
    customer: Customer = field(validator=is_a(Customer))
    terminal_uuid: str
    receipt_print: bool
    send_order_by: SendOrderBy = field(validator=is_a(SendOrderBy))
    invoice_references: InvoiceReferences | None = field(
        default=None, validator=is_a_or_none(InvoiceReferences)
    )
    callback_url: str | None = field(default=None, repr=masked)
    extra: Mapping[str, object] = extra_field()


@frozen(kw_only=True, eq=False, repr=False, field_transformer=exact)
class TerminalRefund(Value):
    """Refund or reverse a card payment on the terminal (page "Refund or Reverse Payment").

    Whether it took effect shows in ``refunded_amount`` of ``orders.get_status``: compare it with what it was
    before. The refund's status may still be an earlier refund's.

    Args:
        grand_total: The total refund, in the order's currency.
        lines: The refunded lines; at least one.
        is_reversal: Reverse the payment instead of refunding it.
    """

    grand_total: Decimal = field(converter=to_decimal)
    lines: tuple[RefundLine, ...] = field(converter=to_lines)
    is_reversal: bool = False

    @classmethod
    def all(cls, details: OrderDetails, *, is_reversal: bool = False) -> Self:
        """Return the refund of a whole payment of which nothing was refunded yet.

        Args:
            details: The order, from ``orders.get_details``.
            is_reversal: Reverse the payment instead of refunding it.

        Raises:
            InvalidOrderError: There are no lines, or one has no id, no amount or a negative amount.
        """
        lines = all_lines(details)
        return cls(grand_total=sum_of(lines), lines=lines, is_reversal=is_reversal)

    @classmethod
    def rest(cls, details: OrderDetails, report: OrderStatusReport) -> Self:
        """Return the refund of what has not been refunded yet.

        The API shows how much was refunded, not on which lines: an order of several lines that was refunded
        in parts of lines is refused here.

        Args:
            details: The order, from ``orders.get_details``.
            report: Its status, from ``orders.get_status``: it has the refunded amount.

        Raises:
            InvalidOrderError: The two are of different orders; what was refunded, or on which lines, is not
                known; or nothing is left.
        """
        lines = remaining_lines(details, report)
        return cls(grand_total=sum_of(lines), lines=lines)


@frozen(kw_only=True, eq=False, repr=False)
class CreatedTerminalOrder(Value):
    """The created terminal order.

    Args:
        order_uuid: The order's id.
        unknown_fields: Undocumented and unreadable members of the response, by wire path.
    """

    order_uuid: str
    unknown_fields: Mapping[str, object] = unknown_fields_field()


@frozen(kw_only=True, eq=False, repr=False)
class Terminal(Value):
    """A card terminal.

    Args:
        uuid: The terminal's id, such as ``TRML1914739698``.
        name: Its name.
        status: The API's status number; the reference shows 1 for an active terminal. None if the API
            left it out.
        organization_uuid: The organisation it belongs to.
        unknown_fields: Undocumented and unreadable members of the response, by wire path.
    """

    uuid: str
    name: str
    status: int | None = None
    organization_uuid: str | None = None
    unknown_fields: Mapping[str, object] = unknown_fields_field()
