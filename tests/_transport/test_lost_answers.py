"""A create whose answer is lost is UNKNOWN and never sent again, on both engines, over real sockets."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from frontpay_async import FrontPayClient, Outcome, OutcomeUnknownError, Timeouts
from tests.support.builders import invoice, product
from tests.support.fakes import Hooks, create, read
from tests.support.wire_server import WireServer, serving
from tests.support.wire_steps import (
    CREATED,
    Exchange,
    close,
    cut,
    cut_chunked,
    envelope,
    garbage,
    never,
    reset,
    reset_unread,
    then_close,
    unread,
    whole,
)

if TYPE_CHECKING:
    from tests._transport.conftest import Connect
    from tests.support.wire_steps import Step

pytestmark = pytest.mark.integration

IMPATIENT = Timeouts(read=0.05, write=0.05)


async def unknown(client: FrontPayClient) -> OutcomeUnknownError:
    """Create an order and return the error that says that it may have happened."""
    with pytest.raises(OutcomeUnknownError) as caught:
        await create(client)
    assert caught.value.outcome is Outcome.UNKNOWN
    return caught.value


@pytest.mark.parametrize(
    "step",
    [close, reset, cut(), cut_chunked(), garbage(), never],
    ids=["closed", "reset", "cut by length", "cut in chunks", "garbage", "silence"],
)
@pytest.mark.parametrize("warm", [False, True], ids=["new connection", "reused connection"])
async def test_a_lost_answer(server: WireServer, connect: Connect, step: Step, warm: bool) -> None:
    """One request reached the server, and no other follows, whatever was lost and on which connection."""
    hooks = Hooks()
    client = connect(server, timeouts=IMPATIENT, **hooks.settings())
    if warm:
        await create(client)
        hooks.attempts.clear()
    already = len(server.requests)
    server.otherwise = step
    await unknown(client)
    await server.received(already + 1)
    assert len(server.requests) == already + 1
    assert [record.outcome for record in hooks.attempts] == [Outcome.UNKNOWN]


@pytest.mark.parametrize("size", [1, 100, 900])
async def test_a_connection_that_is_reset_while_the_request_is_read(connect: Connect, size: int) -> None:
    """The server took some bytes of it: nobody knows how many, and there is no second connection."""
    async with serving(accept=reset_unread(size)) as server:
        await unknown(connect(server))
        assert server.connections == 1


@pytest.mark.filterwarnings("ignore:Sending a large body:ResourceWarning")
async def test_a_server_that_does_not_read(connect: Connect) -> None:
    """A request that is stuck in the middle ends with ``Timeouts.write``; aiohttp by itself would hang."""
    release = asyncio.Event()
    # More than the sockets' buffers hold.
    big = invoice(products=[product(name="x" * 16_000_000)])
    async with serving(accept=unread(release)) as server:
        client = connect(server, timeouts=IMPATIENT)
        with pytest.raises(OutcomeUnknownError, match="WriteTimeout"):
            await client.orders.send_invoice(big)
        release.set()
        assert server.connections == 1


async def test_an_attempt_is_one_request(server: WireServer, connect: Connect) -> None:
    """No engine repeats a lost GET by itself: four attempts are four requests."""
    server.otherwise = close
    with pytest.raises(OutcomeUnknownError):
        await read(connect(server))
    assert len(server.requests) == 4


async def test_a_connection_that_was_closed_while_idle_is_not_used(
    server: WireServer, connect: Connect
) -> None:
    """The close is seen before the next request is written, so nothing is lost."""
    client = connect(server)
    for _ in range(3):
        server.script(then_close(envelope()))
        await create(client)
        await server.idle()
    assert server.connections == len(server.requests) == 3


STRAY = b'{"message": "orderAddedSuccessfully", "data": {"uuid": "STRAY"}}'


async def test_bytes_that_come_while_idle_are_no_answer(server: WireServer, connect: Connect) -> None:
    """A second answer on an idle connection must not be taken for the next order's."""
    go_on, gone = asyncio.Event(), asyncio.Event()

    async def answer_and_then_again(exchange: Exchange) -> None:
        await envelope(data={"uuid": "FIRST"})(exchange)
        await go_on.wait()
        await exchange.write(whole(201, STRAY))
        gone.set()

    server.script(answer_and_then_again)
    client = connect(server)
    assert (await client.orders.send_invoice(invoice())).order_uuid == "FIRST"
    go_on.set()
    await gone.wait()
    for _ in range(20):
        await asyncio.sleep(0)
    assert (await client.orders.send_invoice(invoice())).order_uuid == CREATED["uuid"]


async def test_bytes_that_come_with_an_answer_are_no_answer(
    server: WireServer, connect: Connect, engine: str, request: pytest.FixtureRequest
) -> None:
    """The same, where the second answer comes in one piece with the first."""
    if engine == "httpx":
        reason = "httpcore keeps what follows an answer in its buffer, and shows nobody that it does"
        request.applymarker(pytest.mark.xfail(strict=True, reason=reason))

    async def answer_twice(exchange: Exchange) -> None:
        await exchange.write(whole(201, STRAY.replace(b"STRAY", b"FIRST")) + whole(201, STRAY))

    server.script(answer_twice)
    client = connect(server)
    assert (await client.orders.send_invoice(invoice())).order_uuid == "FIRST"
    assert (await client.orders.send_invoice(invoice())).order_uuid == CREATED["uuid"]
