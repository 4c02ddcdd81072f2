"""The operations on customers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from frontpay_async._protocol.operations import customers as rows
from frontpay_async.sandbox.handlers.context import handles, json_object
from frontpay_async.sandbox.responses import not_found, success

if TYPE_CHECKING:
    from frontpay_async._exact_json import JsonObject
    from frontpay_async.sandbox.handlers.context import RequestContext
    from frontpay_async.sandbox.responses import Answer


def _found(context: RequestContext) -> JsonObject:
    customer = context.account.customers.get(context.uuid)
    if customer is None:
        raise not_found(context.operation)
    return customer


@handles(rows.GET_CUSTOMER_DETAILS)
def details(context: RequestContext) -> Answer:
    """Return a customer's record; its type starts with a capital letter here."""
    customer = _found(context)
    addresses = json_object(customer.get("addresses"))
    return success(
        context.operation,
        {
            "uuid": context.uuid,
            "type": str(customer.get("type") or "private").title(),
            **{
                name: customer.get(name)
                for name in ("name", "countryCode", "msisdn", "organizationId", "personalNumber", "email")
            },
            "preferredLanguage": customer.get("preferredLanguage"),
            "status": "Active",
            "addresses": {
                kind: {"uuid": f"ADRS{index}{context.uuid[4:]}", **json_object(addresses[kind])}
                for index, kind in enumerate(("billing", "shipping"))
                if addresses.get(kind)
            },
        },
    )


@handles(rows.UPDATE_PRIVATE_CUSTOMER, rows.UPDATE_CORPORATE_CUSTOMER)
def update(context: RequestContext) -> Answer:
    """Replace a customer's record."""
    customer = _found(context)
    kind = "private" if context.operation is rows.UPDATE_PRIVATE_CUSTOMER else "corporate"
    context.account.customers[context.uuid] = {**context.body, "type": customer.get("type") or kind}
    return success(context.operation, {"uuid": context.uuid})
