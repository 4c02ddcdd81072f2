"""Bare httpx: one shared `AsyncClient`, `post(json=)` and `.json()`."""

import httpx

from benchmarks.common.payloads import ORDER, ORDER_PATH, TOKEN
from benchmarks.transport.contenders import TIMEOUT, WIDE, Call

_DEFAULT_LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=20)
_WIDE_LIMITS = httpx.Limits(max_connections=WIDE, max_keepalive_connections=WIDE)


def _calls(origin: str, limits: httpx.Limits) -> Call:
    url = origin + ORDER_PATH
    headers = {"Authorization": f"Bearer {TOKEN}"}
    client = httpx.AsyncClient(headers=headers, timeout=TIMEOUT, limits=limits)

    async def call() -> str:
        response = await client.post(url, json=ORDER)
        uuid: str = response.json()["data"]["uuid"]
        return uuid

    return call


async def default(origin: str) -> Call:
    """Use the limits that httpx sets itself."""
    return _calls(origin, _DEFAULT_LIMITS)


async def wide(origin: str) -> Call:
    """Raise the limits, which is the usual advice when it gets slow."""
    return _calls(origin, _WIDE_LIMITS)
