"""Reading the request of one operation from a JSON object, with all violations at once."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, cast

from frontpay_async._protocol.build import build
from frontpay_async._protocol.operations import CREATE_TERMINAL_ORDER
from frontpay_async.errors import InvalidOrderError, Violation
from frontpay_async.order_files.assemble import assemble_group
from frontpay_async.order_files.columns import Form, Leaf, field_path, fields_of, words
from frontpay_async.order_files.jsonl_orders import JsonlFormat, ObjectReader, decode
from frontpay_async.order_files.violations import ViolationLog

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date

    from frontpay_async._protocol.operations import Operation
    from frontpay_async.models.terminals import TerminalOrder
    from frontpay_async.order_files.assemble import Draft
    from frontpay_async.order_files.columns import Group


def read_terminal_order(
    text: str, *, terminal_uuid: str | None, today: date, strict_totals: bool = True
) -> TerminalOrder:
    """Read a terminal order, like ``read_object``; ``receipt_print`` defaults to true."""
    members = {} if terminal_uuid is None else {"terminal_uuid": terminal_uuid}
    order = read_object(
        CREATE_TERMINAL_ORDER,
        text,
        today=today,
        members=members,
        defaults={"receipt_print": True},
        strict_totals=strict_totals,
    )
    return cast("TerminalOrder", order)


def read_object(
    operation: Operation[Any],
    text: str,
    *,
    today: date,
    uuid: str | None = None,
    members: Mapping[str, object] | None = None,
    defaults: Mapping[str, object] | None = None,
    strict_totals: bool = True,
) -> object:
    """Read the request of an operation: the fields of its model under their Python names."""
    # Defaults: `summary` is computed, `order_date` is today, and orders are sent by e-mail if the customer
    # has an address, otherwise by text message.
    fields = fields_of(operation)
    source = _parse(operation, text)
    source.update(members or {})
    log = ViolationLog()
    reader = ObjectReader(JsonlFormat(), 1, log, {})
    draft = cast("Draft", reader.read_fields(fields, source, ()))
    for name, value in {**_defaults(fields, draft, today), **(defaults or {})}.items():
        draft.setdefault(name, value)
    violations = [Violation(each.column or "the input", each.message) for each in log.kept]
    missing: set[object] = set()
    order: object = None
    try:
        order, flaws = assemble_group(fields, draft)
        missing = {flaw.path for flaw in flaws}
        violations += [Violation(".".join(map(str, flaw.path)), flaw.message) for flaw in flaws]
        build(operation, uuid=uuid, value=order, strict_totals=strict_totals and not violations)
    except InvalidOrderError as error:
        for each in error.violations:
            path = field_path(each.path)
            # Placeholders of unreadable values are not checked.
            is_read = not any(path[:length] in reader.unreadable for length in range(1, len(path) + 1))
            if path not in missing and is_read:
                violations.append(Violation(".".join(map(str, path)), words(each.message)))
    if violations:
        raise InvalidOrderError(violations, operation=operation.name)
    return order


def _defaults(fields: Group, draft: Draft, today: date) -> Draft:
    found: Draft = {}
    order_date, sending = fields.fields.get("order_date"), fields.fields.get("send_order_by")
    if isinstance(order_date, Leaf) and order_date.form is Form.DATE:
        found["order_date"] = today
    if sending is not None and sending.is_required:
        customer = draft.get("customer")
        by_mail = isinstance(customer, dict) and bool(cast("Draft", customer).get("email"))
        found["send_order_by"] = {"sms": not by_mail, "email": by_mail}
    return found


def _parse(operation: Operation[Any], text: str) -> dict[str, object]:
    # Some editors write a byte order mark.
    text = text.removeprefix("\ufeff")
    if not text.strip():
        raise _wrong(operation, "is empty")
    try:
        source: object = decode(text)
    except (ValueError, RecursionError) as error:
        at = f" (line {error.lineno})" if isinstance(error, json.JSONDecodeError) else ""
    else:
        if isinstance(source, dict):
            return cast("dict[str, object]", source)
        raise _wrong(operation, "must be an object")
    # Raised here, so that the traceback does not contain the data.
    raise _wrong(operation, f"is not JSON{at}")


def _wrong(operation: Operation[Any], why: str) -> InvalidOrderError:
    return InvalidOrderError([Violation("the input", why)], operation=operation.name)
