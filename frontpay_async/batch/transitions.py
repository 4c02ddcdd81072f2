"""The SQL of transitions: one statement for each event, which checks state and fence itself.

The statements are built once; rows with the same event are one executemany. If fewer rows were moved than
given, one more query finds which.
"""

from __future__ import annotations

import json
from collections import defaultdict
from typing import TYPE_CHECKING, Any

from attrs import frozen
from sqlalchemy import bindparam, func, or_, select, update

from frontpay_async.batch.schema import listings, rows
from frontpay_async.batch.states import FINAL, RowEvent, sources, target

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sqlalchemy import BindParameter, Connection, Update


@frozen(kw_only=True)
class Transition:
    """An event that happened to a row.

    Args:
        row: Its number.
        fence: The fence of its lease.
        event: The event.
        owner: For a claim: the runner.
        lease: For a claim: seconds until the request has certainly ended.
        delay: For a withdrawal: seconds until it may be sent again.
        order_uuid: For a confirmation: the order.
        customer_uuid: For a confirmation: the customer, if it is known.
        error: The error text of the row.
        candidates: For parking: the orders that it may be.
    """

    row: int
    fence: int
    event: RowEvent
    owner: str | None = None
    lease: float = 0.0
    delay: float = 0.0
    order_uuid: str | None = None
    customer_uuid: str | None = None
    error: str | None = None
    candidates: tuple[str, ...] = ()


_FREE: Mapping[str, object] = {"owner": None, "lease_until": None}
_FOUND: Mapping[str, object] = {**_FREE, "missed_at": None, "candidates": None}
_CLEAR: Mapping[str, object] = {**_FOUND, "doubt_at": None}


def _given(name: str) -> BindParameter[Any]:
    return bindparam(name)


def _statement(event: RowEvent, **values: object) -> Update:
    following = target(event)
    forgotten: dict[str, object] = {"payload": None} if following in FINAL else {}
    return (
        update(rows)
        .where(
            rows.c.id == _given("row"),
            rows.c.fence == _given("at_fence"),
            # An IN would be expanded for each execution, which executemany refuses.
            or_(*(rows.c.state == state.value for state in sorted(sources(event)))),
        )
        .values(**{"state": following.value, **forgotten, **values})
    )


_STATEMENTS: Mapping[RowEvent, Update] = {
    RowEvent.CLAIM: _statement(
        RowEvent.CLAIM,
        owner=_given("by"),
        lease_until=_given("until"),
        # An order in a list from before the committed claim does not belong to this row.
        listing=select(func.coalesce(func.max(listings.c.number), 0))
        .where(listings.c.account_id == rows.c.account_id)
        .scalar_subquery(),
        claimed_at=_given("at"),
        attempts=rows.c.attempts + 1,
        error=None,
    ),
    RowEvent.CONFIRM: _statement(
        RowEvent.CONFIRM,
        # ``doubt_at`` stays: an order that was found in a list proves nothing about that list.
        **_FOUND,
        order_uuid=_given("uuid"),
        customer_uuid=_given("customer"),
        settled_at=_given("at"),
        error=None,
    ),
    RowEvent.REFUSE: _statement(RowEvent.REFUSE, **_CLEAR, error=_given("told")),
    RowEvent.WITHDRAW: _statement(RowEvent.WITHDRAW, **_CLEAR, due_at=_given("due"), error=_given("told")),
    RowEvent.LOSE: _statement(
        RowEvent.LOSE, **_FREE, doubt_at=_given("at"), missed_at=None, error=_given("told")
    ),
    RowEvent.MISS: _statement(RowEvent.MISS, missed_at=_given("at")),
    RowEvent.DENY: _statement(RowEvent.DENY, **_CLEAR, due_at=_given("at"), error=None),
    RowEvent.PARK: _statement(RowEvent.PARK, error=_given("told"), candidates=_given("found")),
}
_READ: Mapping[str, Callable[[Transition, float], object]] = {
    "row": lambda it, _: it.row,
    "at_fence": lambda it, _: it.fence,
    "by": lambda it, _: it.owner,
    "until": lambda it, now: now + it.lease,
    "uuid": lambda it, _: it.order_uuid,
    "customer": lambda it, _: it.customer_uuid,
    "told": lambda it, _: it.error,
    "due": lambda it, now: now + it.delay,
    "at": lambda _, now: now,
    "found": lambda it, _: json.dumps(it.candidates),
}
_NEEDS = {
    event: tuple((name, _READ[name]) for name in statement.compile().params if name in _READ)
    for event, statement in _STATEMENTS.items()
}


def _parameters(transition: Transition, now: float) -> dict[str, object]:
    return {name: read(transition, now) for name, read in _NEEDS[transition.event]}


def move(connection: Connection, transitions: Sequence[Transition], now: float) -> list[bool]:
    """Move rows within a transaction; return for each whether it was moved."""
    by_event: defaultdict[RowEvent, list[Transition]] = defaultdict(list)
    for each in transitions:
        by_event[each.event].append(each)
    missed: set[tuple[int, RowEvent]] = set()
    # A claim precedes other events with the same fence.
    for event, group in sorted(by_event.items(), key=lambda each: each[0] is not RowEvent.CLAIM):
        # In a fixed order, so that two transactions rarely wait for each other.
        group.sort(key=lambda each: each.row)
        done = connection.execute(_STATEMENTS[event], [_parameters(each, now) for each in group])
        if done.rowcount != len(group):
            missed |= _not_moved(connection, event, group)
    return [(each.row, each.event) not in missed for each in transitions]


def _not_moved(
    connection: Connection, event: RowEvent, group: Sequence[Transition]
) -> set[tuple[int, RowEvent]]:
    columns = (rows.c.id, rows.c.state, rows.c.fence, rows.c.order_uuid)
    found = {
        each.id: each
        for each in connection.execute(select(*columns).where(rows.c.id.in_([each.row for each in group])))
    }
    return {
        (each.row, event)
        for each in group
        if (row := found.get(each.row)) is None
        or row.fence != each.fence
        or row.state != target(event).value
        or (each.order_uuid is not None and row.order_uuid != each.order_uuid)
    }
