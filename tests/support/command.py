"""The ``frontpay`` command as a process: with pipes, or on a pseudo-terminal."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import pty
import signal
import sys
from typing import TYPE_CHECKING, Any, Protocol

import pytest
from attrs import define, field, frozen

from frontpay_async.sandbox import DEFAULT_TERMINAL, DEFAULT_TOKEN
from tests.support import builders
from tests.support.processes import PIPE, Program, start

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping

__all__ = [
    "PATIENCE",
    "Ended",
    "Here",
    "Screen",
    "frontpay",
    "here",
    "in_process",
    "on_terminal",
    "order_json",
    "session_json",
    "settings",
]

# What does not come within this many seconds does not come.
PATIENCE = 60
MODULE = "frontpay_async.cli"
COMMAND = (sys.executable, "-m", MODULE)


def settings(base_url: str | None = None, token: str | None = DEFAULT_TOKEN, **more: str) -> dict[str, str]:
    """Return the environment of a command."""
    variables = {name: value for name, value in os.environ.items() if not name.startswith("FRONTPAY_")}
    # A plain terminal of 100 columns, whatever the tests run on.
    for name in ("NO_COLOR", "FORCE_COLOR", "PYTHONIOENCODING"):
        variables.pop(name, None)
    variables |= {"TERM": "xterm", "COLUMNS": "100", "PYTHONUTF8": "1"}
    if base_url is not None:
        variables["FRONTPAY_BASE_URL"] = base_url
    if token is not None:
        variables["FRONTPAY_TOKEN"] = token
    return variables | more


@frozen
class Ended:
    """A command that has ended."""

    status: int
    out: str
    err: str

    @property
    def objects(self) -> list[dict[str, Any]]:
        """The results of ``--json``."""
        return [json.loads(line) for line in self.out.splitlines()]


async def frontpay(*arguments: str, env: Mapping[str, str], stdin: str = "") -> Ended:
    """Run a command with pipes, to its end."""
    process = await start(MODULE, *arguments, env=env, stdin=PIPE)
    try:
        async with asyncio.timeout(PATIENCE):
            out, err = await process.communicate(stdin.encode())
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


class Here(Protocol):
    """Run a command in this process, to its end."""

    def __call__(self, *arguments: str, env: Mapping[str, str]) -> Ended: ...


def in_process(
    *arguments: str,
    env: Mapping[str, str],
    patch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Ended:
    """Run a command that ends before it needs an event loop, without the half second of a process."""
    from frontpay_async.cli.app import run  # noqa: PLC0415 - it needs an extra

    for name in os.environ.keys() - env.keys():
        patch.delenv(name)
    for name, value in env.items():
        patch.setenv(name, value)
    status = run(arguments)
    out, err = capsys.readouterr()
    return Ended(status, out, err)


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Here:
    """Run commands in this process."""
    return lambda *arguments, env: in_process(*arguments, env=env, patch=monkeypatch, capsys=capsys)


@define(eq=False)
class Screen:
    """A pseudo-terminal with a command on it."""

    process: Program
    master: int
    shown: str = ""
    _news: asyncio.Event = field(factory=asyncio.Event)

    def _read(self) -> None:
        try:
            piece = os.read(self.master, 65536)
        except OSError:
            # The command has ended: Linux tells so by an error.
            piece = b""
        if piece:
            self.shown += piece.decode()
        else:
            asyncio.get_running_loop().remove_reader(self.master)
        self._news.set()

    async def until(self, text: str) -> None:
        """Wait until a text is shown."""
        async with asyncio.timeout(PATIENCE):
            while text not in self.shown:
                self._news.clear()
                await self._news.wait()

    async def till(self, happened: Callable[[], object]) -> None:
        """Wait until something has happened that nothing announces."""
        async with asyncio.timeout(PATIENCE):
            while not happened():  # noqa: ASYNC110 - it is in another process
                await asyncio.sleep(0.02)

    def type(self, text: str) -> None:
        """Press keys."""
        os.write(self.master, text.encode())

    async def interrupted(self) -> int:
        """Press Ctrl-C at a prompt; return the exit status.

        Once more where it came between the prompt and the reading of it: Python then only takes note.
        """
        async with asyncio.timeout(PATIENCE):
            while self.process.returncode is None:
                self.type("\x03")
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(5):
                        await self.process.wait()
        return self.process.returncode

    async def ended(self) -> int:
        """Wait for the end; return the exit status."""
        async with asyncio.timeout(PATIENCE):
            return await self.process.wait()


@contextlib.asynccontextmanager
async def on_terminal(*arguments: str, env: Mapping[str, str]) -> AsyncIterator[Screen]:
    """Run a command on a pseudo-terminal of its own."""
    master, slave = pty.openpty()
    # Its controlling terminal, so that Ctrl-C arrives and getpass finds it.
    process = await start(
        MODULE, *arguments, env=env, stdin=slave, stdout=slave, stderr=slave, on_terminal=True
    )
    os.close(slave)
    screen = Screen(process, master)
    loop = asyncio.get_running_loop()
    loop.add_reader(master, screen._read)
    try:
        yield screen
    finally:
        loop.remove_reader(master)
        os.close(master)
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGKILL)
        await process.wait()


def order_json(**fields: Any) -> str:
    """A terminal order of 102.00 as a file has it."""
    customer = builders.customer()
    order = {
        "products": [{"name": "Hårvask", "quantity": 2, "rate": "51.00", "tax": 25}],
        "customer": {
            "name": customer.name,
            "type": "private",
            "country_code": customer.country_code,
            "msisdn": customer.msisdn,
            "email": customer.email,
            "address": {"street": builders.STREET, "zip": "0155", "city": "Oslo", "country": "NO"},
        },
        "terminal_uuid": DEFAULT_TERMINAL,
    }
    return json.dumps({**order, **fields})


def session_json(**fields: Any) -> str:
    """What all creations beyond the terminal's take, as a file has it: 102.00 on one line of quantity 1."""
    order = json.loads(order_json())
    order["products"] = [{"name": "Hårvask", "rate": "102.00", "tax": 25}]
    order["customer"] |= {"preferred_language": "no"}
    del order["terminal_uuid"]
    return json.dumps({**order, **fields})
