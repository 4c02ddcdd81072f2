"""The deadline stage alone: what it begins, what it ends, and that no task is left cancelled."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import anyio
import pytest
from attrs import Factory, define

from frontpay_async import FrontPayError, NotSentError, OutcomeUnknownError
from frontpay_async._protocol.messages import HttpRequest, HttpResponse
from frontpay_async._protocol.operations import GET_ORDER_STATUS
from frontpay_async._transport.call import Attempt, Call, CallOptions
from frontpay_async._transport.deadline import Deadline
from tests.support.fakes import FakeClock

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

SOON = 0.01
RESPONSE = HttpResponse(200, {}, b"{}")


async def never() -> HttpResponse:
    await anyio.sleep_forever()
    raise AssertionError


async def at_once() -> HttpResponse:
    return RESPONSE


@define
class Following:
    """The stage after the deadline; its request leaves at once."""

    answer: Callable[[], Awaitable[HttpResponse]] = at_once
    calls: list[Call] = Factory(list)

    async def send(self, call: Call) -> HttpResponse:
        self.calls.append(call)
        call.attempt.may_have_left = True
        return await self.answer()


def call(deadline: float | None) -> Call:
    request = HttpRequest(GET_ORDER_STATUS, "GET", "/orders/ODR1/status")
    return Call(request, CallOptions(), deadline, last=Attempt(1, request))


def stage(following: Following) -> Deadline:
    return Deadline(following, FakeClock().clock())


NOW = FakeClock().time
BACKENDS = pytest.mark.parametrize("backend", ["asyncio", "trio"])


@BACKENDS
@pytest.mark.parametrize("left", [-1.0, 0.0])
def test_nothing_begins_at_or_after_the_deadline(backend: str, left: float) -> None:
    following, late = Following(), call(NOW + left)
    with pytest.raises(NotSentError, match="could be sent"):
        anyio.run(stage(following).send, late, backend=backend)
    assert not following.calls
    assert late.final


@BACKENDS
@pytest.mark.parametrize("deadline", [None, NOW + 0.9])
def test_a_response_in_time_is_returned(backend: str, deadline: float | None) -> None:
    assert anyio.run(stage(Following()).send, call(deadline), backend=backend) is RESPONSE


@BACKENDS
def test_what_has_no_response_at_the_deadline_is_unknown(backend: str) -> None:
    with pytest.raises(OutcomeUnknownError) as caught:
        anyio.run(stage(Following(never)).send, call(NOW + SOON), backend=backend)
    # The cancellation is not its context.
    assert caught.value.__context__ is None


async def overtime() -> None:
    """Wait until the deadline has cancelled the task."""
    with pytest.raises(asyncio.CancelledError):
        await asyncio.Event().wait()


async def test_a_response_that_arrives_in_spite_of_the_deadline_is_returned() -> None:
    async def late() -> HttpResponse:
        await overtime()
        return RESPONSE

    assert await stage(Following(late)).send(call(NOW + SOON)) is RESPONSE
    await no_cancellation_is_left()


async def test_an_error_that_arrives_in_spite_of_the_deadline_is_raised() -> None:
    async def fails() -> HttpResponse:
        await overtime()
        raise FrontPayError("another")

    with pytest.raises(FrontPayError, match="another"):
        await stage(Following(fails)).send(call(NOW + SOON))
    await no_cancellation_is_left()


async def test_after_the_deadline_the_task_goes_on() -> None:
    with pytest.raises(OutcomeUnknownError):
        await stage(Following(never)).send(call(NOW + SOON))
    await no_cancellation_is_left()


async def test_a_caller_who_cancels_as_well_takes_precedence() -> None:
    task = asyncio.current_task()
    assert task is not None

    async def cancelled() -> HttpResponse:
        await overtime()
        task.cancel()
        return await never()

    with pytest.raises(asyncio.CancelledError):
        await stage(Following(cancelled)).send(call(NOW + SOON))
    # The caller's own cancellation is left.
    assert task.uncancel() == 0


@pytest.mark.parametrize("left", [SOON, 60.0])
async def test_a_call_that_is_over_is_not_cancelled_later(left: float) -> None:
    assert await stage(Following()).send(call(NOW + left)) is RESPONSE
    await no_cancellation_is_left()


async def no_cancellation_is_left() -> None:
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0
    passed = asyncio.Event()
    asyncio.get_running_loop().call_later(2 * SOON, passed.set)
    await passed.wait()
