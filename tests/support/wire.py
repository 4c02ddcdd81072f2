"""Bodies and answers as they stand on the wire, for tests that look at it."""

from __future__ import annotations

import copy
import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from frontpay_async._protocol.build import build
from frontpay_async._protocol.messages import HttpResponse
from frontpay_async._protocol.parse import problem, result

if TYPE_CHECKING:
    from frontpay_async._protocol.operations import Operation

__all__ = ["answer", "body_of", "changed", "read", "success", "without"]


def body_of(
    operation: Operation[Any], value: object, *, uuid: str | None = "ODR2210048815", **more: Any
) -> Any:
    """Build a request and read its body as the API would; numbers with a point become Decimal."""
    request = build(operation, uuid=uuid if "{" in operation.path else None, value=value, **more)
    assert request.body is not None
    return json.loads(request.body, parse_float=Decimal)


def answer(status: int, body: Any = None, **headers: str) -> HttpResponse:
    """An answer with a JSON body, or with the bytes given; ``retry_after="3"`` is a header."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    return HttpResponse(status, {"content-type": "application/json", **named}, content)


def success(operation: Operation[Any], data: Any = None, **envelope: Any) -> HttpResponse:
    """An operation's documented success, around some data; members of the envelope can be overridden."""
    body = {
        "status_code": operation.success,
        "status_message": "OK",
        "message": operation.message,
        "is_data": data is not None,
        "data": data,
        **envelope,
    }
    return answer(operation.success, body)


def read(operation: Operation[Any], response: HttpResponse, order_uuid: str | None = None) -> Any:
    """Return what a response means, or raise the error it stands for."""
    error = problem(operation, response, order_uuid)
    if error is not None:
        raise error
    return result(operation, response, order_uuid)


def _holder(body: Any, path: str) -> tuple[Any, Any]:
    *way, last = path.split(".")
    for step in way:
        body = body[int(step) if isinstance(body, list) else step]
    return body, int(last) if isinstance(body, list) else last


def changed(body: Any, path: str, value: Any) -> Any:
    """A copy of a body with another value at a wire path such as ``products.0.name``."""
    body = copy.deepcopy(body)
    holder, name = _holder(body, path)
    holder[name] = value
    return body


def without(body: Any, path: str) -> Any:
    """A copy of a body without the member at a wire path."""
    body = copy.deepcopy(body)
    holder, name = _holder(body, path)
    del holder[name]
    return body
