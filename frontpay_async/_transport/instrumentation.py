"""Observer hooks, telemetry and the log: what may be told, and that telling never breaks a payment.

The hooks are told when something has ended. Telemetry is told when it begins, too, because what runs in
between belongs to it: a span is the current one while its call runs. ``frontpay_async.otel`` is the one
implementation; nothing here knows it.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Literal, ParamSpec, Protocol, TypeAlias, TypeVar

from attrs import frozen

if TYPE_CHECKING:
    from collections.abc import Callable

    from frontpay_async._protocol.messages import HttpResponse
    from frontpay_async._protocol.operations import Operation
    from frontpay_async._transport.call import Call
    from frontpay_async.models.records import AttemptRecord, ResultRecord
    from frontpay_async.priority import Priority

P = ParamSpec("P")
T = TypeVar("T")
Gauge: TypeAlias = Literal["rate.remaining", "watch.staleness"]

logger = logging.getLogger("frontpay_async")
logger.addHandler(logging.NullHandler())


@frozen(eq=False)
class Observers:
    """Hold the caller's hooks.

    Args:
        on_attempt: Called after each attempt.
        on_result: Called after each call.
    """

    on_attempt: Callable[[AttemptRecord], object] | None = None
    on_result: Callable[[ResultRecord], object] | None = None


class Follower(Protocol):
    """Follow one client's calls while they run.

    What ``call`` and ``request`` return is called when that has ended, in the same task.
    """

    def call(
        self, operation: Operation[object], priority: Priority
    ) -> Callable[[ResultRecord], object] | None:
        """Follow a whole call from its beginning."""
        ...

    def request(self, call: Call) -> Callable[[HttpResponse | None, float, str | None], object] | None:
        """Follow one request of a call; its end has the answer, the seconds, and the kind of its error."""
        ...

    def observe(self, gauge: Gauge, read: Callable[[], float | None]) -> None:
        """Take note of a number that is read now and then, in any thread; None while there is none."""
        ...


class TelemetryProvider(Protocol):
    """Follow clients; ``frontpay_async.otel`` has the one for OpenTelemetry."""

    def follow(self, base_url: str) -> Follower:
        """Follow the calls of a client."""
        ...


def tell(hook: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
    """Call a hook; what it raises is logged, and goes no further: None is returned."""
    try:
        return hook(*args, **kwargs)
    except Exception as error:  # noqa: BLE001 - a broken hook must not lose the answer of a payment
        logger.error("an observer hook raised %s; the call goes on", type(error).__name__)  # noqa: TRY400 - the traceback may show the caller's secrets
        return None
