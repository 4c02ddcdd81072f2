"""Stories of a journal and an API, made up by Hypothesis: whatever happens, no order twice, and none lost.

The world knows the truth: which orders stand at the API. Runners take rows in hand, claim them, send, lose
answers, die, stand still and come back; the API stores or does not. Who looks sees only what a list of the
account shows, and recognises orders by their content.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from attrs import define, field
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from frontpay_async._protocol.order_comparison import Comparison
from frontpay_async.batch import BatchItem, State
from frontpay_async.batch.encryption import NoCipher
from frontpay_async.batch.listings import Listings, Verdict
from frontpay_async.batch.matching import Absent, Found, Undecidable, Unresolved, match
from frontpay_async.batch.states import RowEvent
from frontpay_async.batch.store import LeasedRow, Store
from frontpay_async.batch.transitions import Transition
from tests.support.batches import account_of, order

LEASE, SETTLING, HARDEST = 10.0, 3.0, 12
SOMEBODY_ELSES = 99


@define(eq=False)
class Request:
    """A request of a runner that has left, or is about to."""

    held: LeasedRow
    content: int
    claimed_at: float
    uuid: str | None = None
    has_left: bool = False


@define(eq=False)
class World:
    time: float = 1000.0
    set_back: float = 0.0
    """Seconds by which the database's clock has been set back; that of the runners' patience is not."""
    orders: dict[str, int] = field(factory=dict)
    """What stands at the API, by uuid: its content."""
    requests: list[Request] = field(factory=list)


class Stories(RuleBasedStateMachine):
    """Six rows, of which some are the same order."""

    @initialize(contents=st.lists(st.integers(0, 2), min_size=6, max_size=6))
    def begin(self, contents: list[int]) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.world = World()
        self.contents = {f"K{number}": content for number, content in enumerate(contents)}
        path = Path(self.folder.name) / "journal.db"
        self.journal = Store.open(path, NoCipher(), lambda: self.world.time - self.world.set_back)
        self.batch = self.journal.join("night", "http://localhost")
        items = [BatchItem(key=key, order=order(content)) for key, content in self.contents.items()]
        self.journal.submit(self.batch, items)
        self.looking = Listings(self.journal, "who-looks", account_of(self.journal))
        self.looking.note_list([])

    def teardown(self) -> None:
        if hasattr(self, "journal"):
            self.finish()
            self.journal.close()
            self.folder.cleanup()

    def apply(self, held: LeasedRow, event: RowEvent, **fields: Any) -> bool:
        transition = Transition(row=held.id, fence=held.fence, event=event, **fields)
        return self.journal.apply([transition])[0]

    @rule(limit=st.integers(1, 3))
    def take_in_hand_and_claim(self, limit: int) -> None:
        """A runner may also die here: then nothing of it has left."""
        for held in self.journal.lease_rows(self.batch, "somebody", limit, LEASE):
            claim = {"owner": "somebody", "lease": LEASE}
            assert self.apply(held, RowEvent.CLAIM, **claim)
            self.world.requests.append(Request(held, self.contents[held.key], self.world.time))

    @precondition(lambda self: self.world.requests)
    @rule(data=st.data(), is_stored=st.booleans())
    def leave(self, data: st.DataObject, is_stored: bool) -> None:
        """A request leaves, not later than its runner allows itself, and is stored or not."""
        request = data.draw(st.sampled_from(self.world.requests))
        if request.has_left or self.world.time > request.claimed_at + LEASE / 2:
            return
        request.has_left = True
        if is_stored:
            request.uuid = f"ODR{len(self.world.orders)}"
            self.world.orders[request.uuid] = request.content

    @precondition(lambda self: self.world.requests)
    @rule(data=st.data(), answer=st.sampled_from(["answered", "lost", "runner died"]))
    def end(self, data: st.DataObject, answer: str) -> None:
        """The answer comes, maybe late; or it is lost; or nobody is there to take it."""
        request = data.draw(st.sampled_from(self.world.requests))
        self.world.requests.remove(request)
        if answer == "runner died":
            return
        if not request.has_left:
            self.apply(request.held, RowEvent.WITHDRAW)
        elif answer == "lost":
            self.apply(request.held, RowEvent.LOSE)
        elif request.uuid is None:
            # The API says "later": nothing was done.
            self.apply(request.held, RowEvent.WITHDRAW)
        else:
            self.apply(request.held, RowEvent.CONFIRM, order_uuid=request.uuid)

    @rule(seconds=st.sampled_from([1.0, SETTLING, LEASE + 1]))
    def time_passes(self, seconds: float) -> None:
        self.world.time += seconds
        self.journal.expire(self.batch)

    @precondition(lambda self: self.world.set_back < 5 * LEASE)
    @rule(seconds=st.sampled_from([1.0, SETTLING, LEASE]))
    def the_databases_clock_is_set_back(self, seconds: float) -> None:
        self.world.set_back += seconds

    @rule()
    def somebody_else_sends_an_order(self) -> None:
        self.world.orders[f"ODR{len(self.world.orders)}"] = SOMEBODY_ELSES

    @rule()
    def look(self) -> None:
        if not self.looking.take_turn(LEASE):
            return
        looked_at = self.looking.now()
        listed = list(self.world.orders)
        self.looking.note_list(listed)
        unresolved = self.looking.unresolved()
        since = min((each.listing for each in unresolved if not each.in_flight), default=0)
        candidates = self.looking.candidates(listed, since)

        def verdict(rows: Any, open_candidates: Any) -> Verdict:
            by_id = {row.id: row for row in rows}
            keys = {number: row.key for number, row in self.journal.page(self.batch, 0, 100)}

            def same(uuid: str) -> set[bytes]:
                return {row.content for row in rows if self.contents[keys[row.id]] == self.world.orders[uuid]}

            alike = {uuid: dict.fromkeys(same(uuid), Comparison.SAME) for uuid in open_candidates}
            named = [Unresolved(row.id, row.content, row.listing, row.in_flight) for row in rows]
            made = []
            for number, decision in match(named, open_candidates, alike).items():
                row = by_id[number]
                assert not isinstance(decision, Undecidable), "nobody else sends anything here"
                if isinstance(decision, Found):
                    event = RowEvent.CONFIRM
                elif isinstance(decision, Absent) and looked_at >= row.due_at(SETTLING):
                    event = RowEvent.MISS if row.missed_at is None else RowEvent.DENY
                else:
                    continue
                uuid = decision.uuid if isinstance(decision, Found) else None
                made.append(Transition(row=number, fence=row.fence, event=event, order_uuid=uuid))
            strange = [
                uuid
                for uuid, number in open_candidates.items()
                if not any(row.content in alike[uuid] and number > row.listing for row in rows)
            ]
            return Verdict(made, strange)

        self.looking.decide(candidates, verdict, LEASE)
        self.looking.end_turn()

    def rows(self) -> dict[str, Any]:
        return {row.key: row for _, row in self.journal.page(self.batch, 0, 100)}

    @invariant()
    def no_order_is_sent_twice(self) -> None:
        if not hasattr(self, "world"):
            return
        stand = Counter(self.world.orders.values())
        wanted = Counter([*self.contents.values(), *[SOMEBODY_ELSES] * stand[SOMEBODY_ELSES]])
        assert not stand - wanted

    @invariant()
    def what_is_done_stands_there_once(self) -> None:
        if not hasattr(self, "world"):
            return
        done = [row for row in self.rows().values() if row.state is State.DONE]
        uuids = [row.order_uuid for row in done]
        assert len(uuids) == len(set(uuids))
        assert all(self.world.orders[row.order_uuid] == self.contents[row.key] for row in done)

    def finish(self) -> None:
        """In the end, when everybody does their work, each order stands there once."""
        for _ in range(HARDEST):
            if {row.state for row in self.rows().values()} == {State.DONE}:
                break
            for request in list(self.world.requests):
                self.world.requests.remove(request)
            self.time_passes(LEASE + 1)
            for _ in range(3):
                self.time_passes(SETTLING)
                self.look()
            for held in self.journal.lease_rows(self.batch, "the last", 10, LEASE):
                claim = {"owner": "the last", "lease": LEASE}
                assert self.apply(held, RowEvent.CLAIM, **claim)
                uuid = f"ODR{len(self.world.orders)}"
                self.world.orders[uuid] = self.contents[held.key]
                assert self.apply(held, RowEvent.CONFIRM, order_uuid=uuid)
        assert {row.state for row in self.rows().values()} == {State.DONE}
        stand = Counter(self.world.orders.values())
        del stand[SOMEBODY_ELSES]
        assert stand == Counter(self.contents.values())


TestStories = Stories.TestCase
TestStories.settings = settings(max_examples=25, stateful_step_count=30)
