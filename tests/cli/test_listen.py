"""``frontpay listen`` as a process, beside a sandbox and a program that receives callbacks."""

from __future__ import annotations

import asyncio
import json
import signal
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

import pytest
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

from frontpay_async.callbacks import CallbackGuard, sign_callback_url
from frontpay_async.cli.listen import _judge
from frontpay_async.sandbox import DEFAULT_CALLBACK_SECRET, Cardholder, Sandbox
from tests.support.builders import payment_link
from tests.support.callbacks import served
from tests.support.command import MODULE, PATIENCE, frontpay, settings
from tests.support.processes import Program, start
from tests.support.sandboxes import client_of, terminal_order

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from starlette.requests import Request

pytestmark = pytest.mark.integration


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox(cardholder=Cardholder(after=None))


@pytest.fixture
async def url(sandbox: Sandbox) -> AsyncIterator[str]:
    async with sandbox.serve() as base_url:
        yield base_url


@asynccontextmanager
async def listening(*arguments: str, url: str) -> AsyncIterator[Program]:
    """Run the command until it listens; it must end well by Ctrl-C."""
    process = await start(MODULE, "listen", *arguments, env=settings(url))
    try:
        assert process.stderr is not None
        async with asyncio.timeout(PATIENCE):
            assert b"listening to" in await process.stderr.readline()
            yield process
            process.send_signal(signal.SIGINT)
            assert await process.wait() == 0
    finally:
        if process.returncode is None:
            process.kill()


async def line(process: Program) -> str:
    assert process.stdout is not None
    return (await process.stdout.readline()).decode().rstrip("\n")


async def test_callbacks_are_shown_with_their_verdict_and_forwarded(sandbox: Sandbox, url: str) -> None:
    """Those of orders without a callback URL, too; the program's answer is the sandbox's."""
    queries: list[str] = []

    async def receive(request: Request) -> Response:
        queries.append(request.url.query)
        return Response(status_code=204)

    app = Starlette(routes=[Route("/cb", receive)])
    async with (
        served(app) as origin,
        listening("--forward-to", f"{origin}/cb?shop=7", "--json", url=url) as process,
        client_of(url) as client,
    ):
        uuid = (await client.orders.send_payment_link(payment_link())).order_uuid
        sandbox.apply_event(uuid, "pay")
        row: dict[str, Any] = json.loads(await line(process))
        assert (row["order_uuid"], row["status"], row["verdict"]) == (uuid, "PAID", "genuine")
        assert row["answer"] == f"204 from {origin}/cb?shop=7"
        again = await frontpay("callbacks", "resend", uuid, env=settings(url))
        assert (again.status, again.out) == (0, f"order_uuid: {uuid}\nresent: yes\nanswer: 204\n")
        assert "accepted before" in json.loads(await line(process))["verdict"]
        signed = sign_callback_url("https://shop.example/elsewhere", "B-1", DEFAULT_CALLBACK_SECRET)
        at = (await client.terminals.create_order(terminal_order(callback_url=signed))).order_uuid
        sandbox.approve(at)
        assert json.loads(await line(process))["verdict"] == "unsigned, its token is genuine"
        plain = (await client.terminals.create_order(terminal_order())).order_uuid
        sandbox.approve(plain)
        row = json.loads(await line(process))
        assert (row["order_uuid"], row["verdict"]) == (plain, "unsigned, its token is genuine")
    assert queries[0] == queries[1]
    assert queries[0].startswith(f"shop=7&orderUuid={uuid}")
    assert [each.status for each in sandbox.callbacks] == [204, 204, 204, 204]
    assert sandbox.callback_sender.listener is None, "the command has signed off"


async def test_a_program_that_does_not_answer_is_told(sandbox: Sandbox, url: str) -> None:
    async with listening("--forward-to", "http://127.0.0.1:9/", url=url) as process, client_of(url) as client:
        uuid = (await client.orders.send_payment_link(payment_link())).order_uuid
        sandbox.apply_event(uuid, "pay")
        told = await line(process)
    assert told.split("\t")[:3] == [uuid, "PAID", "genuine"]
    assert "no response from http://127.0.0.1:9/" in told
    assert [each.status for each in sandbox.callbacks] == [502]


@pytest.mark.parametrize("command", [("listen",), ("callbacks", "resend", "ODR1")])
async def test_where_no_sandbox_answers_the_command_says_so(command: tuple[str, ...], url: str) -> None:
    ended = await frontpay(*command, "--sandbox", "http://127.0.0.1:9/api", env=settings())
    assert (ended.status, ended.out) == (1, "")
    assert "frontpay sandbox" in ended.err
    async with served(Starlette()) as origin:
        other = await frontpay(*command, "--sandbox", origin, env=settings())
    assert (other.status, "is not a sandbox" in other.err) == (1, True)


@pytest.mark.parametrize("command", [("listen",), ("callbacks", "resend", "ODR1")])
@pytest.mark.parametrize(
    "answer", ['{"ok": true}', "null", '"text"', "[1]", "[{}]", '[{"uuid": "ODR1"}]', "7"]
)
async def test_a_server_whose_json_is_another_is_no_sandbox(command: tuple[str, ...], answer: str) -> None:
    """It was a traceback."""

    async def reply(_: Request) -> Response:
        return Response(answer, media_type="application/json")

    app = Starlette(routes=[Route("/{path:path}", reply, methods=["GET", "POST"])])
    async with served(app) as origin:
        ended = await frontpay(*command, "--sandbox", origin, env=settings())
    assert (ended.status, ended.out) == (1, "")
    assert f"{origin} is not a sandbox" in ended.err
    assert "Traceback" not in ended.err


async def test_an_order_without_callbacks_cannot_be_resent(url: str) -> None:
    ended = await frontpay("callbacks", "resend", "ODR1", env=settings(url))
    assert ended.status == 1
    assert "no such order, or nothing to repeat" in ended.err


async def test_a_callback_that_nobody_takes_is_not_called_resent(sandbox: Sandbox, url: str) -> None:
    async with client_of(url) as client:
        order = terminal_order(callback_url="http://127.0.0.1:9/cb")
        uuid = (await client.terminals.create_order(order)).order_uuid
        sandbox.approve(uuid)
    ended = await frontpay("callbacks", "resend", uuid, env=settings(url))
    assert (ended.status, ended.out) == (1, "")
    assert f"the callback of {uuid} did not arrive: no answer (ConnectError)" in ended.err


async def test_what_is_not_genuine_is_shown_as_refused() -> None:
    row = await _judge(CallbackGuard("secret"), "orderUuid=ODR1&status=PAID", {"orderUuid": "ODR1"})
    assert row["verdict"].startswith("refused: ")
