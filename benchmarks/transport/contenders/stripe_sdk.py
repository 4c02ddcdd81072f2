"""stripe-python's async client, creating an invoice with the order's facts as metadata."""

import stripe

from benchmarks.common.payloads import STRIPE_METADATA, TOKEN
from benchmarks.transport.contenders import TIMEOUT, Call

stripe.enable_telemetry = False


def _calls(origin: str, http_client: stripe.HTTPClient) -> Call:
    client = stripe.StripeClient(
        TOKEN, http_client=http_client, base_addresses={"api": origin}, max_network_retries=0
    )

    async def call() -> str:
        return (await client.v1.invoices.create_async({"metadata": STRIPE_METADATA})).id

    return call


async def on_httpx(origin: str) -> Call:
    """Use its default HTTP client for async calls."""
    return _calls(origin, stripe.HTTPXClient(timeout=TIMEOUT))


async def on_aiohttp(origin: str) -> Call:
    """Use its aiohttp client."""
    return _calls(origin, stripe.AIOHTTPClient(timeout=TIMEOUT))
