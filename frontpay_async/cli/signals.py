"""SIGTERM and closing the terminal stop a command like Ctrl-C.

Otherwise they would kill it in the middle of a payment, which would not be cancelled, and the exit status
would not show whether money moved.
"""

from __future__ import annotations

import os
import signal
import sys
from functools import partial
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

# Windows has no hangup.
_HANGUP: signal.Signals | None = getattr(signal, "SIGHUP", None)


def heed_signals() -> None:
    """Make SIGTERM and SIGHUP act like Ctrl-C."""
    signal.signal(signal.SIGTERM, _interrupt)
    # Under nohup SIGHUP is ignored, and stays ignored.
    if _HANGUP is not None and signal.getsignal(_HANGUP) is signal.SIG_DFL:
        signal.signal(_HANGUP, partial(_hang_up, iter([True])))


def ignore_signals() -> None:
    """Ignore further signals, so that the exit status, which shows whether money moved, is kept."""
    for number in (signal.SIGINT, signal.SIGTERM, _HANGUP):
        if number is not None:
            signal.signal(number, signal.SIG_IGN)


def _interrupt(_: int, frame: FrameType | None) -> None:
    handler = signal.getsignal(signal.SIGINT)
    # Shells start background jobs with Ctrl-C ignored.
    (handler if callable(handler) else signal.default_int_handler)(signal.SIGINT, frame)


def _hang_up(first: Iterator[bool], number: int, frame: FrameType | None) -> None:
    # The kernel sends one and the shell another: the second must not give up what the first has begun. It may
    # interrupt this handler before the signal is ignored, but not one step of an iterator.
    if not next(first, False):
        return
    signal.signal(number, signal.SIG_IGN)
    for stream in (sys.__stdout__, sys.__stderr__):
        if stream is not None and stream.isatty():
            nowhere = os.open(os.devnull, os.O_WRONLY)
            os.dup2(nowhere, stream.fileno())
            os.close(nowhere)
    _interrupt(number, frame)
