"""Every public coroutine is cancelled at each of its await points, by its task and by a scope around it.

Afterwards the client works, no place in front of the rate limit or the connections is lost, no task is left,
and the hooks have told the truth: "not sent" only where nothing arrived, nothing that says "done" where it is
not known.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest

from frontpay_async import Clock, FrontPayClient, Outcome, RetryPolicy, Timeouts
from frontpay_async._protocol.operations import OPERATIONS, Safety
from frontpay_async.batch import State
from frontpay_async.callbacks import CallbackGuard, MemoryReplayStore, answer_callback
from frontpay_async.sandbox import DEFAULT_TOKEN, Cardholder, Sandbox
from tests.support import builders, callbacks
from tests.support.batches import Night, assert_each_sent_once, item, rows_of
from tests.support.cancelling import HOWS, cancelled_at, each_await_point
from tests.support.fakes import TOKEN, FakeClock, Hooks
from tests.support.sandboxes import (
    BASE_URL,
    call,
    capture_of,
    line_of,
    prepare,
    reserved,
    subscribed,
    terminal_order,
)
from tests.support.simulated_time import CLOCK, simulate
from tests.support.wire_server import serving

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from frontpay_async._transport.engines import Engine
    from tests.support.cancelling import How

how = pytest.mark.parametrize("how", HOWS)

pytestmark = pytest.mark.search


class Slow(httpx.AsyncBaseTransport):
    """The sandbox behind a network: a request and its answer take some passes of the loop."""

    def __init__(self, inner: httpx.AsyncBaseTransport) -> None:
        self.inner = inner

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        await asyncio.sleep(0)
        response = await self.inner.handle_async_request(request)
        await asyncio.sleep(0)
        return httpx.Response(
            response.status_code, headers=response.headers, stream=Pieces(await response.aread())
        )


class Pieces(httpx.AsyncByteStream):
    def __init__(self, body: bytes) -> None:
        self.body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for start in range(0, len(self.body), 1 + len(self.body) // 3):
            await asyncio.sleep(0)
            yield self.body[start : start + 1 + len(self.body) // 3]

    async def aclose(self) -> None:
        await asyncio.sleep(0)


class World:
    """A client of a sandbox without sockets, with hooks that remember."""

    def __init__(self, clock: Clock, after: float | None = None) -> None:
        self.hooks = Hooks()
        self.sandbox = Sandbox(rate_limit=None, clock=clock, cardholder=Cardholder(after=after))
        self.client = FrontPayClient(
            DEFAULT_TOKEN,
            base_url=BASE_URL,
            transport=Slow(self.sandbox.transport()),
            clock=clock,
            retry=RetryPolicy(attempts=2),
            **self.hooks.settings(),
        )

    def arrived(self, operation: str) -> int:
        return sum(each.operation == operation for each in self.sandbox.requests)

    async def works(self) -> None:
        """The client works, and nothing of the cancelled call is left."""
        waiting = self.client.rate.statistics().waiting
        assert not any(waiting.values())
        await asyncio.sleep(0)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        await self.client.orders.list_statuses()


# A pass through the pipeline is the same for all of a kind: the first of each is cancelled at every point,
# the others at every fifth, each from another one on.
EVERY: dict[object, str] = {}
for _name, _row in OPERATIONS.items():
    EVERY.setdefault((_row.safety, _row.result is None, _row.paged), _name)
RAW = {
    "orders.get_status": None,
    "orders.cancel": {"cancellationNote": "changed my mind"},
    "orders.charge_delayed": None,
}


def some_points(operation: str) -> tuple[int, int]:
    """Return the first point at which an operation is cancelled, and every how many from there on."""
    if operation in EVERY.values():
        return 1, 1
    return 1 + list(OPERATIONS).index(operation) % 5, 5


async def cancelled_everywhere(
    world: World,
    operation: str,
    how: How,
    once: Callable[[str], Awaitable[object]],
    *,
    safety: Safety,
    reported: str | None = None,
    points: tuple[int, int] = (1, 1),
) -> int:
    """Cancel a call at its points; check what the hooks were told, and that the client works, after each."""
    name = reported or operation
    uuid = await prepare(world.client, world.sandbox, operation)
    arrived, told = world.arrived(operation), len(world.hooks.results)

    async def after(at: int) -> None:
        nonlocal arrived, told, uuid
        records = [each for each in world.hooks.results[told:] if each.operation == name]
        now = world.arrived(operation)
        assert len(records) <= 1, at
        for record in records:
            if record.outcome is Outcome.NOT_SENT:
                assert now == arrived, at
            elif record.outcome is None:
                assert now > arrived, at
            elif now > arrived and safety is not Safety.READ:
                assert record.outcome is Outcome.UNKNOWN or record.error != "CancelledError", at
        if now > arrived:
            assert len(records) == 1, at
            uuid = await prepare(world.client, world.sandbox, operation)
        await world.works()
        arrived, told = world.arrived(operation), len(world.hooks.results)

    first, step = points
    async with world.client:
        end = await each_await_point(lambda: once(uuid), how, after, first=first, step=step)
        # As many calls at once as there are places.
        async with anyio.create_task_group() as tasks:
            for _ in range(64 if step == 1 else 0):
                tasks.start_soon(world.client.orders.list_statuses)
    return end


@how
@pytest.mark.parametrize("operation", OPERATIONS)
async def test_each_operation(operation: str, how: How) -> None:
    world = World(FakeClock().clock())

    def once(uuid: str) -> Awaitable[object]:
        line, capture = line_of(world.sandbox, uuid), capture_of(world.sandbox, uuid)
        return call(world.client, operation, uuid, line_id=line, capture=capture)

    safety, points = OPERATIONS[operation].safety, some_points(operation)
    assert await cancelled_everywhere(world, operation, how, once, safety=safety, points=points) > 4


@how
@pytest.mark.parametrize("operation", RAW)
async def test_a_request_of_the_callers_own(operation: str, how: How) -> None:
    world, row = World(FakeClock().clock()), OPERATIONS[operation]

    def once(uuid: str) -> Awaitable[object]:
        path = row.path.format(order_uuid=uuid)
        return world.client.request(row.method, path, safety=row.safety, json=RAW[operation])

    end = await cancelled_everywhere(
        world, operation, how, once, safety=row.safety, reported="client.request"
    )
    assert end > 4


async def updates(world: World, uuid: str) -> None:
    async for _ in world.client.watch.updates(uuid):
        pass


async def pages(world: World, _: str) -> None:
    async for _ in world.client.subscriptions.list():
        pass


async def close(_: World, __: str) -> None:
    other = World(CLOCK)
    await other.client.orders.list_statuses()
    await other.client.aclose()


SEVERAL: dict[str, Callable[[World, str], Awaitable[object]]] = {
    "payment": lambda world, uuid: world.client.watch.payment(uuid, timeout=300),
    "refund": lambda world, uuid: world.client.watch.refund(uuid, timeout=300),
    "order": lambda world, uuid: world.client.watch.order(uuid, timeout=300),
    "updates": updates,
    "find": lambda world, uuid: world.client.orders.find(builders.invoice(), among=[uuid, "ODR1"]),
    "reservation": lambda world, uuid: world.client.watch.reservation(uuid, until="RESERVED", timeout=300),
    "subscription": lambda world, uuid: world.client.watch.subscription(uuid, until="ONGOING", timeout=300),
    "pages": pages,
    "aclose": close,
}


@how
@pytest.mark.parametrize("decides_after", [0, 5])
@pytest.mark.parametrize("kind", SEVERAL)
def test_what_is_made_of_several_requests(kind: str, decides_after: float, how: How) -> None:
    """Watches of an order that is decided, or is so after some looks, in simulated time.

    With more looks, the odd points are cancelled by the task and the even ones by the scope.
    """
    step = 2 if decides_after else 1

    async def scenario() -> int:
        world = World(CLOCK, after=decides_after)

        async def ready() -> str:
            if kind == "reservation":
                return await reserved(world.client, world.sandbox)
            if kind == "subscription":
                return await subscribed(world.client, world.sandbox)
            uuid = (await world.client.terminals.create_order(terminal_order())).order_uuid
            if kind == "refund":
                assert await world.client.watch.payment(uuid, timeout=60) == "PAID"
                await call(
                    world.client, "terminals.refund", uuid, line_id=world.sandbox.orders[uuid].lines[0].id
                )
            return uuid

        uuid = await ready()

        async def after(_: int) -> None:
            nonlocal uuid
            await world.works()
            uuid = await ready()

        async with world.client:
            first = 1 + HOWS.index(how) % step
            return await each_await_point(
                lambda: SEVERAL[kind](world, uuid), how, after, first=first, step=step
            )

    assert simulate(scenario) >= 1


@how
@pytest.mark.parametrize("step", ["check", "claim", "answer"])
async def test_a_callback(step: str, how: How) -> None:
    """Whatever was not handled is accepted when it comes again; what was handled is not handled twice."""
    handled: list[str] = []

    class Remote(MemoryReplayStore):
        async def claim(self, key: str, **times: float) -> Any:
            await asyncio.sleep(0)
            return await super().claim(key, **times)

        async def commit(self, key: str) -> None:
            await asyncio.sleep(0)
            await super().commit(key)

        async def release(self, key: str) -> None:
            await asyncio.sleep(0)
            await super().release(key)

    guard = CallbackGuard(callbacks.SECRET, replay_store=Remote(), now=lambda: callbacks.NOW)
    number = 0

    async def handle(callback: Any) -> None:
        await asyncio.sleep(0)
        handled.append(callback.order_uuid)

    async def one() -> None:
        query = callbacks.query(callbacks.signed(orderUuid=f"ODR{number}"))
        if step == "check":
            await handle(await guard.check(query))
        elif step == "claim":
            async with await guard.claim(query) as callback:
                await handle(callback)
        else:
            await answer_callback(guard, query, handle)

    async def after(_: int) -> None:
        nonlocal number
        if step == "answer":
            before = handled.count(f"ODR{number}")
            answer = await answer_callback(
                guard, callbacks.query(callbacks.signed(orderUuid=f"ODR{number}")), handle
            )
            assert (answer.status, handled.count(f"ODR{number}")) in {(200, 1), (503, before)}
        assert handled.count(f"ODR{number}") <= 1
        number += 1

    assert await each_await_point(one, how, after) >= 2


@how
async def test_a_batch(tmp_path: Path, how: How) -> None:
    """Cancelled at each of its points in turn, a batch still sends each order once."""
    night = Night(tmp_path / "journal.db")
    items = [item(number) for number in range(12)]
    async with night.client() as client:

        async def once() -> None:
            async with night.batch(client) as batch:
                await batch.submit(items)
                await batch.run(concurrency=3)

        async def after(at: int) -> None:
            assert len(night.sandbox.orders) <= len(items), at

        # The journal's threads make the points of a run differ from time to time; each is one of its own.
        for at in (1, 2, 3, 5, 8, 13, 21, 34, 55, 89, 144, 233):
            await cancelled_at(once, at, how)
            await after(at)
        await once()
        async with night.batch(client) as batch:
            rows = await rows_of(batch)
    assert {row.state for row in rows.values()} == {State.DONE}
    assert_each_sent_once(night, rows, items)


@how
@pytest.mark.parametrize("engine", ["httpx", "aiohttp", "httpx2"])
async def test_over_sockets(engine: Engine, how: How) -> None:
    """The number of points depends on how bytes arrive; no place and no connection is lost at any of them."""
    async with serving() as server:
        hooks = Hooks()
        async with FrontPayClient(
            TOKEN,
            base_url=server.url,
            engine=engine,
            trust_env=False,
            # However slow the machine is.
            timeouts=Timeouts(connect=60, read=60, write=60, pool=60),
            **hooks.settings(),
        ) as base:
            client = base.with_options(retry=RetryPolicy(attempts=1))

            async def after(at: int) -> None:
                arrived = len(server.requests)
                record = hooks.results[-1] if hooks.results else None
                if record is not None and record.outcome is Outcome.NOT_SENT:
                    assert arrived == before, at
                assert not any(client.rate.statistics().waiting.values())

            for at in range(1, 60):
                before, told = len(server.requests), len(hooks.results)

                is_reached = await cancelled_at(
                    lambda: client.orders.send_invoice(builders.invoice()), at, how
                )
                if len(hooks.results) > told:
                    await after(at)
                if not is_reached:
                    break
            async with anyio.create_task_group() as tasks:
                for _ in range(64):
                    tasks.start_soon(client.orders.send_invoice, builders.invoice())
        await server.idle()
