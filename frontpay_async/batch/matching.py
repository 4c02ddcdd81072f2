"""Which rows in doubt stand at the API: the decision of a reconcile round. Pure.

Rows in doubt on one side, orders that nobody accounts for on the other, and for each pair whether they are
the same (``Comparison``). It is a matching of multisets, because identical orders in one batch are
legitimate: three doubtful rows of one content and two such orders mean two sent and one not, whichever is
which.

What keeps money safe:
- "Absent" is only said of a row where every order that nobody accounts for is clearly another one, or is
  accounted for by rows of its own content.
- Rows that the API shows alike, but that are not the same request (they differ in what it does not show, such
  as a reference), are not interchangeable. Unless all of them are absent, nobody can tell which is which:
  parked.
- More orders than rows: somebody else sends identical orders, and any of them may be ours. Parked.
- A row in flight takes part, so that its order is not given to another; what depends on it is decided later.

The limit: one identical order of somebody else, sent in the same minutes, is taken for a row whose own was
never stored. Nothing that the API tells could show the difference.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

from attrs import define, field, frozen

from frontpay_async._protocol.comparison import Comparison

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

LIKE_ANOTHER = "several orders in doubt differ only in what the API does not show"
TOO_MANY = "there are more orders like it than were sent: somebody else sends identical ones"
UNCLEAR = "an order may be this one: its content is neither the same nor clearly another"


@frozen
class Unresolved:
    """Name a row that takes part in the matching.

    Args:
        row: Its number in the journal.
        content: Its fingerprint: rows of one content are interchangeable.
        in_flight: Whether its answer may still come.
    """

    row: int
    content: bytes
    in_flight: bool = False


@frozen
class Found:
    """Say that the order was sent.

    Args:
        uuid: The order.
    """

    uuid: str


@frozen
class Absent:
    """Say that the order was not there."""


@frozen
class Later:
    """Say that it depends on a request that is in flight."""


@frozen
class Undecidable:
    """Say that nobody can tell by looking.

    Args:
        reason: Why, for people.
        candidates: The orders that may be this one.
    """

    reason: str
    candidates: tuple[str, ...]


Resolution: TypeAlias = Found | Absent | Later | Undecidable


@define
class _Group:
    """Rows and candidates that are connected by SAME."""

    rows: list[Unresolved] = field(factory=list[Unresolved])
    candidates: list[str] = field(factory=list[str])


def match(
    doubts: Sequence[Unresolved], candidates: Sequence[str], likeness: Callable[[int, str], Comparison]
) -> Mapping[int, Resolution]:
    """Decide every row that is not in flight.

    Args:
        doubts: The rows in doubt and those in flight.
        candidates: The orders that nobody accounts for, by uuid.
        likeness: How a row, by its number, and a candidate compare; DIFFERENT for an order that is older than
            the row's request.
    """
    table = {(each.row, uuid): likeness(each.row, uuid) for each in doubts for uuid in candidates}
    same = {pair for pair, verdict in table.items() if verdict is Comparison.SAME}
    decided: dict[int, Resolution] = {}
    for group in _groups(doubts, candidates, same):
        decided |= _decide(group, same)
    unclaimed = [uuid for uuid in candidates if not any((each.row, uuid) in same for each in doubts)]
    for each in doubts:
        if each.in_flight or each.row in decided:
            continue
        unclear = tuple(uuid for uuid in unclaimed if table[each.row, uuid] is Comparison.UNCLEAR)
        may_be_in_flight = any(
            other.in_flight and table[other.row, uuid] is not Comparison.DIFFERENT
            for other in doubts
            for uuid in unclear
        )
        if not unclear:
            decided[each.row] = Absent()
        elif may_be_in_flight:
            decided[each.row] = Later()
        else:
            decided[each.row] = Undecidable(UNCLEAR, unclear)
    return decided


def _decide(group: _Group, same: set[tuple[int, str]]) -> Iterable[tuple[int, Resolution]]:
    """Decide the rows of a group that has candidates; those that are left out have none of their own."""
    doubtful = [each.row for each in group.rows if not each.in_flight]
    if any(each.in_flight for each in group.rows):
        return [(row, Later()) for row in doubtful]
    everything = tuple(group.candidates)
    if len({each.content for each in group.rows}) > 1:
        return [(row, Undecidable(LIKE_ANOTHER, everything)) for row in doubtful]
    owners = _assign(doubtful, group.candidates, same)
    if len(owners) < len(group.candidates):
        return [(row, Undecidable(TOO_MANY, everything)) for row in doubtful]
    return [(row, Found(uuid)) for uuid, row in owners.items()]


def _groups(
    doubts: Sequence[Unresolved], candidates: Sequence[str], same: set[tuple[int, str]]
) -> Iterator[_Group]:
    """Yield the connected parts that have a candidate."""
    open_candidates = dict.fromkeys(candidates)
    by_candidate: dict[str, list[Unresolved]] = {uuid: [] for uuid in candidates}
    by_row: dict[int, list[str]] = {each.row: [] for each in doubts}
    for each in doubts:
        for uuid in candidates:
            if (each.row, uuid) in same:
                by_candidate[uuid].append(each)
                by_row[each.row].append(uuid)
    while open_candidates:
        group = _Group()
        reached = [next(iter(open_candidates))]
        rows: dict[int, Unresolved] = {}
        while reached:
            uuid = reached.pop()
            if uuid not in open_candidates:
                continue
            del open_candidates[uuid]
            group.candidates.append(uuid)
            for each in by_candidate[uuid]:
                if each.row not in rows:
                    rows[each.row] = each
                    reached += by_row[each.row]
        group.rows = list(rows.values())
        if group.rows:
            yield group


def _assign(rows: Sequence[int], candidates: Sequence[str], same: set[tuple[int, str]]) -> dict[str, int]:
    """Give as many candidates as possible a row of their own: augmenting paths."""
    owners: dict[str, int] = {}
    row_of: dict[int, str] = {}

    def claim(uuid: str, tried: set[int]) -> bool:
        fitting = [row for row in rows if (row, uuid) in same]
        # Free rows first: among interchangeable ones nothing ever has to be moved.
        for row in sorted(fitting, key=row_of.__contains__):
            if row in tried:
                continue
            tried.add(row)
            if row not in row_of or claim(row_of[row], tried):
                row_of[row], owners[uuid] = uuid, row
                return True
        return False

    for uuid in candidates:
        claim(uuid, set())
    return owners
