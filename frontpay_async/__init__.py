"""The asyncio SDK for Front Payment's Connect API: orders, invoices and card terminals.

    async with FrontPayClient(token="…", environment="demo") as client:
        created = await client.orders.send_invoice(order)

Each name is imported on first use, so ``import frontpay_async`` is cheap if only a part of it is needed, such
as an error class or a test plugin. The block below is the only list of public names: type checkers read it as
imports, and ``__getattr__`` reads it as data.
"""

from __future__ import annotations

import re
from functools import cache
from importlib import import_module
from operator import methodcaller
from typing import TYPE_CHECKING

from frontpay_async._version import __version__ as __version__

if TYPE_CHECKING:
    from frontpay_async._protocol.operations import DateFormat as DateFormat, Safety as Safety
    from frontpay_async._rate.governor import RateStatistics as RateStatistics
    from frontpay_async._transport.clock import Clock as Clock
    from frontpay_async._transport.connection_pool import ConnectionPool as ConnectionPool
    from frontpay_async.client import FrontPayClient as FrontPayClient
    from frontpay_async.errors import (
        AlreadyCancelledError as AlreadyCancelledError,
        AlreadyCompletedError as AlreadyCompletedError,
        AlreadyInvoicedError as AlreadyInvoicedError,
        AlreadyPaidError as AlreadyPaidError,
        AlreadyPaidOrCancelledError as AlreadyPaidOrCancelledError,
        APIError as APIError,
        AuthenticationError as AuthenticationError,
        BusinessRuleError as BusinessRuleError,
        CallbackError as CallbackError,
        ConfigurationError as ConfigurationError,
        CreditCheckRejectedError as CreditCheckRejectedError,
        CycleNotFoundError as CycleNotFoundError,
        CycleRejectedError as CycleRejectedError,
        FrontPayError as FrontPayError,
        InvalidChecksumError as InvalidChecksumError,
        InvalidOrderError as InvalidOrderError,
        NotFoundError as NotFoundError,
        NotSentError as NotSentError,
        Outcome as Outcome,
        OutcomeUnknownError as OutcomeUnknownError,
        PermissionDeniedError as PermissionDeniedError,
        PrerequisiteFailedError as PrerequisiteFailedError,
        RateBudgetExceededError as RateBudgetExceededError,
        RateLimitedError as RateLimitedError,
        RefundRejectedError as RefundRejectedError,
        ReplayedCallbackError as ReplayedCallbackError,
        RequestRejectedError as RequestRejectedError,
        ServerError as ServerError,
        StaleCallbackError as StaleCallbackError,
        TerminalBusyError as TerminalBusyError,
        Violation as Violation,
        WatchTimeoutError as WatchTimeoutError,
    )
    from frontpay_async.models.checkout import (
        CheckoutLink as CheckoutLink,
        CheckoutSession as CheckoutSession,
        HostedCheckout as HostedCheckout,
        InvoiceSession as InvoiceSession,
        SessionReferences as SessionReferences,
    )
    from frontpay_async.models.checks import (
        CompanyCheck as CompanyCheck,
        CreditCheck as CreditCheck,
        StartedCompanyCheck as StartedCompanyCheck,
    )
    from frontpay_async.models.common import (
        Address as Address,
        Customer as Customer,
        CustomerType as CustomerType,
        InvoiceInterval as InvoiceInterval,
        Language as Language,
        OrderSummary as OrderSummary,
        PartialProduct as PartialProduct,
        PartialSummary as PartialSummary,
        Product as Product,
        SendOrderBy as SendOrderBy,
    )
    from frontpay_async.models.customers import (
        CorporateCustomerUpdate as CorporateCustomerUpdate,
        CustomerContact as CustomerContact,
        CustomerRecord as CustomerRecord,
        PrivateCustomerUpdate as PrivateCustomerUpdate,
    )
    from frontpay_async.models.listing import Listing as Listing
    from frontpay_async.models.orders import (
        CreatedOrder as CreatedOrder,
        EFakturaOrder as EFakturaOrder,
        EhfOrder as EhfOrder,
        InvoiceNumber as InvoiceNumber,
        InvoiceOrder as InvoiceOrder,
        OrderDetails as OrderDetails,
        OrderMatches as OrderMatches,
        OrderStatusEntry as OrderStatusEntry,
        OrderStatusReport as OrderStatusReport,
        PaymentLinkOrder as PaymentLinkOrder,
        Refund as Refund,
        RefundLine as RefundLine,
        RefundType as RefundType,
    )
    from frontpay_async.models.pages import (
        Page as Page,
    )
    from frontpay_async.models.raw import RawResponse as RawResponse
    from frontpay_async.models.records import (
        AttemptRecord as AttemptRecord,
        CallResult as CallResult,
        ResultRecord as ResultRecord,
    )
    from frontpay_async.models.reservations import (
        Capture as Capture,
        CaptureLine as CaptureLine,
        Charge as Charge,
        CreatedReservation as CreatedReservation,
        ReservationDetails as ReservationDetails,
        ReservationEvent as ReservationEvent,
        ReservationHistoryEntry as ReservationHistoryEntry,
        ReservationOrder as ReservationOrder,
        ReservationPayment as ReservationPayment,
        ReservationPayments as ReservationPayments,
        ReservationRefund as ReservationRefund,
        ReservationSession as ReservationSession,
        ReservedProduct as ReservedProduct,
    )
    from frontpay_async.models.statuses import (
        OrderStatus as OrderStatus,
        OrderType as OrderType,
        PaymentStatus as PaymentStatus,
        RefundStatus as RefundStatus,
        ReservationStatus as ReservationStatus,
        SubscriptionStatus as SubscriptionStatus,
    )
    from frontpay_async.models.subscriptions import (
        CreatedSubscription as CreatedSubscription,
        FailedOrderDetails as FailedOrderDetails,
        FailedOrderEntry as FailedOrderEntry,
        SubscriptionCycle as SubscriptionCycle,
        SubscriptionDetails as SubscriptionDetails,
        SubscriptionEntry as SubscriptionEntry,
        SubscriptionOrder as SubscriptionOrder,
        SubscriptionSession as SubscriptionSession,
    )
    from frontpay_async.models.terminals import (
        CreatedTerminalOrder as CreatedTerminalOrder,
        InvoiceReferences as InvoiceReferences,
        Terminal as Terminal,
        TerminalOrder as TerminalOrder,
        TerminalRefund as TerminalRefund,
    )
    from frontpay_async.priority import Priority as Priority
    from frontpay_async.resources.pages import Pages as Pages
    from frontpay_async.settings import (
        Environment as Environment,
        RateLimit as RateLimit,
        RetryPolicy as RetryPolicy,
        Timeouts as Timeouts,
    )
    from frontpay_async.watch.hub import WatchStatistics as WatchStatistics
    from frontpay_async.watch.kinds import WatchKind as WatchKind


_IMPORT = re.compile(r"^    from ([\w.]+) import (?:\(([^)]+)\)|(.+))$", re.MULTILINE)


@cache
def _modules() -> dict[str, str]:
    """Read the module of each public name from the block above."""
    # What pkgutil.get_data does, without the time that importing pkgutil takes; works in a zip file, too.
    content: bytes = methodcaller("get_data", __file__)(import_module(__name__).__loader__)
    return {
        name: module
        for module, several, one in _IMPORT.findall(content.decode())
        for name in re.findall(r"\w+(?= as )", several or one)
    }


def __getattr__(name: str) -> object:
    if name == "__all__":
        return __dir__()
    module = _modules().get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(module), name)
    # The next access does not come here.
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*_modules(), "__version__"])
