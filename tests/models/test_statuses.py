from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest

from frontpay_async import OrderStatus, PaymentStatus, RefundStatus

KINDS = [OrderStatus, PaymentStatus, RefundStatus]
FINAL = {
    OrderStatus: {"PAID", "CANCELLED", "EXPIRED", "REFUNDED"},
    PaymentStatus: {"PAID", "CANCELLED"},
    RefundStatus: {"REFUNDED", "REJECTED"},
}


def test_the_known_statuses() -> None:
    assert {kind: {member.value for member in kind} for kind in KINDS} == {
        OrderStatus: {
            "SENT",
            "PAID",
            "CANCELLED",
            "EXPIRED",
            "INVOICED",
            "REFUNDED",
            "PARTIAL REFUNDED",
            "PURRING",
            "INKASSO",
            "UNKNOWN",
        },
        PaymentStatus: {"PAID", "CANCELLED", "UNKNOWN"},
        RefundStatus: {"REFUNDED", "REJECTED", "UNKNOWN"},
    }


@pytest.mark.parametrize("kind", KINDS)
def test_which_statuses_are_final(kind: Any) -> None:
    assert {member.value for member in kind if member.is_final} == FINAL[kind]


@pytest.mark.parametrize("text", ["PAID", "paid", "Paid", " PAID "])
def test_case_is_not_trusted(text: str) -> None:
    assert OrderStatus(text) is OrderStatus.PAID


@pytest.mark.parametrize("text", ["PARTIAL REFUNDED", "partial_refunded", "Partial Refunded"])
def test_a_status_of_two_words(text: str) -> None:
    assert OrderStatus(text) is OrderStatus.PARTIAL_REFUNDED


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("text", ["ON HOLD", "on hold", "", "Ærlig", "PAID!"])
def test_an_unknown_status_is_kept_verbatim(kind: Any, text: str) -> None:
    status = kind(text)
    assert (status == text, str(status), status.value, status.name) == (True, text, text, text)
    assert isinstance(status, kind)
    assert not status.is_final
    assert {text: 1}[status] == 1


def test_an_unknown_status_does_not_grow_the_class() -> None:
    before = list(OrderStatus)
    assert OrderStatus("ON HOLD") == OrderStatus("ON HOLD")
    assert list(OrderStatus) == before
    assert "ON HOLD" not in OrderStatus.__members__


@pytest.mark.parametrize("status", [*OrderStatus, OrderStatus("ON HOLD"), PaymentStatus("Approved")])
def test_statuses_compare_and_hash_as_text(status: OrderStatus | PaymentStatus) -> None:
    assert status == status.value
    assert hash(status) == hash(status.value)


@pytest.mark.parametrize("status", [OrderStatus.PAID, OrderStatus("ON HOLD"), RefundStatus("Approved")])
def test_statuses_copy_and_pickle(status: Any) -> None:
    for again in (pickle.loads(pickle.dumps(status)), copy.copy(status), copy.deepcopy(status)):  # noqa: S301 - our own
        assert (type(again), again) == (type(status), status)


@pytest.mark.parametrize("value", [None, 5, ["PAID"]], ids=repr)
def test_a_status_is_text(value: Any) -> None:
    with pytest.raises(ValueError, match="is not a valid OrderStatus"):
        OrderStatus(value)


def test_a_status_shows_itself() -> None:
    assert repr(OrderStatus("ON HOLD")) == "<OrderStatus.ON HOLD: 'ON HOLD'>"
