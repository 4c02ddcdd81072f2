"""A shop's backend on FastAPI: it takes card payments at a terminal and receives callbacks.

    pip install "frontpay_async[cli,sandbox]" fastapi
    frontpay sandbox                          # in a terminal of its own; it prints its URL
    export FRONTPAY_BASE_URL=http://127.0.0.1:8123/api/v1/connect FRONTPAY_TOKEN=sandbox-token
    export SHOP_CALLBACK_URL=http://127.0.0.1:8000/frontpay/callback
    export SHOP_CALLBACK_SECRET=sandbox-callback-secret
    uvicorn --app-dir examples --factory fastapi_app:create_app

    curl localhost:8000/sales --json '{"reference": "B-1001", "terminal": "TRML1914739698",
        "item": "Ski wax", "price": "149.50"}'

The till waits in that one request until the cardholder has paid or declined. The callback wakes the wait, and
the status itself is asked of the API: a callback about a terminal is not signed.
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
    OrderSummary,
    Priority,
    Product,
    RateBudgetExceededError,
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


def create_app() -> FastAPI:
    """Build the app; its settings stand in the environment."""
    callback_url, secret = os.environ["SHOP_CALLBACK_URL"], os.environ["SHOP_CALLBACK_SECRET"]

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        async with FrontPayClient() as client:  # FRONTPAY_TOKEN and FRONTPAY_ENVIRONMENT
            app.state.client = client
            # Somebody stands at the till: its calls go first, and fail rather than wait long.
            app.state.till = client.with_options(priority=Priority.INTERACTIVE, timeouts=Timeouts(total=10))
            yield

    def wake_the_watch(callback: Callback) -> None:
        app.state.client.watch.notify(callback)

    app = FastAPI(lifespan=lifespan, routes=[callback_route(CallbackGuard(secret), wake_the_watch)])

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
        try:
            status = await app.state.client.watch.payment(created.order_uuid, timeout=PATIENCE)
        except WatchTimeoutError as error:
            # Not "failed": it may be paid a second from now.
            undecided = {"order": created.order_uuid, "status": str(error.last_status)}
            return JSONResponse(undecided, status_code=202)
        return JSONResponse({"order": created.order_uuid, "status": str(status)})

    @app.exception_handler(RateBudgetExceededError)
    async def busy(_: Request, error: RateBudgetExceededError) -> JSONResponse:
        """Answer where the token's budget is used up: nothing was sent, and it is safe to try again."""
        return JSONResponse(
            {"detail": "busy"}, status_code=503, headers={"Retry-After": str(math.ceil(error.retry_after))}
        )

    return app
