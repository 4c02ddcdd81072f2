from __future__ import annotations

import pytest

from frontpay_async._protocol.redact import redact


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
