"""Orders: payment links, invoices, e-faktura, EHF, refunds, status.

Every method may raise any ``FrontPayError``; "Raises" names those that the operation adds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from frontpay_async._protocol import operations, request_bodies
from frontpay_async.errors import InvalidOrderError, Violation
from frontpay_async.models.statuses import OrderStatus

if TYPE_CHECKING:
    from collections.abc import Iterable

    from frontpay_async._session import Session
    from frontpay_async._transport.call import CallOptions
    from frontpay_async.models.listing import Listing
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
    )
    from frontpay_async.models.reservations import ReservationRefund

# Another value is answered as if there were no orders.
FILTERS = (
    OrderStatus.SENT,
    OrderStatus.PAID,
    OrderStatus.CANCELLED,
    OrderStatus.EXPIRED,
    OrderStatus.INVOICED,
    OrderStatus.REFUNDED,
    OrderStatus.PARTIAL_REFUNDED,
)


@frozen(eq=False, repr=False)
class Orders:
    """The operations on orders; reached as ``client.orders``."""

    _session: Session
    _options: CallOptions

    async def send_payment_link(self, order: PaymentLinkOrder) -> CreatedOrder:
        """Create an order that the customer pays through a link (page "Send Payment Link").

        Args:
            order: The order.

        Returns:
            The ids of the order and of its customer.

        Raises:
            InvalidOrderError: The order breaks a documented rule; nothing was sent.
            RequestRejectedError: The API's validation rejected it; nothing was created.
            OutcomeUnknownError: The response was lost. Look in ``orders.list_statuses`` for an order that
                your records do not know and that ``orders.find`` recognises by its content.
        """
        return await self._session.execute(operations.SEND_PAYMENT_LINK, self._options, value=order)

    async def send_invoice(self, order: InvoiceOrder) -> CreatedOrder:
        """Create an order that is invoiced (page "Send Invoice").

        Args:
            order: The order.

        Returns:
            The ids of the order and of its customer.

        Raises:
            InvalidOrderError: The order breaks a documented rule; nothing was sent.
            RequestRejectedError: The API's validation rejected it; nothing was created.
            OutcomeUnknownError: The response was lost. Look in ``orders.list_statuses`` for an order that
                your records do not know and that ``orders.find`` recognises by its content.
        """
        return await self._session.execute(operations.SEND_INVOICE, self._options, value=order)

    async def send_efaktura(self, order: EFakturaOrder) -> CreatedOrder:
        """Create an order that a private customer gets as e-faktura (page "Send E-Faktura").

        Args:
            order: The order.

        Returns:
            The ids of the order and of its customer.

        Raises:
            InvalidOrderError: The order breaks a documented rule; nothing was sent.
            RequestRejectedError: The API's validation rejected it; nothing was created.
            OutcomeUnknownError: The response was lost. Look in ``orders.list_statuses`` for an order that
                your records do not know and that ``orders.find`` recognises by its content.
        """
        return await self._session.execute(operations.SEND_EFAKTURA, self._options, value=order)

    async def send_ehf_invoice(self, order: EhfOrder) -> CreatedOrder:
        """Create an order that a company gets as an EHF invoice (page "Send EHF Invoice").

        Args:
            order: The order.

        Returns:
            The ids of the order and of its customer.

        Raises:
            InvalidOrderError: The order breaks a documented rule; nothing was sent.
            RequestRejectedError: The API's validation rejected it; nothing was created.
            OutcomeUnknownError: The response was lost. Look in ``orders.list_statuses`` for an order that
                your records do not know and that ``orders.find`` recognises by its content.
        """
        return await self._session.execute(operations.SEND_EHF_INVOICE, self._options, value=order)

    async def resend_payment_link(
        self,
        order_uuid: str,
        *,
        country_code: str | None = None,
        msisdn: str | None = None,
        email: str | None = None,
    ) -> None:
        """Send a payment link again, to any address (page "Resend Payment Link").

        Give an e-mail address, or a country code and a phone number, or all three.

        Args:
            order_uuid: The order.
            country_code: The country code of the phone number, such as ``+47``.
            msisdn: The phone number without country code.
            email: The e-mail address.

        Raises:
            InvalidOrderError: No complete address; nothing was sent.
            AlreadyPaidError: The order is paid.
            AlreadyCancelledError: The order is cancelled.
            NotFoundError: There is no such order.
            OutcomeUnknownError: The response was lost. The API shows no trace of it; sending it
                again causes a second message at worst.
        """
        where = request_bodies.Resend(country_code, msisdn, email)
        # Deleted so that tracebacks do not contain them.
        del msisdn, email
        await self._session.execute(
            operations.RESEND_PAYMENT_LINK, self._options, uuid=order_uuid, value=where
        )

    async def cancel(self, order_uuid: str, *, note: str) -> None:
        """Cancel an order (page "Cancel Order").

        Safe to repeat: an order that a lost first attempt cancelled counts as cancelled by this call.

        Args:
            order_uuid: The order.
            note: The reason; required by the API.

        Raises:
            InvalidOrderError: The note is empty; nothing was sent.
            AlreadyPaidError: The order is paid; refund it instead.
            AlreadyCancelledError: The order was cancelled before this call.
            NotFoundError: There is no such order.
        """
        why = request_bodies.Cancellation(note)
        # Deleted so that tracebacks do not contain it.
        del note
        await self._session.execute(operations.CANCEL_ORDER, self._options, uuid=order_uuid, value=why)

    async def refund(self, order_uuid: str, refund: Refund) -> None:
        """Refund an order, fully or partly (page "Refund Order").

        The API accepts the refund (202) and processes it; ``get_status`` shows the refunded amount.

        Args:
            order_uuid: The order.
            refund: The refund.

        Raises:
            InvalidOrderError: The refund breaks a documented rule; nothing was sent.
            RefundRejectedError: The API rejected it; see ``reason``.
            NotFoundError: There is no such order.
            OutcomeUnknownError: The response was lost. Look at ``orders.get_status``: ``refunded_amount``
                has grown if it took effect.
        """
        await self._session.execute(operations.REFUND_ORDER, self._options, uuid=order_uuid, value=refund)

    async def request_refund_approval(
        self, order_uuid: str, refund: Refund | ReservationRefund, *, reason: str
    ) -> None:
        """Ask Front Payment to approve a rejected refund (page "Request Refund Approval").

        For a refund above a threshold of the account. The path is not below the base URL's ``connect``.

        Evidence: vendor page.

        Args:
            order_uuid: The order, or the reservation.
            refund: The rejected refund.
            reason: The ``reason`` of the ``RefundRejectedError``.

        Raises:
            InvalidOrderError: The refund breaks a documented rule; nothing was sent.
            RefundRejectedError: It was requested before.
            NotFoundError: There is no such order.
            OutcomeUnknownError: The response was lost. Look at ``orders.get_status``: ``status`` may have
                become ``Refund Pending``; a person sees every request.
        """
        asked = request_bodies.refund_approval(refund, reason)
        await self._session.execute(
            operations.REQUEST_REFUND_APPROVAL, self._options, uuid=order_uuid, value=asked
        )

    async def list_statuses(self, *, status: OrderStatus | str | None = None) -> Listing[OrderStatusEntry]:
        """List the account's orders with their status (page "Get All Order Status").

        Args:
            status: Only orders with this status: SENT, PAID, CANCELLED, EXPIRED, INVOICED, REFUNDED or
                PARTIAL REFUNDED. Defaults to all.

        Returns:
            The orders; empty if there are none. Rows that could not be read are in its ``unreadable``, whose
            last one is None if the API says that there are more rows than it shows.

        Raises:
            InvalidOrderError: The API cannot filter by this status; nothing was sent.
        """
        query = None
        if status is not None:
            # Callers without a type checker may pass anything; as text, it is not among the filters.
            wanted = OrderStatus(str(status))
            if wanted not in FILTERS:
                must = Violation("type", f"must be one of {', '.join(FILTERS)}")
                raise InvalidOrderError([must], operation=operations.LIST_ORDER_STATUSES.name)
            query = {"type": wanted.value}
        return await self._session.execute(operations.LIST_ORDER_STATUSES, self._options, query=query)

    async def get_status(self, order_uuid: str) -> OrderStatusReport:
        """Get an order's status and amounts (page "Get Order Status By UUID").

        Args:
            order_uuid: The order.

        Returns:
            The status; amounts if the API returns them.

        Raises:
            NotFoundError: There is no such order.
        """
        return await self._session.execute(operations.GET_ORDER_STATUS, self._options, uuid=order_uuid)

    async def get_details(self, order_uuid: str) -> OrderDetails:
        """Get all details of an order (page "Get Order Details By UUID").

        Args:
            order_uuid: The order.

        Returns:
            The order with its lines, totals and customer.

        Raises:
            NotFoundError: There is no such order.
        """
        return await self._session.execute(operations.GET_ORDER_DETAILS, self._options, uuid=order_uuid)

    async def find(
        self,
        order: PaymentLinkOrder | InvoiceOrder | EFakturaOrder | EhfOrder,
        *,
        among: Iterable[str],
    ) -> OrderMatches:
        """Find an order whose response was lost by its content, with one request per candidate.

        The API has no idempotency keys, so the order is recognised by its products, totals, date
        and customer. An identical order of another program cannot be distinguished.

        Args:
            order: The order that was sent.
            among: The candidates: the orders in ``list_statuses`` that are not in your records.

        Returns:
            The orders that are the same, and those that are unclear. If both are empty, it was not found.

        Raises:
            FrontPayError: One of them could not be read.
        """
        # Loaded when first used: most programs lose no response.
        from frontpay_async.resources.find_order import find  # noqa: PLC0415

        return await find(self._session, self._options, order, among)

    async def get_invoice_number(self, order_uuid: str) -> InvoiceNumber:
        """Get an invoiced order's invoice number (page "Get Invoice Number By UUID").

        There is one once the order is INVOICED, INKASSO, PURRING, PAID or REFUNDED.

        Args:
            order_uuid: The order.

        Returns:
            The number, with the order's status.

        Raises:
            NotFoundError: There is no such order, or it has no invoice number.
        """
        return await self._session.execute(operations.GET_INVOICE_NUMBER, self._options, uuid=order_uuid)

    async def charge_delayed(self, order_uuid: str) -> None:
        """Charge an order with a delayed charge (page "Delayed Charge").

        Args:
            order_uuid: The order.

        Raises:
            NotFoundError: There is no such order.
            OutcomeUnknownError: The response was lost. Look at ``orders.get_status``: ``status`` has become
                ``PAID`` if it took effect.
        """
        await self._session.execute(operations.CHARGE_DELAYED, self._options, uuid=order_uuid)
