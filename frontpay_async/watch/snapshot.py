"""Conversion of watches to JSON-compatible data and back. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias, cast

from attrs import frozen

from frontpay_async.watch.hazard import check_state
from frontpay_async.watch.kinds import KINDS, WatchKind

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from frontpay_async.models.statuses import Status

LONGEST_AGE = 1e9
"""Seconds; a watch of more than thirty years is a mistake."""

_VERSION = 1
_GREATEST = 1e15
_LONGEST_STATUS = 100
_ENDED_BY_A_STATUS = frozenset({WatchKind.PAYMENT, WatchKind.REFUND})

Key: TypeAlias = tuple[WatchKind, str]


@frozen
class Kept:
    """A watch in a snapshot.

    Args:
        since: The time from which its age counts; in a snapshot, its age in seconds.
        status: The last status.
    """

    since: float
    status: Status | None


@frozen
class Snapshot:
    """The contents of a snapshot.

    Args:
        watches: Age and last status of each watch.
        learnt: The learnt state of each kind; see ``Hazard.state``.
    """

    watches: Mapping[Key, Kept]
    learnt: Mapping[WatchKind, list[float]]

    def plain(self) -> dict[str, object]:
        """Return plain data."""
        return {
            "version": _VERSION,
            "watches": [
                {
                    "kind": kind.value,
                    "order_uuid": order_uuid,
                    "age": round(kept.since, 3),
                    "status": None if kept.status is None else kept.status.value,
                }
                for (kind, order_uuid), kept in self.watches.items()
            ],
            "learnt": {kind.value: state for kind, state in self.learnt.items()},
        }


def read_snapshot(data: object) -> Snapshot:
    """Read plain data."""
    whole = _mapping(data)
    if whole.get("version") != _VERSION:
        raise ValueError(f"not a snapshot of version {_VERSION}")
    watches: dict[Key, Kept] = {}
    for each in _sequence(whole.get("watches")):
        row = _mapping(each)
        kind, order_uuid, status = WatchKind(str(row.get("kind"))), row.get("order_uuid"), row.get("status")
        if not isinstance(order_uuid, str) or not isinstance(status, str | None):
            raise ValueError("a snapshot's watch lacks its order")  # noqa: TRY004 - whatever is wrong with it
        if status is not None and not (len(status) <= _LONGEST_STATUS and status.isprintable()):
            raise ValueError("a snapshot's status is not valid")
        known = None if status is None else KINDS[kind].facts.statuses(status)
        if known is not None and known.is_final and kind in _ENDED_BY_A_STATUS:
            # No watch of a snapshot has ended: only the API may report an end.
            known = None
        age = _number(row.get("age"))
        if not 0 <= age <= LONGEST_AGE:
            raise ValueError("a snapshot's age is out of range")
        watches[kind, order_uuid] = Kept(age, known)
    learnt = {
        WatchKind(kind): [_number(number) for number in _sequence(state)]
        for kind, state in _mapping(whole.get("learnt")).items()
    }
    for state in learnt.values():
        check_state(state)
    return Snapshot(watches, learnt)


def _mapping(value: object) -> Mapping[str, object]:
    if not isinstance(value, dict):
        raise ValueError("not a snapshot")  # noqa: TRY004 - whatever is wrong with it
    return cast("dict[str, object]", value)


def _sequence(value: object) -> Iterable[object]:
    if not isinstance(value, list | tuple):
        raise ValueError("not a snapshot")  # noqa: TRY004 - whatever is wrong with it
    return cast("list[object]", value)


def _number(value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= _GREATEST:
        raise ValueError("a snapshot's number is not valid")
    return float(value)
