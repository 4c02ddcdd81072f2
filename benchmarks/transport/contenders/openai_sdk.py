"""openai-python's async client, creating a conversation with the order's facts as metadata."""

import httpx2
import openai

from benchmarks.common.payloads import OPENAI_METADATA, TOKEN
from benchmarks.transport.contenders import TIMEOUT, Call


def _calls(origin: str, http_client: httpx2.AsyncClient | None) -> Call:
    client = openai.AsyncOpenAI(
        api_key=TOKEN, base_url=f"{origin}/v1", timeout=TIMEOUT, max_retries=0, http_client=http_client
    )

    async def call() -> str:
        return (await client.conversations.create(metadata=OPENAI_METADATA)).id

    return call


async def on_httpx2(origin: str) -> Call:
    """Use its default HTTP client."""
    return _calls(origin, None)


async def on_aiohttp(origin: str) -> Call:
    """Use the HTTP client of its aiohttp extra."""
    return _calls(origin, openai.DefaultAioHttpClient())
