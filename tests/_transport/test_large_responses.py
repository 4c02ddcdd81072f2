"""Large responses are read beside the event loop."""

from __future__ import annotations

import asyncio
import json
import threading
from typing import TYPE_CHECKING

import httpx
import pytest

from frontpay_async import FrontPayClient, OutcomeUnknownError, RequestRejectedError
from frontpay_async._protocol import parse
from frontpay_async._transport.worker_thread import in_worker_thread
from tests.support.builders import invoice

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.integration

ROWS = [{"uuid": f"ODR{number:010d}", "status": "SENT"} for number in range(20_000)]


def client_of(body: object, status: int = 200) -> FrontPayClient:
    content = json.dumps(body).encode()
    transport = httpx.MockTransport(lambda _: httpx.Response(status, content=content))
    return FrontPayClient("a" * 20, base_url="http://localhost/x", transport=transport)


@pytest.fixture
def threads(monkeypatch: pytest.MonkeyPatch) -> dict[str, set[int]]:
    """The threads in which responses are judged and read."""
    seen: dict[str, set[int]] = {"_problem": set(), "_read": set()}

    def watched(name: str) -> Callable[..., object]:
        original = getattr(parse, name)

        def call(*arguments: object) -> object:
            seen[name].add(threading.get_ident())
            return original(*arguments)

        return call

    for name in seen:
        monkeypatch.setattr(parse, name, watched(name))
    return seen


async def test_a_long_list_is_read_in_another_thread(threads: dict[str, set[int]]) -> None:
    async with client_of({"data": ROWS}) as client:
        assert len(await client.orders.list_statuses()) == len(ROWS)
    assert threading.get_ident() not in threads["_problem"] | threads["_read"]


async def test_a_short_list_is_read_at_once(threads: dict[str, set[int]]) -> None:
    async with client_of({"data": ROWS[:5]}) as client:
        assert len(await client.orders.list_statuses()) == 5
    assert threads["_problem"] == threads["_read"] == {threading.get_ident()}


async def test_what_else_is_large_is_read_in_another_thread(threads: dict[str, set[int]]) -> None:
    strange = {"uuid": "ODR7", "status": "PAID", **{f"new{number}": number for number in range(20_000)}}
    async with client_of({"data": strange}) as client:
        report = await client.orders.get_status("ODR7")
    assert (report.status, len(report.unknown_fields)) == ("PAID", 20_000)
    async with client_of({"message": "x", "errors": ["Wrong."] * 50_000}, 417) as client:
        with pytest.raises(RequestRejectedError):
            await client.orders.send_invoice(invoice())
    assert threading.get_ident() not in threads["_problem"] | threads["_read"]


async def test_the_event_loop_goes_on_meanwhile() -> None:
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with client_of({"data": ROWS * 5}) as client:
        counting = asyncio.ensure_future(count())
        await client.orders.list_statuses()
        counting.cancel()
    assert turns > 20


async def test_a_cancelled_caller_does_not_wait_for_the_thread() -> None:
    go_on = threading.Event()
    task = asyncio.ensure_future(in_worker_thread(go_on.wait))
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    go_on.set()


async def test_the_largest_response_is_a_setting() -> None:
    content = json.dumps({"data": ROWS}).encode()
    transport = httpx.MockTransport(lambda _: httpx.Response(200, content=content))
    settings = {"base_url": "http://localhost/x", "transport": transport}
    async with FrontPayClient("a" * 20, max_response_size=len(content), **settings) as client:  # type: ignore[arg-type]
        assert len(await client.orders.list_statuses()) == len(ROWS)
    async with FrontPayClient("a" * 20, max_response_size=1000, **settings) as client:  # type: ignore[arg-type]
        with pytest.raises(OutcomeUnknownError, match="longer than 1000 bytes"):
            await client.orders.cancel("ODR7", note="x")


async def test_the_default_fits_a_list_of_a_hundred_thousand_orders() -> None:
    rows = [{"uuid": f"ODR{number:010d}", "status": "PARTIAL REFUNDED"} for number in range(100_000)]
    async with client_of({"data": rows}) as client:
        assert len(await client.orders.list_statuses()) == 100_000
