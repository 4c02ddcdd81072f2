"""The log of httpcore at DEBUG, without what the server said.

httpcore logs the headers of a response and the errors about its bytes as they came. A server may repeat a
token or personal data there, and cookies are secrets, so this is left out for requests of this package; the
steps themselves are still logged, and other users of httpcore lose nothing.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar

OWN_REQUEST: ContextVar[bool] = ContextVar("own_request", default=False)
"""Whether the running code is httpcore's, on behalf of this package."""


class _WithoutContent(logging.Filter):
    def filter(self, record: logging.LogRecord) -> bool:
        """Cut what the server said from a record of ours, and let all of them pass."""
        if OWN_REQUEST.get() and isinstance(record.msg, str) and record.msg.startswith("receive_response"):
            record.msg = record.msg.partition(" ")[0]
        return True


_FILTER = _WithoutContent()


def quieten(library: str) -> None:
    """Leave out what servers say from the log of httpcore or httpcore2; repeating it has no effect."""
    logging.getLogger(f"{library}.http11").addFilter(_FILTER)
