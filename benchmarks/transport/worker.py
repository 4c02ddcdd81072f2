"""The client's process of one contender: `python -m benchmarks.transport.worker NAME CORE`.

It imports its one client, then forks a child for each cell that it is told to run. So each cell starts from
the same state (no pool, no heap and no garbage left by the cell before), no client pays for what another
has imported, and an import is paid once and not per cell. The child writes its result and exits without
tidying up: a client whose pool has collapsed can take very long to close. A child that does not come back
in time is ended by its alarm.

Commands and results are lines of JSON on stdin and stdout.
"""

import asyncio
import json
import os
import signal
import sys

from attrs import asdict

from benchmarks.common.machine import pin
from benchmarks.common.measure import Load, measure
from benchmarks.transport.contenders import Opener, contender


def _child(opener: Opener, origin: str, load: Load, pipe: int) -> None:
    signal.alarm(load.limit)
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        call = loop.run_until_complete(opener(origin))
        result = asdict(loop.run_until_complete(measure(call, load)))
    except Exception as error:  # noqa: BLE001 - told to the parent, which shows it as the cell's result
        result = {"failed": f"{type(error).__name__}: {error}"}
    os.write(pipe, json.dumps(result).encode())
    os._exit(0)


def _run(opener: Opener, origin: str, load: Load) -> dict[str, object]:
    reader, writer = os.pipe()
    if (process := os.fork()) == 0:
        os.close(reader)
        _child(opener, origin, load, writer)
    os.close(writer)
    with os.fdopen(reader, "rb") as pipe:
        answer = pipe.read()
    os.waitpid(process, 0)
    if not answer:
        return {"failed": f"no result within {load.limit} s"}
    result: dict[str, object] = json.loads(answer)
    return result


def _main(name: str, core: int) -> None:
    pin(core)
    opener = contender(name).load()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    for line in sys.stdin:
        command = json.loads(line)
        result = _run(opener, command["origin"], Load(**command["load"]))
        sys.stdout.write(json.dumps(result) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    _main(sys.argv[1], int(sys.argv[2]))
