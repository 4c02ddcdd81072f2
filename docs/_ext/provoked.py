"""Every error, provoked by real calls against the sandbox wherever possible.

The error catalogue shows their messages and outcomes, so it cannot differ from the package. Each situation
has a description and a coroutine that raises the error.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections import defaultdict
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

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
from frontpay_async.callbacks import CallbackGuard
from frontpay_async.order_files.violations import InvalidFileError
from frontpay_async.sandbox import DEFAULT_TERMINAL, DEFAULT_TOKEN, Cardholder, Sandbox
from frontpay_async.sandbox.instant_clock import instant_clock

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

__all__ = ["SITUATIONS", "Situation", "provoke", "raised"]

_SECRET = "a secret"  # noqa: S105 - made up
_NOBODY = "ODR9999999999"
# The path is short and the same everywhere, where an error names it.
_URL = "http://localhost:1/api/v1/connect"


_Call: TypeAlias = "Callable[[], Awaitable[object]]"


@frozen
class Situation:
    """One situation that raises an error.

    Args:
        words: The description for the catalogue.
        call: Raises the error.
    """

    words: str
    call: _Call


SITUATIONS: dict[type[FrontPayError], list[Situation]] = defaultdict(list)
"""The situations of each error, at least one."""


def _leads_to(error: type[FrontPayError], words: str) -> Callable[[_Call], _Call]:
    """Register a coroutine that raises an error."""

    def note(call: _Call) -> _Call:
        SITUATIONS[error].append(Situation(words, call))
        return call

    return note


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
    sandbox = Sandbox(cardholder=Cardholder(after=None), clock=instant_clock())
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


@_leads_to(errors.ConfigurationError, "an unknown environment")
async def _wrong_environment() -> None:
    FrontPayClient("token", environment="live")


@_leads_to(errors.ConfigurationError, "a call in another event loop than the first call")
async def _another_loop() -> None:
    async with _trial() as (_, client):
        await client.orders.list_statuses()
        await asyncio.to_thread(asyncio.run, client.orders.send_invoice(_order()))


@_leads_to(errors.NotSentError, "a call after `aclose()`")
async def _closed() -> None:
    async with _trial() as (_, client):
        await client.aclose()
        await client.orders.send_invoice(_order())


@_leads_to(errors.InvalidOrderError, "an invoice with two violations")
async def _broken_rules() -> None:
    async with _trial() as (_, client):
        await client.orders.send_invoice(_order(personal_number="123", email=None))


@_leads_to(errors.NotSentError, "no server at the address")
async def _no_connection() -> None:
    async with FrontPayClient("token", base_url=_URL, retry=RetryPolicy(attempts=1)) as client:
        await client.orders.send_invoice(_order())


@_leads_to(errors.RateBudgetExceededError, "a used-up rate window, with `Timeouts.total` of 5 s")
async def _no_budget() -> None:
    sandbox = Sandbox(rate_limit=1, clock=instant_clock())
    async with sandbox.client(rate_limit=RateLimit(requests=1), timeouts=Timeouts(total=5)) as client:
        await client.orders.list_statuses()
        await client.orders.send_invoice(_order())


@_leads_to(errors.OutcomeUnknownError, "a create whose connection is lost before the response")
async def _answer_lost() -> None:
    async with _trial("drop-after") as (_, client):
        await client.orders.send_invoice(_order())


@_leads_to(errors.OutcomeUnknownError, "a cancellation whose response is incomplete")
async def _answer_cut() -> None:
    async with _trial("cut-body") as (_, client):
        await client.orders.cancel(_NOBODY, note="a mistake")


@_leads_to(errors.WatchTimeoutError, "a payment that is not made within a minute")
async def _nobody_pays() -> None:
    async with _trial() as (_, client):
        created = await client.terminals.create_order(_terminal_order())
        await client.watch.payment(created.order_uuid, timeout=60)


@_leads_to(errors.APIError, "a status without a subclass")
async def _other_status() -> None:
    async with _answering(409, "Conflict") as client:
        await client.orders.charge_delayed(_NOBODY)


@_leads_to(errors.AuthenticationError, "an unknown token")
async def _wrong_token() -> None:
    async with _trial(token="another") as (_, client):  # noqa: S106 - made up
        await client.orders.list_statuses()


@_leads_to(errors.PermissionDeniedError, "a token without permission to refund")
async def _forbidden() -> None:
    async with _answering(403, "This action is unauthorized.") as client:
        await client.orders.refund(_NOBODY, _refund("10.00"))


@_leads_to(errors.NotFoundError, "an unknown id")
async def _nowhere() -> None:
    async with _trial() as (_, client):
        await client.orders.get_status(_NOBODY)


@_leads_to(errors.RequestRejectedError, "an unknown terminal")
async def _not_valid() -> None:
    async with _trial() as (_, client):
        await client.terminals.create_order(_terminal_order("TRML0000000000"))


@_leads_to(errors.BusinessRuleError, "the cancellation of a completed refund")
async def _other_rule() -> None:
    async with _trial() as (sandbox, client):
        created = await client.terminals.create_order(_terminal_order())
        sandbox.approve(created.order_uuid)
        line = sandbox.orders[created.order_uuid].lines[0].id
        refund = TerminalRefund(grand_total="10.00", lines=[RefundLine(id=line, amount="10.00")])
        await client.terminals.refund(created.order_uuid, refund)
        sandbox.approve_refund(created.order_uuid)
        await client.terminals.cancel_refund(created.order_uuid)


@_leads_to(errors.AlreadyPaidError, "the cancellation of a paid order")
async def _paid_already() -> None:
    async with _trial() as (sandbox, client):
        created = await client.orders.send_invoice(_order())
        sandbox.apply_event(created.order_uuid, "pay")
        await client.orders.cancel(created.order_uuid, note="a mistake")


@_leads_to(errors.AlreadyCancelledError, "the charge of a cancelled order")
async def _cancelled_already() -> None:
    async with _trial() as (_, client):
        created = await client.orders.send_invoice(_order())
        await client.orders.cancel(created.order_uuid, note="a mistake")
        await client.orders.charge_delayed(created.order_uuid)


@_leads_to(errors.AlreadyPaidOrCancelledError, "a repeated payment link of a settled order")
async def _settled_already() -> None:
    async with _answering(400, "orderStatusAlreadyPaidOrCancelled") as client:
        await client.orders.resend_payment_link(_NOBODY, email="kari@example.no")


@_leads_to(errors.AlreadyInvoicedError, "the charge of an invoiced order")
async def _invoiced_already() -> None:
    async with _answering(400, "orderStatusAlreadyInvoiced") as client:
        await client.orders.charge_delayed(_NOBODY)


@_leads_to(errors.AlreadyCompletedError, "the cancellation of a completed reservation")
async def _completed_already() -> None:
    async with _answering(400, "reservationStatusAlreadyCompleted") as client:
        await client.reservations.cancel("RES3506777330", note="a mistake")


@_leads_to(errors.PrerequisiteFailedError, "the completion of an unaccepted reservation")
async def _not_reserved_yet() -> None:
    async with _answering(400, "prerequisiteFailedToCompleteReservation") as client:
        await client.reservations.complete("RES3506777330", note="shipped")


@_leads_to(errors.CycleRejectedError, "the refund of an unpaid cycle")
async def _unpaid_cycle() -> None:
    async with _answering(400, "someCyclesFailedToPassValidation") as client:
        await client.subscriptions.refund_cycles("SUB3506777330", cycles=["Cycle 2"], amount=10)


@_leads_to(errors.CycleNotFoundError, "the refund of an unknown cycle")
async def _no_cycle() -> None:
    async with _answering(404, "cycleNotfound#cycle9") as client:
        await client.subscriptions.refund_cycles("SUB3506777330", cycles=["Cycle 9"], amount=10)


@_leads_to(errors.CreditCheckRejectedError, "a credit check of a number that belongs to no person")
async def _nobody_to_check() -> None:
    async with _answering(510, "personCurrentStatusIsWrong") as client:
        await client.credit_checks.check_private("00000000000")


@_leads_to(errors.RefundRejectedError, "a refund above the paid amount")
async def _too_large_a_refund() -> None:
    async with _trial() as (sandbox, client):
        created = await client.orders.send_invoice(_order())
        sandbox.apply_event(created.order_uuid, "pay")
        line = sandbox.orders[created.order_uuid].lines[0].id
        await client.orders.refund(created.order_uuid, _refund("5000.00", line))


@_leads_to(errors.RateLimitedError, "a 429, without rate limiting")
async def _too_many_requests() -> None:
    sandbox = Sandbox(rate_limit=1, clock=instant_clock())
    async with sandbox.client(retry=RetryPolicy(attempts=1), rate_limit=RateLimit.unlimited()) as client:
        await client.orders.list_statuses()
        await client.orders.send_invoice(_order())


@_leads_to(errors.ServerError, "a 510 in response to a create")
async def _failed_create() -> None:
    async with _trial("510-after") as (_, client):
        await client.orders.send_invoice(_order())


@_leads_to(errors.ServerError, "a proxy's 502 in response to a read")
async def _failed_read() -> None:
    async with _trial("502-before") as (_, client):
        await client.orders.list_statuses()


@_leads_to(errors.AlreadyPaidError, "a charge that is retried after a 510")
async def _refused_after_a_doubt() -> None:
    sandbox = Sandbox(clock=instant_clock())
    async with sandbox.client() as client:
        created = await client.orders.send_invoice(_order())
        sandbox.fail("510-after", operation="orders.charge_delayed")
        await client.orders.charge_delayed(created.order_uuid)


@_leads_to(errors.TerminalBusyError, "a busy terminal")
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
        sandbox.apply_event(created.order_uuid, "pay")
        await sandbox.deliver_callbacks()
    return sent[-1]


@_leads_to(errors.CallbackError, "a query that is not a callback")
async def _no_callback() -> None:
    await CallbackGuard(_SECRET).check("utm_source=newsletter")


@_leads_to(errors.InvalidChecksumError, "a callback made with another secret")
async def _made_up() -> None:
    await CallbackGuard("another secret").check(await _callback())


@_leads_to(errors.StaleCallbackError, "a callback from another year")
async def _old() -> None:
    await CallbackGuard(_SECRET, now=lambda: 4_000_000_000.0).check(await _callback())


@_leads_to(errors.ReplayedCallbackError, "a repeated callback")
async def _again() -> None:
    guard, query = CallbackGuard(_SECRET), await _callback()
    await guard.check(query)
    await guard.check(query)


@asynccontextmanager
async def _journal() -> AsyncIterator[tuple[FrontPayClient, Path]]:
    """Yield a client, and a path where a journal may be made."""
    with tempfile.TemporaryDirectory() as folder:
        async with Sandbox().client() as client:
            yield client, Path(folder) / "journal.db"


@_leads_to(batch_errors.JournalError, "a journal that is deleted during a run")
async def _no_journal() -> None:
    async with _journal() as (client, path), InvoiceBatch(client, journal=path, name="2026-05") as batch:
        await batch.submit([BatchItem(key="2026-1001", order=_order())])
        path.unlink()
        await batch.run()


@_leads_to(batch_errors.ContentMismatchError, "a key that is submitted again with another customer")
async def _other_content() -> None:
    async with _journal() as (client, path), InvoiceBatch(client, journal=path, name="2026-05") as batch:
        await batch.submit([BatchItem(key="2026-1001", order=_order())])
        await batch.submit([BatchItem(key="2026-1001", order=_order(email="ola@example.com"))])


@_leads_to(batch_errors.AlreadySubmittedError, "the same file, submitted again under a mistyped name")
async def _other_name() -> None:
    item = BatchItem(key="2026-1001", order=_order())
    async with _journal() as (client, path):
        for name in ("2026-05", "2026-5"):
            async with InvoiceBatch(client, journal=path, name=name) as batch:
                await batch.submit([item])


@_leads_to(InvalidFileError, "a CSV file with violations")
async def _bad_file() -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "invoices.csv"
        good = (Path(__file__).parents[1] / "batch-files" / "invoices.csv").read_text(encoding="utf-8")
        bad = good.replace(",2,149.50", ",two,149.50").replace("ola@example.no", "")
        path.write_text(bad, encoding="utf-8")
        list(read_csv(path))


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
