"""Masking of what may be personal or secret in text that the API sent."""

from __future__ import annotations

import re

__all__ = ["redact"]

_SENSITIVE = re.compile(
    r"""
    (?P<url>https?://[^\s/?\#"']+)[^\s"']*        # a payment URL may carry BankID session secrets
    | [^\s@"'<>]+@[^\s@"'<>]+                     # e-mail addresses
    | \bBearer\s+\S+                              # credentials
    | (?<![A-Za-z0-9])\+?\d[\d ]{6,}\d(?!\w)      # personal, phone and account numbers; not ODR…
    """,
    re.VERBOSE | re.IGNORECASE,
)


def redact(text: str) -> str:
    """Mask URLs beyond the host, e-mail addresses, bearer tokens, and runs of eight or more digits."""
    return _SENSITIVE.sub(lambda match: f"{match['url']}/***" if match["url"] else "***", text)
