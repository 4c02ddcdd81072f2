"""A small stateful server of the order routes that misbehaves; shares no code with the package.

What it stores is what arrived. What it shows of it goes through two functions: ``listed`` makes the list out
of the account's orders, ``shown`` the details of one order. ``fates`` say what becomes of the next creates.

An ASGI app: ``OddServer().transport()`` runs it in-process, ``serve`` over sockets.
"""

from __future__ import annotations

import json
from collections import Counter, deque
from typing import TYPE_CHECKING, Any, Literal

import httpx
from attrs import define, field

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["Fate", "OddOrder", "OddServer", "Row", "details_of"]

TOKEN = "token"
BASE_PATH = "/api/v1/connect"

Fate = Literal["stored", "answer lost", "never stored", "stored, unreadable"]
Row = dict[str, Any]
_CREATES = {
    "orders/payment-link/create": "Payment Link",
    "orders/invoice/create": "Invoice",
    "orders/faktura/create": "E-Faktura",
    "orders/ehf/create": "EHF",
}


@define(eq=False)
class OddOrder:
    """An order of an account, as it arrived."""

    number: int
    uuid: str
    kind: str
    body: dict[str, Any]
    created: float
    is_lost: bool = False
    """Whether its answer was lost."""

    @property
    def reference(self) -> str:
        return str(self.body.get("referenceNo"))


def _rows(orders: list[OddOrder]) -> list[Any]:
    return [{"uuid": order.uuid, "status": "SENT"} for order in orders]


@define(eq=False)
class OddServer:
    """Accounts by token, and how the server misbehaves.

    Args:
        now: The time.
        listed: Makes the rows of a list out of an account's orders.
        shown: Changes the details of an order.
        fates: What becomes of the next creates; the others are stored and answered.
        before: Called before each request, with its method and path; may return a whole answer instead.
    """

    now: Callable[[], float] = lambda: 0.0
    listed: Callable[[list[OddOrder]], list[Any]] = _rows
    shown: Callable[[Row, OddOrder], Row] = lambda details, _: details
    fates: deque[Fate] = field(factory=deque[Fate])
    before: Callable[[str, str], tuple[int, Any] | None] = lambda *_: None
    accounts: dict[str, list[OddOrder]] = field(factory=dict[str, list[OddOrder]])
    requests: list[str] = field(factory=list[str])

    def orders(self, token: str = TOKEN) -> list[OddOrder]:
        return self.accounts.setdefault(token, [])

    def add(self, body: dict[str, Any], *, token: str = TOKEN, uuid: str | None = None) -> OddOrder:
        """Store an order that somebody else sends."""
        return self._store(token, "Invoice", body, uuid)

    def count(self, beginning: str) -> int:
        """How many requests began so, such as ``POST orders/``."""
        return sum(each.startswith(beginning) for each in self.requests)

    def doubled(self, expected: Iterable[str], token: str = TOKEN) -> Counter[str]:
        """The references that are there too often."""
        return Counter(order.reference for order in self.orders(token)) - Counter(list(expected))

    def transport(self) -> httpx.AsyncBaseTransport:
        return _InProcess(self)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        body, more = b"", True
        while more:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        headers = {name.decode().lower(): value.decode() for name, value in scope["headers"]}
        token = headers.get("authorization", "").removeprefix("Bearer ")
        status, answer = self.answer(
            scope["method"], scope["path"].removeprefix(f"{BASE_PATH}/"), token, body
        )
        if status == 0:
            raise ConnectionError("the connection is dropped")
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        kind = b"text/html" if isinstance(answer, bytes) else b"application/json"
        head = [(b"content-type", kind), (b"content-length", b"%d" % len(content))]
        await send({"type": "http.response.start", "status": status, "headers": head})
        await send({"type": "http.response.body", "body": content})

    def answer(self, method: str, path: str, token: str, body: bytes) -> tuple[int, Any]:
        """Return the status and the JSON (or bytes) of an answer; status 0 drops the connection."""
        self.requests.append(f"{method} {path}")
        instead = self.before(method, path)
        if instead is not None:
            return instead
        if method == "POST" and path in _CREATES:
            return self._create(token, _CREATES[path], json.loads(body))
        if path == "orders/status":
            rows = self.listed(list(self.orders(token)))
            return (200, _envelope(rows)) if rows else (404, _nothing("Order Not Found"))
        *_, what, uuid = path.split("/")
        order = next((each for each in self.orders(token) if each.uuid.casefold() == uuid.casefold()), None)
        if order is None:
            return 404, _nothing("orderNotFound")
        if what == "status":
            return 200, _envelope({"uuid": order.uuid, "status": "SENT"})
        return 200, _envelope(self.shown(details_of(order), order))

    def _create(self, token: str, kind: str, body: dict[str, Any]) -> tuple[int, Any]:
        fate = self.fates.popleft() if self.fates else "stored"
        if fate == "never stored":
            return 510, _failure()
        order = self._store(token, kind, body, None)
        order.is_lost = fate == "answer lost"
        if order.is_lost:
            return 510, _failure()
        if fate == "stored, unreadable":
            return 200, b"<html>502</html>"
        data = {"uuid": order.uuid, "customerUuid": f"CSRT{order.number:06}"}
        return 201, {**_envelope(data), "status_code": 201, "message": "orderAddedSuccessfully"}

    def _store(self, token: str, kind: str, body: dict[str, Any], uuid: str | None) -> OddOrder:
        orders = self.orders(token)
        number = len(orders) + 1
        # Like hashes: their order tells nothing.
        name = uuid or f"ODR{(number * 7919 + len(self.accounts) * 31) % 1_000_003:07}X{number}"
        order = OddOrder(number, name, kind, body, self.now())
        orders.append(order)
        return order


def _envelope(data: Any) -> dict[str, Any]:
    return {"status_code": 200, "status_message": "OK", "message": "ok", "is_data": True, "data": data}


def _nothing(message: str) -> dict[str, Any]:
    return {
        "status_code": 404,
        "status_message": "Not Found",
        "message": message,
        "is_data": False,
        "data": None,
    }


def _failure() -> dict[str, Any]:
    return {"status_code": 510, "message": "Something Went Wrong", "is_error": True, "errors": "Array"}


def details_of(order: OddOrder) -> Row:
    """The details of an order, as the reference has them."""
    body = json.loads(json.dumps(order.body))
    summary = body["orderSummary"]
    return {
        "type": order.kind,
        "orderUuid": order.uuid,
        "invoiceNumber": f"{order.number}",
        "status": "SENT",
        "orderDate": body["orderDate"],
        "productList": body["products"],
        "orderSummary": {
            "subTotal": summary["subTotal"],
            "tax": summary["totalTax"],
            "discount": summary["totalDiscount"],
            "grandTotal": summary["grandTotal"],
        },
        "customerDetails": body["customerDetails"],
    }


class _InProcess(httpx.AsyncBaseTransport):
    def __init__(self, server: OddServer) -> None:
        self.server = server

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        path = request.url.path.removeprefix(f"{BASE_PATH}/")
        status, answer = self.server.answer(request.method, path, token, await request.aread())
        if status == 0:
            raise httpx.ReadError("the connection was reset")
        if isinstance(answer, bytes):
            return httpx.Response(status, content=answer, headers={"content-type": "text/html"})
        # In ASCII, as over sockets: httpx would write a lone surrogate as it is, which no encoding can.
        return httpx.Response(
            status, content=json.dumps(answer).encode(), headers={"content-type": "application/json"}
        )
