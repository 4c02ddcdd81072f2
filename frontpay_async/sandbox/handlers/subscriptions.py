"""The operations on subscriptions."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from frontpay_async._protocol.operations import subscriptions as rows
from frontpay_async.models.statuses import SubscriptionStatus
from frontpay_async.sandbox.handlers.context import handles, json_object, number, ordinary_lines
from frontpay_async.sandbox.responses import (
    Answer,
    Refusal,
    broken_rule,
    cycle_not_found,
    invalid,
    not_found,
    success,
    wire_number,
)
from frontpay_async.sandbox.state import ForbiddenEventError
from frontpay_async.sandbox.subscriptions import Cycle, SandboxSubscription, SubscriptionEvent, period

if TYPE_CHECKING:
    from frontpay_async._exact_json import Json, JsonObject
    from frontpay_async.sandbox.handlers.context import RequestContext

_FIRST = 3506700000
_PER_PAGE = 10
_ZERO = Decimal(0)


def _found(context: RequestContext) -> SandboxSubscription:
    subscription = context.account.subscriptions.get(context.uuid)
    if subscription is None:
        raise not_found(context.operation)
    return subscription


@handles(rows.SUBMIT_SUBSCRIPTION, rows.CREATE_SUBSCRIPTION_SESSION)
def submit(context: RequestContext) -> Answer:
    """Create a subscription that the customer accepts on a page."""
    state = context.state
    repeats = number(context.body["numberOfRepeats"])
    if repeats != repeats.to_integral_value() or repeats < 1:
        raise invalid(["The number of repeats must be at least 1."])
    serial = len(state.subscriptions) + 1
    summary = json_object(context.body["orderSummary"])
    subscription = SandboxSubscription(
        uuid=f"SUB{_FIRST + serial}",
        order_uuid=f"ODR7{_FIRST + serial}",
        customer_uuid=context.new_customer(),
        serial=serial,
        operation=context.operation.name,
        body=context.body,
        created_at=state.wall(),
        lines=ordinary_lines(context),
        amount=number(summary["payablePerCycle"]),
        repeats=int(repeats),
        report=state.report,
        note=state.note,
    )
    state.keep(context.account, subscription)
    url = "checkoutUrl" if context.operation is rows.SUBMIT_SUBSCRIPTION else "paymentUrl"
    return context.did(
        subscription.uuid,
        {
            "subscriptionUuid": subscription.uuid,
            "orderUuid": subscription.order_uuid,
            "customerUuid": subscription.customer_uuid,
            url: context.payment_url(subscription.uuid),
        },
    )


@handles(rows.LIST_SUBSCRIPTIONS)
def list_subscriptions(context: RequestContext) -> Answer:
    """List the account's subscriptions, a page at a time."""
    wanted = context.steps[0].upper() if context.steps else None
    shown = [
        _entry(each)
        for each in context.account.subscriptions.values()
        if wanted in (None, each.status) and _passes(context, each, each.created_at)
    ]
    return _page(context, shown)


@handles(rows.LIST_FAILED_ORDERS)
def list_failed(context: RequestContext) -> Answer:
    """List the cycles whose payment failed, a page at a time."""
    wanted = context.steps[0] if context.steps else None
    of = context.query.get("subscriptionUuid")
    shown: list[Json] = [
        {
            "orderUuid": cycle.order_uuid,
            "subscriptionUuid": each.uuid,
            "orderDate": _day(cycle.at),
            **_customer(each),
            "currency": "NOK",
            "amount": wire_number(cycle.amount),
            "status": "invoiced",
        }
        for each in context.account.subscriptions.values()
        for cycle in each.cycles
        if not cycle.is_paid
        and wanted in (None, "invoiced")
        and of in (None, each.uuid)
        and _passes(context, each, cycle.at)
    ]
    return _page(context, shown)


def _passes(context: RequestContext, subscription: SandboxSubscription, at: float) -> bool:
    query = context.query
    customer = json_object(subscription.body["customerDetails"])
    day = datetime.fromtimestamp(at, UTC).date().isoformat()
    return (
        query.get("phone") in (None, customer.get("msisdn"))
        and str(query.get("customerName", "")).lower() in str(customer.get("name")).lower()
        and str(query.get("startDate", "")) <= day <= str(query.get("endDate", "9999"))
    )


def _customer(subscription: SandboxSubscription) -> JsonObject:
    customer = json_object(subscription.body["customerDetails"])
    return {
        "customerName": customer.get("name"),
        "countryCode": customer.get("countryCode"),
        "msisdn": customer.get("msisdn"),
    }


def _entry(subscription: SandboxSubscription) -> Json:
    customer = json_object(subscription.body["customerDetails"])
    return {
        "subscriptionUuid": subscription.uuid,
        "orderUuid": subscription.order_uuid,
        "repeats": subscription.repeats,
        "frequency": subscription.frequency,
        "amount": wire_number(subscription.amount),
        "currency": "NOK",
        "createdAt": str(int(subscription.created_at)),
        **_customer(subscription),
        "clientName": "Sandbox",
        "customerEmail": customer.get("email"),
        "status": subscription.status.value,
        "isPaid": any(cycle.is_paid for cycle in subscription.cycles),
        "isRefundable": any(cycle.is_refundable for cycle in subscription.cycles),
        "numberOfPaidCycles": sum(cycle.is_paid for cycle in subscription.cycles),
    }


def _page(context: RequestContext, shown: list[Json]) -> Answer:
    asked = str(context.query.get("page", "1"))
    number_of_page = int(asked) if asked.isdecimal() and int(asked) > 0 else 1
    last = max(1, math.ceil(len(shown) / _PER_PAGE))
    first = (number_of_page - 1) * _PER_PAGE
    url = f"{context.origin}{context.operation.path}?page="
    return success(
        context.operation,
        shown[first : first + _PER_PAGE],
        beside={
            "metaData": {
                "total": len(shown),
                "perPage": _PER_PAGE,
                "currentPage": number_of_page,
                "lastPage": last,
            },
            "links": {
                "previous": f"{url}{number_of_page - 1}" if number_of_page > 1 else None,
                "next": f"{url}{number_of_page + 1}" if number_of_page < last else None,
            },
        },
    )


@handles(rows.GET_SUBSCRIPTION_DETAILS)
def details(context: RequestContext) -> Answer:
    """Show a subscription with the cycles that were billed."""
    subscription = _found(context)
    body, cycles = subscription.body, subscription.cycles
    customer = json_object(body["customerDetails"])
    paid = sum((cycle.amount for cycle in cycles if cycle.is_paid), _ZERO)
    refunded = sum((cycle.refunded for cycle in cycles), _ZERO)
    shown: JsonObject = {
        "subscriptionUuid": subscription.uuid,
        "status": subscription.status.value,
        "subscriptionSummary": {
            "subscriptionAmount": wire_number(subscription.amount * subscription.repeats),
            "amountPaid": wire_number(paid),
            "amountRefunded": wire_number(refunded),
            "amountInBank": wire_number(paid - refunded),
            "startDate": body["subscriptionStartDate"],
            "endDate": body["subscriptionEndsDate"],
            "dueDateForPaymentLink": body["dueDateForPaymentLink"],
            "payablePerCycle": wire_number(subscription.amount),
            "frequency": subscription.frequency,
            "repeats": subscription.repeats,
            "currency": "NOK",
            "currentCycle": len(cycles),
            "isPaid": paid > 0,
            "isRefundable": any(cycle.is_refundable for cycle in cycles),
        },
        "productList": [
            {
                "id": line.id,
                "productName": line.product["name"],
                "productId": line.product.get("productId"),
                "quantity": line.product["quantity"],
                "rate": line.product["rate"],
                "discount": line.product.get("discount") or 0,
                "tax": line.product["tax"],
                "amount": wire_number(line.amount),
            }
            for line in subscription.lines
        ],
        "sendOrderBy": body["sendOrderBy"],
        "customerDetails": {
            "customerUuid": subscription.customer_uuid,
            "customerName": customer.get("name"),
            "customerEmail": customer.get("email"),
            "countryCode": customer.get("countryCode"),
            "msisdn": customer.get("msisdn"),
        },
        "subscriptionCycles": {cycle.name: _cycle(subscription, cycle) for cycle in cycles},
        "customerNote": body.get("customerNotes"),
        "termsAndConditions": body.get("termsAndConditions"),
    }
    return success(context.operation, shown)


def _cycle(subscription: SandboxSubscription, cycle: Cycle) -> JsonObject:
    return {
        "reference": cycle.order_uuid,
        "status": "paid" if cycle.is_paid else "invoiced",
        "invoiced": not cycle.is_paid,
        "amount": wire_number(cycle.amount),
        "startDate": _day(cycle.at),
        "endDate": _day(cycle.at + period(subscription.frequency)),
        "isRefunded": cycle.refunded_at is not None,
        "refundedAt": None if cycle.refunded_at is None else _day(cycle.refunded_at),
        "refundedAmount": wire_number(cycle.refunded),
    }


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%d.%m.%Y")


@handles(rows.GET_FAILED_ORDER_DETAILS)
def failed_details(context: RequestContext) -> Answer:
    """Show a cycle whose payment failed."""
    for subscription in context.account.subscriptions.values():
        for cycle in subscription.cycles:
            if cycle.order_uuid == context.uuid and not cycle.is_paid:
                return success(
                    context.operation,
                    {
                        "orderUuid": cycle.order_uuid,
                        "subscriptionUuid": subscription.uuid,
                        "orderDate": _day(cycle.at),
                        "customerDetails": subscription.body["customerDetails"],
                        "orderSummary": subscription.body["orderSummary"],
                        "products": subscription.body["products"],
                        "invoiceStatus": "invoiced",
                        "paymentStatus": "failed",
                    },
                )
    raise not_found(context.operation)


@handles(rows.RESEND_SUBSCRIPTION)
def resend(context: RequestContext) -> Answer:
    """Send the link again."""
    subscription = _found(context)
    if subscription.status in (SubscriptionStatus.CANCELLED, SubscriptionStatus.COMPLETED):
        raise _already(subscription)
    return context.did(subscription.uuid)


@handles(rows.CANCEL_SUBSCRIPTION)
def cancel(context: RequestContext) -> Answer:
    """Cancel a subscription that is SENT or ONGOING."""
    subscription = _found(context)
    try:
        subscription.apply_event(SubscriptionEvent.CANCEL, context.state.wall())
    except ForbiddenEventError:
        raise _already(subscription) from None
    return context.did(subscription.uuid, [])


def _already(subscription: SandboxSubscription) -> Refusal:
    return broken_rule(f"subscriptionStatusAlready{subscription.status.value.title()}")


@handles(rows.REFUND_CYCLES)
def refund_cycles(context: RequestContext) -> Answer:
    """Refund cycles that were paid and not refunded."""
    subscription = _found(context)
    names = context.body["cycles"]
    amount = number(context.body["amount"])
    if amount <= 0:
        raise invalid(["The amount must be greater than 0."])
    by_name = {cycle.name.lower(): cycle for cycle in subscription.cycles}
    chosen: list[Cycle] = []
    for name in names if isinstance(names, list) else []:
        cycle = by_name.get(str(name).lower())
        if cycle is None:
            raise cycle_not_found(str(name))
        chosen.append(cycle)
    distinct = {cycle.number for cycle in chosen}
    total = sum((cycle.amount for cycle in chosen), _ZERO)
    if len(distinct) < len(chosen) or not all(cycle.is_refundable for cycle in chosen) or amount > total:
        raise broken_rule("someCyclesFailedToPassValidation")
    subscription.pay_back(chosen, amount, context.state.wall())
    return context.did(subscription.uuid, [])
