"""The forms in which a server may repeat a value that it was sent. Pure.

Two ways, because encodings can be mixed and nested: escapes of URLs, JSON and HTML are undone before a text
is searched; forms that depend on the bytes of the value (Base64, hexadecimal, a wrong charset) are searched
for.

*Limit*: what was encrypted, hashed or rewritten by other rules is not recognised.
"""

from __future__ import annotations

import json
import re
import unicodedata
from base64 import b64encode, urlsafe_b64encode
from html import escape, unescape
from typing import TYPE_CHECKING
from urllib.parse import quote, quote_plus, unquote

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_UNICODE_ESCAPE = re.compile(r"\\+u\{?([0-9a-f]{4,6})\}?", re.IGNORECASE)
_BACKSLASHES = re.compile(r"\\+(?=[/\"'])")
# An escape of an escape of an escape.
_ROUNDS = 3
_LAST_CHARACTER = 0x10FFFF
# Letters that have no decomposition, as they are written without Norwegian letters.
_LATIN = str.maketrans({"ø": "o", "Ø": "O", "æ": "ae", "Æ": "Ae", "ß": "ss", "đ": "d", "Đ": "D"})
# The Base64 form of a shorter part occurs in other words.
_SHORTEST_PART = 8


def decoded(text: str) -> str:
    """Return a text with the escapes of URLs, JSON and HTML undone, and compatible characters unified."""
    for _ in range(_ROUNDS):
        former = text
        text = unescape(unquote(text))
        text = _BACKSLASHES.sub("", _UNICODE_ESCAPE.sub(_character, text))
        # Two escapes may be halves of one character.
        text = text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        text = unicodedata.normalize("NFKC", "".join(each for each in text if _is_visible(each)))
        if text == former:
            break
    return text


def spellings(values: Iterable[str]) -> frozenset[str]:
    """Return values in all forms that are searched for."""
    return frozenset(each for value in values for each in _spellings(value) if each)


def _spellings(value: str) -> Iterator[str]:
    for each in {value, unicodedata.normalize("NFC", value), unicodedata.normalize("NFD", value)}:
        yield from (each, quote(each), quote(each, safe=""), quote_plus(each), escape(each))
        # With and without escapes of non-ASCII characters, and with PHP's escaped slashes.
        for text in (json.dumps(each)[1:-1], json.dumps(each, ensure_ascii=False)[1:-1]):
            yield from (text, text.replace("/", "\\/"))
        if not each.isascii():
            yield from _without_its_charset(each)
        for content in {each.encode("utf-8", "surrogatepass"), each.encode("latin-1", "replace")}:
            yield content.hex()
            yield from _in_base64(content)


def _without_its_charset(value: str) -> Iterator[str]:
    for cased in (value, value.lower(), value.upper()):
        for charset in ("latin-1", "cp1252"):
            yield cased.encode("utf-8", "replace").decode(charset, "replace")
    yield value.encode("ascii", "replace").decode()
    yield value.encode("ascii", "ignore").decode()
    bare = unicodedata.normalize("NFD", value.translate(_LATIN))
    yield "".join(each for each in bare if not unicodedata.combining(each))


def _in_base64(content: bytes) -> Iterator[str]:
    """Yield what Base64 makes of bytes, by themselves and as a part of others."""
    for encode in (b64encode, urlsafe_b64encode):
        whole = encode(content).decode()
        yield from (whole, whole.rstrip("="))
        for before in range(3):
            # The characters in which no bit of the bytes before and behind has a part.
            first, end = -(-before * 8 // 6), (before + len(content)) * 8 // 6
            part = encode(bytes(before) + content).decode()[first:end]
            if len(part) >= _SHORTEST_PART:
                yield part


def _character(match: re.Match[str]) -> str:
    number = int(match[1], 16)
    return chr(number) if number <= _LAST_CHARACTER else match[0]


def _is_visible(character: str) -> bool:
    return unicodedata.category(character) != "Cf"
