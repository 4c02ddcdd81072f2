"""Whatever happens to a subscription, no more is billed than was agreed, and no more refunded than paid."""

from __future__ import annotations

import contextlib
from decimal import Decimal

from hypothesis import given, strategies as st

from frontpay_async.sandbox.state import ForbiddenEventError
from frontpay_async.sandbox.subscriptions import (
    NEXT_SUBSCRIPTION,
    SandboxSubscription,
    SubscriptionEvent,
)

ENDED = {"COMPLETED", "CANCELLED"}
steps = st.lists(
    st.sampled_from([*SubscriptionEvent, "fail"]) | st.decimals("0.01", 300, places=2), max_size=15
)


@given(steps, st.integers(1, 4))
def test_no_more_is_billed_and_refunded_than_agreed_and_paid(
    steps: list[SubscriptionEvent | str | Decimal], repeats: int
) -> None:
    subscription = SandboxSubscription(
        uuid="SUB1",
        order_uuid="ODR1",
        customer_uuid="CSRT1",
        serial=1,
        operation="subscriptions.submit",
        body={"billingFrequency": "month"},
        created_at=0,
        lines=[],
        amount=Decimal(100),
        repeats=repeats,
    )
    for at, step in enumerate(steps):
        before = subscription.status
        with contextlib.suppress(ForbiddenEventError):
            match step:
                case SubscriptionEvent():
                    subscription.apply_event(step, at)
                    assert NEXT_SUBSCRIPTION[before, step] == subscription.status
                case Decimal():
                    refundable = [cycle for cycle in subscription.cycles if cycle.is_refundable]
                    if step <= sum(cycle.amount for cycle in refundable):
                        subscription.pay_back(refundable, step, at)
                case _:
                    subscription.failing += 1
        cycles = subscription.cycles
        assert before not in ENDED or subscription.status == before
        assert [cycle.number for cycle in cycles] == list(range(1, len(cycles) + 1))
        assert len(cycles) <= repeats
        assert all(cycle.refunded <= (cycle.amount if cycle.is_paid else 0) for cycle in cycles)
