"""Callbacks of the sandbox: HTTP GETs that report the status of orders to merchants.

A callback is created when an order changes, and is due at once. It is sent:

- by ``Sandbox.serve()`` and ``python3 -m frontpay_async.sandbox`` automatically: the sender wakes up when
  something changes or a simulated cardholder decides. Each order has its own queue, and a hundred queues are
  served at once, so a slow merchant delays only its own orders. Responses of the API never wait for a
  callback.
- otherwise by ``Sandbox.deliver_callbacks()``, or automatically within ``callback_sender.running()``.

Requests go to this machine only, unless other hosts are allowed. Redirects are not followed, the response's
body is not read, and a response may take a few seconds at most. Nothing is repeated by default, because no
source says whether the API does.
"""

from __future__ import annotations

import contextlib
import hashlib
import heapq
import ipaddress
import itertools
from collections import deque
from decimal import Decimal
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlencode

import anyio
import httpx
from attrs import define, evolve, field, frozen

from frontpay_async import _checks
from frontpay_async.callbacks import sign_callback_url
from frontpay_async.models.statuses import OrderStatus, RefundStatus
from frontpay_async.sandbox.handlers.context import json_object, number

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Callable, Collection

    from anyio.abc import TaskGroup

    from frontpay_async._transport.clock import Clock
    from frontpay_async.sandbox.company_checks import SandboxCompanyCheck
    from frontpay_async.sandbox.state import RefundRequest, Reported, SandboxOrder, SandboxState

_AT_ONCE = 100
_KEPT = 10_000
_ENDED_PAYMENT = {
    OrderStatus.PAID: "Approved",
    OrderStatus.CANCELLED: "Cancelled",
    OrderStatus.EXPIRED: "Cancelled",
}
_PAID_ONCE = frozenset({OrderStatus.PAID, OrderStatus.PARTIAL_REFUNDED, OrderStatus.REFUNDED})


class CallbackForm(StrEnum):
    """The parameters of a callback about an order, and those that its checksum covers."""

    EXAMPLE = "example"
    """The sequence of the vendor's example URL, with payment method and amount before the times."""
    TABLE = "table"
    """The sequence of the vendor's table of parameters."""
    WITHOUT_METHOD = "without-method"
    """An older form without the payment method."""
    SHORTEST = "shortest"
    """The oldest form: only order, status and creation date."""


_PARAMETERS = {
    CallbackForm.EXAMPLE: ("orderUuid", "status", "paymentMethod", "amount", "createdAt", "timestamp"),
    CallbackForm.TABLE: ("orderUuid", "status", "createdAt", "paymentMethod", "amount", "timestamp"),
    CallbackForm.WITHOUT_METHOD: ("orderUuid", "status", "createdAt", "amount", "timestamp"),
    CallbackForm.SHORTEST: ("orderUuid", "status", "createdAt"),
}
# The newest formula covers the whole query, including the parameters of the callback URL.
_COVERS_OWN = {CallbackForm.EXAMPLE, CallbackForm.TABLE}


class CallbackFault(StrEnum):
    """A fault of a callback."""

    LOSE = "lose"
    """It is never sent."""
    DELAY = "delay"
    """It is sent some seconds later, with its original timestamp."""
    TWICE = "twice"
    """The same callback is sent two times."""
    SWAP = "swap"
    """It is sent after the order's next callback."""
    WRONG_CHECKSUM = "wrong-checksum"
    """Its checksum is made with another secret; affects only callbacks with a checksum."""


@frozen(kw_only=True)
class SentCallback:
    """The result of one callback.

    Args:
        order_uuid: The order.
        url: Where it was sent, with all parameters; hidden in reprs.
        status: The HTTP status of the merchant's response; None if there was none.
        problem: Why there was none: lost, forbidden host, no response.
        fault: Its fault, if any.
        number: The callback's number, from 1; a repetition has a new one.
        at: When it was sent or lost, in Unix seconds.
        says: The status that it reported.
    """

    order_uuid: str
    url: str = field(repr=lambda _: "'***'")
    status: int | None = None
    problem: str | None = None
    fault: CallbackFault | None = None
    number: int = 0
    at: float = 0.0
    says: str = ""


@define(eq=False)
class _Plan:
    kind: CallbackFault
    times: int | None
    skip: int
    every: int
    seconds: float
    seen: int = 0

    def strikes(self) -> bool:
        """Count one callback; return whether the fault applies."""
        self.seen += 1
        due = self.seen > self.skip and (self.seen - self.skip) % self.every == 0
        if not due or self.times == 0:
            return False
        if self.times is not None:
            self.times -= 1
        return True


@define(eq=False)
class CallbackSender:
    """The sender of callbacks.

    Args:
        clock: Time.
        secret: The secret for checksums; hidden in reprs.
        hosts: Hosts to which callbacks may be sent, in addition to this machine.
        transport: Sends the requests, to any host. Defaults to a socket.
        form: The form of callbacks about orders.
        patience: The longest wait for a response, in seconds.
    """

    _clock: Clock = field(repr=False)
    _secret: str = field(repr=lambda _: "'***'")
    _hosts: Collection[str]
    _transport: httpx.AsyncBaseTransport | None = None
    _form: CallbackForm = CallbackForm.EXAMPLE
    _patience: float = 5.0
    listener: str | None = field(init=False, default=None)
    """The URL that receives all callbacks instead of the orders' URLs, also those of orders without a URL."""
    note: Callable[[SentCallback], object] = field(init=False, default=lambda _: None, repr=False)
    """Called with the result of each callback."""
    sent: deque[SentCallback] = field(
        init=False, factory=lambda: deque[SentCallback](maxlen=_KEPT), repr=False
    )
    _numbers: itertools.count[int] = field(init=False, factory=lambda: itertools.count(1), repr=False)
    _state: SandboxState = field(init=False, repr=False)
    _plans: list[_Plan] = field(init=False, factory=list[_Plan], repr=False)
    _queue: list[tuple[float, int, SentCallback]] = field(
        init=False, factory=list[tuple[float, int, SentCallback]], repr=False
    )
    _queued: itertools.count[int] = field(init=False, factory=itertools.count, repr=False)
    # Callbacks that are held back until the order's next one.
    _held: dict[str, SentCallback] = field(init=False, factory=dict[str, SentCallback], repr=False)
    _last: dict[str, SentCallback] = field(init=False, factory=dict[str, SentCallback], repr=False)
    _news: anyio.Event | None = field(init=False, default=None, repr=False)

    def attend(self, state: SandboxState) -> None:
        """Start to send callbacks about the orders of a state, and discard everything earlier."""
        self._state = state
        state.tell, state.wake, state.report = self._hear, self._wake, self._hear_reported
        state.report_check = self._hear_check
        for remembered in (self.sent, self._plans, self._queue, self._held, self._last):
            remembered.clear()

    def fail(
        self,
        kind: CallbackFault | str,
        *,
        times: int | None = 1,
        skip: int = 0,
        every: int = 1,
        seconds: float = 0.0,
    ) -> None:
        """Add a fault to the callbacks that are created from now on.

        Args:
            kind: The kind of the fault.
            times: How often; None for ever.
            skip: How many callbacks pass first.
            every: 3 affects every third callback.
            seconds: The length of a delay.

        Raises:
            ConfigurationError: There is no such kind, or an argument has the wrong type or is out of range.
        """
        plan = _Plan(
            _checks.member("kind", kind, CallbackFault),
            None
            if times is None
            else _checks.whole("times", times, "a whole number from 1, or None for ever"),
            _checks.whole("skip", skip, "a whole number from 0", least=0),
            _checks.whole("every", every, "a whole number from 1"),
            _checks.seconds("seconds", seconds, or_zero=True),
        )
        self._plans.append(plan)

    def repeat(self, order_uuid: str) -> None:
        """Repeat an order's last callback, unchanged.

        Args:
            order_uuid: The order.

        Raises:
            KeyError: The order has had no callback.
        """
        self._state.catch_up()
        self._put(evolve(self._last[order_uuid], fault=None))

    def resend(self, number: int) -> None:
        """Repeat a callback, unchanged.

        Args:
            number: The callback's number.

        Raises:
            KeyError: There is no such callback, or it is no longer kept.
        """
        found = next((each for each in self.sent if each.number == number), None)
        if found is None:
            raise KeyError(number)
        self._put(evolve(found, fault=None, status=None, problem=None))

    async def deliver(self) -> tuple[SentCallback, ...]:
        """Send the callbacks that are due, one after the other, and return the results."""
        sent: list[SentCallback] = []
        async with self._client() as client:
            while (parcel := self._take()) is not None:
                sent.append(await self._send(client, parcel))
        return tuple(sent)

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncGenerator[None]:
        """Send callbacks as soon as they are due, while the block runs."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self.run)
            try:
                yield
            finally:
                tasks.cancel_scope.cancel()

    async def run(self) -> None:
        """Send callbacks as soon as they are due, until cancelled."""
        lanes: dict[str, deque[SentCallback]] = {}
        limit = anyio.CapacityLimiter(_AT_ONCE)
        async with self._client() as client, anyio.create_task_group() as tasks:

            async def send_all(order_uuid: str) -> None:
                lane = lanes[order_uuid]
                while lane:
                    async with limit:
                        await self._send(client, lane.popleft())
                del lanes[order_uuid]

            try:
                while True:
                    news = self._news = anyio.Event()
                    while (parcel := self._take()) is not None:
                        if parcel.order_uuid in lanes:
                            lanes[parcel.order_uuid].append(parcel)
                        else:
                            lanes[parcel.order_uuid] = deque([parcel])
                            tasks.start_soon(send_all, parcel.order_uuid)
                    await self._until_next(news)
            finally:
                self._news = None

    async def _until_next(self, news: anyio.Event) -> None:
        """Wait until a callback is due, or new."""
        # Without a listener there is nothing to record.
        is_heard = self._state.is_listened_to or self.listener is not None
        decision = self._state.next_due() if is_heard else None
        dues = [decision, self._queue[0][0] if self._queue else None]
        due = min((each for each in dues if each is not None), default=None)
        if due is None:
            await news.wait()
            return
        async with anyio.create_task_group() as race:

            async def hear(race: TaskGroup) -> None:
                await news.wait()
                race.cancel_scope.cancel()

            race.start_soon(hear, race)
            await self._clock.sleep(max(0.0, due - self._clock.now()))
            race.cancel_scope.cancel()

    def _wake(self) -> None:
        if self._news is not None:
            self._news.set()

    def _hear(self, order: SandboxOrder, refund: RefundRequest | None) -> None:
        """Create the callback about an order, and queue it according to the faults."""
        url = order.callback_url
        if url is None and self.listener is not None:
            url = self.with_token(self.listener, order.uuid) if order.terminal_uuid else self.listener
        said = self._words(order, refund)
        if url is not None and said is not None:
            self._queue_up(order.uuid, url, said)

    def with_token(self, url: str, reference: str) -> str:
        """Sign a URL that the sandbox chooses in the merchant's place: a guard accepts its callbacks."""
        try:
            return sign_callback_url(url, reference, self._secret)
        except ValueError:
            # It has a token already, or cannot have one: the order's rules, or the guard, say so.
            return url

    def _hear_reported(self, subject: Reported) -> None:
        """Create the callback about a reservation or a subscription."""
        url = json_object(subject.body.get("callback")).get("callbackUrl") or self.listener
        if isinstance(url, str):
            said = self._signed(subject.uuid, subject.status, subject.created_at, "Visa", subject.amount)
            self._queue_up(subject.uuid, url, said)

    def _hear_check(self, check: SandboxCompanyCheck) -> None:
        """Create the callback about a company check."""
        # Only its score and its checksum are documented: the rest is as for an order.
        url = json_object(check.body.get("callback")).get("callbackUrl") or self.listener
        if isinstance(url, str):
            said = self._signed(check.uuid, check.status, check.created_at, "", Decimal(0))
            if check.score is not None:
                said = {"score": str(check.score), **said}
            self._queue_up(check.uuid, url, said)

    def _queue_up(self, order_uuid: str, url: str, said: dict[str, str]) -> None:
        """Queue a callback according to the faults."""
        plan = next((each for each in self._plans if self._hits(each, said)), None)
        kind = None if plan is None else plan.kind
        if "checksum" in said:
            wrong = "not " if kind is CallbackFault.WRONG_CHECKSUM else ""
            said["checksum"] = self._checksum(url, said, f"{wrong}{self._secret}")
        parcel = SentCallback(order_uuid=order_uuid, url=_merged(url, said), fault=kind, says=said["status"])
        self._last[order_uuid] = parcel
        held = self._held.pop(order_uuid, None)
        if kind is CallbackFault.LOSE:
            self._record(evolve(parcel, problem="lost"))
        elif kind is CallbackFault.SWAP:
            self._held[order_uuid] = parcel
        else:
            for _ in range(2 if kind is CallbackFault.TWICE else 1):
                self._put(parcel, plan.seconds if plan and kind is CallbackFault.DELAY else 0.0)
        if held is not None:
            self._put(held)

    def _hits(self, plan: _Plan, said: dict[str, str]) -> bool:
        concerned = plan.kind is not CallbackFault.WRONG_CHECKSUM or "checksum" in said
        return concerned and plan.strikes()

    def _words(self, order: SandboxOrder, refund: RefundRequest | None) -> dict[str, str] | None:
        """Return the parameters; None if the API is not known to send a callback."""
        if refund is not None:
            approved = refund.status is RefundStatus.REFUNDED
            return {
                "orderUuid": order.uuid,
                "status": "Approved" if approved else "Cancelled",
                "type": "Payment_Refund",
                "totalAmount": f"{refund.amount:f}",
                "currency": "NOK",
            }
        if order.terminal_uuid is not None:
            ended = _ENDED_PAYMENT.get(order.status)
            if ended is None:
                return None
            summary = json_object(order.body["orderSummary"])
            return {
                "orderUuid": order.uuid,
                "status": ended,
                "type": "Payment",
                "baseAmount": f"{number(summary['subTotal']):f}",
                "vatAmount": f"{number(summary['totalTax']):f}",
                "totalAmount": f"{order.amount:f}",
                "currency": "NOK",
            }
        return self._signed(order.uuid, order.status, order.created_at, _payment_method(order), order.amount)

    def _signed(
        self, uuid: str, status: StrEnum, created_at: float, payment_method: str, amount: Decimal
    ) -> dict[str, str]:
        values = {
            "orderUuid": uuid,
            "status": status.value,
            "createdAt": str(int(created_at)),
            "paymentMethod": payment_method,
            "amount": f"{amount:f}",
            "timestamp": str(int(self._state.wall())),
        }
        return {**{name: values[name] for name in _PARAMETERS[self._form]}, "checksum": ""}

    def _checksum(self, url: str, said: dict[str, str], secret: str) -> str:
        query = url.partition("#")[0].partition("?")[2]
        own = parse_qsl(query, keep_blank_values=True) if self._form in _COVERS_OWN else []
        covered = [*own, *((name, value) for name, value in said.items() if name != "checksum")]
        text = "".join(value for _, value in covered)
        return hashlib.sha256(f"{text}{secret}".encode()).hexdigest()

    def _put(self, parcel: SentCallback, seconds: float = 0.0) -> None:
        heapq.heappush(self._queue, (self._clock.now() + seconds, next(self._queued), parcel))
        self._wake()

    def _take(self) -> SentCallback | None:
        """Return the next callback that is due."""
        self._state.catch_up()
        if self._queue and self._queue[0][0] <= self._clock.now():
            return heapq.heappop(self._queue)[2]
        return None

    def _client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(transport=self._transport, trust_env=False, timeout=self._patience)

    async def _send(self, client: httpx.AsyncClient, parcel: SentCallback) -> SentCallback:
        status, problem = None, "no answer"
        try:
            url = self._target(parcel)
            if self._transport is None and not self._may_reach(url.host):
                problem = "forbidden host"
            else:
                # httpx's timeouts apply to each read; this one applies to the whole response.
                with anyio.move_on_after(self._patience):
                    async with client.stream("GET", url) as answer:
                        status = answer.status_code
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            problem = f"no answer ({type(error).__name__})"
        return self._record(evolve(parcel, status=status, problem=None if status else problem))

    def _record(self, parcel: SentCallback) -> SentCallback:
        done = evolve(parcel, number=next(self._numbers), at=self._state.wall())
        self.sent.append(done)
        self.note(done)
        return done

    def _target(self, parcel: SentCallback) -> httpx.URL:
        url = httpx.URL(parcel.url)
        return url if self.listener is None else httpx.URL(self.listener).copy_with(query=url.query)

    def _may_reach(self, host: str) -> bool:
        if host == "localhost" or host.endswith(".localhost") or host in self._hosts:
            return True
        try:
            return ipaddress.ip_address(host).is_loopback
        except ValueError:
            return False


def _payment_method(order: SandboxOrder) -> str:
    if order.invoice_number is not None:
        return "invoice"
    return "Visa" if order.status in _PAID_ONCE else ""


def _merged(url: str, said: dict[str, str]) -> str:
    """Append parameters to those of a URL."""
    before, mark, fragment = url.partition("#")
    separator = "?" if "?" not in before else "" if before.endswith(("?", "&")) else "&"
    return f"{before}{separator}{urlencode(said)}{mark}{fragment}"
