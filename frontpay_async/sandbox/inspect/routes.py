"""The virtual terminal: a page at ``/`` on which a person acts as the cardholder.

GET  /                             the page; its parts are below /_sandbox/page
GET  /_sandbox/feed                the state, and then each change, as server-sent events
GET  /_sandbox/requests/{number}   a request and its response, masked

The page uses the control routes. A reader of the feed that reconnects with ``Last-Event-ID``, or ``?after=``,
gets the events that it missed. Without readers nothing runs: the stream itself waits for changes and for
cardholders, and ends with its connection.
"""

from __future__ import annotations

import json
from importlib.resources import files
from typing import TYPE_CHECKING

import anyio
from attrs import define, field
from starlette.middleware import Middleware
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from frontpay_async.sandbox.inspect.feed import Place
from frontpay_async.sandbox.inspect.origin import OwnOrigin
from frontpay_async.sandbox.inspect.view import View

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from anyio.abc import TaskGroup
    from starlette.requests import Request

    from frontpay_async.sandbox.app import Api

_FILES = {
    "index.html": "text/html; charset=utf-8",
    "page.css": "text/css; charset=utf-8",
    "page.js": "text/javascript; charset=utf-8",
    "words.js": "text/javascript; charset=utf-8",
    "icon.svg": "image/svg+xml",
}
_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
}
# Milliseconds until a browser reconnects.
_RETRY = 1000


@define(eq=False)
class Stream:
    """The feed for one reader.

    Args:
        api: The sandbox's insides.
        place: The reader's position; None for a new reader.
        silence: Seconds after which a keep-alive is written, to detect closed connections.
        pace: Seconds for which changes are collected; the first is sent at once.
    """

    _api: Api
    _place: Place | None = None
    _silence: float = 15.0
    _pace: float = 0.1
    _view: View = field(init=False)

    def __attrs_post_init__(self) -> None:
        self._view = View(self._api)

    async def events(self) -> AsyncGenerator[str]:
        """Write the whole state or the missed changes, and then each change, until cancelled."""
        feed = self._api.feed
        yield f"retry: {_RETRY}\n\n"
        # Sent even if nothing was missed, so the reader knows that it is connected.
        is_new = True
        while True:
            # Before reading, so that no change is missed.
            news = feed.news()
            self._api.state.catch_up()
            if is_new or self._place != feed.place:
                told = self._view.since(self._place)
                self._place = feed.place
                yield f"id: {self._place}\ndata: {json.dumps(told, default=str)}\n\n"
                await anyio.sleep(self._pace)
            else:
                yield ":\n\n"
            with anyio.move_on_after(self._silence):
                await self._change(news)
            is_new = False

    async def _change(self, news: anyio.Event) -> None:
        """Wait for the next change, or until a cardholder has decided."""
        due = self._api.state.next_due()
        if due is None:
            await news.wait()
            return
        async with anyio.create_task_group() as race:

            async def hear(race: TaskGroup) -> None:
                await news.wait()
                race.cancel_scope.cancel()

            race.start_soon(hear, race)
            await self._api.clock.sleep(max(0.0, due - self._api.clock.now()))
            race.cancel_scope.cancel()


def page_routes(api: Api) -> list[Route]:
    """Return the page's routes."""
    linked = [Middleware(OwnOrigin, to_read=True)]
    own = [Middleware(OwnOrigin)]

    def part(name: str) -> Route:
        async def answer(_: Request) -> Response:
            content = files("frontpay_async.sandbox.inspect").joinpath("page", name).read_bytes()
            return Response(content, headers={**_HEADERS, "content-type": _FILES[name]})

        path = "/" if name == "index.html" else f"/_sandbox/page/{name}"
        return Route(path, answer, methods=["GET"], middleware=linked)

    async def feed(request: Request) -> Response:
        after = request.headers.get("last-event-id") or request.query_params.get("after", "")
        stream = Stream(api, Place.read(after))
        return StreamingResponse(stream.events(), media_type="text/event-stream")

    async def exchange(request: Request) -> Response:
        told = View(api).exchange(request.path_params["number"])
        if told is None:
            return JSONResponse({"error": "no such request, or it is no longer kept"}, 404)
        return JSONResponse(told)

    return [
        *map(part, _FILES),
        Route("/_sandbox/feed", feed, methods=["GET"], middleware=own),
        Route("/_sandbox/requests/{number:int}", exchange, methods=["GET"], middleware=own),
    ]
