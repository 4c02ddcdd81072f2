"""Callbacks received by Django, under ASGI or WSGI; ``answer_callback`` has the responses.

A plain function as handler runs in Django's thread for synchronous code, so it may use the ORM. The view is
not part of ``ATOMIC_REQUESTS``: the handler commits its own transaction.

Needs ``django``, which this package does not install.
"""

from __future__ import annotations

from inspect import isawaitable, iscoroutinefunction
from typing import TYPE_CHECKING

try:
    from asgiref.sync import sync_to_async
    from django.db import transaction
    from django.http import HttpResponse, HttpResponseNotAllowed
    from django.urls import path as url_path
except ModuleNotFoundError as error:
    needs = "frontpay_async.callbacks.django needs Django: pip install django"
    raise ModuleNotFoundError(needs, name=error.name) from error

from frontpay_async.callbacks.answer import answer_callback, check_route

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest
    from django.urls import URLPattern

    from frontpay_async.callbacks import Callback, CallbackGuard


def callback_route(
    guard: CallbackGuard, handler: Callable[[Callback], object], *, path: str = "frontpay/callback"
) -> URLPattern:
    """Return a route, for ``urlpatterns``, that checks callbacks and hands each of them to a handler once.

    Args:
        guard: The check; one for all threads and workers of this process.
        handler: Called with the callback; it may be asynchronous. If it raises, the callback is released
            and can be handled again.
        path: The path of the route, without a leading slash.

    Raises:
        ConfigurationError: An argument is of another type.
    """
    check_route(guard, handler, path)

    async def handle(callback: Callback) -> None:
        if iscoroutinefunction(handler):
            await handler(callback)
            return
        result = await sync_to_async(handler)(callback)
        if isawaitable(result):
            await result

    @transaction.non_atomic_requests
    async def view(request: HttpRequest) -> HttpResponse:
        # A HEAD must not consume a callback.
        if request.method != "GET":
            return HttpResponseNotAllowed(["GET"])
        answer = await answer_callback(guard, _query(request), handle)
        return HttpResponse(
            answer.text, "text/plain; charset=utf-8", answer.status, headers=dict(answer.headers)
        )

    return url_path(path, view, name="frontpay-callback")


def _query(request: HttpRequest) -> bytes:
    """Return the raw query; ``request.GET`` does not preserve the order of parameters."""
    scope = getattr(request, "scope", None)
    if scope is not None:
        return bytes(scope["query_string"])
    # WSGI passes bytes as latin-1 characters.
    return str(request.META.get("QUERY_STRING", "")).encode("latin-1")
