"""Runner processes that start at once: ``python -m tests.chaos_nursery MODULE``.

Imports the module, and then forks a process for each ``{"start": index, "job": …, "log": path}`` on stdin,
in which ``MODULE.main(job)`` runs. So a runner that was killed is back within milliseconds, and not after a
second of imports and of making invoices. ``{"kill": index}`` is ``kill -9``. Tells ``born INDEX PID`` and
``died INDEX STATUS``.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import traceback
from importlib import import_module
from typing import TYPE_CHECKING, Any

from attrs import define, field

from tests.chaos_orders import invoices

if TYPE_CHECKING:
    from collections.abc import Callable


_LATE = ("anyio._backends._asyncio", "httpcore", "sqlalchemy.dialects.postgresql.psycopg", "sqlite3")
"""What a runner imports only when it needs it, which would be after each start."""


@define(eq=False)
class _Nursery:
    main: Callable[[dict[str, Any]], int]
    alive: dict[int, int] = field(factory=dict[int, int])
    """The process of each index."""

    def start(self, index: int, job: dict[str, Any], log: str) -> None:
        # Made here, for all children.
        invoices(job["count"], job["seed"])
        # Its death is not to be told before its birth.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        pid = os.fork()
        if pid == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})
            self._live(job, log)
        self.alive[index] = pid
        _tell(f"born {index} {pid}")
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})

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
        # Not waited for in between: its number might be another's.
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGCHLD})
        if index in self.alive:
            os.kill(self.alive[index], signal.SIGKILL)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGCHLD})

    def bury(self, *_: object) -> None:
        """Wait for those that have ended."""
        for index, pid in list(self.alive.items()):
            ended, status = os.waitpid(pid, os.WNOHANG)
            if ended:
                del self.alive[index]
                _tell(f"died {index} {os.waitstatus_to_exitcode(status)}")


def _tell(line: str) -> None:
    # Not through a buffer: this may be within a signal's handler.
    os.write(1, f"{line}\n".encode())


def _main(module: str) -> None:
    nursery = _Nursery(import_module(module).main)
    for name in _LATE:
        with contextlib.suppress(ImportError):
            import_module(name)
    signal.signal(signal.SIGCHLD, nursery.bury)
    for line in sys.stdin:
        command = json.loads(line)
        if "kill" in command:
            nursery.kill(command["kill"])
        else:
            nursery.start(command["start"], command["job"], command["log"])
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for index in list(nursery.alive):
        nursery.kill(index)


if __name__ == "__main__":
    _main(sys.argv[1])
