"""What the hooks and the log are told, and that telling never breaks a payment."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING

import pytest
from attrs.exceptions import FrozenInstanceError

from frontpay_async import (
    AttemptRecord,
    Clock,
    ConfigurationError,
    FrontPayError,
    InvalidOrderError,
    NotFoundError,
    Outcome,
    OutcomeUnknownError,
    RequestRejectedError,
    ResultRecord,
    ServerError,
)
from tests.support.builders import EMAIL, MSISDN, ORDER_UUID, PERSONAL_NUMBER, customer, invoice
from tests.support.fakes import TOKEN, Hooks, cancel, create, read
from tests.support.wire_steps import after, close, envelope, failed, never

if TYPE_CHECKING:
    from tests._transport.conftest import Connect
    from tests.support.fakes import FakeClock
    from tests.support.wire_server import WireServer
    from tests.support.wire_steps import Step

pytestmark = pytest.mark.integration

INVOICE, STATUS = "orders.send_invoice", "orders.get_status"


async def test_a_success_is_told_once_each(server: WireServer, connect: Connect) -> None:
    hooks = Hooks()
    await create(connect(server, **hooks.settings()))
    assert hooks.attempts == [
        AttemptRecord(operation=INVOICE, order_uuid=None, attempt=1, status=201, elapsed=0.0, outcome=None)
    ]
    assert hooks.results == [
        ResultRecord(operation=INVOICE, order_uuid=None, attempts=1, status=201, elapsed=0.0, outcome=None)
    ]


async def test_each_attempt_is_told_and_the_waits_count_for_the_call(
    server: WireServer, connect: Connect
) -> None:
    """Statuses and outcomes by attempt; the call's time holds the waits between."""
    server.script(failed(503), close, failed(429))
    hooks = Hooks()
    await cancel(connect(server, **hooks.settings()))
    assert [(each.attempt, each.status, each.outcome) for each in hooks.attempts] == [
        (1, 503, Outcome.UNKNOWN),
        (2, None, Outcome.UNKNOWN),
        (3, 429, Outcome.REJECTED),
        (4, 201, None),
    ]
    assert {each.order_uuid for each in hooks.attempts} == {ORDER_UUID}
    (result,) = hooks.results
    assert (result.attempts, result.status, result.elapsed) == (4, 201, 0.25 + 0.5 + 1.0)


async def test_a_failure_is_told_with_its_outcome(server: WireServer, connect: Connect) -> None:
    server.otherwise = failed(404)
    hooks = Hooks()
    with pytest.raises(NotFoundError):
        await read(connect(server, **hooks.settings()))
    (result,) = hooks.results
    assert (result.operation, result.status, result.outcome) == (STATUS, 404, Outcome.REJECTED)
    assert result.error == "NotFoundError"


async def test_an_order_that_breaks_a_rule_is_told_as_not_sent(server: WireServer, connect: Connect) -> None:
    """There was no attempt."""
    hooks = Hooks()
    with pytest.raises(InvalidOrderError):
        await connect(server, **hooks.settings()).orders.send_invoice(invoice(customer=customer(email=None)))
    assert hooks.attempts == []
    assert [(each.attempts, each.status, each.outcome) for each in hooks.results] == [
        (0, None, Outcome.NOT_SENT)
    ]


async def test_a_success_that_cannot_be_read_is_told_as_unknown(server: WireServer, connect: Connect) -> None:
    """The attempt succeeded; what came of it is not known."""
    server.otherwise = envelope(data={"uuid": ["odd"]})
    hooks = Hooks()
    with pytest.raises(OutcomeUnknownError):
        await create(connect(server, **hooks.settings()))
    assert [each.outcome for each in hooks.attempts] == [None]
    assert [each.outcome for each in hooks.results] == [Outcome.UNKNOWN]


async def test_a_create_that_is_cancelled_on_its_way_is_told_as_unknown(
    server: WireServer, connect: Connect
) -> None:
    """The caller gets its cancellation; the hooks get what must be looked up."""
    server.otherwise = never
    hooks = Hooks()
    task = asyncio.ensure_future(create(connect(server, **hooks.settings())))
    await server.received(1)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [(each.attempt, each.outcome) for each in hooks.attempts] == [(1, Outcome.UNKNOWN)]
    assert [(each.attempts, each.outcome, each.error) for each in hooks.results] == [
        (1, Outcome.UNKNOWN, "CancelledError")
    ]


@pytest.mark.parametrize(
    ("first", "outcome"),
    [(failed(429), Outcome.NOT_SENT), (failed(500), Outcome.UNKNOWN)],
    ids=["after 429", "after 500"],
)
async def test_a_create_that_is_cancelled_between_attempts_is_told_by_what_went_before(
    server: WireServer, connect: Connect, first: Step, outcome: Outcome
) -> None:
    """Nothing is on its way while it waits: only an earlier doubtful attempt counts."""
    server.script(first)
    waiting = asyncio.Event()

    async def sleep(_: float) -> None:
        waiting.set()
        await asyncio.Event().wait()

    hooks = Hooks()
    task = asyncio.ensure_future(create(connect(server, clock=Clock(sleep=sleep), **hooks.settings())))
    await waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [each.outcome for each in hooks.results] == [outcome]


async def test_a_hook_that_raises_does_not_cost_the_answer(
    server: WireServer, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """The log says which error it was, and not what it said: that may be the caller's secret."""
    told: list[object] = []

    def broken(record: object) -> None:
        told.append(record)
        raise RuntimeError(TOKEN)

    client = connect(server, on_attempt=broken, on_result=broken)
    await create(client)
    assert len(told) == 2
    assert [record.getMessage() for record in caplog.records] == [
        "an observer hook raised RuntimeError; the call continues"
    ] * 2
    assert TOKEN not in caplog.text


async def test_a_hook_that_raises_does_not_hide_the_calls_error(server: WireServer, connect: Connect) -> None:
    def broken(_: object) -> None:
        raise RuntimeError

    server.otherwise = failed(404)
    with pytest.raises(NotFoundError):
        await read(connect(server, on_attempt=broken, on_result=broken))


async def test_a_derived_client_tells_the_same_hooks(server: WireServer, connect: Connect) -> None:
    hooks = Hooks()
    await create(connect(server, **hooks.settings()).with_options())
    assert len(hooks.results) == 1


async def test_a_record_cannot_be_changed(server: WireServer, connect: Connect) -> None:
    """Hooks share it."""
    hooks = Hooks()
    await create(connect(server, **hooks.settings()))
    for record in (*hooks.attempts, *hooks.results):
        with pytest.raises(FrozenInstanceError):
            record.operation = "other"  # type: ignore[misc]


async def test_each_retry_is_one_line_at_info(
    server: WireServer, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """It names the operation, the attempt, what failed and the wait; a success is silent."""
    server.script(failed(503), close)
    with caplog.at_level(logging.DEBUG, logger="frontpay_async"):
        await cancel(connect(server))
    assert [(record.name, record.levelname, record.getMessage()) for record in ours(caplog)] == [
        ("frontpay_async", "INFO", "orders.cancel: attempt 1 of 4 failed (503); the next follows in 0.25 s"),
        (
            "frontpay_async",
            "INFO",
            "orders.cancel: attempt 2 of 4 failed (OutcomeUnknownError); the next follows in 0.50 s",
        ),
    ]


def ours(caplog: pytest.LogCaptureFixture) -> list[logging.LogRecord]:
    return [record for record in caplog.records if record.name.startswith("frontpay_async")]


async def test_a_used_up_share_of_retries_is_said_at_warning(
    server: WireServer, connect: Connect, caplog: pytest.LogCaptureFixture, clock: FakeClock
) -> None:
    server.otherwise = failed(503)
    client = connect(server)
    for _ in range(4):
        with pytest.raises(ServerError):
            await read(client)
    assert [record.getMessage() for record in ours(caplog) if record.levelno == logging.WARNING] == [
        "orders.get_status: not retried: the retry budget is used up"
    ]
    assert len(clock.slept) == 10


async def test_the_log_holds_nothing_personal_at_any_level(
    server: WireServer, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """Success, retries, refusals that quote what was sent, losses and cancellations, all at DEBUG."""
    url = "https://pay.frontpayment.no/session/bankid-s3cr3t"
    echo = {"msisdn": [f"{MSISDN} is no number"], "email": [f"{EMAIL} is taken"], "link": [url]}
    go_on = asyncio.Event()
    with caplog.at_level(logging.DEBUG, logger="frontpay_async"):
        client = connect(server)
        server.script(
            envelope(data={"uuid": "ODR1", "paymentUrl": url}),
            envelope(500, message="somethingWentWrong", errors=[f"no {EMAIL}"]),
            envelope(417, message=f"bad {PERSONAL_NUMBER}", errors=echo),
            close,
            after(go_on, envelope()),
        )
        await create(client)
        for _ in range(2):
            with pytest.raises(Exception, match="orders"):
                await create(client)
        task = asyncio.ensure_future(create(client))
        await server.received(5)
        task.cancel()
        await asyncio.wait([task])
        await client.aclose()
    assert len(ours(caplog)) == 1
    for record in ours(caplog):
        told = f"{record.getMessage()} {record.args} {record.exc_info} {vars(record)}"
        for secret in (TOKEN, PERSONAL_NUMBER, MSISDN, EMAIL, "s3cr3t"):
            assert secret not in told


def test_the_package_says_nothing_where_logging_is_not_set_up() -> None:
    """A ``NullHandler`` keeps Python's last-resort handler from printing."""
    handlers = logging.getLogger("frontpay_async").handlers
    assert [type(handler) for handler in handlers] == [logging.NullHandler]


async def test_a_hook_that_returns_a_coroutine_is_reported(
    server: WireServer, connect: Connect, caplog: pytest.LogCaptureFixture
) -> None:
    """It cannot be seen when the client is built; the call goes on, and nothing is left to be awaited."""

    async def later() -> None:
        """Never run."""

    await create(connect(server, on_result=lambda _: later()))
    assert "returned a coroutine, which is not awaited" in caplog.text


async def test_a_success_is_told_with_its_response(server: WireServer, connect: Connect) -> None:
    """Its status, headers, request id and attempts; what it holds stays out of the record's repr."""
    server.script(failed(500), envelope(201, ("X-Request-Id", "r-7")), failed(417))
    hooks = Hooks()
    client = connect(server, **hooks.settings())
    await create(client)
    with pytest.raises(FrontPayError):
        await create(client)
    done, refused = hooks.results
    assert done.response is not None
    assert (done.response.status, done.response.request_id, done.attempts) == (201, "r-7", 2)
    assert "ODR2210048815" in str(done.response.json)
    assert "ODR2210048815" not in repr(done)
    assert refused.response is None


async def test_a_call_is_awaited_with_its_response(server: WireServer, connect: Connect) -> None:
    """Each of two that run at once has its own; a failure raises what it always raises."""
    ids = ("X-Request-Id", "r-1"), ("X-Request-Id", "r-2")
    server.script(failed(500), *(envelope(201, each) for each in ids), failed(417))
    client = connect(server)
    first = await client.with_raw_response(client.orders.send_invoice(invoice()))
    assert (first.status, first.request_id, first.attempts) == (201, "r-1", 2)
    assert first.headers["x-request-id"] == "r-1"
    assert first.value.order_uuid in str(first.response.json)
    assert "r-1" not in repr(first.response)
    second = await client.with_raw_response(client.orders.send_invoice(invoice()))
    assert (second.request_id, second.attempts) == ("r-2", 1)
    with pytest.raises(RequestRejectedError):
        await client.with_raw_response(client.orders.send_invoice(invoice()))


async def test_calls_that_run_at_once_have_their_own_responses(server: WireServer, connect: Connect) -> None:
    server.script(*(envelope(201, ("X-Request-Id", f"r-{number}")) for number in range(8)))
    client = connect(server)
    calls = (client.with_raw_response(client.orders.send_invoice(invoice())) for _ in range(8))
    results = await asyncio.gather(*calls)
    assert {each.request_id for each in results} == {f"r-{number}" for number in range(8)}
    assert {each.attempts for each in results} == {1}


async def test_what_is_not_a_call_is_refused(server: WireServer, connect: Connect) -> None:
    """A task has begun: refusing it must not look as if nothing had been sent."""
    client = connect(server)
    task = asyncio.create_task(client.orders.send_invoice(invoice()))
    with pytest.raises(ConfigurationError, match="not awaited yet"):
        await client.with_raw_response(task)  # type: ignore[arg-type]
    await task
    with pytest.raises(ConfigurationError, match="the awaitable made none") as caught:
        await client.with_raw_response(asyncio.sleep(0))
    assert caught.value.outcome is Outcome.UNKNOWN
