"""The table "is it safe to retry?", decided by the code that decides it when money moves. Pure.

Each column is a kind of failure, given by examples of it: what ``parse`` makes of an answer, ``classify`` of
the error, and ``may_retry`` of both is what stands in the cell. Where the examples of one column were decided
differently, the table would not be true, and is not made.
"""

from __future__ import annotations

import inspect
import re
from enum import StrEnum
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING

from attrs import frozen

from frontpay_async import NotSentError, Outcome, OutcomeUnknownError, RetryPolicy
from frontpay_async._protocol.messages import HttpResponse
from frontpay_async._protocol.operations import OPERATIONS, Operation, Safety
from frontpay_async._protocol.parse import problem
from frontpay_async._protocol.retry_policy import Failure, classify, may_retry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from frontpay_async import FrontPayError

__all__ = [
    "FAILURES",
    "Client",
    "Verdict",
    "You",
    "class_of",
    "decide",
    "evidence_table",
    "look",
    "meaning",
    "safety_table",
]

_JSON, _HTML = {"content-type": "application/json"}, {"content-type": "text/html"}


def _api(*statuses: int, message: str = "somethingWentWrong") -> tuple[HttpResponse, ...]:
    return tuple(HttpResponse(status, _JSON, f'{{"message": "{message}"}}'.encode()) for status in statuses)


FAILURES: Mapping[str, tuple[HttpResponse | FrontPayError, ...]] = MappingProxyType(
    {
        "Not sent, 429, busy terminal": (
            NotSentError("x"),
            *_api(429),
            *_api(510, message="terminalIsBusy"),
        ),
        "500, 510": (
            *_api(500, 510),
            *_api(500, 510, message="internalErrorOccurredPleaseTryAgainLater"),
        ),
        "502, 503, 504, lost answer": (
            *_api(500, 510, message="orderIsLockedByAnotherProcess"),
            HttpResponse(200, _JSON, b'{"error": "upstream"}'),
            HttpResponse(204, _JSON, b""),
            *_api(502, 503, 504, 408, 499),
            HttpResponse(500, _HTML, b"<html>"),
            OutcomeUnknownError("x"),
        ),
        "Other 4xx": _api(400, 401, 403, 404, 409, 417, 422, message="x"),
    }
)
"""The columns, and examples of each kind of failure."""


class Client(StrEnum):
    """The reaction of the client."""

    AGAIN = "again"
    BY_POLICY = "again¹"
    STOPS = "stops"


class You(StrEnum):
    """The caller's options after the error."""

    SAFE = "safe"
    LOOK = "**look**"
    FINAL = "final"


@frozen
class Verdict:
    """One cell of the table.

    Args:
        client: The reaction of the client.
        you: The caller's options.
    """

    client: Client
    you: You

    def __str__(self) -> str:
        # No break between the halves.
        return f"{self.client}\N{NO-BREAK SPACE}·\N{NO-BREAK SPACE}{self.you}"


def decide(row: Operation[object], failure: str) -> Verdict:
    """Return the cell of an operation and a kind of failure.

    Args:
        row: The operation.
        failure: A key of ``FAILURES``.

    Raises:
        ValueError: The examples of the kind are not decided alike.
    """
    verdicts = {_verdict(row, example) for example in FAILURES[failure]}
    if len(verdicts) != 1:
        raise ValueError(
            f"{row.name}: {failure} is decided in more than one way: {sorted(map(str, verdicts))}"
        )
    return verdicts.pop()


def _read(row: Operation[object], example: HttpResponse | FrontPayError) -> tuple[FrontPayError, Failure]:
    if not isinstance(example, HttpResponse):
        return example, classify(example, None)
    error = problem(row, example, None)
    if error is None:
        raise ValueError(f"{row.name}: {example} is not a failure")
    return error, classify(error, example)


def meaning(row: Operation[object], example: HttpResponse | FrontPayError) -> Failure:
    """Return the meaning of an example failure."""
    return _read(row, example)[1]


def _verdict(row: Operation[object], example: HttpResponse | FrontPayError) -> Verdict:
    error, meant = _read(row, example)
    usual, strict = (
        may_retry(row.safety, meant, policy, 1)
        for policy in (RetryPolicy(), RetryPolicy(retry_unsafe_server_errors=False))
    )
    client = Client.STOPS if not usual else Client.AGAIN if strict else Client.BY_POLICY
    if meant is Failure.DECIDED:
        return Verdict(client, You.FINAL)
    doubtful = error.outcome is Outcome.UNKNOWN and row.safety is Safety.UNSAFE
    return Verdict(client, You.LOOK if doubtful else You.SAFE)


def _method(name: str) -> str:
    resource, method = name.split(".")
    return f"{{py:meth}}`{method} <frontpay_async.resources.{resource}.{class_of(resource)}.{method}>`"


def _rows(resource: str) -> list[Operation[object]]:
    rows = [row for row in OPERATIONS.values() if row.name.startswith(f"{resource}.")]
    if not rows:
        raise ValueError(f"no operation belongs to {resource!r}")
    return rows


def _markdown(*rows: tuple[object, ...]) -> str:
    head, *body = (f"| {' | '.join(map(str, row))} |" for row in rows)
    return "\n".join([head, f"|{'---|' * len(rows[0])}", *body])


def safety_table(resource: str) -> str:
    """Return the rows of a resource, such as ``orders``, as a Markdown table."""
    return _markdown(
        ("Method", "Safety", *FAILURES),
        *(
            (_method(row.name), f"`{row.safety.name}`", *(decide(row, failure) for failure in FAILURES))
            for row in _rows(resource)
        ),
    )


_LOST = "The response was lost. "


def look(row: Operation[object]) -> str:
    """Return where to check whether an operation took effect, from its method's docstring; Markdown."""
    if row.safety is not Safety.UNSAFE:
        return "nothing to check: call again"
    module = import_module(f"frontpay_async.resources.{row.resource}")
    method = getattr(getattr(module, class_of(row.resource)), row.name.partition(".")[2])
    entry = re.search(r"OutcomeUnknownError: (.+(?:\n {8,}.+)*)", inspect.getdoc(method) or "")
    words = " ".join(entry[1].split()) if entry else ""
    if not words.startswith(_LOST):
        raise ValueError(f"{row.name} is UNSAFE, and its docstring does not say where to look")
    return words.removeprefix(_LOST).replace("``", "`")


def class_of(resource: str) -> str:
    """Return the name of the class of a resource, such as ``CreditChecks`` for ``credit_checks``."""
    return resource.title().replace("_", "")


def evidence_table() -> str:
    """Return where to check after ``UNKNOWN``, for every operation that changes something; Markdown."""
    return _markdown(
        ("Operation", "Where to check"),
        *((f"`{row.name}`", look(row)) for row in OPERATIONS.values() if row.safety is not Safety.READ),
    )
