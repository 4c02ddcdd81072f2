"""Company checks: a person of a company proves who they are, and the company is scored.

Every method may raise any ``FrontPayError``; "Raises" names those that the operation adds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import frozen

from frontpay_async._protocol.operations import company_checks as rows

if TYPE_CHECKING:
    from frontpay_async._session import Session
    from frontpay_async._transport.call import CallOptions
    from frontpay_async.models.checks import CompanyCheck, StartedCompanyCheck


@frozen(eq=False, repr=False)
class CompanyChecks:
    """The operations on company checks; reached as ``client.company_checks``."""

    _session: Session
    _options: CallOptions

    async def start(
        self, company_id: int, *, success_url: str, failure_url: str, callback_url: str
    ) -> StartedCompanyCheck:
        """Start the check of a company (page "Company Check").

        Evidence: vendor page.

        Args:
            company_id: The company's number.
            success_url: The URL to which the browser returns afterwards.
            failure_url: The URL to which it returns after a failure.
            callback_url: The URL to which the API sends the result, by HTTP GET.

        Returns:
            The id of the check, and the BankID page to send the browser to.

        Raises:
            InvalidOrderError: The number or a URL is not valid; nothing was sent.
            OutcomeUnknownError: The response was lost. Look in ``company_checks.get_details`` for a check
                of today; a second one costs money.
        """
        request = rows.CompanyCheckRequest(company_id, success_url, failure_url, callback_url)
        return await self._session.execute(rows.START_COMPANY_CHECK, self._options, value=request)

    async def get_details(self, company_id: int) -> tuple[CompanyCheck, ...]:
        """List the checks of a company (page "Company Check History").

        Evidence: vendor page.

        Args:
            company_id: The company's number.

        Returns:
            The checks.

        Raises:
            NotFoundError: There is no such company.
        """
        return await self._session.execute(rows.GET_COMPANY_CHECKS, self._options, uuid=str(company_id))
