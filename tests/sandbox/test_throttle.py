"""The throttle: a fixed window per token that starts with the first request; its headers on every answer."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest
from hypothesis import given, strategies as st

from frontpay_async import RateLimit, RateLimitedError
from frontpay_async.sandbox import Sandbox
from frontpay_async.sandbox.throttle import Throttle
from tests.support.builders import invoice
from tests.support.sandboxes import NO_RETRY, paid, raw_client
from tests.support.virtual_time import VirtualTime

if TYPE_CHECKING:
    import httpx

    from tests.support.fakes import FakeClock

pytestmark = pytest.mark.integration

ANY_ROUTE = "orders/status"


def limits(answer: httpx.Response) -> tuple[str, str]:
    """Return the limit and what remains of it, as an answer tells them."""
    return answer.headers["x-ratelimit-limit"], answer.headers["x-ratelimit-remaining"]


async def test_the_window_starts_with_the_first_request_and_ends_a_window_later(
    fake_clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.time", lambda: 1_700_000_000.25)
    sandbox = Sandbox(rate_limit=3, rate_window=60, clock=fake_clock.clock())
    async with raw_client(sandbox) as raw:
        told = []
        for _ in range(3):
            told.append(limits(await raw.get(ANY_ROUTE)))
            fake_clock.time += 10.5
        assert told == [("3", "2"), ("3", "1"), ("3", "0")]
        refused = await raw.get(ANY_ROUTE)
        assert (refused.status_code, refused.json()) == (429, {"message": "Too Many Attempts."})
        assert limits(refused) == ("3", "0")
        # 28.5 s are left of the window, which ends at 1 700 000 060.25.
        assert (refused.headers["retry-after"], refused.headers["x-ratelimit-reset"]) == ("29", "1700000061")
        fake_clock.time += 28.4
        late = await raw.get(ANY_ROUTE)
        assert (late.headers["retry-after"], late.headers["x-ratelimit-reset"]) == ("1", "1700000061")
        fake_clock.time += 0.1
        assert limits(await raw.get(ANY_ROUTE)) == ("3", "2")


async def test_what_is_refused_does_nothing_and_uses_no_fault_up(fake_clock: FakeClock) -> None:
    sandbox = Sandbox(rate_limit=1, clock=fake_clock.clock())
    async with sandbox.client(retry=NO_RETRY, rate_limit=RateLimit.unlimited()) as client:
        await client.orders.send_invoice(invoice())
        sandbox.fail("500-after")
        with pytest.raises(RateLimitedError) as caught:
            await client.orders.send_invoice(invoice())
        assert caught.value.retry_after == 60
    assert len(sandbox.orders) == 1
    assert [(request.status, request.fault) for request in sandbox.requests] == [(201, None), (429, None)]


async def test_a_client_waits_for_the_window_to_end(fake_clock: FakeClock) -> None:
    sandbox = Sandbox(rate_limit=1, clock=fake_clock.clock())
    async with sandbox.client(rate_limit=RateLimit.unlimited()) as client:
        for _ in range(3):
            await client.orders.send_invoice(invoice())
    assert [request.status for request in sandbox.requests] == [201, 429, 201, 429, 201]


async def test_each_token_has_a_window_of_its_own_and_so_has_none(fake_clock: FakeClock) -> None:
    sandbox = Sandbox(tokens=("one", "two"), rate_limit=5, clock=fake_clock.clock())
    async with raw_client(sandbox, "one") as one, raw_client(sandbox, "two") as two:
        assert limits(await one.get(ANY_ROUTE)) == ("5", "4")
        assert limits(await one.get(ANY_ROUTE)) == ("5", "3")
        assert limits(await two.get(ANY_ROUTE)) == ("5", "4")
        wrong, none = {"authorization": "Bearer three"}, {"authorization": ""}
        assert limits(await one.get(ANY_ROUTE, headers=wrong)) == ("5", "4")
        assert limits(await one.get(ANY_ROUTE, headers=none)) == ("5", "4")
        assert limits(await one.get(ANY_ROUTE, headers=none)) == ("5", "3")


async def test_every_answer_tells_the_limit(raw: httpx.AsyncClient, sandbox: Sandbox) -> None:
    async with sandbox.client() as client:
        uuid = await paid(client, sandbox)
    statuses = {
        200: await raw.get(f"orders/status/{uuid}"),
        202: await raw.post(
            f"orders/refund/{uuid}",
            json={"type": "regular", "grandTotal": 1, "products": [{"id": 5401, "amount": 1}]},
        ),
        400: await raw.post(f"orders/cancel/{uuid}", json={"cancellationNote": "late"}),
        401: await raw.get(ANY_ROUTE, headers={"authorization": "Bearer wrong"}),
        404: await raw.get("orders/status/ODR1"),
        405: await raw.put(ANY_ROUTE),
        417: await raw.post("orders/invoice/create", json={}),
    }
    for status, kind in ((500, "500-before"), (510, "510-before"), (502, "502-before")):
        sandbox.fail(kind)
        statuses[status] = await raw.get(ANY_ROUTE)
    unrouted = await raw.get("orders/everything")
    for status, answer in [*statuses.items(), (404, unrouted)]:
        assert answer.status_code == status
        assert answer.headers["x-ratelimit-limit"] == "240"
        assert answer.headers["x-ratelimit-remaining"].isdigit()
        assert not {"retry-after", "x-ratelimit-reset"} & answer.headers.keys()


async def test_headers_may_show_the_count_when_the_response_is_written() -> None:
    """A slow response shows those counted meanwhile, and none once its window has ended."""
    time = VirtualTime()
    sandbox = Sandbox(rate_limit=3, rate_window=60, rate_headers_when_written=True, clock=time.clock())
    shown: list[str] = []

    async def ask(raw: httpx.AsyncClient) -> None:
        shown.append((await raw.get(ANY_ROUTE)).headers["x-ratelimit-remaining"])

    async with raw_client(sandbox) as raw, anyio.create_task_group() as tasks:
        sandbox.fail("latency", seconds=10, operation="orders.list_statuses")
        tasks.start_soon(ask, raw)
        await time.settle()
        await ask(raw)
        await time.advance(11)
        assert shown == ["1", "1"]
        sandbox.fail("latency", seconds=70, operation="orders.list_statuses")
        tasks.start_soon(ask, raw)
        await time.settle()
        await time.advance(71)
        assert shown == ["1", "1", "3"]


async def test_without_a_limit_no_answer_tells_one() -> None:
    async with raw_client(Sandbox(rate_limit=None)) as raw:
        answers = [await raw.get(ANY_ROUTE) for _ in range(250)]
    assert not any("x-ratelimit-limit" in answer.headers for answer in answers)


@pytest.mark.parametrize("arguments", [{"rate_limit": 0}, {"rate_limit": -1}, {"rate_window": 0}])
def test_a_limit_that_lets_nothing_through_is_an_error(arguments: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="must be"):
        Sandbox(**arguments)  # type: ignore[arg-type]


@given(
    st.integers(1, 4),
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from([0, 1, 4, 9, 10, 11])), max_size=60),
)
def test_no_window_lets_more_through_and_none_lets_less(limit: int, hits: list[tuple[str, int]]) -> None:
    """Every request that is let through opens a window or stands in one; a refusal means that it is full."""
    throttle, now = Throttle(limit, 10), 0.0
    passed: dict[str, list[float]] = {"a": [], "b": []}
    starts: dict[str, float] = {}
    for token, gap in hits:
        now += gap
        verdict = throttle.hit(token, now)
        if token not in starts or now - starts[token] >= 10:
            starts[token] = now
        in_window = [moment for moment in passed[token] if moment >= starts[token]]
        if verdict.wait is None:
            passed[token].append(now)
            assert verdict.remaining == limit - len(in_window) - 1 >= 0
        else:
            assert (len(in_window), verdict.remaining) == (limit, 0)
            assert verdict.wait == starts[token] + 10 - now
