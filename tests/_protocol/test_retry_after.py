from __future__ import annotations

import pytest

from frontpay_async._protocol.retry_after import retry_after

NOW = "Tue, 07 Apr 2026 10:00:00 GMT"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "17"}, 17.0),
        ({"retry-after": " 0 "}, 0.0),
        ({"retry-after": "17", "x-ratelimit-reset": "1775556030", "date": NOW}, 17.0),
        ({"retry-after": "Tue, 07 Apr 2026 10:01:30 GMT", "date": NOW}, 90.0),
        ({"retry-after": "Tue, 07 Apr 2026 12:01:30 +0200", "date": NOW}, 90.0),
        ({"retry-after": "Tue, 07 Apr 2026 10:01:30 -0000", "date": NOW}, 90.0),
        ({"retry-after": "Tue, 07 Apr 2026 09:00:00 GMT", "date": NOW}, 0.0),
        ({"retry-after": "Tue, 07 Apr 2026 10:01:30 GMT"}, None),
        ({"x-ratelimit-reset": "1775556030", "date": NOW}, 30.0),
        ({"x-ratelimit-reset": "1775555000", "date": NOW}, 0.0),
        ({"x-ratelimit-reset": "1775556030"}, None),
        ({"x-ratelimit-reset": "99999999999", "date": NOW}, None),
        ({"x-ratelimit-reset": "soon", "date": NOW}, None),
    ],
    ids=repr,
)
def test_how_long_an_answer_asks_to_wait(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


@pytest.mark.parametrize(
    "text",
    [
        "",
        "-5",
        "1.5",
        "soon",
        "\u0663",
        "\u00b2",
        "Tue, 07 Apr 99999999999 10:00:00 GMT",
        "Tue, 32 Apr 2026 10:00:00 GMT",
        "Tue, 07 Apr 2026 10:00:00 +9999999999",
        "1e5",
        "\x00",
    ],
)
def test_what_says_nothing_asks_for_nothing(text: str) -> None:
    assert retry_after({"retry-after": text, "date": NOW}) is None


def test_an_absurd_wait_is_still_a_number() -> None:
    assert retry_after({"retry-after": "9" * 500}) == 9_999_999_999.0
