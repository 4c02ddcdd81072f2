"""The values of a callback that its checksum verifies. Pure.

*Model.* A checksum is SHA-256 over a text and the secret. The text consists of parameter values without names
and separators. With one genuine query, an attacker could move characters from one value to its neighbour, or
exchange names, and keep the checksum. A *reading* is one way to divide the text into values of the documented
forms, in a documented sequence or in the sequence received.

*Sequences.* The vendor's example URL and the vendor's table of parameters differ, and there are two older
formulas: ``EXAMPLE``, ``TABLE``, ``WITHOUT_METHOD`` and ``SHORTEST``. The newest formula covers every
parameter of the query in the sequence received, including the merchant's own. The older ones cover fixed
parameters in a fixed sequence, whatever else is in the query.

*Ranking.* Readings are ranked by known properties of the API, the most certain first: times are between 2015
and 2100, and an order is created before its callback; the status is a listed one, which separates status and
payment method; an id ends in digits; the payment method is a listed word, which separates payment method and
amount.

*Guarantee.* A value is verified if all readings of the same rank as the received one agree on it. A callback
is accepted only if its order id is verified and, unless the status is unlisted, its status as well. A
callback in an undocumented sequence is accepted only if no reading in a documented sequence contradicts it.

*Unreadable amount.* If the received amount is not a number, such as ``1 234,50``, the amount may be any text
in each reading, and it is not verified. If a reading of a higher rank has a number, the text is ambiguous.

*Limit.* "Visa4" and 5.00 would be read as "Visa" and 45.00 if the API had a payment method "Visa4". The
amount after an unlisted method is never verified.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import takewhile
from typing import TypeAlias

from attrs import define, field, frozen

EXAMPLE = ("orderUuid", "status", "paymentMethod", "amount", "createdAt", "timestamp")
"""The sequence of the vendor's example URL, in all its revisions."""
TABLE = ("orderUuid", "status", "createdAt", "paymentMethod", "amount", "timestamp")
"""The sequence of the vendor's table of parameters."""
WITHOUT_METHOD = ("orderUuid", "status", "createdAt", "amount", "timestamp")
"""The parameters of an older formula."""
SHORTEST = ("orderUuid", "status", "createdAt")
"""The parameters of the oldest formula."""
CHECKSUM = "checksum"
DOCUMENTED = (*TABLE, CHECKSUM, "type", "totalAmount", "baseAmount", "vatAmount", "currency")

# Statuses of orders, reservations and subscriptions, documented or observed; case-insensitive.
STATUSES = (
    "SENT", "PAID", "CANCELLED", "EXPIRED", "INVOICED", "REFUNDED", "PARTIAL REFUNDED", "PURRING", "INKASSO",
    "RESERVED", "RESERVED NOT PAID", "CAPTURED", "CHARGED", "COMPLETED", "ONGOING", "SUCCESS", "SUCCESSFUL",
    "REFUND PENDING", "REMINDER", "REMINDER SENT", "DEBT COLLECTION", "DEBTCOLLECTION", "OVER PAYMENT",
    "CREDITED", "CONVERTED TO ACCOUNT", "PENDING", "FAILED",
)  # fmt: skip

PAYMENT_METHODS = frozenset({
    "visa", "mastercard", "vipps", "invoice", "card", "mobilepay", "amex", "american express", "maestro",
    "dankort", "bankaxept", "swish", "apple pay", "google pay", "faktura", "efaktura", "ehf",
})  # fmt: skip
"""Payment methods in lower case: observed ones, and brands whose names do not continue with a digit."""

PATTERNS: Mapping[str, re.Pattern[str]] = {
    "orderUuid": re.compile("(?:ODR|RES|SUB|CAP|CHA|COMCHK)(?=[A-Za-z]*[0-9])[0-9A-Za-z]{1,30}"),
    "status": re.compile("[A-Za-z][A-Za-z _-]{0,39}"),
    "createdAt": re.compile("[1-9][0-9]{9}"),
    "paymentMethod": re.compile(r"[^\x00-\x1f\x7f]{0,60}"),
    "amount": re.compile(r"-?(?:0|[1-9][0-9]{0,29})(?:\.[0-9]{1,30})?"),
    "timestamp": re.compile("[1-9][0-9]{9}"),
}
"""The form of each value."""
UNREADABLE_AMOUNT = re.compile(r"[^\x00-\x1f\x7f]{0,62}")
"""The form of an amount that is not a number, such as ``1 234,50`` or an empty one."""
_FORMS_IF_UNREADABLE = {**PATTERNS, "amount": UNREADABLE_AMOUNT}

# A longer status with the same beginning does not match: "RESERVED" does not match in "RESERVED NOT PAID".
_LISTED = re.compile(
    f"(?:{'|'.join(each.replace(' ', '[ _]') for each in sorted(STATUSES, key=len, reverse=True))})(?![ _-])",
    re.IGNORECASE,
)
_HEX = re.compile("[0-9a-f]{64}")
_ID_START = re.compile("ODR|RES|SUB|CAP|CHA|COMCHK")
_DIGITS_LAST = re.compile("[A-Z]+[0-9]+")
# A callback is sent after its order was created; clocks of servers may differ.
_SKEW = 60
_EARLIEST, _LATEST = 1_420_070_400, 4_102_444_800  # 2015 and 2100
# More than any text of the API needs; a text that needs more counts as ambiguous.
_MOST_STEPS = 20_000

_Sequence: TypeAlias = tuple[str | None, ...]
"""The names of values; None for the merchant's own values, of any length."""
_DOCUMENTED_SEQUENCES: frozenset[_Sequence] = frozenset({
    EXAMPLE, (None, *EXAMPLE), TABLE, (None, *TABLE), WITHOUT_METHOD, SHORTEST,
})  # fmt: skip


@frozen
class Verdict:
    """The result of checking a checksum.

    Args:
        formula: The names that it covers; empty if it was not made with the secret.
        signed: The names of the verified values; empty if the text is ambiguous.
        is_older: Whether it was made with an older formula that is not accepted.
    """

    formula: tuple[str, ...] = ()
    signed: frozenset[str] = frozenset()
    is_older: bool = False


def check_checksum(
    fields: Mapping[str, str],
    key: bytes,
    *,
    or_older: bool,
    payment_methods: frozenset[str] = PAYMENT_METHODS,
) -> Verdict:
    """Check a callback's checksum; return the formula and the verified values."""
    given = fields.get(CHECKSUM, "")
    if _HEX.fullmatch(given) is None:
        return Verdict()
    # The newest formula covers the whole query, so omitted parameters are not part of it.
    if fields.keys() >= (set(SHORTEST) if or_older else set(TABLE)):
        for covered in _coverings(fields):
            if _is_hash(given, covered, key):
                formula = tuple(name for name, _ in covered if name is not None)
                return Verdict(formula, _vouched_for(covered, payment_methods))
    for formula in (WITHOUT_METHOD, SHORTEST):
        if fields.keys() >= set(formula):
            covered = [(name, fields[name]) for name in formula]
            if _is_hash(given, covered, key):
                return (
                    Verdict(formula, _vouched_for(covered, payment_methods))
                    if or_older
                    else Verdict(is_older=True)
                )
    return Verdict()


_Values: TypeAlias = Sequence[tuple[str | None, str]]


def _coverings(fields: Mapping[str, str]) -> Iterator[_Values]:
    """Yield the possible hashed texts: all values, the documented ones, or these after the merchant's own."""
    everything = [
        (name if name in TABLE else None, value) for name, value in fields.items() if name != CHECKSUM
    ]
    known = [pair for pair in everything if pair[0] is not None]
    in_front = [(None, fields[name]) for name in takewhile(lambda name: name not in DOCUMENTED, fields)]
    yield from (everything, known, [*in_front, *known])


def _is_hash(given: str, covered: _Values, key: bytes) -> bool:
    text = "".join(value for _, value in covered)
    return hmac.compare_digest(hashlib.sha256(text.encode() + key).hexdigest(), given)


def _vouched_for(covered: _Values, payment_methods: frozenset[str]) -> frozenset[str]:
    """Return the names on whose values all readings agree; empty if too few."""
    text = "".join(value for _, value in covered)
    received = {name: value for name, value in covered if name is not None}
    rank = _rank(received, payment_methods)
    # Adjacent own values of the merchant count as one text; empty ones are skipped.
    kept = [name for name, value in covered if name is not None or value]
    sequence = tuple(
        name for name, before in zip(kept, ["", *kept], strict=False) if name or before is not None
    )
    is_documented = sequence in _DOCUMENTED_SEQUENCES
    agreed = set(received)
    is_listed = rank[1]
    is_readable = _has_readable_amount(received)
    forms = PATTERNS if is_readable else _FORMS_IF_UNREADABLE
    if not (is_readable and rank[3]):
        # After an unlisted method, the beginning of the amount may belong to the method.
        agreed.discard("amount")
    try:
        for its_sequence, values in _readings(text, sequence, forms, only_listed=rank[:2] == (True, True)):
            its_rank = _rank(values, payment_methods)
            if its_rank < rank:
                continue
            differs = {name for name in received if values.get(name, received[name]) != received[name]}
            if its_rank > rank and not is_readable and _has_readable_amount(values):
                # More likely, the amount was divided from its neighbour afterwards.
                return frozenset()
            if differs and not is_documented and its_sequence in _DOCUMENTED_SEQUENCES:
                return frozenset()
            agreed -= differs
            is_listed |= its_rank[1]
    except _TooManyStepsError:
        return frozenset()
    if "orderUuid" not in agreed or ("status" not in agreed and is_listed):
        return frozenset()
    return frozenset(agreed)


def _has_readable_amount(values: Mapping[str, str]) -> bool:
    return "amount" not in values or PATTERNS["amount"].fullmatch(values["amount"]) is not None


def _rank(values: Mapping[str, str], payment_methods: frozenset[str]) -> tuple[bool, bool, bool, bool]:
    created = int(values["createdAt"])
    made = int(values.get("timestamp", _LATEST))
    return (
        _EARLIEST <= created <= made + _SKEW and made <= _LATEST,
        _LISTED.fullmatch(values["status"]) is not None,
        _DIGITS_LAST.fullmatch(values["orderUuid"]) is not None,
        "paymentMethod" not in values or values["paymentMethod"].casefold() in payment_methods,
    )


class _TooManyStepsError(Exception):
    """An exception for a text with too many readings."""


@define(eq=False)
class _Reader:
    """The readings of a text in one sequence.

    Args:
        text: The text.
        names: The sequence.
        forms: The form of each value.
        only_listed: Whether to skip unlisted statuses.
    """

    text: str
    names: _Sequence
    forms: Mapping[str, re.Pattern[str]]
    only_listed: bool
    steps: int = 0
    # By position and start: the possible ends of the value, such that the rest of the text has a reading.
    _ends: dict[tuple[int, int], list[int]] = field(factory=dict[tuple[int, int], list[int]])

    def readings(self, place: int = 0, start: int = 0) -> Iterator[dict[str, str]]:
        """Yield the values of each reading of the text from ``start``."""
        self._step()
        if place == len(self.names):
            yield {}
            return
        name = self.names[place]
        for end in self._good_ends(place, start):
            for others in self.readings(place + 1, end):
                yield others if name is None else {name: self.text[start:end], **others}

    def _good_ends(self, place: int, start: int) -> list[int]:
        if place == len(self.names):
            return [start] if start == len(self.text) else []
        if (place, start) not in self._ends:
            found: list[int] = []
            for end in self._all_ends(place, start):
                self._step()
                if self._good_ends(place + 1, end):
                    found.append(end)
            self._ends[place, start] = found
        return self._ends[place, start]

    def _all_ends(self, place: int, start: int) -> Iterable[int]:
        name = self.names[place]
        if name is None:
            return self._ends_of_own(place, start)
        pattern = _LISTED if name == "status" and self.only_listed else self.forms[name]
        longest = pattern.match(self.text, start)
        if longest is None:
            return ()
        if pattern is _LISTED or name in ("createdAt", "timestamp"):
            return (longest.end(),)
        ends = range(start, longest.end() + 1)
        return (end for end in ends if pattern.fullmatch(self.text, start, end))

    def _ends_of_own(self, place: int, start: int) -> Iterable[int]:
        if place == len(self.names) - 1:
            return (len(self.text),)
        if self.names[place + 1] == "orderUuid":
            return (match.start() for match in _ID_START.finditer(self.text, start))
        return range(start, len(self.text) + 1)

    def _step(self) -> None:
        self.steps += 1
        if self.steps > _MOST_STEPS:
            raise _TooManyStepsError


def _readings(
    text: str, sequence: _Sequence, forms: Mapping[str, re.Pattern[str]], *, only_listed: bool
) -> Iterator[tuple[_Sequence, dict[str, str]]]:
    """Yield the readings of a text, in the documented sequences and in the received one."""
    for names in dict.fromkeys([(None, *EXAMPLE), (None, *TABLE), sequence]):
        for values in _Reader(text, names, forms, only_listed).readings():
            yield names, values
