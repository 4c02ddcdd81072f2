"""The alternative method or path of an operation, if sources disagree. Pure.

*Invariant*: a second try is harmless. It follows only a 405, or a 404 without the API's envelope: both are
sent by the router, so no handler has run. An unknown order is a 404 *with* the envelope.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from attrs import evolve

if TYPE_CHECKING:
    from frontpay_async._protocol.messages import HttpRequest, HttpResponse

_METHOD_NOT_ALLOWED, _NOT_FOUND = 405, 404


def has_no_route(response: HttpResponse | None) -> bool:
    """Return whether a response says that the API has no such method or path."""
    if response is None:
        return False
    if response.status == _NOT_FOUND:
        return not {"status_code", "is_data", "is_error"} & response.envelope().keys()
    return response.status == _METHOD_NOT_ALLOWED


def other_route(request: HttpRequest, status: int) -> HttpRequest | None:
    """Return the request by the other method or path of its row; None if the row has no other."""
    row = request.operation
    if row.other_method is not None and status == _METHOD_NOT_ALLOWED:
        return evolve(request, method=row.other_method if request.method == row.method else row.method)
    if row.other_path is not None:
        # Such rows have no id in their path, so the path begins with the row's.
        for path, other in ((row.path, row.other_path), (row.other_path, row.path)):
            if request.path == path or request.path.startswith((f"{path}/", f"{path}?")):
                return evolve(request, path=other + request.path.removeprefix(path))
    return None
