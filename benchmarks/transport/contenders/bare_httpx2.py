"""Bare httpx2, the continuation of httpx: one shared `AsyncClient`, `post(json=)` and `.json()`."""

import httpx2

from benchmarks.common.payloads import ORDER, ORDER_PATH, TOKEN
from benchmarks.transport.contenders import TIMEOUT, Call


async def default(origin: str) -> Call:
    """Use the limits that httpx2 sets itself."""
    url = origin + ORDER_PATH
    client = httpx2.AsyncClient(headers={"Authorization": f"Bearer {TOKEN}"}, timeout=TIMEOUT)

    async def call() -> str:
        response = await client.post(url, json=ORDER)
        uuid: str = response.json()["data"]["uuid"]
        return uuid

    return call
