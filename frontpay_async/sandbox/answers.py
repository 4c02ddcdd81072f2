"""The API's answers in its usual envelope, byte for byte as it writes them: escaped slashes and all."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

    from frontpay_async._protocol.messages import Json

__all__ = ["Answer", "Refusal", "failure", "not_found", "success", "write_json"]

_PHRASES = {
    400: "Conflict of Business Logic",
    404: "Not Found",
    417: "Client Error",
    500: "Internal Dependency Error",
    510: "Execution Exception Occurred",
}


@frozen
class Answer:
    """Hold one answer before it is written.

    Args:
        status: The HTTP status.
        body: The JSON body.
        headers: Headers beyond those that every answer has.
    """

    status: int
    body: dict[str, Json]
    headers: Mapping[str, str] = {}


class Refusal(Exception):  # noqa: N818 - an answer, raised to leave a handler early
    """Leave a handler with an answer that says no.

    Args:
        answer: The answer.
    """

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


def success(
    status: int, message: str, data: Json = None, *, body_status: int | None = None, **beside: Json
) -> Answer:
    """Return a success; ``beside`` stands next to ``data``, as the terminal checks have it."""
    head: dict[str, Json] = {"status_code": body_status or status, "status_message": "OK"}
    return Answer(status, {**head, **beside, "message": message, "is_data": data is not None, "data": data})


def failure(status: int, message: str, errors: Json = None) -> Answer:
    """Return a documented failure."""
    return Answer(
        status,
        {
            "status_code": status,
            "status_message": _PHRASES[status],
            "message": message,
            "is_error": True,
            "errors": errors,
        },
    )


def not_found(message: str = "orderNotFound") -> Refusal:
    """Return the refusal of an id that is not known."""
    return Refusal(failure(404, message))


def write_json(body: Mapping[str, Json]) -> bytes:
    """Write a body as the API does."""
    return json.dumps(body, ensure_ascii=True, separators=(",", ":")).replace("/", "\\/").encode()
