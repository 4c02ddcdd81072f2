"""Python programs in processes of their own that start in milliseconds.

A program that is run as ``python -m frontpay_async.cli`` spends half a second, and several times that under
coverage, on imports. Here it is forked from a server that has imported them. It is a real process all the
same: it has its own environment, file descriptors, controlling terminal, signals and exit status. What is
tested about imports (an extra that is missing) needs a process from scratch.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import multiprocessing
import os
import runpy
import signal
import sys
import traceback
from multiprocessing.reduction import DupFd
from pathlib import Path
from typing import TYPE_CHECKING, Any

from attrs import define

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["DEVNULL", "PIPE", "Program", "start"]

PIPE = asyncio.subprocess.PIPE
DEVNULL = asyncio.subprocess.DEVNULL
# What the programs import in any case, or as soon as they call the API.
PRELOADED = [
    "tests.support.processes",
    "frontpay_async.cli.app",
    "frontpay_async.cli.batch_progress",
    "frontpay_async.cli.signals",
    "frontpay_async.sandbox",
    "frontpay_async.batch",
    "anyio._backends._asyncio",
    "sqlalchemy.dialects.sqlite",
    "rich.progress",
    "uvicorn",
]
_CONTEXT = multiprocessing.get_context("forkserver")
_CONTEXT.set_forkserver_preload(PRELOADED)


@define(eq=False)
class Program:
    """A program that has started; has what is used of ``asyncio.subprocess.Process``."""

    process: Any
    stdin: asyncio.StreamWriter | None
    stdout: asyncio.StreamReader | None
    stderr: asyncio.StreamReader | None

    @property
    def pid(self) -> int:
        return int(self.process.pid)

    @property
    def returncode(self) -> int | None:
        code: int | None = self.process.exitcode
        return code

    async def wait(self) -> int:
        """Wait for its end; return the exit status, or the negative number of the signal."""
        if self.returncode is None:
            loop, ended = asyncio.get_running_loop(), asyncio.Event()
            loop.add_reader(self.process.sentinel, ended.set)
            try:
                await ended.wait()
            finally:
                loop.remove_reader(self.process.sentinel)
            self.process.join()
        code = self.returncode
        assert code is not None
        return code

    async def communicate(self, stdin: bytes = b"") -> tuple[bytes, bytes]:
        """Write to it, read all that it writes, and wait for its end."""
        if self.stdin is not None:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self.stdin.write(stdin)
                await self.stdin.drain()
            self.stdin.close()
        out, err = await asyncio.gather(_all_of(self.stdout), _all_of(self.stderr))
        await self.wait()
        return out, err

    def send_signal(self, number: int) -> None:
        if self.returncode is not None:
            raise ProcessLookupError(self.pid)
        os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


async def start(
    program: str | Path,
    *arguments: str | Path,
    env: Mapping[str, str],
    stdin: int = DEVNULL,
    stdout: int = PIPE,
    stderr: int = PIPE,
    on_terminal: bool = False,
) -> Program:
    """Start a module, by its name, or a script, by its path.

    Args:
        program: The module or script.
        arguments: What follows it on the command line.
        env: The whole environment.
        stdin: ``PIPE``, ``DEVNULL`` or a file descriptor.
        stdout: As ``stdin``.
        stderr: As ``stdin``.
        on_terminal: Whether the three are a terminal that becomes the controlling one.
    """
    ours: list[tuple[int, int] | None] = []
    theirs: list[int] = []
    closed: list[int] = []
    for number, asked in enumerate((stdin, stdout, stderr)):
        if asked == PIPE:
            reading, writing = os.pipe()
            mine, its = (writing, reading) if number == 0 else (reading, writing)
            ours.append((number, mine))
            closed.append(its)
        else:
            its = os.open(os.devnull, os.O_RDWR) if asked == DEVNULL else asked
            ours.append(None)
            closed += [its] if asked == DEVNULL else []
        theirs.append(its)
    process = _CONTEXT.Process(
        target=_run,
        args=([str(program), *map(str, arguments)], dict(env), Path.cwd()),
        kwargs={"on_terminal": on_terminal, "descriptors": [DupFd(each) for each in theirs]},
    )
    process.start()
    for each in closed:
        os.close(each)
    streams = [await _stream(*each) if each else None for each in ours]
    return Program(process, *streams)  # type: ignore[arg-type]


async def _stream(number: int, descriptor: int) -> asyncio.StreamReader | asyncio.StreamWriter:
    loop = asyncio.get_running_loop()
    file = os.fdopen(descriptor, "wb" if number == 0 else "rb", buffering=0)
    if number == 0:
        transport, protocol = await loop.connect_write_pipe(asyncio.streams.FlowControlMixin, file)
        return asyncio.StreamWriter(transport, protocol, None, loop)
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), file)
    return reader


async def _all_of(stream: asyncio.StreamReader | None) -> bytes:
    return b"" if stream is None else await stream.read()


def _run(
    argv: list[str], env: dict[str, str], folder: Path, *, on_terminal: bool, descriptors: list[Any]
) -> None:
    """Be the program: in the child, which the server has just forked."""
    received = [each.detach() for each in descriptors]
    if on_terminal:
        os.login_tty(received[0])
    else:
        for number, descriptor in enumerate(received):
            os.dup2(descriptor, number)
            os.close(descriptor)
    os.environ.clear()
    os.environ.update(env)
    os.chdir(folder)
    encoding = env.get("PYTHONIOENCODING", "utf-8")
    sys.stdin = open(0, encoding=encoding, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding=encoding, closefd=False)  # noqa: SIM115
    sys.stderr = open(  # noqa: SIM115
        2, "w", encoding=encoding, errors="backslashreplace", buffering=1, closefd=False
    )
    program = argv[0]
    sys.argv = argv
    try:
        if program.endswith(".py"):
            sys.path.insert(0, str(Path(program).parent))
            runpy.run_path(program, run_name="__main__")
        else:
            runpy.run_module(program, run_name="__main__", alter_sys=True)
    except KeyboardInterrupt:
        # As Python itself ends by it.
        traceback.print_exc()
        signal.signal(signal.SIGINT, signal.SIG_DFL)
        os.kill(os.getpid(), signal.SIGINT)
    finally:
        atexit._run_exitfuncs()
        with contextlib.suppress(OSError):
            sys.stdout.flush()
