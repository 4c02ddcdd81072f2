"""Requests of the caller's own: what is sent, and what is refused before a byte leaves."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, strategies as st

from frontpay_async import InvalidOrderError
from frontpay_async._exact_json import write_exact
from frontpay_async._protocol.build import build_raw
from frontpay_async._protocol.operations import Safety
from tests.support.strategies import json_values


@pytest.mark.parametrize("path", ["orders/status", "/orders/status", "a", "a/b-c_d.e~f:g@h,i", "v1.1/x..y"])
def test_a_path_below_the_base_url(path: str) -> None:
    request = build_raw("get", path, safety=Safety.READ, query={"type": "PAID & more"})
    assert (request.method, request.path) == ("GET", path.removeprefix("/") + "?type=PAID%20%26%20more")
    assert (request.body, request.operation.safety, request.operation.path) == (
        None,
        Safety.READ,
        "{raw_path}",
    )


@pytest.mark.parametrize(
    "path",
    [
        *(
            "",
            "/",
            "//",
            "//evil.example/x",
            "https://evil.example/x",
            "a//b",
            "a/",
            "a/../b",
            "..",
            ".",
            "a/.",
        ),
        *(
            "...",
            "a/.../b",
            "%2e%2e/x",
            "a%2fb",
            "a\\b",
            "a?b=1",
            "a#b",
            "a b",
            "a\n",
            "a\0",
            "é",
            "a;b",
            "@x/../y",
        ),
        *(None, 7, b"a"),
    ],
    ids=repr,
)
def test_a_path_that_may_lead_elsewhere_is_refused(path: Any) -> None:
    with pytest.raises(InvalidOrderError, match="path must be a path below"):
        build_raw("GET", path, safety=Safety.READ)


@pytest.mark.parametrize("method", ["", "TRACE", "CONNECT", "GET\r\nX: 1", None, 5])
def test_a_method_that_is_not_one_is_refused(method: Any) -> None:
    with pytest.raises(InvalidOrderError, match="method must be one of GET"):
        build_raw(method, "a", safety=Safety.READ)


@pytest.mark.parametrize(
    ("body", "problem"),
    [
        ({"amount": 1.5}, "binary floats"),
        ({"deep": [{"amount": 0.1}]}, "binary floats"),
        ({"when": Ellipsis}, "ellipsis cannot be sent"),
        ({1: "x"}, "name must be text"),
        ({"amount": Decimal("NaN")}, "finite"),
        ({"name": "\ud800"}, "Unicode"),
        ("text", "must be a mapping"),
        ([1], "must be a mapping"),
    ],
    ids=repr,
)
def test_a_body_that_cannot_be_sent_is_refused(body: Any, problem: str) -> None:
    with pytest.raises(InvalidOrderError, match=rf"nothing was sent\. json .*{problem}"):
        build_raw("POST", "a", safety=Safety.UNSAFE, json=body)


def test_what_contains_itself_is_refused() -> None:
    body: dict[str, Any] = {}
    body["self"] = body
    with pytest.raises(InvalidOrderError, match="nested too deeply"):
        build_raw("POST", "a", safety=Safety.UNSAFE, json=body)


def test_a_query_that_cannot_be_sent_is_refused() -> None:
    with pytest.raises(InvalidOrderError, match="query must be valid Unicode"):
        build_raw("GET", "a", safety=Safety.READ, query={"type": "\ud800"})


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(InvalidOrderError) as caught:
        build_raw("TRACE", "..", safety=Safety.READ, json={"x": 0.1})
    assert [each.path for each in caught.value.violations] == ["method", "path", "json"]


@given(json_values)
def test_json_is_written_as_it_is(value: Any) -> None:
    exact = json.loads(json.dumps(value), parse_float=Decimal)
    assert json.loads(write_exact(exact), parse_float=Decimal) == exact


@given(st.decimals(allow_nan=False, allow_infinity=False, places=4, min_value=-(10**12), max_value=10**12))
def test_a_decimal_is_written_as_a_number_with_its_digits(number: Decimal) -> None:
    assert write_exact({"x": number}) == f'{{"x":{format(number or abs(number), "f")}}}'


def test_a_parameter_of_none_is_left_out() -> None:
    """It was sent as the text None."""
    query: Any = {"page": 2, "status": None, "name": "Æ", "amount": Decimal("1.50")}
    request = build_raw("GET", "a", safety=Safety.READ, query=query)
    assert request.path == "a?page=2&name=%C3%86&amount=1.50"


@pytest.mark.parametrize("value", [True, [1, 2], {"a": 1}, 1.5, b"x"])
def test_a_parameter_that_is_not_text_is_refused(value: Any) -> None:
    with pytest.raises(InvalidOrderError, match="query 'a' must be text, not a"):
        build_raw("GET", "a", safety=Safety.READ, query={"a": value})
