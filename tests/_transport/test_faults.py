"""Thousands of faults over real sockets: what the caller is told is compared with what the server received.

The short form runs with the other tests. ``nox -s faults`` runs 10,000 for each engine; the seed is printed,
and ``FRONTPAY_FAULTS_SEED`` repeats a run.
"""

from __future__ import annotations

import asyncio
import gc
import os
import random
import ssl
from collections import Counter
from typing import TYPE_CHECKING, Any

import psutil
import pytest

from frontpay_async import (
    FrontPayClient,
    FrontPayError,
    OrderStatus,
    Outcome,
    RateLimit,
    RetryPolicy,
    Timeouts,
)
from tests.support.builders import invoice
from tests.support.fakes import TOKEN
from tests.support.fault_server import FaultServer, serving_faults

if TYPE_CHECKING:
    import trustme

    from frontpay_async._transport.engines import Engine

pytestmark = [pytest.mark.integration, pytest.mark.search]

COUNT = int(os.environ.get("FRONTPAY_FAULTS", "300"))
SEED = int(os.environ.get("FRONTPAY_FAULTS_SEED", "0")) or random.randrange(1, 10**6)  # noqa: S311 - which faults
AT_ONCE = 24
TIMEOUTS = Timeouts(connect=5, read=0.4, write=5, pool=30, total=20)
ONCE, TWICE = RetryPolicy(attempts=1), RetryPolicy(attempts=3, base_delay=0.001, max_delay=0.002)


class Judge:
    """Compares what each call was told with what the server knows."""

    def __init__(self, server: FaultServer) -> None:
        self.server = server
        self.told: Counter[str] = Counter()
        self.wrong: list[str] = []

    def check(self, what: str, key: str, told: object) -> None:
        server = self.server
        arrived, done = server.arrived[key], server.done.get(key, [])
        problem = None
        match told:
            case Outcome.NOT_SENT if arrived:
                problem = "the request arrived"
            # Whoever only reads may be refused by a proxy, too: nothing was changed.
            case Outcome.REJECTED if done and what != "status":
                problem = "it was carried out"
            case Outcome():
                pass
            case str() if what == "create" and told not in done:
                problem = f"the server made {done}"
            case _ if not done:
                problem = "it was never carried out"
        if what == "create" and len(done) > 1:
            problem = "it was carried out twice"
        self.told[f"{what}: {told if isinstance(told, Outcome) else 'success'}"] += 1
        if problem:
            self.wrong.append(
                f"{what} {key} was told {told!r}, but {problem} (arrived {arrived}, done {done})"
            )


async def one_call(client: FrontPayClient, number: int, judge: Judge, draw: random.Random) -> None:
    key, uuid = f"KEY-{number}", f"ODR{number}"
    what = draw.choice(["create", "create", "status", "cancel"])
    told: object
    try:
        if what == "create":
            told = (await client.orders.send_invoice(invoice(customer_reference=key))).order_uuid
        elif what == "status":
            report = await client.orders.get_status(uuid)
            assert (report.order_uuid, report.status) == (uuid, OrderStatus.SENT)
            told = "status"
        else:
            await client.orders.cancel(uuid, note=key)
            told = "cancelled"
    except FrontPayError as error:
        told = error.outcome
    judge.check(what, key, told)


def descriptors() -> int:
    return psutil.Process().num_fds()


async def faults(
    engine: Engine, count: int, seed: int, server_tls: ssl.SSLContext | None, **settings: Any
) -> Judge:
    """Make so many calls, and check that nothing is left of them."""
    draw = random.Random(seed)  # noqa: S311 - which calls
    tasks, before = asyncio.all_tasks(), descriptors()
    async with serving_faults(seed, tls=server_tls, patience=1.0) as server:
        judge = Judge(server)
        numbers = iter(range(1000, 1000 + count))
        sizes: list[int] = []
        async with FrontPayClient(
            TOKEN, base_url=server.url, engine=engine, timeouts=TIMEOUTS, rate_limit=RateLimit.unlimited(),
            trust_env=False, **settings,
        ) as client:  # fmt: skip
            clients = [client.with_options(retry=policy) for policy in (ONCE, TWICE)]

            async def work() -> None:
                for number in numbers:
                    await one_call(draw.choice(clients), number, judge, draw)
                    if number % 1000 == 0:
                        gc.collect()
                        sizes.append(psutil.Process().memory_info().rss)

            await asyncio.gather(*(work() for _ in range(AT_ONCE)))
            # The client still works, and more calls at a time than a leak of places would let through.
            server.rate = 0.0
            answers = await asyncio.gather(*(client.orders.get_status(f"ODR{n}") for n in range(1, 65)))
            assert [each.status for each in answers] == [OrderStatus.SENT] * 64
            await client.aclose()
        async with asyncio.timeout(20):
            while server.open:  # noqa: ASYNC110 - an operating system's state
                await asyncio.sleep(0.01)
    async with asyncio.timeout(20):
        while asyncio.all_tasks() - tasks or descriptors() > before:
            gc.collect()
            await asyncio.sleep(0.01)
    if len(sizes) > 4:
        assert sizes[-1] - sizes[len(sizes) // 4] < 60_000_000, sizes
    print(f"seed {seed}, {engine}: {sum(server.faults.values())} faults, {dict(judge.told)}")  # noqa: T201
    return judge


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("kind", ["plain", "tls"])
async def test_what_is_told_is_what_happened(
    engine: Engine, kind: str, tls: ssl.SSLContext, authority: trustme.CA
) -> None:
    settings: dict[str, Any] = {}
    if kind == "tls":
        settings["tls"] = ssl.create_default_context()
        authority.configure_trust(settings["tls"])
    count = COUNT if kind == "plain" else COUNT // 5
    judge = await faults(engine, count, SEED, tls if kind == "tls" else None, **settings)
    assert judge.wrong == [], f"seed {SEED}"
    assert sum(judge.server.faults.values()) > count // 3
    # Otherwise the server's plain answers are not understood, and every create is unknown whatever happened.
    assert judge.told["create: success"] > count // 20


async def test_refused_connections_and_untrusted_certificates_are_not_sent(
    engine: Engine, nowhere: str, tls: ssl.SSLContext
) -> None:
    async with serving_faults(SEED, tls=tls, rate=0.0) as server:
        for url in (nowhere, server.url):
            async with FrontPayClient(
                TOKEN,
                base_url=url,
                engine=engine,
                retry=ONCE,
                trust_env=False,
                rate_limit=RateLimit.unlimited(),
            ) as client:
                with pytest.raises(FrontPayError) as caught:
                    await client.orders.send_invoice(invoice())
                assert caught.value.outcome is Outcome.NOT_SENT
        assert not server.arrived
