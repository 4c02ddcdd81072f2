"""The sandbox of a chaos run, in a process of its own: ``python -m tests.support.chaos_sandbox SETTINGS``.

What strikes a request is drawn from the seed, the request's content, and how often this content has come: the
same seed strikes the same invoices, whatever the order of arrival. Beside the sandbox's own faults there are
two more, in which the request is never answered: it asks for the death of the process that sent it (``kill
PID`` on stdout), before or after the order was stored. Other work on the token goes on meanwhile: a stranger
looks at terminals in bursts, and a colleague sends orders by hand.

``GET /_chaos/report`` tells what stands in the account, and what happened. Prints ``ready URL`` first.
"""

from __future__ import annotations

import asyncio
import contextvars
import hashlib
import itertools
import json
import random
import re
import signal
import sys
from collections import Counter
from typing import TYPE_CHECKING, Any, cast

from attrs import define, field, frozen

from frontpay_async import FrontPayClient, FrontPayError, RateLimit, RetryPolicy
from frontpay_async.sandbox import DEFAULT_ORGANIZATION, DEFAULT_TOKEN, Sandbox
from frontpay_async.sandbox.app import BASE_PATH
from frontpay_async.sandbox.faults import FaultKind, Faults, Strike
from frontpay_async.sandbox.server import bind, serving
from tests.support.chaos_odd import ACCOUNTS, OddAccount
from tests.support.chaos_orders import strange_order

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

__all__ = ["KILL_AFTER", "KILL_BEFORE", "Weather"]

KILL_BEFORE = "kill-before"
KILL_AFTER = "kill-after"

_BETWEEN_ORDERS = 0.5
_BURSTS = (3, 6, 12)
_NOTHING = Strike()
_coming: contextvars.ContextVar[Strike] = contextvars.ContextVar("_coming", default=_NOTHING)
_SENDER = re.compile(r"chaos/(\d+)")


@frozen(kw_only=True)
class Weather:
    """Say what goes wrong, and how the token is throttled.

    Args:
        seed: Decides what strikes which request.
        rates: The share of requests that each strikes: a ``FaultKind``, ``kill-before`` or ``kill-after``.
        latency: Seconds that an answer takes longer, at most.
        limit: Requests a window; None for no throttle.
        window: Seconds.
        stranger: The share of the budget that the stranger takes.
        colleague: How many orders are sent by hand meanwhile.
        odd: Another server in the sandbox's place: a key of ``chaos_odd.ACCOUNTS``.
    """

    seed: int
    rates: dict[str, float]
    latency: float = 0.0
    limit: int | None = None
    window: float = 60.0
    stranger: float = 0.0
    colleague: int = 0
    odd: str | None = None


class _DrawnFaults(Faults):
    """Faults that were drawn before the request reached the sandbox."""

    def strike(self, operation: str) -> Strike:
        del operation
        return _coming.get()


@define(eq=False)
class _Chaos:
    """The app around the sandbox's."""

    weather: Weather
    sandbox: Sandbox
    odd: OddAccount | None = None
    seen: Counter[bytes] = field(factory=Counter[bytes])
    struck: Counter[str] = field(factory=Counter[str])

    @property
    def app(self) -> ASGIApp:
        return self.odd or self.sandbox.app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let go wrong what has to (an ASGI app)."""
        if scope["type"] != "http" or not scope["path"].startswith(BASE_PATH):
            await self._control(scope, receive, send)
            return
        if (body := await _read(receive)) is None:
            return
        fate, latency = self._draw(scope, body)
        if fate is not None:
            self.struck[fate] += 1
        sender = _SENDER.search(dict(scope["headers"]).get(b"user-agent", b"").decode("latin-1"))
        if fate in (KILL_BEFORE, KILL_AFTER) and sender is not None:
            if fate == KILL_AFTER:
                _coming.set(_NOTHING)
                await self.app(scope, _replay(body, receive), _swallow)
            print(f"kill {sender[1]}", flush=True)  # noqa: T201 - read by the parent
            # Never answered: its sender is about to die.
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        _coming.set(Strike(None if fate is None else FaultKind(fate), latency=latency))
        await self.app(scope, _replay(body, receive), send)
        if sender is not None:
            print(f"served {sender[1]}", flush=True)  # noqa: T201 - read by the parent

    def _draw(self, scope: Scope, body: bytes) -> tuple[str | None, float]:
        content = hashlib.sha256(
            b"\0".join([scope["method"].encode(), scope["path"].encode(), body])
        ).digest()
        self.seen[content] += 1
        seed = f"{self.weather.seed}/{content.hex()}/{self.seen[content]}"
        chance = random.Random(seed)  # noqa: S311 - chance that can be repeated
        latency, point = chance.random() * self.weather.latency, chance.random()
        for fate, rate in self.weather.rates.items():
            if point < rate:
                return fate, latency
            point -= rate
        return None, latency

    async def _control(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] == "/_chaos/report":
            content = json.dumps(self._report()).encode()
            headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(content))]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            await send({"type": "http.response.body", "body": content})
        else:
            await self.sandbox.app(scope, receive, send)

    def _report(self) -> dict[str, Any]:
        if self.odd is not None:
            return {"orders": self.odd.orders(), "requests": self.odd.requests, "struck": self.struck}
        ours = [each for each in self.sandbox.requests if (each.operation or "").startswith("orders.")]
        return {
            "orders": {order.uuid: order.body.get("referenceNo") for order in self.sandbox.orders.values()},
            "requests": Counter(f"{each.operation} {each.status}" for each in ours),
            "struck": self.struck,
        }

    async def be_the_stranger(self) -> None:
        """Spend a part of the budget in bursts, now and then all of it, and care for nothing."""
        weather = self.weather
        if not weather.stranger or not weather.limit:
            return
        bursts = (weather.limit, *_BURSTS)
        mean = sum(bursts) / len(bursts) * weather.window / (weather.limit * weather.stranger)
        chance = random.Random(f"stranger/{weather.seed}")  # noqa: S311 - chance that can be repeated
        unlimited, once = RateLimit.unlimited(), RetryPolicy(attempts=1)
        async with self.sandbox.client(rate_limit=unlimited, retry=once) as client:
            for burst in itertools.cycle(bursts):
                await asyncio.sleep(chance.uniform(0.2, 1.8) * mean)
                for _ in range(burst):
                    try:
                        await client.terminals.list(DEFAULT_ORGANIZATION)
                    except FrontPayError:
                        break

    async def be_the_colleague(self) -> None:
        """Send orders that are not of the batch."""
        unlimited = RateLimit.unlimited()
        async with (
            self.sandbox.client(rate_limit=unlimited)
            if self.odd is None
            else FrontPayClient(DEFAULT_TOKEN, transport=self.odd.server.transport(), rate_limit=unlimited)
        ) as client:
            for number in range(self.weather.colleague):
                await asyncio.sleep(_BETWEEN_ORDERS)
                await client.orders.send_invoice(strange_order(number))


async def _read(receive: Receive) -> bytes | None:
    """Read a request's body; None where its sender was gone before it had come."""
    body = b""
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += cast("bytes", message.get("body", b""))
        if not message.get("more_body"):
            return body


def _replay(body: bytes, receive: Receive) -> Receive:
    rest = iter([{"type": "http.request", "body": body, "more_body": False}])

    async def replayed() -> Message:
        return next(rest, None) or await receive()

    return replayed


async def _swallow(message: Message) -> None:
    del message


async def _main(weather: Weather) -> None:
    sandbox = Sandbox(rate_limit=weather.limit, rate_window=weather.window)
    sandbox.faults = sandbox._api.faults = _DrawnFaults()  # pyright: ignore[reportPrivateUsage]
    odd = None if weather.odd is None else OddAccount(ACCOUNTS[weather.odd](), _coming.get)
    chaos = _Chaos(weather, sandbox, odd)
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with serving(chaos, bind("127.0.0.1", 0), asyncio.Event().wait) as base_url:
        others = [asyncio.create_task(chaos.be_the_stranger()), asyncio.create_task(chaos.be_the_colleague())]
        print(f"ready {base_url}", flush=True)  # noqa: T201 - read by the parent
        await stop.wait()
        for task in others:
            task.cancel()


if __name__ == "__main__":
    asyncio.run(_main(Weather(**json.loads(sys.argv[1]))))
