"""Cross-checks of amounts: totals against lines, øre against kroner, percent against fractions. Pure.

The reference does not require them, and the API has accepted totals that do not add up. But contradictory
amounts are a mistake that a customer pays for. Unlike the rules of the reference, these checks can be
disabled (``strict_totals=False``).

Invariant of an order, each with a tolerance of one øre a line::

    grandTotal    = sum of the lines' amounts
    totalTax      = sum of the VAT that the amounts include
    totalDiscount = sum of the lines' discounts, or of what the amounts are below rate x quantity
    subTotal      = grandTotal - totalTax, with or without + totalDiscount
    grandTotal   >= 0

In the reference, ``subTotal`` is before discount. Many systems have it after discount: this does not change
the amount that the customer pays, and is accepted, too. A line may be negative (a credit), but no source
describes an order of which the merchant would owe the total.

*Limit*: unreadable numbers are reported by the rules, and nothing that depends on them is compared.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from operator import itemgetter
from typing import TYPE_CHECKING, cast

from attrs import frozen

from frontpay_async._protocol.rules import Breach
from frontpay_async.models._fields import EXACT, ORE, exactly, to_ore
from frontpay_async.models.common import included_tax

if TYPE_CHECKING:
    from collections.abc import Iterator

    from frontpay_async._exact_json import Json, JsonObject

_HUNDRED = Decimal(100)
_ZERO = Decimal(0)
_ONE = Decimal(1)
_figures = itemgetter("rate", "quantity", "amount", "discount", "tax")
_add, _subtract, _multiply = EXACT.add, EXACT.subtract, EXACT.multiply
_WAY_OUT = "(strict_totals=False turns this check off)"


def refund_totals(body: JsonObject) -> Iterator[Breach]:
    """Yield a violation if a total is not positive or not the sum of the lines, or a line is negative."""
    rows = _rows(body.get("products"))
    for key, row in zip(_keys(body.get("products")), rows, strict=True):
        amount = _number(row.get("amount"))
        # The lines of a charge are goods, of which one may be a credit.
        if "rate" not in row and amount is not None and amount < 0:
            yield _breach(f"products.{key}.amount", "must be 0 or more")
    amounts = [_number(row.get("amount")) for row in rows]
    total = _number(body.get("grandTotal"))
    yield from _moves_nothing("grandTotal", total)
    if total is None or not amounts or None in amounts:
        return
    expected = _sum(amounts)
    if to_ore(total) != to_ore(expected):
        yield _breach(
            "grandTotal", f"must be the sum of the lines, {_shown(expected)}{_units(total, expected)}"
        )


def amount_total(body: JsonObject) -> Iterator[Breach]:
    """Yield a violation if the only amount of a body is not positive."""
    yield from _moves_nothing("amount", _number(body.get("amount")))


def _moves_nothing(path: str, total: Decimal | None) -> Iterator[Breach]:
    if total is not None and to_ore(total) <= 0:
        yield _breach(path, "must be more than 0, in whole øre")


def order_totals(body: JsonObject) -> Iterator[Breach]:
    """Yield a violation for a total below 0, and for each contradiction between the totals and the lines."""
    if not _is_exact(body):
        yield from total_below_zero(body)
        yield from contradictions(body)


def total_below_zero(body: JsonObject) -> Iterator[Breach]:
    """Yield a violation if an order's total is negative."""
    summary = body.get("orderSummary")
    total = _number(summary.get("grandTotal")) if isinstance(summary, dict) else None
    if total is not None and total < 0:
        demand = (
            "must be 0 or more: refund the order that is credited, or send the credit as a line of an order"
        )
        yield _breach("orderSummary.grandTotal", demand)


def contradictions(body: JsonObject) -> Iterator[Breach]:
    """Yield the contradictions between an order's totals and its lines, figure by figure."""
    lines = _lines(body)
    yield from _line_breaches(lines)
    summary = body.get("orderSummary")
    if isinstance(summary, dict) and lines:
        yield from _summary_breaches(summary, list(lines.values()))


@exactly
def _is_exact(body: JsonObject) -> bool:
    """Return whether all figures are there and fit to the digit, and nothing is owed to the customer."""
    rows, summary = body.get("products"), body.get("orderSummary")
    if not isinstance(rows, list) or not rows or not isinstance(summary, dict):
        return False
    amounts = taxes = discounts = _ZERO
    for row in rows:
        try:
            rate, quantity, amount, discount, tax = _figures(cast("JsonObject", row))
        except (TypeError, KeyError):
            return False
        if not type(rate) is type(quantity) is type(amount) is type(discount) is type(tax) is Decimal:
            return False
        if rate * quantity - discount != amount or (tax < _ONE and tax != _ZERO) or tax > _HUNDRED:
            return False
        amounts, discounts = amounts + amount, discounts + discount
        taxes += included_tax(amount.quantize(ORE), tax)
    after = amounts - taxes
    return (
        summary.get("grandTotal") == amounts >= _ZERO
        and summary.get("totalTax") == taxes
        and summary.get("totalDiscount") == discounts
        and summary.get("subTotal") in (after, after + discounts)
    )


def line_totals(body: JsonObject) -> Iterator[Breach]:
    """Yield a violation for each line that contradicts itself."""
    return _line_breaches(_lines(body))


def cycle_totals(body: JsonObject) -> Iterator[Breach]:
    """Yield a violation if a subscription's cycle costs more than the order or less than 0, or is in øre."""
    given = body.get("orderSummary")
    summary = given if isinstance(given, dict) else {}
    grand, cycle = _number(summary.get("grandTotal")), _number(summary.get("payablePerCycle"))
    first = _number(summary.get("initialCycleAmount"))
    for name, amount in (("payablePerCycle", cycle), ("initialCycleAmount", first)):
        if amount is not None and amount < 0:
            yield _breach(f"orderSummary.{name}", "must be 0 or more")
    if grand is not None and cycle is not None and cycle > _add(grand, ORE):
        demand = f"must be at most grandTotal, {_shown(grand)}{_units(cycle, grand)}"
        yield _breach("orderSummary.payablePerCycle", demand)
    if cycle and first and (hint := _units(first, cycle)):
        yield _breach("orderSummary.initialCycleAmount", f"must match payablePerCycle, {_shown(cycle)}{hint}")


@frozen(eq=False, repr=False)
class _Line:
    amount: Decimal | None
    discount: Decimal | None
    tax: Decimal | None
    before_discount: Decimal | None

    def breaches(self, path: str) -> Iterator[Breach]:
        if self.tax is not None and (0 < self.tax < 1 or self.tax > _HUNDRED):
            example = "0.25" if self.tax < 1 else "2500"
            yield _breach(f"{path}.tax", f"is a rate in percent: write 25 for 25 %, not {example}")
        full = self.before_discount
        if full is None or self.discount is None or self.amount is None:
            return
        expected = _subtract(full, self.discount)
        if hint := _units(self.amount, expected):
            yield _breach(
                f"{path}.amount", f"must match rate, quantity and discount, {_shown(expected)}{hint}"
            )


def _line(row: JsonObject) -> _Line:
    discount = row.get("discount")
    # The lines of a reservation have no quantity, which is 1.
    rate, quantity = _number(row.get("rate")), _number(row.get("quantity", 1))
    return _Line(
        _number(row.get("amount")),
        _ZERO if discount is None else _number(discount),
        _number(row.get("tax")),
        None if rate is None or quantity is None else _multiply(rate, quantity),
    )


def _lines(body: JsonObject) -> dict[str, _Line]:
    products = body.get("products")
    return dict(zip(_keys(products), map(_line, _rows(products)), strict=True))


def _line_breaches(lines: dict[str, _Line]) -> Iterator[Breach]:
    for key, line in lines.items():
        yield from line.breaches(f"products.{key}")


def _summary_breaches(summary: JsonObject, lines: list[_Line]) -> Iterator[Breach]:
    tolerance = _multiply(ORE, Decimal(len(lines)))

    def units(given: Decimal, expected: Decimal) -> str:
        return _units(given, expected, tolerance)

    def fits(total: Decimal, *expected: Decimal | None) -> bool:
        # Nearly all totals are exact: equal numbers need no subtraction.
        return total in expected or any(
            each is None or abs(_subtract(total, each)) <= tolerance for each in expected
        )

    grand, tax = _number(summary.get("grandTotal")), _number(summary.get("totalTax"))
    # A missing discount is 0.
    sub, discount = _number(summary.get("subTotal")), _number(summary.get("totalDiscount", 0))
    amounts = _sum_or_none([line.amount for line in lines])
    if grand is not None and amounts is not None and not fits(grand, amounts):
        demand = f"must be the sum of the lines' amounts, {_shown(amounts)}{units(grand, amounts)}"
        yield _breach("orderSummary.grandTotal", demand)
    taxes = _taxes(lines)
    if tax is not None and taxes is not None and not fits(tax, taxes):
        demand = f"must be the VAT that the lines' amounts include, {_shown(taxes)}{units(tax, taxes)}"
        yield _breach("orderSummary.totalTax", demand)
    discounts = _sum_or_none([line.discount for line in lines])
    full = _sum_or_none([line.before_discount for line in lines])
    if discount is not None and discounts is not None and full is not None and amounts is not None:
        implied = _subtract(full, amounts)
        if not fits(discount, discounts, implied):
            demand = (
                f"must be the sum of the lines' discounts, {_shown(discounts)}{units(discount, discounts)}"
            )
            yield _breach("orderSummary.totalDiscount", demand)
    if grand is not None and tax is not None and sub is not None and discount is not None:
        after = _subtract(grand, tax)
        before = _add(after, discount)
        if not fits(sub, before, after):
            demand = f"must be grandTotal - totalTax + totalDiscount, {_shown(before)}{units(sub, before)}"
            yield _breach("orderSummary.subTotal", demand)


@exactly
def _taxes(lines: list[_Line]) -> Decimal | None:
    total = _ZERO
    for line in lines:
        if line.amount is None or line.tax is None or line.tax <= -_HUNDRED:
            return None
        total += included_tax(line.amount.quantize(ORE), line.tax)
    return total


def _sum_or_none(numbers: list[Decimal | None]) -> Decimal | None:
    return None if None in numbers else _sum(numbers)


def _sum(numbers: list[Decimal | None]) -> Decimal:
    total = _ZERO
    for number in numbers:
        total = _add(total, number or _ZERO)
    return total


def _number(value: Json) -> Decimal | None:
    if type(value) is Decimal:
        return value if value.is_finite() else None
    if isinstance(value, bool) or not isinstance(value, (str, int, Decimal)):
        return None
    try:
        number = Decimal(value.strip() if isinstance(value, str) else value)
    except InvalidOperation:
        return None
    return number if number.is_finite() else None


def _rows(value: Json) -> list[JsonObject]:
    rows = list(value.values()) if isinstance(value, dict) else value
    return [row if isinstance(row, dict) else {} for row in rows] if isinstance(rows, list) else []


def _keys(value: Json) -> list[str]:
    if isinstance(value, dict):
        return list(value)
    return [str(index) for index in range(len(value))] if isinstance(value, list) else []


def _units(given: Decimal, expected: Decimal, tolerance: Decimal = _ZERO) -> str:
    """Return which of two numbers seems to be in øre, if one is a hundred times the other."""
    if given == expected:
        return ""

    def differ(one: Decimal, other: Decimal, by: Decimal) -> bool:
        return abs(_subtract(to_ore(one), to_ore(other))) > by

    hundredfold = _multiply(tolerance, _HUNDRED)
    if not differ(given, expected, tolerance):
        return ""
    if not differ(given, _multiply(expected, _HUNDRED), hundredfold):
        return "; this one seems to be in øre, but amounts are in kroner"
    if not differ(_multiply(given, _HUNDRED), expected, hundredfold):
        return "; that seems to be in øre, but amounts are in kroner"
    return ""


def _shown(number: Decimal) -> str:
    return format(to_ore(number), "f")


def _breach(path: str, demand: str) -> Breach:
    return Breach(path, "totals", f"{demand} {_WAY_OUT}")
