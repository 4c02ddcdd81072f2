"""``frontpay doctor``, ``callbacks``, ``sandbox`` and ``demo`` as processes."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from typing import TYPE_CHECKING

import pytest

from frontpay_async.cli.doctor import _ask
from frontpay_async.sandbox import Sandbox
from tests.support.callbacks import SECRET, query, signed
from tests.support.command import MODULE, PATIENCE, frontpay, on_terminal, settings
from tests.support.processes import start
from tests.support.sandboxes import client_of
from tests.support.simulated_time import simulate
from tests.support.watching import world

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

pytestmark = pytest.mark.integration

GENUINE = query(signed())
NOWHERE = "http://127.0.0.1:9/api/v1/connect"


@pytest.fixture
def sandbox() -> Sandbox:
    return Sandbox()


@pytest.fixture
async def url(sandbox: Sandbox) -> AsyncIterator[str]:
    async with sandbox.serve() as base_url:
        yield base_url


# Doctor


async def test_the_doctor_finds_all_well_and_only_looks(sandbox: Sandbox, url: str) -> None:
    ended = await frontpay("doctor", "--json", env=settings(url))
    assert ended.status == 0
    assert {each["check"]: each["result"] for each in ended.objects} == dict.fromkeys(
        ("settings", "reachability", "clock", "token", "limit"), "ok"
    )
    assert "239 of 240 requests left" in ended.objects[-1]["detail"]
    assert sandbox.orders == {}
    assert {each.method for each in sandbox.requests} == {"GET"}


async def test_the_doctor_on_a_refused_token(url: str) -> None:
    ended = await frontpay("doctor", env=settings(url, token="wrong"))
    assert ended.status == 4
    assert "token\tfailed\t" in ended.out
    assert "clock\tok\t" in ended.out


async def test_the_doctor_on_a_dead_server() -> None:
    ended = await frontpay("doctor", "--timeout", "5", env=settings(NOWHERE))
    assert ended.status == 5
    assert "reachability\tfailed\tno response: the connection was refused" in ended.out
    assert "token\tskipped" in ended.out


async def test_the_doctor_on_a_used_up_limit() -> None:
    sandbox = Sandbox(rate_limit=1)
    async with sandbox.serve() as url:
        ended = await frontpay("doctor", env=settings(url))
    assert ended.status == 1
    assert "limit\tfailed\t0 of 1 requests left" in ended.out


def test_the_doctor_says_nothing_of_a_limit_that_it_was_not_told() -> None:
    """Where no answer came that can be read, the client's own count is a guess."""

    async def inside() -> None:
        async with world() as one:
            one.sandbox.fail("drop-before", operation="orders.get_status", times=None)
            token, limit = await _ask(one.client)
            assert (token.result, token.exit_status) == ("failed", 3)
            assert limit.result == "skipped"

    simulate(inside)


# Callbacks


@pytest.mark.parametrize("how", ["argument", "standard input", "URL"])
async def test_a_genuine_callback_is_shown(how: str) -> None:
    arguments = {"argument": [GENUINE], "standard input": [], "URL": [f"https://shop.example/?{GENUINE}"]}
    env = settings(FRONTPAY_CALLBACK_SECRET=SECRET)
    stdin = f"{GENUINE}\n" if how == "standard input" else ""
    ended = await frontpay(
        "callbacks", "verify", *arguments[how], "--any-age", "--json", env=env, stdin=stdin
    )
    assert ended.status == 0
    (said,) = ended.objects
    assert said["status"] == "PAID"
    assert "amount" in said["signed_fields"]


@pytest.mark.parametrize(
    ("secret", "arguments", "error"),
    [("another", ["--any-age"], "InvalidChecksumError"), (SECRET, [], "StaleCallbackError")],
)
async def test_a_callback_that_is_refused_is_1(secret: str, arguments: list[str], error: str) -> None:
    env = settings(FRONTPAY_CALLBACK_SECRET=secret)
    ended = await frontpay("callbacks", "verify", GENUINE, *arguments, "--json", env=env)
    assert (ended.status, ended.out) == (1, "")
    assert json.loads(ended.err)["error"] == error


async def test_the_callback_secret_is_asked_for_and_not_shown() -> None:
    arguments = ("callbacks", "verify", GENUINE, "--any-age")
    async with on_terminal(*arguments, env=settings()) as screen:
        await screen.until("Callback secret: ")
        screen.type(f"{SECRET}\n")
        assert await screen.ended() == 0
        await screen.until("genuine")
    assert SECRET not in screen.shown
    refused = await frontpay(*arguments, env=settings())
    assert (refused.status, "FRONTPAY_CALLBACK_SECRET" in refused.err) == (2, True)


async def test_no_callback_is_2() -> None:
    ended = await frontpay("callbacks", "verify", env=settings(FRONTPAY_CALLBACK_SECRET=SECRET))
    assert ended.status == 2


# Sandbox and demo


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[tuple[str, asyncio.Future[str]]]:
    """A program that a browser may be, and what it was to open."""
    opened: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def hear(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        opened.set_result((await reader.read()).decode())
        writer.close()

    program = tmp_path / "browser"
    program.write_text(
        f"#!{sys.executable}\nimport socket, sys\nheard = socket.socket(socket.AF_UNIX)\n"
        f"heard.connect({str(tmp_path / 'opened')!r})\nheard.sendall(sys.argv[1].encode())\n"
    )
    program.chmod(0o755)
    async with await asyncio.start_unix_server(hear, tmp_path / "opened"):
        yield str(program), opened


@pytest.mark.parametrize("as_json", [False, True])
async def test_the_sandbox_prints_its_url_opens_its_page_and_answers(
    browser: tuple[str, asyncio.Future[str]], as_json: bool
) -> None:
    program, opened = browser
    process = await start(
        MODULE,
        *("sandbox", "--port", "0", "--open", "--fault", "510-before@orders.list_statusesx1"),
        *(["--json"] if as_json else []),
        env=settings(token=None, FRONTPAY_SANDBOX_TOKEN="one-of-my-own", BROWSER=program),
    )
    try:
        assert process.stdout is not None
        line = (await process.stdout.readline()).decode().strip()
        url = json.loads(line)["base_url"] if as_json else line
        async with client_of(url, "one-of-my-own") as client:
            with pytest.raises(Exception, match="510"):
                await client.orders.list_statuses()
            assert await client.orders.list_statuses() == ()
        async with asyncio.timeout(PATIENCE):
            page = await opened
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(PATIENCE):
            _, err = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode == 0
    assert page == url.removesuffix("api/v1/connect")
    assert [url.encode() in err, f"the page: {page}".encode() in err] == [True, True]
    assert b"one-of-my-own" not in err


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["--fault", "flood"], 2, "unknown fault 'flood'"),
        (["--port", "65536"], 2, "65536"),
        (["--host", "192.0.2.1"], 1, "cannot listen on 192.0.2.1:8123"),
    ],
)
async def test_a_sandbox_that_cannot_run_says_why(arguments: list[str], status: int, message: str) -> None:
    ended = await frontpay("sandbox", *arguments, env=settings())
    assert (ended.status, ended.out) == (status, "")
    assert message in ended.err


async def test_the_demo_holds() -> None:
    """For a program; what it says to people is the other command's test."""
    told = await frontpay("demo", "--cardholder-after", "1", "-q", "--json", env=settings())
    assert (told.status, told.out, told.err) == (0, '{"held": true}\n', "")


@pytest.mark.parametrize("command", ["demo", "sandbox"])
async def test_without_the_extra_they_say_what_to_install(command: str) -> None:
    """As where starlette cannot be imported."""
    script = (
        "import sys; sys.modules['starlette'] = None; sys.modules['starlette.routing'] = None;"
        " from frontpay_async.cli.app import run; sys.exit(run(sys.argv[1:]))"
    )
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-c", script, command),
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await process.communicate()
    assert (process.returncode, out) == (1, b"")
    assert err == b"Error: this needs an extra: pip install 'frontpay_async[sandbox]'\n"
