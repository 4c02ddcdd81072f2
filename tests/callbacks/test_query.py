"""Reading a callback, and what its checksum covers."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from starlette.datastructures import QueryParams

from frontpay_async import (
    CallbackError,
    InvalidChecksumError,
    OrderStatus,
    ReplayedCallbackError,
    StaleCallbackError,
)
from frontpay_async.callbacks import (
    CallbackGuard,
    CallbackKind,
    OrderCallback,
    TerminalCallback,
    parse_callback,
    sign_callback_url,
    verify_checksum,
)
from frontpay_async.callbacks.query import read_query
from tests.support.callbacks import EXAMPLE, NOW, ORDER, SECRET, TERMINAL, checksum, query, signed

SIGNED_FIELDS = {"order_uuid", "status", "created_at", "payment_method", "amount", "timestamp"}


def test_a_callback_about_an_order() -> None:
    assert parse_callback(query(signed())) == OrderCallback(
        order_uuid="ODR1566017307",
        status=OrderStatus.PAID,
        created_at=datetime.fromtimestamp(NOW - 5000, UTC),
        payment_method="Card",
        amount=Decimal("102.00"),
        timestamp=datetime.fromtimestamp(NOW - 10, UTC),
    )


@pytest.mark.parametrize(("status", "is_approved"), [("Approved", True), ("Cancelled", False)])
@pytest.mark.parametrize(
    ("kind", "read"), [("Payment", CallbackKind.PAYMENT), ("Payment_Refund", CallbackKind.REFUND)]
)
def test_a_callback_about_a_terminal(status: str, is_approved: bool, kind: str, read: CallbackKind) -> None:
    callback = parse_callback(query({**TERMINAL, "status": status, "type": kind}))
    assert callback == TerminalCallback(
        order_uuid="ODR1566017307",
        kind=read,
        is_approved=is_approved,
        total_amount=Decimal(42),
        currency="NOK",
        base_amount=Decimal(42),
        vat_amount=Decimal(0),
    )
    assert callback.is_cancelled is not is_approved


def test_the_references_example_has_neither_base_nor_vat() -> None:
    callback = parse_callback("orderUuid=ODR12334&status=Cancelled&type=Payment&totalAmount=42&currency=NOK")
    assert isinstance(callback, TerminalCallback)
    assert (callback.base_amount, callback.vat_amount, callback.is_cancelled) == (None, None, True)


@pytest.mark.parametrize(
    "form",
    [
        query,
        lambda fields: f"?{query(fields)}",
        lambda fields: query(fields).encode(),
        dict,
        lambda fields: list(fields.items()),
        lambda fields: iter(fields.items()),
        lambda fields: [list(pair) for pair in fields.items()],
        lambda fields: QueryParams(query(fields)),
    ],
    ids=["text", "with its ?", "bytes", "mapping", "pairs", "iterator", "lists", "Starlette's"],
)
def test_a_query_is_text_bytes_a_mapping_or_pairs(form: Any) -> None:
    assert verify_checksum(form(signed()), SECRET).status is OrderStatus.PAID


@pytest.mark.parametrize("space", ["+", "%20"])
def test_values_are_hashed_decoded(space: str) -> None:
    text = query(signed(status="PARTIAL REFUNDED", paymentMethod="Kort på nett"))
    callback = verify_checksum(text.replace("+", space), SECRET)
    assert callback.status is OrderStatus.PARTIAL_REFUNDED
    assert callback.payment_method == "Kort på nett"


def test_an_unlisted_status_is_kept() -> None:
    callback = verify_checksum(query(signed(status="ON_HOLD")), SECRET)
    assert callback.status == "ON_HOLD"
    assert not callback.status.is_final


def test_the_checksum_says_what_it_covers() -> None:
    assert verify_checksum(query(signed()), SECRET).signed_fields == SIGNED_FIELDS


@pytest.mark.parametrize("name", ORDER)
def test_a_changed_value_is_refused(name: str) -> None:
    other = {"status": "CANCELLED", "paymentMethod": "Vipps", "amount": "1.00", "orderUuid": "ODR7"}
    fields = {**signed(), name: other.get(name, str(NOW))}
    with pytest.raises(InvalidChecksumError) as caught:
        verify_checksum(query(fields), SECRET)
    assert caught.value.order_uuid == fields["orderUuid"]


@pytest.mark.parametrize(
    "given", ["", "0" * 64, "x", "é" * 64, signed()["checksum"].upper(), signed()["checksum"] + " "]
)
def test_another_checksum_is_refused(given: str) -> None:
    with pytest.raises(InvalidChecksumError):
        verify_checksum({**signed(), "checksum": given}, SECRET)


@pytest.mark.parametrize("secret", ["other", b"others", SECRET + "s"])
def test_another_secret_is_refused(secret: str | bytes) -> None:
    with pytest.raises(InvalidChecksumError):
        verify_checksum(signed(), secret)


def test_a_secret_is_text_or_bytes() -> None:
    assert verify_checksum(signed(), SECRET.encode()) == verify_checksum(signed(), SECRET)
    with pytest.raises(ValueError, match="empty"):
        verify_checksum(signed(), "")
    with pytest.raises(TypeError, match="text or bytes"):
        verify_checksum(signed(), 7)  # type: ignore[arg-type]


def test_a_terminal_callback_has_no_checksum() -> None:
    with pytest.raises(InvalidChecksumError):
        verify_checksum(TERMINAL, SECRET)
    with pytest.raises(CallbackError):
        verify_checksum({**TERMINAL, "checksum": checksum("".join(TERMINAL.values()))}, SECRET)


@pytest.mark.parametrize(
    "moved",
    [
        {"amount": "10", "timestamp": f"2.00{NOW - 10}"},
        {"amount": f"102.00{str(NOW - 10)[:1]}", "timestamp": str(NOW - 10)[1:]},
        {"orderUuid": "ODR156601730", "status": "7PAID"},
        {"orderUuid": "ODR1566017307P", "status": "AID"},
        {"paymentMethod": "Card1", "amount": "02.00"},
        {"createdAt": str(NOW - 5000)[:-1], "paymentMethod": f"{str(NOW - 5000)[-1]}Card"},
        {"paymentMethod": "", "amount": "Card102.00"},
    ],
)
def test_nothing_can_be_moved_between_neighbours(moved: dict[str, str]) -> None:
    """The glued text, and so its checksum, stay the same."""
    fields = {**signed(), **moved}
    assert "".join(fields.values()) == "".join(signed().values())
    with pytest.raises(CallbackError):
        verify_checksum(fields, SECRET)


def test_nothing_can_be_moved_into_a_parameter_that_was_made_up() -> None:
    pairs = list(signed().items())
    pairs[4:5] = [("amount", "10"), ("x", "2.00")]
    with pytest.raises(InvalidChecksumError):
        verify_checksum(pairs, SECRET)


def test_names_cannot_be_swapped() -> None:
    """A genuine callback whose names are exchanged has the same glued text."""
    names = ["orderUuid", "paymentMethod", "timestamp", "status", "amount", "createdAt", "checksum"]
    with pytest.raises(InvalidChecksumError):
        verify_checksum(list(zip(names, signed().values(), strict=True)), SECRET)


def test_small_amounts_cannot_be_read_as_times() -> None:
    """The text of 16 kroner also reads as 42 kroner, with its names in another order."""
    genuine = signed(amount="16", paymentMethod="", timestamp=f"{NOW + 42}")
    other = {
        "orderUuid": genuine["orderUuid"],
        "status": genuine["status"],
        "timestamp": genuine["createdAt"],
        "paymentMethod": "",
        "createdAt": f"16{NOW + 42}"[:10],
        "amount": "42",
        "checksum": genuine["checksum"],
    }
    assert "".join(other.values()) == "".join(genuine.values())
    with pytest.raises(InvalidChecksumError):
        verify_checksum(other, SECRET)
    assert verify_checksum(genuine, SECRET).amount == 16


def test_another_order_of_the_names_is_hashed_as_received() -> None:
    order = ("orderUuid", "status", "createdAt", "amount", "paymentMethod", "timestamp")
    callback = verify_checksum(signed({name: ORDER[name] for name in order}), SECRET)
    assert callback.amount == Decimal("102.00")
    with pytest.raises(InvalidChecksumError):
        verify_checksum(dict(sorted(signed().items(), reverse=True)), SECRET)


@pytest.mark.parametrize(
    ("uuid", "amount"), [("ODR1566017307", "102.00"), ("ODR1566017307", "7"), ("ODR1", "102.00")]
)
def test_an_order_of_names_that_could_be_cut_otherwise_is_refused(uuid: str, amount: str) -> None:
    """The border between the digits of the id and those of the amount could be anywhere."""
    order = ("orderUuid", "amount", "status", "createdAt", "paymentMethod", "timestamp")
    said = {**ORDER, "orderUuid": uuid, "amount": amount}
    with pytest.raises(InvalidChecksumError):
        verify_checksum(signed({name: said[name] for name in order}), SECRET)


@pytest.mark.parametrize("are_hashed", [True, False])
def test_parameters_of_the_callback_url_may_be_hashed_or_not(are_hashed: bool) -> None:
    own = {"shop": "7", "lang": "no"}
    fields = signed({**own, **ORDER}) if are_hashed else {**own, **signed()}
    assert verify_checksum(fields, SECRET).amount == Decimal("102.00")


def test_a_hashed_parameter_cannot_be_changed() -> None:
    with pytest.raises(InvalidChecksumError):
        verify_checksum({**signed({"shop": "7", **ORDER}), "shop": "8"}, SECRET)


def test_unknown_parameters_are_ignored() -> None:
    more = {"newThing": "1", "tracking": "", "type": "Payment"}
    assert verify_checksum({**signed(), **more}, SECRET).amount == Decimal("102.00")


def test_the_newer_form_is_known_beside_the_older() -> None:
    assert verify_checksum(signed(), SECRET).signed_fields == SIGNED_FIELDS


@pytest.mark.parametrize(
    ("age", "is_fresh"), [(0, True), (300, True), (301, False), (-300, True), (-301, False)]
)
def test_the_window_of_freshness(age: int, is_fresh: bool) -> None:
    fields = signed(timestamp=str(NOW - age))
    if is_fresh:
        assert verify_checksum(fields, SECRET, now=NOW).timestamp is not None
    else:
        with pytest.raises(StaleCallbackError) as caught:
            verify_checksum(fields, SECRET, now=NOW)
        assert caught.value.order_uuid == "ODR1566017307"


@pytest.mark.parametrize("name", [*ORDER, "checksum"])
@pytest.mark.parametrize("fault", ["missing", "twice", "long"])
def test_a_parameter_that_is_missing_twice_or_too_long(name: str, fault: str) -> None:
    pairs = [pair for pair in signed().items() if fault != "missing" or pair[0] != name]
    if fault != "missing":
        pairs.append((name, signed()[name] * (9000 if fault == "long" else 1)))
    with pytest.raises(CallbackError):
        parse_callback(pairs, accept_older_form=False)
    with pytest.raises(CallbackError):
        parse_callback("&".join(f"{key}={value}" for key, value in pairs), accept_older_form=False)


@pytest.mark.parametrize("name", ["orderUuid", "status", "type", "totalAmount", "currency"])
def test_a_terminal_callback_without_a_parameter(name: str) -> None:
    with pytest.raises(CallbackError):
        parse_callback({key: value for key, value in TERMINAL.items() if key != name})


@pytest.mark.parametrize(
    ("name", "value"),
    [
        *[("orderUuid", value) for value in ("", "1", "ODR", "ODR1/../2", "ODR\u0661", "CSR1", "ODR1\n")],
        *[("status", value) for value in ("", "PAID1", "BETALT Ø", "\n", "P" * 41)],
        *[("createdAt", value) for value in ("", "0760000000", "176000000", "17600000000", "1e9", "-1")],
        *[("paymentMethod", value) for value in ("Card\n", "C" * 61)],
        *[("amount", value) for value in ("1\n", "1" * 63)],
        *[("timestamp", value) for value in ("", "17600000001", "2025-10-09")],
    ],
)
def test_a_malformed_value_is_refused(name: str, value: str) -> None:
    with pytest.raises(CallbackError) as caught:
        verify_checksum(signed(**{name: value}), SECRET)
    assert value == "" or value not in str(caught.value).split()


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("orderUuid", "7"),
        ("status", "Paid"),
        ("type", "Order"),
        ("totalAmount", "\n"),
        ("currency", "kr"),
    ],
)
def test_a_malformed_value_of_a_terminal_is_refused(name: str, value: str) -> None:
    with pytest.raises(CallbackError):
        parse_callback({**TERMINAL, name: value})


UNREADABLE = [
    *("", " ", "-", "--1", "-01", "+1", "01", "1.", ".5", "1e3", "NaN", "1,5", "1_0", "\u0663"),
    *("1,234.50", "1 234,50", "1\u00a0234,50", "1.234,50", "1'234.50", "kr 102", "102,-", "null", "1" * 31),
]


@pytest.mark.parametrize("names", [EXAMPLE, tuple(ORDER)], ids=["example", "table"])
@pytest.mark.parametrize("amount", UNREADABLE)
async def test_an_unreadable_amount_hides_no_change_of_an_order(amount: str, names: tuple[str, ...]) -> None:
    """The order and its status are verified; the amount is not guessed, and has to be asked for."""
    said = signed({name: ORDER[name] for name in names}, amount=amount)
    callback = await CallbackGuard(SECRET, now=lambda: NOW).check(query(said))
    assert isinstance(callback, OrderCallback)
    assert (callback.status, callback.amount) == (OrderStatus.PAID, None)
    assert {"order_uuid", "status", "timestamp"} <= callback.signed_fields
    assert "amount" not in callback.signed_fields


@pytest.mark.parametrize("amount", ["1,234.50", "1 234,50", "", "1,5"])
def test_an_unreadable_amount_after_an_unlisted_method_is_not_read_as_another(amount: str) -> None:
    """Its digits may be moved to the method, which gives a number that the API never sent."""
    genuine = signed(amount=amount, paymentMethod="Bitcoin")
    assert verify_checksum(genuine, SECRET).amount is None
    text = f"Bitcoin{amount}"
    moved = {**genuine, "paymentMethod": text[:-1], "amount": text[-1]}
    if moved["amount"].isdigit():
        assert "amount" not in verify_checksum(moved, SECRET).signed_fields


@pytest.mark.parametrize("amount", ["1,234.50", "", "1 234,50"])
def test_an_unreadable_amount_beside_an_id_is_ambiguous(amount: str) -> None:
    """In a sequence that is not documented, its digits may belong to the id."""
    order = ("orderUuid", "amount", "status", "createdAt", "paymentMethod", "timestamp")
    said = {**ORDER, "amount": amount}
    with pytest.raises(InvalidChecksumError) as caught:
        verify_checksum(signed({name: said[name] for name in order}), SECRET)
    assert (caught.value.is_ambiguous, caught.value.order_uuid) == (True, ORDER["orderUuid"])


@pytest.mark.parametrize("amount", UNREADABLE)
def test_an_unreadable_amount_hides_no_end_of_a_terminal_payment(amount: str) -> None:
    callback = parse_callback({**TERMINAL, "totalAmount": amount, "baseAmount": amount, "vatAmount": amount})
    assert isinstance(callback, TerminalCallback)
    assert (callback.total_amount, callback.base_amount, callback.vat_amount) == (None, None, None)
    assert callback.is_approved


async def test_two_refunds_of_different_unreadable_amounts_are_not_copies() -> None:
    guard = CallbackGuard(SECRET, now=lambda: NOW)
    url = sign_callback_url("https://shop.example.no/cb", "B-1", SECRET)
    token = {"frontpay_token": url.rpartition("=")[2]}
    for amount in ("1,234.50", "1 234,51"):
        await guard.check({**token, **TERMINAL, "totalAmount": amount})
    with pytest.raises(ReplayedCallbackError):
        await guard.check({**token, **TERMINAL, "totalAmount": amount})


@pytest.mark.parametrize(
    ("name", "value"), [("createdAt", "1760000000123"), ("timestamp", "2025-10-09T08:53Z")]
)
def test_a_time_of_another_form_names_the_order_to_check(name: str, value: str) -> None:
    with pytest.raises(CallbackError, match=f"{name} is malformed: check the order's status") as caught:
        verify_checksum(signed({**ORDER, name: value}), SECRET)
    assert caught.value.order_uuid == ORDER["orderUuid"]


@pytest.mark.parametrize(
    "given",
    [
        "",
        b"?",
        {},
        [],
        b"\xff\xfe=1",
        "orderUuid=%ff",
        "orderUuid=\ud800",
        {"orderUuid": "\ud800"},
        f"{query(signed())}&amount=",
        {"shop": "\ud800", **signed()},
        {"\ud800": "7", **signed()},
        {"shop": "x" * 8190, **signed()},
        {"x" * 8190: "", **signed()},
        {**{f"own{number}": "" for number in range(60)}, **signed()},
        "&".join(f"p{n}=1" for n in range(65)),
        [(f"p{n}", "1") for n in range(65)],
        "a" * 8193,
        b"a" * 8193,
        {"a": 7},
        {"orderUuid": ["ODR1"]},
        [("a", "b", "c")],
        ["ab"],
        [None],
        [("a", b"b")],
    ],
    ids=lambda given: repr(given)[:40],
)
def test_what_is_no_callback_is_refused(given: Any) -> None:
    with pytest.raises(CallbackError):
        parse_callback(given)


def test_the_longest_query_is_read() -> None:
    assert len(read_query({"shop": "x" * 8188})["shop"]) == 8188
    assert len(read_query({f"own{number}": "" for number in range(64)})) == 64
    for longer in ({"shop": "x" * 8189}, {f"own{number}": "" for number in range(65)}):
        with pytest.raises(CallbackError, match="longer than any"):
            read_query(longer)


def test_parameters_behind_a_second_question_mark_are_separated() -> None:
    fields = read_query("?shop=7?orderUuid=ODR1&status=PAID")
    assert fields == {"shop": "7", "orderUuid": "ODR1", "status": "PAID"}


def test_an_endless_query_is_not_read_to_its_end() -> None:
    with pytest.raises(CallbackError):
        parse_callback((f"p{n}", "") for n in itertools.count())


def test_starlettes_parameters_do_not_hide_what_came_twice() -> None:
    with pytest.raises(CallbackError, match="repeated parameter"):
        parse_callback(QueryParams(f"{query(signed())}&amount=1"))


def test_errors_do_not_show_what_came() -> None:
    with pytest.raises(InvalidChecksumError) as caught:
        verify_checksum(signed(secret="other"), SECRET)
    shown = f"{caught.value!r} {caught.value}"
    assert not [value for value in (*signed().values(), SECRET) if value in shown]


@pytest.mark.parametrize("query", [None, 7, 1.5, object()])
def test_what_is_no_query_is_refused_as_one(query: Any) -> None:
    with pytest.raises(CallbackError, match="must be a query string or its parameters, not"):
        parse_callback(query)
