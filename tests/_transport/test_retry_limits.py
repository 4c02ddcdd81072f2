"""What bounds retrying besides the table, and what an error says after more than one attempt."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from typing import TYPE_CHECKING

import pytest

from frontpay_async import (
    AlreadyCancelledError,
    AlreadyPaidError,
    APIError,
    AuthenticationError,
    BusinessRuleError,
    FrontPayError,
    NotFoundError,
    Outcome,
    OutcomeUnknownError,
    RateLimitedError,
    RequestRejectedError,
    RetryPolicy,
    ServerError,
)
from tests.support.builders import ORDER_UUID
from tests.support.fakes import Hooks, cancel, create, read
from tests.support.wire_steps import Exchange, close, envelope, failed, html, then_close

if TYPE_CHECKING:
    from tests._transport.conftest import Connect
    from tests.support.fakes import FakeClock
    from tests.support.wire_server import WireServer
    from tests.support.wire_steps import Step

pytestmark = pytest.mark.integration

NOW = datetime(2035, 6, 15, 10, 30, tzinfo=UTC)


def http_date(moment: datetime) -> str:
    return format_datetime(moment, usegmt=True)


@pytest.mark.parametrize(
    ("headers", "wait"),
    [
        ([("Retry-After", "7")], 7.0),
        ([("Retry-After", http_date(NOW + timedelta(seconds=30))), ("Date", http_date(NOW))], 30.0),
        ([("X-RateLimit-Reset", str(int(NOW.timestamp()) + 9)), ("Date", http_date(NOW))], 9.0),
        ([("Retry-After", "soon")], 0.0),
        ([("Retry-After", "120")], 120.0),
    ],
)
@pytest.mark.parametrize("status", [429, 503])
async def test_retry_after_is_obeyed(  # noqa: PLR0917 - fixtures and parameters
    server: WireServer,
    connect: Connect,
    clock: FakeClock,
    headers: list[tuple[str, str]],
    wait: float,
    status: int,
) -> None:
    """The wait is what the answer asks for, and jitter on top so that callers do not come back together."""
    server.script(failed(status, "later", *headers), envelope())
    await read(connect(server))
    assert clock.slept == [wait + 0.25]


async def test_a_retry_after_beyond_the_cap_is_raised_at_once(
    server: WireServer, connect: Connect, clock: FakeClock
) -> None:
    """A caller is not kept waiting for longer than it agreed to; the error says how long to wait."""
    server.otherwise = failed(429, "later", ("Retry-After", "61"))
    with pytest.raises(RateLimitedError) as caught:
        await read(connect(server, retry=RetryPolicy(max_retry_after=60)))
    assert (clock.slept, len(server.requests), caught.value.retry_after) == ([], 1, 61.0)


async def test_waits_grow_and_are_capped(server: WireServer, connect: Connect, clock: FakeClock) -> None:
    """Half of a doubling bound, as chance is one half, and never more than half of the cap."""
    server.otherwise = failed(500)
    with pytest.raises(ServerError):
        await read(connect(server, retry=RetryPolicy(attempts=7, base_delay=1, max_delay=5)))
    assert clock.slept == [0.5, 1.0, 2.0, 2.5, 2.5, 2.5]


async def test_retries_are_at_most_ten_or_a_fifth_of_the_requests(
    server: WireServer, connect: Connect, clock: FakeClock
) -> None:
    """Once the share is used up, a failure is raised at once, until the window has slid on."""
    server.otherwise = failed(503)
    client = connect(server, retry=RetryPolicy(attempts=2, base_delay=0))
    for _ in range(15):
        with pytest.raises(ServerError):
            await read(client)
    assert len(server.requests) == 15 + 10
    clock.time += 61
    with pytest.raises(ServerError):
        await read(client)
    assert len(server.requests) == 15 + 10 + 2


async def test_the_share_of_retries_grows_with_the_requests(server: WireServer, connect: Connect) -> None:
    """A hundred good requests earn twenty retries."""
    client = connect(server, retry=RetryPolicy(attempts=2, base_delay=0))
    for _ in range(75):
        await read(client)
    server.otherwise = failed(503)
    for _ in range(25):
        with pytest.raises(ServerError):
            await read(client)
    assert len(server.requests) == 100 + 20


async def test_clients_derived_from_one_share_its_share_of_retries(
    server: WireServer, connect: Connect
) -> None:
    """Another set of options is no way around the bound."""
    server.otherwise = failed(503)
    client = connect(server, retry=RetryPolicy(attempts=11, base_delay=0))
    with pytest.raises(ServerError):
        await read(client)
    with pytest.raises(ServerError):
        await read(client.with_options(retry=RetryPolicy(attempts=11)))
    assert len(server.requests) == 11 + 1


@pytest.mark.parametrize("doubtful", [failed(500), html(502), close], ids=["500", "502", "lost"])
async def test_already_cancelled_after_a_doubtful_cancel_is_success(
    server: WireServer, connect: Connect, doubtful: Step
) -> None:
    """The first attempt did it and its answer was lost: the call succeeds."""
    server.script(doubtful, failed(400, "orderStatusAlreadyCancelled"))
    hooks = Hooks()
    assert await cancel(connect(server, **hooks.settings())) is None
    (result,) = hooks.results
    assert (result.outcome, result.attempts, result.may_have_happened_twice) == (None, 2, False)


@pytest.mark.parametrize("code", ["orderStatusAlreadyCancelled", "orderStatusAlreadyPaid"])
async def test_a_refusal_about_another_order_settles_no_doubt(
    server: WireServer, connect: Connect, code: str
) -> None:
    """The code settles it only for the order that was asked about."""
    server.script(close, envelope(400, message=code, is_error=True, data={"uuid": "ODR99"}))
    with pytest.raises(BusinessRuleError) as caught:
        await cancel(connect(server))
    assert caught.value.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("harmless", [None, failed(429)], ids=["at once", "after 429"])
async def test_already_cancelled_without_a_doubtful_attempt_is_an_error(
    server: WireServer, connect: Connect, harmless: Step | None
) -> None:
    """Somebody else cancelled it: the caller must know."""
    server.script(*filter(None, [harmless, failed(400, "orderStatusAlreadyCancelled")]))
    with pytest.raises(AlreadyCancelledError) as caught:
        await cancel(connect(server))
    assert caught.value.outcome is Outcome.REJECTED


async def test_a_cancel_that_a_rule_refuses_after_a_doubtful_attempt_was_not_done(
    server: WireServer, connect: Connect
) -> None:
    """A paid order was not cancelled by the attempt before."""
    server.script(close, failed(400, "orderStatusAlreadyPaid"))
    with pytest.raises(AlreadyPaidError) as caught:
        await cancel(connect(server))
    assert caught.value.outcome is Outcome.REJECTED


async def test_a_cancel_that_is_not_found_after_a_doubtful_attempt_is_unknown(
    server: WireServer, connect: Connect
) -> None:
    """Nothing says any more what the lost attempt did."""
    server.script(close, failed(404, "orderNotFound"))
    with pytest.raises(NotFoundError) as caught:
        await cancel(connect(server))
    assert caught.value.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    "code",
    ["orderStatusAlreadyPaidOrCancelled", "orderStatusAlreadyInvoiced", "somethingNew", "No. Not now."],
)
async def test_any_other_refusal_after_a_doubtful_cancel_is_unknown(
    server: WireServer, connect: Connect, code: str
) -> None:
    """It may be what the lost attempt led to."""
    server.script(close, failed(400, code))
    with pytest.raises(BusinessRuleError) as caught:
        await cancel(connect(server))
    assert caught.value.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("code", ["orderStatusAlreadyPaid", "orderStatusAlreadyCancelled"])
async def test_the_orders_status_says_nothing_about_a_cancelled_refund(
    server: WireServer, connect: Connect, code: str
) -> None:
    """Only its own row names the refusals that settle a doubt."""
    server.script(close, failed(400, code))
    with pytest.raises(BusinessRuleError) as caught:
        await connect(server).terminals.cancel_refund(ORDER_UUID)
    assert caught.value.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize(
    ("code", "outcome"),
    [("orderStatusAlreadyPaid", Outcome.REJECTED), ("orderStatusAlreadyPaidOrCancelled", Outcome.UNKNOWN)],
)
async def test_a_terminal_payment_is_cancelled_by_the_same_rules(
    server: WireServer, connect: Connect, code: str, outcome: Outcome
) -> None:
    """The customer stands at the terminal: "nothing was changed" must be right."""
    server.script(close, failed(400, code))
    with pytest.raises(BusinessRuleError) as caught:
        await connect(server).terminals.cancel_payment(ORDER_UUID)
    assert caught.value.outcome is outcome


@pytest.mark.parametrize(
    ("received", "error", "outcome"),
    [
        (then_close(failed(500)), ServerError, Outcome.REJECTED),
        (then_close(failed(429)), RateLimitedError, Outcome.REJECTED),
        (close, OutcomeUnknownError, Outcome.UNKNOWN),
        (then_close(envelope(is_error=True)), OutcomeUnknownError, Outcome.UNKNOWN),
    ],
    ids=["500", "429", "lost answer", "a 2xx that says no"],
)
async def test_a_read_that_was_received_is_not_called_not_sent(
    server: WireServer, connect: Connect, received: Step, error: type[FrontPayError], outcome: Outcome
) -> None:
    """The server goes away after the first attempt; the call ends with what that attempt met."""
    listening = server.listener

    async def last_word(exchange: Exchange) -> None:
        listening.close()
        await received(exchange)

    server.script(last_word)
    with pytest.raises(error) as caught:
        await read(connect(server))
    assert caught.value.outcome is outcome
    assert any("A further attempt was not sent" in note for note in caught.value.__notes__)


@pytest.mark.parametrize("callable_fails", [True, False])
async def test_a_read_whose_token_was_rejected_is_not_called_not_sent(
    server: WireServer, connect: Connect, callable_fails: bool
) -> None:
    """The API received it, although it gets no second request with another token."""
    listening, given = server.listener, ["old", OSError() if callable_fails else "new"]

    async def token() -> str:
        found = given.pop(0) if len(given) > 1 else given[0]
        if isinstance(found, OSError):
            raise found
        return found

    async def last_word(exchange: Exchange) -> None:
        listening.close()
        await then_close(failed(401))(exchange)

    server.script(last_word)
    with pytest.raises(AuthenticationError) as caught:
        await read(connect(server, token=token))
    assert caught.value.outcome is Outcome.REJECTED
    assert any("A further attempt was not sent" in note for note in caught.value.__notes__)


async def test_a_read_that_was_received_by_one_of_two_routes_is_not_called_not_sent(
    server: WireServer, connect: Connect
) -> None:
    """The other method cannot be tried, so the first answer counts, and no route is learnt."""
    listening = server.listener

    async def last_word(exchange: Exchange) -> None:
        listening.close()
        await then_close(failed(405))(exchange)

    server.script(last_word)
    client = connect(server)
    with pytest.raises(APIError, match="405") as caught:
        await client.terminals.get_refund_status(ORDER_UUID)
    assert caught.value.outcome is Outcome.REJECTED
    assert client._session._routes == {}


@pytest.mark.parametrize("code", ["personCurrentStatusIsWrong", "Undefined index.", ""])
@pytest.mark.parametrize("status", [500, 510])
async def test_a_server_error_with_a_message_of_its_own_is_not_sent_again(
    server: WireServer, connect: Connect, status: int, code: str
) -> None:
    """It may be a refusal for good, sent after the order was stored."""
    server.script(failed(status, code), envelope())
    with pytest.raises(ServerError) as caught:
        await create(connect(server))
    assert (len(server.requests), caught.value.outcome) == (1, Outcome.UNKNOWN)
    assert caught.value.message == (code or None)


async def test_a_refusal_after_a_doubtful_create_is_unknown(server: WireServer, connect: Connect) -> None:
    """The 500 may have come after the order was stored, so "refused" does not hold for the call."""
    server.script(failed(500), failed(417, "payloadValidationErrors"))
    with pytest.raises(RequestRejectedError) as caught:
        await create(connect(server))
    assert caught.value.outcome is Outcome.UNKNOWN
    text = str(caught.value)
    assert "This attempt was rejected, but an earlier attempt may have taken effect" in text
    assert "check before you send it again" in text
    assert "nothing was changed" not in text
    assert "Correct the order" not in text


@pytest.mark.parametrize("last", [failed(429), failed(510, "terminalIsBusy")], ids=["429", "busy"])
async def test_giving_up_after_a_doubtful_create_is_unknown(
    server: WireServer, connect: Connect, last: Step
) -> None:
    """An attempt that did not happen does not undo an earlier one that may have."""
    server.script(failed(500))
    server.otherwise = last
    with pytest.raises((RateLimitedError, ServerError)) as caught:
        await create(connect(server))
    assert caught.value.outcome is Outcome.UNKNOWN
    assert len(server.requests) == 4


async def test_a_connection_that_fails_after_a_doubtful_create_is_unknown(
    server: WireServer, connect: Connect
) -> None:
    """``NotSentError`` would be a lie about the call: the doubtful attempt's error is raised, with a note."""
    listening = server.listener

    async def fail_and_stop_listening(exchange: Exchange) -> None:
        listening.close()
        await then_close(failed(500))(exchange)

    server.script(fail_and_stop_listening)
    client = connect(server)
    with pytest.raises(ServerError) as caught:
        await create(client)
    assert caught.value.outcome is Outcome.UNKNOWN
    assert "was not sent" in "".join(caught.value.__notes__)


@pytest.mark.parametrize("doubts", [1, 3])
async def test_a_success_after_a_server_error_may_have_happened_twice(
    server: WireServer, connect: Connect, doubts: int
) -> None:
    """The caller asked for the retry; the hook is told what it may have cost."""
    server.script(*[failed(510)] * doubts)
    hooks = Hooks()
    await create(connect(server, **hooks.settings()))
    (result,) = hooks.results
    assert (result.outcome, result.attempts, result.may_have_happened_twice) == (None, doubts + 1, True)


@pytest.mark.parametrize("first", [failed(429), failed(510, "terminalIsBusy")], ids=["429", "busy"])
async def test_a_success_after_attempts_that_did_nothing_happened_once(
    server: WireServer, connect: Connect, first: Step
) -> None:
    """Only doubtful attempts count."""
    server.script(first)
    hooks = Hooks()
    await create(connect(server, **hooks.settings()))
    assert [result.may_have_happened_twice for result in hooks.results] == [False]


async def test_a_doubtful_create_is_not_sent_again_when_the_last_failure_is_lost(
    server: WireServer, connect: Connect
) -> None:
    """A retry that is allowed does not make a later one allowed: the lost answer stops the call."""
    server.script(failed(500), close)
    with pytest.raises(OutcomeUnknownError):
        await create(connect(server))
    assert len(server.requests) == 2


async def test_the_other_verb_is_tried_once_and_remembered(server: WireServer, connect: Connect) -> None:
    """The refund status is a POST in one source and a GET in another: a 405 turns the client to the other."""
    server.script(failed(405))
    hooks = Hooks()
    client = connect(server, **hooks.settings())
    await client.terminals.get_refund_status(ORDER_UUID)
    await client.terminals.get_refund_status(ORDER_UUID)
    assert [request.method for request in server.requests] == ["POST", "GET", "GET"]
    assert [result.attempts for result in hooks.results] == [2, 1]
