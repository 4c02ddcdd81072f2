"""The operation table against the facts of the reference."""

from __future__ import annotations

import pytest

from frontpay_async import DateFormat
from frontpay_async._protocol.operations import OPERATIONS, Evidence, Operation, Safety
from frontpay_async.errors import folded

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
MORE_FACTS = """
checkout.create_session POST orders/regular/submit 201 U recorded
checkout.create_invoice_session POST orders/invoice/submit 201 U vendor page
checkout.create_hosted_link POST hosted/orders/payment-link/create 201 U vendor page
reservations.submit POST reservations/submit 201 U vendor page
reservations.create_session POST reservations/create 201 U vendor page
reservations.get_details GET reservations/details/{reservation_uuid} 200 R vendor page
reservations.capture POST reservations/capture/{reservation_uuid} 202 U vendor page
reservations.charge POST reservations/charge/{reservation_uuid} 202 U vendor page
reservations.cancel GET reservations/cancel/{reservation_uuid} 202 I vendor page
reservations.complete POST reservations/complete/{reservation_uuid} 202 U vendor page
reservations.resend POST reservations/resend/{reservation_uuid} 202 U vendor page
reservations.refund POST reservations/refund/{reservation_uuid} 202 U vendor page
reservations.list_history GET reservations/history 200 R vendor page
subscriptions.submit POST subscriptions/submit 201 U vendor page
subscriptions.create_session POST subscription/create 201 U vendor page
subscriptions.list GET subscriptions/list 200 R vendor page
subscriptions.list_failed GET subscriptions/failed/list 200 R vendor page
subscriptions.get_details GET subscriptions/details/{subscription_uuid} 200 R vendor page
subscriptions.get_failed_details GET subscriptions/failed/details/{order_uuid} 200 R vendor page
subscriptions.resend POST subscriptions/resend/{subscription_uuid} 202 U client only
subscriptions.cancel POST subscriptions/cancel/{subscription_uuid} 201 I vendor page
subscriptions.refund_cycles POST subscriptions/cycles/refund/{subscription_uuid} 201 U vendor page
customers.get_details GET customers/details/{customer_uuid} 200 R vendor page
customers.update_private PUT customers/update/private/{customer_uuid} 200 I vendor page
customers.update_corporate PUT customers/update/corporate/{customer_uuid} 200 I vendor page
credit_checks.check_private POST credit/check/private 200 U vendor page
credit_checks.check_corporate POST credit/check/corporate 200 U vendor page
credit_checks.list GET credit/check/list 200 R vendor page
company_checks.start POST company/check 201 U vendor page
company_checks.get_details GET company/details/{company_id} 200 R vendor page
orders.request_refund_approval POST ../orders/refund/request/approval/{order_uuid} 201 U vendor page
"""
LETTER = {R: "R", I: "I", U: "U"}


def test_the_twenty_rows_of_the_reference() -> None:
    rows = [
        [row.name, row.method, row.path, str(row.success), LETTER[row.safety]]
        for row in OPERATIONS.values()
        if row.evidence is Evidence.REFERENCE
    ]
    assert rows == [line.split() for line in FACTS.strip().splitlines()]


def test_the_rows_beyond_the_reference() -> None:
    """Thirty-one more, each with the grade of its evidence."""
    rows = {
        row.name: [row.method, row.path, str(row.success), LETTER[row.safety], *row.evidence.value.split()]
        for row in OPERATIONS.values()
        if row.evidence is not Evidence.REFERENCE
    }
    assert rows == {line.split()[0]: line.split()[1:] for line in MORE_FACTS.strip().splitlines()}
    assert len(rows) == 31


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
        "checkout.create_session": DateFormat.UNIX,
        "checkout.create_invoice_session": DateFormat.UNIX,
        "checkout.create_hosted_link": DateFormat.UNIX,
        "reservations.submit": DateFormat.UNIX,
        "reservations.create_session": DateFormat.UNIX,
    }


def test_where_sources_contradict_each_other() -> None:
    assert {row.name: row.other_method for row in OPERATIONS.values() if row.other_method} == {
        "terminals.get_refund_status": "GET",
        "reservations.cancel": "POST",
    }
    assert {row.name: row.other_path for row in OPERATIONS.values() if row.other_path} == {
        "orders.send_efaktura": "orders/invoice/create/faktura",
        "orders.send_ehf_invoice": "orders/invoice/create/ehf",
        "checkout.create_hosted_link": "../../../v1/connect/hosted/orders/payment-link/create",
        "subscriptions.submit": "subscription/submit",
        "subscriptions.create_session": "subscriptions/create",
        "credit_checks.check_private": "/credit/check/private",
        "credit_checks.check_corporate": "/credit/check/corporate",
        "credit_checks.list": "/credit/check/list",
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
        "orders.request_refund_approval": {"orderRefundRequestAlreadySubmitted"},
        "reservations.cancel": {
            "reservationStatusAlreadyCompleted",
            "prerequisiteFailedToCancelReservation",
        },
        "reservations.complete": {"prerequisiteFailedToCompleteReservation"},
        "reservations.refund": {
            *refund,
            "refundRejectionForRefundedCancelledInvoicedOrderParamRefunded",
        },
        "subscriptions.cancel": {"subscriptionStatusAlreadyCancelled", "subscriptionStatusAlreadyCompleted"},
        "subscriptions.refund_cycles": {"someCyclesFailedToPassValidation"},
    }


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError, match="does not support item assignment"):
        OPERATIONS["orders.cancel"] = OPERATIONS["orders.refund"]  # type: ignore[index]


def test_a_row_shows_itself_in_a_line() -> None:
    assert "Rules" not in repr(OPERATIONS["orders.send_invoice"])


@pytest.mark.parametrize("name", OPERATIONS)
def test_the_message_of_a_success_is_a_code(name: str) -> None:
    """It is compared as one, so that its spelling does not matter."""
    assert folded(OPERATIONS[name].message) is not None
