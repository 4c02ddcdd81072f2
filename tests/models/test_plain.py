"""Plain data: what it looks like, what is refused, and what is kept apart."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import attrs
import pytest

from frontpay_async import (
    CreatedOrder,
    Customer,
    InvalidOrderError,
    InvoiceOrder,
    OrderDetails,
    OrderStatus,
    PartialProduct,
    Product,
    ReservationSession,
    ResultRecord,
    SendOrderBy,
    TerminalRefund,
)
from tests.support import builders

LINE = {"name": "Desk", "quantity": "1", "rate": "51.00", "tax": "25"}


def violations_of(cls: type[Any], data: Any, **options: Any) -> dict[str, str]:
    with pytest.raises(InvalidOrderError) as caught:
        cls.from_dict(data, **options)
    return {each.path: each.message for each in caught.value.violations}


def test_an_order_in_the_wires_names() -> None:
    written = builders.invoice().to_dict(names="wire", personal_data=True)
    assert {"orderSummary", "customerDetails", "orderDate", "invoiceFeeApplicable"} <= written.keys()
    assert "preferredLanguage" in json.dumps(written)


def test_a_dotted_name_leads_into_an_object() -> None:
    order = builders.invoice()
    session = ReservationSession(
        products=[Product(name="Desk", quantity=1, rate="51.00", tax=25)],
        summary=order.summary,
        order_date=date(2026, 1, 2),
        payment_link_due_date=date(2026, 1, 3),
        customer=order.customer,
        send_order_by=SendOrderBy(sms=True, email=False),
        via="visa",
        success_url="https://shop.example.no/ok",
        failure_url="https://shop.example.no/no",
    )
    written = session.to_dict(names="wire", personal_data=True)
    assert written["callback"] == {
        "callbackUrl": None,
        "success": "https://shop.example.no/ok",
        "failure": "https://shop.example.no/no",
    }
    broken = {**written, "callback": {**written["callback"], "succe": "x"}}  # type: ignore[dict-item]
    assert (
        "did you mean callback.success"
        in violations_of(ReservationSession, broken, names="wire")["callback.succe"]
    )


def test_numbers_keep_their_digits_and_floats_are_refused() -> None:
    assert Product.from_dict(LINE).to_dict()["rate"] == "51.00"
    assert Product.from_dict({**LINE, "rate": Decimal("51.10"), "quantity": 3}).quantity == 3
    assert "which is not exact" in violations_of(Product, {**LINE, "rate": 51.1})["rate"]


def test_an_amount_that_was_computed_follows_the_line_again() -> None:
    line = Product.from_dict(Product.from_dict(LINE).to_dict())
    assert attrs.evolve(line, quantity=2).amount == Decimal("102.00")
    given = Product.from_dict(Product.from_dict({**LINE, "amount": "50"}).to_dict())
    assert attrs.evolve(given, quantity=2).amount == 50


def test_all_that_is_wrong_is_listed_by_its_path() -> None:
    data = builders.invoice().to_dict(personal_data=True)
    data["customer"] = {**data["customer"], "e_mail": "a@b.no", "address": {"street": 1, "zip": 150}}  # type: ignore[dict-item]
    data["products"] = [LINE, {**LINE, "rate": "many"}, "row"]
    del data["summary"]
    data["order_date"] = "2026-01-02T10:00:00"
    assert violations_of(InvoiceOrder, data).keys() == {
        "summary",
        "order_date",
        "customer.e_mail",
        "customer.address.street",
        "customer.address.zip",
        "customer.address.city",
        "customer.address.country",
        "products.1.rate",
        "products.2",
    }


@pytest.mark.parametrize("data", [None, [], "text", 7])
def test_what_is_not_an_object_is_a_violation(data: Any) -> None:
    assert "must be an object" in violations_of(Customer, data)["data"]


def test_what_is_masked_is_not_taken_for_a_value() -> None:
    masked = builders.invoice(extra={"secret": 1}).to_dict()
    text = json.dumps(masked)
    assert "Nordmann" not in text
    refused = violations_of(InvoiceOrder, json.loads(text))
    assert {"customer.name", "customer.email", "customer.address.street", "extra"} <= refused.keys()
    assert all("personal_data=True" in each for each in refused.values())


def test_an_answer_of_the_api_is_read_by_its_other_names() -> None:
    assert CreatedOrder.from_dict({"orderUuid": "ODR1"}, names="wire").order_uuid == "ODR1"
    assert violations_of(CreatedOrder, {"orderUuid": "ODR1", "uuid": "ODR2"}, names="wire")


def test_dates_are_read_in_the_forms_of_the_api_and_as_objects() -> None:
    base = {"order_uuid": "ODR1", "status": "PAID"}
    moment = datetime(2026, 1, 2, 10, tzinfo=UTC)
    forms = {"07 Apr, 2024": date(2024, 4, 7), "soon": "soon", moment.isoformat(): moment}
    for text, meant in forms.items():
        assert OrderDetails.from_dict({**base, "order_date": text}).order_date == meant
    assert OrderDetails.from_dict({**base, "order_date": moment}).order_date == moment


def test_a_line_that_lacks_a_number_is_a_partial_one() -> None:
    details = OrderDetails.from_dict({"order_uuid": "ODR1", "status": "ODD", "products": [{"name": "Desk"}]})
    assert details.products == (PartialProduct(name="Desk"),)
    assert details.status == OrderStatus("ODD")


def test_exact_numbers_within_free_json_survive() -> None:
    order = builders.invoice(extra={"fee": Decimal("1.50"), "rows": [Decimal("0.1"), "0.1"]})
    data = json.loads(json.dumps(order.to_dict(personal_data=True)))
    assert data["extra"] == {"fee": {"$numberDecimal": "1.50"}, "rows": [{"$numberDecimal": "0.1"}, "0.1"]}
    assert InvoiceOrder.from_dict(data) == order


def test_free_json_of_any_depth_is_a_violation_at_most() -> None:
    deep: Any = "end"
    for _ in range(5000):
        deep = {"a": deep}
    data = {**builders.invoice().to_dict(personal_data=True), "extra": deep}
    assert any("too deeply" in each for each in violations_of(InvoiceOrder, data).values())


def test_names_are_one_of_two_styles() -> None:
    with pytest.raises(ValueError, match="'python' or 'wire'"):
        TerminalRefund.from_dict({}, names="camel")  # type: ignore[arg-type]


def test_a_record_of_a_call_can_be_logged() -> None:
    record = ResultRecord(
        operation="orders.cancel", order_uuid="ODR1", attempts=1, status=200, elapsed=0.25, outcome=None
    )
    assert json.loads(json.dumps(record.to_dict()))["elapsed"] == 0.25
