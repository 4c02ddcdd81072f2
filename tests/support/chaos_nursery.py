"""Runner processes that start at once: ``python -m tests.support.chaos_nursery MODULE``.

Imports the module, and then forks a process for each ``{"start": index, "job": …, "log": path}`` on stdin,
in which ``MODULE.main(job)`` runs. So a runner that was killed is back within milliseconds, and not after a
second of imports and of making invoices. ``{"kill": index}`` is ``kill -9``. Tells ``born INDEX PID`` and
``died INDEX STATUS``.

One loop does it all: a signal only wakes it, so that nothing happens in the middle of something else.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import sys
import traceback
from importlib import import_module
from typing import TYPE_CHECKING, Any

from attrs import define, field

from tests.support.chaos_orders import invoices

if TYPE_CHECKING:
    from collections.abc import Callable


_LATE = ("anyio._backends._asyncio", "httpcore", "sqlalchemy.dialects.postgresql.psycopg", "sqlite3")
"""What a runner imports only when it needs it, which would be after each start."""
_MOST = 65_536


@define(eq=False)
class _Nursery:
    main: Callable[[dict[str, Any]], int]
    alive: dict[int, int] = field(factory=dict[int, int])
    """The process of each index."""

    def start(self, index: int, job: dict[str, Any], log: str) -> None:
        # Made here, for all children.
        invoices(job["count"], job["seed"])
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            self._live(job, log)
        self.alive[index] = pid
        print(f"born {index} {pid}", flush=True)  # noqa: T201 - read by the parent

    def _live(self, job: dict[str, Any], log: str) -> None:
        status = 1
        try:
            target = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
            os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
            os.dup2(target, 1)
            os.dup2(target, 2)
            status = self.main(job)
        except BaseException:  # noqa: BLE001 - the log tells, and the process ends
            traceback.print_exc()
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def kill(self, index: int) -> None:
        """Kill the process of an index, if it has not been waited for."""
        if index in self.alive:
            os.kill(self.alive[index], signal.SIGKILL)

    def bury(self) -> None:
        """Wait for those that have ended."""
        for index, pid in list(self.alive.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                del self.alive[index]
                print(f"died {index} {os.waitstatus_to_exitcode(status)}", flush=True)  # noqa: T201 - as above

    def obey(self, line: bytes) -> None:
        command = json.loads(line)
        if "kill" in command:
            self.kill(command["kill"])
        else:
            self.start(command["start"], command["job"], command["log"])

    def run(self) -> None:
        """Obey stdin, and tell of deaths, until stdin ends."""
        woken, waking = os.pipe()
        os.set_blocking(waking, False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.set_wakeup_fd(waking, warn_on_full_buffer=False)
        commands = b""
        while True:
            ready, _, _ = select.select([0, woken], [], [])
            if woken in ready:
                os.read(woken, _MOST)
                self.bury()
            if 0 in ready:
                received = os.read(0, _MOST)
                if not received:
                    break
                *lines, commands = (commands + received).split(b"\n")
                for line in lines:
                    self.obey(line)
        for index in list(self.alive):
            self.kill(index)


def _main(module: str) -> None:
    nursery = _Nursery(import_module(module).main)
    for name in _LATE:
        with contextlib.suppress(ImportError):
            import_module(name)
    nursery.run()


if __name__ == "__main__":
    _main(sys.argv[1])
