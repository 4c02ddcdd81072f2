"""Observer hooks, telemetry and the log: what they may contain, and that they never break a payment.

Hooks are called at the end. Telemetry is also called at the beginning, because what runs in
between belongs to it: a span is the current one while its call runs. ``frontpay_async.otel`` is the one
implementation; nothing here knows it.
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
"""Where the records of the calls that one ``with_raw_response`` awaits are kept."""

_NOBODY = Observers()
_CLOCK = Clock()


class Follower(Protocol):
    """Follow one client's calls while they run.

    What ``call`` and ``request`` return is called when that has ended, in the same task.
    """

    def call(
        self, operation: Operation[object], priority: Priority
    ) -> Callable[[ResultRecord], object] | None:
        """Follow a whole call from its beginning."""
        ...

    def request(self, attempt: Attempt) -> Callable[[HttpResponse | None, float, str | None], object] | None:
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
        returned = hook(*args, **kwargs)
        if not isinstance(returned, CoroutineType):
            return returned
        returned.close()
        logger.error("an observer hook returned a coroutine, which is not awaited: give a plain function")
    except Exception as error:  # noqa: BLE001 - a broken hook must not lose the answer of a payment
        logger.error("an observer hook raised %s; the call goes on", type(error).__name__)  # noqa: TRY400 - the traceback may show the caller's secrets
    return None


@define(eq=False, repr=False)
class CallReport:
    """The reports to the observers of one call.

    A call is reported from its beginning. A tentative one, of which ``before_send`` decides what is sent, if
    anything, is reported from that decision on, and not at all where there was none.

    Args:
        observers: The caller's hooks.
        follower: Telemetry, if there is any.
        priority: The rank of the call.
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
        """Report the beginning of the call, once."""
        if not self._begun:
            self._begun = True
            if self.follower is not None:
                self._end = tell(self.follower.call, operation, self.priority)

    def attempted(self, attempt: Attempt, outcome: Outcome | None, started: float) -> None:
        """Tell that an attempt has ended; the outcome is None when it succeeded."""
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
        """Tell that the call has ended."""
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
        # A page that stands for an empty list.
        json = None
    return RawResponse(status=response.status, headers=response.headers, json=json)


@define(eq=False, repr=False)
class Instrumentation:
    """The stage that reports when a request begins and how it ends; composed only with telemetry.

    It is the last one before the wire: the wait for the rate and for a token is not part of a request.

    Args:
        following: The next stage.
        follower: Receives each request.
        clock: Time.
    """

    following: Stage
    follower: Follower
    clock: Clock

    async def send(self, attempt: Attempt) -> HttpResponse:
        """Send the attempt on."""
        attempt.call.requests += 1
        response = None
        kind: str | None = None
        end = tell(self.follower.request, attempt)
        started = self.clock.now()
        try:
            response = await self.following.send(attempt)
        except BaseException as error:
            # A cancellation ends the request for telemetry, too.
            kind = _kind(error)
            raise
        else:
            return response
        finally:
            if end is not None:
                tell(end, response, self.clock.now() - started, kind)


def _kind(error: BaseException) -> str:
    """Name what went wrong on the wire: the engine's error, where ours has one for its cause."""
    cause = error.__cause__
    return cause.kind if isinstance(cause, TransportFailure) else type(error).__name__
