"""From the response to the value or the error. Pure.

Two steps, because retrying needs only the first: ``problem`` decides whether the response is a success,
``result`` reads its value.

*Invariant*: a call counts as done only where the API says so. A 2xx is a success if its body is the success
envelope of its operation: nothing in it marks an error, it names no other order, and the documented data is
there. A row without a result needs the documented ``message``, or the members of the envelope and a
``message`` that does not sound like a refusal. Any other 2xx is the error that its ``message`` names, else
an OutcomeUnknownError.

The HTTP status and the ``status_code`` in the body may differ (202 and 200), but not in their meaning.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar, cast

from attrs import define

from frontpay_async import errors
from frontpay_async._protocol.codec import UnreadableError, camel, decode, wire_names
from frontpay_async._protocol.operations import Safety
from frontpay_async._protocol.redact import redact
from frontpay_async._protocol.retry_after import retry_after
from frontpay_async.errors import Outcome
from frontpay_async.models.listing import Listing
from frontpay_async.models.pages import Page
from frontpay_async.models.raw import RawResponse
from frontpay_async.models.statuses import PaymentStatus, RefundStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from frontpay_async._exact_json import Json, JsonObject
    from frontpay_async._protocol.messages import HttpResponse
    from frontpay_async._protocol.operations import Operation

T = TypeVar("T")

CUT_OFF = frozenset({408, 499})
"""A proxy's words for a request that was cut off: they do not say how far it had come."""
_SUCCESSES = range(200, 300)
# They have no body, or a part of one.
_BODILESS = frozenset({204, 205, 206})
_STATUSES = range(100, 600)
_NO_ORDER_CODE = "orderNotFound"
# Statuses whose meaning no code changes.
_SETTLED = frozenset({401, 403, 408, 429, 499})
# Codes that say only that the API failed: internalErrorOccurredPleaseTryAgainLater, Laravel's "Server Error".
_GENERIC_FAILURE = re.compile(
    r"somethingWentWrong|internalError(?:Occurred\w*)?|(?:internalS|s)erverError", re.IGNORECASE
)
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
# Beginnings of words that no success has in its message, except in the documented one.
_REFUSING = re.compile(
    r"reject|fail|error|wrong|invalid|den(?:y|ied)|declin|refus|unable|cannot|not$|already|exceed|busy|missing"
    r"|expired|forbid|un(?:a|e|k|pr|s)|conflict|retrieved|again|many|lock|block|limit|insuffic|duplicat|mismatch"
    r"|malform|illegal|inc|inel|inactiv|bad$|abort|time(?:d|out)|disab|suspend|mainten|no$|never$|too$|problem"
    r"|exception|fault|violat|throttl|must$|require|only$|pending|queue|stop|hold$|held$|skip|ignor|nothing|none$",
    re.IGNORECASE,
)
_FAILED = re.compile(
    "fail|error|wrong|unavailable|again|many|time(?:d |-)?out|denied|unauth|mainten", re.IGNORECASE
)
_NO_ERRORS: tuple[object, ...] = (None, "", "Array", [], {})
# The reference's errors nest three deep; what nests deeper than this is masked as a whole.
_DEEPEST = 16
_MOST_ERRORS = 500
_LONGEST_TEXT = 4000
_LONGEST_ID = 200
_NOT_OURS = (errors.OutcomeUnknownError, "it is not the API's JSON")
_BY_CODE: Mapping[str, type[errors.APIError]] = MappingProxyType(
    {
        "orderStatusAlreadyPaid": errors.AlreadyPaidError,
        "orderStatusAlreadyCancelled": errors.AlreadyCancelledError,
        "orderStatusAlreadyPaidOrCancelled": errors.AlreadyPaidOrCancelledError,
        "orderStatusAlreadyInvoiced": errors.AlreadyInvoicedError,
        "orderRefundRequestAlreadySubmitted": errors.RefundRejectedError,
        "requestProductIdNotAvailable": errors.RefundRejectedError,
        "reservationStatusAlreadyCompleted": errors.AlreadyCompletedError,
        "subscriptionStatusAlreadyCompleted": errors.AlreadyCompletedError,
        "reservationStatusAlreadyCancelled": errors.AlreadyCancelledError,
        "subscriptionStatusAlreadyCancelled": errors.AlreadyCancelledError,
        "prerequisiteFailedToCancelReservation": errors.PrerequisiteFailedError,
        "prerequisiteFailedToCompleteReservation": errors.PrerequisiteFailedError,
        "someCyclesFailedToPassValidation": errors.CycleRejectedError,
        "payloadValidationErrors": errors.RequestRejectedError,
        "terminalIsBusy": errors.TerminalBusyError,
        "personCurrentStatusIsWrong": errors.ServerError,
    }
)
_BY_FOLDED_CODE = {code.casefold(): cls for code, cls in _BY_CODE.items()}
# Server errors that say that nothing was done.
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
_ENVELOPE = frozenset({"data", "is_data", "message", "status_code"})
STATUS_KEYS: Mapping[type[object], str] = MappingProxyType(
    {PaymentStatus: "order_status", RefundStatus: "refund_status"}
)


def problem(
    operation: Operation[object],
    response: HttpResponse,
    order_uuid: str | None,
    sent: Callable[[], Collection[str]] = tuple,
) -> errors.FrontPayError | None:
    """Return the error that the response stands for, or None for a success."""
    problem = _problem(operation, response, order_uuid)
    if problem is None:
        return None
    cls, why = problem
    if cls is errors.OutcomeUnknownError:
        return _unusable(operation, response, order_uuid, why, sent())
    return _error(cast("type[errors.APIError]", cls), operation, response, order_uuid, sent())


def _problem(
    operation: Operation[object], response: HttpResponse, order_uuid: str | None
) -> tuple[type[errors.FrontPayError], str] | None:
    """Return the class of the error that the response stands for, and why the response cannot be used."""
    status = response.status
    if status not in _STATUSES:
        return _NOT_OURS
    if status in _SUCCESSES:
        return _problem_of_success(operation, response, order_uuid)
    if operation.empty_when_not_found and _says_no_order(response):
        return None
    if status < HTTPStatus.BAD_REQUEST:
        return _NOT_OURS
    return _error_class(status, errors.folded(_text(response.envelope().get("message")))), ""


def _problem_of_success(
    operation: Operation[object], response: HttpResponse, order_uuid: str | None
) -> tuple[type[errors.FrontPayError], str] | None:
    if response.status in _BODILESS or not is_json_object(response):
        return _NOT_OURS
    envelope = response.envelope()
    if order_uuid is not None and _is_about_another(operation, envelope, order_uuid):
        return errors.OutcomeUnknownError, "it is about another order"
    has_data = _has_data(operation, envelope)
    if _is_success(operation, envelope, has_data=has_data):
        return None
    cls = _named_error(errors.folded(_text(envelope.get("message"))))
    # Data beside a refusal is a contradiction: the data may be what an order was created with.
    if cls is None or (has_data and operation.safety is not Safety.READ):
        return errors.OutcomeUnknownError, "it is not a success of this operation"
    return cls, ""


def _is_success(  # noqa: PLR0911 - a table
    operation: Operation[object], envelope: JsonObject, *, has_data: bool
) -> bool:
    data = envelope.get("data")
    inner = data if isinstance(data, dict) and operation.safety is not Safety.READ else {}
    if _marks_error(envelope, _STATUS_MEMBERS) or _marks_error(inner, frozenset()):
        return False
    message = _text(envelope.get("message"))
    code = errors.folded(message)
    if operation.raw and operation.safety is Safety.READ:
        return _named_error(code) is None
    if operation.safety is Safety.READ:
        # The status checks leave the status out while nothing is decided.
        undecided = operation.result in STATUS_KEYS and "data" in envelope and _named_error(code) is None
        if has_data and not envelope.get("data") and operation.result not in STATUS_KEYS:
            # An empty list beside the words of a failure is not an empty account.
            return not (_is_failure_of_all(code) or _FAILED.search(message or ""))
        return has_data or undecided
    if operation.result is not None and not has_data and not operation.may_lack_data:
        return False
    if code is not None and code == errors.folded(operation.message):
        return True
    if operation.result is None and not operation.raw and message is None and envelope.get("message"):
        # Neither a code nor words: a list or an object of them.
        return False
    if message is not None and (_named_error(code) or _sounds_refused(message)):
        return False
    if operation.raw:
        # Its success is not documented, but the API answers in its envelope.
        return not _ENVELOPE.isdisjoint(envelope)
    return has_data or "is_data" in envelope or {"data", "status_code"} <= envelope.keys()


def _is_failure_of_all(code: str | None) -> bool:
    named = _named_error(code)
    return named is not None and named is not errors.NotFoundError


def _sounds_refused(message: str) -> bool:
    return any(map(_REFUSING.match, _WORD.findall(message)))


@lru_cache(maxsize=256)
def _bare(name: str) -> str:
    """Return a member's name without its separators and capitals."""
    return _SEPARATORS.sub("", name).casefold()


def _marks_error(envelope: JsonObject, status_members: frozenset[str]) -> bool:
    """Whether a member of the body marks a failure, in any spelling of its name."""
    for name, value in envelope.items():
        told = _bare(name)
        if told in _ERROR_MEMBERS:
            marks = _plain(value) not in _NO_ERRORS and not _is_no(value)
        elif told in _SUCCESS_MEMBERS:
            marks = value is not None and (_is_no(value) or value == "")
        elif told in status_members:
            marks = _is_failure(value)
        else:
            continue
        if marks:
            return True
    return False


_SEPARATORS = re.compile(r"[\W_]+")
_ERROR_MEMBERS = frozenset(
    {
        *(
            "error",
            "errors",
            "iserror",
            "haserror",
            "haserrors",
            "errorcode",
            "errormessage",
            "errordescription",
        ),
        *("exception", "fault", "failed", "isfailed", "failure", "validationerrors"),
    }
)
_SUCCESS_MEMBERS = frozenset({"success", "issuccess", "successful", "issuccessful", "ok"})
_STATUS_MEMBERS = frozenset({"status", "statuscode", "statusmessage", "httpstatus", "code", "result"})
_REASONS = frozenset(each.phrase.casefold() for each in HTTPStatus if each >= HTTPStatus.BAD_REQUEST)
_NO = frozenset({"0", "false", "no", "off", "n"})
_FAILURE = re.compile(r"\b(?:err|fail|false|reject|declin|denied|refus|invalid|exception)", re.IGNORECASE)


def _plain(value: Json) -> Json:
    return value.strip() if isinstance(value, str) else value


def _is_no(value: Json) -> bool:
    if isinstance(value, str):
        return value.strip().casefold() in _NO
    return value is False or (isinstance(value, (int, Decimal)) and value == 0)


def _is_failure(value: Json) -> bool:
    """Whether a status is a number beyond the 2xx, or a word such as "failed"."""
    if isinstance(value, str):
        number = value.strip().partition(" ")[0]
        if not (number.isascii() and number.isdigit()):
            word = value.strip()
            return _FAILURE.search(word) is not None or word.casefold() in _REASONS
        value = Decimal(number)
    if value is False:
        return True
    # Numbers that no HTTP status has mean something else.
    return (
        isinstance(value, (int, Decimal))
        and value is not True
        and value in _STATUSES
        and value not in _SUCCESSES
    )


def _has_data(operation: Operation[object], envelope: JsonObject) -> bool:
    data = envelope.get("data")
    kind = operation.result
    if kind is None:
        return False
    if kind in STATUS_KEYS:
        return _status_text(kind, envelope) is not None
    # PHP writes an empty object as an empty list, so that only a list may be empty.
    return (
        isinstance(data, list)
        if (operation.listed or operation.paged) and not data
        else isinstance(data, (dict, list)) and bool(data)
    )


def _own_id(operation: Operation[object]) -> str:
    """Return the wire name of the id that the path names."""
    return camel(operation.id_name or "order_uuid")


def _is_about_another(operation: Operation[object], envelope: JsonObject, order_uuid: str) -> bool:
    data = envelope.get("data")
    # The terminal checks have their facts beside the data.
    beside = operation.result in STATUS_KEYS
    members = {**(envelope if beside else {}), **(data if isinstance(data, dict) else {})}
    # What changes something may answer with an id of its own, such as a refund's, as ``uuid``.
    own = _own_id(operation)
    names = (own, "uuid") if operation.safety is Safety.READ else (own,)
    # PHP writes nothing as an empty text, list or object.
    told = [members[name] for name in names if members.get(name) not in (None, "", [], {})]
    # The API was seen to compare ids without regard to case.
    return bool(told) and all(str(each).casefold() != order_uuid.casefold() for each in told)


def _error(
    cls: type[errors.APIError],
    operation: Operation[object],
    response: HttpResponse,
    order_uuid: str | None,
    sent: Collection[str],
) -> errors.APIError:
    status, envelope = response.status, response.envelope()
    request_id = response.headers.get("x-request-id")
    said = _text(envelope.get("message"))
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
        return decode(kind, _status_text(kind, envelope))
    if operation.listed:
        return _read_list(kind, data)
    if operation.paged:
        return _page(_read_list(kind, data), envelope)
    if operation.may_lack_data and not data:
        data = {}
    own = _own_id(operation)
    if (
        order_uuid is not None
        and isinstance(data, dict)
        and not any(data.get(name) for name in (own, "uuid"))
        and not data.keys().isdisjoint(wire_names(kind).values())
    ):
        # It is about the id that was asked for, although it does not name it.
        data = {**{name: each for name, each in data.items() if name not in (own, "uuid")}, own: order_uuid}
    return decode(kind, data)


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


def _status_text(kind: type[object], envelope: JsonObject) -> str | None:
    key, data = STATUS_KEYS[kind], envelope.get("data")
    within = data.get(key) if isinstance(data, dict) else None
    return next(
        (each for each in (envelope.get(key), within) if isinstance(each, str) and each.strip()), None
    )


def _page(items: Listing[object], envelope: JsonObject) -> Page[object]:
    meta = envelope.get("metaData")
    told = meta if isinstance(meta, dict) else {}
    number, last, total, per_page = (
        int(value) if isinstance(value, int) or (isinstance(value, str) and value.isdecimal()) else None
        for value in (told.get(name) for name in ("currentPage", "lastPage", "total", "perPage"))
    )
    number, links = number or 1, envelope.get("links")
    follows = number < last if last is not None else isinstance(links, dict) and bool(links.get("next"))
    return Page(items=items, number=number, last=last, total=total, per_page=per_page, has_next=follows)


def _says_no_order(response: HttpResponse) -> bool:
    # A 404 of a proxy or of a wrong base URL is not an empty list.
    if response.status != HTTPStatus.NOT_FOUND:
        return False
    code = errors.folded(_text(response.envelope().get("message")))
    return code == _NO_ORDER_CODE.casefold()


def is_generic_failure(code: str | None) -> bool:
    """Return whether a code says only that the API failed, and not why."""
    return code is not None and _GENERIC_FAILURE.fullmatch(code) is not None


def is_json_object(response: HttpResponse) -> bool:
    """Return whether the body is a JSON object, as all that the API itself says."""
    try:
        return isinstance(response.json(), dict)
    except ValueError:
        return False


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
    named = _named_error(code)
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return errors.TerminalBusyError if named is errors.TerminalBusyError else errors.ServerError
    typed = (errors.BusinessRuleError, errors.CycleNotFoundError)
    if named is not None and issubclass(named, typed) and status not in _SETTLED:
        return named
    return _BY_STATUS.get(status, errors.APIError)


def _named_error(code: str | None) -> type[errors.APIError] | None:
    if code is None:
        return None
    if code.startswith("refundrejection"):
        return errors.RefundRejectedError
    if is_generic_failure(code):
        return errors.ServerError
    if code.partition("#")[0] == "cyclenotfound":
        return errors.CycleNotFoundError
    return errors.NotFoundError if code.endswith("notfound") else _BY_FOLDED_CODE.get(code)


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
    # Some are sentences with a full stop of their own.
    told = "; ".join(sentence.rstrip(". ") for sentence in sentences)
    told = f": {told[:_LONGEST_TEXT]}{'…' if len(told) > _LONGEST_TEXT else ''}" if told else ""
    step = _NEXT_STEP.get(status)
    ending = f" {step}." if step else ""
    return f"{operation.name}: the API answered {status}{told}. {consequence(operation, outcome)}{ending}"


def consequence(operation: Operation[object], outcome: Outcome) -> str:
    """Say in words whether anything changed, and whether it is safe to send again."""
    if operation.safety is Safety.READ:
        return "Nothing was changed: this only reads."
    if outcome is Outcome.REJECTED:
        return "It was not done, and nothing was changed."
    if operation.safety is Safety.IDEMPOTENT:
        return "It may or may not have been done; it is safe to send it again."
    return "It may or may not have been done: look before you send it again."


def _text(value: Json) -> str | None:
    return value if isinstance(value, str) and value else None


@define
class _Redaction:
    """The masking of an answer's ``errors``, whose size is bounded."""

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
        """Count one more member, and return whether it is within the bound."""
        self.left -= 1
        return self.left >= 0
