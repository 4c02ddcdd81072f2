"""The error catalogue, made of the classes themselves and of errors that were really raised. Pure text.

From the class: what it reports and its attributes. From `provoked`: what is known afterwards, and its words.
Written by hand here is only what no code knows: what to do next.
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
        errors.ConfigurationError: "Correct the code or the settings. No call can succeed before.",
        errors.InvalidOrderError: (
            "Correct every field in `violations`, or show them to whoever filled them in."
        ),
        errors.NotSentError: (
            "Call again; the client has done so up to `RetryPolicy.attempts` times. If it stays, look at "
            "DNS, proxy, firewall and the base URL."
        ),
        errors.RateBudgetExceededError: (
            "Call again after `retry_after` seconds; a web backend answers 503 with it ([the rate "
            "limit](rate.md#priorities))."
        ),
        errors.OutcomeUnknownError: (
            "What changes something: [look](retry-safety.md#where-to-look) before you call again, unless "
            "the table there says that you may. What only reads: call again."
        ),
        errors.WatchTimeoutError: (
            "Watch it again, or cancel it and watch how that ends ([waiting](watch.md)). It never means "
            "that the payment failed."
        ),
        errors.APIError: (
            "Read `message` and `errors`. It is raised itself where the status has no class of its own."
        ),
        errors.AuthenticationError: (
            "Renew the token; check that it belongs to this environment. A token from a callable has been "
            "asked for once more already."
        ),
        errors.PermissionDeniedError: "Ask Front Payment what the token may do.",
        errors.NotFoundError: "Check the id and the environment.",
        errors.RequestRejectedError: (
            "Correct what `messages` says. The API knows a rule that the client does not: tell us, if it "
            "is documented."
        ),
        errors.BusinessRuleError: (
            "Look at `code` and at the order's status: the order is not what you thought."
        ),
        errors.AlreadyPaidError: (
            "To give the money back, refund it. After a cancellation, tell whoever asked for it that it "
            "came too late. `UNKNOWN` in answer to a charge: it may be the charge itself that paid it."
        ),
        errors.AlreadyCancelledError: (
            "Send a new order. In answer to a second try of a cancellation the client takes it for the "
            "success that was lost, and does not raise it."
        ),
        errors.AlreadyPaidOrCancelledError: (
            "Read the order's status: the API does not say which of the two it is. After a cancellation "
            "whose response was lost the outcome is `UNKNOWN`: it may be that cancellation."
        ),
        errors.AlreadyInvoicedError: (
            "Read the order's status. An invoiced order is refunded with the type `invoiced`."
        ),
        errors.AlreadyCompletedError: (
            "Nothing more is captured or charged. To give money back, refund the capture or the charge."
        ),
        errors.PrerequisiteFailedError: ("Read the reservation's details: its status says what is possible."),
        errors.CycleRejectedError: (
            "Read the subscription's details: only cycles that were paid, and not refunded, can be refunded."
        ),
        errors.CycleNotFoundError: (
            "Read the subscription's details, and name the cycles as they are there, such as `Cycle 1`."
        ),
        errors.CreditCheckRejectedError: (
            "Correct the number: the API knows nobody alive and no company of it. Nothing was checked."
        ),
        errors.RefundRejectedError: (
            "Look at `reason`: an unknown line, too large an amount, or a threshold of the account."
        ),
        errors.RateLimitedError: (
            "Call again after `retry_after` seconds. The client keeps the books so that this is rare, and "
            "has waited and tried again already ([after a 429](rate.md#after-a-429))."
        ),
        errors.ServerError: (
            "What changes something: [look](retry-safety.md#where-to-look) before you call again, unless "
            "the table there says that you may. What only reads: call again."
        ),
        errors.TerminalBusyError: "Call again when the terminal is free; the client has tried already.",
        errors.CallbackError: (
            "Answer 400, or 503 where `is_retryable`; the [route](callbacks.md) does so. Ask the API for "
            "the order's status if it matters."
        ),
        errors.InvalidChecksumError: (
            "Answer 403 and believe nothing of it; where `is_ambiguous`, answer 400 and ask the API for the "
            "order's status. If it is about an order of yours, check the secret."
        ),
        errors.StaleCallbackError: (
            "Answer 400; ask the API for the order's status. If all are stale, set this machine's clock."
        ),
        errors.ReplayedCallbackError: (
            "Answer 200: there is nothing left to do. With `is_retryable` answer 503, so that it comes again."
        ),
        JournalError: (
            "Mend the disk or the database, then run the batch again: it finds what was in flight, and sends "
            "nothing twice."
        ),
        ContentMismatchError: (
            "Give the changed order another key. If it was changed by mistake, submit it as it was."
        ),
        AlreadySubmittedError: (
            "Use the batch `name` to continue it: it has the order already. Only where the order is meant to "
            "go out once more, submit it with `again=True`."
        ),
        InvalidFileError: "Correct the lines in `violations`; none of the file was taken.",
    }
)
"""What to do next; every class but the root has its words."""


def classes(root: type[FrontPayError] = FrontPayError) -> Iterator[type[FrontPayError]]:
    """Yield the root's subclasses as they stand in the tree, from the top down."""
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
    """Yield the attributes of a class that its bases do not have, each with its words."""
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
        examples: Errors that were raised, by class.
    """
    return "\n".join(line for error in classes() for line in _section(error, examples[error]))
