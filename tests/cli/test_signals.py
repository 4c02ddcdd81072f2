"""What a hangup does that comes twice at once."""

from __future__ import annotations

import signal
import sys
from typing import TYPE_CHECKING

from frontpay_async.cli import signals

if TYPE_CHECKING:
    import pytest


def test_a_second_hangup_gives_up_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    """It may come before the first is handled; a second Ctrl-C would leave the payment on the terminal."""
    monkeypatch.setattr(sys, "__stdout__", None)
    monkeypatch.setattr(sys, "__stderr__", None)
    interrupts: list[int] = []
    before = signal.getsignal(signal.SIGHUP), signal.getsignal(signal.SIGINT)
    signal.signal(signal.SIGINT, lambda number, _: interrupts.append(number))
    first = iter([True])
    try:
        for _ in range(2):
            signals._hang_up(first, signal.SIGHUP, None)
    finally:
        signal.signal(signal.SIGHUP, before[0])
        signal.signal(signal.SIGINT, before[1])
    assert interrupts == [signal.SIGINT]
