"""Whatever is asked in whatever sequence, a reservation's money adds up."""

from __future__ import annotations

from decimal import Decimal

from hypothesis import given, strategies as st

from frontpay_async.sandbox.reservations import (
    NEXT_RESERVATION,
    ReservationEvent,
    SandboxReservation,
    Taken,
)
from frontpay_async.sandbox.state import ForbiddenEventError

EVENTS = [
    ReservationEvent.ACCEPT,
    ReservationEvent.EXPIRE,
    ReservationEvent.RELEASE,
    ReservationEvent.COMPLETE,
    ReservationEvent.CANCEL,
]
STEPS = st.lists(
    st.one_of(
        st.sampled_from(EVENTS),
        st.tuples(st.sampled_from(["captured", "charged"]), st.decimals(1, 80, places=2)),
        st.tuples(st.just("refund"), st.decimals(1, 80, places=2)),
    ),
    max_size=12,
)


@given(steps=STEPS)
def test_captured_and_released_never_pass_what_is_reserved(steps: list[object]) -> None:
    """``captured + released <= reserved`` and ``refunded <= captured + charged``, after each step."""
    reservation = SandboxReservation(
        uuid="RES1",
        customer_uuid="CSRT1",
        serial=1,
        operation="reservations.submit",
        body={},
        created_at=0.0,
        lines=[],
        amount=Decimal(100),
    )
    for number, step in enumerate([ReservationEvent.ACCEPT, *steps]):
        before = reservation.status
        try:
            match step:
                case ReservationEvent():
                    reservation.apply_event(step, float(number))
                case ("refund", Decimal() as amount):
                    for taken in reservation.taken[:1]:
                        part = min(amount, taken.amount - taken.refunded)
                        reservation.pay_back(taken, part, {}, float(number))
                case (str() as source, Decimal() as amount):
                    if source == "captured" and amount > reservation.capturable:
                        continue
                    reservation.take(
                        Taken(uuid=f"{number}", source=source, at=0.0, amount=amount, refundable={}), {}
                    )
                case _:
                    raise AssertionError(step)
        except ForbiddenEventError:
            assert reservation.status is before
        refunded = reservation.refunded("captured") + reservation.refunded("charged")
        assert reservation.total_captured + reservation.released <= reservation.amount
        assert refunded <= reservation.total_captured + reservation.total_charged
        assert reservation.capturable >= 0


def test_what_has_ended_stays_ended() -> None:
    ended = {"COMPLETED", "CANCELLED", "EXPIRED"}
    assert {status for status, _ in NEXT_RESERVATION} & ended == set()
