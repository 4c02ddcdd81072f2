"""``Timeouts.total`` bounds everything: attempts, waits, the token, the pool, connecting, and slow answers.

The timeouts are real and small where the wire's own timing is the subject; nothing is measured.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from attrs import evolve

from frontpay_async import (
    Clock,
    NotSentError,
    Outcome,
    OutcomeUnknownError,
    RateLimit,
    RetryPolicy,
    ServerError,
    Timeouts,
)
from frontpay_async._protocol.messages import HttpRequest
from frontpay_async._protocol.operations import SEND_INVOICE
from frontpay_async._rate.governor import Governor
from frontpay_async._transport import connection_pool
from frontpay_async._transport.call import Call, CallOptions
from frontpay_async._transport.deadline import Deadline
from tests.support.builders import invoice
from tests.support.fakes import TOKEN, Hooks, create, read
from tests.support.wire_steps import Exchange, after, drip, envelope, failed, never

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from frontpay_async._protocol.messages import HttpResponse
    from tests._transport.conftest import Connect
    from tests.support.fakes import FakeClock
    from tests.support.wire_server import WireServer
    from tests.support.wire_steps import Step

pytestmark = pytest.mark.integration

# Short where nothing needs to happen before; longer where the request must have left by then.
SOON = Timeouts(total=0.05)
LATER = Timeouts(total=0.3)
REAL = Clock()


def flood(head: bytes, piece: bytes) -> Step:
    """Begin an answer and never come to its end; every piece comes in time."""

    async def step(exchange: Exchange) -> None:
        await exchange.write(head)
        while True:
            await exchange.write(piece)
            await asyncio.sleep(0)

    return step


FLOODS = {
    "interim answers": flood(b"", b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"),
    "chunk extensions": flood(
        b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n1;", b"extension=" + b"x" * 100 + b";"
    ),
    "empty lines": flood(b"", b"\r\n"),
    "drip": drip(),
}


@pytest.mark.parametrize("name", FLOODS)
async def test_an_answer_that_never_ends_is_bounded(server: WireServer, connect: Connect, name: str) -> None:
    """No engine waits for the end of it, and the outcome is unknown, whichever bound is met first."""
    server.script(envelope())
    server.otherwise = FLOODS[name]
    hooks = Hooks()
    client = connect(server, clock=REAL, **hooks.settings())
    # The first call opens the engine, which may take its time.
    await create(client)
    with pytest.raises(OutcomeUnknownError):
        await create(client.with_options(timeouts=LATER))
    assert [record.outcome for record in hooks.results] == [None, Outcome.UNKNOWN]
    await client.aclose()
    await server.idle()


async def test_an_attempt_is_bounded_where_the_call_is_not(server: WireServer, connect: Connect) -> None:
    """As a row of a batch is: it waits for its turn without end, but not for the end of an answer."""
    server.script(envelope())
    server.otherwise = drip()
    client = connect(server, clock=REAL)
    await create(client)
    unbounded = client.with_options(timeouts=Timeouts(total=None))
    options = evolve(unbounded._options, attempt_within=0.3)
    with pytest.raises(OutcomeUnknownError, match=r"no complete response arrived within 0\.3 s"):
        await unbounded._session.execute(SEND_INVOICE, options, value=invoice())
    await client.aclose()
    await server.idle()


async def test_an_attempt_that_is_bounded_and_did_not_leave_was_not_sent(
    unresponsive: str, connect: Connect
) -> None:
    client = connect(unresponsive, clock=REAL, retry=RetryPolicy(attempts=1))
    options = evolve(client._options, timeouts=Timeouts(connect=None, total=None), attempt_within=0.1)
    with pytest.raises(NotSentError, match=r"no connection was made within 0\.1 s"):
        await client._session.execute(SEND_INVOICE, options, value=invoice())


def test_the_default_is_finite_and_longer_than_all_attempts() -> None:
    """So that none of these hangs a caller who set nothing; and no ordinary call is cut."""
    bounds, policy = Timeouts(), RetryPolicy()
    assert bounds.total is not None
    attempt = sum(bound or 0 for bound in (bounds.pool, bounds.connect, bounds.write, bounds.read))
    waits = sum(min(policy.max_delay, policy.base_delay * 2**n) for n in range(policy.attempts - 1))
    assert policy.attempts * attempt + waits < bounds.total < float("inf")


async def hanging() -> str:
    """A token callable whose source never answers."""
    await asyncio.Event().wait()
    raise AssertionError


async def test_waits_count_against_the_deadline(
    server: WireServer, connect: Connect, clock: FakeClock
) -> None:
    """A wait that would pass the deadline is not begun: the last failure is raised at once."""
    server.otherwise = failed(503)
    with pytest.raises(ServerError):
        await read(connect(server, timeouts=Timeouts(total=1.0)))
    assert clock.slept == [0.25, 0.5]
    assert len(server.requests) == 3


async def test_an_attempt_is_not_begun_after_the_deadline(
    server: WireServer, connect: Connect, clock: FakeClock
) -> None:
    """A sleep that lasts longer than asked for leaves no time: nothing more is sent."""
    server.otherwise = failed(429)

    async def oversleep(seconds: float) -> None:
        clock.time += seconds + 100

    late = Clock(now=clock.now, sleep=oversleep, chance=lambda: 0.5)
    hooks = Hooks()
    with pytest.raises(NotSentError, match="could be sent"):
        await create(connect(server, clock=late, timeouts=Timeouts(total=1.0), **hooks.settings()))
    assert len(server.requests) == 1
    assert [record.outcome for record in hooks.attempts] == [Outcome.REJECTED, Outcome.NOT_SENT]


async def test_a_deadline_that_passes_after_a_doubtful_create_is_unknown(
    server: WireServer, connect: Connect, clock: FakeClock
) -> None:
    """The attempt for which there was no time does not undo the one that may have happened."""
    server.otherwise = failed(500)

    async def oversleep(seconds: float) -> None:
        clock.time += seconds + 100

    late = Clock(now=clock.now, sleep=oversleep, chance=lambda: 0.5)
    with pytest.raises(ServerError) as caught:
        await create(connect(server, clock=late, timeouts=Timeouts(total=1.0)))
    assert caught.value.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("call", [read, create])
async def test_silence_ends_at_the_deadline(
    server: WireServer, connect: Connect, call: Callable[..., Awaitable[object]]
) -> None:
    """Nobody is told that it did not leave, and even a read is not repeated when the time is over."""
    server.otherwise = never
    with pytest.raises(OutcomeUnknownError, match=r"Timeouts\.total"):
        await call(connect(server, timeouts=LATER, clock=REAL))
    assert len(server.requests) == 1


async def test_a_deadline_that_has_passed_is_final(server: WireServer, connect: Connect) -> None:
    """Also for a clock that has not moved meanwhile: there is no further attempt."""
    server.otherwise = never
    with pytest.raises(OutcomeUnknownError, match=r"Timeouts\.total"):
        await read(connect(server, timeouts=LATER))
    assert len(server.requests) == 1


@pytest.mark.parametrize("call", [read, create])
async def test_an_endless_answer_ends_at_the_deadline(
    server: WireServer, connect: Connect, call: Callable[..., Awaitable[object]]
) -> None:
    """Bytes that keep coming reset the read timeout, but not the deadline."""
    server.otherwise = drip()
    with pytest.raises(OutcomeUnknownError, match=r"Timeouts\.total"):
        await call(connect(server, timeouts=LATER, clock=REAL))
    assert len(server.requests) == 1
    await server.idle()


async def test_a_hanging_token_callable_ends_at_the_deadline(server: WireServer, connect: Connect) -> None:
    """Nothing was sent, and the error says so."""
    with pytest.raises(NotSentError, match="could be sent"):
        await create(connect(server, token=hanging, timeouts=SOON, clock=REAL))
    assert server.connections == 0


async def test_a_token_callable_that_hangs_after_a_401_ends_at_the_deadline(
    server: WireServer, connect: Connect
) -> None:
    """The 401 says that nothing was done, so the outcome is not unknown."""
    server.otherwise = failed(401)
    answers = iter([TOKEN])

    async def token() -> str:
        return next(answers, None) or await hanging()

    hooks = Hooks()
    with pytest.raises(NotSentError):
        await create(connect(server, token=token, timeouts=LATER, clock=REAL, **hooks.settings()))
    assert len(server.requests) == 1
    assert [record.outcome for record in hooks.results] == [Outcome.NOT_SENT]


async def test_a_response_that_is_there_is_not_given_up(
    server: WireServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The deadline passes while the answer is recorded, as in a slow Redis: the call has succeeded."""
    record = Governor.answered

    async def slowly(*told: Any) -> None:
        passed = asyncio.Event()
        asyncio.get_running_loop().call_later(LATER.total or 0, passed.set)
        await passed.wait()
        await record(*told)

    client = connect(server, clock=REAL, rate_limit=RateLimit())
    # The first call opens the engine, which may take its time.
    await create(client)
    monkeypatch.setattr(Governor, "answered", slowly)
    assert await create(client.with_options(timeouts=LATER))


async def test_waiting_for_a_connection_ends_at_the_deadline(
    server: WireServer, connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A call that found all connections in use did not leave, on either engine."""
    monkeypatch.setattr(connection_pool, "CONNECTIONS", 1)
    go_on = asyncio.Event()
    server.otherwise = after(go_on, envelope())
    client = connect(server, clock=REAL)
    first = asyncio.create_task(create(client))
    await server.received(1)
    with pytest.raises(NotSentError, match="could be sent"):
        await create(client.with_options(timeouts=SOON))
    go_on.set()
    await first
    assert len(server.requests) == 1


async def test_connecting_ends_at_the_deadline(unresponsive: str, connect: Connect) -> None:
    """A host that does not answer was sent nothing, on either engine."""
    hooks = Hooks()
    with pytest.raises(NotSentError, match="could be sent"):
        await create(connect(unresponsive, timeouts=SOON, clock=REAL, **hooks.settings()))
    assert [record.outcome for record in hooks.results] == [Outcome.NOT_SENT]


async def test_no_time_out_at_all_is_possible(server: WireServer, connect: Connect) -> None:
    """None means no bound, for each of them."""
    boundless = Timeouts(connect=None, read=None, write=None, pool=None, total=None)
    await create(connect(server, timeouts=boundless))
    assert len(server.requests) == 1


async def test_without_a_deadline_a_slow_answer_is_waited_for(server: WireServer, connect: Connect) -> None:
    """``total`` is None unless given."""
    go_on = asyncio.Event()
    server.otherwise = after(go_on, envelope())
    task = asyncio.create_task(create(connect(server, clock=REAL)))
    await server.received(1)
    go_on.set()
    assert (await task).order_uuid


class _Waiting:
    """A stage that sends nothing and waits until it is cancelled; a call's ``requests`` counts its ends."""

    async def send(self, call: Call) -> HttpResponse:
        try:
            await asyncio.Event().wait()
        finally:
            call.requests += 1
        raise AssertionError


async def test_calls_with_different_deadlines_share_a_timer_and_end_in_their_order() -> None:
    """A later call with an earlier deadline is not left to the timer of the first."""
    loop = asyncio.get_running_loop()
    now, timers = loop.time(), list[tuple[float, Callable[[], None]]]()
    stage = Deadline(_Waiting(), Clock(now=lambda: now))
    request = HttpRequest(SEND_INVOICE, "POST", "orders")
    calls = [Call(request, CallOptions(), now + total) for total in (30, 10, 20)]
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(loop, "time", lambda: now)
        patched.setattr(loop, "call_at", lambda when, wake: timers.append((when, wake)))
        tasks = [asyncio.create_task(stage.send(call)) for call in calls]
        await asyncio.sleep(0)
        assert [when - now for when, _ in timers] == [30, 10]
        timers[1][1]()
        assert [when - now for when, _ in timers[2:]] == [20]
        with pytest.raises(NotSentError):
            await tasks[1]
        assert [call.requests for call in calls] == [0, 1, 0]
        # That of the first call has been replaced twice since.
        timers[0][1]()
        timers[2][1]()
        with pytest.raises(NotSentError):
            await tasks[2]
        assert [when - now for when, _ in timers[3:]] == [30]
        assert [call.requests for call in calls] == [0, 1, 1]
        timers[3][1]()
        with pytest.raises(NotSentError):
            await tasks[0]
    assert len(timers) == 4
