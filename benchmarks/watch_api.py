"""The API of the watch benchmark, in simulated time: payments, a fixed window of requests, and callbacks.

The loop's clock jumps to the next timer as soon as everybody waits, so an hour takes seconds, and each run is
exact and the same.
"""

import asyncio
import json
import math
import random
import selectors
from collections.abc import Callable, Coroutine
from typing import Any, Final, TypeVar

import httpx
from attrs import define, field, frozen

from frontpay_async import Clock
from frontpay_async.sandbox.throttle import Throttle

T = TypeVar("T")

LIMIT: Final = 240
WINDOW: Final = 60.0
BUDGET: Final = LIMIT / WINDOW
ONE_WAY: Final = 0.05
"""Seconds from the caller to the API, and as many back."""
_CALLBACK: Final = (0.05, 0.3)


class _Selector(selectors.DefaultSelector):
    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """Instead of waiting, let the time pass."""
        ready = super().select(0)
        if timeout is None:
            raise RuntimeError("everybody waits for nothing")
        if not ready:
            self.passed += timeout
        return ready


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._simulated = _Selector()
        super().__init__(self._simulated)

    def time(self) -> float:
        return self._simulated.passed


def simulate(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine in simulated time, from second 0."""
    with asyncio.Runner(loop_factory=_Loop) as runner:
        return runner.run(coroutine)


def now() -> float:
    """Return the simulated time."""
    return asyncio.get_running_loop().time()


def clock() -> Clock:
    """Return a clock of simulated time."""
    return Clock(now=now, sleep=asyncio.sleep, chance=random.Random(1).random)  # noqa: S311 - no secret


@frozen(kw_only=True)
class Scene:
    """When payments begin, and how long they take."""

    name: str
    title: str
    count: int
    spread: float
    """Seconds in which they begin, at random; 0 for all at once."""
    runs: int
    median: float = 20.0
    sigma: float = 0.8

    def payments(self, run: int) -> list["Payment"]:
        """Return the payments of a run; the same each time."""
        chance = random.Random(f"{self.name} {run}")  # noqa: S311 - no secret
        begins = sorted(chance.uniform(0, self.spread) for _ in range(self.count))
        return [
            Payment(
                f"ODR{350_000_0000 + number}",
                begin,
                begin + self.median * math.exp(chance.gauss(0, self.sigma)),
                chance.uniform(*_CALLBACK),
                chance.random(),
            )
            for number, begin in enumerate(begins)
        ]


@frozen
class Payment:
    """One payment: when it begins and when it is decided, in seconds; when its callback comes, and its luck."""

    uuid: str
    begins: float
    ends: float
    callback_after: float
    luck: float


@define(eq=False)
class Api:
    """Answer about payments, for so many requests a window."""

    payments: dict[str, Payment]
    lists: bool = False
    throttle: Throttle = field(factory=lambda: Throttle(LIMIT, WINDOW))
    requests: int = 0
    refusals: int = 0
    listings: int = 0

    async def ask(self, path: str) -> tuple[int, dict[str, Any], dict[str, str]]:
        """Answer a request: status, body and headers."""
        await asyncio.sleep(ONE_WAY)
        moment = now()
        verdict = self.throttle.hit("", moment)
        if verdict.wait is None:
            self.requests += 1
            answer: tuple[int, dict[str, Any]] = (200, self._body(path, moment))
        else:
            self.refusals += 1
            answer = (429, {"message": "Too Many Attempts."})
        headers = verdict.headers(moment)
        await asyncio.sleep(ONE_WAY)
        return *answer, headers

    def _body(self, path: str, moment: float) -> dict[str, Any]:
        uuid = path.rpartition("/")[2]
        if uuid in self.payments:
            return {"order_status": "PAID" if self.payments[uuid].ends <= moment else "SENT"}
        self.listings += 1
        rows = [
            {"uuid": each.uuid, "status": "PAID" if each.ends <= moment else "SENT"}
            for each in self.payments.values()
            if each.begins <= moment
        ]
        return {"data": rows if self.lists else [{"uuid": "ODR1", "status": "PAID"}]}


class Transport(httpx.AsyncBaseTransport):
    """Lead the client to the API."""

    def __init__(self, api: Api) -> None:
        self.api = api

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Answer a request."""
        status, body, headers = await self.api.ask(request.url.path)
        return httpx.Response(status, content=json.dumps(body).encode(), headers=headers)


def hazard(scene: Scene) -> Callable[[float], float]:
    """Return the true hazard of a scene's payments."""

    def at(age: float) -> float:
        z = (math.log(max(age, 1e-3)) - math.log(scene.median)) / scene.sigma
        if z > 20:
            return z / (age * scene.sigma)
        density = math.exp(-z * z / 2) / (math.sqrt(2 * math.pi) * max(age, 1e-3) * scene.sigma)
        return density / (0.5 * math.erfc(z / math.sqrt(2)))

    return at


def polling_bound(scene: Scene, run: int, step: float = 0.25) -> tuple[float, float]:
    """Return two integrals, whose ratio bounds single polls: of (Σ√h)²/2B and of Σh over what is open."""
    at, delay, decided, moment = hazard(scene), 0.0, 0.0, 0.0
    waiting, live = scene.payments(run)[::-1], list[Payment]()
    while waiting or live:
        while waiting and waiting[-1].begins <= moment:
            live.append(waiting.pop())
        live = [each for each in live if each.ends > moment]
        hazards = [at(moment - each.begins) for each in live]
        delay += sum(map(math.sqrt, hazards)) ** 2 / (2 * BUDGET) * step
        decided += sum(hazards) * step
        moment += step
    return delay, decided


def queue_bound(scene: Scene, run: int) -> float:
    """Return the least mean delay of whoever asks once after each end, at most BUDGET times a second."""
    free, total = 0.0, 0.0
    for each in sorted(scene.payments(run), key=lambda payment: payment.ends):
        free = max(free + 1 / BUDGET, each.ends)
        total += free - each.ends
    return total / scene.count
