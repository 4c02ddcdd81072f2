"""One client for a process with threads: Flask, Django under WSGI, Celery, scripts.

    from portal import frontpay

    report = frontpay(lambda client: client.orders.get_status(uuid))

The client lives in an event loop in a thread of its own (a portal), which the first
call starts. All threads of the process share the client, its connections, its rate
limit and its polls. A worker that is forked after the first call gets its own client.
"""

from __future__ import annotations

import atexit
import os
from contextlib import ExitStack
from threading import Lock
from typing import TYPE_CHECKING, TypeVar

from anyio.from_thread import BlockingPortal, start_blocking_portal

from frontpay_async import FrontPayClient, RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

T = TypeVar("T")
_lock = Lock()
# By process id. The stacks are kept, too: a forked child must not close, by forgetting
# it, a portal whose thread is in its parent.
_opened: dict[int, tuple[BlockingPortal, FrontPayClient, ExitStack]] = {}


def frontpay(call: Callable[[FrontPayClient], Awaitable[T]]) -> T:
    """Run a call of the client and return its result; raises what the call raises.

    Args:
        call: Gets the client, and returns what is awaited.
    """
    portal, client, _ = _open()

    async def run() -> T:
        return await call(client)

    return portal.call(run)


def _open() -> tuple[BlockingPortal, FrontPayClient, ExitStack]:
    with _lock:
        found = _opened.get(os.getpid())
        if found is None:
            stack = ExitStack()
            portal = stack.enter_context(start_blocking_portal())
            # FRONTPAY_TOKEN and FRONTPAY_ENVIRONMENT. A request that ended in a 500 or
            # 510 may have taken effect: the caller is told so, and it is not repeated.
            careful = RetryPolicy(retry_unsafe_server_errors=False)
            client = FrontPayClient(retry=careful)
            stack.callback(lambda: portal.call(client.aclose))
            atexit.register(stack.close)
            found = _opened[os.getpid()] = (portal, client, stack)
        return found


# A child of fork must not wait for a lock that a thread of its parent holds.
os.register_at_fork(
    before=_lock.acquire, after_in_parent=_lock.release, after_in_child=_lock.release
)
