"""The operation table against the facts of the reference."""

from __future__ import annotations

import pytest

from frontpay_async import DateFormat
from frontpay_async._protocol.operations import OPERATIONS, Operation, Safety

R, I, U = Safety.READ, Safety.IDEMPOTENT, Safety.UNSAFE  # noqa: E741 - a table of one letter a cell
FACTS = """
orders.send_payment_link      POST orders/payment-link/create                     201 U
orders.send_invoice           POST orders/invoice/create                          201 U
orders.send_efaktura          POST orders/faktura/create                          201 U
orders.send_ehf_invoice       POST orders/ehf/create                              201 U
orders.resend_payment_link    POST orders/resend/{order_uuid}                     202 U
orders.cancel                 POST orders/cancel/{order_uuid}                     202 I
orders.refund                 POST orders/refund/{order_uuid}                     202 U
orders.list_statuses          GET  orders/status                                  200 R
orders.get_status             GET  orders/status/{order_uuid}                     200 R
orders.get_details            GET  orders/details/{order_uuid}                    200 R
orders.get_invoice_number     GET  orders/invoice-number/{order_uuid}             200 R
orders.charge_delayed         POST orders/delayed/charge/{order_uuid}             200 U
terminals.list                GET  terminal/lists/{organization_uuid}             200 R
terminals.create_order        POST terminal/orders/create                         201 U
terminals.cancel_payment      POST terminal/orders/cancel/{order_uuid}            200 I
terminals.resend_order        POST terminal/orders/resend/{order_uuid}            202 U
terminals.get_payment_status  GET  terminal/orders/payment-status/{order_uuid}    200 R
terminals.refund              POST terminal/orders/refund/{order_uuid}            202 U
terminals.get_refund_status   POST terminal/orders/refund-status/{order_uuid}     200 R
terminals.cancel_refund       POST terminal/orders/cancel/{order_uuid}            200 I
"""
LETTER = {R: "R", I: "I", U: "U"}


def test_the_twenty_rows() -> None:
    rows = [
        [row.name, row.method, row.path, str(row.success), LETTER[row.safety]] for row in OPERATIONS.values()
    ]
    assert rows == [line.split() for line in FACTS.strip().splitlines()]


@pytest.mark.parametrize("row", OPERATIONS.values(), ids=OPERATIONS.keys())
def test_a_row_is_keyed_by_its_name_and_complete(row: Operation[object]) -> None:
    assert OPERATIONS[row.name] is row
    assert (row.request is None) == (row.rules is None)
    assert row.message
    assert row.reference


def test_orders_carry_dates_in_the_form_of_their_route() -> None:
    assert {row.name: row.date_format for row in OPERATIONS.values() if row.date_format} == {
        "orders.send_payment_link": DateFormat.UNIX,
        "orders.send_invoice": DateFormat.UNIX,
        "orders.send_efaktura": DateFormat.UNIX,
        "orders.send_ehf_invoice": DateFormat.UNIX,
        "terminals.create_order": DateFormat.DAY,
    }


def test_only_the_refund_status_has_two_methods() -> None:
    assert {row.name: row.other_method for row in OPERATIONS.values() if row.other_method} == {
        "terminals.get_refund_status": "GET"
    }


def test_only_the_list_of_statuses_is_empty_when_not_found() -> None:
    assert [row.name for row in OPERATIONS.values() if row.empty_when_not_found] == ["orders.list_statuses"]


def test_the_documented_business_codes() -> None:
    refund = ("requestProductIdNotAvailable", "refundRejectionForProductAmountExceed")
    assert {row.name: set(row.business_codes) for row in OPERATIONS.values() if row.business_codes} == {
        "orders.resend_payment_link": {"orderStatusAlreadyPaid", "orderStatusAlreadyCancelled"},
        "orders.cancel": {"orderStatusAlreadyPaid"},
        "orders.refund": {
            *refund,
            "refundRejectionForRefundRequestGreaterThanOrderAmount",
            "refundRejectionForWeeklyThresholdExceed",
            "refundRejectionForRequestAmountThresholdExceed",
        },
        "terminals.cancel_payment": {"orderStatusAlreadyPaid"},
        "terminals.refund": set(refund),
    }


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError, match="does not support item assignment"):
        OPERATIONS["orders.cancel"] = OPERATIONS["orders.refund"]  # type: ignore[index]


def test_a_row_shows_itself_in_a_line() -> None:
    assert "Rules" not in repr(OPERATIONS["orders.send_invoice"])
