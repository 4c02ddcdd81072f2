from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from frontpay_async._protocol.messages import HttpResponse
from tests.support.wire import answer


def test_numbers_with_a_point_are_exact() -> None:
    body = answer(200, b'{"a": 0.10, "b": 1, "c": 12345678901234567890.1}').json()
    assert body == {"a": Decimal("0.10"), "b": 1, "c": Decimal("12345678901234567890.1")}


def test_slashes_may_be_escaped() -> None:
    assert answer(200, rb'{"url": "https:\/\/pay.example\/x"}').json() == {"url": "https://pay.example/x"}


def test_a_byte_order_mark_is_skipped() -> None:
    assert answer(200, b"\xef\xbb\xbf{}").json() == {}


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"{",
        b"NaN",
        b"-Infinity",
        b"\xff\xfe\xfd",
        b"1e99999999999999999999",
        b"[" * 100_000,
        b"1" * 5000,
    ],
    ids=lambda body: body[:20].decode("latin-1"),
)
def test_what_is_not_json_is_a_value_error_and_an_empty_envelope(body: bytes) -> None:
    response = answer(200, body)
    with pytest.raises(ValueError, match=r"."):
        response.json()
    assert response.envelope() == {}


@pytest.mark.parametrize("body", [[], None, "text", 5, True], ids=repr)
def test_what_is_no_object_is_an_empty_envelope(body: Any) -> None:
    response = answer(200, body)
    assert (response.json(), response.envelope()) == (body, {})


def test_a_body_is_decoded_once() -> None:
    response = answer(200, {"a": []})
    assert response.json() is response.json()


def test_responses_compare_by_what_came() -> None:
    first, second = HttpResponse(200, {}, b"{}"), HttpResponse(200, {}, b"{}")
    first.json()
    assert first == second
