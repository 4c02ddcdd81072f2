"""Building an order from the values in a file, with all violations. Pure.

A draft is a tree of values by field name, each of the right type or ``UNREADABLE``. The order is built even
if values are missing or unreadable, with placeholders, so that the documented rules can check the rest and
all violations are reported at once. Violations of placeholders are omitted.
"""

from __future__ import annotations

import re
from datetime import date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, Final, TypeAlias, cast

from attrs import frozen

from frontpay_async._exact_json import read_exact
from frontpay_async._protocol.build import build
from frontpay_async._protocol.operations import ORDER_KINDS
from frontpay_async._protocol.to_dict import is_masked, with_numbers
from frontpay_async.errors import InvalidOrderError
from frontpay_async.models._fields import to_decimal, to_extra
from frontpay_async.models.common import OrderSummary
from frontpay_async.order_files.columns import ORDER_FIELDS, Form, Group, Leaf, field_path

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import tzinfo

    from frontpay_async.order_files.columns import Path
    from frontpay_async.order_files.items import BatchOrder

Draft: TypeAlias = "dict[str, object]"

UNREADABLE: Final = object()
"""The place of a value that could not be read; its violation has been reported."""

KIND_DEMAND = f"must be {', '.join(list(ORDER_KINDS)[:-1])} or {list(ORDER_KINDS)[-1]}"
NUMBER_DEMAND = "must be a plain number, such as {example}, with at most 30 digits before and after the point"
EXTRA_DEMAND = 'must be a JSON object, such as {"isCreditCheckAvailable": false}'
DATE_DEMAND = (
    "must be a date such as 2026-11-30, or a time with its zone such as 2026-11-30T09:00:00+01:00"
    " (a time without one needs the zone argument)"
)

_PLACEHOLDERS: Mapping[Form, object] = {
    Form.TEXT: "",
    Form.NUMBER: Decimal(0),
    Form.WHOLE: 0,
    Form.BOOLEAN: False,
    Form.DATE: date(2000, 1, 1),
    Form.JSON: {},
}
_MASKED = "is masked: write the value with to_dict(personal_data=True)"
_DATE = re.compile(
    r"\d{4}-\d{2}-\d{2}(?:[T ]\d{2}:\d{2}(?::\d{2}(?:\.\d{1,6})?)?(?:Z|[+-]\d{2}:?\d{2})?)?", re.ASCII
)


Judge: TypeAlias = "Callable[[str, BatchOrder, bool], list[Flaw]]"
"""Lists the violated rules of an order; the last argument is ``strict_totals``."""


@frozen
class Flaw:
    """One violation of an order, by the path of its field.

    Args:
        path: The names that lead to the field, with the row's number after ``products``.
        message: The requirement, which may contain the wire paths of other fields.
    """

    path: Path
    message: str


def read_number(text: str | Decimal | int) -> Decimal | None:
    """Read an exact number; None if there is none, or one of more than 30 digits on a side."""
    try:
        return to_decimal(text)
    except ValueError:
        # The original message quotes the text.
        return None


def read_date(text: str, zone: tzinfo | None) -> date | None:
    """Read a date, or a time with a zone; None if there is none."""
    if _DATE.fullmatch(text) is None:
        return None
    try:
        if len(text) == len("2026-11-30"):
            return date.fromisoformat(text)
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.utcoffset() is None:
        return None if zone is None else moment.replace(tzinfo=zone)
    return moment


def restore_zip(draft: Draft) -> bool:
    """Restore the leading zeros of a Norwegian postal code; return whether there were any."""
    customer = draft.get("customer")
    address = cast("Draft", customer).get("address") if isinstance(customer, dict) else None
    members = cast("Draft", address) if isinstance(address, dict) else {}
    code = members.get("zip")
    if members.get("country") != "NO" or not isinstance(code, str) or not _SHORT_ZIP.fullmatch(code):
        return False
    members["zip"] = code.zfill(4)
    return True


ZIP_WARNING = "has fewer than four digits: leading zeros were added"
_SHORT_ZIP = re.compile(r"\d{1,3}", re.ASCII)


def read_extra(value: object) -> Mapping[str, object] | None:
    """Return the members that are merged into a body; None if they are not an object of JSON."""
    try:
        members: object = read_exact(value) if isinstance(value, str) else value
        return (
            to_extra(cast("Any", with_numbers(cast("object", members))))
            if isinstance(members, dict)
            else None
        )
    except ValueError:
        # The original message may quote the text.
        return None


def assemble(kind: str, draft: Draft) -> tuple[BatchOrder, list[Flaw]]:
    """Build an order; also return the missing fields that are required to build it."""
    order, flaws = assemble_group(ORDER_FIELDS[kind], draft)
    return cast("BatchOrder", order), flaws


def assemble_group(group: Group, draft: Draft) -> tuple[object, list[Flaw]]:
    """Build a value of a group's class; see ``assemble``."""
    flaws: list[Flaw] = []
    return _make(group, draft, (), flaws), flaws


def _make(group: Group, values: Draft, path: Path, flaws: list[Flaw]) -> object:
    given: dict[str, Any] = {}
    for name, member in group.fields.items():
        value = values.get(name)
        if type(member) is Leaf:
            if value is None:
                if member.is_required:
                    given[name] = _missing(member, (*path, name), flaws)
                elif member.default is not None:
                    given[name] = member.default
            elif value is UNREADABLE or (member.is_masked and _tell_masked(value, (*path, name), flaws)):
                given[name] = _PLACEHOLDERS[member.form]
            else:
                given[name] = value
            continue
        nested, place = cast("Group", member), (*path, name)
        if nested.is_rows:
            rows = cast("list[Draft]", value if isinstance(value, list) else [])
            given[name] = [_make(nested, row, (*place, index), flaws) for index, row in enumerate(rows)]
        elif nested.cls is OrderSummary and value is None:
            given[name] = _summary(given, place, flaws)
        elif isinstance(value, dict) or nested.is_required:
            given[name] = _make(nested, cast("Draft", value if isinstance(value, dict) else {}), place, flaws)
    return group.cls(**given)


def _tell_masked(value: object, place: Path, flaws: list[Flaw]) -> bool:
    if not is_masked(value):
        return False
    flaws.append(Flaw(place, _MASKED))
    return True


def _missing(member: Leaf, place: Path, flaws: list[Flaw]) -> object:
    # Models accept an empty string for missing text, which the rules then report.
    if member.form is Form.TEXT:
        return None
    flaws.append(Flaw(place, "is required"))
    return _PLACEHOLDERS[member.form]


def _summary(given: Mapping[str, Any], place: Path, flaws: list[Flaw]) -> OrderSummary:
    try:
        return OrderSummary.of(given["products"])
    except ValueError:
        flaws.append(Flaw(place, "cannot be computed from a product whose tax is -100 or less"))
        return OrderSummary(sub_total=0, total_tax=0, total_discount=0, grand_total=0)


def broken_rules(kind: str, order: BatchOrder, strict_totals: bool) -> list[Flaw]:  # noqa: FBT001 - a callback
    """List the documented rules that an order violates, as ``client.orders`` does before it sends."""
    try:
        build(ORDER_KINDS[kind].operation, value=order, strict_totals=strict_totals)
    except InvalidOrderError as error:
        return [Flaw(field_path(violation.path), violation.message) for violation in error.violations]
    return []
