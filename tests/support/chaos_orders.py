"""The invoices of a chaos run: the same for everybody who knows the seed.

Many customers buy the same few things on the same day, so that only the customer tells most invoices
apart. Every 25th invoice is its predecessor again, to the last field: a twin, which must stand in the
account as well. An invoice is known again in the account by its reference, which no answer of the API
tells.
"""

from __future__ import annotations

import functools
import random
from collections import Counter
from typing import TYPE_CHECKING, Final, TypeAlias

from frontpay_async import EFakturaOrder, EhfOrder, InvoiceOrder, PaymentLinkOrder
from tests.support import builders

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["STRANGE", "Order", "expected", "invoices", "strange_order"]

Order: TypeAlias = InvoiceOrder | EFakturaOrder | EhfOrder | PaymentLinkOrder

STRANGE: Final = "STRANGE-"
"""How the references of orders begin that are not of the batch."""

_TWIN_EVERY: Final = 25
_KINDS: Final[tuple[builders.Builder, ...]] = (
    *[builders.invoice] * 6,
    *[builders.efaktura] * 2,
    builders.ehf,
    builders.payment_link,
)
_GOODS: Final = (
    ("Medlemskap november", "349.00", 25),
    ("Treningsavgift", "1190.00", 0),
    ("Parkering, plass i kjeller", "895.50", 25),
    ("Kursavgift", "2400.00", 12),
)


def _order(number: int, chance: random.Random, reference: str) -> Order:
    make = chance.choice(_KINDS)
    name, rate, tax = chance.choice(_GOODS)
    products = (builders.product(name=name, rate=rate, tax=tax, quantity=chance.randint(1, 2)),)
    company = make is builders.ehf
    customer = builders.customer(
        name=f"Kunde {number:05d}",
        msisdn=f"4{number:07d}",
        email=f"kunde{number}@example.no",
        **(
            {"type": None, "personal_number": None, "organization_id": f"9{number:08d}"}
            if company
            else {"personal_number": f"010170{number:05d}"}
        ),
    )
    order: Order = make(products=products, customer=customer, reference_no=reference)
    return order


@functools.cache
def invoices(count: int, seed: int) -> tuple[tuple[str, Order], ...]:
    """Return the key and the order of each invoice; made once, for a process and its children.

    Args:
        count: How many.
        seed: Decides what is sold to whom.
    """
    return tuple(_invoices(count, seed))


def _invoices(count: int, seed: int) -> Iterator[tuple[str, Order]]:
    last: Order | None = None
    for number in range(count):
        if last is None or number % _TWIN_EVERY:
            chance = random.Random(f"invoice/{seed}/{number}")  # noqa: S311 - chance that can be repeated
            last = _order(number, chance, f"R-{number:06d}")
        yield f"2026-11/{number:06d}", last


def expected(count: int, seed: int) -> Counter[str]:
    """Count how often each reference must stand in the account: 1, and 2 for twins."""
    return Counter(order.reference_no or "" for _, order in invoices(count, seed))


def strange_order(number: int) -> InvoiceOrder:
    """Return an order that a colleague sends by hand meanwhile: of the same goods, to another customer."""
    chance = random.Random(f"stranger/{number}")  # noqa: S311 - chance that can be repeated
    order = _order(90_000 + number, chance, f"{STRANGE}{number:04d}")
    return builders.invoice(
        products=order.products, customer=builders.customer(name="Fremmed"), reference_no=order.reference_no
    )
