"""What a type checker knows of the watch hub. Checked, not run."""

from __future__ import annotations

from typing import assert_type

from attrs import frozen

from frontpay_async import (
    FrontPayClient,
    OrderStatus,
    PaymentStatus,
    RefundStatus,
    WatchKind,
    WatchStatistics,
    WatchTimeoutError,
)
from frontpay_async.models.statuses import Status


@frozen
class Callback:
    order_uuid: str


async def ends(client: FrontPayClient) -> None:
    assert_type(await client.watch.payment("ODR1", timeout=60), PaymentStatus)
    assert_type(await client.watch.refund("ODR1", timeout=None), RefundStatus)
    assert_type(await client.watch.order("ODR1", timeout=0.5), OrderStatus)
    await client.watch.order("ODR1", until="INVOICED", timeout=60)
    await client.watch.order("ODR1", until={OrderStatus.INVOICED, "PURRING"}, timeout=60)


async def a_time_out_must_be_chosen(client: FrontPayClient) -> None:
    await client.watch.payment("ODR1")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
    await client.watch.payment("ODR1", 60)  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]


async def changes(client: FrontPayClient) -> None:
    async for status in client.watch.updates("ODR1", kind=WatchKind.ORDER, timeout=60):
        assert_type(status, Status)
        assert_type(status.is_final, bool)
    await client.watch.updates("ODR1").aclose()


def callbacks(client: FrontPayClient) -> None:
    assert_type(client.watch.notify("ODR1"), bool)
    client.watch.notify(Callback("ODR1"))
    client.watch.notify(1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]


def a_restart(client: FrontPayClient) -> None:
    snapshot = client.watch.snapshot()
    assert_type(snapshot, dict[str, object])
    assert_type(client.watch.restore(snapshot, elapsed=3), tuple[tuple[WatchKind, str], ...])


def what_is_told(client: FrontPayClient, error: WatchTimeoutError) -> None:
    assert_type(client.watch.statistics(), WatchStatistics)
    assert_type(error.last_status, Status | None)
