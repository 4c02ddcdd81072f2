"""Orders, refunds, and the API's responses about them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from itertools import combinations
from typing import TYPE_CHECKING, Literal, Self, TypeAlias, cast

from attrs import field, frozen

from frontpay_async.errors import InvalidOrderError, Violation
from frontpay_async.models._fields import (
    EXACT,
    exact,
    is_a,
    is_a_or_none,
    masked,
    to_date,
    to_decimal,
    to_extra,
    to_whole,
    tuple_of,
)
from frontpay_async.models.common import (
    Customer,
    InvoiceInterval,
    OrderSummary,
    PartialProduct,
    PartialSummary,
    Product,
    SendOrderBy,
    to_products,
)
from frontpay_async.models.statuses import OrderStatus, OrderType
from frontpay_async.models.value import Value

if TYPE_CHECKING:
    from frontpay_async.models._fields import Number


def _names_only(unknown: Mapping[str, object]) -> str:
    return f"<{', '.join(sorted(unknown))}>"


def extra_field() -> Mapping[str, object]:
    """Declare the members that are merged into an order's body; their values stay out of reprs."""
    extra: Mapping[str, object] = field(
        factory=dict[str, object], converter=to_extra, repr=_names_only, hash=False
    )
    return extra


def unknown_fields_field() -> Mapping[str, object]:
    """Declare the field that keeps what an answer held beyond the reference; its values stay out of reprs."""
    kept: Mapping[str, object] = field(factory=dict[str, object], eq=False, repr=_names_only)
    return kept


@frozen(kw_only=True, eq=False, repr=False, field_transformer=exact)
class PaymentLinkOrder(Value):
    """An order that the customer pays through a link (page "Send Payment Link").

    Args:
        products: The lines; at least one.
        summary: The totals; see ``OrderSummary.of``.
        order_date: A date or a zone-aware datetime, now or later.
        customer: Needs ``type``, and an e-mail address or a country code with a phone number.
        invoice_as_payment_option: Let the customer choose an invoice instead.
        send_order_by: How the link is sent. Defaults to not at all.
        reference_no: Your reference.
        customer_reference: The customer's reference.
        secure_details: Show the order only after the customer has identified with BankID.
        callback_url: The URL to which the API sends callbacks, by HTTP GET. Masked in reprs.
        extra: Members that are merged deeply into the body, under their wire names, such as
            ``{"isCreditCheckAvailable": False}``. They are not validated.
    """

    products: tuple[Product, ...] = field(converter=to_products)
    summary: OrderSummary = field(validator=is_a(OrderSummary))
    order_date: date = field(converter=to_date)
    customer: Customer = field(validator=is_a(Customer))
    invoice_as_payment_option: bool
    send_order_by: SendOrderBy | None = field(default=None, validator=is_a_or_none(SendOrderBy))
    reference_no: str | None = None
    customer_reference: str | None = None
    secure_details: bool | None = None
    callback_url: str | None = field(default=None, repr=masked)
    extra: Mapping[str, object] = extra_field()


@frozen(kw_only=True, eq=False, repr=False, field_transformer=exact)
class _InvoicedOrder(Value):
    products: tuple[Product, ...] = field(converter=to_products)
    summary: OrderSummary = field(validator=is_a(OrderSummary))
    order_date: date = field(converter=to_date)
    customer: Customer = field(validator=is_a(Customer))
    invoice_interval: InvoiceInterval | int | None = field(default=None, converter=to_whole)
    invoice_maturity: int | None = field(default=None, converter=to_whole)
    invoice_fee_applicable: bool = True
    separate_invoices: bool | None = None
    reference_no: str | None = None
    customer_reference: str | None = None
    callback_url: str | None = field(default=None, repr=masked)
    extra: Mapping[str, object] = extra_field()


@frozen(kw_only=True, eq=False, repr=False, field_transformer=exact)
class InvoiceOrder(_InvoicedOrder):
    """An order that is invoiced: by EHF or e-invoice, else e-mail, else post (page "Send Invoice").

    Args:
        products: The lines; at least one.
        summary: The totals; see ``OrderSummary.of``.
        order_date: A date or a zone-aware datetime.
        customer: Needs ``type``, country code, phone number and e-mail address; if corporate, also an
            organisation number.
        invoice_interval: How often invoices are collected. Defaults to daily.
        invoice_maturity: Days until it is due: 10 for private customers; 14, 30 or 45 for corporate ones.
        invoice_fee_applicable: Whether the invoice fee is added.
        separate_invoices: Whether each order gets its own invoice. The API defaults to True.
        reference_no: Your reference.
        customer_reference: The customer's reference.
        callback_url: The URL to which the API sends callbacks, by HTTP GET. Masked in reprs.
        extra: Members that are merged deeply into the body, under their wire names, such as
            ``{"isCreditCheckAvailable": False}``. They are not validated.
    """


@frozen(kw_only=True, eq=False, repr=False, field_transformer=exact)
class EFakturaOrder(_InvoicedOrder):
    """An order that a private customer gets as e-faktura in the bank (page "Send E-Faktura").

    Args:
        products: The lines; at least one.
        summary: The totals; see ``OrderSummary.of``.
        order_date: A date or a zone-aware datetime.
        customer: Needs country code, phone number, e-mail address and ``personal_number``.
        invoice_interval: How often invoices are collected. Defaults to daily.
        invoice_maturity: Days until it is due: 10.
        invoice_fee_applicable: Whether the invoice fee is added.
        separate_invoices: Whether each order gets its own invoice. The API defaults to True.
        reference_no: Your reference.
        customer_reference: The customer's reference.
        callback_url: Required: the URL to which the API sends callbacks, by HTTP GET. Masked in reprs.
        extra: Members that are merged deeply into the body, under their wire names, such as
            ``{"isCreditCheckAvailable": False}``. They are not validated.
    """


@frozen(kw_only=True, eq=False, repr=False, field_transformer=exact)
class EhfOrder(_InvoicedOrder):
    """An order that a company gets as an EHF (PEPPOL) invoice (page "Send EHF Invoice").

    Args:
        products: The lines; at least one.
        summary: The totals; see ``OrderSummary.of``.
        order_date: A date or a zone-aware datetime.
        customer: Needs country code, phone number, e-mail address and ``organization_id``.
        invoice_interval: How often invoices are collected. Defaults to daily.
        invoice_maturity: Days until the due date: 14, 30 or 45. The API defaults to 14.
        invoice_fee_applicable: Whether the invoice fee is added.
        separate_invoices: Whether each order gets its own invoice. The API defaults to True.
        reference_no: Your reference.
        customer_reference: The customer's reference.
        callback_url: Required: the URL to which the API sends callbacks, by HTTP GET. Masked in reprs.
        extra: Members that are merged deeply into the body, under their wire names, such as
            ``{"isCreditCheckAvailable": False}``. They are not validated.
    """


class RefundType(StrEnum):
    """The kind of a refund (page "Refund Order")."""

    REGULAR = "regular"
    INVOICED = "invoiced"
    """Of an invoiced order."""


RefundTypeName: TypeAlias = RefundType | Literal["regular", "invoiced"]
_REFUND_TYPES = frozenset(RefundType)


def to_refund_type(value: RefundTypeName) -> RefundType:
    """Read a kind of refund; the rules check invalid ones."""
    return RefundType(value) if str(value) in _REFUND_TYPES else cast("RefundType", value)


@frozen(kw_only=True, eq=False, repr=False, field_transformer=exact)
class RefundLine(Value):
    """Refund part of one line of an order.

    Args:
        id: The line's numeric id, from ``OrderDetails.products[n].id``.
        amount: The refunded amount, in the order's currency.
    """

    id: int = field(converter=to_whole)
    amount: Decimal = field(converter=to_decimal)

    @classmethod
    def of(cls, product: Product | PartialProduct, amount: Number | None = None) -> Self:
        """Return the refund of a line of an order.

        Args:
            product: The line, from ``OrderDetails.products``.
            amount: The refunded amount, in the order's currency. Defaults to the line's amount.

        Raises:
            InvalidOrderError: The line has no id, its amount is not known, the amount is not more than 0, or
                the line's amount is smaller.
        """
        cost = product.amount
        if product.id is None:
            raise InvalidOrderError([Violation("id", "is needed: take the line from orders.get_details")])
        if amount is None and cost is None:
            raise InvalidOrderError(
                [Violation("amount", "is needed: the API did not return the line's amount")]
            )
        line = cls(id=product.id, amount=cast("Decimal", cost if amount is None else amount))
        if line.amount <= 0:
            demand = (
                "must be more than 0" if amount is not None else f"is needed: the line's amount is {cost:f}"
            )
            raise InvalidOrderError([Violation("amount", demand)])
        if cost is not None and line.amount > cost:
            raise InvalidOrderError([Violation("amount", f"must be at most the line's amount, {cost:f}")])
        return line


def to_lines(values: Iterable[RefundLine]) -> tuple[RefundLine, ...]:
    """Freeze the lines of a refund."""
    return tuple_of(RefundLine, values)


def sum_of(lines: Iterable[RefundLine]) -> Decimal:
    """Return what lines come to, whatever the caller's decimal context."""
    total = Decimal(0)
    for line in lines:
        total = EXACT.add(total, line.amount)
    return total


def all_lines(details: OrderDetails) -> list[RefundLine]:
    """Return the refund of each line that cost something."""
    violations: list[Violation] = []
    lines: list[RefundLine] = []
    for index, product in enumerate(details.products):
        if product.amount == 0:
            continue
        if product.amount is not None and product.amount < 0:
            demand = "is negative: pass the lines of this refund, with RefundLine.of"
            violations.append(Violation(f"products.{index}.amount", demand))
            continue
        try:
            lines.append(RefundLine.of(product))
        except InvalidOrderError as error:
            violations += [
                Violation(f"products.{index}.{each.path}", each.message) for each in error.violations
            ]
    if not lines and not violations:
        violations.append(Violation("products", "have nothing to refund"))
    if violations:
        raise InvalidOrderError(violations)
    return lines


_UNTOUCHED = frozenset({OrderStatus.PAID, OrderStatus.INVOICED})
_MOST_LINES = 12


def remaining_lines(details: OrderDetails, report: OrderStatusReport) -> list[RefundLine]:
    """Return the refund of what has not been refunded yet."""
    # The API shows how much was refunded, not on which lines. They are known where nothing was refunded,
    # where the order has one line, and where just one choice of whole lines comes to what was refunded.
    if report.order_uuid != details.order_uuid:
        raise InvalidOrderError([Violation("orderUuid", "must be the same in the details and in the report")])
    refunded = report.refunded_amount
    if refunded is None and report.status in _UNTOUCHED:
        refunded = Decimal(0)
    if refunded is None:
        demand = "is not known: pass the lines of this refund, with RefundLine.of"
        raise InvalidOrderError([Violation("refundedAmount", demand)])
    lines = all_lines(details)
    left = EXACT.subtract(sum_of(lines), refunded)
    if left <= 0:
        raise InvalidOrderError(
            [Violation("refundedAmount", "is the whole order: nothing is left to refund")]
        )
    if refunded == 0:
        return lines
    if len(lines) == 1:
        return [RefundLine(id=lines[0].id, amount=left)]
    choices = _choices(lines, refunded) if len(lines) <= _MOST_LINES else []
    if len(choices) != 1:
        demand = "may belong to several lines: pass the lines of this refund, with RefundLine.of"
        raise InvalidOrderError([Violation("refundedAmount", demand)])
    taken = {line.id for line in choices[0]}
    return [line for line in lines if line.id not in taken]


def _choices(lines: list[RefundLine], amount: Decimal) -> list[tuple[RefundLine, ...]]:
    sizes = range(1, len(lines))
    return [each for size in sizes for each in combinations(lines, size) if sum_of(each) == amount]


@frozen(kw_only=True, eq=False, repr=False, field_transformer=exact)
class Refund(Value):
    """Refund an order, fully or partly (page "Refund Order").

    Whether it took effect shows in ``refunded_amount`` of ``orders.get_status``: compare it with what it was
    before.

    Args:
        grand_total: The total refund, in the order's currency: the sum of the lines.
        lines: The refunded lines; at least one.
        type: ``regular``, or ``invoiced`` for an invoiced order.
    """

    grand_total: Decimal = field(converter=to_decimal)
    lines: tuple[RefundLine, ...] = field(converter=to_lines)
    type: RefundType = field(default=RefundType.REGULAR, converter=to_refund_type)

    @classmethod
    def all(cls, details: OrderDetails, *, type: RefundTypeName = RefundType.REGULAR) -> Self:  # noqa: A002 - the field's name
        """Return the refund of a whole order of which nothing was refunded yet.

        Args:
            details: The order, from ``orders.get_details``.
            type: ``regular``, or ``invoiced`` for an invoiced order.

        Raises:
            InvalidOrderError: There are no lines, or one has no id, no amount or a negative amount.
        """
        lines = all_lines(details)
        return cls(grand_total=sum_of(lines), lines=lines, type=type)

    @classmethod
    def rest(
        cls,
        details: OrderDetails,
        report: OrderStatusReport,
        *,
        type: RefundTypeName = RefundType.REGULAR,  # noqa: A002 - the field's name
    ) -> Self:
        """Return the refund of what has not been refunded yet.

        The API shows how much was refunded, not on which lines: an order of several lines that was refunded
        in parts of lines is refused here.

        Args:
            details: The order, from ``orders.get_details``.
            report: Its status, from ``orders.get_status``: it has the refunded amount.
            type: ``regular``, or ``invoiced`` for an invoiced order.

        Raises:
            InvalidOrderError: The two are of different orders; what was refunded, or on which lines, is not
                known; or nothing is left.
        """
        lines = remaining_lines(details, report)
        return cls(grand_total=sum_of(lines), lines=lines, type=type)


@frozen(kw_only=True, eq=False, repr=False)
class CreatedOrder(Value):
    """The created order.

    Args:
        order_uuid: The order's id.
        customer_uuid: The customer's id, if the API returned it.
        unknown_fields: Undocumented and unreadable members of the response, by wire path.
    """

    order_uuid: str
    customer_uuid: str | None = None
    unknown_fields: Mapping[str, object] = unknown_fields_field()


@frozen(kw_only=True, eq=False, repr=False)
class OrderStatusEntry(Value):
    """The status of one order, as in the list.

    Args:
        order_uuid: The order's id.
        status: The status; open.
        unknown_fields: Undocumented and unreadable members of the response, by wire path.
    """

    order_uuid: str
    status: OrderStatus
    unknown_fields: Mapping[str, object] = unknown_fields_field()


@frozen(kw_only=True, eq=False, repr=False)
class OrderStatusReport(Value):
    """The status and amounts of one order.

    Args:
        order_uuid: The order's id.
        status: The status; open.
        order_amount: The order's amount, in its currency; None if the API omitted it.
        refunded_amount: The refunded amount, in the order's currency; None if the API omitted it.
        unknown_fields: Undocumented and unreadable members of the response, by wire path.
    """

    order_uuid: str
    status: OrderStatus
    order_amount: Decimal | None = None
    refunded_amount: Decimal | None = None
    unknown_fields: Mapping[str, object] = unknown_fields_field()


@frozen(kw_only=True, eq=False, repr=False)
class OrderDetails(Value):
    """All details of an order.

    Args:
        order_uuid: The order's id.
        type: The kind of order; open. None if the API omitted it.
        status: The status; open.
        invoice_number: The invoice number, once there is one.
        order_date: A zone-aware datetime or a date where the API's text could be read as one, else the text.
        payment_link_due_date: Read like ``order_date``.
        products: The lines, with their ``id`` if the API returns it. A line that lacks a number is a
            ``PartialProduct``.
        summary: The totals; a ``PartialSummary`` where one of them is missing, None if all are.
        customer: The customer; omitted texts are empty. None if it omitted all of it.
        unknown_fields: Undocumented and unreadable members of the response, by wire path.
    """

    order_uuid: str
    type: OrderType | None = None
    status: OrderStatus
    invoice_number: str | None = None
    order_date: datetime | date | str | None = None
    payment_link_due_date: datetime | date | str | None = None
    products: tuple[Product | PartialProduct, ...] = ()
    summary: OrderSummary | PartialSummary | None = None
    customer: Customer | None = None
    unknown_fields: Mapping[str, object] = unknown_fields_field()


@frozen(kw_only=True, eq=False, repr=False)
class InvoiceNumber(Value):
    """The invoice number of an order.

    Args:
        order_uuid: The order's id.
        invoice_number: The number; None while the order has none.
        status: The order's status; open.
        unknown_fields: Undocumented and unreadable members of the response, by wire path.
    """

    order_uuid: str
    invoice_number: str | None
    status: OrderStatus
    unknown_fields: Mapping[str, object] = unknown_fields_field()


@frozen(kw_only=True, eq=False, repr=False)
class OrderMatches(Value):
    """The candidates that match an order.

    Args:
        same: Those whose details show the same goods, totals, date and customer.
        unclear: Those that are neither the same nor clearly another order, or that the API does not show,
            or shows with the content of another candidate.
    """

    same: tuple[str, ...] = ()
    unclear: tuple[str, ...] = ()
