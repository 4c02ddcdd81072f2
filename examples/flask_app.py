"""A Flask view that sends a payment link, under a server with threads.

python3 -m pip install ".[cli,sandbox]" flask  # in a clone and a virtual environment
frontpay sandbox                               # in another terminal; prints its URL
export FRONTPAY_TOKEN=sandbox-token
export FRONTPAY_BASE_URL=http://127.0.0.1:8123/api/v1/connect
PYTHONPATH=examples flask --app flask_app run

curl localhost:5000/links --json '{"item": "Ski wax", "price": "149.50",
    "email": "kari@example.com"}'
"""

from __future__ import annotations

from datetime import UTC, datetime

from flask import Flask, Response, jsonify, request
from portal import frontpay

from frontpay_async import (
    Address,
    Customer,
    FrontPayError,
    InvalidOrderError,
    OrderSummary,
    Outcome,
    PaymentLinkOrder,
    Product,
    SendOrderBy,
)

app = Flask(__name__)


@app.post("/links")
def send_link() -> tuple[Response, int]:
    """Send a payment link, and answer with the order's id."""
    asked = request.get_json()
    products = [Product(name=asked["item"], quantity=1, rate=asked["price"], tax=25)]
    order = PaymentLinkOrder(
        products=products,
        summary=OrderSummary.of(products),
        order_date=datetime.now(UTC),
        customer=Customer(
            type="private",
            name="Web customer",
            email=asked["email"],
            address=Address(street="Storgata 1", zip="0155", city="Oslo", country="NO"),
        ),
        invoice_as_payment_option=False,
        send_order_by=SendOrderBy(sms=False, email=True),
    )
    created = frontpay(lambda client: client.orders.send_payment_link(order))
    return jsonify(order=created.order_uuid), 201


@app.get("/orders/<uuid>")
def show(uuid: str) -> tuple[Response, int]:
    """Answer with an order's status."""
    report = frontpay(lambda client: client.orders.get_status(uuid))
    return jsonify(order=uuid, status=report.status), 200


@app.errorhandler(FrontPayError)
def failed(error: FrontPayError) -> tuple[Response, int]:
    """Answer by outcome: a 500 would be retried and bill the customer twice."""
    if isinstance(error, InvalidOrderError):
        return jsonify(fields=[each.path for each in error.violations]), 422
    match error.outcome:
        case Outcome.NOT_SENT:
            return jsonify(detail="nothing was sent"), 503
        case Outcome.REJECTED:
            return jsonify(detail="refused: nothing was done"), 409
        case Outcome.UNKNOWN:
            return jsonify(detail="not known: do not send it again"), 202
