"""Orders whose payloads and fingerprints are stored: what a journal holds must stay what it is.

``tests/stored/journal_orders.json`` was written by the first version of the journal and is never written
again: an order that was submitted before an upgrade must be recognised after it.
"""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from frontpay_async import (
    CustomerType,
    InvoiceInterval,
    Language,
    OrderSummary,
    Product,
    SendOrderBy,
)
from tests.support import builders

if TYPE_CHECKING:
    from collections.abc import Mapping

SALT = bytes(range(32))

_SUMMARY = OrderSummary(sub_total="81.60", total_tax="20.40", total_discount=0, grand_total="102.00")


def _lines(*lines: dict[str, Any]) -> tuple[Product, ...]:
    return tuple(Product(**line) for line in lines)


_DERIVED = _lines(
    {"name": "Hårvask", "quantity": 2, "rate": "51.00", "tax": 25},
    {"name": "Klipp", "quantity": "1", "rate": 640, "tax": "25", "discount": "40.50", "product_id": "KL-7"},
    {"name": "Epler", "quantity": "1.5", "rate": "29.90", "tax": 15},
    {"name": "Kreditt", "quantity": -1, "rate": "10.10", "tax": 0},
    {"name": "Mange", "quantity": "100000", "rate": "123456789.12", "tax": 12},
)
_GIVEN = _lines(
    {"name": "Hårvask", "quantity": 2, "rate": "51.00", "tax": 25, "amount": "102.00"},
    {"name": "Avrundet", "quantity": 3, "rate": "9.99", "tax": 25, "amount": "29.99"},
    {"name": "Mange sifre", "quantity": "0.335", "rate": "149.90", "tax": 15, "amount": "50.21650"},
    {"name": "Null", "quantity": 0, "rate": 0, "tax": 0, "amount": Decimal("-0.00")},
)
_COMPANY = {
    "type": CustomerType.CORPORATE,
    "personal_number": None,
    "organization_id": builders.ORGANIZATION_ID,
}

ORDERS: Mapping[str, Any] = {
    "payment link": builders.payment_link(summary=_SUMMARY),
    "payment link, every field": builders.payment_link(
        products=_GIVEN,
        summary=_SUMMARY,
        send_order_by=SendOrderBy(sms=True, email=False),
        secure_details=True,
        callback_url=builders.CALLBACK_URL,
        customer=builders.customer(first_name="Ola", customer_uuid="CSRT1"),
    ),
    "invoice": builders.invoice(summary=_SUMMARY),
    "invoice, derived amounts": builders.invoice(products=_DERIVED, summary=_SUMMARY),
    "invoice, given amounts": builders.invoice(products=_GIVEN, summary=_SUMMARY),
    "invoice, a day": builders.invoice(summary=_SUMMARY, order_date=date(2035, 6, 15)),
    "invoice, a moment elsewhere": builders.invoice(
        summary=_SUMMARY,
        order_date=datetime(2035, 6, 15, 12, 30, 0, 250_000, tzinfo=timezone(timedelta(hours=2))),
    ),
    "invoice, enums": builders.invoice(
        summary=_SUMMARY,
        invoice_interval=InvoiceInterval.TWICE_A_MONTH,
        invoice_fee_applicable=False,
        separate_invoices=True,
        customer=builders.customer(preferred_language=Language.DANISH),
    ),
    "invoice, a company": builders.invoice(
        summary=_SUMMARY, invoice_maturity=30, customer=builders.customer(**_COMPANY)
    ),
    "invoice, least": builders.invoice(
        summary=_SUMMARY,
        invoice_interval=None,
        invoice_maturity=None,
        reference_no=None,
        customer_reference=None,
        order_date=datetime(2035, 1, 1, tzinfo=UTC),
    ),
    "invoice, odd text": builders.invoice(
        summary=_SUMMARY, reference_no="", customer=builders.customer(name='Åse "Ø" \\ 🧾 \u2028 FA\u030a')
    ),
    "e-faktura": builders.efaktura(summary=_SUMMARY, products=_DERIVED),
    "ehf": builders.ehf(summary=_SUMMARY, products=_GIVEN),
}

STORED: Path = Path(__file__).parents[1] / "stored" / "journal_orders.json"


def stored() -> Mapping[str, Mapping[str, str]]:
    """Return the kind, payload and fingerprint of each order, by its name."""
    rows: Mapping[str, Mapping[str, str]] = json.loads(STORED.read_text("utf-8"))
    return rows
