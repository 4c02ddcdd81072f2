"""A response as the API sent it. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

from attrs import field, frozen

from frontpay_async._exact_json import Json
from frontpay_async.models.value import Value


def _frozen(headers: Mapping[str, str]) -> Mapping[str, str]:
    return MappingProxyType(dict(headers))


@frozen(kw_only=True, eq=False, repr=False)
class RawResponse(Value):
    """A response as sent by the API; its content is hidden in reprs, because it may be personal.

    Args:
        status: The HTTP status.
        headers: The headers, names in lower case.
        json: The decoded body; numbers with a point are ``Decimal``, with their exact digits.
    """

    status: int
    headers: Mapping[str, str] = field(converter=_frozen, repr=lambda headers: f"<{len(headers)} headers>")
    json: Json = field(repr=lambda json: f"<{type(json).__name__}>")

    @property
    def request_id(self) -> str | None:
        """The ``x-request-id`` header, if the API sent one."""
        return self.headers.get("x-request-id")

    def __reduce__(self) -> tuple[object, ...]:
        # A MappingProxyType cannot be pickled.
        return partial(type(self), status=self.status, headers=dict(self.headers), json=self.json), ()
