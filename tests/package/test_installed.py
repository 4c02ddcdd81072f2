"""Installed outside the repository, with what they ask for, the distributions do their work."""

from __future__ import annotations

from importlib.metadata import PathDistribution
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.package.conftest import Distributions, Environment

pytestmark = pytest.mark.package

CALL_THAT_GOES_NOWHERE = """
import asyncio, importlib.metadata, sys
import frontpay_async
from frontpay_async import FrontPayClient, NotSentError, RetryPolicy

assert importlib.metadata.version("frontpay_async") == frontpay_async.__version__
assert frontpay_async.__file__.startswith(sys.prefix)

async def main():
    retry = RetryPolicy(attempts=1)
    async with FrontPayClient("token", base_url="http://127.0.0.1:1", retry=retry) as client:
        try:
            await client.orders.list_statuses()
        except NotSentError as error:
            print(error.outcome)

asyncio.run(main())
"""

CLIENT = "from frontpay_async import *; FrontPayClient('token', environment='demo', {})"

WITHOUT = {
    "aiohttp": CLIENT.format("engine='aiohttp'"),
    "batch": "import frontpay_async.batch",
    "cli": "import sys; from frontpay_async.cli import main; sys.exit(main())",
    "httpx2": CLIENT.format("engine='httpx2'"),
    "otel": "import frontpay_async.otel",
    "redis": CLIENT.format("rate_limit=RateLimit(redis='redis://127.0.0.1')"),
    "sandbox": "import frontpay_async.sandbox",
    "starlette": "import frontpay_async.callbacks.starlette",
}
BATCH = """
import asyncio
from frontpay_async import FrontPayClient
from frontpay_async.batch import InvoiceBatch

async def main():
    async with FrontPayClient("token", environment="demo") as client:
        await InvoiceBatch(client, name="night", {}).submit([])

asyncio.run(main())
"""
WITHOUT_BUT_BATCH = {
    "encryption": BATCH.format("journal='night.db', key='made-up'"),
    "postgres": BATCH.format("journal='postgresql://127.0.0.1/none'"),
    "procrastinate": "import frontpay_async.batch.procrastinate",
}


def test_the_core_alone_makes_a_call(core: Environment) -> None:
    assert core.succeed("python", "-c", CALL_THAT_GOES_NOWHERE) == "not_sent\n"


@pytest.mark.parametrize("extra", WITHOUT)
def test_without_an_extra_the_error_says_what_to_install(core: Environment, extra: str) -> None:
    _says_what_to_install(core, WITHOUT[extra], extra)


def test_without_an_extra_of_a_batch_the_error_says_what_to_install(
    distributions: Distributions, install: Callable[[Path, str], Environment]
) -> None:
    batch = install(distributions.wheel, "[batch]")
    for extra, script in WITHOUT_BUT_BATCH.items():
        _says_what_to_install(batch, script, extra)


def test_every_extra_is_tried(core: Environment) -> None:
    (information,) = core.directory.glob("lib/*/site-packages/frontpay_async-*.dist-info")
    extras = PathDistribution(information).metadata.get_all("Provides-Extra")
    assert {*WITHOUT, *WITHOUT_BUT_BATCH, "all"} == set(extras or ())


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_the_demo_runs_outside_the_repository(
    distributions: Distributions, install: Callable[[Path, str], Environment], kind: str
) -> None:
    environment = install(getattr(distributions, kind), "[cli,sandbox]")
    where = environment.succeed("python", "-c", "import frontpay_async; print(frontpay_async.__file__)")
    assert Path(where).is_relative_to(environment.directory)
    environment.succeed("frontpay", "demo")


def _says_what_to_install(environment: Environment, script: str, extra: str) -> None:
    ended = environment.run("python", "-c", script)
    assert ended.returncode != 0
    assert ended.stderr.strip().splitlines()[-1].endswith(f"pip install 'frontpay_async[{extra}]'")
