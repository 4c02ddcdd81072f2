"""The queries of a journal over all accounts: what is done, what is left, and whose lists are trusted."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import bindparam, func, or_, select

from frontpay_async.batch.results import AccountOverview, UnfinishedBatch
from frontpay_async.batch.schema import (
    LEASED_UNTIL,
    UNFINISHED,
    accounts,
    batches,
    distrust_note,
    notes,
    rows,
)
from frontpay_async.batch.states import State

if TYPE_CHECKING:
    from frontpay_async.batch.store import Store

# How many rows of a state are read to find out whether a runner has leased any.
_FIRST_ROWS = 100


def overview(store: Store) -> list[AccountOverview]:
    """Count the rows of all batches of all accounts by state."""
    found: dict[int, tuple[str, str, dict[State, int], float]] = {}
    with store.reading() as connection:
        now = store.now(connection)
        leased = func.max(LEASED_UNTIL)
        columns = (accounts.c.name, batches.c.name, batches.c.id, rows.c.state)
        counted = (
            select(*columns, func.count(rows.c.id), leased)
            .join(batches, batches.c.account_id == accounts.c.id)
            .join(rows, rows.c.batch_id == batches.c.id, isouter=True)
            .group_by(*columns)
            .order_by(accounts.c.name, batches.c.id)
        )
        for account, name, batch, state, count, until in connection.execute(counted, {"now": now}):
            _, _, counts, latest = found.get(batch, (account, name, {}, 0.0))
            if state is not None:
                counts[State(state)] = count
            found[batch] = (account, name, counts, max(latest, until or 0.0))
    return [
        AccountOverview(account=account, name=name, counts=counts, in_hand=latest >= now)
        for account, name, counts, latest in found.values()
    ]


def unfinished(store: Store) -> list[UnfinishedBatch]:
    """Return the batches with work left; one index entry is read for each, whatever its rows."""
    first = select(func.min(rows.c.batch_id).label("id")).where(UNFINISHED)
    found = first.cte("unfinished", recursive=True)
    following = select(func.min(rows.c.batch_id)).where(UNFINISHED, rows.c.batch_id > found.c.id)
    found = found.union_all(select(following.scalar_subquery()).where(found.c.id.is_not(None)))
    with store.reading() as connection:
        now = store.now(connection)
        # Rows are leased in their order.
        leased = [
            select(LEASED_UNTIL.label("until"))
            .where(rows.c.batch_id == found.c.id, rows.c.state == state.value)
            .order_by(rows.c.id)
            .limit(_FIRST_ROWS)
            .correlate(found)
            .subquery()
            for state in (State.PENDING, State.SENDING)
        ]
        is_leased = [select(each.c.until).where(each.c.until >= bindparam("now")).exists() for each in leased]
        named = (
            select(accounts.c.name, batches.c.name, or_(*is_leased))
            .select_from(found)
            .join(batches, batches.c.id == found.c.id)
            .join(accounts, accounts.c.id == batches.c.account_id)
            .order_by(accounts.c.name, batches.c.id)
        )
        return [
            UnfinishedBatch(account=account, name=name, in_hand=bool(in_hand))
            for account, name, in_hand in connection.execute(named, {"now": now})
        ]


def trust_lists(store: Store, account: str) -> bool | None:
    """Delete the note that a list hid orders; return whether there was one, None without the account."""
    with store.writing() as connection:
        number = connection.scalar(select(accounts.c.id).where(accounts.c.name == account))
        if number is None:
            return None
        return connection.execute(notes.delete().where(notes.c.name == distrust_note(number))).rowcount > 0
