"""Building the request of an operation: validated, encoded, quoted. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from http import HTTPStatus
from typing import TYPE_CHECKING, cast
from urllib.parse import quote, urlencode

from frontpay_async._exact_json import merged, write_exact
from frontpay_async._protocol.codec import camel, members_of, picked
from frontpay_async._protocol.messages import HttpRequest
from frontpay_async._protocol.one_pass import UnusualBody, one_pass
from frontpay_async._protocol.operations import Operation
from frontpay_async._protocol.rules import check, check_totals
from frontpay_async.errors import InvalidOrderError, Violation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from datetime import datetime

    from frontpay_async._exact_json import JsonObject
    from frontpay_async._protocol.operations import DateFormat, Safety
    from frontpay_async._protocol.rules import Breach, Rules

# Ids look like ODR3506777330; characters that could leave the path segment are rejected.
_UUID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,127}", re.ASCII)
_RAW_NAME = "client.request"
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
# Segments that no server interprets as ".." or as another host, however it decodes them.
_SEGMENT = r"(?!\.+(?:/|\Z))[A-Za-z0-9_~.:@,-]+"
_RAW_PATH = re.compile(rf"{_SEGMENT}(?:/{_SEGMENT})*", re.ASCII)
_SLOT = re.compile(r"\{(\w+)\}")
_ORDERS = ("order_uuid", "reservation_uuid", "subscription_uuid")


def build_raw(
    method: str,
    path: str,
    *,
    safety: Safety,
    json: Mapping[str, object] | None = None,
    query: Mapping[str, str] | None = None,
) -> HttpRequest:
    """Build a caller-defined request."""
    violations: list[Violation] = []
    verb = str(method).upper()
    if verb not in _METHODS:
        violations.append(Violation("method", f"must be one of {', '.join(_METHODS)}"))
    # Callers need not use a type checker.
    given = cast("object", path)
    below = given.removeprefix("/") if isinstance(given, str) else ""
    if _RAW_PATH.fullmatch(below) is None:
        must = "must be a path below the base URL such as orders/status, without a query, an escape or dots"
        violations.append(Violation("path", must))
    content = _written("json", json, lambda body: write_exact(body).encode(), violations)
    asked = _written("query", query, _query, violations)
    if violations:
        raise InvalidOrderError(violations, operation=_RAW_NAME)
    row: Operation[object] = Operation(
        name=_RAW_NAME,
        method=verb,
        # Telemetry reports the row's path, because the request's path may identify an order or a customer.
        path="{raw_path}",
        success=HTTPStatus.OK,
        safety=safety,
        raw=True,
        message="",
        reference="",
    )
    return HttpRequest(row, verb, f"{below}?{asked.decode()}" if asked else below, content)


def _query(parameters: Mapping[str, object]) -> bytes:
    """Write a query; a parameter of None is left out."""
    given = {name: value for name, value in parameters.items() if value is not None}
    for name, value in given.items():
        if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
            raise TypeError(f"{name!r} must be text, not a {type(value).__name__}")
    return urlencode(given, quote_via=quote).encode()


def _written(
    name: str,
    value: Mapping[str, object] | None,
    write: Callable[[Mapping[str, object]], bytes],
    violations: list[Violation],
) -> bytes | None:
    if value is None:
        return None
    problem = f"must be a mapping, not {type(value).__name__}"
    # Callers need not use a type checker.
    if isinstance(value, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
        try:
            return write(value)
        except UnicodeEncodeError:
            problem = "must be valid Unicode text"
        except (TypeError, ValueError) as error:
            problem = str(error)
    violations.append(Violation(name, problem))
    return None


def build(
    operation: Operation[object],
    *,
    uuid: str | None = None,
    value: object = None,
    method: str | None = None,
    path: str | None = None,
    steps: tuple[str, ...] = (),
    query: Mapping[str, str] | None = None,
    date_format: DateFormat | None = None,
    strict_totals: bool = True,
    now: Callable[[], datetime] | None = None,
) -> HttpRequest:
    """Build the request for an operation."""
    violations: list[Violation] = []
    order_uuid: str | None = None
    asked: str | None = None
    path = path or operation.path
    slot = _SLOT.search(path) if "{" in path else None
    if slot is not None:
        if isinstance(uuid, str) and _UUID.fullmatch(uuid):
            path = path.replace(slot[0], quote(uuid, safe=""))
            asked = uuid
            order_uuid = uuid if slot[1] in _ORDERS else None
        else:
            violations.append(Violation(camel(slot[1]), "must be an id such as ODR3506777330"))
    if steps:
        path = "/".join((path, *(quote(step, safe="") for step in steps)))
    if query:
        path = f"{path}?{urlencode(query, quote_via=quote)}"
    content: bytes | None = None
    if operation.request is not None and operation.rules is not None:
        if not isinstance(value, operation.request):
            raise TypeError(
                f"{operation.name} takes a value of {operation.request.__name__}, not {type(value).__name__}"
            )
        written = _body(
            value, operation.rules, date_format or operation.date_format, now, strict_totals=strict_totals
        )
        if isinstance(written, list):
            violations += [Violation(breach.path, breach.demand) for breach in written]
        elif not violations:
            content = written
        # Deleted so that tracebacks do not contain it.
        del written
    if violations:
        raise InvalidOrderError(violations, operation=operation.name, order_uuid=order_uuid)
    return HttpRequest(operation, method or operation.method, path, content, order_uuid, asked)


def _breaks(rules: Sequence[Callable[[JsonObject], Iterator[Breach]]], figures: JsonObject) -> bool:
    for rule in rules:
        for _ in rule(figures):
            return True
    return False


def _body(
    value: object,
    rules: Rules,
    date_format: DateFormat | None,
    now: Callable[[], datetime] | None,
    *,
    strict_totals: bool,
) -> bytes | list[Breach]:
    """Write the body, or list the rules that it breaks."""
    members = members_of(value, date_format, now)
    extra: JsonObject | None = getattr(value, "extra", None)
    if not extra:
        try:
            text, figures = one_pass(rules)(members)
            if not _breaks(rules.across, figures) and not (strict_totals and _breaks(rules.totals, figures)):
                return text.encode()
        except (UnusualBody, ValueError):  # a lone surrogate, or a number that is not finite
            pass
    body = picked(rules, members)
    breaches = check(rules, body)
    if strict_totals:
        breaches += check_totals(rules, body)
    return breaches or write_exact(merged(body, extra) if extra else body).encode()
