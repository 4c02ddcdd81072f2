"""Another server for a chaos run, which shares no code with the sandbox; its lists or details differ.

``OddServer`` behind the faults of a run. It has no throttle and sends no headers of one.
"""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections import Counter
from typing import TYPE_CHECKING, Any

from attrs import define, field

from tests.support.odd_details import FORMS
from tests.support.odd_server import OddServer

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.types import Message, Receive, Scope, Send

    from frontpay_async.sandbox.faults import Strike
    from tests.support.odd_server import OddOrder, Row

__all__ = ["ACCOUNTS", "OddAccount"]

_LAG = 1.2
_NEWEST = 40
_ODD_IDS = ("", "ODR/1", "x" * 300, "a\0b", "a\r\nb", None, 7)
_FORMS = tuple(FORMS)


def _rows(orders: list[OddOrder]) -> list[Any]:
    return [{"uuid": each.uuid, "status": "SENT"} for each in orders]


def _late(orders: list[OddOrder]) -> list[Any]:
    until = time.time() - _LAG
    return _rows([each for each in orders if each.created <= until])


def _unsorted(orders: list[OddOrder]) -> list[Any]:
    rows = [*_rows(orders), *({"uuid": each, "status": "SENT"} for each in _ODD_IDS)]
    random.Random(len(orders)).shuffle(rows)  # noqa: S311 - chance that can be repeated
    return rows


def _differing(details: Row, order: OddOrder) -> Row:
    return FORMS[_FORMS[order.number % len(_FORMS)]](details, order) if order.number % 3 else details


ACCOUNTS: Mapping[str, Callable[[], OddServer]] = {
    "cut list": lambda: OddServer(now=time.time, listed=lambda orders: _rows(orders[-_NEWEST:])),
    "late list": lambda: OddServer(now=time.time, listed=_late),
    "odd ids": lambda: OddServer(now=time.time, listed=_unsorted),
    "other details": lambda: OddServer(now=time.time, shown=_differing),
}
"""The servers, by what is odd about them."""


@define(eq=False)
class OddAccount:
    """An ASGI app: the server, and what strikes its requests.

    Args:
        server: The server.
        strike: Tells what strikes the request that is being answered.
    """

    server: OddServer
    strike: Callable[[], Strike]
    requests: Counter[str] = field(factory=Counter[str])

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or let it fail."""
        strike = self.strike()
        await asyncio.sleep(strike.latency)
        if strike.kind is not None and strike.kind.prevents:
            await self._fail(send)
            return
        sent: list[Message] = []

        async def keep(message: Message) -> None:
            sent.append(message)

        await self.server(scope, receive, keep)
        self.requests[f"{scope['method']} {sent[0]['status']}"] += 1
        if strike.kind is None:
            for message in sent:
                await send(message)
        elif strike.kind.value.startswith("510"):
            await self._fail(send)
        else:
            # The announced body does not come: the server closes the connection.
            await send(sent[0])

    async def _fail(self, send: Send) -> None:
        self.requests["510"] += 1
        body = json.dumps({"status_code": 510, "message": "somethingWentWrong", "is_error": True}).encode()
        head = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 510, "headers": head})
        await send({"type": "http.response.body", "body": body})

    def orders(self) -> dict[str, Any]:
        """Return the references in the account, by id."""
        return {each.uuid: each.reference for orders in self.server.accounts.values() for each in orders}
