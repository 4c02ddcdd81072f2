"""Every setting outside the client is checked when it is given, by its name."""

from __future__ import annotations

import inspect
import math
import re
from datetime import timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import httpx
import pytest

from frontpay_async import ConfigurationError, RateLimit, Timeouts, WatchKind
from frontpay_async.batch import InvoiceBatch, Journal
from frontpay_async.callbacks import (
    CallbackGuard,
    MemoryReplayStore,
    aiohttp as aiohttp_callbacks,
    django as django_callbacks,
    sign_callback_url,
    starlette as starlette_callbacks,
    verify_checksum,
)
from frontpay_async.otel import Telemetry
from frontpay_async.sandbox import CallbackForm, Cardholder, Sandbox
from frontpay_async.sandbox.instant_clock import instant_clock

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.integration

FLAG: list[object] = ["no", 0, None]
SECONDS: list[object] = ["60", -1, math.nan, math.inf, True, None, timedelta(1), 10**400]
POSITIVE: list[object] = ["60", 0, -1, math.nan, True, timedelta(1)]
COUNT: list[object] = ["5", 0, -1, 1.5, True]
TEXTS: list[object] = ["abc", b"abc", 5, [5], [""], None]
FUNCTION: list[object] = [5, "now", Timeouts]


async def _awaited(_: object) -> None:
    """A hook that would never run."""


SANDBOX = Sandbox(clock=instant_clock())
CLIENT = SANDBOX.client()
GUARD = CallbackGuard("s3cret")

# What is built or called, with arguments that are right, and wrong values of each argument.
WRONG: dict[str, tuple[Callable[..., object], dict[str, Any], dict[str, list[object]]]] = {
    "Sandbox": (
        Sandbox,
        {},
        {
            "tokens": TEXTS,
            "rate_limit": COUNT,
            "rate_window": [0, *SECONDS],
            "rate_headers_when_written": FLAG,
            "cardholder": ["pays", Cardholder, 0],
            "terminals": ["TRML1", 5, ["TRML1"]],
            "order_date_format": ["iso", 5],
            "pending_status": [5, ""],
            "pending_refund_status": [5, ""],
            "list_terminal_orders": FLAG,
            "refund_request_threshold": [-1, 1.5, "much", True, Decimal("NaN"), [5]],
            "refund_weekly_threshold": [-1, 1.5, "much", True, Decimal("NaN"), [5]],
            "one_payment_at_a_time": FLAG,
            "magic_amounts": FLAG,
            "callback_secret": [5, "", None],
            "callback_hosts": TEXTS,
            "callback_transport": ["x", httpx.MockTransport, httpx.HTTPTransport()],
            "callback_form": ["x", 5, None, CallbackForm],
            "allowed_hosts": TEXTS,
            "request_history": ["5", -1, 1.5, True, None, 10**30],
            "state_file": [5, b"state", ""],
            "clock": [5, "now"],
        },
    ),
    "Cardholder": (
        Cardholder,
        {},
        {"after": [each for each in SECONDS if each is not None], "pays": FLAG, "takes_refund": FLAG},
    ),
    "CallbackGuard": (
        CallbackGuard,
        {"secret": "s3cret"},
        {
            "secret": ["", "s3cret\n", '"s3cret"'],
            "token_secret": ["", "s3cret\n"],
            "replay_store": [5, "redis://localhost", MemoryReplayStore],
            "max_age": [0, *SECONDS],
            "require_token": FLAG,
            "accept_older_form": FLAG,
            "remember": [0, *SECONDS],
            "token_capacity": COUNT,
            "payment_methods": TEXTS,
            "now": FUNCTION,
        },
    ),
    "MemoryReplayStore": (MemoryReplayStore, {}, {"capacity": COUNT}),
    "verify_checksum": (
        verify_checksum,
        {"query": "", "secret": "s3cret"},
        {
            "secret": ["", "s3cret\n"],
            "now": ["noon", math.nan, True],
            "max_age": [0, *SECONDS],
            "accept_older_form": FLAG,
            "payment_methods": TEXTS,
        },
    ),
    "sign_callback_url": (
        sign_callback_url,
        {"url": "https://shop.example", "order_reference": "B-1", "secret": "s3cret"},
        {"url": [5, None], "order_reference": [5, None], "secret": ["", "s3cret\n"]},
    ),
    "starlette": (
        starlette_callbacks.callback_route,
        {"guard": GUARD, "handler": print},
        {"guard": ["s3cret", CallbackGuard], "handler": FUNCTION, "path": ["callback", 5, ""]},
    ),
    "aiohttp": (
        aiohttp_callbacks.callback_route,
        {"guard": GUARD, "handler": print},
        {"guard": ["s3cret", CallbackGuard], "handler": FUNCTION, "path": ["callback", 5, ""]},
    ),
    "django": (
        django_callbacks.callback_route,
        {"guard": GUARD, "handler": print},
        {"guard": ["s3cret", CallbackGuard], "handler": FUNCTION, "path": [5, "", None]},
    ),
    "Telemetry": (
        Telemetry,
        {},
        {
            "tracer_provider": [5, "otlp"],
            "meter_provider": [5, "otlp"],
            "attributes": ["tenant", 5, {"tenant": 5}, {5: "tenant"}, [("tenant", "a")]],
            "order_uuid": FLAG,
            "propagate": FLAG,
        },
    ),
    "InvoiceBatch": (
        InvoiceBatch,
        {"client": CLIENT, "journal": "journal.db", "name": "2026-05"},
        {
            "client": [5, "token", Sandbox],
            "journal": [5, b"journal.db", "", None, Journal],
            "name": [5, "", None, " x"],
            "account": [5, None, " x"],
            "key": [5, "no key", b"key"],
            "lease": [0, *SECONDS],
            "settling": SECONDS,
            "drain": SECONDS,
            "check_account": FLAG,
        },
    ),
    "Journal.open": (
        Journal.open,
        {"target": "journal.db"},
        {
            "target": [5, b"journal.db", "", None, Journal],
            "key": [5, "no key", b"key"],
            "connections": [*COUNT, None],
        },
    ),
    "sandbox.fail": (
        SANDBOX.fail,
        {"kind": "500-before"},
        {
            "kind": ["x", 5, None],
            "operation": [5, "", None, "nothing.*"],
            "times": COUNT,
            "skip": ["1", -1, 1.5, True, None],
            "seconds": [*SECONDS, 5],
        },
    ),
    "sandbox.fail_randomly": (
        SANDBOX.fail_randomly,
        {"rates": {"500-before": 0.5}, "seed": 1},
        {
            "rates": [
                "x",
                5,
                {"x": 0.5},
                {"500-before": 2},
                {"500-before": "half"},
                {"500-before": math.nan},
            ],
            "seed": ["x", None, 1.5, []],
            "operation": [5, "", None, "nothing.*"],
        },
    ),
    "callback_sender.fail": (
        SANDBOX.callback_sender.fail,
        {"kind": "lose"},
        {
            "kind": ["x", 5, None],
            "times": COUNT,
            "skip": ["1", -1, 1.5, True, None],
            "every": [*COUNT, None],
            "seconds": SECONDS,
        },
    ),
    "watch.notify": (CLIENT.watch.notify, {}, {"callback": [5, None, b"ODR1"]}),
    "watch.updates": (
        CLIENT.watch.updates,
        {"order_uuid": "ODR1"},
        {"kind": ["x", 5, None], "timeout": POSITIVE},
    ),
    "watch.restore": (
        CLIENT.watch.restore,
        {"snapshot": CLIENT.watch.snapshot()},
        {"elapsed": ["5", -1, math.nan, math.inf, True, None]},
    ),
}
# What an argument is called in the error, where that is not its own name.
NAMED = {"operation": "operation|no operation", "rates": "rates|kind", "seconds": "seconds"}
# Arguments whose every value is judged by something else.
NOT_TRIED = {"query", "snapshot", "order_uuid", "seconds"}


@pytest.mark.parametrize("what", WRONG)
def test_a_wrong_argument_is_refused_by_name_when_it_is_given(what: str) -> None:
    """A ConfigurationError, which is a ValueError, without another library's error as its cause."""
    call, right, wrong = WRONG[what]
    for name, values in wrong.items():
        for value in values:
            pattern = NAMED.get(name, name.replace("_", "[_ ]"))
            # Money is refused by the error that it has everywhere.
            is_money = "threshold" in name and type(value) not in (int, str, Decimal)
            error = TypeError if is_money else ConfigurationError
            with pytest.raises(error, match=f"(?i){pattern}") as caught:
                call(**{**right, name: value})
            assert caught.value.__cause__ is None, (name, value)
            assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("what", WRONG)
def test_every_argument_is_tried(what: str) -> None:
    call, _, wrong = WRONG[what]
    assert set(inspect.signature(call).parameters) - NOT_TRIED == set(wrong) - NOT_TRIED


@pytest.mark.parametrize("method", ["payment", "refund", "order", "reservation", "subscription", "checkout"])
async def test_a_wrong_argument_of_a_watch_is_refused_before_anything_is_asked(method: str) -> None:
    sandbox = Sandbox(clock=instant_clock())
    watch = getattr(sandbox.client().watch, method)
    wrong: dict[str, list[object]] = {"timeout": POSITIVE}
    if method in ("order", "reservation", "subscription", "checkout"):
        wrong["until"] = [5, [5], "", [], [""], b"PAID"]
    if method == "refund":
        wrong["after"] = ["much", -1, 1.5, True, Decimal("NaN")]
    for name, values in wrong.items():
        for value in values:
            error = TypeError if name == "after" and type(value) in (float, bool) else ConfigurationError
            with pytest.raises(error, match=name):
                await watch("ODR3506777330", **{"timeout": 1, name: value})
    assert not sandbox.requests


async def test_a_wrong_argument_of_a_run_is_refused_before_the_journal_is_opened(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    async with InvoiceBatch(CLIENT, journal=path, name="2026-05") as batch:
        run: Any = batch.run
        for name, values in {"concurrency": [*COUNT, None], "on_progress": [*FUNCTION, _awaited]}.items():
            for value in values:
                with pytest.raises(ConfigurationError, match=name):
                    await run(**{name: value})
    assert not path.exists()


async def test_enums_may_be_given_as_text() -> None:
    client = Sandbox().client()
    Sandbox(callback_form="table", order_date_format="day")
    Sandbox(callback_form=CallbackForm.SHORTEST, order_date_format="UNIX")
    SANDBOX.callback_sender.fail("delay", seconds=1)
    for kind in (*WatchKind, *map(str, WatchKind)):
        assert client.watch.updates("ODR3506777330", kind=kind) is not None


def test_numbers_of_any_exact_kind_are_taken() -> None:
    Sandbox(refund_request_threshold=Decimal(100), rate_window=1, request_history=0, rate_limit=None)
    CallbackGuard("s3cret", max_age=1, remember=0.5)
    Cardholder(after=None)
    with pytest.raises(ConfigurationError, match=re.escape("RateLimit.window")):
        RateLimit(window=10**400)
