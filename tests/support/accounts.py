"""One view of an account of the API, whichever of the two servers keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

from frontpay_async import Clock, FrontPayClient, RateLimit
from frontpay_async.sandbox import DEFAULT_TOKEN, Cardholder, Sandbox
from tests.support.fakes import FakeClock
from tests.support.other_api import TOKEN, OtherApi
from tests.support.sandboxes import BASE_URL

if TYPE_CHECKING:
    import httpx

__all__ = ["Account", "OtherAccount", "SandboxAccount"]


class Account(Protocol):
    """What a test wants of a server: a client, what was ordered there, and lost answers."""

    clock: Clock

    def client(self, **settings: Any) -> FrontPayClient:
        """A client of the account, on the server's clock."""
        ...

    def emails(self) -> list[str]:
        """The customers' addresses, of each order that the account has."""
        ...

    def count(self, path: str) -> int:
        """How many requests of a path that begins so arrived."""
        ...

    def lose(self, path: str, times: int) -> None:
        """Carry out the next requests of a path, and lose their answers."""
        ...

    def status(self, uuid: str) -> str:
        """The status of an order, as the server keeps it."""
        ...

    def happen(self, uuid: str, event: str) -> None:
        """Let an order be paid, or its cardholder decline."""
        ...


def _client(
    token: str, clock: Clock, transport: httpx.AsyncBaseTransport, settings: dict[str, Any]
) -> FrontPayClient:
    fixed = {"rate_limit": RateLimit.unlimited(), "clock": clock, "base_url": BASE_URL}
    return FrontPayClient(token, transport=transport, **{**fixed, **settings})


class SandboxAccount:
    """The sandbox that ships with the package."""

    def __init__(self, clock: Clock | None = None) -> None:
        self.clock = clock or FakeClock().clock()
        self.sandbox = Sandbox(rate_limit=None, clock=self.clock, cardholder=Cardholder(after=2))

    def client(self, **settings: Any) -> FrontPayClient:
        return _client(DEFAULT_TOKEN, self.clock, self.sandbox.transport(), settings)

    def emails(self) -> list[str]:
        return [each.body["customerDetails"]["email"] for each in self.sandbox.orders.values()]

    def count(self, path: str) -> int:
        return sum(each.path.partition("/connect/")[2].startswith(path) for each in self.sandbox.requests)

    def lose(self, path: str, times: int) -> None:
        operation = {"orders/invoice/create": "orders.send_invoice", "orders/cancel": "orders.cancel"}[path]
        self.sandbox.fail("drop-after", operation=operation, times=times)

    def status(self, uuid: str) -> str:
        return str(self.sandbox.orders[uuid].status)

    def happen(self, uuid: str, event: str) -> None:
        if event == "decline":
            self.sandbox.decline(uuid)
        else:
            self.sandbox.apply_event(uuid, event)


class OtherAccount:
    """The second server, which shares no code with the package."""

    def __init__(self, clock: Clock | None = None, **settings: Any) -> None:
        self.clock = clock or FakeClock().clock()
        self.api = OtherApi(now=self.clock.now, **settings)

    def client(self, **settings: Any) -> FrontPayClient:
        return _client(TOKEN, self.clock, self.api.transport(), settings)

    def emails(self) -> list[str]:
        return [each.body["customerDetails"]["email"] for each in self.api.created()]

    def count(self, path: str) -> int:
        return self.api.count(path)

    def lose(self, path: str, times: int) -> None:
        self.api.lose(path, times)

    def status(self, uuid: str) -> str:
        return self.api.orders[uuid].status

    def happen(self, uuid: str, event: str) -> None:
        self.api.orders[uuid].status = {"pay": "PAID", "decline": "CANCELLED", "cancel": "CANCELLED"}[event]
