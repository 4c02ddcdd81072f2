"""Customers: their records, and updates.

Every method may raise any ``FrontPayError``; "Raises" names those that the operation adds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from frontpay_async._protocol.operations import customers as rows

if TYPE_CHECKING:
    from frontpay_async._session import Session
    from frontpay_async._transport.call import CallOptions
    from frontpay_async.models.customers import (
        CorporateCustomerUpdate,
        CustomerRecord,
        PrivateCustomerUpdate,
    )


@frozen(eq=False, repr=False)
class Customers:
    """The operations on customers; reached as ``client.customers``."""

    _session: Session
    _options: CallOptions

    async def get_details(self, customer_uuid: str) -> CustomerRecord:
        """Get a customer's record (page "Customer Details").

        Evidence: vendor page.

        Args:
            customer_uuid: The customer, such as ``CSRT3463048878``.

        Returns:
            The record; personal data is masked in its repr.

        Raises:
            NotFoundError: There is no such customer.
        """
        return await self._session.execute(rows.GET_CUSTOMER_DETAILS, self._options, uuid=customer_uuid)

    async def update_private(self, customer_uuid: str, update: PrivateCustomerUpdate) -> None:
        """Replace a private customer's record (page "Update Private Customer").

        Safe to repeat: the whole record is written.

        Evidence: vendor page.

        Args:
            customer_uuid: The customer, such as ``CSRT3463048878``.
            update: The complete new record.

        Raises:
            InvalidOrderError: The update breaks a documented rule, such as a missing address; nothing was
                sent.
            NotFoundError: There is no such customer.
        """
        await self._session.execute(
            rows.UPDATE_PRIVATE_CUSTOMER, self._options, uuid=customer_uuid, value=update
        )

    async def update_corporate(self, customer_uuid: str, update: CorporateCustomerUpdate) -> None:
        """Replace a corporate customer's record (page "Update Corporate Customer").

        Safe to repeat: the whole record is written.

        Evidence: vendor page.

        Args:
            customer_uuid: The customer, such as ``CSRT3463048878``.
            update: The complete new record.

        Raises:
            InvalidOrderError: The update breaks a documented rule, such as a missing address; nothing was
                sent.
            NotFoundError: There is no such customer.
        """
        await self._session.execute(
            rows.UPDATE_CORPORATE_CUSTOMER, self._options, uuid=customer_uuid, value=update
        )
