"""Secrets and the tokens made with them. Pure.

*Model.* The token of a callback URL is ``v1.<reference>.<HMAC-SHA256>``, in base64url: characters that no URL
has to escape. It is the last parameter of the URL, so that it ends where the provider's parameters begin.
"""

from __future__ import annotations

import hmac
import re
from base64 import urlsafe_b64decode, urlsafe_b64encode
from unicodedata import category

from frontpay_async.errors import ConfigurationError, InvalidChecksumError

TOKEN = "frontpay_token"  # noqa: S105 - the name of a parameter
LONGEST_REFERENCE = 200

_TOKEN_FORM = re.compile(r"v1\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]{43})")
_TOKEN_PURPOSE = b"frontpay_async callback token v1\0"


class _InvalidSecretError(ConfigurationError, ValueError):
    """An exception for a secret that was copied or read incorrectly."""


# Residues of copying from a page, a file or a shell: blanks, line breaks, a BOM, zero-width characters.
_INVISIBLE = "\ufeff\u200b\u200c\u200d\u2060"
_QUOTES = ('""', "''", "``", "\u201c\u201d", "\u2018\u2019", "\u00ab\u00bb")


def to_key(secret: str | bytes, *, name: str = "secret") -> bytes:
    """Read a secret."""
    if not isinstance(secret, (str, bytes)):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(f"{name} must be text or bytes, not {type(secret).__name__}")
    # The codec's error would contain the secret.
    key = secret.encode(errors="surrogatepass") if isinstance(secret, str) else secret
    problem = _problem(secret if isinstance(secret, str) else _text_of(secret))
    if problem:
        raise _InvalidSecretError(f"{name} {problem}; copy it again")
    return key


def _text_of(secret: bytes) -> str:
    """Return the text of a key; a binary key is used unchanged."""
    text = secret.decode(errors="replace")
    inner = text.strip().strip(_INVISIBLE)
    return text if not inner or (inner.isprintable() and "\ufffd" not in inner) else "binary"


def _problem(text: str) -> str | None:
    if not text.strip():
        return "is empty"
    if text != text.strip():
        return "begins or ends with a blank or a line break"
    if any(category(character) == "Cf" for character in text):
        return "contains an invisible character such as a byte order mark"
    if len(text) > 1 and text[0] + text[-1] in _QUOTES:
        return "is in quotes"
    if any(character < " " for character in text):
        return "contains a control character"
    return None


def make_token(reference: str, key: bytes) -> str:
    """Return the token of a reference."""
    # A lone surrogate is valid in Python, but cannot be encoded.
    if not 0 < len(reference) <= LONGEST_REFERENCE or any("\ud800" <= c <= "\udfff" for c in reference):
        raise ValueError(f"an order reference must have 1 to {LONGEST_REFERENCE} characters")
    body = _base64(reference.encode())
    return f"v1.{body}.{_seal(body, key)}"


def read_token(token: str, key: bytes) -> str:
    """Return the reference of a token."""
    form = _TOKEN_FORM.fullmatch(token)
    if form is None or not hmac.compare_digest(_seal(form[1], key), form[2]):
        raise InvalidChecksumError("the callback's token was not made with this secret")
    return urlsafe_b64decode(form[1] + "==").decode()


def _seal(body: str, key: bytes) -> str:
    return _base64(hmac.digest(key, _TOKEN_PURPOSE + body.encode(), "sha256"))


def _base64(content: bytes) -> str:
    return urlsafe_b64encode(content).rstrip(b"=").decode()
