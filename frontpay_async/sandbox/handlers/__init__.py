"""The handlers of the operations: one per row of the operation table, in the file of its resource.

A handler gets the request as a ``RequestContext``, changes the state and returns the successful response. It
rejects a request by raising ``Refusal``.
"""

from __future__ import annotations

from importlib import import_module

from frontpay_async._protocol.operations import RESOURCES
from frontpay_async.sandbox.handlers.context import HANDLERS as HANDLERS

for _resource in RESOURCES:
    import_module(f"{__name__}.{_resource}")
