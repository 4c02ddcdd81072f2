"""The bearer token: fresh for each attempt, renewed once after a 401, and never sent as junk."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

import anyio
import pytest
from attrs import Factory, define

from frontpay_async import (
    AuthenticationError,
    ConfigurationError,
    FrontPayClient,
    NotSentError,
    Outcome,
    RetryPolicy,
    ServerError,
)
from tests.support.fakes import TOKEN, Hooks, create, read
from tests.support.wire_steps import envelope, failed, html

if TYPE_CHECKING:
    from frontpay_async._protocol.messages import HttpResponse
    from frontpay_async._transport.call import Attempt, Call, Stage
    from tests._transport.conftest import Connect
    from tests.support.wire_server import WireServer

pytestmark = pytest.mark.integration


@define
class Tokens:
    """A token callable that gives one token after the other, and counts how often it was asked."""

    given: list[Any]
    asked: int = 0

    async def __call__(self) -> str:
        self.asked += 1
        token: Any = self.given[min(self.asked, len(self.given)) - 1]
        if isinstance(token, Exception):
            raise token
        return token


@define
class CountingStage:
    """A stage of the pipeline that remembers which attempts went through it."""

    following: Stage
    attempts: list[Attempt] = Factory(list)

    async def send(self, call: Call) -> HttpResponse:
        self.attempts.append(call.attempt)
        return await self.following.send(call)


def bearers(server: WireServer) -> list[str | None]:
    return [request.header("Authorization") for request in server.requests]


async def test_a_static_token_is_sent_as_a_bearer(server: WireServer, connect: Connect) -> None:
    await read(connect(server))
    assert bearers(server) == [f"Bearer {TOKEN}"]


async def test_a_static_token_that_is_refused_is_not_tried_again(
    server: WireServer, connect: Connect
) -> None:
    """There is no other to try."""
    server.otherwise = failed(401, "Unauthenticated.")
    with pytest.raises(AuthenticationError) as caught:
        await create(connect(server))
    assert len(server.requests) == 1
    assert caught.value.outcome is Outcome.REJECTED


async def test_each_attempt_asks_for_the_token(server: WireServer, connect: Connect) -> None:
    """A token that ran out during a wait is not used again."""
    server.script(failed(503), failed(503))
    tokens = Tokens(["one", "two", "three"])
    await read(connect(server, token=tokens))
    assert bearers(server) == ["Bearer one", "Bearer two", "Bearer three"]


@pytest.mark.parametrize("call", [read, create])
async def test_a_refused_token_is_renewed_and_the_request_sent_once_more(
    server: WireServer, connect: Connect, call: Any
) -> None:
    """A 401 says that nothing was done, so even a create goes out again, within the same attempt."""
    server.script(failed(401, "Unauthenticated."))
    tokens, hooks = Tokens(["old", "new"]), Hooks()
    await call(connect(server, token=tokens, **hooks.settings()))
    assert bearers(server) == ["Bearer old", "Bearer new"]
    assert tokens.asked == 2
    assert [(record.attempt, record.outcome) for record in hooks.attempts] == [(1, None)]
    assert [record.may_have_happened_twice for record in hooks.results] == [False]


async def test_the_second_try_pays_the_rate_again(server: WireServer, connect: Connect) -> None:
    """It is a request like any other, so it passes every stage behind the retry."""
    server.script(failed(401))
    client = connect(server, token=Tokens(["old", "new"]))
    retry: Any = client._session.pipeline
    retry.following = counting = CountingStage(retry.following)
    await create(client)
    assert len(counting.attempts) == len(server.requests) == 2


async def test_a_renewed_token_that_is_refused_too_stays_refused(
    server: WireServer, connect: Connect
) -> None:
    """Once is enough: two requests, two questions for a token, and the second 401 is raised."""
    server.otherwise = failed(401)
    tokens = Tokens(["one", "two", "three"])
    with pytest.raises(AuthenticationError):
        await create(connect(server, token=tokens))
    assert (len(server.requests), tokens.asked) == (2, 2)


async def test_a_callable_that_gives_the_same_token_again_ends_it(
    server: WireServer, connect: Connect
) -> None:
    """Sending a token again that was refused a moment ago is of no use."""
    server.otherwise = failed(401)
    tokens = Tokens(["same"])
    with pytest.raises(AuthenticationError):
        await create(connect(server, token=tokens))
    assert (len(server.requests), tokens.asked) == (1, 2)


async def test_a_call_renews_once_whatever_the_number_of_attempts(
    server: WireServer, connect: Connect
) -> None:
    """Neither the retry of the renewed request nor its own refusal starts over."""
    server.script(failed(401), failed(503), failed(401))
    tokens = Tokens(["one", "two", "three", "four"])
    with pytest.raises(AuthenticationError):
        await read(connect(server, token=tokens))
    assert bearers(server) == ["Bearer one", "Bearer two", "Bearer three"]


async def test_each_call_may_renew(server: WireServer, connect: Connect) -> None:
    """The bound is a call's, not the client's."""
    server.script(failed(401), envelope(), failed(401), envelope())
    client = connect(server, token=Tokens(["one", "two", "three", "four"]))
    await create(client)
    await create(client)
    assert len(server.requests) == 4


async def test_a_renewed_create_that_is_lost_stays_lost(server: WireServer, connect: Connect) -> None:
    """The 401 vouches for the first request only."""
    server.script(failed(401), html(502))
    with pytest.raises(ServerError) as caught:
        await create(connect(server, token=Tokens(["one", "two"])))
    assert len(server.requests) == 2
    assert caught.value.outcome is Outcome.UNKNOWN


async def test_a_token_callable_that_fails_is_tried_again(server: WireServer, connect: Connect) -> None:
    """Nothing was sent, so it costs nothing; the caller's own error is the cause."""
    broken = OSError("the vault is down")
    tokens = Tokens([broken])
    with pytest.raises(NotSentError, match="token callable failed with OSError") as caught:
        await create(connect(server, token=tokens))
    assert caught.value.__cause__ is broken
    assert (tokens.asked, server.connections) == (4, 0)


async def test_a_token_callable_that_recovers_is_enough(server: WireServer, connect: Connect) -> None:
    await create(connect(server, token=Tokens([OSError(), "good"])))
    assert bearers(server) == ["Bearer good"]


async def test_a_token_callable_that_fails_after_a_401_says_both(
    server: WireServer, connect: Connect
) -> None:
    """The error names the refusal and the failure, and that nothing was done."""
    server.otherwise = failed(401)
    client = connect(server, token=Tokens(["old", OSError()]), retry=RetryPolicy(attempts=1))
    with pytest.raises(NotSentError, match="rejected the token, and the token callable failed with OSError"):
        await create(client)


async def test_a_token_callable_that_fails_after_a_401_is_tried_again(
    server: WireServer, connect: Connect
) -> None:
    """A moment's failure of the token's source does not fail the payment."""
    server.script(failed(401))
    await create(connect(server, token=Tokens(["old", OSError(), "new"])))
    assert bearers(server) == ["Bearer old", "Bearer new"]


@pytest.mark.parametrize(
    "junk", ["", "two words", "line\nbreak", "tøken", "nul\x00", None, 17, b"bytes", ["list"]]
)
async def test_junk_for_a_token_is_refused(server: WireServer, connect: Connect, junk: Any) -> None:
    """What cannot stand in a header is a mistake in the program: one clear error, no request, no retry."""
    tokens = Tokens([junk])
    with pytest.raises(ConfigurationError, match="token") as caught:
        await create(connect(server, token=tokens))
    assert (tokens.asked, server.connections) == (1, 0)
    if isinstance(junk, str) and junk:
        assert junk not in str(caught.value)


@pytest.mark.parametrize("junk", ["", "two words", "line\nbreak", "tøken", 17, b"bytes"])
def test_a_static_token_is_checked_when_the_client_is_built(junk: Any) -> None:
    """A wrong setting is found before a payment depends on it."""
    with pytest.raises(ConfigurationError, match="token"):
        FrontPayClient(token=junk, environment="demo")


def test_the_token_comes_from_the_environment_unless_given(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigurationError, match="FRONTPAY_TOKEN"):
        FrontPayClient(environment="demo")
    monkeypatch.setenv("FRONTPAY_TOKEN", TOKEN)
    assert TOKEN not in repr(FrontPayClient(environment="demo"))


async def test_a_token_callable_must_be_async(server: WireServer, connect: Connect) -> None:
    """A plain function's text cannot be awaited: the error says so instead of failing four times."""
    plain: Any = lambda: TOKEN  # noqa: E731 - the simplest wrong callable
    with pytest.raises(ConfigurationError, match="must be async"):
        await create(connect(server, token=plain))
    assert server.connections == 0


@define
class SharedRefresh:
    """A token callable as people write it: one refresh at a time, which all calls await."""

    refreshes: int = 0
    going_on: asyncio.Task[str] | None = None
    begun: asyncio.Event = Factory(asyncio.Event)
    go_on: asyncio.Event = Factory(asyncio.Event)

    async def __call__(self) -> str:
        if self.going_on is None or self.going_on.done():
            self.going_on = asyncio.ensure_future(self.refresh())
        return await self.going_on

    async def refresh(self) -> str:
        self.refreshes += 1
        self.begun.set()
        await self.go_on.wait()
        return TOKEN


async def test_a_shared_refresh_that_one_call_takes_with_it_does_not_end_the_others(
    server: WireServer, connect: Connect
) -> None:
    """The call that is cancelled cancels the refresh that all await; the others ask again, and are sent."""
    token = SharedRefresh()
    client = connect(server, token=token)
    async with asyncio.TaskGroup() as group:
        first = group.create_task(create(client))
        others = [group.create_task(create(client)) for _ in range(3)]
        await token.begun.wait()
        await asyncio.sleep(0)
        first.cancel()
        await asyncio.wait([first])
        token.go_on.set()
    assert first.cancelled()
    assert [other.exception() for other in others] == [None] * 3
    assert (len(server.requests), token.refreshes) == (3, 2)


@pytest.mark.parametrize("after", [0, 1], ids=["at first", "after a 401"])
async def test_a_token_callable_that_is_cancelled_by_itself_was_not_sent(
    server: WireServer, connect: Connect, after: int
) -> None:
    """The call was not cancelled, so it must not end as if it were: a task group drops that in silence."""
    server.otherwise = failed(401)
    tokens = ["old"] * after
    asked = 0

    async def token() -> str:
        nonlocal asked
        asked += 1
        if tokens:
            return tokens.pop()
        raise asyncio.CancelledError

    hooks = Hooks()
    client = connect(server, token=token, **hooks.settings())
    with pytest.raises(NotSentError, match="token callable failed with CancelledError"):
        await create(client)
    assert [record.outcome for record in hooks.results] == [Outcome.NOT_SENT]
    # It is a failure like any other of the callable, so it is tried again.
    assert asked == 4 + after


@pytest.mark.parametrize("how", ["task", "timeout", "scope"])
async def test_a_cancellation_of_the_caller_passes_through_a_token_callable(
    server: WireServer, connect: Connect, how: str
) -> None:
    """However the caller gives up, it is not taken for a failure of the callable."""
    asked = asyncio.Event()

    async def token() -> str:
        asked.set()
        await asyncio.Event().wait()
        return TOKEN

    call = create(connect(server, token=token))
    if how == "task":
        task = asyncio.ensure_future(call)
        await asked.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    elif how == "timeout":
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(call, 0.01)
    else:
        with anyio.move_on_after(0.01) as scope:
            await call
        assert scope.cancelled_caught
    assert server.connections == 0


async def test_a_call_that_is_cancelled_while_it_asks_for_the_token_sent_nothing(
    server: WireServer, connect: Connect
) -> None:
    """The hooks are told so."""
    asked = asyncio.Event()

    async def token() -> str:
        asked.set()
        await asyncio.Event().wait()
        return TOKEN

    hooks = Hooks()
    task = asyncio.create_task(create(connect(server, token=token, **hooks.settings())))
    await asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [record.outcome for record in hooks.results] == [Outcome.NOT_SENT]
