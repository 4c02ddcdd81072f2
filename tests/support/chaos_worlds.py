"""Worlds that a seed draws, in which the list, the details or the token are not what they seem.

Each world is an account of ``OddServer`` and a journal, in simulated time: there may be known orders, a
colleague's, lost answers, orders that were never stored, and a runner that dies and is followed by another.
What is judged is what stands in the account and in the journal. A world costs a fraction of a second, so that
many can be tried; those in which two runners race take a PostgreSQL and real time.

``problems`` says what must not be. Where a list hides orders for good, a few may be sent twice, which is a
documented limit of the batch: ``doubles`` of the kind of world.
"""

from __future__ import annotations

import contextlib
import itertools
import json
import tempfile
from collections import Counter
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import anyio
import httpx
from attrs import define, field, frozen

from frontpay_async import ConfigurationError, FrontPayError
from frontpay_async._protocol.build import build
from frontpay_async._protocol.operations import kind_of_order
from frontpay_async.batch import BatchItem, State
from tests.support.batches import Dying, KilledError, order, rows_of
from tests.support.builders import customer, ehf
from tests.support.odd_details import FORMS, KNOWN, item
from tests.support.odd_server import TOKEN, details_of
from tests.support.odd_world import LOST, NEVER, World, chance_of, invoice, newest

if TYPE_CHECKING:
    import random
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from frontpay_async.batch import BatchRow
    from tests.support.odd_server import Fate, OddOrder, Row

__all__ = ["ALL", "RACES", "Judgement", "Kind", "judge"]

_LEASE: Final = 100.0
_MOST: Final = 18
_STRANGE: Final = "STRANGE"
_ODD_IDS: Final = ("", "ODR/1", "x" * 300, "a\0b", "a\r\nb", "\ud800", None, 7)


@define(eq=False)
class Scene:
    """What was drawn.

    Args:
        world: The server, and the journal.
        chance: What draws.
        known: Orders that were sent before, when nothing was odd.
        count: Orders in all.
        fates: What becomes of the first creates.
        dies_at: The step at which the first runner dies; None if it lives.
        items: Makes the orders.
        may_park: Whether rows in doubt may be left to a person.
        concurrency: Sends at once.
        colleague: Before which requests a colleague sends an order of the same goods.
        must_be_refused: Whether the token is of another account.
    """

    world: World
    chance: random.Random
    known: int = 0
    count: int = 12
    fates: list[Fate] = field(factory=list)
    dies_at: int | None = None
    items: Callable[[int], BatchItem] = invoice
    may_park: bool = True
    concurrency: int = 4
    colleague: frozenset[int] = frozenset()
    must_be_refused: bool = False
    token: str = TOKEN

    def lists(self, listed: Callable[[list[OddOrder]], list[Any]]) -> None:
        """Let the list be made so."""
        self.world.server.listed = listed


@frozen
class Kind:
    """A kind of world.

    Args:
        set_up: Makes a drawn scene such a world, after what was known was sent.
        draw: Changes what was drawn, before.
        doubles: How many orders may be sent twice, by a documented limit.
    """

    set_up: Callable[[Scene], None]
    draw: Callable[[Scene], None] = lambda _: None
    doubles: int = 0


@frozen(kw_only=True)
class Judgement:
    """What came of a world."""

    seed: int
    in_doubt: int
    doubled: int
    wrong: int
    missing: int
    parked: int
    problems: tuple[str, ...]


# The lists


def _hiding(scene: Scene, share: float) -> Callable[[list[OddOrder]], list[Row]]:
    """Hide this share of the orders for good."""
    seed = scene.chance.random()
    return lambda orders: newest(
        len(orders) or 1, [each for each in orders if chance_of(f"{seed}/{each.number}").random() >= share]
    )


def _late(scene: Scene, lag: float, most: int) -> None:
    time = scene.world.time
    scene.lists(lambda orders: newest(most, [each for each in orders if each.created <= time.time - lag]))


def _cut(scene: Scene) -> None:
    """Often just the first few are cut off."""
    every = scene.known + scene.count
    scene.lists(partial(newest, scene.chance.choice([scene.chance.randint(1, every), every - 1, every - 2])))


def _lagging(scene: Scene) -> None:
    # Where nothing is known to be missing, a list may lag as long as two looks take: see the limits.
    scene.concurrency = 1
    _late(scene, scene.chance.choice([1.0, 5.0, 30.0, 59.0, 115.0]), 10_000)


def _cut_and_lagging(scene: Scene) -> None:
    _late(scene, scene.chance.choice([1.0, 20.0, 59.0]), scene.chance.randint(3, scene.known + scene.count))


def _unsorted(scene: Scene) -> None:
    seed = scene.chance.random()

    def shuffled(orders: list[OddOrder]) -> list[Row]:
        rows = newest(len(orders), orders)
        chance_of(seed).shuffle(rows)
        return rows

    scene.may_park = False
    scene.lists(shuffled)


def _paged(scene: Scene) -> None:
    page = scene.chance.randint(2, scene.known + scene.count)
    scene.lists(lambda orders: newest(len(orders), orders)[:page])


def _with_odd_ids(scene: Scene) -> None:
    """Unusable ids were there before, come meanwhile, or stand for one of ours."""
    odd = scene.chance.choices(_ODD_IDS, k=scene.chance.randint(1, 3))
    before = len(scene.world.server.orders())
    at = before + scene.chance.randrange(scene.count)
    whose = scene.chance.choice(["known", "meanwhile", "ours"])
    scene.may_park = whose != "known"

    def listed(orders: list[OddOrder]) -> list[Any]:
        rows: list[Any] = newest(len(orders) or 1, orders)
        if whose == "ours":
            return [{**row, "uuid": odd[0]} if number == at else row for number, row in enumerate(rows)]
        if whose == "meanwhile" and len(orders) <= at:
            return rows
        return [*({"uuid": each, "status": "SENT"} for each in odd), *rows]

    scene.lists(listed)


# The details


def _shown_otherwise(scene: Scene, *, forms: Sequence[str]) -> None:
    change = FORMS[scene.chance.choice(forms)]
    odd = {number for number in range(1, 500) if scene.chance.random() < 0.6}
    scene.world.server.shown = lambda details, at: change(details, at) if at.number in odd else details


def _shown_in_a_known_form(scene: Scene) -> None:
    scene.may_park = False
    _shown_otherwise(scene, forms=KNOWN)


def _shown_in_another_form(scene: Scene) -> None:
    _shown_otherwise(scene, forms=[form for form in FORMS if form not in KNOWN])


_MIX_UPS: Final = ("first", "last", "one of before", "previous", "a third", "at first", "neighbour")


def _shown_as_another_order(scene: Scene, faults: Sequence[str] = _MIX_UPS) -> None:
    """The details are those of another order, under the id that was asked for, as from a faulty cache."""
    server, chance = scene.world.server, scene.chance
    fault = chance.choice(faults)
    kept: list[Row] = []
    seed, until = chance.random(), scene.world.time.time + 400.0

    def instead(details: Row, order: OddOrder) -> Row:  # noqa: PLR0911 - a table
        orders = server.orders()
        match fault:
            case "first":
                return kept[0]
            case "last":
                return details_of(orders[-1])
            case "one of before":
                return details_of(orders[0])
            case "previous":
                return kept[-2] if len(kept) > 1 else details
            case "neighbour":
                return details_of(orders[min((order.number - 1) ^ 1, len(orders) - 1)])
            case "a third":
                is_odd = chance_of(f"{seed}/{order.number}").random() < 1 / 3
                return details_of(orders[order.number % len(orders)]) if is_odd else details
            case _:
                return kept[0] if scene.world.time.time < until else details

    def shown(details: Row, order: OddOrder) -> Row:
        kept.append(details)
        return {**instead(details, order), "orderUuid": order.uuid}

    server.shown = shown


def _of_several_goods(scene: Scene) -> None:
    scene.items = item


def _bought(number: int) -> BatchItem:
    """An order of a company, every third time; all buy the same."""
    if number % 3:
        return invoice(number)
    company = customer(
        name=f"Firma {number} AS",
        type=None,
        email=f"post{number}@firma.example",
        msisdn=f"2{number:07}",
        personal_number=None,
        organization_id=f"9{number:08}",
    )
    return BatchItem(key=f"I-{number}", order=ehf(customer=company, reference_no=f"I-{number}"))


def _of_companies(scene: Scene) -> None:
    scene.items = _bought


def _with_a_colleague(scene: Scene) -> None:
    """A colleague sells the same goods to other customers, while companies are in doubt."""
    scene.may_park = False
    first = len(scene.world.server.requests)
    scene.colleague = frozenset(first + scene.chance.randint(4, 3 * scene.count) for _ in range(3))


def _with_older_orders(scene: Scene) -> None:
    """Each customer had the same order before, to the last thing that is shown."""
    scene.may_park = False
    for number in range(scene.known, scene.known + scene.count):
        older = order(number, reference_no=f"{_STRANGE}-{number}")
        body = build(kind_of_order(older).operation, value=older).body
        scene.world.server.add(json.loads(body or b""))


# The account


def _pushed_out(scene: Scene) -> None:
    """Others' orders have pushed ours out of a cut list."""
    server = scene.world.server
    body = server.orders()[0].body
    for number in range(30):
        buyer = {**body["customerDetails"], "name": f"Other {number}", "email": f"o{number}@example.no"}
        buyer |= {"msisdn": f"9{number:07}", "personalNumber": f"9{number:010}"}
        server.add({**body, "customerDetails": buyer, "referenceNo": f"{_STRANGE}-{number}"})
    scene.lists(partial(newest, scene.chance.randint(12, 25)))


def _of_another_account(scene: Scene) -> None:
    scene.token, scene.must_be_refused, scene.fates = "other", True, []
    scene.dies_at = None


def _is_known(scene: Scene) -> None:
    scene.known = max(scene.known, 2)


def _is_new(scene: Scene) -> None:
    scene.known = 0
    scene.fates = [scene.chance.choice([LOST, LOST, NEVER]) for _ in range(scene.chance.randint(1, 3))]


def _all_are_lost(scene: Scene) -> None:
    scene.fates = [scene.chance.choices([LOST, NEVER], [9, 1])[0] for _ in range(4 * scene.count)]
    scene.dies_at = None


def _is_new_and_all_are_lost(scene: Scene) -> None:
    _is_new(scene)
    scene.count = 2
    _all_are_lost(scene)


def _hides(share: float) -> Callable[[Scene], None]:
    return lambda scene: scene.lists(_hiding(scene, share))


def _hides_companies(scene: Scene) -> None:
    scene.lists(lambda orders: newest(len(orders) or 1, [each for each in orders if each.kind != "EHF"]))


def _hides_customers(scene: Scene) -> None:
    hidden = {f"I-{number}" for number in range(40) if scene.chance.random() < 0.3}
    scene.lists(
        lambda orders: newest(len(orders) or 1, [each for each in orders if each.reference not in hidden])
    )


def _hides_what_was_lost(scene: Scene) -> None:
    """No confirmed order is ever missing: each one that was lost looks as if it had never been stored."""
    scene.lists(lambda orders: newest(len(orders) or 1, [each for each in orders if not each.is_lost]))


def _has_two_replicas(scene: Scene) -> None:
    """Every other list, by chance, is made where orders are missing or late."""
    seed, last, asked = scene.chance.random(), len(scene.world.server.orders()), itertools.count()
    time, fault = scene.world.time, scene.chance.choice(["frozen", "a third", "late"])
    hiding = _hiding(scene, 1 / 3)

    def listed(orders: list[OddOrder]) -> list[Row]:
        if chance_of(f"{seed}/{next(asked)}").random() < 0.5:
            return newest(len(orders) or 1, orders)
        if fault == "a third":
            return hiding(orders)
        shown = orders[:last] if fault == "frozen" else [it for it in orders if it.created <= time.time - 300]
        return newest(len(orders) or 1, shown)

    scene.lists(listed)


def _is_frozen(scene: Scene) -> None:
    """The list stays as it was when the run began, as from a cache."""
    last = len(scene.world.server.orders())
    scene.lists(lambda orders: newest(last or 1, orders[:last]))


ALL: Final[Mapping[str, Kind]] = {
    "cut": Kind(_cut),
    "cut, new account": Kind(_cut, _is_new),
    "lagging": Kind(_lagging),
    "cut and lagging": Kind(_cut_and_lagging),
    "unsorted": Kind(_unsorted),
    "a page": Kind(_paged),
    "odd ids": Kind(_with_odd_ids),
    "known form": Kind(_shown_in_a_known_form, _of_several_goods),
    "other form": Kind(_shown_in_another_form, _of_several_goods),
    "another order": Kind(_shown_as_another_order, _of_several_goods),
    "another order, new account": Kind(_shown_as_another_order, _is_new),
    # Neighbours that change places are a limit where no confirmed order's content is known.
    "another order, all lost": Kind(partial(_shown_as_another_order, faults=_MIX_UPS[:-1]), _all_are_lost),
    "colleague": Kind(_with_a_colleague, _of_companies),
    "older orders": Kind(_with_older_orders),
    "pushed out": Kind(_pushed_out, _is_known),
    "other account": Kind(_of_another_account, _is_known),
    "hides a third": Kind(_hides(1 / 3), doubles=2),
    "hides half": Kind(_hides(1 / 2), doubles=2),
    "hides all": Kind(_hides(1.0), doubles=2),
    "hides all, new account": Kind(_hides(1.0), _is_new_and_all_are_lost, doubles=1),
    "hides a third, all lost": Kind(_hides(1 / 3), _all_are_lost, doubles=4),
    "hides companies": Kind(_hides_companies, _of_companies, doubles=2),
    "hides some customers": Kind(_hides_customers, doubles=2),
    "hides what was lost": Kind(_hides_what_was_lost, doubles=_MOST),
    "two replicas": Kind(_has_two_replicas, doubles=2),
    "frozen": Kind(_is_frozen, doubles=2),
    "frozen, all lost": Kind(_is_frozen, _all_are_lost, doubles=2),
}


def _draw(world: World, kind: str, seed: int) -> Scene:
    chance = chance_of(f"{kind}/{seed}")
    scene = Scene(world, chance, count=chance.randint(6, _MOST))
    scene.known = chance.choice([0, 0, 1, 5, 12])
    weights = [chance.choice([4, 8]), 1, 1]
    scene.fates = chance.choices(["stored", LOST, NEVER], weights, k=scene.count)
    if chance.random() < 0.3:
        scene.dies_at = chance.randint(5, 60)
    ALL[kind].draw(scene)
    return scene


# Running


def _bounded(scene: Scene) -> None:
    """Count the requests, let the colleague order between them, and end what does not end."""
    server = scene.world.server
    others = iter(range(100))
    limit = len(server.requests) + 400 + 60 * (scene.known + scene.count)

    def before(method: str, path: str) -> tuple[int, Any] | None:
        del method, path
        if len(server.requests) > limit or len(scene.world.time.slept) > 20 * limit:
            raise KilledError("it did not end")
        if len(server.requests) in scene.colleague:
            made = order(900 + next(others), reference_no=_STRANGE)
            body = server.orders()[0].body if server.orders() else None
            if body is not None:
                named = {**body["customerDetails"], "name": made.customer.name, "email": "x@example.no"}
                named |= {"msisdn": "99999999", "personalNumber": "09999999999"}
                named.pop("organizationId", None)
                server.add({**body, "customerDetails": named, "referenceNo": _STRANGE})
        return None

    server.before = before


async def _live(scene: Scene, dying: Dying | None) -> str:
    """Submit and run once; return how it ended."""
    world = scene.world
    transport = world.server.transport()
    if dying is not None:
        transport = dying.transport(transport)
    settings = {"lease": _LEASE}
    with contextlib.ExitStack() as stack:
        try:
            async with world.client(scene.token, transport=transport) as client:
                batch = world.batch(client, **settings)
                if dying is not None:
                    batch._journal._store = dying.journal(world.journal, world.time.now)
                    stack.enter_context(contextlib.closing(batch._journal._store))
                    await batch.submit(map(scene.items, range(scene.known + scene.count)))
                    await batch.run(concurrency=scene.concurrency)
                    return "done"
                async with batch:
                    await batch.submit(map(scene.items, range(scene.known + scene.count)))
                    await batch.run(concurrency=scene.concurrency)
        except KilledError as error:
            return str(error) if "end" in str(error) else "died"
        except BaseExceptionGroup as group:
            if group.split(KilledError)[1] is not None:
                raise
            return "did not end" if "did not end" in repr(group) else "died"
        except ConfigurationError as error:
            return f"refused: {error}"
        except FrontPayError as error:
            return f"{type(error).__name__}: {error}"
    return "done"


async def judge(kind: str, seed: int) -> Judgement:
    """Draw a world, run a batch in it, and judge what came of it."""
    with tempfile.TemporaryDirectory(prefix="world-", ignore_cleanup_errors=True) as folder:
        world = World(Path(folder) / "journal.db")
        scene = _draw(world, kind, seed)
        if scene.known:
            items = map(scene.items, range(scene.known))
            async with world.client() as client, world.batch(client) as batch:
                await batch.submit(items)
                await batch.run()
        ALL[kind].set_up(scene)
        _bounded(scene)
        world.server.fates.extend(scene.fates)
        ended = await _live(scene, None if scene.dies_at is None else Dying(at=scene.dies_at))
        if ended == "died":
            world.time.time += _LEASE + 1
            ended = await _live(scene, None)
        world.server.before = lambda *_: None
        async with world.client() as client, world.batch(client) as batch:
            rows = await rows_of(batch)
        met = len(scene.fates) - len(world.server.fates)
        in_doubt = sum(fate != "stored" for fate in scene.fates[:met])
        found = _counted(scene, rows)
        problems = [*_problems(scene, rows, ended)]
        if found["doubled"] > ALL[kind].doubles:
            problems.append(f"{found['doubled']} sent twice")
        return Judgement(seed=seed, in_doubt=in_doubt, problems=tuple(problems), **found)


def _counted(scene: Scene, rows: dict[str, BatchRow]) -> dict[str, int]:
    stored = {each.uuid: each.reference for each in scene.world.server.orders()}
    ours = Counter(reference for reference in stored.values() if not reference.startswith(_STRANGE))
    done = {key: row for key, row in rows.items() if row.state is State.DONE}
    parked = sum(row.state is State.PARKED for row in rows.values())
    doubled = sum((ours - Counter(list(rows))).values())
    missing = sum((Counter(list(done)) - ours).values())
    wrong = sum(stored.get(str(row.order_uuid)) != key for key, row in done.items())
    return {"doubled": doubled, "missing": missing, "wrong": wrong, "parked": parked}


def _problems(scene: Scene, rows: dict[str, BatchRow], ended: str) -> Iterator[str]:
    """Yield what must not be, but for what was sent twice."""
    found = _counted(scene, rows)
    if found["missing"]:
        yield f"{found['missing']} lost"
    if found["wrong"] > found["missing"]:
        yield f"{found['wrong']} done as another order"
    if found["parked"] and not scene.may_park:
        yield f"{found['parked']} parked without need"
    if scene.must_be_refused:
        if scene.world.server.orders(scene.token):
            yield "sent to another account"
        if not ended.startswith("refused"):
            yield "another account was not refused"
    elif ended != "done":
        yield ended
    elif any(row.state not in {State.DONE, State.PARKED} for row in rows.values()):
        yield "it ended, and rows are open"


# Two at once, in real time


def _together(world: World, runners: int) -> httpx.AsyncBaseTransport:
    """Answer no first request before so many have been made."""
    inner = world.server.transport()
    waiting, all_are_there = 0, anyio.Event()

    async def answer(request: httpx.Request) -> httpx.Response:
        nonlocal waiting
        waiting += 1
        if waiting >= runners:
            all_are_there.set()
        await all_are_there.wait()
        return await inner.handle_async_request(request)

    return httpx.MockTransport(answer)


async def judge_runners(seed: int, journal: str) -> tuple[str, ...]:
    """Let two runners start together in an account with identical older orders; return the problems."""
    world = World(journal, is_real=True)
    async with world.client() as shop:
        for number in range(10):
            await shop.orders.send_invoice(order(number, reference_no=f"OLD-{number}"))
    old = {each.uuid for each in world.server.orders()}
    world.server.fates.extend(chance_of(seed).choices(["stored", LOST, NEVER], [5, 3, 3], k=40))
    items = [BatchItem(key=f"I-{n}", order=order(n % 10, reference_no=f"I-{n % 10}")) for n in range(20)]
    rows: dict[str, BatchRow] = {}
    together = _together(world, 2)

    async def run() -> None:
        client = world.client(transport=together)
        async with client, world.batch(client, settling=0.2) as batch:
            await batch.submit(items)
            await batch.run(concurrency=4)
            rows.update(await rows_of(batch))

    try:
        with anyio.fail_after(200):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(run)
                tasks.start_soon(run)
    except BaseExceptionGroup as group:
        return (f"failed: {group.exceptions[0]!r}",)
    taken = sum(row.order_uuid in old for row in rows.values())
    ours = {each.uuid for each in world.server.orders()} - old
    problems = []
    if taken:
        problems.append(f"{taken} done as an older order")
    if len(ours) > len(items):
        problems.append(f"{len(ours) - len(items)} sent twice")
    if any(row.state is State.DONE and row.order_uuid not in ours | old for row in rows.values()):
        problems.append("done as an order that is not there")
    return tuple(problems)


async def judge_tokens(seed: int, journal: str) -> tuple[str, ...]:
    """Let two tokens of two accounts start together on one journal; return the problems."""
    world = World(journal, is_real=True)
    world.server.fates.extend(chance_of(seed).choices(["stored", LOST, NEVER], [2, 1, 1], k=3))
    ended: dict[str, str] = {}
    tokens = ("one", "two")
    together = _together(world, len(tokens))

    async def run(token: str) -> None:
        client = world.client(token, transport=together)
        async with client, world.batch(client, settling=0.2) as batch:
            await batch.submit(invoice(number) for number in range(20))
            try:
                await batch.run(concurrency=3)
            except ConfigurationError:
                ended[token] = "refused"
            else:
                ended[token] = "done"

    with anyio.fail_after(120):
        async with anyio.create_task_group() as tasks:
            for token in tokens:
                tasks.start_soon(run, token)
    problems = []
    if sorted(ended.values()) != ["done", "refused"]:
        problems.append(f"the runs ended {sorted(ended.values())}")
    if all(world.server.orders(token) for token in tokens):
        problems.append("orders were sent to both accounts")
    return tuple(problems)


RACES: Final = {"two runners": judge_runners, "two tokens": judge_tokens}
