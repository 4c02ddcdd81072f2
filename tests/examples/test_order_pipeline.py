"""The order pipeline, as a command and piece by piece, against the sandbox over sockets."""

from __future__ import annotations

import json
import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio
import pytest

from frontpay_async import FrontPayClient, RateLimit
from frontpay_async.sandbox import DEFAULT_TOKEN, Sandbox
from tests.support.examples import EXAMPLES, ended, load, started, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.integration

NAME = "order_pipeline"
SEND = "orders.send_payment_link"


def line(number: int) -> str:
    """An order of the file."""
    said = {
        "key": f"B-{number}",
        "item": "Ski wax",
        "price": 149.5,
        "name": f"Customer {number}",
        "email": f"c{number}@example.com",
        "street": "Storgata 1",
        "zip": "0155",
        "city": "Oslo",
    }
    return json.dumps(said)


def ends(out: str) -> dict[str, str]:
    """What became of each order; its last line counts."""
    return {each["key"]: each["end"] for each in map(json.loads, out.splitlines())}


@asynccontextmanager
async def serving(monkeypatch: pytest.MonkeyPatch, sandbox: Sandbox) -> AsyncIterator[None]:
    """Serve a sandbox whose address and token stand in the environment."""
    async with sandbox.serve() as base_url:
        monkeypatch.setenv("FRONTPAY_BASE_URL", base_url)
        monkeypatch.setenv("FRONTPAY_TOKEN", DEFAULT_TOKEN)
        yield


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
async def test_each_order_of_the_file_has_its_end(backend: str) -> None:
    """Sent, not sent, or found where its answer was lost; and nothing is sent twice."""
    sandbox = Sandbox()
    sandbox.fail("drop-after", operation=SEND)
    arguments = (EXAMPLES / "orders.jsonl", "--settling", "0", "--backend", backend)
    async with sandbox.serve() as base_url, started(NAME, *arguments, base_url=base_url) as process:
        done = await ended(process)
    assert ends(done.out) == {
        **dict.fromkeys(("B-1001", "B-1002", "B-1005"), "sent"),
        **dict.fromkeys(("B-1003", "line 4"), "not_sent"),
    }
    assert done.err == "1 unknown: looking in 0 s\n2 not_sent, 3 sent\n"
    assert done.status == 1
    told = {each["order_uuid"] for each in map(json.loads, done.out.splitlines())} - {None}
    assert told == sandbox.orders.keys()
    assert sandbox.duplicates() == ()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
async def test_ctrl_c_waits_for_what_has_left(tmp_path: Path, backend: str) -> None:
    """Every order that was read has one end, and those that are told as sent are those that were."""
    file = tmp_path / "orders.jsonl"
    file.write_text("\n".join(map(line, range(500))), "utf-8")
    sandbox = Sandbox()
    sandbox.fail("latency", operation=SEND, times=None, seconds=0.3)
    async with (
        sandbox.serve() as base_url,
        started(NAME, file, "--backend", backend, base_url=base_url) as process,
    ):
        await until(lambda: sandbox.orders)
        process.send_signal(signal.SIGINT)
        done = await ended(process)
    told = [json.loads(each) for each in done.out.splitlines()]
    sent = {each["order_uuid"] for each in told if each["end"] == "sent"}
    assert sent == sandbox.orders.keys()
    assert 1 <= len(sent) < 100
    assert [each["key"] for each in sorted(told, key=lambda each: int(each["key"][2:]))] == [
        f"B-{number}" for number in range(len(told))
    ]
    assert {each["end"] for each in told} == {"sent", "not_sent"}
    assert done.status == 1
    assert done.err.startswith("stopping: waiting up to ")


async def test_a_source_is_read_no_faster_than_its_ends_are_written(monkeypatch: pytest.MonkeyPatch) -> None:
    """While the sink waits, all stages come to wait; when it goes on, nothing was lost."""
    example, sandbox = load(NAME, monkeypatch), Sandbox(rate_limit=None)
    go_on, pulled, written = anyio.Event(), 0, 0

    async def source() -> AsyncIterator[str]:
        nonlocal pulled
        for number in range(200):
            pulled += 1
            yield line(number)

    async def sink(_: Any) -> None:
        nonlocal written
        await go_on.wait()
        written += 1

    sent = 1 + example.BUFFER + example.SENDERS  # in the sink's hands, in its stream, in the senders'
    held = sent + example.BUFFER + 1  # in the senders' stream, in the reader's hands
    async with (
        serving(monkeypatch, sandbox),
        FrontPayClient(rate_limit=RateLimit.unlimited()) as client,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(example.Pipeline(client).run, source(), sink)
        await until(lambda: len(sandbox.orders) == sent and pulled == held)
        await anyio.wait_all_tasks_blocked()
        assert (len(sandbox.orders), pulled) == (sent, held)
        go_on.set()
    assert (written, len(sandbox.orders)) == (200, 200)


async def test_an_api_that_loses_everything_is_not_fed_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """The intake stops, and what cannot be found is left to a person."""
    file = tmp_path / "orders.jsonl"
    file.write_text("\n".join(map(line, range(60))), "utf-8")
    example, sandbox = load(NAME, monkeypatch, MOST_UNKNOWN=2), Sandbox()
    sandbox.fail("drop-before", operation=SEND, times=None)
    async with serving(monkeypatch, sandbox):
        status = await example.main(str(file), 0.0)
    told = ends(capsys.readouterr().out)
    unknown = [key for key, end in told.items() if end == "unknown"]
    requests = [each for each in sandbox.requests if each.operation == SEND]
    assert status == 3
    assert 2 <= len(unknown) == len(requests) < 2 + example.SENDERS
    assert set(told.values()) == {"unknown", "not_sent"}
    assert sandbox.orders == {}


async def test_a_used_up_token_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing was sent, so the order is sent when there is room; a window is three seconds here."""
    example, sandbox = load(NAME, monkeypatch, PATIENCE=0.5), Sandbox(rate_limit=4, rate_window=3.0)
    ends_told: list[str] = []

    async def sink(end: Any) -> None:
        ends_told.append(end.end)

    async def source() -> AsyncIterator[str]:
        for each in range(6):
            yield line(each)

    async with (
        serving(monkeypatch, sandbox),
        FrontPayClient(rate_limit=RateLimit(requests=4, window=3.0)) as client,
    ):
        await example.Pipeline(client).run(source(), sink)
    assert ends_told == ["sent"] * 6
    assert [each for each in sandbox.requests if each.status == 429] == []


async def test_a_refused_token_sends_nothing() -> None:
    async with (
        Sandbox(tokens=["another"]).serve() as base_url,
        started(NAME, EXAMPLES / "orders.jsonl", base_url=base_url) as process,
    ):
        done = await ended(process)
    assert (done.status, done.out) == (1, "")
    assert done.err.startswith("nothing was sent: orders.list_statuses: ")
