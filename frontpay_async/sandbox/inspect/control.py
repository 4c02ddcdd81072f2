"""The sandbox's own routes below ``/_sandbox``, for programs and tests in another process.

GET  /_sandbox/orders | requests | duplicates | callbacks     lists
POST /_sandbox/orders/{uuid}/{event}                pay, cancel, expire, invoice, remind, collect; approve,
                                                    decline, approve-refund, decline-refund; repeat-callback
GET  /_sandbox/orders/{uuid}                        an order's details, masked
POST /_sandbox/orders/{uuid}/decline | decline-refund   {"reason": …}, or no body
POST /_sandbox/sales               {"terminal": …, "item": …, "amount": …, "callback_url": …}: a new order
POST /_sandbox/terminals/{uuid}    {"offline": …}
POST /_sandbox/behaviour           {"one_at_a_time": …, "magic_amounts": …}
POST /_sandbox/faults/clear        clear all faults
POST /_sandbox/faults    {"kind": …, "operation": …, "times": …} or {"rates": {…: …}, "seed": …}
POST /_sandbox/callbacks/faults    {"kind": …, "times": …, "skip": …, "every": …, "seconds": …}
POST /_sandbox/callbacks/deliver   send the callbacks that are due, if they are not sent automatically
POST /_sandbox/callbacks/listener  {"url": …}: send all callbacks there; null for the orders' own URLs
POST /_sandbox/callbacks/{number}/resend
POST /_sandbox/reset
GET  /openapi.json                 the API as an OpenAPI document, with this sandbox as its server

Requests from other sites, and to host names other than this machine's, are rejected; see ``origin``.
"""

from __future__ import annotations

import inspect
import json
from datetime import UTC, datetime
from functools import partial
from types import NoneType
from typing import TYPE_CHECKING, Any, cast

from attrs import frozen
from starlette.middleware import Middleware
from starlette.responses import JSONResponse
from starlette.routing import Route

from frontpay_async.errors import FrontPayError, InvalidOrderError
from frontpay_async.models.common import Address, Customer, OrderSummary, Product, SendOrderBy
from frontpay_async.models.terminals import TerminalOrder
from frontpay_async.sandbox.inspect.origin import OwnOrigin
from frontpay_async.sandbox.openapi import describe
from frontpay_async.sandbox.state import ForbiddenEventError
from frontpay_async.settings import RateLimit, RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from starlette.requests import Request
    from starlette.responses import Response

    from frontpay_async.sandbox import Sandbox
    from frontpay_async.sandbox.callback_sender import SentCallback
    from frontpay_async.sandbox.inspect.view import View

_WALK_IN = Customer(
    type="private",
    name="Walk-in customer",
    country_code="+47",
    msisdn="40000000",
    email="till@example.com",
    address=Address(street="Storgata 1", zip="0155", city="Oslo", country="NO"),
)


@frozen
class _Control:
    sandbox: Sandbox
    view: View

    async def openapi(self, request: Request) -> Response:
        base = str(request.base_url.replace(path="/api/v1"))
        return JSONResponse(describe({"sandbox": base}), headers={"cache-control": "no-store"})

    async def orders(self, _: Request) -> Response:
        rows = [
            {
                "uuid": order.uuid,
                "operation": order.operation,
                "status": order.status,
                "amount": str(order.amount),
                "refunded": str(order.refunded),
            }
            for order in self.sandbox.orders.values()
        ]
        return JSONResponse(rows)

    async def requests(self, _: Request) -> Response:
        rows = [
            {
                "operation": each.operation,
                "method": each.method,
                "path": each.path,
                "status": each.status,
                "fault": each.fault,
            }
            for each in self.sandbox.requests
        ]
        return JSONResponse(rows)

    async def duplicates(self, _: Request) -> Response:
        rows = [
            {"operation": each.operation, "order_uuids": each.order_uuids, "times": each.times}
            for each in self.sandbox.duplicates()
        ]
        return JSONResponse(rows)

    async def event(self, request: Request) -> Response:
        sandbox, uuid, name = self.sandbox, request.path_params["uuid"], request.path_params["event"]
        try:
            reason = (await _asked(request, {"reason": _WORD})).get("reason")
            decisions: dict[str, Callable[[str], None]] = {
                "approve": sandbox.approve,
                "decline": partial(sandbox.decline, reason=reason),
                "approve-refund": sandbox.approve_refund,
                "decline-refund": partial(sandbox.decline_refund, reason=reason),
                "repeat-callback": sandbox.callback_sender.repeat,
            }
            if name in decisions:
                decisions[name](uuid)
            else:
                sandbox.apply_event(uuid, name)
        except KeyError:
            return JSONResponse({"error": "no such order, or nothing to repeat"}, 404)
        except ForbiddenEventError as error:
            return JSONResponse({"error": str(error)}, 409)
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 422)
        return JSONResponse({"status": sandbox.status_of(uuid)})

    async def order(self, request: Request) -> Response:
        found = self.view.order(request.path_params["uuid"])
        return JSONResponse({"error": "no such order"}, 404) if found is None else JSONResponse(found)

    async def sale(self, request: Request) -> Response:
        sandbox = self.sandbox
        try:
            asked = await _asked(request, _SALE)
            if asked.get("callback_url"):
                # The page is the merchant here.
                asked["callback_url"] = sandbox.callback_sender.with_token(asked["callback_url"], "page sale")
            order = _sale(asked)
            async with sandbox.client(
                min(self.view.api.settings.tokens),
                retry=RetryPolicy(attempts=1),
                rate_limit=RateLimit.unlimited(),
                order_date_format=self.view.api.settings.order_date_format,
            ) as client:
                created = await client.terminals.create_order(order)
        except InvalidOrderError as error:
            return JSONResponse({"error": str(error)}, 422)
        except FrontPayError as error:
            return JSONResponse({"error": str(error)}, 409)
        except (ValueError, TypeError, ArithmeticError, KeyError) as error:
            told = "a sale needs a terminal, an item and an amount such as 149.50"
            return JSONResponse({"error": str(error) if isinstance(error, _WrongBodyError) else told}, 422)
        return JSONResponse({"order_uuid": created.order_uuid}, 201)

    async def terminal(self, request: Request) -> Response:
        try:
            offline = (await _asked(request, {"offline": _SWITCH}))["offline"]
            self.sandbox.set_terminal(request.path_params["uuid"], offline=offline)
        except KeyError:
            return JSONResponse({"error": 'no such terminal, or the body is not {"offline": …}'}, 422)
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 422)
        return JSONResponse({})

    async def behaviour(self, request: Request) -> Response:
        try:
            asked = await _asked(request, {"one_at_a_time": _SWITCH, "magic_amounts": _SWITCH})
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 422)
        behaviour = self.sandbox.behaviour
        behaviour.one_at_a_time = asked.get("one_at_a_time", behaviour.one_at_a_time)
        behaviour.magic_amounts = asked.get("magic_amounts", behaviour.magic_amounts)
        self.view.api.feed.note()
        return JSONResponse({})

    async def callbacks(self, _: Request) -> Response:
        return JSONResponse(_rows(self.sandbox.callbacks))

    async def deliver(self, _: Request) -> Response:
        return JSONResponse(_rows(await self.sandbox.deliver_callbacks()))

    async def listener(self, request: Request) -> Response:
        try:
            url = (await _asked(request, {"url": _WORD}))["url"]
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 422)
        except KeyError:
            return JSONResponse({"error": 'the body must be {"url": …}'}, 422)
        if url is not None and not url.startswith(("http://", "https://")):
            return JSONResponse({"error": "the listener's URL must be http:// or https://"}, 422)
        self.sandbox.callback_sender.listener = url
        return JSONResponse({})

    async def resend(self, request: Request) -> Response:
        try:
            self.sandbox.callback_sender.resend(request.path_params["number"])
        except KeyError:
            return JSONResponse({"error": "no such callback, or it is no longer kept"}, 404)
        return JSONResponse({})

    async def faults(self, request: Request) -> Response:
        return await _add(request, self.sandbox.fail, self.sandbox.fail_randomly)

    async def clear_faults(self, _: Request) -> Response:
        self.sandbox.faults.clear()
        return JSONResponse({})

    async def callback_faults(self, request: Request) -> Response:
        return await _add(request, self.sandbox.callback_sender.fail)

    async def reset(self, _: Request) -> Response:
        self.sandbox.reset()
        return JSONResponse({})


_SWITCH = ((bool,), "true or false")
_WORD = ((str, NoneType), "text or null")
_SALE = {
    "terminal": ((str,), "text"),
    "item": ((str,), "text"),
    "amount": ((str, int, float), "a number, or text such as 149.50"),
    "callback_url": _WORD,
}


class _WrongBodyError(ValueError):
    """A body is not the object that its route takes."""


async def _asked(
    request: Request, members: Mapping[str, tuple[tuple[type, ...], str]] | None = None
) -> dict[str, Any]:
    """Read an object whose members have these types; without them it may be any. An empty body is ``{}``."""
    content = await request.body()
    try:
        asked: object = json.loads(content) if content else {}
    except ValueError:
        raise _WrongBodyError("the body must be JSON") from None
    if not isinstance(asked, dict):
        raise _WrongBodyError("the body must be a JSON object")
    given = cast("dict[str, Any]", asked)
    if members is None:
        return given
    for name, value in given.items():
        if name not in members:
            raise _WrongBodyError(f"{name!r} is not known here; known: {', '.join(members)}")
        types, words = members[name]
        # A bool is an int, too.
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise _WrongBodyError(f"{name} must be {words}")
    return given


def _sale(asked: dict[str, Any]) -> TerminalOrder:
    products = [Product(name=str(asked["item"]), quantity=1, rate=str(asked["amount"]).strip(), tax=25)]
    return TerminalOrder(
        products=products,
        summary=OrderSummary.of(products),
        order_date=datetime.now(UTC),
        customer=_WALK_IN,
        terminal_uuid=str(asked["terminal"]),
        receipt_print=True,
        send_order_by=SendOrderBy(sms=False, email=True),
        callback_url=asked.get("callback_url") or None,
    )


async def _add(
    request: Request, add: Callable[..., None], add_at_rates: Callable[..., None] | None = None
) -> Response:
    """Add the fault that a body describes."""
    try:
        asked = await _asked(request)
        chosen = add_at_rates if add_at_rates is not None and "rates" in asked else add
        # This error names only the key; the call's own would name internals of the sandbox.
        inspect.signature(chosen).bind(**asked)
        chosen(**asked)
    except (TypeError, ValueError, AttributeError) as error:
        return JSONResponse({"error": str(error)}, 422)
    return JSONResponse({})


def _rows(callbacks: Iterable[SentCallback]) -> list[dict[str, object]]:
    # Without the URLs, which may contain the merchant's secrets.
    return [
        {
            "number": each.number,
            "uuid": each.order_uuid,
            "says": each.says,
            "status": each.status,
            "problem": each.problem,
            "fault": each.fault,
        }
        for each in callbacks
    ]


def control_routes(sandbox: Sandbox, view: View) -> list[Route]:
    """Return the routes that inspect and control a sandbox."""
    control = _Control(sandbox, view)
    own = [Middleware(OwnOrigin)]
    return [
        Route(
            "/openapi.json",
            control.openapi,
            methods=["GET"],
            middleware=[Middleware(OwnOrigin, to_read=True)],
        ),
        Route("/_sandbox/orders", control.orders, methods=["GET"], middleware=own),
        Route("/_sandbox/requests", control.requests, methods=["GET"], middleware=own),
        Route("/_sandbox/duplicates", control.duplicates, methods=["GET"], middleware=own),
        Route("/_sandbox/callbacks", control.callbacks, methods=["GET"], middleware=own),
        Route("/_sandbox/callbacks/deliver", control.deliver, methods=["POST"], middleware=own),
        Route("/_sandbox/callbacks/listener", control.listener, methods=["POST"], middleware=own),
        Route("/_sandbox/callbacks/{number:int}/resend", control.resend, methods=["POST"], middleware=own),
        Route("/_sandbox/callbacks/faults", control.callback_faults, methods=["POST"], middleware=own),
        Route("/_sandbox/orders/{uuid}", control.order, methods=["GET"], middleware=own),
        Route("/_sandbox/sales", control.sale, methods=["POST"], middleware=own),
        Route("/_sandbox/terminals/{uuid}", control.terminal, methods=["POST"], middleware=own),
        Route("/_sandbox/behaviour", control.behaviour, methods=["POST"], middleware=own),
        Route("/_sandbox/orders/{uuid}/{event}", control.event, methods=["POST"], middleware=own),
        Route("/_sandbox/faults", control.faults, methods=["POST"], middleware=own),
        Route("/_sandbox/faults/clear", control.clear_faults, methods=["POST"], middleware=own),
        Route("/_sandbox/reset", control.reset, methods=["POST"], middleware=own),
    ]
