"""What a type checker knows of the values that go in and come out. Checked, not run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import assert_type

from frontpay_async import (
    Address,
    CreatedOrder,
    CreatedTerminalOrder,
    Customer,
    CustomerType,
    InvoiceInterval,
    InvoiceNumber,
    InvoiceOrder,
    Language,
    OrderDetails,
    OrderStatus,
    OrderStatusReport,
    OrderSummary,
    OrderType,
    PartialProduct,
    PartialSummary,
    PaymentLinkOrder,
    PaymentStatus,
    Product,
    Refund,
    RefundLine,
    RefundStatus,
    RefundType,
    SendOrderBy,
    Terminal,
    TerminalOrder,
    TerminalRefund,
)


def numbers() -> None:
    """A Decimal, an int, or text goes in; a Decimal comes out; a float stays outside."""
    line = Product(name="Klipp", quantity=1, rate="640.00", tax=Decimal(25), discount="0", amount=640)
    assert_type(line.quantity, Decimal)
    assert_type(line.rate, Decimal)
    assert_type(line.tax, Decimal)
    assert_type(line.amount, Decimal)
    assert_type(line.discount, Decimal)
    assert_type(line.id, int | None)
    Product(name="x", quantity=1.5, rate=1, tax=0)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Product(name="x", quantity=1, rate=9.9, tax=0)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Product(name="x", quantity=1, rate=1, tax=0.25)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Product(name="x", quantity=1, rate=1, tax=0, amount=1.0)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Product(name="x", quantity=1, rate=1, tax=0, discount=0.1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Product("x", 1, 1, 0)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    Product(name="x", quantity=1, rate=1)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def totals(lines: list[Product]) -> None:
    assert_type(OrderSummary.of(lines), OrderSummary)
    summary = OrderSummary(sub_total="80.00", total_tax=20, total_discount=Decimal(0), grand_total="100")
    assert_type(summary.sub_total, Decimal)
    assert_type(summary.grand_total, Decimal)
    OrderSummary(sub_total=0.8, total_tax=0, total_discount=0, grand_total=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    OrderSummary(sub_total=0, total_tax=0, total_discount=0, grand_total=1.0)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def refunds() -> None:
    line = RefundLine(id=5410, amount="10.00")
    assert_type(line.amount, Decimal)
    assert_type(Refund(grand_total=10, lines=[line]).grand_total, Decimal)
    assert_type(Refund(grand_total=10, lines=(line,), type="invoiced").lines, tuple[RefundLine, ...])
    assert_type(TerminalRefund(grand_total="10", lines=[line], is_reversal=True).is_reversal, bool)
    RefundLine(id=5410, amount=10.0)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Refund(grand_total=10.0, lines=[line])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Refund(grand_total=10, lines=[line], type="partial")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    TerminalRefund(grand_total=1.5, lines=[line])  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def people(home: Address) -> Customer:
    Customer(name="Eva", address=home, type="private", preferred_language="no")
    Customer(name="Eva", address="Oslo")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    Customer(name="Eva")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    return Customer(
        name="Eva", address=home, type=CustomerType.CORPORATE, preferred_language=Language.NORWEGIAN
    )


def some_lines(line: Product) -> Iterator[Product]:
    yield line


def orders(line: Product, summary: OrderSummary, customer: Customer) -> None:
    """Lines come in any iterable, and stay in a tuple."""
    order = InvoiceOrder(
        products=[line],
        summary=summary,
        order_date=datetime.now(UTC),
        customer=customer,
        invoice_interval=InvoiceInterval.DAILY,
        invoice_maturity=10,
    )
    assert_type(order.products, tuple[Product, ...])
    assert_type(order.order_date, date)
    assert_type(order.customer, Customer)
    assert_type(order.callback_url, str | None)
    InvoiceOrder(products=some_lines(line), summary=summary, order_date=date(2031, 3, 2), customer=customer)
    PaymentLinkOrder(
        products=(line,),
        summary=summary,
        order_date=date(2031, 3, 2),
        customer=customer,
        invoice_as_payment_option=False,
        send_order_by=SendOrderBy(sms=True, email=False),
    )
    TerminalOrder(
        products=[line],
        summary=summary,
        order_date=date(2031, 3, 2),
        customer=customer,
        terminal_uuid="TRML1",
        receipt_print=True,
        send_order_by=SendOrderBy(sms=True, email=False),
    )


def wrong_orders(line: Product, summary: OrderSummary, customer: Customer, day: date) -> None:
    InvoiceOrder(products=line, summary=summary, order_date=day, customer=customer)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    InvoiceOrder(products=["x"], summary=summary, order_date=day, customer=customer)  # type: ignore[list-item]  # pyright: ignore[reportArgumentType]
    InvoiceOrder(products=[line], summary=summary, order_date="2031-03-02", customer=customer)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    InvoiceOrder(products=[line], summary=summary, order_date=day, customer="Eva")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    InvoiceOrder(products=[line], summary=summary, order_date=day)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    PaymentLinkOrder(products=[line], summary=summary, order_date=day, customer=customer)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    SendOrderBy(True, False)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def frozen(line: Product, order: InvoiceOrder, created: CreatedOrder) -> None:
    line.rate = Decimal(1)  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    order.invoice_maturity = 10  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    created.order_uuid = "ODR2"  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]


def answers(
    *,
    created: CreatedOrder,
    terminal_order: CreatedTerminalOrder,
    report: OrderStatusReport,
    details: OrderDetails,
    number: InvoiceNumber,
    terminal: Terminal,
) -> None:
    assert_type(created.order_uuid, str)
    assert_type(created.customer_uuid, str | None)
    assert_type(created.unknown_fields, Mapping[str, object])
    assert_type(terminal_order.order_uuid, str)
    assert_type(report.status, OrderStatus)
    assert_type(report.order_amount, Decimal | None)
    assert_type(report.refunded_amount, Decimal | None)
    assert_type(details.products, tuple[Product | PartialProduct, ...])
    assert_type(details.summary, OrderSummary | PartialSummary | None)
    assert_type(details.customer, Customer | None)
    assert_type(details.order_date, datetime | date | str | None)
    assert_type(number.invoice_number, str | None)
    assert_type(terminal.status, int | None)


def statuses(text: str) -> None:
    """Open: any text is a status, so a match over the members proves nothing."""
    assert_type(OrderStatus(text), OrderStatus)
    assert_type(OrderStatus(text).is_final, bool)
    assert_type(PaymentStatus("ON HOLD").is_final, bool)
    assert_type(RefundStatus("ON HOLD").is_final, bool)
    as_text: str = OrderStatus.PAID
    assert_type(as_text == "PAID", bool)


def refunds_of_orders(details: OrderDetails, report: OrderStatusReport, line: Product) -> None:
    assert_type(RefundLine.of(line, "10.00"), RefundLine)
    assert_type(RefundLine.of(line), RefundLine)
    assert_type(Refund.all(details, type="invoiced"), Refund)
    assert_type(Refund.rest(details, report), Refund)
    assert_type(Refund.all(details).type, RefundType)
    assert_type(TerminalRefund.all(details, is_reversal=True), TerminalRefund)
    assert_type(TerminalRefund.rest(details, report), TerminalRefund)
    assert_type(details.type, OrderType | None)
    Refund.all(details, type="partial")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    RefundLine.of(line, 1.5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def extras(line: Product, summary: OrderSummary, customer: Customer) -> None:
    order = InvoiceOrder(
        products=[line],
        summary=summary,
        order_date=date(2031, 3, 2),
        customer=customer,
        extra={"isCreditCheckAvailable": False, "products": {"0": {"unit": "stk"}}},
    )
    assert_type(order.extra, Mapping[str, object])


def plain(line: Product, order: InvoiceOrder) -> None:
    assert_type(line.to_dict(), dict[str, object])
    assert_type(order.to_dict(names="wire", personal_data=True), dict[str, object])
    assert_type(InvoiceOrder.from_dict({}, names="wire"), InvoiceOrder)
    order.to_dict(names="camel")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
