from __future__ import annotations

import json

import pytest
from hypothesis import given, strategies as st

from frontpay_async._protocol.redact import redact, spellings, values_in


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
