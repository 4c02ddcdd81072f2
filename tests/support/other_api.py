"""A second, small, stateful server of the Connect API, written from the reference alone.

It shares no code with the package or its sandbox, so that a misreading of the API which both of those have is
found. It validates little: what it is for is to misbehave where the sandbox does not.

- *Lists* (``Listing``): cut to the newest, late, unsorted, in pages, with odd ids and unreadable rows.
- *Details* (``FORMS``): shown for some orders only as another revision of the API might show them.
- *Answers* (``lose``, ``fail``): lost after the request was carried out, or another one in their place.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_DOWN, Decimal
from typing import TYPE_CHECKING, Any, TypeAlias
from urllib.parse import parse_qsl, urlsplit

import httpx

from tests.support.wire_steps import whole

if TYPE_CHECKING:
    from tests.support.wire_steps import Exchange

__all__ = ["FORMS", "ODD_IDS", "PREFIX", "TOKEN", "Entry", "Listing", "OtherApi", "Reply"]

PREFIX = "/api/v1/connect/"
TOKEN = "the-other-token"
ODD_IDS: Sequence[Any] = (
    "",
    "ODR1/../2",
    "ODR" + "7" * 300,
    "ODR\x001",
    "ODR1\r\n2",
    "\ud800",
    None,
    7,
    [],
    {},
)
"""What stands for an order's id in rows that a client cannot use."""

Json: TypeAlias = dict[str, Any]
Form: TypeAlias = Callable[[Json], None]


@dataclass(frozen=True)
class Reply:
    """An answer as it is sent."""

    status: int
    body: bytes
    kind: str = "application/json"


@dataclass
class Entry:
    """One order of the account."""

    uuid: str
    kind: str
    body: Json
    created: float
    status: str = "SENT"
    refunded: Decimal = Decimal(0)
    refund: str | None = None
    refund_began: float = 0.0
    refund_amount: Decimal = Decimal(0)

    @property
    def total(self) -> Decimal:
        """The grand total."""
        return Decimal(str(self.body["orderSummary"]["grandTotal"]))


@dataclass
class Listing:
    """How ``GET orders/status`` misbehaves.

    Args:
        newest: How many of the newest orders it shows; None for all.
        lag: How many seconds an order is missing from it.
        shuffled: Whether its rows are in no sequence.
        page: How many rows a page has; None for one page. Pages are ignored by the client under test.
        odd: Rows that are added, with these ids.
        junk: Rows that are added as they are.
        hidden: Whether an order is missing from it.
        gateway: Whether a gateway answers in its place, with 200 and an error of its own.
    """

    newest: int | None = None
    lag: float = 0.0
    shuffled: bool = False
    page: int | None = None
    odd: Sequence[Any] = ()
    junk: Sequence[Any] = ()
    hidden: Callable[[Entry], bool] = lambda _: False
    gateway: bool = False


def _lines(details: Json) -> list[Json]:
    return details["productList"]


def _merge(details: Json) -> None:
    """Show identical lines as one."""
    merged: dict[str, Json] = {}
    for line in _lines(details):
        key = json.dumps([line["name"], line["productId"], str(line["rate"]), str(line["tax"])])
        if key in merged:
            first = merged[key]
            first["quantity"] = str(Decimal(str(first["quantity"])) + Decimal(str(line["quantity"])))
            first["amount"] = str(Decimal(str(first["amount"])) + Decimal(str(line["amount"])))
        else:
            merged[key] = line
    details["productList"] = list(merged.values())


def _without_vat(details: Json) -> None:
    for line in _lines(details):
        factor = 1 + Decimal(str(line["tax"])) / 100
        for name in ("rate", "amount"):
            line[name] = str((Decimal(str(line[name])) / factor).quantize(Decimal("0.01")))


def _contact_on_file(details: Json) -> None:
    details["customerDetails"] |= {
        "name": "As Registered",
        "email": "on.file@example.no",
        "msisdn": "99999999",
        "address": {"street": "Old Street 1", "zip": "0001", "city": "Oslo", "country": "NO"},
    }


def _rounded(details: Json) -> None:
    for line in _lines(details):
        for name in ("rate", "amount"):
            line[name] = str(Decimal(str(line[name])).quantize(Decimal(1)))
    for name, value in details["orderSummary"].items():
        details["orderSummary"][name] = str(Decimal(str(value)).quantize(Decimal(1)))


def _minor_units(details: Json) -> None:
    for line in _lines(details):
        for name in ("rate", "amount", "discount"):
            line[name] = int(Decimal(str(line[name] or 0)) * 100)
    for name, value in details["orderSummary"].items():
        details["orderSummary"][name] = int(Decimal(str(value)) * 100)


def _fee_line(details: Json) -> None:
    fee = {
        "name": "Fakturagebyr",
        "productId": "",
        "quantity": 1,
        "rate": 49,
        "discount": 0,
        "tax": 0,
        "amount": 49,
    }
    _lines(details).append(fee)
    total = Decimal(str(details["orderSummary"]["grandTotal"]))
    details["orderSummary"]["grandTotal"] = str(total + 49)


def _whole_quantities(details: Json) -> None:
    for line in _lines(details):
        line["quantity"] = int(Decimal(str(line["quantity"])).to_integral_value(ROUND_DOWN)) or 1


def _upper_names(details: Json) -> None:
    for line in _lines(details):
        line["name"] = line["name"].upper()
    details["customerDetails"]["name"] = details["customerDetails"]["name"].upper()


def _trimmed_names(details: Json) -> None:
    for line in _lines(details):
        line["name"] = line["name"][:8].strip()


def _without_totals(details: Json) -> None:
    del details["orderSummary"]["subTotal"]
    for line in _lines(details):
        del line["quantity"]


FORMS: Mapping[str, Form] = {
    "merged-lines": _merge,
    "without-vat": _without_vat,
    "contact-on-file": _contact_on_file,
    "rounded": _rounded,
    "minor-units": _minor_units,
    "fee-line": _fee_line,
    "whole-quantities": _whole_quantities,
    "upper-names": _upper_names,
    "trimmed-names": _trimmed_names,
    "without-totals": _without_totals,
}
"""Ways in which the details of an order may be shown."""


class LostError(Exception):
    """The connection ended before an answer."""


_CREATE = {
    "orders/payment-link/create": "link",
    "orders/invoice/create": "invoice",
    "orders/faktura/create": "faktura",
    "orders/ehf/create": "ehf",
    "terminal/orders/create": "terminal",
}


@dataclass
class OtherApi:
    """The account of one token.

    Args:
        now: Time, in seconds.
        listing: How the list of orders misbehaves.
        form: How an order's details are shown; None as they were sent.
        decides_after: How many seconds after a terminal payment or refund began it goes through.
        lost: The ordinals, from 0, of the orders whose creation is carried out and not answered.
        seed: Of the ids, and of what is shuffled.
    """

    now: Callable[[], float] = lambda: 0.0
    listing: Listing = field(default_factory=Listing)
    form: Callable[[Entry], Form | None] = lambda _: None
    decides_after: float = 2.0
    lost: frozenset[int] = frozenset()
    seed: int = 0
    orders: dict[str, Entry] = field(default_factory=dict)
    requests: list[tuple[str, str]] = field(default_factory=list)
    _lost: list[tuple[str, int]] = field(default_factory=list)
    _failures: list[tuple[str, Reply]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = random.Random(self.seed)  # noqa: S311 - ids of a test

    def lose(self, path: str, times: int = 1) -> None:
        """Carry out the next requests of a path that begins so, and lose their answers."""
        self._lost += [(path, 1)] * times

    def fail(self, path: str, reply: Reply, times: int = 1) -> None:
        """Answer the next requests of a path that begins so with something else, carrying nothing out."""
        self._failures += [(path, reply)] * times

    def created(self, kind: str | None = None) -> list[Entry]:
        """The orders, oldest first."""
        return [entry for entry in self.orders.values() if kind in {None, entry.kind}]

    def count(self, path: str) -> int:
        """How many requests of a path that begins so arrived."""
        return sum(each.startswith(path) for _, each in self.requests)

    def answer(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> Reply:
        """Carry out a request.

        Raises:
            LostError: Its answer is lost.
        """
        parts = urlsplit(target)
        path = parts.path.removeprefix(PREFIX)
        self.requests.append((method, path))
        for failure in self._failures:
            if path.startswith(failure[0]):
                self._failures.remove(failure)
                return failure[1]
        if headers.get("authorization") != f"Bearer {TOKEN}":
            return Reply(401, b'{"message": "Unauthenticated."}')
        self._decide()
        reply = self._route(method, path, dict(parse_qsl(parts.query)), json.loads(body) if body else {})
        for lost in self._lost:
            if path.startswith(lost[0]):
                self._lost.remove(lost)
                raise LostError
        return reply

    def _route(self, method: str, path: str, query: Mapping[str, str], body: Json) -> Reply:
        if method == "POST" and path in _CREATE:
            return self._create(_CREATE[path], body)
        if method == "GET" and path == "orders/status":
            return self._list(query)
        if method == "GET" and path.startswith("terminal/lists/"):
            return self._terminals(path.rpartition("/")[2])
        action, _, uuid = path.rpartition("/")
        entry = self.orders.get(uuid)
        known: dict[tuple[str, str], Callable[[Entry, Json], Reply]] = {
            ("POST", "orders/resend"): lambda _, __: _envelope(202, "resentOrderSuccessfully"),
            ("POST", "orders/cancel"): self._cancel,
            ("POST", "orders/refund"): self._refund,
            ("GET", "orders/status"): self._status,
            ("GET", "orders/details"): self._details,
            ("GET", "orders/invoice-number"): self._invoice_number,
            ("POST", "orders/delayed/charge"): self._charge,
            ("POST", "terminal/orders/cancel"): self._cancel_terminal,
            ("POST", "terminal/orders/resend"): self._resend_terminal,
            ("GET", "terminal/orders/payment-status"): self._payment_status,
            ("POST", "terminal/orders/refund"): self._refund_terminal,
            ("POST", "terminal/orders/refund-status"): self._refund_status,
        }
        handler = known.get((method, action))
        if handler is None:
            return Reply(404, b"<html>nothing here</html>", "text/html")
        if entry is None:
            message = "Order Not Found" if action == "orders/status" else "orderNotFound"
            return _envelope(404, message, data=None, is_data=False)
        return handler(entry, body)

    def _decide(self) -> None:
        """Let cardholders decide whose time has come."""
        now = self.now() - self.decides_after
        for entry in self.orders.values():
            if entry.kind == "terminal" and entry.status == "SENT" and entry.created <= now:
                entry.status = "PAID"
            if entry.refund == "open" and entry.refund_began <= now:
                entry.refund = "REFUNDED"
                entry.refunded += entry.refund_amount
                entry.status = "REFUNDED" if entry.refunded == entry.total else "PARTIAL REFUNDED"

    def _create(self, kind: str, body: Json) -> Reply:
        if len(self.orders) in self.lost:
            self._lost.append(("", 1))
        uuid = f"ODR{self._random.randrange(10**9, 10**10)}"
        self.orders[uuid] = Entry(uuid, kind, body, self.now())
        if kind == "terminal":
            return _envelope(201, "terminalOrderAddedSuccessfully", data={"orderUuid": uuid})
        customer = f"CSRT{self._random.randrange(10**9, 10**10)}"
        return _envelope(201, "orderAddedSuccessfully", data={"uuid": uuid, "customerUuid": customer})

    def _list(self, query: Mapping[str, str]) -> Reply:
        how = self.listing
        if how.gateway:
            return Reply(200, b'{"error": {"code": "upstream"}}')
        shown = [each for each in self.orders.values() if self.now() - each.created >= how.lag]
        shown = [each for each in shown if not how.hidden(each)]
        if "type" in query:
            shown = [each for each in shown if each.status.casefold() == query["type"].casefold()]
        shown.reverse()
        if how.newest is not None:
            del shown[how.newest :]
        rows: list[Any] = [{"uuid": each.uuid, "status": each.status} for each in shown]
        rows += [{"uuid": odd, "status": "SENT"} for odd in how.odd]
        rows += how.junk
        if how.shuffled:
            self._random.shuffle(rows)
        if not rows:
            return _envelope(404, "Order Not Found", data=None, is_data=False)
        more: Json = {}
        if how.page is not None:
            number = int(query.get("page", "1"))
            last = -(-len(rows) // how.page)
            more["metaData"] = {
                "total": len(rows), "perPage": how.page, "currentPage": number, "lastPage": last,
            }  # fmt: skip
            rows = rows[(number - 1) * how.page : number * how.page]
        return _envelope(200, "Order Status Retrieved Successfully", data=rows, **more)

    def _terminals(self, organization: str) -> Reply:
        row = {"uuid": "TRML1", "name": "Kasse 1", "status": 1, "organization_uuid": organization}
        return _envelope(200, "terminalsRetrievedSuccessfully", data=[row])

    def _status(self, entry: Entry, _: Json) -> Reply:
        data = {
            "uuid": entry.uuid,
            "status": entry.status,
            "orderAmount": float(entry.total),
            "refundedAmount": float(entry.refunded),
        }
        return _envelope(200, "Order Status Retrieved Successfully", data=data)

    def _details(self, entry: Entry, _: Json) -> Reply:
        body = copy.deepcopy(entry.body)
        products = body["products"]
        lines = list(products.values()) if isinstance(products, dict) else products
        summary = body["orderSummary"]
        customer = body["customerDetails"]
        details: Json = {
            "type": entry.kind,
            "orderUuid": entry.uuid,
            "invoiceNumber": None,
            "status": entry.status,
            "orderDate": str(body["orderDate"]),
            "paymentLinkDueDate": None,
            "productList": [
                {
                    "id": number,
                    "name": line["name"],
                    "productId": line.get("productId"),
                    "quantity": line["quantity"],
                    "rate": line["rate"],
                    "discount": line.get("discount", 0),
                    "tax": line["tax"],
                    "amount": line["amount"],
                }
                for number, line in enumerate(lines, 5001)
            ],
            "orderSummary": {
                "subTotal": summary["subTotal"],
                "tax": summary["totalTax"],
                "discount": summary["totalDiscount"],
                "grandTotal": summary["grandTotal"],
            },
            "customerDetails": {
                "type": customer.get("type"),
                "uuid": "CSRT1",
                "countryCode": customer.get("countryCode"),
                "msisdn": customer.get("msisdn"),
                "email": customer.get("email"),
                "name": customer.get("name"),
                "preferredLanguage": customer.get("preferredLanguage"),
                "personalNumber": customer.get("personalNumber"),
                "organizationId": customer.get("organizationId"),
                "address": customer.get("address"),
            },
        }
        change = self.form(entry)
        if change is not None:
            change(details)
        return _envelope(200, "orderRetrievedSuccessfully", data=details)

    def _invoice_number(self, entry: Entry, _: Json) -> Reply:
        data = {"orderUuid": entry.uuid, "invoiceNumber": "99900753", "status": entry.status}
        return _envelope(200, "orderInvoiceNoRetrievedSuccessfully", data=data)

    def _charge(self, entry: Entry, _: Json) -> Reply:
        if entry.status == "PAID":
            return _refused("orderStatusAlreadyPaid")
        entry.status = "PAID"
        return _envelope(200, "orderDelayedChargedSuccessfully", data=None)

    def _cancel(self, entry: Entry, _: Json) -> Reply:
        if entry.status == "PAID":
            return _refused("orderStatusAlreadyPaid")
        if entry.status == "CANCELLED":
            return _refused("orderStatusAlreadyCancelled")
        entry.status = "CANCELLED"
        return _envelope(202, "cancelledOrderSuccessfully", data=None)

    def _refund(self, entry: Entry, body: Json) -> Reply:
        amount = Decimal(str(body["grandTotal"]))
        if entry.refunded + amount > entry.total:
            return _refused("refundRejectionForRefundRequestGreaterThanOrderAmount")
        entry.refunded += amount
        entry.status = "REFUNDED" if entry.refunded == entry.total else "PARTIAL REFUNDED"
        return _envelope(202, "orderRefundedSuccessfully", data=None)

    def _cancel_terminal(self, entry: Entry, body: Json) -> Reply:
        if body.get("type") == "refund" or (entry.refund == "open" and entry.status == "PAID"):
            entry.refund = "REJECTED"
            return _envelope(200, "refundRequestRejectedSuccessfully", data=None, is_data=False)
        if entry.status == "PAID":
            return _refused("orderStatusAlreadyPaid")
        entry.status = "CANCELLED"
        return _envelope(200, "cancelledOrderSuccessfully", data=None, is_data=False)

    def _resend_terminal(self, entry: Entry, _: Json) -> Reply:
        return _envelope(202, "orderSentSuccessfully", data={"orderUuid": entry.uuid}, status_code=200)

    def _payment_status(self, entry: Entry, _: Json) -> Reply:
        said: Json = {} if entry.status == "SENT" else {"order_status": entry.status}
        return _envelope(200, "orderStatusUpdatedSuccessfully", data=None, is_data=False, **said)

    def _refund_terminal(self, entry: Entry, body: Json) -> Reply:
        entry.refund, entry.refund_began = "open", self.now()
        entry.refund_amount = Decimal(str(body["grandTotal"]))
        return _envelope(202, "terminalOrderRefundRequestSuccessfully", data=None)

    def _refund_status(self, entry: Entry, _: Json) -> Reply:
        said: Json = {} if entry.refund in {None, "open"} else {"refund_status": entry.refund}
        return _envelope(200, "orderRefundedSuccessfully", data=None, is_data=False, **said)

    def transport(self) -> httpx.AsyncBaseTransport:
        """Return a transport that leads here, without sockets."""
        return _Transport(self)

    async def step(self, exchange: Exchange) -> None:
        """Answer on a real connection; a lost answer closes it."""
        request = exchange.request
        headers = {name.lower(): value for name, value in request.headers}
        try:
            reply = self.answer(request.method, request.target, headers, request.body)
        except LostError:
            exchange.reset()
            return
        await exchange.write(whole(reply.status, reply.body, kind=reply.kind))


class _Transport(httpx.AsyncBaseTransport):
    def __init__(self, api: OtherApi) -> None:
        self._api = api

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        body = await request.aread()
        try:
            reply = self._api.answer(
                request.method, str(request.url.raw_path, "ascii"), request.headers, body
            )
        except LostError:
            raise httpx.ReadError("the answer was lost", request=request) from None
        return httpx.Response(reply.status, content=reply.body, headers={"Content-Type": reply.kind})


def _envelope(status: int, message: str, **members: Any) -> Reply:
    words = {404: "Not Found"}.get(status, "OK")
    said = {"status_code": status, "status_message": words, "message": message, "is_data": True, "data": None}
    return Reply(status, json.dumps(said | members).replace("/", "\\/").encode(errors="surrogatepass"))


def _refused(message: str) -> Reply:
    said = {
        "status_code": 400,
        "status_message": "Bad Request",
        "message": message,
        "is_error": True,
        "errors": None,
    }
    return Reply(400, json.dumps(said).encode())


def some(chosen: Iterable[int], form: Form) -> Callable[[Entry], Form | None]:
    """Show the orders of these ordinals in a form, and the others as they were sent."""
    numbers, seen = set(chosen), dict[str, int]()

    def choose(entry: Entry) -> Form | None:
        return form if seen.setdefault(entry.uuid, len(seen)) in numbers else None

    return choose
