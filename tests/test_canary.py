"""Canaries: a token and personal data that are known go through every path, and turn up nowhere that is seen.

Seen are reprs, logs at DEBUG, warnings, errors with frames and pickles, spans, the journal's files, reports
and the command's output. Failures of the transport are in ``_transport/test_secrets.py``.
"""

from __future__ import annotations

import asyncio
import logging
import os
import pickle
import subprocess
import sys
import traceback
from typing import TYPE_CHECKING, Any

import pytest
from cryptography.fernet import Fernet
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from frontpay_async import FrontPayClient, FrontPayError, RateLimit, RetryPolicy, Timeouts
from frontpay_async.batch import BatchItem, InvoiceBatch, write_report
from frontpay_async.otel import Telemetry
from frontpay_async.sandbox import Sandbox
from tests.support import builders
from tests.support.wire_server import serving
from tests.support.wire_steps import close, envelope, failed, never

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from frontpay_async._transport.engines import Engine

pytestmark = pytest.mark.integration

TOKEN = "canary-token-5f1d8c"
PROXY_PASSWORD = "canary-proxy-91ab"
CANARIES = {
    "token": TOKEN,
    "proxy password": PROXY_PASSWORD,
    "personal number": "31129998877",
    "msisdn": "48877665",
    "e-mail": "canary.bird@example.no",
    "name": "Kanari Fuglesang",
    "street": "Fuglekasseveien 77",
    "callback secret": "canary-callback-3e",
}
ENGINES = pytest.mark.parametrize("engine", ["httpx", "aiohttp", "httpx2"])


def order(**fields: Any) -> Any:
    """An invoice that is full of canaries."""
    buyer = builders.customer(
        name=CANARIES["name"],
        email=CANARIES["e-mail"],
        msisdn=CANARIES["msisdn"],
        personal_number=CANARIES["personal number"],
        address=builders.address(street=CANARIES["street"]),
    )
    url = f"https://shop.example.no/cb?secret={CANARIES['callback secret']}"
    return builders.invoice(**{"customer": buyer, "callback_url": url, **fields})


def assert_silent(text: str, where: str) -> None:
    """No canary sings in a text."""
    found = [name for name, canary in CANARIES.items() if canary in text]
    assert not found, f"{found} in {where}: {text[:3000]}"


def reachable(thing: object, depth: int = 2) -> Iterator[tuple[str, object]]:
    """Yield what a person reaches from an object by public names."""
    yield type(thing).__name__, thing
    if depth:
        for name in dir(thing):
            if not name.startswith("_"):
                value = getattr(thing, name, None)
                if type(value).__module__.startswith("frontpay_async"):
                    yield from ((f"{name}.{where}", each) for where, each in reachable(value, depth - 1))


@ENGINES
def test_reprs_of_all_that_a_client_shows(engine: Engine) -> None:
    client = FrontPayClient(
        TOKEN,
        environment="demo",
        engine=engine,
        proxy=f"http://user:{PROXY_PASSWORD}@proxy.example.no:3128",
        trust_env=False,
    )
    for where, thing in reachable(client):
        for text in (repr(thing), str(thing)):
            assert_silent(text, where)


async def _failures(client: FrontPayClient) -> list[BaseException]:
    """Make calls that fail, and one that is cancelled."""
    found: list[BaseException] = []
    for _ in range(4):
        try:
            await client.orders.send_invoice(order())
        except FrontPayError as error:
            found.append(error)
    try:
        async with asyncio.timeout(0.05):
            await client.orders.send_invoice(order())
    except TimeoutError as error:
        found.append(error)
    return found


@ENGINES
async def test_logs_spans_warnings_errors_and_frames(
    engine: Engine, caplog: pytest.LogCaptureFixture, recwarn: pytest.WarningsRecorder
) -> None:
    """The frames of this package in every traceback; those of a caller hold what the caller holds."""
    caplog.set_level(logging.DEBUG)
    exporter = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    telemetry = Telemetry(tracer_provider=provider)
    echo = {
        "message": f"{CANARIES['e-mail']} unknown",
        "errors": [f"{CANARIES['msisdn']}", f"Bearer {TOKEN}"],
    }
    answers = (envelope(417, **echo), failed(500), close, envelope(400, **echo))
    async with serving(*answers, otherwise=never) as server, FrontPayClient(
        TOKEN, base_url=server.url, engine=engine, retry=RetryPolicy(attempts=1),
        timeouts=Timeouts(read=5), rate_limit=RateLimit.unlimited(), trust_env=False, telemetry=telemetry,
    ) as client:  # fmt: skip
        errors = await _failures(client)
    assert len(errors) == 5
    for error in errors:
        assert_silent("".join(traceback.format_exception(error)), "a traceback")
        if isinstance(error, FrontPayError):
            assert_silent(repr(pickle.dumps(error)), "a pickle")
        for frame, line in traceback.walk_tb(error.__traceback__):
            if "frontpay_async" in frame.f_code.co_filename and "/tests/" not in frame.f_code.co_filename:
                for name, value in frame.f_locals.items():
                    assert_silent(repr(value), f"{frame.f_code.co_qualname}:{line} {name}")
    for record in caplog.records:
        assert_silent(
            record.getMessage() + repr(record.args) + str(record.exc_text), f"the log {record.name}"
        )
    for span in exporter.get_finished_spans():
        assert_silent(span.to_json(), "a span")
    assert exporter.get_finished_spans()
    for warning in recwarn:
        assert_silent(str(warning.message), "a warning")


def contents(folder: Path) -> list[tuple[str, bytes]]:
    """All files of a folder."""
    return [(path.name, path.read_bytes()) for path in folder.iterdir()]


async def test_an_encrypted_journal_its_files_and_its_report(tmp_path: Path) -> None:
    sandbox = Sandbox(rate_limit=None, tokens=[TOKEN])
    journal = tmp_path / "journal.db"
    items = [BatchItem(key=f"I-{number}", order=order()) for number in range(3)]
    async with (
        sandbox.client(token=TOKEN) as client,
        InvoiceBatch(client, journal=journal, name="night", key=Fernet.generate_key().decode()) as batch,
    ):
        await batch.submit(items)
        await batch.run()
        rows = [row async for row in batch.rows()]
        await write_report(batch.rows(), tmp_path / "report.csv")
    assert len(rows) == 3
    for row in rows:
        assert_silent(repr(row), "a row")
    for name, content in contents(tmp_path):
        assert_silent(content.decode("latin-1"), name)


async def test_a_plain_journal_holds_the_orders_and_never_the_token(tmp_path: Path) -> None:
    sandbox = Sandbox(rate_limit=None, tokens=[TOKEN])
    async with (
        sandbox.client(token=TOKEN) as client,
        InvoiceBatch(client, journal=tmp_path / "j.db", name="n") as batch,
    ):
        await batch.submit([BatchItem(key="I-1", order=order())])
        await batch.run()
    for name, content in contents(tmp_path):
        assert TOKEN.encode() not in content, name


@pytest.mark.parametrize(
    "arguments",
    [
        ["orders", "list"],
        ["orders", "status", "ODR1"],
        ["doctor"],
        ["--json", "orders", "list"],
        ["terminals", "list", "ORG1"],
    ],
    ids=" ".join,
)
def test_the_commands_output(arguments: list[str]) -> None:
    """Against a port where nothing listens, with a proxy that has a password."""
    environment = {
        **os.environ,
        "FRONTPAY_TOKEN": TOKEN,
        "FRONTPAY_BASE_URL": "http://127.0.0.1:9/api/v1/connect",
        "HTTPS_PROXY": f"http://user:{PROXY_PASSWORD}@127.0.0.1:9",
        "HTTP_PROXY": f"http://user:{PROXY_PASSWORD}@127.0.0.1:9",
    }
    command = [sys.executable, "-m", "frontpay_async.cli", *arguments]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=120)  # noqa: S603
    assert run.returncode != 0
    assert_silent(run.stdout + run.stderr, " ".join(arguments))
