"""The processes of one run: the server on its core, and one client's process for each contender."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import IO, Any, Final

from attrs import asdict, frozen

from benchmarks.common.measure import Load

ROOT: Final = Path(__file__).resolve().parents[2]
"""Where the package and the benchmarks lie."""

_KEPT = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "PATH", "PYTHONPATH", "TMPDIR", "VIRTUAL_ENV")


def environment() -> dict[str, str]:
    """Return a bare environment: no proxies, no SDK's own variables, no debugging of the interpreter."""
    return {name: os.environ[name] for name in _KEPT if name in os.environ}


def run_python(*arguments: str) -> str:
    """Run this interpreter to its end and return what it printed."""
    done = subprocess.run(  # noqa: S603 - our own interpreter and our own modules
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment(),
        check=True,
        capture_output=True,
        text=True,
        timeout=300,
    )
    return done.stdout


@contextmanager
def _started(*arguments: str) -> Iterator[tuple[IO[str], IO[str]]]:
    """Run this interpreter until the block ends: its stdin and its stdout."""
    with subprocess.Popen(  # noqa: S603 - our own interpreter and our own modules
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment(),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise TypeError(arguments)
        try:
            yield process.stdin, process.stdout
        finally:
            process.terminate()


@frozen
class Server:
    """The running server, controlled through its own paths."""

    port: int

    @property
    def origin(self) -> str:
        """Scheme, host and port."""
        return f"http://127.0.0.1:{self.port}"

    def reset(self, delay_ms: int) -> None:
        """Zero the counts and set the delay of answers."""
        self._get(f"/_reset?delay_ms={delay_ms}")

    def stats(self) -> Mapping[str, float]:
        """Return what it saw since the reset."""
        return self._get("/_stats")

    def _get(self, path: str) -> dict[str, float]:
        connection = HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path)
            counts: dict[str, float] = json.loads(connection.getresponse().read())
        finally:
            connection.close()
        return counts


@contextmanager
def server_on(core: int) -> Iterator[Server]:
    """Start the server on this core and stop it in the end."""
    with _started("-m", "benchmarks.transport.server", str(core)) as (_, output):
        yield Server(int(output.readline()))


@frozen
class Client:
    """The running client's process of one contender."""

    commands: IO[str]
    results: IO[str]

    def run(self, origin: str, load: Load) -> dict[str, Any]:
        """Run one cell and return its result; `failed` stands in it when there is none."""
        self.commands.write(json.dumps({"origin": origin, "load": asdict(load)}) + "\n")
        self.commands.flush()
        if not (line := self.results.readline()):
            return {"failed": "the client's process ended"}
        result: dict[str, Any] = json.loads(line)
        return result


@contextmanager
def client_of(name: str, core: int) -> Iterator[Client | None]:
    """Start a contender's process on this core and stop it in the end; None when it cannot be imported."""
    with _started("-m", "benchmarks.transport.worker", name, str(core)) as (commands, results):
        yield Client(commands, results) if results.readline() else None
