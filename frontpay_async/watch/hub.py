"""The watch hub, ``client.watch``: waiting for the final status of payments, refunds and orders.

    status = await client.watch.payment(created.order_uuid, timeout=60)

``watch/schedule.py`` decides which watch is polled when, ``watch/poller.py`` in which task.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Protocol, TypeVar, cast

from attrs import define, field, frozen

from frontpay_async import _checks
from frontpay_async.errors import ConfigurationError
from frontpay_async.models.statuses import (
    OrderStatus,
    PaymentStatus,
    RefundStatus,
    ReservationStatus,
    SubscriptionStatus,
)
from frontpay_async.watch.kinds import KINDS, WatchKind
from frontpay_async.watch.later_refund import LaterRefund
from frontpay_async.watch.snapshot import LONGEST_AGE, Kept, Key, Snapshot, read_snapshot

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Collection, Mapping
    from decimal import Decimal

    from frontpay_async.models._fields import Number
    from frontpay_async.models.statuses import Status
    from frontpay_async.watch.poller import Poller
    from frontpay_async.watch.subscription import Subscription

StatusT = TypeVar("StatusT", OrderStatus, ReservationStatus, SubscriptionStatus)

# INVOICED is final here: the customer has chosen how to pay.
_CHECKED_OUT = (
    OrderStatus.PAID,
    OrderStatus.INVOICED,
    OrderStatus("RESERVED"),
    OrderStatus.CANCELLED,
    OrderStatus.EXPIRED,
    OrderStatus.REFUNDED,
)


def _wanted(
    statuses: type[StatusT], until: StatusT | str | Collection[StatusT | str] | None
) -> frozenset[StatusT] | None:
    if until is None:
        return None
    wanted = _checks.texts("until", (until,) if isinstance(until, str) else until)
    if not wanted:
        raise ConfigurationError("until must be a status to wait for")
    return frozenset(map(statuses, wanted))


class _TellsOfOrder(Protocol):
    @property
    def order_uuid(self) -> str: ...


@frozen(kw_only=True)
class WatchStatistics:
    """The statistics of the hub.

    Args:
        watches: The number of watches with a waiting task.
        restored: The number of restored watches for which no task waits yet.
        polls: How many single polls were sent.
        sweeps: How many times the list of orders was requested.
        decided: How many watches reached a final status.
        sweeping: Whether sweeps are used at present.
        mean_age: The mean age of the watches, in seconds.
        staleness: The mean time since their last update, in seconds.
    """

    watches: int
    restored: int
    polls: int
    sweeps: int
    decided: int
    sweeping: bool
    mean_age: float
    staleness: float


@define(eq=False, repr=False)
class WatchHub:
    """Waiting for payments, refunds and orders; shared by a client and the clients derived from it.

    All waits share the polls, and the polls use the remaining rate limit. They run only while a task waits,
    inside one of the waiting tasks: nothing runs in the background. Failures of the network or the API do not
    end a wait before its timeout.
    """

    _poller: Poller
    _restored: dict[Key, Kept] = field(init=False, factory=dict[Key, Kept])

    async def payment(self, order_uuid: str, *, timeout: float | None) -> PaymentStatus:  # noqa: ASYNC109 - on the client's clock
        """Wait until the payment on a terminal is decided.

        Args:
            order_uuid: The order.
            timeout: Seconds to wait at most; None for no bound.

        Returns:
            PAID or CANCELLED, as the payment's own status check says.

        Raises:
            WatchTimeoutError: It was not decided in time; it may still be paid.
            NotFoundError: There is no such order; one that was just created is given some seconds.
            AuthenticationError: The token was rejected.
            NotSentError: The client was closed.
        """
        with self._reader(WatchKind.PAYMENT, order_uuid, timeout) as subscription:
            return cast("PaymentStatus", await self._poller.next(subscription))

    async def refund(
        self,
        order_uuid: str,
        *,
        timeout: float | None,  # noqa: ASYNC109 - on the client's clock
        after: Number | None = None,
    ) -> RefundStatus:
        """Wait until the last refund on a terminal is decided.

        The status check does not say which refund it is about: until a second partial refund is decided, it
        shows the result of the first. Pass ``after`` for every refund but the first.

        Args:
            order_uuid: The order.
            timeout: Seconds to wait at most; None for no bound.
            after: The amount refunded before this refund, in the order's currency: the ``refunded_amount`` of
                ``orders.get_status`` before the call. REFUNDED is then returned when the order's status shows
                a larger amount, and REJECTED only if the status changes to it.

        Returns:
            REFUNDED or REJECTED, from the refund's own status check; with ``after``, also from the order's
            ``refunded_amount``.

        Raises:
            WatchTimeoutError: It was not decided in time; it may still be refunded.
            NotFoundError: There is no such order, or no refund of it was requested.
            AuthenticationError: The token was rejected.
            NotSentError: The client was closed.
            TypeError: ``after`` is a float or not a number.
            ConfigurationError: ``after`` is negative, or ``timeout`` is not more than 0 seconds.
        """
        if after is not None:
            before = _checks.amount("after", after)
            with (
                self._reader(WatchKind.ORDER, order_uuid, timeout, paid_back_beyond=before) as amount,
                self._reader(WatchKind.REFUND, order_uuid, timeout, until=(), every=True) as status,
            ):
                return await LaterRefund(self._poller, amount, status).end()
        with self._reader(WatchKind.REFUND, order_uuid, timeout) as subscription:
            return cast("RefundStatus", await self._poller.next(subscription))

    async def order(
        self,
        order_uuid: str,
        *,
        until: OrderStatus | str | Collection[OrderStatus | str] | None = None,
        timeout: float | None,  # noqa: ASYNC109 - on the client's clock
    ) -> OrderStatus:
        """Wait until an order has a status.

        Args:
            order_uuid: The order.
            until: The status or statuses to wait for: defaults to PAID, CANCELLED, EXPIRED or REFUNDED.
            timeout: Seconds to wait at most; None for no bound.

        Returns:
            The status that was waited for, as the order's own status says.

        Raises:
            WatchTimeoutError: It was not reached in time; it may still be.
            NotFoundError: There is no such order; one that was just created is given some seconds.
            AuthenticationError: The token was rejected.
            NotSentError: The client was closed.
            ConfigurationError: ``until`` is empty or not text, or ``timeout`` is not more than 0 seconds.
        """
        wanted = _wanted(OrderStatus, until)
        with self._reader(WatchKind.ORDER, order_uuid, timeout, until=wanted) as subscription:
            return cast("OrderStatus", await self._poller.next(subscription))

    async def reservation(
        self,
        reservation_uuid: str,
        *,
        until: ReservationStatus | str | Collection[ReservationStatus | str] | None = None,
        timeout: float | None,  # noqa: ASYNC109 - on the client's clock
    ) -> ReservationStatus:
        """Wait until a reservation has a status.

        Args:
            reservation_uuid: The reservation.
            until: The status or statuses to wait for, such as RESERVED. Defaults to CAPTURED, COMPLETED,
                CANCELLED or EXPIRED.
            timeout: Seconds to wait at most; None for no bound.

        Returns:
            The status that was waited for, as the reservation's details show it.

        Raises:
            WatchTimeoutError: It was not reached in time; it may still be.
            NotFoundError: There is no such reservation; one that was just created is given some seconds.
            AuthenticationError: The token was rejected.
            NotSentError: The client was closed.
            ConfigurationError: ``until`` is empty or not text, or ``timeout`` is not more than 0 seconds.
        """
        wanted = _wanted(ReservationStatus, until)
        with self._reader(WatchKind.RESERVATION, reservation_uuid, timeout, until=wanted) as subscription:
            return cast("ReservationStatus", await self._poller.next(subscription))

    async def subscription(
        self,
        subscription_uuid: str,
        *,
        until: SubscriptionStatus | str | Collection[SubscriptionStatus | str] | None = None,
        timeout: float | None,  # noqa: ASYNC109 - on the client's clock
    ) -> SubscriptionStatus:
        """Wait until a subscription has a status.

        Args:
            subscription_uuid: The subscription.
            until: The status or statuses to wait for, such as ONGOING. Defaults to COMPLETED or CANCELLED.
            timeout: Seconds to wait at most; None for no bound.

        Returns:
            The status that was waited for, as the subscription's details show it.

        Raises:
            WatchTimeoutError: It was not reached in time; it may still be.
            NotFoundError: There is no such subscription; one that was just created is given some seconds.
            AuthenticationError: The token was rejected.
            NotSentError: The client was closed.
            ConfigurationError: ``until`` is empty or not text, or ``timeout`` is not more than 0 seconds.
        """
        wanted = _wanted(SubscriptionStatus, until)
        with self._reader(WatchKind.SUBSCRIPTION, subscription_uuid, timeout, until=wanted) as subscription:
            return cast("SubscriptionStatus", await self._poller.next(subscription))

    async def checkout(
        self,
        order_uuid: str,
        *,
        until: OrderStatus | str | Collection[OrderStatus | str] | None = None,
        timeout: float | None,  # noqa: ASYNC109 - on the client's clock
    ) -> OrderStatus:
        """Wait until the order of a checkout session is paid, invoiced or ended.

        Args:
            order_uuid: The order of the session.
            until: The status or statuses to wait for. Defaults to PAID, INVOICED, RESERVED, CANCELLED,
                EXPIRED or REFUNDED.
            timeout: Seconds to wait at most; None for no bound.

        Returns:
            The status that was waited for, as the order's own status says.

        Raises:
            WatchTimeoutError: It was not reached in time; it may still be.
            NotFoundError: There is no such order; one that was just created is given some seconds.
            AuthenticationError: The token was rejected.
            NotSentError: The client was closed.
            ConfigurationError: ``until`` is empty or not text, or ``timeout`` is not more than 0 seconds.
        """
        return await self.order(order_uuid, until=_CHECKED_OUT if until is None else until, timeout=timeout)

    def updates(
        self,
        order_uuid: str,
        *,
        kind: WatchKind | str = WatchKind.PAYMENT,
        timeout: float | None = None,
    ) -> AsyncGenerator[Status]:
        """Iterate over the status changes: the current status first, the final status last.

        The order is polled while a task waits for its next change, or for another watch. To leave the
        iteration early, use ``contextlib.aclosing``, which ends the watch.

        Args:
            order_uuid: The order.
            kind: ``payment``, ``refund``, ``order``, ``reservation`` or ``subscription``.
            timeout: Seconds for the whole iteration; None for no bound.

        Raises:
            WatchTimeoutError: The final status was not seen in time.
            NotFoundError: There is no such order; one that was just created is given some seconds.
            AuthenticationError: The token was rejected.
            NotSentError: The client was closed.
            ConfigurationError: There is no such kind, or ``timeout`` is not more than 0 seconds.
        """
        kind = _checks.member("kind", kind, WatchKind)
        self._check(kind, order_uuid, timeout)
        return self._changes(kind, order_uuid, timeout)

    def notify(self, callback: _TellsOfOrder | str) -> bool:
        """Record a callback: its order is polled early. Only the API's own response ends a wait.

        Forged callbacks use at most half of the polls. Call this in the client's event loop.

        Args:
            callback: Anything with an ``order_uuid``, or the order's id.

        Returns:
            Whether the order is being watched.

        Raises:
            ConfigurationError: ``callback`` names no order.
        """
        order_uuid = callback if isinstance(callback, str) else getattr(callback, "order_uuid", None)
        if not isinstance(order_uuid, str):
            raise _checks.refusal("callback", "an order's id, or have an order_uuid that is text", callback)
        schedule, now = self._poller.schedule, self._now()
        watched = [schedule.claim(kind, order_uuid, now) for kind in WatchKind]
        self._poller.poke()
        return any(watched)

    def snapshot(self) -> dict[str, object]:
        """Return the watches and the learnt durations, as JSON-compatible data.

        Call it while the tasks still wait: an order without a waiting task is not included.
        """
        schedule, now = self._poller.schedule, self._now()
        watches = {key: Kept(now - kept.since, kept.status) for key, kept in self._restored.items()}
        watches |= {key: Kept(now - watch.since, watch.status) for key, watch in schedule.watches.items()}
        learnt = {kind: hazard.state() for kind, hazard in schedule.learnt().items()}
        return Snapshot(watches, learnt).plain()

    def restore(
        self, snapshot: Mapping[str, object], *, elapsed: float = 0.0
    ) -> tuple[tuple[WatchKind, str], ...]:
        """Restore a snapshot; a watch is polled again once a task waits for it.

        Args:
            snapshot: What ``snapshot`` returned, perhaps in another process.
            elapsed: Seconds since it was taken.

        Returns:
            The kind and order of each watch in it, to wait for.

        Raises:
            ValueError: It is not a valid snapshot, or one of a later version, or ``elapsed`` is not valid;
                nothing was restored.
        """
        _checks.number("elapsed", elapsed, f"from 0 to {LONGEST_AGE:g} seconds", most=LONGEST_AGE)
        read, now = read_snapshot(snapshot), self._now()
        for kind, order_uuid in read.watches:
            # An invalid id is rejected here, not at its first poll.
            self._poller.session.request(KINDS[kind].operation, uuid=order_uuid)
        for kind, learnt in read.learnt.items():
            self._poller.schedule.hazard(kind).resume(learnt)
        for key, kept in read.watches.items():
            if key in self._poller.schedule.watches:
                continue
            self._restored[key] = Kept(now - kept.since - elapsed, kept.status)
        return tuple(read.watches)

    def statistics(self) -> WatchStatistics:
        """The statistics of the hub."""
        schedule, now = self._poller.schedule, self._now()
        watches = schedule.watches.values()
        count = max(1, len(watches))
        return WatchStatistics(
            watches=len(watches),
            restored=len(self._restored),
            polls=self._poller.polls,
            sweeps=self._poller.sweeps,
            decided=self._poller.decided,
            sweeping=schedule.sweeps.on,
            mean_age=sum(now - watch.since for watch in watches) / count,
            staleness=sum(now - max(watch.looked_at, watch.began) for watch in watches) / count,
        )

    async def _changes(
        self,
        kind: WatchKind,
        order_uuid: str,
        timeout: float | None,  # noqa: ASYNC109 - on the client's clock
    ) -> AsyncGenerator[Status]:
        with self._reader(kind, order_uuid, timeout, every=True) as subscription:
            while True:
                yield await self._poller.next(subscription)
                if subscription.over and not subscription.served:
                    return

    def _reader(
        self,
        kind: WatchKind,
        order_uuid: str,
        timeout: float | None,
        *,
        until: Collection[str] | None = None,
        every: bool = False,
        paid_back_beyond: Decimal | None = None,
    ) -> Subscription:
        self._check(kind, order_uuid, timeout)
        now = self._now()
        kept = self._restored.pop((kind, order_uuid), Kept(now, None))
        watch = self._poller.schedule.begin(kind, order_uuid, now, age=now - kept.since, status=kept.status)
        return self._poller.begin(watch, timeout, until=until, every=every, paid_back_beyond=paid_back_beyond)

    def _check(self, kind: WatchKind, order_uuid: str, timeout: float | None) -> None:
        if timeout is not None:
            must = "more than 0 seconds, or None for no bound"
            _checks.number("timeout", timeout, must, least=math.nextafter(0.0, 1.0))
        self._poller.session.check(f"watch.{kind}")
        self._poller.session.request(KINDS[kind].operation, uuid=order_uuid)

    def _now(self) -> float:
        return self._poller.session.clock.now()
