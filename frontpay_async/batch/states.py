"""The states of a row, and the one table of how it moves between them. Pure.

A row is one order of a batch. The API has no idempotency key, so the journal must know, after a crash at any
moment, whether a request may have left. That is what the states say:

    pending   nothing of it is on its way, and it is not known at the API: it may be sent
    sending   the intent is on disk, and the request may have left
    unknown   the request was sent, or may have been; the result is unknown
    done      the order stands at the API once, under the uuid in the row
    failed    it was refused, and nothing was done
    parked    looking did not decide it: a person must

    pending ──claim──▶ sending ──confirm──▶ done
       ▲ │                │ └────refuse───▶ failed ◀──refuse── pending (a broken rule: never sent)
       │ │                ├──withdraw──▶ pending (it did not leave, or was put off)
       │ │                └──lose──▶ unknown ──confirm──▶ done
       │ │                              │ ├──park──▶ parked ──confirm──▶ done
       └─┴───────────deny───────────────┘ │             └────deny────▶ pending
                                      miss (seen absent once; stays unknown)

Two rules carry the guarantee:
- ``claim`` is committed and synced before the first byte leaves, and after the rate window has granted the
  request. A row that is ``sending`` without a running owner must be treated as ``unknown``, never as
  ``pending``; and a crash leaves no more such rows than there were requests in flight.
- From ``unknown`` a row returns to ``pending`` only by ``deny``: it was searched for twice, and was not
  there; or a person has said so.

Late truth. Every claim carries a fence: a number that grows each time the row is leased. A response
that comes after the row was given up on (``lose``) still counts as long as no other runner has leased the row
since: the fence is the same. That is why ``confirm``, ``refuse`` and ``withdraw`` also start from states that
come after ``sending``. With another fence an answer changes nothing and is reported.
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
    """It is not on its way and may be sent."""
    SENDING = "sending"
    """The intent is on disk; the request may have left."""
    UNKNOWN = "unknown"
    """The order may exist; it is being reconciled."""
    DONE = "done"
    """It was sent once and stands at the API."""
    FAILED = "failed"
    """It was refused; nothing was done."""
    PARKED = "parked"
    """Looking did not decide it; a person must."""


class RowEvent(StrEnum):
    """An event that can happen to a row."""

    CLAIM = "claim"
    """The rate window has granted the request; it is about to leave."""
    CONFIRM = "confirm"
    """The order stands at the API, under a uuid that is known."""
    REFUSE = "refuse"
    """The API, or a documented rule, refused it: nothing was done."""
    WITHDRAW = "withdraw"
    """It did not leave, or was answered "later": nothing was done."""
    LOSE = "lose"
    """It may have left, and no answer says what came of it; or its sender is gone."""
    MISS = "miss"
    """It was not found in the first search."""
    DENY = "deny"
    """It is known not to have happened."""
    PARK = "park"
    """What was found does not decide it."""


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
        # Late truth: its sender was given up on, and then its answer came.
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
"""The states that nothing leaves; the order's content is removed from the journal there."""


def sources(event: RowEvent) -> frozenset[State]:
    """Return the states in which an event may happen."""
    return frozenset(state for state, each in NEXT if each is event)


def target(event: RowEvent) -> State:
    """Return the state that an event leads to; every event leads to one."""
    return next(following for (_, each), following in NEXT.items() if each is event)
