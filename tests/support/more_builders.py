"""Valid values of the resources beyond orders and terminals; each field can be overridden."""

from __future__ import annotations

from datetime import date
from typing import Any

from frontpay_async import (
    Capture,
    CaptureLine,
    Charge,
    CheckoutSession,
    CorporateCustomerUpdate,
    CustomerContact,
    HostedCheckout,
    InvoiceSession,
    OrderSummary,
    PrivateCustomerUpdate,
    RefundLine,
    ReservationOrder,
    ReservationRefund,
    ReservationSession,
    SendOrderBy,
    SubscriptionOrder,
    SubscriptionSession,
)
from frontpay_async._protocol.operations import (
    company_checks,
    credit_checks,
    subscriptions as rows_of_subscriptions,
)
from frontpay_async._protocol.request_bodies import Note, Resend, refund_approval
from tests.support import builders
from tests.support.builders import (
    CALLBACK_URL,
    EMAIL,
    MSISDN,
    NAME,
    ORDER_DATE,
    ORDER_UUID,
    ORGANIZATION_ID,
    PERSONAL_NUMBER,
    address,
    customer,
    product,
)

__all__ = [
    "CAPTURE_UUID",
    "FAILURE",
    "RESERVATION_UUID",
    "SUBSCRIPTION_UUID",
    "SUCCESS",
    "capture",
    "charge",
    "checkout_session",
    "corporate_update",
    "hosted_checkout",
    "invoice_session",
    "private_update",
    "reservation",
    "reservation_refund",
    "reservation_session",
    "reserved_product",
    "subscription",
    "subscription_session",
    "values",
]

RESERVATION_UUID = "RES3506777330"
SUBSCRIPTION_UUID = "SUB3506777330"
CAPTURE_UUID = "CAP4406700001"
SUCCESS = "https://shop.example.no/thanks?basket=77"
FAILURE = "https://shop.example.no/failed"
_DUE = date(2035, 7, 1)


def _with_summary(fields: dict[str, Any]) -> dict[str, Any]:
    fields.setdefault("summary", OrderSummary.of(fields["products"]))
    return fields


def reserved_product(**fields: Any) -> Any:
    """One line of 102.00, without a quantity and a discount."""
    return product(**{"quantity": 1, "rate": "102.00", **fields})


def _reservation(fields: dict[str, Any]) -> dict[str, Any]:
    return _with_summary(
        {
            "products": (reserved_product(),),
            "order_date": ORDER_DATE,
            "customer": customer(),
            "payment_link_due_date": _DUE,
            "send_order_by": SendOrderBy(sms=True, email=False),
            **fields,
        }
    )


def reservation(**fields: Any) -> ReservationOrder:
    """A reservation of 102.00."""
    return ReservationOrder(**_reservation(fields))


def reservation_session(**fields: Any) -> ReservationSession:
    """A reservation of 102.00 on a payment page."""
    page = {"via": "visa", "success_url": SUCCESS, "failure_url": FAILURE}
    return ReservationSession(**_reservation({**page, **fields}))


def capture(line_id: int, amount: Any = 10, **fields: Any) -> Capture:
    """A capture of an amount on one line."""
    lines = [CaptureLine(id=line_id, amount=amount)]
    return Capture(**{"grand_total": amount, "lines": lines, **fields})


def charge(amount: Any = 25, **fields: Any) -> Charge:
    """A charge of one line."""
    products = [product(name="Sein retur", quantity=1, rate=amount)]
    return Charge(**{"grand_total": amount, "products": products, **fields})


def reservation_refund(line_id: int, amount: Any = 10, **fields: Any) -> ReservationRefund:
    """A refund of the sandbox's first capture."""
    full = {
        "grand_total": amount,
        "lines": [RefundLine(id=line_id, amount=amount)],
        "source": "captured",
        "reference": CAPTURE_UUID,
    }
    return ReservationRefund(**{**full, **fields})


def _subscription(fields: dict[str, Any]) -> dict[str, Any]:
    return _with_summary(
        {
            "products": (product(),),
            "payable_per_cycle": 102,
            "billing_frequency": "month",
            "repeats": 3,
            "start_date": date(2035, 6, 15),
            "end_date": date(2035, 9, 15),
            "payment_link_due_date": _DUE,
            "send_order_by": SendOrderBy(sms=False, email=True),
            "customer": customer(),
            **fields,
        }
    )


def subscription(**fields: Any) -> SubscriptionOrder:
    """Three monthly cycles of 102.00."""
    return SubscriptionOrder(**_subscription(fields))


def subscription_session(**fields: Any) -> SubscriptionSession:
    """Three monthly cycles of 102.00, accepted on a payment page."""
    page = {"via": "visa", "success_url": SUCCESS, "failure_url": FAILURE}
    return SubscriptionSession(**_subscription({**page, **fields}))


def checkout_session(**fields: Any) -> CheckoutSession:
    """An order of 102.00 on a payment page."""
    full = {
        "products": (product(),),
        "order_date": ORDER_DATE,
        "customer": customer(),
        "via": "visa",
        "success_url": SUCCESS,
        "failure_url": FAILURE,
        **fields,
    }
    return CheckoutSession(**_with_summary(full))


def invoice_session(**fields: Any) -> InvoiceSession:
    """An order of 102.00 that is invoiced from a checkout."""
    full = {
        "products": (product(),),
        "order_date": ORDER_DATE,
        "customer": customer(),
        "success_url": SUCCESS,
        "failure_url": FAILURE,
        **fields,
    }
    return InvoiceSession(**_with_summary(full))


def hosted_checkout(**fields: Any) -> HostedCheckout:
    """An order of 102.00 on the vendor's page."""
    full = {
        "products": (product(),),
        "order_date": ORDER_DATE,
        "payment_link_due_date": _DUE,
        "customer": customer(),
        "success_url": SUCCESS,
        "failure_url": FAILURE,
        "checkout_language": "no",
        "callback_url": CALLBACK_URL,
        **fields,
    }
    return HostedCheckout(**_with_summary(full))


def private_update(**fields: Any) -> PrivateCustomerUpdate:
    """A private customer's whole record."""
    full = {
        "name": NAME,
        "email": EMAIL,
        "country_code": "+47",
        "msisdn": MSISDN,
        "preferred_language": "no",
        "billing_address": address(),
    }
    return PrivateCustomerUpdate(**{**full, **fields})


def corporate_update(**fields: Any) -> CorporateCustomerUpdate:
    """A company's whole record."""
    full = {
        "name": "Testmann AS",
        "email": EMAIL,
        "country_code": "+47",
        "msisdn": MSISDN,
        "preferred_language": "no",
        "billing_address": address(),
        "organization_id": ORGANIZATION_ID,
        "additional_contacts": [CustomerContact(name=NAME, designation="CFO")],
    }
    return CorporateCustomerUpdate(**{**full, **fields})


def values() -> dict[str, object]:
    """Return a valid request value for each row beyond the reference that has a body, by the row's name."""
    refund = builders.refund()
    return {
        "orders.request_refund_approval": refund_approval(refund, "refundRejectionForWeeklyThresholdExceed"),
        "checkout.create_session": checkout_session(),
        "checkout.create_invoice_session": invoice_session(),
        "checkout.create_hosted_link": hosted_checkout(),
        "reservations.submit": reservation(),
        "reservations.create_session": reservation_session(),
        "reservations.capture": capture(5401),
        "reservations.charge": charge(),
        "reservations.cancel": Note("changed my mind"),
        "reservations.complete": Note("shipped"),
        "reservations.resend": Resend(None, None, EMAIL),
        "reservations.refund": reservation_refund(5401),
        "subscriptions.submit": subscription(),
        "subscriptions.create_session": subscription_session(),
        "subscriptions.resend": rows_of_subscriptions.SubscriptionResend(ORDER_UUID, None, None, EMAIL),
        "subscriptions.cancel": Note("changed my mind"),
        "subscriptions.refund_cycles": rows_of_subscriptions.CycleRefund(["Cycle 1"], 10),
        "customers.update_private": private_update(),
        "customers.update_corporate": corporate_update(),
        "credit_checks.check_private": credit_checks.PrivateCreditCheck(PERSONAL_NUMBER, None, None),
        "credit_checks.check_corporate": credit_checks.CorporateCreditCheck(ORGANIZATION_ID),
        "company_checks.start": company_checks.CompanyCheckRequest(987654321, SUCCESS, FAILURE, CALLBACK_URL),
    }
