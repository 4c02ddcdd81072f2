"""The decision of a reconcile round: which unresolved rows exist at the API. Pure.

*Model.* The matching is between unresolved rows and unmatched orders, with a ``Comparison`` for each pair. It
is a matching of multisets, because identical orders in one batch are legitimate: three identical rows and two
such orders mean that two rows were sent and one was not, whichever they are. An order that was first seen in
a list before a row was claimed does not belong to that row.

*Invariants*:
- A row is Absent only if every unmatched order is DIFFERENT from it or already matched by a row with the same
  fingerprint.
- Rows that look the same at the API but are different requests (they differ in an invisible field, such as a
  reference) are not interchangeable. Unless all of them are absent, they are Undecidable.
- If there are more orders than rows, another user of the token sends identical orders, and any of them may be
  ours: the rows are Undecidable.
- Rows in flight take part, so that their orders are not assigned to other rows; rows that depend on them are
  decided later.

*Limit*: an identical order of another user of the token, sent within the same minutes, is mistaken for a row
whose own order was not stored. The API shows no difference between them.

*Cost*: near-linear in rows and orders; only pairs that are not DIFFERENT are considered.
"""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, TypeAlias

from attrs import define, field, frozen

from frontpay_async._protocol.order_comparison import Comparison

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

LIKE_ANOTHER = "several unresolved orders differ only in what the API does not show"
TOO_MANY = "there are more such orders than were sent: another program sends identical orders"
UNCLEAR = "an order may be this one: its content is neither the same nor clearly different"
UNREADABLE = "an order may be this one: it cannot be read"
_MOST_NAMED = 25


@frozen
class Unresolved:
    """A row that takes part in the matching.

    Args:
        row: Its number in the journal.
        content: Its fingerprint; rows with the same fingerprint are interchangeable.
        listing: The last list before it was claimed; orders in this or an earlier list do not belong to it.
        in_flight: Whether its response may still arrive.
    """

    row: int
    content: bytes
    listing: int = 0
    in_flight: bool = False


@frozen
class Found:
    """The order was sent.

    Args:
        uuid: The order.
    """

    uuid: str


@frozen
class Absent:
    """The order does not exist."""


@frozen
class Later:
    """The decision depends on a request in flight."""


@frozen
class Undecidable:
    """The search cannot decide it.

    Args:
        reason: The reason, for people.
        candidates: Orders that may be this one, or the first of many.
    """

    reason: str
    candidates: tuple[str, ...]


Resolution: TypeAlias = Found | Absent | Later | Undecidable


@define
class _Group:
    """Contents and orders that are connected by SAME."""

    contents: list[bytes] = field(factory=list[bytes])
    uuids: list[str] = field(factory=list[str])


def match(
    unresolved: Sequence[Unresolved],
    candidates: Mapping[str, int],
    alike: Mapping[str, Mapping[bytes, Comparison] | None],
) -> Mapping[int, Resolution]:
    """Decide every row that is not in flight."""
    rows: defaultdict[bytes, list[Unresolved]] = defaultdict(list)
    for each in unresolved:
        rows[each.content].append(each)
    first = {content: min(each.listing for each in those) for content, those in rows.items()}
    same: dict[str, list[bytes]] = {}
    unclear: defaultdict[bytes, list[str]] = defaultdict(list)
    unread: list[str] = []
    for uuid, number in candidates.items():
        compared = alike[uuid]
        if compared is None:
            unread.append(uuid)
            continue
        possible = {content: it for content, it in compared.items() if number > first.get(content, number)}
        owners = [content for content, it in possible.items() if it is Comparison.SAME]
        if owners:
            same[uuid] = owners
        for content, it in possible.items():
            if it is Comparison.UNCLEAR and not owners:
                unclear[content].append(uuid)
    decided: dict[int, Resolution] = {}
    for group in _groups(same):
        decided |= _decide(group, rows, candidates)
    in_flight = [each for each in unresolved if each.in_flight]
    latest = max((candidates[uuid] for uuid in unread), default=0)
    for each in unresolved:
        if not each.in_flight and each.row not in decided:
            decided[each.row] = _leftover(
                each, unclear[each.content], unread, latest, candidates, in_flight, alike
            )
    return decided


def _leftover(  # noqa: PLR0917 - what is known of one row
    row: Unresolved,
    unclear: Sequence[str],
    unread: Sequence[str],
    latest: int,
    candidates: Mapping[str, int],
    in_flight: Sequence[Unresolved],
    alike: Mapping[str, Mapping[bytes, Comparison] | None],
) -> Resolution:
    """Decide a row without a SAME order."""
    its = [uuid for uuid in unclear if candidates[uuid] > row.listing]
    if not its and latest <= row.listing:
        return Absent()
    reason = UNCLEAR if its else UNREADABLE
    among = (its or [uuid for uuid in unread if candidates[uuid] > row.listing])[:_MOST_NAMED]
    may_be_in_flight = any(
        candidates[uuid] > other.listing and ((it := alike[uuid]) is None or other.content in it)
        for other in in_flight
        for uuid in among
    )
    return Later() if may_be_in_flight else Undecidable(reason, tuple(among))


def _groups(same: Mapping[str, Sequence[bytes]]) -> Iterator[_Group]:
    """Yield the connected components."""
    by_content: defaultdict[bytes, list[str]] = defaultdict(list)
    for uuid, contents in same.items():
        for content in contents:
            by_content[content].append(uuid)
    left = dict.fromkeys(same)
    reached_contents: set[bytes] = set()
    while left:
        group, reached = _Group(), [next(iter(left))]
        while reached:
            uuid = reached.pop()
            if uuid not in left:
                continue
            del left[uuid]
            group.uuids.append(uuid)
            for content in same[uuid]:
                if content not in reached_contents:
                    reached_contents.add(content)
                    group.contents.append(content)
                    reached += by_content[content]
        yield group


def _decide(
    group: _Group, rows: Mapping[bytes, Sequence[Unresolved]], candidates: Mapping[str, int]
) -> dict[int, Resolution]:
    """Decide the rows of a group; rows without a verdict have no order."""
    newest = max(candidates[uuid] for uuid in group.uuids)
    those = [each for content in group.contents for each in rows[content] if each.listing < newest]
    searched = [each for each in those if not each.in_flight]
    everything = tuple(sorted(group.uuids, key=lambda uuid: (candidates[uuid], uuid))[:_MOST_NAMED])
    if any(each.in_flight for each in those):
        return dict.fromkeys((each.row for each in searched), Later())
    if len({each.content for each in those}) > 1:
        return dict.fromkeys((each.row for each in searched), Undecidable(LIKE_ANOTHER, everything))
    found = _assign(searched, sorted(group.uuids, key=lambda uuid: (candidates[uuid], uuid)), candidates)
    if len(found) < len(group.uuids):
        return dict.fromkeys((each.row for each in searched), Undecidable(TOO_MANY, everything))
    return {row: Found(uuid) for row, uuid in found.items()}


def _assign(rows: Sequence[Unresolved], ordered: list[str], candidates: Mapping[str, int]) -> dict[int, str]:
    """Match as many orders to rows as possible."""
    # The orders that a row can own are the newest ones, from some number on. So the row with the fewest
    # candidates chooses first, and takes any of them.
    found: dict[int, str] = {}
    for each in sorted(rows, key=lambda row: row.listing, reverse=True):
        if ordered and candidates[ordered[-1]] > each.listing:
            found[each.row] = ordered.pop()
    return found
