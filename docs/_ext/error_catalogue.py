"""The error catalogue, generated from the error classes and from errors that were raised.

The class provides the summary and the attributes, `provoked` the outcome and the message. Only the next step
is written here by hand.
"""

from __future__ import annotations

import inspect
import re
from types import MappingProxyType
from typing import TYPE_CHECKING

import frontpay_async
import frontpay_async.batch
from frontpay_async import FrontPayError, errors
from frontpay_async.batch.errors import AlreadySubmittedError, ContentMismatchError, JournalError
from frontpay_async.cli.exit_codes import money_of
from frontpay_async.order_files.violations import InvalidFileError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from docs._ext.provoked import Situation

__all__ = ["NEXT", "catalogue", "classes", "home_of"]

NEXT: Mapping[type[FrontPayError], str] = MappingProxyType(
    {
        errors.ConfigurationError: "Correct the code or the settings; every call would fail.",
        errors.InvalidOrderError: "Correct every field in `violations`, or show them to the user.",
        errors.NotSentError: (
            "Call again; the client has already tried up to `RetryPolicy.attempts` times. If the error "
            "persists, check DNS, proxy, firewall and the base URL."
        ),
        errors.RateBudgetExceededError: (
            "Call again after `retry_after` seconds; a web backend answers 503 with it ([rate "
            "limiting](rate.md#priorities))."
        ),
        errors.OutcomeUnknownError: (
            "If the operation changes something, [check](retry-safety.md#where-to-look) before you call "
            "again, unless the table there says otherwise. A read can be repeated."
        ),
        errors.WatchTimeoutError: (
            "Watch it again, or cancel it and watch the result ([waiting](watch.md)). It never means "
            "that the payment failed."
        ),
        errors.APIError: (
            "Read `message` and `errors`. The class itself is raised for statuses without a subclass."
        ),
        errors.AuthenticationError: (
            "Renew the token, and check that it belongs to this environment. A token callable has already "
            "been called a second time."
        ),
        errors.PermissionDeniedError: "Ask Front Payment for the permission.",
        errors.NotFoundError: "Check the id and the environment.",
        errors.RequestRejectedError: (
            "Correct the fields in `messages`. The API has a rule that the client lacks: please "
            "report it if it is documented."
        ),
        errors.BusinessRuleError: "Check `code` and the order's status, which does not allow the operation.",
        errors.AlreadyPaidError: (
            "To return the money, refund the order. After a cancellation, tell the user that it came too "
            "late. If the outcome of a charge is `UNKNOWN`, the order may have been paid by that charge."
        ),
        errors.AlreadyCancelledError: (
            "Send a new order. If a cancellation is retried, the client treats this response as the lost "
            "success and does not raise the error."
        ),
        errors.AlreadyPaidOrCancelledError: (
            "Read the order's status: the API does not say which of the two it is. After a cancellation "
            "whose response was lost the outcome is `UNKNOWN`: that cancellation may have succeeded."
        ),
        errors.AlreadyInvoicedError: (
            "Read the order's status. Refund an invoiced order with the type `invoiced`."
        ),
        errors.AlreadyCompletedError: (
            "No further capture or charge is possible. To return money, refund the capture or the charge."
        ),
        errors.PrerequisiteFailedError: "Read the reservation's details: its status shows what is possible.",
        errors.CycleRejectedError: (
            "Read the subscription's details: only paid cycles that are not refunded yet can be refunded."
        ),
        errors.CycleNotFoundError: (
            "Read the subscription's details, and use the names of cycles there, such as `Cycle 1`."
        ),
        errors.CreditCheckRejectedError: (
            "Correct the number: it belongs to no living person and no company. Nothing was checked."
        ),
        errors.RefundRejectedError: (
            "Check `reason`: an unknown line, an amount that is too large, or a threshold of the account."
        ),
        errors.RateLimitedError: (
            "Call again after `retry_after` seconds. The client avoids this by counting requests, and has "
            "already waited and retried ([after a 429](rate.md#after-a-429))."
        ),
        errors.ServerError: (
            "If the operation changes something, [check](retry-safety.md#where-to-look) before you call "
            "again, unless the table there says otherwise. A read can be repeated."
        ),
        errors.TerminalBusyError: "Call again when the terminal is free; the client has already retried.",
        errors.CallbackError: (
            "Answer 400, or 503 if `is_retryable`; the [route](callbacks.md) does this. Ask the API for "
            "the order's status if needed."
        ),
        errors.InvalidChecksumError: (
            "Answer 403 and ignore the callback; if `is_ambiguous`, answer 400 and ask the API for the "
            "order's status. If the order is yours, check the secret."
        ),
        errors.StaleCallbackError: (
            "Answer 400, and ask the API for the order's status. If all callbacks are stale, set this "
            "machine's clock."
        ),
        errors.ReplayedCallbackError: (
            "Answer 200 and do nothing. If `is_retryable`, answer 503, so that the callback is repeated."
        ),
        JournalError: (
            "Fix the disk or the database, then run the batch again: it reconciles requests in flight, and "
            "sends nothing twice."
        ),
        ContentMismatchError: (
            "Use another key for the changed order. If the change was a mistake, submit the original order."
        ),
        AlreadySubmittedError: (
            "Continue the batch in `name`, which already has the order. Submit it with `again=True` only if "
            "it is to be sent a second time."
        ),
        InvalidFileError: "Correct the lines in `violations`; no order of the file was submitted.",
    }
)
"""The next step for every class except the root."""


def classes(root: type[FrontPayError] = FrontPayError) -> Iterator[type[FrontPayError]]:
    """Yield the root's subclasses in the order of the tree."""
    for child in root.__subclasses__():
        if child.__module__.startswith("frontpay_async.") and not child.__name__.startswith("_"):
            yield child
            yield from classes(child)


def home_of(error: type[FrontPayError]) -> str:
    """Return the public module from which a class is imported."""
    homes = (frontpay_async, frontpay_async.batch)
    return next(module.__name__ for module in homes if error.__name__ in module.__all__)


def _summary(error: type[FrontPayError]) -> str:
    first, _, more = inspect.cleandoc(error.__doc__ or "").partition("\n\n")
    words = first.replace("\n", " ").replace("``", "`")
    what = words.removeprefix("Error for ")
    summary = f"is raised for {what}" if what != words else f"is {words[0].lower()}{words[1:]}"
    beside = " ".join(
        part.replace("\n", " ").replace("``", "`")
        for part in more.split("\n\n")
        if part and "Args:" not in part
    )
    return f"{summary} {beside}".strip()


_ARGUMENT = re.compile(r"^    (\w+): (.+?)(?=^    \w+: |\Z)", re.MULTILINE | re.DOTALL)


def _attributes(error: type[FrontPayError]) -> Iterator[tuple[str, str]]:
    """Yield the attributes that a class adds to its bases, with their descriptions."""
    documented = inspect.cleandoc(error.__doc__ or "").partition("Args:\n")[2]
    words = {name: " ".join(text.split()) for name, text in _ARGUMENT.findall(documented)}
    for name in inspect.get_annotations(error):
        yield name, words[name]
    for name, value in vars(error).items():
        if isinstance(value, property):
            yield name, (inspect.getdoc(value) or "").partition("\n")[0]


def _section(
    error: type[FrontPayError], examples: Sequence[tuple[Situation, FrontPayError]]
) -> Iterator[str]:
    yield f"## {error.__name__}\n"
    bases = [
        base for base in error.__bases__ if issubclass(base, FrontPayError) and base is not FrontPayError
    ]
    kind = f", a {{py:exc}}`~{home_of(bases[0])}.{bases[0].__name__}`," if bases else ""
    yield f"{{py:exc}}`~{home_of(error)}.{error.__name__}`{kind} {_summary(error)}\n"
    known = dict.fromkeys((example.outcome, money_of(example)) for _, example in examples)
    yield "| | |"
    yield "|---|---|"
    for outcome, money in known:
        yield f"| `{outcome.name}` | {money} |"
    yield f"| Next | {NEXT[error]} |"
    for name, words in _attributes(error):
        yield f"| `{name}` | {words.replace('``', '`')} |"
    yield ""
    for situation, example in examples:
        yield f"{situation.words[0].upper()}{situation.words[1:]}:\n"
        yield f"```{{code-block}} text\n:class: words\n\n{example}\n```\n"


def catalogue(examples: Mapping[type[FrontPayError], Sequence[tuple[Situation, FrontPayError]]]) -> str:
    """Return the whole catalogue, in Markdown.

    Args:
        examples: Raised errors, by class.
    """
    return "\n".join(line for error in classes() for line in _section(error, examples[error]))
