"""Decoding the JSON of a response: exact, unambiguous, and never long at a stretch."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, strategies as st

from frontpay_async._protocol import json_text
from frontpay_async._protocol.json_text import decode_json
from frontpay_async._protocol.messages import HttpResponse
from frontpay_async._protocol.operations import CANCEL_ORDER, SEND_INVOICE
from frontpay_async.errors import OutcomeUnknownError
from tests.support.wire import answer, read

if TYPE_CHECKING:
    from collections.abc import Callable

BLANKS = " " * 200_000
"""Behind a text they make it a large one, which is decoded in pieces."""

TEXTS = st.text(alphabet='ab"\\{}[],: \t\nå', max_size=4)
SCALARS = st.none() | st.booleans() | st.integers() | st.sampled_from([Decimal("1.50"), "NaN", "1"]) | TEXTS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=9) | st.dictionaries(TEXTS, inner, max_size=9),
    max_leaves=30,
)


def outcome(decode: Callable[[str], Any], text: str) -> Any:
    """Return what a text means, or that it is not JSON."""
    try:
        return decode(text)
    except ValueError:
        return "not JSON"


@given(
    VALUES,
    st.sampled_from([None, 1]),
    st.integers(0, 200),
    st.sampled_from(["", *'{}[],:"\\ x1']),
    st.booleans(),
)
def test_a_large_text_means_the_same_as_a_small_one(
    value: Any, indent: int | None, place: int, spoilt: str, cut: bool
) -> None:
    text = json.dumps(value, default=str, indent=indent, ensure_ascii=cut)
    changed = text[:place] + spoilt + text[place + cut :]
    for each in (text, changed):
        assert outcome(json_text._DECODER.decode, each) == outcome(json_text._decode_large, each)


@pytest.mark.parametrize(
    "inner",
    [
        ",".join(f'"k{number}":{number}' for number in range(60_000)),
        '"list":[' + "1," * 100_000 + "1]",
        '"rows":[' + ",".join(f'{{"uuid":"ODR{number}","status":"}}"}}' for number in range(20_000)) + "]",
        '"a":[[' + "[],{}," * 25_000 + "[]]]",
        ",".join(f'"\\u0041{number}": "}}{{"' for number in range(30_000)),
    ],
    ids=["members", "numbers", "rows", "empty", "escapes"],
)
def test_a_large_text_is_decoded_in_short_pieces(inner: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The standard library's decoder holds the GIL, and so the event loop, for as long as a piece takes."""
    scan, decoder, pieces = json_text._scan, json_text._DECODER, []

    def scan_one(text: str, at: int) -> Any:
        value, end = scan(text, at)
        pieces.append(end - at)
        return value, end

    class Measured:
        def decode(self, text: str) -> Any:
            pieces.append(len(text))
            return decoder.decode(text)

    expected = json.loads("{" + inner + "}")
    monkeypatch.setattr(json_text, "_scan", scan_one)
    monkeypatch.setattr(json_text, "_DECODER", Measured())
    assert decode_json(b"{%b}" % inner.encode()) == expected
    assert max(pieces) < 40_000


@pytest.mark.parametrize("blanks", ["", BLANKS], ids=["small", "large"])
@pytest.mark.parametrize(
    "text",
    [
        '{"is_error": true, "is_error": false}',
        '{"data": {"uuid": "ODR1"}, "is_data": true, "data": {"uuid": "ODR2"}}',
        '{"data": {"uuid": "ODR1", "uuid": "ODR2"}}',
        '{"a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "a": 6, "f": [1]}',
        '{"f": [], "a": 1, "b": 2, "c": 3, "d": 4, "e": 5, "f": 6}',
        '{"uuid": "ODR1", "\\u0075uid": "ODR2"}',
        '[{"uuid": "ODR1", "uuid": null}]',
    ],
)
def test_a_member_with_two_values_is_not_json(text: str, blanks: str) -> None:
    """Readers differ in which of the two they take."""
    with pytest.raises(ValueError, match="occurs twice"):
        decode_json((text + blanks).encode())


@pytest.mark.parametrize("blanks", ["", BLANKS], ids=["small", "large"])
def test_a_member_that_is_repeated_as_it_was_is_accepted(blanks: str) -> None:
    assert decode_json(('{"a": [1.0], "b": "x", "a": [1.0]}' + blanks).encode()) == {"a": [1], "b": "x"}


@pytest.mark.parametrize("row", [SEND_INVOICE, CANCEL_ORDER], ids=lambda row: row.name)
def test_a_success_that_contradicts_itself_is_unknown(row: Any) -> None:
    body = f'{{"message": "{row.message}", "is_data": true, "is_error": true, "is_error": false,'
    data = '"data": {"uuid": "ODR1", "customerUuid": "CSRT1"}}'
    with pytest.raises(OutcomeUnknownError):
        read(row, answer(row.success, (body + data).encode()), "ODR1")


def test_what_is_not_json_is_decoded_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """And the error does not hold the body, as the decoder's does."""
    response = HttpResponse(500, {}, b"<html>secret</html>")
    with pytest.raises(ValueError, match="Expecting") as caught:
        response.json()
    assert not hasattr(caught.value, "doc")
    assert caught.value.__context__ is None
    monkeypatch.setattr("frontpay_async._protocol.messages.decode_json", None)
    assert response.envelope() == {}
