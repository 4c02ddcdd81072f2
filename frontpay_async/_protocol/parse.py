"""Parsing a response into a value or an error. Pure.

Two steps, because retrying needs only the first: ``problem`` decides whether the response is a success,
``result`` reads its value.
When a 2xx counts as a success is decided in ``success``.
"""

from __future__ import annotations

from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar, cast

from attrs import define

from frontpay_async import errors
from frontpay_async._protocol.codec import wire_names
from frontpay_async._protocol.decode import UnreadableError, decode
from frontpay_async._protocol.error_codes import named_error
from frontpay_async._protocol.operations import Safety
from frontpay_async._protocol.redact import redact
from frontpay_async._protocol.retry_after import retry_after
from frontpay_async._protocol.success import (
    NOT_OURS,
    STATUS_KEYS,
    STATUSES,
    SUCCESSES,
    count_of,
    has_more_rows,
    own_id,
    problem_of_success,
    status_text,
    text_of,
)
from frontpay_async.errors import Outcome
from frontpay_async.models.listing import Listing
from frontpay_async.models.pages import Page
from frontpay_async.models.raw import RawResponse

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from frontpay_async._exact_json import Json, JsonObject
    from frontpay_async._protocol.messages import HttpResponse
    from frontpay_async._protocol.operations import Operation

T = TypeVar("T")

CUT_OFF = frozenset({408, 499})
"""A proxy's statuses for an interrupted request, which do not show how far it had come."""
_NO_ORDER_CODE = "orderNotFound"
# Statuses whose meaning no code changes.
_SETTLED = frozenset({401, 403, 408, 429, 499})
# The reference's errors are nested three deep; deeper values are masked as a whole.
_DEEPEST = 16
_MOST_ERRORS = 500
_LONGEST_TEXT = 4000
_LONGEST_ID = 200
# Server errors that state that nothing was done.
_REFUSALS = frozenset({errors.TerminalBusyError, errors.CreditCheckRejectedError})
_BY_STATUS: Mapping[int, type[errors.APIError]] = MappingProxyType(
    {
        400: errors.BusinessRuleError,
        401: errors.AuthenticationError,
        403: errors.PermissionDeniedError,
        404: errors.NotFoundError,
        417: errors.RequestRejectedError,
        422: errors.RequestRejectedError,
        429: errors.RateLimitedError,
    }
)
_NEXT_STEP: Mapping[int, str] = MappingProxyType(
    {
        401: "Check the token and that it belongs to this environment",
        403: "Ask Front Payment what this token may do",
        404: "Check the id and the environment",
        417: "Correct the order and send it again",
        422: "Correct the order and send it again",
        429: "Wait until the window has passed",
    }
)


def problem(
    operation: Operation[object],
    response: HttpResponse,
    order_uuid: str | None,
    sent: Callable[[], Collection[str]] = tuple,
    asked: str | None = None,
) -> errors.FrontPayError | None:
    """Return the error in a response, or None for a success."""
    problem = _problem(operation, response, asked or order_uuid)
    if problem is None:
        return None
    cls, why = problem
    if cls is errors.OutcomeUnknownError:
        return _unusable(operation, response, order_uuid, why, sent())
    return _error(cast("type[errors.APIError]", cls), operation, response, order_uuid, sent())


def _problem(
    operation: Operation[object], response: HttpResponse, asked: str | None
) -> tuple[type[errors.FrontPayError], str] | None:
    """Return the class of the error in a response, and why the response cannot be used."""
    status = response.status
    if status not in STATUSES:
        return NOT_OURS
    if status in SUCCESSES:
        return problem_of_success(operation, response, asked)
    if operation.empty_when_not_found and _says_no_order(response):
        return None
    if status < HTTPStatus.BAD_REQUEST:
        return NOT_OURS
    return _error_class(status, errors.folded(text_of(response.envelope().get("message")))), ""


def _error(
    cls: type[errors.APIError],
    operation: Operation[object],
    response: HttpResponse,
    order_uuid: str | None,
    sent: Collection[str],
) -> errors.APIError:
    status, envelope = response.status, response.envelope()
    request_id = response.headers.get("x-request-id")
    said = text_of(envelope.get("message"))
    if errors.folded(said) in {each.casefold() for each in operation.refusals}:
        cls = errors.CreditCheckRejectedError
    failed = (
        status >= HTTPStatus.INTERNAL_SERVER_ERROR or status in CUT_OFF or issubclass(cls, errors.ServerError)
    )
    outcome = Outcome.REJECTED
    if failed and cls not in _REFUSALS and operation.safety is not Safety.READ:
        outcome = Outcome.UNKNOWN
    said = redact(said, sent) if said else None
    found = _Redaction(sent).of(envelope.get("errors"))
    return cls(
        _explain(operation, cls, status=status, said=said, found=found, outcome=outcome),
        status=status,
        message=said,
        errors=found,
        request_id=redact(request_id, sent)[:_LONGEST_ID] if request_id else None,
        retry_after=retry_after(response.headers),
        outcome=outcome,
        operation=operation.name,
        order_uuid=order_uuid,
    )


def result(operation: Operation[T], response: HttpResponse, order_uuid: str | None) -> T:
    """Read the value of a response that ``problem`` found to be a success."""
    if operation.raw:
        return cast("T", RawResponse(status=response.status, headers=response.headers, json=response.json()))
    if operation.result is None:
        return cast("T", None)
    if response.status == HTTPStatus.NOT_FOUND:
        return cast("T", Listing())
    unreadable = ""
    try:
        return cast("T", _read(operation, response.envelope(), order_uuid))
    except UnreadableError as error:
        unreadable = str(error)
    raise errors.OutcomeUnknownError(
        f"{operation.name}: the API answered {response.status}, but not in the documented form"
        f" ({unreadable}). {consequence(operation, Outcome.UNKNOWN)}",
        operation=operation.name,
        order_uuid=order_uuid,
    )


def _read(operation: Operation[object], envelope: JsonObject, order_uuid: str | None) -> object:
    kind = cast("type[object]", operation.result)
    data = envelope.get("data")
    if kind in STATUS_KEYS:
        return decode(kind, status_text(kind, envelope))
    if operation.listed:
        return _read_whole_list(kind, envelope)
    if operation.paged:
        return _page(_read_list(kind, data), envelope)
    if operation.may_lack_data and not data:
        data = {}
    own = own_id(operation)
    if (
        order_uuid is not None
        and isinstance(data, dict)
        and not any(data.get(name) for name in (own, "uuid"))
        and not data.keys().isdisjoint(wire_names(kind).values())
    ):
        # It is about the requested id, although it does not contain it.
        data = {**{name: each for name, each in data.items() if name not in (own, "uuid")}, own: order_uuid}
    return decode(kind, data)


def _read_whole_list(kind: type[T], envelope: JsonObject) -> Listing[T]:
    """Read a list that is documented to be whole; where it is one page of several, its rest is unreadable."""
    data = envelope.get("data")
    if isinstance(data, dict) and isinstance(data.get("data"), list) and data["data"]:
        # A paginator puts the rows into an object of their own.
        data = data["data"]
    listing = _read_list(kind, data)
    if not has_more_rows(envelope, len(listing) + len(listing.unreadable)):
        return listing
    return Listing(listing, (*listing.unreadable, None))


def _read_list(kind: type[T], data: Json) -> Listing[T]:
    # PHP writes a list with gaps as an object.
    rows = list(data.values()) if isinstance(data, dict) else data
    if not isinstance(rows, list) or (
        isinstance(data, dict) and not all(isinstance(row, dict) for row in rows)
    ):
        raise UnreadableError("not a list @ $.data")
    read: list[T] = []
    unreadable: list[Json] = []
    problem: UnreadableError | None = None
    for row in rows:
        try:
            read.append(decode(kind, row))
        except UnreadableError as error:
            unreadable.append(row)
            problem = problem or error
    if problem is not None and not read:
        raise UnreadableError(f"no row of {len(rows)} can be read: {problem}")
    return Listing(tuple(read), tuple(unreadable))


def _page(items: Listing[object], envelope: JsonObject) -> Page[object]:
    meta = envelope.get("metaData")
    told = meta if isinstance(meta, dict) else {}
    number, last, total, per_page = (
        count_of(told.get(name)) for name in ("currentPage", "lastPage", "total", "perPage")
    )
    number, links = number or 1, envelope.get("links")
    follows = number < last if last is not None else isinstance(links, dict) and bool(links.get("next"))
    return Page(items=items, number=number, last=last, total=total, per_page=per_page, has_next=follows)


def _says_no_order(response: HttpResponse) -> bool:
    # A 404 of a proxy or of a wrong base URL is not an empty list.
    if response.status != HTTPStatus.NOT_FOUND:
        return False
    code = errors.folded(text_of(response.envelope().get("message")))
    return code == _NO_ORDER_CODE.casefold() and not response.envelope().get("data")


def _unusable(
    operation: Operation[object],
    response: HttpResponse,
    order_uuid: str | None,
    why: str,
    sent: Collection[str],
) -> errors.OutcomeUnknownError:
    kind = redact(response.headers.get("content-type", "no content type").split(";")[0], sent)[:_LONGEST_ID]
    return errors.OutcomeUnknownError(
        f"{operation.name}: the response ({response.status}, {kind}, {len(response.body)} bytes)"
        f" cannot be used: {why}. {consequence(operation, Outcome.UNKNOWN)}",
        operation=operation.name,
        order_uuid=order_uuid,
    )


def _error_class(status: int, code: str | None) -> type[errors.APIError]:
    named = named_error(code)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return errors.TerminalBusyError if named is errors.TerminalBusyError else errors.ServerError
    typed = (errors.BusinessRuleError, errors.CycleNotFoundError)
    if named is not None and issubclass(named, typed) and status not in _SETTLED:
        return named
    return _BY_STATUS.get(status, errors.APIError)


def _explain(
    operation: Operation[object],
    cls: type[errors.APIError],
    *,
    status: int,
    said: str | None,
    found: Json,
    outcome: Outcome,
) -> str:
    sentences = [said] if said else []
    if cls is errors.RequestRejectedError:
        sentences += errors.sentences(found)
    # Some are sentences that end with a full stop.
    told = "; ".join(sentence.rstrip(". ") for sentence in sentences)
    told = f": {told[:_LONGEST_TEXT]}{'…' if len(told) > _LONGEST_TEXT else ''}" if told else ""
    # A 404 may be a rejection for another reason, such as that of a refund.
    step = _NEXT_STEP.get(status) if _BY_STATUS.get(status) is cls else None
    if step is not None and cls is errors.RequestRejectedError and operation.date_format is None:
        # Of a status check, nothing may be sent again: the payment that is asked about may still succeed.
        step = None if operation.safety is Safety.READ else step.replace("order", "request")
    ending = f" {step}." if step else ""
    return f"{operation.name}: the API answered {status}{told}. {consequence(operation, outcome)}{ending}"


def consequence(operation: Operation[object], outcome: Outcome) -> str:
    """Return a sentence on whether anything changed, and whether it is safe to send again."""
    if operation.safety is Safety.READ:
        return "Nothing was changed: this is a read."
    if outcome is Outcome.REJECTED:
        return "It was not done, and nothing was changed."
    if operation.safety is Safety.IDEMPOTENT:
        return "It may or may not have been done; it is safe to send it again."
    return "It may or may not have been done: check before you send it again."


@define(eq=False, repr=False)
class _Redaction:
    """The masking of a response's ``errors``, limited in size."""

    sent: Collection[str]
    left: int = _MOST_ERRORS

    def of(self, value: Json, depth: int = 0) -> Json:
        match value:
            case str():
                return redact(value, self.sent)
            case list() | dict() if depth == _DEEPEST:
                return "***"
            case list():
                return [self.of(item, depth + 1) for item in value if self.takes()]
            case dict():
                members = [(name, item) for name, item in value.items() if self.takes()]
                return {redact(name, self.sent): self.of(item, depth + 1) for name, item in members}
            case _:
                # A number may be a phone number.
                masked = redact(str(value), self.sent)
                return value if masked == str(value) else masked

    def takes(self) -> bool:
        """Count one more member, and return whether it is within the limit."""
        self.left -= 1
        return self.left >= 0
