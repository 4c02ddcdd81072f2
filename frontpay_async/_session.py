"""State shared between clients: the pipeline, its lifetime, and the execution of operations."""

from __future__ import annotations

from datetime import UTC, datetime
from functools import partial
from typing import TYPE_CHECKING, TypeVar, cast

from attrs import define, field

from frontpay_async._protocol.build import build
from frontpay_async._protocol.fallback_route import has_no_route, other_route
from frontpay_async._protocol.operations import Safety
from frontpay_async._protocol.parse import consequence, result
from frontpay_async._transport.call import Call
from frontpay_async._transport.instrumentation import CallReport
from frontpay_async._transport.worker_thread import LARGE, in_worker_thread
from frontpay_async.errors import APIError, FrontPayError, NotSentError, Outcome

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from frontpay_async._protocol.messages import HttpRequest, HttpResponse
    from frontpay_async._protocol.operations import DateFormat, Operation
    from frontpay_async._rate.stage import Rate
    from frontpay_async._transport.call import CallOptions
    from frontpay_async._transport.clock import Clock
    from frontpay_async._transport.instrumentation import Follower, Observers
    from frontpay_async._transport.loop_guard import LoopGuard
    from frontpay_async._transport.retry import Retry
    from frontpay_async._transport.send import Send
    from frontpay_async.models.raw import RawResponse

T = TypeVar("T")


@define(eq=False, repr=False)
class Session:
    """The executor of operations, bound to the process and event loop of its first call.

    Args:
        pipeline: The first stage.
        rate: The rate stage.
        wire: The last stage, which owns the connections.
        loop_guard: The process and event loop that they belong to.
        clock: Time and randomness.
        observers: The hooks, called at the end of each call.
        date_format: The format of order dates, if it is not each operation's own.
        follower: Telemetry, called at the start and end of each call.
        strict_totals: Whether contradictory amounts are rejected.
    """

    pipeline: Retry
    rate: Rate
    wire: Send
    loop_guard: LoopGuard
    clock: Clock
    observers: Observers
    date_format: DateFormat | None
    follower: Follower | None = None
    strict_totals: bool = True
    closed: bool = field(init=False, default=False)
    at_close: list[Callable[[], object]] = field(init=False, factory=list["Callable[[], object]"])
    # By the operation's name: the request's route that the API has accepted.
    _routes: dict[str, HttpRequest] = field(init=False, factory=dict[str, "HttpRequest"])

    async def execute(
        self,
        operation: Operation[T],
        options: CallOptions,
        *,
        uuid: str | None = None,
        steps: tuple[str, ...] = (),
        value: object = None,
        query: Mapping[str, str] | None = None,
        tentative: bool = False,
    ) -> T:
        """Build the request, send it through the pipeline, and read the response."""

        def make() -> HttpRequest:
            return self.request(operation, uuid=uuid, steps=steps, value=value, query=query)

        return await self._run(operation, options, make, tentative=tentative)

    async def execute_raw(self, request: HttpRequest, options: CallOptions) -> RawResponse:
        """Send a caller-defined request through the pipeline, and return its response."""
        operation = cast("Operation[RawResponse]", request.operation)
        return await self._run(operation, options, lambda: request)

    async def _run(
        self,
        operation: Operation[T],
        options: CallOptions,
        make: Callable[[], HttpRequest],
        *,
        tentative: bool = False,
    ) -> T:
        report = CallReport(self.observers, self.follower, options.priority, self.clock)
        if not tentative:
            report.begin(operation)
        call: Call | None = None
        try:
            self.check(operation.name)
            total = options.timeouts.total
            deadline = None if total is None else report.started + total
            request = make()
            call = Call(request, options, deadline, report)
            response = await self._send(call)
            sent = call.sent
            made, uuid = cast("Operation[T]", sent.operation), sent.order_uuid
            if len(response.body) < LARGE:
                answer = result(made, response, uuid)
            else:
                answer = await in_worker_thread(partial(result, made, response, uuid))
        except BaseException as error:
            # A cancellation is reported, too, because the request may have taken effect.
            outcome = _outcome(error, call)
            if call is not None and not isinstance(error, FrontPayError):
                _leave_note(error, call, outcome)
            report.end(operation, call, outcome, type(error).__name__)
            raise
        report.end(operation, call, None, None)
        return answer

    async def _send(self, call: Call) -> HttpResponse:
        """Send a call; if the API has no such route, try the operation's other method or path."""
        try:
            return await self.pipeline.send(call)
        except APIError as error:
            refused = error
        first = call.sent
        other = self._other_route(call)
        if other is None:
            raise refused
        call.request = other
        if first.operation.safety is Safety.READ:
            # The API has received this call, even if the second request is not sent.
            call.unresolved = call.unresolved or refused
        try:
            response = await self.pipeline.send(call)
        except APIError as error:
            if error is refused or (call.last is not None and has_no_route(call.last.response)):
                # The second request was not sent, or neither exists: report the error of the first.
                raise refused from None
            self._routes[first.operation.name] = other
            raise error from None
        self._routes[first.operation.name] = other
        return response

    def _other_route(self, call: Call) -> HttpRequest | None:
        response = None if call.last is None else call.last.response
        if response is None or not has_no_route(response):
            return None
        if call.unresolved is not None and call.sent.operation.safety is Safety.UNSAFE:
            # An earlier attempt of this call may have taken effect.
            return None
        return other_route(call.sent, response.status)

    def request(
        self,
        operation: Operation[object],
        *,
        uuid: str | None = None,
        steps: tuple[str, ...] = (),
        value: object = None,
        query: Mapping[str, str] | None = None,
    ) -> HttpRequest:
        """Build an operation's request, with the method and path that the API has accepted."""
        found = self._routes.get(operation.name)
        other = operation.other_path
        return build(
            operation,
            uuid=uuid,
            steps=steps,
            value=value,
            method=None if found is None else found.method,
            path=other if found is not None and other is not None and found.path.startswith(other) else None,
            query=query,
            date_format=self.date_format,
            strict_totals=self.strict_totals,
            now=self._now,
        )

    def _now(self) -> datetime:
        return datetime.fromtimestamp(self.clock.wall(), UTC).astimezone()

    def check(self, operation: str) -> None:
        """Reject an operation that cannot be executed in this process or event loop."""
        self._check_open(operation)
        self.loop_guard.check(operation)

    async def aclose(self) -> None:
        """Close the connections; later calls are rejected."""
        self.loop_guard.check(None)
        self.closed = True
        for tell_of_it in self.at_close:
            tell_of_it()
        await self.wire.aclose()
        await self.rate.aclose()

    def _check_open(self, operation: str) -> None:
        if self.closed:
            text = f"{operation}: not sent: the client is closed"
            raise NotSentError(text, operation=operation)


def _leave_note(error: BaseException, call: Call, outcome: Outcome) -> None:
    """Add a note to a cancellation or a hook's error that the call may have taken effect."""
    operation = call.sent.operation
    if outcome is Outcome.UNKNOWN and operation.safety is not Safety.READ:
        error.add_note(
            f"{operation.name}: the call was cancelled after its request had left."
            f" {consequence(operation, outcome)}"
        )


def _outcome(error: BaseException, call: Call | None) -> Outcome:
    """Return the outcome of a call that failed or was cancelled."""
    if isinstance(error, FrontPayError):
        return error.outcome
    return Outcome.NOT_SENT if call is None else call.given_up
