"""The sandbox's own routes below ``/_sandbox``, for programs and tests in another process.

GET  /_sandbox/orders | requests | duplicates       look
POST /_sandbox/orders/{uuid}/{event}                pay, cancel, expire, remind, collect, approve, decline,
                                                    approve-refund, decline-refund
POST /_sandbox/faults    {"kind": …, "operation": …, "times": …}
POST /_sandbox/reset
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from starlette.responses import JSONResponse
from starlette.routing import Route

from frontpay_async.sandbox.faults import Fault
from frontpay_async.sandbox.state import ForbiddenEventError

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.requests import Request
    from starlette.responses import Response

    from frontpay_async.sandbox import Sandbox

__all__ = ["control_routes"]


def control_routes(sandbox: Sandbox) -> list[Route]:
    """Return the routes by which a sandbox is looked into and steered."""
    events: dict[str, Callable[[str], None]] = {
        "approve": sandbox.approve,
        "decline": sandbox.decline,
        "approve-refund": sandbox.approve_refund,
        "decline-refund": sandbox.decline_refund,
    }

    async def orders(_: Request) -> Response:
        rows = [
            {
                "uuid": order.uuid,
                "operation": order.operation,
                "status": order.status,
                "amount": str(order.amount),
                "refunded": str(order.refunded),
            }
            for order in sandbox.orders.values()
        ]
        return JSONResponse(rows)

    async def requests(_: Request) -> Response:
        rows = [
            {
                "operation": each.operation,
                "method": each.method,
                "path": each.path,
                "status": each.status,
                "fault": each.fault,
            }
            for each in sandbox.requests
        ]
        return JSONResponse(rows)

    async def duplicates(_: Request) -> Response:
        rows = [
            {"operation": each.operation, "order_uuids": each.order_uuids, "times": each.times}
            for each in sandbox.duplicates()
        ]
        return JSONResponse(rows)

    async def event(request: Request) -> Response:
        uuid, name = request.path_params["uuid"], request.path_params["event"]
        try:
            if name in events:
                events[name](uuid)
            else:
                sandbox.happen(uuid, name)
        except KeyError:
            return JSONResponse({"error": "no such order"}, 404)
        except ForbiddenEventError as error:
            return JSONResponse({"error": str(error)}, 409)
        return JSONResponse({"status": sandbox.orders[uuid].status})

    async def faults(request: Request) -> Response:
        try:
            asked = json.loads(await request.body())
            sandbox.faults.add(Fault(**asked))
        except (TypeError, ValueError) as error:
            return JSONResponse({"error": str(error)}, 422)
        return JSONResponse({})

    async def reset(_: Request) -> Response:
        sandbox.reset()
        return JSONResponse({})

    return [
        Route("/_sandbox/orders", orders, methods=["GET"]),
        Route("/_sandbox/requests", requests, methods=["GET"]),
        Route("/_sandbox/duplicates", duplicates, methods=["GET"]),
        Route("/_sandbox/orders/{uuid}/{event}", event, methods=["POST"]),
        Route("/_sandbox/faults", faults, methods=["POST"]),
        Route("/_sandbox/reset", reset, methods=["POST"]),
    ]
