"""Whether the API shows each order with its own content. Pure.

*Model.* A faulty cache may answer a request for details with the content of another order, under the id that
was requested. A row's order then looks like another customer's, and the row looks absent. Therefore confirmed
orders, called samples, are read together with the candidates. The content of those that this runner sent is
known; of the others only their fingerprint is.

*Invariant.* The details are mixed up, and prove nothing, if

- an order is not shown with the same content twice;
- a sample is clearly another customer's order than the one that was sent;
- a sample of unknown content is the same as an unresolved row with another fingerprint, is clearly different
  from one with its own, or has the content of a sample with another fingerprint;
- a row has no order that is the same, and an order that belongs to no unresolved row has the content of a
  confirmed order; or, without a sample of known content, more orders than rows have the content of a row (or,
  without any sample, the content of nothing that is known).

*Limit*: details that are wrong for some orders only, and for no sample, are noticed only if they are the
content of an order that is known here. Orders that are permanently shown in each other's place are not
noticed if no order of known content was confirmed: each row is then done under the id of another. Nothing
can be compared with the first order of an account.
"""

from __future__ import annotations

from collections import Counter, deque
from itertools import combinations
from typing import TYPE_CHECKING

from attrs import define, field, frozen

from frontpay_async._protocol.order_comparison import Comparison, compare, identity_of_order

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from frontpay_async._protocol.order_comparison import OrderIdentity, SentOrders
    from frontpay_async.order_files.items import BatchOrder

SAMPLES = 2
# Orders that are kept in memory to be read as samples.
_RECENT = 8


@frozen
class Sample:
    """A confirmed order that is read to check the details.

    Args:
        uuid: Its id.
        content: Its fingerprint; None if ``sent`` is known.
        sent: Its traits; None if another process sent it.
    """

    uuid: str
    content: bytes | None = None
    sent: OrderIdentity | None = field(default=None, repr=False)


@define(eq=False)
class RecentOrders:
    """The last orders that this runner sent and that were confirmed by their responses."""

    _orders: deque[tuple[str, BatchOrder]] = field(
        init=False, factory=lambda: deque[tuple[str, "BatchOrder"]](maxlen=_RECENT), repr=False
    )

    def add(self, uuid: str, order: BatchOrder) -> None:
        """Add a confirmed order."""
        self._orders.append((uuid, order))

    def samples(self) -> list[Sample]:
        """Return all of them."""
        return [Sample(uuid, sent=identity_of_order(order)) for uuid, order in self._orders]


def choose(known: Sequence[Sample], chance: Callable[[], float]) -> list[Sample]:
    """Choose samples by chance, of different customers if there are any."""
    left = sorted(known, key=lambda _: chance())
    chosen: list[Sample] = []
    while left and len(chosen) < SAMPLES:
        other = next((each for each in left if all(_is_another(each, one) for one in chosen)), left[0])
        left.remove(other)
        chosen.append(other)
    return chosen


def _is_another(one: Sample, other: Sample) -> bool:
    if one.sent is None or other.sent is None:
        return one.content != other.content
    return compare(one.sent, other.sent) is Comparison.DIFFERENT


def are_mixed_up(
    samples: Sequence[tuple[Sample, OrderIdentity]],
    recent: Sequence[Sample],
    shown: Mapping[str, OrderIdentity],
    sent: SentOrders[bytes],
    rows: Counter[bytes],
) -> bool:
    """Whether the details show other orders than those that were requested."""
    # ``recent`` are known whether they were read or not; ``rows`` are the unresolved rows of each content.
    if any(_is_wrong(sample, seen, sent) for sample, seen in samples) or _are_one(samples):
        return True
    told = [(seen, _owners(seen, sent, rows)) for seen in shown.values() if _has_customer(seen)]
    if rows.keys() <= {key for _, owners in told for key in owners}:
        # Each row may have its order, so none can look absent.
        return False
    confirmed = [seen for _, seen in samples]
    for seen, owners in told:
        if not owners and (seen in confirmed or any(_is_content(each, seen) for each in recent)):
            return True
    if any(sample.sent is not None for sample, _ in samples):
        return False
    copies = Counter(seen for seen, _ in told)
    # Where samples show other contents, copies without an owner are equal orders of another program.
    return any(
        copies[seen] > max(1, sum(rows[key] for key in owners))
        for seen, owners in told
        if owners or not samples
    )


def _are_one(samples: Sequence[tuple[Sample, OrderIdentity]]) -> bool:
    """Whether samples with different fingerprints have one content."""
    unknown = [
        (sample.content, seen) for sample, seen in samples if sample.sent is None and _has_customer(seen)
    ]
    return any(one[1] == other[1] and one[0] != other[0] for one, other in combinations(unknown, 2))


def _owners(seen: OrderIdentity, sent: SentOrders[bytes], rows: Counter[bytes]) -> list[bytes]:
    """Return the unresolved rows that an order is the same as."""
    return [key for key, it in sent.compare(seen).items() if it is Comparison.SAME and rows[key]]


def _is_content(sample: Sample, seen: OrderIdentity) -> bool:
    return sample.sent is not None and compare(sample.sent, seen) is Comparison.SAME


def _is_wrong(sample: Sample, seen: OrderIdentity, sent: SentOrders[bytes]) -> bool:
    if sample.sent is not None:
        return compare(sample.sent, seen) is Comparison.DIFFERENT
    if not _has_customer(seen):
        return False
    found = sent.compare(seen)
    if sample.content is not None and sample.content in sent and sample.content not in found:
        return True
    return any(it is Comparison.SAME and key != sample.content for key, it in found.items())


def _has_customer(seen: OrderIdentity) -> bool:
    """Whether an order shows whose it is."""
    return bool(seen.name or seen.identifiers)
