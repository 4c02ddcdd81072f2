"""One service for many merchants: a token each, and one pool of connections for all.

    python3 -m pip install ".[cli,sandbox]"  # in a clone and a virtual environment
    frontpay sandbox                         # in another terminal; prints its URL
    export MERCHANT_TOKENS=tokens.json
    export FRONTPAY_BASE_URL=http://127.0.0.1:8123/api/v1/connect
    echo '{"oslo": "sandbox-token", "bergen": "revoked"}' > tokens.json
    uvicorn --app-dir examples --factory multi_tenant:create_app

    curl localhost:8000/merchants/oslo/links --json '{"reference": "B-1001",
        "item": "Ski wax", "price": "149.50", "name": "Kari Nordmann",
        "email": "kari@example.com"}'

Each merchant has a client with its own rate window, retry budget and watches, so a
problem of one merchant does not affect the others:

- A refused token is a 502 for that merchant. A new token in the file is used by the
  next call.
- A merchant whose rate window is used up gets 503 with ``Retry-After``; nothing is
  sent.
- A merchant whose calls hang holds ten of the hundred connections of the pool, and gets
  503 for further calls.

A limited number of clients is kept open. The least recently used one is closed first,
but never one in use. Its knowledge of the rate window is lost, and learnt again from
the first response.
"""

from __future__ import annotations

import json
import math
import os
from collections import OrderedDict
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio
from attrs import define, field
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.routing import Route

from frontpay_async import (
    Address,
    ConnectionPool,
    Customer,
    CustomerType,
    FrontPayClient,
    FrontPayError,
    InvalidOrderError,
    NotFoundError,
    OrderSummary,
    Outcome,
    PaymentLinkOrder,
    Product,
    RateBudgetExceededError,
    RateLimit,
    SendOrderBy,
    Timeouts,
)

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from starlette.requests import Request

PATIENCE = 10.0  # seconds that a merchant's customer waits
PLACES = 10  # of the pool's hundred connections, for one merchant
KEPT = 200  # clients
STATUSES = {Outcome.NOT_SENT: 503, Outcome.REJECTED: 502, Outcome.UNKNOWN: 504}


class UnknownMerchantError(Exception):
    """There is no token for a merchant."""


@define
class TokenFile:
    """Tokens from a file that is replaced when they change, like a mounted secret."""

    path: Path
    _read_at: int = field(init=False, default=-1)
    _tokens: dict[str, str] = field(init=False, factory=dict[str, str], repr=False)

    async def token(self, merchant: str) -> str:
        """Return a merchant's token; called before each attempt and after a 401.

        Raises:
            UnknownMerchantError: There is none.
        """
        changed_at = (await anyio.Path(self.path).stat()).st_mtime_ns
        if changed_at != self._read_at:
            self._tokens = json.loads(await anyio.Path(self.path).read_text("utf-8"))
            self._read_at = changed_at
        if merchant not in self._tokens:
            raise UnknownMerchantError(merchant)
        return self._tokens[merchant]


@define(eq=False)
class Tenant:
    """A merchant's client and its free places for calls."""

    client: FrontPayClient
    places: anyio.Semaphore = field(factory=lambda: anyio.Semaphore(PLACES))

    @property
    def is_idle(self) -> bool:
        """Whether no call uses it."""
        return self.places.value == PLACES


@define(eq=False)
class Tenants:
    """The clients of the merchants that were served lately."""

    pool: ConnectionPool
    tokens: TokenFile
    redis: str | None = None
    _kept: OrderedDict[str, Tenant] = field(
        init=False, factory=OrderedDict[str, Tenant]
    )

    @property
    def merchants(self) -> tuple[str, ...]:
        """The merchants whose clients are open, the most recently used last."""
        return tuple(self._kept)

    @asynccontextmanager
    async def client(self, merchant: str) -> AsyncGenerator[FrontPayClient]:
        """Yield a merchant's client, which stays open meanwhile.

        Raises:
            UnknownMerchantError: There is no such merchant.
            WouldBlock: All its places are taken.
        """
        await self.tokens.token(merchant)
        tenant = self._kept.get(merchant)
        if tenant is None:
            tenant = self._kept[merchant] = Tenant(self._build(merchant))
        self._kept.move_to_end(merchant)
        tenant.places.acquire_nowait()
        try:
            yield tenant.client
        finally:
            tenant.places.release()
            with anyio.CancelScope(shield=True):
                await self._close_idle()

    def _build(self, merchant: str) -> FrontPayClient:
        return FrontPayClient(
            partial(self.tokens.token, merchant),
            connection_pool=self.pool,
            # With Redis, all processes that serve a merchant share its rate window.
            rate_limit=RateLimit(redis=self.redis, account=merchant),
            timeouts=Timeouts(total=PATIENCE),
        )

    async def _close_idle(self) -> None:
        idle = [merchant for merchant, tenant in self._kept.items() if tenant.is_idle]
        for merchant in idle[: max(0, len(self._kept) - KEPT)]:
            await self._kept.pop(merchant).client.aclose()

    async def aclose(self) -> None:
        """Close all clients; the pool is closed after them."""
        while self._kept:
            _, tenant = self._kept.popitem()
            await tenant.client.aclose()


@asynccontextmanager
async def client_of_path(request: Request) -> AsyncGenerator[FrontPayClient]:
    """Yield the client of the merchant in the path; failures become HTTP errors."""
    tenants: Tenants = request.app.state.tenants
    try:
        async with tenants.client(request.path_params["merchant"]) as client:
            yield client
    except UnknownMerchantError:
        raise HTTPException(404, "no such merchant") from None
    except anyio.WouldBlock:
        raise HTTPException(
            503, "too many calls in flight", {"Retry-After": "5"}
        ) from None
    except RateBudgetExceededError as error:
        # Nothing was sent.
        headers = {"Retry-After": str(math.ceil(error.retry_after))}
        raise HTTPException(503, "the rate limit is used up", headers) from None
    except InvalidOrderError as error:
        raise HTTPException(422, "; ".join(map(str, error.violations))) from None
    except NotFoundError:
        raise HTTPException(404, "no such order") from None
    except FrontPayError as error:
        raise HTTPException(
            STATUSES[error.outcome], f"{type(error).__name__}: {error.outcome}"
        ) from None


async def send_link(request: Request) -> JSONResponse:
    """Send a payment link to a merchant's customer."""
    order = read_order(await request.body())
    async with client_of_path(request) as client:
        created = await client.orders.send_payment_link(order)
    return JSONResponse({"order": created.order_uuid}, status_code=201)


async def show_order(request: Request) -> JSONResponse:
    """Show the status of a merchant's order."""
    async with client_of_path(request) as client:
        report = await client.orders.get_status(request.path_params["order"])
    return JSONResponse({"order": report.order_uuid, "status": str(report.status)})


def read_order(body: bytes) -> PaymentLinkOrder:
    """Make an order of what the shop sent.

    Raises:
        HTTPException: 400: it is none.
    """
    try:
        said = json.loads(body, parse_float=Decimal)
        products = [Product(name=said["item"], quantity=1, rate=said["price"], tax=25)]
        return PaymentLinkOrder(
            products=products,
            summary=OrderSummary.of(products),
            order_date=datetime.now(UTC),
            customer=Customer(
                type=CustomerType.PRIVATE,
                name=said["name"],
                email=said["email"],
                address=Address(
                    street="Storgata 1", zip="0155", city="Oslo", country="NO"
                ),
            ),
            invoice_as_payment_option=False,
            send_order_by=SendOrderBy(sms=False, email=True),
            reference_no=said["reference"],
        )
    except (ValueError, KeyError, TypeError) as error:
        raise HTTPException(400, f"no order: {type(error).__name__}") from None


def create_app() -> Starlette:
    """Build the app; its settings stand in the environment."""
    tokens = TokenFile(Path(os.environ["MERCHANT_TOKENS"]))

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        async with ConnectionPool() as pool:
            tenants = app.state.tenants = Tenants(
                pool, tokens, os.environ.get("REDIS_URL")
            )
            try:
                yield
            finally:
                await tenants.aclose()

    routes = [
        Route("/merchants/{merchant}/links", send_link, methods=["POST"]),
        Route("/merchants/{merchant}/orders/{order}", show_order),
    ]
    return Starlette(routes=routes, lifespan=lifespan)
