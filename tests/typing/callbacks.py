"""What the callbacks promise to type checkers."""

from __future__ import annotations

from decimal import Decimal
from typing import TYPE_CHECKING, assert_type

from frontpay_async import OrderStatus
from frontpay_async.callbacks import (
    Acceptance,
    Callback,
    CallbackAnswer,
    CallbackGuard,
    CallbackKind,
    Claim,
    MemoryReplayStore,
    OrderCallback,
    TerminalCallback,
    answer_callback,
    parse_callback,
    sign_callback_url,
    verify_checksum,
)

if TYPE_CHECKING:
    from frontpay_async.callbacks import ReplayStore


class Store:
    """A store of a user's."""

    async def claim(self, key: str, *, now: float, until: float) -> Claim:
        return Claim.NEW

    async def commit(self, key: str) -> None: ...

    async def release(self, key: str) -> None: ...


async def check() -> None:
    """Accept callbacks in every way that there is."""
    stores: tuple[ReplayStore, ...] = (Store(), MemoryReplayStore(capacity=10))
    guard = CallbackGuard(
        b"secret",
        token_secret="other",
        replay_store=stores[0],
        max_age=60,
        now=lambda: 1.0,
        payment_methods=["Klarna"],
    )
    for query in ("a=b", b"a=b"):
        assert_type(await guard.check(query), TerminalCallback | OrderCallback)
    callback = await guard.check([("a", "b")])
    if isinstance(callback, TerminalCallback):
        assert_type(callback.kind, CallbackKind)
        assert_type(callback.total_amount, Decimal | None)
    else:
        assert_type(callback.status, OrderStatus)
        assert_type(callback.amount, Decimal | None)
    acceptance = await guard.claim({"a": "b"})
    assert_type(acceptance, Acceptance)
    assert_type(acceptance.is_remembered, bool)
    assert_type(await answer_callback(guard, "a=b", lambda callback: callback.order_uuid), CallbackAnswer)
    async with acceptance as accepted:
        assert_type(accepted, Callback)
    assert_type(parse_callback(iter([("a", "b")])), Callback)
    assert_type(verify_checksum("a=b", "secret", now=1.0), OrderCallback)
    assert_type(sign_callback_url("https://example.com", "B-1", "secret"), str)
    CallbackGuard()  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    CallbackGuard("secret", None)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    parse_callback(7)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
