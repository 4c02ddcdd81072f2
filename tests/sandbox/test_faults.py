"""Faults on demand, in-process: each kind, by rule and at random."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest

from frontpay_async import (
    Clock,
    FrontPayClient,
    Outcome,
    OutcomeUnknownError,
    ServerError,
    TerminalBusyError,
    Timeouts,
)
from frontpay_async._protocol.operations import OPERATIONS
from frontpay_async.sandbox import Fault, FaultKind, Sandbox
from frontpay_async.sandbox.faults import Faults, read_fault
from tests.support.builders import invoice
from tests.support.sandboxes import NO_RETRY, call, prepare, raw_client, waiting

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.fakes import FakeClock

pytestmark = pytest.mark.integration

SLOW = [FaultKind.LATENCY, FaultKind.DRIP]
SERVER_ERRORS = [
    (FaultKind.ERROR_500_BEFORE, 500),
    (FaultKind.ERROR_500_AFTER, 500),
    (FaultKind.ERROR_510_BEFORE, 510),
    (FaultKind.ERROR_510_AFTER, 510),
    (FaultKind.HTML_502_BEFORE, 502),
    (FaultKind.HTML_502_AFTER, 502),
]
LOST_ANSWERS = [FaultKind.DROP_BEFORE, FaultKind.DROP_AFTER, FaultKind.CUT_BODY]


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[FrontPayClient]:
    async with sandbox.client(retry=NO_RETRY) as client:
        yield client


@pytest.mark.parametrize(("kind", "status"), SERVER_ERRORS, ids=[kind for kind, _ in SERVER_ERRORS])
async def test_a_server_error_says_not_whether_it_was_done(
    client: FrontPayClient, sandbox: Sandbox, kind: FaultKind, status: int
) -> None:
    sandbox.fail(kind)
    with pytest.raises(ServerError) as caught:
        await client.orders.send_invoice(invoice())
    assert (caught.value.status, caught.value.outcome) == (status, Outcome.UNKNOWN)
    assert len(sandbox.orders) == kind.endswith("-after")
    assert (sandbox.requests[-1].status, sandbox.requests[-1].fault) == (status, kind)


@pytest.mark.parametrize("kind", LOST_ANSWERS)
async def test_an_answer_is_lost(client: FrontPayClient, sandbox: Sandbox, kind: FaultKind) -> None:
    sandbox.fail(kind)
    with pytest.raises(OutcomeUnknownError):
        await client.orders.send_invoice(invoice())
    assert len(sandbox.orders) == (kind is not FaultKind.DROP_BEFORE)
    assert sandbox.requests[-1].status == (201 if kind is FaultKind.CUT_BODY else None)


async def test_a_busy_terminal_does_nothing(client: FrontPayClient, sandbox: Sandbox) -> None:
    sandbox.fail("busy")
    with pytest.raises(TerminalBusyError) as caught:
        await waiting(client)
    assert caught.value.outcome is Outcome.REJECTED
    assert not sandbox.orders


@pytest.mark.parametrize(
    "operation",
    [
        "orders.list_statuses",
        "orders.get_status",
        "orders.get_details",
        "orders.get_invoice_number",
        "terminals.get_payment_status",
        "terminals.get_refund_status",
    ],
)
async def test_an_unknown_status_does_no_harm(
    client: FrontPayClient, sandbox: Sandbox, operation: str
) -> None:
    uuid = await prepare(client, sandbox, operation)
    sandbox.fail("unknown-status", operation=operation)
    found = await call(client, operation, uuid)
    status = found[0].status if isinstance(found, tuple) else getattr(found, "status", found)
    assert status == "ON_HOLD"
    assert not getattr(status, "is_final", False)
    again = await call(client, operation, uuid)
    assert again != found


@pytest.mark.parametrize("operation", ["terminals.list", "orders.send_invoice"])
def test_an_unknown_status_strikes_nothing_that_tells_no_status(operation: str) -> None:
    with pytest.raises(ValueError, match=operation):
        Sandbox().fail("unknown-status", operation=operation)


async def test_latency_passes_on_the_sandboxs_clock(
    client: FrontPayClient, sandbox: Sandbox, fake_clock: FakeClock
) -> None:
    sandbox.fail("latency", seconds=3)
    sandbox.fail("latency", seconds=0.5)
    await client.orders.list_statuses()
    assert fake_clock.slept == [3.5]


async def test_a_drip_comes_byte_by_byte(
    client: FrontPayClient, sandbox: Sandbox, fake_clock: FakeClock
) -> None:
    sandbox.fail("drip", seconds=30)
    await client.orders.send_invoice(invoice())
    assert len(fake_clock.slept) > 100
    assert len(set(fake_clock.slept)) == 1
    assert sum(fake_clock.slept) == pytest.approx(30)


async def test_slowness_comes_with_any_other_fault(
    client: FrontPayClient, sandbox: Sandbox, fake_clock: FakeClock
) -> None:
    sandbox.fail("latency", seconds=3)
    sandbox.fail("drop-after")
    with pytest.raises(OutcomeUnknownError):
        await client.orders.send_invoice(invoice())
    assert fake_clock.slept == [3]


@pytest.mark.parametrize("kind", SLOW)
async def test_what_is_too_slow_is_done_all_the_same(kind: FaultKind) -> None:
    """The read timeout works in-process, too."""
    sandbox = Sandbox(clock=Clock(sleep=lambda _: anyio.sleep_forever()))
    sandbox.fail(kind, seconds=1)
    async with sandbox.client(retry=NO_RETRY, timeouts=Timeouts(read=0.01)) as client:
        with pytest.raises(OutcomeUnknownError, match="ReadTimeout"):
            await client.orders.send_invoice(invoice())
    assert len(sandbox.orders) == 1


def struck_by(faults: Faults, operation: str, times: int) -> list[FaultKind | None]:
    """Return what strikes an operation that is called some times."""
    return [faults.strike(operation).kind for _ in range(times)]


async def test_a_rule_names_operations_times_and_what_passes_first(
    raw: httpx.AsyncClient, sandbox: Sandbox
) -> None:
    sandbox.fail("510-before", operation="orders.list*", times=2, skip=1)
    statuses = []
    for _ in range(5):
        statuses.append((await raw.get("orders/status")).status_code)
        assert (await raw.get("terminal/lists/ORG1")).status_code == 200
    assert statuses == [404, 510, 510, 404, 404]


def test_a_rule_may_strike_for_ever() -> None:
    faults = Faults()
    faults.add(Fault(kind=FaultKind.BUSY, times=None))
    assert struck_by(faults, "terminals.refund", 50) == ["busy"] * 50
    assert struck_by(faults, "orders.refund", 1) == [None]


def test_of_several_rules_the_oldest_strikes_and_the_others_wait() -> None:
    faults = Faults()
    faults.add(Fault(kind=FaultKind.ERROR_500_BEFORE, times=2))
    faults.add(Fault(kind=FaultKind.DROP_AFTER, skip=1))
    faults.add(Fault(kind=FaultKind.CUT_BODY))
    assert struck_by(faults, "orders.cancel", 5) == [
        "500-before",
        "500-before",
        "drop-after",
        "cut-body",
        None,
    ]


async def test_who_is_refused_uses_no_fault_up(sandbox: Sandbox) -> None:
    sandbox.fail("drop-before")
    async with raw_client(sandbox, "wrong") as stranger:
        assert (await stranger.get("orders/status")).status_code == 401
    async with raw_client(sandbox) as raw:
        assert (await raw.get("orders/nothing")).status_code == 404
        with pytest.raises(httpx.RemoteProtocolError):
            await raw.get("orders/status")


@pytest.mark.parametrize("seed", [1, 2])
async def test_the_same_seed_and_requests_give_the_same_faults(seed: int) -> None:
    async def struck(seed: int) -> list[FaultKind | None]:
        sandbox = Sandbox(rate_limit=None)
        sandbox.fail_randomly({"510-after": 0.2, "502-before": 0.1}, seed=seed)
        async with raw_client(sandbox) as raw:
            for _ in range(100):
                await raw.get("orders/status")
        return [request.fault for request in sandbox.requests]

    first = await struck(seed)
    assert first == await struck(seed)
    assert first != await struck(seed + 10)
    assert {"510-after", "502-before", None} == set(first)


def test_random_faults_keep_to_their_rates() -> None:
    faults = Faults()
    faults.add_random({"510-after": 0.2, "drop-after": 0.1, "latency": 0.5}, seed=7, seconds=2)
    strikes = [faults.strike("orders.cancel") for _ in range(5000)]
    kinds = [strike.kind for strike in strikes]
    assert 900 < kinds.count(FaultKind.ERROR_510_AFTER) < 1100
    assert 400 < kinds.count(FaultKind.DROP_AFTER) < 600
    assert 2300 < sum(strike.latency == 2 for strike in strikes) < 2700


def test_random_faults_of_an_operation_do_not_depend_on_other_traffic() -> None:
    alone, beside = Faults(), Faults()
    for faults in (alone, beside):
        faults.add_random({"busy": 0.3, "drop-after": 0.3}, seed=3, operation="terminals.*")
    expected = struck_by(alone, "terminals.refund", 50)
    found = []
    for _ in range(50):
        assert struck_by(beside, "orders.cancel", 3) == [None] * 3
        found += struck_by(beside, "terminals.refund", 1)
    assert found == expected


def test_a_rate_of_one_always_strikes_and_of_none_never() -> None:
    faults = Faults()
    faults.add_random({"busy": 0, "cut-body": 1}, seed=0)
    assert struck_by(faults, "terminals.refund", 100) == ["cut-body"] * 100


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"kind": "flood"}, "unknown fault 'flood'; use one of 500-before, "),
        ({"kind": "busy", "operation": "terminal.*"}, "no operation"),
        ({"kind": "busy", "operation": "orders.*"}, "no operation"),
        ({"kind": "510-after", "operation": "orders.send_invoces"}, "orders.send_invoces"),
        ({"kind": "510-after", "times": 0}, "times"),
        ({"kind": "510-after", "times": "often"}, "times"),
        ({"kind": "510-after", "skip": -1}, "skip"),
        ({"kind": "510-after", "seconds": 1}, "seconds"),
        ({"kind": "latency"}, "seconds"),
        ({"kind": "latency", "seconds": -1}, "seconds"),
    ],
)
def test_a_fault_that_could_never_strike_is_an_error(arguments: dict[str, Any], message: str) -> None:
    """A misspelt fault would make a test pass that tests nothing."""
    sandbox = Sandbox()
    with pytest.raises(ValueError, match=message):
        sandbox.fail(**arguments)


@pytest.mark.parametrize(
    "rates",
    [
        {"510-after": 1.1},
        {"510-after": -0.1},
        {"510-after": 0.6, "510-before": 0.6},
        {"flood": 0.1},
        {"latency": 0.1},
    ],
)
def test_rates_that_make_no_sense_are_an_error(rates: dict[FaultKind | str, float]) -> None:
    with pytest.raises(ValueError, match=r"rates|flood|seconds"):
        Sandbox().fail_randomly(rates, seed=1)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("busy", Fault(kind=FaultKind.BUSY)),
        ("510-afterx3", Fault(kind=FaultKind.ERROR_510_AFTER, times=3)),
        ("drop-after@orders.*x*", Fault(kind=FaultKind.DROP_AFTER, operation="orders.*", times=None)),
        (
            "latency:0.25@orders.send_invoicex2",
            Fault(kind=FaultKind.LATENCY, seconds=0.25, operation="orders.send_invoice", times=2),
        ),
    ],
)
def test_a_fault_is_written_as_text(text: str, fault: Fault) -> None:
    assert read_fault(text) == fault


@pytest.mark.parametrize(
    "text", ["", "busy@", "busyx", "busy x2", "busyx0", "flood", "latency:fast", "@orders.*"]
)
def test_text_that_is_no_fault_is_an_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"fault|written|times"):
        read_fault(text)


def test_every_kind_can_strike_something() -> None:
    for kind in FaultKind:
        fault = Fault(kind=kind, seconds=1.0 if kind in SLOW else 0.0)
        assert any(fault.strikes(operation) for operation in OPERATIONS)


def test_faults_that_have_not_struck_are_known() -> None:
    """One that struck once is not idle, though it would strike again."""
    faults = Faults()
    struck, idle = Fault(kind=FaultKind.BUSY, times=2), Fault(kind=FaultKind.DROP_AFTER, skip=1)
    faults.add(struck)
    faults.add(idle)
    faults.add_random({FaultKind.CUT_BODY: 0.5}, seed=1)
    faults.strike("terminals.refund")
    assert faults.idle() == (idle,)
    faults.clear()
    assert faults.idle() == ()
