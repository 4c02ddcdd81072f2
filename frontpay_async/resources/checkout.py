"""Checkout: orders that the customer pays on a page to which your shop redirects.

Every method may raise any ``FrontPayError``; "Raises" names those that the operation adds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from frontpay_async._protocol.operations import checkout as rows

if TYPE_CHECKING:
    from frontpay_async._session import Session
    from frontpay_async._transport.call import CallOptions
    from frontpay_async.models.checkout import CheckoutLink, CheckoutSession, HostedCheckout, InvoiceSession


@frozen(eq=False, repr=False)
class Checkout:
    """The operations on checkout sessions; reached as ``client.checkout``."""

    _session: Session
    _options: CallOptions

    async def create_session(self, session: CheckoutSession) -> CheckoutLink:
        """Create an order that the customer pays on a payment page (page "Checkout Session").

        Evidence: recorded.

        Args:
            session: The order, with how it is paid and the URLs to which the browser returns.

        Returns:
            The ids, and the page to which to redirect the browser.

        Raises:
            InvalidOrderError: The session breaks a documented rule; nothing was sent.
            RequestRejectedError: The API's validation rejected it; nothing was done.
            OutcomeUnknownError: The response was lost. Look in ``orders.list_statuses`` for an order that
                your records do not know; ``orders.get_details`` shows its content.
        """
        return await self._session.execute(rows.CREATE_CHECKOUT_SESSION, self._options, value=session)

    async def create_invoice_session(self, session: InvoiceSession) -> CheckoutLink:
        """Create an order that is invoiced from a checkout (page "Invoice Session").

        A company's order is invoiced at once.

        Evidence: vendor page.

        Args:
            session: The order, and the URLs to which the browser returns.

        Returns:
            The ids, and for a private customer the BankID page to send the browser to.

        Raises:
            InvalidOrderError: The session breaks a documented rule; nothing was sent.
            RequestRejectedError: The API's validation rejected it; nothing was done.
            OutcomeUnknownError: The response was lost. Look in ``orders.list_statuses`` for an order that
                your records do not know; ``orders.get_details`` shows its content.
        """
        return await self._session.execute(rows.CREATE_INVOICE_SESSION, self._options, value=session)

    async def create_hosted_link(self, checkout: HostedCheckout) -> CheckoutLink:
        """Create an order that is paid on the vendor's checkout page (page "Hosted Checkout").

        The page prints its path without ``/api``: the one that the API takes is found out and remembered.

        Evidence: vendor page.

        Args:
            checkout: The order, and the URLs to which the browser returns.

        Returns:
            The ids, and the page to which to redirect the browser.

        Raises:
            InvalidOrderError: The order breaks a documented rule; nothing was sent.
            RequestRejectedError: The API's validation rejected it; nothing was done.
            OutcomeUnknownError: The response was lost. Look in ``orders.list_statuses`` for an order that
                your records do not know; ``orders.get_details`` shows its content.
        """
        return await self._session.execute(rows.CREATE_HOSTED_LINK, self._options, value=checkout)
