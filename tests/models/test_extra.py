"""``extra``: what an account demands beyond the tables, kept exactly and out of sight."""

from __future__ import annotations

import copy
import pickle
from decimal import Decimal
from typing import Any

import attrs
import pytest
from hypothesis import given, strategies as st

from frontpay_async import InvalidOrderError
from frontpay_async._exact_json import merged, read_exact, write_exact
from frontpay_async._protocol.operations import kind_of_order
from frontpay_async.batch.payload import fingerprint, read, write
from tests.support import builders

EXTRA = {
    "isCreditCheckAvailable": False,
    "dueDate": "1930219200",
    "deep": {"fee": Decimal("1.50"), "rows": [1, None]},
}
ORDERS = [builders.payment_link, builders.invoice, builders.efaktura, builders.ehf]
SALT = bytes(32)


@pytest.mark.parametrize("make", [*ORDERS, builders.terminal_order])
def test_extra_belongs_to_every_order_and_is_copied(make: builders.Builder) -> None:
    given = copy.deepcopy(EXTRA)
    order = make(extra=given)
    given["deep"]["fee"] = 2  # type: ignore[index]
    assert order.extra == EXTRA
    assert make().extra == {} == make(extra=None).extra
    assert order != make()
    assert hash(order) == hash(make())
    assert attrs.evolve(order, receipt_print=True).extra == EXTRA if hasattr(order, "receipt_print") else True
    assert pickle.loads(pickle.dumps(order)) == order == copy.deepcopy(order)  # noqa: S301 - our own


def test_its_values_stay_out_of_reprs() -> None:
    shown = repr(builders.invoice(extra={"secretMember": "01017012345", "deep": {"a": "4001"}}))
    assert "01017012345" not in shown
    assert "4001" not in shown.replace("40012345", "")
    assert "secretMember" in shown


@pytest.mark.parametrize(
    ("extra", "path"),
    [
        ({"a": 1.5}, "extra.a"),
        ({"a": {"b": [0, float("nan")]}}, "extra.a.b.1"),
        ({"a": object()}, "extra.a"),
        ({"a": b"x"}, "extra.a"),
        ({"a": {1: 2}}, "extra.a"),
        ({"a": Decimal("NaN")}, "extra.a"),
        ({"a": "\ud800"}, "extra.a"),
        ({"\ud800": 1}, "extra"),
        ([1], "extra"),
        ("text", "extra"),
        (1.5, "extra"),
    ],
)
def test_what_json_cannot_write_exactly_is_refused_by_its_path(extra: Any, path: str) -> None:
    with pytest.raises(InvalidOrderError) as caught:
        builders.invoice(extra=extra)
    assert [violation.path for violation in caught.value.violations] == [path]


@pytest.mark.parametrize("make", ORDERS)
def test_a_journal_keeps_it(make: builders.Builder) -> None:
    order, kind = make(extra=EXTRA), kind_of_order(make()).operation.name
    assert read(kind, write(order)) == order
    assert read(kind, write(order)).extra["deep"]["fee"].as_tuple() == Decimal("1.50").as_tuple()  # type: ignore[index]
    assert fingerprint(SALT, kind, write(order)) != fingerprint(SALT, kind, write(make()))
    backwards = make(extra=dict(reversed(EXTRA.items())))
    assert write(backwards) == write(order)
    assert write(make(extra={})) == write(make())


_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=9) | st.decimals(-(10**9), 10**9, places=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=9,
)


@given(_values)
def test_exact_json_comes_back(value: Any) -> None:
    text = write_exact(value)
    assert read_exact(text) == value
    assert write_exact(read_exact(text)) == text


@given(_values, _values)
def test_merging_loses_nothing_of_the_second(base: Any, extra: Any) -> None:
    result = merged({"a": base}, {"a": extra, "b": extra})
    assert isinstance(result, dict)
    assert result["b"] == extra
    assert merged(base, {}) in (base, {})
    if isinstance(base, dict) and isinstance(extra, dict):
        assert merged(base, extra).keys() == base.keys() | extra.keys()  # type: ignore[union-attr]


@pytest.mark.parametrize("text", ["{", "1e999999", "NaN", "[" * 100_000, "1" * 41 + ".5"])
def test_what_is_not_exact_json_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"JSON|nested|range|Expecting|property"):
        read_exact(text)


def test_an_extra_that_is_too_deep_or_contains_itself_is_refused() -> None:
    """It was a RecursionError."""
    circle: dict[str, Any] = {}
    circle["a"] = [circle]
    deep: dict[str, Any] = {}
    for _ in range(500):
        deep = {"a": deep}
    for extra in (circle, deep):
        with pytest.raises(InvalidOrderError, match="extra is nested too deeply"):
            builders.invoice(extra=extra)
