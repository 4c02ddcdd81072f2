"""A web shop's checkout on FastAPI: the customer pays on a payment page and comes back.

    python3 -m venv .venv && . .venv/bin/activate
    python3 -m pip install ".[cli,sandbox]" fastapi  # in a clone
    frontpay sandbox                                 # in another terminal
    export FRONTPAY_TOKEN=sandbox-token
    export FRONTPAY_BASE_URL=http://127.0.0.1:8123/api/v1/connect
    export SHOP_URL=http://127.0.0.1:8000
    export SHOP_CALLBACK_SECRET=sandbox-callback-secret
    uvicorn --app-dir examples --factory web_shop:create_app

Open http://127.0.0.1:8000 in a browser, fill in the form and pay. Three rules:

- A basket is sent once. If the outcome is unknown, the basket is closed for a person to
  look at: a second session could bill the customer twice.
- The browser's return proves nothing: anybody can open the success URL. The page shows
  what the API says of the order.
- The callback wakes whatever waits for the order; it is not relied on.
"""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from secrets import token_urlsafe
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from fastapi import FastAPI, HTTPException, Request
from fastapi.responses import HTMLResponse, RedirectResponse, Response

from frontpay_async import (
    Address,
    CheckoutSession,
    Customer,
    CustomerType,
    FrontPayClient,
    FrontPayError,
    InvalidOrderError,
    OrderStatus,
    OrderSummary,
    Outcome,
    Priority,
    Product,
    RetryPolicy,
    Timeouts,
    WatchTimeoutError,
)
from frontpay_async.callbacks import CallbackGuard
from frontpay_async.callbacks.starlette import callback_route

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from frontpay_async.callbacks import Callback

PATIENCE = 5.0  # seconds that the page waits for the payment to be seen
PRODUCTS = (Product(name="Tent for two", quantity=1, rate="1490.00", tax=25),)
FIELDS = ("name", "msisdn", "email", "street", "zip", "city")


@dataclass
class Basket:
    """One customer's basket; a real shop keeps it in its database."""

    state: str = "open"  # open, sending, sent, unknown
    order_uuid: str | None = None


def page(title: str, body: str, status: int = 200) -> HTMLResponse:
    """Return a page of the shop."""
    html = (
        f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
    )
    return HTMLResponse(f"{html}<h1>{title}</h1>{body}", status)


def basket_page(basket_id: str, problem: str = "") -> HTMLResponse:
    """Return the page with the basket and the form."""
    fields = "".join(
        f'<p><label>{name}: <input name="{name}" required></label></p>'
        for name in FIELDS
    )
    lines = "".join(f"<li>{each.name}: {each.amount} NOK</li>" for each in PRODUCTS)
    return page(
        "Your basket",
        f'<p role="alert">{escape(problem)}</p><ul>{lines}</ul>'
        f'<form method="post" action="/baskets/{basket_id}">{fields}'
        "<button>Pay by card</button></form>",
        422 if problem else 200,
    )


def customer_of(form: Mapping[str, str]) -> Customer:
    """Return the customer that the form describes."""
    return Customer(
        type=CustomerType.PRIVATE,
        name=form.get("name", ""),
        country_code="+47",
        msisdn=form.get("msisdn", ""),
        email=form.get("email", ""),
        address=Address(
            street=form.get("street", ""),
            zip=form.get("zip", ""),
            city=form.get("city", ""),
            country="NO",
        ),
    )


@dataclass
class Shop:
    """The shop, between its pages and the API."""

    client: FrontPayClient
    url: str
    baskets: dict[str, Basket] = field(default_factory=dict[str, Basket])

    def found(self, basket_id: str) -> Basket:
        """Return a basket, or answer 404."""
        if basket_id not in self.baskets:
            raise HTTPException(404)
        return self.baskets[basket_id]

    def session(self, basket_id: str, form: Mapping[str, str]) -> CheckoutSession:
        """Return what is sent for a basket."""
        return CheckoutSession(
            products=PRODUCTS,
            summary=OrderSummary.of(PRODUCTS),
            order_date=datetime.now(UTC),
            customer=customer_of(form),
            via="visa",
            success_url=f"{self.url}/baskets/{basket_id}/result",
            failure_url=f"{self.url}/baskets/{basket_id}/result",
            callback_url=f"{self.url}/frontpay/callback",
            reference_no=basket_id,
        )

    async def pay(self, basket_id: str, form: Mapping[str, str]) -> Response:
        """Send the basket once, and the browser to the payment page."""
        basket = self.found(basket_id)
        result = RedirectResponse(f"/baskets/{basket_id}/result", 303)
        # Between this check and the next line nothing else runs: a second click, or
        # another tab, finds the basket taken.
        if basket.state != "open":
            return result
        basket.state = "sending"
        try:
            session = self.session(basket_id, form)
            link = await self.client.checkout.create_session(session)
        except InvalidOrderError as error:
            basket.state = "open"
            return basket_page(basket_id, str(error))
        except FrontPayError as error:
            # Not sent, or refused: safe to try again. Else a person looks.
            is_unknown = error.outcome is Outcome.UNKNOWN
            basket.state = "unknown" if is_unknown else "open"
            return result
        basket.state, basket.order_uuid = "sent", link.order_uuid
        # A secret of this customer's: into the redirect, and nowhere else.
        return RedirectResponse(link.payment_url or result.headers["location"], 303)

    async def result(self, basket_id: str) -> Response:
        """Show what the API says of the basket's order."""
        basket = self.found(basket_id)
        if basket.order_uuid is not None:
            return order_page(basket.order_uuid, await self.status(basket.order_uuid))
        if basket.state == "open":
            return page("Not paid", "<p>Nothing was ordered. Try again.</p>", 503)
        return page("We are checking", "<p>Please do not order again.</p>", 202)

    async def status(self, order_uuid: str) -> OrderStatus:
        """Wait a moment for the order's end; return what is known then."""
        try:
            return await self.client.watch.checkout(order_uuid, timeout=PATIENCE)
        except WatchTimeoutError as error:
            # Not "failed": it may be paid a second from now.
            return OrderStatus(error.last_status or OrderStatus.UNKNOWN)
        except FrontPayError:
            return OrderStatus.UNKNOWN


def order_page(order_uuid: str, status: OrderStatus) -> HTMLResponse:
    """Return the page that tells the customer about an order."""
    uuid = escape(order_uuid)
    match status:
        case OrderStatus.PAID:
            return page("Thank you", f"<p>Order {uuid} is paid.</p>")
        case OrderStatus.CANCELLED:
            return page("Not paid", f"<p>Order {uuid} is cancelled.</p>")
        case _:
            return page("We are checking", f"<p>Order {uuid} is not decided yet.</p>")


def create_app() -> FastAPI:
    """Build the app; its settings are in the environment."""
    secret = os.environ["SHOP_CALLBACK_SECRET"]

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncGenerator[None]:
        # FRONTPAY_TOKEN and FRONTPAY_ENVIRONMENT
        async with FrontPayClient() as client:
            # A customer is waiting: these calls go first, and fail instead of waiting.
            hurried = client.with_options(
                priority=Priority.INTERACTIVE,
                timeouts=Timeouts(total=15),
                retry=RetryPolicy(retry_unsafe_server_errors=False),
            )
            app.state.shop = Shop(hurried, os.environ["SHOP_URL"])
            yield

    def wake_the_watch(callback: Callback) -> None:
        app.state.shop.client.watch.notify(callback)

    app = FastAPI(
        lifespan=lifespan,
        routes=[callback_route(CallbackGuard(secret), wake_the_watch)],
    )

    @app.get("/")
    async def start() -> Response:
        basket_id = token_urlsafe(16)
        app.state.shop.baskets[basket_id] = Basket()
        return basket_page(basket_id)

    @app.post("/baskets/{basket_id}")
    async def pay(basket_id: str, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        response: Response = await app.state.shop.pay(basket_id, form)
        return response

    @app.get("/baskets/{basket_id}/result")
    async def result(basket_id: str) -> Response:
        response: Response = await app.state.shop.result(basket_id)
        return response

    return app
