"""Masking of what may be personal or secret in text that the API sent. Pure."""

from __future__ import annotations

import re

# Every alternative starts at a word's start or is of bounded length, so that the work grows with the
# length of the text and not with its square.
_WORDS = re.compile(
    r"""
    # A payment URL may carry BankID session secrets; its host is of use to support.
    (?P<scheme>[a-z][a-z0-9+.-]{0,20}:\\?/\\?/)(?:[^\s/?\#"<>@\\]*@)?(?P<host>[^\s/?\#"<>@\\]*)[^\s"<>]*
    | (?<![^\s@"<>])[^\s@"<>]+@[^\s"<>]*  # e-mail addresses
    | \b(?:Bearer\s+)+\S+                  # credentials
    """,
    re.VERBOSE | re.IGNORECASE,
)
_NUMBERS = re.compile(
    r"""
    (?P<id>(?<!\w)[A-Z]{3,4}\d{10}(?!\w))  # an id of the API's, such as ODR3506777330: kept
    | \+?\d[\d\ \u00a0]{6,}\d              # personal, phone and account numbers
    | \d{6}-\d{5} | \d{4}\.\d{2}\.\d{5}    # the same, as people write them
    """,
    re.VERBOSE,
)


def redact(text: str) -> str:
    """Mask URLs beyond the host, e-mail addresses, bearer tokens, and runs of eight or more digits."""
    return _NUMBERS.sub(_mask_number, _WORDS.sub(_mask_word, text))


def _mask_word(match: re.Match[str]) -> str:
    return f"{match['scheme']}{match['host']}/***" if match["scheme"] else "***"


def _mask_number(match: re.Match[str]) -> str:
    return match["id"] or "***"
