"""Bare aiohttp: one shared `ClientSession`, `post(json=)` and `.json()`."""

import aiohttp

from benchmarks.common.payloads import ORDER, ORDER_PATH, TOKEN
from benchmarks.transport.contenders import TIMEOUT, WIDE, Call

_DEFAULT_LIMIT = 100


def _calls(origin: str, limit: int) -> Call:
    url = origin + ORDER_PATH
    session = aiohttp.ClientSession(
        headers={"Authorization": f"Bearer {TOKEN}"},
        timeout=aiohttp.ClientTimeout(total=TIMEOUT),
        connector=aiohttp.TCPConnector(limit=limit),
    )

    async def call() -> str:
        async with session.post(url, json=ORDER) as response:
            uuid: str = (await response.json())["data"]["uuid"]
            return uuid

    return call


async def default(origin: str) -> Call:
    """Use the limit that aiohttp sets itself."""
    return _calls(origin, _DEFAULT_LIMIT)


async def wide(origin: str) -> Call:
    """Raise the limit above the number of requests in flight."""
    return _calls(origin, WIDE)
