"""Recognising an order among others: the reading of their details, some at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio

from frontpay_async._protocol.comparison import (
    Comparison,
    OrderIdentity,
    identity_of_details,
    identity_of_order,
    likeness,
)
from frontpay_async._protocol.operations import GET_ORDER_DETAILS
from frontpay_async.errors import FrontPayError, NotFoundError
from frontpay_async.models.orders import OrderMatches

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from frontpay_async._session import Session
    from frontpay_async._transport.call import CallOptions
    from frontpay_async.models.orders import EFakturaOrder, EhfOrder, InvoiceOrder, PaymentLinkOrder

_AT_ONCE = 8


async def look_at(
    session: Session,
    options: CallOptions,
    uuids: Iterable[str],
    see: Callable[[str, OrderIdentity | None], None],
) -> None:
    """Read the details of orders, and tell each of them as it comes.

    Args:
        session: What executes the calls.
        options: What the caller chose.
        uuids: The orders.
        see: Called with an order and what it can be recognised by; None for one that the API does not show.

    Raises:
        FrontPayError: One of them could not be read.
    """
    waiting = iter(dict.fromkeys(uuids))
    failed: list[FrontPayError] = []

    async def read() -> None:
        for uuid in waiting:
            try:
                details = await session.execute(GET_ORDER_DETAILS, options, uuid=uuid)
            except NotFoundError:
                see(uuid, None)
            except FrontPayError as error:
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

    def those(wanted: Comparison, *, cautious: bool) -> tuple[str, ...]:
        found = {
            uuid: Comparison.UNCLEAR if seen is None else likeness(sent, seen, cautious=cautious)
            for uuid, seen in shown.items()
        }
        return tuple(uuid for uuid in candidates if found[uuid] is wanted)

    same = those(Comparison.SAME, cautious=True)
    # One that is the same proves that this API shows orders as they are sent: the others need less caution.
    return OrderMatches(same=same, unclear=those(Comparison.UNCLEAR, cautious=not same))
