"""The in-process cost of one whole call: no socket, a transport that answers at once.

What is left is the client itself: its model checked and encoded, its pipeline, the answer decoded into its
model. The variants run in one process and take turns, so that the machine's moods fall on all alike, with
the garbage collector on as in real use. CPU time is counted, so a neighbour on the core does not.

Run as `python -m benchmarks.transport.noop CORE ROUNDS CALLS`; prints microseconds a call,
by variant and round.
"""

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable, Mapping

import httpx

from benchmarks.common.machine import pin
from benchmarks.common.payloads import ANSWER_HEADERS, BASE_PATH, CREATED_BODY, ORDER, ORDER_PATH, TOKEN
from benchmarks.transport.contenders.frontpay import build_order
from frontpay_async import FrontPayClient, RateLimit

_ORIGIN = "http://127.0.0.1:9"


class NoopTransport(httpx.AsyncBaseTransport):
    """Answers every request at once as the API answers a created order."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Return a new answer, its body still to be read, as a real transport does."""
        del request
        return httpx.Response(201, headers=ANSWER_HEADERS, stream=httpx.ByteStream(CREATED_BODY))


async def interleaved(
    variants: Mapping[str, tuple[Callable[[], Awaitable[object]], int]], rounds: int
) -> dict[str, list[float]]:
    """Return each variant's CPU microseconds a call in each round; all of them have a turn in a round."""
    taken: dict[str, list[float]] = {name: [] for name in variants}
    for number in range(-1, rounds):  # the first round warms up
        for name, (call, calls) in variants.items():
            cost = await _timed(call, calls)
            if number >= 0:
                taken[name].append(cost)
    return taken


async def _timed(call: Callable[[], Awaitable[object]], calls: int) -> float:
    begun = time.process_time()
    for _ in range(calls):
        await call()
    return (time.process_time() - begun) / calls * 1e6


async def _measure(rounds: int, calls: int) -> dict[str, list[float]]:
    transport = NoopTransport()
    order = build_order()
    body = json.dumps(ORDER).encode()
    request = httpx.Request("POST", _ORIGIN + ORDER_PATH, content=body)
    authorization = {"Authorization": f"Bearer {TOKEN}"}
    async with (
        FrontPayClient(
            token=TOKEN,
            base_url=_ORIGIN + BASE_PATH,
            transport=transport,
            rate_limit=RateLimit.unlimited(),
        ) as ours,
        httpx.AsyncClient(transport=transport, headers=authorization) as bare,
    ):

        async def call_ours() -> object:
            return await ours.orders.send_invoice(order)

        async def call_ours_with_a_new_order() -> object:
            return await ours.orders.send_invoice(build_order())

        async def call_httpx() -> object:
            response = await bare.post(_ORIGIN + ORDER_PATH, json=ORDER)
            return response.json()

        async def call_transport() -> object:
            response = await transport.handle_async_request(request)
            return await response.aread()

        variants = {
            "frontpay": call_ours,
            "frontpay-new-order": call_ours_with_a_new_order,
            "httpx": call_httpx,
            "transport": call_transport,
        }
        return await interleaved({name: (call, calls) for name, call in variants.items()}, rounds)


if __name__ == "__main__":
    pin(int(sys.argv[1]))
    measured = asyncio.run(_measure(int(sys.argv[2]), int(sys.argv[3])))
    sys.stdout.write(json.dumps(measured))
