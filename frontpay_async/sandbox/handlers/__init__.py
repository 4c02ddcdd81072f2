"""The handlers of the operations: one per row of the operation table, in the file of its resource.

A handler gets the request as a ``RequestContext``, changes the state and returns the successful response. It
rejects a request by raising ``Refusal``.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from frontpay_async.sandbox.handlers.context import HANDLERS

if TYPE_CHECKING:
    from frontpay_async._protocol.operations import Operation
    from frontpay_async.sandbox.handlers.context import Handler


def handler_of(operation: Operation[object]) -> Handler:
    """Return the handler of a row; a resource's handlers are loaded when one of them is needed."""
    if operation.name not in HANDLERS:
        import_module(f"{__name__}.{operation.resource}")
    return HANDLERS[operation.name]
