"""What a type checker knows of the client and its operations. Checked, not run."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, assert_type

from frontpay_async import (
    AttemptRecord,
    CallResult,
    ConnectionPool,
    CreatedOrder,
    CreatedTerminalOrder,
    DateFormat,
    EFakturaOrder,
    EhfOrder,
    Environment,
    FrontPayClient,
    InvoiceNumber,
    InvoiceOrder,
    Listing,
    NotSentError,
    OrderDetails,
    OrderStatus,
    OrderStatusEntry,
    OrderStatusReport,
    Outcome,
    PaymentLinkOrder,
    PaymentStatus,
    Priority,
    RateBudgetExceededError,
    RateLimit,
    RateStatistics,
    Refund,
    RefundStatus,
    ResultRecord,
    RetryPolicy,
    Terminal,
    TerminalOrder,
    TerminalRefund,
    Timeouts,
)

if TYPE_CHECKING:
    import ssl

    import httpx


async def created(
    client: FrontPayClient,
    *,
    link: PaymentLinkOrder,
    invoice: InvoiceOrder,
    efaktura: EFakturaOrder,
    ehf: EhfOrder,
    terminal: TerminalOrder,
) -> None:
    assert_type(await client.orders.send_payment_link(link), CreatedOrder)
    assert_type(await client.orders.send_invoice(invoice), CreatedOrder)
    assert_type(await client.orders.send_efaktura(efaktura), CreatedOrder)
    assert_type(await client.orders.send_ehf_invoice(ehf), CreatedOrder)
    assert_type(await client.terminals.create_order(terminal), CreatedTerminalOrder)


async def one_kind_of_order_is_not_another(
    client: FrontPayClient, link: PaymentLinkOrder, invoice: InvoiceOrder, ehf: EhfOrder, refund: Refund
) -> None:
    await client.orders.send_invoice(link)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await client.orders.send_efaktura(ehf)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await client.orders.send_ehf_invoice(invoice)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await client.terminals.create_order(invoice)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await client.terminals.refund("ODR1", refund)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


async def changed(client: FrontPayClient, refund: Refund, terminal_refund: TerminalRefund) -> None:
    """Nothing comes back."""
    orders, terminals = client.orders, client.terminals
    assert_type(await orders.resend_payment_link("ODR1", email="eva@example.no"), None)
    assert_type(await orders.cancel("ODR1", note="x"), None)
    assert_type(await orders.refund("ODR1", refund), None)
    assert_type(await orders.charge_delayed("ODR1"), None)
    assert_type(await terminals.cancel_payment("ODR1"), None)
    assert_type(await terminals.resend_order("ODR1"), None)
    assert_type(await terminals.refund("ODR1", terminal_refund), None)
    assert_type(await terminals.cancel_refund("ODR1"), None)


async def shared(pool: ConnectionPool) -> None:
    async with pool as opened:
        assert_type(opened, ConnectionPool)
    assert_type(await pool.aclose(), None)


async def looked_up(client: FrontPayClient) -> None:
    assert_type(await client.orders.list_statuses(), Listing[OrderStatusEntry])
    assert_type(await client.orders.list_statuses(status="PAID"), Listing[OrderStatusEntry])
    assert_type(await client.orders.list_statuses(status=OrderStatus.PAID), Listing[OrderStatusEntry])
    assert_type(await client.orders.get_status("ODR1"), OrderStatusReport)
    assert_type(await client.orders.get_details("ODR1"), OrderDetails)
    assert_type(await client.orders.get_invoice_number("ODR1"), InvoiceNumber)
    assert_type(await client.terminals.list("ORG1"), Listing[Terminal])
    assert_type(await client.terminals.get_payment_status("ODR1"), PaymentStatus)
    assert_type(await client.terminals.get_refund_status("ODR1"), RefundStatus)


async def what_follows_the_id_is_named(client: FrontPayClient) -> None:
    await client.orders.cancel("ODR1", "x")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await client.orders.cancel("ODR1")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await client.orders.list_statuses("PAID")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await client.orders.resend_payment_link("ODR1", "+47")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await client.orders.get_status(5)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    await client.orders.get_status()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


def a_forgotten_await_is_told(client: FrontPayClient) -> OrderStatusReport:
    return client.orders.get_status("ODR1")  # type: ignore[return-value]  # pyright: ignore[reportReturnType]


async def fresh_token() -> str:
    return "token"


def token_without_await() -> str:
    return "token"


def on_attempt(record: AttemptRecord) -> None:
    assert_type(record.status, int | None)
    assert_type(record.outcome, Outcome | None)
    assert_type(record.elapsed, float)


def on_result(record: ResultRecord) -> None:
    assert_type(record.attempts, int)
    assert_type(record.may_have_happened_twice, bool)


def built(transport: httpx.AsyncBaseTransport, context: ssl.SSLContext) -> None:
    FrontPayClient()
    FrontPayClient("token", environment="demo")
    FrontPayClient(token="token", environment=Environment.DEMO)
    FrontPayClient(fresh_token, environment="demo")
    FrontPayClient(base_url="https://api.example", engine="aiohttp", proxy="http://127.0.0.1:3128")
    FrontPayClient(environment="demo", transport=transport, priority=Priority.BATCH)
    FrontPayClient(environment="demo", connection_pool=ConnectionPool(engine="aiohttp", tls=Path("ca.pem")))
    FrontPayClient(connection_pool=transport)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    FrontPayClient(environment="demo", tls=context)
    FrontPayClient(environment="demo", tls=Path("ca.pem"))
    FrontPayClient(environment="demo", timeouts=Timeouts(total=60), retry=RetryPolicy(attempts=2))
    FrontPayClient(environment="demo", order_date_format="day", user_agent_suffix="shop/2.1")
    FrontPayClient(environment="demo", order_date_format=DateFormat.DAY)
    FrontPayClient(environment="demo", on_attempt=on_attempt, on_result=on_result)


def rated(client: FrontPayClient, late: RateBudgetExceededError) -> None:
    FrontPayClient(environment="demo", rate_limit=RateLimit(requests=240, window=60))
    FrontPayClient(environment="demo", rate_limit=RateLimit(redis="redis://cache:6379/0", account="shop 7"))
    FrontPayClient(environment="demo", rate_limit=RateLimit(requests=None))
    assert_type(RateLimit.unlimited(), RateLimit)
    assert_type(client.rate.estimate(10_000), float)
    statistics = client.rate.statistics()
    assert_type(statistics, RateStatistics | None)
    if statistics is not None:
        assert_type(statistics.limit, int)
        assert_type(statistics.used, int)
        assert_type(statistics.remaining, int)
        assert_type(statistics.window_ends_in, float | None)
        assert_type(statistics.waiting, Mapping[Priority, int])
        assert_type(statistics.waiting[Priority.BATCH], int)
        assert_type(statistics.refusals, int)
        statistics.used = 0  # type: ignore[misc]  # pyright: ignore[reportAttributeAccessIssue]
    assert_type(late.retry_after, float)
    not_sent: NotSentError = late
    assert_type(not_sent.outcome, Outcome)


def what_cannot_be_rated() -> None:
    FrontPayClient(rate_limit=240)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    RateLimit(240)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    RateLimit(requests="240")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    RateLimit(redis=6379)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def what_cannot_be_built() -> None:
    FrontPayClient("token", "demo")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    FrontPayClient(b"token")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    FrontPayClient(token_without_await)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    FrontPayClient(engine="requests")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    FrontPayClient(timeouts=30)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    FrontPayClient(on_attempt=on_result)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
    FrontPayClient(retries=3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    RetryPolicy(3)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def lived_with() -> None:
    async with FrontPayClient(environment="demo") as client:
        assert_type(client, FrontPayClient)
        patient = client.with_options(
            timeouts=Timeouts(read=None), retry=RetryPolicy(), priority=Priority.WATCH
        )
        assert_type(patient, FrontPayClient)
    assert_type(await client.aclose(), None)


async def with_response(client: FrontPayClient, uuid: str) -> None:
    result = await client.with_raw_response(client.orders.get_status(uuid))
    assert_type(result, CallResult[OrderStatusReport])
    assert_type(result.value, OrderStatusReport)
    assert_type(result.request_id, str | None)
    assert_type(result.attempts, int)
