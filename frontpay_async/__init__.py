"""The asyncio SDK for Front Payment's Connect API: orders, invoices and card terminals.

    async with FrontPayClient(token="…", environment="demo") as client:
        created = await client.orders.send_invoice(order)

The names are imported when they are first used, so that ``import frontpay_async`` costs next to nothing where
only some of it is needed: in a test plugin, say, or for an error class.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from frontpay_async._version import __version__

if TYPE_CHECKING:
    from frontpay_async._protocol.operations import DateFormat
    from frontpay_async._protocol.watches import WatchKind
    from frontpay_async._transport.clock import Clock
    from frontpay_async._transport.governor import RateStatistics
    from frontpay_async.client import FrontPayClient
    from frontpay_async.connection_pool import ConnectionPool
    from frontpay_async.errors import (
        AlreadyCancelledError,
        AlreadyPaidError,
        APIError,
        AuthenticationError,
        BusinessRuleError,
        CallbackError,
        ConfigurationError,
        FrontPayError,
        InvalidChecksumError,
        InvalidOrderError,
        NotFoundError,
        NotSentError,
        Outcome,
        OutcomeUnknownError,
        PermissionDeniedError,
        RateBudgetExceededError,
        RateLimitedError,
        RefundRejectedError,
        ReplayedCallbackError,
        RequestRejectedError,
        ServerError,
        StaleCallbackError,
        TerminalBusyError,
        Violation,
        WatchTimeoutError,
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
        OrderMatches,
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
    from frontpay_async.watch import WatchStatistics

_HOMES = {
    "frontpay_async._protocol.operations": ("DateFormat",),
    "frontpay_async._protocol.watches": ("WatchKind",),
    "frontpay_async._transport.clock": ("Clock",),
    "frontpay_async._transport.governor": ("RateStatistics",),
    "frontpay_async.client": ("FrontPayClient",),
    "frontpay_async.connection_pool": ("ConnectionPool",),
    "frontpay_async.errors": (
        "AlreadyCancelledError",
        "AlreadyPaidError",
        "APIError",
        "AuthenticationError",
        "BusinessRuleError",
        "CallbackError",
        "ConfigurationError",
        "FrontPayError",
        "InvalidChecksumError",
        "InvalidOrderError",
        "NotFoundError",
        "NotSentError",
        "Outcome",
        "OutcomeUnknownError",
        "PermissionDeniedError",
        "RateBudgetExceededError",
        "RateLimitedError",
        "RefundRejectedError",
        "ReplayedCallbackError",
        "RequestRejectedError",
        "ServerError",
        "StaleCallbackError",
        "TerminalBusyError",
        "Violation",
        "WatchTimeoutError",
    ),
    "frontpay_async.models.common": (
        "Address",
        "Customer",
        "CustomerType",
        "InvoiceInterval",
        "Language",
        "OrderSummary",
        "Product",
        "SendOrderBy",
    ),
    "frontpay_async.models.orders": (
        "CreatedOrder",
        "EFakturaOrder",
        "EhfOrder",
        "InvoiceNumber",
        "InvoiceOrder",
        "OrderDetails",
        "OrderMatches",
        "OrderStatusEntry",
        "OrderStatusReport",
        "PaymentLinkOrder",
        "Refund",
        "RefundLine",
    ),
    "frontpay_async.models.statuses": (
        "OrderStatus",
        "PaymentStatus",
        "RefundStatus",
    ),
    "frontpay_async.models.terminals": (
        "CreatedTerminalOrder",
        "InvoiceReferences",
        "Terminal",
        "TerminalOrder",
        "TerminalRefund",
    ),
    "frontpay_async.records": (
        "AttemptRecord",
        "ResultRecord",
    ),
    "frontpay_async.settings": (
        "Environment",
        "Priority",
        "RateLimit",
        "RetryPolicy",
        "Timeouts",
    ),
    "frontpay_async.watch": ("WatchStatistics",),
}
_HOME_OF = {name: home for home, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    home = _HOME_OF.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(home), name)
    # Found without this function from now on.
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME_OF})


__all__ = [
    "APIError",
    "Address",
    "AlreadyCancelledError",
    "AlreadyPaidError",
    "AttemptRecord",
    "AuthenticationError",
    "BusinessRuleError",
    "CallbackError",
    "Clock",
    "ConfigurationError",
    "ConnectionPool",
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
    "InvalidChecksumError",
    "InvalidOrderError",
    "InvoiceInterval",
    "InvoiceNumber",
    "InvoiceOrder",
    "InvoiceReferences",
    "Language",
    "NotFoundError",
    "NotSentError",
    "OrderDetails",
    "OrderMatches",
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
    "ReplayedCallbackError",
    "RequestRejectedError",
    "ResultRecord",
    "RetryPolicy",
    "SendOrderBy",
    "ServerError",
    "StaleCallbackError",
    "Terminal",
    "TerminalBusyError",
    "TerminalOrder",
    "TerminalRefund",
    "Timeouts",
    "Violation",
    "WatchKind",
    "WatchStatistics",
    "WatchTimeoutError",
    "__version__",
]
