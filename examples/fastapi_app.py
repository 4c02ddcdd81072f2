"""A shop's backend on FastAPI: card payments at a terminal, with callbacks.

    python3 -m venv .venv && . .venv/bin/activate
    python3 -m pip install ".[cli,sandbox]" fastapi  # in a clone
    frontpay sandbox                                 # in another terminal
    export FRONTPAY_TOKEN=sandbox-token
    export FRONTPAY_BASE_URL=http://127.0.0.1:8123/api/v1/connect
    export SHOP_CALLBACK_URL=http://127.0.0.1:8000/frontpay/callback
    export SHOP_CALLBACK_SECRET=sandbox-callback-secret
    uvicorn --app-dir examples --factory fastapi_app:create_app

    curl localhost:8000/sales --json '{"reference": "B-1001",
        "terminal": "TRML1914739698", "item": "Ski wax", "price": "149.50"}'

The point of sale waits in one request until the cardholder has paid or declined. The
callback wakes the wait, and the API is then asked for the status: callbacks of terminal
orders are not signed.

Every failure is answered by its outcome: 422 or 409 if the API did not accept the
order, 503 if nothing was sent, and 202 if the order may be on the terminal, or is there
and undecided. A 500 would be retried by the caller, and the customer would be billed
twice.
"""

from __future__ import annotations

import math
import os
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal  # noqa: TC003 - pydantic reads the annotation
from typing import TYPE_CHECKING

from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field

from frontpay_async import (
    Address,
    Customer,
    CustomerType,
    FrontPayClient,
    FrontPayError,
    InvalidOrderError,
    OrderSummary,
    Outcome,
    Priority,
    Product,
    RateBudgetExceededError,
    RetryPolicy,
    SendOrderBy,
    TerminalOrder,
    Timeouts,
    WatchTimeoutError,
)
from frontpay_async.callbacks import CallbackGuard, sign_callback_url
from frontpay_async.callbacks.starlette import callback_route

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from frontpay_async.callbacks import Callback

PATIENCE = 90.0  # seconds that the till waits for the cardholder
WALK_IN = Customer(
    type=CustomerType.PRIVATE,
    name="Walk-in customer",
    country_code="+47",
    msisdn="40000000",
    address=Address(street="Storgata 1", zip="0155", city="Oslo", country="NO"),
    email="till@example.com",
)


class Sale(BaseModel):
    """What the till asks for."""

    reference: str = Field(min_length=1, max_length=40)
    terminal: str
    item: str
    price: Decimal = Field(gt=0, decimal_places=2)


async def invalid(_: Request, error: InvalidOrderError) -> JSONResponse:
    """Answer where the order breaks a rule: nothing was sent."""
    return JSONResponse(
        {"fields": [violation.path for violation in error.violations]}, status_code=422
    )


async def busy(_: Request, error: RateBudgetExceededError) -> JSONResponse:
    """Answer 503: the rate limit is used up, nothing was sent, a retry is safe."""
    return JSONResponse(
        {"detail": "busy"},
        status_code=503,
        headers={"Retry-After": str(math.ceil(error.retry_after))},
    )


async def failed(_: Request, error: FrontPayError) -> JSONResponse:
    """Answer where the order could not be created: by what is known of it."""
    match error.outcome:
        case Outcome.NOT_SENT:
            return JSONResponse({"detail": "nothing was sent"}, status_code=503)
        case Outcome.REJECTED:
            return JSONResponse(
                {"detail": "refused: nothing was done"}, status_code=409
            )
        case Outcome.UNKNOWN:
            # It may be on the terminal. To send it again could bill the customer twice.
            return JSONResponse(
                {"detail": "not known: look at the terminal"}, status_code=202
            )


def create_app() -> FastAPI:
    """Build the app; its settings stand in the environment."""
    callback_url, secret = (
        os.environ["SHOP_CALLBACK_URL"],
        os.environ["SHOP_CALLBACK_SECRET"],
    )

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        # FRONTPAY_TOKEN and FRONTPAY_ENVIRONMENT
        async with FrontPayClient() as client:
            app.state.client = client
            # A customer is waiting: these calls go first, and fail instead of waiting.
            # A failed create is not repeated: the seller can see the terminal.
            app.state.till = client.with_options(
                priority=Priority.INTERACTIVE,
                timeouts=Timeouts(total=10),
                retry=RetryPolicy(retry_unsafe_server_errors=False),
            )
            yield

    def wake_the_watch(callback: Callback) -> None:
        app.state.client.watch.notify(callback)

    app = FastAPI(
        lifespan=lifespan,
        routes=[callback_route(CallbackGuard(secret), wake_the_watch)],
        exception_handlers={
            InvalidOrderError: invalid,
            RateBudgetExceededError: busy,
            FrontPayError: failed,
        },
    )

    @app.post("/sales")
    async def sell(sale: Sale) -> JSONResponse:
        products = [Product(name=sale.item, quantity=1, rate=sale.price, tax=25)]
        created = await app.state.till.terminals.create_order(
            TerminalOrder(
                products=products,
                summary=OrderSummary.of(products),
                order_date=datetime.now(UTC),
                customer=WALK_IN,
                terminal_uuid=sale.terminal,
                receipt_print=True,
                send_order_by=SendOrderBy(sms=False, email=True),
                callback_url=sign_callback_url(callback_url, sale.reference, secret),
            )
        )
        order = {"order": created.order_uuid}
        try:
            status = await app.state.client.watch.payment(
                created.order_uuid, timeout=PATIENCE
            )
        except WatchTimeoutError as error:
            # Not "failed": it may be paid a second from now.
            return JSONResponse(
                {**order, "status": str(error.last_status)}, status_code=202
            )
        except FrontPayError:
            # Watching failed, but the order is on the terminal and may be paid.
            return JSONResponse({**order, "status": "UNKNOWN"}, status_code=202)
        return JSONResponse({**order, "status": str(status)})

    return app
