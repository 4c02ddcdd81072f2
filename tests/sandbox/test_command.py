"""``python -m frontpay_async.sandbox``: a process of its own, its arguments, and its end."""

from __future__ import annotations

import signal
import socket
import subprocess
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import anyio
import httpx
import pytest
from starlette.applications import Starlette

from frontpay_async import (
    AuthenticationError,
    FrontPayClient,
    OutcomeUnknownError,
    PaymentStatus,
    RateLimitedError,
    ServerError,
)
from frontpay_async.callbacks import Callback, CallbackGuard, sign_callback_url
from frontpay_async.callbacks.starlette import callback_route
from frontpay_async.cli.sandbox import sandbox as frontpay_sandbox
from frontpay_async.sandbox import Sandbox, __main__ as cli
from frontpay_async.sandbox.command import build
from tests.support.builders import invoice, payment_link
from tests.support.callbacks import SECRET, served
from tests.support.sandboxes import client_of, raw_client, terminal_order, waiting

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.integration

# A process that does not come up or go down is killed after this.
PATIENCE = 30


@contextmanager
def running(*arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Run the command on a free port; yields the process and the line that it printed."""
    process = subprocess.Popen(  # noqa: S603 - our own module
        [sys.executable, "-m", "frontpay_async.sandbox", "--port", "0", "--quiet", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate(timeout=PATIENCE)


async def test_it_prints_its_url_answers_and_ends_on_ctrl_c() -> None:
    """The URL stands alone on its line; the end is clean although an answer is still due."""
    lost: list[OutcomeUnknownError] = []

    async def ask(client: FrontPayClient) -> None:
        try:
            await client.orders.list_statuses()
        except OutcomeUnknownError as error:
            lost.append(error)

    with running("--fault", "latency:600@orders.list_statuses") as (process, base_url):
        assert base_url.startswith("http://127.0.0.1:")
        seen = base_url.replace("/api/v1/connect", "/_sandbox/requests")
        async with client_of(base_url) as client, httpx.AsyncClient(trust_env=False) as look:
            uuid = (await client.orders.send_invoice(invoice())).order_uuid
            assert (await client.orders.get_status(uuid)).status == "INVOICED"
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(ask, client)
                while len((await look.get(seen)).json()) < 3:
                    pass
                process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, out, err) == (0, "", "")
    assert len(lost) == 1


async def test_it_calls_back_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTPAY_SANDBOX_CALLBACK_SECRET", SECRET)
    handled: list[Callback] = []
    news = anyio.Event()

    def handle(callback: Callback) -> None:
        handled.append(callback)
        news.set()

    app = Starlette(routes=[callback_route(CallbackGuard(SECRET), handle, path="/cb")])
    async with served(app) as origin:
        with running("--cardholder-after", "0.01") as (_, base_url):
            async with client_of(base_url) as client:
                url = sign_callback_url(f"{origin}/cb", "B-1", SECRET)
                await client.terminals.create_order(terminal_order(callback_url=url))
                await news.wait()
                link = payment_link(callback_url=f"{origin}/cb")
                uuid = (await client.orders.send_payment_link(link)).order_uuid
                news = anyio.Event()
                await client.orders.cancel(uuid, note="a mistake")
                await news.wait()
    assert [callback.order_reference for callback in handled] == ["B-1", None]


async def test_its_arguments_decide_how_it_behaves(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FRONTPAY_SANDBOX_TOKEN", "my-own-token")
    arguments = ["--cardholder", "declines", "--cardholder-after", "0", "--rate-limit", "6"]
    arguments += ["--fault", "500-before@orders.list*", "--fault", "502-after@orders.send_invoice"]
    with running(*arguments) as (process, base_url):
        async with client_of(base_url) as stranger:
            with pytest.raises(AuthenticationError):
                await stranger.orders.list_statuses()
        async with client_of(base_url, "my-own-token") as client:
            with pytest.raises(ServerError, match="500"):
                await client.orders.list_statuses()
            with pytest.raises(ServerError, match="502"):
                await client.orders.send_invoice(invoice())
            assert len(await client.orders.list_statuses()) == 1
            uuid = await waiting(client)
            assert await client.terminals.get_payment_status(uuid) is PaymentStatus.CANCELLED
            await client.orders.get_status(uuid)
            with pytest.raises(RateLimitedError):
                await client.orders.get_status(uuid)
        process.terminate()
        _, err = process.communicate(timeout=PATIENCE)
    assert (process.returncode, err) == (-signal.SIGTERM, "")


async def in_process(*arguments: str) -> Sandbox:
    """Return the sandbox that arguments describe."""
    return build(cli._command.make_context("sandbox", list(arguments)).params)


async def test_random_faults_are_seeded() -> None:
    async def struck(seed: str) -> list[int]:
        sandbox = await in_process(
            "--random-fault", "510-before=0.3", "--random-fault", "500-after=0.3", "--seed", seed
        )
        async with raw_client(sandbox) as raw:
            return [(await raw.get("orders/status")).status_code for _ in range(50)]

    assert await struck("1") == await struck("1") != await struck("2")
    assert set(await struck("1")) == {404, 500, 510}


async def test_a_cardholder_may_wait_to_be_told() -> None:
    sandbox = await in_process("--cardholder", "waits")
    async with sandbox.client() as client:
        assert not (await client.terminals.get_payment_status(await waiting(client))).is_final


async def test_a_rate_limit_of_nothing_is_none() -> None:
    async with raw_client(await in_process("--rate-limit", "0")) as raw:
        assert "x-ratelimit-limit" not in (await raw.get("orders/status")).headers


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--fault", "flood"], "unknown fault 'flood'"),
        (["--fault", "busy@@"], "matches no operation like '@'"),
        (["--fault", "busy@orders.*"], "matches no operation"),
        (["--fault", "latency"], "latency and drip require seconds"),
        (["--random-fault", "510-after"], "KIND=RATE"),
        (["--random-fault", "510-after=often"], "KIND=RATE"),
        (["--random-fault", "510-after=2"], "between 0 and 1"),
        (["--random-fault", "latency=0.5"], "latency and drip require seconds"),
        (["--port", "http"], "'http' is not a valid integer range"),
        (["--port", "65536"], "0<=x<=65535"),
        (["--port", "-1"], "0<=x<=65535"),
        (["--rate-limit", "-1"], "x>=0"),
        (["--rate-window", "0"], "rate_window must be more than 0"),
        (["--rate-window", "nan"], "not a number of seconds"),
        (["--cardholder", "runs"], "is not one of"),
        (["--cardholder-after", "-1"], "is not in the range"),
        (["--speed", "11"], "No such option '--speed'"),
    ],
)
def test_bad_arguments_are_told_on_a_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    assert cli.main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert message in err.splitlines()[-1]


def test_a_port_that_is_taken_is_told_on_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert cli.main(["--port", str(port)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.startswith(f"Error: cannot listen on 127.0.0.1:{port}: ")
    assert err.count("\n") == 1


def test_a_host_that_is_not_ours_is_told_on_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    # TEST-NET-1: no machine has this address.
    assert cli.main(["--host", "192.0.2.1", "--port", "0"]) == 1
    assert capsys.readouterr().err.startswith("Error: cannot listen on 192.0.2.1:0: ")


def test_both_commands_take_the_same_options() -> None:
    one, other = (
        {name for each in command.params for name in each.opts}
        for command in (cli._command, frontpay_sandbox)
    )
    assert one == other
    assert cli._command.help == frontpay_sandbox.help


def test_help_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["--help"]) == 0
    assert "--allow-host" in capsys.readouterr().out


def test_listening_for_other_machines_is_warned_of() -> None:
    """Even with --quiet: whoever reaches the sandbox can read and decide."""
    with running("--host", "0.0.0.0") as (process, base_url):  # noqa: S104 - the warning is the point
        assert base_url.startswith("http://0.0.0.0:")
        assert process.stderr is not None
        assert "warning: 0.0.0.0 is reachable from other machines" in process.stderr.readline()


async def test_a_name_may_be_allowed() -> None:
    sandbox = await in_process("--allow-host", "sandbox")
    async with raw_client(sandbox) as raw:
        assert (await raw.get("orders/status", headers={"host": "sandbox:8123"})).status_code == 404
        assert (await raw.get("orders/status", headers={"host": "other:8123"})).status_code == 403
