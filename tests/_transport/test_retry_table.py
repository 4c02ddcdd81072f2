"""The retry table, cell by cell, over real sockets, on both engines: how many requests are made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from frontpay_async import (
    APIError,
    FrontPayError,
    NotSentError,
    Outcome,
    OutcomeUnknownError,
    RateLimitedError,
    RetryPolicy,
    ServerError,
    TerminalBusyError,
)
from frontpay_async._protocol.operations import Safety
from tests.support.fakes import CALLS, Hooks
from tests.support.wire_steps import answer, close, cut, cut_chunked, envelope, failed, garbage, html, reset

if TYPE_CHECKING:
    from tests._transport.conftest import Connect
    from tests.support.fakes import FakeClock
    from tests.support.wire_server import WireServer
    from tests.support.wire_steps import Step

pytestmark = pytest.mark.integration

READ, IDEMPOTENT, UNSAFE = Safety.READ, Safety.IDEMPOTENT, Safety.UNSAFE
ALL = frozenset(Safety)
HARMLESS = frozenset({READ, IDEMPOTENT})

# What the server does -> who may send again, the error, and its outcome for what changes something.
TABLE: dict[str, tuple[Step, frozenset[Safety], type[FrontPayError], Outcome]] = {
    "429": (failed(429, "Too Many Attempts."), ALL, RateLimitedError, Outcome.REJECTED),
    "500": (failed(500), ALL, ServerError, Outcome.UNKNOWN),
    "510": (failed(510), ALL, ServerError, Outcome.UNKNOWN),
    "busy terminal": (failed(510, "terminalIsBusy"), ALL, TerminalBusyError, Outcome.REJECTED),
    "500 in HTML": (html(500), HARMLESS, ServerError, Outcome.UNKNOWN),
    "500 in odd HTML": (answer(500, b"<p>", kind="Text/HTML"), HARMLESS, ServerError, Outcome.UNKNOWN),
    "500 in words": (answer(500, b"upstream", kind="text/plain"), HARMLESS, ServerError, Outcome.UNKNOWN),
    "500 without a word": (answer(500), HARMLESS, ServerError, Outcome.UNKNOWN),
    "502": (html(502), HARMLESS, ServerError, Outcome.UNKNOWN),
    "502 in JSON": (failed(502), HARMLESS, ServerError, Outcome.UNKNOWN),
    "503": (failed(503), HARMLESS, ServerError, Outcome.UNKNOWN),
    "504": (html(504), HARMLESS, ServerError, Outcome.UNKNOWN),
    "408": (html(408), HARMLESS, APIError, Outcome.UNKNOWN),
    "499": (html(499), HARMLESS, APIError, Outcome.UNKNOWN),
    "closed": (close, HARMLESS, OutcomeUnknownError, Outcome.UNKNOWN),
    "reset": (reset, HARMLESS, OutcomeUnknownError, Outcome.UNKNOWN),
    "cut by length": (cut(), HARMLESS, OutcomeUnknownError, Outcome.UNKNOWN),
    "cut in chunks": (cut_chunked(), HARMLESS, OutcomeUnknownError, Outcome.UNKNOWN),
    "garbage": (garbage(), HARMLESS, OutcomeUnknownError, Outcome.UNKNOWN),
    "200 in HTML": (html(200), HARMLESS, OutcomeUnknownError, Outcome.UNKNOWN),
    "200 of a gateway": (answer(200, b"{}"), HARMLESS, OutcomeUnknownError, Outcome.UNKNOWN),
    "201 with an error": (envelope(is_error=True), HARMLESS, OutcomeUnknownError, Outcome.UNKNOWN),
    "204": (answer(204), HARMLESS, OutcomeUnknownError, Outcome.UNKNOWN),
    "500 with its own code": (failed(500, "odd"), HARMLESS, ServerError, Outcome.UNKNOWN),
    "510 with its own code": (
        failed(510, "personCurrentStatusIsWrong"),
        HARMLESS,
        ServerError,
        Outcome.UNKNOWN,
    ),
}


@pytest.mark.parametrize("safety", Safety)
@pytest.mark.parametrize("failure", TABLE)
async def test_a_failure_is_repeated_as_the_table_says(
    server: WireServer, connect: Connect, clock: FakeClock, safety: Safety, failure: str
) -> None:
    """Four attempts where the table says retry, one where it says stop; the error tells what is known."""
    step, repeated, error_class, outcome = TABLE[failure]
    server.otherwise = step
    hooks = Hooks()
    client = connect(server, **hooks.settings())
    with pytest.raises(error_class) as caught:
        await CALLS[safety](client)
    expected = 4 if safety in repeated else 1
    assert len(server.requests) == expected
    assert len(hooks.attempts) == expected
    assert clock.slept == [0.25, 0.5, 1.0][: expected - 1]
    if safety is READ and isinstance(caught.value, APIError):
        # What only reads was not done, and nothing changed.
        outcome = Outcome.REJECTED
    assert caught.value.outcome is outcome
    assert [record.outcome for record in hooks.results] == [outcome]


@pytest.mark.parametrize("safety", Safety)
@pytest.mark.parametrize("failure", TABLE)
async def test_a_call_that_may_be_repeated_succeeds_when_the_failure_passes(
    server: WireServer, connect: Connect, safety: Safety, failure: str
) -> None:
    """One failure and then an answer: a success for whom the table lets try again, after two requests."""
    step, repeated, error_class, _ = TABLE[failure]
    server.script(step)
    client = connect(server)
    if safety in repeated:
        await CALLS[safety](client)
    else:
        with pytest.raises(error_class):
            await CALLS[safety](client)
    assert len(server.requests) == (2 if safety in repeated else 1)
    assert len({(each.method, each.target, each.body) for each in server.requests}) == 1


@pytest.mark.parametrize("safety", Safety)
@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 417, 422])
async def test_a_decision_of_the_api_is_final(
    server: WireServer, connect: Connect, safety: Safety, status: int
) -> None:
    """An answer that says no is not asked for again, and nothing was done."""
    server.otherwise = failed(status)
    with pytest.raises(FrontPayError) as caught:
        await CALLS[safety](connect(server))
    assert len(server.requests) == 1
    assert caught.value.outcome is Outcome.REJECTED


@pytest.mark.parametrize("safety", Safety)
async def test_what_did_not_leave_is_sent_again(
    nowhere: str, connect: Connect, clock: FakeClock, safety: Safety
) -> None:
    """A refused connection is tried four times, whatever the operation."""
    hooks = Hooks()
    client = connect(nowhere, **hooks.settings())
    with pytest.raises(NotSentError) as caught:
        await CALLS[safety](client)
    assert caught.value.outcome is Outcome.NOT_SENT
    assert [record.outcome for record in hooks.attempts] == [Outcome.NOT_SENT] * 4
    assert len(clock.slept) == 3


@pytest.mark.parametrize("status", [500, 510])
async def test_unsafe_server_errors_off_leaves_the_decision_to_the_caller(
    server: WireServer, connect: Connect, status: int
) -> None:
    """With the policy off, a create that the API answered with 500 or 510 is not sent again."""
    server.otherwise = failed(status)
    client = connect(server, retry=RetryPolicy(retry_unsafe_server_errors=False))
    with pytest.raises(ServerError) as caught:
        await CALLS[UNSAFE](client)
    assert len(server.requests) == 1
    assert caught.value.outcome is Outcome.UNKNOWN


@pytest.mark.parametrize("safety", [READ, IDEMPOTENT])
async def test_unsafe_server_errors_off_binds_only_what_is_unsafe(
    server: WireServer, connect: Connect, safety: Safety
) -> None:
    """A read or a cancel that met a 500 is still sent again."""
    server.script(failed(500), envelope())
    await CALLS[safety](connect(server, retry=RetryPolicy(retry_unsafe_server_errors=False)))
    assert len(server.requests) == 2


async def test_a_busy_terminal_is_retried_though_unsafe_server_errors_are_off(
    server: WireServer, connect: Connect
) -> None:
    """A busy terminal says that nothing happened, so the policy for doubtful answers does not apply."""
    server.script(failed(510, "terminalIsBusy"), envelope())
    await CALLS[UNSAFE](connect(server, retry=RetryPolicy(retry_unsafe_server_errors=False)))
    assert len(server.requests) == 2


async def test_one_attempt_means_one_request(server: WireServer, connect: Connect) -> None:
    """``RetryPolicy(attempts=1)`` turns retries off for everything."""
    server.otherwise = failed(429)
    with pytest.raises(RateLimitedError):
        await CALLS[READ](connect(server, retry=RetryPolicy(attempts=1)))
    assert len(server.requests) == 1
