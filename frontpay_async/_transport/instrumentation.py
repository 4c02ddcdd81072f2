"""Observer hooks, telemetry and logging, without personal data; their failures never break a call.

Hooks are called at the end of attempts and calls. Telemetry is also called at the start, because a span is
current while its call runs. ``frontpay_async.otel`` implements it, and nothing here depends on that module.
"""

from __future__ import annotations

import logging
from contextvars import ContextVar
from types import CoroutineType
from typing import TYPE_CHECKING, Literal, ParamSpec, Protocol, TypeAlias, TypeVar

from attrs import Factory, define, field, frozen

from frontpay_async._protocol.operations import Safety
from frontpay_async._transport.clock import Clock
from frontpay_async._transport.send import TransportFailure
from frontpay_async.models.raw import RawResponse
from frontpay_async.models.records import AttemptRecord, ResultRecord
from frontpay_async.priority import Priority

if TYPE_CHECKING:
    from collections.abc import Callable

    from frontpay_async._protocol.messages import HttpResponse
    from frontpay_async._protocol.operations import Operation
    from frontpay_async._transport.call import Attempt, Call, Stage
    from frontpay_async.errors import Outcome

P = ParamSpec("P")
T = TypeVar("T")
Gauge: TypeAlias = Literal["rate.remaining", "watch.staleness"]

logger = logging.getLogger("frontpay_async")
logger.addHandler(logging.NullHandler())


@frozen(eq=False, repr=False)
class Observers:
    """The caller's hooks.

    Args:
        on_attempt: Called after each attempt.
        on_result: Called after each call.
    """

    on_attempt: Callable[[AttemptRecord], object] | None = None
    on_result: Callable[[ResultRecord], object] | None = None


captured: ContextVar[list[ResultRecord] | None] = ContextVar("frontpay_async.captured", default=None)
"""The records of the calls within one ``with_raw_response``."""

_NOBODY = Observers()
_CLOCK = Clock()


class Follower(Protocol):
    """The telemetry of one client's calls.

    ``call`` and ``request`` return a function that is called at the end, in the same task.
    """

    def call(
        self, operation: Operation[object], priority: Priority
    ) -> Callable[[ResultRecord], object] | None:
        """Start the telemetry of a call."""
        ...

    def request(self, call: Call) -> Callable[[HttpResponse | None, float, str | None], object] | None:
        """Start the telemetry of a request; the returned function takes response, seconds and error type."""
        ...

    def observe(self, gauge: Gauge, read: Callable[[], float | None]) -> None:
        """Register a gauge, which is read periodically in any thread; None while it has no value."""
        ...


class TelemetryProvider(Protocol):
    """A factory of followers; ``frontpay_async.otel`` has the one for OpenTelemetry."""

    def follow(self, base_url: str) -> Follower:
        """Return the follower of a client's calls."""
        ...


def tell(hook: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T | None:
    """Call a hook; an exception is logged and None is returned."""
    try:
        returned = hook(*args, **kwargs)
        if not isinstance(returned, CoroutineType):
            return returned
        returned.close()
        logger.error("an observer hook returned a coroutine, which is not awaited: pass a plain function")
    except Exception as error:  # noqa: BLE001 - a broken hook must not lose the answer of a payment
        logger.error("an observer hook raised %s; the call continues", type(error).__name__)  # noqa: TRY400 - the traceback may show the caller's secrets
    return None


@define(eq=False, repr=False)
class CallReport:
    """The reports to the observers of one call.

    A call is reported from its start. A tentative call, whose request is chosen by ``before_send``, is
    reported from that choice on, and not at all if nothing was chosen.

    Args:
        observers: The caller's hooks.
        follower: Telemetry, if enabled.
        priority: The priority of the call.
        clock: Time.
    """

    observers: Observers = _NOBODY
    follower: Follower | None = None
    priority: Priority = Priority.NORMAL
    clock: Clock = _CLOCK
    started: float = field(init=False, default=Factory(lambda self: self.clock.now(), takes_self=True))
    _begun: bool = field(init=False, default=False)
    _end: Callable[[ResultRecord], object] | None = field(init=False, default=None)

    def begin(self, operation: Operation[object]) -> None:
        """Report the start of the call, once."""
        if not self._begun:
            self._begun = True
            if self.follower is not None:
                self._end = tell(self.follower.call, operation, self.priority)

    def attempted(self, attempt: Attempt, outcome: Outcome | None, started: float) -> None:
        """Report the end of an attempt; the outcome is None if it succeeded."""
        hook = self.observers.on_attempt
        if hook is None or not self._begun:
            return
        record = AttemptRecord(
            operation=attempt.request.operation.name,
            order_uuid=attempt.request.order_uuid,
            attempt=attempt.number,
            status=attempt.response.status if attempt.response else None,
            elapsed=self.clock.now() - started,
            outcome=outcome,
        )
        tell(hook, record)

    def end(
        self, operation: Operation[object], call: Call | None, outcome: Outcome | None, error: str | None
    ) -> None:
        """Report the end of the call."""
        hook, kept = self.observers.on_result, captured.get()
        if not self._begun or (hook is None and self._end is None and kept is None):
            return
        last = call.last if call else None
        request = call.sent if call else None
        unresolved = call.unresolved if call else None
        operation = request.operation if request else operation
        record = ResultRecord(
            operation=operation.name,
            order_uuid=request.order_uuid if request else None,
            attempts=last.number if last else 0,
            status=last.response.status if last and last.response else None,
            elapsed=self.clock.now() - self.started,
            outcome=outcome,
            error=error,
            may_have_happened_twice=(
                outcome is None and unresolved is not None and operation.safety is Safety.UNSAFE
            ),
            response=_raw(last.response) if outcome is None and last and last.response else None,
        )
        if kept is not None:
            kept.append(record)
        if hook is not None:
            tell(hook, record)
        if self._end is not None:
            tell(self._end, record)


def _raw(response: HttpResponse) -> RawResponse:
    try:
        json = response.json()
    except ValueError:
        # A 404 that means an empty list.
        json = None
    return RawResponse(status=response.status, headers=response.headers, json=json)


@define(eq=False, repr=False)
class Instrumentation:
    """The stage that reports the start and end of requests; used only with telemetry.

    It is the last stage before the wire, so waits for the rate window and the token are not included.

    Args:
        following: The next stage.
        follower: Receives each request.
        clock: Time.
    """

    following: Stage
    follower: Follower
    clock: Clock

    async def send(self, call: Call) -> HttpResponse:
        """Send the attempt."""
        call.requests += 1
        response = None
        kind: str | None = None
        end = tell(self.follower.request, call)
        started = self.clock.now()
        try:
            response = await self.following.send(call)
        except BaseException as error:
            # A cancellation also ends the request for telemetry.
            kind = _kind(error)
            raise
        else:
            return response
        finally:
            if end is not None:
                tell(end, response, self.clock.now() - started, kind)


def _kind(error: BaseException) -> str:
    """Return the error type: that of the engine's error if there is one, otherwise ours."""
    cause = error.__cause__
    return cause.kind if isinstance(cause, TransportFailure) else type(error).__name__
