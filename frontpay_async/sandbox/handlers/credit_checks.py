"""The operations on credit checks."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from frontpay_async._protocol.operations import credit_checks as rows
from frontpay_async.sandbox.handlers.context import handles
from frontpay_async.sandbox.responses import Refusal, refused_for_good, success

if TYPE_CHECKING:
    from frontpay_async._exact_json import Json
    from frontpay_async.sandbox.handlers.context import RequestContext
    from frontpay_async.sandbox.responses import Answer

_PERSON, _COMPANY = 11, 9


@handles(rows.CHECK_PRIVATE)
def check_private(context: RequestContext) -> Answer:
    """Check a person; an id that is not 11 digits, or that is only zeros, is unknown."""
    number = str(context.body["personalId"])
    _refuse_unless(number, _PERSON)
    masked = f"{number[:3]}*****{number[-3:]}"
    return _done(context, "Private", {"personalNumber": masked, "organizationId": None})


@handles(rows.CHECK_CORPORATE)
def check_corporate(context: RequestContext) -> Answer:
    """Check a company; an id that is not 9 digits, or that is only zeros, is unknown."""
    number = str(context.body["organizationId"])
    _refuse_unless(number, _COMPANY)
    return _done(context, "Corporate", {"personalNumber": None, "organizationId": number})


def _refuse_unless(number: str, digits: int) -> None:
    if number.isdecimal() and (len(number) != digits or not number.strip("0")):
        raise Refusal(refused_for_good())


def _done(context: RequestContext, kind: str, who: dict[str, Json]) -> Answer:
    context.account.credit_checks.append(
        {
            "date": datetime.fromtimestamp(context.state.wall(), UTC).strftime("%d.%m.%Y"),
            "name": "Kari Nordmann" if kind == "Private" else "Sandbox AS",
            "type": kind,
            "companyType": None if kind == "Private" else "AS",
            **who,
            "countryCode": context.body.get("countryCode"),
            "msisdn": context.body.get("msisdn"),
            "defaultProbability": "0.42",
            "score": 87,
            "scoreMessage": "Low risk",
            "riskLevel": "low",
        }
    )
    context.account.note_effect(context.operation, kind, context.body)
    return success(context.operation)


@handles(rows.LIST_CREDIT_CHECKS)
def list_checks(context: RequestContext) -> Answer:
    """List the account's checks, the newest first."""
    return success(context.operation, [*reversed(context.account.credit_checks)])
