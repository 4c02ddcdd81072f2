"""The examples, as a reader has them: loaded from their files, served, or run as commands."""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio
import anyio.lowlevel
import httpx

from frontpay_async.sandbox import DEFAULT_TOKEN
from tests.support.callbacks import served
from tests.support.command import PATIENCE, Ended, settings
from tests.support.processes import Program, start

if TYPE_CHECKING:
    import socket
    from collections.abc import AsyncGenerator, Callable
    from types import ModuleType

    import pytest

    from frontpay_async.sandbox import Sandbox

__all__ = ["EXAMPLES", "ended", "load", "open_shop", "started", "until"]

EXAMPLES = Path(__file__).parents[2] / "examples"


def load(
    name: str, monkeypatch: pytest.MonkeyPatch, *, folder: Path = EXAMPLES, **changes: Any
) -> ModuleType:
    """Import an example, and change its constants."""
    spec = importlib.util.spec_from_file_location(name, folder / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    # Where pydantic and dataclasses look for the names in annotations.
    monkeypatch.setitem(sys.modules, spec.name, module)
    spec.loader.exec_module(module)
    for constant, value in changes.items():
        monkeypatch.setattr(module, constant, value)
    return module


@contextlib.asynccontextmanager
async def open_shop(
    example: ModuleType,
    sandbox: Sandbox,
    monkeypatch: pytest.MonkeyPatch,
    listener: socket.socket | None = None,
) -> AsyncGenerator[httpx.AsyncClient]:
    """Serve the sandbox and an example's app; yields a client of the app."""
    monkeypatch.setenv("FRONTPAY_TOKEN", DEFAULT_TOKEN)
    async with sandbox.serve() as base_url:
        monkeypatch.setenv("FRONTPAY_BASE_URL", base_url)
        async with (
            served(example.create_app(), listener) as url,
            httpx.AsyncClient(base_url=url, trust_env=False, timeout=PATIENCE) as shop,
        ):
            yield shop


@contextlib.asynccontextmanager
async def started(
    name: str, *arguments: str | Path, base_url: str, **variables: str
) -> AsyncGenerator[Program]:
    """Run an example as a command; it is killed with the block."""
    process = await start(EXAMPLES / f"{name}.py", *arguments, env=settings(base_url, **variables))
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.communicate()


async def ended(process: Program) -> Ended:
    """Wait for a command's end."""
    async with asyncio.timeout(PATIENCE):
        out, err = await process.communicate()
    assert process.returncode is not None
    return Ended(process.returncode, out.decode(), err.decode())


async def until(happened: Callable[[], object]) -> None:
    """Give way to the others until something has happened."""
    with anyio.fail_after(PATIENCE):
        while not happened():
            await anyio.lowlevel.checkpoint()
