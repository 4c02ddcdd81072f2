"""One request and one response, as frozen values whose reprs hide the content. Pure."""

from __future__ import annotations

from decimal import InvalidOperation
from typing import TYPE_CHECKING

from attrs import field, frozen

from frontpay_async._protocol.json_text import decode_json
from frontpay_async._protocol.redact import redact

if TYPE_CHECKING:
    from collections.abc import Mapping

    from frontpay_async._exact_json import Json, JsonObject
    from frontpay_async._protocol.operations import Operation


class WireBody(dict[str, "Json"]):
    """A JSON body; its repr hides the values, so that tracebacks do not contain them."""

    def __repr__(self) -> str:
        return f"<JSON object with {len(self)} members>"


def _size(content: bytes | None) -> str:
    return "None" if content is None else f"<{len(content)} bytes>"


def _without_query(path: str) -> str:
    before, mark, _ = path.partition("?")
    return repr(redact(before) + mark + ("***" if mark else ""))


@frozen
class HttpRequest:
    """One request, relative to the base URL.

    Args:
        operation: The row of the operation table.
        method: The HTTP method.
        path: The path below the base URL, quoted; its repr masks the query and personal data.
        body: The JSON body, or None.
        order_uuid: The id in the path, if it is an order's, a reservation's or a subscription's, for errors
            and records.
        asked: The id in the path, whatever it identifies: the response must not be about another one.
    """

    operation: Operation[object]
    method: str
    path: str = field(repr=_without_query)
    body: bytes | None = field(default=None, repr=_size)
    order_uuid: str | None = None
    asked: str | None = None


@frozen(eq=False, repr=False)
class _Unreadable:
    """The reason why a body is not JSON."""

    why: str


@frozen
class HttpResponse:
    """One complete response.

    Args:
        status: The HTTP status.
        headers: The headers, names in lower case.
        body: The body, decoded from any content coding.
    """

    status: int
    headers: Mapping[str, str] = field(repr=lambda headers: f"<{len(headers)} headers>")
    body: bytes = field(repr=_size)
    # What the body says, once it was decoded; or why it cannot be.
    _decoded: list[Json | _Unreadable] = field(
        init=False, factory=list["Json | _Unreadable"], repr=False, eq=False
    )

    def json(self) -> Json:
        """Decode the body, once; raise ValueError if it is not JSON."""
        if not self._decoded:
            self._decoded.append(_read(self.body))
        decoded = self._decoded[0]
        if not isinstance(decoded, _Unreadable):
            return decoded
        # Raised here, because the decoder's error contains the body.
        raise ValueError(decoded.why)

    def envelope(self) -> JsonObject:
        """Return the body if it is a JSON object, otherwise an empty object."""
        try:
            body = self.json()
        except ValueError:
            return {}
        return body if isinstance(body, dict) else {}


def _read(body: bytes) -> Json | _Unreadable:
    try:
        return decode_json(body)
    except (RecursionError, InvalidOperation):
        return _Unreadable("nested too deeply, or a number out of range")
    except ValueError as error:
        return _Unreadable(str(error))
