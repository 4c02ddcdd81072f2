"""Every error, provoked: by real calls against the sandbox wherever it can be brought to it.

The error catalogue shows their messages and outcomes, so it tells what the package says and not what somebody
remembers of it. Each situation has its words, and a coroutine that ends in the error.
"""

from __future__ import annotations

import asyncio
import tempfile
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import httpx
from attrs import evolve, frozen

from frontpay_async import (
    Address,
    Customer,
    FrontPayClient,
    FrontPayError,
    InvoiceOrder,
    OrderSummary,
    Product,
    RateLimit,
    Refund,
    RefundLine,
    RetryPolicy,
    SendOrderBy,
    TerminalOrder,
    TerminalRefund,
    Timeouts,
    errors,
)
from frontpay_async.batch import BatchItem, InvoiceBatch, errors as batch_errors, read_csv
from frontpay_async.batch.violations import InvalidFileError
from frontpay_async.callbacks import CallbackGuard
from frontpay_async.sandbox import DEFAULT_TERMINAL, DEFAULT_TOKEN, Cardholder, Sandbox
from frontpay_async.sandbox.skipping import skipping_clock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

__all__ = ["SITUATIONS", "Situation", "provoke", "raised"]

_SECRET = "a secret"  # noqa: S105 - made up
_NOBODY = "ODR9999999999"
# The path is short and the same everywhere, where an error names it.
_URL = "http://localhost:1/api/v1/connect"


@frozen
class Situation:
    """Hold one way to an error.

    Args:
        words: What happens, for the catalogue.
        call: What ends in the error.
    """

    words: str
    call: Callable[[], Awaitable[object]]


def _order(**customer: Any) -> InvoiceOrder:  # noqa: ANN401 - fields of a customer
    products = [Product(name="Ski service", quantity=1, rate="899.00", tax=25)]
    fields = {
        "type": "private",
        "name": "Kari Nordmann",
        "country_code": "+47",
        "msisdn": "40000000",
        "email": "kari@example.com",
        "preferred_language": "no",
        "personal_number": "12345678901",
        "address": Address(street="Storgata 1", zip="0155", city="Oslo", country="NO"),
    }
    return InvoiceOrder(
        products=products,
        summary=OrderSummary.of(products),
        order_date=datetime(2035, 6, 15, tzinfo=UTC),
        customer=Customer(**{**fields, **customer}),
        invoice_interval=0,
        invoice_maturity=10,
    )


def _terminal_order(terminal: str = DEFAULT_TERMINAL) -> TerminalOrder:
    order = _order()
    return TerminalOrder(
        products=order.products,
        summary=order.summary,
        order_date=order.order_date,
        customer=order.customer,
        terminal_uuid=terminal,
        receipt_print=False,
        send_order_by=SendOrderBy(sms=False, email=True),
    )


@asynccontextmanager
async def _trial(
    fault: str | None = None, token: str = DEFAULT_TOKEN
) -> AsyncIterator[tuple[Sandbox, FrontPayClient]]:
    """Yield a sandbox with a fault that strikes for ever, and a client that tries once."""
    sandbox = Sandbox(cardholder=Cardholder(after=None), clock=skipping_clock())
    if fault is not None:
        sandbox.fail(fault, times=None)
    async with sandbox.client(token, retry=RetryPolicy(attempts=1)) as client:
        yield sandbox, client


@asynccontextmanager
async def _answering(status: int, message: str) -> AsyncIterator[FrontPayClient]:
    """Yield a client whose every request gets one answer, for those that the sandbox never gives."""
    transport = httpx.MockTransport(lambda _: httpx.Response(status, json={"message": message}))
    async with FrontPayClient("token", base_url=_URL, transport=transport) as client:
        yield client


async def _wrong_environment() -> None:
    FrontPayClient("token", environment="live")


async def _another_loop() -> None:
    async with _trial() as (_, client):
        await client.orders.list_statuses()
        await asyncio.to_thread(asyncio.run, client.orders.send_invoice(_order()))


async def _closed() -> None:
    async with _trial() as (_, client):
        await client.aclose()
        await client.orders.send_invoice(_order())


async def _broken_rules() -> None:
    async with _trial() as (_, client):
        await client.orders.send_invoice(_order(personal_number="123", email=None))


async def _no_connection() -> None:
    async with FrontPayClient("token", base_url=_URL, retry=RetryPolicy(attempts=1)) as client:
        await client.orders.send_invoice(_order())


async def _no_budget() -> None:
    sandbox = Sandbox(rate_limit=1, clock=skipping_clock())
    async with sandbox.client(rate_limit=RateLimit(requests=1), timeouts=Timeouts(total=5)) as client:
        await client.orders.list_statuses()
        await client.orders.send_invoice(_order())


async def _answer_lost() -> None:
    async with _trial("drop-after") as (_, client):
        await client.orders.send_invoice(_order())


async def _answer_cut() -> None:
    async with _trial("cut-body") as (_, client):
        await client.orders.cancel(_NOBODY, note="a mistake")


async def _nobody_pays() -> None:
    async with _trial() as (_, client):
        created = await client.terminals.create_order(_terminal_order())
        await client.watch.payment(created.order_uuid, timeout=60)


async def _other_status() -> None:
    async with _answering(409, "Conflict") as client:
        await client.orders.charge_delayed(_NOBODY)


async def _wrong_token() -> None:
    async with _trial(token="another") as (_, client):  # noqa: S106 - made up
        await client.orders.list_statuses()


async def _forbidden() -> None:
    async with _answering(403, "This action is unauthorized.") as client:
        await client.orders.refund(_NOBODY, _refund("10.00"))


async def _nowhere() -> None:
    async with _trial() as (_, client):
        await client.orders.get_status(_NOBODY)


async def _not_valid() -> None:
    async with _trial() as (_, client):
        await client.terminals.create_order(_terminal_order("TRML0000000000"))


async def _other_rule() -> None:
    async with _trial() as (sandbox, client):
        created = await client.terminals.create_order(_terminal_order())
        sandbox.approve(created.order_uuid)
        line = sandbox.orders[created.order_uuid].lines[0].id
        refund = TerminalRefund(grand_total="10.00", lines=[RefundLine(id=line, amount="10.00")])
        await client.terminals.refund(created.order_uuid, refund)
        sandbox.approve_refund(created.order_uuid)
        await client.terminals.cancel_refund(created.order_uuid)


async def _paid_already() -> None:
    async with _trial() as (sandbox, client):
        created = await client.orders.send_invoice(_order())
        sandbox.happen(created.order_uuid, "pay")
        await client.orders.cancel(created.order_uuid, note="a mistake")


async def _cancelled_already() -> None:
    async with _trial() as (_, client):
        created = await client.orders.send_invoice(_order())
        await client.orders.cancel(created.order_uuid, note="a mistake")
        await client.orders.charge_delayed(created.order_uuid)


async def _too_large_a_refund() -> None:
    async with _trial() as (sandbox, client):
        created = await client.orders.send_invoice(_order())
        sandbox.happen(created.order_uuid, "pay")
        line = sandbox.orders[created.order_uuid].lines[0].id
        await client.orders.refund(created.order_uuid, _refund("5000.00", line))


async def _too_many_requests() -> None:
    sandbox = Sandbox(rate_limit=1, clock=skipping_clock())
    async with sandbox.client(retry=RetryPolicy(attempts=1), rate_limit=RateLimit.unlimited()) as client:
        await client.orders.list_statuses()
        await client.orders.send_invoice(_order())


async def _failed_create() -> None:
    async with _trial("510-after") as (_, client):
        await client.orders.send_invoice(_order())


async def _failed_read() -> None:
    async with _trial("502-before") as (_, client):
        await client.orders.list_statuses()


async def _refused_after_a_doubt() -> None:
    sandbox = Sandbox(clock=skipping_clock())
    async with sandbox.client() as client:
        created = await client.orders.send_invoice(_order())
        sandbox.fail("510-after", operation="orders.charge_delayed")
        await client.orders.charge_delayed(created.order_uuid)


async def _busy() -> None:
    async with _trial("busy") as (_, client):
        await client.terminals.create_order(_terminal_order())


def _refund(amount: str, line: int = 1) -> Refund:
    return Refund(grand_total=amount, lines=[RefundLine(id=line, amount=amount)])


async def _callback() -> str:
    """Return the query of a callback that the sandbox sends when an order is paid."""
    sent: list[str] = []

    def receive(request: httpx.Request) -> httpx.Response:
        sent.append(request.url.query.decode())
        return httpx.Response(200)

    sandbox = Sandbox(
        callback_secret=_SECRET,
        callback_hosts=["shop.example.no"],
        callback_transport=httpx.MockTransport(receive),
    )
    async with sandbox.client() as client:
        order = evolve(_order(), callback_url="https://shop.example.no/paid")
        created = await client.orders.send_invoice(order)
        sandbox.happen(created.order_uuid, "pay")
        await sandbox.deliver_callbacks()
    return sent[-1]


async def _no_callback() -> None:
    await CallbackGuard(_SECRET).check("utm_source=newsletter")


async def _made_up() -> None:
    await CallbackGuard("another secret").check(await _callback())


async def _old() -> None:
    await CallbackGuard(_SECRET, now=lambda: 4_000_000_000.0).check(await _callback())


async def _again() -> None:
    guard, query = CallbackGuard(_SECRET), await _callback()
    await guard.check(query)
    await guard.check(query)


@asynccontextmanager
async def _batch(content: bytes = b"") -> AsyncIterator[InvoiceBatch]:
    with tempfile.TemporaryDirectory() as folder:
        journal = Path(folder) / "journal.db"
        journal.write_bytes(content)
        async with (
            Sandbox().client() as client,
            InvoiceBatch(client, journal=journal, name="2026-05") as batch,
        ):
            yield batch


async def _no_journal() -> None:
    async with _batch(b"no database " * 100) as batch:
        await batch.status()


async def _other_content() -> None:
    async with _batch() as batch:
        await batch.submit([BatchItem(key="2026-1001", order=_order())])
        await batch.submit([BatchItem(key="2026-1001", order=_order(email="ola@example.com"))])


async def _bad_file() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "invoices.csv"
        good = (Path(__file__).parents[1] / "batch-files" / "invoices.csv").read_text(encoding="utf-8")
        path.write_text(
            good.replace(",2,149.50", ",two,149.50").replace("ola@example.no", ""), encoding="utf-8"
        )
        list(read_csv(path))


SITUATIONS: Mapping[type[FrontPayError], tuple[Situation, ...]] = MappingProxyType(
    {
        errors.ConfigurationError: (
            Situation("an environment that there is not", _wrong_environment),
            Situation("a call in another event loop than the first", _another_loop),
        ),
        errors.InvalidOrderError: (Situation("an invoice with two mistakes", _broken_rules),),
        errors.NotSentError: (
            Situation("nobody listens at the address", _no_connection),
            Situation("a call after `aclose()`", _closed),
        ),
        errors.RateBudgetExceededError: (
            Situation("the window is used up, and `Timeouts.total` is 5 s", _no_budget),
        ),
        errors.OutcomeUnknownError: (
            Situation("the connection breaks before the answer to a create", _answer_lost),
            Situation("the answer to a cancellation is cut", _answer_cut),
        ),
        errors.WatchTimeoutError: (Situation("nobody pays within a minute", _nobody_pays),),
        errors.APIError: (Situation("a status that has no class of its own", _other_status),),
        errors.AuthenticationError: (Situation("a token that the API does not know", _wrong_token),),
        errors.PermissionDeniedError: (Situation("a token that may not refund", _forbidden),),
        errors.NotFoundError: (Situation("an id that the API does not know", _nowhere),),
        errors.RequestRejectedError: (Situation("a terminal that there is not", _not_valid),),
        errors.BusinessRuleError: (Situation("a refund is cancelled that was taken", _other_rule),),
        errors.AlreadyPaidError: (
            Situation("an order is cancelled that was paid", _paid_already),
            Situation("a charge is answered with 510 and sent again", _refused_after_a_doubt),
        ),
        errors.AlreadyCancelledError: (
            Situation("an order is charged that was cancelled", _cancelled_already),
        ),
        errors.RefundRejectedError: (Situation("more is refunded than was paid", _too_large_a_refund),),
        errors.RateLimitedError: (Situation("a 429, where nobody keeps the books", _too_many_requests),),
        errors.ServerError: (
            Situation("a 510 in answer to a create", _failed_create),
            Situation("a proxy's 502 in answer to a read", _failed_read),
        ),
        errors.TerminalBusyError: (Situation("the terminal is in use", _busy),),
        errors.CallbackError: (Situation("a query that is no callback", _no_callback),),
        errors.InvalidChecksumError: (Situation("a callback that was made with another secret", _made_up),),
        errors.StaleCallbackError: (Situation("a callback of another year", _old),),
        errors.ReplayedCallbackError: (Situation("a callback that comes twice", _again),),
        batch_errors.JournalError: (Situation("the journal is no database", _no_journal),),
        batch_errors.ContentMismatchError: (
            Situation("a key is submitted again, with another customer", _other_content),
        ),
        InvalidFileError: (Situation("a CSV file with mistakes", _bad_file),),
    }
)
"""Each error, and one way or more to it."""


async def provoke(situation: Situation) -> FrontPayError:
    """Return the error that a situation ends in.

    Raises:
        RuntimeError: It ends well.
    """
    try:
        await situation.call()
    except FrontPayError as error:
        return error
    raise RuntimeError(f"no error: {situation.words}")


async def raised() -> dict[type[FrontPayError], list[tuple[Situation, FrontPayError]]]:
    """Return an error for each situation, by class."""
    return {
        cls: [(situation, await provoke(situation)) for situation in situations]
        for cls, situations in SITUATIONS.items()
    }
