"""The contenders of the watch benchmark, behind one shape: wait until a payment has ended.

Ours is the whole client, with its governor and its hub. A peer is what people write by hand: a loop for
each order that asks, sleeps, and obeys `Retry-After` when it is refused. Peers talk to the simulated API
without an HTTP client between, which costs no simulated time; one of them goes through our client's rate
governor, to show what that alone brings.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, TypeAlias

import tenacity
from attrs import field, frozen

from benchmarks.common.payloads import BASE_PATH, TOKEN
from benchmarks.watch.time import loop_clock
from benchmarks.watch.world import Api, ApiTransport, Callbacks, Payment
from frontpay_async import FrontPayClient, Priority

Wait: TypeAlias = Callable[[Payment], Awaitable[object]]
"""Return when it is known that the payment has ended."""

_PATH: Final = f"{BASE_PATH}/terminal/orders/payment-status/"
_FOR_EVER: Final = 36_000.0


@frozen
class Contender:
    """One row of the table."""

    name: str
    label: str
    settings: str
    open: Callable[[Api, str], AbstractAsyncContextManager[Wait]] = field(repr=False)
    """Given the API and a seed."""
    lists_terminals: bool = False
    """Whether the list of orders has terminal orders, in this row's world."""

    @property
    def ours(self) -> bool:
        """Whether it is this project's hub."""
        return self.name.startswith("hub")


def _client(api: Api) -> FrontPayClient:
    return FrontPayClient(
        TOKEN,
        base_url=f"https://simulated.invalid{BASE_PATH}",
        transport=ApiTransport(api),
        clock=loop_clock(),
        trust_env=False,
    )


def _hub(lost: float | None = None) -> Callable[[Api, str], AbstractAsyncContextManager[Wait]]:
    @asynccontextmanager
    async def opened(api: Api, seed: str) -> AsyncGenerator[Wait]:
        client: Any = _client(api)
        callbacks = None if lost is None else Callbacks(lost, f"callbacks {seed}")
        async with client:

            async def wait(payment: Payment) -> object:
                if callbacks is not None:
                    callbacks.plan(payment, client.watch.notify)
                status: object = await client.watch.payment(payment.uuid, timeout=_FOR_EVER)
                return status

            yield wait

    return opened


async def _ask(api: Api, payment: Payment) -> str | None:
    while True:
        status, headers, body = await api.answer(_PATH + payment.uuid)
        if status != 429:
            found: str | None = body["order_status"]
            return found
        await asyncio.sleep(float(headers["retry-after"]))


def _fixed(interval: float) -> Callable[[Api, str], AbstractAsyncContextManager[Wait]]:
    @asynccontextmanager
    async def opened(api: Api, _: str) -> AsyncGenerator[Wait]:
        async def wait(payment: Payment) -> None:
            while await _ask(api, payment) is None:  # noqa: ASYNC110 - what is compared
                await asyncio.sleep(interval)

        yield wait

    return opened


@asynccontextmanager
async def _governed(api: Api, _: str) -> AsyncGenerator[Wait]:
    async with _client(api) as whole:
        client = whole.with_options(priority=Priority.WATCH)

        async def wait(payment: Payment) -> None:
            while not (await client.terminals.get_payment_status(payment.uuid)).is_final:  # noqa: ASYNC110
                await asyncio.sleep(2.0)

        yield wait


@asynccontextmanager
async def _exponential(api: Api, _: str) -> AsyncGenerator[Wait]:
    async def wait(payment: Payment) -> None:
        retrying = tenacity.AsyncRetrying(
            wait=tenacity.wait_exponential(multiplier=1, max=60),
            retry=tenacity.retry_if_result(lambda status: status is None),
        )
        await retrying(_ask, api, payment)

    yield wait


CONTENDERS: Final = (
    Contender("hub-single", "hub, single polls", "the list does not have terminal orders", _hub()),
    Contender("hub-sweeps", "hub, sweeps", "the list has them", _hub(), lists_terminals=True),
    Contender("hub-callbacks", "hub, callbacks", "the list has them, too", _hub(0.0), lists_terminals=True),
    Contender(
        "hub-lossy",
        "hub, a third of callbacks lost",
        "the list has them, too",
        _hub(1 / 3),
        lists_terminals=True,
    ),
    Contender("fixed-1", "every 1 s", "each order by itself; obeys Retry-After", _fixed(1.0)),
    Contender("fixed-2", "every 2 s", "the same", _fixed(2.0)),
    Contender("fixed-5", "every 5 s", "the same", _fixed(5.0)),
    Contender(
        "exponential",
        "tenacity, exponential",
        "`wait_exponential(multiplier=1, max=60)`; obeys Retry-After",
        _exponential,
    ),
    Contender(
        "governed-2", "every 2 s, our governor", "`terminals.get_payment_status`, `Priority.WATCH`", _governed
    ),
)


def fixed_at(interval: float) -> Contender:
    """Return a loop for each order that asks at a given interval, in seconds."""
    return Contender("fixed", f"every {interval:.2f} s", "the same", _fixed(interval))


def contender(name: str) -> Contender:
    """Return the contender of this name."""
    return next(each for each in CONTENDERS if each.name == name)
