"""Faults on demand: what goes wrong, when, and how often; by rule or at a seeded random rate."""

from __future__ import annotations

import random
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from attrs import define, field, frozen

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["Fault", "FaultKind", "Faults"]


class FaultKind(StrEnum):
    """Name what goes wrong; "before" means that nothing was done, "after" that it was."""

    ERROR_500_BEFORE = "500-before"
    ERROR_500_AFTER = "500-after"
    ERROR_510_BEFORE = "510-before"
    ERROR_510_AFTER = "510-after"
    HTML_502_BEFORE = "502-before"
    HTML_502_AFTER = "502-after"
    DROP_BEFORE = "drop-before"
    """The connection is dropped without an answer, and nothing was done."""
    DROP_AFTER = "drop-after"
    """The connection is dropped without an answer, after it was done."""
    CUT_BODY = "cut-body"
    """It is done, and half of the answer arrives."""
    UNKNOWN_STATUS = "unknown-status"
    """The answer names a status that no reference lists."""
    BUSY = "busy"
    """The terminal is busy: a 510 that says so, and nothing was done."""
    LATENCY = "latency"
    """The answer takes ``seconds`` longer; may come with any other."""
    DRIP = "drip"
    """The answer arrives byte by byte, over ``seconds``; may come with any other."""

    @property
    def is_slowness(self) -> bool:
        """Whether it only slows the answer down."""
        return self in (FaultKind.LATENCY, FaultKind.DRIP)


@frozen(kw_only=True)
class Fault:
    """Say what goes wrong where.

    Args:
        kind: What goes wrong.
        operation: The operations it strikes, as a shell pattern: ``orders.send_invoice``, ``terminals.*``.
        times: How often; None for ever.
        skip: How many matching requests pass first.
        seconds: For slowness, how long.
    """

    kind: FaultKind = field(converter=FaultKind)
    operation: str = "*"
    times: int | None = 1
    skip: int = 0
    seconds: float = 0.0


@define(eq=False)
class _Rule:
    fault: Fault
    seen: int = 0

    def strikes(self, operation: str) -> bool:
        fault = self.fault
        if not fnmatchcase(operation, fault.operation):
            return False
        self.seen += 1
        return self.seen > fault.skip and (fault.times is None or self.seen <= fault.skip + fault.times)


@define(eq=False)
class Faults:
    """Decide which faults strike a request."""

    _rules: list[_Rule] = field(init=False, factory=list)
    _rates: list[tuple[Fault, float]] = field(init=False, factory=list)
    _chance: random.Random = field(init=False, factory=random.Random)

    def add(self, fault: Fault) -> None:
        """Add a rule; of several that match, the oldest strikes."""
        self._rules.append(_Rule(fault))

    def add_random(
        self, rates: Mapping[FaultKind | str, float], *, seed: int, operation: str, seconds: float
    ) -> None:
        """Let faults strike at random: the same seed and the same requests give the same faults.

        Args:
            rates: The share of requests that each kind strikes, 0 to 1; they add up to at most 1 but for slowness.
            seed: Decides which.
            operation: The operations that are struck, as a shell pattern.
            seconds: For slowness, how long.

        Raises:
            ValueError: A rate is not between 0 and 1, or they add up to more.
        """
        faults = [
            (Fault(kind=FaultKind(kind), operation=operation, seconds=seconds), rate)
            for kind, rate in rates.items()
        ]
        if (
            not all(0 <= rate <= 1 for _, rate in faults)
            or sum(r for f, r in faults if not f.kind.is_slowness) > 1
        ):
            raise ValueError("rates are shares of all requests: each between 0 and 1, and together at most 1")
        self._rates += faults
        self._chance.seed(seed)

    def clear(self) -> None:
        """Forget all faults."""
        self._rules.clear()
        self._rates.clear()

    def strike(self, operation: str) -> tuple[Fault | None, list[Fault]]:
        """Return the fault that strikes a request, if any, and what slows it down."""
        struck = next(
            (
                rule.fault
                for rule in self._rules
                if not rule.fault.kind.is_slowness and rule.strikes(operation)
            ),
            None,
        )
        slowed = [
            rule.fault for rule in self._rules if rule.fault.kind.is_slowness and rule.strikes(operation)
        ]
        draw = self._chance.random() if self._rates else 1.0
        for fault, rate in self._rates:
            if not fnmatchcase(operation, fault.operation):
                continue
            if fault.kind.is_slowness:
                if self._chance.random() < rate:
                    slowed.append(fault)
            elif 0 <= draw < rate:
                struck = struck or fault
                draw = 1.0
            else:
                draw -= rate
        return struck, slowed
