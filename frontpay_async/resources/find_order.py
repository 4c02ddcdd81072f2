"""Recognising an order among others: the reading of their details, some at a time."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import anyio

from frontpay_async._protocol.operations import GET_ORDER_DETAILS
from frontpay_async._protocol.order_comparison import (
    Comparison,
    OrderIdentity,
    compare,
    identity_of_details,
    identity_of_order,
)
from frontpay_async.errors import APIError, FrontPayError, InvalidOrderError, OutcomeUnknownError
from frontpay_async.models.orders import OrderMatches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from frontpay_async._session import Session
    from frontpay_async._transport.call import CallOptions
    from frontpay_async.models.orders import EFakturaOrder, EhfOrder, InvoiceOrder, PaymentLinkOrder

_AT_ONCE = 8
_OF_THE_ORDER = frozenset({400, 404, 410, 417, 422})


async def look_at(
    session: Session,
    options: CallOptions,
    uuids: Iterable[str],
    see: Callable[[str, OrderIdentity | None], None],
    gives_up: Callable[[str, FrontPayError], bool] | None = None,
) -> None:
    """Read the details of orders, and report each of them as it comes."""
    waiting = iter(dict.fromkeys(uuids))
    failed: list[FrontPayError] = []

    async def read() -> None:
        for uuid in waiting:
            try:
                details = await session.execute(GET_ORDER_DETAILS, options, uuid=uuid)
            except FrontPayError as error:
                if _cannot_be_read(error) or (gives_up is not None and gives_up(uuid, error)):
                    see(uuid, None)
                    continue
                # Raised below, as it is and not in a group; the others end with it.
                failed.append(error)
                tasks.cancel_scope.cancel()
                return
            else:
                see(uuid, identity_of_details(details))

    async with anyio.create_task_group() as tasks:
        for _ in range(_AT_ONCE):
            tasks.start_soon(read)
    if failed:
        raise failed[0]


def _cannot_be_read(error: FrontPayError) -> bool:
    """Whether an error is about the one order: it is not there, or its answer cannot be read."""
    if isinstance(error, APIError):
        return error.status in _OF_THE_ORDER
    return isinstance(error, InvalidOrderError) or is_unreadable(error)


def is_unreadable(error: FrontPayError) -> bool:
    """Whether a read was answered, but not in a form that can be read."""
    # One that got no answer has a cause.
    return isinstance(error, OutcomeUnknownError) and error.__cause__ is None


async def find(
    session: Session,
    options: CallOptions,
    order: PaymentLinkOrder | InvoiceOrder | EFakturaOrder | EhfOrder,
    among: Iterable[str],
) -> OrderMatches:
    """Find the orders that an order may be; see ``Orders.find``."""
    candidates = list(dict.fromkeys(among))
    sent = identity_of_order(order)
    shown: dict[str, OrderIdentity | None] = {}
    await look_at(session, options, candidates, shown.__setitem__)

    copies = Counter(shown.values())

    def judge(seen: OrderIdentity | None) -> Comparison:
        found = Comparison.UNCLEAR if seen is None else compare(sent, seen)
        # One content under several ids may come from a faulty cache, which shows it in place of others.
        return Comparison.UNCLEAR if found is Comparison.DIFFERENT and copies[seen] > 1 else found

    def those(wanted: Comparison) -> tuple[str, ...]:
        return tuple(uuid for uuid in candidates if judge(shown[uuid]) is wanted)

    return OrderMatches(same=those(Comparison.SAME), unclear=those(Comparison.UNCLEAR))
