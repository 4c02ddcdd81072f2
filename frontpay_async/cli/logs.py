"""Log records on a terminal, with control characters escaped."""

from __future__ import annotations

import logging

from frontpay_async.cli.output import clean


class _Formatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return clean(super().format(record), keep="\n\t")


def clean_logs() -> None:
    """Print warnings and errors with escaped control characters, unless the process configures logging."""
    if logging.getLogger().handlers:
        return
    handler = logging.StreamHandler()
    handler.setLevel(logging.WARNING)
    handler.setFormatter(_Formatter())
    logging.getLogger().addHandler(handler)
