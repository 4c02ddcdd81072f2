"""The operations on company checks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from frontpay_async._protocol.operations import company_checks as rows
from frontpay_async.sandbox.company_checks import SandboxCompanyCheck
from frontpay_async.sandbox.handlers.context import handles
from frontpay_async.sandbox.responses import not_found, success

if TYPE_CHECKING:
    from frontpay_async._exact_json import Json
    from frontpay_async.sandbox.handlers.context import RequestContext
    from frontpay_async.sandbox.responses import Answer

_FIRST = 3506700000


@handles(rows.START_COMPANY_CHECK)
def start(context: RequestContext) -> Answer:
    """Start a check, which a person confirms on a page."""
    state = context.state
    check = SandboxCompanyCheck(
        uuid=f"COMCHK{_FIRST + len(state.company_checks) + 1}",
        company_id=str(context.body["companyId"]),
        body=context.body,
        created_at=state.wall(),
        report=state.report_check,
        note=state.note,
    )
    state.keep(context.account, check)
    return context.did(check.uuid, {"url": context.payment_url(check.uuid), "companyCheckUuid": check.uuid})


@handles(rows.GET_COMPANY_CHECKS)
def details(context: RequestContext) -> Answer:
    """List a company's checks; an unconfirmed one has no score."""
    checks = context.account.company_checks.values()
    found: list[Json] = [check.row() for check in checks if check.company_id == context.uuid]
    if not found:
        raise not_found(context.operation)
    return success(context.operation, found)
