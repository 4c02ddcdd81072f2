from __future__ import annotations

import math
from typing import Any

import attrs
import pytest

from frontpay_async import ConfigurationError, Environment, Outcome, Priority, RetryPolicy, Timeouts
from frontpay_async.settings import is_loopback, resolve_base_url, token_problem

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
    with pytest.raises(ConfigurationError, match="no credentials, query or fragment") as caught:
        resolve_base_url(None, given, {})
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "given",
    ["https://api.example/\n", "https://api .example", "https:\\\\api.example", "\thttps://api.example"],
)
def test_a_base_url_has_only_characters_of_urls(given: str) -> None:
    with pytest.raises(ConfigurationError, match="characters that no URL has"):
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
    with pytest.raises(ConfigurationError, match="would show the token"):
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
        ("ab cd", "characters that no token has"),
        ("abcd\n", "characters that no token has"),
        ("abcd\r\nX-Evil: 1", "characters that no token has"),
        ("abcø", "characters that no token has"),
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
    assert attrs.astuple(Timeouts()) == (5.0, 30.0, 10.0, 5.0, None)
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
