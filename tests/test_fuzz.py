"""Whatever is read from outside is read, or refused with a documented error, in bounded time and memory.

The short form tries the nasty inputs below and what Hypothesis makes. ``nox -s fuzz`` goes on for minutes,
with Hypothesis and with atheris (``python -m tests.support.fuzz_run``).
"""

from __future__ import annotations

import gc
import json
import time
import tracemalloc
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from tests.support.fuzz_targets import ROWS, STATUSES, TARGETS, escaped

pytestmark = pytest.mark.search

DEEP = 100_000
NASTY: dict[str, bytes] = {
    "empty": b"",
    "deep lists": b"[" * DEEP + b"]" * DEEP,
    "deep objects": b'{"data":' * DEEP + b"1" + b"}" * DEEP,
    "a million digits": b'{"status": "PAID", "data": {"uuid": "ODR1", "orderAmount": '
    + b"9" * 1_000_000
    + b"}}",
    "a huge exponent": b'{"is_data": true, "data": {"uuid": "ODR1", "status": "PAID", "orderAmount": 1e999999999}}',  # noqa: E501
    "not a number": b'{"is_data": true, "data": {"uuid": "ODR1", "status": "PAID", "orderAmount": NaN}}',
    "infinity": b'{"is_data": true, "data": [{"uuid": "ODR1", "orderAmount": -Infinity}]}',
    "lone surrogates": b'{"message": "\\ud800", "data": {"uuid": "\\udfff"}, "errors": ["\\udc00"]}',
    "duplicate keys": b'{"data": {"uuid": "ODR1"}, "data": {"uuid": "ODR2"}, "is_error": true, "is_error": false}',  # noqa: E501
    "a long message": json.dumps({"message": "aaa:" * 250_000, "errors": ["bbb:" * 250_000]}).encode(),
    "many unknown keys": json.dumps({"data": {f"k{n}": n for n in range(50_000)}, "message": "x"}).encode(),
    "many rows": json.dumps({"is_data": True, "data": [{"uuid": f"ODR{n}"} for n in range(20_000)]}).encode(),
    "not UTF-8": b'{"message": "\xff\xfe", "data": null}',
    "a byte order mark": b'\xef\xbb\xbf{"message": "x"}',
    "control characters": json.dumps(
        {"message": "".join(map(chr, range(32))), "errors": "\x1b]0;x\x07"}
    ).encode(),
    "null": b"null",
    "a number": b"7",
}
PREFIXES = [bytes([row, status]) for row in (0, 3, 7, 11) for status in range(0, len(STATUSES), 3)]


@pytest.mark.parametrize("name", NASTY)
@pytest.mark.parametrize("target", TARGETS)
def test_nasty_input(target: str, name: str) -> None:
    prefixes = PREFIXES if target == "answer" else [b"\x00"] if target == "journal_row" else [b""]
    for prefix in prefixes:
        assert escaped(target, prefix + NASTY[name]) is None


@pytest.mark.parametrize("target", TARGETS)
def test_time_and_memory_are_bounded(target: str) -> None:
    """By the size of the input: eight times as much takes no more than a few times as long."""

    def cost(copies: int) -> tuple[float, int]:
        body = b'{"message": "' + b"aaa:%20" * copies + b'", "errors": [' + b'"b: c",' * copies + b'"d"]}'
        gc.collect()
        tracemalloc.start()
        began = time.process_time()
        TARGETS[target](b"\x00\x0b" + body)
        spent = time.process_time() - began
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        return spent, peak // max(1, len(body))

    _, _ = cost(100)
    small, _ = cost(5_000)
    large, per_byte = cost(40_000)
    # Quadratic time would be 64 times as much; noise of a busy machine is far less.
    assert large < 30 * small + 0.5
    assert per_byte < 400


def json_values() -> st.SearchStrategy[Any]:
    leaves = st.one_of(
        st.none(), st.booleans(), st.integers(), st.floats(), st.text(st.characters(), max_size=20),
        st.sampled_from(["PAID", "ODR1", "orderNotFound", "51.00", "07 Apr, 2024", "1,234.50", "\ud800", "NaN"]),  # noqa: E501
    )  # fmt: skip
    names = st.sampled_from([
        "data", "uuid", "orderUuid", "status", "message", "errors", "is_error", "is_data", "order_status",
        "orderAmount", "productList", "orderSummary", "customerDetails", "name", "quantity", "rate", "tax",
        "key", "kind", "order", "watches", "learnt", "version", "age", "order_uuid", "members", "products",
    ])  # fmt: skip
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.lists(inner, max_size=4),
            st.dictionaries(st.one_of(names, st.text(max_size=5)), inner, max_size=6),
        ),
        max_leaves=20,
    )


bodies = st.one_of(
    st.binary(max_size=300),
    json_values().map(lambda value: json.dumps(value).encode()),
    st.lists(st.text(st.characters(codec="utf-8"), max_size=12), max_size=30).map(
        lambda cells: ";".join(cells).encode()
    ),
)


@pytest.mark.parametrize("target", TARGETS)
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(body=bodies, row=st.integers(0, len(ROWS) - 1), status=st.integers(0, len(STATUSES) - 1))
def test_made_up_input(target: str, body: bytes, row: int, status: int) -> None:
    data = bytes([row, status]) + body if target in {"answer", "journal_row"} else body
    assert escaped(target, data) is None
