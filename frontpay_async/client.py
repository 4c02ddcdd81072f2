"""The client: its settings, its lifetime and its resources."""

from __future__ import annotations

import math
import os
import platform
from functools import cached_property
from inspect import iscoroutine
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

import httpx
from attrs import evolve

from frontpay_async import _checks
from frontpay_async._pipeline import compose
from frontpay_async._protocol.build import build_raw
from frontpay_async._protocol.operations import DateFormat, Safety
from frontpay_async._protocol.retry_policy import RetryBudget
from frontpay_async._session import Session
from frontpay_async._transport.auth import Secret, check_credential
from frontpay_async._transport.call import CallOptions
from frontpay_async._transport.clock import Clock
from frontpay_async._transport.connection_pool import ConnectionPool
from frontpay_async._transport.engines import check_engine
from frontpay_async._transport.instrumentation import Observers, captured
from frontpay_async._transport.loop_guard import LoopGuard
from frontpay_async._transport.send import Send
from frontpay_async._version import __version__
from frontpay_async.errors import ConfigurationError, Outcome
from frontpay_async.models.records import CallResult
from frontpay_async.priority import Priority
from frontpay_async.resources.orders import Orders
from frontpay_async.resources.rate import RateView
from frontpay_async.resources.terminals import Terminals
from frontpay_async.settings import RateLimit, RetryPolicy, Timeouts, base_url_source, resolve_base_url

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, Coroutine, Mapping
    from pathlib import Path
    from types import TracebackType

    import httpx2

    from frontpay_async._transport.engines import Engine
    from frontpay_async._transport.instrumentation import TelemetryProvider
    from frontpay_async.models.raw import RawResponse
    from frontpay_async.models.records import AttemptRecord, ResultRecord
    from frontpay_async.resources.checkout import Checkout
    from frontpay_async.resources.company_checks import CompanyChecks
    from frontpay_async.resources.credit_checks import CreditChecks
    from frontpay_async.resources.customers import Customers
    from frontpay_async.resources.reservations import Reservations
    from frontpay_async.resources.subscriptions import Subscriptions
    from frontpay_async.settings import Environment
    from frontpay_async.watch.hub import WatchHub
    from frontpay_async.watch.poller import Poller

T = TypeVar("T")

_MAX_BODY = 32 * 1024 * 1024


class FrontPayClient:
    """The asyncio client of Front Payment's Connect API.

    Building a client does no I/O and needs no event loop. Its connections belong to the process and the
    loop of its first call. Use it as ``async with``, or call ``aclose``.

    Args:
        token: The bearer token, or an async callable that returns it, called before each attempt and again
            after a 401. Defaults to ``FRONTPAY_TOKEN``.
        environment: demo, staging or production. Defaults to ``FRONTPAY_ENVIRONMENT``.
        base_url: Another URL, such as the sandbox's. Defaults to ``FRONTPAY_BASE_URL``. Plain http is
            accepted only to this machine.
        timeouts: Bounds, in seconds.
        retry: The retry policy.
        rate_limit: The rate limit of the token. Defaults to 240 requests a minute. Clients of one token in
            one process share it automatically.
        priority: The priority of this client's calls.
        engine: ``httpx``; or, with the extra of that name, ``aiohttp`` for half to two thirds of the CPU
            under load, or ``httpx2``, the maintained continuation of httpx.
        transport: Your own async transport of httpx or httpx2, such as the sandbox's; closed with the client.
            It must not repeat requests.
        connection_pool: Connections shared with other clients; not closed with this client.
        proxy: The URL of an HTTP or HTTPS proxy. With ``trust_env``, defaults to HTTPS_PROXY and NO_PROXY.
        trust_env: Whether the proxy may come from the environment.
        tls: The path of a CA bundle, or an ``ssl.SSLContext``. Defaults to SSL_CERT_FILE,
            SSL_CERT_DIR or ``certifi``.
        user_agent_suffix: Added to the User-Agent, such as ``shop/2.1``.
        max_response_size: The maximum size of a response, in bytes.
        order_date_format: ``unix`` or ``day``, for every order. Defaults to each operation's documented
            format.
        strict_totals: Whether contradictory amounts are rejected: totals that do not match the lines, øre
            mixed with kroner, a tax rate such as 0.25. Defaults to True; False sends them unchecked.
        on_attempt: Called with a record after each attempt.
        on_result: Called with a record after each call.
        telemetry: Traces and measures the calls; see ``frontpay_async.otel``.
        clock: Time and randomness; for tests.

    Raises:
        ConfigurationError: No token, no environment, plain http to another host, or another invalid setting.
    """

    orders: Orders
    terminals: Terminals
    rate: RateView
    _root: FrontPayClient | None = None
    """The client from which this one was derived; None if it was built directly."""

    def __init__(
        self,
        token: str | Callable[[], Awaitable[str]] | None = None,
        *,
        environment: Environment | str | None = None,
        base_url: str | None = None,
        timeouts: Timeouts | None = None,
        retry: RetryPolicy | None = None,
        rate_limit: RateLimit | None = None,
        priority: Priority | str = Priority.NORMAL,
        engine: Engine = "httpx",
        transport: httpx.AsyncBaseTransport | httpx2.AsyncBaseTransport | None = None,
        connection_pool: ConnectionPool | None = None,
        proxy: str | None = None,
        trust_env: bool = True,
        tls: ssl.SSLContext | str | Path | None = None,
        user_agent_suffix: str | None = None,
        max_response_size: int = _MAX_BODY,
        order_date_format: DateFormat | str | None = None,
        strict_totals: bool = True,
        on_attempt: Callable[[AttemptRecord], object] | None = None,
        on_result: Callable[[ResultRecord], object] | None = None,
        telemetry: TelemetryProvider | None = None,
        clock: Clock | None = None,
    ) -> None:
        if token is None:
            token = os.environ.get("FRONTPAY_TOKEN", "")
        credential = token if callable(token) else Secret(token)
        named_proxy = None if proxy is None else Secret(proxy)
        # Deleted so that later tracebacks do not contain it.
        del token, proxy
        if isinstance(credential, Secret):
            check_credential(credential)
        url = resolve_base_url(environment, base_url)
        options = _options(timeouts=timeouts, retry=retry, priority=priority)
        clock = Clock() if clock is None else _checks.instance("clock", clock, Clock, "Clock()")
        if rate_limit is None:
            rate_limit = RateLimit()
        _checks.instance("rate_limit", rate_limit, RateLimit, "RateLimit(requests=240)")
        if rate_limit.redis is not None and rate_limit.account is None and callable(credential):
            raise ConfigurationError("with a token callable, RateLimit.redis needs RateLimit.account: a name")
        dates = (
            None
            if order_date_format is None
            else _checks.member("order_date_format", order_date_format, DateFormat)
        )
        observers = _observers(on_attempt, on_result)
        if telemetry is not None and not callable(getattr(telemetry, "follow", None)):
            raise _checks.refusal("telemetry", "a Telemetry of frontpay_async.otel", telemetry)
        headers = _headers(user_agent_suffix)
        size = _checks.whole("max_response_size", max_response_size, "a whole number of bytes, at least 1")
        source = _source(
            transport, connection_pool, engine=engine, proxy=named_proxy, tls=tls, trust_env=trust_env
        )
        wire = Send(
            source,
            shared=connection_pool is not None,
            base_url=url,
            url_source=base_url_source(environment, base_url),
            headers=headers,
            max_body=size,
        )
        follower = None if telemetry is None else telemetry.follow(url)
        pipeline = compose(
            clock=clock,
            budget=RetryBudget(),
            follower=follower,
            credential=credential,
            base_url=url,
            rate_limit=rate_limit,
            send=wire,
        )
        self._url = url
        self._owns_session = True
        loop_guard = source.loop_guard if isinstance(source, ConnectionPool) else LoopGuard()
        session = Session(
            pipeline.first,
            pipeline.rate,
            wire,
            loop_guard,
            clock,
            observers,
            dates,
            follower,
            strict_totals=_checks.flag("strict_totals", strict_totals),
        )
        self._attach(session, options)
        if follower is not None:
            follower.observe("watch.staleness", self._poller.oldest_update)

    def _attach(self, session: Session, options: CallOptions) -> None:
        self._session = session
        self._options = options
        self.orders = Orders(session, options)
        self.terminals = Terminals(session, options)
        self.rate = RateView(session.rate)

    def with_options(
        self,
        *,
        timeout: float | None = None,
        timeouts: Timeouts | None = None,
        retry: RetryPolicy | None = None,
        priority: Priority | str | None = None,
    ) -> FrontPayClient:
        """Return a client with other options that shares the connections and watches of this one.

        Closing the returned client does nothing; closing this one closes both.

        Args:
            timeout: Seconds for the whole call: sets only ``Timeouts.total``.
            timeouts: All time limits, in seconds.
            retry: The retry policy.
            priority: The priority of its calls.

        Raises:
            ConfigurationError: An option is invalid, or both ``timeout`` and ``timeouts`` are given.
        """
        now = self._options
        if timeout is not None:
            if timeouts is not None:
                raise ConfigurationError(
                    "pass either timeout or timeouts, not both: timeout is Timeouts.total"
                )
            _checks.number("timeout", timeout, "more than 0 seconds", least=math.nextafter(0.0, 1.0))
            timeouts = evolve(now.timeouts, total=timeout)
        derived = object.__new__(type(self))
        derived._url = self._url
        derived._owns_session = False
        derived._root = self._root or self
        options = _options(
            timeouts=now.timeouts if timeouts is None else timeouts,
            retry=now.retry if retry is None else retry,
            priority=now.priority if priority is None else priority,
        )
        derived._attach(self._session, options)
        return derived

    async def request(
        self,
        method: str,
        path: str,
        *,
        safety: Safety | str,
        json: Mapping[str, object] | None = None,
        query: Mapping[str, str] | None = None,
    ) -> RawResponse:
        """Send a request for which this package has no method, and return the unparsed response.

        It passes through the same pipeline as every other call: it is rate-limited, retried according to its
        safety, and every error has an ``outcome``. A 2xx that marks an error, or has the code of a known
        error, raises that error.

        Args:
            method: GET, POST, PUT, PATCH or DELETE.
            path: The path below the base URL, such as ``orders/invoice/create``.
            safety: The effect of sending it twice: ``read`` (changes nothing), ``idempotent`` (same as
                sending it once) or ``unsafe`` (may bill or refund twice). It decides which failures are
                retried.
            json: The body, by wire names; numbers as ``Decimal`` or ``int``.
            query: The query parameters.

        Returns:
            The status, the headers and the decoded body.

        Raises:
            ConfigurationError: ``safety`` is not valid; nothing was sent.
            InvalidOrderError: The method, the path, the body or the query cannot be sent; nothing was sent.
            FrontPayError: Any other error; ``outcome`` states whether the request took effect.
        """
        stated = _checks.member("safety", safety, Safety)
        request = build_raw(method, path, safety=stated, json=json, query=query)
        # Deleted so that tracebacks do not contain them.
        del path, json, query
        return await self._session.execute_raw(request, self._options)

    async def with_raw_response(self, call: Coroutine[Any, Any, T]) -> CallResult[T]:
        """Await a call, and return its value together with the response.

        ``result = await client.with_raw_response(client.orders.get_status(uuid))`` has the report as
        ``result.value``, and ``result.request_id`` for support requests. A failed call raises its error. For
        a call with several requests, the response is that of the last one.

        Args:
            call: An unawaited call of a client. A task is rejected, because it has already started.

        Raises:
            ConfigurationError: ``call`` is not a coroutine, and was not awaited; or it made no call.
            FrontPayError: The call failed.
        """
        if not iscoroutine(call):
            demand = "a call that is not awaited yet, such as client.orders.get_status(uuid)"
            raise _checks.refusal("call", demand, call)
        records: list[ResultRecord] = []
        token = captured.set(records)
        try:
            value = await call
        finally:
            captured.reset(token)
        last = records[-1] if records else None
        if last is None or last.response is None:
            raise ConfigurationError(
                "with_raw_response must be given one call of a client; the awaitable made none",
                outcome=Outcome.UNKNOWN,
            )
        return CallResult(value=value, response=last.response, attempts=last.attempts, elapsed=last.elapsed)

    def internals(self) -> tuple[Session, CallOptions, str]:
        """Return the session, the options and the base URL; for this package.

        :meta private:
        """
        return self._session, self._options, self._url

    @cached_property
    def watch(self) -> WatchHub:
        """Waiting for orders, payments and refunds; loaded on first use."""
        if self._root is not None:
            return self._root.watch
        from frontpay_async.watch.hub import WatchHub  # noqa: PLC0415

        return WatchHub(self._poller)

    @cached_property
    def _poller(self) -> Poller:
        from frontpay_async.watch.poller import Poller  # noqa: PLC0415

        return Poller(self._session, self._options.timeouts)

    @cached_property
    def checkout(self) -> Checkout:
        """Checkout sessions; loaded when first used."""
        from frontpay_async.resources.checkout import Checkout  # noqa: PLC0415

        return Checkout(self._session, self._options)

    @cached_property
    def reservations(self) -> Reservations:
        """Reservations; loaded when first used."""
        from frontpay_async.resources.reservations import Reservations  # noqa: PLC0415

        return Reservations(self._session, self._options)

    @cached_property
    def subscriptions(self) -> Subscriptions:
        """Subscriptions; loaded when first used."""
        from frontpay_async.resources.subscriptions import Subscriptions  # noqa: PLC0415

        return Subscriptions(self._session, self._options)

    @cached_property
    def customers(self) -> Customers:
        """Customers; loaded when first used."""
        from frontpay_async.resources.customers import Customers  # noqa: PLC0415

        return Customers(self._session, self._options)

    @cached_property
    def credit_checks(self) -> CreditChecks:
        """Credit checks; loaded when first used."""
        from frontpay_async.resources.credit_checks import CreditChecks  # noqa: PLC0415

        return CreditChecks(self._session, self._options)

    @cached_property
    def company_checks(self) -> CompanyChecks:
        """Company checks; loaded when first used."""
        from frontpay_async.resources.company_checks import CompanyChecks  # noqa: PLC0415

        return CompanyChecks(self._session, self._options)

    async def aclose(self) -> None:
        """Close the connections, unless they belong to a pool; calling it again does nothing.

        Later calls raise ``NotSentError``.
        """
        if self._owns_session:
            await self._session.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    def __repr__(self) -> str:
        session = getattr(self, "_session", None)
        if session is None:
            # As tracebacks show it when a setting was refused.
            return f"<{type(self).__name__} not built>"
        return f"<{type(self).__name__} {self._url} {'closed' if session.closed else 'open'}>"


def _options(
    *, timeouts: Timeouts | None, retry: RetryPolicy | None, priority: Priority | str
) -> CallOptions:
    return CallOptions(
        timeouts=Timeouts()
        if timeouts is None
        else _checks.instance("timeouts", timeouts, Timeouts, "Timeouts(total=30)"),
        retry=RetryPolicy()
        if retry is None
        else _checks.instance("retry", retry, RetryPolicy, "RetryPolicy(attempts=3)"),
        priority=_checks.member("priority", priority, Priority),
    )


def _observers(
    on_attempt: Callable[[AttemptRecord], object] | None, on_result: Callable[[ResultRecord], object] | None
) -> Observers:
    if on_attempt is not None:
        _checks.hook("on_attempt", on_attempt)
    if on_result is not None:
        _checks.hook("on_result", on_result)
    return Observers(on_attempt, on_result)


def _source(
    transport: object,
    connection_pool: object,
    *,
    engine: Engine,
    proxy: Secret | None,
    tls: ssl.SSLContext | str | Path | None,
    trust_env: bool,
) -> ConnectionPool | httpx.AsyncBaseTransport:
    """Return the client's transport: its own connections, those of a pool, or the given transport."""
    check_engine(engine)
    _checks.flag("trust_env", trust_env)
    if transport is None and connection_pool is None:
        own = ConnectionPool(engine=engine, trust_env=trust_env, tls=tls)
        if proxy is not None:
            own.use_proxy(proxy)
        return own
    if transport is not None and connection_pool is not None:
        raise ConfigurationError("pass either a transport or a connection pool, not both")
    others = proxy is not None or tls is not None or engine != "httpx"
    if others or not (trust_env or connection_pool is None):
        what = "a transport of your own" if connection_pool is None else "a connection pool"
        raise ConfigurationError(f"{what} brings its own engine, proxy, trust_env and tls")
    if transport is None:
        return _checks.instance("connection_pool", connection_pool, ConnectionPool, "ConnectionPool()")
    # A transport of httpx or httpx2, or one with the same methods.
    if isinstance(transport, type) or not callable(getattr(transport, "handle_async_request", None)):
        raise _checks.refusal("transport", "an async transport of httpx or httpx2", transport)
    return cast("httpx.AsyncBaseTransport", transport)


def _headers(suffix: object) -> tuple[tuple[bytes, bytes], ...]:
    agent = f"frontpay-async/{__version__} python/{platform.python_version()} httpx/{httpx.__version__}"
    if suffix is not None and suffix != "":
        added = _checks.text("user_agent_suffix", suffix)
        if not added.isascii() or not added.isprintable():
            raise ConfigurationError("user_agent_suffix: the user agent suffix must be printable ASCII")
        agent = f"{agent} {added}"
    return (
        (b"Accept", b"application/json"),
        # Compression saves little on these responses, and without it the limit on their size is exact.
        (b"Accept-Encoding", b"identity"),
        (b"Content-Type", b"application/json"),
        (b"User-Agent", agent.encode("ascii")),
    )
