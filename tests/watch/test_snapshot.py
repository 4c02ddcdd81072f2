"""Watches as plain data, and what is not taken for it."""

from __future__ import annotations

import json

import pytest

from frontpay_async import OrderStatus, PaymentStatus, WatchKind
from frontpay_async.watch.snapshot import Kept, Snapshot, read_snapshot

WHOLE = Snapshot(
    {
        (WatchKind.PAYMENT, "ODR1"): Kept(12.5, PaymentStatus("ON HOLD")),
        (WatchKind.ORDER, "ODR1"): Kept(0.0, OrderStatus.SENT),
        (WatchKind.REFUND, "ODR2"): Kept(86_400.0, None),
    },
    {WatchKind.PAYMENT: [3.0, 2.5, 0.25]},
)


def test_a_snapshot_survives_json() -> None:
    again = read_snapshot(json.loads(json.dumps(WHOLE.plain())))
    assert again == WHOLE
    assert {type(kept.status) for kept in again.watches.values()} == {
        PaymentStatus,
        OrderStatus,
        type(None),
    }


def changed(**members: object) -> object:
    return {**WHOLE.plain(), **members}


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        changed(version=2),
        changed(version=None),
        changed(watches=None),
        changed(watches=[1]),
        changed(watches=[{"kind": "payment"}]),
        changed(watches=[{"kind": "invoice", "order_uuid": "ODR1", "age": 1}]),
        changed(watches=[{"kind": "payment", "order_uuid": 1, "age": 1}]),
        changed(watches=[{"kind": "payment", "order_uuid": "ODR1", "age": "1"}]),
        changed(watches=[{"kind": "payment", "order_uuid": "ODR1", "age": float("inf")}]),
        changed(watches=[{"kind": "payment", "order_uuid": "ODR1", "age": 1, "status": 7}]),
        changed(watches=[{"kind": "payment", "order_uuid": "ODR1", "age": 1, "status": "P" * 101}]),
        changed(watches=[{"kind": "payment", "order_uuid": "ODR1", "age": 1, "status": "PAID\nforged"}]),
        changed(learnt=[]),
        changed(learnt={"payment": 3}),
        changed(learnt={"payment": [1.0, float("nan"), 0.0]}),
        changed(learnt={"invoice": [1.0, 1.0, 0.0]}),
    ],
)
def test_anything_else_is_refused(data: object) -> None:
    with pytest.raises(ValueError, match=r"snapshot|WatchKind"):
        read_snapshot(data)


@pytest.mark.parametrize(
    ("kind", "status"), [("payment", "PAID"), ("refund", "REFUNDED"), ("refund", "REJECTED")]
)
def test_a_snapshot_does_not_report_an_end(kind: str, status: str) -> None:
    """A time-out's last status would be one that the API has not reported."""
    row = {"kind": kind, "order_uuid": "ODR1", "age": 1, "status": status}
    read = read_snapshot(changed(watches=[row]))
    assert read.watches[WatchKind(kind), "ODR1"].status is None
