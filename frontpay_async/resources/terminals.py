"""Card terminals: payments, refunds, and their status.

Every method may raise any ``FrontPayError``; "Raises" names those that the operation adds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from frontpay_async._protocol import operations, request_bodies

if TYPE_CHECKING:
    from frontpay_async._session import Session
    from frontpay_async._transport.call import CallOptions
    from frontpay_async.models.listing import Listing
    from frontpay_async.models.statuses import PaymentStatus, RefundStatus
    from frontpay_async.models.terminals import CreatedTerminalOrder, Terminal, TerminalOrder, TerminalRefund


@frozen(eq=False, repr=False)
class Terminals:
    """The operations on card terminals; reached as ``client.terminals``."""

    _session: Session
    _options: CallOptions

    async def list(self, organization_uuid: str) -> Listing[Terminal]:
        """List an organisation's active terminals (page "Get Terminal Lists").

        Args:
            organization_uuid: The organisation, such as ``ORG2074299506``.

        Returns:
            The terminals. Rows that could not be read are in its ``unreadable``.
        """
        return await self._session.execute(operations.LIST_TERMINALS, self._options, uuid=organization_uuid)

    async def create_order(self, order: TerminalOrder) -> CreatedTerminalOrder:
        """Send an order to a terminal, where the customer pays it by card (page "Create Terminal Order").

        Args:
            order: The order.

        Returns:
            The order's id; ask for the payment's status with it.

        Raises:
            InvalidOrderError: The order breaks a documented rule; nothing was sent.
            RequestRejectedError: The API's validation rejected it; nothing was created.
            TerminalBusyError: The terminal stayed busy; nothing was created.
            OutcomeUnknownError: The response was lost. Look at the terminal's display; no source says
                whether ``orders.list_statuses`` includes terminal orders.
        """
        return await self._session.execute(operations.CREATE_TERMINAL_ORDER, self._options, value=order)

    async def cancel_payment(self, order_uuid: str) -> None:
        """Cancel a payment that waits on a terminal (page "Cancel Terminal Order").

        Safe to repeat: a payment that a lost first attempt cancelled counts as cancelled by this call.

        Args:
            order_uuid: The order.

        Raises:
            AlreadyPaidError: The order is paid; refund it instead.
            AlreadyCancelledError: The payment was cancelled before this call.
            NotFoundError: There is no such order.
        """
        what = request_bodies.TerminalCancellation("payment")
        await self._session.execute(
            operations.CANCEL_TERMINAL_PAYMENT, self._options, uuid=order_uuid, value=what
        )

    async def resend_order(self, order_uuid: str) -> None:
        """Show an order on its terminal again (page "Resend Terminal Order").

        Args:
            order_uuid: The order.

        Raises:
            TerminalBusyError: The terminal stayed busy; nothing was shown.
            NotFoundError: There is no such order.
            OutcomeUnknownError: The response was lost. Look at the terminal's display;
                ``terminals.get_payment_status`` shows whether it still has to be paid.
        """
        await self._session.execute(operations.RESEND_TERMINAL_ORDER, self._options, uuid=order_uuid)

    async def get_payment_status(self, order_uuid: str) -> PaymentStatus:
        """Get the status of a payment on a terminal (page "Payment Status Check").

        Args:
            order_uuid: The order.

        Returns:
            PAID or CANCELLED once it is decided; any other status means that it is undecided.

        Raises:
            NotFoundError: There is no such order.
        """
        return await self._session.execute(operations.GET_PAYMENT_STATUS, self._options, uuid=order_uuid)

    async def refund(self, order_uuid: str, refund: TerminalRefund) -> None:
        """Refund or reverse a card payment on the terminal (page "Refund or Reverse Payment").

        The API accepts the request (202); ``watch.refund`` waits for its end. The refund's status does not
        say which refund it is about: for a second one it still shows the end of the first. So compare the
        order's ``refunded_amount``, or give it to ``watch.refund`` as ``after``.

        Args:
            order_uuid: The order.
            refund: The refund.

        Raises:
            InvalidOrderError: The refund breaks a documented rule; nothing was sent.
            RefundRejectedError: The API rejected it; see ``reason``.
            NotFoundError: There is no such order.
            OutcomeUnknownError: The response was lost. Look at ``terminals.get_refund_status``: a refund
                where there was none (it shows the last one only); once that is accepted,
                ``refunded_amount`` in ``orders.get_status`` has grown.
        """
        await self._session.execute(
            operations.REFUND_TERMINAL_ORDER, self._options, uuid=order_uuid, value=refund
        )

    async def get_refund_status(self, order_uuid: str) -> RefundStatus:
        """Get the status of a refund on a terminal (page "Refund Status Check").

        A POST in the reference; if the API answers 405, the client uses GET from then on.

        Args:
            order_uuid: The order.

        Returns:
            REFUNDED or REJECTED once it is decided; any other status means that it is undecided.

        Raises:
            NotFoundError: There is no such order.
        """
        return await self._session.execute(operations.GET_REFUND_STATUS, self._options, uuid=order_uuid)

    async def cancel_refund(self, order_uuid: str) -> None:
        """Cancel a refund that waits on a terminal (page "Cancel Refund Request").

        Args:
            order_uuid: The order.

        Raises:
            NotFoundError: There is no such order.
        """
        what = request_bodies.TerminalCancellation("refund")
        await self._session.execute(
            operations.CANCEL_TERMINAL_REFUND, self._options, uuid=order_uuid, value=what
        )
