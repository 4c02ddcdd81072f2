"""The callback routes behind real servers: Starlette, aiohttp.web, Django under ASGI and under WSGI."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager
from socketserver import ThreadingMixIn
from typing import TypeAlias
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import anyio
import anyio.lowlevel
import django
import httpx
import pytest
from aiohttp import web
from attrs import define, field
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.core.wsgi import get_wsgi_application
from django.test.utils import override_settings
from starlette.applications import Starlette

from frontpay_async.callbacks import Callback, CallbackGuard, aiohttp as by_aiohttp, django as by_django
from frontpay_async.callbacks.starlette import callback_route
from tests.support.callbacks import EXAMPLE, NOW, ORDER, SECRET, TERMINAL, origin, query, served, signed

PATH = "/frontpay/callback"
Handler: TypeAlias = Callable[[Callback], object]
Served: TypeAlias = Callable[[CallbackGuard, Handler], AbstractAsyncContextManager[str]]

if not settings.configured:
    settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=(), LOGGING_CONFIG=None)
    django.setup()


@contextlib.asynccontextmanager
async def starlette(guard: CallbackGuard, handler: Handler) -> AsyncGenerator[str]:
    async with served(Starlette(routes=[callback_route(guard, handler, path=PATH)])) as url:
        yield url


@contextlib.asynccontextmanager
async def aiohttp(guard: CallbackGuard, handler: Handler) -> AsyncGenerator[str]:
    app = web.Application()
    app.add_routes([by_aiohttp.callback_route(guard, handler, path=PATH)])
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()


@contextlib.asynccontextmanager
async def django_asgi(guard: CallbackGuard, handler: Handler) -> AsyncGenerator[str]:
    patterns = (by_django.callback_route(guard, handler, path=PATH[1:]),)
    with override_settings(ROOT_URLCONF=patterns):
        async with served(get_asgi_application()) as url:
            yield url


class _Threads(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class's name
        pass


@contextlib.asynccontextmanager
async def django_wsgi(guard: CallbackGuard, handler: Handler) -> AsyncGenerator[str]:
    patterns = (by_django.callback_route(guard, handler, path=PATH[1:]),)
    with override_settings(ROOT_URLCONF=patterns):
        server = make_server("127.0.0.1", 0, get_wsgi_application(), _Threads, _Quiet)
        thread = threading.Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        try:
            yield origin(server.socket)
        finally:
            await anyio.to_thread.run_sync(server.shutdown)
            thread.join()
            server.server_close()


@define(eq=False)
class Shop:
    """What a handler was given, and whether it fails."""

    handled: list[Callback] = field(factory=list)
    fails: bool = False

    async def handle(self, callback: Callback) -> None:
        await anyio.lowlevel.checkpoint()
        if self.fails:
            raise OSError("no database")
        self.handled.append(callback)

    def handle_at_once(self, callback: Callback) -> None:
        self.handled.append(callback)


@pytest.fixture(params=[starlette, aiohttp, django_asgi, django_wsgi], ids=lambda each: each.__name__)
def framework(request: pytest.FixtureRequest) -> Served:
    return request.param  # type: ignore[no-any-return]


@contextlib.asynccontextmanager
async def opened(framework: Served, handler: Handler) -> AsyncGenerator[httpx.AsyncClient]:
    guard = CallbackGuard(SECRET, now=lambda: NOW)
    async with framework(guard, handler) as url, httpx.AsyncClient(base_url=url, trust_env=False) as client:
        yield client


async def get(client: httpx.AsyncClient, fields: dict[str, str]) -> httpx.Response:
    return await client.get(f"{PATH}?{query(fields)}")


async def test_each_callback_is_handled_once(framework: Served) -> None:
    """In the sequence of the example URL, with a parameter of the callback URL, escaped."""
    shop = Shop()
    values = {"q": "ø &", **{name: {**ORDER, "status": "PARTIAL REFUNDED"}[name] for name in EXAMPLE}}
    async with opened(framework, shop.handle) as client:
        answers = [await get(client, signed(values)) for _ in range(3)]
    assert [(answer.status_code, answer.text) for answer in answers] == [(200, "ok")] * 3
    assert answers[0].headers["cache-control"] == "no-store"
    assert answers[0].headers["content-type"] == "text/plain; charset=utf-8"
    assert [callback.status for callback in shop.handled] == ["PARTIAL REFUNDED"]  # type: ignore[union-attr]


async def test_a_handler_may_be_a_plain_function(framework: Served) -> None:
    shop = Shop()
    async with opened(framework, shop.handle_at_once) as client:
        assert (await get(client, signed())).status_code == 200
    assert len(shop.handled) == 1


async def test_a_handler_may_return_something_to_await(framework: Served) -> None:
    shop = Shop()
    async with opened(framework, lambda callback: shop.handle(callback)) as client:  # noqa: PLW0108
        assert (await get(client, signed())).status_code == 200
    assert len(shop.handled) == 1


@pytest.mark.parametrize(
    ("text", "status"),
    [
        (query(signed(secret="other")), 403),
        (query(TERMINAL), 403),
        (query(signed(timestamp=str(NOW - 1000))), 400),
        (query(signed()) + "&amount=1.00", 400),
        (
            query({**signed(status="PAID", paymentMethod="Visa"), "status": "PAI", "paymentMethod": "Visa"}),
            403,
        ),
        ("orderUuid=%3Cscript%3E", 400),
        ("orderUuid=%ff", 400),
        ("", 400),
    ],
    ids=["secret", "no token", "stale", "repeated", "changed", "malformed", "not text", "empty"],
)
async def test_what_is_not_genuine_is_refused_without_repeating_it(
    framework: Served, text: str, status: int
) -> None:
    shop = Shop()
    async with opened(framework, shop.handle) as client:
        answer = await client.get(f"{PATH}?{text}")
    assert (answer.status_code, answer.text) == (
        status,
        {400: "not acceptable", 403: "not authentic"}[status],
    )
    assert shop.handled == []


async def test_an_ambiguous_callback_is_not_called_forged(framework: Served) -> None:
    names = (*EXAMPLE, "checksum")
    genuine = signed({name: {**ORDER, "paymentMethod": "Visa"}[name] for name in EXAMPLE})
    moved = {**genuine, "status": "PAIDV", "paymentMethod": "isa"}
    async with opened(framework, Shop().handle) as client:
        assert (await get(client, {name: moved[name] for name in names})).status_code == 400


async def test_a_query_of_raw_bytes_is_no_crash(framework: Served) -> None:
    shop = Shop()
    async with opened(framework, shop.handle) as client:
        url = client.base_url
        stream = await anyio.connect_tcp(url.host, url.port or 80)
        async with stream:
            request = b"GET %s?orderUuid=\xff\xf8 HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
            await stream.send(request % PATH.encode())
            answer = await stream.receive()
    assert answer.split()[1] == b"400"
    assert shop.handled == []


async def test_a_handler_that_fails_gets_the_callback_again(framework: Served) -> None:
    shop = Shop(fails=True)
    async with opened(framework, shop.handle) as client:
        assert [(await get(client, signed())).status_code for _ in range(2)] == [500, 500]
        shop.fails = False
        assert [(await get(client, signed())).status_code for _ in range(2)] == [200, 200]
    assert len(shop.handled) == 1


async def test_a_second_delivery_is_put_off_while_the_first_is_handled(framework: Served) -> None:
    handled: list[Callback] = []
    begun, go = threading.Event(), threading.Event()

    def handle(callback: Callback) -> object:
        begun.set()

        async def finish() -> None:
            await anyio.to_thread.run_sync(go.wait)
            handled.append(callback)

        return finish()

    async with opened(framework, handle) as client, anyio.create_task_group() as tasks:
        first: list[int] = []

        async def deliver() -> None:
            first.append((await get(client, signed())).status_code)

        tasks.start_soon(deliver)
        await anyio.to_thread.run_sync(begun.wait)
        second = await get(client, signed())
        go.set()
        assert (second.status_code, second.text) == (503, "try again later")
        assert int(second.headers["retry-after"]) > 0
    assert (first, len(handled)) == ([200], 1)


@pytest.mark.parametrize("method", ["HEAD", "POST", "PUT", "DELETE"])
async def test_only_get_is_a_callback(framework: Served, method: str) -> None:
    shop = Shop()
    async with opened(framework, shop.handle) as client:
        assert (await client.request(method, f"{PATH}?{query(signed())}")).status_code == 405
        assert shop.handled == []
        assert (await get(client, signed())).status_code == 200
    assert len(shop.handled) == 1
