"""Masking of personal and secret data in text from the API. Pure.

It combines patterns (URLs, e-mail addresses, long numbers) with the values that were sent, which a server may
repeat as they are or encoded.

*Cost*: text is cut before it is masked, so no response leads to an error that is large or slow to build.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl

from frontpay_async._protocol.spellings import decoded

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

    from frontpay_async._exact_json import Json

# Every alternative starts at a word's start or is of bounded length, so that the work grows with the
# length of the text and not with its square.
_WORDS = re.compile(
    r"""
    # A payment URL may carry BankID session secrets; its host is of use to support.
    (?P<scheme>[a-z][a-z0-9+.-]{0,20}:\\?/\\?/)(?:[^\s/?\#"<>@\\]*@)?(?P<host>[^\s/?\#"<>@\\]*)[^\s"<>]*
    | (?<![^\s@"<>])[^\s@"<>]+@[^\s"<>]*  # e-mail addresses
    # The same without a scheme.
    | (?P<site>(?<![^\s"'<>(:,;=])(?:[a-z0-9-]{1,63}\.){1,8}[a-z]{2,20}(?::\d{1,5})?)\\?/[^\s"<>]+
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


_LONGEST = 2000
# The cut may be inside a value that must be masked, so more text is masked than is kept.
_BEYOND = 500
# Shorter values occur in too many words.
_SHORTEST_VALUE = 3
# A value of this length is masked in a longer word, too: a token that follows a word without a blank.
_LONG_VALUE = 8
_SHORTEST_WORD = 4
_MANY_WORDS = frozenset({"name", "firstName", "street", "customerName"})
# The members of requests whose values are personal or secret. A product's name is not a customer's.
_PERSONAL = _MANY_WORDS | {
    *("msisdn", "email", "personalNumber", "personalId", "organizationId", "zip", "city", "customerEmail"),
    *("callbackUrl", "successUrl", "failureUrl", "note", "cancellationNote", "customerNotes", "phone"),
}
_NOT_PERSONAL = frozenset({"products", "productList"})


def redact(text: str, sent: Collection[str] = ()) -> str:
    """Mask personal and secret data, cut long text, and escape unprintable characters."""
    # Masked are the values that were sent, URLs beyond the host, e-mail addresses, bearer tokens, and runs of
    # eight or more digits.
    cut = text[: _LONGEST + max([_BEYOND, *map(len, sent)])]
    is_cut = len(text) > len(cut)
    if sent:
        cut = _without(sent, cut)
        plain = decoded(cut)
        known = plain if plain == cut else _without(sent, plain)
        if known != plain:
            # Where the text was cut, half an escaped value may be left.
            cut = known[: -max(map(len, sent))] if is_cut else known
    masked = _NUMBERS.sub(_mask_number, _WORDS.sub(_mask_word, cut))
    if len(text) > _LONGEST:
        masked = masked[:_LONGEST] + "…"
    return masked if masked.isprintable() else "".join(map(_escape, masked))


def _without(sent: Collection[str], text: str) -> str:
    """Return a text with the values that it contains masked."""
    folded = text.casefold()
    # A pattern of all of them would take a hundred times as long.
    contained = [value for value in sent if value.casefold() in folded]
    if not contained:
        return text
    # The longest first: a name may be part of an address.
    values = "|".join(map(_whole, sorted(contained, key=len, reverse=True)))
    return re.sub(values, "***", text, flags=re.IGNORECASE)


def values_in(body: bytes | None) -> set[str]:
    """Return the personal and secret values in a request's body."""
    if not body:
        return set()
    return {value for value in _personal(json.loads(body)) if len(value) >= _SHORTEST_VALUE}


def _personal(value: Json, name: str = "") -> Iterator[str]:
    if isinstance(value, dict):
        for each, member in value.items():
            if each not in _NOT_PERSONAL:
                yield from _personal(member, each)
    elif isinstance(value, list):
        for row in value:
            yield from _personal(row, name)
    elif isinstance(value, str) and name in _PERSONAL:
        yield value.strip()
        if name in _MANY_WORDS:
            yield from (word for word in re.findall(r"\w+", value) if len(word) >= _SHORTEST_WORD)


def values_in_query(path: str) -> set[str]:
    """Return the personal and secret values in the query of a request's path."""
    asked = parse_qsl(path.partition("?")[2])
    return {each for name, value in asked for each in _personal(value, name) if len(each) >= _SHORTEST_VALUE}


def _whole(value: str) -> str:
    """Return a pattern for a value; a short one only where it is not a part of a longer word."""
    if len(value) >= _LONG_VALUE:
        return re.escape(value)
    before = r"(?<!\w)" if value[:1].isalnum() else ""
    after = r"(?!\w)" if value[-1:].isalnum() else ""
    return f"{before}{re.escape(value)}{after}"


def _escape(character: str) -> str:
    return character if character.isprintable() or character == "\u00a0" else f"\\u{{{ord(character):x}}}"


def _mask_word(match: re.Match[str]) -> str:
    if match["scheme"]:
        return f"{match['scheme']}{match['host']}/***"
    return f"{match['site']}/***" if match["site"] else "***"


def _mask_number(match: re.Match[str]) -> str:
    return match["id"] or "***"
