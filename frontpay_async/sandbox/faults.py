"""Faults on demand, by rule or at a seeded random rate.

A fault affects only requests that passed the throttle and have a valid token. Other requests are rejected as
usual and do not count for a fault.
"""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Mapping
from enum import StrEnum
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from attrs import define, field, frozen

from frontpay_async import _checks
from frontpay_async._protocol.operations import OPERATIONS
from frontpay_async.errors import ConfigurationError
from frontpay_async.models.orders import (
    CreatedOrder,
    InvoiceNumber,
    OrderDetails,
    OrderStatusEntry,
    OrderStatusReport,
)
from frontpay_async.models.statuses import PaymentStatus, RefundStatus

if TYPE_CHECKING:
    from collections.abc import Callable

    from attrs import Attribute

    from frontpay_async._protocol.operations import Operation


class FaultKind(StrEnum):
    """The kind of a fault; "before" faults prevent the operation, "after" faults follow it."""

    ERROR_500_BEFORE = "500-before"
    ERROR_500_AFTER = "500-after"
    ERROR_510_BEFORE = "510-before"
    ERROR_510_AFTER = "510-after"
    HTML_502_BEFORE = "502-before"
    HTML_502_AFTER = "502-after"
    DROP_BEFORE = "drop-before"
    """The connection is dropped without a response; the operation is not carried out."""
    DROP_AFTER = "drop-after"
    """The connection is dropped without a response, after the operation was carried out."""
    CUT_BODY = "cut-body"
    """The operation is carried out, and half of the response arrives."""
    UNKNOWN_STATUS = "unknown-status"
    """A response with a status contains an undocumented one; other responses are not affected."""
    BUSY = "busy"
    """A 510 ``terminalIsBusy`` without effect; affects operations that need the terminal."""
    REFUSED_510 = "510-refused"
    """A final 510 (``personCurrentStatusIsWrong``) without effect; affects orders with a credit check."""
    LATENCY = "latency"
    """The response takes ``seconds`` longer; may be combined with any other kind."""
    DRIP = "drip"
    """The response arrives byte by byte, over ``seconds``; may be combined with any other kind."""

    @classmethod
    def _missing_(cls, value: object) -> None:
        raise ConfigurationError(f"unknown fault {value!r}; use one of {', '.join(cls)} as its kind")

    @property
    def is_slowness(self) -> bool:
        """Whether it only delays the response."""
        return self in (FaultKind.LATENCY, FaultKind.DRIP)

    @property
    def prevents(self) -> bool:
        """Whether it prevents the operation."""
        return self.value.endswith("-before") or self in (FaultKind.BUSY, FaultKind.REFUSED_510)


_TELLS_STATUS = (
    InvoiceNumber,
    OrderDetails,
    OrderStatusEntry,
    OrderStatusReport,
    PaymentStatus,
    RefundStatus,
)
# The kinds that apply to some operations only.
_APPLIES: Mapping[FaultKind, Callable[[Operation[object]], bool]] = MappingProxyType(
    {
        FaultKind.BUSY: lambda row: row.needs_terminal,
        FaultKind.REFUSED_510: lambda row: row.result is CreatedOrder,
        FaultKind.UNKNOWN_STATUS: lambda row: row.result in _TELLS_STATUS,
    }
)


def _is_count(_: Fault, attribute: Attribute[Any], value: object) -> None:
    if value is not None:
        _checks.whole(attribute.name, value, "a whole number from 1 on, or None for ever")


def _is_skip(_: Fault, attribute: Attribute[Any], value: object) -> None:
    _checks.whole(attribute.name, value, "a whole number from 0 on", least=0)


def _are_seconds(_: Fault, attribute: Attribute[Any], value: object) -> None:
    _checks.seconds(attribute.name, value, or_zero=True)


def _is_pattern(_: Fault, attribute: Attribute[Any], value: object) -> None:
    _checks.text(attribute.name, value)


@frozen(kw_only=True)
class Fault:
    """A failure that is produced on demand.

    Args:
        kind: The kind.
        operation: The affected operations, as a shell pattern: ``orders.send_invoice``, ``terminals.*``.
        times: How often; None for ever.
        skip: How many matching requests pass first.
        seconds: For slowness, how long.

    Raises:
        ConfigurationError: There is no such kind, it cannot affect these operations, or an argument has the
            wrong type or is out of range; also a ``ValueError``.
    """

    kind: FaultKind = field(converter=FaultKind)
    operation: str = field(default="*", validator=_is_pattern)
    times: int | None = field(default=1, validator=_is_count)
    skip: int = field(default=0, validator=_is_skip)
    seconds: float = field(default=0.0, validator=_are_seconds)

    def __attrs_post_init__(self) -> None:
        if not any(map(self.strikes, OPERATIONS)):
            raise ConfigurationError(
                f"a fault {self.kind.value!r} matches no operation like {self.operation!r}"
            )
        if self.kind.is_slowness != (self.seconds > 0):
            raise ConfigurationError("latency and drip require seconds; other kinds do not accept them")

    def strikes(self, operation: str) -> bool:
        """Return whether the fault can affect an operation, given by its name."""
        if not fnmatchcase(operation, self.operation) or operation not in OPERATIONS:
            return False
        applies = _APPLIES.get(self.kind)
        return applies is None or applies(OPERATIONS[operation])


_FAULT = re.compile(
    r"(?P<kind>[\w-]+?)(?::(?P<seconds>\d+(?:\.\d+)?))?(?:@(?P<operation>\S+?))?(?:x(?P<times>\d+|\*))?",
    re.ASCII,
)


def read_fault(text: str) -> Fault:
    """Read a fault written as ``KIND[:SECONDS][@OPERATION][xTIMES]``, such as ``latency:0.2@orders.*x*``."""
    match = _FAULT.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not written as KIND[:SECONDS][@OPERATION][xTIMES]")
    times = match["times"] or "1"
    return Fault(
        kind=FaultKind(match["kind"]),
        operation=match["operation"] or "*",
        times=None if times == "*" else int(times),
        seconds=float(match["seconds"] or 0),
    )


@frozen
class Strike:
    """The failure of one request.

    Args:
        kind: The kind, except for delays.
        latency: Seconds by which the response is delayed.
        drip: Seconds over which the response arrives byte by byte.
    """

    kind: FaultKind | None = None
    latency: float = 0.0
    drip: float = 0.0


@define(eq=False)
class _Rule:
    fault: Fault
    passed: int = 0
    struck: int = 0

    def is_ready(self, operation: str) -> bool:
        fault = self.fault
        if not fault.strikes(operation) or self.struck == fault.times:
            return False
        self.passed += 1
        return self.passed > fault.skip


@define(eq=False)
class _Chances:
    rates: list[tuple[Fault, float]]
    random: random.Random

    def draw(self, operation: str) -> list[Fault]:
        """Draw the fault of a request, independently of other requests."""
        struck: list[Fault] = []
        rates = [(fault, rate) for fault, rate in self.rates if fault.strikes(operation)]
        chance = self.random.random() if rates else 0.0
        for fault, rate in rates:
            if fault.kind.is_slowness:
                if self.random.random() < rate:
                    struck.append(fault)
            else:
                if 0 <= chance < rate:
                    struck.append(fault)
                chance -= rate
        return struck


@define(eq=False)
class Faults:
    """The active faults."""

    _rules: list[_Rule] = field(init=False, factory=list[_Rule])
    _chances: list[_Chances] = field(init=False, factory=list[_Chances])
    note: Callable[[], None] = field(default=lambda: None, repr=False)
    """Called when faults are added or cleared."""

    def add(self, fault: Fault) -> None:
        """Add a rule; if several match a request, the oldest is applied and the others wait."""
        self._rules.append(_Rule(fault))
        self.note()

    def add_random(
        self, rates: Mapping[FaultKind | str, float], *, seed: int, operation: str = "*", seconds: float = 0.0
    ) -> None:
        """Add random faults: the same seed and the same requests give the same faults."""
        if not isinstance(rates, Mapping):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise _checks.refusal("rates", "a mapping of kinds to shares", rates)
        _checks.whole("seed", seed, "a whole number", least=-sys.maxsize)
        for rate in rates.values():
            _checks.number("each of rates", rate, "a share of all requests, between 0 and 1", most=1)
        faults = [(_random_fault(kind, operation, seconds), rate) for kind, rate in rates.items()]
        shares = [rate for fault, rate in faults if not fault.kind.is_slowness]
        if sum(shares) > 1:
            raise ConfigurationError("rates are shares of all requests: together at most 1")
        self._chances.append(_Chances(faults, random.Random(seed)))  # noqa: S311 - chance that can be repeated
        self.note()

    def idle(self) -> tuple[Fault, ...]:
        """Return the faults that have been added and not yet applied, without random ones."""
        return tuple(rule.fault for rule in self._rules if rule.struck == 0)

    def rows(self) -> list[dict[str, object]]:
        """Describe the faults that may still be applied."""
        rules = [
            {**_row(rule.fault), "left": None if rule.fault.times is None else rule.fault.times - rule.struck}
            for rule in self._rules
            if rule.struck != rule.fault.times
        ]
        return rules + [
            {**_row(fault), "rate": rate} for chances in self._chances for fault, rate in chances.rates
        ]

    def clear(self) -> None:
        """Clear all faults."""
        self._rules.clear()
        self._chances.clear()
        self.note()

    def strike(self, operation: str) -> Strike:
        """Choose the failure of a request."""
        kind: FaultKind | None = None
        slowed: list[Fault] = []
        for rule in self._rules:
            if not rule.is_ready(operation):
                continue
            if rule.fault.kind.is_slowness:
                slowed.append(rule.fault)
            elif kind is None:
                kind = rule.fault.kind
            else:
                continue
            rule.struck += 1
        for fault in (fault for chances in self._chances for fault in chances.draw(operation)):
            if fault.kind.is_slowness:
                slowed.append(fault)
            else:
                kind = kind or fault.kind
        return Strike(
            kind,
            latency=sum(fault.seconds for fault in slowed if fault.kind is FaultKind.LATENCY),
            drip=sum(fault.seconds for fault in slowed if fault.kind is FaultKind.DRIP),
        )


def _row(fault: Fault) -> dict[str, object]:
    return {"kind": fault.kind, "operation": fault.operation, "seconds": fault.seconds}


def _random_fault(kind: FaultKind | str, operation: str, seconds: float) -> Fault:
    kind = FaultKind(kind)
    return Fault(kind=kind, operation=operation, seconds=seconds if kind.is_slowness else 0.0)
