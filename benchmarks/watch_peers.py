"""Who waits for the payments of the watch benchmark: the hub in four modes, and what is written by hand."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from attrs import frozen
from tenacity import AsyncRetrying, retry_if_result, wait_exponential

from benchmarks.watch_api import Api, Payment, Scene, Transport, clock, now, simulate
from frontpay_async import FrontPayClient

_LOST: Final = 1 / 3
_PATIENCE: Final = 100_000.0

Waits = Callable[[Payment], Awaitable[None]]


@frozen(kw_only=True)
class Contender:
    """One way to wait."""

    name: str
    label: str
    lists: bool = False
    """Whether the API's list has terminal orders."""
    callbacks: float = 0.0
    """The part of the callbacks that arrive."""
    interval: float | None = None
    """Seconds between two polls of one order, for what is written by hand."""

    @property
    def ours(self) -> bool:
        """Whether it is the hub."""
        return self.name.startswith("hub")


CONTENDERS: Final = (
    Contender(name="hub", label="frontpay_async, single polls"),
    Contender(name="hub-sweeps", label="frontpay_async, with sweeps", lists=True),
    Contender(name="hub-callbacks", label="frontpay_async, with callbacks", lists=True, callbacks=1.0),
    Contender(
        name="hub-lossy",
        label="frontpay_async, a third of the callbacks lost",
        lists=True,
        callbacks=1 - _LOST,
    ),
    Contender(name="fixed-1", label="every 1 s per order", interval=1.0),
    Contender(name="fixed-2", label="every 2 s per order", interval=2.0),
    Contender(name="fixed-5", label="every 5 s per order", interval=5.0),
    Contender(name="tenacity", label="tenacity, 0.5 s doubled up to 30 s", interval=0.0),
)


async def _hub(api: Api, contender: Contender, wait: Callable[[Waits], Awaitable[None]]) -> None:
    async with FrontPayClient(
        "token", base_url="http://localhost/api/v1/connect", transport=Transport(api), clock=clock()
    ) as client:
        loop = asyncio.get_running_loop()

        async def one(payment: Payment) -> None:
            if payment.luck < contender.callbacks:
                loop.call_at(payment.ends + payment.callback_after, client.watch.notify, payment.uuid)
            await client.watch.payment(payment.uuid, timeout=_PATIENCE)

        await wait(one)


async def _fixed(api: Api, payment: Payment, interval: float) -> None:
    while True:
        status, body, headers = await api.ask(payment.uuid)
        if body.get("order_status") == "PAID":
            return
        await asyncio.sleep(float(headers["retry-after"]) if status == 429 else interval)


async def _tenacity(api: Api, payment: Payment) -> None:
    retrying = AsyncRetrying(
        retry=retry_if_result(lambda answer: answer[1].get("order_status") != "PAID"),
        wait=wait_exponential(multiplier=0.5, max=30),
        sleep=asyncio.sleep,
    )
    await retrying(api.ask, payment.uuid)


async def _play(contender: Contender, scene: Scene, run: int) -> dict[str, Any]:
    payments = scene.payments(run)
    api = Api({each.uuid: each for each in payments}, lists=contender.lists)
    delays: list[float] = []

    async def each(payment: Payment, waits: Waits) -> None:
        await asyncio.sleep(payment.begins)
        await waits(payment)
        delays.append(now() - payment.ends)

    async def wait(waits: Waits) -> None:
        async with asyncio.TaskGroup() as tasks:
            for payment in payments:
                tasks.create_task(each(payment, waits))

    if contender.ours:
        await _hub(api, contender, wait)
    elif contender.interval:
        interval = contender.interval
        await wait(lambda payment: _fixed(api, payment, interval))
    else:
        await wait(lambda payment: _tenacity(api, payment))
    return {
        "delays": [round(delay, 4) for delay in delays],
        "requests": api.requests,
        "sweeps": api.listings,
        "refusals": api.refusals,
    }


def play(contender: Contender, scene: Scene, run: int) -> dict[str, Any]:
    """Let a contender wait for a scene's payments; return each one's delay, and what it cost."""
    return simulate(_play(contender, scene, run))
