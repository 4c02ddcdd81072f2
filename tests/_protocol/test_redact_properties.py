from __future__ import annotations

from typing import Any

from hypothesis import given, strategies as st

from frontpay_async import FrontPayError
from frontpay_async._protocol.operations import OPERATIONS
from frontpay_async._protocol.redact import redact
from tests.support.wire import answer, read

AROUND = st.text(max_size=12) | st.sampled_from(
    ["", " ", "x", "ODR", "a@", "Bearer ", "1", "12345678 ", "http:", "/", "<", '"', "'", "email="]
)
ELEVEN = st.from_regex(r"\A[0-9]{11}\Z")
LOCAL = st.from_regex(r"\A[a-zA-Z0-9!#$%&'*+/=?^_`{|}~-]{1,20}(\.[a-zA-Z0-9]{1,9})?\Z")
# Nothing that is put around can make or hide this.
SECRET = st.from_regex(r"\A[a-zA-Z]{4}Qj[a-zA-Z]{4}\Z")


@given(before=AROUND, number=ELEVEN, after=AROUND)
def test_no_eleven_digits_get_through(before: str, number: str, after: str) -> None:
    assert number not in redact(before + number + after)


@given(before=AROUND, local=LOCAL, domain=SECRET, after=AROUND)
def test_no_email_address_gets_through(before: str, local: str, domain: str, after: str) -> None:
    masked = redact(f"{before}{local}@{domain}.no{after}")
    assert domain not in masked
    assert f"{local}@" not in masked


@given(
    before=AROUND,
    scheme=st.sampled_from(["https://", "HTTP://", "https:\\/\\/", "bankid:///", "myapp://"]),
    user=st.sampled_from(["", "me:pw@"]),
    way=st.sampled_from(["/", "/a/", "?", "/?t=", "#", "/it's/", "\\/"]),
    secret=SECRET,
)
def test_no_path_of_a_url_gets_through(before: str, scheme: str, user: str, way: str, secret: str) -> None:
    masked = redact(f"{before}{scheme}{user}pay.example{way}{secret}")
    assert secret not in masked
    assert "pw@" not in masked


@given(before=AROUND, gap=st.sampled_from([" ", "\t", "\n  "]), secret=SECRET)
def test_no_credential_gets_through(before: str, gap: str, secret: str) -> None:
    assert secret not in redact(f"{before} Bearer{gap}{secret}")


@given(st.text(st.characters(exclude_categories=["C", "Z"]) | st.just(" "), max_size=60))
def test_masking_twice_changes_nothing_more(text: str) -> None:
    once = redact(text)
    assert redact(once) == once


@given(
    operation=st.sampled_from(list(OPERATIONS.values())),
    status=st.integers(200, 599),
    number=ELEVEN,
    shape=st.sampled_from(
        [
            lambda secret: {"message": secret},
            lambda secret: {"message": "x", "errors": secret},
            lambda secret: {"message": "x", "errors": [secret, {"a": [secret]}]},
            lambda secret: {"message": "x", "errors": {secret: secret}},
            lambda secret: {"data": {"uuid": [secret], "orderUuid": {"a": secret}, "productList": secret}},
            lambda secret: {"data": [{"uuid": {"b": secret}}], "order_status": secret},
        ]
    ),
)
def test_no_error_shows_what_it_was_made_from(operation: Any, status: int, number: str, shape: Any) -> None:
    try:
        read(operation, answer(status, shape(f"Kunde {number} eva@example.no")), "ODR7")
    except FrontPayError as error:
        shown = f"{error} {error!r} {vars(error)}"
        assert number not in shown
        assert "eva@" not in shown
