"""The in-process cost of the sandbox: of a call, and of a whole test with one call.

A call of a client to a sandbox, which checks the documented rules and keeps the order, stands beside httpx's
`post(json=)` and `.json()` to a bare Starlette app, which reads the body and always answers the same. As in
`noop`, the variants take turns in one process, and CPU time is counted.

Run as `python -m benchmarks.transport.in_sandbox CORE ROUNDS CALLS`; prints microseconds a call, by variant
and round.
"""

import asyncio
import json
import sys

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from benchmarks.common.machine import pin
from benchmarks.common.payloads import CREATED_BODY, ORDER, ORDER_PATH
from benchmarks.transport.contenders.frontpay import build_order
from benchmarks.transport.noop import interleaved
from frontpay_async import RateLimit
from frontpay_async.sandbox import Sandbox

_CREATED = json.loads(CREATED_BODY)
_TESTS_PER_ROUND = 20


async def _create(request: Request) -> JSONResponse:
    await request.json()
    return JSONResponse(_CREATED, 201)


async def _measure(rounds: int, calls: int) -> dict[str, list[float]]:
    order = build_order()
    app = Starlette(routes=[Route(ORDER_PATH, _create, methods=["POST"])])
    sandbox = Sandbox(rate_limit=None)
    async with (
        sandbox.client(rate_limit=RateLimit.unlimited()) as ours,
        httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://127.0.0.1") as bare,
    ):

        async def call() -> object:
            return await ours.orders.send_invoice(order)

        async def starlette() -> object:
            response = await bare.post(ORDER_PATH, json=ORDER)
            return response.json()

        async def test() -> object:
            async with Sandbox().client() as client:
                return await client.orders.send_invoice(order)

        variants = {"call": (call, calls), "starlette": (starlette, calls), "test": (test, _TESTS_PER_ROUND)}
        return await interleaved(variants, rounds)


if __name__ == "__main__":
    pin(int(sys.argv[1]))
    measured = asyncio.run(_measure(int(sys.argv[2]), int(sys.argv[3])))
    sys.stdout.write(json.dumps(measured))
