"""The statements that runners execute most, built once, because building costs as much as executing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import bindparam, func, or_, select, update
from sqlalchemy.dialects import postgresql, sqlite

from frontpay_async.batch.schema import (
    IS_OF_DEAD_RUNNER,
    LEASED_UNTIL,
    OPEN,
    accounts,
    batches,
    listings,
    rows,
    runners,
    tokens,
)
from frontpay_async.batch.states import State

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import BindParameter, ColumnElement, Executable, Select, Table
    from sqlalchemy.sql.dml import ReturningUpdate

_IS_IN_BATCH = rows.c.batch_id == bindparam("batch")
_OF_ACCOUNT: BindParameter[int] = bindparam("account")


def _lease() -> ReturningUpdate[Any, Any, Any, Any, Any, Any]:
    free = (
        select(rows.c.id)
        .where(
            _IS_IN_BATCH,
            rows.c.state == State.PENDING.value,
            rows.c.due_at <= bindparam("now"),
            # Nothing of it has left, and the fence keeps its former owner from sending it.
            or_(rows.c.lease_until.is_(None), rows.c.lease_until < bindparam("now"), IS_OF_DEAD_RUNNER),
        )
        .order_by(rows.c.id)
        .limit(bindparam("most"))
        .with_for_update(skip_locked=True)
        # PostgreSQL might run an IN (SELECT ...) more than once, and lock more rows than the limit.
        .cte("free")
    )
    return (
        update(rows)
        .where(rows.c.id.in_(select(free.c.id)))
        .values(owner=bindparam("by"), lease_until=bindparam("until"), fence=rows.c.fence + 1)
        .returning(rows.c.id, rows.c.key, rows.c.kind, rows.c.payload, rows.c.fence, rows.c.attempts)
    )


def _report(insert: Callable[[Table], Any]) -> Executable:
    made = insert(runners)
    newer = {"alive_until": made.excluded.alive_until}
    statement: Executable = made.on_conflict_do_update(index_elements=[runners.c.name], set_=newer)
    return statement


def _first_due(later: Callable[..., ColumnElement[float]]) -> Select[Any]:
    free_at = func.coalesce(LEASED_UNTIL, 0.0)
    pending = (_IS_IN_BATCH, rows.c.state == State.PENDING.value)
    return select(func.min(later(rows.c.due_at, free_at))).where(*pending)


LEASE = _lease()
REPORTS = {"sqlite": _report(sqlite.insert), "postgresql": _report(postgresql.insert)}
FIRST_DUE = {"sqlite": _first_due(func.max), "postgresql": _first_due(func.greatest)}
FIRST_LEASE_END = select(func.min(rows.c.lease_until)).where(
    rows.c.account_id
    == select(batches.c.account_id).where(batches.c.id == bindparam("batch")).scalar_subquery(),
    OPEN,
    rows.c.state == State.SENDING.value,
)
ANY_IN_STATE = select(rows.c.id).where(_IS_IN_BATCH, rows.c.state == bindparam("state")).limit(1)
FIND_BATCH = (
    select(batches.c.id, batches.c.account_id, accounts.c.base_url)
    .join(accounts, accounts.c.id == batches.c.account_id)
    .where(accounts.c.name == bindparam("account"), batches.c.name == bindparam("name"))
)

TURN = (
    select(accounts.c.turn_owner, accounts.c.turn_until)
    .where(accounts.c.id == _OF_ACCOUNT)
    # It locks the account.
    .with_for_update()
)
SET_TURN = (
    update(accounts)
    .where(accounts.c.id == _OF_ACCOUNT)
    .values(turn_owner=bindparam("by"), turn_until=bindparam("until"))
)
ANY_OPEN = (
    select(rows.c.id).where(rows.c.account_id == _OF_ACCOUNT, OPEN, rows.c.missed_at.is_(None)).limit(1)
)
"""An order that is in flight, or unresolved and not searched for yet."""
ANY_OPEN_UNLISTED = ANY_OPEN.where(rows.c.listing == 0)
ANY_LISTED = select(listings.c.number).where(listings.c.account_id == _OF_ACCOUNT).limit(1)
LAST_NUMBER = select(func.max(listings.c.number)).where(listings.c.account_id == _OF_ACCOUNT)
CONFIRMED = (
    select(rows.c.order_uuid)
    .where(rows.c.account_id == _OF_ACCOUNT, rows.c.order_uuid.is_not(None))
    .limit(bindparam("most"))
)
TOKENS = select(tokens.c.print).where(tokens.c.account_id == _OF_ACCOUNT)
BATCHES = select(batches.c.id).where(batches.c.account_id == _OF_ACCOUNT).order_by(batches.c.id.desc())
LAST_CONFIRMED = (
    select(rows.c.order_uuid, rows.c.fingerprint)
    .where(_IS_IN_BATCH, rows.c.state == State.DONE.value)
    .order_by(rows.c.id.desc())
    .limit(bindparam("most"))
)
SEEN = (
    select(listings.c.number, listings.c.noted_at, listings.c.uuids)
    .where(listings.c.account_id == _OF_ACCOUNT)
    .order_by(listings.c.number)
)
