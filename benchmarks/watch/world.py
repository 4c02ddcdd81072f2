"""The simulated API and its customers: payments that end when they end, and one token's throttle.

A payment takes a log-normal time with a median of 20 s; 99.7 % are over within three minutes, and one in ten
is cancelled. A scene may have another distribution, of which the hub knows nothing. What is asked about it is
answered after 0.12 to 0.28 s, half of which lies before the request is counted and its answer fixed. A list
of all orders takes 0.3 ms more for each order in it. The throttle is Laravel's: 240 requests in a fixed
window of 60 s that begins with the first; then 429 with a `Retry-After` in whole seconds, rounded up. A
callback arrives 0.05 to 0.25 s after the payment's end, or never.

Everything is drawn from seeded generators: what the payments do does not depend on who watches.
"""

import asyncio
import json
import math
from collections.abc import Callable
from random import Random
from typing import Any, Final

import httpx
from attrs import define, field, frozen

from frontpay_async.sandbox.throttle import Throttle

LIMIT: Final = 240
WINDOW: Final = 60.0
BUDGET: Final = LIMIT / WINDOW
"""Polls a second."""
MEDIAN: Final = 20.0
SIGMA: Final = 0.8
ANSWER: Final = (0.12, 0.28)
"""Seconds, at least and at most, half of them each way."""
WAY_BACK: Final = sum(ANSWER) / 4
"""The mean seconds that an answer is under way."""
CALLBACK: Final = (0.05, 0.25)
_ENTRY: Final = 0.0003
_CANCELLED: Final = 0.1
_STATUS: Final = "/api/v1/connect/terminal/orders/payment-status/"
_REFUND: Final = "/api/v1/connect/terminal/orders/refund-status/"
_LIST: Final = "/api/v1/connect/orders/status"


@frozen
class Payment:
    """One payment: when it begins and ends, in seconds."""

    uuid: str
    begins: float
    ends: float
    status: str
    counted: bool = True
    """Whether its delay is reported: not where it only keeps the others company."""


@frozen(kw_only=True)
class Scene:
    """Say how payments come.

    Args:
        name: For the results.
        title: For people.
        number: How many are counted in one repetition.
        repetitions: How often, with other random numbers.
        spread: Seconds over which they begin at random; 0: all at once.
        before: Seconds of the same stream before, which are not counted.
        after: Seconds of the same stream afterwards, which are not counted.
        median: Seconds; half of the payments have ended by then.
        sigma: The standard deviation of ln(seconds).
        lasts: How long each takes, within half a second, instead of a random time.
    """

    name: str
    title: str
    number: int
    repetitions: int = 1
    spread: float = 0.0
    before: float = 0.0
    after: float = 0.0
    median: float = MEDIAN
    sigma: float = SIGMA
    lasts: float | None = None

    def payments(self, repetition: int) -> list[Payment]:
        """Draw the payments of a repetition."""
        random = Random(f"{self.name} {repetition}")  # noqa: S311 - repeatable on purpose
        begins = [(self.before + random.uniform(0, self.spread), True) for _ in range(self.number)]
        if self.spread:
            rate = self.number / self.spread
            for start, length in ((0.0, self.before), (self.before + self.spread, self.after)):
                begins += [(start + random.uniform(0, length), False) for _ in range(round(rate * length))]
        payments: list[Payment] = []
        for place, (begin, counted) in enumerate(sorted(begins)):
            status = "CANCELLED" if random.random() < _CANCELLED else "PAID"
            ends = begin + random.lognormvariate(math.log(self.median), self.sigma)
            if self.lasts is not None:
                ends = begin + self.lasts + random.uniform(-0.5, 0.5)
            payments.append(Payment(f"ODR{2210000000 + place}", begin, ends, status, counted))
        return payments


@define(eq=False)
class Api:
    """Answer requests in simulated time.

    Args:
        payments: All orders of the account.
        lists_terminals: Whether the list of orders has them.
        seed: Of the latencies.
    """

    payments: dict[str, Payment]
    lists_terminals: bool
    seed: str
    requests: int = field(init=False, default=0)
    """Requests that were counted, whatever the answer but 429."""
    lists: int = field(init=False, default=0)
    refusals: int = field(init=False, default=0)
    _throttle: Throttle = field(init=False, factory=lambda: Throttle(LIMIT, WINDOW))
    _random: Random = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._random = Random(self.seed)  # noqa: S311 - repeatable on purpose

    async def answer(self, path: str) -> tuple[int, dict[str, str], dict[str, Any]]:
        """Return status, headers and body, when the answer arrives."""
        now = asyncio.get_running_loop().time
        way = self._random.uniform(*ANSWER) / 2
        await asyncio.sleep(way)
        verdict = self._throttle.hit("token", now())
        headers = verdict.headers(now())
        if verdict.wait is not None:
            self.refusals += 1
            await asyncio.sleep(way)
            return 429, headers, {"message": "Too Many Attempts."}
        self.requests += 1
        body = self._body(path, now())
        if path == _LIST:
            self.lists += 1
            way += _ENTRY * len(body["data"] or ())
        status = body["status_code"]
        await asyncio.sleep(way)
        return status, headers, body

    def _body(self, path: str, now: float) -> dict[str, Any]:
        if path == _LIST:
            if rows := self._rows(now) if self.lists_terminals else []:
                return _success("Order Status Retrieved Successfully", data=rows)
            return {"status_code": 404, "message": "Order Not Found", "data": None}
        payment = self.payments.get(path.rpartition("/")[2])
        if payment is None or payment.begins > now:
            return {"status_code": 404, "message": "orderNotFound", "data": None}
        ended = payment.ends <= now
        if path.startswith(_STATUS):
            return _success(
                "orderPaymentConfirmed" if ended else "orderPaymentPending",
                order_status=payment.status if ended else None,
            )
        if not path.startswith(_REFUND):
            raise ValueError(path)
        refunded = "REFUNDED" if payment.status == "PAID" else "REJECTED"
        return _success("orderRefundedSuccessfully", refund_status=refunded if ended else None)

    def _rows(self, now: float) -> list[dict[str, str]]:
        return [
            {"uuid": each.uuid, "status": each.status if each.ends <= now else "SENT"}
            for each in self.payments.values()
            if each.begins <= now
        ]


def _success(message: str, data: Any = None, **beside: str | None) -> dict[str, Any]:  # noqa: ANN401 - JSON
    return {"status_code": 200, "status_message": "OK", **beside, "message": message, "data": data}


@define(eq=False)
class ApiTransport(httpx.AsyncBaseTransport):
    """The simulated API as an httpx transport."""

    api: Api

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer in simulated time."""
        status, headers, body = await self.api.answer(request.url.path)
        content = json.dumps(body, separators=(",", ":")).encode()
        headers = headers | {"content-type": "application/json"}
        return httpx.Response(status, headers=headers, stream=httpx.ByteStream(content))


@define(eq=False)
class Callbacks:
    """Deliver callbacks, or lose some of them.

    Args:
        lost: The part that is lost.
        seed: Of the delays and the losses.
    """

    lost: float
    seed: str
    _random: Random = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._random = Random(self.seed)  # noqa: S311 - repeatable on purpose

    def plan(self, payment: Payment, notify: Callable[[str], object]) -> None:
        """Call back at the payment's end, if it is not lost."""
        delay, luck = self._random.uniform(*CALLBACK), self._random.random()
        if luck >= self.lost:
            asyncio.get_running_loop().call_at(payment.ends + delay, notify, payment.uuid)
