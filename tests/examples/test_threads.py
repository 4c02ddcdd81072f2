"""The portal, and the Flask and Django views on it, by servers with threads, over real sockets."""

from __future__ import annotations

import atexit
import multiprocessing
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from socketserver import ThreadingMixIn
from threading import Thread
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

import anyio
import anyio.to_thread
import httpx
import pytest

from frontpay_async import NotFoundError
from frontpay_async.sandbox import DEFAULT_TOKEN, Sandbox
from tests.support.builders import payment_link
from tests.support.examples import EXAMPLES, load
from tests.support.sandboxes import UNKNOWN_UUID

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from types import ModuleType

pytest.importorskip("flask")
django = pytest.importorskip("django")

from django.conf import settings  # noqa: E402 - where it is installed
from django.core.handlers.asgi import ASGIHandler  # noqa: E402
from django.core.handlers.wsgi import WSGIHandler  # noqa: E402
from django.test import override_settings  # noqa: E402
from django.urls import path  # noqa: E402

if not settings.configured:
    settings.configure(ALLOWED_HOSTS=["*"], ROOT_URLCONF=(), LOGGING_CONFIG=None)

pytestmark = pytest.mark.integration

THREADS = 12
SALE = {"item": "Ski wax", "price": "149.50", "email": "kari@example.com"}


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def served(app: Any) -> Iterator[str]:
    """Serve a WSGI app with a thread for each request; yields its URL."""
    with make_server("127.0.0.1", 0, app, _Server, _Quiet) as server:
        Thread(target=partial(server.serve_forever, 0.01), daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox()


@pytest.fixture
async def portal(sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[ModuleType]:
    """The portal, whose client talks to a sandbox that is served."""
    monkeypatch.syspath_prepend(str(EXAMPLES))
    monkeypatch.setenv("FRONTPAY_TOKEN", DEFAULT_TOKEN)
    module = load("portal", monkeypatch)
    async with sandbox.serve() as base_url:
        monkeypatch.setenv("FRONTPAY_BASE_URL", base_url)
        yield module
        for *_, stack in module._opened.values():
            atexit.unregister(stack.close)
            await anyio.to_thread.run_sync(stack.close)


async def at_once(ask: Callable[[httpx.Client], httpx.Response], url: str) -> list[httpx.Response]:
    """Ask from many threads at the same time."""

    def one() -> httpx.Response:
        with httpx.Client(base_url=url, trust_env=False, timeout=60) as browser:
            return ask(browser)

    def all_of_them() -> list[httpx.Response]:
        with ThreadPoolExecutor(THREADS) as pool:
            return [each.result() for each in [pool.submit(one) for _ in range(THREADS)]]

    return await anyio.to_thread.run_sync(all_of_them)


async def test_flask_views_share_one_client(
    portal: ModuleType, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    app = load("flask_app", monkeypatch).app
    with served(app) as url:
        sent = await at_once(lambda browser: browser.post("/links", json=SALE), url)
        assert [each.status_code for each in sent] == [201] * THREADS
        assert {each.json()["order"] for each in sent} == set(sandbox.orders)
        uuid = sent[0].json()["order"]
        shown = await at_once(lambda browser: browser.get(f"/orders/{uuid}"), url)
        assert {each.json()["status"] for each in shown} == {"SENT"}
        sandbox.fail("drop-after", operation="orders.send_payment_link")
        (lost,) = {each.status_code for each in await at_once(lambda b: b.post("/links", json=SALE), url)} - {
            201
        }
        sandbox.fail("510-after", operation="orders.send_payment_link")
        before = len(sandbox.orders)
        failed = await anyio.to_thread.run_sync(
            lambda: httpx.post(f"{url}/links", json=SALE, trust_env=False)
        )
        assert (failed.status_code, len(sandbox.orders)) == (202, before + 1), "it is not sent again"
        wrong = await anyio.to_thread.run_sync(
            lambda: httpx.post(f"{url}/links", json={**SALE, "email": "kari"}, trust_env=False)
        )
    assert (lost, wrong.status_code) == (202, 422)
    assert len(portal._opened) == 1


async def test_django_views_share_one_client(
    portal: ModuleType, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    views = load("django_views", monkeypatch)
    routes = (path("orders/<str:uuid>", views.show), path("async/orders/<str:uuid>", views.show_async))
    async with sandbox.client() as client:
        uuid = (await client.orders.send_payment_link(payment_link())).order_uuid
    # Django's annotations are narrower than the protocol's.
    asgi: Any = ASGIHandler()
    with override_settings(ROOT_URLCONF=routes):
        with served(WSGIHandler()) as url:
            shown = await at_once(lambda browser: browser.get(f"/orders/{uuid}"), url)
            missing = await at_once(lambda browser: browser.get(f"/orders/{UNKNOWN_UUID}"), url)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(asgi), base_url="http://shop") as shop:
            awaited = await shop.get(f"/async/orders/{uuid}")
    assert {(each.status_code, each.json()["status"]) for each in [*shown, awaited]} == {(200, "SENT")}
    assert {each.status_code for each in missing} == {404}
    assert len(portal._opened) == 1


async def test_a_call_raises_in_the_thread_that_made_it(portal: ModuleType) -> None:
    with pytest.raises(NotFoundError):
        await anyio.to_thread.run_sync(
            lambda: portal.frontpay(lambda client: client.orders.get_status(UNKNOWN_UUID))
        )


def _ask(portal: ModuleType, answers: Any) -> None:
    answers.put(len(portal.frontpay(lambda client: client.orders.list_statuses())))


async def test_a_forked_worker_gets_a_client_of_its_own(portal: ModuleType, sandbox: Sandbox) -> None:
    """From Python 3.13 on, multiprocessing forgets in the child what the parent's atexit would close."""
    async with sandbox.client() as client:
        await client.orders.send_payment_link(payment_link())
    fork = multiprocessing.get_context("fork")
    answers = fork.Queue()
    await anyio.to_thread.run_sync(lambda: portal.frontpay(lambda client: client.orders.list_statuses()))
    worker = fork.Process(target=_ask, args=(portal, answers))
    worker.start()
    found = await anyio.to_thread.run_sync(lambda: answers.get(timeout=60))
    await anyio.to_thread.run_sync(worker.join)
    assert (found, worker.exitcode) == (1, 0)
