"""Whose budget a call is: clients that share a token, tokens that are renewed, clients that are closed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import anyio.lowlevel
import pytest
from attrs import define

from frontpay_async import (
    AuthenticationError,
    FrontPayClient,
    NotSentError,
    Priority,
    RetryPolicy,
)
from frontpay_async.sandbox import DEFAULT_TOKEN
from tests.support.rated import LIMIT, WINDOW, Api, ask
from tests.support.virtual_time import settle

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.integration


def test_clients_of_one_token_share_a_governor() -> None:
    async def scenario() -> None:
        api = Api()
        async with api.client() as one, api.client() as two, api.client("another") as other:
            await ask(one)
            await ask(two.with_options(priority=Priority.INTERACTIVE))
            assert one.rate.statistics() == two.rate.statistics()
            assert one.rate.statistics().used == 2
            assert other.rate.statistics().used == 0

    anyio.run(scenario)


@pytest.mark.parametrize(("gives", "used"), [(["wrong"], 1), ([], 0)], ids=["refused", "never sent"])
def test_a_failing_token_callable_costs_what_was_sent_before(
    run: Callable[..., None], gives: list[str], used: int
) -> None:
    """A refused token was counted by the API, whatever becomes of its successor."""
    tokens = iter(gives)

    async def token() -> str:
        await anyio.lowlevel.checkpoint()
        for each in tokens:
            return each
        raise OSError("the vault is down")

    async def scenario() -> None:
        api = Api()
        async with api.client(token, retry=RetryPolicy(attempts=1)) as client:
            with pytest.raises(AuthenticationError if gives else NotSentError) as caught:
                await client.orders.get_status("ODR1")
            said = str(caught.value) + "".join(getattr(caught.value, "__notes__", ()))
            assert "not sent: " in said
            assert "OSError" in said
            assert len(api.statuses) == used
            assert client.rate.statistics().used == used

    run(scenario)


def test_a_renewed_token_that_is_not_sent_costs_nothing_more(run: Callable[..., None]) -> None:
    tokens = iter(["wrong", DEFAULT_TOKEN])

    async def token() -> str:
        await anyio.lowlevel.checkpoint()
        return next(tokens)

    async def scenario() -> None:
        api = Api()
        api.reachable_for = 1
        async with api.client(token, retry=RetryPolicy(attempts=1)) as client:
            with pytest.raises(AuthenticationError) as caught:
                await client.orders.get_status("ODR1")
            assert "not sent: " in "".join(caught.value.__notes__)
            assert api.statuses == [401]
            assert client.rate.statistics().used == 1

    run(scenario)


def test_who_gives_up_while_a_refused_token_is_renewed_has_spent_a_request(run: Callable[..., None]) -> None:
    async def scenario() -> None:
        api = Api()
        tokens = iter(["wrong"])

        async def token() -> str:
            for each in tokens:
                return each
            await anyio.sleep_forever()
            raise AssertionError

        async with api.client(token) as client:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(client.orders.get_status, "ODR1")
                await settle()
                tasks.cancel_scope.cancel()
            assert api.statuses == [401]
            assert client.rate.statistics().used == 1

    run(scenario)


def test_clients_of_one_token_callable_share_a_governor_however_it_compares() -> None:
    """Even one that has no hash."""

    @define
    class Vault:
        name: str

        async def __call__(self) -> str:
            return DEFAULT_TOKEN

    async def scenario() -> None:
        api, vault = Api(), Vault("a")
        async with api.client(vault) as one, api.client(vault) as two, api.client(Vault("a")) as other:
            await ask(one)
            assert two.rate.statistics().used == 1
            assert other.rate.statistics().used == 0

    anyio.run(scenario)


def test_a_closed_client_holds_no_governor() -> None:
    """Not even one that is looked at: the last client of a token closes what they shared."""

    async def scenario() -> None:
        api = Api()
        async with api.client() as one:
            async with api.client() as two:
                await ask(two)
                await ask(one)
            assert two.rate.statistics() is None
            governor = one._session.rate._find()
            assert governor is not None
            assert governor.users == 1
        assert governor.users == 0

    anyio.run(scenario)


def test_who_waits_when_the_client_is_closed_is_told_at_once(run: Callable[..., None]) -> None:
    """Not at the window's end; and the token's other clients wait on."""

    async def scenario() -> None:
        api = Api()
        told: list[str] = []

        async def wait_in_vain(client: FrontPayClient) -> None:
            with pytest.raises(NotSentError, match="the client was closed"):
                await client.orders.get_status("ODR1")
            told.append("not sent")

        async with api.client() as other, anyio.create_task_group() as tasks:
            client = api.client()
            for _ in range(LIMIT):
                await ask(client)
            for _ in range(3):
                tasks.start_soon(wait_in_vain, client)
                tasks.start_soon(ask, other)
            await settle()
            await client.aclose()
            await settle()
            assert told == ["not sent"] * 3
            assert other.rate.statistics().waiting[Priority.NORMAL] == 3
            await api.time.advance(WINDOW + 1)
            assert len(api.statuses) == LIMIT + 3

    run(scenario)


def test_a_closed_client_takes_nothing_from_the_others(run: Callable[..., None]) -> None:
    """They share what is known of the window until the last of them is closed."""

    async def scenario() -> None:
        api = Api()
        async with api.client() as kept:
            await ask(kept)
            async with api.client() as other:
                assert other.rate.statistics().used == 1
            async with api.client() as third:
                assert third.rate.statistics().used == 1
        async with api.client() as new:
            assert new.rate.statistics().used == 0

    run(scenario)


def test_token_callables_without_a_hash_are_told_apart(run: Callable[..., None]) -> None:
    class Token:
        __hash__ = None  # type: ignore[assignment]

        async def __call__(self) -> str:
            await anyio.lowlevel.checkpoint()
            return DEFAULT_TOKEN

    async def scenario() -> None:
        api = Api()
        tokens = Token(), Token()
        async with (
            api.client(tokens[0]) as one,
            api.client(tokens[0]) as same,
            api.client(tokens[1]) as other,
        ):
            await ask(one)
            used = [client.rate.statistics().used for client in (one, same, other)]
        assert used == [1, 1, 0]

    run(scenario)
