"""Details that show one order's content under the id of another."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

pytest.importorskip("sqlalchemy")

from frontpay_async._protocol.order_comparison import OrderIdentity, SentOrders, identity_of_order
from frontpay_async.batch.details_check import RecentOrders, Sample, are_mixed_up, choose
from tests.support.batches import order
from tests.support.odd_server import details_of
from tests.support.odd_world import LOST, NEVER, World

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from tests.support.odd_server import OddOrder, Row

pytestmark = pytest.mark.integration


def traits(number: int) -> OrderIdentity:
    return identity_of_order(order(number))


def sent(*numbers: int) -> SentOrders[bytes]:
    orders: SentOrders[bytes] = SentOrders()
    for number in numbers:
        orders.add(b"%d" % number, traits(number))
    return orders


def mixed_up(
    samples: Sequence[tuple[Sample, OrderIdentity]],
    shown: Mapping[str, OrderIdentity],
    *,
    recent: Sequence[Sample] = (),
) -> bool:
    """Ask, while rows 1 and 2 are unresolved, and row 3 no longer is."""
    return are_mixed_up(samples, recent, shown, sent(1, 2, 3), Counter([b"1", b"2"]))


KNOWN = Sample("ODR7", sent=traits(7))
UNKNOWN = Sample("ODR8", b"8")
ALREADY_FOUND = Sample("ODR3", b"3")


@pytest.mark.parametrize(
    ("samples", "shown"),
    [
        pytest.param([], {"ODR1": traits(1), "ODR9": traits(9)}, id="no sample"),
        pytest.param([(KNOWN, traits(7))], {"ODR1": traits(1)}, id="as it was sent"),
        pytest.param([(UNKNOWN, traits(8))], {"ODR1": traits(1)}, id="not the content of a row"),
        pytest.param([(ALREADY_FOUND, traits(3))], {"ODR1": traits(1)}, id="as the row was sent"),
        pytest.param([(KNOWN, traits(7))], {"ODR9": traits(9), "ODR10": traits(9)}, id="a colleague's two"),
        pytest.param([(UNKNOWN, traits(8))], {"ODR9": traits(9), "ODR10": traits(9)}, id="after a restart"),
        pytest.param([(Sample("ODR1", b"1"), traits(1))], {"ODR2": traits(1)}, id="two identical rows"),
        pytest.param(
            [], {"ODR1": traits(1), "ODR2": traits(2), "ODR3": traits(1)}, id="no row can look absent"
        ),
    ],
)
def test_what_may_be_true_is_believed(
    samples: list[tuple[Sample, OrderIdentity]], shown: dict[str, OrderIdentity]
) -> None:
    assert not mixed_up(samples, shown)


@pytest.mark.parametrize(
    ("samples", "shown"),
    [
        pytest.param([(KNOWN, traits(9))], {"ODR1": traits(1)}, id="another customer's"),
        pytest.param([(UNKNOWN, traits(1))], {"ODR1": traits(9)}, id="the content of an unresolved row"),
        pytest.param([(ALREADY_FOUND, traits(9))], {}, id="not as the row was sent"),
        pytest.param(
            [(UNKNOWN, traits(8)), (Sample("ODR9", b"9"), traits(8))], {"ODR1": traits(6)}, id="two as one"
        ),
        pytest.param([(UNKNOWN, traits(9))], {"ODR1": traits(9)}, id="the content of a confirmed order"),
        pytest.param([], {"ODR1": traits(9), "ODR2": traits(9)}, id="one content for all"),
        pytest.param([], {"ODR1": traits(1), "ODR2": traits(1)}, id="more orders than rows"),
    ],
)
def test_what_cannot_be_true_is_noticed(
    samples: list[tuple[Sample, OrderIdentity]], shown: dict[str, OrderIdentity]
) -> None:
    assert mixed_up(samples, shown)


def test_the_content_of_an_order_that_was_not_read_is_recognised() -> None:
    assert mixed_up([(KNOWN, traits(7))], {"ODR1": traits(6)}, recent=[Sample("ODR6", sent=traits(6))])


def test_orders_without_a_customer_are_not_compared() -> None:
    bare = [identity_of_order(order(number)) for number in (1, 2)]
    nobody = [OrderIdentity("", each.lines, each.total, each.moment, {}, "", "") for each in bare]
    assert not mixed_up([(UNKNOWN, nobody[0])], dict(zip(("ODR1", "ODR2"), nobody, strict=True)))


def test_samples_are_of_different_customers() -> None:
    alike = [Sample(f"ODR{number}", sent=traits(1)) for number in range(3)]
    other = Sample("ODR9", sent=traits(2))
    assert choose([*alike, other], lambda: 0.5) == [alike[0], other]
    assert choose(alike, lambda: 0.5) == alike[:2]


def test_the_last_orders_are_kept() -> None:
    recent = RecentOrders()
    for number in range(20):
        recent.add(f"ODR{number}", order(number))
    assert [each.uuid for each in recent.samples()] == [f"ODR{number}" for number in range(12, 20)]


@pytest.mark.parametrize("shows_until", [100.0, 10_000.0])
async def test_a_faulty_cache_is_waited_for(tmp_path: Path, shows_until: float) -> None:
    """It shows one order's content for all; if that ends, nothing is parked."""
    world = World(tmp_path / "journal.db")
    began = world.time.time

    def shown(details: Row, at: OddOrder) -> Row:
        if world.time.time > began + shows_until:
            return details
        return {**details_of(world.server.orders()[0]), "orderUuid": at.uuid}

    world.server.shown = shown
    rows = await world.run(12, "stored", "stored", LOST, NEVER, LOST)
    parked = world.check(rows)
    assert parked == (0 if shows_until < 1_000 else 3)


async def test_one_content_under_several_ids_is_unclear(tmp_path: Path) -> None:
    """So it is for those who compare without a batch."""
    world = World(tmp_path / "journal.db")
    await world.run(3)
    orders = world.server.orders()
    uuids = [each.uuid for each in orders]
    async with world.client() as client:
        honest = await client.orders.find(order(1), among=uuids)
        world.server.shown = lambda _, at: {**details_of(orders[0]), "orderUuid": at.uuid}
        mixed_up = await client.orders.find(order(1), among=uuids)
    assert (honest.same, honest.unclear) == ((orders[1].uuid,), ())
    assert (mixed_up.same, mixed_up.unclear) == ((), tuple(uuids))


async def test_a_runner_without_orders_of_its_own_reads_those_in_the_journal(tmp_path: Path) -> None:
    world = World(tmp_path / "journal.db")
    await world.run(4)
    first = world.server.orders()[0]
    world.server.shown = lambda _, at: {**details_of(first), "orderUuid": at.uuid}
    rows = await world.run(8, LOST, LOST, LOST, LOST)
    assert world.check(rows) == 4
