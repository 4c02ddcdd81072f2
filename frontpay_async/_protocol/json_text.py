"""Decoding the JSON of a response. Pure.

*Guarantee*: numbers are exact; NaN, Infinity and objects that name a member twice with different values are
errors, because readers differ in which value counts. A large text lets other threads run while it is decoded:
the C decoder of the standard library holds the GIL for as long as it takes, seconds for a million members, so
it only gets values and objects of bounded size here.
"""

from __future__ import annotations

import json
import re
from decimal import Decimal
from json import decoder
from typing import TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from frontpay_async._exact_json import Json, JsonObject

_LARGE = 128 * 1024
_BLANK = " \t\n\r"
_BLANKS = re.compile(r"[ \t\n\r]*")
_EMPTY_ARRAY = re.compile(r"\[[ \t\n\r]*\]")
_EMPTY_OBJECT = re.compile(r"\{[ \t\n\r]*\}")
# Up to a thousand rows or members that are numbers, words or short texts, each with the comma behind it.
_SCALAR = r'(?:[^"\\{}\[\],]++|[ \t\n\r]*+"[^"\\]*+"[ \t\n\r]*+),'
_ROWS = re.compile(f"(?:{_SCALAR}){{4,1000}}+")
_MEMBERS = re.compile(f'(?:[ \\t\\n\\r]*+"[^"\\\\]*+"[ \\t\\n\\r]*+:{_SCALAR}){{4,1000}}+')
_TWICE = "a member occurs twice, with different values"
# An object of at most thirty members without a container or a backslash, such as a row of a list.
_SMALL = re.compile(r'\{(?:[^"\\{}\[\]]++|"[^"\\]*+"){0,120}+\}')


def decode_json(body: bytes) -> Json:
    """Decode a body; raise ValueError if it is not JSON of the kind that is accepted."""
    # Like json.loads, without building a decoder each time. What begins like this can only be UTF-8.
    encoding = "utf-8" if body.startswith(b'{"') else json.detect_encoding(body)
    text = body.decode(encoding, "surrogatepass")
    return cast("Json", _DECODER.decode(text) if len(text) <= _LARGE else _decode_large(text))


def _members(pairs: list[tuple[str, Json]]) -> JsonObject:
    members = dict(pairs)
    if len(members) != len(pairs) and any(members[name] != value for name, value in pairs):
        raise ValueError(_TWICE)
    return members


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


_DECODER = json.JSONDecoder(parse_float=Decimal, parse_constant=_refuse_constant, object_pairs_hook=_members)
# What the decoder itself is made of; neither is in its type stubs.
_scan: Any = vars(_DECODER)["scan_once"]
_scan_text: Any = vars(decoder)["scanstring"]


def _decode_large(text: str) -> Json:
    value, at = _value(text, _after_blanks(text, 0))
    if _after_blanks(text, at) != len(text):
        raise ValueError(f"more follows at {at}")
    return value


def _value(text: str, at: int) -> tuple[Json, int]:
    opening = text[at : at + 1]
    if opening == "[":
        return _array(text, at)
    if opening == "{" and _SMALL.match(text, at) is None:
        return _object(text, at)
    try:
        return cast("tuple[Json, int]", _scan(text, at))
    except StopIteration:
        raise ValueError(f"not JSON at {at}") from None


def _array(text: str, at: int) -> tuple[Json, int]:
    rows: list[Json] = []
    end = _EMPTY_ARRAY.match(text, at)
    sign = ","
    while end is None and sign == ",":
        run = _ROWS.match(text, at + 1)
        if run is not None:
            rows += cast("list[Json]", _DECODER.decode(f"[{run[0][:-1]}]"))
            at = run.end() - 1
        row, at = _value(text, _after_blanks(text, at + 1))
        rows.append(row)
        sign, at = _next_sign(text, at, ",]")
    return rows, end.end() if end else at + 1


def _object(text: str, at: int) -> tuple[Json, int]:
    members: JsonObject = {}
    end = _EMPTY_OBJECT.match(text, at)
    sign = ","
    while end is None and sign == ",":
        run = _MEMBERS.match(text, at + 1)
        if run is not None:
            more = cast("JsonObject", _DECODER.decode(f"{{{run[0][:-1]}}}"))
            if any(members.get(name, value) != value for name, value in more.items()):
                raise ValueError(_TWICE)
            members.update(more)
            at = run.end() - 1
        at = _after_blanks(text, at + 1)
        if text[at : at + 1] != '"':
            raise ValueError(f"a name is missing at {at}")
        name, at = _scan_text(text, at + 1)
        _, at = _next_sign(text, at, ":")
        value, at = _value(text, _after_blanks(text, at + 1))
        if members.setdefault(name, value) != value:
            raise ValueError(_TWICE)
        sign, at = _next_sign(text, at, ",}")
    return members, end.end() if end else at + 1


def _next_sign(text: str, at: int, signs: str) -> tuple[str, int]:
    sign = text[at : at + 1]
    if sign in _BLANK:
        at = _after_blanks(text, at)
        sign = text[at : at + 1]
    if not sign or sign not in signs:
        raise ValueError(f"{signs[0]} is missing at {at}")
    return sign, at


def _after_blanks(text: str, at: int) -> int:
    return at if text[at : at + 1] not in _BLANK else cast("re.Match[str]", _BLANKS.match(text, at)).end()
