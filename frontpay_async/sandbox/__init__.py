"""A stateful sandbox of Front Payment's Connect API, for experiments, demos and tests."""

from __future__ import annotations

from frontpay_async.sandbox.callback_sender import CallbackFault, CallbackForm, CallbackSender, SentCallback
from frontpay_async.sandbox.faults import Fault, FaultKind
from frontpay_async.sandbox.inspect.feed import RecordedRequest
from frontpay_async.sandbox.sandbox import Sandbox
from frontpay_async.sandbox.settings import (
    DEFAULT_CALLBACK_SECRET,
    DEFAULT_ORGANIZATION,
    DEFAULT_TERMINAL,
    DEFAULT_TOKEN,
    Cardholder,
)
from frontpay_async.sandbox.state import Duplicate, Event, ForbiddenEventError, SandboxOrder
from frontpay_async.sandbox.terminal_behaviour import MAGIC_AMOUNTS, Behaviour, DeclineReason

__all__ = [
    "DEFAULT_CALLBACK_SECRET",
    "DEFAULT_ORGANIZATION",
    "DEFAULT_TERMINAL",
    "DEFAULT_TOKEN",
    "MAGIC_AMOUNTS",
    "Behaviour",
    "CallbackFault",
    "CallbackForm",
    "CallbackSender",
    "Cardholder",
    "DeclineReason",
    "Duplicate",
    "Event",
    "Fault",
    "FaultKind",
    "ForbiddenEventError",
    "RecordedRequest",
    "Sandbox",
    "SandboxOrder",
    "SentCallback",
]
