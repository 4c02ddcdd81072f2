"""A sandbox whose time stands still, and clients of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import anyio
import pytest

from frontpay_async.sandbox import Cardholder, Sandbox
from tests.support.fakes import FakeClock
from tests.support.sandboxes import raw_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    import httpx

    from frontpay_async import FrontPayClient


@pytest.fixture
def fake_clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def sandbox(fake_clock: FakeClock) -> Sandbox:
    """A sandbox whose cardholder waits to be told."""
    return Sandbox(clock=fake_clock.clock(), cardholder=Cardholder(after=None))


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[FrontPayClient]:
    async with sandbox.client() as client:
        yield client


@pytest.fixture
async def raw(sandbox: Sandbox) -> AsyncIterator[httpx.AsyncClient]:
    async with raw_client(sandbox) as client:
        yield client


@pytest.fixture(params=["asyncio", "trio"])
def run(request: pytest.FixtureRequest) -> Callable[..., None]:
    """Run a scenario under asyncio, and under trio."""
    return lambda scenario: anyio.run(scenario, backend=request.param)
