"""One request and one response, as frozen values whose reprs hide the content. Pure."""

from __future__ import annotations

import json
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING

from attrs import field, frozen

from frontpay_async._exact_json import Json

if TYPE_CHECKING:
    from collections.abc import Mapping

    from frontpay_async._exact_json import JsonObject
    from frontpay_async._protocol.operations import Operation


class WireBody(dict[str, "Json"]):
    """A JSON body; its repr hides the values, so that tracebacks do not contain them."""

    def __repr__(self) -> str:
        return f"<JSON object with {len(self)} members>"


def _size(content: bytes | None) -> str:
    return "None" if content is None else f"<{len(content)} bytes>"


_LARGE = 128 * 1024


@frozen
class HttpRequest:
    """One request, relative to the base URL.

    Args:
        operation: The row of the operation table.
        method: The HTTP method.
        path: The path below the base URL, quoted.
        body: The JSON body, or None.
        order_uuid: The id in the path, for errors and records.
    """

    operation: Operation[object]
    method: str
    path: str
    body: bytes | None = field(default=None, repr=_size)
    order_uuid: str | None = None


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
    _decoded: list[Json] = field(init=False, factory=list[Json], repr=False, eq=False)

    def json(self) -> Json:
        """Decode the body once; numbers with a point become Decimal, exactly."""
        if not self._decoded:
            extreme = False
            try:
                decoder = _DECODER if len(self.body) <= _LARGE else _DECODER_OF_LARGE
                # Like json.loads, without building a decoder each time.
                text = self.body.decode(json.detect_encoding(self.body), "surrogatepass")
                self._decoded.append(decoder.decode(text))
            except (RecursionError, InvalidOperation):
                extreme = True
            if extreme:
                raise ValueError("nested too deeply, or a number out of range")
        return self._decoded[0]

    def envelope(self) -> JsonObject:
        """Return the body if it is a JSON object, otherwise an empty object."""
        try:
            body = self.json()
        except ValueError:
            return {}
        return body if isinstance(body, dict) else {}


def _as_it_is(value: JsonObject) -> JsonObject:
    """Return the object; this call from C into Python lets other threads run while a large body is read."""
    return value


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse_constant)
_DECODER_OF_LARGE = json.JSONDecoder(
    parse_float=Decimal, parse_constant=_refuse_constant, object_hook=_as_it_is
)
