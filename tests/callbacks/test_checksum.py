"""Which sequences of parameters are accepted, and which of their values the checksum vouches for."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

import pytest

from frontpay_async import CallbackError, InvalidChecksumError, OrderStatus, StaleCallbackError
from frontpay_async.callbacks import CallbackGuard, OrderCallback, parse_callback, verify_checksum
from tests.support.callbacks import (
    EXAMPLE,
    NOW,
    OLDER,
    ORDER,
    SECRET,
    WITHOUT_METHOD,
    checksum,
    query,
    signed,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

# Copied, so that a word that is lost from either list is noticed.
STATUSES = (
    "SENT", "PAID", "CANCELLED", "EXPIRED", "INVOICED", "REFUNDED", "PARTIAL REFUNDED", "PURRING", "INKASSO",
    "RESERVED", "RESERVED NOT PAID", "CAPTURED", "CHARGED", "COMPLETED", "ONGOING", "SUCCESS", "SUCCESSFUL",
    "REFUND PENDING", "REMINDER", "REMINDER SENT", "DEBT COLLECTION", "DEBTCOLLECTION", "OVER PAYMENT",
    "CREDITED", "CONVERTED TO ACCOUNT", "PENDING", "FAILED",
)  # fmt: skip
METHODS = (
    "visa", "mastercard", "vipps", "invoice", "card", "mobilepay", "amex", "american express", "maestro",
    "dankort", "bankaxept", "swish", "apple pay", "google pay", "faktura", "efaktura", "ehf",
)  # fmt: skip
ALL = {"order_uuid", "status", "created_at", "payment_method", "amount", "timestamp"}
SURE = ALL - {"payment_method", "amount"}
TABLE = tuple(ORDER)
SEQUENCES = pytest.mark.parametrize("sequence", [EXAMPLE, TABLE], ids=["example", "table"])


def said(sequence: tuple[str, ...] = EXAMPLE, **others: str) -> dict[str, str]:
    """A genuine callback in a sequence of the documented parameters."""
    values = {**ORDER, **others}
    return signed({name: values[name] for name in sequence})


def recut(fields: Mapping[str, str], **others: str) -> dict[str, str]:
    """The same text, and so the same checksum, divided otherwise."""
    forged = {**fields, **others}
    assert "".join(forged.values()) == "".join(fields.values())
    return forged


def test_the_vendors_example_url() -> None:
    """Its parameters and their sequence, with an id and times of ours."""
    text = (
        "orderUuid=ODR3712039481&status=success&paymentMethod=Visa&amount=1250.00"
        "&createdAt=1759995000&timestamp=1759999990"
    )
    glued = "ODR3712039481successVisa1250.0017599950001759999990"
    callback = verify_checksum(f"{text}&checksum={checksum(glued)}", SECRET, now=NOW)
    assert callback == OrderCallback(
        order_uuid="ODR3712039481",
        status=OrderStatus("success"),
        created_at=datetime.fromtimestamp(1759995000, UTC),
        payment_method="Visa",
        amount=Decimal("1250.00"),
        timestamp=datetime.fromtimestamp(1759999990, UTC),
        signed_fields=frozenset(ALL),
    )


@SEQUENCES
@pytest.mark.parametrize("uuid", ["ODR1566017307", "RES3712039481", "SUB4412", "CAP17", "CHA3", "RES12ab3"])
@pytest.mark.parametrize("status", ["PAID", "INVOICED", "RESERVED", "CAPTURED", "CHARGED", "success"])
@pytest.mark.parametrize("method", ["Visa", "visa", "mastercard", "vipps", "invoice", "Card"])
def test_both_sequences_vouch_for_everything(
    sequence: tuple[str, ...], uuid: str, status: str, method: str
) -> None:
    fields = said(sequence, orderUuid=uuid, status=status, paymentMethod=method)
    callback = verify_checksum(query(fields), SECRET, now=NOW)
    assert callback.signed_fields == ALL
    assert (callback.order_uuid, callback.status, callback.payment_method) == (uuid, status, method)
    assert callback.amount == Decimal("102.00")


@SEQUENCES
@pytest.mark.parametrize("amount", ["0", "7", "16", "1250", "0.50", "99999999.99", "-5.00", "-5", "-0.01"])
def test_any_amount_is_vouched_for(sequence: tuple[str, ...], amount: str) -> None:
    callback = verify_checksum(said(sequence, paymentMethod="Visa", amount=amount), SECRET)
    assert callback.signed_fields == ALL
    assert str(callback.amount) == amount


@SEQUENCES
@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("spelled", [str.upper, str.lower, str.title], ids=["upper", "lower", "title"])
def test_a_listed_status_ends_where_the_payment_method_begins(
    sequence: tuple[str, ...], status: str, spelled: object
) -> None:
    word = status.replace(" ", "_") if spelled is str.lower else spelled(status)  # type: ignore[operator]
    callback = verify_checksum(said(sequence, status=word, paymentMethod="Visa"), SECRET)
    assert callback.signed_fields == ALL
    assert callback.status == OrderStatus(word)
    # Also beside a payment method that is not listed.
    callback = verify_checksum(said(sequence, status=word, paymentMethod="Klarna"), SECRET)
    assert callback.signed_fields == SURE


@pytest.mark.parametrize("method", METHODS)
def test_a_listed_payment_method_ends_where_the_amount_begins(method: str) -> None:
    callback = verify_checksum(said(paymentMethod=method.title()), SECRET)
    assert callback.signed_fields == ALL


@pytest.mark.parametrize(
    "moved",
    [
        {"status": "PAIDV", "paymentMethod": "isa"},
        {"status": "PAI", "paymentMethod": "DVisa"},
        {"status": "P", "paymentMethod": "AIDVisa"},
    ],
)
def test_a_border_beside_a_listed_status_cannot_be_moved(moved: dict[str, str]) -> None:
    with pytest.raises(InvalidChecksumError) as caught:
        verify_checksum(recut(said(status="PAID", paymentMethod="Visa"), **moved), SECRET)
    assert caught.value.is_ambiguous


def test_a_status_of_several_words_cannot_be_shortened() -> None:
    fields = said(status="RESERVED NOT PAID", paymentMethod="Visa")
    with pytest.raises(InvalidChecksumError):
        verify_checksum(recut(fields, status="RESERVED", paymentMethod=" NOT PAIDVisa"), SECRET)


@pytest.mark.parametrize(
    ("sequence", "method", "signed_fields"),
    [
        (EXAMPLE, "Visa", ALL),
        (TABLE, "Visa", ALL),
        (EXAMPLE, "Klarna", SURE - {"status"}),
        (TABLE, "Klarna", SURE),
    ],
)
def test_an_unlisted_status_is_accepted(
    sequence: tuple[str, ...], method: str, signed_fields: set[str]
) -> None:
    """Beside an unlisted payment method its end is uncertain; it is never a listed status."""
    callback = verify_checksum(said(sequence, status="ON_HOLD", paymentMethod=method), SECRET)
    assert (callback.status, callback.status.is_final) == ("ON_HOLD", False)
    assert callback.order_uuid == "ODR1566017307"
    assert callback.signed_fields == signed_fields


@SEQUENCES
@pytest.mark.parametrize("method", ["Visa2", "3D Secure", "Klarna30", "2", "B2B", "4.5", "Pay-", "PayPal4"])
def test_a_payment_method_with_digits_is_a_notice(sequence: tuple[str, ...], method: str) -> None:
    callback = verify_checksum(said(sequence, paymentMethod=method, amount="5.00"), SECRET, now=NOW)
    assert callback.signed_fields == SURE
    assert (callback.payment_method, callback.amount) == (method, Decimal("5.00"))
    assert (callback.order_uuid, callback.status) == ("ODR1566017307", OrderStatus.PAID)


@SEQUENCES
@pytest.mark.parametrize(
    ("genuine", "forged"),
    [
        (("Visa", "102.00"), ("Visa10", "2.00")),
        (("Klarna30", "99.00"), ("Klarna", "3099.00")),
        (("PayPal4", "5.00"), ("PayPal", "45.00")),
        (("7", "5.00"), ("", "75.00")),
        (("Pay-", "5.00"), ("Pay", "-5.00")),
        (("Visa", "102.00"), ("Visa102.0", "0")),
    ],
)
def test_no_digit_that_was_moved_is_vouched_for(
    sequence: tuple[str, ...], genuine: tuple[str, str], forged: tuple[str, str]
) -> None:
    fields = said(sequence, paymentMethod=genuine[0], amount=genuine[1])
    moved = recut(fields, paymentMethod=forged[0], amount=forged[1])
    assert not verify_checksum(moved, SECRET).signed_fields & {"payment_method", "amount"}


def test_a_payment_method_can_be_made_known() -> None:
    fields = said(paymentMethod="Klarna", amount="45.00")
    assert verify_checksum(fields, SECRET).signed_fields == SURE
    assert verify_checksum(fields, SECRET, payment_methods=["KLARNA"]).signed_fields == ALL


async def test_a_guard_knows_the_payment_methods_that_it_is_given() -> None:
    fields = said(paymentMethod="Klarna", amount="45.00")
    for methods, signed_fields in (([], SURE), (["Klarna"], ALL)):
        checked = CallbackGuard(SECRET, payment_methods=methods, now=lambda: NOW)
        assert (await checked.check(fields)).signed_fields == signed_fields


def test_a_text_that_reads_in_both_sequences_is_a_notice() -> None:
    """A whole amount beside ten digits: the other sequence reads another amount and creation date."""
    fields = said(TABLE, createdAt="1717599995", paymentMethod="", amount="17")
    other = recut(
        {name: fields[name] for name in (*TABLE, "checksum")},
    )
    callback = verify_checksum(other, SECRET)
    assert {"order_uuid", "status", "timestamp"} <= callback.signed_fields
    assert not callback.signed_fields & {"created_at", "amount"}


@pytest.mark.parametrize(
    "sequence",
    [
        ("orderUuid", "status", "createdAt", "amount", "paymentMethod", "timestamp"),
        ("timestamp", "orderUuid", "status", "amount", "paymentMethod", "createdAt"),
        ("paymentMethod", "orderUuid", "status", "amount", "createdAt", "timestamp"),
        ("createdAt", "status", "orderUuid", "paymentMethod", "timestamp", "amount"),
    ],
)
def test_another_sequence_whose_text_reads_in_one_way(sequence: tuple[str, ...]) -> None:
    callback = verify_checksum(said(sequence, paymentMethod="Visa"), SECRET)
    assert callback.signed_fields == ALL
    assert callback.amount == Decimal("102.00")


@pytest.mark.parametrize(
    "sequence",
    [
        ("orderUuid", "amount", "status", "createdAt", "paymentMethod", "timestamp"),
        ("orderUuid", "status", "timestamp", "paymentMethod", "amount", "createdAt"),
    ],
)
def test_another_sequence_whose_text_reads_in_several_ways_is_refused(sequence: tuple[str, ...]) -> None:
    with pytest.raises(InvalidChecksumError, match="several readings") as caught:
        verify_checksum(said(sequence, createdAt=str(NOW - 20)), SECRET)
    assert caught.value.is_ambiguous
    assert caught.value.order_uuid == "ODR1566017307"


def test_the_error_tells_ambiguous_from_made_with_another_secret() -> None:
    for fields, secret in ((said(), "another"), ({**said(), "amount": "1.00"}, SECRET)):
        with pytest.raises(InvalidChecksumError, match="another secret, or a value was changed") as caught:
            verify_checksum(fields, secret)
        assert not caught.value.is_ambiguous


@SEQUENCES
@pytest.mark.parametrize(
    "own", [{"shop": "7", "lang": "no"}, {"ref": "ODR77"}, {"q": ""}, {"at": "1759995000"}]
)
@pytest.mark.parametrize("are_hashed", [True, False])
def test_parameters_of_the_callback_url_in_front(
    sequence: tuple[str, ...], own: dict[str, str], are_hashed: bool
) -> None:
    values = {name: {**ORDER, "paymentMethod": "Visa"}[name] for name in sequence}
    fields = signed({**own, **values}) if are_hashed else {**own, **signed(values)}
    assert verify_checksum(fields, SECRET).signed_fields == ALL


def test_parameters_in_front_are_hashed_where_those_behind_are_not() -> None:
    """The callback URL has one of its own, and what delivers the callback adds another."""
    fields = {**signed({"shop": "7", **{name: ORDER[name] for name in EXAMPLE}}), "utm": "mail"}
    assert verify_checksum(fields, SECRET).signed_fields == ALL
    with pytest.raises(InvalidChecksumError):
        verify_checksum({**fields, "shop": "8"}, SECRET)


@pytest.mark.parametrize("place", range(7))
def test_parameters_of_the_callback_url_are_hashed_where_they_are(place: int) -> None:
    pairs = [(name, {**ORDER, "paymentMethod": "Visa"}[name]) for name in EXAMPLE]
    pairs.insert(place, ("shop", "Oslo"))
    if place == 1:
        # The digits of the id may go on in the parameter behind it: not even the order is certain.
        with pytest.raises(InvalidChecksumError, match="several readings"):
            verify_checksum(signed(dict(pairs)), SECRET)
        return
    callback = verify_checksum(signed(dict(pairs)), SECRET)
    assert callback.signed_fields >= SURE
    assert callback.amount == Decimal("102.00")


def test_a_hashed_parameter_cannot_be_changed_or_dropped() -> None:
    fields = signed({"shop": "7", **said()} | {"checksum": ""})
    genuine = signed({name: value for name, value in fields.items() if name != "checksum"})
    assert verify_checksum(genuine, SECRET).signed_fields == ALL
    for forged in ({**genuine, "shop": "8"}, {key: value for key, value in genuine.items() if key != "shop"}):
        with pytest.raises(InvalidChecksumError):
            verify_checksum(forged, SECRET)


def test_a_long_text_with_parameters_in_between_is_not_searched_for_ever() -> None:
    pairs = list(said().items())[:-1]
    for place in range(len(pairs), 0, -1):
        pairs.insert(place, (f"own{place}", "1ODR7PAID" * 100))
    with pytest.raises(InvalidChecksumError) as caught:
        verify_checksum(signed(dict(pairs)), SECRET)
    assert caught.value.is_ambiguous


def test_the_older_formulas_can_be_refused() -> None:
    for formula in (OLDER, WITHOUT_METHOD):
        fields = {**ORDER, "checksum": checksum("".join(ORDER[name] for name in formula))}
        with pytest.raises(InvalidChecksumError, match="accept_older_form") as caught:
            verify_checksum(fields, SECRET, accept_older_form=False)
        assert not caught.value.is_ambiguous
        with pytest.raises(CallbackError, match=r"has no .*paymentMethod"):
            parse_callback({name: fields[name] for name in (*formula, "checksum")}, accept_older_form=False)


@pytest.mark.parametrize("sequence", [EXAMPLE, TABLE])
@pytest.mark.parametrize(
    "missing", [{"paymentMethod"}, {"amount"}, {"timestamp"}, {"paymentMethod", "amount"}]
)
def test_a_parameter_that_was_not_sent_is_not_hashed(sequence: tuple[str, ...], missing: set[str]) -> None:
    fields = signed({name: ORDER[name] for name in sequence if name not in missing})
    callback = verify_checksum(fields, SECRET)
    left_out = {"paymentMethod": "payment_method", "amount": "amount", "timestamp": "timestamp"}
    assert callback.signed_fields == ALL - {left_out[name] for name in missing}
    for name in missing:
        assert getattr(callback, left_out[name]) is None
        # One that is added is not covered.
        with suppress(InvalidChecksumError):
            assert getattr(verify_checksum({**fields, name: ORDER[name]}, SECRET), left_out[name]) is None


@pytest.mark.parametrize("names", [OLDER, TABLE, EXAMPLE])
def test_the_oldest_formula_vouches_for_what_it_covers(names: tuple[str, ...]) -> None:
    fields = {name: ORDER[name] for name in names}
    fields["checksum"] = checksum("".join(ORDER[name] for name in OLDER))
    callback = verify_checksum(fields, SECRET, now=NOW)
    assert callback == OrderCallback(
        order_uuid="ODR1566017307",
        status=OrderStatus.PAID,
        created_at=datetime.fromtimestamp(NOW - 5000, UTC),
        payment_method=None,
        amount=None,
        timestamp=None,
        signed_fields=frozenset({"order_uuid", "status", "created_at"}),
    )


@pytest.mark.parametrize("names", [WITHOUT_METHOD, TABLE, EXAMPLE])
def test_the_formula_without_a_payment_method(names: tuple[str, ...]) -> None:
    fields = {name: ORDER[name] for name in names}
    fields["checksum"] = checksum("".join(ORDER[name] for name in WITHOUT_METHOD))
    callback = verify_checksum(fields, SECRET, now=NOW)
    assert callback.signed_fields == ALL - {"payment_method"}
    assert (callback.payment_method, callback.amount) == (None, Decimal("102.00"))
    assert callback.timestamp == datetime.fromtimestamp(NOW - 10, UTC)


def test_the_newest_formula_is_known_beside_the_older_ones() -> None:
    for sequence in (EXAMPLE, TABLE):
        assert verify_checksum(said(sequence), SECRET).signed_fields == ALL


@pytest.mark.parametrize("distance", [300, -300])
def test_five_minutes_either_way_are_the_default(distance: int) -> None:
    fields = said()
    verify_checksum(fields, SECRET, now=NOW - 10 + distance)
    with pytest.raises(StaleCallbackError):
        verify_checksum(fields, SECRET, now=NOW - 10 + distance * 1.002)


async def test_an_acceptance_shows_no_store_and_no_key() -> None:
    accepted = await CallbackGuard(SECRET, now=lambda: NOW).claim(said())
    assert repr(accepted) == f"Acceptance(callback={accepted.callback!r})"
    await accepted.release()
