"""What the sandbox's page may show of a body."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, strategies as st

from frontpay_async.sandbox.inspect.masking import MASK, masked, masked_path, shown

SECRET = "s3cr3t-0123456789"
LEAVES = st.sampled_from([SECRET, 40012345, None, True])
NAMES = st.sampled_from(
    ["customerDetails", "customer", "address", "email", "msisdn", "note", "products", "data", "callback", "x"]
)
BODIES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(NAMES, inner, max_size=4),
    max_leaves=20,
)


@given(BODIES)
def test_what_is_not_known_to_be_harmless_is_masked(body: Any) -> None:
    text = json.dumps(masked(body))
    assert SECRET not in text
    assert "40012345" not in text


@given(BODIES, st.sampled_from(["name", "id", "amount", "status", "message", "uuid", "errors"]))
def test_of_a_customer_only_what_tells_nothing_of_a_person_is_shown(body: Any, name: str) -> None:
    member: Any = {name: SECRET, "address": body, "type": {name: SECRET}}
    told = json.dumps(masked({"customerDetails": member}))
    assert SECRET not in told


def test_money_products_and_answers_are_shown() -> None:
    body: Any = {
        "products": {"0": {"name": "Ski wax", "rate": "51.00"}},
        "customerDetails": {"name": "Ola", "type": "private", "address": {"country": "NO", "city": "Oslo"}},
        "errors": ["The order date is wrong."],
        "is_error": True,
        "data": None,
    }
    assert masked(body) == {
        "products": {"0": {"name": "Ski wax", "rate": "51.00"}},
        "customerDetails": {"name": MASK, "type": "private", "address": {"country": "NO", "city": MASK}},
        "errors": ["The order date is wrong."],
        "is_error": True,
        "data": None,
    }


def test_an_object_below_a_harmless_name_is_masked_itself() -> None:
    assert masked({"errors": [{"email": SECRET}], "status": {"email": SECRET}}) == {
        "errors": [{"email": MASK}],
        "status": {"email": MASK},
    }


def test_a_name_that_is_no_name_is_masked() -> None:
    assert masked({"ola@example.no": 1}) == {MASK: MASK}


def test_what_cannot_be_encoded_is_replaced() -> None:
    assert shown({"message": "\ud800"}) == '{\n  "message": "?"\n}'


def test_what_is_long_wide_or_deep_is_cut() -> None:
    deep: Any = "x"
    for _ in range(2000):
        deep = [deep]
    assert len(shown(deep)) < 1000
    assert masked([1] * 30) == [MASK] * 20 + ["… and 10 more"]
    wide = masked({f"n{index}": 1 for index in range(100)})
    assert isinstance(wide, dict)
    assert (len(wide), wide["…"]) == (41, "and 60 more")
    assert len(shown({"message": "x" * 10_000})) < 400
    assert len(shown([{"message": "x" * 300}] * 20 * 20)) <= 8000
    assert len(shown("<html>" * 10_000)) == 8000


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("/a/b", "/a/b"),
        ("/a?type=PAID", "/a?type=PAID"),
        ("/a?x=1&type=PAID&y=", "/a?x=•••&type=PAID&y=•••"),
        ("/" + "a" * 1000, "/" + "a" * 199),
    ],
)
def test_of_a_query_only_the_type_is_shown(path: str, told: str) -> None:
    assert masked_path(path) == told
