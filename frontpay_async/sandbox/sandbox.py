"""A stateful sandbox of Front Payment's Connect API, for experiments, demos and tests.

    sandbox = Sandbox()
    async with sandbox.client() as client:              # in-process, no socket
        created = await client.orders.send_invoice(order)
        sandbox.apply_event(created.order_uuid, "pay")

    async with sandbox.serve() as base_url: ...         # over a socket, in this event loop
    python3 -m frontpay_async.sandbox --port 0           # over a socket, in a process of its own

Over a socket it serves a page, at ``/``, on which a person acts as the cardholder.

It implements every operation of the client's table, checks the documented rules and answers violations with
417, keeps orders, payments and refunds in state machines, throttles like Laravel, sends callbacks
(``callback_sender``), and fails on demand (``fail``). Envelopes, messages and headers are as observed from
the demo API. Inconsistencies are reproduced: numbers as JSON numbers and as strings, ``is_data`` false
although there is data, a 404 for an empty list.

*Limits*. The sandbox does not reproduce the following, mostly because no source describes it:

- **Rules of money.** It accepts any order date, totals that do not add up, and any amount, as observed from
  the demo API. A refund pays back its ``grandTotal``, whatever its lines add up to; if that is not positive,
  it gets 417.
- **Laravel's leniency**, such as 1 for true, and the wording of 417 beyond the observed sentences. The
  sentences are in the order of the fields, those about lines last.
- **Other revisions.** It requires what the reference requires. The API of July 2025 required more members
  (``sendOrderBy.invoice``, ``dueDateForPaymentLink`` and others), dates such as ``07 Apr, 2024`` (here with
  ``order_date_format``), and other paths for e-faktura and EHF.
- **Undecided payments and refunds.** A status check returns ``pending_status``; None omits the member. While
  a refund is undecided, the order's status is unchanged unless ``pending_refund_status`` is set, and a second
  refund gets 400 ``orderRefundRequestAlreadySubmitted``.
- **Refusals by state** for which the reference has no code: cancelling a cancelled order gets 400
  ``orderStatusAlreadyCancelled`` (``orderStatusAlreadyPaidOrCancelled`` exists, too); charging or resending a
  paid or ended order 400 ``orderStatusAlreadyPaid`` or ``…Cancelled``; refunding an unpaid order 404
  ``refundRejectionForTransactionNotFound``, a cancelled or refunded one 400
  ``refundRejectionForRefundedCancelledInvoicedOrderParamRefunded``; cancelling a completed refund 400
  ``orderStatusAlreadyRefunded``; a missing invoice number or refund 404; an unknown terminal 417.
- **Delayed charge and reversal** beyond their effect: any unpaid order can be charged, a reversal is a
  refund, and ``regular`` and ``invoiced`` refunds are one. An invoice may be refunded before it is paid, and
  can then no longer be paid. Resending the link of an expired order makes it valid again.
- **Routes and kinds of orders.** The terminal routes do not know other orders (404). Whether the list of
  statuses includes terminal orders is ``list_terminal_orders``; for an unknown status the list is empty.
- **Credit and company checks**: every number gets the same score. Invalid identity numbers get 510
  ``personCurrentStatusIsWrong``; on other routes only the fault ``510-refused`` has that response.
- **Reservations, subscriptions and customers** beyond what the vendor's pages show: messages of creations and
  updates, rejections by status, and the times of status changes are guesses. A card holds a reservation for
  31 days.
- **Values**: an order's ``type`` in its details, which numbers are strings, and which display statuses
  (``Reminder``, ``Debt Collection``, ``Over Payment`` and others) the API shows. Details always have the ids
  of lines, and a status its amounts, although real responses may lack them. A terminal's status check has one
  message for each outcome, although two are documented.
- **Delivery**: no e-mail, SMS or EHF is sent and no bank is involved, invoices are not collected by interval,
  no fee is added, and links expire only with ``apply_event(uuid, "expire")``.
- **Proxies**: the HTML of a 502 and the responses to unknown routes and methods have the API's headers; their
  text is invented.
- **Callbacks**: which of them the API repeats, and after which responses (here only with
  ``callback_sender.repeat``); the full list of payment methods (here Visa, invoice, or none). Terminal orders
  send a callback when the payment or a refund is decided, others at each change of status. The checksum
  covers the whole query, including the parameters of the callback URL, as in the vendor's sample code.
- **TLS.**
"""

from __future__ import annotations

import contextlib
import sys
import time
from collections import deque
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, TypeVar

import anyio

# Not imported, because only a sandbox that is served needs uvicorn.
if _missing := [name for name in ("starlette", "uvicorn") if find_spec(name) is None]:
    needs = "frontpay_async.sandbox needs the extra: pip install 'frontpay_async[sandbox]'"
    raise ModuleNotFoundError(needs, name=_missing[0])

from frontpay_async import _checks
from frontpay_async._protocol.operations import DateFormat
from frontpay_async._transport.clock import Clock
from frontpay_async.client import FrontPayClient
from frontpay_async.models.terminals import Terminal
from frontpay_async.priority import Priority
from frontpay_async.sandbox.app import BASE_PATH, Api
from frontpay_async.sandbox.callback_sender import CallbackForm, CallbackSender, SentCallback
from frontpay_async.sandbox.faults import Fault, FaultKind, Faults
from frontpay_async.sandbox.inspect.feed import Feed, RecordedRequest
from frontpay_async.sandbox.inspect.origin import AllowedHost
from frontpay_async.sandbox.reservations import (
    OUTSIDE_RESERVATION_EVENTS,
    ReservationEvent,
    SandboxReservation,
)
from frontpay_async.sandbox.settings import (
    DEFAULT_CALLBACK_SECRET,
    DEFAULT_TOKEN,
    Cardholder,
    SandboxSettings,
    default_terminals,
)
from frontpay_async.sandbox.state import (
    OUTSIDE_EVENTS,
    Decision,
    Event,
    ForbiddenEventError,
    SandboxOrder,
    SandboxState,
)
from frontpay_async.sandbox.state_file import StateFile
from frontpay_async.sandbox.subscriptions import (
    OUTSIDE_SUBSCRIPTION_EVENTS,
    SandboxSubscription,
    SubscriptionEvent,
)
from frontpay_async.sandbox.terminal_behaviour import DeclineReason
from frontpay_async.sandbox.throttle import Throttle
from frontpay_async.sandbox.transport import SandboxTransport

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Collection, Mapping
    from decimal import Decimal

    import httpx
    from starlette.routing import Router
    from starlette.types import ASGIApp, Receive, Scope, Send

    from frontpay_async._transport.instrumentation import TelemetryProvider
    from frontpay_async.models.records import AttemptRecord, ResultRecord
    from frontpay_async.sandbox.company_checks import SandboxCompanyCheck
    from frontpay_async.sandbox.state import Duplicate
    from frontpay_async.sandbox.terminal_behaviour import Behaviour
    from frontpay_async.settings import RateLimit, RetryPolicy, Timeouts

T = TypeVar("T")
EventT = TypeVar("EventT", Event, ReservationEvent, SubscriptionEvent)


def _given(name: str, value: T | None, default: T) -> T:
    cls = type(default)
    return default if value is None else _checks.instance(name, value, cls, f"{cls.__name__}()")


def _text_or_none(name: str, value: str | None) -> str | None:
    return None if value is None else _checks.text(name, value)


def _amount_or_none(name: str, value: Decimal | None) -> Decimal | None:
    return None if value is None else _checks.amount(name, value)


class Sandbox:
    """The simulated API; each token is a separate account.

    Args:
        tokens: The tokens that are accepted; any other gets 401.
        rate_limit: Requests per window for each token; None to disable the throttle.
        rate_window: Seconds.
        rate_headers_when_written: Whether the rate headers show the count when the response is written,
            including requests in flight, or when the request was counted.
        cardholder: The behaviour of the cardholder at the terminals.
        terminals: The card terminals. Defaults to two of ``DEFAULT_ORGANIZATION``.
        order_date_format: ``unix`` or ``day``, required of every order. Defaults to each operation's
            documented form.
        pending_status: The result of a terminal's status check before the decision; None omits the member.
        pending_refund_status: The status of an order while its refund waits on a terminal, such as ``Refund
            Pending``. Defaults to the order's status before the refund.
        list_terminal_orders: Whether the list of statuses includes terminal orders.
        refund_request_threshold: The largest refund; None for no limit.
        refund_weekly_threshold: The largest sum of refunds in seven days; None for no limit.
        one_payment_at_a_time: Whether a terminal with a waiting payment or refund answers ``terminalIsBusy``.
        magic_amounts: Whether the øre of a terminal payment's total determine its outcome; see
            ``sandbox.MAGIC_AMOUNTS``.
        state_file: A file that keeps the state of a served sandbox over restarts: orders, reservations,
            subscriptions, customers and checks. It contains the request bodies, including personal data, and
            only its owner can read it.
        callback_secret: The secret for the checksums of callbacks.
        callback_hosts: Hosts to which callbacks may be sent, in addition to this machine.
        callback_transport: Sends the callbacks, to any host. Defaults to a socket.
        callback_form: The sequence of parameters in callbacks about orders: ``example`` (that of the vendor's
            example URL), ``table``, or one of the older forms ``without-method`` and ``shortest``.
        allowed_hosts: Host names, in addition to this machine's, by which the sandbox may be reached; others
            get 403.
        request_history: The number of newest requests that ``requests`` keeps.
        clock: Time; for tests.

    Raises:
        ConfigurationError: An argument is of another type or out of range; also a ``ValueError``.
        TypeError: A threshold is a float or not a number.
    """

    faults: Faults
    """The active faults."""
    app: ASGIApp
    """The ASGI app, for your own server."""
    callback_sender: CallbackSender
    """The sender of callbacks, with ``fail``, ``repeat`` and ``running``."""

    def __init__(
        self,
        *,
        tokens: Collection[str] = (DEFAULT_TOKEN,),
        rate_limit: int | None = 240,
        rate_window: float = 60.0,
        rate_headers_when_written: bool = False,
        cardholder: Cardholder | None = None,
        terminals: Collection[Terminal] | None = None,
        order_date_format: DateFormat | str | None = None,
        pending_status: str | None = "SENT",
        pending_refund_status: str | None = None,
        list_terminal_orders: bool = True,
        refund_request_threshold: Decimal | None = None,
        refund_weekly_threshold: Decimal | None = None,
        one_payment_at_a_time: bool = False,
        magic_amounts: bool = False,
        callback_secret: str = DEFAULT_CALLBACK_SECRET,
        callback_hosts: Collection[str] = (),
        callback_transport: httpx.AsyncBaseTransport | None = None,
        callback_form: CallbackForm | str = CallbackForm.EXAMPLE,
        allowed_hosts: Collection[str] = (),
        request_history: int = 10_000,
        state_file: str | Path | None = None,
        clock: Clock | None = None,
    ) -> None:
        settings = SandboxSettings(
            tokens=frozenset(_checks.texts("tokens", tokens)),
            cardholder=_given("cardholder", cardholder, Cardholder()),
            terminals=default_terminals()
            if terminals is None
            else _checks.instances("terminals", terminals, Terminal, "[Terminal(...)]"),
            order_date_format=None
            if order_date_format is None
            else _checks.member("order_date_format", order_date_format, DateFormat),
            pending_status=_text_or_none("pending_status", pending_status),
            pending_refund_status=_text_or_none("pending_refund_status", pending_refund_status),
            list_terminal_orders=_checks.flag("list_terminal_orders", list_terminal_orders),
            refund_request_threshold=_amount_or_none("refund_request_threshold", refund_request_threshold),
            refund_weekly_threshold=_amount_or_none("refund_weekly_threshold", refund_weekly_threshold),
            one_payment_at_a_time=_checks.flag("one_payment_at_a_time", one_payment_at_a_time),
            magic_amounts=_checks.flag("magic_amounts", magic_amounts),
        )
        self._clock = _given("clock", clock, Clock())
        # Wall-clock time follows the clock, so tests that advance one advance the other.
        self._epoch = time.time() - self._clock.now()
        feed = self._feed = Feed()
        self.faults = Faults(feed.note)
        if callback_transport is not None:
            what = "an async transport of httpx"
            _checks.offers("callback_transport", callback_transport, ["handle_async_request"], what)
        self.callback_sender = CallbackSender(
            self._clock,
            _checks.text("callback_secret", callback_secret),
            _checks.texts("callback_hosts", callback_hosts),
            callback_transport,
            _checks.member("callback_form", callback_form, CallbackForm),
        )
        when_written = _checks.flag("rate_headers_when_written", rate_headers_when_written)
        window = _checks.seconds("rate_window", rate_window)
        if rate_limit is None:
            throttle = None
        else:
            limit = _checks.whole("rate_limit", rate_limit, "a whole number of at least 1, or None")
            throttle = Throttle(limit, window, when_written)
        most = _checks.whole(
            "request_history", request_history, "a whole number of 0 or more", least=0, most=sys.maxsize
        )
        history = deque[RecordedRequest](maxlen=most)
        self._settings = settings
        self._api = Api(settings, self._new_state(), throttle, self.faults, self._clock, feed, history)
        self.app = AllowedHost(self._api.app(self._page), _checks.texts("allowed_hosts", allowed_hosts))
        self.callback_sender.note = feed.note_callback
        if state_file is not None:
            _checks.path("state_file", state_file)
        self._store = None if state_file is None else StateFile(Path(state_file), self._api)
        if self._store is not None:
            self._store.load()

    def _new_state(self) -> SandboxState:
        now = self._clock.now
        state = SandboxState(now, lambda: self._epoch + now(), note=self._feed.note_order)
        state.behaviour.one_at_a_time = self._settings.one_payment_at_a_time
        state.behaviour.magic_amounts = self._settings.magic_amounts
        self.callback_sender.attend(state)
        return state

    async def _page(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Respond to paths without an operation: the page and its control routes (an ASGI app)."""
        await self._pages(scope, receive, send)

    @cached_property
    def _pages(self) -> Router:
        # Imported and built at the first use: most sandboxes of tests have none.
        from starlette.routing import Router  # noqa: PLC0415

        from frontpay_async.sandbox.checkout_page import checkout_routes  # noqa: PLC0415
        from frontpay_async.sandbox.inspect.control import control_routes  # noqa: PLC0415
        from frontpay_async.sandbox.inspect.routes import page_routes  # noqa: PLC0415
        from frontpay_async.sandbox.inspect.view import View  # noqa: PLC0415

        api = self._api
        routes = [*page_routes(api), *control_routes(self, View(api)), *checkout_routes(api)]
        router = Router(routes, redirect_slashes=False)
        router.default = api.no_route
        return router

    def transport(self) -> SandboxTransport:
        """Return an httpx transport that calls this sandbox without a socket."""
        return SandboxTransport(self.app)

    def client(
        self,
        token: str = DEFAULT_TOKEN,
        *,
        timeouts: Timeouts | None = None,
        retry: RetryPolicy | None = None,
        rate_limit: RateLimit | None = None,
        priority: Priority = Priority.NORMAL,
        order_date_format: DateFormat | str | None = None,
        strict_totals: bool = True,
        on_attempt: Callable[[AttemptRecord], object] | None = None,
        on_result: Callable[[ResultRecord], object] | None = None,
        telemetry: TelemetryProvider | None = None,
        clock: Clock | None = None,
    ) -> FrontPayClient:
        """Return a client of this sandbox, without a socket.

        Args:
            token: The token, which selects the account.
            timeouts: Time limits in seconds; of the phases, only ``read`` has an effect here.
            retry: How failed attempts are repeated.
            rate_limit: The rate limit that it assumes for the token.
            priority: The priority of its calls.
            order_date_format: The format of the order dates that it sends.
            strict_totals: Whether it rejects amounts that contradict each other.
            on_attempt: Called with a record after each attempt.
            on_result: Called with a record after each call.
            telemetry: Traces and measures the calls.
            clock: Time and randomness of the client. Defaults to the sandbox's clock.
        """
        return FrontPayClient(
            token,
            base_url=f"http://sandbox.localhost{BASE_PATH}",
            transport=self.transport(),
            timeouts=timeouts,
            retry=retry,
            rate_limit=rate_limit,
            priority=priority,
            order_date_format=order_date_format,
            strict_totals=strict_totals,
            on_attempt=on_attempt,
            on_result=on_result,
            telemetry=telemetry,
            clock=clock or self._clock,
        )

    @contextlib.asynccontextmanager
    async def serve(self, host: str = "127.0.0.1", port: int = 0) -> AsyncGenerator[str]:
        """Serve over a socket, in the running asyncio loop, while the block runs; yields the base URL.

        Callbacks are sent as soon as they are due.

        Args:
            host: The address to listen on.
            port: The port; 0 takes a free one.
        """
        # Imported here, so that tests that open no socket do not pay for uvicorn.
        from frontpay_async.sandbox.server import bind, serving  # noqa: PLC0415

        async with serving(self.app, bind(host, port), self.run_beside) as base_url:
            yield base_url

    async def run_beside(self) -> None:
        """Send callbacks, and save the state file, until cancelled; servers run this concurrently."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.callback_sender.run)
            if self._store is not None:
                tasks.start_soon(self._store.run)

    @property
    def orders(self) -> Mapping[str, SandboxOrder]:
        """All orders of all accounts, by id, in the order of their creation; a live view."""
        self._api.state.catch_up()
        return MappingProxyType(self._api.state.orders)

    @property
    def reservations(self) -> Mapping[str, SandboxReservation]:
        """All reservations of all accounts, by id, in the order of their creation; a live view."""
        self._api.state.catch_up()
        return MappingProxyType(self._api.state.reservations)

    @property
    def subscriptions(self) -> Mapping[str, SandboxSubscription]:
        """All subscriptions of all accounts, by id, in the order of their creation; a live view."""
        self._api.state.catch_up()
        return MappingProxyType(self._api.state.subscriptions)

    def fail_cycles(self, subscription_uuid: str, times: int = 1) -> None:
        """Make the payments of a subscription's next cycles fail.

        Args:
            subscription_uuid: The subscription.
            times: How many.

        Raises:
            KeyError: There is no such subscription.
        """
        self.subscriptions[subscription_uuid].failing = times

    @property
    def requests(self) -> tuple[RecordedRequest, ...]:
        """The newest requests, in the order of their arrival, at most ``request_history``."""
        return tuple(self._api.requests)

    @property
    def callbacks(self) -> tuple[SentCallback, ...]:
        """The results of all callbacks so far, in the order in which they were sent or lost."""
        return tuple(self.callback_sender.sent)

    async def deliver_callbacks(self) -> tuple[SentCallback, ...]:
        """Send the callbacks that are due, one after the other, and return the results.

        ``serve`` does this automatically.
        """
        return await self.callback_sender.deliver()

    def duplicates(self) -> tuple[Duplicate, ...]:
        """Return the operations that were carried out more than once with the same content."""
        return self._api.state.duplicates()

    @property
    def company_checks(self) -> Mapping[str, SandboxCompanyCheck]:
        """All company checks of all accounts, by id, in the order of their creation; a live view."""
        return MappingProxyType(self._api.state.company_checks)

    def status_of(self, uuid: str) -> str:
        """Return the status of an order, a reservation, a subscription or a company check.

        Args:
            uuid: Its id.

        Raises:
            KeyError: There is nothing with this id.
        """
        for kind in (self.orders, self.reservations, self.subscriptions, self.company_checks):
            if uuid in kind:
                return kind[uuid].status.value
        raise KeyError(uuid)

    def apply_event(self, order_uuid: str, event: Event | str) -> None:
        """Apply an event from outside the API to an order.

        Args:
            order_uuid: The order, the reservation, the subscription or the company check.
            event: pay, cancel, expire, invoice, remind or collect; of a reservation accept, expire or
                release; of a subscription accept or cycle (its next cycle is billed); of a company check
                confirm or cancel.

        Raises:
            KeyError: There is no such order.
            ValueError: There is no such event, or it does not come from outside the API.
            ForbiddenEventError: The order's status does not allow it.
        """
        state = self._api.state
        if order_uuid in self.reservations:
            moved = _outside(ReservationEvent(event), OUTSIDE_RESERVATION_EVENTS)
            if moved is ReservationEvent.ACCEPT:
                state.accept(self.reservations[order_uuid])
            else:
                self.reservations[order_uuid].apply_event(moved, state.wall())
        elif order_uuid in self.subscriptions:
            if _outside(SubscriptionEvent(event), OUTSIDE_SUBSCRIPTION_EVENTS) is SubscriptionEvent.ACCEPT:
                state.accept(self.subscriptions[order_uuid])
            else:
                self.subscriptions[order_uuid].apply_event(SubscriptionEvent.CYCLE, state.wall())
        elif order_uuid in self.company_checks:
            if event not in ("confirm", "cancel"):
                raise ValueError(f"{event!r} is not an event of a company check: confirm or cancel")
            self.company_checks[order_uuid].decide(confirmed=event == "confirm")
        else:
            self.orders[order_uuid].apply_event(_outside(Event(event), OUTSIDE_EVENTS))

    def approve(self, order_uuid: str) -> None:
        """Let the cardholder pay an order that waits on a terminal.

        Args:
            order_uuid: The order.

        Raises:
            KeyError: There is no such order.
            ForbiddenEventError: It does not wait on a terminal.
        """
        self.orders[order_uuid].decide_payment(Decision.APPROVE)

    def decline(self, order_uuid: str, reason: DeclineReason | str | None = None) -> None:
        """Let the cardholder decline an order that waits on a terminal; see ``approve``.

        Args:
            order_uuid: The order.
            reason: The reason, such as ``wrong-pin``.

        Raises:
            KeyError: There is no such order.
            ValueError: There is no such reason.
            ForbiddenEventError: It does not wait on a terminal.
        """
        why = None if reason is None else DeclineReason(reason)
        self.orders[order_uuid].decide_payment(Decision.DECLINE, why)

    def approve_refund(self, order_uuid: str) -> None:
        """Let the cardholder accept a refund that waits on a terminal.

        Args:
            order_uuid: The order.

        Raises:
            KeyError: There is no such order.
            ForbiddenEventError: No refund waits on a terminal.
        """
        self._decide_refund(order_uuid, Decision.APPROVE)

    def decline_refund(self, order_uuid: str, reason: DeclineReason | str | None = None) -> None:
        """Let the cardholder decline a refund that waits on a terminal; see ``decline``."""
        self._decide_refund(order_uuid, Decision.DECLINE, None if reason is None else DeclineReason(reason))

    def set_terminal(self, terminal_uuid: str, *, offline: bool) -> None:
        """Disconnect or reconnect a terminal; operations on an offline terminal get 510.

        Args:
            terminal_uuid: The terminal.
            offline: Whether to disconnect it.

        Raises:
            KeyError: There is no such terminal.
            ConfigurationError: ``offline`` is not a boolean.
        """
        if terminal_uuid not in {each.uuid for each in self._settings.terminals}:
            raise KeyError(terminal_uuid)
        _checks.flag("offline", offline)
        (self.behaviour.offline.add if offline else self.behaviour.offline.discard)(terminal_uuid)
        self._feed.note()

    @property
    def behaviour(self) -> Behaviour:
        """The behaviour of the terminals; may be changed while the sandbox runs."""
        return self._api.state.behaviour

    def _decide_refund(
        self, order_uuid: str, decision: Decision, reason: DeclineReason | None = None
    ) -> None:
        order = self.orders[order_uuid]
        if order.refund_request is None:
            raise ForbiddenEventError(decision, "an order without a requested refund")
        order.decide_refund(order.refund_request, decision, reason)

    def fail(
        self,
        kind: FaultKind | str,
        *,
        operation: str = "*",
        times: int | None = 1,
        skip: int = 0,
        seconds: float = 0.0,
    ) -> None:
        """Add a fault.

        Args:
            kind: The kind of the fault; see ``FaultKind``.
            operation: The operations that it affects, as a shell pattern, such as ``terminals.*``.
            times: How often; None for ever.
            skip: How many matching requests pass first.
            seconds: For slowness, how long.

        Raises:
            ConfigurationError: There is no such kind, it cannot affect these operations, or an argument has
                the wrong type or is out of range; also a ``ValueError``.
        """
        fault = Fault(kind=FaultKind(kind), operation=operation, times=times, skip=skip, seconds=seconds)
        self.faults.add(fault)

    def fail_randomly(
        self, rates: Mapping[FaultKind | str, float], *, seed: int, operation: str = "*", seconds: float = 0.0
    ) -> None:
        """Add random faults: the same seed and the same requests give the same faults.

        Args:
            rates: The share of requests that each kind affects, such as ``{"510-after": 0.05}``.
            seed: The seed of the choice.
            operation: The operations that they affect, as a shell pattern.
            seconds: For slowness, how long.

        Raises:
            ConfigurationError: A rate is not between 0 and 1, the rates add up to more than 1, or as for
                ``fail``.
        """
        self.faults.add_random(rates, seed=seed, operation=operation, seconds=seconds)

    def reset(self) -> None:
        """Delete all orders, requests, callbacks, faults and rate windows."""
        self._api.state = self._new_state()
        self._api.requests.clear()
        self._api.request_count = 0
        self.faults.clear()
        if self._api.throttle is not None:
            self._api.throttle.reset()
        self._feed.begin_again()


def _outside(event: EventT, allowed: Collection[EventT]) -> EventT:
    if event not in allowed:
        raise ValueError(f"{event!r} can be triggered only through the API")
    return event
