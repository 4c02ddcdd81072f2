"""A terminal order as one JSON object, read as those of a file are: all violations at once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, cast

from frontpay_async._protocol.build import build
from frontpay_async._protocol.operations import CREATE_TERMINAL_ORDER
from frontpay_async.errors import InvalidOrderError, Violation
from frontpay_async.order_files.assemble import assemble_group
from frontpay_async.order_files.columns import TERMINAL_FIELDS, field_path, words
from frontpay_async.order_files.jsonl_orders import JsonlFormat, ObjectReader, decode
from frontpay_async.order_files.violations import ViolationLog

if TYPE_CHECKING:
    from datetime import date

    from frontpay_async.models.terminals import TerminalOrder
    from frontpay_async.order_files.assemble import Draft


def read_terminal_order(
    text: str, *, terminal_uuid: str | None, today: date, strict_totals: bool = True
) -> TerminalOrder:
    """Read a terminal order: the fields of ``TerminalOrder`` under their Python names."""
    # Left out, `summary` is computed, `order_date` is today, `receipt_print` is true, and the order is sent
    # by e-mail where the customer has an address, else by text message.
    members = _parse(text)
    if terminal_uuid is not None:
        members["terminal_uuid"] = terminal_uuid
    log = ViolationLog()
    reader = ObjectReader(JsonlFormat(), 1, log, {})
    draft = cast("Draft", reader.read_fields(TERMINAL_FIELDS, members, ()))
    draft.setdefault("order_date", today)
    draft.setdefault("receipt_print", True)
    buyer = draft.get("customer")
    by_mail = isinstance(buyer, dict) and bool(cast("Draft", buyer).get("email"))
    draft.setdefault("send_order_by", {"sms": not by_mail, "email": by_mail})
    order, flaws = assemble_group(TERMINAL_FIELDS, draft)
    violations = [Violation(each.column or "the order", each.message) for each in log.kept]
    missing = {flaw.path for flaw in flaws}
    violations += [Violation(".".join(map(str, flaw.path)), flaw.message) for flaw in flaws]
    try:
        build(CREATE_TERMINAL_ORDER, value=order, strict_totals=strict_totals and not violations)
    except InvalidOrderError as error:
        for each in error.violations:
            path = field_path(each.path)
            # What stands in for a value that could not be read is not judged.
            is_read = not any(path[:length] in reader.unreadable for length in range(1, len(path) + 1))
            if path not in missing and is_read:
                violations.append(Violation(".".join(map(str, path)), words(each.message)))
    if violations:
        raise InvalidOrderError(violations, operation=CREATE_TERMINAL_ORDER.name)
    return cast("TerminalOrder", order)


def _parse(text: str) -> dict[str, object]:
    # Some editors begin a file with a mark.
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise _wrong("is empty")
    try:
        source: object = decode(text)
    except (ValueError, RecursionError) as error:
        at = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
    else:
        if isinstance(source, dict):
            return cast("dict[str, object]", source)
        raise _wrong("must be an object")
    # Raised out here, so that what was read is not in reach of the traceback.
    raise _wrong(f"is not JSON{at}")


def _wrong(why: str) -> InvalidOrderError:
    return InvalidOrderError([Violation("the order", why)], operation=CREATE_TERMINAL_ORDER.name)
