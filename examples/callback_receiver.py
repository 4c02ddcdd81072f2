"""A receiver of callbacks on Starlette: verified, each handled once.

    python3 -m pip install ".[cli,sandbox,redis]"  # in a clone, in a venv
    frontpay sandbox                               # in another terminal; prints its URL
    export FRONTPAY_TOKEN=sandbox-token
    export FRONTPAY_BASE_URL=http://127.0.0.1:8123/api/v1/connect
    export SHOP_CALLBACK_SECRET=sandbox-callback-secret SHOP_DATABASE=shop.db
    uvicorn --app-dir examples --factory callback_receiver:create_app

An order has a ``callback_url``, here http://127.0.0.1:8000/frontpay/callback; for a
terminal order it is signed with ``sign_callback_url``. With REDIS_URL, all processes
and hosts together accept each callback once.

A callback is a reason to ask the API, not a proof: the receiver stores the status that
the API then returns. Storing a status twice has no further effect, and the status that
was read last wins, so repeated and late callbacks do no harm. The API may not repeat a
callback that was answered with 503: poll orders that stay open for long.

| callback | response |
|---|---|
| genuine, or a copy | 200; a copy has no effect |
| forged | 403 |
| too old or malformed | 400 |
| the API, the database or Redis is unavailable | 503; a copy is accepted later |
"""

from __future__ import annotations

import math
import os
import sqlite3
import time
from contextlib import asynccontextmanager, closing
from typing import TYPE_CHECKING

from anyio import to_thread
from attrs import frozen
from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse
from starlette.routing import Route

from frontpay_async import FrontPayClient, FrontPayError, Timeouts
from frontpay_async.callbacks import CallbackGuard, CallbackKind, Claim, OrderCallback
from frontpay_async.callbacks.starlette import callback_route

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from redis.asyncio import Redis
    from starlette.requests import Request
    from starlette.responses import Response

    from frontpay_async.callbacks import Callback

PATIENCE = (
    5.0  # seconds for the API to tell a status; whoever sent the callback waits as long
)


class RedisReplayStore:
    """Remembers callbacks for all processes that share a Redis."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def claim(self, key: str, *, now: float, until: float) -> Claim:
        """Take a callback in hand, unless somebody has."""
        seconds = math.ceil(until - now)
        if await self._redis.set(f"callback:{key}", "busy", nx=True, ex=seconds):
            return Claim.NEW
        is_done = await self._redis.get(f"callback:{key}") == b"done"
        return Claim.DONE if is_done else Claim.BUSY

    async def commit(self, key: str) -> None:
        """Remember that it was handled."""
        await self._redis.set(f"callback:{key}", "done", xx=True, keepttl=True)

    async def release(self, key: str) -> None:
        """Forget it: it was not handled."""
        await self._redis.delete(f"callback:{key}")


@frozen
class Orders:
    """The shop's record of its orders."""

    path: str

    def create(self) -> None:
        """Make the table, where there is none."""
        with closing(sqlite3.connect(self.path)) as database, database:
            database.execute(
                "CREATE TABLE IF NOT EXISTS orders"
                " (uuid TEXT, about TEXT, status TEXT, asked_at REAL,"
                " PRIMARY KEY (uuid, about))"
            )

    def note(self, uuid: str, about: str, status: str, asked_at: float) -> None:
        """Store a status; of two responses, the one that was requested later wins."""
        with closing(sqlite3.connect(self.path)) as database, database:
            database.execute(
                "INSERT INTO orders VALUES (?, ?, ?, ?)"
                " ON CONFLICT (uuid, about) DO UPDATE"
                " SET status = excluded.status, asked_at = excluded.asked_at"
                " WHERE excluded.asked_at >= orders.asked_at",
                (uuid, about, status, asked_at),
            )

    def read(self, uuid: str) -> dict[str, str]:
        """Return what was noted: of the order, its payment, its refund."""
        with closing(sqlite3.connect(self.path)) as database:
            return dict(
                database.execute(
                    "SELECT about, status FROM orders WHERE uuid = ?", (uuid,)
                )
            )


async def try_again(_: Request, __: Exception) -> Response:
    """Answer where something is not there that handling a callback needs."""
    return PlainTextResponse("try again later", 503, {"Retry-After": "5"})


def create_app() -> Starlette:
    """Build the app; its settings stand in the environment."""
    orders = Orders(os.environ["SHOP_DATABASE"])
    expected: list[type[Exception]] = [FrontPayError, sqlite3.Error]
    redis: Redis | None = None
    if "REDIS_URL" in os.environ:
        from redis.asyncio import Redis, RedisError  # noqa: PLC0415 - optional

        url = os.environ["REDIS_URL"]
        redis = Redis.from_url(url)  # pyright: ignore[reportUnknownMemberType]
        expected.append(RedisError)
    guard = CallbackGuard(
        os.environ["SHOP_CALLBACK_SECRET"],
        replay_store=None if redis is None else RedisReplayStore(redis),
    )

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncGenerator[None]:
        await to_thread.run_sync(orders.create)
        async with FrontPayClient(timeouts=Timeouts(total=PATIENCE)) as client:
            app.state.client = client
            try:
                yield
            finally:
                if redis is not None:
                    await redis.aclose()

    async def handle(callback: Callback) -> None:
        client: FrontPayClient = app.state.client
        uuid, asked_at = callback.order_uuid, time.time()
        if isinstance(callback, OrderCallback):
            about, status = "order", str((await client.orders.get_status(uuid)).status)
        elif callback.kind == CallbackKind.PAYMENT:
            about, status = (
                "payment",
                str(await client.terminals.get_payment_status(uuid)),
            )
        else:
            about, status = (
                "refund",
                str(await client.terminals.get_refund_status(uuid)),
            )
        await to_thread.run_sync(orders.note, uuid, about, status, asked_at)
        # Who waits for this order in this process hears of it now: see fastapi_app.py.
        client.watch.notify(callback)

    async def show(request: Request) -> JSONResponse:
        return JSONResponse(
            await to_thread.run_sync(orders.read, request.path_params["uuid"])
        )

    app = Starlette(
        routes=[callback_route(guard, handle), Route("/orders/{uuid}", show)],
        lifespan=lifespan,
        exception_handlers=dict.fromkeys(expected, try_again),
    )
    return app
