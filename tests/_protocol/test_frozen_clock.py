"""Under a frozen clock the classes of ``datetime`` are others; what is sent and read stays the same."""

from __future__ import annotations

import subprocess
import sys
from datetime import UTC, date, datetime

import pytest

from frontpay_async import OrderDetails
from frontpay_async._protocol import operations
from frontpay_async._protocol.build import build
from frontpay_async._protocol.decode import decode
from tests._protocol.test_codec import DETAILS
from tests.support import builders

# The session that has the core's dependencies alone goes without it.
freeze_time = pytest.importorskip("freezegun").freeze_time

# In a process of its own: what is worked out at the first use must not be worked out before.
FIRST_USE = """
import json, sys
from freezegun import freeze_time

if sys.argv[1] == "imported before":
    import frontpay_async._protocol.parse
with freeze_time("2031-03-02"):
    from datetime import UTC, date, datetime
    from frontpay_async import OrderDetails
    from frontpay_async._protocol import operations
    from frontpay_async._protocol.build import build
    from frontpay_async._protocol.decode import decode
    import frontpay_async._protocol.parse
    from tests._protocol.test_codec import DETAILS
    from tests.support import builders
    frozen = decode(OrderDetails, DETAILS)
    bodies = [
        build(operations.SEND_INVOICE, value=builders.invoice(order_date=when)).body
        for when in (date.today(), datetime.now(UTC), datetime.now(UTC).date())
    ]
assert decode(OrderDetails, DETAILS) == frozen, frozen
for when, body in zip((date(2031, 3, 2), datetime(2031, 3, 2, tzinfo=UTC), date(2031, 3, 2)), bodies):
    thawed = build(operations.SEND_INVOICE, value=builders.invoice(order_date=when)).body
    assert json.loads(body) == json.loads(thawed), (body, thawed)
"""


@pytest.mark.parametrize("order", ["imported before", "imported while frozen"])
def test_the_first_use_may_be_under_a_frozen_clock(order: str) -> None:
    ended = subprocess.run(  # noqa: S603 - our own
        [sys.executable, "-c", FIRST_USE, order], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr


def test_details_are_read_under_a_frozen_clock() -> None:
    with freeze_time("2031-03-02"):
        details = decode(OrderDetails, DETAILS)
    assert (details.order_date, details.payment_link_due_date) == (
        datetime(2031, 3, 2, 12, tzinfo=UTC),
        date(2031, 3, 9),
    )


def test_an_order_is_written_under_a_frozen_clock() -> None:
    order = builders.invoice(order_date=datetime(2031, 3, 2, 12, tzinfo=UTC))
    usual = build(operations.SEND_INVOICE, value=order)
    with freeze_time("2031-03-02 12:00"):
        frozen = builders.invoice(order_date=datetime.now(UTC))
        assert build(operations.SEND_INVOICE, value=frozen) == usual
