"""`frontpay_async` as it comes: every default as shipped, the whole pipeline, models in and out."""

from datetime import UTC, datetime
from typing import Literal

from benchmarks.common.payloads import BASE_PATH, CUSTOMER, ORDER, PRODUCTS, TOKEN
from benchmarks.transport.contenders import Call
from frontpay_async import (
    Address,
    Customer,
    CustomerType,
    FrontPayClient,
    InvoiceOrder,
    Language,
    OrderSummary,
    Product,
    RateLimit,
)


def build_order() -> InvoiceOrder:
    """Build the model of the order that the bare clients post as a dict."""
    products = [
        Product(
            name=row["name"],
            product_id=row["productId"],
            quantity=row["quantity"],
            rate=row["rate"],
            tax=row["tax"],
        )
        for row in PRODUCTS
    ]
    return InvoiceOrder(
        products=products,
        summary=OrderSummary.of(products),
        order_date=datetime.fromtimestamp(int(ORDER["orderDate"]), tz=UTC),
        customer=Customer(
            type=CustomerType(CUSTOMER["type"]),
            country_code=CUSTOMER["countryCode"],
            msisdn=CUSTOMER["msisdn"],
            email=CUSTOMER["email"],
            name=CUSTOMER["name"],
            preferred_language=Language(CUSTOMER["preferredLanguage"]),
            personal_number=CUSTOMER["personalNumber"],
            address=Address(**CUSTOMER["address"]),
        ),
        callback_url=ORDER["callback"]["callbackUrl"],
        invoice_interval=ORDER["invoiceInterval"],
        invoice_maturity=ORDER["invoiceMaturity"],
        separate_invoices=ORDER["separateInvoices"],
        reference_no=ORDER["referenceNo"],
        customer_reference=ORDER["customerReference"],
    )


def _calls(origin: str, engine: Literal["httpx", "aiohttp"]) -> Call:
    order = build_order()
    # The server has no limit to keep; the rate benchmark measures what keeping one costs.
    client = FrontPayClient(
        token=TOKEN, base_url=origin + BASE_PATH, engine=engine, rate_limit=RateLimit.unlimited()
    )

    async def call() -> str:
        return (await client.orders.send_invoice(order)).order_uuid

    return call


async def on_httpx(origin: str) -> Call:
    """Use the default engine."""
    return _calls(origin, "httpx")


async def on_aiohttp(origin: str) -> Call:
    """Use the engine of the `aiohttp` extra."""
    return _calls(origin, "aiohttp")
