from __future__ import annotations

import json
from base64 import b64encode, urlsafe_b64encode
from html import escape
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest
from hypothesis import given, strategies as st

from frontpay_async._protocol.redact import redact, values_in, values_in_query
from frontpay_async._protocol.spellings import spellings

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("born 01017012345.", "born ***."),
        ("born 010170 12345", "born ***"),
        ("born 010170\u00a012345", "born ***"),
        ("born 010170-12345", "born ***"),
        ("account 1234.56.78901", "account ***"),
        ("account 1234 56 78901", "account ***"),
        ("call +47 400 12 345 now", "call *** now"),
        ("call 40012345", "call ***"),
        ("nr01017012345og", "nr***og"),
        ("company 987654321", "company ***"),
        ("ODR01017012345", "ODR***"),
    ],
)
def test_numbers_of_people(text: str, masked: str) -> None:
    assert redact(text) == masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("to eva@example.no", "to ***"),
        ("to <eva@example.no>", "to <***>"),
        ('"eva@example.no"', '"***"'),
        ("mailto:o'neil+x@example.no", "***"),
        ("email=eva@example.no", "***"),
        ("ODR3506777330@example.no", "***"),
        ("12345678 9eva@example.no", "*** ***"),
    ],
)
def test_email_addresses(text: str, masked: str) -> None:
    assert redact(text) == masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("see https://pay.example/s/abc?token=1#x", "see https://pay.example/***"),
        ("see https://pay.example", "see https://pay.example/***"),
        ("see HTTP://pay.example:8080/abc", "see HTTP://pay.example:8080/***"),
        ("https://eva:secret@pay.example/", "https://pay.example/***"),
        (r"https:\/\/pay.example\/abc", r"https:\/\/pay.example/***"),
        ("bankid:///?autostarttoken=abc", "bankid:///***"),
        ("https://pay.example/it's", "https://pay.example/***"),
        ("01017012345https://pay.example/abc", "***https://pay.example/***"),
    ],
)
def test_urls_keep_their_host(text: str, masked: str) -> None:
    assert redact(text) == masked


@pytest.mark.parametrize("text", ["Bearer abc.def", "Authorization: bearer  1|abc"])
def test_credentials(text: str) -> None:
    assert redact(text).endswith("***")
    assert "abc" not in redact(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "orderNotFound",
        "The order date does not match the format d M, Y.",
        "ODR3506777330 CSRT3463048878 TRML1914739698 ORG2074299506",
        "products.0.name",
        "2024-04-07 10:30:00",
        "4 500,00 kr",
        "1234567",
        "12:30 @ noon",
        "a:/b",
    ],
)
def test_what_is_not_personal_stays(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("see pay.frontpayment.no/s/abc-def now", "see pay.frontpayment.no/*** now"),
        ("(pay.example/s?t=1)", "(pay.example/***"),
        ("and/or products.0.name 1.5/2", "and/or products.0.name 1.5/2"),
    ],
)
def test_links_without_a_scheme(text: str, masked: str) -> None:
    assert redact(text) == masked


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("bad\nINFO forged line", "bad\\u{a}INFO forged line"),
        ("\x1b[31mred\x1b[0m", "\\u{1b}[31mred\\u{1b}[0m"),
        ("half \ud83d a face", "half \\u{d83d} a face"),
        ("\u202ereversed \u2028 \x00", "\\u{202e}reversed \\u{2028} \\u{0}"),
        ("Prøve 4,50 €", "Prøve 4,50 €"),
    ],
)
def test_what_is_not_printable_is_escaped(text: str, shown: str) -> None:
    assert redact(text) == shown
    redact(text).encode("utf-8")


SENT = ("Eva Prøve", "Kirkegata 4", "0153", "fp-live-7f3c|9a", "Eva")


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("no customer EVA PRØVE at Kirkegata 4.", "no customer *** at ***."),
        ("token fp-live-7f3c|9a is wrong", "token *** is wrong"),
        ("notedfp-live-7f3c|9ax", "noted***x"),
        ("Evangeline and 10153 stay", "Evangeline and 10153 stay"),
        ("(Eva)", "(***)"),
    ],
)
def test_what_was_sent_is_masked(text: str, masked: str) -> None:
    assert redact(text, SENT) == masked


def test_the_values_of_a_request_that_are_personal() -> None:
    body = json.dumps(
        {
            "products": [{"name": "Haircut deluxe", "productId": "P-77"}],
            "customerDetails": {
                "name": "Eva Prøve",
                "type": "private",
                "email": "eva@example.no",
                "address": {"street": "Kirkegata 4", "zip": "0153", "city": "Oslo", "country": "NO"},
            },
            "callback": {"callbackUrl": "https://shop.example/cb?key=s3cr3t"},
            "cancellationNote": "asked by Eva",
        }
    ).encode()
    assert values_in(body) == {
        *("Eva Prøve", "Prøve", "eva@example.no", "Kirkegata 4", "Kirkegata", "0153", "Oslo"),
        *("https://shop.example/cb?key=s3cr3t", "asked by Eva"),
    }
    assert values_in(None) == values_in(b"") == set()


@pytest.mark.parametrize(
    "repeated",
    [
        "17|aB3-secretTokenValue/4", "17%7CaB3-secretTokenValue%2F4", "17%7CaB3-secretTokenValue/4",
        "17|aB3-secretTokenValue\\/4", "Æ|ØseHansen", "%C3%86%7C%C3%98seHansen", "\\u00c6|\\u00d8seHansen",
        "Bj&amp;rk &lt;i&gt;", "Bj%26rk+%3Ci%3E", "Bj%26rk%20%3Ci%3E",
    ],
)  # fmt: skip
def test_what_was_sent_is_masked_however_it_is_spelt(repeated: str) -> None:
    sent = spellings({"17|aB3-secretTokenValue/4", "Æ|ØseHansen", "Bj&rk <i>"})
    assert redact(f"said: {repeated} again", sent) == "said: *** again"


SECRET = "17|aB3-secretTokenValue/4"
STREET = "Gjøvikveien 1B/C"


ENCODINGS: Mapping[str, Callable[[str], str]] = {
    "all per cent": lambda value: "".join(f"%{byte:02x}" for byte in value.encode()),
    "per cent twice": lambda value: quote(quote(value)),
    "all JSON": lambda value: "".join(f"\\u{ord(each):04X}" for each in value),
    "JSON twice": lambda value: json.dumps(json.dumps(value)),
    "all HTML": lambda value: "".join(f"&#{ord(each)};" for each in value),
    "mixed": lambda value: quote(escape(json.dumps(value))),
    "Base64": lambda value: b64encode(value.encode()).decode(),
    "Base64 for URLs": lambda value: urlsafe_b64encode(value.encode()).decode().rstrip("="),
    "hexadecimal": lambda value: value.encode().hex().upper(),
    "Latin-1": lambda value: value.encode().decode("latin-1"),
    "small cp1252": lambda value: value.lower().encode().decode("cp1252"),
    "no Norwegian": lambda value: value.replace("ø", "o"),
    "ASCII": lambda value: value.replace("ø", "?"),
    "invisible": "\u200b".join,
    "full width": lambda value: value.replace("i", "\uff49"),
}


@pytest.mark.parametrize("value", [SECRET, STREET])
@pytest.mark.parametrize("encoding", ENCODINGS)
def test_what_was_sent_is_masked_however_it_is_encoded(value: str, encoding: str) -> None:
    shown = redact(f"said: {ENCODINGS[encoding](value)} again", spellings({value}))
    for left in ('"', "\\", "=", "%26quot%3B"):
        shown = shown.replace(left, "")
    assert shown == "said: *** again"


@pytest.mark.parametrize("before", [b"", b"B", b"Be", b"Bearer "])
@pytest.mark.parametrize("behind", [b"", b"x", b'", "'])
def test_what_was_sent_is_masked_within_base64(before: bytes, behind: bytes) -> None:
    coded = b64encode(before + SECRET.encode() + behind).decode()
    shown = redact(f"said: {coded}", spellings({SECRET}))
    assert "***" in shown
    assert len(shown) - len("said: ***") <= len(b64encode(before)) + len(b64encode(behind)) + 2


@pytest.mark.parametrize("text", ["50%25 off", "R&amp;D", "\\u00e5pen", "a\\/b", "&#229;", "\uff21"])
def test_a_text_without_such_a_value_stays_as_it_is(text: str) -> None:
    assert redact(text, spellings({SECRET})) == text


def test_half_of_an_escaped_value_is_not_shown() -> None:
    escaped = "".join(f"&#{ord(each)};" for each in SECRET)
    for blanks in range(0, 2600, 13):
        assert "aB3" not in redact(f"{SECRET}%41 {'&#32;' * (blanks // 5)}{escaped * 5}", spellings({SECRET}))


def test_the_values_of_a_query_that_are_personal() -> None:
    path = "subscriptions/list?page=2&phone=%2B4740012345&customerName=Eva%20Pr%C3%B8ve&startDate=2026-01-01"
    assert values_in_query(path) == {"+4740012345", "Eva Prøve", "Prøve"}
    assert values_in_query("orders/status") == set()


@pytest.mark.parametrize("before", [0, 1400, 1990, 1999])
def test_nothing_is_shown_of_a_long_value_that_is_cut(before: int) -> None:
    token = "eyJ0eXAi" * 400
    shown = redact(f"{' x' * (before // 2)} {token}", spellings({token}))
    assert "eyJ0" not in shown
    assert len(shown) <= 2001


@pytest.mark.parametrize("word", ["aaa:", "1 ", "a@", "Bearer ", "a.", "x://"])
def test_a_long_text_is_cut_before_it_is_masked(word: str) -> None:
    masked = redact(word * 4_000_000, SENT)
    assert len(masked) <= 2001
    assert masked.endswith("…") or len(masked) < 10


@given(st.integers(1900, 2100))
def test_nothing_is_shown_of_a_number_that_is_cut(before: int) -> None:
    """The cut is made after the masking."""
    assert "0101" not in redact("x" * before + " 01017012345 " + "y" * 5000)
