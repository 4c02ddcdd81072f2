"""When a 2xx counts as a success. Pure.

*Invariant*: a call counts as done only if the API says so. A 2xx is a success if its body is the success
envelope of its operation: nothing in it marks an error, it is not about another order, and the documented
data is present. A row without a result needs the documented ``message``, or the members of the envelope and
either no ``message`` or one that contains a word of success (such as "refunded") and none of a rejection. Any
other 2xx is the error of its ``message``, or an OutcomeUnknownError.

The HTTP status and the ``status_code`` in the body may differ (202 and 200), but not in their meaning.
"""

from __future__ import annotations

import re
from decimal import Decimal
from functools import lru_cache
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING

from frontpay_async import errors
from frontpay_async._protocol.codec import camel
from frontpay_async._protocol.error_codes import named_error
from frontpay_async._protocol.operations import Safety
from frontpay_async.models.statuses import PaymentStatus, RefundStatus

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from frontpay_async._exact_json import Json, JsonObject
    from frontpay_async._protocol.messages import HttpResponse
    from frontpay_async._protocol.operations import Operation

STATUSES = range(100, 600)
SUCCESSES = range(200, 300)
# Statuses without a body, or with a partial one.
_BODILESS = frozenset({204, 205, 206})
NOT_OURS = (errors.OutcomeUnknownError, "it is not the API's JSON")
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
# Beginnings of words that no message of a success contains, except the documented one.
_REFUSING = re.compile(
    r"reject|fail|error|wrong|invalid|den(?:y|ied)|declin|refus|unable|cannot|not$|already|exceed|busy|missing"
    r"|expired|forbid|un(?:a|e|k|pr|s)|conflict|retrieved|again|many|lock|block|limit|insuffic|duplicat|mismatch"
    r"|malform|illegal|inc|inel|inactiv|bad$|abort|time(?:d|out)|disab|suspend|mainten|no$|never$|too$|problem"
    r"|being$|exception|fault|violat|throttl|must$|require|only$|pending|queue|stop|hold$|held$|skip|ignor"
    r"|nothing|none$",
    re.IGNORECASE,
)
# The words of a success, of which the message of a row without a result needs one: nothing else in such a
# body says that it was done, and a rejection may be in any words and any language.
_SUCCEEDING = re.compile(
    r"success|suksess|vellyk|complet|confirm|done$|ok$|processed$|executed$|(?:re)?sent$|refund(?:ed|ert)$"
    r"|cancell?ed$|kansellert$|charged$|captured$|updated$|approved$|notified$",
    re.IGNORECASE,
)
_FAILED = re.compile(
    "fail|error|wrong|unavailable|again|many|time(?:d |-)?out|denied|unauth|mainten", re.IGNORECASE
)
_NO_ERRORS: tuple[object, ...] = (None, "", "Array", [], {})
_ENVELOPE = frozenset({"data", "is_data", "message", "status_code"})
_SEPARATORS = re.compile(r"[\W_]+")
_ERROR_MEMBERS = frozenset(
    {
        "error",
        "errors",
        "iserror",
        "haserror",
        "haserrors",
        "errorcode",
        "errormessage",
        "errordescription",
        "exception",
        "fault",
        "failed",
        "isfailed",
        "failure",
        "validationerrors",
    }
)
_SUCCESS_MEMBERS = frozenset({"success", "issuccess", "successful", "issuccessful", "ok"})
_STATUS_MEMBERS = frozenset({"status", "statuscode", "statusmessage", "httpstatus", "code", "result"})
_REASONS = frozenset(each.phrase.casefold() for each in HTTPStatus if each >= HTTPStatus.BAD_REQUEST)
_LONGEST_COUNT = 15
_USUAL_MEMBERS = 20
_NO = frozenset({"0", "false", "no", "off", "n"})
_FAILURE = re.compile(r"\b(?:err|fail|false|reject|declin|denied|refus|invalid|exception)", re.IGNORECASE)
# Ids of orders, reservations and subscriptions.
_IDS = ("uuid", "orderUuid", "reservationUuid", "subscriptionUuid")
_LETTERS = re.compile(r"[A-Za-z]{2,}(?=\d)")
# Beginnings of words for what an operation does. Where the API's words are not known, it may say another
# resource's, but not another verb.
_VERBS: Mapping[str, re.Pattern[str]] = MappingProxyType(
    {
        verb: re.compile(beginnings, re.IGNORECASE)
        for verb, beginnings in (
            ("create", "add|submi|creat|sent|send|resen|issu"),
            ("cancel", "cancel|releas|void"),
            ("refund", "refund|credited"),
            ("take", "captur|charg|paid|pay|settl"),
            ("complete", "complet|clos|finish"),
            ("update", "updat|chang|edit|modif"),
            ("check", "check(?:s|ed)?$"),
        )
    }
)
_TELLING = frozenset({"cancel", "refund", "take"})
STATUS_KEYS: Mapping[type[object], str] = MappingProxyType(
    {PaymentStatus: "order_status", RefundStatus: "refund_status"}
)


def problem_of_success(
    operation: Operation[object], response: HttpResponse, asked: str | None
) -> tuple[type[errors.FrontPayError], str] | None:
    """Return the error class of a 2xx that is not a success, and why it cannot be used."""
    if response.status in _BODILESS or not is_json_object(response):
        return NOT_OURS
    envelope = response.envelope()
    told = _ids_told(operation, envelope, asked) if asked else set[str]()
    is_own = asked is not None and asked.casefold() in told
    if told and not is_own:
        return errors.OutcomeUnknownError, "it is about another order"
    has_data = _has_data(operation, envelope)
    if not _is_marked(operation, envelope) and _is_success(operation, envelope, has_data=has_data):
        if not is_own and _is_another_operations(operation, envelope):
            return errors.OutcomeUnknownError, "it is the success of another operation"
        return None
    cls = named_error(errors.folded(text_of(envelope.get("message"))))
    # Data together with a rejection is a contradiction: the data may be that of a created order.
    if cls is None or (has_data and operation.safety is not Safety.READ):
        return errors.OutcomeUnknownError, "it is not a success of this operation"
    return cls, ""


def is_about_another(operation: Operation[object], response: HttpResponse, asked: str | None) -> bool:
    """Return whether a response names ids, and none of them is the requested one."""
    told = _ids_told(operation, response.envelope(), asked) if asked else set[str]()
    return asked is not None and bool(told) and asked.casefold() not in told


def _is_success(  # noqa: PLR0911 - a table
    operation: Operation[object], envelope: JsonObject, *, has_data: bool
) -> bool:
    message = text_of(envelope.get("message"))
    if has_data and message == operation.message and envelope.get("data"):
        # The usual case: the words of the message need not be checked.
        return True
    code = errors.folded(message)
    if operation.raw and operation.safety is Safety.READ:
        return named_error(code) is None
    if operation.safety is Safety.READ:
        # The status checks omit the status while it is undecided.
        undecided = operation.result in STATUS_KEYS and "data" in envelope and named_error(code) is None
        if has_data and not envelope.get("data") and operation.result not in STATUS_KEYS:
            # An empty list with a failure message, or with a number of rows, is not an empty account.
            return not (
                _is_failure_of_all(code)
                or _FAILED.search(message or "")
                or (operation.listed and has_more_rows(envelope, 0))
            )
        return has_data or undecided
    if operation.result is not None and not has_data and not operation.may_lack_data:
        return False
    if code is not None and code == errors.folded(operation.message):
        return True
    if message is not None and (named_error(code) or _contains(_REFUSING, message)):
        return False
    if operation.result is None and not operation.raw and not _is_silent_or_succeeding(envelope):
        return False
    if operation.raw:
        # Its success is not documented, but the API answers in its envelope.
        return not _ENVELOPE.isdisjoint(envelope)
    return has_data or "is_data" in envelope or {"data", "status_code"} <= envelope.keys()


def _is_failure_of_all(code: str | None) -> bool:
    named = named_error(code)
    return named is not None and named is not errors.NotFoundError


def _is_silent_or_succeeding(envelope: JsonObject) -> bool:
    message = envelope.get("message")
    # A list or an object of texts is not a known form of success.
    return not message or (
        isinstance(message, str) and (message.isspace() or _contains(_SUCCEEDING, message))
    )


def _contains(beginnings: re.Pattern[str], message: str) -> bool:
    return any(map(beginnings.match, _WORD.findall(message)))


def _is_marked(operation: Operation[object], envelope: JsonObject) -> bool:
    """Whether the body, or for a change its data, marks a failure."""
    data = envelope.get("data")
    return _marks_error(envelope, _STATUS_MEMBERS) or (
        isinstance(data, dict) and operation.safety is not Safety.READ and _marks_error(data, frozenset())
    )


def _marks_error(envelope: JsonObject, status_members: frozenset[str]) -> bool:
    """Whether a member of the body marks a failure, in any spelling of its name."""
    find = _signs if len(envelope) <= _USUAL_MEMBERS else _signs.__wrapped__
    return any(marks(envelope[name]) for name, marks in find(tuple(envelope), status_members))


# Nearly all responses have the names of one of a few others.
@lru_cache(maxsize=256)
def _signs(
    names: tuple[str, ...], status_members: frozenset[str]
) -> tuple[tuple[str, Callable[[Json], bool]], ...]:
    """Return the members whose values may mark a failure, with their checks."""
    found = ((name, _sign(name, status_members)) for name in names)
    return tuple((name, marks) for name, marks in found if marks is not None)


def _sign(name: str, status_members: frozenset[str]) -> Callable[[Json], bool] | None:
    """Return the check of a member's value for a failure; None if its name is irrelevant."""
    bare = _SEPARATORS.sub("", name).casefold()
    if bare in _ERROR_MEMBERS:
        return _is_error
    if bare in _SUCCESS_MEMBERS:
        return _is_no_success
    return _is_failure if bare in status_members else None


def _is_error(value: Json) -> bool:
    return (value.strip() if isinstance(value, str) else value) not in _NO_ERRORS and not _is_no(value)


def _is_no_success(value: Json) -> bool:
    return value is not None and (_is_no(value) or value == "")


def _is_no(value: Json) -> bool:
    if isinstance(value, str):
        return value.strip().casefold() in _NO
    return value is False or (isinstance(value, (int, Decimal)) and value == 0)


def _is_failure(value: Json) -> bool:
    """Whether a status is a number beyond the 2xx, or a word such as "failed"."""
    if type(value) is int:
        # Numbers outside the range of HTTP statuses mean something else.
        return value in STATUSES and value not in SUCCESSES
    if isinstance(value, str):
        number = value.strip().partition(" ")[0]
        if not (number.isascii() and number.isdigit()):
            word = value.strip()
            return _FAILURE.search(word) is not None or word.casefold() in _REASONS
        value = Decimal(number)
    if value is False:
        return True
    return isinstance(value, Decimal) and value in STATUSES and value not in SUCCESSES


def _has_data(operation: Operation[object], envelope: JsonObject) -> bool:
    data = envelope.get("data")
    kind = operation.result
    if kind is None:
        return False
    if kind in STATUS_KEYS:
        return status_text(kind, envelope) is not None
    # PHP writes an empty object as an empty list, so only a list may be empty.
    return (
        isinstance(data, list)
        if (operation.listed or operation.paged) and not data
        else isinstance(data, (dict, list)) and bool(data)
    )


def has_more_rows(envelope: JsonObject, shown: int) -> bool:
    """Return whether the API says that a list has more rows than it shows: it is one page of several."""
    holders = [
        envelope,
        *(envelope.get(name) for name in ("data", "metaData", "meta", "pagination", "links")),
    ]
    for holder in holders:
        told = {_SEPARATORS.sub("", name).casefold(): each for name, each in _members(holder)}
        total, page, last = (count_of(told.get(name)) for name in ("total", "currentpage", "lastpage"))
        # ``links`` has the next page's address, or none.
        link = told.get("next") if holder is envelope.get("links") else told.get("nextpageurl")
        if (total or 0) > shown or (last or 1) > 1 or (page or 1) > 1 or bool(link):
            return True
    return False


def _members(holder: Json) -> Iterable[tuple[str, Json]]:
    return holder.items() if isinstance(holder, dict) else ()


def count_of(value: Json) -> int | None:
    """Return a number of rows or of a page, or None if it is not one."""
    if isinstance(value, str):
        return int(value) if value.isascii() and value.isdigit() and len(value) <= _LONGEST_COUNT else None
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def own_id(operation: Operation[object]) -> str:
    """Return the wire name of the id that the path names."""
    return camel(operation.id_name or "order_uuid")


def _ids_told(operation: Operation[object], envelope: JsonObject, asked: str) -> set[str]:
    """Return the ids of what the response is about, as far as it says."""
    data = envelope.get("data")
    # The terminal checks have their values next to the data.
    beside = operation.result in STATUS_KEYS
    members = {**(envelope if beside else {}), **(data if isinstance(data, dict) else {})}
    names = {own_id(operation)}
    if operation.safety is Safety.READ:
        names.add("uuid")
    # An operation that changes something may return a new id, such as a capture's, as ``uuid``: that one has
    # other letters.
    kind = _kind(asked)
    names |= {name for name in _IDS if kind is not None and _kind(members.get(name)) == kind}
    # PHP writes a missing value as an empty string, list or object.
    told = [members[name] for name in names if members.get(name) not in (None, "", [], {})]
    # The API has been observed to compare ids case-insensitively.
    return {str(each).casefold() for each in told}


def _kind(uuid: Json) -> str | None:
    """Return the letters with which an id begins, such as ``RES``; None if it has none."""
    found = _LETTERS.match(uuid) if isinstance(uuid, str) else None
    return None if found is None else found[0].casefold()


def _is_another_operations(operation: Operation[object], envelope: JsonObject) -> bool:
    """Whether the message says that something else was done than what this operation does."""
    message = text_of(envelope.get("message"))
    if message is None or message == operation.message or operation.raw or operation.safety is Safety.READ:
        return False
    own = _verbs(operation.message)
    # Any request may be "completed", "added", "sent" or "updated".
    done = _verbs(message) & _TELLING
    return bool(done) and bool(own) and done.isdisjoint(own)


def _verbs(message: str) -> set[str]:
    return {verb for verb, beginnings in _VERBS.items() if _contains(beginnings, message)}


def status_text(kind: type[object], envelope: JsonObject) -> str | None:
    """Return the status of a terminal check, next to its data or within it."""
    key, data = STATUS_KEYS[kind], envelope.get("data")
    within = data.get(key) if isinstance(data, dict) else None
    return next(
        (each for each in (envelope.get(key), within) if isinstance(each, str) and each.strip()), None
    )


def is_json_object(response: HttpResponse) -> bool:
    """Return whether the body is a JSON object, like all bodies of the API."""
    try:
        return isinstance(response.json(), dict)
    except ValueError:
        return False


def text_of(value: Json) -> str | None:
    """Return a value if it is non-empty text."""
    return value if isinstance(value, str) and value else None
