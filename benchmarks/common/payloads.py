"""The one order that every contender posts, and the answers that the server gives.

The order is the invoice order of the API reference with a second product and both references filled in:
about 900 bytes as JSON. The other SDKs cannot send that shape, so they post the same facts as a flat map of
text, which is what their own APIs take. The answers differ in shape, since each SDK accepts only its own
objects, and have the same number of bytes.
"""

import json
from typing import Any, Final
from urllib.parse import urlencode

ORDER_PATH: Final = "/api/v1/connect/orders/invoice/create"
"""Where this SDK and the bare clients post the order."""

BASE_PATH: Final = "/api/v1/connect"
"""The base path of the Connect API."""

TOKEN: Final = "bench-token"
"""The bearer token or API key that every contender sends."""

PRODUCTS: Final[tuple[dict[str, Any], ...]] = (
    {
        "name": "Hair Wash",
        "productId": "VFDDF",
        "quantity": "1",
        "rate": "51.00",
        "discount": "0",
        "tax": "25",
        "amount": "51.00",
    },
    {
        "name": "Cut and colour, long hair",
        "productId": "VFDDG-LONG",
        "quantity": "1",
        "rate": "4500.00",
        "discount": "0",
        "tax": "12",
        "amount": "4500.00",
    },
)
"""The order's lines, as on the wire; prices include VAT."""

CUSTOMER: Final[dict[str, Any]] = {
    "type": "private",
    "countryCode": "+47",
    "msisdn": "46567468",
    "email": "kari.nordmann@example.com",
    "name": "Kari Nordmann",
    "preferredLanguage": "en",
    "personalNumber": "12345678901",
    "address": {"street": "Luramyrveien 65", "zip": "4313", "city": "Sandnes", "country": "NO"},
}
"""The person who is billed, as on the wire."""

ORDER: Final[dict[str, Any]] = {
    "products": list(PRODUCTS),
    "orderSummary": {
        "subTotal": "4058.66",
        "totalTax": "492.34",
        "totalDiscount": "0.00",
        "grandTotal": "4551.00",
    },
    "orderDate": "1703040812",
    "customerDetails": CUSTOMER,
    "invoiceInterval": 0,
    "invoiceMaturity": 10,
    "invoiceFeeApplicable": True,
    "separateInvoices": True,
    "referenceNo": "2024-03-000187",
    "customerReference": "Purchase order 55-1208, salon Sandnes",
    "callback": {"callbackUrl": "https://example.com/frontpay/callback"},
}
"""The order's JSON body."""

ORDER_SIZE: Final = len(json.dumps(ORDER, separators=(",", ":")))
"""Bytes of the order as compact JSON: what every other body is filled up to."""

_FLAT: Final[dict[str, str]] = {
    "product_0": "Hair Wash; VFDDF; 1; 51.00; 0; 25; 51.00",
    "product_1": "Cut and colour, long hair; VFDDG-LONG; 1; 4500.00; 0; 12; 4500.00",
    "order_summary": "4058.66; 492.34; 0.00; 4551.00",
    "order_date": "1703040812",
    "customer_type": "private",
    "msisdn": "+4746567468",
    "email": "kari.nordmann@example.com",
    "name": "Kari Nordmann",
    "preferred_language": "en",
    "personal_number": "12345678901",
    "address": "Luramyrveien 65; 4313; Sandnes; NO",
    "invoice": "interval 0; maturity 10; fee applicable; separate invoices",
    "reference_no": "2024-03-000187",
    "customer_reference": "Purchase order 55-1208, salon Sandnes",
    "callback_url": "https://example.com/frontpay/callback",
}


def _filled(size: int) -> dict[str, str]:
    """Return the order's facts as a flat map of text, filled up from `size` bytes to those of the order."""
    return _FLAT | {"note": "-" * (ORDER_SIZE - size)}


STRIPE_METADATA: Final = _filled(
    len(urlencode({f"metadata[{key}]": value for key, value in (_FLAT | {"note": ""}).items()}, safe="[]"))
)
"""The same facts for Stripe, which posts forms: the metadata of an invoice."""

OPENAI_METADATA: Final = _filled(len(json.dumps({"metadata": _FLAT | {"note": ""}}, separators=(",", ":"))))
"""The same facts for OpenAI, which posts JSON: the metadata of a conversation."""

CREATED_UUID: Final = "ODR3506777330"
"""The id that each kind of answer carries: it proves that a call was really answered."""

_CREATED: Final[dict[str, Any]] = {
    "status_code": 201,
    "status_message": "OK",
    "message": "orderAddedSuccessfully",
    "is_data": False,
    "data": {"uuid": CREATED_UUID, "customerUuid": "CSRT3463048878"},
}
_STRIPE_INVOICE: Final[dict[str, Any]] = {
    "id": CREATED_UUID,
    "object": "invoice",
    "status": "open",
    "created": 1703040812,
    "metadata": {"customer": "CSRT3463048878", "note": ""},
}
_OPENAI_CONVERSATION: Final[dict[str, Any]] = {
    "id": CREATED_UUID,
    "object": "conversation",
    "created_at": 1703040812,
    "metadata": {"customer": "CSRT3463048878", "note": ""},
}


def _encode(body: dict[str, Any], size: int | None = None) -> bytes:
    """Encode compactly, filling `metadata.note` up to `size` bytes."""
    encoded = json.dumps(body, separators=(",", ":"))
    if size is None:
        return encoded.encode()
    padded = body | {"metadata": body["metadata"] | {"note": "-" * (size - len(encoded))}}
    return json.dumps(padded, separators=(",", ":")).encode()


CREATED_BODY: Final = _encode(_CREATED)
"""The Connect API's answer to a created order."""

ANSWERS: Final[dict[bytes, tuple[int, bytes]]] = {
    b"/api/v1/connect/": (201, CREATED_BODY),
    b"/v1/invoices": (200, _encode(_STRIPE_INVOICE, len(CREATED_BODY))),
    b"/v1/conversations": (200, _encode(_OPENAI_CONVERSATION, len(CREATED_BODY))),
}
"""Status and body for each prefix of a path: all bodies are of one size."""

ANSWER_HEADERS: Final[tuple[tuple[bytes, bytes], ...]] = (
    (b"Server", b"nginx"),
    (b"Content-Type", b"application/json"),
    (b"Transfer-Encoding", b"chunked"),
    (b"Connection", b"keep-alive"),
    (b"Cache-Control", b"no-cache, private"),
    (b"Date", b"Wed, 20 Dec 2023 02:53:32 GMT"),
    (b"x-ratelimit-limit", b"1000000000"),
    (b"x-ratelimit-remaining", b"999999999"),
)
"""The headers of the real API; its limit is set so high that no client holds back."""
