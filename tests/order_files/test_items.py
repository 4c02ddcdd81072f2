"""An item of a batch: an order and a key that can stand anywhere."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from frontpay_async.order_files.items import LONGEST_KEY, BatchItem, key_flaw
from tests.support import builders


@pytest.mark.parametrize("key", ["1001", "x" * LONGEST_KEY, "Faktura 2026/11 Ås", "=1+1", "🧾"])
def test_a_printable_text_is_a_key(key: str) -> None:
    assert BatchItem(key=key, order=builders.invoice()).key == key


@pytest.mark.parametrize(
    "key", ["", " ", " 1", "1\n", "x" * (LONGEST_KEY + 1), "a\nb", "a\0b", "\ud800", "a\u202eb", "\u200b"]
)
def test_any_other_text_is_not_and_is_not_shown(key: str) -> None:
    with pytest.raises(ValueError, match=r"^key m") as caught:
        BatchItem(key=key, order=builders.invoice())
    assert not key.strip() or key not in str(caught.value)


@pytest.mark.parametrize("key", [None, 1001, b"key", True])
def test_a_key_is_text(key: Any) -> None:
    with pytest.raises(TypeError, match="key must be text"):
        BatchItem(key=key, order=builders.invoice())
    assert key_flaw(key) is not None


@pytest.mark.parametrize("build", [builders.payment_link, builders.invoice, builders.efaktura, builders.ehf])
def test_the_four_kinds_are_taken(build: builders.Builder) -> None:
    item = BatchItem(key="1", order=build())
    assert pickle.loads(pickle.dumps(item)) == item  # noqa: S301 - our own bytes


@pytest.mark.parametrize("order", [None, {}, builders.terminal_order(), builders.refund()])
def test_nothing_else_is(order: Any) -> None:
    with pytest.raises(TypeError, match=f"not {type(order).__name__}"):
        BatchItem(key="1", order=order)


def test_a_repr_shows_the_key_alone() -> None:
    assert repr(BatchItem(key="1001", order=builders.invoice())) == "BatchItem(key='1001')"
