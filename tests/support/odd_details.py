"""Details that a server shows otherwise than they were sent, for some orders only; and what that costs."""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal
from typing import TYPE_CHECKING, Any, TypeAlias

from frontpay_async.batch import BatchItem
from tests.support.batches import order
from tests.support.builders import product
from tests.support.odd_world import LOST, NEVER, World, chance_of

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.support.odd_server import OddOrder, Row

    Change: TypeAlias = Callable[[Row, OddOrder], Row]

__all__ = ["COUNT", "FORMS", "KNOWN", "figures", "item"]

COUNT = 60
_LINES = (
    (product(name="Medlemskap november", quantity=1, rate="349.00"),),
    (product(name="Kursavgift", quantity="1.5", rate="1200.50", tax=12), product(name="Porto", rate="45.00")),
    (product(name="Klipp", rate="640.25", quantity=1), product(name="Klipp", rate="640.25", quantity=1)),
)


def item(number: int) -> BatchItem:
    """An order to a customer of its own; every second has the goods of its predecessor."""
    lines = _LINES[number // 2 % len(_LINES)]
    return BatchItem(key=f"I-{number}", order=order(number, reference_no=f"I-{number}", products=lines))


def _scale(details: Row, factor: Callable[[Row], Decimal], digits: str) -> Row:
    for line in details["productList"]:
        by = factor(line)
        for name in ("rate", "amount"):
            exact = Decimal(str(line[name])) * by
            line[name] = str(exact.quantize(Decimal(digits), ROUND_HALF_UP))
    total = sum(Decimal(line["amount"]) for line in details["productList"])
    details["orderSummary"]["grandTotal"] = str(total)
    return details


def _merged(details: Row, _: OddOrder) -> Row:
    lines: dict[str, Row] = {}
    for line in details["productList"]:
        known = lines.setdefault(line["name"], {**line, "quantity": "0", "amount": "0"})
        for name in ("quantity", "amount"):
            known[name] = str(Decimal(str(known[name])) + Decimal(str(line[name])))
    return {**details, "productList": list(lines.values())}


def _with_fee(details: Row, name: str) -> Row:
    details["productList"].append({"name": name, "quantity": 1, "rate": 59, "tax": 25, "amount": 59})
    total = Decimal(str(details["orderSummary"]["grandTotal"])) + 59
    details["orderSummary"]["grandTotal"] = str(total)
    return details


def _customer(details: Row, **changes: Any) -> Row:
    details["customerDetails"].update(changes)
    return details


def _names(details: Row, change: Callable[[str], str]) -> Row:
    for line in details["productList"]:
        line["name"] = change(line["name"])
    return _customer(details, name=change(details["customerDetails"]["name"]))


def _quantities(details: Row, _: OddOrder) -> Row:
    for line in details["productList"]:
        line["quantity"] = int(Decimal(str(line["quantity"])))
    return details


_NO_ID = {"personalNumber": None}
FORMS: dict[str, Change] = {
    "as sent": lambda it, _: it,
    "equal lines merged": _merged,
    "without VAT": lambda it, _: _scale(it, lambda line: 100 / (100 + Decimal(str(line["tax"]))), "0.01"),
    "rounded to kroner": lambda it, _: _scale(it, lambda _: Decimal(1), "1"),
    "minor units": lambda it, _: _scale(it, lambda _: Decimal(100), "1"),
    "whole quantities": _quantities,
    "a fee line": lambda it, _: _with_fee(it, "Fakturagebyr"),
    "upper case": lambda it, _: _names(it, str.upper),
    "trimmed names": lambda it, _: _names(it, lambda text: text[:18].strip()),
    "contact on file": lambda it, at: _customer(
        it, email=f"file{at.number}@example.no", msisdn=f"9{at.number:07}"
    ),
    "contact on file, no number": lambda it, at: _customer(
        it, email=f"f{at.number}@example.no", msisdn=f"9{at.number:07}", **_NO_ID
    ),
    "contact and address on file": lambda it, at: _customer(
        it, email=f"f{at.number}@example.no", msisdn=None, address={"street": "X", "zip": "1"}, **_NO_ID
    ),
    "a fee with another name": lambda it, _: _with_fee(it, "Miljøbidrag"),
    "other goods": lambda it, _: {
        **it,
        "productList": [{"name": "Vare", "quantity": 1, "rate": 1, "tax": 0, "amount": 1}],
    },
    "no goods": lambda it, _: {**it, "productList": []},
    "no customer": lambda it, _: {**it, "customerDetails": None},
    "another date": lambda it, _: {**it, "orderDate": "1703040812"},
    "masked": lambda it, _: _customer(
        it, email="c***@example.no", msisdn="****1234", name="C******", **_NO_ID
    ),
}
"""What the server shows of an order in place of what was sent."""
KNOWN = tuple(FORMS)[:11]
"""Those that are recognised as what they are, so that no row has to be parked."""


async def figures(form: str, seed: int, folder: Path) -> tuple[int, int, int, int]:
    """Run a batch of which some answers are lost; return rows in doubt, doubled, lost, parked."""
    chance = chance_of(f"{form}/{seed}")
    world = World(folder / "journal.db")
    change = FORMS[form]
    odd = {number for number in range(1, 3 * COUNT) if chance.random() < 0.6}
    world.server.shown = lambda details, at: change(details, at) if at.number in odd else details
    fates = chance.choices(["stored", LOST, NEVER], [8, 1, 1], k=COUNT)
    async with world.client() as client, world.batch(client) as batch:
        world.server.fates.extend(fates)
        await batch.submit(map(item, range(COUNT)))
        await batch.run(concurrency=4)
        rows = {row.key: row async for row in batch.rows()}
    stored = [each.reference for each in world.server.orders()]
    doubled = sum((world.server.doubled(rows)).values())
    lost = sum(row.state == "done" and key not in stored for key, row in rows.items())
    for key, row in rows.items():
        if row.state == "done":
            lost += (
                next(each.reference for each in world.server.orders() if each.uuid == row.order_uuid) != key
            )
    parked = sum(row.state == "parked" for row in rows.values())
    return COUNT - fates.count("stored"), doubled, lost, parked
