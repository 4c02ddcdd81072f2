"""What the operations on company checks do."""

from __future__ import annotations

from typing import TYPE_CHECKING

from frontpay_async._protocol.operations import company_checks as rows
from frontpay_async.sandbox.handlers.context import handles
from frontpay_async.sandbox.responses import not_found, success

if TYPE_CHECKING:
    from frontpay_async.sandbox.handlers.context import RequestContext
    from frontpay_async.sandbox.responses import Answer

_FIRST = 3506700000


@handles(rows.START_COMPANY_CHECK)
def start(context: RequestContext) -> Answer:
    """Start a check, which a person confirms on a page."""
    checks = context.account.company_checks
    uuid = f"COMCHK{_FIRST + sum(map(len, checks.values())) + 1}"
    company = str(context.body["companyId"])
    checks.setdefault(company, []).append(
        {
            "companyCheckUuid": uuid,
            "companyId": company,
            "companyType": "AS",
            "companyName": "Sandbox AS",
            "score": 87,
            "riskLevel": "low",
            "scoreMessage": "Low risk",
        }
    )
    return context.did(uuid, {"url": context.payment_url(uuid), "companyCheckUuid": uuid})


@handles(rows.GET_COMPANY_CHECKS)
def details(context: RequestContext) -> Answer:
    """List a company's checks."""
    found = context.account.company_checks.get(context.uuid)
    if found is None:
        raise not_found(context.operation)
    return success(context.operation, [*found])
