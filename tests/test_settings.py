from __future__ import annotations

import inspect
import itertools
import math
import re
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import attrs
import httpx
import pytest

from frontpay_async import (
    Clock,
    ConfigurationError,
    ConnectionPool,
    DateFormat,
    Environment,
    FrontPayClient,
    Outcome,
    Priority,
    RateLimit,
    RetryPolicy,
    Timeouts,
)
from frontpay_async.settings import is_loopback, resolve_base_url, token_problem

if TYPE_CHECKING:
    from collections.abc import Callable

DEMO = "https://demo-api.frontpayment.no/api/v1/connect"


@pytest.mark.parametrize(
    ("environment", "url"),
    [
        ("demo", DEMO),
        ("staging", "https://stg-api.frontpayment.no/api/v1/connect"),
        ("production", "https://apigo.frontpayment.no/api/v1/connect"),
        (Environment.DEMO, DEMO),
    ],
    ids=repr,
)
def test_an_environment_has_its_url(environment: str, url: str) -> None:
    assert resolve_base_url(environment, None, {}) == url


def test_there_is_no_default_environment() -> None:
    with pytest.raises(ConfigurationError, match="production is never chosen for you") as caught:
        resolve_base_url(None, None, {})
    assert caught.value.outcome is Outcome.NOT_SENT


@pytest.mark.parametrize(
    ("variables", "url"),
    [
        ({"FRONTPAY_ENVIRONMENT": "demo"}, DEMO),
        ({"FRONTPAY_BASE_URL": "https://api.example/v1"}, "https://api.example/v1"),
        ({"FRONTPAY_ENVIRONMENT": "demo", "FRONTPAY_BASE_URL": ""}, DEMO),
    ],
    ids=repr,
)
def test_the_environment_variables_are_read(variables: dict[str, str], url: str) -> None:
    assert resolve_base_url(None, None, variables) == url


def test_the_variables_are_those_of_the_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTPAY_ENVIRONMENT", "demo")
    assert resolve_base_url(None, None) == DEMO


def test_arguments_win_over_variables() -> None:
    variables = {"FRONTPAY_ENVIRONMENT": "production", "FRONTPAY_BASE_URL": "https://other.example"}
    assert resolve_base_url("demo", None, variables) == DEMO
    assert resolve_base_url(None, "https://mine.example", variables) == "https://mine.example"


@pytest.mark.parametrize(
    ("environment", "base_url", "variables"),
    [
        ("demo", "https://api.example", {}),
        (None, None, {"FRONTPAY_ENVIRONMENT": "demo", "FRONTPAY_BASE_URL": "https://api.example"}),
    ],
)
def test_two_places_are_refused(
    environment: str | None, base_url: str | None, variables: dict[str, str]
) -> None:
    with pytest.raises(ConfigurationError, match="not both"):
        resolve_base_url(environment, base_url, variables)


@pytest.mark.parametrize("environment", ["", "DEMO", "prod"])
def test_an_unknown_environment_is_refused(environment: str) -> None:
    with pytest.raises(ConfigurationError, match="one of demo, staging, production") as caught:
        resolve_base_url(environment, None, {})
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("https://api.example", "https://api.example"),
        ("https://api.example/v1//", "https://api.example/v1"),
        ("https://api.example:8443/v1", "https://api.example:8443/v1"),
        ("https://bærum.example", "https://bærum.example"),
        ("http://127.0.0.1:8000/api", "http://127.0.0.1:8000/api"),
        ("http://127.8.9.1", "http://127.8.9.1"),
        ("http://[::1]:8000", "http://[::1]:8000"),
        ("http://localhost:8000", "http://localhost:8000"),
        ("http://LOCALHOST", "http://LOCALHOST"),
        ("http://api.localhost", "http://api.localhost"),
    ],
)
def test_base_urls(given: str, url: str) -> None:
    assert resolve_base_url(None, given, {}) == url


@pytest.mark.parametrize(
    "given",
    [
        "",
        "api.example",
        "//api.example",
        "ftp://api.example",
        "https://",
        "https:///v1",
        "https://:443",
        "https://api.example:99999",
        "https://api.example:0",
        "https://[::1",
    ],
)
def test_what_is_no_url_is_refused(given: str) -> None:
    with pytest.raises(ConfigurationError, match="must be an absolute https URL"):
        resolve_base_url(None, given, {})


@pytest.mark.parametrize(
    "given",
    [
        "https://me:secret@api.example",
        "https://@api.example",
        "https://api.example?",
        "https://api.example/?key=secret",
        "https://api.example#",
        "https://api.example/#secret",
    ],
)
def test_a_base_url_carries_nothing_else(given: str) -> None:
    with pytest.raises(ConfigurationError, match="must not contain credentials") as caught:
        resolve_base_url(None, given, {})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "given",
    ["https://api.example/\n", "https://api .example", "https:\\\\api.example", "\thttps://api.example"],
)
def test_a_base_url_has_only_characters_of_urls(given: str) -> None:
    with pytest.raises(ConfigurationError, match="contains whitespace or a control character"):
        resolve_base_url(None, given, {})


@pytest.mark.parametrize(
    "given",
    [
        "http://api.example",
        "http://demo-api.frontpayment.no/api/v1/connect",
        "http://10.0.0.1",
        "http://0.0.0.0",
        "http://128.0.0.1",
        "http://127.0.0.1.example",
        "http://localhost.example",
        "http://notlocalhost",
        "http://2130706433",
    ],
)
def test_plain_http_to_another_machine_is_refused(given: str) -> None:
    with pytest.raises(ConfigurationError, match="would expose the token"):
        resolve_base_url(None, given, {})


@pytest.mark.parametrize(
    ("host", "loopback"),
    [("127.0.0.1", True), ("::1", True), ("localhost", True), ("10.0.0.1", False), ("example.no", False)],
)
def test_loopback(host: str, loopback: bool) -> None:
    assert is_loopback(host) is loopback


@pytest.mark.parametrize("token", ["abc", "1|aZ09-._~+/=", "x" * 4000])
def test_tokens(token: str) -> None:
    assert token_problem(token) is None


@pytest.mark.parametrize(
    ("token", "why"),
    [
        ("", "no token"),
        ("ab cd", "a space, a line break or a non-ASCII character"),
        ("abcd\n", "a space, a line break or a non-ASCII character"),
        ("abcd\r\nX-Evil: 1", "a space, a line break or a non-ASCII character"),
        ("abcø", "a space, a line break or a non-ASCII character"),
        (b"abcd", "must be text, not bytes"),
        (5, "must be text, not int"),
    ],
    ids=repr,
)
def test_what_is_no_token_is_told_without_showing_it(token: Any, why: str) -> None:
    problem = token_problem(token)
    assert problem is not None
    assert why in problem
    assert "abc" not in problem


@pytest.mark.parametrize("name", ["connect", "read", "write", "pool", "total"])
@pytest.mark.parametrize("seconds", [0, -1, math.nan])
def test_a_timeout_is_more_than_nothing(name: str, seconds: float) -> None:
    with pytest.raises(ValueError, match=rf"Timeouts\.{name} must be more than 0 seconds"):
        Timeouts(**{name: seconds})


@pytest.mark.parametrize("name", ["connect", "read", "write", "pool", "total"])
@pytest.mark.parametrize("seconds", [None, 0.001, 5, math.inf])
def test_a_timeout_may_be_none(name: str, seconds: float | None) -> None:
    assert getattr(Timeouts(**{name: seconds}), name) == seconds


def test_the_documented_defaults() -> None:
    assert attrs.astuple(Timeouts()) == (5.0, 30.0, 10.0, 5.0, 300.0)
    policy = RetryPolicy()
    assert (policy.attempts, policy.base_delay, policy.max_delay, policy.max_retry_after) == (
        4,
        0.5,
        8.0,
        120,
    )
    assert policy.retry_unsafe_server_errors


@pytest.mark.parametrize(
    "fields",
    [
        {"attempts": 0},
        {"base_delay": -0.1},
        {"max_delay": -1},
        {"max_retry_after": -1},
        {"base_delay": math.nan},
    ],
    ids=repr,
)
def test_a_policy_that_cannot_work_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(fields))):
        RetryPolicy(**fields)


def test_a_policy_need_not_wait() -> None:
    policy = RetryPolicy(attempts=1, base_delay=0, max_delay=0, max_retry_after=0)
    assert attrs.astuple(policy) == (1, 0, 0, True, 0)


def test_priorities_are_ranked() -> None:
    assert sorted(Priority) == [Priority.INTERACTIVE, Priority.NORMAL, Priority.WATCH, Priority.BATCH]


async def _awaited(_: object) -> None:
    """A hook that would never run."""


class _AwaitedObject:
    async def __call__(self, _: object) -> None:
        """Another."""


WRONG: dict[str, list[object]] = {
    "token": [5, b"fp-token", ["fp-token"]],
    "environment": ["live", 3, b"demo", True],
    "base_url": ["api.example", 3, b"https://api.example"],
    "timeouts": [30, 0.5, {"read": 30}, Timeouts, "30", False],
    "retry": [3, True, "never", RetryPolicy],
    "rate_limit": [100, "unlimited", RateLimit, 0],
    "priority": ["urgent", 7, -1, None, 1.0, True, Priority],
    "engine": ["curl", None, 1, ["httpx"]],
    "transport": ["httpx", httpx.MockTransport, httpx.HTTPTransport(), object()],
    "connection_pool": ["pool", ConnectionPool, object()],
    "proxy": ["nonsense", 3128, "socks5://127.0.0.1", ""],
    "trust_env": ["no", 1, None],
    "tls": [True, False, 3, "/nowhere/ca.pem", b"ca.pem"],
    "user_agent_suffix": [3, "shop\n", "bærum", b"shop"],
    "max_response_size": ["1MB", 0, -1, 1.5, True, None],
    "order_date_format": ["iso", 1, DateFormat],
    "strict_totals": ["no", 0, None],
    "on_attempt": [5, "print", _awaited, _AwaitedObject(), partial(_awaited), Timeouts],
    "on_result": [5, "print", _awaited, _AwaitedObject(), partial(_awaited), Timeouts],
    "telemetry": [True, "otel", object()],
    "clock": [5, Clock, "now"],
}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        pytest.param(name, value, id=f"{name}-{number}")
        for name in WRONG
        for number, value in enumerate(WRONG[name])
    ],
)
def test_a_wrong_argument_of_a_client_is_refused_when_it_is_built(name: str, value: Any) -> None:
    """By name, before a payment depends on it; never as an error of another library."""
    settings = {"token": "fp-token", "environment": "demo", name: value}
    if name == "base_url":
        del settings["environment"]
    with pytest.raises(ConfigurationError, match=name.replace("_", "[ _]")) as caught:
        FrontPayClient(**settings)
    assert caught.value.__cause__ is None


def test_every_argument_of_a_client_is_tried() -> None:
    assert set(WRONG) == set(inspect.signature(FrontPayClient).parameters)


@pytest.mark.parametrize(
    "settings",
    [
        {"timeouts": 5},
        {"timeouts": {"total": 5}},
        {"timeout": 0},
        {"timeout": "5"},
        {"timeout": True},
        {"timeout": 5, "timeouts": Timeouts()},
        {"retry": 1},
        {"priority": "urgent"},
        {"priority": True},
    ],
    ids=repr,
)
def test_a_wrong_option_of_a_derived_client_is_refused(settings: dict[str, Any]) -> None:
    client = FrontPayClient("fp-token", environment="demo")
    with pytest.raises(ConfigurationError, match=next(iter(settings))):
        client.with_options(**settings)


@pytest.mark.parametrize(
    ("priority", "expected"),
    [
        ("batch", Priority.BATCH),
        ("INTERACTIVE", Priority.INTERACTIVE),
        (2, Priority.WATCH),
        (Priority.NORMAL, Priority.NORMAL),
    ],
    ids=repr,
)
def test_an_enum_may_be_given_as_text(priority: Any, expected: Priority) -> None:
    client = FrontPayClient("fp-token", environment=Environment.DEMO, priority=priority)
    assert client._options.priority is expected
    assert client.with_options(priority=priority)._options.priority is expected
    for date_format in ("unix", "day", DateFormat.DAY):
        FrontPayClient("fp-token", environment="demo", order_date_format=date_format)


def test_a_time_out_may_be_a_number() -> None:
    """It bounds the whole call; the bounds of its phases stay as they are."""
    client = FrontPayClient("fp-token", environment="demo", timeouts=Timeouts(read=7))
    assert client.with_options(timeout=5)._options.timeouts == Timeouts(read=7, total=5)
    assert client._options.timeouts.total == 300


_numbers = itertools.count()


def _numbered(value: object) -> str:
    return value if isinstance(value, str) else f"wrong{next(_numbers)}"


@pytest.mark.parametrize(
    ("build", "name"),
    [
        (lambda: Timeouts(read="30"), "Timeouts.read"),  # type: ignore[arg-type]
        (lambda: Timeouts(True), "Timeouts.connect"),
        (lambda: Timeouts(total=timedelta(seconds=5)), "Timeouts.total"),  # type: ignore[arg-type]
        (lambda: RetryPolicy(attempts="3"), "RetryPolicy.attempts"),  # type: ignore[arg-type]
        (lambda: RetryPolicy(attempts=2.5), "RetryPolicy.attempts"),  # type: ignore[arg-type]
        (lambda: RetryPolicy(attempts=True), "RetryPolicy.attempts"),
        (lambda: RetryPolicy(attempts=0), "RetryPolicy.attempts"),
        (lambda: RetryPolicy(base_delay=math.inf), "RetryPolicy.base_delay"),
        (lambda: RetryPolicy(max_delay=None), "RetryPolicy.max_delay"),  # type: ignore[arg-type]
        (lambda: RetryPolicy(max_retry_after="1"), "RetryPolicy.max_retry_after"),  # type: ignore[arg-type]
        (lambda: RetryPolicy(retry_unsafe_server_errors="no"), "RetryPolicy.retry_unsafe_server_errors"),  # type: ignore[arg-type]
        (lambda: RateLimit(requests="100"), "RateLimit.requests"),  # type: ignore[arg-type]
        (lambda: RateLimit(requests=0), "RateLimit.requests"),
        (lambda: RateLimit(requests=math.inf), "RateLimit.requests"),  # type: ignore[arg-type]
        (lambda: RateLimit(window="60"), "RateLimit.window"),  # type: ignore[arg-type]
        (lambda: RateLimit(window=math.nan), "RateLimit.window"),
        (lambda: RateLimit(window=math.inf), "RateLimit.window"),
        (lambda: RateLimit(account=17), "RateLimit.account"),  # type: ignore[arg-type]
        (lambda: RateLimit(account=""), "RateLimit.account"),
        (lambda: RateLimit(redis=6379), "RateLimit.redis"),  # type: ignore[arg-type]
        (lambda: ConnectionPool(engine="curl"), "engine"),  # type: ignore[arg-type]
        (lambda: ConnectionPool(trust_env="no"), "trust_env"),  # type: ignore[arg-type]
        (lambda: ConnectionPool(proxy=3128), "proxy"),  # type: ignore[arg-type]
        (lambda: ConnectionPool(tls=5), "tls"),  # type: ignore[arg-type]
    ],
    ids=_numbered,
)
def test_a_wrong_setting_is_refused_when_it_is_built(build: Callable[[], object], name: str) -> None:
    """Where it stands, with its class and name."""
    with pytest.raises(ConfigurationError, match=re.escape(name)) as caught:
        build()
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    "url",
    [
        "redis://:s3cret@localhost:6379/0?decode_responses=True",
        "redis://:s3cret@localhost:6379/0?password=s3cret&decode_responses=1",
        "redis://:s3cret@localhost?retry_on_timeout=yes",
        "redis://:s3cret@localhost?protocol=3",
        "redis://:s3cret@localhost?sokcet_timeout=1",
        "redis://:s3cret@localhost?db=zero",
        "redis://:s3cret@localhost?socket_timeout=soon",
        "redis://:s3cret@localhost?max_connections=-1",
        "redis://:s3cret@localhost?s3cret",
        "redis://:s3cret@localhost/seven",
        "redis://:s3cret@localhost:port",
        "redis://:s3cret@localhost:0",
        "http://:s3cret@localhost:6379",
        "localhost:6379",
        "unix://?db=0",
        "",
    ],
)
def test_a_redis_url_that_cannot_be_used_is_refused_without_showing_it(url: str) -> None:
    """By the option's name, when the setting is built, not by a TypeError at the first payment."""
    with pytest.raises(ConfigurationError, match=r"RateLimit\.redis") as caught:
        RateLimit(redis=url)
    assert "s3cret" not in str(caught.value)
    option = re.search(r"[?&](decode_responses|retry_on_timeout|protocol|sokcet_timeout)=", url)
    assert option is None or option[1] in str(caught.value)


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost",
        "redis://me:s3cret@localhost:6379/3",
        "rediss://localhost:6380/0?ssl_cert_reqs=required&socket_connect_timeout=0.2",
        "unix:///run/redis.sock?db=2",
        "redis://localhost?health_check_interval=30&client_name=shop",
    ],
)
def test_a_redis_url_that_can_be_used(url: str) -> None:
    assert RateLimit(redis=url).redis == url
    assert url not in repr(RateLimit(redis=url))
