"""What clients share: the pipeline, its lifetime, and the one way to execute an operation."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar, cast

from attrs import define, evolve, field

from frontpay_async._protocol.build import build
from frontpay_async._protocol.operations import Safety
from frontpay_async._protocol.parse import result
from frontpay_async._transport.call import Call
from frontpay_async._transport.instrumentation import tell
from frontpay_async.errors import APIError, FrontPayError, NotSentError, Outcome
from frontpay_async.models.records import ResultRecord

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from frontpay_async._protocol.messages import HttpRequest
    from frontpay_async._protocol.operations import DateFormat, Operation
    from frontpay_async._rate.stage import Rate
    from frontpay_async._transport.call import CallOptions, Stage
    from frontpay_async._transport.clock import Clock
    from frontpay_async._transport.instrumentation import Follower, Observers
    from frontpay_async._transport.loop_guard import LoopGuard
    from frontpay_async._transport.send import Send

T = TypeVar("T")

_METHOD_NOT_ALLOWED = 405


@define(eq=False)
class Session:
    """Execute operations; bound to the process and event loop of its first call.

    Args:
        pipeline: The first stage.
        rate: The rate stage.
        wire: The last stage, which holds the connections.
        loop_guard: The process and event loop that they belong to.
        clock: Time and chance.
        observers: Told of each call's end.
        date_format: The form of order dates, where it is not each operation's own.
        follower: Told when a call begins and how it ends.
    """

    pipeline: Stage
    rate: Rate
    wire: Send
    loop_guard: LoopGuard
    clock: Clock
    observers: Observers
    date_format: DateFormat | None
    follower: Follower | None = None
    closed: bool = field(init=False, default=False)
    at_close: list[Callable[[], object]] = field(init=False, factory=list["Callable[[], object]"])
    _methods: dict[str, str] = field(init=False, factory=dict[str, str])

    async def execute(
        self,
        operation: Operation[T],
        options: CallOptions,
        *,
        uuid: str | None = None,
        value: object = None,
        query: Mapping[str, str] | None = None,
        choose: Callable[[], HttpRequest] | None = None,
    ) -> T:
        """Build the request, send it through the pipeline, and read the answer.

        Args:
            operation: The row of the operation table.
            options: What the caller chose.
            uuid: The id that stands in the path.
            value: What the body is written from.
            query: The query parameters.
            choose: Decides, when the rate lets the call through, what is sent instead; its request is of an
                operation whose result is a ``T``, too.

        Raises:
            FrontPayError: The call did not succeed; its ``outcome`` says whether it happened.
        """
        started = self.clock.now()
        call: Call | None = None
        outcome: Outcome | None = Outcome.NOT_SENT
        raised: str | None = None
        end = None if choose is not None else self._follow(operation, options)

        def decide() -> HttpRequest:
            nonlocal end
            assert choose is not None  # noqa: S101 - for the type checkers
            chosen = choose()
            end = self._follow(chosen.operation, options)
            return chosen

        try:
            self.check(operation.name)
            request = self.request(operation, uuid=uuid, value=value, query=query)
            total = options.timeouts.total
            call = Call(request, options, None if total is None else started + total)
            call.choose = None if choose is None else decide
            try:
                answer = await self.pipeline.send(call)
            except APIError as error:
                sent = call.request
                if error.status != _METHOD_NOT_ALLOWED or sent.operation.other_method is None:
                    raise
                again, counted = self._by_other_method(sent), call.requests
                call = Call(again, options, call.deadline, call.attempt, requests=counted)
                answer = await self.pipeline.send(call)
            outcome = Outcome.UNKNOWN
            value_read = cast("T", result(call.request.operation, answer, call.request.order_uuid))
            outcome = None
        except FrontPayError as error:
            outcome, raised = error.outcome, type(error).__name__
            raise
        except BaseException as error:
            # The caller gave up: the observer is told what may have happened.
            outcome = Outcome.UNKNOWN if call and (call.may_have_left or call.doubt) else Outcome.NOT_SENT
            raised = type(error).__name__
            raise
        finally:
            undecided = call is not None and call.choose is not None
            hook = None if undecided else self.observers.on_result
            if hook is not None or end is not None:
                record = self._record(operation, call, outcome, started, raised)
                if hook is not None:
                    tell(hook, record)
                if end is not None:
                    tell(end, record)
        return value_read

    def _follow(
        self, operation: Operation[object], options: CallOptions
    ) -> Callable[[ResultRecord], object] | None:
        return None if self.follower is None else tell(self.follower.call, operation, options.priority)

    def request(
        self,
        operation: Operation[object],
        *,
        uuid: str | None = None,
        value: object = None,
        query: Mapping[str, str] | None = None,
    ) -> HttpRequest:
        """Build an operation's request, by the method that the API was seen to take.

        Args:
            operation: The row of the operation table.
            uuid: The id that stands in the path.
            value: What the body is written from.
            query: The query parameters.

        Raises:
            InvalidOrderError: A documented rule is broken.
        """
        method = self._methods.get(operation.name)
        return build(
            operation, uuid=uuid, value=value, method=method, query=query, date_format=self.date_format
        )

    def check(self, operation: str) -> None:
        """Refuse an operation, by its name, that cannot be carried out from here.

        Raises:
            NotSentError: The client is closed.
            ConfigurationError: Its connections belong to another process or event loop.
        """
        self._check_open(operation)
        self.loop_guard.check(operation)

    async def aclose(self) -> None:
        """Close the connections; more calls are refused.

        Raises:
            ConfigurationError: They belong to another process or event loop, which must close them.
        """
        self.loop_guard.check(None)
        self.closed = True
        for tell_of_it in self.at_close:
            tell_of_it()
        await self.wire.aclose()
        await self.rate.aclose()

    def _by_other_method(self, request: HttpRequest) -> HttpRequest:
        """Return the request with the other of the operation's two methods, and remember it."""
        operation = request.operation
        tried_first = operation.other_method if request.method == operation.method else None
        method = self._methods[operation.name] = tried_first or operation.method
        return evolve(request, method=method)

    def _check_open(self, operation: str) -> None:
        if self.closed:
            text = f"{operation}: not sent: the client is closed"
            raise NotSentError(text, operation=operation)

    def _record(
        self,
        operation: Operation[object],
        call: Call | None,
        outcome: Outcome | None,
        started: float,
        raised: str | None,
    ) -> ResultRecord:
        doubt = call.doubt if call else None
        operation = call.request.operation if call else operation
        return ResultRecord(
            operation=operation.name,
            order_uuid=call.request.order_uuid if call else None,
            attempts=call.attempt if call else 0,
            status=call.response.status if call and call.response else None,
            elapsed=self.clock.now() - started,
            outcome=outcome,
            error=raised,
            may_have_happened_twice=(
                outcome is None and doubt is not None and operation.safety is Safety.UNSAFE
            ),
        )
