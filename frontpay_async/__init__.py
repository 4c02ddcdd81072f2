"""The asyncio SDK for Front Payment's Connect API: orders, invoices and card terminals.

async with FrontPayClient(token="…", environment="demo") as client:
    created = await client.orders.send_invoice(order)
"""

from frontpay_async._protocol.operations import DateFormat
from frontpay_async._transport.clock import Clock
from frontpay_async._transport.governor import RateStatistics
from frontpay_async._version import __version__
from frontpay_async.client import FrontPayClient
from frontpay_async.errors import (
    AlreadyCancelledError,
    AlreadyPaidError,
    APIError,
    AuthenticationError,
    BusinessRuleError,
    ConfigurationError,
    FrontPayError,
    InvalidOrderError,
    NotFoundError,
    NotSentError,
    Outcome,
    OutcomeUnknownError,
    PermissionDeniedError,
    RateBudgetExceededError,
    RateLimitedError,
    RefundRejectedError,
    RequestRejectedError,
    ServerError,
    TerminalBusyError,
    Violation,
)
from frontpay_async.models.common import (
    Address,
    Customer,
    CustomerType,
    InvoiceInterval,
    Language,
    OrderSummary,
    Product,
    SendOrderBy,
)
from frontpay_async.models.orders import (
    CreatedOrder,
    EFakturaOrder,
    EhfOrder,
    InvoiceNumber,
    InvoiceOrder,
    OrderDetails,
    OrderStatusEntry,
    OrderStatusReport,
    PaymentLinkOrder,
    Refund,
    RefundLine,
)
from frontpay_async.models.statuses import OrderStatus, PaymentStatus, RefundStatus
from frontpay_async.models.terminals import (
    CreatedTerminalOrder,
    InvoiceReferences,
    Terminal,
    TerminalOrder,
    TerminalRefund,
)
from frontpay_async.records import AttemptRecord, ResultRecord
from frontpay_async.settings import Environment, Priority, RateLimit, RetryPolicy, Timeouts

__all__ = [
    "APIError",
    "Address",
    "AlreadyCancelledError",
    "AlreadyPaidError",
    "AttemptRecord",
    "AuthenticationError",
    "BusinessRuleError",
    "Clock",
    "ConfigurationError",
    "CreatedOrder",
    "CreatedTerminalOrder",
    "Customer",
    "CustomerType",
    "DateFormat",
    "EFakturaOrder",
    "EhfOrder",
    "Environment",
    "FrontPayClient",
    "FrontPayError",
    "InvalidOrderError",
    "InvoiceInterval",
    "InvoiceNumber",
    "InvoiceOrder",
    "InvoiceReferences",
    "Language",
    "NotFoundError",
    "NotSentError",
    "OrderDetails",
    "OrderStatus",
    "OrderStatusEntry",
    "OrderStatusReport",
    "OrderSummary",
    "Outcome",
    "OutcomeUnknownError",
    "PaymentLinkOrder",
    "PaymentStatus",
    "PermissionDeniedError",
    "Priority",
    "Product",
    "RateBudgetExceededError",
    "RateLimit",
    "RateLimitedError",
    "RateStatistics",
    "Refund",
    "RefundLine",
    "RefundRejectedError",
    "RefundStatus",
    "RequestRejectedError",
    "ResultRecord",
    "RetryPolicy",
    "SendOrderBy",
    "ServerError",
    "Terminal",
    "TerminalBusyError",
    "TerminalOrder",
    "TerminalRefund",
    "Timeouts",
    "Violation",
    "__version__",
]
