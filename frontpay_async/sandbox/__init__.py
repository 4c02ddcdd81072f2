"""A stateful sandbox of Front Payment's Connect API, for trying out, for demos and for tests.

    sandbox = Sandbox()
    async with sandbox.client() as client:              # in-process, no socket
        created = await client.orders.send_invoice(order)
        sandbox.happen(created.order_uuid, "pay")

    async with sandbox.serve() as base_url: ...         # over a socket, in this event loop
    python -m frontpay_async.sandbox --port 0           # over a socket, in a process of its own

It answers all twenty operations from the same table that the client sends by, checks the documented
rules and answers 417 with the sentences, keeps orders, payments and refunds in real state machines,
throttles like Laravel, and goes wrong on demand (``faults``).

What it does not reproduce, because no source tells:
- Whether the API refuses an order date in the past, adds up totals, or limits amounts. It does none of this.
- What a status check answers before a payment or refund is decided. It says ``pending_status``; None leaves
  the member out.
- What the API answers to cancelling a refund that has gone through (here 400 ``orderStatusAlreadyRefunded``),
  to an invoice number that does not exist yet (here 404), to charging, resending or cancelling an order in a
  state that the reference does not name (here 400 ``orderStatusAlreadyPaid`` or ``…Cancelled``), and to an
  unknown terminal (here 417).
- When a terminal is busy: only by the ``busy`` fault.
- Whether the list of statuses includes terminal orders: ``list_terminal_orders`` decides.
- Delivery: no e-mail, SMS, EHF or bank is involved, invoices are not gathered by interval, no fee is added,
  and orders expire only by ``happen(uuid, "expire")``.
- Callbacks, TLS, and the wording of 417 beyond the sentences that were seen.
"""

from __future__ import annotations

import contextlib
from types import MappingProxyType
from typing import TYPE_CHECKING

from starlette.routing import Router

from frontpay_async._protocol.operations import DateFormat
from frontpay_async._transport.clock import Clock
from frontpay_async.client import FrontPayClient
from frontpay_async.sandbox.app import BASE_PATH, Api, RecordedRequest
from frontpay_async.sandbox.control import control_routes
from frontpay_async.sandbox.faults import Fault, FaultKind, Faults
from frontpay_async.sandbox.handlers import decide_payment, decide_refund
from frontpay_async.sandbox.settings import (
    DEFAULT_ORGANIZATION,
    DEFAULT_TERMINAL,
    DEFAULT_TOKEN,
    Cardholder,
    SandboxSettings,
    default_terminals,
)
from frontpay_async.sandbox.state import Duplicate, ForbiddenEventError, SandboxOrder, State
from frontpay_async.sandbox.throttle import Throttle
from frontpay_async.sandbox.transport import SandboxTransport

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Mapping
    from decimal import Decimal

    from frontpay_async.models.terminals import Terminal
    from frontpay_async.settings import RetryPolicy, Timeouts

__all__ = [
    "DEFAULT_ORGANIZATION",
    "DEFAULT_TERMINAL",
    "DEFAULT_TOKEN",
    "Cardholder",
    "Duplicate",
    "Fault",
    "FaultKind",
    "ForbiddenEventError",
    "RecordedRequest",
    "Sandbox",
    "SandboxOrder",
]


class Sandbox:
    """Simulate the API; each token is an account of its own.

    Args:
        tokens: The tokens that are accepted; any other gets 401.
        rate_limit: Requests a window for each token; None for no throttle.
        rate_window: Seconds.
        cardholder: What happens at the terminals.
        terminals: The card terminals; two of ``DEFAULT_ORGANIZATION`` unless given.
        order_date_format: The form of order dates that is demanded; each operation's documented one unless given.
        pending_status: What a terminal status check answers before the decision; None leaves the member out.
        list_terminal_orders: Whether the list of statuses includes terminal orders.
        refund_request_threshold: The most that one refund may pay back; None for no limit.
        refund_weekly_threshold: The most that the refunds of seven days may pay back; None for no limit.
        clock: Time; for tests.
    """

    faults: Faults
    """What goes wrong."""

    def __init__(
        self,
        *,
        tokens: Collection[str] = (DEFAULT_TOKEN,),
        rate_limit: int | None = 240,
        rate_window: float = 60.0,
        cardholder: Cardholder | None = None,
        terminals: Collection[Terminal] | None = None,
        order_date_format: DateFormat | str | None = None,
        pending_status: str | None = "SENT",
        list_terminal_orders: bool = True,
        refund_request_threshold: Decimal | None = None,
        refund_weekly_threshold: Decimal | None = None,
        clock: Clock | None = None,
    ) -> None:
        self._settings = SandboxSettings(
            tokens=frozenset(tokens),
            rate_limit=rate_limit,
            rate_window=rate_window,
            cardholder=cardholder or Cardholder(),
            terminals=tuple(default_terminals() if terminals is None else terminals),
            order_date_format=None if order_date_format is None else DateFormat(order_date_format),
            pending_status=pending_status,
            list_terminal_orders=list_terminal_orders,
            refund_request_threshold=refund_request_threshold,
            refund_weekly_threshold=refund_weekly_threshold,
        )
        self._clock = clock or Clock()
        self.faults = Faults()
        throttle = None if rate_limit is None else Throttle(rate_limit, rate_window)
        self._api = Api(self._settings, self._new_state(), throttle, self.faults, self._clock)
        self.app = Router([*control_routes(self), *self._api.router.routes], default=self._api.router.default)

    def _new_state(self) -> State:
        return State(self._settings.terminals, self._clock.now)

    def transport(self) -> SandboxTransport:
        """Return an httpx transport that leads here without a socket."""
        return SandboxTransport(self.app)

    def client(
        self,
        token: str = DEFAULT_TOKEN,
        *,
        timeouts: Timeouts | None = None,
        retry: RetryPolicy | None = None,
        clock: Clock | None = None,
    ) -> FrontPayClient:
        """Return a client of this sandbox, without a socket.

        Args:
            token: The token; the account it sees is its own.
            timeouts: Bounds, in seconds.
            retry: How failed attempts are repeated.
            clock: Time and chance of the client; for tests.
        """
        return FrontPayClient(
            token,
            base_url=f"http://sandbox.localhost{BASE_PATH}",
            transport=self.transport(),
            timeouts=timeouts,
            retry=retry,
            clock=clock,
        )

    @contextlib.asynccontextmanager
    async def serve(self, host: str = "127.0.0.1", port: int = 0) -> AsyncIterator[str]:
        """Serve over a socket, in the running asyncio loop, while the block runs; yields the base URL.

        Args:
            host: The address to listen on.
            port: The port; 0 takes a free one.
        """
        # Imported here, so that tests that open no socket do not pay for uvicorn.
        from frontpay_async.sandbox.server import bind, serving  # noqa: PLC0415

        async with serving(self.app, bind(host, port)) as base_url:
            yield base_url

    @property
    def orders(self) -> Mapping[str, SandboxOrder]:
        """All orders of all accounts, by id, in the order of their creation."""
        self._api.state.catch_up()
        accounts = self._api.state.accounts.values()
        return MappingProxyType(
            {uuid: order for account in accounts for uuid, order in account.orders.items()}
        )

    @property
    def requests(self) -> tuple[RecordedRequest, ...]:
        """All requests that arrived, in their order."""
        return tuple(self._api.requests)

    def duplicates(self) -> tuple[Duplicate, ...]:
        """Name all that was done more than once with the same content: the same order sent twice, say."""
        return self._api.state.duplicates()

    def happen(self, order_uuid: str, event: str) -> None:
        """Let something happen to an order from outside the API.

        Args:
            order_uuid: The order.
            event: pay, cancel, expire, remind or collect.

        Raises:
            KeyError: There is no such order.
            ForbiddenEventError: The order's status does not allow it.
        """
        self.orders[order_uuid].happen(event)

    def approve(self, order_uuid: str) -> None:
        """Let the cardholder pay an order that waits on a terminal."""
        decide_payment(self.orders[order_uuid], approved=True)

    def decline(self, order_uuid: str) -> None:
        """Let the cardholder decline an order that waits on a terminal."""
        decide_payment(self.orders[order_uuid], approved=False)

    def approve_refund(self, order_uuid: str) -> None:
        """Let the cardholder take a refund that waits on a terminal."""
        decide_refund(self.orders[order_uuid], approved=True)

    def decline_refund(self, order_uuid: str) -> None:
        """Let the cardholder decline a refund that waits on a terminal."""
        decide_refund(self.orders[order_uuid], approved=False)

    def fail(
        self,
        kind: FaultKind | str,
        *,
        operation: str = "*",
        times: int | None = 1,
        skip: int = 0,
        seconds: float = 0.0,
    ) -> None:
        """Let something go wrong.

        Args:
            kind: What; see ``FaultKind``.
            operation: The operations it strikes, as a shell pattern: ``orders.send_invoice``, ``terminals.*``.
            times: How often; None for ever.
            skip: How many matching requests pass first.
            seconds: For slowness, how long.
        """
        self.faults.add(Fault(kind=kind, operation=operation, times=times, skip=skip, seconds=seconds))

    def fail_randomly(
        self, rates: Mapping[FaultKind | str, float], *, seed: int, operation: str = "*", seconds: float = 0.0
    ) -> None:
        """Let things go wrong at random: the same seed and the same requests give the same faults.

        Args:
            rates: The share of requests that each kind strikes, such as ``{"510-after": 0.05}``.
            seed: Decides which.
            operation: The operations that are struck, as a shell pattern.
            seconds: For slowness, how long.
        """
        self.faults.add_random(rates, seed=seed, operation=operation, seconds=seconds)

    def reset(self) -> None:
        """Forget all orders, requests, faults and rate windows."""
        self._api.state = self._new_state()
        self._api.requests.clear()
        self.faults.clear()
        if self._api.throttle is not None:
            self._api.throttle.reset()
