"""What the sandbox's tests share: raw requests, and a way to carry out every operation."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import httpx

from frontpay_async import FrontPayClient, RateLimit, Refund, RefundLine, RetryPolicy, TerminalRefund
from frontpay_async._protocol.build import build
from frontpay_async._protocol.operations import CREATE_TERMINAL_ORDER
from frontpay_async.sandbox import DEFAULT_ORGANIZATION, DEFAULT_TERMINAL, DEFAULT_TOKEN, Sandbox
from frontpay_async.sandbox.app import BASE_PATH
from tests.support import builders, more_builders as more

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from frontpay_async import DateFormat, Pages, TerminalOrder
    from frontpay_async._protocol.operations import Operation

__all__ = [
    "BASE_URL",
    "NO_RETRY",
    "UNKNOWN_UUID",
    "body_of",
    "call",
    "capture_of",
    "client_of",
    "line_of",
    "paid",
    "prepare",
    "raw_client",
    "reserved",
    "subscribed",
    "terminal_order",
    "waiting",
]

BASE_URL = f"http://sandbox.localhost{BASE_PATH}"
_ORDERS = {
    "orders.send_payment_link": builders.payment_link,
    "orders.send_invoice": builders.invoice,
    "orders.send_efaktura": builders.efaktura,
    "orders.send_ehf_invoice": builders.ehf,
}
NO_RETRY = RetryPolicy(attempts=1)
UNKNOWN_UUID = "ODR9999999999"


def raw_client(sandbox: Sandbox, token: str = DEFAULT_TOKEN) -> httpx.AsyncClient:
    """Return an HTTP client of the sandbox, for what the SDK would not send or does not show."""
    return httpx.AsyncClient(
        transport=sandbox.transport(),
        base_url=BASE_URL,
        headers={"Authorization": f"Bearer {token}"},
        trust_env=False,
    )


def terminal_order(**fields: Any) -> TerminalOrder:
    """A terminal order to a terminal that the sandbox has."""
    return builders.terminal_order(**{"terminal_uuid": DEFAULT_TERMINAL, **fields})


def body_of(operation: Operation[object], date_format: DateFormat | None = None) -> dict[str, Any]:
    """Return the valid body that the client would send to create an order."""
    order = terminal_order() if operation is CREATE_TERMINAL_ORDER else _ORDERS[operation.name]()
    content = build(operation, value=order, date_format=date_format).body
    assert content is not None
    body: dict[str, Any] = json.loads(content)
    return body


def client_of(base_url: str, token: str = DEFAULT_TOKEN) -> FrontPayClient:
    """Return a client, without retries, of a sandbox that is served at a URL."""
    return FrontPayClient(
        token, base_url=base_url, retry=NO_RETRY, rate_limit=RateLimit.unlimited(), trust_env=False
    )


async def waiting(client: FrontPayClient) -> str:
    """Put an order on a terminal; with the default cardholder it is paid at the next look."""
    return (await client.terminals.create_order(terminal_order())).order_uuid


async def paid(client: FrontPayClient, sandbox: Sandbox) -> str:
    """Send an order of 102.00 by payment link and have it paid."""
    uuid = (await client.orders.send_payment_link(builders.payment_link())).order_uuid
    sandbox.apply_event(uuid, "pay")
    return uuid


async def prepare(  # noqa: C901, PLR0911 - a case for each
    client: FrontPayClient, sandbox: Sandbox, operation: str
) -> str:
    """Return an order with which the operation succeeds; the cardholder must wait to be told."""
    match operation:
        case "orders.request_refund_approval":
            return await paid(client, sandbox)
        case "customers.get_details" | "customers.update_private" | "customers.update_corporate":
            uuid = (await client.orders.send_payment_link(builders.payment_link())).order_uuid
            return sandbox.orders[uuid].customer_uuid
        case "company_checks.get_details":
            await call(client, "company_checks.start", "")
            return ""
        case _ if operation.startswith("reservations."):
            return await _reserved(client, sandbox, operation)
        case _ if operation.startswith("subscriptions."):
            return await _subscribed(client, sandbox, operation)
        case "orders.get_invoice_number":
            return (await client.orders.send_invoice(builders.invoice())).order_uuid
        case "orders.refund":
            return await paid(client, sandbox)
        case "terminals.cancel_payment" | "terminals.resend_order" | "terminals.get_payment_status":
            return await waiting(client)
        case "terminals.refund" | "terminals.get_refund_status" | "terminals.cancel_refund":
            uuid = await waiting(client)
            sandbox.approve(uuid)
            if operation != "terminals.refund":
                await call(client, "terminals.refund", uuid, line_id=sandbox.orders[uuid].lines[0].id)
            return uuid
        case _:
            return (await client.orders.send_payment_link(builders.payment_link())).order_uuid


async def reserved(client: FrontPayClient, sandbox: Sandbox, **fields: Any) -> str:
    """Submit a reservation of 102.00 and have it accepted."""
    uuid = (await client.reservations.submit(more.reservation(**fields))).reservation_uuid
    sandbox.apply_event(uuid, "accept")
    return uuid


async def _reserved(client: FrontPayClient, sandbox: Sandbox, operation: str) -> str:
    if operation in ("reservations.resend", "reservations.cancel"):
        return (await client.reservations.submit(more.reservation())).reservation_uuid
    uuid = await reserved(client, sandbox)
    if operation == "reservations.refund":
        await client.reservations.capture(uuid, more.capture(line_of(sandbox, uuid)))
    return uuid


async def subscribed(client: FrontPayClient, sandbox: Sandbox, *, failing: int = 0, **fields: Any) -> str:
    """Submit a subscription and have it accepted."""
    uuid = (await client.subscriptions.submit(more.subscription(**fields))).subscription_uuid
    sandbox.fail_cycles(uuid, failing)
    sandbox.apply_event(uuid, "accept")
    return uuid


async def _subscribed(client: FrontPayClient, sandbox: Sandbox, operation: str) -> str:
    if operation == "subscriptions.resend":
        return (await client.subscriptions.submit(more.subscription())).subscription_uuid
    failing = operation == "subscriptions.get_failed_details"
    uuid = await subscribed(client, sandbox, failing=int(failing))
    return sandbox.subscriptions[uuid].cycles[0].order_uuid if failing else uuid


def line_of(sandbox: Sandbox, uuid: str) -> int:
    """Return the id of the first line of an order or reservation; 1 where there is none."""
    holder = sandbox.orders.get(uuid) or sandbox.reservations.get(uuid)
    return holder.lines[0].id if holder else 1


def capture_of(sandbox: Sandbox, uuid: str) -> str:
    """Return the id of a reservation's first capture; of the sandbox's first where there is none."""
    holder = sandbox.reservations.get(uuid)
    return holder.taken[0].uuid if holder and holder.taken else more.CAPTURE_UUID


def call(
    client: FrontPayClient, operation: str, uuid: str, *, line_id: int = 1, capture: str = more.CAPTURE_UUID
) -> Awaitable[Any]:
    """Call the method that an operation is named after."""
    lines = [RefundLine(id=line_id, amount=10)]
    arguments: dict[str, tuple[tuple[object, ...], dict[str, Any]]] = {
        "orders.send_payment_link": ((builders.payment_link(),), {}),
        "orders.send_invoice": ((builders.invoice(),), {}),
        "orders.send_efaktura": ((builders.efaktura(),), {}),
        "orders.send_ehf_invoice": ((builders.ehf(),), {}),
        "orders.resend_payment_link": ((uuid,), {"email": builders.EMAIL}),
        "orders.cancel": ((uuid,), {"note": "changed my mind"}),
        "orders.refund": ((uuid, Refund(grand_total=10, lines=lines)), {}),
        "orders.list_statuses": ((), {}),
        "terminals.list": ((DEFAULT_ORGANIZATION,), {}),
        "terminals.create_order": ((terminal_order(),), {}),
        "terminals.refund": ((uuid, TerminalRefund(grand_total=10, lines=lines)), {}),
        "orders.request_refund_approval": (
            (uuid, Refund(grand_total=10, lines=lines)),
            {"reason": "refundRejectionForWeeklyThresholdExceed"},
        ),
        "checkout.create_session": ((more.checkout_session(),), {}),
        "checkout.create_invoice_session": ((more.invoice_session(),), {}),
        "checkout.create_hosted_link": ((more.hosted_checkout(),), {}),
        "reservations.submit": ((more.reservation(),), {}),
        "reservations.create_session": ((more.reservation_session(),), {}),
        "reservations.capture": ((uuid, more.capture(line_id)), {}),
        "reservations.charge": ((uuid, more.charge()), {}),
        "reservations.cancel": ((uuid,), {"note": "changed my mind"}),
        "reservations.complete": ((uuid,), {"note": "shipped"}),
        "reservations.resend": ((uuid,), {"email": builders.EMAIL}),
        "reservations.refund": ((uuid, more.reservation_refund(line_id, reference=capture)), {}),
        "reservations.list_history": ((), {}),
        "subscriptions.submit": ((more.subscription(),), {}),
        "subscriptions.create_session": ((more.subscription_session(),), {}),
        "subscriptions.resend": ((uuid,), {"order_uuid": "ODR1", "email": builders.EMAIL}),
        "subscriptions.cancel": ((uuid,), {"note": "changed my mind"}),
        "subscriptions.refund_cycles": ((uuid,), {"cycles": ["Cycle 1"], "amount": 10}),
        "customers.update_private": ((uuid, more.private_update()), {}),
        "customers.update_corporate": ((uuid, more.corporate_update()), {}),
        "credit_checks.check_private": ((builders.PERSONAL_NUMBER,), {}),
        "credit_checks.check_corporate": ((builders.ORGANIZATION_ID,), {}),
        "credit_checks.list": ((), {}),
        "company_checks.start": (
            (987654321,),
            {
                "success_url": more.SUCCESS,
                "failure_url": more.FAILURE,
                "callback_url": builders.CALLBACK_URL,
            },
        ),
        "company_checks.get_details": ((987654321,), {}),
    }
    if operation in ("subscriptions.list", "subscriptions.list_failed"):
        pages: Pages[Any] = getattr(client.subscriptions, operation.partition(".")[2])()
        return pages.page(1)
    positional, named = arguments.get(operation, ((uuid,), {}))
    resource, method = operation.split(".")
    result: Awaitable[Any] = getattr(getattr(client, resource), method)(*positional, **named)
    return result
