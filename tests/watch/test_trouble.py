"""What the watch hub does when the API, the network or the token is in trouble."""

from __future__ import annotations

import pickle
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest

from frontpay_async import (
    APIError,
    AuthenticationError,
    FrontPayClient,
    NotFoundError,
    Outcome,
    PaymentStatus,
    PermissionDeniedError,
    RateLimit,
    RequestRejectedError,
    Timeouts,
    WatchTimeoutError,
)
from frontpay_async.sandbox import Cardholder
from tests.support.fakes import Hooks
from tests.support.sandboxes import BASE_URL
from tests.support.simulated_time import BACKENDS, CLOCK, passes, simulate
from tests.support.watching import Waiter, world

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.integration


@pytest.fixture(params=BACKENDS)
def run(request: pytest.FixtureRequest) -> Callable[..., None]:
    return lambda scenario, *arguments: simulate(scenario, *arguments, backend=request.param)


class Answers(httpx.AsyncBaseTransport):
    """Answers every request alike, until told otherwise."""

    def __init__(self, status: int = 200, **body: Any) -> None:
        self.status = status
        self.body = body
        self.sent: list[float] = []
        self.error: Exception | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.sent.append(anyio.current_time())
        await passes(0.05)
        if self.error is not None:
            raise self.error
        return httpx.Response(self.status, json=self.body)


def client_of(transport: httpx.AsyncBaseTransport, **settings: Any) -> FrontPayClient:
    return FrontPayClient("token", base_url=BASE_URL, transport=transport, clock=CLOCK, **settings)


@pytest.mark.parametrize(
    "kind", ["500-before", "510-before", "502-before", "drop-before", "cut-body", "unknown-status"]
)
def test_passing_trouble_is_waited_out(run: Callable[..., None], kind: str) -> None:
    async def scenario() -> None:
        async with world(cardholder=Cardholder(after=20)) as here:
            here.sandbox.fail(kind, operation="terminals.get_payment_status", times=7, skip=3)
            assert await here.client.watch.payment(await here.order(), timeout=60) is PaymentStatus.PAID
            assert len(here.polls()) > 10

    run(scenario)


def test_an_outage_is_asked_about_less_and_less(run: Callable[..., None]) -> None:
    """Connections that are refused cost no permit, so the rate alone would not hold the hub back."""

    async def scenario() -> None:
        api = Answers()
        api.error = httpx.ConnectError("refused")
        async with client_of(api) as client, anyio.create_task_group() as tasks:
            waiters = [Waiter() for _ in range(50)]
            for number, waiter in enumerate(waiters):
                tasks.start_soon(waiter.wait, client, f"ODR{number}")
            await passes(100)
            assert len(api.sent) < 30
            api.error, api.body = None, {"order_status": "PAID"}
            await passes(30)
            assert {waiter.result for waiter in waiters} == {PaymentStatus.PAID}

    run(scenario)


def test_trouble_to_the_end_is_a_time_out(run: Callable[..., None]) -> None:
    async def scenario() -> None:
        async with client_of(Answers(500, message="internalError")) as client:
            with pytest.raises(WatchTimeoutError, match="no status was seen"):
                await client.watch.payment("ODR1", timeout=20)

    run(scenario)


def test_an_order_that_is_not_there_yet_is_waited_for(run: Callable[..., None]) -> None:
    async def scenario() -> None:
        api = Answers(404, message="orderNotFound")
        async with client_of(api) as client, anyio.create_task_group() as tasks:
            waiter = Waiter()
            tasks.start_soon(waiter.wait, client, "ODR1")
            await passes(8)
            api.status, api.body = 200, {"order_status": "SENT"}
            await passes(8)
            # One 404 among other answers is a proxy's, and is not believed either.
            api.status = 404
            await passes(8)
            assert waiter.ended_at is None
            api.status, api.body = 200, {"order_status": "PAID"}
        assert waiter.result is PaymentStatus.PAID

    run(scenario)


def test_an_order_that_does_not_come_is_not_found(run: Callable[..., None]) -> None:
    async def scenario() -> None:
        async with client_of(Answers(404, message="orderNotFound")) as client:
            begun = anyio.current_time()
            with pytest.raises(NotFoundError):
                await client.watch.payment("ODR1", timeout=60)
            assert 10 <= anyio.current_time() - begun < 10.5

    run(scenario)


def test_a_refused_token_ends_every_wait_at_once(run: Callable[..., None]) -> None:
    async def scenario() -> None:
        api = Answers(401, message="Unauthenticated.")
        async with client_of(api) as client, anyio.create_task_group() as tasks:
            waiters = [Waiter() for _ in range(20)]
            for number, waiter in enumerate(waiters):
                tasks.start_soon(waiter.wait, client, f"ODR{number}")
        assert {type(waiter.error) for waiter in waiters} == {AuthenticationError}
        assert [waiter.error.order_uuid for waiter in waiters] == [f"ODR{number}" for number in range(20)]
        assert len({id(waiter.error) for waiter in waiters}) == 20
        assert len(api.sent) <= 8

    run(scenario)


@pytest.mark.parametrize(("status", "error"), [(403, PermissionDeniedError), (417, RequestRejectedError)])
def test_a_refusal_ends_the_wait_that_it_concerns(
    run: Callable[..., None], status: int, error: type[Exception]
) -> None:
    class Picky(Answers):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            self.status = status if request.url.path.endswith("ODR1") else 200
            return await super().handle_async_request(request)

    async def scenario() -> None:
        api = Picky(order_status="SENT")
        async with client_of(api) as client, anyio.create_task_group() as tasks:
            refused, other = Waiter(), Waiter()
            tasks.start_soon(refused.wait, client, "ODR1")
            tasks.start_soon(other.wait, client, "ODR2")
            await passes(5)
            assert type(refused.error) is error
            assert other.ended_at is None
            api.body = {"order_status": "PAID"}
        assert other.result is PaymentStatus.PAID

    run(scenario)


def test_a_list_that_is_refused_is_done_without(run: Callable[..., None]) -> None:
    class NoList(Answers):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            self.status = 403 if request.url.path.endswith("orders/status") else 200
            return await super().handle_async_request(request)

    async def scenario() -> None:
        async with client_of(NoList(order_status="PAID")) as client, anyio.create_task_group() as tasks:
            waiters = [Waiter() for _ in range(60)]
            for number, waiter in enumerate(waiters):
                tasks.start_soon(waiter.wait, client, f"ODR{number}")
            await passes(60)
            assert {waiter.result for waiter in waiters} == {PaymentStatus.PAID}

    run(scenario)


def test_an_answer_that_does_not_end_is_given_up(run: Callable[..., None]) -> None:
    """A server that drips one byte at a time holds neither a wait nor its timeout."""

    class Dripping(httpx.AsyncByteStream):
        async def __aiter__(self) -> Any:
            while True:
                await passes(5)
                yield b" "

    class Drips(Answers):
        drip = True

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if self.drip:
                return httpx.Response(200, stream=Dripping())
            return await super().handle_async_request(request)

    async def scenario() -> None:
        api = Drips(order_status="PAID")
        async with client_of(api, timeouts=Timeouts(total=500)) as client:
            with pytest.raises(WatchTimeoutError):
                await client.watch.payment("ODR1", timeout=7)
            async with anyio.create_task_group() as tasks:
                waiter = Waiter()
                tasks.start_soon(waiter.wait, client, "ODR1")
                await passes(10)
                api.drip = False
            assert waiter.result is PaymentStatus.PAID

    run(scenario)


def test_an_answer_that_does_not_come_is_given_up_and_asked_for_again(run: Callable[..., None]) -> None:
    """Though the transport keeps to no timeout, and the one who waits to none either."""

    class Silent(Answers):
        silent = True

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if self.silent:
                self.sent.append(anyio.current_time())
                await anyio.sleep_forever()
            return await super().handle_async_request(request)

    async def scenario() -> None:
        api = Silent(order_status="PAID")
        async with client_of(api) as client, anyio.create_task_group() as tasks:
            waiter = Waiter()
            tasks.start_soon(lambda: waiter.wait(client, "ODR1", timeout=None))
            await passes(100)
            gaps = [later - earlier for earlier, later in pairwise(api.sent)]
            assert gaps[:4] == [pytest.approx(each, abs=0.1) for each in (3, 6, 12, 24)]
            api.silent = False
        assert waiter.result is PaymentStatus.PAID

    run(scenario)


def test_a_busy_token_does_not_hold_up_time_outs(run: Callable[..., None]) -> None:
    """Nor does a poll that waits for the rate: the timeout is on the hub's clock."""

    async def scenario() -> None:
        async with world() as here:
            for _ in range(240):
                await here.client.orders.list_statuses()
            begun, uuid = anyio.current_time(), await here.order()
            with pytest.raises(WatchTimeoutError):
                await here.client.watch.payment(uuid, timeout=5)
            assert anyio.current_time() - begun == pytest.approx(5, abs=0.001)

    run(scenario)


def test_without_a_limit_the_hub_holds_itself_back(run: Callable[..., None]) -> None:
    async def scenario() -> None:
        api = Answers(order_status="SENT")
        async with (
            client_of(api, rate_limit=RateLimit.unlimited()) as client,
            anyio.create_task_group() as tasks,
        ):
            for number in range(30):
                tasks.start_soon(Waiter().wait, client, f"ODR{number}")
            await passes(60)
            assert 230 <= len(api.sent) <= 241
            tasks.cancel_scope.cancel()

    run(scenario)


def test_observers_see_the_polls_and_nothing_that_was_not_sent(run: Callable[..., None]) -> None:
    """A poll that was still waiting for the rate when its wait ended reports nothing."""

    async def scenario() -> None:
        hooks = Hooks()
        async with world(**hooks.settings()) as here:
            uuid = await here.order()
            with pytest.raises(WatchTimeoutError):
                await here.client.watch.payment(uuid, timeout=10.1)
            assert {record.operation for record in hooks.results} == {"terminals.get_payment_status"}
            assert {record.order_uuid for record in hooks.results} == {uuid}
            while (rate := here.client.rate.statistics()) is None or rate.remaining:
                await here.client.orders.list_statuses()
            before = len(hooks.results), len(hooks.attempts), len(here.polls())
            with pytest.raises(WatchTimeoutError):
                await here.client.watch.payment(uuid, timeout=3)
        assert before == (len(hooks.results), len(hooks.attempts), len(here.polls()))
        assert len(hooks.results) == len(hooks.attempts) == len(here.polls())

    run(scenario)


def test_a_token_that_is_renewed_changes_nothing(run: Callable[..., None]) -> None:
    tokens = iter(["old", "new"])
    current = "old"

    async def token() -> str:
        nonlocal current
        current = next(tokens, current)
        return current

    async def scenario() -> None:
        async with world(token=token, tokens=("new",)) as here:
            with pytest.raises(NotFoundError):
                await here.client.watch.payment("ODR1", timeout=30)
            assert set(here.wire.statuses) == {401, 404}
            assert here.wire.statuses.count(401) == 1

    run(scenario)


@pytest.mark.parametrize("status", [408, 429, 499, 500, 502, 510])
def test_what_passes_for_a_read_passes_for_a_watch(run: Callable[..., None], status: int) -> None:
    """One answer of a proxy never ends a wait: the retry table decides, as for any other read."""

    async def scenario() -> None:
        api = Answers(order_status="SENT")
        async with client_of(api) as client, anyio.create_task_group() as tasks:
            waiter = Waiter()
            tasks.start_soon(waiter.wait, client, "ODR1")
            await passes(3)
            api.status = status
            await passes(2)
            api.status, api.body = 200, {"order_status": "PAID"}
        assert waiter.result is PaymentStatus.PAID

    run(scenario)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 409, 417, 422])
def test_a_refused_status_check_never_says_that_nothing_changed(
    run: Callable[..., None], status: int
) -> None:
    """The check was refused; what is watched may have happened."""

    async def scenario() -> None:
        async with client_of(Answers(status, message="someCode")) as client:
            with pytest.raises(APIError) as caught:
                await client.watch.payment("ODR1", timeout=60)
            assert caught.value.status == status
            assert caught.value.outcome is Outcome.UNKNOWN
            assert "it may still be paid" in str(caught.value)
            assert "othing was changed" not in str(caught.value)
            assert pickle.loads(pickle.dumps(caught.value)).outcome is Outcome.UNKNOWN  # noqa: S301 - our own

    run(scenario)


def test_a_404_after_the_order_was_seen_is_waited_out(run: Callable[..., None]) -> None:
    """However long it lasts: a replica that lags, or a proxy. Only the timeout ends the wait."""

    async def scenario() -> None:
        api = Answers(order_status="SENT")
        async with client_of(api) as client, anyio.create_task_group() as tasks:
            waiter, other = Waiter(), Waiter()
            tasks.start_soon(waiter.wait, client, "ODR1")
            tasks.start_soon(lambda: other.wait(client, "ODR1", timeout=40))
            await passes(3)
            api.status, api.body = 404, {"message": "orderNotFound"}
            await passes(60)
            assert isinstance(other.error, WatchTimeoutError)
            api.status, api.body = 200, {"order_status": "PAID"}
        assert waiter.result is PaymentStatus.PAID

    run(scenario)


class HangsOnce(Answers):
    """Lets one request hang for ever."""

    hang_next = False
    cancelled = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        if self.hang_next:
            self.hang_next = False
            self.sent.append(anyio.current_time())
            try:
                await anyio.sleep_forever()
            finally:
                self.cancelled += 1
        return await super().handle_async_request(request)


def test_a_poll_that_hangs_is_repeated_after_three_seconds(run: Callable[..., None]) -> None:
    """It is given up once the second one is answered."""

    async def scenario() -> None:
        api = HangsOnce(order_status="SENT")
        async with client_of(api) as client, anyio.create_task_group() as tasks:
            waiter = Waiter()
            tasks.start_soon(waiter.wait, client, "ODR1")
            await passes(5)
            api.hang_next, api.body = True, {"order_status": "PAID"}
            begun = anyio.current_time()
        assert waiter.result is PaymentStatus.PAID
        assert waiter.ended_at - begun < 3.6
        assert api.cancelled == 1

    run(scenario)


def test_polls_that_hang_do_not_hold_up_the_others(run: Callable[..., None]) -> None:
    """Eight requests hang, as many as are under way at most: the ninth order's end is found in time."""

    class SomeHang(Answers):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            if not request.url.path.endswith("ODR9"):
                self.sent.append(anyio.current_time())
                await anyio.sleep_forever()
            return await super().handle_async_request(request)

    async def scenario() -> None:
        async with client_of(SomeHang(order_status="PAID")) as client, anyio.create_task_group() as tasks:
            for number in range(1, 9):
                tasks.start_soon(Waiter().wait, client, f"ODR{number}")
            await passes(2.5)
            waiter, begun = Waiter(), anyio.current_time()
            tasks.start_soon(waiter.wait, client, "ODR9")
            await passes(8)
            assert waiter.result is PaymentStatus.PAID
            assert waiter.ended_at - begun < 5
            tasks.cancel_scope.cancel()

    run(scenario)
