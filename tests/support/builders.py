"""Valid values of every kind; each field can be overridden by name.

Import with ``from tests.support.builders import invoice``. All personal data is made up.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from frontpay_async import (
    Address,
    Customer,
    CustomerType,
    EFakturaOrder,
    EhfOrder,
    InvoiceOrder,
    InvoiceReferences,
    Language,
    OrderSummary,
    PaymentLinkOrder,
    Product,
    Refund,
    RefundLine,
    SendOrderBy,
    TerminalOrder,
    TerminalRefund,
)

__all__ = [
    "CALLBACK_URL",
    "EMAIL",
    "MSISDN",
    "NAME",
    "ORDER_DATE",
    "ORDER_UUID",
    "ORGANIZATION_ID",
    "ORGANIZATION_UUID",
    "PERSONAL_NUMBER",
    "STREET",
    "TERMINAL_UUID",
    "Builder",
    "address",
    "customer",
    "efaktura",
    "ehf",
    "invoice",
    "invoice_references",
    "payment_link",
    "product",
    "refund",
    "terminal_order",
    "terminal_refund",
]

Builder = Callable[..., Any]

ORDER_UUID = "ODR2210048815"
ORGANIZATION_UUID = "ORG3308117420"
TERMINAL_UUID = "TRML5501928374"
NAME = "Ola Testmann"
STREET = "Storgata 1"
EMAIL = "ola.testmann@example.no"
MSISDN = "40012345"
PERSONAL_NUMBER = "01017012345"
ORGANIZATION_ID = "987654321"
CALLBACK_URL = "https://shop.example.no/callback?secret=s3cr3t"
# Far enough ahead to be "current or future" for a sandbox that looks at its clock.
ORDER_DATE = datetime(2035, 6, 15, 10, 30, tzinfo=UTC)


def product(**fields: Any) -> Product:
    """One line: two units at 51.00 with 25 % VAT."""
    return Product(
        **{"name": "Hårvask", "quantity": 2, "rate": "51.00", "tax": 25, "product_id": "HV-1", **fields}
    )


def address(**fields: Any) -> Address:
    """A Norwegian address."""
    return Address(**{"street": STREET, "zip": "0155", "city": "Oslo", "country": "NO", **fields})


def customer(**fields: Any) -> Customer:
    """A private customer with every field that any order asks for, and no organisation number."""
    full = {
        "name": NAME,
        "address": address(),
        "type": CustomerType.PRIVATE,
        "country_code": "+47",
        "msisdn": MSISDN,
        "email": EMAIL,
        "preferred_language": Language.NORWEGIAN,
        "personal_number": PERSONAL_NUMBER,
    }
    return Customer(**{**full, **fields})


def _order(fields: dict[str, Any]) -> dict[str, Any]:
    order = {
        "products": (product(),),
        "order_date": ORDER_DATE,
        "customer": customer(),
        "reference_no": "R-1001",
        "customer_reference": "PO-77",
        **fields,
    }
    if "summary" not in order:
        order["summary"] = OrderSummary.of(order["products"])
    return order


def payment_link(**fields: Any) -> PaymentLinkOrder:
    """An order to a private customer; the summary follows from the products."""
    return PaymentLinkOrder(**{"invoice_as_payment_option": True, **_order(fields)})


def invoice(**fields: Any) -> InvoiceOrder:
    """An invoice to a private customer; the summary follows from the products."""
    return InvoiceOrder(**{"invoice_interval": 0, "invoice_maturity": 10, **_order(fields)})


def efaktura(**fields: Any) -> EFakturaOrder:
    """An e-faktura; the summary follows from the products."""
    return EFakturaOrder(**{"invoice_maturity": 10, "callback_url": CALLBACK_URL, **_order(fields)})


def ehf(**fields: Any) -> EhfOrder:
    """An EHF invoice to a company; the summary follows from the products."""
    company = customer(type=None, personal_number=None, organization_id=ORGANIZATION_ID)
    own = {"customer": company, "invoice_maturity": 14, "callback_url": CALLBACK_URL}
    return EhfOrder(**_order({**own, **fields}))


def terminal_order(**fields: Any) -> TerminalOrder:
    """A terminal order of a private customer, sent by e-mail; the summary follows from the products."""
    order = _order(fields)
    for name in {"reference_no", "customer_reference"} - fields.keys():
        del order[name]
    own = {
        "terminal_uuid": TERMINAL_UUID,
        "receipt_print": False,
        "send_order_by": SendOrderBy(sms=False, email=True),
        "invoice_references": invoice_references(),
    }
    return TerminalOrder(**{**own, **order})


def invoice_references(**fields: Any) -> InvoiceReferences:
    """The references of a terminal order."""
    return InvoiceReferences(**{"reference_no": "R-1001", "customer_reference": "PO-77", **fields})


def refund(**fields: Any) -> Refund:
    """A refund of 10.00 on one line."""
    return Refund(**{"grand_total": "10.00", "lines": [RefundLine(id=5410, amount="10.00")], **fields})


def terminal_refund(**fields: Any) -> TerminalRefund:
    """A refund of 10.00 on one line, on the terminal."""
    return TerminalRefund(**{"grand_total": "10.00", "lines": [RefundLine(id=12, amount="10.00")], **fields})
