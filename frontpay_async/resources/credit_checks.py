"""Credit checks of persons and companies.

Every method may raise any ``FrontPayError``; "Raises" names those that the operation adds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from frontpay_async._protocol.operations import credit_checks as rows

if TYPE_CHECKING:
    from frontpay_async._session import Session
    from frontpay_async._transport.call import CallOptions
    from frontpay_async.models.checks import CreditCheck


@frozen(eq=False, repr=False)
class CreditChecks:
    """The operations on credit checks; reached as ``client.credit_checks``."""

    _session: Session
    _options: CallOptions

    async def check_private(
        self, personal_id: str, *, country_code: str | None = None, msisdn: str | None = None
    ) -> None:
        """Ask for a credit check of a person (page "Private Credit Check").

        It costs money, and the person is notified. ``list`` shows the result.

        Evidence: vendor page.

        Args:
            personal_id: The identity number, or the id by which Front Payment knows the person.
            country_code: The country code of the phone number, such as ``+47``.
            msisdn: The phone number without country code.

        Raises:
            InvalidOrderError: The number is empty; nothing was sent.
            CreditCheckRejectedError: The number belongs to no living person; nothing was checked.
            OutcomeUnknownError: The response was lost. Look in ``credit_checks.list`` for a check of today;
                a second one costs money and is shown to the one who is checked.
        """
        who = rows.PrivateCreditCheck(personal_id, country_code, msisdn)
        # Deleted so that tracebacks do not contain them.
        del personal_id, msisdn
        await self._session.execute(rows.CHECK_PRIVATE, self._options, value=who)

    async def check_corporate(self, organization_id: str) -> None:
        """Ask for a credit check of a company (page "Corporate Credit Check").

        It costs money. ``list`` shows the result.

        Evidence: vendor page.

        Args:
            organization_id: The organisation number.

        Raises:
            InvalidOrderError: The number is empty; nothing was sent.
            CreditCheckRejectedError: The number belongs to no company; nothing was checked.
            OutcomeUnknownError: The response was lost. Look in ``credit_checks.list`` for a check of today;
                a second one costs money and is shown to the one who is checked.
        """
        who = rows.CorporateCreditCheck(organization_id)
        await self._session.execute(rows.CHECK_CORPORATE, self._options, value=who)

    async def list(self) -> tuple[CreditCheck, ...]:
        """List the account's credit checks (page "Credit Check History").

        Evidence: vendor page.

        Returns:
            The checks; personal data is masked in their reprs.
        """
        return await self._session.execute(rows.LIST_CREDIT_CHECKS, self._options)
