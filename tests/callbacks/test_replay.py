"""The record of handled callbacks in memory, and the places of a token: their limits in time and number."""

from __future__ import annotations

import pytest

from frontpay_async import ConfigurationError
from frontpay_async.callbacks.replay import Claim, MemoryReplayStore, TokenAllowance


async def test_a_mark_lasts_up_to_and_including_its_expiry() -> None:
    store = MemoryReplayStore()
    assert await store.claim("order:1", now=0, until=10) is Claim.NEW
    assert await store.claim("order:1", now=10, until=20) is Claim.BUSY
    await store.commit("order:1")
    assert await store.claim("order:1", now=10, until=20) is Claim.DONE
    assert await store.claim("order:1", now=10.1, until=20) is Claim.NEW


@pytest.mark.parametrize("capacity", [0, 2.5, "many"])
def test_a_capacity_is_a_whole_number_of_at_least_one(capacity: int) -> None:
    assert MemoryReplayStore(capacity=1).capacity == 1
    with pytest.raises(ConfigurationError, match="at least 1"):
        MemoryReplayStore(capacity=capacity)


async def test_a_full_store_records_nothing_new_of_the_same_kind() -> None:
    store = MemoryReplayStore(capacity=1)
    assert await store.claim("order:1", now=0, until=10) is Claim.NEW
    assert await store.claim("order:2", now=0, until=10) is Claim.FULL
    assert await store.claim("terminal:1", now=0, until=10) is Claim.NEW
    await store.release("order:1")
    assert await store.claim("order:2", now=0, until=10) is Claim.FULL
    assert await store.claim("order:1", now=0, until=10) is Claim.NEW


@pytest.mark.parametrize("settle", [MemoryReplayStore.commit, MemoryReplayStore.release])
async def test_an_expired_mark_can_be_settled(settle: object) -> None:
    store = MemoryReplayStore(capacity=1)
    await settle(store, "order:1")  # type: ignore[operator]
    assert await store.claim("order:1", now=0, until=10) is Claim.NEW


def test_a_token_gets_all_its_places_back_after_the_expiry() -> None:
    places = TokenAllowance(2)
    assert [places.take("a", now=now, until=10) for now in (0, 0, 10)] == [True, True, False]
    assert [places.take("a", now=11, until=20) for _ in range(3)] == [True, True, False]
    # The expiry is that of the first place.
    assert not places.take("a", now=20, until=30)


def test_a_returned_place_can_be_taken_once() -> None:
    places = TokenAllowance(1)
    places.give_back("a")
    assert places.take("a", now=0, until=10)
    places.give_back("a")
    assert [places.take("a", now=5, until=20) for _ in range(2)] == [True, False]
    places.give_back("a")
    assert places.take("a", now=11, until=20)


def test_many_tokens_take_no_place_of_one_that_has_not_expired() -> None:
    places = TokenAllowance(1)
    for number in range(1500):
        assert places.take(str(number), now=number / 150, until=10)
    assert not any(places.take(str(number), now=10, until=20) for number in range(0, 1500, 100))
