"""Callbacks: the API's HTTP GETs to a merchant, parsed, verified, and accepted once."""

from __future__ import annotations

from frontpay_async.callbacks.answer import CallbackAnswer, answer_callback
from frontpay_async.callbacks.guard import (
    Acceptance,
    CallbackGuard,
    parse_callback,
    sign_callback_url,
    verify_checksum,
)
from frontpay_async.callbacks.query import Query
from frontpay_async.callbacks.replay import Claim, MemoryReplayStore, ReplayStore
from frontpay_async.models.callbacks import Callback, CallbackKind, OrderCallback, TerminalCallback

__all__ = [
    "Acceptance",
    "Callback",
    "CallbackAnswer",
    "CallbackGuard",
    "CallbackKind",
    "Claim",
    "MemoryReplayStore",
    "OrderCallback",
    "Query",
    "ReplayStore",
    "TerminalCallback",
    "answer_callback",
    "parse_callback",
    "sign_callback_url",
    "verify_checksum",
]
