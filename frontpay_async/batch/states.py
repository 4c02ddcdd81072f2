"""The states of a row, and the table of its transitions. Pure.

A row is one order of a batch. The API has no idempotency key, so after a crash at any moment the journal must
show whether a request may have left. The states express this:

    pending   no request is in flight, and the API has no order: it may be sent
    sending   the intent is on disk, and the request may have left
    unknown   the request was sent, or may have been; the result is unknown
    done      the API has the order once, under the uuid in the row
    failed    it was rejected, and nothing was done
    parked    the search did not decide it: a person must

    pending ──claim──▶ sending ──confirm──▶ done
       ▲ │                │ └────refuse───▶ failed ◀──refuse── pending (a broken rule: never sent)
       │ │                ├──withdraw──▶ pending (it did not leave, or was postponed)
       │ │                └──lose──▶ unknown ──confirm──▶ done
       │ │                              │ ├──park──▶ parked ──confirm──▶ done
       └─┴───────────deny───────────────┘ │             └────deny────▶ pending
                                      miss (not found once; stays unknown)

Three rules carry the guarantee:
- ``claim`` is committed and synced before the first byte leaves, and after the rate window has granted the
  request. A row that is ``sending`` without a running owner must be treated as ``unknown``, never as
  ``pending``; and a crash leaves no more such rows than there were requests in flight.
- A leased row that is still ``pending`` may change its owner at any time: the claim states the fence of its
  lease, so only one owner can send it. Leases of such rows save work; they do not protect them.
- From ``unknown`` a row returns to ``pending`` only by ``deny``: two searches did not find it, or a person
  decided so.

*Late responses.* Every claim has a fence: a number that grows each time the row is leased. A response that
arrives after the row was given up (``lose``) still counts if no other runner has leased the row since: the
fence is then unchanged. That is why ``confirm``, ``refuse`` and ``withdraw`` also start from states after
``sending``. A response with an older fence changes nothing and is logged.
"""

from __future__ import annotations

from enum import StrEnum
from types import MappingProxyType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping


class State(StrEnum):
    """The state of a row."""

    PENDING = "pending"
    """No request is in flight; it may be sent."""
    SENDING = "sending"
    """The intent is on disk; the request may have left."""
    UNKNOWN = "unknown"
    """The order may exist; it is being reconciled."""
    DONE = "done"
    """It was sent once and exists at the API."""
    FAILED = "failed"
    """It was rejected; nothing was done."""
    PARKED = "parked"
    """The search did not decide it; a person must."""


class RowEvent(StrEnum):
    """An event that can happen to a row."""

    CLAIM = "claim"
    """The rate window has granted the request; it is about to leave."""
    CONFIRM = "confirm"
    """The order exists at the API, with a known uuid."""
    REFUSE = "refuse"
    """The API, or a documented rule, rejected it: nothing was done."""
    WITHDRAW = "withdraw"
    """It did not leave, or was postponed by a 429: nothing was done."""
    LOSE = "lose"
    """It may have left, and there is no conclusive response; or its runner is gone."""
    MISS = "miss"
    """It was not found in the first search."""
    DENY = "deny"
    """It is known not to have happened."""
    PARK = "park"
    """The search result is inconclusive."""


_S, _E = State, RowEvent
NEXT: Mapping[tuple[State, RowEvent], State] = MappingProxyType(
    {
        (_S.PENDING, _E.CLAIM): _S.SENDING,
        (_S.PENDING, _E.REFUSE): _S.FAILED,
        (_S.SENDING, _E.CONFIRM): _S.DONE,
        (_S.SENDING, _E.REFUSE): _S.FAILED,
        (_S.SENDING, _E.WITHDRAW): _S.PENDING,
        (_S.SENDING, _E.LOSE): _S.UNKNOWN,
        (_S.UNKNOWN, _E.CONFIRM): _S.DONE,
        (_S.UNKNOWN, _E.MISS): _S.UNKNOWN,
        (_S.UNKNOWN, _E.DENY): _S.PENDING,
        (_S.UNKNOWN, _E.PARK): _S.PARKED,
        (_S.PARKED, _E.CONFIRM): _S.DONE,
        (_S.PARKED, _E.DENY): _S.PENDING,
        # Late responses: the row had been given up before the response arrived.
        (_S.UNKNOWN, _E.REFUSE): _S.FAILED,
        (_S.UNKNOWN, _E.WITHDRAW): _S.PENDING,
        (_S.PARKED, _E.REFUSE): _S.FAILED,
        (_S.PARKED, _E.WITHDRAW): _S.PENDING,
        (_S.PENDING, _E.CONFIRM): _S.DONE,
        # Leased, and released before it was claimed.
        (_S.PENDING, _E.WITHDRAW): _S.PENDING,
    }
)
FINAL = frozenset({State.DONE, State.FAILED})
"""The final states; there the order's content is deleted from the journal."""


def sources(event: RowEvent) -> frozenset[State]:
    """Return the states in which an event is possible."""
    return frozenset(state for state, each in NEXT if each is event)


def target(event: RowEvent) -> State:
    """Return the target state of an event; every event has exactly one."""
    return next(following for (_, each), following in NEXT.items() if each is event)
