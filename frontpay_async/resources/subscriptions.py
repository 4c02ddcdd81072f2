"""Subscriptions: orders that bill the customer in cycles.

Every method may raise any ``FrontPayError``; "Raises" names those that the operation adds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from frontpay_async._protocol.operations import subscriptions as rows
from frontpay_async._protocol.request_bodies import Note
from frontpay_async.resources.filters import subscription_filter
from frontpay_async.resources.pages import Pages

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import date
    from decimal import Decimal

    from frontpay_async._session import Session
    from frontpay_async._transport.call import CallOptions
    from frontpay_async.models.statuses import SubscriptionStatus
    from frontpay_async.models.subscriptions import (
        CreatedSubscription,
        FailedOrderDetails,
        FailedOrderEntry,
        SubscriptionDetails,
        SubscriptionEntry,
        SubscriptionOrder,
        SubscriptionSession,
    )


@frozen(eq=False, repr=False)
class Subscriptions:
    """The operations on subscriptions; reached as ``client.subscriptions``."""

    _session: Session
    _options: CallOptions

    async def submit(self, subscription: SubscriptionOrder) -> CreatedSubscription:
        """Create a subscription that the customer accepts through a link (page "Create Subscription").

        Its path is in the plural on the newest page and in the singular elsewhere: the one that the API
        takes is found out and remembered.

        Evidence: vendor page.

        Args:
            subscription: The subscription.

        Returns:
            The ids, and the page on which the customer accepts it.

        Raises:
            InvalidOrderError: The subscription breaks a documented rule; nothing was sent.
            RequestRejectedError: The API's validation rejected it; nothing was done.
            OutcomeUnknownError: The response was lost. Look in ``subscriptions.list`` for one that your
                records do not know.
        """
        return await self._session.execute(rows.SUBMIT_SUBSCRIPTION, self._options, value=subscription)

    async def create_session(self, session: SubscriptionSession) -> CreatedSubscription:
        """Create a subscription that the customer accepts on a page (page "Subscription Session").

        Evidence: vendor page.

        Args:
            session: The subscription, with how it is paid and the URLs to which the browser returns.

        Returns:
            The ids, and the page to which to redirect the browser.

        Raises:
            InvalidOrderError: The session breaks a documented rule; nothing was sent.
            RequestRejectedError: The API's validation rejected it; nothing was done.
            OutcomeUnknownError: The response was lost. Look in ``subscriptions.list`` for one that your
                records do not know.
        """
        return await self._session.execute(rows.CREATE_SUBSCRIPTION_SESSION, self._options, value=session)

    async def get_details(self, subscription_uuid: str) -> SubscriptionDetails:
        """Get all details of a subscription (page "Subscription Details").

        Evidence: vendor page.

        Args:
            subscription_uuid: The subscription, such as ``SUB3506777330``.

        Returns:
            The subscription with its cycles.

        Raises:
            NotFoundError: There is no such subscription.
        """
        return await self._session.execute(
            rows.GET_SUBSCRIPTION_DETAILS, self._options, uuid=subscription_uuid
        )

    async def get_failed_details(self, order_uuid: str) -> FailedOrderDetails:
        """Get the order of a cycle whose payment failed (page "Failed Order Details").

        Evidence: vendor page.

        Args:
            order_uuid: The order of the cycle.

        Returns:
            The order.

        Raises:
            NotFoundError: There is no such order.
        """
        return await self._session.execute(rows.GET_FAILED_ORDER_DETAILS, self._options, uuid=order_uuid)

    async def resend(
        self,
        subscription_uuid: str,
        *,
        order_uuid: str,
        country_code: str | None = None,
        msisdn: str | None = None,
        email: str | None = None,
    ) -> None:
        """Send the link of a subscription again, to any address (page "Resend Subscription").

        Give an e-mail address, or a country code and a phone number, or all three.

        Evidence: client only.

        Args:
            subscription_uuid: The subscription, such as ``SUB3506777330``.
            order_uuid: Its order.
            country_code: The country code of the phone number, such as ``+47``.
            msisdn: The phone number without country code.
            email: The e-mail address.

        Raises:
            InvalidOrderError: No complete address; nothing was sent.
            NotFoundError: There is no such subscription.
            OutcomeUnknownError: The response was lost. The API shows no trace of it; sending it
                again causes a second message at worst.
        """
        where = rows.SubscriptionResend(order_uuid, country_code, msisdn, email)
        # Deleted so that tracebacks do not contain them.
        del msisdn, email
        await self._session.execute(
            rows.RESEND_SUBSCRIPTION, self._options, uuid=subscription_uuid, value=where
        )

    async def cancel(self, subscription_uuid: str, *, note: str) -> None:
        """Cancel a subscription that is SENT or ONGOING (page "Cancel Subscription").

        Safe to repeat.

        Evidence: vendor page.

        Args:
            subscription_uuid: The subscription, such as ``SUB3506777330``.
            note: The reason; required by the API.

        Raises:
            InvalidOrderError: The note is empty; nothing was sent.
            BusinessRuleError: Its status does not allow it.
            NotFoundError: There is no such subscription.
        """
        why = Note(note)
        # Deleted so that tracebacks do not contain it.
        del note
        await self._session.execute(
            rows.CANCEL_SUBSCRIPTION, self._options, uuid=subscription_uuid, value=why
        )

    async def refund_cycles(
        self,
        subscription_uuid: str,
        *,
        cycles: Iterable[str],
        amount: Decimal | int | str,
    ) -> None:
        """Refund cycles of a subscription (page "Refund Subscription Cycles").

        Evidence: vendor page.

        Args:
            subscription_uuid: The subscription, such as ``SUB3506777330``.
            cycles: The names of the cycles, such as ``Cycle 1``, from ``get_details``.
            amount: The total refund, in the subscription's currency.

        Raises:
            InvalidOrderError: No cycle is named; nothing was sent.
            CycleNotFoundError: The subscription has no such cycle; ``cycle`` names it.
            CycleRejectedError: Some of the cycles cannot be refunded.
            NotFoundError: There is no such subscription.
            OutcomeUnknownError: The response was lost. Look at ``subscriptions.get_details``: the cycles
                are refunded if it took effect.
        """
        refund = rows.CycleRefund(cycles, amount)
        await self._session.execute(rows.REFUND_CYCLES, self._options, uuid=subscription_uuid, value=refund)

    def list(
        self,
        *,
        status: SubscriptionStatus | str | None = None,
        phone: str | None = None,
        customer_name: str | None = None,
        start_date: date | None = None,
        end_date: date | None = None,
    ) -> Pages[SubscriptionEntry]:
        """List subscriptions, page by page (page "Subscription List").

        Evidence: vendor page.

        Args:
            status: Only subscriptions with this status. Defaults to all.
            phone: Only those of a customer with this phone number.
            customer_name: Only those of customers of this name.
            start_date: Only those from this day on; give both days or neither.
            end_date: Only those up to this day.

        Returns:
            The rows: ``async for`` reads all pages, ``.page(n)`` one.

        Raises:
            InvalidOrderError: Only one of both days is given, or they are the wrong way round; nothing was
                sent.
        """
        query, steps = subscription_filter(
            rows.LIST_SUBSCRIPTIONS,
            status=status,
            phone=phone,
            customer_name=customer_name,
            start_date=start_date,
            end_date=end_date,
        )
        return Pages(self._session, self._options, rows.LIST_SUBSCRIPTIONS, query, steps)

    def list_failed(
        self,
        *,
        status: str | None = None,
        subscription_uuid: str | None = None,
        phone: str | None = None,
        customer_name: str | None = None,
        start_date: date | None = None,
        end_date: date | None = None,
    ) -> Pages[FailedOrderEntry]:
        """List cycles whose payment failed, page by page (page "Failed Order List").

        Evidence: vendor page.

        Args:
            status: Only those with this status: ``paid``, ``invoiced`` or ``debtCollection``. Defaults to
                all.
            subscription_uuid: Only those of this subscription.
            phone: Only those of a customer with this phone number.
            customer_name: Only those of customers of this name.
            start_date: Only those from this day on; give both days or neither.
            end_date: Only those up to this day.

        Returns:
            The rows: ``async for`` reads all pages, ``.page(n)`` one.

        Raises:
            InvalidOrderError: Only one of both days is given, or they are the wrong way round; nothing was
                sent.
        """
        query, steps = subscription_filter(
            rows.LIST_FAILED_ORDERS,
            status=status,
            phone=phone,
            customer_name=customer_name,
            start_date=start_date,
            end_date=end_date,
            subscription_uuid=subscription_uuid,
        )
        return Pages(self._session, self._options, rows.LIST_FAILED_ORDERS, query, steps)
