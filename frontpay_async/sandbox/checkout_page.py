"""The sandbox's checkout page, on which a person pays, accepts or cancels.

GET  /checkout/{uuid}           the page of an order, a reservation, a subscription or a company check
POST /checkout/{uuid}/pay       pays or accepts, and redirects to the merchant's success URL
POST /checkout/{uuid}/cancel    cancels, and redirects to the merchant's failure URL

If there is no such URL, the page shows the result. Requests from other sites' pages are rejected.
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

from starlette.middleware import Middleware
from starlette.responses import HTMLResponse, RedirectResponse, Response
from starlette.routing import Route

from frontpay_async.sandbox.company_checks import SandboxCompanyCheck
from frontpay_async.sandbox.handlers.context import json_object
from frontpay_async.sandbox.inspect.origin import OwnOrigin
from frontpay_async.sandbox.reservations import ReservationEvent, SandboxReservation
from frontpay_async.sandbox.state import Event, ForbiddenEventError, SandboxOrder
from frontpay_async.sandbox.subscriptions import SandboxSubscription, SubscriptionEvent

if TYPE_CHECKING:
    from typing import TypeAlias

    from starlette.requests import Request

    from frontpay_async.sandbox.app import Api
    from frontpay_async.sandbox.state import SandboxState

    Subject: TypeAlias = SandboxOrder | SandboxReservation | SandboxSubscription | SandboxCompanyCheck

_HEADERS = {
    # Submitting the form redirects to the merchant's page, so form-action must allow any origin.
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none';"
    " form-action 'self' http: https:; frame-ancestors 'none'",
    "referrer-policy": "no-referrer",
    "cache-control": "no-store",
}
_PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>Sandbox checkout</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 26rem; margin: 4rem auto; padding: 0 1rem }}
button {{ font: inherit; padding: .6rem 1.4rem; margin-right: .6rem }}
dt {{ color: #555 }} dd {{ margin: 0 0 .8rem; font-weight: 600 }}
</style></head><body>
<h1>Sandbox checkout</h1>
<dl><dt>{what}</dt><dd>{uuid}</dd>{amount}
<dt>Status</dt><dd id="status">{status}</dd></dl>
{forms}
<p>No money moves: this is the sandbox of frontpay_async.</p>
</body></html>
"""
_FORM = (
    '<form method="post" action="/checkout/{uuid}/{action}" style="display:inline">'
    "<button>{label}</button></form>"
)


def checkout_routes(api: Api) -> list[Route]:
    """Return the routes of the checkout page."""

    async def page(request: Request) -> Response:
        return _shown(_found(api, request))

    def acting(action: str) -> Route:
        async def answer(request: Request) -> Response:
            subject = _found(api, request)
            if subject is None:
                return _shown(None)
            try:
                _act(api.state, subject, action)
            except ForbiddenEventError:
                return _shown(subject, 409)
            urls = json_object(subject.body.get("callback"))
            url = urls.get("success" if action == "pay" else "failure")
            if isinstance(url, str) and url.startswith(("http://", "https://")):
                return RedirectResponse(url, 303, headers=_HEADERS)
            return _shown(subject)

        return Route(
            f"/checkout/{{uuid}}/{action}", answer, methods=["POST"], middleware=[Middleware(OwnOrigin)]
        )

    return [Route("/checkout/{uuid}", page, methods=["GET"]), acting("pay"), acting("cancel")]


def _found(api: Api, request: Request) -> Subject | None:
    uuid, state = str(request.path_params["uuid"]), api.state
    state.catch_up()
    kinds = (state.reservations, state.subscriptions, state.company_checks, state.orders)
    return next((kind[uuid] for kind in kinds if uuid in kind), None)


def _act(state: SandboxState, subject: Subject, action: str) -> None:
    pays = action == "pay"
    match subject:
        case SandboxOrder():
            by_invoice = json_object(subject.body.get("submitPayment")).get("via") == "invoice" or (
                "invoiceFeeApplicable" in subject.body
            )
            paid = Event.INVOICE if by_invoice else Event.PAY
            subject.apply_event(paid if pays else Event.CANCEL)
        case SandboxCompanyCheck():
            subject.decide(confirmed=pays)
        case SandboxReservation():
            if pays:
                state.accept(subject)
            else:
                subject.apply_event(ReservationEvent.CANCEL, state.wall())
        case SandboxSubscription():
            if pays:
                state.accept(subject)
            else:
                subject.apply_event(SubscriptionEvent.CANCEL, state.wall())


def _shown(subject: Subject | None, status: int = 200) -> Response:
    if subject is None:
        return HTMLResponse("<h1>Nothing is paid here</h1>", 404, headers=_HEADERS)
    match subject:
        case SandboxReservation():
            what, label = "Reservation", "Accept"
        case SandboxSubscription():
            what, label = "Subscription", "Accept"
        case SandboxCompanyCheck():
            what, label = "Company check", "Confirm with BankID"
        case _:
            what, label = "Order", "Pay"
    is_open = subject.status == "SENT"
    forms = [("pay", label), ("cancel", "Cancel")] if is_open else []
    return HTMLResponse(
        _PAGE.format(
            what=what,
            uuid=escape(subject.uuid),
            amount=""
            if isinstance(subject, SandboxCompanyCheck)
            else f"<dt>Amount</dt><dd>{subject.amount:.2f} kr</dd>",
            status=escape(subject.status.value),
            forms="".join(
                _FORM.format(uuid=escape(subject.uuid), action=action, label=words) for action, words in forms
            ),
        ),
        status,
        headers=_HEADERS,
    )
